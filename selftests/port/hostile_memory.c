// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a hostile front-end says of the guest's memory, and does to it.
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
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "../../host/tap.h"
#include "hostile.h"

/* host/vhost/memory.h: how a port ends whose guest's memory has gone. */
#define EXIT_MEMORY 3

static int some_memfd(size_t size)
{
	int fd = memfd_create("other", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && ftruncate(fd, size))
		abort();
	return fd;
}

static int tell(struct fe *fe, uint32_t n, const struct fe_mem_region *r, unsigned int have,
		const int *fds, unsigned int nfds)
{
	struct fe_mem_table table = { .n = n };

	memcpy(table.region, r, have * sizeof(*r));
	return fe_ask(fe, FE_SET_MEM_TABLE, &table, 8 + have * sizeof(*r), fds, nfds);
}

static int tables_that_cannot_be(struct arena *arena)
{
	const uint64_t M = 1 << 20;
	const struct {
		uint32_t n;
		struct fe_mem_region r[2];
	} bad[] = {
		{ 1, { { 0, 0, M, 0 } } }, /* empty */
		{ 1, { { 0, 17 * M, M, 0 } } }, /* longer than its file */
		{ 1, { { 0, M, M, 16 * M } } }, /* begins at its end */
		{ 1, { { 0, M, M, ~0ULL } } },
		{ 1, { { 0, M, M, ~0ULL - M + 1 } } }, /* sums that wrap around */
		{ 1, { { ~0ULL - 4096, M, M, 0 } } },
		{ 1, { { 0, M, ~0ULL - 4096, 0 } } },
		{ 1, { { 0, ~0ULL, M, 0 } } },
		{ 1, { { 0, 1ULL << 63, M, 0 } } },
		{ 2, { { 0, M, M, 0 }, { M / 2, M, 4 * M, 0 } } }, /* overlap for the guest */
		{ 2, { { 0, M, M, 0 }, { 4 * M, M, M + 4096, 0 } } }, /* for the front-end */
		{ 2, { { 0, M, M, 0 }, { 0, M, M, 0 } } },
		{ 2, { { 0, M, M, 0 }, { 4 * M, 0, 4 * M, 0 } } }, /* the second alone */
		{ 0xffffffff, { { 0, M, M, 0 } } },
		{ 9, { { 0, M, M, 0 } } },
	};
	struct fe *fe = &arena->fe[0];
	int fd = some_memfd(16 * M), fds[8];

	for (unsigned int i = 0; i < 8; i++)
		fds[i] = fd;
	need_ok(hostile_start(arena));
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		unsigned int n = bad[i].n > 2 ? 2 : bad[i].n;
		int err = tell(fe, bad[i].n, bad[i].r, n, fds, n);

		if (!hostile_refused(err))
			printf("# table %u: %d\n", i, err);
		need(hostile_refused(err));
		/* Which has changed nothing; or all has ended. */
		if (err == -EREMOTEIO) {
			need_ok(hostile_exchange(arena, 0, 1));
			need_ok(hostile_exchange(arena, 1, 0));
		} else {
			fe_close(fe);
			need_ok(hostile_start(arena));
		}
	}
	/* Descriptors too few, too many, none. */
	for (unsigned int n = 0; n <= 8; n++) {
		if (n == 1)
			continue;
		need(hostile_refused(tell(fe, 1, bad[0].r, 1, fds, n)));
		fe_close(fe);
		need_ok(hostile_start(arena));
	}
	close(fd);
	return 0;
}

static int memory_read_only(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	int fd = some_memfd(16 << 20), keep, ro;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	need(ro >= 0);
	need_ok(hostile_start(arena));
	keep = fe->region[0].fd;
	fe->region[0].fd = ro;
	need(hostile_refused(fe_tell_memory(fe)));
	fe->region[0].fd = keep;
	close(ro);
	/* The same by a seal. */
	need(!fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	fe_close(fe);
	need_ok(hostile_start(arena));
	keep = fe->region[0].fd;
	fe->region[0].fd = fd;
	need(hostile_refused(fe_tell_memory(fe)));
	fe->region[0].fd = keep;
	close(fd);
	return 0;
}

static int slots_without_end(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	int fd = some_memfd(1 << 20);
	uint64_t max;
	int err = 0;
	unsigned int n;

	need_ok(hostile_start(arena));
	need_ok(fe_get_u64(fe, FE_GET_MAX_MEM_SLOTS, &max));
	need(max >= 8 && max < 4096);
	for (n = 0; n < 5000 && !err; n++) {
		struct fe_mem_reg reg = {
			.region = { (1ULL << 40) + n * 4096, 4096, (1ULL << 40) + n * 4096, 0 },
		};

		err = fe_ask(fe, FE_ADD_MEM_REG, &reg, sizeof(reg), &fd, 1);
	}
	need(hostile_refused(err) && n <= max + 1);
	/* What is not there cannot be taken away, also not a part. */
	for (unsigned int i = 0; i < 3; i++) {
		struct fe_mem_reg reg = {
			.region = { (1ULL << 40) + 1, 4096, (1ULL << 40), 0 },
		};

		reg.region.gpa -= i > 0;
		reg.region.size -= i > 1 ? 2048 : 0;
		reg.region.user += i == 1;
		need(fe_ask(fe, FE_REM_MEM_REG, &reg, sizeof(reg), NULL, 0) == -EREMOTEIO);
	}
	need_ok(hostile_exchange(arena, 0, 1));
	close(fd);
	return 0;
}

/* A guest that goes on kicking, whatever happens to its memory. */
struct kicker {
	struct fe *fe;
	bool stop;
};

static void *kick_on(void *arg)
{
	struct kicker *k = arg;

	while (!__atomic_load_n(&k->stop, __ATOMIC_RELAXED)) {
		struct ring *tx = &k->fe->ring[1];

		for (unsigned int i = 0; i < 32; i++)
			tx->avail->ring[tx->avail_idx++ % tx->num] = i;
		ring_publish(tx);
		ring_kick(tx);
		ring_kick(&k->fe->ring[0]);
	}
	return NULL;
}

static void frames_at(struct fe *fe)
{
	struct ring *tx = &fe->ring[1];

	for (unsigned int i = 0; i < 32; i++) {
		memset(tx->slots + (size_t)i * tx->slot_size, 0, 12);
		frame_make((unsigned char *)tx->slots + (size_t)i * tx->slot_size + 12, 1000, 0, 1,
			   i);
		tx->desc[i] =
			(struct vring_desc){ fe_gpa(fe, tx->slots + (size_t)i * tx->slot_size),
					     1012, 0, 0 };
	}
}

static int removed_under_traffic(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];

	for (unsigned int round = 0; round < 10; round++) {
		struct kicker k = { .fe = fe };
		pthread_t thread;

		fe_close(fe);
		need_ok(hostile_start(arena));
		frames_at(fe);
		need(!pthread_create(&thread, NULL, kick_on, &k));
		for (unsigned int i = 0; i < 20; i++) {
			hostile_frames_to_it(arena, 16);
			/* Away, and there again; elsewhere, half of it, as it was. */
			fe_remove_region(fe, 0);
			hostile_frames_to_it(arena, 16);
			fe_add_region(fe, 0);
			fe->region[0].size /= 2;
			fe_tell_memory(fe);
			fe->region[0].size *= 2;
			fe_tell_memory(fe);
		}
		__atomic_store_n(&k.stop, true, __ATOMIC_RELAXED);
		pthread_join(thread, NULL);
		need(hostile_settle(arena) >= 0);
	}
	return 0;
}

static int cut_short(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	struct ring *tx = &fe->ring[1];
	long long end;
	uint64_t one = 1;

	need_ok(hostile_start(arena));
	need_ok(hostile_exchange(arena, 0, 1));
	need(!ftruncate(fe->region[0].fd, 0));
	end = fe_now_ms() + FE_WAIT_MS;
	/* It ends itself, or lives: it must not hang. */
	while (fe_now_ms() < end && plug_runs(&arena->plug[0]) &&
	       write(tx->kick, &one, sizeof(one)) == sizeof(one)) {
		hostile_frames_to_it(arena, 1);
		if (fe_ping(fe))
			break;
	}
	need(fe_now_ms() < end);
	/* What was mapped here is gone, too: not to be touched by fe_close(). */
	return 0;
}

/* Only what lies behind the rings: the kernel meets it, and gives EFAULT. */
static int buffers_cut_off(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	struct ring *tx = &fe->ring[1];
	uint64_t far;

	need_ok(hostile_connect(arena));
	fe->memory = 32 << 20;
	need_ok(fe_start(fe));
	fe->memory = 0;
	far = fe->region[0].gpa + (31 << 20);
	need(!ftruncate(fe->region[0].fd, 24 << 20));
	for (unsigned int k = 0; k < 2; k++) {
		struct ring *ring = &fe->ring[k];

		for (unsigned int i = 0; i < ring->num; i++)
			ring->desc[i] = (struct vring_desc){ far + i * 2048, 2048,
							     k ? 0 : VRING_DESC_F_WRITE, 0 };
		if (k == 1)
			for (unsigned int i = 0; i < ring->num; i++)
				ring->avail->ring[i] = i;
	}
	hostile_frames_to_it(arena, 256);
	tx->avail_idx += 100;
	ring_publish(tx);
	ring_kick(tx);
	fe_ping(fe);
	return 0;
}

/* More often than a tap may fail before it is given up. */
#define OFTEN 100

static int buffers_cut_off_again_and_again(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	struct ring *rx = &fe->ring[0];
	struct pollfd broken = { .events = POLLIN };
	uint16_t base;
	uint64_t far;

	/* The kernel's lane throws such a frame away, and the ring goes on. */
	if (strcmp(plug_lane(), "own"))
		return 0;
	need_ok(hostile_connect(arena));
	fe->memory = 32 << 20;
	need_ok(fe_start(fe));
	fe->memory = 0;
	far = fe->region[0].gpa + (31 << 20);
	need(!ftruncate(fe->region[0].fd, 24 << 20));
	need_ok(fe_ring_stop(fe, 0, &base));
	/* So that no read finds the tap empty. */
	hostile_frames_to_it(arena, 5 * OFTEN);
	broken.fd = rx->err;
	for (unsigned int k = 0; k < OFTEN; k++) {
		ring_reset(rx);
		for (unsigned int i = 0; i < 4; i++) {
			rx->desc[i] = (struct vring_desc){ far, 2048, VRING_DESC_F_WRITE, 0 };
			rx->avail->ring[i] = i;
		}
		rx->avail_idx = 4;
		ring_publish(rx);
		need_ok(fe_ring_tell(fe, 0, 0));
		need(poll(&broken, 1, FE_WAIT_MS) == 1);
		ring_calls(rx->err);
		need_ok(fe_ring_stop(fe, 0, &base));
	}
	return 0;
}

static const struct hostile_case cases[] = {
	{ "memory tables that cannot be, and change nothing", tables_that_cannot_be },
	{ "memory that may not be written", memory_read_only },
	{ "more regions than there are slots; others taken away", slots_without_end },
	{ "memory removed, halved and told again under traffic", removed_under_traffic },
	{ "memory cut short: the port ends only itself", cut_short, EXIT_MEMORY },
	{ "buffers cut off behind the rings", buffers_cut_off, EXIT_MEMORY },
	{ "the same, more often than a tap may fail", buffers_cut_off_again_and_again },
};

int main(void)
{
	return hostile_main(cases, sizeof(cases) / sizeof(cases[0]));
}
