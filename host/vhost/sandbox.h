/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a port is left with once everything is set up: one VM's memory, its tap,
 * its sockets; no privilege and no way to any.
 */
#ifndef VIRTMESH_VHOST_SANDBOX_H
#define VIRTMESH_VHOST_SANDBOX_H

#include <stdbool.h>
#include <sys/types.h>

#include "../calls.h"

/* Keep sorted; sandbox.c has the same list. */
extern const struct sandbox_calls connection_calls;
extern const struct sandbox_calls device_calls;
extern const struct sandbox_calls memory_calls;
extern const struct sandbox_calls message_calls;
extern const struct sandbox_calls request_calls;
extern const struct sandbox_calls saved_calls;
extern const struct sandbox_calls store_calls;
extern const struct sandbox_calls vm_loop_calls;
extern const struct sandbox_calls vm_mover_calls;
extern const struct sandbox_calls vm_relay_calls;
extern const struct sandbox_calls vm_vhost_calls;

struct vm_sandbox {
	uid_t uid; /* who to become; as root only */
	gid_t gid;
	/*
	 * The one directory that stays visible, as VM_SANDBOX_DIR: where the
	 * front-end's socket is. NULL: none.
	 */
	const char *dir;
	bool dir_kept; /* set: it is VM_SANDBOX_DIR now; else paths are as before */
};

#define VM_SANDBOX_DIR "/socket"

/*
 * Drop, in this order: the sight of the file system, the user, all capabilities,
 * the way back, every system call that no file declares: such a call ends the
 * process with SIGSYS. What cannot be had (mounts, for who is not root) is
 * logged and done without, the rest is an error: -errno, logged.
 */
int vm_sandbox_enter(struct vm_sandbox *box);

#endif /* VIRTMESH_VHOST_SANDBOX_H */
