// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frames shorter than an Ethernet header. No interface lets one in: the kernel
 * refuses them on taps and veths, which is tested first. BPF_PROG_TEST_RUN lets
 * one in on newer kernels, as the linear part of a longer one.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/steer.skel.h"
#include "testbed.h"
#include "kselftest_harness.h"

#define MTU 3366

FIXTURE(runt)
{
	struct bed bed;
	struct bed_port tap, veth;
	__u8 frame[64];
};

FIXTURE_SETUP(runt)
{
	ASSERT_EQ(0, bed_open(&self->bed));
	ASSERT_EQ(0, bed_load(&self->bed));
	ASSERT_EQ(0, bed_ensemble_add(&self->bed, 7, MTU, 4));
	ASSERT_EQ(0, bed_port_add(&self->bed, &self->tap, LINK_TAP, 7, 1, MTU));
	ASSERT_EQ(0, bed_port_add(&self->bed, &self->veth, LINK_VETH, 7, 2, MTU));
	/* A frame that would be steered if it were whole. */
	bed_frame_to(self->frame, 64, self->veth.addr, self->tap.addr, 1);
}

FIXTURE_TEARDOWN(runt)
{
	bed_close(&self->bed);
}

TEST_F(runt, of_0_to_13_bytes_enter_by_no_interface)
{
	size_t len;

	for (len = 0; len < VM_ETH_HLEN; len++) {
		EXPECT_GT(0, link_write(&self->tap.link, self->frame, len));
		EXPECT_GT(0, link_write(&self->veth.link, self->frame, len));
	}
	EXPECT_EQ(0, bed_differences(&self->bed, NULL, 0));
}

static int run_part(struct bed *bed, int ifindex, void *frame, size_t len, __u32 *verdict)
{
	struct xdp_md ctx = { .data_end = len, .ingress_ifindex = ifindex };
	struct bpf_test_run_opts opts = { .sz = sizeof(opts),
					  .data_in = frame,
					  .data_size_in = 64,
					  .ctx_in = &ctx,
					  .ctx_size_in = sizeof(ctx),
					  .repeat = 1 };
	int err;

	err = bpf_prog_test_run_opts(bpf_program__fd(bed->skel->progs.steer), &opts);

	*verdict = opts.retval;
	return err;
}

TEST_F(runt, of_0_to_13_bytes_are_dropped_and_counted)
{
	struct bed_want want = { self->tap.slot };
	__u32 verdict;
	size_t len;

	if (run_part(&self->bed, self->bed.broker.link.ifindex, self->frame, 13, &verdict))
		SKIP(return, "BPF_PROG_TEST_RUN takes no frame under 14 bytes here");

	for (len = 0; len < VM_ETH_HLEN; len++) {
		ASSERT_EQ(0,
			  run_part(&self->bed, self->tap.link.ifindex, self->frame, len, &verdict));
		EXPECT_EQ(XDP_DROP, verdict);
		want.counters.rx_frames++;
		want.counters.rx_bytes += len;
		want.counters.drops[VM_DROP_RUNT]++;
	}
	/* The probe above was one too. */
	EXPECT_EQ(0, bed_differences(&self->bed,
				     (struct bed_want[]){ want,
							  { VM_SLOT_BROKER,
							    { 1, 13, .drops[VM_DROP_RUNT] = 1 } } },
				     2));
}

TEST_HARNESS_MAIN
