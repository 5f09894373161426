// SPDX-License-Identifier: GPL-2.0-only
/*
 * bpf/parse.h as user space sees it: where a frame goes, for every pair of
 * addresses that differ in a way that matters. And the hints' places in
 * <virtmesh/maps.h>.
 */
#include <stdlib.h>
#include <string.h>

#include <virtmesh/maps.h>

#include "../../bpf/parse.h"
#include "kselftest_harness.h"

static enum vm_target target(__u16 prefix, __u16 ensemble, __u16 node)
{
	struct vm_eth eth = { .dst_prefix = prefix, .dst_addr = vm_addr(ensemble, node) };

	return vm_eth_target(&eth, vm_addr(7, 1));
}

TEST(header_fields_are_read_in_host_order)
{
	static const __u8 frame[VM_ETH_HLEN] = { 0x02, 0x4d, 0x01, 0x02, 0x03, 0x04, 0x03,
						 0x4e, 0xa1, 0xa2, 0xa3, 0xa4, 0x88, 0xb5 };
	struct vm_eth eth;
	/* Odd and even addresses: frames start at both. */
	__u8 room[VM_ETH_HLEN + 8];
	int at;

	for (at = 0; at < 8; at++) {
		memcpy(room + at, frame, sizeof(frame));
		vm_eth_read(&eth, room + at);
		EXPECT_EQ(0x024d, eth.dst_prefix);
		EXPECT_EQ(0x01020304, eth.dst_addr);
		EXPECT_EQ(0x034e, eth.src_prefix);
		EXPECT_EQ(0xa1a2a3a4, eth.src_addr);
		EXPECT_EQ(VM_ETHERTYPE, eth.ethertype);
	}
}

TEST(vlan_tags_are_three)
{
	struct vm_eth eth = { 0 };
	unsigned int type, tags = 0;

	for (type = 0; type <= 0xffff; type++) {
		eth.ethertype = type;
		tags += vm_eth_is_vlan(&eth);
	}
	EXPECT_EQ(3, tags);
	eth.ethertype = 0x8100;
	EXPECT_TRUE(vm_eth_is_vlan(&eth));
	eth.ethertype = 0x88a8;
	EXPECT_TRUE(vm_eth_is_vlan(&eth));
	eth.ethertype = 0x9100;
	EXPECT_TRUE(vm_eth_is_vlan(&eth));
}

TEST(every_node_id_of_the_own_ensemble)
{
	unsigned int node;

	for (node = 0; node <= 0xffff; node++) {
		enum vm_target want = VM_TO_NODE;

		if (node == VM_NODE_BROKER)
			want = VM_TO_BROKER;
		else if (node == 1)
			want = VM_TO_SELF;
		ASSERT_EQ(want, target(VM_PREFIX_NODE, 7, node));
		want = node == VM_NODE_ALL ? VM_TO_GROUP : VM_TO_NOWHERE;
		ASSERT_EQ(want, target(VM_PREFIX_GROUP, 7, node));
	}
}

TEST(every_other_ensemble_is_foreign)
{
	unsigned int ensemble;

	for (ensemble = 0; ensemble <= 0xffff; ensemble++) {
		if (ensemble == 7)
			continue;
		ASSERT_EQ(VM_TO_FOREIGN, target(VM_PREFIX_NODE, ensemble, 1));
		ASSERT_EQ(VM_TO_FOREIGN, target(VM_PREFIX_NODE, ensemble, 0));
		ASSERT_EQ(VM_TO_FOREIGN, target(VM_PREFIX_GROUP, ensemble, VM_NODE_ALL));
	}
}

TEST(every_other_prefix_by_its_group_bit)
{
	unsigned int prefix;

	for (prefix = 0; prefix <= 0xffff; prefix++) {
		if (prefix == VM_PREFIX_NODE || prefix == VM_PREFIX_GROUP)
			continue;
		ASSERT_EQ(prefix & 0x0100 ? VM_TO_GROUP : VM_TO_NOWHERE, target(prefix, 7, 2));
		ASSERT_EQ(prefix & 0x0100 ? VM_TO_GROUP : VM_TO_NOWHERE, target(prefix, 8, 2));
	}
}

/* As many nodes as a host may have, in 1 to 256 ensembles: no two hints meet. */
TEST(hints_of_nodes_numbered_from_one_do_not_meet)
{
	static __u8 taken[VM_NODE_HINTS];
	unsigned int ensembles, e, n, at;

	for (ensembles = 1; ensembles <= VM_ENSEMBLES_MAX; ensembles++) {
		memset(taken, 0, sizeof(taken));
		for (e = 1; e <= ensembles; e++) {
			for (n = 1; n <= VM_PORTS_MAX / ensembles; n++) {
				at = vm_node_hint(vm_addr(e, n));
				ASSERT_GT(VM_NODE_HINTS, at);
				ASSERT_EQ(0, taken[at]);
				taken[at] = 1;
			}
		}
	}
}

TEST(hints_stay_inside_their_arrays)
{
	unsigned int i;

	for (i = 0; i < 1 << 20; i++) {
		ASSERT_GT(VM_NODE_HINTS, vm_node_hint(i * 4099u));
		ASSERT_GT(VM_PORT_HINTS, vm_port_hint(i * 4099u));
	}
}

TEST_HARNESS_MAIN
