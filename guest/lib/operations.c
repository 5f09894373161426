// SPDX-License-Identifier: LGPL-2.1-or-later
/* The kernel's operations, each one to wait for and one to start. */
#include <errno.h>
#include "lib.h"

static int told(struct vmesh_req *req, int err)
{
	if (err)
		vmesh_failed(req->group, err, &req->op, NULL);
	return err;
}

/* err is what preparing it gave. */
static int run(struct vmesh_req *req, int err)
{
	return err ? told(req, err) : vmesh_run(req->mesh, &req, 1);
}

static int start(struct vmesh_req *prepared, int err, struct vmesh_req **req)
{
	*req = NULL;
	return err ? told(prepared, err) : vmesh_start(prepared, req);
}

int vmesh_send(struct vmesh_group *g, unsigned int rank, uint32_t tag, const void *buf, size_t len,
	       uint64_t timeout_ns)
{
	struct vmesh_req req;

	return run(&req,
		   vmesh_op_message(&req, g, VIRTMESH_OP_SEND, rank, tag, buf, len, timeout_ns));
}

int vmesh_recv(struct vmesh_group *g, unsigned int rank, uint32_t tag, void *buf, size_t len,
	       uint64_t timeout_ns)
{
	struct vmesh_req req;
	int err = run(&req,
		      vmesh_op_message(&req, g, VIRTMESH_OP_RECV, rank, tag, buf, len, timeout_ns));

	return err ? err : (int)req.done.result;
}

/*
 * As the kernel would say of a message to or from @rank. It says so of each when it is
 * posted, and then the other one, which cannot be taken back, would be waited for.
 */
static int reachable(struct vmesh_group *g, unsigned int rank)
{
	uint64_t members = vmesh_group_members(g);

	if (rank == g->rank)
		return -EINVAL;
	/* Without any it was never formed, and both are refused. */
	return members && !(members >> rank & 1) ? -EHOSTUNREACH : 0;
}

int vmesh_sendrecv(struct vmesh_group *g, unsigned int to, const void *sbuf, size_t slen,
		   unsigned int from, void *rbuf, size_t rlen, uint32_t tag, uint64_t timeout_ns)
{
	struct vmesh_req recv, send;
	/* Where the answer goes is said before it can come. */
	struct vmesh_req *reqs[] = { &recv, &send };
	int err = told(&recv, vmesh_op_message(&recv, g, VIRTMESH_OP_RECV, from, tag, rbuf, rlen,
					       timeout_ns));

	if (!err)
		err = told(&send, vmesh_op_message(&send, g, VIRTMESH_OP_SEND, to, tag, sbuf, slen,
						   timeout_ns));
	if (!err)
		err = told(&recv, reachable(g, from));
	if (!err)
		err = told(&send, reachable(g, to));
	if (!err)
		err = vmesh_run(g->mesh, reqs, 2);
	return err ? err : (int)recv.done.result;
}

int vmesh_bcast(struct vmesh_group *g, unsigned int root, void *buf, size_t len,
		uint64_t timeout_ns)
{
	struct vmesh_req req;

	return run(&req, vmesh_op_collective(&req, g, VIRTMESH_OP_BCAST, root, buf, buf, len,
					     timeout_ns));
}

int vmesh_allgather(struct vmesh_group *g, const void *sbuf, void *rbuf, size_t len,
		    uint64_t timeout_ns)
{
	struct vmesh_req req;

	return run(&req, vmesh_op_collective(&req, g, VIRTMESH_OP_ALLGATHER, 0, sbuf, rbuf, len,
					     timeout_ns));
}

int vmesh_gather(struct vmesh_group *g, unsigned int root, const void *sbuf, void *rbuf, size_t len,
		 uint64_t timeout_ns)
{
	struct vmesh_req req;

	return run(&req, vmesh_op_collective(&req, g, VIRTMESH_OP_GATHER, root, sbuf, rbuf, len,
					     timeout_ns));
}

int vmesh_scatter(struct vmesh_group *g, unsigned int root, const void *sbuf, void *rbuf,
		  size_t len, uint64_t timeout_ns)
{
	struct vmesh_req req;

	return run(&req, vmesh_op_collective(&req, g, VIRTMESH_OP_SCATTER, root, sbuf, rbuf, len,
					     timeout_ns));
}

int vmesh_alltoall(struct vmesh_group *g, const void *sbuf, void *rbuf, size_t len,
		   uint64_t timeout_ns)
{
	struct vmesh_req req;

	return run(&req, vmesh_op_collective(&req, g, VIRTMESH_OP_ALLTOALL, 0, sbuf, rbuf, len,
					     timeout_ns));
}

int vmesh_barrier(struct vmesh_group *g, uint64_t timeout_ns)
{
	struct vmesh_req req;

	return run(&req,
		   vmesh_op_collective(&req, g, VIRTMESH_OP_BARRIER, 0, NULL, NULL, 0, timeout_ns));
}

int vmesh_isend(struct vmesh_group *g, unsigned int rank, uint32_t tag, const void *buf, size_t len,
		uint64_t timeout_ns, struct vmesh_req **out)
{
	struct vmesh_req req;

	return start(&req,
		     vmesh_op_message(&req, g, VIRTMESH_OP_SEND, rank, tag, buf, len, timeout_ns),
		     out);
}

int vmesh_irecv(struct vmesh_group *g, unsigned int rank, uint32_t tag, void *buf, size_t len,
		uint64_t timeout_ns, struct vmesh_req **out)
{
	struct vmesh_req req;

	return start(&req,
		     vmesh_op_message(&req, g, VIRTMESH_OP_RECV, rank, tag, buf, len, timeout_ns),
		     out);
}

int vmesh_ibcast(struct vmesh_group *g, unsigned int root, void *buf, size_t len,
		 uint64_t timeout_ns, struct vmesh_req **out)
{
	struct vmesh_req req;

	return start(&req,
		     vmesh_op_collective(&req, g, VIRTMESH_OP_BCAST, root, buf, buf, len,
					 timeout_ns),
		     out);
}

int vmesh_iallgather(struct vmesh_group *g, const void *sbuf, void *rbuf, size_t len,
		     uint64_t timeout_ns, struct vmesh_req **out)
{
	struct vmesh_req req;

	return start(&req,
		     vmesh_op_collective(&req, g, VIRTMESH_OP_ALLGATHER, 0, sbuf, rbuf, len,
					 timeout_ns),
		     out);
}

int vmesh_igather(struct vmesh_group *g, unsigned int root, const void *sbuf, void *rbuf,
		  size_t len, uint64_t timeout_ns, struct vmesh_req **out)
{
	struct vmesh_req req;

	return start(&req,
		     vmesh_op_collective(&req, g, VIRTMESH_OP_GATHER, root, sbuf, rbuf, len,
					 timeout_ns),
		     out);
}

int vmesh_iscatter(struct vmesh_group *g, unsigned int root, const void *sbuf, void *rbuf,
		   size_t len, uint64_t timeout_ns, struct vmesh_req **out)
{
	struct vmesh_req req;

	return start(&req,
		     vmesh_op_collective(&req, g, VIRTMESH_OP_SCATTER, root, sbuf, rbuf, len,
					 timeout_ns),
		     out);
}

int vmesh_ialltoall(struct vmesh_group *g, const void *sbuf, void *rbuf, size_t len,
		    uint64_t timeout_ns, struct vmesh_req **out)
{
	struct vmesh_req req;

	return start(&req,
		     vmesh_op_collective(&req, g, VIRTMESH_OP_ALLTOALL, 0, sbuf, rbuf, len,
					 timeout_ns),
		     out);
}

int vmesh_ibarrier(struct vmesh_group *g, uint64_t timeout_ns, struct vmesh_req **out)
{
	struct vmesh_req req;

	return start(&req,
		     vmesh_op_collective(&req, g, VIRTMESH_OP_BARRIER, 0, NULL, NULL, 0,
					 timeout_ns),
		     out);
}

int vmesh_control_send(struct vmesh_group *g, unsigned int rank, const void *data, size_t len,
		       uint64_t timeout_ns)
{
	struct virtmesh_control arg = {
		.addr = (uintptr_t)data,
		.timeout_ns = deadline_or_default(g, timeout_ns),
		.group = g->handle,
		.len = len,
		.rank = rank,
	};
	int err;

	if (rank >= g->size)
		return -EINVAL;
	err = len > UINT32_MAX ? -EMSGSIZE :
				 g->mesh->ops->ioctl(g->mesh->fd, VIRTMESH_IOC_CONTROL_SEND, &arg);
	if (err && err != -EINTR)
		vmesh_failed_control(g, err, &arg, 1ULL << rank);
	return err;
}

int vmesh_control_recv(struct vmesh_group *g, unsigned int *rank, void *data, size_t room,
		       uint64_t timeout_ns)
{
	struct virtmesh_control arg = {
		.addr = (uintptr_t)data,
		.timeout_ns = timeout_ns == VMESH_NOWAIT ? 0 : deadline_or_default(g, timeout_ns),
		.group = g->handle,
		.len = room < UINT32_MAX ? room : UINT32_MAX,
	};
	int err = g->mesh->ops->ioctl(g->mesh->fd, VIRTMESH_IOC_CONTROL_RECV, &arg);

	if (err && err != -EINTR && err != -EAGAIN && err != -EMSGSIZE)
		vmesh_failed_control(g, err, &arg, 0);
	if (err)
		return err;
	*rank = arg.rank;
	return arg.len;
}
