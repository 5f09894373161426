// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * A ring runs when it has a size, addresses that are in the guest's memory, a
 * kick fd, is enabled and not broken. Each request changes what it is about and
 * nothing else; then vm_device_start_rings() starts what can run. Whatever would
 * pull something away under a running ring stops it first.
 *
 * The lane knows of pair 0 only. Pair 1 is taken like any pair and left alone,
 * so that a driver may set it up before the host has a use for it.
 */
#include <errno.h>
#include <poll.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include "../log.h"
#include "device.h"
#include "loop.h"
#include "sandbox.h"
#include "saved.h"
#include "vring_log.h"

SANDBOX_CALLS(device_calls, SANDBOX_CALL_MMAP, SANDBOX_CALL(munmap), SANDBOX_CALL(close),
	      SANDBOX_CALL(fstat), SANDBOX_CALL(newfstatat), SANDBOX_CALL(write),
	      SANDBOX_CALL(sendto), SANDBOX_CALL_POLL);

#define BIT(n) (1ULL << (n))

/* In steps of a cache line, so that two rings' logs share none. */
#define INFLIGHT_ALIGN 64

static void ring_init(struct vm_vring *vr)
{
	*vr = (struct vm_vring){ .kick = -1, .call = -1, .err = -1 };
}

void vm_device_init(struct vm_device *dev, const __u8 mac[VM_MAC_LEN], unsigned int mtu,
		    unsigned int pairs)
{
	memset(dev, 0, sizeof(*dev));
	vm_memory_init(&dev->mem);
	for (unsigned int i = 0; i < VM_RINGS; i++)
		ring_init(&dev->ring[i]);
	dev->rings = 2 * pairs;
	dev->tap = -1;
	dev->vhost = -1;
	dev->sock = -1;
	dev->untaken = -1;
	dev->backend_req = -1;
	dev->inflight.fd = -1;

	dev->offered = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_EVENT_IDX) |
		       BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_NET_F_MTU) |
		       BIT(VIRTIO_NET_F_MAC) | BIT(VIRTIO_NET_F_STATUS) |
		       BIT(VU_F_PROTOCOL_FEATURES);
	if (pairs > 1)
		dev->offered |= BIT(VIRTIO_NET_F_MQ);

	memcpy(dev->config.mac, mac, VM_MAC_LEN);
	dev->config.status = VIRTIO_NET_S_LINK_UP;
	dev->config.max_virtqueue_pairs = pairs;
	dev->config.mtu = mtu;
}

size_t vm_device_inflight_stride(unsigned int num)
{
	return (vm_vring_log_size(num) + INFLIGHT_ALIGN - 1) & ~(size_t)(INFLIGHT_ALIGN - 1);
}

struct vm_vring_log *vm_device_log(struct vm_device *dev, unsigned int i)
{
	const struct vm_inflight *in = &dev->inflight;

	if (i >= VM_RINGS_LANE)
		return NULL;
	if (in->map && i < in->queues && dev->ring[i].num <= in->queue_size)
		return (void *)((char *)in->map + i * vm_device_inflight_stride(in->queue_size));
	return dev->saved ? vm_saved_log(dev->saved, i) : NULL;
}

static void drop_inflight(struct vm_device *dev)
{
	if (dev->inflight.fd < 0)
		return;
	/* The front-end may give them back as they are: nothing is in flight in them. */
	for (unsigned int i = 0; i < VM_RINGS_LANE; i++)
		if (!dev->saved || dev->ring[i].spent != vm_saved_log(dev->saved, i))
			dev->ring[i].spent = NULL;
	vm_memory_unmap(dev->inflight.map, dev->inflight.map_size);
	close(dev->inflight.fd);
	dev->inflight = (struct vm_inflight){ .fd = -1 };
}

int vm_device_set_inflight(struct vm_device *dev, const struct vu_inflight *desc, int fd)
{
	size_t size = desc->num_queues * vm_device_inflight_stride(desc->queue_size), map_size;
	struct stat st;
	void *map;

	if (!desc->num_queues || desc->num_queues > VM_RINGS || !desc->queue_size ||
	    desc->queue_size > VM_VRING_NUM_MAX || desc->mmap_size < size ||
	    desc->mmap_offset > INT64_MAX - size)
		return -EINVAL;
	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENODEV;
	if (desc->mmap_offset + size > (__u64)st.st_size)
		return -EINVAL;
	map_size = vm_memory_map_size(fd, size);
	map = mmap(NULL, map_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, desc->mmap_offset);
	if (map == MAP_FAILED)
		return -errno;

	vm_device_stop_rings(dev);
	drop_inflight(dev);
	dev->inflight = (struct vm_inflight){
		.fd = fd,
		.map = map,
		.map_size = map_size,
		.offset = desc->mmap_offset,
		.queues = desc->num_queues,
		.queue_size = desc->queue_size,
	};
	return 0;
}

static void forget_log(struct vm_vring *vr)
{
	if (vr->spent)
		vm_vring_log_reset(vr->spent);
	vr->spent = NULL;
}

void vm_device_save(struct vm_device *dev)
{
	vm_saved_write(dev->saved, dev);
	/* Only now: until then the log alone knows where a ring had come to that has stopped. */
	for (unsigned int i = 0; i < VM_RINGS_LANE; i++)
		forget_log(&dev->ring[i]);
}

static bool ring_enabled(const struct vm_device *dev, const struct vm_vring *vr)
{
	/* Who does not know of enabling has all rings enabled. */
	return vr->enabled || !(dev->features & BIT(VU_F_PROTOCOL_FEATURES));
}

static bool ring_ready(const struct vm_device *dev, const struct vm_vring *vr)
{
	return !vr->running && !vr->broken && vr->num && vr->desc && vr->kick >= 0 &&
	       ring_enabled(dev, vr);
}

/*
 * A legacy driver's header is two bytes shorter: whoever carried its frames would shift
 * them, and tell nobody.
 */
static bool is_modern(const struct vm_device *dev)
{
	return dev->features & BIT(VIRTIO_F_VERSION_1);
}

static int start_ring(struct vm_device *dev, unsigned int i)
{
	struct vm_vring *vr = &dev->ring[i];
	int err = 0;

	vr->event_idx = dev->features & BIT(VIRTIO_RING_F_EVENT_IDX);
	vr->indirect = dev->features & BIT(VIRTIO_RING_F_INDIRECT_DESC);
	vr->log = vm_device_log(dev, i);
	if (vr->spent == vr->log)
		vr->spent = NULL;
	vr->running = true;
	if (i < VM_RINGS_LANE)
		err = dev->lane->ring_start(dev, i);
	if (err)
		vr->running = false;
	else
		vm_debug("event=ring-start ring=%u num=%u base=%u lane=%s", i, vr->num,
			 vr->last_avail, dev->lane->name);
	return err;
}

void vm_device_stop_ring(struct vm_device *dev, unsigned int i)
{
	struct vm_vring *vr = &dev->ring[i];

	if (!vr->running)
		return;
	vr->running = false;
	if (i < VM_RINGS_LANE)
		dev->lane->ring_stop(dev, i);
	vr->spent = vr->log;
	/* A log that nobody will look at, or one to be found clean by whoever is given it. */
	if (!dev->saved)
		forget_log(vr);
	vm_debug("event=ring-stop ring=%u base=%u", i, vr->last_avail);
}

void vm_device_stop_rings(struct vm_device *dev)
{
	for (unsigned int i = 0; i < dev->rings; i++)
		vm_device_stop_ring(dev, i);
}

/*
 * The kernel will not have it: from now on frames are ours to carry. If that cannot be
 * either (out of memory), a new process is better than one that serves nobody.
 */
static int change_lane(struct vm_device *dev)
{
	int err;

	vm_device_stop_rings(dev);
	dev->lane->exit(dev);
	dev->lane = &vm_lane_own;
	err = dev->lane->init(dev);
	if (err) {
		dev->lane = NULL;
		vm_loop_stop(dev->loop, EXIT_FAILURE);
		return err;
	}
	vm_info("event=lane lane=%s reason=\"the kernel refused a ring\"", dev->lane->name);
	return 0;
}

void vm_device_start_rings(struct vm_device *dev)
{
	for (unsigned int i = 0; dev->lane && i < dev->rings; i++) {
		struct vm_vring *vr = &dev->ring[i];
		int err;

		if (!ring_ready(dev, vr))
			continue;
		if (!is_modern(dev)) {
			vm_device_ring_broken(
				dev, i, "a legacy driver: VIRTIO_F_VERSION_1 is not negotiated");
			continue;
		}
		err = start_ring(dev, i);
		if (!err || vr->broken)
			continue;
		if (dev->lane != &vm_lane_own) {
			if (change_lane(dev))
				return;
			i = -1; /* all of them anew, there */
			continue;
		}
		vm_device_ring_broken(dev, i, strerror(-err));
	}
}

/* Neither a socket that nobody reads, as UML's may be, nor a full eventfd may hold us up. */
static void signal_fd(int fd)
{
	struct pollfd room = { .fd = fd, .events = POLLOUT };
	__u64 one = 1;

	if (fd < 0 || poll(&room, 1, 0) != 1 || !(room.revents & POLLOUT))
		return;
	if (send(fd, &one, sizeof(one), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == ENOTSOCK &&
	    write(fd, &one, sizeof(one)) < 0)
		vm_debug("event=signal error=\"%s\"", strerror(errno));
}

void vm_device_ring_broken(struct vm_device *dev, unsigned int i, const char *why)
{
	struct vm_vring *vr = &dev->ring[i];

	vm_warn("event=ring-broken ring=%u reason=\"%s\" hint=\"it rests until it is set up anew\"",
		i, why);
	vr->broken = true;
	vm_device_stop_ring(dev, i);
	/* No request follows that would: and whoever did not know might start it again. */
	vm_device_save(dev);
	signal_fd(vr->err);
}

static bool map_ring(struct vm_device *dev, struct vm_vring *vr)
{
	/* With the event index behind each ring, whether negotiated or not: all drivers have it. */
	vr->desc = vm_memory_user(&dev->mem, vr->desc_user, 16ULL * vr->num);
	vr->avail = vm_memory_user(&dev->mem, vr->avail_user, 6 + 2ULL * vr->num);
	vr->used = vm_memory_user(&dev->mem, vr->used_user, 6 + 8ULL * vr->num);
	if (!vr->desc || !vr->avail || !vr->used)
		return false;
	/* A region may lie anywhere: what is aligned for the front-end need not be so here. */
	return !((uintptr_t)vr->desc & 15) && !((uintptr_t)vr->avail & 1) &&
	       !((uintptr_t)vr->used & 3);
}

void vm_device_map_rings(struct vm_device *dev)
{
	for (unsigned int i = 0; i < dev->rings; i++) {
		struct vm_vring *vr = &dev->ring[i];
		bool was = vr->desc;

		if (!vr->addressed || map_ring(dev, vr))
			continue;
		vr->desc = NULL;
		if (!was)
			continue;
		vm_warn("event=ring-lost ring=%u reason=\"its memory was taken away or moved\"", i);
	}
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void vm_device_reset(struct vm_device *dev)
{
	vm_device_stop_rings(dev);
	for (unsigned int i = 0; i < VM_RINGS; i++) {
		struct vm_vring *vr = &dev->ring[i];
		struct vm_vring_log *spent = vr->spent;

		close_fd(&vr->kick);
		close_fd(&vr->call);
		close_fd(&vr->err);
		ring_init(vr);
		vr->spent = spent;
	}
	dev->features = 0;
}

void vm_device_disconnect(struct vm_device *dev)
{
	vm_device_reset(dev);
	drop_inflight(dev);
	vm_memory_clear(&dev->mem);
	close_fd(&dev->backend_req);
	dev->protocol = 0;
	dev->complaints = 0;
}

void vm_device_resume(struct vm_device *dev, bool kernel)
{
	for (unsigned int i = 0; i < dev->rings; i++) {
		struct vm_vring_log *log = vm_device_log(dev, i);
		struct vm_vring *vr = &dev->ring[i];

		if (!vr->num || !vr->addressed)
			continue;
		if (!map_ring(dev, vr)) {
			vr->desc = NULL;
			continue;
		}
		if (!kernel || i >= VM_RINGS_LANE)
			continue;
		/* It refused this ring, and the own lane had it after the state was written. */
		if (log && vm_vring_log_dirty(log, vr->num))
			continue;
		/* The kernel completes in order: what is not used was not taken. */
		vr->last_avail = __atomic_load_n(&vr->used->idx, __ATOMIC_ACQUIRE);
	}
	vm_device_start_rings(dev);
	/* What the last process published it may not have told; a kick it took may be lost. */
	for (unsigned int i = 0; i < VM_RINGS_LANE; i++) {
		if (!dev->ring[i].running)
			continue;
		signal_fd(dev->ring[i].call);
		signal_fd(dev->ring[i].kick);
	}
}
