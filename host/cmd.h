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
	VM_EXIT_FAILED = 1, /* refused, or failed: nothing was changed; or nobody could be told */
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
	gid_t group; /* (gid_t)-1 if not given */
	bool vhost_user;
	const char *memory; /* a size as QEMU takes it */
	bool listen;
	bool json;
	bool follow;
	bool loss_given;
	unsigned int loss; /* of VM_FAULT_SCALE */
	unsigned long long seed; /* 1 if not given */
	const char *through; /* IFNAME */
	bool off;
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
int vm_cmd_ensemble_faults(const struct vm_args *args); /* ensemble_faults.c */
int vm_cmd_ensemble_list(const struct vm_args *args);
int vm_cmd_nodes(const struct vm_args *args);
int vm_cmd_port_add(const struct vm_args *args); /* port.c */
int vm_cmd_port_del(const struct vm_args *args);
int vm_cmd_qemu_args(const struct vm_args *args); /* qemu_args.c */
int vm_cmd_show(const struct vm_args *args);
int vm_cmd_uml_args(const struct vm_args *args); /* qemu_args.c */

#endif /* VIRTMESH_HOST_CMD_H */
