// SPDX-License-Identifier: GPL-2.0-only
#include <linux/etherdevice.h>
#include <linux/skbuff.h>

#include "compose.h"
#include "mesh.h"

void vmesh_compose_head(struct vmesh *m, void *at, u16 node, enum vm_frame_type type, u32 seq,
			unsigned int len)
{
	struct ethhdr *eth = at;
	struct vm_hdr *hdr = (struct vm_hdr *)(eth + 1);

	vm_addr_to_mac(vm_addr(vmesh_ensemble(m), node), eth->h_dest);
	ether_addr_copy(eth->h_source, m->dev.mac);
	eth->h_proto = htons(VM_ETHERTYPE);
	*hdr = (struct vm_hdr){
		.version = VM_WIRE_VERSION,
		.type = type,
		.len = cpu_to_be16(len),
		.incarnation = cpu_to_be32(READ_ONCE(m->join.incarnation)),
		.epoch = cpu_to_be32(READ_ONCE(m->join.epoch)),
		.seq = cpu_to_be32(seq),
	};
}

struct sk_buff *vmesh_compose(struct vmesh *m, u16 node, enum vm_frame_type type, u32 seq,
			      unsigned int len, void **payload, gfp_t gfp)
{
	struct sk_buff *skb;

	skb = alloc_skb(VMESH_TX_HEADROOM + VM_PAYLOAD_OFFSET + len, gfp);
	if (!skb)
		return NULL;
	skb_reserve(skb, VMESH_TX_HEADROOM);
	vmesh_compose_head(m, skb_put(skb, VM_PAYLOAD_OFFSET), node, type, seq, len);
	*payload = skb_put(skb, len);
	return skb;
}

unsigned int vmesh_payload_max(struct vmesh *m)
{
	return READ_ONCE(m->join.mtu) - sizeof(struct vm_hdr);
}

unsigned int vmesh_group_payload_max(struct vmesh *m)
{
	return min(READ_ONCE(m->join.mtu), READ_ONCE(m->join.group_mtu)) - sizeof(struct vm_hdr);
}

unsigned int vmesh_dgram_max(struct vmesh *m)
{
	return vmesh_payload_max(m) - sizeof(struct vm_datagram);
}
