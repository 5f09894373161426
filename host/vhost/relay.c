// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <seccomp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop.h"
#include "relay.h"

SANDBOX_CALLS(vm_relay_calls, SANDBOX_CALL(close), SANDBOX_CALL(eventfd2), SANDBOX_CALL(read),
	      SANDBOX_CALL(sendto));

static void pass_on(void *arg)
{
	struct vm_relay *relay = arg;
	const __u64 one = 1;
	eventfd_t n;

	if (eventfd_read(relay->event, &n) < 0)
		return;
	/*
	 * Whatever goes wrong is the front-end's: EAGAIN, it has calls it did not
	 * read yet; EPIPE, it has gone and its connection tells so.
	 */
	send(relay->call, &one, sizeof(one), MSG_DONTWAIT | MSG_NOSIGNAL);
}

int vm_relay_start(struct vm_relay *relay, struct vm_loop *loop, int call)
{
	int err;

	relay->loop = loop;
	relay->call = call;
	relay->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (relay->event < 0)
		return -errno;
	err = vm_loop_watch(loop, relay->event, pass_on, relay);
	if (err) {
		close(relay->event);
		relay->event = -1;
	}
	return err;
}

void vm_relay_stop(struct vm_relay *relay)
{
	if (relay->event < 0)
		return;
	vm_loop_unwatch(relay->loop, relay->event);
	pass_on(relay);
	close(relay->event);
	relay->event = -1;
}
