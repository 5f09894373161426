// SPDX-License-Identifier: GPL-2.0-only
/*
 * Descriptors that are not what they should be: too many, none, of another kind, full.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "../../host/tap.h"
#include "hostile.h"

static int some_memfd(size_t size)
{
	int fd = memfd_create("other", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && ftruncate(fd, size))
		abort();
	return fd;
}

/* Descriptors of every kind but the right one; -1 where it cannot be had. */
#define FD_KINDS   14
#define OWN_SOCKET 6

static int fd_of_kind(struct arena *arena, unsigned int kind)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int pair[2], fd;

	switch (kind) {
	case 0:
		fd = some_memfd(4096);
		/* A file that is always readable, and never empty. */
		return write(fd, &ev, sizeof(ev)) > 0 ? fd : -1;
	case 1:
		return open("/", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	case 2:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	case 3:
		return open("/dev/zero", O_RDWR | O_CLOEXEC);
	case 4: /* nobody writes: blocks */
		return pipe2(pair, O_CLOEXEC) ? -1 : (close(pair[1]), pair[0]);
	case 5: /* nobody reads: EPIPE */
		return pipe2(pair, O_CLOEXEC) ? -1 : (close(pair[0]), pair[1]);
	case OWN_SOCKET:
		return dup(arena->fe[0].sock);
	case 7:
		return open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	case 8:
		return vm_tap_open("spare");
	case 9:
		fd = epoll_create1(EPOLL_CLOEXEC);
		epoll_ctl(fd, EPOLL_CTL_ADD, arena->fe[0].sock, &ev);
		return fd;
	case 10:
		return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	case 11: /* a connection that waits for nobody */
		return socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) ?
			       -1 :
			       (close(pair[1]), pair[0]);
	case 12: /* semaphore, blocking, full */
		return eventfd(0xfffffffe, EFD_SEMAPHORE | EFD_CLOEXEC);
	case 13:
		return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	}
	return -1;
}

static int memory_that_is_none(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];

	need_ok(hostile_start(arena));
	for (unsigned int kind = 0; kind <= FD_KINDS; kind++) {
		int fd = kind == FD_KINDS ? eventfd(0, EFD_CLOEXEC) : fd_of_kind(arena, kind);
		int err, keep = fe->region[0].fd;

		if (fd < 0)
			continue;
		/* One page, with a file that has it; more than it, with all others. */
		fe->region[0].fd = fd;
		err = fe_tell_memory(fe);
		if (!hostile_refused(err))
			printf("# kind %u: %d\n", kind, err);
		fe->region[0].fd = keep;
		close(fd);
		need(hostile_refused(err));
		fe_close(fe);
		need_ok(hostile_start(arena));
	}
	need_ok(hostile_exchange(arena, 0, 1));
	return 0;
}

static int ring_fds_that_are_none(struct arena *arena)
{
	static const uint32_t requests[] = { FE_SET_VRING_KICK, FE_SET_VRING_CALL,
					     FE_SET_VRING_ERR };
	struct fe *fe = &arena->fe[0];

	for (unsigned int kind = 0; kind < FD_KINDS; kind++)
		for (unsigned int r = 0; r < 3; r++)
			for (unsigned int i = 0; i < 2; i++) {
				int fd, ret;

				fe_close(fe);
				need_ok(hostile_start(arena));
				fd = fd_of_kind(arena, kind);
				if (fd < 0)
					continue;
				fe_ask_ring_fd(fe, requests[r], i, fd);
				close(fd);
				/* Work for it: kicks of the other, calls, errors. */
				hostile_frames_to_it(arena, 8);
				ring_put(&fe->ring[1], 5);
				ring_kick(&fe->ring[1]);
				ring_put(&fe->ring[1], 60000);
				ring_kick(&fe->ring[1]);
				/*
				 * Who gives away its own end of the connection holds it open
				 * for good, closed or not: its harm alone. And what the port
				 * writes there, it reads.
				 */
				if (kind == OWN_SOCKET)
					shutdown(fe->sock, SHUT_RDWR);
				ret = kind == OWN_SOCKET ? 0 : hostile_settle(arena);
				need(ret >= 0);
			}
	return 0;
}

static int no_fds_and_too_many(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	static int fds[253];

	for (unsigned int i = 0; i < 253; i++)
		fds[i] = STDERR_FILENO;
	for (uint32_t request = 1; request <= 40; request++) {
		uint64_t value[8] = { 0 };
		static const unsigned int counts[] = { 1, 2, 8, 9, 253 };

		if (request == FE_GET_QUEUE_NUM)
			continue;
		for (unsigned int i = 0; i < 5; i++) {
			int ret;

			if (fe->sock < 0)
				need_ok(hostile_connect(arena));
			need_ok(fe_send(fe, request, 0, value, i & 1 ? 8 : 0, fds, counts[i]));
			ret = hostile_settle(arena);
			need(ret >= 0);
			if (ret)
				fe_close(fe);
		}
	}
	fe_close(fe);
	need_ok(hostile_start(arena));
	for (uint32_t request = FE_SET_VRING_KICK; request <= FE_SET_VRING_ERR; request++) {
		uint64_t value = 1;

		/* Promised, and not there; there, and not promised; unknown bits. */
		need(fe_ask(fe, request, &value, 8, NULL, 0) == -EREMOTEIO);
		value = 0x101;
		need(fe_ask(fe, request, &value, 8, fds, 1) == -EREMOTEIO);
		value = 0x10001;
		need(fe_ask(fe, request, &value, 8, fds, 1) == -EREMOTEIO);
	}
	need_ok(hostile_exchange(arena, 0, 1));
	return 0;
}

/* Descriptors in the middle of a message, and with each of its bytes. */
static int fds_with_every_byte(struct arena *arena)
{
	struct {
		struct fe_hdr hdr;
		unsigned char payload[264];
	} msg = { { FE_SET_MEM_TABLE, FE_VERSION, 264 }, { 8 } };
	struct fe *fe = &arena->fe[0];
	int fds[8] = { 0, 1, 2, 0, 1, 2, 0, 1 };

	for (unsigned int step = 1; step <= 100; step += 33) {
		need_ok(hostile_reconnect(arena));
		for (size_t at = 0; at < sizeof(msg); at += step) {
			size_t n = sizeof(msg) - at < step ? sizeof(msg) - at : step;

			if (fe_send_raw(fe, (char *)&msg + at, n, fds, 8))
				break;
		}
		need(hostile_settle(arena) >= 0);
	}
	return 0;
}

/* Nobody takes what is in the call fd: full, and blocking, of every kind that could be one. */
static int nobody_reads_the_calls(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];

	for (unsigned int kind = 0; kind < 3; kind++) {
		static char full[1 << 16];
		int pair[2] = { -1, -1 }, fd;

		fe_close(fe);
		need_ok(hostile_start(arena));
		if (kind == 0) {
			uint64_t most = 0xfffffffffffffffeULL;

			fd = eventfd(0, EFD_CLOEXEC);
			need(write(fd, &most, 8) == 8);
		} else if (kind == 1) {
			need(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
			while (send(pair[0], full, sizeof(full), MSG_DONTWAIT) > 0)
				;
			while (send(pair[0], full, 1, MSG_DONTWAIT) > 0)
				;
			fd = pair[0];
		} else {
			need(!pipe2(pair, O_CLOEXEC | O_NONBLOCK));
			while (write(pair[1], full, 4096) > 0)
				;
			need(!fcntl(pair[1], F_SETFL, 0));
			fd = pair[1];
		}
		fe_ask_ring_fd(fe, FE_SET_VRING_CALL, 0, fd);
		fe_ask_ring_fd(fe, FE_SET_VRING_CALL, 1, fd);
		close(fd);
		/* Calls are wanted all the time; frames go on, seen by looking. */
		for (unsigned int i = 0; i < 50; i++) {
			ring_want_call(&fe->ring[0], 1);
			ring_want_call(&fe->ring[1], 1);
			need_ok(fe_ping(fe));
			need_ok(hostile_exchange(arena, 0, 1));
			hostile_frames_to_it(arena, 4);
		}
		if (kind)
			close(pair[kind == 1]);
		else
			continue;
		if (kind == 2)
			close(pair[0]);
	}
	return 0;
}

/* Whether writing to it could block is the front-end's affair: it is called. */
static int a_blocking_call(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];

	for (unsigned int i = 0; i < 2; i++) {
		struct pollfd p = { .fd = eventfd(0, EFD_CLOEXEC), .events = POLLIN };

		fe_close(fe);
		need_ok(hostile_start(arena));
		need_ok(fe_ask_ring_fd(fe, FE_SET_VRING_CALL, i, p.fd));
		need_ok(hostile_exchange(arena, i, !i));
		ring_calls(p.fd);
		ring_want_call(&fe->ring[i], 1);
		need_ok(hostile_exchange(arena, !i, i));
		if (i) {
			need_ok(ring_send(&fe->ring[1], "a runt", 6));
			ring_kick(&fe->ring[1]);
		}
		need(poll(&p, 1, FE_WAIT_MS) == 1);
		close(p.fd);
	}
	return 0;
}

/* GET_INFLIGHT_FD of front-end @fe, which reads the answer or does not. */
static int ask_inflight(struct fe *fe, bool read)
{
	struct fe_inflight desc = { .num_queues = 2, .queue_size = 256 };
	unsigned char wire[20];
	int fd = -1, err;

	memcpy(wire, &desc, sizeof(wire));
	err = fe_send(fe, FE_GET_INFLIGHT_FD, 0, wire, sizeof(wire), NULL, 0);
	if (err || !read)
		return err;
	err = fe_recv(fe, FE_GET_INFLIGHT_FD, wire, sizeof(wire), &fd);
	if (fd >= 0)
		close(fd);
	return err == sizeof(wire) && fd >= 0 ? 0 : -EPROTO;
}

#define LEFT	 6 /* connections left as they are */
#define MAY_SEND 128 /* each port: no more, while its user has sent so many that nobody took */

/* All ports of one user are: what one front-end leaves untaken is nobody else's matter. */
static int files_that_nobody_takes(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	int left[LEFT], err;

	for (unsigned int i = 0; i < LEFT; i++) {
		need_ok(hostile_connect(arena));
		for (unsigned int n = 0; n < 2 * MAY_SEND; n++)
			if (ask_inflight(fe, false))
				break;
		left[i] = fe->sock;
		fe->sock = -1;
		need_ok(shutdown(left[i], SHUT_WR));
	}
	err = ask_inflight(&arena->fe[1], true);
	for (unsigned int i = 0; i < LEFT; i++)
		close(left[i]);
	need_ok(err);
	/* Who takes them is served again. */
	need_ok(hostile_connect(arena));
	need_ok(ask_inflight(fe, true));
	return ask_inflight(fe, true);
}

static const struct hostile_case cases[] = {
	{ "memory that is an event, a pipe, a tap, a directory", memory_that_is_none },
	{ "kick, call and error fds that are something else", ring_fds_that_are_none },
	{ "descriptors with every request; too many, none", no_fds_and_too_many },
	{ "descriptors with every byte of a message", fds_with_every_byte },
	{ "call fds that are full, and nobody reads", nobody_reads_the_calls },
	{ "a call fd that could block is called", a_blocking_call },
	{ "files that nobody takes are no neighbour's matter", files_that_nobody_takes },
};

int main(void)
{
	struct rlimit few = { .rlim_cur = MAY_SEND, .rlim_max = MAY_SEND };

	/* Theirs as well. */
	if (setrlimit(RLIMIT_NOFILE, &few))
		return 1;
	return hostile_main(cases, sizeof(cases) / sizeof(cases[0]));
}
