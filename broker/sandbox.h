/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is left of root's power once everything is set up.
 */
#ifndef VIRTMESH_BROKER_SANDBOX_H
#define VIRTMESH_BROKER_SANDBOX_H

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

/* The system calls one file makes after sandbox_enter(); declared at its top. */
struct sandbox_calls {
	const struct sandbox_call *call;
	unsigned int count;
};

#define SANDBOX_CALLS(name, ...)                                          \
	static const struct sandbox_call name##_list[] = { __VA_ARGS__ }; \
	const struct sandbox_calls name = { name##_list,                  \
					    sizeof(name##_list) / sizeof(struct sandbox_call) }

/*
 * Drop all capabilities but CAP_NET_ADMIN, for good, and every system call that no file declares:
 * such a call ends the process with SIGSYS. Returns 0 or -errno, logged.
 */
int sandbox_enter(void);

#endif /* VIRTMESH_BROKER_SANDBOX_H */
