// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <poll.h>
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
#include "broker.h"
#include "listen.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

/* For another broker: to be done with its start, to answer, or to be gone. */
#define WAIT_NS	    (2 * NSEC_PER_SEC)
#define TRY_WAIT_NS (10 * NSEC_PER_MSEC)
#define ANSWER_MS   500

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
static int lock_directory(const char *path)
{
	struct timespec wait = { .tv_nsec = TRY_WAIT_NS };
	char copy[sizeof(((struct sockaddr_un *)0)->sun_path)];
	__u64 until = clock_mono() + WAIT_NS;
	const char *dir;
	int fd, err;

	strcpy(copy, path);
	dir = dirname(copy);
	if (mkdir(dir, 0751) && errno != EEXIST)
		return -errno;
	/*
	 * All of it is root's, the group too: a service manager that finds it to be anybody
	 * else's gives it back with all below, and the rooms of ports have owners of their own.
	 */
	if (!strcmp(dir, VM_CTL_DIR) && (chown(dir, 0, 0) || chmod(dir, 0751)))
		return -errno;

	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK || clock_mono() >= until) {
			err = -errno;
			close(fd);
			return err;
		}
		clock_nanosleep(CLOCK_MONOTONIC, 0, &wait, NULL);
	}
	return fd;
}

/*
 * Ask whoever listens at @addr anything. 0: it answered, and *@pid is its;
 * -ECONNREFUSED: nobody listens; -EAGAIN: somebody does and does not answer, or
 * went away meanwhile.
 */
static int ask(const struct sockaddr_un *addr, socklen_t len, pid_t *pid)
{
	struct vm_ctl_msg msg = { .version = VM_CTL_VERSION, .op = VM_CTL_INFO };
	struct pollfd pfd = { .events = POLLIN };
	struct ucred peer = { .pid = 0 };
	socklen_t peer_len = sizeof(peer);
	int err = -EAGAIN;

	pfd.fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (pfd.fd < 0)
		return -errno;
	if (connect(pfd.fd, (const struct sockaddr *)addr, len)) {
		err = -errno;
		goto close;
	}
	getsockopt(pfd.fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_len);
	*pid = peer.pid;
	if (send(pfd.fd, &msg, sizeof(msg), MSG_NOSIGNAL) == sizeof(msg) &&
	    poll(&pfd, 1, ANSWER_MS) == 1 && recv(pfd.fd, &msg, sizeof(msg), 0) > 0)
		err = 0;
close:
	close(pfd.fd);
	return err;
}

/*
 * 0: the name is free now. -EADDRINUSE: a broker has it; -EEXIST: it is no socket.
 * A killed broker's socket takes connections a little longer than the broker
 * lives, until a worker of the kernel has torn its ring down. So not to be
 * refused means nothing; an answer does, and so does silence if it lasts.
 */
static int clear_name(const struct sockaddr_un *addr, socklen_t len)
{
	struct timespec wait = { .tv_nsec = TRY_WAIT_NS };
	struct stat st;
	pid_t pid = 0;
	__u64 until = clock_mono() + WAIT_NS;
	int err;

	if (lstat(addr->sun_path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode)) {
		vm_err("event=start error=\"%s exists and is no socket\"", addr->sun_path);
		return -EEXIST;
	}
	while ((err = ask(addr, len, &pid)) == -EAGAIN && clock_mono() < until)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &wait, NULL);
	if (err != -ECONNREFUSED) {
		vm_err("event=start error=\"another broker %s at %s\" pid=%d",
		       err ? "hangs" : "answers", addr->sun_path, pid);
		return -EADDRINUSE;
	}
	vm_info("event=ctl note=\"replacing the socket of a broker that died\" path=%s",
		addr->sun_path);
	return unlink(addr->sun_path) ? -errno : 0;
}

int listen_unix(const char *path)
{
	const int one = 1, none = 0;
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

	dir = lock_directory(path);
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
	/* Of each connection too: by it server.c tells an empty record from their end. */
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one))) {
		err = -errno;
		goto close;
	}
	/*
	 * Nobody has files to send us, and to close some (a TCP socket that lingers) takes
	 * as long as who sent them likes. Kernels before 6.16 cannot refuse them.
	 */
	if (setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &none, sizeof(none)) &&
	    errno != ENOPROTOOPT) {
		err = -errno;
		goto close;
	}
	mask = umask(0177);
	err = bind(fd, (struct sockaddr *)&addr, len) ? -errno : 0;
	umask(mask);
	/* Nobody can connect before listen(): the rights are complete then. */
	if (!err && (chown(path, 0, gid) || chmod(path, 0660) || listen(fd, VM_CTL_CLIENTS)))
		err = -errno;
close:
	if (err) {
		vm_err("event=start error=\"%s: %s\"", path, strerror(-err));
		close(fd);
	}

unlock:
	close(dir);
	return err ? err : fd;
}
