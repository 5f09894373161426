// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * From what a program says to what the kernel takes: addresses become handles and
 * offsets, NULL becomes "in place". Only what the kernel cannot see is checked
 * here: that ranks' parts together stay within the one buffer they begin in.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include "lib.h"

static void begin(struct vmesh_req *req, struct vmesh_group *g, int opcode, unsigned int rank,
		  size_t len, uint64_t timeout_ns)
{
	memset(req, 0, sizeof(*req));
	req->group = g;
	req->mesh = g->mesh;
	req->op = (struct virtmesh_op){
		.group = g->handle,
		.opcode = opcode,
		.rank = rank,
		.len = len,
		.timeout_ns = deadline_or_default(g, timeout_ns),
	};
}

int vmesh_op_message(struct vmesh_req *req, struct vmesh_group *g, int opcode, unsigned int rank,
		     uint32_t tag, const void *buf, size_t len, uint64_t timeout_ns)
{
	struct virtmesh_op *op = &req->op;

	begin(req, g, opcode, rank, len, timeout_ns);
	if (rank >= g->size || len > VIRTMESH_BUF_MAX_BYTES)
		return -EINVAL;
	op->tag = tag;
	if (opcode == VIRTMESH_OP_SEND)
		return vmesh_buf_find(g->mesh, buf, len, &op->sbuf, &op->soff);
	return vmesh_buf_find(g->mesh, buf, len, &op->rbuf, &op->roff);
}

/* How many parts lie one behind the other on each side; 0: that side is not used here. */
static void sides(const struct vmesh_group *g, int opcode, bool root, unsigned int *sends,
		  unsigned int *receives)
{
	*sends = 1;
	*receives = 1;
	switch (opcode) {
	case VIRTMESH_OP_BCAST:
		*sends = root;
		*receives = !root;
		break;
	case VIRTMESH_OP_ALLGATHER:
		*receives = g->size;
		break;
	case VIRTMESH_OP_GATHER:
		*receives = root ? g->size : 0;
		break;
	case VIRTMESH_OP_SCATTER:
		*sends = root ? g->size : 0;
		break;
	case VIRTMESH_OP_ALLTOALL:
		*sends = g->size;
		*receives = g->size;
		break;
	default:
		*sends = 0;
		*receives = 0;
	}
}

int vmesh_op_collective(struct vmesh_req *req, struct vmesh_group *g, int opcode, unsigned int root,
			const void *sbuf, void *rbuf, size_t len, uint64_t timeout_ns)
{
	struct virtmesh_op *op = &req->op;
	unsigned int sends, receives;
	int err;

	begin(req, g, opcode, root, len, timeout_ns);
	sides(g, opcode, g->rank == root, &sends, &receives);
	if (root >= g->size || len > VIRTMESH_BUF_MAX_BYTES / g->size)
		return -EINVAL;
	if (opcode == VIRTMESH_OP_ALLTOALL) {
		/* What is sent to one rank must not have come from another meanwhile. */
		if (len && overlap(sbuf, rbuf, len * g->size))
			return -EINVAL;
	} else if (!sbuf && sends && receives) {
		sbuf = (char *)rbuf + g->rank * len;
	} else if (!rbuf && sends && receives && opcode == VIRTMESH_OP_SCATTER) {
		rbuf = (char *)sbuf + g->rank * len;
	}
	err = vmesh_buf_find(g->mesh, sbuf, len * sends, &op->sbuf, &op->soff);
	if (!err)
		err = vmesh_buf_find(g->mesh, rbuf, len * receives, &op->rbuf, &op->roff);
	return err;
}
