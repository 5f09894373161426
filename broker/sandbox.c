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
	return sandbox_filter(lists, sizeof(lists) / sizeof(lists[0]));
}
