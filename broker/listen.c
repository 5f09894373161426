// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <virtmesh/ctl.h>

#include "../host/log.h"
#include "listen.h"

#define LOCK_TRIES   200
#define LOCK_WAIT_NS 10000000

static gid_t control_group(void)
{
	struct group *group = getgrnam(VM_CTL_GROUP);

	if (!group)
		vm_info("event=ctl group=none note=\"no group %s: only root may ask\"",
			VM_CTL_GROUP);
	return group ? group->gr_gid : 0;
}

/*
 * Open the directory of @path, made if it is missing, and lock it: two brokers
 * that start together must not each take the other's socket for a stale one.
 */
static int lock_directory(const char *path, gid_t gid)
{
	struct timespec wait = { .tv_nsec = LOCK_WAIT_NS };
	char copy[sizeof(((struct sockaddr_un *)0)->sun_path)];
	const char *dir;
	int fd, err;

	strcpy(copy, path);
	dir = dirname(copy);
	if (!mkdir(dir, 0750)) {
		if (chown(dir, 0, gid))
			return -errno;
	} else if (errno != EEXIST) {
		return -errno;
	} else if (!strcmp(dir, VM_CTL_DIR) && (chown(dir, 0, gid) || chmod(dir, 0750))) {
		/* Made by the service manager or the command, which do not know the group. */
		return -errno;
	}

	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (int i = 0; flock(fd, LOCK_EX | LOCK_NB); i++) {
		if (errno != EWOULDBLOCK || i == LOCK_TRIES) {
			err = -errno;
			close(fd);
			return err;
		}
		clock_nanosleep(CLOCK_MONOTONIC, 0, &wait, NULL);
	}
	return fd;
}

/* 0: the name is free now. -EADDRINUSE: somebody answers; -EEXIST: it is no socket. */
static int clear_name(const struct sockaddr_un *addr, socklen_t len)
{
	struct ucred peer = { .pid = 0 };
	socklen_t peer_len = sizeof(peer);
	struct stat st;
	int fd, err;

	if (lstat(addr->sun_path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode)) {
		vm_err("event=start error=\"%s exists and is no socket\"", addr->sun_path);
		return -EEXIST;
	}
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	err = connect(fd, (const struct sockaddr *)addr, len) ? -errno : 0;
	if (!err)
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_len);
	close(fd);
	if (err != -ECONNREFUSED) {
		vm_err("event=start error=\"another broker answers at %s\" pid=%d", addr->sun_path,
		       peer.pid);
		return -EADDRINUSE;
	}
	vm_info("event=ctl note=\"replacing the socket of a broker that died\" path=%s",
		addr->sun_path);
	return unlink(addr->sun_path) ? -errno : 0;
}

int listen_unix(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	socklen_t len;
	int dir, fd = -1, err;
	mode_t mask;
	gid_t gid;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		vm_err("event=start error=\"the socket's name is longer than %zu bytes\"",
		       sizeof(addr.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	strcpy(addr.sun_path, path);
	len = offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1;
	gid = control_group();

	dir = lock_directory(path, gid);
	if (dir < 0) {
		vm_err("event=start error=\"directory of %s: %s\"", path, strerror(-dir));
		return dir;
	}
	err = clear_name(&addr, len);
	if (err)
		goto unlock;

	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		err = -errno;
		goto unlock;
	}
	mask = umask(0177);
	err = bind(fd, (struct sockaddr *)&addr, len) ? -errno : 0;
	umask(mask);
	/* Nobody can connect before listen(): the rights are complete then. */
	if (!err && (chown(path, 0, gid) || chmod(path, 0660) || listen(fd, VM_CTL_CLIENTS)))
		err = -errno;
	if (err) {
		vm_err("event=start error=\"%s: %s\"", path, strerror(-err));
		close(fd);
	}

unlock:
	close(dir);
	return err ? err : fd;
}
