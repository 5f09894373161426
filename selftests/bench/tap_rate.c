// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frames a second from one tap to one other, and from one to many: steered, by a
 * program that does nothing but redirect, and bridged, with the same feeder and
 * sink (pump.h). They take turns. What else the machine does can only slow a round
 * down, so the 90th percentile of the rounds counts, for all; losses are of all
 * rounds together.
 */
#include <stdio.h>

#include "bench.h"
#include "figure.h"
#include "lane.h"
#include "pump.h"

#define ROUNDS	21
#define PERCENT 90
#define SECONDS 0.2
#define MTU	3442 /* 3456 bytes of frame: the most that is native behind write() */

static struct lane steer, bare, bridge;

static int run(struct lane *lane, __u32 dst, size_t len, double *rate, double *lost)
{
	__u8 frame[MTU + VM_ETH_HLEN];
	struct pump pump = { .from = &lane->port[0].link,
			     .receivers = lane->n - 1,
			     .frame = frame,
			     .len = len,
			     .seconds = SECONDS };
	unsigned int i;
	int err;

	for (i = 1; i < lane->n; i++)
		pump.to[i - 1] = &lane->port[i].link;
	bed_frame_to(frame, len, dst, lane_addr(0), 1);
	err = pump_run(&pump);
	*rate = pump.rate;
	*lost += pump.lost;
	return err;
}

/* Without our tracepoints, which fire for each redirect on the host. */
static int run_bare(__u32 dst, size_t len, double *rate, double *lost)
{
	int err = bed_trace(&steer.bed, false) ?: run(&bare, dst, len, rate, lost);

	return bed_trace(&steer.bed, true) ?: err;
}

struct rates {
	double rate[ROUNDS];
	double lost;
};

static void compare(const char *name, struct rates *ours, const char *baseline,
		    struct rates *theirs, double goal)
{
	struct figure figure = {
		.name = name, .unit = "frames/s", .baseline = baseline, .at_least = goal
	};
	char lost_name[80];

	figure.value = figure_percentile(ours->rate, ROUNDS, PERCENT);
	figure.baseline_value = figure_percentile(theirs->rate, ROUNDS, PERCENT);
	figure_add(&figure);

	snprintf(lost_name, sizeof(lost_name), "%s, lost", name);
	figure_add(&(struct figure){ .name = lost_name,
				     .unit = "frames",
				     .value = ours->lost,
				     .baseline = baseline,
				     .baseline_value = theirs->lost });
}

/* @goal_bare: of what the bare program reaches; 0 with @bare not open. */
static int measure(const char *name, __u32 dst, size_t len, double goal, double goal_bare)
{
	struct rates steered = { 0 }, bared = { 0 }, bridged = { 0 };
	int i, err;

	for (i = 0; i < ROUNDS; i++) {
		err = run(&steer, dst, len, &steered.rate[i], &steered.lost) ?:
			      run(&bridge, dst, len, &bridged.rate[i], &bridged.lost);
		if (!err && bare.n)
			err = run_bare(dst, len, &bared.rate[i], &bared.lost);
		if (err)
			return err;
	}
	compare(name, &steered, "Linux bridge", &bridged, goal);
	if (bare.n)
		compare(name, &steered, "bare redirect", &bared, goal_bare);
	return 0;
}

static int lanes_open(unsigned int n)
{
	int err = lane_open(&steer, LANE_STEER, n, MTU);

	if (err)
		return err;
	err = lane_open(&bridge, LANE_BRIDGE, n, MTU);
	if (err)
		lane_close(&steer);
	return err;
}

static void lanes_close(void)
{
	lane_close(&bridge);
	lane_close(&steer);
}

/* The goals against the bare program are those against the bridge, divided by what it reached. */
int bench_tap_rate(void)
{
	int err = lanes_open(2);

	if (err)
		return err;
	err = lane_open(&bare, LANE_BARE, 2, MTU);
	err = err ?: measure("tap to tap, 64 B", lane_addr(1), 64, 2.6, 0.945);
	err = err ?: measure("tap to tap, 1514 B", lane_addr(1), 1514, 1.9, 0.974);
	err = err ?: measure("tap to tap, 3380 B", lane_addr(1), 3380, 0, 0);
	err = err ?: measure("tap to tap, 3456 B", lane_addr(1), 3456, 2.2, 0.957);
	lane_close(&bare);
	lanes_close();
	return err;
}

static int group(unsigned int receivers, const char *small, const char *large)
{
	int err = lanes_open(receivers + 1);

	if (err)
		return err;
	err = measure(small, LANE_ALL, 64, 0, 0) ?: measure(large, LANE_ALL, 1514, 0, 0);
	lanes_close();
	return err;
}

int bench_tap_group(void)
{
	return group(3, "group of 3 receivers, 64 B", "group of 3 receivers, 1514 B") ?:
		       group(15, "group of 15 receivers, 64 B", "group of 15 receivers, 1514 B");
}
