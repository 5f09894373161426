// SPDX-License-Identifier: GPL-2.0-only
/*
 * One frame, one verdict: for each rule of the steering program a frame that
 * keeps it and one that breaks it, by BPF_PROG_TEST_RUN. Each case checks the
 * verdict, that no byte of the frame changed, and every counter of every slot.
 *
 * Ensemble 7 has nodes 1 to 4 (4 with a smaller MTU, a group MTU below that),
 * ensemble 8 has nodes 1 and 2.
 */
#include <linux/bpf.h>
#include <string.h>

#include "testbed.h"
#include "kselftest_harness.h"

#define MTU	  3366
#define MTU_SMALL 1500
#define MTU_GROUP 1400
#define MAX_FRAME (MTU + VM_ETH_HLEN + 1)

#define SENT -1 /* not dropped */

enum who {
	NODE1,
	NODE2,
	NODE4,
	OTHER1, /* ensemble 8 */
	OTHER2,
	BROKER,
	NONE, /* an interface that is no port */
	WHOS
};

/* A MAC address in three numbers: its prefix, ensemble, node; as one macro argument. */
#define MAC(prefix, e, n)                                                            \
	{                                                                            \
		(prefix) >> 8, (prefix)&0xff, (e) >> 8, (e)&0xff, (n) >> 8, (n)&0xff \
	}
#define N(e, n)	  MAC(0x024d, e, n)
#define GROUP(e)  MAC(0x034d, e, 0xffff)
#define BROADCAST MAC(0xffff, 0xffff, 0xffff)

FIXTURE(steer)
{
	struct bed bed;
	struct bed_port ports[WHOS];
	struct bed_port node3;
	struct link stranger;
};

FIXTURE_VARIANT(steer)
{
	enum who from;
	__u8 dst[VM_MAC_LEN];
	__u8 src[VM_MAC_LEN];
	__u16 ethertype;
	__u16 len;
	int drop; /* enum vm_drop, or SENT */
	int to; /* enum who counts it as tx; -1: nobody (a group frame's clones are not made here) */
};

static int setup(struct bed *bed, struct bed_port ports[WHOS], struct bed_port *node3,
		 struct link *stranger)
{
	int err;

	err = bed_load(bed) ?: bed_ensemble_add(bed, 7, MTU_GROUP, 8);
	err = err ?: bed_ensemble_add(bed, 8, MTU, 8);
	err = err ?: bed_port_add(bed, &ports[NODE1], LINK_TAP, 7, 1, MTU);
	err = err ?: bed_port_add(bed, &ports[NODE2], LINK_TAP, 7, 2, MTU);
	err = err ?: bed_port_add(bed, node3, LINK_TAP, 7, 3, MTU);
	err = err ?: bed_port_add(bed, &ports[NODE4], LINK_TAP, 7, 4, MTU_SMALL);
	err = err ?: bed_port_add(bed, &ports[OTHER1], LINK_TAP, 8, 1, MTU);
	err = err ?: bed_port_add(bed, &ports[OTHER2], LINK_TAP, 8, 2, MTU);
	err = err ?: link_add(stranger, LINK_TAP, "stranger", MTU, 0);
	ports[BROKER] = bed->broker;
	ports[NONE].link = *stranger;
	ports[NONE].slot = VM_SLOT_NONE;
	return err;
}

FIXTURE_SETUP(steer)
{
	ASSERT_EQ(0, bed_open(&self->bed));
	self->bed.xdp = BED_DETACHED; /* frames enter by BPF_PROG_TEST_RUN */
}

FIXTURE_TEARDOWN(steer)
{
	bed_close(&self->bed);
}

static void check(struct __test_metadata *_metadata, FIXTURE_DATA(steer) * self,
		  const FIXTURE_VARIANT(steer) * variant)
{
	struct bed_want want[2] = { 0 };
	__u8 frame[MAX_FRAME], after[MAX_FRAME];
	__u32 verdict = ~0;
	size_t n = 1;

	ASSERT_EQ(0, setup(&self->bed, self->ports, &self->node3, &self->stranger));
	want[0].slot = self->ports[variant->from].slot;
	want[0].counters.rx_frames = 1;
	want[0].counters.rx_bytes = variant->len;
	if (variant->drop != SENT) {
		want[0].counters.drops[variant->drop] = 1;
	} else if (variant->to >= 0) {
		want[1].slot = self->ports[variant->to].slot;
		want[1].counters.tx_frames = 1;
		want[1].counters.tx_bytes = variant->len;
		n = 2;
	}

	bed_frame(frame, variant->len, variant->dst, variant->src, variant->ethertype, 17);
	ASSERT_EQ(0, bed_test_run(&self->bed, self->ports[variant->from].link.ifindex, frame,
				  variant->len, after, &verdict));
	EXPECT_EQ(variant->drop == SENT ? XDP_REDIRECT : XDP_DROP, verdict);
	EXPECT_EQ(0, memcmp(frame, after, variant->len));
	EXPECT_EQ(0, bed_differences(&self->bed, want, n));
}

TEST_F(steer, found_by_hint)
{
	check(_metadata, self, variant);
}

TEST_F(steer, found_by_hash)
{
	self->bed.hints = false;
	check(_metadata, self, variant);
}

#define CASE(name, from_, dst_, src_, type_, len_, drop_, to_)                            \
	FIXTURE_VARIANT_ADD(steer, name)                                                  \
	{                                                                                 \
		.from = from_, .dst = dst_, .src = src_, .ethertype = type_, .len = len_, \
		.drop = drop_, .to = to_,                                                 \
	}

/* name, from, destination, source, EtherType, length, drop reason, counted as tx by */
#define MESH	 VM_ETHERTYPE
#define IP	 0x0800
#define MAX(mtu) ((mtu) + VM_ETH_HLEN)

/* clang-format off */

/* To one node. */
CASE(unicast, NODE1, N(7, 2), N(7, 1), MESH, 64, SENT, NODE2);
CASE(unicast_of_ip, NODE1, N(7, 2), N(7, 1), IP, 98, SENT, NODE2);
CASE(unicast_header_only, NODE1, N(7, 2), N(7, 1), MESH, VM_ETH_HLEN, SENT, NODE2);
CASE(unicast_largest, NODE1, N(7, 2), N(7, 1), MESH, MAX(MTU), SENT, NODE2);
CASE(over_own_mtu, NODE1, N(7, 2), N(7, 1), MESH, MAX(MTU) + 1, VM_DROP_OVERSIZE, -1);
CASE(over_own_small_mtu, NODE4, N(7, 2), N(7, 4), MESH, MAX(MTU_SMALL) + 1, VM_DROP_OVERSIZE, -1);
CASE(largest_for_small_node, NODE1, N(7, 4), N(7, 1), MESH, MAX(MTU_SMALL), SENT, NODE4);
CASE(over_mtu_of_small_node, NODE1, N(7, 4), N(7, 1), MESH, MAX(MTU_SMALL) + 1, VM_DROP_DEST_MTU,
	-1);
CASE(to_itself, NODE1, N(7, 1), N(7, 1), MESH, 64, VM_DROP_SELF, -1);
CASE(to_absent_node, NODE1, N(7, 9), N(7, 1), MESH, 64, VM_DROP_NO_NODE, -1);
CASE(to_last_node_id, NODE1, N(7, 4095), N(7, 1), MESH, 64, VM_DROP_NO_NODE, -1);
CASE(to_all_as_unicast, NODE1, N(7, 0xffff), N(7, 1), MESH, 64, VM_DROP_NO_NODE, -1);

/* Tags. */
CASE(tagged_8021q, NODE1, N(7, 2), N(7, 1), 0x8100, 64, VM_DROP_VLAN, -1);
CASE(tagged_8021ad, NODE1, N(7, 2), N(7, 1), 0x88a8, 64, VM_DROP_VLAN, -1);
CASE(tagged_qinq, NODE1, N(7, 2), N(7, 1), 0x9100, 64, VM_DROP_VLAN, -1);
CASE(tagged_to_group, NODE1, GROUP(7), N(7, 1), 0x8100, 64, VM_DROP_VLAN, -1);
CASE(type_next_to_tag, NODE1, N(7, 2), N(7, 1), 0x8101, 64, SENT, NODE2);

/* Who sends. */
CASE(by_unknown_interface, NONE, N(7, 2), N(7, 1), MESH, 64, VM_DROP_NO_PORT, -1);
CASE(as_another_node, NODE1, N(7, 3), N(7, 2), MESH, 64, VM_DROP_SPOOF, -1);
CASE(as_node_of_another_ensemble, NODE1, N(8, 2), N(8, 1), MESH, 64, VM_DROP_SPOOF, -1);
CASE(as_broker, NODE1, N(7, 2), N(7, 0), MESH, 64, VM_DROP_SPOOF, -1);
CASE(as_group, NODE1, N(7, 2), MAC(0x034d, 0x0007, 0x0001), MESH, 64, VM_DROP_SPOOF, -1);
CASE(as_other_vendor, NODE1, N(7, 2), MAC(0x024e, 0x0007, 0x0001), MESH, 64, VM_DROP_SPOOF, -1);
CASE(as_zero, NODE1, N(7, 2), MAC(0, 0, 0), MESH, 64, VM_DROP_SPOOF, -1);
CASE(as_another_node_to_group, NODE1, GROUP(7), N(7, 2), MESH, 64, VM_DROP_SPOOF, -1);
CASE(as_another_node_to_broker, NODE1, N(7, 0), N(7, 2), MESH, 64, VM_DROP_SPOOF, -1);

/* Ensembles are apart. */
CASE(same_node_in_other_ensemble, OTHER1, N(8, 2), N(8, 1), MESH, 64, SENT, OTHER2);
CASE(to_other_ensemble, NODE1, N(8, 1), N(7, 1), MESH, 64, VM_DROP_FOREIGN, -1);
CASE(to_other_ensemble_back, OTHER1, N(7, 1), N(8, 1), MESH, 64, VM_DROP_FOREIGN, -1);
CASE(to_absent_ensemble, NODE1, N(9, 1), N(7, 1), MESH, 64, VM_DROP_FOREIGN, -1);
CASE(to_group_of_other_ensemble, NODE1, GROUP(8), N(7, 1), MESH, 64, VM_DROP_FOREIGN, -1);
CASE(to_broker_of_other_ensemble, NODE1, N(8, 0), N(7, 1), MESH, 64, VM_DROP_FOREIGN, -1);

/* No mesh address. */
CASE(to_vendor_address, NODE1, MAC(0x5254, 0x0001, 0x0203), N(7, 1), MESH, 64, VM_DROP_BAD_DEST,
	-1);
CASE(to_other_prefix, NODE1, MAC(0x024e, 0x0007, 0x0002), N(7, 1), MESH, 64, VM_DROP_BAD_DEST, -1);
CASE(to_zero, NODE1, MAC(0, 0, 0), N(7, 1), MESH, 64, VM_DROP_BAD_DEST, -1);
CASE(to_group_of_one_node, NODE1, MAC(0x034d, 0x0007, 0x0002), N(7, 1), MESH, 64, VM_DROP_BAD_DEST,
	-1);

/* To all others. */
CASE(group, NODE1, GROUP(7), N(7, 1), MESH, 64, SENT, -1);
CASE(broadcast, NODE1, BROADCAST, N(7, 1), 0x0806, 42, SENT, -1);
CASE(multicast_of_ipv4, NODE1, MAC(0x0100, 0x5e00, 0x0001), N(7, 1), IP, 64, SENT, -1);
CASE(multicast_of_ipv6, NODE1, MAC(0x3333, 0x0000, 0x0001), N(7, 1), 0x86dd, 64, SENT, -1);
CASE(group_largest, NODE1, GROUP(7), N(7, 1), MESH, MAX(MTU_GROUP), SENT, -1);
CASE(group_over_mtu, NODE1, GROUP(7), N(7, 1), MESH, MAX(MTU_GROUP) + 1, VM_DROP_DEST_MTU, -1);
CASE(broadcast_over_mtu, NODE1, BROADCAST, N(7, 1), IP, MAX(MTU_GROUP) + 1, VM_DROP_DEST_MTU, -1);

/* To the broker. */
CASE(control, NODE1, N(7, 0), N(7, 1), MESH, 64, SENT, BROKER);
CASE(control_of_other_ensemble, OTHER1, N(8, 0), N(8, 1), MESH, 64, SENT, BROKER);
CASE(ip_to_broker, NODE1, N(7, 0), N(7, 1), IP, 64, VM_DROP_NOT_CONTROL, -1);

/* By the broker. */
CASE(broker_to_node, BROKER, N(7, 2), N(7, 0), MESH, 64, SENT, NODE2);
CASE(broker_to_node_elsewhere, BROKER, N(8, 1), N(8, 0), MESH, 64, SENT, OTHER1);
CASE(broker_to_group, BROKER, GROUP(7), N(7, 0), MESH, 64, SENT, -1);
CASE(broker_across_ensembles, BROKER, N(8, 1), N(7, 0), MESH, 64, VM_DROP_FOREIGN, -1);
CASE(broker_to_absent_ensemble, BROKER, GROUP(9), N(9, 0), MESH, 64, VM_DROP_NO_NODE, -1);
CASE(broker_to_itself, BROKER, N(7, 0), N(7, 0), MESH, 64, VM_DROP_SELF, -1);
CASE(broker_as_node, BROKER, N(7, 2), N(7, 1), MESH, 64, VM_DROP_SPOOF, -1);
CASE(broker_of_no_ensemble, BROKER, N(0, 1), N(0, 0), MESH, 64, VM_DROP_SPOOF, -1);

/* clang-format on */

TEST_HARNESS_MAIN
