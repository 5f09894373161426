// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ring and the loop around it.
 *
 * seccomp does not see what an io_uring does: the operations run in the kernel
 * without a system call of their own. So the ring gets a fence of its own: it is
 * made disabled, the list of operations it will ever take is registered, and only
 * then is it enabled.
 *
 * In a round, what the engine submitted completes before anybody else is called,
 * but for a read that waits for the next frame: the engine cancels that when it is
 * told to stop. (As it does with all of them on a kernel where they may wait.)
 */
#include <errno.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../log.h"
#include "loop.h"
#include "sandbox.h"

#define CQ_ENTRIES (4 * VM_LOOP_ENTRIES)

SANDBOX_CALLS(vm_loop_calls, SANDBOX_CALL(io_uring_enter),
	      SANDBOX_CALL_ARG(io_uring_register, 1, IORING_REGISTER_FILES_UPDATE),
	      SANDBOX_CALL_ARG(io_uring_register, 1, IORING_REGISTER_SYNC_CANCEL),
	      SANDBOX_CALL(clock_gettime), SANDBOX_CALL(read));

/* Best first. */
static const struct {
	unsigned int flags;
	const char *what;
} setups[] = {
	{ IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
		  IORING_SETUP_SUBMIT_ALL,
	  "single-issuer,defer-taskrun" },
	{ IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
	  "coop-taskrun" },
	{ 0, "none" },
};

/* keep sorted */
static const __u8 operations[] = {
	IORING_OP_POLL_ADD, IORING_OP_READ,	      IORING_OP_READV, IORING_OP_SEND,
	IORING_OP_TIMEOUT,  IORING_OP_TIMEOUT_REMOVE, IORING_OP_WRITE, IORING_OP_WRITEV,
};

static int ring_register(const struct vm_loop *loop, unsigned int op, const void *arg,
			 unsigned int n)
{
	return syscall(__NR_io_uring_register, loop->ring.ring_fd, op, arg, n) < 0 ? -errno : 0;
}

static int make_ring(struct vm_loop *loop, void *keep, unsigned int flags)
{
	struct io_uring_params p = {
		.flags = flags | IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE,
		.cq_entries = CQ_ENTRIES,
	};
	int err;

	if (keep) {
		err = vm_keep_init(keep, VM_LOOP_ENTRIES, &p, &loop->ring);
		loop->kept = !err;
	} else {
		err = io_uring_queue_init_params(VM_LOOP_ENTRIES, &loop->ring, &p);
	}
	return err;
}

int vm_loop_init(struct vm_loop *loop, void *keep, bool plain)
{
	size_t n = sizeof(setups) / sizeof(setups[0]);
	int no_files[VM_LOOP_FILES] = { -1 };
	int err = -EINVAL;

	memset(loop, 0, sizeof(*loop));
	loop->signals = -1;
	for (unsigned int i = 0; i < VM_LOOP_WATCHES; i++)
		loop->watch[i].fd = -1;

	if (keep && !plain)
		err = make_ring(loop, keep, setups[0].flags);
	else if (keep)
		vm_keep_forget(keep); /* or the port after us would take them for ours */
	loop->setup = setups[0].what;
	for (size_t i = plain ? n - 1 : 0; i < n && !loop->kept && err; i++) {
		err = make_ring(loop, NULL, setups[i].flags);
		loop->setup = setups[i].what;
		if (err && err != -EINVAL)
			break;
	}
	if (err) {
		vm_err("event=start error=\"no io_uring: %s\" hint=\"%s\"", strerror(-err),
		       err == -EPERM ? "look at sysctl kernel.io_uring_disabled" :
				       "the kernel must be 6.1 or newer");
		return err;
	}
	loop->fixed_files = !plain &&
			    !io_uring_register_files(&loop->ring, no_files, VM_LOOP_FILES);
	vm_info("event=ring setup=%s kept=%d fixed-files=%d", loop->setup, loop->kept,
		loop->fixed_files);
	if (keep && !loop->kept)
		vm_info("event=ring note=\"no ring in memory of ours here (Linux 6.10 has it): frames "
			"in flight when the port is killed may be carried twice\"");
	return 0;
}

int vm_loop_enable(struct vm_loop *loop)
{
	struct io_uring_restriction res[sizeof(operations) + 3];
	unsigned int n = 0;
	int err;

	memset(res, 0, sizeof(res));
	for (size_t i = 0; i < sizeof(operations); i++) {
		res[n].opcode = IORING_RESTRICTION_SQE_OP;
		res[n++].sqe_op = operations[i];
	}
	res[n].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	res[n++].sqe_flags = IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS;
	res[n].opcode = IORING_RESTRICTION_REGISTER_OP;
	res[n++].register_op = IORING_REGISTER_FILES_UPDATE;
	res[n].opcode = IORING_RESTRICTION_REGISTER_OP;
	res[n++].register_op = IORING_REGISTER_SYNC_CANCEL;

	err = ring_register(loop, IORING_REGISTER_RESTRICTIONS, res, n);
	if (err) {
		vm_err("event=start error=\"io_uring restrictions: %s\"", strerror(-err));
		return err;
	}
	err = ring_register(loop, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
	if (err)
		vm_err("event=start error=\"io_uring enable: %s\"", strerror(-err));
	return err;
}

void vm_loop_exit(struct vm_loop *loop)
{
	if (loop->kept)
		vm_keep_exit(&loop->ring);
	else
		io_uring_queue_exit(&loop->ring);
	if (loop->signals >= 0)
		close(loop->signals);
}

int vm_loop_file(struct vm_loop *loop, unsigned int slot, int fd)
{
	struct io_uring_files_update up = {
		.offset = slot,
		.fds = (unsigned long)&fd,
	};
	int ret;

	ret = syscall(__NR_io_uring_register, loop->ring.ring_fd, IORING_REGISTER_FILES_UPDATE, &up,
		      1);
	return ret < 0 ? -errno : 0;
}

struct io_uring_sqe *vm_loop_sqe(struct vm_loop *loop)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&loop->ring);

	/* The kernel consumes the whole queue at each submit: room is certain then. */
	while (!sqe) {
		vm_loop_submit(loop);
		sqe = io_uring_get_sqe(&loop->ring);
	}
	return sqe;
}

void vm_loop_submit(struct vm_loop *loop)
{
	loop->stats.enters++;
	io_uring_submit(&loop->ring);
}

void vm_loop_flush(struct vm_loop *loop)
{
	if (io_uring_sq_ready(&loop->ring))
		vm_loop_submit(loop);
}

/* What the kernel wants to be called for. */
static unsigned int wanted(const struct vm_loop *loop)
{
	return IO_URING_READ_ONCE(*loop->ring.sq.kflags) &
	       (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

bool vm_loop_pending(const struct vm_loop *loop)
{
	unsigned int flags = wanted(loop);

	return io_uring_cq_ready(&loop->ring) ||
	       (loop->false_alarm ? flags & ~IORING_SQ_TASKRUN : flags);
}

/*
 * Who adds work for us may set IORING_SQ_TASKRUN when we have done the work already.
 * It stays set then until there is other work, and a call does not clear it: one that
 * brought nothing is not repeated for its sake. To sleep is safe, and does what there is.
 */
static void note_alarm(struct vm_loop *loop, unsigned int before, unsigned int completed)
{
	loop->false_alarm = !completed && before & wanted(loop) & IORING_SQ_TASKRUN;
}

void vm_loop_cancel(struct vm_loop *loop, __u64 data)
{
	struct io_uring_sync_cancel_reg reg = {
		.addr = data,
		.fd = -1,
		.timeout = { .tv_sec = -1, .tv_nsec = -1 },
	};

	/* What is still queued could not be found. Completed, or never there: as good. */
	vm_loop_flush(loop);
	ring_register(loop, IORING_REGISTER_SYNC_CANCEL, &reg, 1);
}

int vm_loop_watch(struct vm_loop *loop, int fd, void (*fn)(void *arg), void *arg)
{
	struct vm_loop_watch *w;

	for (w = loop->watch; w < loop->watch + VM_LOOP_WATCHES; w++) {
		if (w->fd >= 0)
			continue;
		w->fd = fd;
		w->fn = fn;
		w->arg = arg;
		w->armed = false;
		w->ready = false;
		loop->watch_due = true;
		return 0;
	}
	return -EBUSY;
}

void vm_loop_unwatch(struct vm_loop *loop, int fd)
{
	for (unsigned int i = 0; i < VM_LOOP_WATCHES; i++) {
		struct vm_loop_watch *w = &loop->watch[i];

		if (fd < 0 || w->fd != fd)
			continue;
		if (w->armed)
			vm_loop_cancel(loop, vm_event_pack(VM_EVENT_WATCH, i, w->generation));
		w->fd = -1;
		w->generation++;
	}
}

static void arm_watches(struct vm_loop *loop)
{
	for (unsigned int i = 0; i < VM_LOOP_WATCHES; i++) {
		struct vm_loop_watch *w = &loop->watch[i];
		struct io_uring_sqe *sqe;

		if (w->fd < 0 || w->armed)
			continue;
		sqe = vm_loop_sqe(loop);
		io_uring_prep_poll_add(sqe, w->fd, POLLIN);
		io_uring_sqe_set_data64(sqe, vm_event_pack(VM_EVENT_WATCH, i, ++w->generation));
		w->armed = true;
	}
	loop->watch_due = false;
}

static void call_watchers(struct vm_loop *loop)
{
	for (unsigned int i = 0; i < VM_LOOP_WATCHES; i++) {
		struct vm_loop_watch *w = &loop->watch[i];

		if (w->fd < 0 || !w->ready)
			continue;
		w->ready = false;
		loop->watch_due = true;
		w->fn(w->arg);
	}
	if (loop->timer_fired) {
		loop->timer_fired = false;
		loop->timer_fn(loop->timer_arg);
	}
}

void vm_loop_timer(struct vm_loop *loop, __u64 ns, void (*fn)(void *arg), void *arg)
{
	struct io_uring_sqe *sqe;

	if (loop->timer_armed) {
		sqe = vm_loop_sqe(loop);
		io_uring_prep_timeout_remove(
			sqe, vm_event_pack(VM_EVENT_TIMER, 0, loop->timer_generation), 0);
		io_uring_sqe_set_data64(sqe, vm_event_pack(VM_EVENT_NONE, 0, 0));
		/* The kernel copies ts at submit: the older one first. */
		vm_loop_submit(loop);
	}
	loop->timer_generation++;
	loop->timer_fired = false;
	loop->timer_armed = ns;
	if (!ns)
		return;

	loop->timer_fn = fn;
	loop->timer_arg = arg;
	loop->ts.tv_sec = ns / 1000000000;
	loop->ts.tv_nsec = ns % 1000000000;
	sqe = vm_loop_sqe(loop);
	io_uring_prep_timeout(sqe, &loop->ts, 0, 0);
	io_uring_sqe_set_data64(sqe, vm_event_pack(VM_EVENT_TIMER, 0, loop->timer_generation));
}

static void on_signals(void *arg)
{
	struct vm_loop *loop = arg;
	struct signalfd_siginfo si;

	while (read(loop->signals, &si, sizeof(si)) == sizeof(si))
		loop->signal_fn(loop->signal_arg, si.ssi_signo);
}

int vm_loop_signals(struct vm_loop *loop, void (*fn)(void *arg, int signo), void *arg)
{
	sigset_t set;

	/* SIGPIPE would come from a front-end that left; its answer tells us as well. */
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	loop->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (loop->signals < 0)
		return -errno;
	loop->signal_fn = fn;
	loop->signal_arg = arg;
	return vm_loop_watch(loop, loop->signals, on_signals, loop);
}

static void complete(struct vm_loop *loop, const struct io_uring_cqe *cqe)
{
	__u64 data = cqe->user_data;
	struct vm_loop_watch *w;

	switch (vm_event_of(data)) {
	case VM_EVENT_NONE:
		break;
	case VM_EVENT_WATCH:
		w = &loop->watch[vm_event_index(data)];
		if (w->fd < 0 || w->generation != vm_event_generation(data))
			break;
		w->armed = false;
		w->ready = true;
		break;
	case VM_EVENT_TIMER:
		if (vm_event_generation(data) != loop->timer_generation || cqe->res != -ETIME)
			break;
		loop->timer_armed = false;
		loop->timer_fired = true;
		break;
	default:
		if (loop->engine)
			loop->engine->complete(loop->engine_ctx, cqe);
	}
}

int vm_loop_turn(struct vm_loop *loop, bool wait)
{
	unsigned int head, n = 0, before = wanted(loop);
	struct io_uring_cqe *cqe;
	int ret;

	loop->stats.enters += wait || io_uring_sq_ready(&loop->ring) || before ||
			      io_uring_cq_ready(&loop->ring);
	ret = io_uring_submit_and_wait(&loop->ring, wait);
	loop->stats.wakeups += wait;
	/* EBUSY, EAGAIN: completions must be reaped first, which we do now. */
	if (ret < 0 && ret != -EINTR && ret != -EBUSY && ret != -EAGAIN)
		return ret;

	io_uring_for_each_cqe(&loop->ring, head, cqe) {
		complete(loop, cqe);
		n++;
	}
	note_alarm(loop, before, n);
	/* First what they said is written down, then they are forgotten. */
	if (loop->engine)
		loop->engine->flush(loop->engine_ctx);
	io_uring_cq_advance(&loop->ring, n);
	return 0;
}

int vm_loop_run(struct vm_loop *loop)
{
	int err;

	loop->stop = false;
	while (!loop->stop) {
		bool busy = loop->engine && loop->engine->work(loop->engine_ctx);

		if (loop->watch_due)
			arm_watches(loop);
		err = vm_loop_turn(loop, !busy && !vm_loop_pending(loop));
		if (err)
			return err;
		call_watchers(loop);
	}
	return loop->status;
}

void vm_loop_stop(struct vm_loop *loop, int status)
{
	loop->stop = true;
	loop->status = status;
}
