// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frames that really move: written into one port and read, byte for byte, from
 * another; on taps and veths, in the native and in the generic XDP path.
 *
 * Ensemble 7 has nodes 1 to 4, ensemble 8 nodes 1 and 2.
 */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/steer.skel.h"
#include "selftests/bpf/mixed.skel.h"
#include "testbed.h"
#include "kselftest_harness.h"

#define MTU	  VM_MTU_DEFAULT
#define MAX_FRAME (MTU + VM_ETH_HLEN)
#define NODES	  4

FIXTURE(live)
{
	struct bed bed;
	struct bed_port node[NODES], other[2];
};

FIXTURE_VARIANT(live)
{
	enum link_kind kind;
	enum bed_xdp xdp;
};

/* The formatter takes these for functions. */
/* clang-format off */
FIXTURE_VARIANT_ADD(live, tap_native) {
	.kind = LINK_TAP,
	.xdp = BED_NATIVE,
};

FIXTURE_VARIANT_ADD(live, tap_generic) {
	.kind = LINK_TAP,
	.xdp = BED_GENERIC,
};

FIXTURE_VARIANT_ADD(live, veth_native) {
	.kind = LINK_VETH,
	.xdp = BED_NATIVE,
};

FIXTURE_VARIANT_ADD(live, veth_generic) {
	.kind = LINK_VETH,
	.xdp = BED_GENERIC,
};
/* clang-format on */

FIXTURE_SETUP(live)
{
	int i;

	ASSERT_EQ(0, bed_open(&self->bed));
	self->bed.xdp = variant->xdp;
	ASSERT_EQ(0, bed_load(&self->bed));
	ASSERT_EQ(0, bed_ensemble_add(&self->bed, 7, MTU, NODES));
	ASSERT_EQ(0, bed_ensemble_add(&self->bed, 8, MTU, 2));
	for (i = 0; i < NODES; i++)
		ASSERT_EQ(0,
			  bed_port_add(&self->bed, &self->node[i], variant->kind, 7, i + 1, MTU));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0,
			  bed_port_add(&self->bed, &self->other[i], variant->kind, 8, i + 1, MTU));
}

FIXTURE_TEARDOWN(live)
{
	bed_close(&self->bed);
}

/* Send @frame and see exactly it, and nothing else, at @to. */
static void expect_arrives(struct __test_metadata *_metadata, const struct link *from,
			   const struct link *to, const void *frame, size_t len)
{
	__u8 got[MAX_FRAME + 1];

	ASSERT_EQ(len, link_write(from, frame, len));
	ASSERT_EQ(len, link_read_wait(to, got, sizeof(got)));
	EXPECT_EQ(0, memcmp(frame, got, len));
	EXPECT_EQ(-EAGAIN, link_read(to, got, sizeof(got)));
}

TEST_F(live, unicast_arrives_unchanged_at_every_size)
{
	static const size_t sizes[] = { 14, 15, 60, 64, 1514, MAX_FRAME - 1, MAX_FRAME };
	struct bed_want want[] = { { self->node[0].slot }, { self->node[1].slot } };
	__u8 frame[MAX_FRAME];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		bed_frame_to(frame, sizes[i], self->node[1].addr, self->node[0].addr, i);
		expect_arrives(_metadata, &self->node[0].link, &self->node[1].link, frame,
			       sizes[i]);
		want[0].counters.rx_frames++;
		want[0].counters.rx_bytes += sizes[i];
	}
	want[1].counters.tx_frames = want[0].counters.rx_frames;
	want[1].counters.tx_bytes = want[0].counters.rx_bytes;
	EXPECT_EQ(0, bed_differences(&self->bed, want, 2));
}

TEST_F(live, group_reaches_all_others_of_the_ensemble_once)
{
	struct bed_want want[NODES] = { 0 };
	__u8 frame[256], got[256];
	int i, round;

	for (i = 0; i < NODES; i++)
		want[i].slot = self->node[i].slot;

	for (round = 0; round < 10; round++) {
		struct bed_port *from = &self->node[round % NODES];

		bed_frame_to(frame, sizeof(frame), vm_addr(7, VM_NODE_ALL), from->addr, round);
		ASSERT_EQ(sizeof(frame), link_write(&from->link, frame, sizeof(frame)));
		for (i = 0; i < NODES; i++) {
			if (i == round % NODES) {
				want[i].counters.rx_frames++;
				want[i].counters.rx_bytes += sizeof(frame);
				continue;
			}
			ASSERT_EQ(sizeof(frame),
				  link_read_wait(&self->node[i].link, got, sizeof(got)));
			EXPECT_EQ(0, memcmp(frame, got, sizeof(frame)));
			want[i].counters.tx_frames++;
			want[i].counters.tx_bytes += sizeof(frame);
		}
		EXPECT_EQ(-EAGAIN, link_read(&from->link, got, sizeof(got)));
	}
	EXPECT_EQ(-EAGAIN, link_read(&self->other[0].link, got, sizeof(got)));
	EXPECT_EQ(-EAGAIN, link_read(&self->other[1].link, got, sizeof(got)));
	EXPECT_EQ(-EAGAIN, link_read(&self->bed.broker.link, got, sizeof(got)));
	EXPECT_EQ(0, bed_differences(&self->bed, want, NODES));
}

TEST_F(live, ensembles_hear_nothing_of_each_other)
{
	static const __u8 broadcast[VM_MAC_LEN] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	struct bed_want want[3] = { { self->node[0].slot },
				    { self->other[0].slot },
				    { self->other[1].slot } };
	__u8 frame[64], mac[VM_MAC_LEN], got[64];
	int i;

	/* From node 1 of ensemble 7: to nodes, broker and group of ensemble 8. */
	static const __u16 nodes[] = { 1, 2, VM_NODE_BROKER, VM_NODE_ALL };

	for (i = 0; i < 4; i++) {
		bed_frame_to(frame, sizeof(frame), vm_addr(8, nodes[i]), self->node[0].addr, i);
		ASSERT_EQ(sizeof(frame), link_write(&self->node[0].link, frame, sizeof(frame)));
	}
	/* In ensemble 8's name. */
	vm_addr_to_mac(self->other[1].addr, mac);
	bed_frame(frame, sizeof(frame), broadcast, mac, VM_ETHERTYPE, 4);
	ASSERT_EQ(sizeof(frame), link_write(&self->node[0].link, frame, sizeof(frame)));

	/* What comes after those in ensemble 8 is the first that arrives there. */
	bed_frame_to(frame, sizeof(frame), self->other[1].addr, self->other[0].addr, 5);
	expect_arrives(_metadata, &self->other[0].link, &self->other[1].link, frame, sizeof(frame));
	EXPECT_EQ(-EAGAIN, link_read(&self->other[0].link, got, sizeof(got)));
	EXPECT_EQ(-EAGAIN, link_read(&self->bed.broker.link, got, sizeof(got)));

	want[0].counters.rx_frames = 5;
	want[0].counters.rx_bytes = 5 * sizeof(frame);
	want[0].counters.drops[VM_DROP_FOREIGN] = 4;
	want[0].counters.drops[VM_DROP_SPOOF] = 1;
	want[1].counters.rx_frames = 1;
	want[1].counters.rx_bytes = sizeof(frame);
	want[2].counters.tx_frames = 1;
	want[2].counters.tx_bytes = sizeof(frame);
	EXPECT_EQ(0, bed_differences(&self->bed, want, 3));
}

TEST_F(live, control_goes_to_the_broker_and_back)
{
	struct link *broker = &self->bed.broker.link;
	struct bed_want want[3] = { { VM_SLOT_BROKER },
				    { self->node[0].slot },
				    { self->other[0].slot } };
	__u8 frame[96];

	bed_frame_to(frame, 96, vm_addr(7, VM_NODE_BROKER), self->node[0].addr, 1);
	expect_arrives(_metadata, &self->node[0].link, broker, frame, 96);
	bed_frame_to(frame, 96, self->node[0].addr, vm_addr(7, VM_NODE_BROKER), 2);
	expect_arrives(_metadata, broker, &self->node[0].link, frame, 96);
	/* The same for the other ensemble, from the one broker. */
	bed_frame_to(frame, 96, vm_addr(8, VM_NODE_BROKER), self->other[0].addr, 3);
	expect_arrives(_metadata, &self->other[0].link, broker, frame, 96);
	bed_frame_to(frame, 96, self->other[0].addr, vm_addr(8, VM_NODE_BROKER), 4);
	expect_arrives(_metadata, broker, &self->other[0].link, frame, 96);

	want[0].counters = (struct vm_counters){ 2, 192, 2, 192 };
	want[1].counters = want[2].counters = (struct vm_counters){ 1, 96, 1, 96 };
	EXPECT_EQ(0, bed_differences(&self->bed, want, 3));
}

TEST_F(live, broker_speaks_to_one_group_at_a_time)
{
	struct link *broker = &self->bed.broker.link;
	struct bed_want want[3] = { { VM_SLOT_BROKER },
				    { self->other[0].slot },
				    { self->other[1].slot } };
	__u8 frame[64], got[64];
	int i;

	bed_frame_to(frame, 64, vm_addr(8, VM_NODE_ALL), vm_addr(8, VM_NODE_BROKER), 1);
	ASSERT_EQ(64, link_write(broker, frame, 64));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(64, link_read_wait(&self->other[i].link, got, 64));
		EXPECT_EQ(0, memcmp(frame, got, 64));
	}
	for (i = 0; i < NODES; i++)
		EXPECT_EQ(-EAGAIN, link_read(&self->node[i].link, got, 64));

	want[0].counters = (struct vm_counters){ 1, 64 };
	want[1].counters = want[2].counters = (struct vm_counters){ 0, 0, 1, 64 };
	EXPECT_EQ(0, bed_differences(&self->bed, want, 3));
}

TEST_F(live, dropped_frame_reaches_nobody)
{
	struct bed_want want = { self->node[0].slot, { 1, 64 } };
	__u8 frame[64], got[64];
	int i;

	bed_frame_to(frame, 64, self->node[1].addr, self->node[2].addr, 1);
	ASSERT_EQ(64, link_write(&self->node[0].link, frame, 64));
	want.counters.drops[VM_DROP_SPOOF] = 1;
	EXPECT_EQ(0, bed_differences(&self->bed, &want, 1));
	for (i = 0; i < NODES; i++)
		EXPECT_EQ(-EAGAIN, link_read(&self->node[i].link, got, 64));
}

/* Unicast and group frames for a port in one batch, which @first decides about. */
static void run_mixed(struct __test_metadata *_metadata, struct bed *bed,
		      const struct bed_port *from, __u32 first, __u32 second, unsigned int frames)
{
	struct xdp_md ctx = { .data_end = 64, .ingress_ifindex = from->link.ifindex };
	__u8 frame[64];
	struct bpf_test_run_opts opts = { .sz = sizeof(opts),
					  .data_in = frame,
					  .data_size_in = sizeof(frame),
					  .ctx_in = &ctx,
					  .ctx_size_in = sizeof(ctx),
					  .repeat = frames,
					  .batch_size = frames,
					  .flags = BPF_F_TEST_XDP_LIVE_FRAMES };
	struct mixed_bpf *mixed = mixed_bpf__open_and_load();
	__u32 zero = 0, steer = bpf_program__fd(bed->skel->progs.steer);

	ASSERT_NE(NULL, mixed);
	vm_addr_to_mac(first, mixed->bss->dst[0]);
	vm_addr_to_mac(second, mixed->bss->dst[1]);
	bed_frame_to(frame, sizeof(frame), first, from->addr, 0);
	EXPECT_EQ(0, bpf_map__update_elem(mixed->maps.steer, &zero, sizeof(zero), &steer,
					  sizeof(steer), 0));
	EXPECT_EQ(0, bpf_prog_test_run_opts(bpf_program__fd(mixed->progs.mixed), &opts));
	EXPECT_EQ(frames, mixed->bss->frames);
	mixed_bpf__destroy(mixed);
}

/* Nothing is counted twice, whatever comes first; clones behind unicast are not counted. */
TEST_F(live, batch_of_unicast_and_group_frames_counts_none_twice)
{
	struct bed_want want[NODES] = { { self->node[0].slot, { 16, 16 * 64 } },
					{ self->node[1].slot, { 0, 0, 8 + 4, (8 + 4) * 64 } },
					{ self->node[2].slot, { 0, 0, 8, 8 * 64 } },
					{ self->node[3].slot, { 0, 0, 8, 8 * 64 } } };
	__u32 all = vm_addr(7, VM_NODE_ALL), one = self->node[1].addr;
	__u8 got[256];
	int n;

	if (!bed_live_clones())
		SKIP(return, "clones of a live run's frames hold other bytes here");

	run_mixed(_metadata, &self->bed, &self->node[0], all, one, 8);
	run_mixed(_metadata, &self->bed, &self->node[0], one, all, 8);
	EXPECT_EQ(0, bed_differences(&self->bed, want, NODES));
	for (n = 0; link_read(&self->node[1].link, got, sizeof(got)) > 0; n++)
		;
	EXPECT_EQ(16, n);
}

TEST_HARNESS_MAIN
