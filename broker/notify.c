// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../host/log.h"
#include "notify.h"
#include "sandbox.h"

SANDBOX_CALLS(notify_calls, SANDBOX_CALL(sendto));

static int manager = -1;

void notify_init(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	socklen_t len;

	if (!path || !*path)
		return;
	if ((*path != '/' && *path != '@') || strlen(path) >= sizeof(addr.sun_path)) {
		vm_warn("event=notify error=\"NOTIFY_SOCKET is no socket's name\"");
		return;
	}
	strcpy(addr.sun_path, path);
	len = offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1;
	if (*path == '@') {
		addr.sun_path[0] = '\0'; /* abstract: no terminator, its length is its end */
		len--;
	}
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (manager >= 0 && connect(manager, (struct sockaddr *)&addr, len)) {
		vm_warn("event=notify error=\"%s: %s\"", path, strerror(errno));
		close(manager);
		manager = -1;
	}
}

void notify(const char *lines)
{
	/* A manager that does not listen misses it: waiting for it is not our business. */
	if (manager >= 0)
		send(manager, lines, strlen(lines), MSG_NOSIGNAL);
}
