/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A group from inside: what its files share. Everything here is protected by
 * g->lock (bh), taken by each entry from outside: a call, a received frame, the
 * timer, a change of the membership. Inside it only tx.lock is taken.
 *
 *	group.c		the table of groups, their lives, their timer
 *	form.c		JOIN: who takes part
 *	leave.c		LEAVE: that one no longer does, until all know
 *	fence.c		FENCE: when an operation fails, or needs one who has gone
 *	op.c		operations: what is to be sent and expected, how they end
 *	flow.c		sending: frames out of operations, slots, credits
 *	repair.c	acknowledgments that come: slots freed, frames sent again
 *	ack.c		acknowledgments that go
 *	place.c		receiving: where a frame's data belong
 */
#ifndef VMESH_TRANSPORT_H
#define VMESH_TRANSPORT_H

#include <linux/hrtimer.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "group.h"
#include "mesh.h"
#include "op.h"
#include "parse_data.h"
#include "path.h"
#include "rtt.h"
#include "window.h"

#define VMESH_NEVER U64_MAX /* a time that does not come */
/* Before the data of a control message, which is one frame to one rank. */
#define VMESH_CONTROL_HEAD (sizeof(struct vm_data) + sizeof(struct vm_heard))

/* A frame that is out, or about to be. */
struct vmesh_slot {
	struct sk_buff *skb; /* out of g->pool; NULL: free */
	u64 owed; /* ranks that have not acknowledged it */
	u64 sent_ns; /* last time */
	unsigned int len; /* of the frame, from its Ethernet header on */
	u8 cls; /* enum vm_class */
	bool again; /* it was sent more than once: says nothing of the round trip */
};

/* The sending half of one sequence space. */
struct vmesh_flow {
	u8 kind; /* enum vm_flow */
	u16 to; /* the rank, of VM_FLOW_ONE */
	u64 ranks; /* who receives it, a bit each */
	u32 next; /* number of the next new frame */
	u32 first; /* oldest that somebody owes an acknowledgment; next when none */
	struct vmesh_slot *slot; /* VM_WINDOW_MAX, by number; NULL: was never used */
	struct list_head parts; /* collectives' struct vmesh_part with something to send, in order */
	struct list_head messages; /* the same of messages; flows to one rank only */
	bool message_turn; /* the last frame was a collective's: a message's goes first */
};

/* One member, as this one sees it. */
struct vmesh_rank {
	u16 node;
	u8 reason; /* enum virtmesh_reason: why it is missing, or NONE */
	struct vmesh_path *path;

	/* forming */
	u32 incarnation; /* its life, of the cookie */
	u32 cookie; /* 0: not known */
	bool confirmed; /* it knows ours, and excludes whom we exclude */
	bool left; /* who drew it said LEAVE: nothing comes of it any more */
	u64 last_words; /* ours, of the forming before this, while it may still be in that */
	u16 mtu;

	/* sending to it */
	struct vmesh_flow flow; /* to it alone */
	u32 cum[VM_FLOWS]; /* what it has acknowledged without a gap */
	u16 window[VM_CLASSES]; /* frames it allows us */
	u16 out[VM_CLASSES]; /* frames it owes an acknowledgment for */
	struct vmesh_rtt rtt;
	u64 rto_ns; /* when the oldest is sent again, or VMESH_NEVER */
	u64 probe_ns; /* when it was asked where it is, and has not answered; or 0 */
	u32 ack_seen; /* serial of its last ACK */

	/* receiving from it */
	struct vmesh_window seen[VM_FLOWS];
	u16 parked[VM_CLASSES]; /* frames */
	u32 parked_last; /* of those of messages: none has a later number */
	u16 unacked; /* frames since we last told it */
	u16 told_window[VM_CLASSES]; /* what we last allowed it */
	u64 told_ns; /* and when */
	u32 ack_serial; /* of our last ACK */
	u8 chatty; /* its frames tend to be answered: an acknowledgment may wait */
	bool ack_now;
	u64 ack_ns; /* when it is told at the latest, or VMESH_NEVER */
	u64 heard_ns; /* last frame of the group */

	/* messages */
	u32 messages_sent;
	u32 controls_sent;
	u32 message_next; /* the next to be matched */
	u32 control_next; /* the next to be taken */
	bool spoke; /* it failed too, and said so: it is not to blame */
};

/* A received frame that waits for its operation. */
struct vmesh_parked {
	struct list_head list;
	struct page *page;
	unsigned int order;
	u16 rank;
	struct vmesh_data data; /* points into the page */
};

struct vmesh_group {
	struct kref ref;
	struct rcu_head rcu;
	struct vmesh *m; /* a reference on its device */
	u32 id;
	u16 rank; /* ours */
	u16 count;
	u64 layout;
	spinlock_t lock; /* protects all below; bh */

	u8 state; /* enum virtmesh_group_state */
	bool was_formed; /* once, at least */
	bool fencing; /* FORMED, and the grace of a failed operation runs */
	bool dead; /* left, or the device has gone */
	bool bare; /* its frames and its place in the count are given back */
	int form_err;
	u32 cookie; /* ours, of this forming */
	u64 members; /* ranks that take part, ours too */
	u64 excluded; /* those that do not: members | excluded is everybody */
	u64 lost; /* members that will do nothing more: ranks[].reason says why */
	u64 missing; /* whom operations were failed for */
	u64 form_ns; /* since when it is being formed */
	u64 join_ns; /* when JOIN is said again; or LEAVE */
	u64 join_wait; /* ns until the time after that */
	wait_queue_head_t wait; /* forming has ended, or a control message came */

	/* dead, because it was left: m->groups.leaving.lock */
	struct list_head leaving; /* in m->groups.leaving.groups, with a reference */
	u64 unanswered; /* ranks that have not answered our LEAVE */
	u64 told; /* ranks that heard it before the others, while we lingered; g->lock */
	u64 leave_ns; /* until when we linger (g->lock), then until when it is said */

	/* fencing */
	u64 fence_ns; /* when the grace ends */
	u64 fence_say_ns;
	u64 fence_waited; /* ranks anybody waited for */
	u64 fence_own; /* that we waited for */
	u32 fence_number;

	unsigned int listeners; /* threads that wait for a control message */
	u64 listen_ns; /* since when there are some */

	bool spoke; /* our own part in a FENCE, which is answered with it later on */
	u32 generation; /* of the last collective posted */
	u32 posted; /* operations, ever */
	struct list_head ops; /* pending, in order of posting */
	struct list_head parked; /* in order of arrival; messages of a rank in theirs */
	struct list_head parked_free;
	struct vmesh_parked *parked_all;

	bool blocked; /* the transmit ring was full, or down */
	struct vmesh_flow all; /* to everybody at once */
	bool all_last; /* it had its turn: the others go first, or it might take all there is */
	struct sk_buff **pool; /* frames for the slots: a ring, oldest first */
	unsigned int pool_size, pool_head, pool_free;
	unsigned int pool_share; /* frames of it that each rank but one can count on */
	unsigned int frame_max; /* bytes of payload behind struct vm_hdr */

	struct list_head poll; /* in m->groups.poll: wants to be called at the poll's end */
	struct hrtimer timer;
	u64 timer_ns; /* when it fires, or VMESH_NEVER */

	struct vmesh_rank ranks[];
};

/* group.c */
static inline u64 vmesh_now(void)
{
	return ktime_get_ns();
}

int vmesh_rank_of(const struct vmesh_group *g, u16 node); /* or -1 */

/* FORMED: ranks whose nodes are not what they were are lost. */
void vmesh_members_check(struct vmesh_group *g);

/* Have the timer fire at @ns at the latest. */
void vmesh_group_at(struct vmesh_group *g, u64 ns);

static inline u64 vmesh_others(const struct vmesh_group *g)
{
	return g->members & ~BIT_ULL(g->rank);
}

/* Had it others, and all are lost? */
static inline bool vmesh_alone(const struct vmesh_group *g)
{
	return vmesh_others(g) && !(vmesh_others(g) & ~g->lost);
}

/* The first rank in @mask from @r on; VM_RANKS_MAX: none. */
static inline u16 vmesh_rank_from(u64 mask, u16 r)
{
	mask = r < VM_RANKS_MAX ? mask & GENMASK_ULL(VM_RANKS_MAX - 1, r) : 0;
	return mask ? __ffs64(mask) : VM_RANKS_MAX;
}

/* The mask may change on the way. */
#define vmesh_for_each_rank(r, mask) \
	for (r = vmesh_rank_from(mask, 0); r < VM_RANKS_MAX; r = vmesh_rank_from(mask, r + 1))

/* form.c */
void vmesh_form_input(struct vmesh_group *g, u16 rank, u32 incarnation,
		      const struct vmesh_group_msg *msg);
u64 vmesh_form_tick(struct vmesh_group *g, u64 now); /* returns when it is next due */
/* FORMING: members that we wait for; FORMED: that form again. */
u64 vmesh_unconfirmed(const struct vmesh_group *g);
/* Say @verb to @rank; the rest as in struct vm_group_msg. It may be lost. */
void vmesh_say(struct vmesh_group *g, u16 rank, u8 verb, u64 ranks, u32 number, u16 flags);

/* leave.c */
/* How far we got with @r's, for who leaves or forms again: struct vm_group_msg's heard. */
u64 vmesh_last_words(const struct vmesh_group *g, u16 r);
u64 vmesh_owing(const struct vmesh_group *g); /* ranks that our frames may be on the way to */
void vmesh_leave_begin(struct vmesh_group *g, u64 now); /* say LEAVE once */
/*
 * Until our frames have come, two seconds at most. Who has got all of his is told at
 * once, if we leave. Process context, no lock.
 */
void vmesh_group_linger(struct vmesh_group *g);
/* And until all have answered. @g is dead, and keeps nothing but its ranks. Process context. */
void vmesh_leave_go_on(struct vmesh_group *g);
/* A LEAVE from @node, of whatever group. True: it was an answer, and no more. Softirq. */
bool vmesh_leave_input(struct vmesh *m, u16 node, const struct vmesh_group_msg *msg);

/* fence.c */
/* A FENCE came from @rank. */
void vmesh_fence(struct vmesh_group *g, u16 rank, const struct vmesh_group_msg *msg, u64 now);
/* It is FENCED: all operations end with @result. */
void vmesh_fenced(struct vmesh_group *g, u64 missing, int result);
u64 vmesh_fence_tick(struct vmesh_group *g, u64 now);
/* An operation failed: gather what the others waited for, then end everything. */
void vmesh_fence_begin(struct vmesh_group *g, u32 number, u64 waited, u64 grace_ns, u64 now);
/* Who failed, needed or not. Who forms again is lost to us, but has not failed. */
u64 vmesh_failed(const struct vmesh_group *g);
/* Whom to name: those, or else who forms again. */
u64 vmesh_to_blame(const struct vmesh_group *g);
/* Until it is known who is missing: some ms at most. Process context, no lock. */
void vmesh_fence_wait(struct vmesh_group *g);
/*
 * Operations may need a rank that is lost: then end everything now. Or else it owes
 * nothing; and when nothing is left to be done without it, it is over, too.
 */
void vmesh_lost_check(struct vmesh_group *g);
/* @rank is lost, for @reason. */
void vmesh_rank_lost(struct vmesh_group *g, u16 rank, u8 reason);
u8 vmesh_reason(struct vmesh_group *g, u16 rank, u64 since_ns); /* why it did not do its part */

/* op.c */
/* May anything be posted? 0, ENOTCONN, ESTALE, ECANCELED, ENODEV. Or as a hint, unlocked. */
int vmesh_group_ready(const struct vmesh_group *g);
void *vmesh_op_into(const struct vmesh_op *op, u16 rank); /* where its part begins */
void vmesh_ops_end(struct vmesh_group *g, u64 missing, int result); /* every one */
void vmesh_group_cancel(struct vmesh_group *g); /* every one, ECANCELED. No lock */
u64 vmesh_ops_tick(struct vmesh_group *g, u64 now);
/* Of @op, whose part of @rank may be whole now: end it if that was the last. */
void vmesh_op_advance(struct vmesh_group *g, struct vmesh_op *op);
void vmesh_op_end(struct vmesh_group *g, struct vmesh_op *op, u64 missing, int result);
u64 vmesh_op_waits_for(const struct vmesh_group *g, const struct vmesh_op *op);
/* @rank has acknowledged more of @flow: look who waited for it. */
void vmesh_ops_acked(struct vmesh_group *g, u16 rank);

/* flow.c */
int vmesh_flows_alloc(struct vmesh_group *g); /* process context; ENOMEM */
void vmesh_flows_free(struct vmesh_group *g);
void vmesh_flows_reset(struct vmesh_group *g);
int vmesh_flow_prepare(struct vmesh_flow *flow); /* slots; process context, no lock; ENOMEM */
void vmesh_pump(struct vmesh_group *g, u64 now);
bool vmesh_slot_send(struct vmesh_group *g, struct vmesh_slot *slot, u64 now);
void vmesh_slot_release(struct vmesh_group *g, struct vmesh_slot *slot);

static inline struct vmesh_slot *vmesh_slot(const struct vmesh_flow *flow, u32 seq)
{
	return &flow->slot[seq % VM_WINDOW_MAX];
}

static inline struct vmesh_flow *vmesh_flow_of(struct vmesh_group *g, u16 rank, u8 kind)
{
	return kind == VM_FLOW_ALL ? &g->all : &g->ranks[rank].flow;
}

/* Of both classes: frames it owes an acknowledgment for; it allows us; lie parked here. */
static inline unsigned int vmesh_out(const struct vmesh_rank *rank)
{
	return rank->out[VM_CLASS_COLLECTIVE] + rank->out[VM_CLASS_MESSAGE];
}

static inline unsigned int vmesh_allowed(const struct vmesh_rank *rank)
{
	return rank->window[VM_CLASS_COLLECTIVE] + rank->window[VM_CLASS_MESSAGE];
}

static inline unsigned int vmesh_parked(const struct vmesh_rank *rank)
{
	return rank->parked[VM_CLASS_COLLECTIVE] + rank->parked[VM_CLASS_MESSAGE];
}

/* repair.c */
void vmesh_acked(struct vmesh_group *g, u16 rank, u8 kind, u32 cum, const u64 *beyond, u64 now);
/* Its answer to our probe: what it has not, of all sent before that, was lost. */
void vmesh_probed(struct vmesh_group *g, u16 rank, u64 now);
/* @rank is lost, and no operation needs it: it owes no acknowledgment. */
void vmesh_forgive(struct vmesh_group *g, u16 rank);
u64 vmesh_repair_tick(struct vmesh_group *g, u64 now);

/* ack.c */
/* Frames of each class that we allow it. */
void vmesh_windows_for(struct vmesh_group *g, const struct vmesh_rank *rank,
		       u16 window[VM_CLASSES]);
/* A frame of data came. @urgent: tell its sender at once; @waits: it waits for that. */
void vmesh_ack_data(struct vmesh_group *g, struct vmesh_rank *rank, enum vm_class cls, bool urgent,
		    bool waits, u64 now);
/* Frames of @cls that were parked are no more. */
void vmesh_ack_freed(struct vmesh_group *g, u16 rank, enum vm_class cls);
/* A frame of data went to it, and carried how far we are. */
void vmesh_ack_carried(struct vmesh_group *g, struct vmesh_rank *rank, u64 now);
void vmesh_ack_send(struct vmesh_group *g, u16 rank, u8 flags);
u64 vmesh_ack_tick(struct vmesh_group *g, u64 now);
void vmesh_ack_poll(struct vmesh_group *g);

/* place.c */
bool vmesh_place_data(struct vmesh_group *g, u16 rank, u32 seq, const struct vmesh_data *data,
		      const struct vmesh_frame *frame, u64 now);
void vmesh_place_parked(struct vmesh_group *g);
void vmesh_parked_drop(struct vmesh_group *g, u64 ranks); /* all of theirs */

#endif /* VMESH_TRANSPORT_H */
