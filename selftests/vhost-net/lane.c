// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's path alone: vm_lane_kernel on a device that this test fills in,
 * a driver in this process, and a packet socket on the tap's other side. The loop's
 * watchers run when the test says so, and are counted.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include "kselftest_harness.h"

#include "../../host/tap.h"
#include "../../host/vhost/vring_log.h"
#include "../broker/lasting_tap.h"
#include "lanebed.h"

/* An emulated machine on a busy host. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 120

#define TAP  "t0"
#define SLOT 16384
#define NUM  64
#define FEATURES                                                            \
	(1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_RING_F_INDIRECT_DESC | \
	 1ULL << VIRTIO_RING_F_EVENT_IDX)

FIXTURE(lane)
{
	struct vm_device dev;
	struct fe fe;
	int wire; /* the tap's other side */
};

FIXTURE_VARIANT(lane)
{
	bool event_idx;
};

/* clang-format off */
FIXTURE_VARIANT_ADD(lane, event_index) { .event_idx = true };
FIXTURE_VARIANT_ADD(lane, flags) { .event_idx = false };
/* clang-format on */

FIXTURE_SETUP(lane)
{
	struct vm_device *dev = &self->dev;
	struct fe *fe = &self->fe;

	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	ASSERT_EQ(0, tap_create(TAP, 0, WIRE_MTU));
	self->wire = wire_open(TAP);
	ASSERT_LE(0, self->wire);

	fe->sock = -1;
	fe->slot_size = SLOT;
	fe->features = FEATURES;
	if (!variant->event_idx)
		fe->features &= ~(1ULL << VIRTIO_RING_F_EVENT_IDX);
	/* The rings and their slots in one region, more to send from in another. */
	ASSERT_EQ(0, fe_memory(fe, 0x10000, 4 << 20));
	ASSERT_EQ(0, fe_memory(fe, 0x100000000, 1 << 20));
	for (unsigned int i = 0; i < VM_RINGS_LANE; i++)
		ASSERT_EQ(0, fe_ring_make(fe, i, NUM));

	vm_memory_init(&dev->mem);
	dev->features = fe->features;
	dev->tap = vm_tap_open(TAP);
	ASSERT_LE(0, dev->tap);
	dev->vhost = open("/dev/vhost-net", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, dev->vhost);
	ASSERT_EQ(0, lanebed_memory(dev, fe));
	for (unsigned int i = 0; i < VM_RINGS_LANE; i++) {
		lanebed_ring(dev, i, &fe->ring[i]);
		ASSERT_NE(NULL, dev->ring[i].desc);
		ASSERT_NE((void *)fe->ring[i].desc, (void *)dev->ring[i].desc);
	}
	ASSERT_EQ(0, vm_lane_kernel.init(dev));
}

FIXTURE_TEARDOWN(lane)
{
	struct vm_device *dev = &self->dev;

	if (dev->lane_data)
		vm_lane_kernel.exit(dev);
	vm_memory_clear(&dev->mem);
	close(dev->tap);
	close(self->wire);
	fe_close(&self->fe);
}

static int start(struct vm_device *dev)
{
	int err = vm_lane_kernel.ring_start(dev, VM_RING_RX);

	return err ? err : vm_lane_kernel.ring_start(dev, VM_RING_TX);
}

static void stop(struct vm_device *dev)
{
	vm_lane_kernel.ring_stop(dev, VM_RING_RX);
	vm_lane_kernel.ring_stop(dev, VM_RING_TX);
}

static const size_t sizes[] = { 60, 61, 64, 1514, 3379, 3380, 3381, 4096, WIRE_FRAME_MAX };
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

TEST_F(lane, frames_of_all_sizes_go_both_ways_byte_for_byte)
{
	struct fe *fe = &self->fe;

	ring_post(&fe->ring[VM_RING_RX]);
	ASSERT_EQ(0, start(&self->dev));
	for (unsigned int n = 0; n < 40 * SIZES; n++) {
		size_t len = sizes[n % SIZES];

		ASSERT_EQ(0, guest_says(fe, n, len));
		ASSERT_EQ(1, wire_hears(self->wire, n, len));
		ASSERT_EQ(0, wire_says(self->wire, n, len));
		ASSERT_EQ(1, guest_hears(fe, n, len));
	}
	EXPECT_EQ(0, lanebed_broken(0) + lanebed_broken(1));
	/* Nobody else had to do anything for it. */
	EXPECT_EQ(0, lanebed_round(0));
	stop(&self->dev);
	EXPECT_EQ(0, lanebed_watches());
}

/* Header apart, pieces from two regions, and the same by an indirect table. */
TEST_F(lane, chains_across_regions_direct_and_indirect)
{
	struct fe *fe = &self->fe;
	struct ring *r = &fe->ring[VM_RING_TX];
	unsigned char *hdr = fe_alloc(fe, 0, 12, 16);
	unsigned char *one = fe_alloc(fe, 0, 1000, 16), *two = fe_alloc(fe, 1, 1000, 16);
	struct vring_desc *table = fe_alloc(fe, 1, 3 * sizeof(*table), 16);
	struct ring_buf bufs[3] = { { hdr, 12 }, { one, 100 }, { two, 900 } };
	unsigned char frame[1000];

	ASSERT_EQ(0, start(&self->dev));
	for (unsigned int n = 0; n < 200; n++) {
		frame_fill(frame, n, sizeof(frame));
		memcpy(one, frame, 100);
		memcpy(two, frame + 100, 900);
		ASSERT_LE(0, ring_add(r, bufs, 3, n & 1 ? table : NULL));
		ring_publish(r);
		ring_kick_if_wanted(r);
		ASSERT_EQ(1, wire_hears(self->wire, n, sizeof(frame)));
		ASSERT_EQ(0, ring_wait(r, FE_WAIT_MS));
		ASSERT_LE(0, ring_get(r, NULL));
	}
}

/* What was available before the start needs no kick. */
TEST_F(lane, ring_filled_before_the_start_is_carried)
{
	struct fe *fe = &self->fe;
	struct ring *r = &fe->ring[VM_RING_TX];
	unsigned char frame[100];

	for (unsigned int n = 0; n < NUM; n++) {
		frame_fill(frame, n, sizeof(frame));
		ASSERT_EQ(0, ring_send(r, frame, sizeof(frame)));
	}
	ASSERT_EQ(0, start(&self->dev));
	for (unsigned int n = 0; n < NUM; n++)
		ASSERT_EQ(1, wire_hears(self->wire, n, sizeof(frame)));
}

/* Stopped and started again while both sides send: none lost, none twice. */
TEST_F(lane, stop_and_start_in_traffic_loses_and_repeats_nothing)
{
	struct fe *fe = &self->fe;
	struct vm_device *dev = &self->dev;
	struct ring *tx = &fe->ring[VM_RING_TX], *rx = &fe->ring[VM_RING_RX];
	__u16 n = 0, heard = 0, back = 0;

	ring_post(rx);
	for (int round = 0; round < 30; round++) {
		ASSERT_EQ(0, start(dev));
		for (int i = 0; i < NUM / 2; i++) {
			ASSERT_EQ(0, guest_says(fe, n + i, 60 + i));
			ASSERT_EQ(0, wire_says(self->wire, n + i, 60 + i));
		}
		n += NUM / 2;
		stop(dev);
		/* It did some of it, and says truly how much. */
		ASSERT_EQ(tx->used->idx, dev->ring[VM_RING_TX].last_avail);
		ASSERT_EQ(rx->used->idx, dev->ring[VM_RING_RX].last_avail);
		for (__u16 used = rx->used->idx; back != used; back++)
			ASSERT_EQ(1, guest_hears(fe, back, 60 + back % (NUM / 2)));
		for (__u16 used = tx->used->idx; heard != used; heard++)
			ASSERT_EQ(1, wire_hears(self->wire, heard, 60 + heard % (NUM / 2)));
		ASSERT_EQ(true, wire_is_silent(self->wire));
	}
	ASSERT_EQ(0, start(dev));
	for (; heard != n; heard++)
		ASSERT_EQ(1, wire_hears(self->wire, heard, 60 + heard % (NUM / 2)));
	for (; back != n; back++)
		ASSERT_EQ(1, guest_hears(fe, back, 60 + back % (NUM / 2)));
	ASSERT_EQ(true, wire_is_silent(self->wire));
}

/* Regions come and go between; the ones that stay go on where they were. */
TEST_F(lane, memory_changed_between_stop_and_start)
{
	struct fe *fe = &self->fe;
	struct vm_device *dev = &self->dev;
	__u16 n = 0;

	ring_post(&fe->ring[VM_RING_RX]);
	for (int round = 0; round < 20; round++) {
		ASSERT_EQ(0, start(dev));
		for (int i = 0; i < 10; i++, n++) {
			ASSERT_EQ(0, guest_says(fe, n, 1514));
			ASSERT_EQ(1, wire_hears(self->wire, n, 1514));
			ASSERT_EQ(0, wire_says(self->wire, n, 1514));
			ASSERT_EQ(1, guest_hears(fe, n, 1514));
		}
		stop(dev);
		/* Mapped anew, elsewhere; the second region every other time only. */
		fe->nregions = 1 + round % 2;
		ASSERT_EQ(0, lanebed_memory(dev, fe));
		for (unsigned int i = 0; i < VM_RINGS_LANE; i++)
			lanebed_ring(dev, i, &fe->ring[i]);
	}
	fe->nregions = 2;
}

/* UML's call fds: the kernel cannot have them. */
TEST_F(lane, call_by_socket_is_relayed_and_a_reader_that_sleeps_blocks_nobody)
{
	struct fe *fe = &self->fe;
	struct vm_device *dev = &self->dev;
	struct ring *r = &fe->ring[VM_RING_TX];
	int pair[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	dev->ring[VM_RING_TX].call = pair[1];
	ASSERT_EQ(0, start(dev));

	ring_want_call(r, 1);
	ASSERT_EQ(0, guest_says(fe, 0, 60));
	ASSERT_EQ(1, wire_hears(self->wire, 0, 60));
	ASSERT_EQ(1, lanebed_round(FE_WAIT_MS));
	EXPECT_EQ(1, ring_calls(pair[0]));

	/* Nobody reads: what finds no room is left out, and nothing waits. */
	for (__u16 n = 1; n < 1000; n++) {
		while (ring_get(r, NULL) >= 0)
			;
		ring_want_call(r, 1);
		ASSERT_EQ(0, guest_says(fe, n, 60));
		ASSERT_EQ(1, wire_hears(self->wire, n, 60));
		ASSERT_EQ(1, lanebed_round(FE_WAIT_MS));
	}
	EXPECT_LT(100, ring_calls(pair[0]));

	/* Another fd on the running ring, an eventfd: from here on straight through. */
	dev->ring[VM_RING_TX].call = r->call;
	vm_lane_kernel.ring_fds(dev, VM_RING_TX);
	while (ring_get(r, NULL) >= 0)
		;
	ring_want_call(r, 1);
	ASSERT_EQ(0, guest_says(fe, 1000, 60));
	ASSERT_EQ(0, ring_wait(r, FE_WAIT_MS));
	EXPECT_EQ(0, lanebed_round(0));
	EXPECT_EQ(0, ring_calls(pair[0]));
	stop(dev);
	EXPECT_EQ(0, lanebed_watches());
	close(pair[0]);
	close(pair[1]);
}

/* It points where no memory is: the ring is stopped, the other one goes on. */
TEST_F(lane, chain_out_of_memory_breaks_its_ring_and_no_other)
{
	struct fe *fe = &self->fe;
	struct vm_device *dev = &self->dev;
	struct ring *r = &fe->ring[VM_RING_TX];
	int head;

	ring_post(&fe->ring[VM_RING_RX]);
	ASSERT_EQ(0, start(dev));
	head = ring_add(r, &(struct ring_buf){ r->slots, 72 }, 1, NULL);
	r->desc[head].addr = 0x7fffffffff000000;
	ring_publish(r);
	ring_kick(r);
	while (!lanebed_broken(VM_RING_TX))
		ASSERT_LT(0, lanebed_round(FE_WAIT_MS));
	EXPECT_EQ(1, lanebed_broken(VM_RING_TX));
	EXPECT_EQ(0, lanebed_broken(VM_RING_RX));
	ring_kick(r);
	ASSERT_EQ(0, wire_says(self->wire, 7, 60));
	ASSERT_EQ(1, guest_hears(fe, 7, 60));
	EXPECT_EQ(0, lanebed_round(0));

	/* Set up again, it works. */
	ring_reset(r);
	dev->ring[VM_RING_TX].last_avail = 0;
	ASSERT_EQ(0, vm_lane_kernel.ring_start(dev, VM_RING_TX));
	ASSERT_EQ(0, guest_says(fe, 8, 60));
	ASSERT_EQ(1, wire_hears(self->wire, 8, 60));
}

/*
 * Memory cut short behind the mapping: the kernel gets no SIGBUS. (It tries again
 * for ever and says nothing, 6.1 at least; it is the front-end's own time.)
 */
TEST_F(lane, memory_cut_short_harms_nobody_else_and_the_ring_stops)
{
	struct fe *fe = &self->fe;
	struct ring *r = &fe->ring[VM_RING_TX];
	void *frame = fe_alloc(fe, 1, 72, 16);

	ring_post(&fe->ring[VM_RING_RX]);
	ASSERT_EQ(0, start(&self->dev));
	ASSERT_LE(0, ring_add(r, &(struct ring_buf){ frame, 72 }, 1, NULL));
	ASSERT_EQ(0, ftruncate(fe->region[1].fd, 0));
	ring_publish(r);
	ring_kick(r);
	for (__u16 n = 0; n < 100; n++) {
		ASSERT_EQ(0, wire_says(self->wire, n, 60));
		ASSERT_EQ(1, guest_hears(fe, n, 60));
	}
	stop(&self->dev);
	EXPECT_EQ(0, lanebed_watches());
	EXPECT_EQ(true, wire_is_silent(self->wire));
}

static int n_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

TEST_F(lane, a_start_that_is_refused_leaves_nothing)
{
	struct fe *fe = &self->fe;
	struct vm_device *dev = &self->dev;
	struct vm_vring *vr = &dev->ring[VM_RING_TX];
	struct vm_vring_log *log = calloc(1, vm_vring_log_size(NUM));
	int before = n_fds(), pipes[2];
	void *used = vr->used;

	/* Chains that a port before us had taken. */
	vr->last_avail = 3;
	EXPECT_EQ(-EBUSY, vm_lane_kernel.ring_start(dev, VM_RING_TX));
	vr->last_avail = 0;
	vr->log = log;
	vm_vring_log_begin(log, NUM, 0);
	vm_vring_log_pop(log, 5, 1);
	EXPECT_EQ(-EBUSY, vm_lane_kernel.ring_start(dev, VM_RING_TX));
	vm_vring_log_reset(log);
	/* No kick fd; one that is none; a used ring that the kernel does not take. */
	vr->kick = -1;
	EXPECT_GT(0, vm_lane_kernel.ring_start(dev, VM_RING_TX));
	ASSERT_EQ(0, pipe(pipes));
	vr->kick = pipes[0];
	EXPECT_EQ(-EINVAL, vm_lane_kernel.ring_start(dev, VM_RING_TX));
	close(pipes[0]);
	close(pipes[1]);
	vr->kick = fe->ring[VM_RING_TX].kick;
	vr->used = (void *)((char *)used + 2);
	EXPECT_EQ(-EINVAL, vm_lane_kernel.ring_start(dev, VM_RING_TX));
	vr->used = used;
	dev->features &= ~(1ULL << VIRTIO_F_VERSION_1);
	EXPECT_EQ(-EOPNOTSUPP, vm_lane_kernel.ring_start(dev, VM_RING_TX));
	dev->features |= 1ULL << VIRTIO_F_VERSION_1;

	EXPECT_EQ(0, lanebed_watches());
	EXPECT_EQ(before, n_fds());
	/* And it still can be started. */
	ASSERT_EQ(0, start(dev));
	ASSERT_EQ(0, guest_says(fe, 1, 60));
	ASSERT_EQ(1, wire_hears(self->wire, 1, 60));
	stop(dev);
	EXPECT_EQ(before, n_fds());
	free(log);
}

/* The kernel holds a reference of the tap for each ring: none may be left. */
TEST_F(lane, tap_is_free_after_stop_and_after_exit_without_stop)
{
	struct vm_device *dev = &self->dev;

	ASSERT_EQ(0, start(dev));
	stop(dev);
	close(dev->tap);
	dev->tap = vm_tap_open(TAP);
	ASSERT_LE(0, dev->tap);
	ASSERT_EQ(0, start(dev));
	vm_lane_kernel.exit(dev);
	EXPECT_EQ(-1, dev->vhost);
	close(dev->tap);
	dev->tap = vm_tap_open(TAP);
	ASSERT_LE(0, dev->tap);
}

/* The device went away under the lane: rings stop all the same, at the right place. */
TEST_F(lane, device_that_refuses_to_stop_is_closed)
{
	struct fe *fe = &self->fe;
	struct vm_device *dev = &self->dev;
	int null;

	ASSERT_EQ(0, start(dev));
	for (__u16 n = 0; n < 9; n++) {
		ASSERT_EQ(0, guest_says(fe, n, 60));
		ASSERT_EQ(1, wire_hears(self->wire, n, 60));
	}
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, null);
	ASSERT_LE(0, dup2(null, dev->vhost));
	close(null);
	stop(dev);
	EXPECT_EQ(-1, dev->vhost);
	EXPECT_EQ(9, dev->ring[VM_RING_TX].last_avail);
	EXPECT_EQ(0, lanebed_watches());
	EXPECT_GT(0, vm_lane_kernel.ring_start(dev, VM_RING_TX));
}

TEST_HARNESS_MAIN
