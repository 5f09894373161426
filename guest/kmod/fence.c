// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * Losing. A rank that left, went down or forms again is lost. The group goes on
 * as long as no operation needs it; one that does ends everything, at once.
 *
 * Fencing. When an operation's time passes, we stop, say FENCE with the ranks we
 * waited for to everybody, and listen for a grace. Whoever has an operation
 * pending stops too and says the same. Those who said so are excused: they
 * waited, as we did. What is left of all that anybody waited for is missing.
 * A member without an operation says nothing: if it is in the set, it is the
 * one that did not call. So does one whose program has something pending and does
 * not wait for it: stopped with a receive posted it has called no more than stopped
 * without. If nothing is left, those we waited for ourselves are named. Then all
 * operations end, and the group is FENCED until it is formed.
 */
#include "transport.h"

#define VMESH_FENCE_SAY_NS (1000 * 1000ULL) /* between two FENCEs in the grace */

u8 vmesh_reason(struct vmesh_group *g, u16 r, u64 since_ns)
{
	struct vmesh_rank *rank = &g->ranks[r];
	struct vmesh_peer *peer;
	u8 reason;

	if (rank->reason)
		return rank->reason;
	rcu_read_lock();
	peer = vmesh_peer_find(&g->m->peers, rank->node);
	switch (peer ? READ_ONCE(peer->state) : VM_NODE_ABSENT) {
	case VM_NODE_ABSENT:
		reason = VIRTMESH_REASON_ABSENT;
		break;
	case VM_NODE_DOWN:
		reason = VIRTMESH_REASON_DOWN;
		break;
	case VM_NODE_STALLED:
		reason = VIRTMESH_REASON_STALLED;
		break;
	default:
		reason = rank->heard_ns > since_ns ? VIRTMESH_REASON_STALLED :
						     VIRTMESH_REASON_SILENT;
	}
	rcu_read_unlock();
	return reason;
}

static void vmesh_say_fence(struct vmesh_group *g)
{
	u16 r;

	vmesh_for_each_rank(r, vmesh_others(g) & ~g->lost)
		vmesh_say(g, r, VM_GROUP_FENCE, g->fence_own, g->fence_number, 0);
}

u64 vmesh_failed(const struct vmesh_group *g)
{
	u64 ranks = g->missing;
	u16 r;

	vmesh_for_each_rank(r, g->lost)
		if (g->ranks[r].reason != VIRTMESH_REASON_FENCED)
			ranks |= BIT_ULL(r);
	return ranks & ~BIT_ULL(g->rank);
}

u64 vmesh_to_blame(const struct vmesh_group *g)
{
	return vmesh_failed(g) ?: g->lost;
}

/* What an operation ends with whose own time has not passed. */
static int vmesh_result_of(struct vmesh_group *g, u64 missing, u64 since_ns)
{
	if (!missing)
		return -ESTALE;
	switch (vmesh_reason(g, __ffs64(missing), since_ns)) {
	case VIRTMESH_REASON_MISMATCH:
		return -EPROTO;
	case VIRTMESH_REASON_LEFT:
	case VIRTMESH_REASON_FENCED:
		return -ECONNRESET;
	case VIRTMESH_REASON_ABSENT:
	case VIRTMESH_REASON_DOWN:
		return -EHOSTDOWN;
	default:
		/* The time of another has passed, or it knows more: ours has not. */
		return -ESTALE;
	}
}

void vmesh_fenced(struct vmesh_group *g, u64 missing, int result)
{
	g->state = VIRTMESH_GROUP_FENCED;
	g->missing |= missing;
	WRITE_ONCE(g->fencing, false);
	vmesh_ops_end(g, missing, result);
	/* Nobody acknowledges what is out to us any more, and other groups need the credit. */
	vmesh_flows_reset(g);
	wake_up_interruptible_all(&g->wait);
}

void vmesh_fence_wait(struct vmesh_group *g)
{
	/* The timer ends the grace; a second if it should not. */
	wait_event_interruptible_timeout(g->wait, !READ_ONCE(g->fencing) || READ_ONCE(g->dead), HZ);
}

void vmesh_lost_check(struct vmesh_group *g)
{
	struct vmesh_op *op;
	u64 blame;
	int result;
	u16 r;

	if (likely(!g->lost) || g->state != VIRTMESH_GROUP_FORMED || g->fencing)
		return;
	list_for_each_entry(op, &g->ops, list) {
		if (!(vmesh_op_waits_for(g, op) & g->lost))
			continue;
		blame = vmesh_to_blame(g);
		result = g->missing ? -ESTALE : vmesh_result_of(g, blame, op->posted_ns);
		/* Who missed the news runs into his deadline, and is to hear this then. */
		g->spoke = true;
		g->fence_number = op->number;
		g->fence_own = blame;
		vmesh_say_fence(g);
		vmesh_fenced(g, blame, result);
		return;
	}
	vmesh_for_each_rank(r, g->lost)
		vmesh_forgive(g, r);
	/*
	 * With a member that forms again nothing can begin any more; but what has ended
	 * here may not have come where it is needed, and that is repaired first.
	 */
	if (vmesh_unconfirmed(g) && list_empty(&g->ops) && !vmesh_owing(g))
		vmesh_fenced(g, 0, -ESTALE);
}

void vmesh_rank_lost(struct vmesh_group *g, u16 r, u8 reason)
{
	if (g->state != VIRTMESH_GROUP_FORMED || !(vmesh_others(g) >> r & 1))
		return;
	if (!g->ranks[r].reason)
		g->ranks[r].reason = reason;
	g->lost |= BIT_ULL(r);
	vmesh_lost_check(g);
	if (vmesh_alone(g)) /* who waits for a word waits for nobody */
		wake_up_interruptible_all(&g->wait);
}

static void vmesh_fence_listen(struct vmesh_group *g, u64 grace_ns, u64 now)
{
	g->fencing = true;
	g->fence_ns = now + grace_ns;
	g->fence_say_ns = g->fence_ns;
	vmesh_group_at(g, g->fence_ns);
}

void vmesh_fence_begin(struct vmesh_group *g, u32 number, u64 waited, u64 grace_ns, u64 now)
{
	if (g->fencing)
		return;
	vmesh_fence_listen(g, grace_ns, now);
	g->spoke = true;
	g->fence_number = number;
	g->fence_own |= waited;
	g->fence_waited |= waited;
	g->fence_say_ns = now + VMESH_FENCE_SAY_NS;
	vmesh_say_fence(g);
	vmesh_group_at(g, g->fence_say_ns);
}

u64 vmesh_fence_tick(struct vmesh_group *g, u64 now)
{
	struct vmesh_op *op, *next;
	u64 missing, spoke = 0;
	u16 r;

	if (!g->fencing)
		return VMESH_NEVER;
	if (now < g->fence_ns) {
		if (g->spoke && g->fence_say_ns <= now) {
			vmesh_say_fence(g);
			g->fence_say_ns = now + VMESH_FENCE_SAY_NS;
		}
		return g->spoke ? min(g->fence_ns, g->fence_say_ns) : g->fence_ns;
	}
	vmesh_for_each_rank(r, vmesh_others(g))
		if (g->ranks[r].spoke)
			spoke |= BIT_ULL(r);
	missing = g->fence_waited & vmesh_others(g) & ~spoke;
	missing = missing ?: g->fence_own ?: g->fence_waited & vmesh_others(g);
	list_for_each_entry_safe(op, next, &g->ops, list)
		vmesh_op_end(g, op, missing,
			     op->deadline_ns <= now ? -ETIMEDOUT :
						      vmesh_result_of(g, missing, op->posted_ns));
	vmesh_fenced(g, missing, -ESTALE);
	return VMESH_NEVER;
}

/* Enough for everybody who stops because of the same FENCE to say so a few times. */
#define VMESH_GRACE_OF_OTHERS_NS (5 * 1000 * 1000ULL)

static u64 vmesh_all_waited(const struct vmesh_group *g)
{
	struct vmesh_op *op;
	u64 ranks = 0;

	list_for_each_entry(op, &g->ops, list)
		ranks |= vmesh_op_waits_for(g, op);
	return ranks;
}

/* Does our program wait, as far as can be told? */
static bool vmesh_program_waits(const struct vmesh_group *g)
{
	struct vmesh_op *op;

	list_for_each_entry(op, &g->ops, list)
		if (!op->awaited || op->awaited(op))
			return true;
	return false;
}

void vmesh_fence(struct vmesh_group *g, u16 r, const struct vmesh_group_msg *msg, u64 now)
{
	struct vmesh_rank *rank = &g->ranks[r];
	bool named = msg->ranks >> g->rank & 1;
	u64 waited;

	rank->spoke = true;
	g->fence_waited |= msg->ranks & ~BIT_ULL(g->rank);
	if (g->state == VIRTMESH_GROUP_FORMED && !g->fencing && vmesh_program_waits(g)) {
		/*
		 * Our own time has not passed, so whom we wait for may be on his
		 * way: that is for others to tell. Unless we are named: then it is
		 * why.
		 */
		waited = named ? vmesh_all_waited(g) : 0;
		vmesh_fence_begin(g, msg->number, waited, VMESH_GRACE_OF_OTHERS_NS, now);
	} else if (g->fencing && g->spoke && named && vmesh_all_waited(g) & ~g->fence_own) {
		g->fence_own |= vmesh_all_waited(g);
		g->fence_waited |= g->fence_own;
		vmesh_say_fence(g);
	} else if (g->state == VIRTMESH_GROUP_FORMED && !g->fencing) {
		vmesh_fence_listen(g, VMESH_GRACE_OF_OTHERS_NS, now);
	} else if (g->spoke && !(msg->flags & VM_GROUP_ANSWER)) {
		vmesh_say(g, r, VM_GROUP_FENCE, g->fence_own, g->fence_number, VM_GROUP_ANSWER);
	}
}
