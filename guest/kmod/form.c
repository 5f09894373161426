// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 *	CREATED --form--> FORMING --everybody confirmed--> FORMED
 *	   ^                 |  ^                             |  an operation failed,
 *	   `--- timeout -----'  `----form---- FENCED <--------'  or a rank was lost
 *
 * Forming. Each member draws a cookie, higher than any before it in this life
 * of the node, and says JOIN to every other it does not exclude, until each is
 * confirmed: it has said our cookie back, and excludes exactly whom we exclude.
 * Masks of excluded ranks are joined, so all end with the same one or with none;
 * whenever ours grows, every confirmation is void. A JOIN that says that its
 * sender has not confirmed us (ASK) is answered by one that says all we know;
 * nothing else is answered. Frames are taken from a rank as soon as it is
 * confirmed; they are of a member that had finished a little earlier.
 *
 * A cookie that is not newer than the one we know is of a JOIN that was late. A
 * newer one from a member of a formed group means it forms the group again: it
 * is lost to this forming. While we are not forming ourselves we only remember
 * it and do not answer: our present cookie is of a forming that has ended. Its
 * JOIN says how far it got with our frames, while it knows no newer cookie of
 * ours than that: an acknowledgment that was lost just then will not come again.
 * With nothing pending and nothing of ours on the way to others, ours is over too.
 *
 * LEAVE ends its sender's cookie, in whatever state we are. While we form, it is
 * not confirmed any more and may still come with a new one; who forms with the
 * survivors of a failure does not wait for it.
 */
#include <linux/skbuff.h>

#include "compose.h"
#include "transport.h"

#define VMESH_JOIN_MIN_NS (1000 * 1000ULL) /* between two JOINs; doubles up to */
#define VMESH_JOIN_MAX_NS (64 * 1000 * 1000ULL)

void vmesh_say(struct vmesh_group *g, u16 r, u8 verb, u64 ranks, u32 number, u16 flags)
{
	struct vm_group_msg *msg;
	struct sk_buff *skb;

	skb = vmesh_compose(g->m, g->ranks[r].node, VM_F_GROUP, 0, sizeof(*msg), (void **)&msg,
			    GFP_ATOMIC);
	if (!skb)
		return; /* it is said again */
	*msg = (struct vm_group_msg){
		.group = cpu_to_be32(g->id),
		.cookie = cpu_to_be32(g->cookie),
		.peer_cookie = cpu_to_be32(g->ranks[r].cookie),
		.verb = verb,
		.rank = g->rank,
		.window = cpu_to_be16(vmesh_class_share(g->m)),
		.layout = cpu_to_be64(g->layout),
		.heard = cpu_to_be64(verb == VM_GROUP_LEAVE ? vmesh_last_words(g, r) :
							      g->ranks[r].last_words),
		.ranks = cpu_to_be64(ranks),
		.number = cpu_to_be32(number),
		.mtu = cpu_to_be16(READ_ONCE(g->m->join.mtu)),
		.flags = cpu_to_be16(flags),
	};
	if (vmesh_tx(&g->m->dev, skb, 0))
		kfree_skb(skb);
}

static void vmesh_say_join(struct vmesh_group *g, u16 r)
{
	vmesh_say(g, r, VM_GROUP_JOIN, g->excluded, 0, g->ranks[r].confirmed ? 0 : VM_GROUP_ASK);
}

/* Everything of @rank's last forming is of no use any more. */
static void vmesh_rank_reset(struct vmesh_group *g, u16 r)
{
	struct vmesh_rank *rank = &g->ranks[r];

	vmesh_parked_drop(g, BIT_ULL(r));
	vmesh_window_init(&rank->seen[VM_FLOW_ONE]);
	vmesh_window_init(&rank->seen[VM_FLOW_ALL]);
	rank->confirmed = false;
	rank->unacked = 0;
	rank->ack_now = false;
	rank->ack_ns = VMESH_NEVER;
	rank->ack_seen = 0;
	rank->ack_serial = 0;
	rank->chatty = 0;
	rank->parked_last = 0;
	rank->message_next = 0;
	rank->control_next = 0;
	rank->spoke = false;
}

u64 vmesh_unconfirmed(const struct vmesh_group *g)
{
	u64 ranks = 0;
	u16 r;

	vmesh_for_each_rank(r, vmesh_others(g))
		if (!g->ranks[r].confirmed)
			ranks |= BIT_ULL(r);
	return ranks;
}

/* Forming has failed with @err: by whom. */
static u64 vmesh_form_missing(const struct vmesh_group *g, int err)
{
	u64 ranks = 0;
	u16 r;

	if (err != -EXDEV)
		return vmesh_unconfirmed(g);
	vmesh_for_each_rank(r, vmesh_others(g))
		if (g->ranks[r].reason == VIRTMESH_REASON_MISMATCH)
			ranks |= BIT_ULL(r);
	return ranks;
}

bool vmesh_group_forming(const struct vmesh_group *g, u64 *since_ns, u64 *missing)
{
	*since_ns = g->form_ns;
	*missing = vmesh_unconfirmed(g);
	return g->state == VIRTMESH_GROUP_FORMING;
}

static void vmesh_formed(struct vmesh_group *g)
{
	unsigned int others = hweight64(vmesh_others(g)), mtu = READ_ONCE(g->m->join.mtu);
	u16 r;

	vmesh_for_each_rank(r, vmesh_others(g)) {
		mtu = min_t(unsigned int, mtu, g->ranks[r].mtu);
		g->ranks[r].heard_ns = vmesh_now();
	}
	g->frame_max = mtu - sizeof(struct vm_hdr);
	vmesh_flows_reset(g);
	/* Clones go to the whole ensemble: not when most of it would throw them away. */
	if (others < 2 || others * 2 < READ_ONCE(g->m->peers.count) - 1)
		g->all.ranks = 0;
	g->state = VIRTMESH_GROUP_FORMED;
	g->was_formed = true;
	/* What became of a node after it was confirmed, nobody has looked at. */
	vmesh_members_check(g);
	wake_up_interruptible_all(&g->wait);
}

/* FORMING: whom we exclude is news. False: that is ourselves. */
static bool vmesh_exclude(struct vmesh_group *g, u64 ranks)
{
	u16 r;

	ranks &= g->members | g->excluded;
	if (!(ranks & ~g->excluded))
		return true;
	if (ranks >> g->rank & 1) {
		g->form_err = -EHOSTUNREACH;
		wake_up_interruptible_all(&g->wait);
		return false;
	}
	g->excluded |= ranks;
	g->members &= ~ranks;
	vmesh_parked_drop(g, ranks); /* it may have been in, for a while */
	for (r = 0; r < g->count; r++)
		g->ranks[r].confirmed = false;
	g->join_wait = VMESH_JOIN_MIN_NS;
	g->join_ns = 0;
	vmesh_group_at(g, vmesh_now());
	return true;
}

static void vmesh_join_forming(struct vmesh_group *g, u16 r, const struct vmesh_group_msg *msg)
{
	struct vmesh_rank *rank = &g->ranks[r];

	/* Whom we exclude is told so, and has no word in whom else we do. */
	if (g->excluded >> r & 1) {
		if (msg->flags & VM_GROUP_ASK)
			vmesh_say(g, r, VM_GROUP_JOIN, g->excluded, 0, 0);
		return;
	}
	if (msg->layout != g->layout || msg->rank != r) {
		rank->reason = VIRTMESH_REASON_MISMATCH;
		g->form_err = -EXDEV;
		wake_up_interruptible_all(&g->wait);
		return;
	}
	if (!vmesh_exclude(g, msg->ranks))
		return;
	rank->mtu = clamp_t(u16, msg->mtu, VM_MTU_MIN, VM_MTU_MAX);
	rank->window[VM_CLASS_COLLECTIVE] = msg->window;
	rank->window[VM_CLASS_MESSAGE] = msg->window;
	if (msg->peer_cookie == g->cookie && msg->ranks == g->excluded)
		rank->confirmed = true;
	if (msg->flags & VM_GROUP_ASK)
		vmesh_say_join(g, r);
	if (!vmesh_unconfirmed(g))
		vmesh_formed(g);
}

/* The last that we hear of @r in this forming, and how far it got. */
static void vmesh_parted(struct vmesh_group *g, u16 r, const struct vmesh_group_msg *msg)
{
	vmesh_acked(g, r, VM_FLOW_ONE, msg->heard >> 32, NULL, vmesh_now());
	vmesh_acked(g, r, VM_FLOW_ALL, msg->heard, NULL, vmesh_now());
}

static void vmesh_join(struct vmesh_group *g, u16 r, u32 incarnation,
		       const struct vmesh_group_msg *msg)
{
	struct vmesh_rank *rank = &g->ranks[r];
	bool known = rank->cookie && rank->incarnation == incarnation;
	bool confirmed;

	if (known && (vmesh_seq_before(msg->cookie, rank->cookie) ||
		      (msg->cookie == rank->cookie && rank->left)))
		return; /* it was late */
	if (known && msg->cookie == rank->cookie) {
		if (g->state == VIRTMESH_GROUP_FORMING) {
			vmesh_join_forming(g, r, msg);
		} else if (g->state == VIRTMESH_GROUP_FORMED && !g->fencing) {
			if (g->members >> r & 1 && msg->ranks & ~g->excluded) {
				/* Some of us found more to exclude: it will not do. */
				g->missing |= msg->ranks & g->members & ~BIT_ULL(g->rank);
				vmesh_rank_lost(g, r, VIRTMESH_REASON_FENCED);
			} else if (msg->flags & VM_GROUP_ASK && !(g->lost >> r & 1)) {
				vmesh_say_join(g, r);
			}
		}
		return;
	}
	/* It forms the group anew. */
	rank->cookie = msg->cookie;
	rank->incarnation = incarnation;
	rank->left = false;
	rank->last_words = 0;
	confirmed = rank->confirmed;
	rank->confirmed = false; /* nothing is taken from it any more */
	switch (g->state) {
	case VIRTMESH_GROUP_FORMING:
		vmesh_rank_reset(g, r);
		rank->reason = VIRTMESH_REASON_NONE;
		vmesh_join_forming(g, r, msg);
		break;
	case VIRTMESH_GROUP_FORMED:
		if (!(g->members >> r & 1))
			break;
		if (confirmed && msg->peer_cookie == g->cookie)
			vmesh_parted(g, r, msg);
		g->missing |= msg->ranks & g->members & ~BIT_ULL(g->rank);
		vmesh_rank_lost(g, r, VIRTMESH_REASON_FENCED);
		break;
	}
}

static void vmesh_left(struct vmesh_group *g, u16 r, const struct vmesh_group_msg *msg)
{
	struct vmesh_rank *rank = &g->ranks[r];

	rank->left = true;
	if (!rank->confirmed || msg->peer_cookie != g->cookie)
		return;
	if (g->state == VIRTMESH_GROUP_FORMING) {
		vmesh_rank_reset(g, r);
		rank->reason = VIRTMESH_REASON_LEFT;
		return;
	}
	vmesh_parted(g, r, msg);
	vmesh_rank_lost(g, r, VIRTMESH_REASON_LEFT);
}

void vmesh_form_input(struct vmesh_group *g, u16 r, u32 incarnation,
		      const struct vmesh_group_msg *msg)
{
	struct vmesh_rank *rank = &g->ranks[r];

	if (msg->verb == VM_GROUP_JOIN) {
		vmesh_join(g, r, incarnation, msg);
		return;
	}
	if (msg->cookie != rank->cookie)
		return;
	switch (msg->verb) {
	case VM_GROUP_LEAVE:
		vmesh_left(g, r, msg);
		break;
	case VM_GROUP_FENCE:
		/* Of this forming, on both sides? */
		if (msg->peer_cookie == g->cookie && rank->confirmed)
			vmesh_fence(g, r, msg, vmesh_now());
		break;
	}
}

u64 vmesh_form_tick(struct vmesh_group *g, u64 now)
{
	u16 r;

	if (g->state != VIRTMESH_GROUP_FORMING)
		return VMESH_NEVER;
	if (g->join_ns <= now) {
		vmesh_for_each_rank(r, vmesh_unconfirmed(g))
			vmesh_say_join(g, r);
		/* Those who are out are told so, should they be listening. */
		vmesh_for_each_rank(r, g->excluded)
			if (g->ranks[r].cookie)
				vmesh_say(g, r, VM_GROUP_JOIN, g->excluded, 0, 0);
		g->join_ns = now + g->join_wait;
		g->join_wait = min(g->join_wait * 2, VMESH_JOIN_MAX_NS);
	}
	return g->join_ns;
}

static u32 vmesh_next_cookie(struct vmesh *m)
{
	u32 cookie;

	do {
		cookie = atomic_inc_return(&m->groups.cookie);
	} while (!cookie);
	return cookie;
}

static void vmesh_form_start(struct vmesh_group *g, bool survivors)
{
	u64 everybody = GENMASK_ULL(g->count - 1, 0), gone = 0;
	u16 r;

	vmesh_ops_end(g, 0, -ECANCELED);
	vmesh_for_each_rank(r, vmesh_others(g))
		if (g->ranks[r].left)
			gone |= BIT_ULL(r);
	g->excluded = survivors ? g->excluded | vmesh_failed(g) | gone : 0;
	g->members = everybody & ~g->excluded;
	g->missing = 0;
	g->lost = 0;
	g->fencing = false;
	g->spoke = false;
	g->fence_own = 0;
	g->fence_waited = 0;
	g->generation = 0;
	g->form_err = 0;
	g->cookie = vmesh_next_cookie(g->m);
	for (r = 0; r < g->count; r++) {
		/* Of the last forming that it was in: it may still be in that. */
		if (g->ranks[r].confirmed)
			g->ranks[r].last_words = vmesh_last_words(g, r);
		vmesh_rank_reset(g, r);
		g->ranks[r].reason = VIRTMESH_REASON_NONE;
	}
	vmesh_flows_reset(g);
	g->state = VIRTMESH_GROUP_FORMING;
	g->form_ns = vmesh_now();
	g->join_wait = VMESH_JOIN_MIN_NS;
	g->join_ns = 0;
	if (!vmesh_unconfirmed(g))
		vmesh_formed(g); /* alone */
	else
		vmesh_group_at(g, vmesh_now());
}

/*
 * What has come of the others, and they were not told of yet: they wait for that, and
 * once we form there is nothing left that would say so.
 */
static void vmesh_form_acks(struct vmesh_group *g)
{
	u16 r;

	vmesh_for_each_rank(r, vmesh_others(g) & ~g->lost)
		if (g->ranks[r].unacked)
			vmesh_ack_send(g, r, 0);
}

static bool vmesh_form_over(struct vmesh_group *g)
{
	return READ_ONCE(g->state) != VIRTMESH_GROUP_FORMING || READ_ONCE(g->form_err) ||
	       READ_ONCE(g->dead);
}

int vmesh_group_form(struct vmesh_group *g, struct virtmesh_group_form *arg)
{
	long left;
	int err;

	if (arg->flags & ~VIRTMESH_FORM_SURVIVORS || arg->reserved || !arg->timeout_ns ||
	    arg->timeout_ns > VIRTMESH_TIMEOUT_MAX_NS)
		return -EINVAL;
	vmesh_fence_wait(g);
	vmesh_group_cancel(g);
	vmesh_group_linger(g);

	spin_lock_bh(&g->lock);
	if (g->dead || g->state == VIRTMESH_GROUP_FORMING) {
		err = g->dead ? vmesh_group_ready(g) : -EBUSY; /* another thread forms it */
		spin_unlock_bh(&g->lock);
		return err;
	}
	vmesh_form_acks(g);
	vmesh_form_start(g, arg->flags & VIRTMESH_FORM_SURVIVORS);
	spin_unlock_bh(&g->lock);

	left = wait_event_interruptible_timeout(g->wait, vmesh_form_over(g),
						nsecs_to_jiffies(arg->timeout_ns) + 1);

	spin_lock_bh(&g->lock);
	err = g->form_err ?: left < 0 ? -EINTR : g->dead ? vmesh_group_ready(g) : 0;
	if (g->state == VIRTMESH_GROUP_FORMING) {
		g->state = g->was_formed ? VIRTMESH_GROUP_FENCED : VIRTMESH_GROUP_CREATED;
		err = err ?: -ETIMEDOUT;
		g->missing = vmesh_form_missing(g, err);
	}
	arg->members = g->members;
	arg->missing = err ? g->missing : 0;
	arg->rank = arg->missing ? __ffs64(arg->missing) : 0;
	arg->reason = arg->missing ? vmesh_reason(g, arg->rank, 0) : VIRTMESH_REASON_NONE;
	spin_unlock_bh(&g->lock);
	return err;
}
