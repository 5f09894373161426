// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * What came from a rank is told to it by every frame of data that goes its way
 * (flow.c), and by an ACK of its own
 *	at the end of the receive poll	for a gap, a frame that came again, half a
 *					window, or when somebody waits for it;
 *	after VMESH_ACK_DELAY_NS	otherwise.
 * A rank whose frames we tend to answer with data at once ("chatty", for a few
 * frames from the last time on) is left waiting for that delay even when
 * somebody waits, and longer, because the answer will carry it.
 *
 * What we allow a rank is its share of what our ring and tap hold, half for each
 * class of frames, less those that lie parked here. It is said as numbers of frames,
 * in ACKs alone: their serial numbers tell the newer from the older.
 */
#include <linux/skbuff.h>

#include "compose.h"
#include "transport.h"

#define VMESH_CHATTY 4 /* frames */
/* Below VMESH_RTO_MIN_NS. Long, so that the timer is not set for every answer that comes. */
#define VMESH_CHATTY_DELAY_NS (800 * 1000ULL)

void vmesh_windows_for(struct vmesh_group *g, const struct vmesh_rank *rank, u16 window[VM_CLASSES])
{
	int share = vmesh_class_share(g->m);
	unsigned int cls;

	for (cls = 0; cls < VM_CLASSES; cls++)
		window[cls] = max(share - rank->parked[cls], 0);
}

static void vmesh_ack_told(struct vmesh_rank *rank, const u16 window[VM_CLASSES], u64 now)
{
	rank->unacked = 0;
	rank->ack_now = false;
	rank->ack_ns = VMESH_NEVER;
	rank->told_ns = now;
	memcpy(rank->told_window, window, sizeof(rank->told_window));
}

void vmesh_ack_carried(struct vmesh_group *g, struct vmesh_rank *rank, u64 now)
{
	u16 window[VM_CLASSES];

	/* Was it waiting for this, or did it get an ACK just before? */
	if (rank->unacked || now - rank->told_ns < VMESH_ACK_DELAY_NS)
		rank->chatty = VMESH_CHATTY;
	/* A gap wants all the bits, and a window that has changed its number. */
	vmesh_windows_for(g, rank, window);
	if (!vmesh_window_gap(&rank->seen[VM_FLOW_ONE]) &&
	    !vmesh_window_gap(&rank->seen[VM_FLOW_ALL]) &&
	    !memcmp(window, rank->told_window, sizeof(window)))
		vmesh_ack_told(rank, window, now);
}

void vmesh_ack_send(struct vmesh_group *g, u16 r, u8 flags)
{
	struct vmesh_rank *rank = &g->ranks[r];
	struct sk_buff *skb;
	struct vm_ack *ack;
	unsigned int cls, flow, word;
	u16 window[VM_CLASSES];

	skb = vmesh_compose(g->m, rank->node, VM_F_ACK, ++rank->ack_serial, sizeof(*ack),
			    (void **)&ack, GFP_ATOMIC);
	if (!skb)
		return; /* the sender's timer will ask again */
	*ack = (struct vm_ack){
		.group = cpu_to_be32(g->id),
		.cookie = cpu_to_be32(g->cookie),
		.peer_cookie = cpu_to_be32(rank->cookie),
		.flags = flags,
	};
	vmesh_windows_for(g, rank, window);
	for (cls = 0; cls < VM_CLASSES; cls++)
		ack->window[cls] = cpu_to_be16(window[cls]);
	for (flow = 0; flow < VM_FLOWS; flow++) {
		ack->flow[flow].cum = cpu_to_be32(rank->seen[flow].cum);
		for (word = 0; word < VM_WINDOW_MAX / 64; word++)
			ack->flow[flow].beyond[word] = cpu_to_be64(rank->seen[flow].beyond[word]);
	}
	if (vmesh_tx(&g->m->dev, skb, 0)) {
		kfree_skb(skb);
		return;
	}
	vmesh_count(&g->m->dev, acks_sent);
	vmesh_ack_told(rank, window, vmesh_now());
}

void vmesh_ack_data(struct vmesh_group *g, struct vmesh_rank *rank, enum vm_class cls, bool urgent,
		    bool waits, u64 now)
{
	rank->unacked++;
	if (urgent || rank->unacked >= max(rank->told_window[cls] / 2, 1) ||
	    (waits && !rank->chatty)) {
		rank->ack_now = true;
		if (list_empty(&g->poll)) {
			vmesh_group_get(g);
			list_add_tail(&g->poll, &g->m->groups.poll);
		}
	} else if (rank->ack_ns == VMESH_NEVER) {
		rank->ack_ns = now + (rank->chatty ? VMESH_CHATTY_DELAY_NS : VMESH_ACK_DELAY_NS);
		vmesh_group_at(g, rank->ack_ns);
	}
}

void vmesh_ack_freed(struct vmesh_group *g, u16 r, enum vm_class cls)
{
	/* Who was told of a small window hears of the larger one. */
	if (g->ranks[r].told_window[cls] <= vmesh_class_share(g->m) / 2)
		vmesh_ack_send(g, r, 0);
}

/* No room in the ring, or no ring: once more, when the rank would ask. */
static void vmesh_ack_due(struct vmesh_group *g, u16 r, u64 now)
{
	g->ranks[r].ack_now = false;
	g->ranks[r].ack_ns = now + VMESH_RTO_MIN_NS;
	vmesh_ack_send(g, r, 0);
}

/* At the end of a receive poll. */
void vmesh_ack_poll(struct vmesh_group *g)
{
	u16 r;

	vmesh_for_each_rank(r, vmesh_others(g)) {
		if (!g->ranks[r].ack_now)
			continue;
		vmesh_ack_due(g, r, vmesh_now());
		vmesh_group_at(g, g->ranks[r].ack_ns);
	}
}

u64 vmesh_ack_tick(struct vmesh_group *g, u64 now)
{
	u64 next = VMESH_NEVER;
	u16 r;

	vmesh_for_each_rank(r, vmesh_others(g)) {
		struct vmesh_rank *rank = &g->ranks[r];

		if (rank->ack_ns <= now) {
			rank->chatty = 0; /* no answer came in time */
			vmesh_ack_due(g, r, now);
		}
		next = min(next, rank->ack_ns);
	}
	return next;
}
