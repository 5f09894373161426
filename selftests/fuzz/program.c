// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a program does with a node's file: makes a group, posts operations, takes
 * their ends. Each operation has buffers of its own with a margin before and
 * behind its parts, and lets go of them when it has ended: whatever is written
 * beside them or later is found.
 */
#include <string.h>

#include "../../guest/kmod/buffer.h"
#include "../../guest/kmod/handles.h"
#include "../../guest/kmod/opcheck.h"
#include "node.h"

#define MARGIN 24

int node_create(struct node *n, u16 ranks)
{
	u16 nodes[VIRTMESH_RANKS_MAX];
	struct virtmesh_group_create arg = {
		.nodes = (uintptr_t)nodes,
		.id = NODE_GROUP,
		.count = ranks,
	};
	u16 r;
	int err;

	for (r = 0; r < ranks; r++)
		nodes[r] = r + 1;
	err = vmesh_ioc_group_create(n->f, &arg);
	if (err)
		return err;
	must(arg.rank == n->id - 1);
	n->group = arg.group;
	n->rank = arg.rank;
	n->ranks = ranks;
	return 0;
}

/* Ranks may be named that are in the group, and never this one. */
static void check_missing(const struct node *n, u64 missing, u16 rank, u16 reason)
{
	must(!(missing >> n->ranks));
	must(!(missing >> n->rank & 1));
	must(reason < VIRTMESH_REASONS);
	must(missing ? rank == __builtin_ctzll(missing) && reason : !rank && !reason);
}

int node_form(struct node *n, u64 timeout_ns, u32 flags, struct virtmesh_group_form *arg)
{
	int err;

	*arg = (struct virtmesh_group_form){
		.group = n->group,
		.timeout_ns = timeout_ns,
		.flags = flags,
	};
	err = vmesh_ioc_group_form(n->f, arg);
	if (err == -ENOENT || err == -EBUSY || err == -ENODEV)
		return err;
	/* Left by another thread: before it began to form, or while it did. */
	if (err == -ECANCELED && !arg->members)
		return err;
	must(!(arg->members >> n->ranks) && arg->members >> n->rank & 1);
	check_missing(n, arg->missing, arg->rank, arg->reason);
	must(err || !arg->missing);
	return err;
}

int node_leave(struct node *n)
{
	struct virtmesh_group_leave arg = { .group = n->group };
	int err;

	n->group = 0;
	err = vmesh_ioc_group_leave(n->f, &arg);
	return err;
}

/* Operations. */

static void buffer_free(struct node *n, u32 handle)
{
	struct virtmesh_buf_free arg = { .handle = handle };

	if (handle)
		vmesh_buf_free(n->f, &arg);
}

static int buffer_make(struct node *n, struct node_job *job, unsigned int i)
{
	struct virtmesh_buf_alloc arg = { .size = MARGIN + job->span[i] + MARGIN };
	struct vmesh_buffer *b;
	int err;

	if (!job->span[i])
		return 0;
	err = vmesh_buf_alloc(n->f, &arg);
	if (err)
		return err;
	b = vmesh_handles_buffer(&n->f->handles, arg.handle);
	must(b && b->size == MARGIN + job->span[i] + MARGIN);
	memset(b->data, NODE_BLANK, b->size);
	job->buf[i] = arg.handle;
	job->at[i] = (u8 *)b->data + MARGIN;
	vmesh_buffer_put(b);
	return 0;
}

static void job_free(struct node *n, struct node_job *job)
{
	buffer_free(n, job->buf[0]);
	buffer_free(n, job->buf[1]);
	job->used = false;
}

/* One operation, or none; up to *@room ends, once @want are there or none more will be. */
static int submit(struct node *n, const struct virtmesh_op *op, struct virtmesh_done *done,
		  unsigned int *room, unsigned int want, u64 timeout_ns)
{
	struct virtmesh_submit arg = {
		.ops = (uintptr_t)op,
		.done = (uintptr_t)done,
		.count = !!op,
		.room = *room,
		.wait = want,
		.timeout_ns = timeout_ns,
	};
	int err = vmesh_submit(n->f, &arg);

	*room = arg.room;
	return err;
}

int node_post(struct node *n, u8 kind, u16 root, u32 tag, u64 len, u64 timeout_ns,
	      unsigned int what, void (*fill)(struct node *n, struct node_job *job))
{
	struct virtmesh_op op = {
		.group = n->group,
		.opcode = kind,
		.rank = root,
		.tag = tag,
		.len = len,
		.timeout_ns = timeout_ns,
		.soff = MARGIN,
		.roff = MARGIN,
	};
	struct vmesh_spans spans = {};
	unsigned int none = 0, i;
	struct node_job *job;
	int err;

	for (i = 0; i < NODE_JOBS && n->job[i].used; i++)
		;
	if (i == NODE_JOBS)
		return -EAGAIN;
	job = &n->job[i];
	vmesh_op_valid(&op, n->rank, n->ranks, &spans);
	*job = (struct node_job){
		.used = true,
		.kind = kind,
		.root = root,
		.len = len,
		.deadline = fake_now + timeout_ns,
		.span = { spans.send, spans.recv },
		.what = what,
	};
	err = buffer_make(n, job, 0);
	if (!err)
		err = buffer_make(n, job, 1);
	if (!err) {
		if (fill)
			fill(n, job);
		op.user_data = i;
		op.sbuf = job->buf[0];
		op.rbuf = job->buf[1];
		err = submit(n, &op, NULL, &none, 0, 0);
	}
	if (err)
		job_free(n, job);
	return err;
}

static void check_margin(const u8 *at)
{
	unsigned int i;

	for (i = 0; i < MARGIN; i++)
		must(at[i] == NODE_BLANK);
}

static void check_done(const struct node *n, const struct node_job *job,
		       const struct virtmesh_done *done)
{
	unsigned int i;

	must(done->opcode == job->kind);
	check_missing(n, done->missing, done->rank, done->reason);
	switch (done->result) {
	case -ETIMEDOUT:
		must(fake_now >= job->deadline);
		break;
	case -EHOSTDOWN:
	case -ECONNRESET:
	case -EPROTO:
		must(done->missing);
		break;
	case -ESTALE:
	case -ECANCELED:
	case -ENODEV:
		break;
	case -EMSGSIZE:
		must(job->kind == VIRTMESH_OP_RECV && !done->missing);
		break;
	default:
		must(done->result >= 0 && !done->missing);
		must(job->kind == VIRTMESH_OP_RECV ? done->result <= (s64)job->len : !done->result);
	}
	for (i = 0; i < 2; i++) {
		if (!job->buf[i])
			continue;
		check_margin(job->at[i] - MARGIN);
		check_margin(job->at[i] + job->span[i]);
	}
}

static void ended(struct node *n, const struct virtmesh_done *done)
{
	struct node_job *job = &n->job[done->user_data];

	must(done->user_data < NODE_JOBS);
	must(job->used); /* it ends once */
	check_done(n, job, done);
	node_ended(n, job, done);
	job_free(n, job);
}

int node_wait(struct node *n, unsigned int want, u64 timeout_ns)
{
	struct virtmesh_done done[NODE_JOBS];
	unsigned int room = NODE_JOBS, i;
	int err;

	n->waiters++;
	err = submit(n, NULL, done, &room, want, timeout_ns);
	n->waiters--;
	for (i = 0; i < room; i++)
		ended(n, &done[i]);
	return err;
}

void node_take(struct node *n)
{
	struct virtmesh_done done;
	unsigned int room = 1;

	/* Who waits is to have them. */
	if (!n->f || n->waiters)
		return;
	while (room && !submit(n, NULL, &done, &room, 0, 0))
		if (room)
			ended(n, &done);
}

unsigned int node_pending(const struct node *n)
{
	unsigned int i, count = 0;

	for (i = 0; i < NODE_JOBS; i++)
		count += n->job[i].used;
	return count;
}

u64 node_deadline(const struct node *n)
{
	u64 last = 0;
	unsigned int i;

	for (i = 0; i < NODE_JOBS; i++)
		if (n->job[i].used && n->job[i].deadline > last)
			last = n->job[i].deadline;
	return last;
}

bool node_overdue(const struct node *n, u64 slack)
{
	unsigned int i;

	for (i = 0; i < NODE_JOBS && !n->waiters; i++)
		if (n->job[i].used && fake_now > n->job[i].deadline + slack)
			return true;
	return false;
}
