// SPDX-License-Identifier: GPL-2.0-only
#include <linux/errno.h>
#include <linux/kernel.h>
#include <uapi/linux/virtmesh.h>

#include "opcheck.h"

/* How many parts of `len` bytes a rank sends from, or receives into, a buffer. */
enum parts { NONE, ONE, ALL };

static const struct {
	bool message; /* from rank to rank, with a tag */
	bool rooted; /* `rank` is the root: else it must be 0 */
	u8 root_send, root_recv;
	u8 send, recv; /* everybody else; or everybody */
} shapes[VIRTMESH_OPS] = {
	[VIRTMESH_OP_SEND] = { .message = true, .send = ONE },
	[VIRTMESH_OP_RECV] = { .message = true, .recv = ONE },
	[VIRTMESH_OP_BCAST] = { .rooted = true, .root_send = ONE, .recv = ONE },
	[VIRTMESH_OP_ALLGATHER] = { .send = ONE, .recv = ALL },
	[VIRTMESH_OP_GATHER] = { .rooted = true, .root_send = ONE, .root_recv = ALL, .send = ONE },
	[VIRTMESH_OP_SCATTER] = { .rooted = true, .root_send = ALL, .root_recv = ONE, .recv = ONE },
	[VIRTMESH_OP_ALLTOALL] = { .send = ALL, .recv = ALL },
	[VIRTMESH_OP_BARRIER] = { .send = NONE },
};

static u64 span(u8 parts, u64 len, u16 count)
{
	/* 2^30 bytes at most, times 64. */
	return parts == ALL ? len * count : parts == ONE ? len : 0;
}

int vmesh_op_valid(const struct virtmesh_op *op, u16 self, u16 count, struct vmesh_spans *spans)
{
	bool root;

	if (op->flags || op->reserved || op->len > VIRTMESH_BUF_MAX_BYTES)
		return -EINVAL;
	if (!op->timeout_ns || op->timeout_ns > VIRTMESH_TIMEOUT_MAX_NS)
		return -EINVAL;
	if (!op->opcode || op->opcode >= VIRTMESH_OPS)
		return -EINVAL;
	if (op->opcode == VIRTMESH_OP_BARRIER && op->len)
		return -EINVAL;
	if (op->tag && !shapes[op->opcode].message)
		return -EINVAL;
	if (shapes[op->opcode].message ? op->rank >= count || op->rank == self :
	    shapes[op->opcode].rooted  ? op->rank >= count :
					 op->rank)
		return -EINVAL;

	root = shapes[op->opcode].rooted && op->rank == self;
	spans->send =
		span(root ? shapes[op->opcode].root_send : shapes[op->opcode].send, op->len, count);
	spans->recv =
		span(root ? shapes[op->opcode].root_recv : shapes[op->opcode].recv, op->len, count);
	return 0;
}
