/* SPDX-License-Identifier: GPL-2.0-only */
/* All groups of a node, and what they share. See group.c. */
#ifndef VMESH_GROUPS_H
#define VMESH_GROUPS_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

struct vmesh;
struct vmesh_frame;
struct vmesh_msg;

/* Groups that were left, and whose members have yet to hear it. See leave.c. */
struct vmesh_leaving {
	spinlock_t lock; /* protects all of it; only tx.lock is taken inside */
	struct list_head groups; /* oldest first */
	unsigned int count;
	bool closed; /* the device goes */
	struct delayed_work work;
};

struct vmesh_groups {
	struct xarray groups; /* by id, to struct vmesh_group; read under RCU */
	struct xarray paths; /* by node, to struct vmesh_path */
	struct list_head poll; /* groups with something to acknowledge; the receive poll's */
	atomic_t count;
	atomic_t cookie; /* of the last forming of any group */
	struct vmesh_leaving leaving;
	bool blocked; /* a group found no room in the transmit ring */
	u32 room_last; /* id of the group that was the first to have it when there was some */
};

void vmesh_groups_init(struct vmesh *m);
void vmesh_groups_abort(struct vmesh *m); /* the device goes: end everything. Process context */
void vmesh_groups_free(struct vmesh *m); /* nobody uses them any more */

/*
 * Softirq: a GROUP, DATA or ACK frame from member @node. True: its page was taken.
 * @all: it came by the group address.
 */
bool vmesh_groups_input(struct vmesh *m, u16 node, bool all, const struct vmesh_msg *msg,
			const struct vmesh_frame *frame);
/* Softirq: the receive poll ends. */
void vmesh_groups_polled(struct vmesh *m);
/* Softirq: the transmit ring may have room again. */
void vmesh_groups_room(struct vmesh *m);
/* The membership has changed. state_lock held. */
void vmesh_groups_members(struct vmesh *m);

void vmesh_leaving_init(struct vmesh_leaving *l);
void vmesh_leaving_abort(struct vmesh_leaving *l); /* the device goes. Process context */

#endif /* VMESH_GROUPS_H */
