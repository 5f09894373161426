// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frames a second from one tap to one other, and from one to many, steered and
 * bridged, with the same feeder and sink (pump.h). The two take turns. What else
 * the machine does can only slow a round down, so the 90th percentile of the
 * rounds counts, for both; losses are of all rounds together.
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

static struct lane steer, bridge;

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

static int measure(const char *name, __u32 dst, size_t len, double goal)
{
	double steer_rate[ROUNDS], bridge_rate[ROUNDS], steer_lost = 0, bridge_lost = 0;
	struct figure figure = {
		.name = name, .unit = "frames/s", .baseline = "Linux bridge", .at_least = goal
	};
	char lost_name[80];
	int i, err;

	for (i = 0; i < ROUNDS; i++) {
		err = run(&steer, dst, len, &steer_rate[i], &steer_lost) ?:
			      run(&bridge, dst, len, &bridge_rate[i], &bridge_lost);
		if (err)
			return err;
	}
	figure.value = figure_percentile(steer_rate, ROUNDS, PERCENT);
	figure.baseline_value = figure_percentile(bridge_rate, ROUNDS, PERCENT);
	figure_add(&figure);

	snprintf(lost_name, sizeof(lost_name), "%s, lost", name);
	figure_add(&(struct figure){ .name = lost_name,
				     .unit = "frames",
				     .value = steer_lost,
				     .baseline = figure.baseline,
				     .baseline_value = bridge_lost });
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

int bench_tap_rate(void)
{
	int err = lanes_open(2);

	if (err)
		return err;
	err = measure("tap to tap, 64 B", lane_addr(1), 64, 2.6);
	err = err ?: measure("tap to tap, 1514 B", lane_addr(1), 1514, 1.9);
	err = err ?: measure("tap to tap, 3380 B", lane_addr(1), 3380, 0);
	err = err ?: measure("tap to tap, 3456 B", lane_addr(1), 3456, 2.2);
	lanes_close();
	return err;
}

static int group(unsigned int receivers, const char *small, const char *large)
{
	int err = lanes_open(receivers + 1);

	if (err)
		return err;
	err = measure(small, LANE_ALL, 64, 0) ?: measure(large, LANE_ALL, 1514, 0);
	lanes_close();
	return err;
}

int bench_tap_group(void)
{
	return group(3, "group of 3 receivers, 64 B", "group of 3 receivers, 1514 B") ?:
		       group(15, "group of 15 receivers, 64 B", "group of 15 receivers, 1514 B");
}
