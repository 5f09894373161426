// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <seccomp.h>
#include <string.h>
#include <unistd.h>

#include "calls.h"
#include "log.h"

static int allow(scmp_filter_ctx ctx, const struct sandbox_call *call)
{
	unsigned int pid = getpid();
	int err;

	if (call->arg < 0)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call->nr, 0);
	else if (call->self)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call->nr, 3,
				       SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, 0xffffffff, pid),
				       SCMP_CMP64(1, SCMP_CMP_MASKED_EQ, 0xffffffff, pid),
				       SCMP_CMP64(call->arg, SCMP_CMP_MASKED_EQ, call->mask,
						  call->value));
	else
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call->nr, 1,
				       SCMP_CMP64(call->arg, SCMP_CMP_MASKED_EQ, call->mask,
						  call->value));
	/* Declared by two files; or a call this architecture has under another name only. */
	return err == -EEXIST || err == -EDOM ? 0 : err;
}

int sandbox_filter(const struct sandbox_calls *const *lists, unsigned int n)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int err = ctx ? 0 : -ENOMEM;

	for (unsigned int i = 0; !err && i < n; i++)
		for (unsigned int j = 0; !err && j < lists[i]->count; j++)
			err = allow(ctx, &lists[i]->call[j]);
	if (!err)
		err = seccomp_load(ctx);
	seccomp_release(ctx);
	if (err)
		vm_err("event=start error=\"seccomp: %s\"", strerror(-err));
	return err;
}
