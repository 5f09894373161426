// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * Who leaves a group says LEAVE to each member, and how far it got with that
 * member's frames: there, operations end by this, well or with the name of who left.
 * So it has to arrive, but frames get lost, and the program that left has ended.
 * What remains of its group, the cookies and the last words, stays in a list of
 * the node and says LEAVE again until every member has answered, for
 * VMESH_LEAVE_FOR_NS at most: who is silent for so long is the broker's to judge.
 *
 * The answer needs no group, because a member may have left as well: it has the
 * cookies of the question, the other way round.
 *
 * Before that we linger: frames of operations that ended well may not have come
 * yet, and their receivers would miss what we called done. Nothing new is sent
 * then, and a member that has got all hears LEAVE at once: it need not wait for
 * one that is silent.
 */
#include <linux/delay.h>
#include <linux/workqueue.h>

#include "compose.h"
#include "transport.h"

#define VMESH_LEAVE_MIN_NS (4 * 1000 * 1000ULL) /* between two LEAVEs; doubles up to */
#define VMESH_LEAVE_MAX_NS (64 * 1000 * 1000ULL)
#define VMESH_LEAVE_FOR_NS (2 * NSEC_PER_SEC)
#define VMESH_LINGER_NS	   (2 * NSEC_PER_SEC) /* for the last acknowledgments, at most */
#define VMESH_LEAVING_MAX  VIRTMESH_GROUPS_MAX /* the oldest goes for another */

u64 vmesh_last_words(const struct vmesh_group *g, u16 r)
{
	return (u64)g->ranks[r].seen[VM_FLOW_ONE].cum << 32 | g->ranks[r].seen[VM_FLOW_ALL].cum;
}

u64 vmesh_owing(const struct vmesh_group *g)
{
	u64 ranks = 0;
	u16 r;

	if (g->state != VIRTMESH_GROUP_FORMED || g->dead)
		return 0;
	vmesh_for_each_rank(r, vmesh_others(g) & ~g->lost)
		if (vmesh_out(&g->ranks[r]))
			ranks |= BIT_ULL(r);
	return ranks;
}

/* Whoever has got all, while there are others: without, all are told in a moment. */
static void vmesh_leave_early(struct vmesh_group *g, u64 owing)
{
	u16 r;

	if (!owing)
		return;
	vmesh_for_each_rank(r, vmesh_others(g) & ~(g->lost | owing | g->told)) {
		vmesh_say(g, r, VM_GROUP_LEAVE, 0, 0, 0);
		g->told |= BIT_ULL(r);
	}
}

bool vmesh_group_leave_begin(struct vmesh_group *g)
{
	u64 owing;

	spin_lock_bh(&g->lock);
	vmesh_ops_end(g, 0, -ECANCELED);
	if (!g->leave_ns)
		g->leave_ns = vmesh_now() + VMESH_LINGER_NS;
	owing = vmesh_owing(g);
	vmesh_leave_early(g, owing);
	spin_unlock_bh(&g->lock);
	return owing;
}

bool vmesh_group_leaves(struct vmesh_group *g)
{
	bool leaves;

	spin_lock_bh(&g->lock);
	leaves = g->leave_ns;
	spin_unlock_bh(&g->lock);
	return leaves;
}

void vmesh_group_linger(struct vmesh_group *g)
{
	u64 end = vmesh_now() + VMESH_LINGER_NS;
	u64 owing;

	for (;;) {
		spin_lock_bh(&g->lock);
		owing = vmesh_owing(g);
		if (g->leave_ns) {
			end = g->leave_ns;
			vmesh_leave_early(g, owing);
		}
		spin_unlock_bh(&g->lock);
		if (!owing || vmesh_now() >= end)
			return;
		usleep_range(100, 200);
	}
}

static void vmesh_leave_say(struct vmesh_group *g)
{
	u16 r;

	vmesh_for_each_rank(r, g->unanswered)
		vmesh_say(g, r, VM_GROUP_LEAVE, 0, 0, VM_GROUP_ASK);
}

void vmesh_leave_begin(struct vmesh_group *g, u64 now)
{
	u16 r;

	if (!g->cookie)
		return;
	vmesh_for_each_rank(r, vmesh_others(g) & ~g->lost)
		if (g->ranks[r].cookie)
			g->unanswered |= BIT_ULL(r);
	g->join_wait = VMESH_LEAVE_MIN_NS;
	g->join_ns = now + g->join_wait;
	g->leave_ns = now + VMESH_LEAVE_FOR_NS;
	vmesh_leave_say(g);
	/* Who is lost to us may not know yet that we are to it; no matter if it never does. */
	vmesh_for_each_rank(r, vmesh_others(g) & g->lost)
		vmesh_say(g, r, VM_GROUP_LEAVE, 0, 0, 0);
}

static struct vmesh_group *vmesh_leaving_first(struct list_head *list)
{
	return list_first_entry_or_null(list, struct vmesh_group, leaving);
}

static void vmesh_leaving_put(struct list_head *list)
{
	struct vmesh_group *g;

	while ((g = vmesh_leaving_first(list))) {
		list_del_init(&g->leaving);
		vmesh_group_put(g);
	}
}

/* leaving.lock held. */
static void vmesh_leaving_take(struct vmesh_leaving *l, struct vmesh_group *g, struct list_head *to)
{
	list_move_tail(&g->leaving, to);
	l->count--;
}

void vmesh_leave_go_on(struct vmesh_group *g)
{
	struct vmesh_leaving *l = &g->m->groups.leaving;
	LIST_HEAD(over);

	spin_lock_bh(&l->lock);
	if (g->unanswered && !l->closed) {
		if (l->count == VMESH_LEAVING_MAX)
			vmesh_leaving_take(l, vmesh_leaving_first(&l->groups), &over);
		vmesh_group_get(g);
		list_add_tail(&g->leaving, &l->groups);
		l->count++;
		mod_delayed_work(system_wq, &l->work, nsecs_to_jiffies(VMESH_LEAVE_MIN_NS));
	}
	spin_unlock_bh(&l->lock);
	vmesh_leaving_put(&over);
}

static void vmesh_leaving_work(struct work_struct *work)
{
	struct vmesh_leaving *l = container_of(to_delayed_work(work), struct vmesh_leaving, work);
	u64 now = vmesh_now(), due = VMESH_NEVER;
	struct vmesh_group *g, *next;
	LIST_HEAD(over);

	spin_lock_bh(&l->lock);
	list_for_each_entry_safe(g, next, &l->groups, leaving) {
		if (!g->unanswered || g->leave_ns <= now) {
			vmesh_leaving_take(l, g, &over);
			continue;
		}
		if (g->join_ns <= now) {
			vmesh_leave_say(g);
			g->join_wait = min(g->join_wait * 2, VMESH_LEAVE_MAX_NS);
			g->join_ns = now + g->join_wait;
		}
		due = min(due, g->join_ns);
	}
	if (due != VMESH_NEVER && !l->closed)
		schedule_delayed_work(&l->work, nsecs_to_jiffies(due - now) + 1);
	spin_unlock_bh(&l->lock);
	vmesh_leaving_put(&over);
}

static void vmesh_leave_answered(struct vmesh *m, u16 node, const struct vmesh_group_msg *msg)
{
	struct vmesh_leaving *l = &m->groups.leaving;
	struct vmesh_group *g;
	int r;

	spin_lock(&l->lock);
	list_for_each_entry(g, &l->groups, leaving) {
		if (g->id != msg->group || g->cookie != msg->peer_cookie)
			continue;
		r = vmesh_rank_of(g, node);
		if (r >= 0 && g->ranks[r].cookie == msg->cookie)
			g->unanswered &= ~BIT_ULL(r); /* the work does the rest */
	}
	spin_unlock(&l->lock);
}

static void vmesh_leave_answer(struct vmesh *m, u16 node, const struct vmesh_group_msg *to)
{
	struct vm_group_msg *msg;
	struct sk_buff *skb;

	skb = vmesh_compose(m, node, VM_F_GROUP, 0, sizeof(*msg), (void **)&msg, GFP_ATOMIC);
	if (!skb)
		return; /* it asks again */
	*msg = (struct vm_group_msg){
		.group = cpu_to_be32(to->group),
		.cookie = cpu_to_be32(to->peer_cookie),
		.peer_cookie = cpu_to_be32(to->cookie),
		.verb = VM_GROUP_LEAVE,
		.flags = cpu_to_be16(VM_GROUP_ANSWER),
	};
	if (vmesh_tx(&m->dev, skb, 0))
		kfree_skb(skb);
}

bool vmesh_leave_input(struct vmesh *m, u16 node, const struct vmesh_group_msg *msg)
{
	if (msg->flags & VM_GROUP_ANSWER) {
		vmesh_leave_answered(m, node, msg);
		return true;
	}
	if (msg->flags & VM_GROUP_ASK)
		vmesh_leave_answer(m, node, msg);
	return false;
}

void vmesh_leaving_init(struct vmesh_leaving *l)
{
	spin_lock_init(&l->lock);
	INIT_LIST_HEAD(&l->groups);
	INIT_DELAYED_WORK(&l->work, vmesh_leaving_work);
}

void vmesh_leaving_abort(struct vmesh_leaving *l)
{
	LIST_HEAD(over);

	spin_lock_bh(&l->lock);
	l->closed = true;
	list_splice_init(&l->groups, &over);
	l->count = 0;
	spin_unlock_bh(&l->lock);
	cancel_delayed_work_sync(&l->work);
	vmesh_leaving_put(&over);
}
