// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"
#include "manager.h"

int manager_connect(int flags)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	socklen_t len;
	int fd;

	if (!path || !*path)
		return -1;
	if ((*path != '/' && *path != '@') || strlen(path) >= sizeof(addr.sun_path)) {
		vm_warn("event=notify error=\"NOTIFY_SOCKET is no socket's name\"");
		return -1;
	}
	strcpy(addr.sun_path, path);
	len = offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1;
	if (*path == '@') {
		addr.sun_path[0] = '\0'; /* abstract: no terminator, its length is its end */
		len--;
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | flags, 0);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&addr, len))
		return fd;
	vm_warn("event=notify error=\"%s: %s\"", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}
