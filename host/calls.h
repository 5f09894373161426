/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The system calls that a daemon has left, as its files declare them: calls.c makes
 * a filter of them. What is used of SANDBOX_CALL() needs <seccomp.h>.
 */
#ifndef VIRTMESH_HOST_CALLS_H
#define VIRTMESH_HOST_CALLS_H

struct sandbox_call {
	int nr;
	int arg; /* only if this argument, of those counted from 0, .. -1: always */
	unsigned int mask;
	unsigned int value; /* .. has this value in these of its low 32 bits */
	int self; /* and only if arguments 0 and 1 are the pid of who loads the filter */
};

#define SANDBOX_CALL(name)                  \
	{                                   \
		SCMP_SYS(name), -1, 0, 0, 0 \
	}
#define SANDBOX_CALL_ARG(name, arg, value)                \
	{                                                 \
		SCMP_SYS(name), arg, 0xffffffff, value, 0 \
	}
#define SANDBOX_CALL_NOT(name, arg, bits)       \
	{                                       \
		SCMP_SYS(name), arg, bits, 0, 0 \
	}
/* A call about two processes: of ourselves alone. */
#define SANDBOX_CALL_SELF(name, arg, value)               \
	{                                                 \
		SCMP_SYS(name), arg, 0xffffffff, value, 1 \
	}
/* What the C library makes of poll(): ppoll where a kernel has no other, as on arm64. */
#define SANDBOX_CALL_POLL SANDBOX_CALL(poll), SANDBOX_CALL(ppoll)
/* Never memory that can be executed. Needs <sys/mman.h>. */
#define SANDBOX_CALL_MMAP SANDBOX_CALL_NOT(mmap, 2, PROT_EXEC)

/* Those that one file makes once the filter is loaded; declared at its top. */
struct sandbox_calls {
	const struct sandbox_call *call;
	unsigned int count;
};

#define SANDBOX_CALLS(name, ...)                                          \
	static const struct sandbox_call name##_list[] = { __VA_ARGS__ }; \
	const struct sandbox_calls name = { name##_list,                  \
					    sizeof(name##_list) / sizeof(struct sandbox_call) }

/*
 * From here on a call in none of the @n lists ends the process with SIGSYS.
 * 0 or -errno, logged.
 */
int sandbox_filter(const struct sandbox_calls *const *lists, unsigned int n);

#endif /* VIRTMESH_HOST_CALLS_H */
