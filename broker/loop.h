/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The io_uring everything goes through, and what a completion is called.
 */
#ifndef VIRTMESH_BROKER_LOOP_H
#define VIRTMESH_BROKER_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/signalfd.h>

#include <liburing.h>
#include <linux/types.h>

struct sandbox_calls;

/* What completed: bits 0-7 of user_data. index and generation are the owner's. */
enum event {
	EVENT_NONE, /* a cancellation: what it cancelled reports for itself */
	EVENT_TAP_READ, /* index: buffer; node0.c */
	EVENT_TAP_WRITE, /* index: buffer */
	EVENT_TIMER,
	EVENT_SIGNAL,
	EVENT_ACCEPT, /* server.c */
	EVENT_RECV, /* index: client */
	EVENT_SEND, /* index: client */
};

static inline __u64 event_pack(enum event event, __u32 index, __u32 generation)
{
	return (__u64)generation << 32 | (index & 0xffffff) << 8 | event;
}

static inline enum event event_of(__u64 data)
{
	return data & 0xff;
}

static inline __u32 event_index(__u64 data)
{
	return data >> 8 & 0xffffff;
}

static inline __u32 event_generation(__u64 data)
{
	return data >> 32;
}

/* Newer than the liburing we build with; the kernel is asked whether it has it. */
#define OP_READ_MULTISHOT 49

struct loop {
	struct io_uring ring;
	__u64 wakeups; /* times the wait for completions ended */

	bool has_read_multishot;
	bool has_fixed_buffers;
	bool has_fixed_files;

	int signals; /* signalfd */
	struct signalfd_siginfo siginfo;

	struct __kernel_timespec ts;
	__u64 timer_at; /* CLOCK_MONOTONIC, ns; 0: not armed */
	__u32 timer_generation;
};

/* The fixed-file slot of the tap, and the fixed buffers: node0.c's. */
#define FILE_TAP    0
#define FILES	    1
#define BUFFER_RX   0
#define BUFFER_TX   1
#define BUFFERS	    2
#define BUFFER_RING 0 /* group of the provided buffers */

/*
 * Make the ring, with what this kernel has of what we like (@plain: without, as
 * if it were the oldest), and block the signals we read. The ring is still
 * disabled: nothing can be submitted. Returns 0 or -errno; says why in the log.
 */
int loop_init(struct loop *loop, bool plain, const struct iovec buffers[BUFFERS]);
/* From here on the ring takes only the operations this daemon knows. 0 or -errno. */
int loop_enable(struct loop *loop);
void loop_exit(struct loop *loop);

/* A cleared submission entry, never NULL: a full queue is submitted first. */
struct io_uring_sqe *loop_sqe(struct loop *loop);
/* Submit, without sleeping. Has something completed already? */
bool loop_ready(struct loop *loop);
/* Submit, and sleep until something completes. 0, or -errno that is no EINTR. */
int loop_wait(struct loop *loop);
/* Have EVENT_TIMER at @when (CLOCK_MONOTONIC, ns); 0: never. There is one timer. */
void loop_timer(struct loop *loop, __u64 when);
/* Cancel what was submitted with @user_data; it completes with -ECANCELED. */
void loop_cancel(struct loop *loop, __u64 user_data);
/* Wait for the next signal: EVENT_SIGNAL, number in loop->siginfo.ssi_signo. */
void loop_arm_signals(struct loop *loop);

extern const struct sandbox_calls loop_calls;

#endif /* VIRTMESH_BROKER_LOOP_H */
