/* SPDX-License-Identifier: GPL-2.0-only */
/* Joining the ensemble and staying in it: the machine in join.c. */
#ifndef VMESH_JOIN_H
#define VMESH_JOIN_H

#include <linux/bitmap.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <virtmesh/types.h>

struct vmesh;
struct vmesh_frame;
struct vmesh_member;
struct vmesh_members;
struct vmesh_msg;

/* Something to be said again and again until it is answered. */
struct vmesh_retry {
	bool due;
	unsigned long at; /* jiffies */
	unsigned int wait; /* ms until the time after that */
};

/* A snapshot of the membership whose frames are still coming. */
struct vmesh_stage {
	struct vmesh_member *entries; /* `total` of them; NULL: none is coming */
	u32 epoch;
	u16 total;
	u16 have;
	DECLARE_BITMAP(seen, VM_NODE_MAX);
};

struct vmesh_join {
	struct workqueue_struct *wq;
	struct delayed_work work;
	struct sk_buff_head frames; /* WELCOME, REFUSE, MEMBERS on their way to the work */
	bool running; /* state_lock; READ_ONCE: the work may be started */

	/* Written with state_lock held; READ_ONCE without where it is one word. */
	u8 state; /* enum virtmesh_link_state */
	u16 refusal; /* enum vm_refusal */
	u16 mtu; /* what we may send */
	u16 group_mtu; /* what all ports take, ours or not; U16_MAX: not said */
	u32 incarnation;
	u32 epoch; /* of the membership in `peers`; 0: none yet */
	u64 nonce;
	u64 broker_id;
	u32 probe_ms;
	u32 dead_ms;
	u32 hello_min_ms;
	u32 hello_max_ms;

	/* The work's own. */
	struct vmesh_retry hello;
	struct vmesh_retry sync;
	unsigned long hello_last; /* jiffies */
	struct vmesh_stage stage;

	/* What the receive path noted of the broker's probes. */
	spinlock_t heard_lock; /* protects all below; bh; a leaf */
	unsigned long heard; /* jiffies of the last */
	u64 heard_broker;
	u32 heard_epoch;
	bool heard_news; /* since the work looked */
	u64 tx_completed; /* of the transmit ring at the last */
};

int vmesh_join_init(struct vmesh *m); /* ENOMEM */
void vmesh_join_exit(struct vmesh *m); /* the receive path is off */

/* Process context. Say HELLO, and go on for ever; stop says BYE when @bye. */
void vmesh_join_start(struct vmesh *m);
void vmesh_join_stop(struct vmesh *m, bool bye);

/* May we talk to other nodes? 0; ENOTCONN; ENODEV: the device has gone. Any context. */
int vmesh_join_ready(struct vmesh *m);

/* Softirq: a frame from the broker. */
void vmesh_join_input(struct vmesh *m, const struct vmesh_frame *frame);
void vmesh_alive_answer(struct vmesh *m, const struct vmesh_msg *msg);

/* Softirq: the work has something to look at. */
void vmesh_join_wake(struct vmesh *m);

/*
 * A MEMBERS frame. state_lock held, may sleep. Returns 1: our membership is now
 * of @msg's epoch; 0: nothing to do, or more is to come; -EAGAIN: ask for a
 * snapshot.
 */
int vmesh_members_take(struct vmesh *m, const struct vmesh_members *members);
void vmesh_stage_drop(struct vmesh_stage *stage);

#endif /* VMESH_JOIN_H */
