// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel drops after the redirect: each way to lose a frame is made to
 * happen, and is counted at the port the frame was for; nobody else's is.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/steer.skel.h"
#include "testbed.h"
#include "kselftest_harness.h"

#define MTU  3366
#define RING 128

FIXTURE(lost)
{
	struct bed bed;
	struct bed_port a, b, c;
};

FIXTURE_SETUP(lost)
{
	ASSERT_EQ(0, bed_open(&self->bed));
	ASSERT_EQ(0, bed_load(&self->bed));
	self->bed.ring = RING;
	ASSERT_EQ(0, bed_ensemble_add(&self->bed, 7, MTU, 4));
	ASSERT_EQ(0, bed_port_add(&self->bed, &self->a, LINK_TAP, 7, 1, MTU));
	ASSERT_EQ(0, bed_port_add(&self->bed, &self->b, LINK_TAP, 7, 2, MTU));
	ASSERT_EQ(0, bed_port_add(&self->bed, &self->c, LINK_TAP, 7, 3, MTU));
}

FIXTURE_TEARDOWN(lost)
{
	bed_close(&self->bed);
}

static unsigned int drain(const struct link *link)
{
	unsigned int frames = 0;
	__u8 frame[MTU + VM_ETH_HLEN];

	while (link_read(link, frame, sizeof(frame)) > 0)
		frames++;
	return frames;
}

/* @frames of 64 bytes from a to b, of which @kept arrive and the rest are @reason. */
static void expect_lost(struct __test_metadata *_metadata, FIXTURE_DATA(lost) * self,
			unsigned int frames, unsigned int kept, enum vm_drop reason)
{
	struct bed_want want[2] = { { self->a.slot, { frames, frames * 64 } },
				    { self->b.slot, { 0, 0, frames, frames * 64 } } };
	__u8 frame[64];

	bed_frame_to(frame, 64, self->b.addr, self->a.addr, 1);
	ASSERT_EQ(0, bed_live_run(&self->bed, self->a.link.ifindex, frame, 64, frames));
	want[1].counters.drops[reason] = frames - kept;
	EXPECT_EQ(0, bed_differences(&self->bed, want, 2));
	EXPECT_EQ(kept, drain(&self->b.link));
}

TEST_F(lost, nothing_while_the_ring_has_room)
{
	expect_lost(_metadata, self, RING, RING, VM_DROP_LOST_FULL);
}

TEST_F(lost, full_ring)
{
	expect_lost(_metadata, self, 4000, RING, VM_DROP_LOST_FULL);
}

TEST_F(lost, closed_tap)
{
	ASSERT_EQ(0, link_persist(&self->b.link));
	link_close(&self->b.link);
	expect_lost(_metadata, self, 100, 0, VM_DROP_LOST_CLOSED);
}

TEST_F(lost, interface_down)
{
	ASSERT_EQ(0, link_set_up(self->b.link.name, false));
	expect_lost(_metadata, self, 100, 0, VM_DROP_LOST_CLOSED);
}

TEST_F(lost, mtu_lowered_behind_our_back)
{
	struct bed_want want[2] = { { self->a.slot, { 2, 2 * 1514 } },
				    { self->b.slot, { 0, 0, 2, 2 * 1514 } } };
	__u8 frame[1514];

	ASSERT_EQ(0, link_set_mtu(self->b.link.name, 1280));
	bed_frame_to(frame, 1514, self->b.addr, self->a.addr, 1);
	ASSERT_EQ(0, bed_live_run(&self->bed, self->a.link.ifindex, frame, 1514, 2));
	want[1].counters.drops[VM_DROP_LOST_MTU] = 2;
	EXPECT_EQ(0, bed_differences(&self->bed, want, 2));
	EXPECT_EQ(0, drain(&self->b.link));
}

TEST_F(lost, interface_that_takes_no_redirects)
{
	struct bed_want want[2] = { { self->a.slot, { 3, 192 } } };
	struct bed_port lo = { .link = { .fd = -1, .ifindex = 1 }, .mtu = MTU };
	__u8 frame[64];

	self->bed.xdp = BED_DETACHED;
	ASSERT_EQ(0, bed_port_enter(&self->bed, &lo, 7, 9));
	bed_frame_to(frame, 64, lo.addr, self->a.addr, 1);
	ASSERT_EQ(0, bed_live_run(&self->bed, self->a.link.ifindex, frame, 64, 3));
	want[1] = (struct bed_want){ lo.slot, { 0, 0, 3, 192 } };
	want[1].counters.drops[VM_DROP_LOST_CLOSED] = 3;
	EXPECT_EQ(0, bed_differences(&self->bed, want, 2));
}

TEST_F(lost, node_without_a_tap_is_refused_outright)
{
	struct bed_want want = { self->a.slot, { 3, 192 } };
	__u32 slot = self->b.slot;
	__u8 frame[64];

	ASSERT_EQ(0, bpf_map_delete_elem(bpf_map__fd(self->bed.skel->maps.taps), &slot));
	bed_frame_to(frame, 64, self->b.addr, self->a.addr, 1);
	ASSERT_EQ(0, bed_live_run(&self->bed, self->a.link.ifindex, frame, 64, 3));
	want.counters.drops[VM_DROP_REDIRECT] = 3;
	EXPECT_EQ(0, bed_differences(&self->bed, &want, 1));
}

/* In batches, where a live run can. */
static int send_group(FIXTURE_DATA(lost) * self, const void *frame, size_t len, unsigned int frames)
{
	if (bed_live_clones())
		return bed_live_run(&self->bed, self->a.link.ifindex, frame, len, frames);
	while (frames--)
		if (link_write(&self->a.link, frame, len) != (ssize_t)len)
			return -EIO;
	return 0;
}

TEST_F(lost, group_counts_at_each_receiver_by_itself)
{
	struct bed_want want[3] = { { self->a.slot, { 500, 500 * 64 } },
				    { self->b.slot, { 0, 0, 500, 500 * 64 } },
				    { self->c.slot, { 0, 0, 500, 500 * 64 } } };
	__u8 frame[64];

	/* b's ring is full half-way, c's never. */
	ASSERT_EQ(0, link_set_ring(self->c.link.name, 4 * RING));
	bed_frame_to(frame, 64, vm_addr(7, VM_NODE_ALL), self->a.addr, 1);
	ASSERT_EQ(0, send_group(self, frame, 64, 500));
	want[1].counters.drops[VM_DROP_LOST_FULL] = 500 - RING;
	EXPECT_EQ(0, bed_differences(&self->bed, want, 3));
	EXPECT_EQ(RING, drain(&self->b.link));
	EXPECT_EQ(500, drain(&self->c.link));
}

TEST_F(lost, group_with_a_closed_member)
{
	struct bed_want want[3] = { { self->a.slot, { 10, 640 } },
				    { self->b.slot, { 0, 0, 10, 640 } },
				    { self->c.slot, { 0, 0, 10, 640 } } };
	__u8 frame[64];

	ASSERT_EQ(0, link_persist(&self->b.link));
	link_close(&self->b.link);
	bed_frame_to(frame, 64, vm_addr(7, VM_NODE_ALL), self->a.addr, 1);
	ASSERT_EQ(0, send_group(self, frame, 64, 10));
	want[1].counters.drops[VM_DROP_LOST_CLOSED] = 10;
	EXPECT_EQ(0, bed_differences(&self->bed, want, 3));
	EXPECT_EQ(10, drain(&self->c.link));
}

TEST_F(lost, control_to_a_broker_that_is_away)
{
	struct bed_want want[2] = { { self->a.slot, { 4, 256 } },
				    { VM_SLOT_BROKER, { 0, 0, 4, 256 } } };
	__u8 frame[64];

	ASSERT_EQ(0, link_persist(&self->bed.broker.link));
	link_close(&self->bed.broker.link);
	bed_frame_to(frame, 64, vm_addr(7, VM_NODE_BROKER), self->a.addr, 1);
	ASSERT_EQ(0, bed_live_run(&self->bed, self->a.link.ifindex, frame, 64, 4));
	want[1].counters.drops[VM_DROP_LOST_CLOSED] = 4;
	EXPECT_EQ(0, bed_differences(&self->bed, want, 2));
}

/* Tracepoints see the whole host: a mesh next door has the same ifindexes. */
TEST_F(lost, in_another_network_namespace_is_not_ours)
{
	struct bed_port a, b;
	struct bed next;
	__u8 frame[64];
	struct bed_want want[2];

	ASSERT_EQ(0, bed_open(&next));
	ASSERT_EQ(0, bed_load(&next));
	next.ring = RING;
	ASSERT_EQ(0, bed_ensemble_add(&next, 7, MTU, 4));
	ASSERT_EQ(0, bed_port_add(&next, &a, LINK_TAP, 7, 1, MTU));
	ASSERT_EQ(0, bed_port_add(&next, &b, LINK_TAP, 7, 2, MTU));
	ASSERT_EQ(self->b.link.ifindex, b.link.ifindex);

	bed_frame_to(frame, 64, b.addr, a.addr, 1);
	ASSERT_EQ(0, bed_live_run(&next, a.link.ifindex, frame, 64, RING + 50));
	want[0] = (struct bed_want){ a.slot, { RING + 50, (RING + 50) * 64 } };
	want[1] = (struct bed_want){ b.slot, { 0, 0, RING + 50, (RING + 50) * 64 } };
	want[1].counters.drops[VM_DROP_LOST_FULL] = 50;
	EXPECT_EQ(0, bed_differences(&next, want, 2));
	EXPECT_EQ(0, bed_differences(&self->bed, NULL, 0));

	ASSERT_EQ(0, link_set_up(b.link.name, false));
	ASSERT_EQ(0, bed_live_run(&next, a.link.ifindex, frame, 64, 1));
	EXPECT_EQ(0, bed_differences(&self->bed, NULL, 0));
	bed_close(&next);
}

/* A redirect of somebody else's between two interfaces, one of which is a port. */
TEST_F(lost, by_somebody_elses_redirect_is_not_ours)
{
	struct bed_port other;
	struct link stranger;

	/* The same program and maps loaded a second time is somebody else. */
	struct steer_bpf *else_ = steer_bpf__open_and_load();
	struct xdp_md ctx = { .data_end = 64 };
	struct bpf_devmap_val tap = { .ifindex = self->b.link.ifindex };
	struct vm_dest dest = { .slot = 2, .mtu = MTU };
	struct vm_port port = { .slot = 3, .mtu = MTU };
	__u32 slot = 2, ifindex;
	__u8 frame[64];
	struct bpf_test_run_opts opts = { .sz = sizeof(opts),
					  .data_in = frame,
					  .data_size_in = 64,
					  .ctx_in = &ctx,
					  .ctx_size_in = sizeof(ctx),
					  .repeat = RING + 10,
					  .flags = BPF_F_TEST_XDP_LIVE_FRAMES };

	ASSERT_NE(NULL, else_);
	ASSERT_EQ(0, link_add(&stranger, LINK_TAP, "stranger", MTU, 0));
	other.addr = vm_addr(9, 1);
	port.addr = other.addr;
	ifindex = ctx.ingress_ifindex = stranger.ifindex;
	ASSERT_EQ(0, bpf_map_update_elem(bpf_map__fd(else_->maps.taps), &slot, &tap, 0));
	ASSERT_EQ(0, bpf_map_update_elem(bpf_map__fd(else_->maps.ports), &ifindex, &port, 0));
	other.addr = vm_addr(9, 2);
	ASSERT_EQ(0, bpf_map_update_elem(bpf_map__fd(else_->maps.nodes), &other.addr, &dest, 0));
	bed_frame_to(frame, 64, vm_addr(9, 2), vm_addr(9, 1), 1);

	ASSERT_EQ(0, bpf_prog_test_run_opts(bpf_program__fd(else_->progs.steer), &opts));
	EXPECT_EQ(RING, drain(&self->b.link));
	EXPECT_EQ(0, bed_differences(&self->bed, NULL, 0));
	steer_bpf__destroy(else_);
}

/*
 * A long mixed run with readers that come too seldom: at the end, for every
 * port, what was written is what rx says; each drop has the reason it was made
 * for; and what was read is what was meant for the port, less what was lost.
 */
TEST_F(lost, sent_is_delivered_plus_counted_drops)
{
	static const __u16 to[] = { 1, 2, 3, 4, VM_NODE_ALL };
	struct bed_port *ports[] = { &self->a, &self->b, &self->c };
	struct bed_want want[3] = { 0 };
	struct vm_counters have;
	unsigned int seed = 1, read[3] = { 0 }, i, j;
	__u8 frame[64];

	for (i = 0; i < 50000; i++) {
		unsigned int who, dst, foreign, spoofed;
		struct vm_counters *sender;

		seed = seed * 1103515245 + 12345;
		who = (seed >> 16) % 3;
		dst = (seed >> 20) % 5;
		foreign = !((seed >> 24) % 16);
		spoofed = !((seed >> 26) % 8);
		bed_frame_to(frame, 64, vm_addr(7 + foreign, to[dst]),
			     ports[(who + spoofed) % 3]->addr, i);
		ASSERT_EQ(64, link_write(&ports[who]->link, frame, 64));

		sender = &want[who].counters;
		sender->rx_frames++;
		if (spoofed)
			sender->drops[VM_DROP_SPOOF]++;
		else if (foreign)
			sender->drops[VM_DROP_FOREIGN]++;
		else if (dst == who)
			sender->drops[VM_DROP_SELF]++;
		else if (dst == 3)
			sender->drops[VM_DROP_NO_NODE]++;
		else
			for (j = 0; j < 3; j++)
				want[j].counters.tx_frames += dst == 4 ? j != who : j == dst;

		if (!((seed >> 8) % 300))
			read[who] += drain(&ports[who]->link);
	}
	for (i = 0; i < 3; i++) {
		read[i] += drain(&ports[i]->link);
		want[i].slot = ports[i]->slot;
		want[i].counters.rx_bytes = 64 * want[i].counters.rx_frames;
		want[i].counters.tx_bytes = 64 * want[i].counters.tx_frames;
		/* How many the ring could not take is the reader's fault, not ours to foresee. */
		want[i].counters.drops[VM_DROP_LOST_FULL] = want[i].counters.tx_frames - read[i];
		ASSERT_EQ(0, bed_counters(&self->bed, ports[i]->slot, &have));
		EXPECT_LT(0, have.drops[VM_DROP_LOST_FULL]);
	}
	EXPECT_EQ(0, bed_differences(&self->bed, want, 3));
}

TEST_HARNESS_MAIN
