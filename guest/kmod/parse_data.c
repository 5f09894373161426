// SPDX-License-Identifier: GPL-2.0-only
#include <linux/errno.h>
#include <linux/string.h>
#include <asm/byteorder.h>

#include "parse_data.h"

int vmesh_parse_group(const u8 *payload, unsigned int len, struct vmesh_group_msg *out)
{
	struct vm_group_msg g;

	if (len < sizeof(g))
		return -EBADMSG;
	memcpy(&g, payload, sizeof(g));
	*out = (struct vmesh_group_msg){
		.group = be32_to_cpu(g.group),
		.cookie = be32_to_cpu(g.cookie),
		.peer_cookie = be32_to_cpu(g.peer_cookie),
		.verb = g.verb,
		.rank = g.rank,
		.window = be16_to_cpu(g.window),
		.layout = be64_to_cpu(g.layout),
		.heard = be64_to_cpu(g.heard),
		.ranks = be64_to_cpu(g.ranks),
		.number = be32_to_cpu(g.number),
		.mtu = be16_to_cpu(g.mtu),
		.flags = be16_to_cpu(g.flags),
	};
	if (!out->cookie || out->rank >= VM_RANKS_MAX)
		return -EBADMSG;
	return 0;
}

int vmesh_parse_data(const u8 *payload, unsigned int len, struct vmesh_data *out)
{
	struct vm_data d;
	unsigned int lead;

	if (len < sizeof(d))
		return -EBADMSG;
	memcpy(&d, payload, sizeof(d));
	lead = sizeof(d) + d.heard * sizeof(struct vm_heard);
	if (len < lead || d.heard > VM_HEARD_MAX || d.flow >= VM_FLOWS)
		return -EBADMSG;
	*out = (struct vmesh_data){
		.group = be32_to_cpu(d.group),
		.cookie = be32_to_cpu(d.cookie),
		.flow = d.flow,
		.kind = d.kind,
		.flags = d.flags,
		.heard = d.heard,
		.root = be16_to_cpu(d.root),
		.number = be32_to_cpu(d.number),
		.tag = be32_to_cpu(d.tag),
		.offset = be64_to_cpu(d.offset),
		.total = be64_to_cpu(d.total),
		.heard_at = payload + sizeof(d),
		.data = payload + lead,
		.len = len - lead,
	};
	if (!out->cookie || !out->number || out->root >= VM_RANKS_MAX)
		return -EBADMSG;
	if (out->kind == VM_KIND_CONTROL && out->len != out->total)
		return -EBADMSG; /* that is one frame */
	/* Only a part of no bytes has a frame of none. */
	if (out->offset > out->total || out->len > out->total - out->offset ||
	    (!out->len && out->total))
		return -EBADMSG;
	return 0;
}

void vmesh_parse_heard(const struct vmesh_data *data, unsigned int i, u32 cum[VM_FLOWS])
{
	struct vm_heard h;
	unsigned int flow;

	memcpy(&h, data->heard_at + i * sizeof(h), sizeof(h));
	for (flow = 0; flow < VM_FLOWS; flow++)
		cum[flow] = be32_to_cpu(h.cum[flow]);
}

int vmesh_parse_ack(const u8 *payload, unsigned int len, struct vmesh_ack *out)
{
	unsigned int cls, flow, word;
	struct vm_ack a;

	if (len < sizeof(a))
		return -EBADMSG;
	memcpy(&a, payload, sizeof(a));
	out->group = be32_to_cpu(a.group);
	out->cookie = be32_to_cpu(a.cookie);
	out->peer_cookie = be32_to_cpu(a.peer_cookie);
	for (cls = 0; cls < VM_CLASSES; cls++)
		out->window[cls] = be16_to_cpu(a.window[cls]);
	out->flags = a.flags;
	for (flow = 0; flow < VM_FLOWS; flow++) {
		out->flow[flow].cum = be32_to_cpu(a.flow[flow].cum);
		for (word = 0; word < VM_WINDOW_MAX / 64; word++)
			out->flow[flow].beyond[word] = be64_to_cpu(a.flow[flow].beyond[word]);
	}
	return out->cookie ? 0 : -EBADMSG;
}
