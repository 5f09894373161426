// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * A file has a fixed number of entries, made with its first group, so that posting
 * allocates nothing. An entry goes from `free` to `pending` when it is posted, and
 * from there, in the group's call of done(), to whoever takes its result:
 *
 *	SUBMIT	to `ended`, and is free when it was copied to the program
 *	URING	to a task work of io_uring, which posts the completion (uring.c)
 *	SLEEPER	to the thread that waits for just this one (control.c); should a
 *		signal take that away, to `orphans`
 *
 * done() runs with the group's lock held, perhaps in softirq. It wakes who waits,
 * and drops nothing: buffers and groups are let go by process context, where that
 * may sleep. The queue's lock is never held when a group is called.
 *
 * A waiter is woken when as many have ended as it wants, not before: the check is
 * in its wake function. With a busy poll it first runs the receive poll itself, so
 * that what it waits for is placed and found without an interrupt.
 */
#include <linux/compat.h>
#include <linux/eventfd.h>
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <uapi/linux/virtmesh.h>

#include "buffer.h"
#include "compat.h"
#include "group.h"
#include "mesh.h"
#include "opcheck.h"
#include "submit.h"
#include "trace.h"
#include "uring.h"

static_assert(sizeof(struct virtmesh_op) == 64);
static_assert(sizeof(struct virtmesh_done) == 56);
static_assert(sizeof(struct virtmesh_submit) == 40);

#define VMESH_BUSY_POLL_MAX 10000 /* us */

/* The pool's life. */

void vmesh_ops_init(struct vmesh_ops *q)
{
	mutex_init(&q->prepare_lock);
	spin_lock_init(&q->lock);
	INIT_LIST_HEAD(&q->free);
	INIT_LIST_HEAD(&q->pending);
	INIT_LIST_HEAD(&q->ended);
	INIT_LIST_HEAD(&q->orphans);
	init_waitqueue_head(&q->wait);
}

int vmesh_ops_prepare(struct vmesh_ops *q)
{
	struct vmesh_entry *pool;
	unsigned int i;
	int err = 0;

	mutex_lock(&q->prepare_lock);
	if (q->pool)
		goto out;
	pool = kvcalloc(VIRTMESH_OPS_MAX, sizeof(*pool), GFP_KERNEL_ACCOUNT);
	if (!pool) {
		err = -ENOMEM;
		goto out;
	}
	spin_lock_bh(&q->lock);
	for (i = 0; i < VIRTMESH_OPS_MAX; i++)
		list_add_tail(&pool[i].list, &q->free);
	q->pool = pool;
	spin_unlock_bh(&q->lock);
out:
	mutex_unlock(&q->prepare_lock);
	return err;
}

/* Under the lock: when it is seen, done() has left it for the last time. */
static bool vmesh_ops_idle(struct vmesh_ops *q)
{
	bool idle;

	spin_lock_bh(&q->lock);
	idle = !q->in_flight;
	spin_unlock_bh(&q->lock);
	return idle;
}

static void vmesh_ops_reap(struct vmesh_ops *q, struct list_head *from)
{
	struct vmesh_entry *e;

	for (;;) {
		spin_lock_bh(&q->lock);
		e = list_first_entry_or_null(from, struct vmesh_entry, list);
		if (e)
			list_del_init(&e->list);
		spin_unlock_bh(&q->lock);
		if (!e)
			return;
		vmesh_entry_put(e);
	}
}

void vmesh_ops_exit(struct vmesh_ops *q)
{
	wait_event(q->wait, vmesh_ops_idle(q));
	vmesh_ops_reap(q, &q->ended);
	vmesh_ops_reap(q, &q->orphans);
	if (q->eventfd)
		eventfd_ctx_put(q->eventfd);
	kvfree(q->pool);
}

/* One entry. */

struct vmesh_entry *vmesh_entry_get(struct vmesh_file *f, enum vmesh_taker taker)
{
	struct vmesh_ops *q = &f->ops;
	struct vmesh_entry *e;

	if (unlikely(!list_empty_careful(&q->orphans)))
		vmesh_ops_reap(q, &q->orphans);
	spin_lock_bh(&q->lock);
	e = list_first_entry_or_null(&q->free, struct vmesh_entry, list);
	if (e)
		list_del(&e->list);
	spin_unlock_bh(&q->lock);
	if (!e)
		return NULL;
	memset(&e->op, 0, offsetof(struct vmesh_op, part));
	memset_after(e, 0, op);
	INIT_LIST_HEAD(&e->list);
	e->file = f;
	e->taker = taker;
	return e;
}

void vmesh_entry_put(struct vmesh_entry *e)
{
	struct vmesh_ops *q = &e->file->ops;
	struct vmesh_group *g = e->op.group;

	/* Its cancel may come now, and has to find no group that we let go of (uring.c). */
	if (e->cmd && !e->ended) {
		spin_lock_bh(&q->lock);
		e->cmd = NULL;
		e->op.group = NULL;
		spin_unlock_bh(&q->lock);
	}
	if (e->sbuf)
		vmesh_buffer_put(e->sbuf);
	if (e->rbuf)
		vmesh_buffer_put(e->rbuf);
	kvfree(e->data);
	if (g)
		vmesh_group_put(g);

	spin_lock_bh(&q->lock);
	e->cmd = NULL;
	e->op.group = NULL;
	list_move(&e->list, &q->free); /* the warmest first */
	spin_unlock_bh(&q->lock);
}

/* Part of buffer @handle, into @buf and @at. Nothing is needed for an empty part. */
static int vmesh_entry_buffer(struct vmesh_file *f, u32 handle, u64 offset, u64 span,
			      struct vmesh_buffer **buf, void **at)
{
	if (!span)
		return 0;
	*buf = vmesh_handles_buffer(&f->handles, handle);
	if (!*buf)
		return -ENOENT;
	if (!vmesh_span_fits(offset, span, (*buf)->size))
		return -ERANGE;
	*at = (*buf)->data + offset;
	return 0;
}

int vmesh_entry_fill(struct vmesh_entry *e, const struct virtmesh_op *arg)
{
	struct vmesh_op *op = &e->op;
	struct vmesh_spans spans;
	void *send = NULL;
	int err;

	op->group = vmesh_handles_group(&e->file->handles, arg->group);
	if (!op->group)
		return -ENOENT;
	err = vmesh_op_valid(arg, vmesh_group_rank(op->group), vmesh_group_count(op->group),
			     &spans);
	if (err)
		return err;
	err = vmesh_entry_buffer(e->file, arg->sbuf, arg->soff, spans.send, &e->sbuf, &send);
	if (!err)
		err = vmesh_entry_buffer(e->file, arg->rbuf, arg->roff, spans.recv, &e->rbuf,
					 &op->recv);
	if (err)
		return err;
	op->send = send;
	op->kind = arg->opcode;
	op->root = arg->rank;
	op->tag = arg->tag;
	op->len = arg->len;
	op->timeout_ns = arg->timeout_ns;
	e->user_data = arg->user_data;
	e->group = arg->group;
	return 0;
}

/* The group's lock is held; see op.h. */
static void vmesh_entry_done(struct vmesh_op *op)
{
	struct vmesh_entry *e = container_of(op, struct vmesh_entry, op);
	struct vmesh_ops *q = &e->file->ops;

	vmesh_trace_ended(e->file->m, op);

	spin_lock(&q->lock);
	q->in_flight--;
	e->ended = true;
	switch (e->taker) {
	case VMESH_TAKER_SUBMIT:
		list_move_tail(&e->list, &q->ended);
		WRITE_ONCE(q->awaited, q->awaited - 1);
		WRITE_ONCE(q->takeable, q->takeable + 1);
		if (q->eventfd)
			vmesh_eventfd_signal(q->eventfd);
		break;
	case VMESH_TAKER_URING:
		list_del_init(&e->list);
		vmesh_uring_done(e); /* it may go as soon as we let go of the lock */
		break;
	case VMESH_TAKER_SLEEPER:
		list_del_init(&e->list);
		complete(&e->done);
		break;
	case VMESH_TAKER_NOBODY:
		list_move_tail(&e->list, &q->orphans);
		break;
	}
	/* Inside the lock: who finds nothing in flight may free the queue. */
	if (e->taker == VMESH_TAKER_SUBMIT || !q->in_flight)
		wake_up_poll(&q->wait, EPOLLRDBAND);
	spin_unlock(&q->lock);
}

/*
 * A thread that is stopped has left its wait before. Of an eventfd, a busy poll and
 * io_uring it cannot be known.
 */
static bool vmesh_entry_awaited(const struct vmesh_op *op)
{
	const struct vmesh_entry *e = container_of(op, struct vmesh_entry, op);
	struct vmesh_ops *q = &e->file->ops;

	switch (e->taker) {
	case VMESH_TAKER_SUBMIT:
		/* No barrier: who begins to wait just now may be taken for one who does not. */
		return waitqueue_active(&q->wait) || READ_ONCE(q->eventfd) || READ_ONCE(q->busy_us);
	case VMESH_TAKER_NOBODY:
		return false;
	default:
		return true;
	}
}

int vmesh_entry_start(struct vmesh_entry *e)
{
	struct vmesh_ops *q = &e->file->ops;
	bool awaited = e->taker == VMESH_TAKER_SUBMIT;
	int err;

	e->op.done = vmesh_entry_done;
	e->op.awaited = vmesh_entry_awaited;
	/* Before it is posted, because it may end while it is. */
	spin_lock_bh(&q->lock);
	list_add_tail(&e->list, &q->pending);
	q->in_flight++;
	WRITE_ONCE(q->awaited, q->awaited + awaited);
	spin_unlock_bh(&q->lock);

	err = vmesh_group_post(e->op.group, &e->op);
	if (!err)
		return 0;

	spin_lock_bh(&q->lock);
	list_del_init(&e->list);
	q->in_flight--;
	WRITE_ONCE(q->awaited, q->awaited - awaited);
	wake_up_all(&q->wait); /* somebody may have counted on it */
	spin_unlock_bh(&q->lock);
	return err;
}

/* Waiting. */

struct vmesh_waiter {
	struct wait_queue_entry wait;
	struct vmesh_ops *q;
	unsigned int want;
};

static bool vmesh_waiter_ready(void *arg)
{
	const struct vmesh_waiter *w = arg;

	return READ_ONCE(w->q->takeable) >= w->want || !READ_ONCE(w->q->awaited);
}

static int vmesh_waiter_wake(struct wait_queue_entry *wait, unsigned int mode, int sync, void *key)
{
	struct vmesh_waiter *w = container_of(wait, struct vmesh_waiter, wait);

	return vmesh_waiter_ready(w) ? default_wake_function(wait, mode, sync, key) : 0;
}

bool vmesh_spin(struct vmesh_file *f, u64 max_ns, bool (*ready)(void *arg), void *arg)
{
	u64 ns = min_t(u64, READ_ONCE(f->ops.busy_us) * NSEC_PER_USEC, max_ns);
	struct vmesh_dev *d = &f->m->dev;
	bool is;
	u64 end;

	is = ready(arg);
	if (is || !ns)
		return is;
	end = ktime_get_ns() + ns;
	vmesh_rx_spin_begin(d);
	do {
		vmesh_rx_spin(d);
		is = ready(arg);
		if (is || signal_pending(current))
			break;
		vmesh_relax();
	} while (ktime_get_ns() < end && !READ_ONCE(f->m->gone));
	vmesh_rx_spin_end(d);
	return is;
}

/* Until @want can be taken, or no more would come. 0, EINTR, ETIME. */
static int vmesh_ops_wait(struct vmesh_file *f, unsigned int want, u64 timeout_ns)
{
	struct vmesh_waiter w = { .q = &f->ops, .want = want };
	ktime_t expires = KTIME_MAX;
	int err = 0;

	if (timeout_ns)
		expires = ktime_add_safe(ktime_get(), min_t(u64, timeout_ns, KTIME_MAX));
	if (vmesh_spin(f, timeout_ns ?: U64_MAX, vmesh_waiter_ready, &w))
		return 0;

	init_waitqueue_func_entry(&w.wait, vmesh_waiter_wake);
	w.wait.private = current;
	add_wait_queue(&f->ops.wait, &w.wait);
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (vmesh_waiter_ready(&w))
			break;
		if (signal_pending(current)) {
			err = -EINTR;
			break;
		}
		if (schedule_hrtimeout_range(timeout_ns ? &expires : NULL, 0, HRTIMER_MODE_ABS))
			continue;
		err = vmesh_waiter_ready(&w) ? 0 : -ETIME;
		break;
	}
	__set_current_state(TASK_RUNNING);
	remove_wait_queue(&f->ops.wait, &w.wait);
	return err;
}

/* Taking. */

static void vmesh_done_fill(struct virtmesh_done *done, const struct vmesh_entry *e)
{
	const struct vmesh_op *op = &e->op;

	*done = (struct virtmesh_done){
		.user_data = e->user_data,
		.result = op->result,
		.missing = op->missing,
		.bytes = op->bytes,
		.elapsed_ns = op->ended_ns - op->posted_ns,
		.group = e->group,
		.number = op->number,
		.opcode = op->kind,
		.reason = op->reason,
		.rank = op->rank,
	};
}

/* Copy out up to @room of what has ended. 0, or EFAULT: what was not copied stays. */
static int vmesh_ops_take(struct vmesh_ops *q, struct virtmesh_done __user *to, u32 room,
			  u32 *taken)
{
	struct virtmesh_done done;
	struct vmesh_entry *e;

	while (*taken < room) {
		spin_lock_bh(&q->lock);
		e = list_first_entry_or_null(&q->ended, struct vmesh_entry, list);
		if (e) {
			list_del_init(&e->list);
			WRITE_ONCE(q->takeable, q->takeable - 1);
		}
		spin_unlock_bh(&q->lock);
		if (!e)
			break;
		vmesh_done_fill(&done, e);
		if (copy_to_user(&to[*taken], &done, sizeof(done))) {
			spin_lock_bh(&q->lock);
			list_add(&e->list, &q->ended);
			WRITE_ONCE(q->takeable, q->takeable + 1);
			wake_up_poll(&q->wait, EPOLLRDBAND);
			spin_unlock_bh(&q->lock);
			return -EFAULT;
		}
		vmesh_entry_put(e);
		++*taken;
	}
	return 0;
}

/* Post what @arg has, up to the first that is refused. How many; or the first's errno. */
static int vmesh_ops_post(struct vmesh_file *f, const struct virtmesh_op __user *from, u32 count)
{
	struct virtmesh_op op;
	struct vmesh_entry *e;
	u32 posted;
	int err;

	for (posted = 0; posted < count; posted++) {
		if (copy_from_user(&op, &from[posted], sizeof(op)))
			return posted ?: -EFAULT;
		e = vmesh_entry_get(f, VMESH_TAKER_SUBMIT);
		if (!e)
			/* Without a pool there is no group that it could be for. */
			return posted ?: READ_ONCE(f->ops.pool) ? -EAGAIN : -ENOENT;
		err = vmesh_entry_fill(e, &op);
		if (!err)
			err = vmesh_entry_start(e);
		if (err) {
			vmesh_entry_put(e);
			return posted ?: err;
		}
	}
	return posted;
}

int vmesh_submit(struct vmesh_file *f, struct virtmesh_submit *arg)
{
	struct virtmesh_done __user *done = u64_to_user_ptr(arg->done);
	u32 room = arg->room, count = arg->count;
	int err = 0, fault;

	arg->room = 0;
	arg->count = 0;
	/* More than can be pending at once is never posted, nor ended, by one call. */
	if (arg->flags || arg->wait > room)
		return -EINVAL;
	if (count) {
		err = vmesh_ops_post(f, u64_to_user_ptr(arg->ops), min_t(u32, count, S32_MAX));
		if (err < 0)
			return err;
		arg->count = err;
		err = 0;
	}
	if (arg->wait)
		err = vmesh_ops_wait(f, arg->wait, arg->timeout_ns);
	fault = vmesh_ops_take(&f->ops, done, room, &arg->room);
	return fault ?: err;
}

/* How a file likes to be told. */

int vmesh_set_eventfd(struct vmesh_file *f, struct virtmesh_eventfd *arg)
{
	struct eventfd_ctx *ctx = NULL;

	if (arg->reserved || arg->fd < -1)
		return -EINVAL;
	if (arg->fd >= 0) {
		ctx = eventfd_ctx_fdget(arg->fd);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
	}
	spin_lock_bh(&f->ops.lock);
	swap(f->ops.eventfd, ctx);
	spin_unlock_bh(&f->ops.lock);
	if (ctx)
		eventfd_ctx_put(ctx);
	return 0;
}

int vmesh_set_busy_poll(struct vmesh_file *f, struct virtmesh_busy_poll *arg)
{
	if (arg->reserved || arg->us > VMESH_BUSY_POLL_MAX)
		return -EINVAL;
	WRITE_ONCE(f->ops.busy_us, arg->us);
	return 0;
}
