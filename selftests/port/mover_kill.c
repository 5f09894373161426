// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mover that is killed with -9 under traffic and started again, hundreds of
 * times at random moments: no frame of either direction is lost, none comes twice,
 * none overtakes another. Frames carry numbers; the tap is real.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include <linux/if_packet.h>

#include "moverbed.h"

#define KILLS	 300
#define SECONDS	 60 /* at most */
#define RX_AHEAD 512 /* frames in the tap's queue, which drops silently when full */
#define TX_AHEAD 2048 /* not yet read from the packet socket */

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

FIXTURE(kill)
{
	struct bed bed;
	__u32 tx_sent, tx_seen; /* frames the guest gave, and that came out of the tap */
	__u32 rx_sent, rx_seen;
	unsigned int tx_lost, tx_twice, rx_lost, rx_twice, bad;
};

FIXTURE_VARIANT(kill)
{
	struct bed_options opt;
	bool exact;
};

/* clang-format off */
FIXTURE_VARIANT_ADD(kill, ring_in_kept_memory) {
	.opt = { .keep = true, .cpu = -1 },
	.exact = true,
};
FIXTURE_VARIANT_ADD(kill, ring_in_kept_memory_spinning) {
	.opt = { .keep = true, .cpu = -1, .poll_us = 50 },
	.exact = true,
};
FIXTURE_VARIANT_ADD(kill, ring_in_kept_memory_without_event_index) {
	.opt = { .keep = true, .cpu = -1, .no_event_idx = true },
	.exact = true,
};
FIXTURE_VARIANT_ADD(kill, ring_that_dies_with_it) {
	.opt = { .cpu = -1 },
};
/* clang-format on */

FIXTURE_SETUP(kill)
{
	ASSERT_EQ(0, moverbed_make(&self->bed, &variant->opt));
}

FIXTURE_TEARDOWN(kill)
{
	moverbed_free(&self->bed);
}

static bool guest_sends(struct bed *bed, __u32 *sent, __u32 seen)
{
	bool any = false;
	char *at;

	while (bed_used(bed, VM_MOVER_TX, NULL))
		;
	while (*sent - seen < TX_AHEAD && (at = bed_next(bed, VM_MOVER_TX))) {
		size_t len = 64 + rand() % 400;

		memset(at, 0, BED_HDR);
		bed_frame(at + BED_HDR, len, (*sent)++);
		bed_add(bed, VM_MOVER_TX, rand() % BED_SHAPES, BED_HDR + len);
		any = true;
		if (rand() % 40 == 0)
			break;
	}
	if (any)
		bed_publish(bed, VM_MOVER_TX);
	return any;
}

static void guest_posts(struct bed *bed)
{
	bool any = false;

	while (bed_next(bed, VM_MOVER_RX)) {
		bed_add(bed, VM_MOVER_RX, rand() % BED_SHAPES, 4096);
		any = true;
	}
	if (any)
		bed_publish(bed, VM_MOVER_RX);
}

/* Count @seq where @next was due. */
static void take(long seq, __u32 *next, unsigned int *lost, unsigned int *twice, unsigned int *bad)
{
	int ahead;

	if (seq < 0) {
		(*bad)++;
		return;
	}
	ahead = (int)((__u32)seq - *next);
	if (ahead < 0) {
		(*twice)++;
		return;
	}
	*lost += ahead;
	*next = seq + 1;
}

static bool round_trip(struct __test_metadata *_metadata, FIXTURE_DATA(kill) * self)
{
	struct bed *bed = &self->bed;
	char frame[4096], *at;
	bool any = false;
	__u32 len;
	ssize_t n;

	any |= guest_sends(bed, &self->tx_sent, self->tx_seen);
	for (int i = 0; i < 64; i++) {
		n = recv(bed->packet, frame, sizeof(frame), MSG_DONTWAIT);
		if (n < 0)
			break;
		take(bed_frame_seq(frame, n), &self->tx_seen, &self->tx_lost, &self->tx_twice,
		     &self->bad);
		any = true;
	}

	while ((at = bed_used(bed, VM_MOVER_RX, &len))) {
		if (len < BED_HDR + 64 || at[10] != 1 || at[11])
			self->bad++;
		else
			take(bed_frame_seq(at + BED_HDR, len - BED_HDR), &self->rx_seen,
			     &self->rx_lost, &self->rx_twice, &self->bad);
		any = true;
	}
	guest_posts(bed);
	while (self->rx_sent - self->rx_seen < RX_AHEAD) {
		size_t size = 64 + rand() % 400;

		bed_frame(frame, size, self->rx_sent);
		if (send(bed->packet, frame, size, MSG_DONTWAIT) < 0)
			break;
		self->rx_sent++;
		any = true;
		if (rand() % 40 == 0)
			break;
	}
	return any;
}

TEST_F_TIMEOUT(kill, at_any_moment_loses_and_repeats_nothing, 120)
{
	struct bed *bed = &self->bed;
	struct tpacket_stats ps;
	socklen_t ps_len = sizeof(ps);
	double begin = now(), end, deadline;
	unsigned int kills = 0;
	__u32 tx_at, rx_at;
	int status;

	srand(20061);
	while (kills < KILLS && now() - begin < SECONDS) {
		ASSERT_EQ(0, moverbed_start(bed));
		/* Each life sees a frame go each way, and then a random bit more. */
		tx_at = self->tx_seen;
		rx_at = self->rx_seen;
		deadline = now() + 20;
		while ((self->tx_seen == tx_at || self->rx_seen == rx_at) && now() < deadline)
			round_trip(_metadata, self);
		ASSERT_NE(tx_at, self->tx_seen);
		ASSERT_NE(rx_at, self->rx_seen);
		end = now() + (rand() % 3000) / 1e6;
		while (now() < end)
			round_trip(_metadata, self);
		status = moverbed_end(bed, SIGKILL);
		ASSERT_TRUE(WIFSIGNALED(status));
		kills++;
		if (!bed->shared->kept && variant->exact)
			SKIP(return, "this kernel has no io_uring in memory of ours");
	}
	ASSERT_LT(50, kills);

	/* The last one carries what is left, and ends in good order. */
	ASSERT_EQ(0, moverbed_start(bed));
	tx_at = self->tx_sent;
	rx_at = self->rx_sent;
	deadline = now() + 20;
	while (((int)(self->tx_seen - tx_at) < 0 || (int)(self->rx_seen - rx_at) < 0 ||
		__atomic_load_n(&bed->shared->ready, __ATOMIC_ACQUIRE) != bed->pid) &&
	       now() < deadline)
		round_trip(_metadata, self);
	ASSERT_LE(0, (int)(self->tx_seen - tx_at));
	ASSERT_LE(0, (int)(self->rx_seen - rx_at));
	status = moverbed_end(bed, SIGTERM);
	ASSERT_EQ(0, status);

	ASSERT_EQ(0, getsockopt(bed->packet, SOL_PACKET, PACKET_STATISTICS, &ps, &ps_len));
	ASSERT_EQ(0, ps.tp_drops);
	TH_LOG("%u kills, %u frames out, %u in; out: %u lost %u twice; in: %u lost %u twice; %u bad",
	       kills, self->tx_seen, self->rx_seen, self->tx_lost, self->tx_twice, self->rx_lost,
	       self->rx_twice, self->bad);
	EXPECT_EQ(0, self->tx_lost);
	EXPECT_EQ(0, self->bad);
	if (variant->exact) {
		EXPECT_EQ(0, self->rx_lost);
		EXPECT_EQ(0, self->tx_twice);
	} else {
		/* What was in flight at each kill, and not known to be carried. */
		EXPECT_GE(64 * kills, self->rx_lost);
		EXPECT_GE(64 * kills, self->tx_twice);
	}
	EXPECT_EQ(0, self->rx_twice);
}

TEST_HARNESS_MAIN
