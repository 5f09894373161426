// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests for one ring, in their good form and in those that must be refused and
 * change nothing: its size, addresses and fds, how it stops, rests and goes on.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <linux/aio_abi.h>

#include "requests.h"

/* Its call comes. The used ring is not looked at: a driver that sleeps does not either. */
static bool called(const struct ring *ring)
{
	struct pollfd p = { .fd = ring->call, .events = POLLIN };

	return poll(&p, 1, FE_WAIT_MS) == 1;
}

static int rings_of_sizes_they_cannot_have(struct arena *arena)
{
	static const uint32_t bad[] = { 0, 3, 255, 1025, 2048, 65536, 0x80000000, 0xffffffff };
	struct fe *fe = &arena->fe[0];

	need_ok(hostile_connect(arena));
	need_ok(fe_negotiate(fe));
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		need_no(fe_ask_state(fe, FE_SET_VRING_NUM, 0, bad[i]));
	for (uint32_t num = 1; num <= 1024; num *= 2)
		need_ok(fe_ask_state(fe, FE_SET_VRING_NUM, 0, num));
	need_ok(fe_ask_state(fe, FE_SET_VRING_NUM, 3, 16));
	need_no(fe_ask_state(fe, FE_SET_VRING_NUM, 4, 16));
	need_no(fe_ask_state(fe, FE_SET_VRING_NUM, 0xffffffff, 16));
	return 0;
}

static int a_ring_that_runs_is_left_alone(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	struct fe_vring_addr addr = {
		.desc = (uintptr_t)fe->ring[0].desc,
		.used = (uintptr_t)fe->ring[0].used,
		.avail = (uintptr_t)fe->ring[0].avail,
	};

	need_ok(hostile_start(arena));
	need_no(fe_ask_state(fe, FE_SET_VRING_NUM, 0, 128));
	need_no(fe_ask_state(fe, FE_SET_VRING_BASE, 0, 7));
	need_no(fe_ask(fe, FE_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0));
	return exchange(arena);
}

static int ring_addresses_nowhere(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	struct fe_vring_addr good, bad;
	uint64_t end;

	need_ok(hostile_connect(arena));
	need_ok(fe_negotiate(fe));
	need_ok(fe_memory(fe, 0x40000000, 16 << 20));
	fe->slot_size = 4096;
	need_ok(fe_ring_make(fe, 0, 256));
	good = (struct fe_vring_addr){
		.desc = (uintptr_t)fe->ring[0].desc,
		.used = (uintptr_t)fe->ring[0].used,
		.avail = (uintptr_t)fe->ring[0].avail,
	};
	/* Before there is memory, or a size. */
	need_no(fe_ask(fe, FE_SET_VRING_ADDR, &good, sizeof(good), NULL, 0));
	need_ok(fe_tell_memory(fe));
	need_no(fe_ask(fe, FE_SET_VRING_ADDR, &good, sizeof(good), NULL, 0));
	need_ok(fe_ask_state(fe, FE_SET_VRING_NUM, 0, 256));
	need_ok(fe_ask(fe, FE_SET_VRING_ADDR, &good, sizeof(good), NULL, 0));

	end = (uintptr_t)fe->region[0].at + fe->region[0].size;
#define BAD(field, value)                                                           \
	do {                                                                        \
		bad = good;                                                         \
		bad.field = (value);                                                \
		need_no(fe_ask(fe, FE_SET_VRING_ADDR, &bad, sizeof(bad), NULL, 0)); \
	} while (0)
	BAD(desc, good.desc + 8);
	BAD(desc, 0);
	BAD(desc, end - 256 * 16 + 16);
	BAD(desc, ~0ULL & ~15ULL);
	BAD(avail, good.avail + 1);
	BAD(avail, end - 6 - 2 * 256 + 2);
	BAD(used, good.used + 2);
	BAD(used, end - 6 - 8 * 256 + 4);
	BAD(used, fe_gpa(fe, fe->ring[0].used)); /* a guest's address is no user address */
	BAD(flags, 1);
	BAD(index, 4);
#undef BAD
	need_no(fe_ask_state(fe, FE_SET_VRING_BASE, 0, 65536));
	need_no(fe_ask_state(fe, FE_SET_VRING_ENABLE, 0, 2));
	need_no(fe_ask_state(fe, FE_SET_VRING_ENABLE, 4, 1));
	return 0;
}

/* @request with each of these; then without any, with two, and for a ring that is none. */
static int wrong_fds(struct arena *arena, uint32_t request, const int *fds, unsigned int n)
{
	struct fe *fe = &arena->fe[0];
	uint64_t none = 0;
	int two[2] = { fe->ring[0].kick, fe->ring[0].kick };

	for (unsigned int i = 0; i < n; i++) {
		need(fds[i] >= 0);
		need_no(fe_ask_ring_fd(fe, request, 0, fds[i]));
	}
	need_no(fe_ask(fe, request, &none, sizeof(none), NULL, 0));
	need_no(fe_ask(fe, request, &none, sizeof(none), two, 2));
	none = 0x100;
	need_no(fe_ask(fe, request, &none, sizeof(none), two, 1));
	none = 0x200;
	need_no(fe_ask(fe, request, &none, sizeof(none), two, 1));
	need_no(fe_ask_ring_fd(fe, request, 4, two[0]));
	need_no(fe_ask_ring_fd(fe, request, 255, two[0]));
	return 0;
}

/*
 * A blocking eventfd that is full, and then signalled once more, as only the kernel can:
 * for a read of @file that is done. Whatever is written to it waits.
 */
static int overfull_eventfd(int file)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	uint64_t most = ~0ULL - 1;
	aio_context_t context = 0;
	struct io_event done;
	char byte;
	struct iocb read_one = {
		.aio_lio_opcode = IOCB_CMD_PREAD,
		.aio_fildes = file,
		.aio_buf = (uintptr_t)&byte,
		.aio_nbytes = 1,
		.aio_flags = IOCB_FLAG_RESFD,
		.aio_resfd = fd,
	};
	struct iocb *list = &read_one;
	struct pollfd p = { .fd = fd };

	if (fd < 0 || write(fd, &most, sizeof(most)) != sizeof(most) ||
	    syscall(SYS_io_setup, 1, &context))
		return -1;
	if (syscall(SYS_io_submit, context, 1, &list) == 1)
		syscall(SYS_io_getevents, context, 1, 1, &done, NULL);
	syscall(SYS_io_destroy, context);
	return poll(&p, 1, 0) == 1 && p.revents == POLLERR ? fd : -1;
}

static int ring_fds_that_are_something_else(struct arena *arena)
{
	int pipes[2], sockets[2], fds[8], err;

	need_ok(hostile_start(arena));
	need_ok(pipe2(pipes, O_CLOEXEC));
	need_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets));
	fds[0] = memfd_create("x", MFD_CLOEXEC);
	fds[1] = open("/dev/null", O_RDWR | O_CLOEXEC);
	fds[2] = epoll_create1(EPOLL_CLOEXEC);
	fds[3] = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	fds[4] = open("/run", O_PATH | O_CLOEXEC);
	fds[5] = pipes[1];
	fds[6] = overfull_eventfd(fds[0]);
	fds[7] = sockets[1]; /* good for a call only */
	err = wrong_fds(arena, FE_SET_VRING_KICK, fds, 8) ||
	      wrong_fds(arena, FE_SET_VRING_CALL, fds, 7) ||
	      wrong_fds(arena, FE_SET_VRING_ERR, fds, 7);
	need(!err);
	/* We do not poll. */
	need_no(fe_ask_ring_fd(&arena->fe[0], FE_SET_VRING_KICK, 0, -1));
	for (unsigned int i = 0; i < 8; i++)
		close(fds[i]);
	close(pipes[0]);
	close(sockets[0]);
	return exchange(arena);
}

static int ring_fds_exchanged_while_it_runs(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];

	need_ok(hostile_start(arena));
	for (unsigned int round = 0; round < 10; round++) {
		for (unsigned int i = 0; i < 2; i++) {
			struct ring *ring = &fe->ring[i];
			int kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
			int call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

			need_ok(fe_ask_ring_fd(fe, FE_SET_VRING_CALL, i, call));
			need_ok(fe_ask_ring_fd(fe, FE_SET_VRING_KICK, i, kick));
			close(ring->kick);
			close(ring->call);
			ring->kick = kick;
			ring->call = call;
		}
		if (exchange(arena))
			return -1;
	}
	/* None: the driver looks by itself. */
	need_ok(fe_ask_ring_fd(fe, FE_SET_VRING_CALL, 0, -1));
	need_ok(fe_ask_ring_fd(fe, FE_SET_VRING_ERR, 0, -1));
	need_ok(fe_ask_ring_fd(fe, FE_SET_VRING_CALL, 0, fe->ring[0].call));
	return exchange(arena);
}

/*
 * The same eventfd under another number, again and again, in requests that come while
 * a frame is on its way: who waits for its call must hear it.
 */
static int call_fds_exchanged_under_traffic_lose_no_call(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	struct ring *tx = &fe->ring[1];
	unsigned char frame[64];
	const uint64_t index = 1;

	need_ok(hostile_start(arena));
	frame_make(frame, sizeof(frame), 0, 1, 1);
	for (unsigned int round = 0; round < 4000; round++) {
		unsigned int requests = 1 + round % 5;

		ring_want_call(tx, 1);
		need_ok(ring_send(tx, frame, sizeof(frame)));
		if (round & 1)
			ring_kick_if_wanted(tx);
		for (unsigned int i = 0; i < requests; i++)
			need_ok(fe_send(fe, FE_SET_VRING_CALL, 0, &index, sizeof(index), &tx->call,
					1));
		ring_kick_if_wanted(tx);
		/* Once too often is allowed. */
		do {
			need(called(tx));
			ring_calls(tx->call);
		} while (ring_get(tx, NULL) < 0);
	}
	return exchange(arena);
}

static int a_ring_that_is_stopped_says_where(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	uint16_t base;

	need_ok(hostile_start(arena));
	for (unsigned int i = 0; i < 5; i++)
		if (exchange(arena))
			return -1;
	need_ok(fe_ring_stop(fe, 1, &base));
	/* All that was sent was carried, so the device is where the driver is. */
	need(base == fe->ring[1].avail_idx);
	need_ok(fe_ring_stop(fe, 0, &base));
	/* Buffers that wait for frames were taken back. */
	need(base == __atomic_load_n(&fe->ring[0].used->idx, __ATOMIC_ACQUIRE));
	for (unsigned int i = 0; i < 2; i++) {
		need_ok(fe_ring_stop(fe, i, &base));
		need_ok(fe_ask_state(fe, FE_SET_VRING_BASE, i, base));
		need_ok(fe_ask_ring_fd(fe, FE_SET_VRING_KICK, i, fe->ring[i].kick));
	}
	return exchange(arena);
}

static int a_ring_that_is_disabled_rests(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	unsigned char frame[64];
	struct ring *tx = &fe->ring[1];

	need_ok(hostile_start(arena));
	need_ok(fe_ring_enable(fe, 1, false));
	frame_make(frame, sizeof(frame), 0, 1, 1);
	need_ok(ring_send(tx, frame, sizeof(frame)));
	ring_kick(tx);
	/* Two requests later it would have been carried. */
	need_ok(fe_ping(fe));
	need_ok(hostile_exchange(arena, 1, 0));
	need(tx->used_idx == __atomic_load_n(&tx->used->idx, __ATOMIC_ACQUIRE));
	need_ok(fe_ring_enable(fe, 1, true));
	need_ok(ring_wait(tx, FE_WAIT_MS));
	return exchange(arena);
}

static int the_bulk_pair_is_taken_and_left_alone(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];

	need_ok(hostile_connect(arena));
	fe->nrings = 4;
	need_ok(fe_start(fe));
	fe->nrings = 0;
	for (unsigned int i = 2; i < 4; i++) {
		ring_post(&fe->ring[i]);
		ring_kick(&fe->ring[i]);
	}
	if (exchange(arena))
		return -1;
	for (unsigned int i = 2; i < 4; i++) {
		uint16_t base = 1;

		need(!__atomic_load_n(&fe->ring[i].used->idx, __ATOMIC_ACQUIRE));
		need_ok(fe_ring_stop(fe, i, &base));
		need(base == 0);
	}
	return exchange(arena);
}

int main(void)
{
	static const struct hostile_case cases[] = {
		CASE(rings_of_sizes_they_cannot_have),
		CASE(a_ring_that_runs_is_left_alone),
		CASE(ring_addresses_nowhere),
		CASE(ring_fds_that_are_something_else),
		CASE(ring_fds_exchanged_while_it_runs),
		CASE(call_fds_exchanged_under_traffic_lose_no_call),
		CASE(a_ring_that_is_stopped_says_where),
		CASE(a_ring_that_is_disabled_rests),
		CASE(the_bulk_pair_is_taken_and_left_alone),
	};

	return hostile_main(cases, sizeof(cases) / sizeof(cases[0]));
}
