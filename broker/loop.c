// SPDX-License-Identifier: GPL-2.0-only
/*
 * Setting up the ring.
 *
 * seccomp does not see what an io_uring does: the operations run in the kernel
 * without a system call of their own. So the ring gets a fence of its own. It
 * is made disabled, everything is registered, then the list of operations it
 * will ever take is registered too, and only then is it enabled.
 */
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../host/log.h"
#include "loop.h"
#include "sandbox.h"

#define ENTRIES 256

SANDBOX_CALLS(loop_calls, SANDBOX_CALL(io_uring_enter),
	      SANDBOX_CALL_ARG(io_uring_register, 1, IORING_REGISTER_FILES_UPDATE));

/* Best first. Kernels before 6.1 lack the first set. */
static const struct {
	unsigned int flags;
	const char *what;
} setups[] = {
	{ IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN |
		  IORING_SETUP_SUBMIT_ALL,
	  "single-issuer,defer-taskrun,coop-taskrun" },
	{ IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL, "coop-taskrun" },
	{ 0, "none" },
};

/* keep sorted */
static const __u8 operations[] = {
	IORING_OP_ACCEPT, IORING_OP_ASYNC_CANCEL, IORING_OP_READ,    IORING_OP_READ_FIXED,
	IORING_OP_RECV,	  IORING_OP_SEND,	  IORING_OP_TIMEOUT, IORING_OP_TIMEOUT_REMOVE,
	IORING_OP_WRITE,  IORING_OP_WRITE_FIXED,  OP_READ_MULTISHOT,
};

/* liburing 2.3 declares functions for these two and does not export them. */
static int ring_register(const struct loop *loop, unsigned int op, const void *arg, unsigned int n)
{
	return syscall(__NR_io_uring_register, loop->ring.ring_fd, op, arg, n) < 0 ? -errno : 0;
}

static int make_ring(struct loop *loop, bool plain, const char **what)
{
	size_t n = sizeof(setups) / sizeof(setups[0]);
	int err = -EINVAL;

	for (size_t i = plain ? n - 1 : 0; i < n && err == -EINVAL; i++) {
		struct io_uring_params p = {
			.flags = setups[i].flags | IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE,
			.cq_entries = 4 * ENTRIES,
		};

		err = io_uring_queue_init_params(ENTRIES, &loop->ring, &p);
		*what = setups[i].what;
	}
	return err;
}

static int block_signals(struct loop *loop)
{
	sigset_t set;

	/* SIGPIPE would come from a client that left; its send tells us as well. */
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	loop->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return loop->signals < 0 ? -errno : 0;
}

int loop_init(struct loop *loop, bool plain, const struct iovec buffers[BUFFERS])
{
	int no_files[FILES] = { -1 };
	struct io_uring_probe *probe;
	const char *setup;
	int err;

	loop->signals = -1;
	err = make_ring(loop, plain, &setup);
	if (err) {
		vm_err("event=start error=\"no io_uring: %s\" hint=\"%s\"", strerror(-err),
		       err == -EPERM ? "look at sysctl kernel.io_uring_disabled" :
				       "the kernel must be 6.1 or newer");
		return err;
	}
	err = block_signals(loop);
	if (err) {
		vm_err("event=start error=\"signalfd: %s\"", strerror(-err));
		goto exit_ring;
	}

	probe = plain ? NULL : io_uring_get_probe_ring(&loop->ring);
	loop->has_read_multishot = probe && io_uring_opcode_supported(probe, OP_READ_MULTISHOT);
	io_uring_free_probe(probe);
	/* Both are an optimisation: a small RLIMIT_MEMLOCK, say, is no reason to stay away. */
	loop->has_fixed_buffers = !plain &&
				  !io_uring_register_buffers(&loop->ring, buffers, BUFFERS);
	loop->has_fixed_files = !plain && !io_uring_register_files(&loop->ring, no_files, FILES);

	vm_info("event=ring setup=%s read-multishot=%d fixed-buffers=%d fixed-files=%d", setup,
		loop->has_read_multishot, loop->has_fixed_buffers, loop->has_fixed_files);
	return 0;

exit_ring:
	io_uring_queue_exit(&loop->ring);
	return err;
}

int loop_enable(struct loop *loop)
{
	struct io_uring_restriction res[sizeof(operations) + 2];
	unsigned int n = 0;
	int err;

	memset(res, 0, sizeof(res));
	for (size_t i = 0; i < sizeof(operations); i++) {
		/* A kernel refuses to restrict to what it does not know. */
		if (operations[i] == OP_READ_MULTISHOT && !loop->has_read_multishot)
			continue;
		res[n].opcode = IORING_RESTRICTION_SQE_OP;
		res[n++].sqe_op = operations[i];
	}
	res[n].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	res[n++].sqe_flags = IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
	res[n].opcode = IORING_RESTRICTION_REGISTER_OP;
	res[n++].register_op = IORING_REGISTER_FILES_UPDATE;

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

void loop_exit(struct loop *loop)
{
	io_uring_queue_exit(&loop->ring);
	close(loop->signals);
}

struct io_uring_sqe *loop_sqe(struct loop *loop)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&loop->ring);

	/* The kernel consumes the whole queue at each submit: room is certain then. */
	while (!sqe) {
		io_uring_submit(&loop->ring);
		sqe = io_uring_get_sqe(&loop->ring);
	}
	return sqe;
}

bool loop_ready(struct loop *loop)
{
	/*
	 * With DEFER_TASKRUN a plain submit does not run what waited by poll: the tap, the
	 * signals. Clients who always have asked already complete at submit, for ever, and
	 * would keep us from the wait that does.
	 */
	if (io_uring_sq_ready(&loop->ring))
		io_uring_submit_and_get_events(&loop->ring);
	return io_uring_cq_ready(&loop->ring);
}

int loop_wait(struct loop *loop)
{
	int err = io_uring_submit_and_wait(&loop->ring, 1);

	loop->wakeups++;
	/* EBUSY, EAGAIN: completions must be reaped first, which the caller does now. */
	if (err < 0 && err != -EINTR && err != -EBUSY && err != -EAGAIN)
		return err;
	return 0;
}

void loop_timer(struct loop *loop, __u64 when)
{
	struct io_uring_sqe *sqe;

	if (when == loop->timer_at)
		return;
	if (loop->timer_at) {
		sqe = loop_sqe(loop);
		io_uring_prep_timeout_remove(sqe,
					     event_pack(EVENT_TIMER, 0, loop->timer_generation), 0);
		io_uring_sqe_set_data64(sqe, event_pack(EVENT_NONE, 0, 0));
	}
	loop->timer_at = when;
	loop->timer_generation++;
	if (!when)
		return;

	/* The kernel copies ts at submit; if an older one still waits there, it goes first. */
	sqe = loop_sqe(loop);
	loop->ts.tv_sec = when / 1000000000;
	loop->ts.tv_nsec = when % 1000000000;
	io_uring_prep_timeout(sqe, &loop->ts, 0, IORING_TIMEOUT_ABS);
	io_uring_sqe_set_data64(sqe, event_pack(EVENT_TIMER, 0, loop->timer_generation));
}

void loop_cancel(struct loop *loop, __u64 user_data)
{
	struct io_uring_sqe *sqe = loop_sqe(loop);

	io_uring_prep_cancel64(sqe, user_data, 0);
	io_uring_sqe_set_data64(sqe, event_pack(EVENT_NONE, 0, 0));
}

void loop_arm_signals(struct loop *loop)
{
	struct io_uring_sqe *sqe = loop_sqe(loop);

	io_uring_prep_read(sqe, loop->signals, &loop->siginfo, sizeof(loop->siginfo), 0);
	io_uring_sqe_set_data64(sqe, event_pack(EVENT_SIGNAL, 0, 0));
}
