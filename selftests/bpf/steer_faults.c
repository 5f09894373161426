// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults on purpose: exactly the frames that the seed names are lost, each
 * receiver of a group frame loses its own, and nobody else's traffic is touched;
 * what takes the detour comes back as whose it was, and no other way.
 *
 * Ensemble 7 has nodes 1 to 3 and faults, ensemble 8 nodes 1 and 2 and none.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>

#include "testbed.h"
#include "kselftest_harness.h"

#define MTU    3366
#define NODES  3
#define FRAMES 200
#define LEN    64
#define SEED   42
#define LOSS   (VM_FAULT_SCALE / 5)

FIXTURE(faults)
{
	struct bed bed;
	struct bed_port node[NODES], other[2], through;
	__u8 frame[MTU + VM_ETH_HLEN], got[MTU + VM_ETH_HLEN];
};

FIXTURE_VARIANT(faults)
{
	enum link_kind kind;
	enum bed_xdp xdp;
};

/* clang-format off */
FIXTURE_VARIANT_ADD(faults, tap_native) {
	.kind = LINK_TAP,
	.xdp = BED_NATIVE,
};

FIXTURE_VARIANT_ADD(faults, tap_generic) {
	.kind = LINK_TAP,
	.xdp = BED_GENERIC,
};
/* clang-format on */

FIXTURE_SETUP(faults)
{
	struct bed *bed = &self->bed;

	ASSERT_EQ(0, bed_open(bed));
	bed->xdp = variant->xdp;
	bed->ring = 1024;
	ASSERT_EQ(0, bed_load(bed));
	ASSERT_EQ(0, bed_ensemble_add(bed, 7, MTU, 4));
	ASSERT_EQ(0, bed_ensemble_add(bed, 8, MTU, 2));
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, bed_port_add(bed, &self->other[i], variant->kind, 8, i + 1, MTU));
	bed->flags = VM_PORT_FAULTS;
	for (int i = 0; i < NODES; i++)
		ASSERT_EQ(0, bed_port_add(bed, &self->node[i], variant->kind, 7, i + 1, MTU));
	ASSERT_EQ(0, bed_through_add(bed, &self->through, variant->kind, MTU));
}

FIXTURE_TEARDOWN(faults)
{
	bed_close(&self->bed);
}

static int losing(struct bed *bed, __u32 loss)
{
	struct vm_faults f = { .seed = SEED, .loss = loss };

	return bed_faults(bed, 7, &f);
}

static int detour(FIXTURE_DATA(faults) * self)
{
	/* `loss` is for those without a detour. */
	struct vm_faults f = { .seed = SEED,
			       .loss = VM_FAULT_SCALE,
			       .ifindex = self->through.link.ifindex,
			       .slot = self->through.slot };

	return bed_faults(&self->bed, 7, &f);
}

/* The next of node @i's, where it must be; -1 when there is none. Its byte 14 says which. */
static int next_of(FIXTURE_DATA(faults) * self, int i)
{
	ssize_t n = link_read(&self->node[i].link, self->got, sizeof(self->got));

	return n == LEN ? self->got[VM_ETH_HLEN] : -1;
}

TEST_F(faults, unicast_loses_what_the_seed_says)
{
	struct bed_want want[2] = { { self->node[0].slot, { FRAMES, FRAMES * LEN } },
				    { self->node[1].slot, { 0, 0, FRAMES, FRAMES * LEN } } };
	int lost = 0;

	ASSERT_EQ(0, losing(&self->bed, LOSS));
	for (int i = 0; i < FRAMES; i++) {
		bed_frame_to(self->frame, LEN, self->node[1].addr, self->node[0].addr, i);
		self->frame[VM_ETH_HLEN] = i;
		ASSERT_EQ(LEN, link_write(&self->node[0].link, self->frame, LEN));
	}
	for (int i = 0; i < FRAMES; i++) {
		if (vm_fault_hits(SEED, i, LOSS)) {
			lost++;
			continue;
		}
		ASSERT_EQ(i, next_of(self, 1));
	}
	EXPECT_EQ(-1, next_of(self, 1));
	/* 40 are expected; as few or many as this in less than one seed of a thousand. */
	EXPECT_LT(20, lost);
	EXPECT_GT(60, lost);
	want[1].counters.drops[VM_DROP_LOST_FAULT] = lost;
	EXPECT_EQ(0, bed_differences(&self->bed, want, 2));
}

TEST_F(faults, all_and_nothing)
{
	struct bed_want want[2] = { { self->node[0].slot, { 20, 20 * LEN } },
				    { self->node[1].slot, { 0, 0, 20, 20 * LEN } } };

	bed_frame_to(self->frame, LEN, self->node[1].addr, self->node[0].addr, 0);
	for (int i = 0; i < 20; i++) {
		ASSERT_EQ(0, losing(&self->bed, i < 10 ? VM_FAULT_SCALE : 0));
		ASSERT_EQ(LEN, link_write(&self->node[0].link, self->frame, LEN));
	}
	want[1].counters.drops[VM_DROP_LOST_FAULT] = 10;
	EXPECT_EQ(0, bed_differences(&self->bed, want, 2));
}

TEST_F(faults, each_receiver_of_a_group_loses_its_own)
{
	struct bed_want want[NODES] = { { self->node[0].slot, { FRAMES, FRAMES * LEN } },
					{ self->node[1].slot, { 0, 0, FRAMES, FRAMES * LEN } },
					{ self->node[2].slot, { 0, 0, FRAMES, FRAMES * LEN } } };
	int lost = 0, both = 0, hits = 0;

	ASSERT_EQ(0, losing(&self->bed, LOSS));
	bed_frame_to(self->frame, LEN, vm_addr(7, VM_NODE_ALL), self->node[0].addr, 0);
	for (int i = 0; i < FRAMES; i++) {
		int missed = 0;

		self->frame[VM_ETH_HLEN] = i;
		ASSERT_EQ(LEN, link_write(&self->node[0].link, self->frame, LEN));
		for (int n = 1; n < NODES; n++) {
			int at = next_of(self, n);

			if (at == i)
				continue;
			ASSERT_EQ(-1, at);
			want[n].counters.drops[VM_DROP_LOST_FAULT]++;
			missed++;
		}
		lost += missed;
		both += missed == 2;
	}
	/* Which of the two is asked first, is the kernel's to say. */
	for (int i = 0; i < 2 * FRAMES; i++)
		hits += vm_fault_hits(SEED, i, LOSS);
	EXPECT_EQ(hits, lost);
	EXPECT_GT(lost / 4, both);
	EXPECT_EQ(0, bed_differences(&self->bed, want, NODES));
}

/* A full ring beside it: the kernel tells both in one number. */
TEST_F(faults, lost_on_purpose_is_not_lost_for_a_full_ring)
{
	struct vm_counters count;
	unsigned int frames = 4000, hits = 0, arrived = 0, full;

	ASSERT_EQ(0, losing(&self->bed, LOSS));
	bed_frame_to(self->frame, LEN, vm_addr(7, VM_NODE_ALL), self->node[0].addr, 0);
	/* Not by bed_live_run(): below 6.3 clones of its frames hold other bytes. */
	for (unsigned int i = 0; i < frames; i++)
		ASSERT_EQ(LEN, link_write(&self->node[0].link, self->frame, LEN));
	for (unsigned int i = 0; i < 2 * frames; i++)
		hits += vm_fault_hits(SEED, i, LOSS);
	for (int n = 1; n < NODES; n++) {
		for (arrived = 0; next_of(self, n) >= 0; arrived++)
			;
		ASSERT_EQ(0, bed_counters(&self->bed, self->node[n].slot, &count));
		EXPECT_EQ(1024, arrived);
		EXPECT_EQ(frames, count.tx_frames);
		/* Generic XDP tells nobody of a full ring. */
		full = frames - arrived - count.drops[VM_DROP_LOST_FAULT];
		EXPECT_EQ(variant->xdp == BED_GENERIC ? 0 : full, count.drops[VM_DROP_LOST_FULL]);
		hits -= count.drops[VM_DROP_LOST_FAULT];
	}
	EXPECT_EQ(0, hits);
}

TEST_F(faults, only_the_mesh_protocol_from_node_to_node)
{
	struct bed_want want[] = { { self->node[0].slot, { 3, 3 * LEN } },
				   { self->node[1].slot, { 0, 0, 4, 4 * LEN } },
				   { self->node[2].slot, { 0, 0, 2, 2 * LEN } },
				   { VM_SLOT_BROKER, { 2, 2 * LEN, 1, LEN } },
				   { self->other[0].slot, { 1, LEN } },
				   { self->other[1].slot, { 0, 0, 1, LEN } } };
	__u8 all[VM_MAC_LEN], one[VM_MAC_LEN], two[VM_MAC_LEN];

	ASSERT_EQ(0, losing(&self->bed, VM_FAULT_SCALE));
	vm_addr_to_mac(vm_addr(7, VM_NODE_ALL), all);
	vm_addr_to_mac(self->node[0].addr, one);
	vm_addr_to_mac(self->node[1].addr, two);
	/* IP, to one and to all; control, there and back; another ensemble's. */
	bed_frame(self->frame, LEN, two, one, 0x0800, 1);
	ASSERT_EQ(LEN, link_write(&self->node[0].link, self->frame, LEN));
	bed_frame(self->frame, LEN, all, one, 0x0806, 1);
	ASSERT_EQ(LEN, link_write(&self->node[0].link, self->frame, LEN));
	bed_frame_to(self->frame, LEN, vm_addr(7, VM_NODE_BROKER), self->node[0].addr, 1);
	ASSERT_EQ(LEN, link_write(&self->node[0].link, self->frame, LEN));
	bed_frame_to(self->frame, LEN, self->node[1].addr, vm_addr(7, VM_NODE_BROKER), 1);
	ASSERT_EQ(LEN, link_write(&self->bed.broker.link, self->frame, LEN));
	bed_frame_to(self->frame, LEN, vm_addr(7, VM_NODE_ALL), vm_addr(7, VM_NODE_BROKER), 1);
	ASSERT_EQ(LEN, link_write(&self->bed.broker.link, self->frame, LEN));
	bed_frame_to(self->frame, LEN, self->other[1].addr, self->other[0].addr, 1);
	ASSERT_EQ(LEN, link_write(&self->other[0].link, self->frame, LEN));
	/* The clone of the broker's for the node that the others' came from. */
	want[0].counters.tx_frames = 1;
	want[0].counters.tx_bytes = LEN;
	EXPECT_EQ(0, bed_differences(&self->bed, want, ARRAY_SIZE(want)));
}

TEST_F(faults, none_without_an_entry)
{
	struct bed_want want[2] = { { self->node[0].slot, { 1, LEN } },
				    { self->node[1].slot, { 0, 0, 1, LEN } } };

	bed_frame_to(self->frame, LEN, self->node[1].addr, self->node[0].addr, 0);
	ASSERT_EQ(LEN, link_write(&self->node[0].link, self->frame, LEN));
	EXPECT_EQ(self->frame[VM_ETH_HLEN], next_of(self, 1));
	EXPECT_EQ(0, bed_differences(&self->bed, want, 2));
}

TEST_F(faults, detour_out_and_back)
{
	static const int to[] = { 1, VM_NODE_ALL - 1 }; /* node[1], and the group */
	struct bed_want want[] = { { self->node[0].slot, { 2, 2 * LEN } },
				   { self->node[1].slot, { 0, 0, 2, 2 * LEN } },
				   { self->node[2].slot, { 0, 0, 1, LEN } },
				   { self->through.slot, { 3, 3 * LEN, 2, 2 * LEN } } };

	ASSERT_EQ(0, detour(self));
	for (int i = 0; i < 2; i++) {
		bed_frame_to(self->frame, LEN, vm_addr(7, to[i] + 1), self->node[0].addr, 5);
		ASSERT_EQ(LEN, link_write(&self->node[0].link, self->frame, LEN));
		ASSERT_EQ(LEN, link_read_wait(&self->through.link, self->got, sizeof(self->got)));
		EXPECT_EQ(0, memcmp(self->frame, self->got, LEN));
		EXPECT_EQ(-1, next_of(self, 1));
		/* Back: the group's to nodes 2 and 3, each its own copy. */
		for (int n = 1; n < (i ? NODES : 2); n++) {
			__u8 back[LEN];

			memcpy(back, self->frame, LEN);
			back[4] = 0;
			back[5] = n + 1;
			ASSERT_EQ(LEN, link_write(&self->through.link, back, LEN));
			EXPECT_EQ(self->frame[VM_ETH_HLEN], next_of(self, n));
			EXPECT_EQ(0, memcmp(self->frame, self->got, LEN));
		}
	}
	EXPECT_EQ(0, bed_differences(&self->bed, want, ARRAY_SIZE(want)));
}

/* @len bytes from the detour, as @src, to @dst: must be dropped for @reason. */
static void expect_refused(struct __test_metadata *_metadata, FIXTURE_DATA(faults) * self,
			   __u32 dst, __u32 src, __u16 ethertype, enum vm_drop reason)
{
	struct vm_counters before, after;
	__u8 d[VM_MAC_LEN], s[VM_MAC_LEN];

	vm_addr_to_mac(dst, d);
	vm_addr_to_mac(src, s);
	bed_frame(self->frame, LEN, d, s, ethertype, 0);
	ASSERT_EQ(0, bed_counters(&self->bed, self->through.slot, &before));
	ASSERT_EQ(LEN, link_write(&self->through.link, self->frame, LEN));
	ASSERT_EQ(0, bed_counters(&self->bed, self->through.slot, &after));
	EXPECT_EQ(before.drops[reason] + 1, after.drops[reason]);
	for (int n = 0; n < NODES; n++)
		EXPECT_EQ(-1, next_of(self, n));
}

TEST_F(faults, detour_may_speak_for_the_nodes_of_its_ensemble_only)
{
	__u32 one = self->node[0].addr, two = self->node[1].addr;

	/* Before it is one: for nobody. */
	expect_refused(_metadata, self, two, one, VM_ETHERTYPE, VM_DROP_SPOOF);
	ASSERT_EQ(0, detour(self));
	expect_refused(_metadata, self, two, one, 0x0800, VM_DROP_SPOOF);
	expect_refused(_metadata, self, two, vm_addr(7, VM_NODE_BROKER), VM_ETHERTYPE,
		       VM_DROP_SPOOF);
	expect_refused(_metadata, self, self->other[1].addr, self->other[0].addr, VM_ETHERTYPE,
		       VM_DROP_SPOOF);
	expect_refused(_metadata, self, vm_addr(0, 1), vm_addr(0, 0), VM_ETHERTYPE, VM_DROP_SPOOF);
	expect_refused(_metadata, self, self->other[1].addr, one, VM_ETHERTYPE, VM_DROP_FOREIGN);
	expect_refused(_metadata, self, vm_addr(7, VM_NODE_ALL), one, VM_ETHERTYPE,
		       VM_DROP_BAD_DEST);
	expect_refused(_metadata, self, vm_addr(7, VM_NODE_BROKER), one, VM_ETHERTYPE,
		       VM_DROP_BAD_DEST);
	expect_refused(_metadata, self, one, one, VM_ETHERTYPE, VM_DROP_SELF);
	expect_refused(_metadata, self, vm_addr(7, 9), one, VM_ETHERTYPE, VM_DROP_NO_NODE);
}

TEST_F(faults, detour_that_has_gone_loses_all)
{
	struct bed_want want = { self->node[0].slot, { 1, LEN } };

	ASSERT_EQ(0, detour(self));
	link_close(&self->through.link);
	bed_frame_to(self->frame, LEN, self->node[1].addr, self->node[0].addr, 0);
	ASSERT_EQ(LEN, link_write(&self->node[0].link, self->frame, LEN));
	want.counters.drops[VM_DROP_REDIRECT] = 1;
	EXPECT_EQ(0, bed_differences(&self->bed, &want, 1));
}

TEST_HARNESS_MAIN
