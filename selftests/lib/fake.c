// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver's side of the fake: files, buffers, groups, and operations, which are
 * carried out at once when the last of those who take part has posted.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include "fake.h"

#define FILES  32
#define GROUPS 256
#define PAGE   4096

struct pending {
	struct virtmesh_op op;
	struct virtmesh_done done;
	uint64_t deadline_ns, posted_ns;
	uint32_t number;
	bool used, ended;
};

struct file {
	bool used;
	uint16_t node;
	struct {
		char *mem;
		size_t size;
		bool own;
	} buf[VIRTMESH_BUFS_MAX + 1];
	struct pending pending[VIRTMESH_OPS_MAX];
};

/* One member's handle of a group. */
struct member {
	bool used, formed, fenced, forming;
	int fd;
	uint32_t id, number;
	uint16_t rank, count;
	uint16_t nodes[VIRTMESH_RANKS_MAX];
	uint64_t members, missing;
	unsigned int formings;
	/* One waits to be received at most. */
	bool control;
	uint16_t control_from;
	char control_data[64];
	uint32_t control_len;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct file files[FILES];
static struct member groups[GROUPS]; /* handle: index + 1 */
static unsigned int interrupts, submits, messages;
static int refuse_opcode, refuse_err;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return VMESH_S(ts.tv_sec) + ts.tv_nsec;
}

/* The lock is held. False when it came to the deadline. */
static bool wait_for_change(uint64_t deadline_ns)
{
	struct timespec ts = {
		.tv_sec = deadline_ns / VMESH_S(1),
		.tv_nsec = deadline_ns % VMESH_S(1),
	};

	return pthread_cond_timedwait(&changed, &lock, &ts) != ETIMEDOUT;
}

static int fake_open(const char *device)
{
	int fd;

	if (atoi(device) <= 0)
		return -ENOENT;
	pthread_mutex_lock(&lock);
	for (fd = 0; fd < FILES && files[fd].used; fd++)
		;
	if (fd < FILES) {
		memset(&files[fd], 0, sizeof(files[fd]));
		files[fd].used = true;
		files[fd].node = atoi(device);
	}
	pthread_mutex_unlock(&lock);
	return fd < FILES ? fd : -EMFILE;
}

static void end(struct pending *p, int64_t result, uint64_t missing, uint16_t reason)
{
	p->ended = true;
	p->done = (struct virtmesh_done){
		.user_data = p->op.user_data,
		.result = result,
		.missing = missing,
		.elapsed_ns = now_ns() - p->posted_ns,
		.group = p->op.group,
		.number = p->number,
		.opcode = p->op.opcode,
		.reason = missing ? reason : 0,
		.rank = missing ? __builtin_ctzll(missing) : 0,
	};
	pthread_cond_broadcast(&changed);
}

/* Operations of one member's handle. */
static void end_all(unsigned int handle, int64_t result, uint64_t missing, uint16_t reason)
{
	struct file *f = &files[groups[handle - 1].fd];
	unsigned int i;

	for (i = 0; i < VIRTMESH_OPS_MAX; i++)
		if (f->pending[i].used && !f->pending[i].ended && f->pending[i].op.group == handle)
			end(&f->pending[i], result, missing, reason);
}

static struct member *peer_of(const struct member *m, unsigned int rank)
{
	unsigned int i;

	for (i = 0; i < GROUPS; i++)
		if (groups[i].used && groups[i].id == m->id &&
		    files[groups[i].fd].node == m->nodes[rank])
			return &groups[i];
	return NULL;
}

/* Every operation on the group ends, for `self` with what it knows. */
static void fence(struct member *self, int64_t result, uint64_t missing, uint16_t reason)
{
	unsigned int r;

	for (r = 0; r < self->count; r++) {
		struct member *m = peer_of(self, r);

		if (!m || !m->formed)
			continue;
		m->fenced = true;
		m->missing |= missing;
		end_all(m - groups + 1, m == self || result != -ETIMEDOUT ? result : -ESTALE,
			missing, reason);
	}
}

static void leave(struct member *m)
{
	uint64_t me = 1ULL << m->rank;
	unsigned int r;

	end_all(m - groups + 1, -ECANCELED, 0, 0);
	m->used = false;
	for (r = 0; r < m->count; r++) {
		struct member *p = peer_of(m, r);

		if (p && p->formed) {
			p->fenced = true;
			p->missing |= me;
			end_all(p - groups + 1, -ECONNRESET, me, VIRTMESH_REASON_LEFT);
		}
	}
	pthread_cond_broadcast(&changed);
}

static void fake_close(int fd)
{
	struct file *f = &files[fd];
	unsigned int i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < GROUPS; i++)
		if (groups[i].used && groups[i].fd == fd)
			leave(&groups[i]);
	memset(f->buf, 0, sizeof(f->buf));
	f->used = false;
	pthread_mutex_unlock(&lock);
}

static void *fake_mmap(int fd, size_t size, uint64_t offset)
{
	char *mem = files[fd].buf[offset / PAGE].mem;

	return files[fd].buf[offset / PAGE].size == size ? mem : NULL;
}

static void fake_munmap(void *addr, size_t size)
{
	munmap(addr, size);
}

static int new_buffer(struct file *f, char *mem, size_t size, bool own)
{
	unsigned int h;

	if (!size || size > VIRTMESH_BUF_MAX_BYTES)
		return -EINVAL;
	for (h = 1; h <= VIRTMESH_BUFS_MAX && f->buf[h].size; h++)
		;
	if (h > VIRTMESH_BUFS_MAX)
		return -EMFILE;
	if (own) {
		size = (size + PAGE - 1) / PAGE * PAGE;
		mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	}
	f->buf[h].mem = mem;
	f->buf[h].size = size;
	f->buf[h].own = own;
	return h;
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
	*s = range(&files[m->fd], op->sbuf, op->soff, sends * op->len, &err);
	*r = range(&files[m->fd], op->rbuf, op->roff, receives * op->len, &err);
	return err;
}

/* `p`'s counterpart at another rank: the same collective. */
static struct pending *same(struct member *m, const struct pending *p)
{
	struct file *f = &files[m->fd];
	unsigned int i;

	for (i = 0; i < VIRTMESH_OPS_MAX; i++) {
		struct pending *q = &f->pending[i];

		if (q->used && !q->ended && q->op.group == m - groups + 1 &&
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
		m[a] = peer_of(self, a);
		ops[a] = m[a] ? same(m[a], p) : NULL;
		if (!ops[a])
			return;
		if (ops[a]->op.opcode != p->op.opcode || ops[a]->op.len != p->op.len) {
			fence(self, -EPROTO, 1ULL << a, VIRTMESH_REASON_MISMATCH);
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
	struct member *m = peer_of(self, p->op.rank);
	bool sends = p->op.opcode == VIRTMESH_OP_SEND;
	struct pending *best = NULL, *send, *recv;
	unsigned int i;
	char *s, *r, *unused;

	for (i = 0; m && i < VIRTMESH_OPS_MAX; i++) {
		struct pending *q = &files[m->fd].pending[i];

		if (q->used && !q->ended && q->op.group == m - groups + 1 &&
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
	struct file *f = &files[fd];
	struct pending *p;
	struct member *m;
	char *s, *r;
	int err;

	if (!op->group || op->group > GROUPS)
		return -ENOENT;
	m = &groups[op->group - 1];
	if (!m->used || m->fd != fd)
		return -ENOENT;
	if (refuse_opcode == op->opcode) {
		refuse_opcode = 0;
		return -refuse_err;
	}
	if (!op->timeout_ns || op->timeout_ns > VIRTMESH_TIMEOUT_MAX_NS || op->rank >= m->count)
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
	p->posted_ns = now_ns();
	p->deadline_ns = p->posted_ns + op->timeout_ns;
	if (op->opcode == VIRTMESH_OP_SEND || op->opcode == VIRTMESH_OP_RECV) {
		/* Messages do not count as collectives; their order is all that matters. */
		m->number--;
		p->number = ++messages;
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
		struct member *m = peer_of(self, r);

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
		m = &groups[p->op.group - 1];
		if (p->deadline_ns <= now_ns()) {
			fence(m, -ETIMEDOUT, absent(m, p), VIRTMESH_REASON_STALLED);
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

static int submit(int fd, struct virtmesh_submit *arg)
{
	const struct virtmesh_op *ops = (void *)(uintptr_t)arg->ops;
	struct virtmesh_done *done = (void *)(uintptr_t)arg->done;
	unsigned int want = arg->count, posted = 0, taken = 0;
	struct file *f = &files[fd];
	uint64_t first;
	int err = 0;

	submits++;
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
		if (interrupts) {
			interrupts--;
			err = -EINTR;
			break;
		}
		if (!expire(f, &first)) {
			taken += collect(f, done + taken, arg->room - taken);
			break;
		}
		wait_for_change(first);
	}
	arg->room = taken;
	return err;
}

static int create(int fd, struct virtmesh_group_create *arg)
{
	const uint16_t *nodes = (void *)(uintptr_t)arg->nodes;
	unsigned int i, r, free = GROUPS;

	/* As if a group of another program's had the id. */
	if (refuse_opcode < 0 && arg->id >= VMESH_ID_DERIVED) {
		refuse_opcode = 0;
		return -refuse_err;
	}
	for (i = 0; i < GROUPS; i++) {
		if (!groups[i].used)
			free = i < free ? i : free;
		else if (groups[i].id == arg->id && files[groups[i].fd].node == files[fd].node)
			return -EADDRINUSE;
	}
	if (free == GROUPS)
		return -EMFILE;
	for (r = 0; r < arg->count && nodes[r] != files[fd].node; r++)
		;
	if (!arg->count || arg->count > VIRTMESH_RANKS_MAX || r == arg->count)
		return -EINVAL;
	groups[free] = (struct member){
		.used = true,
		.fd = fd,
		.id = arg->id,
		.rank = r,
		.count = arg->count,
	};
	memcpy(groups[free].nodes, nodes, arg->count * sizeof(*nodes));
	arg->group = free + 1;
	arg->rank = r;
	return 0;
}

static int form(struct virtmesh_group_form *arg)
{
	struct member *self = &groups[arg->group - 1];
	uint64_t deadline = now_ns() + arg->timeout_ns, wanted, excluded = 0;
	unsigned int r, before = self->formings;

	if (arg->flags & VIRTMESH_FORM_SURVIVORS)
		excluded = self->missing;
	wanted = (self->count == 64 ? ~0ULL : (1ULL << self->count) - 1) & ~excluded;
	end_all(arg->group, -ECANCELED, 0, 0);
	self->forming = true;
	for (;;) {
		uint64_t here = 0;

		/* Another member has seen all of us. */
		if (self->formings != before)
			break;
		for (r = 0; r < self->count; r++) {
			struct member *m = peer_of(self, r);

			if (m && m->forming)
				here |= 1ULL << r;
		}
		if ((here & wanted) == wanted) {
			for (r = 0; r < self->count; r++) {
				struct member *m = peer_of(self, r);

				if (!(wanted >> r & 1))
					continue;
				m->members = wanted;
				m->formed = true;
				m->forming = m->fenced = false;
				m->missing = m->number = 0;
				m->formings++;
			}
			pthread_cond_broadcast(&changed);
			break;
		}
		pthread_cond_broadcast(&changed);
		if (!wait_for_change(deadline) && self->formings == before) {
			self->forming = false;
			arg->missing = wanted & ~here;
			arg->rank = __builtin_ctzll(arg->missing);
			arg->reason = VIRTMESH_REASON_ABSENT;
			self->missing |= arg->missing;
			return -ETIMEDOUT;
		}
	}
	arg->members = self->members;
	return 0;
}

static int group_info(struct virtmesh_group_info *arg)
{
	struct member *m = &groups[arg->group - 1];
	struct virtmesh_rank *ranks = (void *)(uintptr_t)arg->ranks;
	unsigned int r;

	for (r = 0; r < m->count && r < arg->count; r++) {
		ranks[r] = (struct virtmesh_rank){ .node = m->nodes[r], .heard_ms = 700 };
		if (m->missing >> r & 1)
			ranks[r].reason = VIRTMESH_REASON_STALLED;
	}
	arg->missing = m->missing;
	return 0;
}

static int control_send(struct virtmesh_control *arg)
{
	struct member *self = &groups[arg->group - 1];
	struct member *m = peer_of(self, arg->rank);

	if (arg->len > sizeof(m->control_data))
		return -EMSGSIZE;
	if (!self->formed || !m)
		return -ENOTCONN;
	if (self->fenced)
		return -ESTALE;
	while (m->control)
		if (!wait_for_change(now_ns() + arg->timeout_ns))
			return -ETIMEDOUT;
	memcpy(m->control_data, (void *)(uintptr_t)arg->addr, arg->len);
	m->control_len = arg->len;
	m->control_from = self->rank;
	m->control = true;
	pthread_cond_broadcast(&changed);
	return 0;
}

static int control_recv(struct virtmesh_control *arg)
{
	struct member *m = &groups[arg->group - 1];

	while (!m->control)
		if (!arg->timeout_ns || !wait_for_change(now_ns() + arg->timeout_ns))
			return arg->timeout_ns ? -ETIMEDOUT : -EAGAIN;
	if (m->control_len > arg->len)
		return -EMSGSIZE;
	memcpy((void *)(uintptr_t)arg->addr, m->control_data, m->control_len);
	arg->len = m->control_len;
	arg->rank = m->control_from;
	m->control = false;
	pthread_cond_broadcast(&changed);
	return 0;
}

static int buffer(struct file *f, unsigned long request, void *arg)
{
	struct virtmesh_buf_register *reg = arg;
	struct virtmesh_buf_alloc *alloc = arg;
	struct virtmesh_buf_free *free = arg;
	int h;

	switch (request) {
	case VIRTMESH_IOC_BUF_ALLOC:
		h = new_buffer(f, NULL, alloc->size, true);
		if (h < 0)
			return h;
		alloc->handle = h;
		alloc->size = f->buf[h].size;
		alloc->offset = (uint64_t)h * PAGE;
		return 0;
	case VIRTMESH_IOC_BUF_REGISTER:
		h = new_buffer(f, (char *)(uintptr_t)reg->addr, reg->size, false);
		reg->handle = h;
		return h < 0 ? h : 0;
	default:
		if (!free->handle || free->handle > VIRTMESH_BUFS_MAX || !f->buf[free->handle].size)
			return -ENOENT;
		f->buf[free->handle].size = 0;
		return 0;
	}
}

static int answer(int fd, unsigned long request, void *arg)
{
	switch (request) {
	case VIRTMESH_IOC_INFO:
		*(struct virtmesh_info *)arg = (struct virtmesh_info){
			.abi = VIRTMESH_ABI,
			.ensemble = 7,
			.node = files[fd].node,
			.state = VIRTMESH_LINK_JOINED,
			.control_max = 64,
			.netdev = "mesh0",
			.version = "fake",
		};
		return 0;
	case VIRTMESH_IOC_BUF_ALLOC:
	case VIRTMESH_IOC_BUF_REGISTER:
	case VIRTMESH_IOC_BUF_FREE:
		return buffer(&files[fd], request, arg);
	case VIRTMESH_IOC_GROUP_CREATE:
		return create(fd, arg);
	case VIRTMESH_IOC_GROUP_FORM:
		return form(arg);
	case VIRTMESH_IOC_GROUP_LEAVE:
		leave(&groups[((struct virtmesh_group_leave *)arg)->group - 1]);
		return 0;
	case VIRTMESH_IOC_GROUP_INFO:
		return group_info(arg);
	case VIRTMESH_IOC_SUBMIT:
		return submit(fd, arg);
	case VIRTMESH_IOC_CONTROL_SEND:
		return control_send(arg);
	case VIRTMESH_IOC_CONTROL_RECV:
		return control_recv(arg);
	default:
		return -ENOTTY;
	}
}

static int fake_ioctl(int fd, unsigned long request, void *arg)
{
	int err;

	pthread_mutex_lock(&lock);
	err = fd >= 0 && fd < FILES && files[fd].used ? answer(fd, request, arg) : -EBADF;
	pthread_mutex_unlock(&lock);
	return err;
}

const struct vmesh_ops fake_ops = {
	.open = fake_open,
	.close = fake_close,
	.ioctl = fake_ioctl,
	.mmap = fake_mmap,
	.munmap = fake_munmap,
};

void fake_reset(void)
{
	memset(files, 0, sizeof(files));
	memset(groups, 0, sizeof(groups));
	interrupts = 0;
	submits = messages = 0;
	refuse_opcode = 0;
}

void fake_interrupt(unsigned int waits)
{
	pthread_mutex_lock(&lock);
	interrupts = waits;
	pthread_mutex_unlock(&lock);
}

void fake_refuse(int opcode, int err)
{
	pthread_mutex_lock(&lock);
	refuse_opcode = opcode;
	refuse_err = err;
	pthread_mutex_unlock(&lock);
}

unsigned int fake_submits(void)
{
	return submits;
}

unsigned int fake_buffers(void)
{
	unsigned int fd, h, n = 0;

	for (fd = 0; fd < FILES; fd++)
		for (h = 1; h <= VIRTMESH_BUFS_MAX; h++)
			n += files[fd].used && files[fd].buf[h].size;
	return n;
}

unsigned int fake_groups(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < GROUPS; i++)
		n += groups[i].used;
	return n;
}
