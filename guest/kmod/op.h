/* SPDX-License-Identifier: GPL-2.0-only */
/* One operation on a group, between who posted it and the transport. See op.c. */
#ifndef VMESH_OP_H
#define VMESH_OP_H

#include <linux/list.h>
#include <linux/types.h>
#include <uapi/linux/virtmesh.h>
#include <virtmesh/frame.h>

struct vmesh_group;

struct vmesh_op;

/* One rank's share in an operation: what it is sent, and what comes from it. */
struct vmesh_part {
	struct list_head list; /* in its flow's parts, until all of it is in frames */
	struct vmesh_op *op;
	const void *data; /* to send */
	u64 sent; /* bytes in frames */
	u64 got; /* bytes that have come */
	u32 last; /* number of the frame that ends it, once `framed` */
	bool sends; /* there is something to send, if only an empty frame */
	bool framed; /* and it is all in frames */
	bool awaits; /* and its acknowledgment is waited for */
	bool expects; /* something has to come */
	bool whole; /* and has come */
};

/*
 * The poster zeroes all before `part` and fills the first part; from
 * vmesh_group_post() until done() it is the group's, and the memory behind
 * `send` and `recv` stays where it is.
 */
struct vmesh_op {
	/* the poster's */
	struct vmesh_group *group; /* a reference */
	u8 kind; /* enum virtmesh_opcode or VM_KIND_CONTROL */
	u16 root; /* or the other rank */
	u32 tag;
	u64 len; /* of one part */
	const void *send; /* where the first part to be sent begins; NULL: none */
	void *recv; /* where the first part to be received goes; NULL: none */
	u64 timeout_ns;
	/*
	 * Called once, when the outcome below is set. Softirq or process context,
	 * the group's lock held: may wake and queue, must not call back.
	 */
	void (*done)(struct vmesh_op *op);
	/* The same contexts. Does anybody wait for it now, or may, for all that is known? NULL: yes. */
	bool (*awaited)(const struct vmesh_op *op);

	/* the outcome: valid from done() on */
	s64 result; /* as in struct virtmesh_done */
	u64 missing;
	u64 bytes;
	u64 posted_ns; /* CLOCK_MONOTONIC; valid once posted */
	u64 ended_ns;
	u32 number;
	u16 reason;
	u16 rank; /* lowest in missing */

	/* the group's, under its lock */
	struct list_head list; /* in group.ops, in order of posting */
	u64 deadline_ns;
	u32 serial; /* of the group's operations, in order of posting */
	u64 total; /* RECV: bytes of the message, once it is matched */
	u64 acked; /* ranks that have all of what they were sent */
	bool matched; /* RECV: `number` is its message's */
	struct vmesh_part all; /* what everybody is sent in cloned frames */
	struct vmesh_part part[VM_RANKS_MAX];
};

static inline enum vm_class vmesh_class_of(u8 kind)
{
	return kind == VIRTMESH_OP_SEND || kind == VIRTMESH_OP_RECV || kind == VM_KIND_CONTROL ?
		       VM_CLASS_MESSAGE :
		       VM_CLASS_COLLECTIVE;
}

/* Numbered from rank to rank; all others by the group's generations. */
static inline bool vmesh_is_message(const struct vmesh_op *op)
{
	return vmesh_class_of(op->kind) == VM_CLASS_MESSAGE;
}

/* The number after @n: they begin at 1, and come round to that, for 0 is none. */
static inline u32 vmesh_next_number(u32 n)
{
	return n + 1 ?: 1;
}

#endif /* VMESH_OP_H */
