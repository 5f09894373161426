// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Posting and waiting.
 *
 * Theory of operation. Ends of operations belong to the file, not to a thread:
 * whoever asks the kernel gets all there are. So at most one thread, the taker, is
 * in the kernel to wait; it gives each end to its request and wakes everybody.
 * Who finds a taker sleeps until its own requests have ended or the taker has
 * gone, and then becomes it. Posting needs no taker; with one thread, post and
 * wait are one system call.
 *
 * The taker waits for one end, not for all of its own: another thread's must not
 * be held up. What ends together is taken together.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "lib.h"

/* The lock is held: `req` is in mesh.reqs, and has not ended. */
static void enlist(struct vmesh_req *req)
{
	struct vmesh *m = req->mesh;

	req->op.user_data = (uintptr_t)req;
	req->next = m->reqs;
	req->prev = &m->reqs;
	if (req->next)
		req->next->prev = &req->next;
	m->reqs = req;
}

/* The lock is held. */
static void delist(struct vmesh_req *req)
{
	if (!req->prev)
		return;
	*req->prev = req->next;
	if (req->next)
		req->next->prev = req->prev;
	req->prev = NULL;
}

/* It never came to be: no end of it will be told. */
static void refused(struct vmesh_req *req, int err)
{
	req->done = (struct virtmesh_done){ .result = err };
	req->ended = true;
}

/* Where waiting failed once nobody asks again: an end told late would find no request. */
static int submit(struct vmesh *m, struct virtmesh_submit *arg)
{
	int broken = __atomic_load_n(&m->broken, __ATOMIC_RELAXED);

	return broken ? broken : m->ops->ioctl(m->fd, VIRTMESH_IOC_SUBMIT, arg);
}

/* Post `count` requests without waiting. The lock is not held, theirs is their thread. */
static void post(struct vmesh *m, struct vmesh_req **reqs, unsigned int count)
{
	struct virtmesh_op ops[TAKE_MAX];
	unsigned int done = 0, i;

	for (i = 0; i < count; i++)
		ops[i] = reqs[i]->op;
	/* Posting stops at a refused one; the rest may be of other groups. */
	while (done < count) {
		struct virtmesh_submit arg = {
			.ops = (uintptr_t)(ops + done),
			.count = count - done,
		};
		int err = submit(m, &arg);

		if (!err && arg.count) {
			done += arg.count;
		} else {
			pthread_mutex_lock(&m->lock);
			refused(reqs[done++], err ? err : -EIO);
			pthread_mutex_unlock(&m->lock);
		}
	}
}

/*
 * The lock is held and nobody is taking; it is given up meanwhile. Post `ops` and
 * take what ends, for which this sleeps when `wait`. Returns how many were posted,
 * or a negative errno: the first of them was refused, or (without any) nothing
 * will end any more.
 */
static int take(struct vmesh *m, const struct virtmesh_op *ops, unsigned int count, bool wait)
{
	struct virtmesh_done done[TAKE_MAX];
	struct virtmesh_submit arg = {
		.ops = (uintptr_t)ops,
		.done = (uintptr_t)done,
		.count = count,
		.room = TAKE_MAX,
		.wait = wait,
	};
	bool interrupted;
	unsigned int i;
	int err;

	m->taking = true;
	pthread_mutex_unlock(&m->lock);
	err = submit(m, &arg);
	pthread_mutex_lock(&m->lock);
	m->taking = false;
	/* A signal's handler has run; the operations go on, and so does the wait. */
	interrupted = err == -EINTR || err == -ETIME;
	if (interrupted)
		err = 0;
	for (i = 0; !err && i < arg.room; i++) {
		/* cppcheck-suppress uninitvar ; the kernel wrote so many */
		struct vmesh_req *req = (struct vmesh_req *)(uintptr_t)done[i].user_data;

		req->done = done[i];
		req->ended = true;
	}
	pthread_cond_broadcast(&m->ended);
	if (!count && wait && !interrupted && !err && !arg.room)
		err = -EIO; /* somebody waits, and the kernel knows of nothing */
	if (!count && err)
		__atomic_store_n(&m->broken, err, __ATOMIC_RELAXED);
	return err ? err : (int)arg.count;
}

/* The lock is held. Until `over(arg)`, with the reqs' ends given out. 0 or the file's error. */
static int wait_until(struct vmesh *m, bool (*over)(struct vmesh_req **, unsigned int),
		      struct vmesh_req **reqs, unsigned int count)
{
	while (!over(reqs, count)) {
		int err = 0;

		if (m->taking)
			pthread_cond_wait(&m->ended, &m->lock);
		else
			err = take(m, NULL, 0, true);
		if (err < 0)
			return err;
	}
	return 0;
}

static bool all_ended(struct vmesh_req **reqs, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (reqs[i] && !reqs[i]->ended)
			return false;
	return true;
}

static bool any_ended(struct vmesh_req **reqs, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (reqs[i] && reqs[i]->ended)
			return true;
	return false;
}

/* Tell the group about it. The lock is not held. */
static int outcome(struct vmesh_req *req)
{
	if (req->done.result < 0 && req->group)
		vmesh_failed(req->group, req->done.result, &req->op,
			     req->done.user_data ? &req->done : NULL);
	return req->done.result;
}

int vmesh_run(struct vmesh *m, struct vmesh_req **reqs, unsigned int count)
{
	struct virtmesh_op ops[TAKE_MAX];
	unsigned int posted = 0, i;
	int err = 0, first = 0;

	pthread_mutex_lock(&m->lock);
	for (i = 0; i < count; i++) {
		enlist(reqs[i]);
		ops[i] = reqs[i]->op;
	}
	if (!m->taking) {
		int n = take(m, ops, count, true);

		if (n >= 0)
			posted = n;
		else
			refused(reqs[posted++], n);
	}
	if (posted < count) {
		pthread_mutex_unlock(&m->lock);
		post(m, reqs + posted, count - posted);
		pthread_mutex_lock(&m->lock);
	}
	err = wait_until(m, all_ended, reqs, count);
	for (i = 0; i < count; i++) {
		delist(reqs[i]);
		if (err && !reqs[i]->ended)
			refused(reqs[i], err);
	}
	pthread_mutex_unlock(&m->lock);
	for (i = 0; i < count; i++) {
		err = outcome(reqs[i]);
		if (err < 0 && !first)
			first = err;
	}
	return first;
}

int vmesh_start(const struct vmesh_req *prepared, struct vmesh_req **out)
{
	struct vmesh *m = prepared->mesh;
	struct vmesh_req *req;
	int err = 0;

	*out = NULL;
	req = malloc(sizeof(*req));
	if (!req)
		return -ENOMEM;
	*req = *prepared;
	pthread_mutex_lock(&m->lock);
	enlist(req);
	pthread_mutex_unlock(&m->lock);
	post(m, &req, 1);
	pthread_mutex_lock(&m->lock);
	/* Refused, or ended already and taken by another thread. */
	if (req->ended && !req->done.user_data) {
		err = req->done.result;
		delist(req);
	}
	pthread_mutex_unlock(&m->lock);
	if (err) {
		vmesh_failed(req->group, err, &req->op, NULL);
		free(req);
		return err;
	}
	*out = req;
	return 0;
}

/* The lock is held on entry, and given up. */
static int reap(struct vmesh_req *req)
{
	struct vmesh *m = req->mesh;
	int result;

	delist(req);
	pthread_mutex_unlock(&m->lock);
	result = outcome(req);
	free(req);
	return result;
}

int vmesh_wait(struct vmesh_req *req)
{
	struct vmesh *m = req->mesh;
	int err;

	pthread_mutex_lock(&m->lock);
	err = wait_until(m, all_ended, &req, 1);
	if (err)
		refused(req, err);
	return reap(req);
}

int vmesh_test(struct vmesh_req **reqp)
{
	struct vmesh_req *req = *reqp;
	struct vmesh *m;
	int err = 0;

	if (!req)
		return 0;
	m = req->mesh;
	pthread_mutex_lock(&m->lock);
	if (!req->ended && !m->taking)
		err = take(m, NULL, 0, false);
	if (err < 0)
		refused(req, err);
	if (!req->ended) {
		pthread_mutex_unlock(&m->lock);
		return -EAGAIN;
	}
	*reqp = NULL;
	return reap(req);
}

int vmesh_wait_any(struct vmesh_req **reqs, unsigned int count, int *result)
{
	struct vmesh *m;
	unsigned int i;
	int err;

	for (i = 0; i < count && !reqs[i]; i++)
		;
	if (i == count)
		return -ENOENT;
	m = reqs[i]->mesh;
	pthread_mutex_lock(&m->lock);
	err = wait_until(m, any_ended, reqs, count);
	if (err)
		refused(reqs[i], err);
	else
		for (i = 0; !reqs[i] || !reqs[i]->ended; i++)
			;
	*result = reap(reqs[i]);
	reqs[i] = NULL;
	return i;
}

int vmesh_wait_all(struct vmesh_req **reqs, unsigned int count)
{
	int first = 0;
	unsigned int i;

	for (i = 0; i < count; i++) {
		int result = reqs[i] ? vmesh_wait(reqs[i]) : 0;

		reqs[i] = NULL;
		if (result < 0 && !first)
			first = result;
	}
	return first;
}
