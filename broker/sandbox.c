// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * The broker starts as root: it makes the socket's directory, registers buffers
 * and opens vmesh0. Then it drops, in this order,
 *
 * 1. every capability but one, and all out of the bounding set. Map entries are
 *    read and written through pins that root's uid owns, and root owns vmesh0.
 *    (Only creating maps, programs or interfaces would need more; that is the
 *    command's.) CAP_NET_ADMIN stays for the taps of others that ports ask for.
 *    What it is good for is up to the list of calls below: opening taps; no
 *    netlink, no ioctl that changes an interface.
 * 2. the way back (no_new_privs),
 * 3. every system call that is not declared in one of the lists below.
 *
 * seccomp does not see operations of the io_uring; loop.c fences those.
 */
#include <cap-ng.h>
#include <errno.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>

#include "../host/log.h"
#include "loop.h"
#include "membership.h"
#include "node0.h"
#include "notify.h"
#include "sandbox.h"
#include "server.h"
#include "state.h"
#include "taps.h"

/* The C library's own: exit, clocks where there is no vDSO, stderr, locks, stack guards. */
SANDBOX_CALLS(libc_calls, SANDBOX_CALL(exit), SANDBOX_CALL(exit_group), SANDBOX_CALL(clock_gettime),
	      SANDBOX_CALL(restart_syscall), SANDBOX_CALL(rt_sigreturn), SANDBOX_CALL(futex),
	      SANDBOX_CALL(munmap), SANDBOX_CALL(write));

static const struct sandbox_calls *const lists[] = {
	/* keep sorted */
	&libc_calls,   &loop_calls,   &mesh_calls,  &node0_calls,
	&notify_calls, &server_calls, &state_calls, &taps_calls,
};

static int drop_capabilities(void)
{
	bool admin;

	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_get_caps_process())
		return -EPERM;
	/* Without it, in a container say, only ports of root's taps are served. */
	admin = capng_have_capability(CAPNG_PERMITTED, CAP_NET_ADMIN);
	capng_clear(CAPNG_SELECT_BOTH);
	if (admin && capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_ADMIN))
		return -EPERM;
	return capng_apply(CAPNG_SELECT_BOTH) ? -EPERM : 0;
}

static int allow(scmp_filter_ctx ctx, const struct sandbox_call *call)
{
	int err;

	if (call->arg < 0)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call->nr, 0);
	else
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call->nr, 1,
				       SCMP_CMP64(call->arg, SCMP_CMP_MASKED_EQ, call->mask,
						  call->value));
	/* Declared by two files; or a call this architecture has under another name only. */
	return err == -EEXIST || err == -EDOM ? 0 : err;
}

static int filter_calls(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int err = 0;

	if (!ctx)
		return -ENOMEM;
	for (size_t i = 0; !err && i < sizeof(lists) / sizeof(lists[0]); i++)
		for (unsigned int j = 0; !err && j < lists[i]->count; j++)
			err = allow(ctx, &lists[i]->call[j]);
	if (!err)
		err = seccomp_load(ctx);
	seccomp_release(ctx);
	return err;
}

int sandbox_enter(void)
{
	int err = drop_capabilities();

	if (err) {
		vm_err("event=start error=\"cannot drop capabilities\"");
		return err;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
		err = -errno;
		vm_err("event=start error=\"no_new_privs: %s\"", strerror(-err));
		return err;
	}
	err = filter_calls();
	if (err)
		vm_err("event=start error=\"seccomp: %s\"", strerror(-err));
	return err;
}
