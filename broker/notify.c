// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <seccomp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "../host/manager.h"
#include "notify.h"
#include "sandbox.h"

SANDBOX_CALLS(notify_calls, SANDBOX_CALL(sendto));

/* For the manager to have room for READY, without which it takes us for hung and ends us. */
#define READY_SECONDS 5

static int manager = -1;

void notify_init(void)
{
	struct timeval patience = { .tv_sec = READY_SECONDS };

	manager = manager_connect(0);
	if (manager >= 0)
		setsockopt(manager, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

void notify_ready(void)
{
	static const char ready[] = "READY=1\n";

	if (manager < 0)
		return;
	while (send(manager, ready, strlen(ready), MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

void notify(const char *lines)
{
	/* A manager that does not listen misses it: waiting for it is not our business. */
	if (manager >= 0)
		send(manager, lines, strlen(lines), MSG_NOSIGNAL | MSG_DONTWAIT);
}
