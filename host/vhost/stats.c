// SPDX-License-Identifier: GPL-2.0-only
/*
 * One line for the loop, whatever the lane; one for the mover when it is ours.
 */
#include "../log.h"
#include "device.h"
#include "loop.h"
#include "mover.h"
#include "stats.h"

#define N(x) ((unsigned long long)(x))

void vm_stats_log(const struct vm_device *dev)
{
	const struct vm_loop *loop = dev->loop;
	const struct vm_mover_stats *s;

	vm_info("event=stats of=loop lane=%s enters=%llu wakeups=%llu",
		dev->lane ? dev->lane->name : "none", N(loop->stats.enters),
		N(loop->stats.wakeups));
	if (dev->lane != &vm_lane_own || !dev->lane_data)
		return;
	s = vm_mover_stats(dev->lane_data);
	vm_info("event=stats of=mover tx-frames=%llu tx-bytes=%llu tx-short=%llu tx-long=%llu "
		"tx-offload=%llu tx-busy=%llu tx-failed=%llu tx-batches=%llu rx-frames=%llu "
		"rx-bytes=%llu rx-cut=%llu rx-failed=%llu rx-empty=%llu rx-starved=%llu "
		"rx-batches=%llu rx-rests=%llu kicks=%llu calls=%llu calls-pending=%llu "
		"spins=%llu spins-hit=%llu resumed=%llu carried=%llu",
		N(s->tx_frames), N(s->tx_bytes), N(s->tx_short), N(s->tx_long), N(s->tx_offload),
		N(s->tx_busy), N(s->tx_failed), N(s->tx_batches), N(s->rx_frames), N(s->rx_bytes),
		N(s->rx_cut), N(s->rx_failed), N(s->rx_empty), N(s->rx_starved), N(s->rx_batches),
		N(s->rx_rests), N(s->kicks), N(s->calls), N(s->calls_pending), N(s->spins),
		N(s->spins_hit), N(s->resumed), N(s->carried));
}
