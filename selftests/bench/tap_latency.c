// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long one frame of 64 bytes takes, steered and bridged:
 *
 *	path		write into one tap, read from the other, in one thread: the
 *			kernel's work alone
 *	round trip	between two threads on two CPUs that sleep in poll: as between
 *			two VMMs, wake-ups included
 *
 * Both lanes take turns, a block of samples at a time.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "figure.h"
#include "lane.h"

#define MTU	1500
#define LEN	64
#define BLOCKS	20
#define BLOCK	1000
#define SAMPLES (BLOCKS * BLOCK)

static struct lane lanes[2]; /* ours, the bridge */
static double ns[2][SAMPLES];

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

static void pin(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu % sysconf(_SC_NPROCESSORS_ONLN), &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

static void figures(const char *p50, const char *p99)
{
	struct figure figure = { .unit = "ns", .baseline = "Linux bridge" };

	figure.name = p50;
	figure.value = figure_percentile(ns[0], SAMPLES, 50);
	figure.baseline_value = figure_percentile(ns[1], SAMPLES, 50);
	figure_add(&figure);
	figure.name = p99;
	figure.value = figure_percentile(ns[0], SAMPLES, 99);
	figure.baseline_value = figure_percentile(ns[1], SAMPLES, 99);
	figure_add(&figure);
}

/* What a bridge says by itself arrives, too: wait for a frame of ours. */
static int read_own(const struct link *link, const __u8 *frame)
{
	__u8 got[MTU + VM_ETH_HLEN];
	ssize_t n;

	do {
		n = link_read_wait(link, got, sizeof(got));
		if (n < 0)
			return n;
	} while (n != LEN || got[5] != frame[5] || got[11] != frame[11]);
	return 0;
}

static int path_block(struct lane *lane, double *sample)
{
	__u8 frame[LEN], got[MTU + VM_ETH_HLEN];
	double start;
	int i;

	bed_frame_to(frame, LEN, lane_addr(1), lane_addr(0), 1);
	for (i = 0; i < BLOCK; i++) {
		start = now_ns();
		if (link_write(&lane->port[0].link, frame, LEN) != LEN)
			return -EIO;
		while (link_read(&lane->port[1].link, got, sizeof(got)) != LEN)
			if (now_ns() - start > 1e9)
				return -ETIMEDOUT;
		sample[i] = now_ns() - start;
	}
	return 0;
}

struct echo {
	struct lane *lane;
	int err;
};

/* Send BLOCK frames back, then end. */
static void *echo_thread(void *arg)
{
	struct echo *echo = arg;
	const struct link *link = &echo->lane->port[1].link;
	__u8 ping[LEN], pong[LEN];
	int i;

	pin(1);
	bed_frame_to(ping, LEN, lane_addr(1), lane_addr(0), 1);
	bed_frame_to(pong, LEN, lane_addr(0), lane_addr(1), 1);
	for (i = 0; i < BLOCK && !echo->err; i++) {
		echo->err = read_own(link, ping);
		if (!echo->err && link_write(link, pong, LEN) != LEN)
			echo->err = -EIO;
	}
	return NULL;
}

static int trip_block(struct lane *lane, double *sample)
{
	struct echo echo = { .lane = lane };
	__u8 ping[LEN], pong[LEN];
	pthread_t thread;
	double start;
	int i, err;

	err = -pthread_create(&thread, NULL, echo_thread, &echo);
	if (err)
		return err;
	bed_frame_to(ping, LEN, lane_addr(1), lane_addr(0), 1);
	bed_frame_to(pong, LEN, lane_addr(0), lane_addr(1), 1);
	for (i = 0; i < BLOCK && !err; i++) {
		start = now_ns();
		if (link_write(&lane->port[0].link, ping, LEN) != LEN)
			err = -EIO;
		else
			err = read_own(&lane->port[0].link, pong);
		sample[i] = now_ns() - start;
	}
	pthread_join(thread, NULL);
	return err ?: echo.err;
}

static int in_turns(int (*block)(struct lane *, double *))
{
	int i, j, err = 0;

	pin(0);
	for (i = 0; !err && i < BLOCKS; i++)
		for (j = 0; !err && j < 2; j++)
			err = block(&lanes[j], ns[j] + i * BLOCK);
	return err;
}

int bench_tap_latency(void)
{
	int err;

	err = lane_open(&lanes[0], LANE_STEER, 2, MTU);
	if (err)
		return err;
	err = lane_open(&lanes[1], LANE_BRIDGE, 2, MTU);
	if (err)
		goto close;

	err = in_turns(path_block);
	if (!err)
		figures("latency of the path, 64 B, p50", "latency of the path, 64 B, p99");
	err = err ?: in_turns(trip_block);
	if (!err)
		figures("round trip of two threads, 64 B, p50",
			"round trip of two threads, 64 B, p99");
	lane_close(&lanes[1]);
close:
	lane_close(&lanes[0]);
	return err;
}
