/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a port is left with once everything is set up: one VM's memory, its tap,
 * its sockets; no privilege and no way to any.
 */
#ifndef VIRTMESH_VHOST_SANDBOX_H
#define VIRTMESH_VHOST_SANDBOX_H

#include <stdbool.h>
#include <sys/types.h>

struct sandbox_call {
	int nr;
	int arg; /* only if this argument, of those counted from 0, .. -1: always */
	unsigned int mask;
	unsigned int value; /* .. has this value in these of its low 32 bits */
};

#define SANDBOX_CALL(name)               \
	{                                \
		SCMP_SYS(name), -1, 0, 0 \
	}
#define SANDBOX_CALL_ARG(name, arg, value)             \
	{                                              \
		SCMP_SYS(name), arg, 0xffffffff, value \
	}

#define SANDBOX_CALL_NOT(name, arg, bits)    \
	{                                    \
		SCMP_SYS(name), arg, bits, 0 \
	}
/* Never memory that can be executed. Needs <sys/mman.h>. */
#define SANDBOX_CALL_MMAP SANDBOX_CALL_NOT(mmap, 2, PROT_EXEC)

/* The system calls one file makes after vm_sandbox_enter(); declared at its top. */
struct sandbox_calls {
	const struct sandbox_call *call;
	unsigned int count;
};

#define SANDBOX_CALLS(name, ...)                                          \
	static const struct sandbox_call name##_list[] = { __VA_ARGS__ }; \
	const struct sandbox_calls name = { name##_list,                  \
					    sizeof(name##_list) / sizeof(struct sandbox_call) }

/* Keep sorted; sandbox.c has the same list. */
extern const struct sandbox_calls connection_calls;
extern const struct sandbox_calls device_calls;
extern const struct sandbox_calls memory_calls;
extern const struct sandbox_calls message_calls;
extern const struct sandbox_calls request_calls;
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
