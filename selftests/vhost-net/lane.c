// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's path alone: vm_lane_kernel on a device that this test fills in,
 * a driver in this process, and a packet socket on the tap's other side. The loop
 * is a table: its watchers run when the test says so, and are counted.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include "kselftest_harness.h"

#include "../../host/tap.h"
#include "../../host/vhost/device.h"
#include "../../host/vhost/loop.h"
#include "../../host/vhost/vring_log.h"
#include "../port/frontend.h"

/* An emulated machine on a busy host. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 120

#define TAP	  "t0"
#define MTU	  9000
#define FRAME_MAX 9014
#define SLOT	  16384
#define NUM	  64
#define WAIT_MS	  20000
#define FEATURES                                                            \
	(1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_RING_F_INDIRECT_DESC | \
	 1ULL << VIRTIO_RING_F_EVENT_IDX)

static struct {
	int fd;
	void (*fn)(void *arg);
	void *arg;
} watches[VM_LOOP_WATCHES];
static unsigned int n_watches, ring_broken[VM_RINGS_LANE];

int vm_loop_watch(struct vm_loop *loop, int fd, void (*fn)(void *arg), void *arg)
{
	watches[n_watches].fd = fd;
	watches[n_watches].fn = fn;
	watches[n_watches++].arg = arg;
	return 0;
}

void vm_loop_unwatch(struct vm_loop *loop, int fd)
{
	for (unsigned int i = 0; i < n_watches; i++)
		if (watches[i].fd == fd)
			watches[i--] = watches[--n_watches];
}

/* Call whoever has something to read, waiting up to @ms for the first. How many. */
static unsigned int loop_round(int ms)
{
	struct pollfd p[VM_LOOP_WATCHES];
	unsigned int n = n_watches, called = 0;

	for (unsigned int i = 0; i < n; i++)
		p[i] = (struct pollfd){ .fd = watches[i].fd, .events = POLLIN };
	if (poll(p, n, ms) <= 0)
		return 0;
	for (unsigned int i = 0; i < n; i++)
		for (unsigned int w = 0; w < n_watches && p[i].revents; w++)
			if (watches[w].fd == p[i].fd) {
				watches[w].fn(watches[w].arg);
				called++;
				break;
			}
	return called;
}

/* What device.c does of it: the ring stops. */
void vm_device_ring_broken(struct vm_device *dev, unsigned int i, const char *why)
{
	ring_broken[i]++;
	vm_lane_kernel.ring_stop(dev, i);
}

FIXTURE(lane)
{
	struct vm_device dev;
	struct fe fe;
	int wire; /* the tap's other side */
	__u16 sent, heard; /* numbers of frames, each way */
};

FIXTURE_VARIANT(lane)
{
	bool event_idx;
};

/* clang-format off */
FIXTURE_VARIANT_ADD(lane, event_index) { .event_idx = true };
FIXTURE_VARIANT_ADD(lane, flags) { .event_idx = false };
/* clang-format on */

static int wire_open(void)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)), one = 1;
	int size = 32 << 20;

	to.sll_ifindex = if_nametoindex(TAP);
	setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return bind(fd, (struct sockaddr *)&to, sizeof(to)) ? -errno : fd;
}

/* The lane's view of memory and rings: mapped again, so that no address is the driver's. */
static int device_memory(struct vm_device *dev, struct fe *fe)
{
	vm_memory_clear(&dev->mem);
	for (unsigned int i = 0; i < fe->nregions; i++) {
		const struct fe_region *r = &fe->region[i];
		int err = vm_memory_add(&dev->mem, r->gpa, (uintptr_t)r->at, r->size,
					r->mmap_offset, dup(r->fd));

		if (err)
			return err;
	}
	return 0;
}

static void device_ring(struct vm_device *dev, unsigned int i, const struct ring *r)
{
	struct vm_vring *vr = &dev->ring[i];

	vr->num = r->num;
	vr->desc = vm_memory_user(&dev->mem, (uintptr_t)r->desc, r->num * sizeof(*r->desc));
	vr->avail = vm_memory_user(&dev->mem, (uintptr_t)r->avail, 4 + r->num * 2 + 2);
	vr->used = vm_memory_user(&dev->mem, (uintptr_t)r->used, 4 + r->num * 8 + 2);
	vr->kick = r->kick;
	vr->call = r->call_theirs >= 0 ? r->call_theirs : r->call;
	vr->err = -1;
}

FIXTURE_SETUP(lane)
{
	struct vm_device *dev = &self->dev;
	struct fe *fe = &self->fe;

	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	ASSERT_EQ(0, vm_tap_create(TAP, 0, MTU));
	self->wire = wire_open();
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
	ASSERT_EQ(0, device_memory(dev, fe));
	for (unsigned int i = 0; i < VM_RINGS_LANE; i++) {
		device_ring(dev, i, &fe->ring[i]);
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

/* Frame number @n of @len bytes: every byte depends on both. */
static void frame_fill(unsigned char *frame, __u16 n, size_t len)
{
	memcpy(frame, "\x02\x4d\x00\x01\x00\x02\x02\x4d\x00\x01\x00\x01\x88\xb5", 14);
	frame[14] = n >> 8;
	frame[15] = n;
	for (size_t i = 16; i < len; i++)
		frame[i] = i * 7 + n * 13 + (i >> 8);
}

static bool frame_is(const unsigned char *frame, __u16 n, size_t len)
{
	unsigned char want[FRAME_MAX];

	frame_fill(want, n, len);
	return !memcmp(frame, want, len);
}

/* The guest sends the next frame; the kernel is kicked if it wants to. */
static int guest_says(struct fe *fe, __u16 n, size_t len)
{
	struct ring *r = &fe->ring[VM_RING_TX];
	unsigned char frame[FRAME_MAX];
	long long end = fe_now_ms() + WAIT_MS;
	int err;

	frame_fill(frame, n, len);
	while ((err = ring_send(r, frame, len)) == -ENOSPC) {
		if (fe_now_ms() > end)
			return -ETIMEDOUT;
		err = ring_wait(r, WAIT_MS);
		if (err)
			return err;
	}
	ring_kick_if_wanted(r);
	return err;
}

/* The next frame on the wire is number @n of @len bytes. 1: it is; 0: it is not; -errno. */
static int wire_hears(int wire, __u16 n, size_t len)
{
	unsigned char frame[FRAME_MAX];
	struct pollfd p = { .fd = wire, .events = POLLIN };
	ssize_t got;

	if (poll(&p, 1, WAIT_MS) != 1)
		return -ETIMEDOUT;
	got = recv(wire, frame, sizeof(frame), MSG_TRUNC);
	if (got < 0)
		return -errno;
	return (size_t)got == len && frame_is(frame, n, len);
}

static int wire_says(int wire, __u16 n, size_t len)
{
	unsigned char frame[FRAME_MAX];

	frame_fill(frame, n, len);
	return send(wire, frame, len, 0) == (ssize_t)len ? 0 : -errno;
}

static int guest_hears(struct fe *fe, __u16 n, size_t len)
{
	struct ring *r = &fe->ring[VM_RING_RX];
	unsigned char frame[FRAME_MAX];
	ssize_t got;
	int err;

	while ((got = ring_recv(r, frame, sizeof(frame))) == -EAGAIN) {
		err = ring_wait(r, WAIT_MS);
		if (err)
			return err;
	}
	if (got < 0)
		return got;
	ring_publish(r);
	ring_kick_if_wanted(r);
	return (size_t)got == len && frame_is(frame, n, len);
}

static bool is_silent(int wire)
{
	struct pollfd p = { .fd = wire, .events = POLLIN };

	return poll(&p, 1, 0) == 0;
}

static const size_t sizes[] = { 60, 61, 64, 1514, 3379, 3380, 3381, 4096, FRAME_MAX };
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
	EXPECT_EQ(0, ring_broken[0] + ring_broken[1]);
	/* Nobody else had to do anything for it. */
	EXPECT_EQ(0, loop_round(0));
	stop(&self->dev);
	EXPECT_EQ(0, n_watches);
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
		ASSERT_EQ(0, ring_wait(r, WAIT_MS));
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
		ASSERT_EQ(true, is_silent(self->wire));
	}
	ASSERT_EQ(0, start(dev));
	for (; heard != n; heard++)
		ASSERT_EQ(1, wire_hears(self->wire, heard, 60 + heard % (NUM / 2)));
	for (; back != n; back++)
		ASSERT_EQ(1, guest_hears(fe, back, 60 + back % (NUM / 2)));
	ASSERT_EQ(true, is_silent(self->wire));
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
		ASSERT_EQ(0, device_memory(dev, fe));
		for (unsigned int i = 0; i < VM_RINGS_LANE; i++)
			device_ring(dev, i, &fe->ring[i]);
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
	ASSERT_EQ(1, loop_round(WAIT_MS));
	EXPECT_EQ(1, ring_calls(pair[0]));

	/* Nobody reads: what finds no room is left out, and nothing waits. */
	for (__u16 n = 1; n < 1000; n++) {
		while (ring_get(r, NULL) >= 0)
			;
		ring_want_call(r, 1);
		ASSERT_EQ(0, guest_says(fe, n, 60));
		ASSERT_EQ(1, wire_hears(self->wire, n, 60));
		ASSERT_EQ(1, loop_round(WAIT_MS));
	}
	EXPECT_LT(100, ring_calls(pair[0]));

	/* Another fd on the running ring, an eventfd: from here on straight through. */
	dev->ring[VM_RING_TX].call = r->call;
	vm_lane_kernel.ring_fds(dev, VM_RING_TX);
	while (ring_get(r, NULL) >= 0)
		;
	ring_want_call(r, 1);
	ASSERT_EQ(0, guest_says(fe, 1000, 60));
	ASSERT_EQ(0, ring_wait(r, WAIT_MS));
	EXPECT_EQ(0, loop_round(0));
	EXPECT_EQ(0, ring_calls(pair[0]));
	stop(dev);
	EXPECT_EQ(0, n_watches);
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
	while (!ring_broken[VM_RING_TX])
		ASSERT_LT(0, loop_round(WAIT_MS));
	EXPECT_EQ(1, ring_broken[VM_RING_TX]);
	EXPECT_EQ(0, ring_broken[VM_RING_RX]);
	ring_kick(r);
	ASSERT_EQ(0, wire_says(self->wire, 7, 60));
	ASSERT_EQ(1, guest_hears(fe, 7, 60));
	EXPECT_EQ(0, loop_round(0));

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
	EXPECT_EQ(0, n_watches);
	EXPECT_EQ(true, is_silent(self->wire));
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

	EXPECT_EQ(0, n_watches);
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
	EXPECT_EQ(0, n_watches);
	EXPECT_GT(0, vm_lane_kernel.ring_start(dev, VM_RING_TX));
}

TEST_HARNESS_MAIN
