/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What main.c hands to the verbs, and what they hand back.
 *
 * A verb returns 0 or -errno. Whoever finds the cause of an error explains it
 * on stderr (vm_err), with what to do about it; callers above only pass it on.
 * main.c makes the exit status of the number: see vm_exit_status().
 */
#ifndef VIRTMESH_HOST_CMD_H
#define VIRTMESH_HOST_CMD_H

#include <stdbool.h>
#include <sys/types.h>

enum vm_exit {
	VM_EXIT_OK = 0,
	VM_EXIT_FAILED = 1, /* refused, or failed: nothing was changed */
	VM_EXIT_USAGE = 2,
	VM_EXIT_ABSENT = 3, /* no state, or not that ensemble, port, interface, broker */
	VM_EXIT_PRIVILEGE = 4,
};

/* Options that were given; what was not is 0 or NULL. */
struct vm_args {
	const char *name; /* NAME or IFNAME */
	unsigned int ensemble;
	unsigned int node;
	unsigned int mtu;
	uid_t owner; /* root, if not owner_given */
	bool owner_given;
	bool json;
	bool follow;
	bool verbose;
};

int vm_exit_status(int err);

/* One each, in the file of its name. */
int vm_cmd_attach(const struct vm_args *args); /* attach.c */
int vm_cmd_detach(const struct vm_args *args);
int vm_cmd_doctor(const struct vm_args *args);
int vm_cmd_drops(const struct vm_args *args);
int vm_cmd_ensemble_add(const struct vm_args *args); /* ensemble.c */
int vm_cmd_ensemble_del(const struct vm_args *args);
int vm_cmd_ensemble_list(const struct vm_args *args);
int vm_cmd_nodes(const struct vm_args *args);
int vm_cmd_port_add(const struct vm_args *args); /* port.c */
int vm_cmd_port_del(const struct vm_args *args);
int vm_cmd_qemu_args(const struct vm_args *args); /* qemu_args.c */
int vm_cmd_show(const struct vm_args *args);

#endif /* VIRTMESH_HOST_CMD_H */
