/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is left of root's power once everything is set up.
 */
#ifndef VIRTMESH_BROKER_SANDBOX_H
#define VIRTMESH_BROKER_SANDBOX_H

struct sandbox_call {
	int nr;
};

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
 * Drop all capabilities, for good, and every system call that no file declares:
 * such a call ends the process with SIGSYS. Returns 0 or -errno, logged.
 */
int sandbox_enter(void);

#endif /* VIRTMESH_BROKER_SANDBOX_H */
