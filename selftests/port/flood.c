// SPDX-License-Identifier: GPL-2.0-only
/* What the port takes for a flood, when it rests in one, and what ends it. */
#include "kselftest_harness.h"

#include "../../host/vhost/flood.h"

#define BATCH 64
#define START 1000000000000ULL

/* Batches of @frames, @ns apart from @at on, each leaving the tap empty; when the last came. */
static __u64 come(struct vm_flood *f, __u64 at, unsigned int batches, unsigned int frames, __u64 ns)
{
	while (batches--) {
		at += ns;
		if (vm_flood_batch(f, frames))
			vm_flood_look(f, true, at);
	}
	return at;
}

/* A flood, as the second count finds it; the first has no beginning. */
static __u64 flood(struct vm_flood *f)
{
	return come(f, START, 2 * VM_FLOOD_FRAMES / BATCH, BATCH,
		    VM_FLOOD_WITHIN_NS * BATCH / VM_FLOOD_FRAMES);
}

TEST(frames_as_fast_as_that_are_one)
{
	struct vm_flood f = { 0 };
	__u64 at = flood(&f);

	EXPECT_TRUE(f.on);
	EXPECT_EQ(at + VM_FLOOD_REST_NS, f.until);
}

TEST(a_little_slower_they_are_none)
{
	struct vm_flood f = { 0 };

	come(&f, START, 100, BATCH, VM_FLOOD_WITHIN_NS * BATCH / VM_FLOOD_FRAMES + 1);
	EXPECT_FALSE(f.on);
	EXPECT_EQ(0, f.until);
}

TEST(nor_are_answers_or_bursts)
{
	struct vm_flood f = { 0 };
	__u64 at;

	/* A round trip each 8 us; five frames of each of three peers in one go, each 200 us. */
	at = come(&f, START, 10000, 1, 8000);
	EXPECT_EQ(0, f.until);
	come(&f, at, 10000, 15, 200000);
	EXPECT_EQ(0, f.until);
}

TEST(it_rests_only_when_the_tap_is_empty)
{
	struct vm_flood f = { 0 };
	__u64 at = flood(&f);

	EXPECT_TRUE(vm_flood_rested(&f, f.until));
	ASSERT_TRUE(vm_flood_batch(&f, BATCH));
	vm_flood_look(&f, false, at);
	EXPECT_EQ(0, f.until);
	EXPECT_TRUE(f.on);
}

TEST(a_rest_lasts_so_long_and_ends_once)
{
	struct vm_flood f = { 0 };
	__u64 at = flood(&f);

	EXPECT_FALSE(vm_flood_rested(&f, at));
	EXPECT_FALSE(vm_flood_rested(&f, at + VM_FLOOD_REST_NS - 1));
	EXPECT_TRUE(vm_flood_rested(&f, at + VM_FLOOD_REST_NS));
	EXPECT_EQ(0, f.until);
}

TEST(few_frames_after_a_rest_end_it)
{
	struct vm_flood f = { 0 };

	flood(&f);
	ASSERT_TRUE(vm_flood_rested(&f, f.until));
	EXPECT_FALSE(vm_flood_batch(&f, VM_FLOOD_LEAST - 1));
	EXPECT_FALSE(f.on);
	/* So do none; and one that is not the first after the rest does not. */
	flood(&f);
	ASSERT_TRUE(vm_flood_rested(&f, f.until));
	EXPECT_FALSE(vm_flood_batch(&f, 0));
	flood(&f);
	ASSERT_TRUE(vm_flood_rested(&f, f.until));
	EXPECT_TRUE(vm_flood_batch(&f, VM_FLOOD_LEAST));
	EXPECT_TRUE(vm_flood_batch(&f, 1));
	EXPECT_TRUE(f.on);
}

TEST_HARNESS_MAIN
