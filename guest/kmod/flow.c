// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * A flow numbers the frames that go one way: to one rank, or cloned by the host
 * to every rank. Operations put their parts on a flow in order; the pump cuts
 * frames from them for as long as there is credit, a slot and room in the ring.
 * It is called when one of these may have changed: an operation was posted, an
 * acknowledgment came, the ring gave frames back.
 *
 * Credit: each receiver allows each sender so many frames, over all its flows,
 * as its ring and its tap can hold (ack.c). A frame counts from its first sending
 * until the receiver has acknowledged it, so no more are ever on the way, and
 * repairs need no credit of their own. A cloned frame counts at every receiver.
 * Groups share it, and whoever gets an acknowledgment has the first of what comes
 * back: one frame a group may always have out, or it might never have any.
 *
 * Fairness: flows take turns of VMESH_TURN frames, so that a gigabyte to one rank does
 * not go out before a word to the next. And frames are shared by all flows: one that
 * has its share out already leaves theirs to the others, who may be answered when it
 * is not. In a small ensemble one class's window is all the credit there is, so the
 * classes take turns as well, and so do the flow to all and those to one.
 *
 * Slots keep the frames until every receiver has acknowledged them. Their skbs
 * are made with the group and used again and again: each sending takes one more
 * reference, which the ring drops; a frame whose skb has only ours is not in the
 * ring. That is the one copy on the sending side, and no allocation.
 */
#include <linux/etherdevice.h>
#include <linux/skbuff.h>
#include <linux/slab.h>

#include "compose.h"
#include "transport.h"

#define VMESH_TURN	 16 /* frames of one flow; the device has them while the next's follow */
#define VMESH_POOL_SHARE 32 /* frames that each of the other ranks can count on */

int vmesh_flow_prepare(struct vmesh_flow *flow)
{
	if (!flow->slot)
		flow->slot = kvcalloc(VM_WINDOW_MAX, sizeof(*flow->slot), GFP_KERNEL_ACCOUNT);
	return flow->slot ? 0 : -ENOMEM;
}

static void vmesh_pool_put(struct vmesh_group *g, struct sk_buff *skb)
{
	g->pool[(g->pool_head + g->pool_free++) % g->pool_size] = skb;
}

/* Would @flow, which has its own share, take from what each other rank can count on? */
static bool vmesh_pool_is_others(const struct vmesh_group *g, const struct vmesh_flow *flow)
{
	return flow->next - flow->first >= g->pool_share &&
	       g->pool_free <= g->pool_share * (g->count - 2);
}

/*
 * The one that was put back first; NULL while even that is still in the ring, or
 * while others are not to be left without.
 */
static struct sk_buff *vmesh_pool_get(struct vmesh_group *g, const struct vmesh_flow *flow)
{
	struct sk_buff *skb = g->pool[g->pool_head];

	if (!g->pool_free || skb_shared(skb) || vmesh_pool_is_others(g, flow))
		return NULL;
	g->pool_head = (g->pool_head + 1) % g->pool_size;
	g->pool_free--;
	return skb;
}

/* It was not used after all: the next that is asked for. */
static void vmesh_pool_unget(struct vmesh_group *g, struct vmesh_slot *slot)
{
	g->pool_head = (g->pool_head + g->pool_size - 1) % g->pool_size;
	g->pool[g->pool_head] = slot->skb;
	g->pool_free++;
	slot->skb = NULL;
}

int vmesh_flows_alloc(struct vmesh_group *g)
{
	unsigned int room = VMESH_TX_HEADROOM + ETH_HLEN + g->m->dev.mtu, n;
	struct sk_buff *skb;
	u16 r;

	/* A window to one rank, and something for each of the others. */
	n = g->count == 1 ? 1 : VM_WINDOW_MAX;
	if (g->count > 2) {
		g->pool_share = min(VMESH_POOL_SHARE, 2 * VM_WINDOW_MAX / (g->count - 2));
		n += g->pool_share * (g->count - 2);
	}
	g->pool = kvcalloc(n, sizeof(*g->pool), GFP_KERNEL_ACCOUNT);
	if (!g->pool)
		return -ENOMEM;
	for (g->pool_size = n; g->pool_free < n;) {
		skb = alloc_skb(room, GFP_KERNEL_ACCOUNT);
		if (!skb)
			return -ENOMEM;
		skb_reserve(skb, VMESH_TX_HEADROOM);
		vmesh_pool_put(g, skb);
	}
	if (vmesh_flow_prepare(&g->all))
		return -ENOMEM;
	for (r = 0; r < g->count; r++)
		if (r != g->rank && vmesh_flow_prepare(&g->ranks[r].flow))
			return -ENOMEM;
	return 0;
}

static void vmesh_flow_empty(struct vmesh_group *g, struct vmesh_flow *flow)
{
	u32 seq;

	for (seq = flow->first; seq != flow->next; seq++)
		if (vmesh_slot(flow, seq)->skb)
			vmesh_slot_release(g, vmesh_slot(flow, seq));
	flow->first = 1;
	flow->next = 1;
	INIT_LIST_HEAD(&flow->parts);
	INIT_LIST_HEAD(&flow->messages);
}

void vmesh_flows_reset(struct vmesh_group *g)
{
	u16 r;

	g->all.kind = VM_FLOW_ALL;
	g->all.ranks = vmesh_others(g);
	vmesh_flow_empty(g, &g->all);
	for (r = 0; r < g->count; r++) {
		struct vmesh_rank *rank = &g->ranks[r];

		rank->flow.kind = VM_FLOW_ONE;
		rank->flow.to = r;
		rank->flow.ranks = BIT_ULL(r);
		vmesh_flow_empty(g, &rank->flow);
		if (rank->path)
			atomic_sub(vmesh_out(rank), &rank->path->out);
		memset(rank->out, 0, sizeof(rank->out));
		rank->cum[VM_FLOW_ONE] = 0;
		rank->cum[VM_FLOW_ALL] = 0;
		rank->rto_ns = VMESH_NEVER;
		rank->probe_ns = 0;
		rank->messages_sent = 0;
		rank->controls_sent = 0;
		vmesh_rtt_init(&rank->rtt);
	}
}

void vmesh_flows_free(struct vmesh_group *g)
{
	u16 r;

	if (!g->pool)
		return;
	vmesh_flows_reset(g);
	/* Those still in the ring go when it drops the last reference. */
	while (g->pool_free--) {
		kfree_skb(g->pool[g->pool_head]);
		g->pool_head = (g->pool_head + 1) % g->pool_size;
	}
	kvfree(g->pool);
	kvfree(g->all.slot);
	for (r = 0; r < g->count; r++)
		kvfree(g->ranks[r].flow.slot);
}

void vmesh_slot_release(struct vmesh_group *g, struct vmesh_slot *slot)
{
	vmesh_pool_put(g, slot->skb);
	slot->skb = NULL;
	slot->owed = 0;
}

/* Hand the slot's frame to the ring. False: there is no room, or no ring. */
bool vmesh_slot_send(struct vmesh_group *g, struct vmesh_slot *slot, u64 now)
{
	struct sk_buff *skb = slot->skb;

	/* The base has put its header before it the last time. */
	skb->data = skb->head + VMESH_TX_HEADROOM;
	skb_reset_tail_pointer(skb);
	skb->len = 0;
	skb_put(skb, slot->len);
	skb_get(skb);
	if (unlikely(vmesh_tx(&g->m->dev, skb, VMESH_TX_MORE))) {
		/*
		 * The ring may have called for us already, when this was not set yet. Once
		 * more, and if there is no room still, it is asked to call after it was.
		 */
		g->blocked = true;
		WRITE_ONCE(g->m->groups.blocked, true);
		if (vmesh_tx(&g->m->dev, skb, VMESH_TX_MORE)) {
			consume_skb(skb);
			return false;
		}
	}
	slot->sent_ns = now;
	return true;
}

/* May one more frame of @cls go to everybody this flow goes to? */
static bool vmesh_flow_open(struct vmesh_group *g, struct vmesh_flow *flow, enum vm_class cls,
			    u64 now)
{
	int share = vmesh_path_share(g->m);
	u16 r;

	if (flow->next - flow->first >= VM_WINDOW_MAX)
		return false;
	vmesh_for_each_rank(r, flow->ranks) {
		struct vmesh_rank *rank = &g->ranks[r];

		if (rank->out[cls] < rank->window[cls] &&
		    (!vmesh_out(rank) || atomic_read(&rank->path->out) < share))
			continue;
		atomic64_inc(&rank->path->credit_stalls);
		/* With nothing out no acknowledgment will come by itself: ask. */
		if (!vmesh_out(rank) && rank->rto_ns == VMESH_NEVER) {
			rank->rto_ns = now + vmesh_rtt_timeout(&rank->rtt);
			vmesh_group_at(g, rank->rto_ns);
		}
		return false;
	}
	return true;
}

static unsigned int vmesh_put_heard(struct vmesh_group *g, struct vmesh_flow *flow,
				    struct vm_heard *to)
{
	unsigned int n = 0, i;
	u16 r;

	if (flow->kind == VM_FLOW_ALL && g->count > VM_HEARD_MAX)
		return 0;
	for (r = 0; r < g->count; r++) {
		if (flow->kind == VM_FLOW_ONE && r != flow->to)
			continue;
		for (i = 0; i < VM_FLOWS; i++)
			to[n].cum[i] = cpu_to_be32(g->ranks[r].seen[i].cum);
		n++;
	}
	return n;
}

/* Messages are numbered when they begin, so that one taken back leaves no hole. */
static u32 vmesh_part_number(struct vmesh_group *g, struct vmesh_flow *flow, struct vmesh_op *op)
{
	struct vmesh_rank *rank = &g->ranks[flow->to];
	u32 *last = op->kind == VM_KIND_CONTROL ? &rank->controls_sent : &rank->messages_sent;

	if (!op->number) {
		*last = vmesh_next_number(*last);
		op->number = *last;
	}
	return op->number;
}

/* Bytes of payload behind struct vm_hdr. What is cloned, the host drops over the smallest MTU. */
static unsigned int vmesh_flow_frame_max(const struct vmesh_group *g, const struct vmesh_flow *flow)
{
	if (flow->kind == VM_FLOW_ONE)
		return g->frame_max;
	return min_t(unsigned int, g->frame_max, vmesh_group_payload_max(g->m));
}

/* Write the next frame of @part into @slot. */
static unsigned int vmesh_cut(struct vmesh_group *g, struct vmesh_flow *flow,
			      struct vmesh_part *part, struct vmesh_slot *slot)
{
	struct sk_buff *skb = slot->skb;
	struct vmesh_op *op = part->op;
	struct vm_data *data;
	struct ethhdr *eth;
	struct vm_hdr *hdr;
	unsigned int heard, len;
	void *at;

	skb->data = skb->head + VMESH_TX_HEADROOM;
	eth = (struct ethhdr *)skb->data;
	hdr = (struct vm_hdr *)(eth + 1);
	data = (struct vm_data *)(hdr + 1);
	heard = vmesh_put_heard(g, flow, (struct vm_heard *)(data + 1));
	at = (struct vm_heard *)(data + 1) + heard;
	len = min_t(u64, op->len - part->sent,
		    vmesh_flow_frame_max(g, flow) - sizeof(*data) -
			    heard * sizeof(struct vm_heard));

	vmesh_compose_head(g->m, eth,
			   flow->kind == VM_FLOW_ALL ? VM_NODE_ALL : g->ranks[flow->to].node,
			   VM_F_DATA, flow->next, at + len - (void *)data);
	*data = (struct vm_data){
		.group = cpu_to_be32(g->id),
		.cookie = cpu_to_be32(g->cookie),
		.flow = flow->kind,
		.kind = op->kind,
		.flags = part->sent + len == op->len && part->awaits ? VM_DATA_ACK_NOW : 0,
		.heard = heard,
		.root = cpu_to_be16(op->root),
		.number = cpu_to_be32(vmesh_part_number(g, flow, op)),
		.tag = cpu_to_be32(op->tag),
		.offset = cpu_to_be64(part->sent),
		.total = cpu_to_be64(op->len),
	};
	memcpy(at, part->data + part->sent, len);
	slot->len = at + len - (void *)eth;
	return len;
}

/* What went out told the receivers how far we are. */
static void vmesh_flow_told(struct vmesh_group *g, struct vmesh_flow *flow, u64 now)
{
	u16 r;

	if (flow->kind == VM_FLOW_ALL && g->count > VM_HEARD_MAX)
		return;
	vmesh_for_each_rank(r, flow->ranks)
		vmesh_ack_carried(g, &g->ranks[r], now);
}

/* One frame of @part. False: not now. */
static bool vmesh_flow_step(struct vmesh_group *g, struct vmesh_flow *flow, struct vmesh_part *part,
			    u64 now)
{
	struct vmesh_slot *slot = vmesh_slot(flow, flow->next);
	enum vm_class cls = vmesh_class_of(part->op->kind);
	unsigned int len;
	u16 r;

	if (!vmesh_flow_open(g, flow, cls, now))
		return false;
	slot->skb = vmesh_pool_get(g, flow);
	if (!slot->skb) {
		/* Its frames are all out, or the ring has yet to give one back. */
		g->blocked = true;
		return false;
	}
	len = vmesh_cut(g, flow, part, slot);
	slot->cls = cls;
	slot->again = false;
	if (!vmesh_slot_send(g, slot, now)) {
		vmesh_pool_unget(g, slot);
		return false;
	}
	slot->owed = flow->ranks;
	vmesh_for_each_rank(r, flow->ranks) {
		struct vmesh_rank *rank = &g->ranks[r];

		rank->out[cls]++;
		atomic_inc(&rank->path->out);
		atomic64_inc(&rank->path->frames_sent);
		atomic64_add(len, &rank->path->bytes_sent);
		if (rank->rto_ns == VMESH_NEVER) {
			rank->rto_ns = now + vmesh_rtt_timeout(&rank->rtt);
			vmesh_group_at(g, rank->rto_ns);
		}
	}
	vmesh_flow_told(g, flow, now);
	part->sent += len;
	if (part->sent == part->op->len) {
		part->framed = true;
		part->last = flow->next;
		list_del_init(&part->list);
	}
	flow->next++;
	if (part->framed)
		vmesh_op_advance(g, part->op);
	return true;
}

static struct vmesh_part *vmesh_first(struct list_head *parts)
{
	return list_first_entry_or_null(parts, struct vmesh_part, list);
}

static bool vmesh_is_earlier_op(const struct vmesh_part *a, const struct vmesh_part *b)
{
	return a && (s32)(a->op->serial - b->op->serial) < 0;
}

/*
 * Collectives keep the order of posting over both kinds of flows: a frame of a
 * later one, parked at its receiver, must not take the room that an earlier
 * one, which would release it, needs.
 */
static bool vmesh_is_turn(struct vmesh_group *g, struct vmesh_flow *flow, struct vmesh_part *part)
{
	u16 r;

	if (flow->kind == VM_FLOW_ONE)
		return !vmesh_is_earlier_op(vmesh_first(&g->all.parts), part);
	vmesh_for_each_rank(r, flow->ranks)
		if (vmesh_is_earlier_op(vmesh_first(&g->ranks[r].flow.parts), part))
			return false;
	return true;
}

/* A frame of a collective, or else of a message. False: not now. */
static bool vmesh_flow_step_of(struct vmesh_group *g, struct vmesh_flow *flow, bool message,
			       u64 now)
{
	struct vmesh_part *part = vmesh_first(message ? &flow->messages : &flow->parts);

	if (!part || (!message && !vmesh_is_turn(g, flow, part)))
		return false;
	if (!vmesh_flow_step(g, flow, part, now))
		return false;
	flow->message_turn = !message;
	return true;
}

/* One turn of @flow: how many frames went. */
static unsigned int vmesh_flow_run(struct vmesh_group *g, struct vmesh_flow *flow, u64 now)
{
	unsigned int sent = 0;

	while (sent < VMESH_TURN) {
		bool message = flow->message_turn;

		if (!vmesh_flow_step_of(g, flow, message, now) &&
		    !vmesh_flow_step_of(g, flow, !message, now))
			return sent;
		sent++;
	}
	vmesh_tx_kick(&g->m->dev);
	return sent;
}

void vmesh_pump(struct vmesh_group *g, u64 now)
{
	unsigned int before, to_all = 0, to_one = 0;
	u16 i, r;

	if (g->state != VIRTMESH_GROUP_FORMED || g->fencing)
		return;
	g->blocked = false;
	do { /* until nobody can go on; what one kind has finished may be the other's turn */
		before = to_all + to_one;
		if (!g->all_last)
			to_all += vmesh_flow_run(g, &g->all, now);
		/* Each node begins with its successor, or all would begin with rank 0. */
		for (i = 1; i < g->count; i++) {
			r = (g->rank + i) % g->count;
			to_one += vmesh_flow_run(g, &g->ranks[r].flow, now);
		}
		if (g->all_last)
			to_all += vmesh_flow_run(g, &g->all, now);
	} while (to_all + to_one != before);
	if (to_all + to_one) {
		g->all_last = to_all;
		vmesh_tx_kick(&g->m->dev);
	}
	if (g->blocked)
		WRITE_ONCE(g->m->groups.blocked, true);
}
