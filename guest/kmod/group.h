/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Groups: ranks, their connections, and the operations on them. A group is the
 * unit of locking, of fencing and of connection: everything the transport knows
 * of a sequence number belongs to one group and ends with it. See group.c.
 */
#ifndef VMESH_GROUP_H
#define VMESH_GROUP_H

#include <linux/types.h>
#include <uapi/linux/virtmesh.h>

struct vmesh;
struct vmesh_group;
struct vmesh_op;

/*
 * Take part in group @id of @count nodes. Process context. The group with one
 * reference, or ERR_PTR: EINVAL, EADDRINUSE, EMFILE, ENOTCONN, ENOMEM, ENODEV.
 */
struct vmesh_group *vmesh_group_create(struct vmesh *m, u32 id, const u16 *nodes,
				       unsigned int count);

/*
 * End every operation with ECANCELED, tell the others. Process context; sleeps, two
 * seconds at most, while frames of ours are on the way. Then put.
 */
void vmesh_group_leave(struct vmesh_group *g);
/*
 * The first half, which does not sleep: the two seconds are counted from here, and who
 * has got all is told. Returns whether the rest will sleep: who leaves several groups
 * waits for none before it has begun with each, and ended those that need no waiting.
 */
bool vmesh_group_leave_begin(struct vmesh_group *g);
/* Was that called? Any context. */
bool vmesh_group_leaves(struct vmesh_group *g);

/* Any context. The last put frees by RCU. */
void vmesh_group_get(struct vmesh_group *g);
void vmesh_group_put(struct vmesh_group *g);

/*
 * VIRTMESH_IOC_GROUP_FORM: sleeps for at most its timeout, and before that for the end of
 * what was: a failure's grace, frames on the way. Errnos in the uapi header.
 */
int vmesh_group_form(struct vmesh_group *g, struct virtmesh_group_form *arg);

u32 vmesh_group_id(const struct vmesh_group *g);
u16 vmesh_group_rank(const struct vmesh_group *g);
u16 vmesh_group_count(const struct vmesh_group *g);
u16 vmesh_group_node(const struct vmesh_group *g, u16 rank);

/* Fill all but group and ranks of @info, and up to @room of @ranks. Process context. */
void vmesh_group_info(struct vmesh_group *g, struct virtmesh_group_info *info,
		      struct virtmesh_rank *ranks, unsigned int room);

/*
 * Post @op, whose kind, root and memory the caller has checked. Process context.
 * 0: done() will be called, perhaps before this returns. Else nothing happened:
 * ENOTCONN, ESTALE, ENODEV; EMSGSIZE: a control message that is no single frame;
 * EHOSTUNREACH: its rank is not in since the last forming.
 */
int vmesh_group_post(struct vmesh_group *g, struct vmesh_op *op);

/* @fn for every group of the node, its lock held. Any context. */
void vmesh_groups_walk(struct vmesh *m, void (*fn)(struct vmesh_group *g, void *ctx), void *ctx);
/* In there: @fn for every pending operation of @g, oldest first. */
void vmesh_group_walk_ops(struct vmesh_group *g,
			  void (*fn)(struct vmesh_group *g, struct vmesh_op *op, void *ctx),
			  void *ctx);
/* How far a pending operation is. In there, or in done(). */
void vmesh_op_progress(struct vmesh_op *op, u64 *bytes, u64 *missing);
/* Does a program form it, without @missing yet? And does one wait for a control message? */
bool vmesh_group_forming(const struct vmesh_group *g, u64 *since_ns, u64 *missing);
bool vmesh_group_listening(const struct vmesh_group *g, u64 *since_ns);

/* A control message: the one that @rank numbered so, in this forming. */
struct vmesh_control_id {
	u32 cookie;
	u32 number;
	u16 rank;
};

/*
 * Look at the oldest control message: copies up to @room bytes to @data. Returns
 * its length and sets @id; EAGAIN: none; EMSGSIZE: longer than @room. Also ESTALE,
 * ENODEV. Process context.
 */
int vmesh_control_peek(struct vmesh_group *g, void *data, unsigned int room,
		       struct vmesh_control_id *id);
/* Take it. False: it is not there any more. Process context. */
bool vmesh_control_take(struct vmesh_group *g, const struct vmesh_control_id *id);
/* Sleep until one can be taken, or the group is fenced. What is left, 0, -ERESTARTSYS. */
long vmesh_control_wait(struct vmesh_group *g, long timeout);
/* Bytes a control message may carry now. Any context. */
unsigned int vmesh_control_max(struct vmesh *m);

#endif /* VMESH_GROUP_H */
