/* SPDX-License-Identifier: GPL-2.0-only */
/* PENDING: what this node waits for, and asking others. See pending.c. */
#ifndef VMESH_PENDING_H
#define VMESH_PENDING_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/ratelimit.h>
#include <linux/spinlock.h>

struct virtmesh_pending;
struct vmesh;
struct vmesh_msg;

struct vmesh_pendings {
	spinlock_t lock; /* protects the list and what hangs on it; bh; a leaf */
	struct list_head waiting;
	atomic_t seq;
	struct ratelimit_state answers;
};

void vmesh_pendings_init(struct vmesh_pendings *p);

/* The device goes: end every wait with ENODEV. Any context. */
void vmesh_pendings_abort(struct vmesh_pendings *p);

/* VIRTMESH_IOC_PENDING; the errnos are in the uapi header. Process context. */
int vmesh_pending(struct vmesh *m, struct virtmesh_pending *arg);

/* Softirq: a PENDING, or a PENDING_REPLY, from a member, to us alone. */
void vmesh_pending_answer(struct vmesh *m, u16 node, const struct vmesh_msg *msg);
void vmesh_pending_reply(struct vmesh *m, u16 node, const struct vmesh_msg *msg);

#endif /* VMESH_PENDING_H */
