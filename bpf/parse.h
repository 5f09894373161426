/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What stands in an Ethernet header, as numbers, and where such a frame is to
 * go. Pure: no map, no helper, no context; the tests compile it for user space.
 */
#ifndef VIRTMESH_PARSE_H
#define VIRTMESH_PARSE_H

#include <virtmesh/types.h>
#include <bpf/bpf_endian.h>

#define VM_PREFIX_NODE	(VM_MAC_PREFIX_0 << 8 | VM_MAC_PREFIX_1)
#define VM_PREFIX_GROUP (VM_MAC_PREFIX_0G << 8 | VM_MAC_PREFIX_1)

/* Tags of 802.1Q, 802.1ad, and the one that came before it. */
#define VM_ETHERTYPE_8021Q  0x8100
#define VM_ETHERTYPE_8021AD 0x88a8
#define VM_ETHERTYPE_QINQ   0x9100

/* A MAC address is split into the two bytes that tell mesh addresses, and vm_addr(). */
struct vm_eth {
	__u32 dst_addr;
	__u32 src_addr;
	__u16 dst_prefix;
	__u16 src_prefix;
	__u16 ethertype;
};

enum vm_target {
	VM_TO_NODE, /* dst_addr, of the sender's ensemble and not the sender itself */
	VM_TO_GROUP, /* everybody else of the sender's ensemble */
	VM_TO_BROKER,
	VM_TO_SELF,
	VM_TO_FOREIGN, /* a mesh address of another ensemble */
	VM_TO_NOWHERE, /* no address that anything on a mesh can have */
};

/*
 * Read the header at @data, of which VM_ETH_HLEN bytes are readable.
 * Whole words are loaded although they may be unaligned: all machines we run
 * on allow it, and a byte at a time costs twice the instructions.
 */
static inline __attribute__((always_inline)) void vm_eth_read(struct vm_eth *eth, const void *data)
{
	const __u8 *p = data;

	eth->dst_prefix = bpf_ntohs(*(const __be16 *)p);
	eth->dst_addr = bpf_ntohl(*(const __be32 *)(p + 2));
	eth->src_prefix = bpf_ntohs(*(const __be16 *)(p + 6));
	eth->src_addr = bpf_ntohl(*(const __be32 *)(p + 8));
	eth->ethertype = bpf_ntohs(*(const __be16 *)(p + 12));
}

static inline __attribute__((always_inline)) int vm_eth_is_vlan(const struct vm_eth *eth)
{
	return eth->ethertype == VM_ETHERTYPE_8021Q || eth->ethertype == VM_ETHERTYPE_8021AD ||
	       eth->ethertype == VM_ETHERTYPE_QINQ;
}

/*
 * Where a frame goes whose sender is @src, a valid vm_addr(). A multicast
 * address that is not the mesh's (broadcast, and the ranges IP uses) means the
 * sender's own group: an unmodified IP stack needs it to find its neighbours.
 */
static inline __attribute__((always_inline)) enum vm_target vm_eth_target(const struct vm_eth *eth,
									  __u32 src)
{
	__u32 dst = eth->dst_addr;

	if (eth->dst_prefix == VM_PREFIX_NODE) {
		if ((dst ^ src) >> 16)
			return VM_TO_FOREIGN;
		if (dst == src)
			return VM_TO_SELF;
		return vm_addr_node(dst) == VM_NODE_BROKER ? VM_TO_BROKER : VM_TO_NODE;
	}
	if (eth->dst_prefix == VM_PREFIX_GROUP) {
		if ((dst ^ src) >> 16)
			return VM_TO_FOREIGN;
		return vm_addr_node(dst) == VM_NODE_ALL ? VM_TO_GROUP : VM_TO_NOWHERE;
	}
	return eth->dst_prefix & 0x0100 ? VM_TO_GROUP : VM_TO_NOWHERE;
}

#endif /* VIRTMESH_PARSE_H */
