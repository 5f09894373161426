/* SPDX-License-Identifier: GPL-2.0-only */
/* The flight recorder: the operations that ended last on this node. See trace.c. */
#ifndef VMESH_TRACE_H
#define VMESH_TRACE_H

#include <linux/ratelimit.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct virtmesh_record;
struct virtmesh_trace;
struct vmesh;
struct vmesh_op;
struct vmesh_traced;

struct vmesh_trace {
	spinlock_t lock; /* protects ring and next; bh; a leaf */
	struct vmesh_traced *ring; /* VIRTMESH_RECORDS */
	u64 next; /* records ever written */
	u64 told; /* of these, looked at by the work */
	struct work_struct work;
	struct ratelimit_state limit; /* of lines about what failed */
	struct ratelimit_state dump; /* of what was before */
};

/* Process context. 0, ENOMEM. */
int vmesh_trace_init(struct vmesh_trace *t);
void vmesh_trace_stop(struct vmesh_trace *t); /* nothing ends any more */
void vmesh_trace_free(struct vmesh_trace *t); /* and nobody reads */

/* Of an operation that is pending or has just ended. The group's lock is held. */
void vmesh_record_fill(struct virtmesh_record *r, struct vmesh_op *op);

/* An operation has ended: remember it. The group's lock is held. */
void vmesh_trace_ended(struct vmesh *m, struct vmesh_op *op);

/* VIRTMESH_IOC_TRACE; the errnos are in the uapi header. Process context. */
int vmesh_trace_read(struct vmesh *m, struct virtmesh_trace *arg);

#endif /* VMESH_TRACE_H */
