// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * An acknowledgment settles frames; what lies before a settled frame and is
 * not settled was lost, because the path keeps order, and is sent again at
 * once, though not twice in one round trip. Repairs go to the one receiver that
 * lacks the frame, whichever flow it is of, under its old number.
 *
 * The timer is for what nothing came after: a lost tail, a lost acknowledgment,
 * a lost word of a window that has opened. It sends the oldest frame again and a
 * probe behind it. The receiver may only be slow, so no more than that; but what
 * its answer to the probe does not have, of all that went before the probe, was
 * lost, and is sent again.
 */
#include <linux/etherdevice.h>
#include <linux/log2.h>
#include <linux/skbuff.h>

#include "transport.h"

#define VMESH_REPAIRS_MAX 32 /* frames sent again at once to one rank */

static void vmesh_repair_one(struct vmesh_group *g, struct vmesh_slot *slot, u16 r, u64 now)
{
	struct vmesh_rank *rank = &g->ranks[r];
	struct ethhdr *eth;
	struct vm_data *data;

	if (skb_shared(slot->skb)) /* it has not even left */
		return;
	eth = (struct ethhdr *)(slot->skb->head + VMESH_TX_HEADROOM);
	data = (void *)(eth + 1) + sizeof(struct vm_hdr);
	vm_addr_to_mac(vm_addr(vmesh_ensemble(g->m), rank->node), eth->h_dest);
	data->flags |= VM_DATA_ACK_NOW;
	if (!vmesh_slot_send(g, slot, now))
		return;
	slot->again = true;
	atomic64_inc(&rank->path->retransmits);
}

static void vmesh_settle(struct vmesh_group *g, struct vmesh_slot *slot, u16 r)
{
	struct vmesh_rank *rank = &g->ranks[r];

	slot->owed &= ~BIT_ULL(r);
	rank->out[slot->cls]--;
	atomic_dec(&rank->path->out);
}

static void vmesh_measure(struct vmesh_rank *rank, u64 ns)
{
	unsigned int bucket = min_t(unsigned int, ilog2(ns | 1), VIRTMESH_LATENCY_BUCKETS - 1);

	vmesh_rtt_sample(&rank->rtt, ns);
	WRITE_ONCE(rank->path->srtt, rank->rtt.srtt);
	atomic64_inc(&rank->path->latency[bucket]);
}

/* Slots from the oldest on that nobody owes anything for. */
static void vmesh_flow_advance(struct vmesh_group *g, struct vmesh_flow *flow)
{
	while (flow->first != flow->next && !vmesh_slot(flow, flow->first)->owed)
		vmesh_slot_release(g, vmesh_slot(flow, flow->first++));
}

/* Frames before @high that @r has not got, and that were not sent again since @since. */
static void vmesh_repair_gaps(struct vmesh_group *g, struct vmesh_flow *flow, u16 r, u32 high,
			      u64 since)
{
	unsigned int n = 0;
	u32 seq;

	for (seq = g->ranks[r].cum[flow->kind] + 1; seq != high && n < VMESH_REPAIRS_MAX; seq++) {
		struct vmesh_slot *slot = vmesh_slot(flow, seq);

		if (!(slot->owed >> r & 1) || (slot->again && slot->sent_ns > since))
			continue;
		vmesh_repair_one(g, slot, r, vmesh_now());
		n++;
	}
	if (n)
		vmesh_tx_kick(&g->m->dev);
}

void vmesh_probed(struct vmesh_group *g, u16 r, u64 now)
{
	struct vmesh_rank *rank = &g->ranks[r];
	struct vmesh_flow *flow;
	unsigned int kind, n = 0;
	u32 seq;

	if (!rank->probe_ns)
		return;
	for (kind = 0; kind < VM_FLOWS; kind++) {
		flow = vmesh_flow_of(g, r, kind);
		if (!(flow->ranks >> r & 1))
			continue;
		for (seq = rank->cum[kind] + 1;
		     vmesh_seq_before(seq, flow->next) && n < VMESH_REPAIRS_MAX; seq++) {
			struct vmesh_slot *slot = vmesh_slot(flow, seq);

			if (!(slot->owed >> r & 1) || slot->sent_ns >= rank->probe_ns)
				continue;
			vmesh_repair_one(g, slot, r, now);
			n++;
		}
	}
	rank->probe_ns = 0;
	if (n)
		vmesh_tx_kick(&g->m->dev);
}

void vmesh_acked(struct vmesh_group *g, u16 r, u8 kind, u32 cum, const u64 *beyond, u64 now)
{
	struct vmesh_flow *flow = vmesh_flow_of(g, r, kind);
	struct vmesh_rank *rank = &g->ranks[r];
	struct vmesh_slot *newest = NULL, *slot;
	u32 high = cum, seq;
	unsigned int bit;

	/* Older than what we know, or of frames never sent. */
	if (!(flow->ranks >> r & 1) || vmesh_seq_before(cum, rank->cum[kind]) ||
	    !vmesh_seq_before(cum, flow->next))
		return;
	for (seq = rank->cum[kind] + 1; seq != cum + 1; seq++) {
		slot = vmesh_slot(flow, seq);
		if (!(slot->owed >> r & 1))
			continue;
		vmesh_settle(g, slot, r);
		newest = slot;
	}
	rank->cum[kind] = cum;
	for (bit = 0; beyond && bit < VM_WINDOW_MAX; bit++) {
		seq = cum + 2 + bit;
		if (!vmesh_seq_before(seq, flow->next))
			break;
		if (!(beyond[bit / 64] >> (bit % 64) & 1))
			continue;
		high = seq;
		slot = vmesh_slot(flow, seq);
		if (!(slot->owed >> r & 1))
			continue;
		vmesh_settle(g, slot, r);
		newest = slot;
	}
	if (newest) {
		if (!newest->again)
			vmesh_measure(rank, now - newest->sent_ns);
		rank->rtt.backoff = 0;
		rank->rto_ns = vmesh_out(rank) ? now + vmesh_rtt_timeout(&rank->rtt) : VMESH_NEVER;
		if (vmesh_out(rank))
			vmesh_group_at(g, rank->rto_ns);
	}
	if (high != cum)
		vmesh_repair_gaps(g, flow, r, high, now - min(now, vmesh_rtt_repair(&rank->rtt)));
	if (!newest)
		return;
	vmesh_flow_advance(g, flow);
	vmesh_ops_acked(g, r);
}

void vmesh_forgive(struct vmesh_group *g, u16 r)
{
	struct vmesh_rank *rank = &g->ranks[r];
	unsigned int kind;

	for (kind = 0; kind < VM_FLOWS; kind++) {
		struct vmesh_flow *flow = vmesh_flow_of(g, r, kind);

		if (!(flow->ranks >> r & 1))
			continue;
		/* As if it had acknowledged all: should it do so yet, that is no news. */
		while (rank->cum[kind] + 1 != flow->next) {
			struct vmesh_slot *slot = vmesh_slot(flow, ++rank->cum[kind]);

			if (slot->owed >> r & 1)
				vmesh_settle(g, slot, r);
		}
		vmesh_flow_advance(g, flow);
	}
	rank->rto_ns = VMESH_NEVER;
	rank->probe_ns = 0;
}

/* The oldest frame that @r owes us an acknowledgment for. */
static struct vmesh_slot *vmesh_oldest(struct vmesh_group *g, u16 r)
{
	struct vmesh_slot *oldest = NULL;
	unsigned int kind;
	u32 seq;

	for (kind = 0; kind < VM_FLOWS; kind++) {
		struct vmesh_flow *flow = vmesh_flow_of(g, r, kind);

		if (!(flow->ranks >> r & 1))
			continue;
		for (seq = g->ranks[r].cum[kind] + 1; vmesh_seq_before(seq, flow->next); seq++) {
			struct vmesh_slot *slot = vmesh_slot(flow, seq);

			if (!(slot->owed >> r & 1))
				continue;
			if (!oldest || slot->sent_ns < oldest->sent_ns)
				oldest = slot;
			break;
		}
	}
	return oldest;
}

static void vmesh_rank_timeout(struct vmesh_group *g, u16 r, u64 now)
{
	struct vmesh_rank *rank = &g->ranks[r];
	struct vmesh_slot *slot = vmesh_oldest(g, r);

	if (!slot && list_empty(&rank->flow.parts) && list_empty(&rank->flow.messages) &&
	    list_empty(&g->all.parts)) {
		rank->rto_ns = VMESH_NEVER;
		return;
	}
	atomic64_inc(&rank->path->timeouts);
	vmesh_rtt_backoff(&rank->rtt);
	rank->rto_ns = now + vmesh_rtt_timeout(&rank->rtt);
	if (slot)
		vmesh_repair_one(g, slot, r, now);
	rank->probe_ns = now;
	vmesh_ack_send(g, r, VM_ACK_PROBE); /* kicks */
}

u64 vmesh_repair_tick(struct vmesh_group *g, u64 now)
{
	u64 next = VMESH_NEVER;
	u16 r;

	if (g->state != VIRTMESH_GROUP_FORMED)
		return VMESH_NEVER;
	vmesh_for_each_rank(r, vmesh_others(g)) {
		if (g->ranks[r].rto_ns <= now)
			vmesh_rank_timeout(g, r, now);
		next = min(next, g->ranks[r].rto_ns);
	}
	return next;
}
