// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device between its two lanes, which are played here: what the one leaves to the
 * other, and what a process that died leaves to either.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include <linux/virtio_config.h>

#include "../../host/log.h"
#include "../../host/vhost/device.h"
#include "../../host/vhost/loop.h"
#include "../../host/vhost/sandbox.h"
#include "../../host/vhost/saved.h"
#include "../../host/vhost/vring_log.h"

#define NUM    8
#define GPA    0x100000ULL
#define USER   0x200000ULL
#define USED   5 /* what the guest was given of each ring */
#define SAVED  2 /* where the state says that it was */
#define MEMORY 65536

static bool kernel_refuses, own_fails;
static unsigned int started[VM_RINGS_LANE]; /* on the own lane */
static char logs[VM_RINGS_LANE][4096];
static int lane_data;

void vm_saved_write(struct vm_saved *saved, const struct vm_device *dev)
{
}

struct vm_vring_log *vm_saved_log(struct vm_saved *saved, unsigned int i)
{
	return (void *)logs[i];
}

void vm_loop_stop(struct vm_loop *loop, int status)
{
	loop->stop = true;
	loop->status = status;
}

static int lane_init(struct vm_device *dev)
{
	if (dev->lane == &vm_lane_own && own_fails)
		return -ENOMEM;
	dev->lane_data = &lane_data;
	return 0;
}

static void lane_exit(struct vm_device *dev)
{
	dev->lane_data = NULL;
}

static int own_start(struct vm_device *dev, unsigned int i)
{
	if (!dev->lane_data)
		abort(); /* the true one would have looked there */
	started[i]++;
	return 0;
}

static int kernel_start(struct vm_device *dev, unsigned int i)
{
	return kernel_refuses ? -EBUSY : 0;
}

static void lane_stop(struct vm_device *dev, unsigned int i)
{
}

const struct vm_lane vm_lane_own = {
	.name = "own",
	.init = lane_init,
	.ring_start = own_start,
	.ring_stop = lane_stop,
	.exit = lane_exit,
};

const struct vm_lane vm_lane_kernel = {
	.name = "kernel",
	.init = lane_init,
	.ring_start = kernel_start,
	.ring_stop = lane_stop,
	.exit = lane_exit,
};

FIXTURE(lanes)
{
	struct vm_device dev;
	struct vm_loop loop;
	struct vm_vring_log *log[VM_RINGS_LANE];
};

FIXTURE_SETUP(lanes)
{
	static const __u8 mac[VM_MAC_LEN] = { 0x02, 0x4d, 0, 1, 0, 1 };
	struct vm_device *dev = &self->dev;
	int fd = memfd_create("guest", MFD_CLOEXEC);

	kernel_refuses = own_fails = false;
	memset(started, 0, sizeof(started));
	memset(logs, 0, sizeof(logs));
	vm_log_set_level(VM_LOG_ERR);
	vm_device_init(dev, mac, 1500, 1);
	dev->features = dev->offered;
	dev->saved = (void *)logs; /* there is one */
	memset(&self->loop, 0, sizeof(self->loop));
	dev->loop = &self->loop;
	dev->lane = &vm_lane_kernel;
	ASSERT_EQ(0, dev->lane->init(dev));
	ASSERT_EQ(0, ftruncate(fd, MEMORY));
	ASSERT_EQ(0, vm_memory_add(&dev->mem, GPA, USER, MEMORY, 0, fd));
	for (unsigned int i = 0; i < VM_RINGS_LANE; i++) {
		struct vm_vring *vr = &dev->ring[i];
		struct vring_used *used;

		self->log[i] = (void *)logs[i];
		vr->num = NUM;
		vr->desc_user = USER + i * 16384;
		vr->avail_user = vr->desc_user + 4096;
		vr->used_user = vr->desc_user + 8192;
		vr->addressed = true;
		vr->enabled = true;
		vr->last_avail = SAVED;
		vr->kick = eventfd(0, EFD_NONBLOCK);
		used = vm_memory_user(&dev->mem, vr->used_user, 6 + 8 * NUM);
		ASSERT_NE(NULL, used);
		used->idx = USED;
	}
}

FIXTURE_TEARDOWN(lanes)
{
	vm_device_disconnect(&self->dev);
}

TEST_F(lanes, a_ring_that_the_kernel_had_goes_on_behind_what_was_used)
{
	vm_device_resume(&self->dev, true);
	for (unsigned int i = 0; i < VM_RINGS_LANE; i++) {
		EXPECT_TRUE(self->dev.ring[i].running);
		EXPECT_EQ(USED, self->dev.ring[i].last_avail);
	}
}

/* The state is of before: it names the kernel's lane. */
TEST_F(lanes, a_ring_that_the_own_lane_took_over_goes_on_by_its_log)
{
	struct vm_vring_left left[NUM];

	vm_vring_log_begin(self->log[1], NUM, USED);
	vm_vring_log_pop(self->log[1], 3, 0);
	vm_device_resume(&self->dev, true);
	EXPECT_EQ(USED, self->dev.ring[0].last_avail);
	EXPECT_TRUE(self->dev.ring[1].running);
	ASSERT_TRUE(vm_vring_log_dirty(self->log[1], NUM));
	ASSERT_EQ(1, vm_vring_log_recover(self->log[1], NUM, USED, left));
	EXPECT_EQ(3, left[0].head);
}

TEST_F(lanes, a_ring_that_the_kernel_refuses_has_all_go_over_to_the_own_lane)
{
	kernel_refuses = true;
	vm_device_resume(&self->dev, false);
	EXPECT_EQ(&vm_lane_own, self->dev.lane);
	for (unsigned int i = 0; i < VM_RINGS_LANE; i++) {
		EXPECT_TRUE(self->dev.ring[i].running);
		EXPECT_EQ(1, started[i]);
	}
}

TEST_F(lanes, a_port_that_is_left_with_no_lane_ends)
{
	kernel_refuses = own_fails = true;
	vm_device_resume(&self->dev, false);
	EXPECT_TRUE(self->loop.stop);
	EXPECT_NE(0, self->loop.status);
	/* What the loop does before it ends harms nothing. */
	vm_device_start_rings(&self->dev);
	for (unsigned int i = 0; i < VM_RINGS_LANE; i++)
		EXPECT_FALSE(self->dev.ring[i].running);
}

/* By the one name or by the other, as the architecture has it: see SANDBOX_CALL_POLL. */
TEST(what_poll_becomes_is_allowed_on_each_architecture)
{
	unsigned int polls = 0, ppolls = 0;

	for (unsigned int i = 0; i < device_calls.count; i++) {
		polls += device_calls.call[i].nr == SCMP_SYS(poll);
		ppolls += device_calls.call[i].nr == SCMP_SYS(ppoll);
	}
	EXPECT_EQ(1, polls);
	EXPECT_EQ(1, ppolls);
}

TEST_HARNESS_MAIN
