// SPDX-License-Identifier: GPL-2.0-only
/*
 * The others of the target `rank`. A frame is bytes of the input as they are, or
 * made right first as far as a member knows what is right, and then, perhaps,
 * changed: so that mutations get behind the first checks.
 */
#include <string.h>

#include "rank.h"

#define FRAME_MAX 2048
#define COOKIE	  1000 /* of rank r, as long as it has not said another: COOKIE + r */

/* How a frame comes. */
#define HOW_HEARD_ALL 0x02 /* DATA: an entry for each rank */
#define HOW_TO_ALL    0x04
#define HOW_NO_POLL   0x08 /* more follow in this receive poll */
#define HOW_CUT	      0x10
#define HOW_CHANGES   5 /* shift: so many bytes are others */

static u32 cookie_of(u16 r)
{
	struct vmesh_group *g = node_group(&rank_node);

	return g && g->ranks[r].cookie ? g->ranks[r].cookie : COOKIE + r;
}

static void hear(u8 *frame, unsigned int len, unsigned int how)
{
	unsigned int changes, at;

	if (how & HOW_CUT)
		len = len > VM_ETH_HLEN ? VM_ETH_HLEN + input_8(&rank_in) % (len - VM_ETH_HLEN) :
					  len;
	for (changes = how >> HOW_CHANGES; changes; changes--) {
		at = input_16(&rank_in) % len;
		frame[at] ^= input_8(&rank_in);
	}
	node_hears(&rank_node, frame, len);
	if (!(how & HOW_NO_POLL))
		node_polled(&rank_node);
}

static void say(u16 r, u8 type, u32 seq, u8 *frame, u16 len, unsigned int how)
{
	node_head(frame, r + 1, how & HOW_TO_ALL ? VM_NODE_ALL : rank_node.id, type, seq, NODE_LIFE,
		  len);
	hear(frame, VM_PAYLOAD_OFFSET + len, how);
}

void rank_frame_raw(void)
{
	unsigned int len = input_8(&rank_in) | (input_8(&rank_in) & 3) << 8;
	u8 frame[1024];

	len = len < rank_in.left ? len : rank_in.left;
	memcpy(frame, rank_in.at, len);
	rank_in.at += len;
	rank_in.left -= len;
	node_hears(&rank_node, frame, len);
	node_polled(&rank_node);
}

static struct vm_group_msg join_msg(const struct vmesh_group *g, u16 r)
{
	return (struct vm_group_msg){
		.group = cpu_to_be32(NODE_GROUP),
		.cookie = cpu_to_be32(cookie_of(r)),
		.peer_cookie = cpu_to_be32(g ? g->cookie : 0),
		.verb = VM_GROUP_JOIN,
		.rank = r,
		.window = cpu_to_be16(VM_WINDOW_MAX),
		.layout = cpu_to_be64(g ? g->layout : 0),
		.mtu = cpu_to_be16(VM_MTU_MIN),
	};
}

void rank_frame_group(void)
{
	unsigned int what = input_8(&rank_in), how = input_8(&rank_in), more;
	struct vmesh_group *g = node_group(&rank_node);
	u16 r = rank_other(what & 3);
	struct vm_group_msg msg = join_msg(g, r);
	u8 frame[FRAME_MAX];

	msg.verb = 1 + (what >> 2 & 3) % 3;
	msg.flags = cpu_to_be16(what >> 6);
	msg.ranks = cpu_to_be64(input_8(&rank_in) & ((1 << rank_node.ranks) - 1));
	msg.number = cpu_to_be32(g ? g->generation : 0);
	if (what & 0x10) { /* of another forming; a small window */
		more = input_8(&rank_in);
		msg.cookie = cpu_to_be32(cookie_of(r) + (more & 3) - 1);
		msg.window = cpu_to_be16(more >> 2);
	}
	if (what & 0x20 && g) { /* last words: how far it got */
		more = input_8(&rank_in);
		msg.heard = cpu_to_be64((u64)(g->ranks[r].cum[VM_FLOW_ONE] + (more & 15)) << 32 |
					(g->ranks[r].cum[VM_FLOW_ALL] + (more >> 4)));
	}
	memcpy(frame + VM_PAYLOAD_OFFSET, &msg, sizeof(msg));
	say(r, VM_F_GROUP, 0, frame, sizeof(msg), how);
}

/* What is waited for, or as good as; and how @r would number it. */
static void data_like(struct vm_data *d, u16 r, unsigned int nth, u64 *total)
{
	struct vmesh_group *g = node_group(&rank_node);
	struct vmesh_op *op;
	unsigned int n = 0;

	list_for_each_entry(op, &g->ops, list)
		n++;
	n = n ? nth % n : 0;
	list_for_each_entry(op, &g->ops, list) {
		if (n--)
			continue;
		d->kind = op->kind == VIRTMESH_OP_RECV ? VIRTMESH_OP_SEND : op->kind;
		d->root = cpu_to_be16(op->root);
		d->tag = cpu_to_be32(op->tag);
		*total = op->len;
		if (vmesh_is_message(op))
			d->number = cpu_to_be32(op->number ?: g->ranks[r].message_next + 1);
		else
			d->number = cpu_to_be32(op->number);
		return;
	}
}

void rank_frame_data(void)
{
	unsigned int what = input_8(&rank_in), how = input_8(&rank_in), more = input_8(&rank_in),
		     len, heard, i;
	struct vmesh_group *g = node_group(&rank_node);
	u16 r = rank_other(what & 3);
	struct vm_data d = {
		.group = cpu_to_be32(NODE_GROUP),
		.cookie = cpu_to_be32(cookie_of(r)),
		.flow = what >> 2 & 1,
		.flags = what >> 3 & 1,
	};
	struct vm_heard cum = {};
	u64 total = 0, offset;
	u8 frame[FRAME_MAX];
	u32 seq;

	if (!g)
		return;
	seq = g->ranks[r].seen[d.flow].cum + 1 + (more & 0xf ? (more & 0xf) - 2 : 0);
	data_like(&d, r, more >> 4, &total);
	if (what & 0x10 || !d.kind) { /* something else than is waited for */
		d.kind = 1 + input_8(&rank_in) % VIRTMESH_OPS;
		if (d.kind == VIRTMESH_OPS)
			d.kind = VM_KIND_CONTROL;
		more = input_8(&rank_in);
		d.root = cpu_to_be16(more & 3);
		d.tag = cpu_to_be32(more >> 2 & 3);
		d.number = cpu_to_be32((more & 0x10 ? g->ranks[r].message_next : g->generation) +
				       (more >> 5));
		total = input_16(&rank_in);
	}
	offset = what & 0x20 ? input_16(&rank_in) % (total + 1) : 0;
	len = what & 0x40 ? input_8(&rank_in) : 1200;
	len = len < total - offset ? len : total - offset;
	if (d.kind == VM_KIND_CONTROL)
		total = len;
	heard = what & 0x80 ? 1 : 0;
	if (heard && how & HOW_HEARD_ALL)
		heard = g->count;
	d.heard = heard;
	d.offset = cpu_to_be64(offset);
	d.total = cpu_to_be64(total);
	memcpy(frame + VM_PAYLOAD_OFFSET, &d, sizeof(d));
	for (i = 0; i < heard; i++) {
		cum.cum[VM_FLOW_ONE] = cpu_to_be32(g->ranks[r].flow.next - 1);
		cum.cum[VM_FLOW_ALL] = cpu_to_be32(g->all.next - 1);
		memcpy(frame + VM_PAYLOAD_OFFSET + sizeof(d) + i * sizeof(cum), &cum, sizeof(cum));
	}
	memset(frame + VM_PAYLOAD_OFFSET + sizeof(d) + heard * sizeof(cum), r + 1, len);
	say(r, VM_F_DATA, seq, frame, sizeof(d) + heard * sizeof(cum) + len, how);
}

void rank_frame_ack(void)
{
	unsigned int what = input_8(&rank_in), how = input_8(&rank_in), flow;
	struct vmesh_group *g = node_group(&rank_node);
	u16 r = rank_other(what & 3);
	struct vm_ack ack = {
		.group = cpu_to_be32(NODE_GROUP),
		.cookie = cpu_to_be32(cookie_of(r)),
		.flags = what >> 2 & 3,
	};
	u8 frame[FRAME_MAX];

	if (!g)
		return;
	ack.peer_cookie = cpu_to_be32(g->cookie);
	ack.window[VM_CLASS_COLLECTIVE] = cpu_to_be16(what & 0x10 ? input_8(&rank_in) : 256);
	ack.window[VM_CLASS_MESSAGE] = cpu_to_be16(what & 0x20 ? input_8(&rank_in) : 256);
	for (flow = 0; flow < VM_FLOWS; flow++) {
		struct vmesh_flow *f = flow == VM_FLOW_ALL ? &g->all : &g->ranks[r].flow;
		u32 cum = what & 0x40 ? g->ranks[r].cum[flow] + input_8(&rank_in) % 8 : f->next - 1;

		ack.flow[flow].cum = cpu_to_be32(cum);
		if (what & 0x80)
			ack.flow[flow].beyond[0] = cpu_to_be64(input_8(&rank_in));
	}
	memcpy(frame + VM_PAYLOAD_OFFSET, &ack, sizeof(ack));
	say(r, VM_F_ACK, g->ranks[r].ack_seen + 1, frame, sizeof(ack), how);
}

/* All of a kind that has no state of a group: ECHO to DATAGRAM, PENDING. */
void rank_frame_other(void)
{
	static const u8 types[] = { VM_F_ECHO,	  VM_F_ECHO_REPLY,    VM_F_DATAGRAM,
				    VM_F_PENDING, VM_F_PENDING_REPLY, VM_F_PROBE,
				    VM_F_MEMBERS, VM_F_WELCOME };
	unsigned int what = input_8(&rank_in), how = input_8(&rank_in), len = input_8(&rank_in);
	u8 frame[FRAME_MAX] = {};

	len = len < rank_in.left ? len : rank_in.left;
	memcpy(frame + VM_PAYLOAD_OFFSET, rank_in.at, len);
	rank_in.at += len;
	rank_in.left -= len;
	/* From the broker what is his, and sometimes what is not. */
	say(what & 0x20 ? (u16)-1 : rank_other(what >> 3 & 3), types[what & 7], what >> 6, frame,
	    len, how);
}

/* What the host has given may change under our hands. */
void rank_scribble(void)
{
	struct page *page = fake_page_nth(input_8(&rank_in));
	unsigned int at = input_8(&rank_in);

	if (page)
		page->data[VM_ETH_HLEN + at % VM_PAYLOAD_OFFSET] ^= input_8(&rank_in);
}

void rank_member(void)
{
	unsigned int what = input_8(&rank_in);

	node_member(&rank_node, 1 + (what & 7), what >> 3 & 0x83, NODE_LIFE + (what >> 5 & 1));
	fake_expire();
}

void rank_join_rightly(void)
{
	struct vmesh_group *g = node_group(&rank_node);
	u8 frame[FRAME_MAX];
	u16 r;

	for (r = 0; r < rank_node.ranks; r++) {
		struct vm_group_msg msg = join_msg(g, r);

		if (r == rank_node.rank)
			continue;
		memcpy(frame + VM_PAYLOAD_OFFSET, &msg, sizeof(msg));
		say(r, VM_F_GROUP, 0, frame, sizeof(msg), 0);
	}
}
