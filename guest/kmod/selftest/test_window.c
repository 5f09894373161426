// SPDX-License-Identifier: GPL-2.0-only
/* window.c and rtt.c: what has come of a flow, against a plain model; time is given. */
#include <kunit/test.h>
#include <linux/prandom.h>

#include "rtt.h"
#include "window.h"

static void in_order(struct kunit *test)
{
	struct vmesh_window w;
	u32 seq;

	vmesh_window_init(&w);
	KUNIT_EXPECT_FALSE(test, vmesh_window_wants(&w, 0));
	for (seq = 1; seq < 1000; seq++) {
		KUNIT_ASSERT_TRUE(test, vmesh_window_wants(&w, seq));
		vmesh_window_add(&w, seq);
		KUNIT_ASSERT_EQ(test, w.cum, seq);
		KUNIT_ASSERT_FALSE(test, vmesh_window_gap(&w));
		KUNIT_ASSERT_FALSE(test, vmesh_window_wants(&w, seq));
	}
}

static void limits(struct kunit *test)
{
	struct vmesh_window w;

	vmesh_window_init(&w);
	KUNIT_EXPECT_TRUE(test, vmesh_window_wants(&w, VM_WINDOW_MAX));
	KUNIT_EXPECT_FALSE(test, vmesh_window_wants(&w, VM_WINDOW_MAX + 1));
	KUNIT_EXPECT_FALSE(test, vmesh_window_wants(&w, (u32)-1));
	vmesh_window_add(&w, VM_WINDOW_MAX);
	KUNIT_EXPECT_TRUE(test, vmesh_window_gap(&w));
	KUNIT_EXPECT_EQ(test, w.cum, 0);
	KUNIT_EXPECT_FALSE(test, vmesh_window_wants(&w, VM_WINDOW_MAX));
	/* It is the bit that the wire says it is: cum + 2 + 64 w + b. */
	KUNIT_EXPECT_EQ(test, w.beyond[3], 1ULL << (VM_WINDOW_MAX - 2 - 192));
}

/* From the last to the first: only then is anything in order, and all of it. */
static void backwards(struct kunit *test)
{
	struct vmesh_window w;
	u32 seq, word;

	vmesh_window_init(&w);
	for (seq = VM_WINDOW_MAX; seq; seq--) {
		KUNIT_ASSERT_EQ(test, w.cum, 0);
		KUNIT_ASSERT_TRUE(test, vmesh_window_wants(&w, seq));
		vmesh_window_add(&w, seq);
	}
	KUNIT_EXPECT_EQ(test, w.cum, VM_WINDOW_MAX);
	KUNIT_EXPECT_FALSE(test, vmesh_window_gap(&w));
	for (word = 0; word < VM_WINDOW_MAX / 64; word++)
		KUNIT_EXPECT_EQ(test, w.beyond[word], 0);
}

/*
 * Any order, repeats, and numbers that wrap, against a byte for each frame. What
 * the window says has come must have, once, and the other way round.
 */
static void any_order(struct kunit *test)
{
	const u32 frames = 20000, start = (u32)-7000;
	struct rnd_state rnd;
	struct vmesh_window w;
	u32 seq, i, cum = 0;
	u8 *came;

	came = kunit_kzalloc(test, frames + 1, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, came);
	prandom_seed_state(&rnd, 1);
	vmesh_window_init(&w);
	w.cum = start;
	w.high = start;
	for (i = 0; i < 200 * 1000 && cum < frames; i++) {
		/* Mostly close to the gap, now and then beyond the window or behind. */
		seq = cum + prandom_u32_state(&rnd) % (i % 50 ? 40 : VM_WINDOW_MAX + 10);
		if (seq > frames || !seq)
			continue;
		KUNIT_ASSERT_EQ_MSG(test, vmesh_window_wants(&w, start + seq),
				    seq > cum && seq <= cum + VM_WINDOW_MAX && !came[seq],
				    "frame %u, all up to %u", seq, cum);
		if (!vmesh_window_wants(&w, start + seq))
			continue;
		vmesh_window_add(&w, start + seq);
		came[seq] = 1;
		while (cum < frames && came[cum + 1])
			cum++;
		KUNIT_ASSERT_EQ(test, w.cum, start + cum);
		for (seq = cum + 2; seq <= min(cum + 1 + VM_WINDOW_MAX, frames); seq++)
			KUNIT_ASSERT_EQ(test,
					w.beyond[(seq - cum - 2) / 64] >> (seq - cum - 2) % 64 & 1,
					came[seq]);
	}
	KUNIT_EXPECT_EQ(test, cum, frames);
	KUNIT_EXPECT_FALSE(test, vmesh_window_gap(&w));
}

static void round_trips(struct kunit *test)
{
	struct vmesh_rtt r;
	unsigned int i;
	u64 before;

	vmesh_rtt_init(&r);
	KUNIT_EXPECT_EQ(test, vmesh_rtt_timeout(&r), VMESH_RTO_FIRST_NS);
	for (i = 0; i < 100; i++)
		vmesh_rtt_sample(&r, 40 * 1000);
	KUNIT_EXPECT_GT(test, r.srtt, 39 * 1000ULL);
	KUNIT_EXPECT_LE(test, r.srtt, 40 * 1000ULL);
	KUNIT_EXPECT_LT(test, r.var, 100ULL);
	KUNIT_EXPECT_EQ_MSG(test, vmesh_rtt_timeout(&r), VMESH_RTO_MIN_NS, "the floor");
	KUNIT_EXPECT_LT_MSG(test, vmesh_rtt_repair(&r), 50 * 1000ULL, "a repair waits for a trip");

	/* One that was slow raises the timeout, and is forgotten. */
	vmesh_rtt_sample(&r, 10 * 1000 * 1000);
	before = vmesh_rtt_timeout(&r);
	KUNIT_EXPECT_GT(test, before, 10 * 1000 * 1000ULL);
	for (i = 0; i < 100; i++)
		vmesh_rtt_sample(&r, 40 * 1000);
	KUNIT_EXPECT_EQ(test, vmesh_rtt_timeout(&r), VMESH_RTO_MIN_NS);
}

static void backs_off(struct kunit *test)
{
	struct vmesh_rtt r;
	u64 last, now;
	unsigned int i;

	vmesh_rtt_init(&r);
	vmesh_rtt_sample(&r, 1000);
	last = vmesh_rtt_timeout(&r);
	for (i = 0; i < 300; i++) {
		vmesh_rtt_backoff(&r);
		now = vmesh_rtt_timeout(&r);
		KUNIT_ASSERT_TRUE(test, now == 2 * last || now == VMESH_RTO_MAX_NS);
		last = now;
	}
	KUNIT_EXPECT_EQ(test, last, VMESH_RTO_MAX_NS);
	vmesh_rtt_sample(&r, 1000);
	KUNIT_EXPECT_EQ_MSG(test, vmesh_rtt_timeout(&r), VMESH_RTO_MIN_NS, "an answer ends it");

	/* Clocks that jump do no harm. */
	vmesh_rtt_sample(&r, 0);
	vmesh_rtt_sample(&r, U64_MAX);
	KUNIT_EXPECT_LE(test, vmesh_rtt_timeout(&r), VMESH_RTO_MAX_NS);
	KUNIT_EXPECT_GE(test, vmesh_rtt_timeout(&r), VMESH_RTO_MIN_NS);
	KUNIT_EXPECT_GT(test, vmesh_rtt_repair(&r), 0ULL);
}

static struct kunit_case cases[] = { KUNIT_CASE(in_order),
				     KUNIT_CASE(limits),
				     KUNIT_CASE(backwards),
				     KUNIT_CASE(any_order),
				     KUNIT_CASE(round_trips),
				     KUNIT_CASE(backs_off),
				     {} };

static struct kunit_suite suite = {
	.name = "virtmesh-window",
	.test_cases = cases,
};

kunit_test_suite(suite);
