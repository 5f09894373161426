// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "frontend.h"

long long fe_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static int unix_address(const char *path, struct sockaddr_un *addr)
{
	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(addr->sun_path))
		return -ENAMETOOLONG;
	strcpy(addr->sun_path, path);
	return 0;
}

int fe_connect(struct fe *fe, const char *path)
{
	long long end = fe_now_ms() + FE_WAIT_MS;
	struct sockaddr_un addr;
	int err = unix_address(path, &addr);

	if (err)
		return err;
	/* Non-blocking: where others wait to be accepted, connect() has no deadline. */
	fe->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fe->sock < 0)
		return -errno;
	while (connect(fe->sock, (struct sockaddr *)&addr, sizeof(addr))) {
		err = -errno;
		if ((err != -ENOENT && err != -ECONNREFUSED && err != -EAGAIN) ||
		    fe_now_ms() > end) {
			close(fe->sock);
			fe->sock = -1;
			return err;
		}
		poll(NULL, 0, 5);
	}
	return 0;
}

int fe_accept(struct fe *fe, const char *path)
{
	struct pollfd p = { .events = POLLIN };
	struct sockaddr_un addr;
	int err = unix_address(path, &addr), fd;

	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	unlink(path);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 1)) {
		err = -errno;
	} else {
		p.fd = fd;
		err = poll(&p, 1, FE_WAIT_MS) == 1 ? 0 : -ETIMEDOUT;
	}
	if (!err) {
		fe->sock = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		err = fe->sock < 0 ? -errno : 0;
	}
	close(fd);
	return err;
}

static void close_fd(int *fd)
{
	if (*fd > 0)
		close(*fd);
	*fd = -1;
}

void fe_close(struct fe *fe)
{
	close_fd(&fe->sock);
	for (unsigned int i = 0; i < FE_RINGS; i++) {
		struct ring *ring = &fe->ring[i];

		close_fd(&ring->kick);
		close_fd(&ring->call);
		close_fd(&ring->call_theirs);
		close_fd(&ring->err);
	}
	for (unsigned int i = 0; i < fe->nregions; i++) {
		munmap(fe->region[i].at, fe->region[i].size);
		close_fd(&fe->region[i].fd);
	}
	fe->nregions = 0;
	fe->features = 0;
	fe->protocol = 0;
}

/* What a write or read on the connection failed with, in this library's terms. */
static int broken(int err)
{
	return err == -EPIPE ? -ECONNRESET : err;
}

int fe_send_raw(struct fe *fe, const void *data, size_t len, const int *fds, unsigned int nfds)
{
	char control[CMSG_SPACE(sizeof(int) * 253)] __attribute__((aligned(8))) = { 0 };
	struct iovec iov = { .iov_base = (void *)data, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct pollfd p = { .fd = fe->sock, .events = POLLOUT };

	if (nfds) {
		struct cmsghdr *cmsg;

		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * nfds);
	}
	while (iov.iov_len) {
		ssize_t n = sendmsg(fe->sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN) {
			if (poll(&p, 1, FE_WAIT_MS) != 1)
				return -ETIMEDOUT;
			continue;
		}
		if (n < 0)
			return broken(-errno);
		iov.iov_base = (char *)iov.iov_base + n;
		iov.iov_len -= n;
		msg.msg_control = NULL;
		msg.msg_controllen = 0;
	}
	return 0;
}

int fe_send(struct fe *fe, uint32_t request, uint32_t flags, const void *payload, size_t len,
	    const int *fds, unsigned int nfds)
{
	struct fe_hdr hdr = { .request = request, .flags = FE_VERSION | flags, .size = len };
	char *data = malloc(sizeof(hdr) + len);
	int err;

	if (!data)
		return -ENOMEM;
	memcpy(data, &hdr, sizeof(hdr));
	if (len)
		memcpy(data + sizeof(hdr), payload, len);
	err = fe_send_raw(fe, data, sizeof(hdr) + len, fds, nfds);
	free(data);
	return err;
}

/* Exactly @len bytes. Keeps the last descriptor that came in *@fd. */
static int receive(struct fe *fe, void *data, size_t len, int *fd)
{
	long long end = fe_now_ms() + FE_WAIT_MS;
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
	struct pollfd p = { .fd = fe->sock, .events = POLLIN };

	while (len) {
		struct iovec iov = { .iov_base = data, .iov_len = len };
		struct msghdr msg = {
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control),
		};
		long long left = end - fe_now_ms();
		struct cmsghdr *cmsg;
		ssize_t n;

		if (left <= 0 || poll(&p, 1, left) != 1)
			return -ETIMEDOUT;
		n = recvmsg(fe->sock, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			continue;
		if (n < 0)
			return broken(-errno);
		if (!n)
			return -ECONNRESET;
		cmsg = CMSG_FIRSTHDR(&msg);
		if (cmsg && cmsg->cmsg_type == SCM_RIGHTS) {
			close_fd(fd);
			memcpy(fd, CMSG_DATA(cmsg), sizeof(*fd));
		}
		data = (char *)data + n;
		len -= n;
	}
	return 0;
}

ssize_t fe_recv(struct fe *fe, uint32_t request, void *payload, size_t max, int *fd)
{
	struct fe_hdr hdr;
	int got = -1;
	int err = receive(fe, &hdr, sizeof(hdr), &got);

	if (!err && hdr.size > max)
		err = -EMSGSIZE;
	if (!err)
		err = receive(fe, payload, hdr.size, &got);
	/* All of it is read by now: the next one begins at its beginning. */
	if (!err &&
	    (hdr.request != request || (hdr.flags & ~FE_NEED_REPLY) != (FE_VERSION | FE_REPLY)))
		err = -EPROTO;
	if (!err && fd)
		*fd = got;
	else
		close_fd(&got);
	return err ? err : (ssize_t)hdr.size;
}

int fe_get_u64(struct fe *fe, uint32_t request, uint64_t *value)
{
	ssize_t n;
	int err = fe_send(fe, request, 0, NULL, 0, NULL, 0);

	if (err)
		return err;
	n = fe_recv(fe, request, value, sizeof(*value), NULL);
	if (n < 0)
		return n;
	return n == sizeof(*value) ? 0 : -EPROTO;
}

int fe_ping(struct fe *fe)
{
	uint64_t features;

	return fe_get_u64(fe, FE_GET_FEATURES, &features);
}

int fe_wait_cut(struct fe *fe)
{
	long long end = fe_now_ms() + FE_WAIT_MS;
	struct pollfd p = { .fd = fe->sock, .events = POLLIN };
	char waste[4096];

	for (;;) {
		long long left = end - fe_now_ms();
		ssize_t n;

		if (left <= 0 || poll(&p, 1, left) != 1)
			return -ETIMEDOUT;
		n = recv(fe->sock, waste, sizeof(waste), MSG_DONTWAIT);
		if (!n || (n < 0 && errno != EAGAIN))
			return 0;
	}
}

int fe_ask(struct fe *fe, uint32_t request, const void *payload, size_t len, const int *fds,
	   unsigned int nfds)
{
	bool ack = fe->protocol & FE_BIT(FE_P_REPLY_ACK);
	int err = fe_send(fe, request, ack ? FE_NEED_REPLY : 0, payload, len, fds, nfds);
	uint64_t status;
	ssize_t n;

	if (err)
		return err;
	if (!ack)
		return fe_ping(fe);
	n = fe_recv(fe, request, &status, sizeof(status), NULL);
	if (n < 0)
		return n;
	if (n != sizeof(status))
		return -EPROTO;
	return status ? -EREMOTEIO : 0;
}

int fe_ask_u64(struct fe *fe, uint32_t request, uint64_t value)
{
	return fe_ask(fe, request, &value, sizeof(value), NULL, 0);
}

int fe_ask_state(struct fe *fe, uint32_t request, uint32_t index, uint32_t num)
{
	struct fe_vring_state state = { .index = index, .num = num };

	return fe_ask(fe, request, &state, sizeof(state), NULL, 0);
}

int fe_ask_ring_fd(struct fe *fe, uint32_t request, uint32_t index, int fd)
{
	uint64_t value = index | (fd < 0 ? 0x100 : 0);

	return fe_ask(fe, request, &value, sizeof(value), &fd, fd >= 0);
}

int fe_get_config(struct fe *fe, uint32_t offset, uint32_t size, void *out)
{
	struct fe_config config = { .offset = offset, .size = size };
	size_t len = offsetof(struct fe_config, region) + size;
	ssize_t n;
	int err;

	if (size > sizeof(config.region))
		return -EINVAL;
	err = fe_send(fe, FE_GET_CONFIG, 0, &config, len, NULL, 0);
	if (err)
		return err;
	n = fe_recv(fe, FE_GET_CONFIG, &config, sizeof(config), NULL);
	if (n < 0)
		return n;
	/* A payload of nothing is how a back-end says no. */
	if (!n)
		return -EREMOTEIO;
	if ((size_t)n != len || config.offset != offset || config.size != size)
		return -EPROTO;
	memcpy(out, config.region, size);
	return 0;
}
