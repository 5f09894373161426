// SPDX-License-Identifier: GPL-2.0-only
/*
 * What must be true of a group between two things that happen, whatever they were:
 * what is counted twice agrees, nothing is in two places or in none, and the timer
 * is set for all that waits for it.
 */
#include <linux/skbuff.h>

#include "node.h"

struct vmesh_group *node_group(struct node *n)
{
	return n->m ? xa_load(&n->m->groups.groups, NODE_GROUP) : NULL;
}

/* Frames in @flow, and who owes what for them. */
static unsigned int audit_flow(const struct vmesh_group *g, const struct vmesh_flow *flow,
			       unsigned int owed[][VM_CLASSES])
{
	unsigned int frames = 0, i;
	u16 r;

	must(flow->next - flow->first <= VM_WINDOW_MAX);
	for (i = 0; flow->slot && i < VM_WINDOW_MAX; i++) {
		u32 seq = flow->first + i;
		const struct vmesh_slot *slot = vmesh_slot(flow, seq);

		if (i >= flow->next - flow->first) {
			must(!slot->skb && !slot->owed);
			continue;
		}
		must(slot->skb && slot->skb->users > 0);
		must(!(slot->owed & ~flow->ranks) && slot->cls < VM_CLASSES);
		must(slot->len <= ETH_HLEN + g->m->dev.mtu);
		frames++;
		for (r = 0; r < g->count; r++)
			owed[r][slot->cls] += slot->owed >> r & 1;
	}
	return frames;
}

static void audit_sending(const struct vmesh_group *g)
{
	unsigned int owed[VM_RANKS_MAX][VM_CLASSES] = {};
	unsigned int frames, cls;
	u16 r;

	frames = audit_flow(g, &g->all, owed);
	for (r = 0; r < g->count; r++)
		frames += audit_flow(g, &g->ranks[r].flow, owed);
	must(g->pool_free + frames == g->pool_size);
	for (r = 0; r < g->count; r++) {
		for (cls = 0; cls < VM_CLASSES; cls++)
			must(g->ranks[r].out[cls] == owed[r][cls]);
		/* It is the only group, but perhaps for one that is being left. */
		must(atomic_read(&g->ranks[r].path->out) >= (int)vmesh_out(&g->ranks[r]));
	}
}

static void audit_receiving(const struct vmesh_group *g)
{
	unsigned int parked[VM_RANKS_MAX][VM_CLASSES] = {};
	const struct vmesh_parked *p;
	unsigned int count = 0, cls;
	u16 r;

	list_for_each_entry(p, &g->parked, list) {
		must(p->data.data >= p->page->data);
		parked[p->rank][vmesh_class_of(p->data.kind)]++;
		count++;
	}
	list_for_each_entry(p, &g->parked_free, list)
		count++;
	must(count ==
	     min((g->count - 1u) * VM_CLASSES * VM_WINDOW_MAX, (unsigned int)VMESH_CAPACITY));
	for (r = 0; r < g->count; r++) {
		for (cls = 0; cls < VM_CLASSES; cls++)
			must(g->ranks[r].parked[cls] == parked[r][cls]);
		for (cls = 0; cls < VM_FLOWS; cls++)
			must(g->ranks[r].seen[cls].high - g->ranks[r].seen[cls].cum <=
			     VM_WINDOW_MAX);
	}
}

static void audit_timer(const struct vmesh_group *g)
{
	const struct vmesh_op *op;
	u16 r;

	must(g->timer.ev.due ? g->timer.ev.at <= g->timer_ns : g->timer_ns == VMESH_NEVER);
	if (g->state == VIRTMESH_GROUP_FORMING)
		must(g->timer_ns <= max(g->join_ns, fake_now));
	if (g->state != VIRTMESH_GROUP_FORMED)
		return;
	if (g->fencing)
		must(g->timer_ns <= g->fence_ns);
	else
		list_for_each_entry(op, &g->ops, list)
			must(g->timer_ns <= op->deadline_ns);
	vmesh_for_each_rank(r, vmesh_others(g)) {
		must(g->timer_ns <= g->ranks[r].rto_ns);
		must(g->timer_ns <= g->ranks[r].ack_ns);
		must(!vmesh_out(&g->ranks[r]) || g->ranks[r].rto_ns != VMESH_NEVER);
	}
}

void node_audit(struct node *n)
{
	const struct vmesh_group *g = node_group(n);
	u64 everybody;

	if (!g || g->dead)
		return;
	must(!g->lock.held);
	everybody = g->count == VM_RANKS_MAX ? ~0ULL : (1ULL << g->count) - 1;
	must((g->members | g->excluded) == everybody && !(g->members & g->excluded));
	must(g->members >> g->rank & 1);
	must(!(g->lost & ~vmesh_others(g)) && !(g->missing & ~everybody));
	must(g->state == VIRTMESH_GROUP_FORMED || (list_empty(&g->ops) && !g->fencing));
	audit_sending(g);
	audit_receiving(g);
	audit_timer(g);
}
