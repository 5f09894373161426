// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mover between rings and a real tap: what comes out is what went in, what
 * must not go through is counted, who does not follow delays nobody else.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include <linux/virtio_net.h>

#include "moverbed.h"

#define RX VM_MOVER_RX
#define TX VM_MOVER_TX

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Until @cond, which is tried again and again, or 20 s. */
#define WAIT_FOR(cond)                                       \
	({                                                   \
		double deadline_ = now() + 20;               \
		bool ok_;                                    \
		while (!(ok_ = (cond)) && now() < deadline_) \
			sched_yield();                       \
		ok_;                                         \
	})

FIXTURE(mover)
{
	struct bed bed;
};

FIXTURE_VARIANT(mover)
{
	struct bed_options opt;
};

/* clang-format off */
FIXTURE_VARIANT_ADD(mover, best) { .opt = { .keep = true, .cpu = -1 } };
FIXTURE_VARIANT_ADD(mover, spinning) { .opt = { .cpu = -1, .poll_us = 50 } };
FIXTURE_VARIANT_ADD(mover, oldest_kernel) { .opt = { .plain = true, .cpu = -1 } };
FIXTURE_VARIANT_ADD(mover, no_event_index) { .opt = { .no_event_idx = true, .cpu = -1 } };
FIXTURE_VARIANT_ADD(mover, call_by_socket) { .opt = { .socket_call = true, .cpu = -1 } };
/* clang-format on */

FIXTURE_SETUP(mover)
{
	ASSERT_EQ(0, moverbed_make(&self->bed, &variant->opt));
	ASSERT_EQ(0, moverbed_start(&self->bed));
	ASSERT_TRUE(WAIT_FOR(__atomic_load_n(&self->bed.shared->ready, __ATOMIC_ACQUIRE)));
}

FIXTURE_TEARDOWN(mover)
{
	moverbed_free(&self->bed);
}

/* Header, then bytes that depend on @seq. */
static void make(char *at, size_t len, __u32 seq)
{
	memset(at, 0, BED_HDR);
	for (size_t i = 0; i < len; i++)
		at[BED_HDR + i] = i * 7 + seq;
	bed_frame(at + BED_HDR, len, seq);
}

static int guest_sends(struct bed *bed, enum bed_shape shape, size_t len, __u32 seq)
{
	char *at = bed_next(bed, TX);

	if (!at)
		return -ENOSPC;
	make(at, len, seq);
	bed_add(bed, TX, shape, BED_HDR + len);
	bed_publish(bed, TX);
	return 0;
}

/* The next frame out of the tap. Its number, -1: none came, -2: other bytes than were sent. */
static long tap_sent(struct bed *bed, size_t *len)
{
	char frame[BED_BUFFER], due[BED_BUFFER];
	struct pollfd pfd = { .fd = bed->packet, .events = POLLIN };
	ssize_t n;
	long seq;

	if (poll(&pfd, 1, 20000) != 1)
		return -1;
	n = recv(bed->packet, frame, sizeof(frame), 0);
	if (n < 64)
		return -2;
	seq = bed_frame_seq(frame, n);
	make(due, n, seq);
	*len = n;
	return memcmp(frame, due + BED_HDR, n) ? -2 : seq;
}

static int net_sends(struct bed *bed, size_t len, __u32 seq)
{
	char at[BED_BUFFER];

	make(at, len, seq);
	return send(bed->packet, at + BED_HDR, len, 0) == (ssize_t)len ? 0 : -errno;
}

/* The next frame that the guest got; as tap_sent(). */
static long guest_got(struct bed *bed, size_t *len)
{
	char due[BED_BUFFER], *at;
	long seq;
	__u32 n;

	if (!WAIT_FOR(bed_has_used(bed, RX)))
		return -1;
	at = bed_used(bed, RX, &n);
	if (n < BED_HDR + 64 || at[10] != 1 || at[11])
		return -2;
	n -= BED_HDR;
	seq = bed_frame_seq(at + BED_HDR, n);
	make(due, n, seq);
	*len = n;
	return memcmp(at + BED_HDR, due + BED_HDR, n) ? -2 : seq;
}

static void guest_posts(struct bed *bed, unsigned int n, size_t len)
{
	while (n-- && bed_next(bed, RX))
		bed_add(bed, RX, n % BED_SHAPES, len);
	bed_publish(bed, RX);
}

static const size_t sizes[] = { 64, 65, 127, 1514, 3380, VM_MTU_DEFAULT + 14 };

TEST_F(mover, frames_of_all_shapes_and_sizes_leave_as_they_are)
{
	size_t len;

	for (unsigned int i = 0; i < 60; i++) {
		size_t size = sizes[i % 6];

		ASSERT_EQ(0, guest_sends(&self->bed, i / 6 % BED_SHAPES, size, i));
		ASSERT_EQ(i, tap_sent(&self->bed, &len));
		ASSERT_EQ(size, len);
		ASSERT_TRUE(WAIT_FOR(bed_has_used(&self->bed, TX)));
		bed_used(&self->bed, TX, NULL);
	}
}

TEST_F(mover, frames_of_all_sizes_arrive_as_they_are_in_buffers_of_all_shapes)
{
	size_t len;

	for (unsigned int i = 0; i < 600; i++) {
		guest_posts(&self->bed, 7, 4096);
		ASSERT_EQ(0, net_sends(&self->bed, sizes[i % 6], i));
		ASSERT_EQ(i, guest_got(&self->bed, &len));
		ASSERT_EQ(sizes[i % 6], len);
	}
}

TEST_F(mover, a_guest_without_buffers_gets_what_waited_when_it_posts_some)
{
	size_t len;

	for (unsigned int round = 0; round < 10; round++) {
		for (unsigned int i = 0; i < 100; i++)
			ASSERT_EQ(0, net_sends(&self->bed, 100, i));
		/* The other direction goes on meanwhile. */
		ASSERT_EQ(0, guest_sends(&self->bed, BED_ONE, 64, round));
		ASSERT_EQ(round, tap_sent(&self->bed, &len));
		bed_used(&self->bed, TX, NULL);
		for (unsigned int i = 0; i < 100; i++) {
			guest_posts(&self->bed, 1, 4096);
			ASSERT_EQ(i, guest_got(&self->bed, &len));
		}
		ASSERT_FALSE(bed_has_used(&self->bed, RX));
	}
}

TEST_F(mover, what_is_no_frame_is_dropped_and_counted_and_comes_back)
{
	const struct vm_mover_stats *s = &self->bed.shared->stats;
	struct bed *bed = &self->bed;
	struct virtio_net_hdr_v1 *hdr;
	size_t len;

	for (unsigned int i = 0; i < 7; i++) {
		char *at = bed_next(bed, TX);

		make(at, 100, 0);
		hdr = (void *)at;
		if (i == 4)
			hdr->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		if (i == 5)
			hdr->gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
		bed_add(bed, TX, BED_ONE,
			i == 0 ? 1 :
			i == 1 ? BED_HDR :
			i == 2 ? BED_HDR + 13 :
			i == 3 ? BED_HDR + 18 + VM_MTU_DEFAULT + 1 :
			i == 6 ? BED_BUFFER :
				 BED_HDR + 100);
	}
	bed_publish(bed, TX);
	ASSERT_EQ(0, guest_sends(bed, BED_ONE, 100, 4711));
	ASSERT_EQ(4711, tap_sent(bed, &len));
	for (unsigned int i = 0; i < 8; i++) {
		ASSERT_TRUE(WAIT_FOR(bed_has_used(bed, TX)));
		bed_used(bed, TX, NULL);
	}
	ASSERT_EQ(0, moverbed_end(bed, SIGTERM));
	EXPECT_EQ(1, s->tx_frames);
	EXPECT_EQ(3, s->tx_short);
	EXPECT_EQ(2, s->tx_long);
	EXPECT_EQ(2, s->tx_offload);
}

TEST_F(mover, a_frame_larger_than_the_buffer_is_dropped_and_counted)
{
	struct bed *bed = &self->bed;
	size_t len;

	guest_posts(bed, 1, 1000);
	ASSERT_EQ(0, net_sends(bed, 1200, 1));
	ASSERT_EQ(0, net_sends(bed, 500, 2));
	ASSERT_EQ(2, guest_got(bed, &len));
	ASSERT_EQ(500, len);
	ASSERT_EQ(0, moverbed_end(bed, SIGTERM));
	EXPECT_EQ(1, bed->shared->stats.rx_cut);
	EXPECT_EQ(1, bed->shared->stats.rx_frames);
}

TEST_F(mover, a_broken_ring_stops_and_the_other_goes_on)
{
	struct bed *bed = &self->bed;
	size_t len;

	bed->ring[TX].avail->ring[0] = 0xffff;
	bed->ring[TX].avail_idx++;
	bed_publish(bed, TX);
	ASSERT_TRUE(WAIT_FOR(((volatile struct bed_shared *)bed->shared)->broken[TX]));
	for (unsigned int i = 0; i < 100; i++) {
		guest_posts(bed, 1, 4096);
		ASSERT_EQ(0, net_sends(bed, 64, i));
		ASSERT_EQ(i, guest_got(bed, &len));
	}
	EXPECT_FALSE(bed->shared->broken[RX]);
}

TEST_F(mover, calls_that_nobody_reads_hold_up_nothing)
{
	struct bed *bed = &self->bed;
	size_t len;

	/* Enough to fill a socket many times over. */
	for (unsigned int i = 0; i < 3000; i++) {
		bed_want_call(bed, RX, true);
		bed_want_call(bed, TX, true);
		guest_posts(bed, 1, 4096);
		ASSERT_EQ(0, net_sends(bed, 64, i));
		ASSERT_EQ(i, guest_got(bed, &len));
		ASSERT_EQ(0, guest_sends(bed, BED_ONE, 64, i));
		ASSERT_EQ(i, tap_sent(bed, &len));
		ASSERT_TRUE(WAIT_FOR(bed_has_used(bed, TX)));
		bed_used(bed, TX, NULL);
	}
	ASSERT_LT(0, bed_calls(bed, RX));
	ASSERT_LT(0, bed_calls(bed, TX));
}

TEST_F(mover, a_guest_that_wants_no_calls_gets_none_and_one_that_does_is_woken)
{
	struct bed *bed = &self->bed;
	struct pollfd pfd = { .fd = bed->ring[RX].call, .events = POLLIN };
	size_t len;

	/* The first after a start comes in any case, and is one. */
	bed_want_call(bed, RX, false);
	guest_posts(bed, 2, 4096);
	ASSERT_EQ(0, net_sends(bed, 64, 0));
	ASSERT_EQ(0, guest_got(bed, &len));
	ASSERT_EQ(1, poll(&pfd, 1, 20000));
	/* Both calls of the start may take a moment; the mover is idle behind them. */
	ASSERT_EQ(0, net_sends(bed, 64, 1));
	ASSERT_EQ(1, guest_got(bed, &len));
	guest_posts(bed, 100, 4096);
	bed_calls(bed, RX);
	for (unsigned int i = 0; i < 50; i++) {
		ASSERT_EQ(0, net_sends(bed, 64, i));
		ASSERT_EQ(i, guest_got(bed, &len));
	}
	ASSERT_EQ(0, bed_calls(bed, RX));

	bed_want_call(bed, RX, true);
	ASSERT_EQ(0, net_sends(bed, 64, 9));
	ASSERT_EQ(1, poll(&pfd, 1, 20000));
	ASSERT_EQ(9, guest_got(bed, &len));
}

/* Times the process went to sleep by itself. */
static long switches(pid_t pid)
{
	char path[64], line[128];
	long n = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "voluntary_ctxt_switches: %ld", &n);
	if (f)
		fclose(f);
	return n;
}

/* Its CPU time stands still for a while: there, into @ns. */
static bool asleep(pid_t pid, __u64 *ns)
{
	struct timespec before, after;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock))
		return false;
	clock_gettime(clock, &before);
	poll(NULL, 0, 20);
	clock_gettime(clock, &after);
	*ns = after.tv_sec * 1000000000ULL + after.tv_nsec;
	return before.tv_sec == after.tv_sec && before.tv_nsec == after.tv_nsec;
}

TEST_F(mover, an_idle_one_does_not_wake)
{
	struct bed *bed = &self->bed;
	__u64 before, after;
	size_t len;
	long n;

	guest_posts(bed, 100, 4096);
	for (unsigned int i = 0; i < 50; i++) {
		ASSERT_EQ(0, net_sends(bed, 64, i));
		ASSERT_EQ(i, guest_got(bed, &len));
	}
	ASSERT_TRUE(WAIT_FOR(asleep(bed->pid, &before)));
	n = switches(bed->pid);
	poll(NULL, 0, 500);
	EXPECT_TRUE(asleep(bed->pid, &after));
	EXPECT_EQ(before, after);
	EXPECT_EQ(n, switches(bed->pid));
}

TEST_F(mover, a_false_alarm_of_the_kernel_does_not_keep_it_awake)
{
	struct bed *bed = &self->bed;
	__u64 ns;
	size_t len;

	guest_posts(bed, 100, 4096);
	ASSERT_EQ(0, net_sends(bed, 64, 0));
	ASSERT_EQ(0, guest_got(bed, &len));
	ASSERT_EQ(0, kill(bed->pid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(__atomic_load_n(&bed->shared->alarmed, __ATOMIC_ACQUIRE)));
	ASSERT_TRUE(WAIT_FOR(asleep(bed->pid, &ns)));
	/* What there is then comes as ever. */
	for (unsigned int i = 1; i < 50; i++) {
		ASSERT_EQ(0, net_sends(bed, 64, i));
		ASSERT_EQ(i, guest_got(bed, &len));
	}
}

TEST_F(mover, a_rest_in_a_flood_ends_and_the_frames_come)
{
	struct bed *bed = &self->bed;
	size_t len;

	guest_posts(bed, 100, 4096);
	for (unsigned int i = 0; i < 50; i++) {
		bed->shared->rests = false;
		ASSERT_EQ(0, kill(bed->pid, SIGHUP));
		ASSERT_TRUE(WAIT_FOR(__atomic_load_n(&bed->shared->rests, __ATOMIC_ACQUIRE)));
		ASSERT_EQ(0, net_sends(bed, 64, i));
		ASSERT_EQ(i, guest_got(bed, &len));
	}
}

TEST_F(mover, a_rest_keeps_nobody_awake_whose_ring_has_stopped)
{
	struct bed *bed = &self->bed;
	size_t len;
	__u64 ns;

	bed->ring[RX].avail->ring[0] = 0xffff;
	bed->ring[RX].avail_idx++;
	bed_publish(bed, RX);
	ASSERT_TRUE(WAIT_FOR(((volatile struct bed_shared *)bed->shared)->broken[RX]));
	ASSERT_EQ(0, kill(bed->pid, SIGHUP));
	ASSERT_TRUE(WAIT_FOR(__atomic_load_n(&bed->shared->rests, __ATOMIC_ACQUIRE)));
	ASSERT_TRUE(WAIT_FOR(asleep(bed->pid, &ns)));
	ASSERT_EQ(0, guest_sends(bed, BED_ONE, 64, 1));
	ASSERT_EQ(1, tap_sent(bed, &len));
}

TEST_F(mover, stopped_in_good_order_it_goes_on_where_it_was)
{
	struct bed *bed = &self->bed;
	size_t len;

	guest_posts(bed, 10, 4096);
	for (unsigned int i = 0; i < 200; i++) {
		ASSERT_EQ(0, net_sends(bed, 64, i));
		ASSERT_EQ(0, guest_sends(bed, i % BED_SHAPES, 200, i));
		if (i % 20 == 19) {
			ASSERT_TRUE(WAIT_FOR(bed->shared->ready == bed->pid));
			ASSERT_EQ(0, moverbed_end(bed, SIGTERM));
			ASSERT_EQ(0, moverbed_start(bed));
		}
		ASSERT_EQ(i, tap_sent(bed, &len));
		ASSERT_EQ(i, guest_got(bed, &len));
		guest_posts(bed, 1, 4096);
		ASSERT_TRUE(WAIT_FOR(bed_has_used(bed, TX)));
		bed_used(bed, TX, NULL);
	}
}

TEST_F(mover, at_saturation_a_system_call_carries_sixteen_frames_and_more)
{
	struct bed *bed = &self->bed;
	const struct bed_shared *sh = bed->shared;
	unsigned int sent = 0, got = 0, seq = 0;
	double deadline = now() + 30;
	char frame[100];
	size_t len = sizeof(frame);

	if (variant->opt.plain)
		SKIP(return, "such a kernel keeps reads");
	/* Each frame that the network gives in exchange for the guest's. */
	while ((sent < 20000 || got < 20000) && now() < deadline) {
		while (bed_used(bed, TX, NULL))
			;
		while (bed_next(bed, TX)) {
			make(bed_next(bed, TX), 64, sent);
			bed_add(bed, TX, BED_ONE, BED_HDR + 64);
			sent++;
		}
		bed_publish(bed, TX);
		while (bed_used(bed, RX, NULL))
			got++;
		if (bed_next(bed, RX))
			guest_posts(bed, 256, 4096);
		while (seq - got < 500 && !net_sends(bed, 64, seq))
			seq++;
		while (recv(bed->packet, frame, len, MSG_DONTWAIT) > 0)
			;
	}
	ASSERT_EQ(0, moverbed_end(bed, SIGTERM));
	TH_LOG("%llu frames out, %llu in, %llu system calls, %llu sleeps, %llu calls",
	       sh->stats.tx_frames, sh->stats.rx_frames, sh->loop.enters, sh->loop.wakeups,
	       sh->stats.calls);
	EXPECT_LE(16 * sh->loop.enters, sh->stats.tx_frames + sh->stats.rx_frames);
	EXPECT_EQ(0, sh->stats.tx_busy + sh->stats.tx_failed + sh->stats.rx_failed);
}

TEST_HARNESS_MAIN
