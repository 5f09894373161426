/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names, limits and addresses that every part of virtmesh shares: the guest
 * driver, the BPF programs, the host programs and the tests.
 *
 * A node is named by (ensemble, node). The pair is written into its MAC
 * address, so no table is needed to go from the one to the other:
 *
 *	02:4d:EE:EE:NN:NN	node NN:NN of ensemble EE:EE; node 0 is the broker
 *	03:4d:EE:EE:ff:ff	every other node of the sender's ensemble
 *
 * The functions here are pure; they may be called in any context.
 */
#ifndef VIRTMESH_TYPES_H
#define VIRTMESH_TYPES_H

#if defined(__bpf__)
#include "vmlinux_subset.h"
#else
#include <linux/types.h>
#endif

#if defined(__KERNEL__)
#include <linux/build_bug.h>
#define VM_ASSERT_SIZE(type, bytes) static_assert(sizeof(type) == (bytes), #type " changed size")
#else
#define VM_ASSERT_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type " changed size")
#endif

/* Identifiers. 0 and 65535 are no ensembles; 4095 is kept back with the bits above it. */
#define VM_ENSEMBLE_MIN 1
#define VM_ENSEMBLE_MAX 65534
#define VM_NODE_BROKER	0
#define VM_NODE_MIN	1
#define VM_NODE_MAX	4094
#define VM_NODE_ALL	0xffff /* in a group MAC address only */

/* Ethernet, spelled out here because the BPF world has no <linux/if_ether.h>. */
#define VM_MAC_LEN	 6
#define VM_ETH_HLEN	 14
#define VM_ETHERTYPE	 0x88b5 /* IEEE 802 local experimental 1: the mesh protocol */
#define VM_MAC_PREFIX_0	 0x02 /* locally administered, unicast */
#define VM_MAC_PREFIX_0G 0x03 /* the same, group bit set */
#define VM_MAC_PREFIX_1	 0x4d /* 'M' */

/*
 * MTU, as a network device counts it: without the Ethernet header.
 * The default is the largest that stays in tap's native XDP path behind every
 * back-end: 3380 bytes of frame through kernel vhost-net, less 14. See
 * "Frame size" in ARCHITECTURE.md for the measurement.
 */
#define VM_MTU_MIN     1280 /* what IPv6 demands of a link */
#define VM_MTU_DEFAULT 3366
#define VM_MTU_MAX     9000

/* What the broker says of a node. */
enum vm_node_state {
	VM_NODE_ABSENT = 0, /* has a port, never joined or said goodbye */
	VM_NODE_UP = 1, /* answers and makes progress */
	VM_NODE_STALLED = 2, /* answers, but work waits and none is done */
	VM_NODE_DOWN = 3, /* was up and fell silent */
	VM_NODE_STATES
};

/* A node in one number, the key of several maps: ensemble << 16 | node. */
static inline __u32 vm_addr(__u16 ensemble, __u16 node)
{
	return (__u32)ensemble << 16 | node;
}

static inline __u16 vm_addr_ensemble(__u32 addr)
{
	return addr >> 16;
}

static inline __u16 vm_addr_node(__u32 addr)
{
	return addr & 0xffff;
}

/* Write the MAC address of @addr, or of its ensemble's group for VM_NODE_ALL. */
static inline void vm_addr_to_mac(__u32 addr, __u8 mac[VM_MAC_LEN])
{
	mac[0] = vm_addr_node(addr) == VM_NODE_ALL ? VM_MAC_PREFIX_0G : VM_MAC_PREFIX_0;
	mac[1] = VM_MAC_PREFIX_1;
	mac[2] = addr >> 24;
	mac[3] = addr >> 16;
	mac[4] = addr >> 8;
	mac[5] = addr;
}

/* The last four bytes of any MAC address as a number; meaningful for mesh addresses. */
static inline __u32 vm_mac_to_addr(const __u8 mac[VM_MAC_LEN])
{
	return (__u32)mac[2] << 24 | (__u32)mac[3] << 16 | (__u32)mac[4] << 8 | mac[5];
}

/* Is this the unicast address of a mesh node (the broker's included)? */
static inline int vm_mac_is_node(const __u8 mac[VM_MAC_LEN])
{
	return mac[0] == VM_MAC_PREFIX_0 && mac[1] == VM_MAC_PREFIX_1;
}

/* Is this the group address of an ensemble? */
static inline int vm_mac_is_group(const __u8 mac[VM_MAC_LEN])
{
	return mac[0] == VM_MAC_PREFIX_0G && mac[1] == VM_MAC_PREFIX_1;
}

static inline int vm_ensemble_valid(unsigned int ensemble)
{
	return ensemble >= VM_ENSEMBLE_MIN && ensemble <= VM_ENSEMBLE_MAX;
}

static inline int vm_node_valid(unsigned int node)
{
	return node >= VM_NODE_MIN && node <= VM_NODE_MAX;
}

#endif /* VIRTMESH_TYPES_H */
