// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fake's operations, which are carried out at once when the last of those who
 * take part has posted, and end with their groups or at their deadlines.
 */
#include <errno.h>
#include <string.h>
#include "fake.h"
#include "fake_state.h"

static void end(struct pending *p, int64_t result, uint64_t missing, uint16_t reason)
{
	p->ended = true;
	p->done = (struct virtmesh_done){
		.user_data = p->op.user_data,
		.result = result,
		.missing = missing,
		.elapsed_ns = fake_now_ns() - p->posted_ns,
		.group = p->op.group,
		.number = p->number,
		.opcode = p->op.opcode,
		.reason = missing ? reason : 0,
		.rank = missing ? __builtin_ctzll(missing) : 0,
	};
	pthread_cond_broadcast(&fake.changed);
}

void fake_end_all(unsigned int handle, int64_t result, uint64_t missing, uint16_t reason)
{
	struct file *f = &fake.files[fake.groups[handle - 1].fd];
	unsigned int i;

	for (i = 0; i < VIRTMESH_OPS_MAX; i++)
		if (f->pending[i].used && !f->pending[i].ended && f->pending[i].op.group == handle)
			end(&f->pending[i], result, missing, reason);
}

/* Where `count` parts of an operation lie. NULL with *err. */
static char *range(struct file *f, uint32_t handle, uint64_t off, uint64_t bytes, int *err)
{
	if (!bytes)
		return NULL;
	if (!handle || handle > VIRTMESH_BUFS_MAX || !f->buf[handle].size)
		*err = -ENOENT;
	else if (off > f->buf[handle].size || bytes > f->buf[handle].size - off)
		*err = -ERANGE;
	else
		return f->buf[handle].mem + off;
	return NULL;
}

/* The parts that are sent and received, as virtmesh.h's table of operations says. */
static int places(const struct member *m, const struct virtmesh_op *op, char **s, char **r)
{
	bool root = op->rank == m->rank;
	uint64_t sends = 1, receives = 1;
	int err = 0;

	switch (op->opcode) {
	case VIRTMESH_OP_SEND:
		receives = 0;
		break;
	case VIRTMESH_OP_RECV:
		sends = 0;
		break;
	case VIRTMESH_OP_BCAST:
		sends = root;
		receives = !root;
		break;
	case VIRTMESH_OP_ALLGATHER:
		receives = m->count;
		break;
	case VIRTMESH_OP_GATHER:
		receives = root ? m->count : 0;
		break;
	case VIRTMESH_OP_SCATTER:
		sends = root ? m->count : 0;
		break;
	case VIRTMESH_OP_ALLTOALL:
		sends = m->count;
		receives = m->count;
		break;
	case VIRTMESH_OP_BARRIER:
		sends = 0;
		receives = 0;
		break;
	default:
		return -EINVAL;
	}
	*s = range(&fake.files[m->fd], op->sbuf, op->soff, sends * op->len, &err);
	*r = range(&fake.files[m->fd], op->rbuf, op->roff, receives * op->len, &err);
	return err;
}

/* `p`'s counterpart at another rank: the same collective. */
static struct pending *same(struct member *m, const struct pending *p)
{
	struct file *f = &fake.files[m->fd];
	unsigned int i;

	for (i = 0; i < VIRTMESH_OPS_MAX; i++) {
		struct pending *q = &f->pending[i];

		if (q->used && !q->ended && q->op.group == m - fake.groups + 1 &&
		    q->op.opcode != VIRTMESH_OP_SEND && q->op.opcode != VIRTMESH_OP_RECV &&
		    q->number == p->number)
			return q;
	}
	return NULL;
}

/* One rank's part, from where it lies to where it belongs at another. */
static void give(struct member *from, const struct virtmesh_op *fop, struct member *to,
		 const struct virtmesh_op *top)
{
	uint64_t len = fop->len, src = 0, dst = 0;
	char *s, *r, *unused;

	places(from, fop, &s, &unused);
	places(to, top, &unused, &r);
	switch (fop->opcode) {
	case VIRTMESH_OP_SCATTER:
		src = to->rank * len;
		break;
	case VIRTMESH_OP_ALLGATHER:
	case VIRTMESH_OP_GATHER:
		dst = from->rank * len;
		break;
	case VIRTMESH_OP_ALLTOALL:
		src = to->rank * len;
		dst = from->rank * len;
		break;
	}
	if (s && r)
		memmove(r + dst, s + src, len);
}

/* All members have posted it? Then it is done. */
static void collective(struct member *self, struct pending *p)
{
	struct pending *ops[VIRTMESH_RANKS_MAX] = { 0 };
	struct member *m[VIRTMESH_RANKS_MAX] = { 0 };
	unsigned int a, b;

	for (a = 0; a < self->count; a++) {
		if (!(self->members >> a & 1))
			continue;
		m[a] = fake_peer(self, a);
		ops[a] = m[a] ? same(m[a], p) : NULL;
		if (!ops[a])
			return;
		if (ops[a]->op.opcode != p->op.opcode || ops[a]->op.len != p->op.len) {
			fake_fence(self, -EPROTO, 1ULL << a, VIRTMESH_REASON_MISMATCH);
			return;
		}
	}
	for (a = 0; a < self->count; a++)
		for (b = 0; ops[a] && b < self->count; b++)
			if (ops[b])
				give(m[a], &ops[a]->op, m[b], &ops[b]->op);
	for (a = 0; a < self->count; a++)
		if (ops[a])
			end(ops[a], 0, 0, 0);
}

/* The oldest message or receive at the other rank that fits `p`. */
static void message(struct member *self, struct pending *p)
{
	struct member *m = fake_peer(self, p->op.rank);
	bool sends = p->op.opcode == VIRTMESH_OP_SEND;
	struct pending *best = NULL, *send, *recv;
	unsigned int i;
	char *s, *r, *unused;

	for (i = 0; m && i < VIRTMESH_OPS_MAX; i++) {
		struct pending *q = &fake.files[m->fd].pending[i];

		if (q->used && !q->ended && q->op.group == m - fake.groups + 1 &&
		    q->op.opcode == (sends ? VIRTMESH_OP_RECV : VIRTMESH_OP_SEND) &&
		    q->op.rank == self->rank && q->op.tag == p->op.tag &&
		    (!best || q->number < best->number))
			best = q;
	}
	if (!best)
		return;
	send = sends ? p : best;
	recv = sends ? best : p;
	places(sends ? self : m, &send->op, &s, &unused);
	places(sends ? m : self, &recv->op, &unused, &r);
	if (send->op.len > recv->op.len) {
		end(recv, -EMSGSIZE, 0, 0);
	} else {
		if (s && r)
			memcpy(r, s, send->op.len);
		end(recv, send->op.len, 0, 0);
	}
	end(send, 0, 0, 0);
}

static int post(int fd, const struct virtmesh_op *op)
{
	struct file *f = &fake.files[fd];
	struct pending *p;
	struct member *m;
	char *s, *r;
	int err;

	if (!op->group || op->group > GROUPS)
		return -ENOENT;
	m = &fake.groups[op->group - 1];
	if (!m->used || m->fd != fd)
		return -ENOENT;
	if (fake.refuse_opcode == op->opcode) {
		fake.refuse_opcode = 0;
		return -fake.refuse_err;
	}
	if (!op->timeout_ns || op->timeout_ns > VIRTMESH_TIMEOUT_MAX_NS || op->rank >= m->count)
		return -EINVAL;
	if ((op->opcode == VIRTMESH_OP_SEND || op->opcode == VIRTMESH_OP_RECV) &&
	    op->rank == m->rank)
		return -EINVAL;
	err = places(m, op, &s, &r);
	if (err)
		return err;
	if (!m->formed)
		return -ENOTCONN;
	if (m->fenced)
		return -ESTALE;
	if (op->opcode != VIRTMESH_OP_ALLGATHER && op->opcode != VIRTMESH_OP_ALLTOALL &&
	    op->opcode != VIRTMESH_OP_BARRIER && !(m->members >> op->rank & 1))
		return -EHOSTUNREACH;
	for (p = f->pending; p < f->pending + VIRTMESH_OPS_MAX && p->used; p++)
		;
	if (p == f->pending + VIRTMESH_OPS_MAX)
		return -EAGAIN;
	*p = (struct pending){ .op = *op, .used = true, .number = ++m->number };
	p->posted_ns = fake_now_ns();
	p->deadline_ns = p->posted_ns + op->timeout_ns;
	if (op->opcode == VIRTMESH_OP_SEND || op->opcode == VIRTMESH_OP_RECV) {
		/* Messages do not count as collectives; their order is all that matters. */
		m->number--;
		p->number = ++fake.messages;
		message(m, p);
	} else {
		collective(m, p);
	}
	return 0;
}

/* The ranks that have not posted what `p` is. */
static uint64_t absent(struct member *self, const struct pending *p)
{
	uint64_t missing = 0;
	unsigned int r;

	if (p->op.opcode == VIRTMESH_OP_SEND || p->op.opcode == VIRTMESH_OP_RECV)
		return 1ULL << p->op.rank;
	for (r = 0; r < self->count; r++) {
		struct member *m = fake_peer(self, r);

		if ((self->members >> r & 1) && (!m || !same(m, p)))
			missing |= 1ULL << r;
	}
	return missing;
}

static unsigned int expire(struct file *f, uint64_t *first)
{
	unsigned int i, left = 0;

	*first = UINT64_MAX;
	for (i = 0; i < VIRTMESH_OPS_MAX; i++) {
		struct pending *p = &f->pending[i];
		struct member *m;

		if (!p->used || p->ended)
			continue;
		m = &fake.groups[p->op.group - 1];
		if (p->deadline_ns <= fake_now_ns()) {
			fake_fence(m, -ETIMEDOUT, absent(m, p), VIRTMESH_REASON_STALLED);
			continue;
		}
		left++;
		if (p->deadline_ns < *first)
			*first = p->deadline_ns;
	}
	return left;
}

static unsigned int collect(struct file *f, struct virtmesh_done *done, unsigned int room)
{
	unsigned int i, n = 0;

	for (i = 0; i < VIRTMESH_OPS_MAX && n < room; i++) {
		if (!f->pending[i].used || !f->pending[i].ended)
			continue;
		done[n++] = f->pending[i].done;
		f->pending[i].used = false;
	}
	return n;
}

int fake_submit(int fd, struct virtmesh_submit *arg)
{
	const struct virtmesh_op *ops = (void *)(uintptr_t)arg->ops;
	struct virtmesh_done *done = (void *)(uintptr_t)arg->done;
	unsigned int want = arg->count, posted = 0, taken = 0;
	struct file *f = &fake.files[fd];
	uint64_t first;
	int err = 0;

	fake.submits++;
	if (arg->wait > arg->room || arg->flags)
		return -EINVAL;
	while (posted < want) {
		err = post(fd, &ops[posted]);
		if (err)
			break;
		posted++;
	}
	if (err && !posted)
		return err;
	err = 0;
	arg->count = posted;
	for (;;) {
		taken += collect(f, done + taken, arg->room - taken);
		if (taken >= arg->wait)
			break;
		if (fake.interrupts) {
			fake.interrupts--;
			err = -EINTR;
			break;
		}
		if (!expire(f, &first)) {
			taken += collect(f, done + taken, arg->room - taken);
			break;
		}
		fake_wait(first);
	}
	arg->room = taken;
	return err;
}
