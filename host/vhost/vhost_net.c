// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * The kernel's vhost-net is given what it needs of the front-end's set-up, and
 * then the guest and it need nobody: it sleeps on the guest's kick eventfd, reads
 * and writes the rings, takes frames to and from the tap, and signals the guest's
 * call eventfd. This process is not woken by any of that, but where the call fd is
 * no eventfd (relay.h).
 *
 *	lane	init: SET_OWNER. From then on the device is bound to this process'
 *		memory; it cannot be handed to another, not even over exec().
 *	ring	start: features and memory table when it is the first that runs, then
 *		size, base, addresses, call, error, kick; last the tap, which sets it
 *		going. Each refusal undoes the ones before and is said.
 *		stop: the tap is taken away, which returns when the kernel is done with
 *		the ring; then its base is asked for, and all fds are let go of.
 *	exit	closes the device: whatever still ran has stopped when close() returns.
 *
 * Addresses are translated: the kernel's table leads from the guest's to where
 * the region is mapped in this process. The kernel knows no front-end.
 *
 * The kernel uses chains in the order it takes them and leaves none in flight, so
 * the used index alone tells where a ring goes on, also after this process was
 * killed. For the same reason it cannot take over a ring in which some are.
 *
 * Each ring's error eventfd is ours: what the kernel cannot follow is reported
 * there, and the ring is stopped, as it would be on the own path. The kernel looks
 * at a receive ring only when a frame has come for it; and a transmit chain that it
 * can read but not use (shorter than the header, an offload nobody agreed to, memory
 * cut short) it does not report, but tries again for ever (6.1 to 6.12): the guest
 * has stopped its own ring, and the time is the worker's, which is in our cgroup.
 */
#include <endian.h>
#include <errno.h>
#include <linux/vhost.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include "../log.h"
#include "device.h"
#include "loop.h"
#include "relay.h"
#include "vhost_net.h"
#include "vring_log.h"

/* keep sorted */
SANDBOX_CALLS(vm_vhost_calls, SANDBOX_CALL(close), SANDBOX_CALL(eventfd2),
	      SANDBOX_CALL_ARG(ioctl, 1, VHOST_GET_VRING_BASE),
	      SANDBOX_CALL_ARG(ioctl, 1, VHOST_NET_SET_BACKEND),
	      SANDBOX_CALL_ARG(ioctl, 1, VHOST_SET_FEATURES),
	      SANDBOX_CALL_ARG(ioctl, 1, VHOST_SET_MEM_TABLE),
	      SANDBOX_CALL_ARG(ioctl, 1, VHOST_SET_VRING_ADDR),
	      SANDBOX_CALL_ARG(ioctl, 1, VHOST_SET_VRING_BASE),
	      SANDBOX_CALL_ARG(ioctl, 1, VHOST_SET_VRING_BUSYLOOP_TIMEOUT),
	      SANDBOX_CALL_ARG(ioctl, 1, VHOST_SET_VRING_CALL),
	      SANDBOX_CALL_ARG(ioctl, 1, VHOST_SET_VRING_ERR),
	      SANDBOX_CALL_ARG(ioctl, 1, VHOST_SET_VRING_KICK),
	      SANDBOX_CALL_ARG(ioctl, 1, VHOST_SET_VRING_NUM), SANDBOX_CALL(read));

#define BIT(n) (1ULL << (n))

/* What a guest may have that matters to whoever does its rings, and the kernel can. */
#define RING_FEATURES                                                                         \
	(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_ANY_LAYOUT) | BIT(VIRTIO_F_NOTIFY_ON_EMPTY) | \
	 BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX) |                    \
	 BIT(VIRTIO_NET_F_MRG_RXBUF))
/* What we do not do without: the header has 12 bytes, as the tap's. */
#define NEEDED_FEATURES \
	(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX))

struct kernel_ring {
	struct vm_device *dev;
	unsigned int index;
	bool runs;
	struct vm_relay relay;
	int error; /* eventfd */
};

struct kernel_lane {
	__u64 offered;
	struct kernel_ring ring[VM_RINGS_LANE];
};

static int refused(unsigned int i, const char *what, int err)
{
	vm_warn("event=kernel-lane ring=%u refused=%s error=\"%s\"", i, what, strerror(err));
	return -err;
}

static int unfit(unsigned int i, const char *why, int err)
{
	vm_warn("event=kernel-lane ring=%u error=\"%s\"", i, why);
	return -err;
}

#define ASK(dev, i, request, arg) \
	(ioctl((dev)->vhost, request, arg) < 0 ? refused(i, #request, errno) : 0)

static int set_fd(struct vm_device *dev, unsigned int i, unsigned long request, int fd)
{
	struct vhost_vring_file file = { .index = i, .fd = fd };

	return ioctl(dev->vhost, request, &file) < 0 ? -errno : 0;
}

static __u16 used_idx(const struct vm_vring *vr)
{
	return le16toh(__atomic_load_n(&vr->used->idx, __ATOMIC_ACQUIRE));
}

static int kernel_init(struct vm_device *dev)
{
	struct kernel_lane *lane;
	__u64 offered;
	int err;

	if (dev->vhost < 0)
		return -ENODEV;
	if (ioctl(dev->vhost, VHOST_GET_FEATURES, &offered) < 0)
		return -errno;
	if (NEEDED_FEATURES & ~offered)
		return -EOPNOTSUPP;
	lane = calloc(1, sizeof(*lane));
	if (!lane)
		return -ENOMEM;
	if (ioctl(dev->vhost, VHOST_SET_OWNER) < 0) {
		err = -errno;
		free(lane);
		return err;
	}
	lane->offered = offered;
	for (unsigned int i = 0; i < VM_RINGS_LANE; i++)
		lane->ring[i] = (struct kernel_ring){
			.dev = dev, .index = i, .relay.event = -1, .error = -1
		};
	dev->lane_data = lane;
	return 0;
}

static void kernel_exit(struct vm_device *dev)
{
	struct kernel_lane *lane = dev->lane_data;

	/* Owned by this process: of no use to anybody else. */
	if (dev->vhost >= 0)
		close(dev->vhost);
	dev->vhost = -1;
	dev->lane_data = NULL;
	free(lane);
}

static int set_features(struct vm_device *dev, unsigned int i)
{
	const struct kernel_lane *lane = dev->lane_data;
	__u64 features = dev->features & lane->offered & RING_FEATURES;

	if (!(features & BIT(VIRTIO_F_VERSION_1)))
		return unfit(i, "the guest's driver is a legacy one", EOPNOTSUPP);
	return ASK(dev, i, VHOST_SET_FEATURES, &features);
}

static int set_memory(struct vm_device *dev, unsigned int i)
{
	const struct vm_memory *mem = &dev->mem;
	union {
		struct vhost_memory table;
		char room[sizeof(struct vhost_memory) +
			  VM_REGIONS_MAX * sizeof(struct vhost_memory_region)];
	} to = { .table = { .nregions = mem->n } };

	for (unsigned int r = 0; r < mem->n; r++)
		to.table.regions[r] = (struct vhost_memory_region){
			.guest_phys_addr = mem->region[r].gpa,
			.memory_size = mem->region[r].size,
			.userspace_addr = (uintptr_t)mem->region[r].at,
		};
	return ASK(dev, i, VHOST_SET_MEM_TABLE, &to.table);
}

static int set_layout(struct vm_device *dev, unsigned int i)
{
	const struct vm_vring *vr = &dev->ring[i];
	struct vhost_vring_state num = { .index = i, .num = vr->num };
	struct vhost_vring_state base = { .index = i, .num = vr->last_avail };
	struct vhost_vring_addr addr = {
		.index = i,
		.desc_user_addr = (uintptr_t)vr->desc,
		.used_user_addr = (uintptr_t)vr->used,
		.avail_user_addr = (uintptr_t)vr->avail,
	};
	int err;

	err = ASK(dev, i, VHOST_SET_VRING_NUM, &num);
	if (!err)
		err = ASK(dev, i, VHOST_SET_VRING_BASE, &base);
	if (!err)
		err = ASK(dev, i, VHOST_SET_VRING_ADDR, &addr);
	return err;
}

static int set_busyloop(struct vm_device *dev, unsigned int i)
{
	struct vhost_vring_state us = { .index = i, .num = dev->poll_us > 0 ? dev->poll_us : 0 };

	return ASK(dev, i, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, &us);
}

static void on_error(void *arg)
{
	struct kernel_ring *ring = arg;
	eventfd_t n;

	if (!eventfd_read(ring->error, &n))
		vm_device_ring_broken(ring->dev, ring->index, "the kernel cannot follow it");
}

static int set_error(struct vm_device *dev, struct kernel_ring *ring)
{
	int err;

	ring->error = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ring->error < 0)
		return refused(ring->index, "eventfd", errno);
	err = vm_loop_watch(dev->loop, ring->error, on_error, ring);
	if (err) {
		close(ring->error);
		ring->error = -1;
		return refused(ring->index, "watch", -err);
	}
	err = set_fd(dev, ring->index, VHOST_SET_VRING_ERR, ring->error);
	return err ? refused(ring->index, "VHOST_SET_VRING_ERR", -err) : 0;
}

static void unset_error(struct vm_device *dev, struct kernel_ring *ring)
{
	if (ring->error < 0)
		return;
	set_fd(dev, ring->index, VHOST_SET_VRING_ERR, VHOST_FILE_UNBIND);
	vm_loop_unwatch(dev->loop, ring->error);
	close(ring->error);
	ring->error = -1;
}

/* Straight to the guest where that goes; else by a relay; none where it wants none. */
static int set_call(struct vm_device *dev, struct kernel_ring *ring)
{
	int call = dev->ring[ring->index].call;
	int err = set_fd(dev, ring->index, VHOST_SET_VRING_CALL, call);

	if (err == -EINVAL && ring->relay.event >= 0) {
		ring->relay.call = call;
		err = 0;
	} else if (err == -EINVAL) {
		err = vm_relay_start(&ring->relay, dev->loop, call);
		if (!err)
			err = set_fd(dev, ring->index, VHOST_SET_VRING_CALL, ring->relay.event);
		if (!err)
			vm_info("event=relay ring=%u reason=\"its call fd is no eventfd\"",
				ring->index);
	} else if (!err) {
		vm_relay_stop(&ring->relay);
	}
	return err ? refused(ring->index, "VHOST_SET_VRING_CALL", -err) : 0;
}

/* Undoes all that may have been done before the tap. Leaves the kernel with no fd of ours. */
static void detach(struct vm_device *dev, struct kernel_ring *ring)
{
	set_fd(dev, ring->index, VHOST_SET_VRING_KICK, VHOST_FILE_UNBIND);
	set_fd(dev, ring->index, VHOST_SET_VRING_CALL, VHOST_FILE_UNBIND);
	unset_error(dev, ring);
	vm_relay_stop(&ring->relay);
}

static bool any_runs(const struct kernel_lane *lane)
{
	for (unsigned int i = 0; i < VM_RINGS_LANE; i++)
		if (lane->ring[i].runs)
			return true;
	return false;
}

static int kernel_ring_start(struct vm_device *dev, unsigned int i)
{
	struct kernel_lane *lane = dev->lane_data;
	struct kernel_ring *ring = &lane->ring[i];
	const struct vm_vring *vr = &dev->ring[i];
	struct vhost_vring_file backend = { .index = i, .fd = dev->tap };
	int err = 0;

	if (vr->kick < 0)
		return unfit(i, "the guest sends no kicks", EOPNOTSUPP);
	if (vr->last_avail != used_idx(vr) || (vr->log && vm_vring_log_dirty(vr->log, vr->num)))
		return unfit(i, "chains of it are in flight", EBUSY);
	if (!any_runs(lane)) {
		err = set_features(dev, i);
		if (!err)
			err = set_memory(dev, i);
	}
	if (!err)
		err = set_layout(dev, i);
	if (!err)
		err = set_busyloop(dev, i);
	if (!err)
		err = set_error(dev, ring);
	if (!err)
		err = set_call(dev, ring);
	if (!err) {
		err = set_fd(dev, i, VHOST_SET_VRING_KICK, vr->kick);
		if (err)
			refused(i, "VHOST_SET_VRING_KICK", -err);
	}
	if (!err)
		err = ASK(dev, i, VHOST_NET_SET_BACKEND, &backend);
	if (err)
		detach(dev, ring);
	else
		ring->runs = true;
	return err;
}

static void kernel_ring_stop(struct vm_device *dev, unsigned int i)
{
	struct kernel_lane *lane = dev->lane_data;
	struct kernel_ring *ring = &lane->ring[i];
	struct vm_vring *vr = &dev->ring[i];
	struct vhost_vring_file none = { .index = i, .fd = -1 };
	struct vhost_vring_state base = { .index = i };

	if (!ring->runs)
		return;
	ring->runs = false;
	if (ioctl(dev->vhost, VHOST_NET_SET_BACKEND, &none) < 0 ||
	    ioctl(dev->vhost, VHOST_GET_VRING_BASE, &base) < 0) {
		/*
		 * Closed, it stops for certain: both rings. The other one comes here too,
		 * and no ring starts on this lane again.
		 */
		if (dev->vhost >= 0) {
			vm_err("event=kernel-lane ring=%u error=\"it cannot be stopped: %s\" hint=\"%s is closed\"",
			       i, strerror(errno), VM_VHOST_NET);
			close(dev->vhost);
			dev->vhost = -1;
		}
		base.num = used_idx(vr);
	}
	detach(dev, ring);
	vr->last_avail = base.num;
}

static void kernel_ring_fds(struct vm_device *dev, unsigned int i)
{
	struct kernel_lane *lane = dev->lane_data;

	if (lane->ring[i].runs && set_call(dev, &lane->ring[i]))
		vm_device_ring_broken(dev, i, "its call fd cannot be used");
}

const struct vm_lane vm_lane_kernel = {
	.name = "kernel",
	.init = kernel_init,
	.ring_start = kernel_ring_start,
	.ring_stop = kernel_ring_stop,
	.ring_fds = kernel_ring_fds,
	.exit = kernel_exit,
};
