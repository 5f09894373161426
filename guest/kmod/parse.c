// SPDX-License-Identifier: GPL-2.0-only
#include <linux/errno.h>
#include <linux/string.h>
#include <asm/byteorder.h>
#include <virtmesh/frame.h>

#include "parse.h"

bool vmesh_is_mesh(const void *data, unsigned int len)
{
	const u8 *eth = data;

	return len >= VM_ETH_HLEN && eth[12] == VM_ETHERTYPE >> 8 &&
	       eth[13] == (VM_ETHERTYPE & 0xff);
}

int vmesh_parse(const void *data, unsigned int len, struct vmesh_msg *msg)
{
	const u8 *eth = data;
	struct vm_hdr hdr;

	if (len < VM_PAYLOAD_OFFSET)
		return -EBADMSG;
	memcpy(&hdr, eth + VM_ETH_HLEN, sizeof(hdr));
	if (hdr.version != VM_WIRE_VERSION)
		return -EPROTONOSUPPORT;

	memcpy(msg->dst, eth, VM_MAC_LEN);
	memcpy(msg->src, eth + VM_MAC_LEN, VM_MAC_LEN);
	msg->type = hdr.type;
	msg->incarnation = be32_to_cpu(hdr.incarnation);
	msg->epoch = be32_to_cpu(hdr.epoch);
	msg->seq = be32_to_cpu(hdr.seq);
	msg->payload = eth + VM_PAYLOAD_OFFSET;
	msg->len = be16_to_cpu(hdr.len);
	return msg->len > len - VM_PAYLOAD_OFFSET ? -EBADMSG : 0;
}

int vmesh_parse_welcome(const u8 *payload, unsigned int len, struct vmesh_welcome *out)
{
	struct vm_welcome w;

	if (len < sizeof(w))
		return -EBADMSG;
	memcpy(&w, payload, sizeof(w));
	*out = (struct vmesh_welcome){
		.abi = be16_to_cpu(w.abi),
		.mtu = be16_to_cpu(w.mtu),
		.ensemble = be16_to_cpu(w.ensemble),
		.node = be16_to_cpu(w.node),
		.incarnation = be32_to_cpu(w.incarnation),
		.epoch = be32_to_cpu(w.epoch),
		.nonce = be64_to_cpu(w.nonce),
		.broker_id = be64_to_cpu(w.broker_id),
		.probe_ms = be32_to_cpu(w.probe_ms),
		.dead_ms = be32_to_cpu(w.dead_ms),
		.hello_min_ms = be32_to_cpu(w.hello_min_ms),
		.hello_max_ms = be32_to_cpu(w.hello_max_ms),
	};
	if (!out->incarnation || !out->epoch || !out->nonce || out->mtu < VM_MTU_MIN)
		return -EBADMSG;
	return 0;
}

int vmesh_parse_refuse(const u8 *payload, unsigned int len, struct vmesh_refuse *out)
{
	struct vm_refuse r;

	if (len < sizeof(r))
		return -EBADMSG;
	memcpy(&r, payload, sizeof(r));
	out->reason = be16_to_cpu(r.reason);
	out->nonce = be64_to_cpu(r.nonce);
	return out->reason ? 0 : -EBADMSG;
}

int vmesh_parse_members(const u8 *payload, unsigned int len, struct vmesh_members *out)
{
	struct vm_members m;

	if (len < sizeof(m))
		return -EBADMSG;
	memcpy(&m, payload, sizeof(m));
	out->epoch = be32_to_cpu(m.epoch);
	out->prev_epoch = be32_to_cpu(m.prev_epoch);
	out->first = be16_to_cpu(m.first);
	out->count = be16_to_cpu(m.count);
	out->total = be16_to_cpu(m.total);
	out->mtu = be16_to_cpu(m.mtu);
	out->entries = payload + sizeof(m);
	if (!out->epoch || out->count > (len - sizeof(m)) / sizeof(struct vm_member_entry))
		return -EBADMSG;
	/* Sums of two 16 bit numbers fit an int. */
	if (out->total > VM_NODE_MAX || (out->mtu && out->mtu < VM_MTU_MIN) ||
	    out->first + out->count > out->total)
		return -EBADMSG;
	return 0;
}

int vmesh_parse_member(const struct vmesh_members *members, unsigned int i,
		       struct vmesh_member *out)
{
	struct vm_member_entry e;

	if (i >= members->count)
		return -EBADMSG;
	memcpy(&e, members->entries + i * sizeof(e), sizeof(e));
	out->node = be16_to_cpu(e.node);
	out->state = e.state;
	out->gone = e.flags & VM_MEMBER_GONE;
	out->incarnation = be32_to_cpu(e.incarnation);
	return vm_node_valid(out->node) && out->state < VM_NODE_STATES ? 0 : -EBADMSG;
}

int vmesh_parse_probe(const u8 *payload, unsigned int len, struct vmesh_probe *out)
{
	struct vm_probe p;

	if (len < sizeof(p))
		return -EBADMSG;
	memcpy(&p, payload, sizeof(p));
	out->broker_id = be64_to_cpu(p.broker_id);
	out->token = be32_to_cpu(p.token);
	return 0;
}

int vmesh_parse_datagram(const u8 *payload, unsigned int len, u16 *channel)
{
	struct vm_datagram d;

	if (len < sizeof(d))
		return -EBADMSG;
	memcpy(&d, payload, sizeof(d));
	*channel = be16_to_cpu(d.channel);
	return *channel ? 0 : -EBADMSG;
}
