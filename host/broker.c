// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <virtmesh/maps.h>

#include "broker.h"
#include "log.h"

#define COOKIE 0x766d /* one request is under way at a time: any number will do */

int vm_broker_connect(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = VM_CTL_SOCKET };
	struct timeval tv = { .tv_sec = VM_BROKER_WAIT_MS / 1000,
			      .tv_usec = VM_BROKER_WAIT_MS % 1000 * 1000 };
	int fd, err;

	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* SNDTIMEO bounds connect() as well. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) ||
	    connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		err = -errno;
		close(fd);
		return err == -ENOENT || err == -ECONNREFUSED ? -ENOTCONN : err;
	}
	return fd;
}

/*
 * What errno means once connected. A broker that is killed takes its listening
 * socket along a moment later: until then it accepts, and then resets.
 */
static int broken(void)
{
	switch (errno) {
	case EAGAIN:
		return -ETIMEDOUT;
	case ECONNRESET:
	case EPIPE:
		return -ENOTCONN;
	default:
		return -errno;
	}
}

static int send_request(int fd, enum vm_ctl_op op, const void *payload, size_t len)
{
	struct vm_ctl_msg msg = {
		.version = VM_CTL_VERSION,
		.op = op,
		.len = len,
		.cookie = COOKIE,
	};
	struct iovec iov[] = {
		{ &msg, sizeof(msg) },
		{ (void *)payload, len },
	};
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2 };

	/* Who hangs up before we have asked has said why: that is still to be read. */
	return sendmsg(fd, &mh, MSG_NOSIGNAL) < 0 && errno != EPIPE ? broken() : 0;
}

int vm_broker_ask(int fd, enum vm_ctl_op op, const void *payload, size_t len,
		  int (*fn)(const void *data, size_t len, void *arg), void *arg, char *why,
		  size_t size)
{
	union {
		struct vm_ctl_msg msg;
		char bytes[VM_CTL_MAX];
	} in;
	unsigned int records = 0;
	size_t data;
	ssize_t n;
	int err;

	if (size)
		why[0] = '\0';
	err = send_request(fd, op, payload, len);
	if (err)
		return err;
	do {
		/* Every node one record, and no broker has more. */
		if (records++ > VM_PORTS_MAX)
			return -EPROTO;
		n = recv(fd, &in, sizeof(in), MSG_TRUNC);
		if (n < 0)
			return broken();
		if (!n)
			return -ENOTCONN;
		if (n > (ssize_t)sizeof(in) || n < (ssize_t)sizeof(in.msg))
			return -EPROTO;
		data = n - sizeof(in.msg);
		if (in.msg.version != VM_CTL_VERSION || in.msg.len != data)
			return -EPROTO;
		/* Said to who connects, before any request: all slots are taken. */
		if (in.msg.error == EBUSY && !in.msg.cookie)
			return -EBUSY;
		if (in.msg.cookie != COOKIE)
			return -EPROTO;
		if (in.msg.error) {
			if (size)
				snprintf(why, size, "%.*s", (int)data, in.bytes + sizeof(in.msg));
			return -(int)in.msg.error;
		}
		if (in.msg.op != op)
			return -EPROTO;
		if (fn && data) {
			err = fn(in.bytes + sizeof(in.msg), data, arg);
			if (err)
				return err;
		}
	} while (!(in.msg.flags & VM_CTL_LAST));
	return 0;
}

void vm_broker_resync(void)
{
	char why[128];
	int fd, err;

	fd = vm_broker_connect();
	err = fd;
	why[0] = '\0';
	if (fd >= 0) {
		err = vm_broker_ask(fd, VM_CTL_RESYNC, NULL, 0, NULL, NULL, why, sizeof(why));
		close(fd);
	}
	/* Nobody, or somebody who ended meanwhile: the next one reads the maps when it starts. */
	if (err && err != -ENOTCONN)
		vm_warn("the broker did not take notice of the change (%s): it will when it is "
			"restarted",
			*why ? why : strerror(-err));
}
