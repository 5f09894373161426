// SPDX-License-Identifier: GPL-2.0-only
/*
 * vhost-mask LISTEN CONNECT MASK: stands between a vhost-user front-end and a
 * back-end and takes the features in MASK (hexadecimal) out of what the back-end
 * offers. Memory, kicks and calls go past it.
 *
 * dpdk-testpmd offers a control queue, and leaves it to QEMU to answer there. With
 * User-Mode Linux nobody would, and virtio_net would wait for ever.
 */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define GET_FEATURES 1
#define PAYLOAD_MAX  4096
#define FDS_MAX	     16

struct message {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* of the payload */
	uint8_t payload[PAYLOAD_MAX];
};

#define HEADER 12

static int unix_socket(const char *path, struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		err(1, "socket");
	if (strlen(path) >= sizeof(addr->sun_path))
		errx(1, "%s: too long", path);
	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(addr->sun_path, path, strlen(path));
	return fd;
}

/* One message with its fds, from one to the other; the features less @mask. */
static void pass(int from, int to, uint64_t mask)
{
	union {
		char room[CMSG_SPACE(FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct message m;
	struct iovec iov = { &m, HEADER };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(from, &msg, MSG_WAITALL | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c;
	uint64_t features;
	size_t i;

	if (n == 0)
		exit(0); /* one of the two has gone */
	if (n != HEADER || m.size > PAYLOAD_MAX)
		errx(1, "a message that cannot be");
	if (m.size && recv(from, m.payload, m.size, MSG_WAITALL) != (ssize_t)m.size)
		errx(1, "half a message");
	if (mask && m.request == GET_FEATURES && m.size == sizeof(features)) {
		memcpy(&features, m.payload, sizeof(features));
		features &= ~mask;
		memcpy(m.payload, &features, sizeof(features));
	}
	iov.iov_len = HEADER + m.size;
	if (!msg.msg_controllen)
		msg.msg_control = NULL;
	if (sendmsg(to, &msg, MSG_NOSIGNAL) != (ssize_t)iov.iov_len)
		err(1, "sendmsg");
	for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		for (i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++)
			close(((int *)CMSG_DATA(c))[i]);
}

int main(int argc, char **argv)
{
	struct pollfd both[2] = { { .events = POLLIN }, { .events = POLLIN } };
	struct sockaddr_un addr;
	uint64_t mask;
	int fd;

	if (argc != 4)
		errx(2, "usage: vhost-mask LISTEN CONNECT MASK");
	mask = strtoull(argv[3], NULL, 16);
	fd = unix_socket(argv[1], &addr);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 1))
		err(1, "%s", argv[1]);
	both[0].fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	if (both[0].fd < 0)
		err(1, "accept");
	both[1].fd = unix_socket(argv[2], &addr);
	if (connect(both[1].fd, (struct sockaddr *)&addr, sizeof(addr)))
		err(1, "%s", argv[2]);
	for (;;) {
		if (poll(both, 2, -1) < 0)
			err(1, "poll");
		if (both[0].revents)
			pass(both[0].fd, both[1].fd, 0);
		if (both[1].revents)
			pass(both[1].fd, both[0].fd, mask);
	}
}
