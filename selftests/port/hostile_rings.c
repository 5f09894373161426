// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a hostile guest writes into its rings, and a hostile front-end says of
 * where they are.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include "hostile.h"

#define HDR 12

#define F_IN  VRING_DESC_F_WRITE
#define F_TAB VRING_DESC_F_INDIRECT

static int heads_out_of_range(struct arena *arena)
{
	static const unsigned int heads[] = { 256, 257, 32768, 65535 };
	struct fe *fe = &arena->fe[0];

	for (unsigned int i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		for (unsigned int k = 0; k < 2; k++) {
			need_ok(hostile_start_bare(arena));
			ring_put(&fe->ring[k], heads[i]);
			ring_kick(&fe->ring[k]);
			need(hostile_verdict(arena, k) == V_BROKEN);
		}
	return 0;
}

static int index_jumps(struct arena *arena)
{
	static const unsigned int jumps[] = { 257, 258, 32767, 32768, 65535 };
	struct fe *fe = &arena->fe[0];

	for (unsigned int i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++)
		for (unsigned int k = 0; k < 2; k++) {
			struct ring *ring = &fe->ring[k];

			need_ok(hostile_start_bare(arena));
			ring->avail_idx += jumps[i];
			ring_publish(ring);
			ring_kick(ring);
			need(hostile_verdict(arena, k) == V_BROKEN);
		}
	return 0;
}

/* In the middle of traffic, and with chains out. */
static int index_goes_back(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	struct ring *tx = &fe->ring[1];

	need_ok(hostile_start(arena));
	for (unsigned int i = 0; i < 10; i++)
		need_ok(hostile_exchange(arena, 0, 1));
	while (ring_get(tx, NULL) >= 0)
		;
	tx->avail_idx -= 2;
	ring_publish(tx);
	ring_kick(tx);
	need(hostile_verdict(arena, 1) == V_BROKEN);
	return 0;
}

/* One buffer is made available as often as the ring has entries; then twice as often. */
static int the_same_head_many_times(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	static unsigned char frame[64];

	for (unsigned int k = 0; k < 2; k++) {
		struct ring *ring = &fe->ring[k];

		need_ok(hostile_start_bare(arena));
		frame_make((unsigned char *)ring->slots + HDR, 64, 0, 1, 0);
		memset(ring->slots, 0, HDR);
		ring_desc(ring, 0, fe_gpa(fe, ring->slots), k ? HDR + 64 : 4096, k ? 0 : F_IN, 0);
		for (unsigned int round = 0; round < 2000; round++) {
			for (unsigned int i = 0; i < ring->num; i++)
				ring->avail->ring[i] = 0;
			ring->avail_idx += ring->num;
			ring_publish(ring);
			ring_kick(ring);
			if (k == 0 && round % 4 == 0) {
				frame_make(frame, sizeof(frame), 1, 0, arena->seq++);
				ring_send(&arena->fe[1].ring[1], frame, sizeof(frame));
				ring_kick_if_wanted(&arena->fe[1].ring[1]);
			}
		}
		need_ok(fe_ping(fe));
	}
	return 0;
}

struct place {
	uint64_t desc, avail, used;
};

static int tell_place(struct fe *fe, unsigned int i, struct place p)
{
	struct fe_vring_addr addr = { i, 0, p.desc, p.used, p.avail, 0 };

	return fe_ask(fe, FE_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
}

static int rings_out_of_place(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];

	for (unsigned int i = 0; i < 14; i++) {
		struct ring *tx = &fe->ring[1];
		struct place p;
		uint64_t end, gpa;
		uint16_t base;
		int err;

		fe_close(fe);
		need_ok(hostile_start(arena));
		need_ok(fe_ring_stop(fe, 1, &base));
		end = (uintptr_t)fe->region[0].at + fe->region[0].size;
		gpa = fe->region[0].gpa;
		p = (struct place){ (uintptr_t)tx->desc, (uintptr_t)tx->avail,
				    (uintptr_t)tx->used };
		switch (i) {
		case 0: /* unaligned, each */
			p.desc += 8;
			break;
		case 1:
			p.avail += 1;
			break;
		case 2:
			p.used += 2;
			break;
		case 3: /* not in the memory */
			p.desc = 0;
			break;
		case 4:
			p.avail = gpa;
			break;
		case 5:
			p.used = end;
			break;
		case 6: /* across its end */
			p.desc = end - 16;
			break;
		case 7:
			p.avail = end - 16;
			break;
		case 8:
			p.used = end - 2048;
			break;
		case 9: /* only the event index behind the ring is outside */
			p.used = end - (4 + 8 * 256);
			break;
		case 10:
			p.desc = p.avail = p.used = ~0ULL & ~15ULL;
			break;
		case 11:
			p.desc = 0x7ffffffffffffff0ULL;
			break;
		case 12:
			p.used = (uintptr_t)fe->region[0].at - 4;
			break;
		case 13:
			p.avail = end - (4 + 2 * 256);
			break;
		}
		err = tell_place(fe, 1, p);
		/* At the latest when it shall start. */
		if (!err)
			err = fe_ask_ring_fd(fe, FE_SET_VRING_KICK, 1, tx->kick);
		if (!err)
			err = fe_ring_enable(fe, 1, true);
		if (!err && hostile_verdict(arena, 1) == V_BROKEN)
			err = -EREMOTEIO;
		if (!hostile_refused(err)) {
			printf("# place %u: %d\n", i, err);
			return -1;
		}
	}
	return 0;
}

/* Rings upon each other: what the port writes into the one it reads in the other. */
static int rings_upon_each_other(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	unsigned int seed = 7;

	for (unsigned int i = 0; i < 8; i++) {
		for (unsigned int k = 0; k < 2; k++) {
			struct ring *ring = &fe->ring[k];
			struct place p;
			char *at;
			uint16_t base;

			fe_close(fe);
			need_ok(hostile_start(arena));
			at = ring->slots;
			p = (struct place){ (uintptr_t)ring->desc, (uintptr_t)ring->avail,
					    (uintptr_t)ring->used };
			need_ok(fe_ring_stop(fe, k, &base));
			switch (i) {
			case 0: /* used is available */
				p.used = p.avail;
				break;
			case 1: /* used are the descriptors */
				p.used = p.desc;
				break;
			case 2: /* all of them are one */
				p.used = p.avail = p.desc;
				break;
			case 3: /* in the middle of the buffers */
				p.used = (uintptr_t)at;
				break;
			case 4:
				p.avail = (uintptr_t)at;
				break;
			case 5:
				p.desc = (uintptr_t)at;
				break;
			case 6: /* the other ring's used */
				p.used = (uintptr_t)fe->ring[!k].used;
				break;
			case 7: /* and its descriptors */
				p.desc = (uintptr_t)fe->ring[!k].desc;
				break;
			}
			/* May be refused; if not, it is the guest's own harm. */
			if (tell_place(fe, k, p))
				continue;
			fe_ask_state(fe, FE_SET_VRING_BASE, k, 0);
			fe_ask_ring_fd(fe, FE_SET_VRING_KICK, k, ring->kick);
			fe_ring_enable(fe, k, true);
			for (unsigned int n = 0; n < 200; n++) {
				static unsigned char frame[256];

				for (unsigned int w = 0; w < 64; w++)
					at[rand_r(&seed) % 8192] = rand_r(&seed);
				ring->avail_idx++;
				ring_publish(ring);
				ring_kick(ring);
				frame_make(frame, sizeof(frame), 1, 0, arena->seq++);
				ring_send(&arena->fe[1].ring[1], frame, sizeof(frame));
				ring_kick_if_wanted(&arena->fe[1].ring[1]);
			}
			need_ok(fe_ping(fe));
		}
	}
	return 0;
}

/* The frames that come are received upon the rings that receive them. */
static int buffers_upon_the_rings(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];

	for (unsigned int i = 0; i < 6; i++) {
		struct ring *rx = &fe->ring[0];
		void *targets[6];
		static unsigned char frame[1024];

		need_ok(hostile_start_bare(arena));
		targets[0] = rx->desc;
		targets[1] = rx->avail;
		targets[2] = rx->used;
		targets[3] = fe->ring[1].desc;
		targets[4] = fe->ring[1].avail;
		targets[5] = fe->ring[1].used;
		for (unsigned int k = 0; k < rx->num; k++)
			ring_desc(rx, k, fe_gpa(fe, targets[i]), 2048, F_IN, 0);
		for (unsigned int k = 0; k < rx->num; k++)
			rx->avail->ring[k] = k;
		rx->avail_idx += rx->num;
		ring_publish(rx);
		ring_kick(rx);
		for (unsigned int k = 0; k < 300; k++) {
			frame_make(frame, sizeof(frame), 1, 0, arena->seq++);
			ring_send(&arena->fe[1].ring[1], frame, sizeof(frame));
			ring_kick_if_wanted(&arena->fe[1].ring[1]);
		}
		need_ok(fe_ping(fe));
	}
	return 0;
}

struct flipper {
	struct ring *ring;
	struct vring_desc *table;
	uint64_t good, bad;
	bool stop;
};

/* A second processor of the guest, which changes what the port is about to read. */
static void *flip(void *arg)
{
	struct flipper *f = arg;
	unsigned int seed = 1;

	while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED)) {
		unsigned int i = rand_r(&seed) % 8;
		struct vring_desc *d = rand_r(&seed) % 2 ? &f->ring->desc[i] : &f->table[i];
		volatile struct vring_desc *v = d;

		v->addr = rand_r(&seed) % 64 ? f->good : f->bad;
		v->len = rand_r(&seed) % 64 ? 64 + rand_r(&seed) % 2048 : rand_r(&seed);
		v->next = rand_r(&seed) % 8;
		v->flags = rand_r(&seed) % 16 ? (f->ring->index ? 0 : F_IN) : rand_r(&seed) % 8;
		if (rand_r(&seed) % 4 == 0) {
			v->addr = f->good - 4096;
			v->len = 128;
			v->flags = F_TAB;
		}
	}
	return NULL;
}

static int descriptors_that_change_while_read(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];

	for (unsigned int round = 0; round < 60; round++) {
		struct ring *ring = &fe->ring[round & 1];
		struct flipper f = { .ring = ring };
		pthread_t thread;
		static unsigned char frame[128];

		need_ok(hostile_start_bare(arena));
		f.table = fe_alloc(fe, 0, 8192, 4096);
		f.good = fe_gpa(fe, f.table) + 4096;
		f.bad = fe->region[0].gpa + fe->region[0].size - 100;
		need(!pthread_create(&thread, NULL, flip, &f));
		for (unsigned int n = 0; n < 300; n++) {
			for (unsigned int i = 0; i < 8; i++)
				ring->avail->ring[ring->avail_idx++ % ring->num] = i;
			ring_publish(ring);
			ring_kick(ring);
			if (round & 1)
				continue;
			frame_make(frame, sizeof(frame), 1, 0, arena->seq++);
			ring_send(&arena->fe[1].ring[1], frame, sizeof(frame));
			ring_kick_if_wanted(&arena->fe[1].ring[1]);
		}
		__atomic_store_n(&f.stop, true, __ATOMIC_RELAXED);
		pthread_join(thread, NULL);
		need_ok(fe_ping(fe));
	}
	return 0;
}

/* What a front-end keeps for the port that dies: given to one that never did, and full of lies. */
static int in_flight_memory_of_lies(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	struct fe_inflight about = { .mmap_size = 1 << 16, .num_queues = 2, .queue_size = 256 };
	unsigned int seed = 3;

	for (unsigned int round = 0; round < 40; round++) {
		int fd = memfd_create("inflight", MFD_CLOEXEC);
		uint16_t base;
		uint16_t *at;

		need(fd >= 0 && !ftruncate(fd, about.mmap_size));
		at = mmap(NULL, about.mmap_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		need(at != MAP_FAILED);
		need_ok(hostile_start_bare(arena));
		for (unsigned int k = 0; k < 2; k++) {
			need_ok(fe_ring_stop(fe, k, &base));
			ring_reset_at(&fe->ring[k], rand_r(&seed));
		}
		for (unsigned int i = 0; i < about.mmap_size / 2; i++)
			at[i] = rand_r(&seed) % (round & 1 ? 65536 : 300);
		/* Its headers can be believed: features, version, size; all the rest not. */
		for (unsigned int k = 0; k < 2; k++) {
			uint16_t *log = at + k * ((16 + 256 * 16) / 2 + 24);

			memset(log, 0, 8);
			log[4] = 1;
			log[5] = 256;
		}
		need_ok(fe_ask(fe, FE_SET_INFLIGHT_FD, &about, 20, &fd, 1));
		for (unsigned int k = 0; k < 2; k++) {
			need_ok(fe_ring_tell(fe, k, 0));
			need_ok(fe_ring_enable(fe, k, true));
			for (unsigned int i = 0; i < 64; i++)
				at[rand_r(&seed) % (about.mmap_size / 2)] = rand_r(&seed);
			ring_put(&fe->ring[k], rand_r(&seed) % 256);
			ring_kick(&fe->ring[k]);
		}
		hostile_frames_to_it(arena, 32);
		need_ok(fe_ping(fe));
		munmap(at, about.mmap_size);
		close(fd);
	}
	return 0;
}

static const struct hostile_case cases[] = {
	{ "heads out of range", heads_out_of_range },
	{ "an available index that jumps", index_jumps },
	{ "an available index that goes back", index_goes_back },
	{ "the same head in every entry, round after round", the_same_head_many_times },
	{ "rings unaligned, outside, or across the memory's end", rings_out_of_place },
	{ "rings that lie upon each other", rings_upon_each_other },
	{ "frames received upon the rings themselves", buffers_upon_the_rings },
	{ "in-flight memory that is full of lies", in_flight_memory_of_lies },
	{ "descriptors that change while they are read", descriptors_that_change_while_read },
};

int main(void)
{
	return hostile_main(cases, sizeof(cases) / sizeof(cases[0]));
}
