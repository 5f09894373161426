/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one io_uring everything goes through: what the mover submits by the
 * batch, and a few watched fds, a timer and signals for all others.
 *
 * A round of vm_loop_run():
 *
 *	engine->work()		queues submissions; says whether the loop may sleep
 *	io_uring_enter()	one call: submits, and sleeps only if it may
 *	engine->complete()	for each of the engine's completions
 *	engine->flush()		then they are forgotten (and only then: see keep.h)
 *	watchers, timer		called with nothing of the engine's in flight that it would
 *				not take back when told to stop
 *
 * So a watcher may start and stop rings, change the memory table or the lane.
 */
#ifndef VIRTMESH_VHOST_LOOP_H
#define VIRTMESH_VHOST_LOOP_H

#include <stdbool.h>
#include <stddef.h>

#include <liburing.h>
#include <linux/types.h>

#include "keep.h"

/* What completed: bits 0-7 of user_data. index and generation are the owner's. */
enum vm_event {
	VM_EVENT_NONE, /* a cancellation, or something long forgotten */
	VM_EVENT_WATCH, /* index: watch */
	VM_EVENT_TIMER,
	VM_EVENT_ENGINE, /* this and all above are the engine's */
	VM_EVENT_TRANSMIT = VM_EVENT_ENGINE, /* index: ring << 16 | head; mover.h */
	VM_EVENT_RECEIVE, /* index: ring << 16 | head */
	VM_EVENT_KICK, /* index: ring */
	VM_EVENT_CALL, /* index: ring */
	VM_EVENT_TAP, /* it is readable */
	VM_EVENT_PROBE,
};

static inline __u64 vm_event_pack(enum vm_event event, __u32 index, __u32 generation)
{
	return (__u64)generation << 32 | (index & 0xffffff) << 8 | event;
}

static inline enum vm_event vm_event_of(__u64 data)
{
	return data & 0xff;
}

static inline __u32 vm_event_index(__u64 data)
{
	return data >> 8 & 0xffffff;
}

static inline __u32 vm_event_generation(__u64 data)
{
	return data >> 32;
}

struct sandbox_calls;

struct vm_engine {
	bool (*work)(void *ctx); /* true: do not sleep */
	void (*complete)(void *ctx, const struct io_uring_cqe *cqe);
	void (*flush)(void *ctx);
};

#define VM_LOOP_FILE_TAP 0 /* slots of registered files */
#define VM_LOOP_FILES	 1
#define VM_LOOP_WATCHES	 24
#define VM_LOOP_ENTRIES	 256
#define VM_LOOP_KEPT	 VM_KEEP_SIZE /* bytes of the ring in kept memory */

struct vm_loop_watch {
	int fd; /* -1: free */
	__u16 generation;
	bool armed, ready;
	void (*fn)(void *arg);
	void *arg;
};

struct vm_loop_stats {
	__u64 enters; /* io_uring_enter(2) */
	__u64 wakeups; /* of those, the ones that had slept */
};

struct vm_loop {
	struct io_uring ring;
	bool kept; /* the ring lives in memory that outlives us */
	bool stop; /* vm_loop_run() returns @status after this round */
	int status;
	bool fixed_files;
	bool false_alarm; /* IORING_SQ_TASKRUN is set, and nothing stands behind it */
	const char *setup; /* what the kernel gave us, for the log */

	const struct vm_engine *engine; /* may be NULL */
	void *engine_ctx;

	struct vm_loop_watch watch[VM_LOOP_WATCHES];
	bool watch_due; /* some are to be armed, or called */

	struct __kernel_timespec ts;
	bool timer_armed;
	__u32 timer_generation;
	bool timer_fired;
	void (*timer_fn)(void *arg);
	void *timer_arg;

	int signals; /* signalfd; -1 */
	void (*signal_fn)(void *arg, int signo);
	void *signal_arg;

	struct vm_loop_stats stats;
};

/*
 * Make the ring, with what this kernel has of what we like (@plain: as if it
 * were the oldest). @keep: VM_LOOP_KEPT bytes, page aligned, of a memfd mapped
 * shared, in which the ring is to live (kernels from 6.10; see keep.h),
 * or NULL. The last port's completions in it are lost, even if @plain: vm_mover_salvage() first.
 * The ring is still disabled: nothing can be submitted. 0 or -errno; says why.
 */
int vm_loop_init(struct vm_loop *loop, void *keep, bool plain);
/* From here on the ring takes only the operations this program knows. 0 or -errno. */
int vm_loop_enable(struct vm_loop *loop);
void vm_loop_exit(struct vm_loop *loop);

/* Until vm_loop_stop(), whose @status (>= 0) it returns; or the -errno that ended it. */
int vm_loop_run(struct vm_loop *loop);
void vm_loop_stop(struct vm_loop *loop, int status);

/*
 * Call @fn(@arg) whenever @fd is readable (or has hung up), level-triggered, until
 * vm_loop_unwatch(). fn may watch and unwatch, itself too. -EBUSY: no slot left.
 */
int vm_loop_watch(struct vm_loop *loop, int fd, void (*fn)(void *arg), void *arg);
/* Before @fd is closed. Nothing is called for it any more. */
void vm_loop_unwatch(struct vm_loop *loop, int fd);
/* Call @fn(@arg) once, @ns from now; 0: never. There is one timer. */
void vm_loop_timer(struct vm_loop *loop, __u64 ns, void (*fn)(void *arg), void *arg);
/* Block SIGTERM, SIGINT, SIGHUP, SIGUSR1 and have @fn(@arg, signo) called for them. 0 or -errno. */
int vm_loop_signals(struct vm_loop *loop, void (*fn)(void *arg, int signo), void *arg);

/* For the engine. A cleared submission entry, never NULL: a full queue is submitted first. */
struct io_uring_sqe *vm_loop_sqe(struct vm_loop *loop);
/* Submit what is queued without sleeping. */
void vm_loop_submit(struct vm_loop *loop);
void vm_loop_flush(struct vm_loop *loop); /* the same, if anything is queued */
/* One turn, without work(): submit, sleep if @wait, complete, flush. 0 or -errno. */
int vm_loop_turn(struct vm_loop *loop, bool wait);
/* Has something completed, or is the kernel waiting for us to complete it? No system call. */
bool vm_loop_pending(const struct vm_loop *loop);
/* Cancel what was submitted with @data and make sure it does nothing more. */
void vm_loop_cancel(struct vm_loop *loop, __u64 data);
/* Have the registered file @slot be @fd (-1: nothing). 0 or -errno. */
int vm_loop_file(struct vm_loop *loop, unsigned int slot, int fd);

extern const struct sandbox_calls vm_loop_calls;

#endif /* VIRTMESH_VHOST_LOOP_H */
