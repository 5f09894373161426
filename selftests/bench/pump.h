/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A feeder and a sink, a thread on a CPU each, both batched through io_uring:
 * frames are written into one tap and read from others, as fast as it goes. The
 * sink spins: nothing is armed on a tap, so its writer wakes nobody, and what is
 * compared is lanes, not wake-ups. When it has found all of them empty it leaves them
 * alone for a moment. A sink that looks again at once is always at the frame being
 * written: then the ring's slot, the page and its count change CPUs for each frame,
 * up to a third of a lane's time, and not what is compared either.
 *
 * The feeder keeps at most PUMP_WINDOW frames that the slowest receiver has not
 * seen, so that a lane which loses none in itself shows none: what is measured
 * is the lane, not how many frames fit the last ring.
 */
#ifndef VIRTMESH_BENCH_PUMP_H
#define VIRTMESH_BENCH_PUMP_H

#include "lane.h"

#define PUMP_WINDOW 2048 /* half of a tap's ring */

struct pump {
	const struct link *from;
	const struct link *to[LANE_PORTS];
	unsigned int receivers;
	const void *frame;
	size_t len;
	double seconds;
	/* Results. */
	double rate; /* frames a second that arrived, of all receivers together */
	__u64 lost; /* frames that should have arrived and did not */
};

/* 0 or -errno. */
int pump_run(struct pump *pump);

#endif /* VIRTMESH_BENCH_PUMP_H */
