// SPDX-License-Identifier: GPL-2.0-only
/*
 * Chains of descriptors that are none: each in the transmit and in the receive
 * ring, and what the port must make of it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_net.h>

#include "hostile.h"

#define HDR 12

#define F_NEXT VRING_DESC_F_NEXT
#define F_IN   VRING_DESC_F_WRITE
#define F_TAB  VRING_DESC_F_INDIRECT

/* One attack: @write makes head 0 what it is, in ring @ring. */
struct attack {
	const char *what;
	void (*write)(struct fe *fe, struct ring *ring, struct vring_desc *table, uint64_t buf);
	unsigned int verdicts; /* those that are right */
	bool rx; /* in the receive ring, too */
};

static void w_loop_of_one(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	ring_desc(r, 0, buf, 64, F_NEXT, 0);
}

static void w_loop_of_two(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	ring_desc(r, 0, buf, 64, F_NEXT, 1);
	ring_desc(r, 1, buf, 64, F_NEXT, 0);
}

static void w_loop_of_all(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	for (unsigned int i = 0; i < r->num; i++)
		ring_desc(r, i, buf + 64 * (i & 1), 64, F_NEXT, (i + 1) % r->num);
}

static void w_next_num(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	ring_desc(r, 0, buf, 64, F_NEXT, r->num);
}

static void w_next_65535(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	ring_desc(r, 0, buf, 64, F_NEXT, 65535);
}

static void w_address_0(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	ring_desc(r, 0, 0, 64, 0, 0);
}

/* The front-end's address, or ours, is no guest's. */
static void w_address_user(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	ring_desc(r, 0, (uintptr_t)r->slots, 64, 0, 0);
}

static void w_address_past_end(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	ring_desc(r, 0, fe->region[0].gpa + fe->region[0].size, 64, 0, 0);
}

static void w_across_end(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	ring_desc(r, 0, fe->region[0].gpa + fe->region[0].size - 32, 64, 0, 0);
}

static void w_across_begin(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	ring_desc(r, 0, fe->region[0].gpa - 32, 64, 0, 0);
}

static void w_wraps(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	ring_desc(r, 0, ~0ULL - 31, 64, 0, 0);
}

static void w_huge(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	ring_desc(r, 0, buf, 0xffffffff, 0, 0);
}

static void w_empty(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	ring_desc(r, 0, buf, 0, 0, 0);
}

static void w_empty_in_chain(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	ring_desc(r, 0, buf, HDR, F_NEXT, 1);
	ring_desc(r, 1, buf, 0, F_NEXT, 2);
	ring_desc(r, 2, buf, 64, 0, 0);
}

/* 256 times 12 MiB. */
static void w_sum_of_3_gib(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	for (unsigned int i = 0; i < r->num; i++)
		ring_desc(r, i, fe->region[0].gpa + (i & 1) * 4096, 12 << 20,
			  i + 1 < r->num ? F_NEXT : 0, i + 1);
}

/* The whole table in one chain, and more bytes than 32 bits count. */
static void w_sum_of_4_gib(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	for (unsigned int i = 0; i < r->num; i++)
		ring_desc(r, i, fe->region[0].gpa, 16 << 20, i + 1 < r->num ? F_NEXT : 0, i + 1);
}

static void w_wrong_way(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	ring_desc(r, 0, buf, 128, r->index & 1 ? F_IN : 0, 0);
}

static void w_in_before_out(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	ring_desc(r, 0, buf, 64, F_IN | F_NEXT, 1);
	ring_desc(r, 1, buf + 64, 64, 0, 0);
}

static void w_both_ways(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	ring_desc(r, 0, buf, 64, F_NEXT, 1);
	ring_desc(r, 1, buf + 64, 4096, F_IN, 0);
}

static void table(struct fe *fe, struct ring *r, struct vring_desc *t, uint32_t len)
{
	ring_desc(r, 0, fe_gpa(fe, t), len, F_TAB, 0);
}

static void w_table_in_table(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	table(fe, r, t, 16);
	t[0] = (struct vring_desc){ fe_gpa(fe, t), 16, F_TAB, 0 };
}

static void w_table_and_next(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	ring_desc(r, 0, fe_gpa(fe, t), 16, F_TAB | F_NEXT, 1);
	ring_desc(r, 1, buf, 64, 0, 0);
	t[0] = (struct vring_desc){ buf, 64, 0, 0 };
}

static void w_table_behind_next(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	ring_desc(r, 0, buf, 64, F_NEXT, 1);
	ring_desc(r, 1, fe_gpa(fe, t), 16, F_TAB, 0);
	t[0] = (struct vring_desc){ fe_gpa(fe, t), 16, F_TAB, 0 };
}

static void w_table_empty(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	table(fe, r, t, 0);
}

static void w_table_odd(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	table(fe, r, t, 17);
}

static void w_table_short(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	table(fe, r, t, 15);
}

static void w_table_huge(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	table(fe, r, t, 0xfffffff0);
}

/* All of the memory is one table of a million entries, and its chain goes through them. */
static void w_table_of_all(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	ring_desc(r, 0, fe->region[0].gpa, fe->region[0].size & ~15ULL, F_TAB, 0);
	/* Its first entry is r->desc[0] of the receive ring, or what lies there. */
}

static void w_table_outside(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	ring_desc(r, 0, fe->region[0].gpa + fe->region[0].size - 16, 32, F_TAB, 0);
}

static void w_table_unaligned(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	ring_desc(r, 0, fe_gpa(fe, t) + 1, 16, F_TAB, 0);
	memcpy((char *)t + 1, &(struct vring_desc){ buf, 128, r->index & 1 ? 0 : F_IN, 0 }, 16);
}

static void w_table_loop(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	table(fe, r, t, 32);
	t[0] = (struct vring_desc){ buf, 64, F_NEXT, 1 };
	t[1] = (struct vring_desc){ buf, 64, F_NEXT, 0 };
}

static void w_table_next_past(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	table(fe, r, t, 32);
	t[0] = (struct vring_desc){ buf, 64, F_NEXT, 2 };
	t[2] = (struct vring_desc){ buf, 64, 0, 0 };
}

/* A table that is also the ring's own descriptor table. */
static void w_table_is_the_ring(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	ring_desc(r, 0, fe_gpa(fe, r->desc), 16 * r->num, F_TAB, 0);
}

static void w_flags_unknown(struct fe *fe, struct ring *r, struct vring_desc *t, uint64_t buf)
{
	ring_desc(r, 0, buf, 128, 0xfff8 | (r->index & 1 ? 0 : F_IN), 0);
}

#define BAD V_BROKEN
#define ANY (V_BROKEN | V_USED)

static const struct attack attacks[] = {
	{ "a descriptor that is its own next", w_loop_of_one, ANY, true },
	{ "a loop of two", w_loop_of_two, ANY, true },
	{ "a loop through the whole table", w_loop_of_all, ANY, true },
	{ "a next of the ring's size", w_next_num, BAD, true },
	{ "a next of 65535", w_next_65535, BAD, true },
	{ "address 0", w_address_0, BAD, true },
	{ "the front-end's own address", w_address_user, BAD, true },
	{ "an address behind the memory", w_address_past_end, BAD, true },
	{ "a piece across the memory's end", w_across_end, BAD, true },
	{ "a piece across its beginning", w_across_begin, BAD, true },
	{ "a piece that wraps around", w_wraps, BAD, true },
	{ "a piece of 4 GiB", w_huge, BAD, true },
	{ "an empty piece", w_empty, ANY, true },
	{ "an empty piece in a chain", w_empty_in_chain, ANY, true },
	{ "a chain of 3 GiB", w_sum_of_3_gib, ANY, true },
	{ "a chain of 4 GiB", w_sum_of_4_gib, ANY, true },
	{ "a piece of the wrong direction", w_wrong_way, ANY, true },
	{ "a piece to write before one to read", w_in_before_out, BAD, true },
	{ "pieces of both directions", w_both_ways, ANY, true },
	{ "an indirect table in an indirect table", w_table_in_table, BAD, true },
	{ "an indirect table with a next", w_table_and_next, BAD, true },
	{ "an indirect table in one behind a next", w_table_behind_next, BAD, true },
	{ "an indirect table of 0 bytes", w_table_empty, BAD, true },
	{ "an indirect table of 15 bytes", w_table_short, BAD, true },
	{ "an indirect table of 17 bytes", w_table_odd, BAD, true },
	{ "an indirect table of 4 GiB", w_table_huge, BAD, true },
	{ "an indirect table that is all the memory", w_table_of_all, ANY, true },
	{ "an indirect table across the end", w_table_outside, BAD, true },
	{ "an indirect table on an odd address", w_table_unaligned, ANY, true },
	{ "a loop in an indirect table", w_table_loop, BAD, true },
	{ "a next behind an indirect table", w_table_next_past, BAD, true },
	{ "an indirect table that is the ring", w_table_is_the_ring, BAD, true },
	{ "flags nobody knows", w_flags_unknown, ANY, true },
};

static int one_attack(struct arena *arena, const struct attack *a, unsigned int ring_no)
{
	struct fe *fe = &arena->fe[0];
	struct ring *ring = &fe->ring[ring_no];
	enum hostile_verdict verdict;
	struct vring_desc *t;
	static unsigned char frame[64];
	uint16_t base;

	need_ok(hostile_start_bare(arena));
	t = fe_alloc(fe, 0, 4096, 4096);
	need(t);
	a->write(fe, ring, t, fe_gpa(fe, ring->slots + (size_t)ring->slot_size * 8));
	ring_put(ring, 0);
	ring_kick(ring);
	/* A receive ring is looked at when there is something for it. */
	if (ring_no == 0) {
		frame_make(frame, sizeof(frame), 1, 0, arena->seq++);
		need_ok(ring_send(&arena->fe[1].ring[1], frame, sizeof(frame)));
		ring_kick_if_wanted(&arena->fe[1].ring[1]);
	}
	verdict = hostile_verdict(arena, ring_no);
	if (!(verdict & a->verdicts)) {
		printf("# ring %u: %s: verdict %d\n", ring_no, a->what, verdict);
		return -1;
	}
	/* The ring's other half, and the messages, are as good as before. */
	need_ok(fe_ping(fe));
	need_ok(fe_ring_stop(fe, ring_no, &base));
	return 0;
}

static int descriptors(struct arena *arena, unsigned int ring_no)
{
	int err = 0;

	for (unsigned int i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++)
		if (one_attack(arena, &attacks[i], ring_no)) {
			printf("# in: %s\n", attacks[i].what);
			/* Each costs its deadline: some tell enough. */
			if (--err < -3 || !plug_runs(&arena->plug[0]))
				break;
		}
	return err;
}

static int descriptors_tx(struct arena *arena)
{
	return descriptors(arena, 1);
}

static int descriptors_rx(struct arena *arena)
{
	return descriptors(arena, 0);
}

static int indirect_not_negotiated(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	struct ring *tx = &fe->ring[1];
	struct vring_desc *t;

	fe->without = FE_BIT(VIRTIO_RING_F_INDIRECT_DESC);
	need_ok(hostile_start(arena));
	fe->without = 0;
	t = fe_alloc(fe, 0, 4096, 4096);
	t[0] = (struct vring_desc){ fe_gpa(fe, tx->slots), 128, 0, 0 };
	table(fe, tx, t, 16);
	ring_put(tx, 0);
	ring_kick(tx);
	need(hostile_verdict(arena, 1) == V_BROKEN);
	return 0;
}

static const struct hostile_case cases[] = {
	{ "transmit ring: every chain that is none", descriptors_tx },
	{ "receive ring: every chain that is none", descriptors_rx },
	{ "an indirect table that was not negotiated", indirect_not_negotiated },
};

int main(void)
{
	return hostile_main(cases, sizeof(cases) / sizeof(cases[0]));
}
