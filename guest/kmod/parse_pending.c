// SPDX-License-Identifier: GPL-2.0-only
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <asm/byteorder.h>
#include <virtmesh/frame.h>

#include "parse_pending.h"

int vmesh_parse_pending(const u8 *payload, unsigned int len, struct vmesh_pending_reader *r)
{
	struct vm_pending_reply reply;

	if (len < sizeof(reply))
		return -EBADMSG;
	memcpy(&reply, payload, sizeof(reply));
	r->at = payload + sizeof(reply);
	r->len = len - sizeof(reply);
	r->count = be16_to_cpu(reply.count);
	r->total = be16_to_cpu(reply.total);
	/* A bound only; each record is longer by its nodes. */
	return r->count > r->len / sizeof(struct vm_pending_record) ? -EBADMSG : 0;
}

int vmesh_parse_pending_next(struct vmesh_pending_reader *r, struct vmesh_pending_record *out)
{
	struct vm_pending_record w;
	unsigned int size;

	if (!r->count || r->len < sizeof(w))
		return -EBADMSG;
	memcpy(&w, r->at, sizeof(w));
	*out = (struct vmesh_pending_record){
		.age_ns = be64_to_cpu(w.age_ns),
		.len = be64_to_cpu(w.len),
		.bytes = be64_to_cpu(w.bytes),
		.missing = be64_to_cpu(w.missing),
		.group = be32_to_cpu(w.group),
		.number = be32_to_cpu(w.number),
		.kind = be16_to_cpu(w.kind),
		.rank = be16_to_cpu(w.rank),
		.self = be16_to_cpu(w.self),
		.ranks = be16_to_cpu(w.ranks),
		.nodes = r->at + sizeof(w),
	};
	if (!out->ranks || out->ranks > VM_RANKS_MAX || out->self >= out->ranks ||
	    out->rank >= out->ranks)
		return -EBADMSG;
	if (out->ranks < VM_RANKS_MAX && out->missing >> out->ranks)
		return -EBADMSG;
	size = sizeof(w) + round_up(out->ranks * sizeof(__be16), 8);
	if (r->len < size)
		return -EBADMSG;
	r->at += size;
	r->len -= size;
	r->count--;
	return 0;
}

u16 vmesh_parse_pending_node(const struct vmesh_pending_record *record, u16 rank)
{
	return record->nodes[2 * rank] << 8 | record->nodes[2 * rank + 1];
}
