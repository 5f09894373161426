// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a front-end may ask, one function each. A request is checked as a whole
 * before anything is touched: one that fails has changed nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/sockios.h>

#include "../log.h"
#include "device.h"
#include "sandbox.h"
#include "vring_log.h"

SANDBOX_CALLS(request_calls, SANDBOX_CALL(memfd_create), SANDBOX_CALL(ftruncate),
	      SANDBOX_CALL_ARG(fcntl, 1, F_ADD_SEALS), SANDBOX_CALL_POLL, SANDBOX_CALL(write),
	      SANDBOX_CALL(fstat), SANDBOX_CALL(newfstatat), SANDBOX_CALL(close),
	      SANDBOX_CALL_ARG(ioctl, 1, SIOCOUTQ));

#define BIT(n) (1ULL << (n))

#define PROTOCOL_OFFERED                                                                   \
	(BIT(VU_PROTOCOL_MQ) | BIT(VU_PROTOCOL_REPLY_ACK) | BIT(VU_PROTOCOL_BACKEND_REQ) | \
	 BIT(VU_PROTOCOL_CONFIG) | BIT(VU_PROTOCOL_INFLIGHT_SHMFD) |                       \
	 BIT(VU_PROTOCOL_RESET_DEVICE) | BIT(VU_PROTOCOL_CONFIGURE_MEM_SLOTS))

#define COMPLAINTS_MAX 8

static int reply_u64(int sock, const struct vm_message *msg, __u64 value)
{
	return vm_message_reply(sock, msg, &value, sizeof(value), -1);
}

static int take_fd(struct vm_message *msg)
{
	int fd = msg->fd[0];

	msg->fd[0] = -1;
	return fd;
}

static void replace_fd(int *place, int fd)
{
	if (*place >= 0)
		close(*place);
	*place = fd;
}

static mode_t type_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? S_IFREG : st.st_mode & S_IFMT;
}

/*
 * An eventfd has no type, as other anonymous files; of those it is the only one
 * that takes 8 bytes of zero, which change nothing. They wait in one case: the
 * kernel has counted as far as it can, which a poll calls an error.
 */
static bool is_eventfd(int fd)
{
	struct pollfd state = { .fd = fd, .events = POLLIN | POLLOUT };
	__u64 zero = 0;

	return type_of(fd) == 0 && poll(&state, 1, 0) == 1 && !(state.revents & POLLERR) &&
	       write(fd, &zero, sizeof(zero)) == sizeof(zero);
}

static int set_features(struct vm_device *dev, __u64 features)
{
	if (features & ~dev->offered)
		return -EINVAL;
	if (features == dev->features)
		return 0;
	for (unsigned int i = 0; i < dev->rings; i++)
		if (dev->ring[i].running)
			return -EBUSY;
	dev->features = features;
	return 0;
}

static int set_mem_table(struct vm_device *dev, struct vm_message *msg)
{
	const struct vu_mem_table *table = &msg->payload.table;
	struct vm_memory mem;
	int err = 0;

	vm_memory_init(&mem);
	for (unsigned int i = 0; i < table->num && !err; i++) {
		const struct vu_region *r = &table->region[i];

		err = vm_memory_add(&mem, r->gpa, r->user, r->size, r->mmap_offset, msg->fd[i]);
		if (!err)
			msg->fd[i] = -1;
	}
	if (err) {
		vm_memory_clear(&mem);
		return err;
	}
	vm_device_stop_rings(dev);
	vm_memory_clear(&dev->mem);
	dev->mem = mem;
	vm_device_map_rings(dev);
	return 0;
}

static int add_mem_reg(struct vm_device *dev, struct vm_message *msg)
{
	const struct vu_region *r = &msg->payload.one.region;
	int err;

	/* The kernel lane has a copy of the table: it learns of the new one at its next start. */
	vm_device_stop_rings(dev);
	err = vm_memory_add(&dev->mem, r->gpa, r->user, r->size, r->mmap_offset, msg->fd[0]);
	if (err)
		return err;
	msg->fd[0] = -1;
	vm_device_map_rings(dev);
	return 0;
}

static int rem_mem_reg(struct vm_device *dev, const struct vm_message *msg)
{
	const struct vu_region *r = &msg->payload.one.region;
	int err;

	vm_device_stop_rings(dev);
	err = vm_memory_del(&dev->mem, r->gpa, r->user, r->size);
	if (!err)
		vm_device_map_rings(dev);
	return err;
}

/* The ring a request is about, if it may be changed now. */
static struct vm_vring *idle_ring(struct vm_device *dev, __u32 index, int *err)
{
	*err = index >= dev->rings ? -EINVAL : dev->ring[index].running ? -EBUSY : 0;
	return *err ? NULL : &dev->ring[index];
}

static int set_vring_num(struct vm_device *dev, const struct vu_vring_state *state)
{
	struct vm_vring *vr;
	int err;

	vr = idle_ring(dev, state->index, &err);
	if (err)
		return err;
	if (!state->num || state->num > VM_VRING_NUM_MAX || state->num & (state->num - 1))
		return -EINVAL;
	if (vr->num == state->num)
		return 0;
	vr->num = state->num;
	/* It was found in memory at its old size. */
	vr->addressed = false;
	vr->desc = NULL;
	return 0;
}

static int set_vring_addr(struct vm_device *dev, const struct vu_vring_addr *addr)
{
	struct vm_vring *vr;
	void *desc, *avail, *used;
	int err;

	vr = idle_ring(dev, addr->index, &err);
	if (err)
		return err;
	if (addr->flags) /* dirty logging was not offered */
		return -EOPNOTSUPP;
	if (!vr->num || addr->desc & 15 || addr->avail & 1 || addr->used & 3)
		return -EINVAL;
	desc = vm_memory_user(&dev->mem, addr->desc, 16ULL * vr->num);
	avail = vm_memory_user(&dev->mem, addr->avail, 6 + 2ULL * vr->num);
	used = vm_memory_user(&dev->mem, addr->used, 6 + 8ULL * vr->num);
	/* Aligned here too: a region may lie anywhere. */
	if (!desc || !avail || !used || (unsigned long)desc & 15 || (unsigned long)avail & 1 ||
	    (unsigned long)used & 3)
		return -EFAULT;
	vr->desc = desc;
	vr->avail = avail;
	vr->used = used;
	vr->desc_user = addr->desc;
	vr->avail_user = addr->avail;
	vr->used_user = addr->used;
	vr->addressed = true;
	vr->broken = false;
	return 0;
}

static int set_vring_base(struct vm_device *dev, const struct vu_vring_state *state)
{
	struct vm_vring_log *log;
	struct vm_vring *vr;
	int err;

	vr = idle_ring(dev, state->index, &err);
	if (err)
		return err;
	vr->last_avail = state->num;
	vr->broken = false;
	/* The front-end's own log knows better than the base; ours is of an earlier ring. */
	log = vm_device_log(dev, state->index);
	if (log && dev->inflight.fd < 0)
		vm_vring_log_reset(log);
	return 0;
}

static int get_vring_base(struct vm_device *dev, int sock, const struct vm_message *msg)
{
	struct vu_vring_state state = msg->payload.state;
	struct vm_vring *vr;

	if (state.index >= dev->rings)
		return -EINVAL;
	vr = &dev->ring[state.index];
	vm_device_stop_ring(dev, state.index);
	/* The next kick fd starts it again. */
	replace_fd(&vr->kick, -1);
	vr->broken = false;
	state.num = vr->last_avail;
	vm_device_save(dev);
	return vm_message_reply(sock, msg, &state, sizeof(state), -1);
}

static int set_vring_fd(struct vm_device *dev, struct vm_message *msg)
{
	unsigned int i = msg->payload.u64 & VU_VRING_INDEX;
	bool none = msg->payload.u64 & VU_VRING_NO_FD;
	bool eventfd = !none && is_eventfd(msg->fd[0]);
	struct vm_vring *vr;
	int *place, old;

	if (i >= dev->rings)
		return -EINVAL;
	vr = &dev->ring[i];
	if (msg->hdr.request == VU_SET_VRING_KICK) {
		if (none) /* we would have to poll */
			return -EOPNOTSUPP;
		if (!eventfd)
			return -EINVAL;
		vm_device_stop_ring(dev, i);
		replace_fd(&vr->kick, take_fd(msg));
		vr->broken = false;
		return 0;
	}
	/* UML cannot take a signal from an eventfd: it gives a stream socket. */
	if (!none && !eventfd && type_of(msg->fd[0]) != S_IFSOCK)
		return -EINVAL;
	place = msg->hdr.request == VU_SET_VRING_CALL ? &vr->call : &vr->err;
	old = *place;
	*place = none ? -1 : take_fd(msg);
	if (place == &vr->call)
		vr->call_is_eventfd = eventfd;
	if (vr->running && i < VM_RINGS_LANE && dev->lane->ring_fds)
		dev->lane->ring_fds(dev, i);
	/* Only now: the lane may have been about to use it. */
	if (old >= 0)
		close(old);
	return 0;
}

static int set_vring_enable(struct vm_device *dev, const struct vu_vring_state *state)
{
	if (state->index >= dev->rings)
		return -EINVAL;
	if (!state->num)
		vm_device_stop_ring(dev, state->index);
	dev->ring[state->index].enabled = state->num;
	return 0;
}

static int set_backend_req(struct vm_device *dev, struct vm_message *msg)
{
	if (!(dev->protocol & BIT(VU_PROTOCOL_BACKEND_REQ)))
		return -EINVAL;
	if (type_of(msg->fd[0]) != S_IFSOCK)
		return -EINVAL;
	replace_fd(&dev->backend_req, take_fd(msg));
	return 0;
}

static int get_config(struct vm_device *dev, int sock, const struct vm_message *msg)
{
	struct vu_config config = msg->payload.config;
	__u8 space[VU_CONFIG_MAX] = {};

	/* What lies behind the fields of our features reads as zero. */
	memcpy(space, &dev->config, sizeof(dev->config));
	memcpy(config.data, space + config.offset, config.size);
	return vm_message_reply(sock, msg, &config, msg->hdr.size, -1);
}

static bool all_read(int sock)
{
	int bytes;

	return !ioctl(sock, SIOCOUTQ, &bytes) && !bytes;
}

bool vm_device_all_taken(struct vm_device *dev, int sock)
{
	if (dev->untaken >= 0 && all_read(dev->untaken))
		replace_fd(&dev->untaken, -1);
	return dev->untaken < 0 && all_read(sock);
}

static int get_inflight(struct vm_device *dev, int sock, const struct vm_message *msg)
{
	struct vu_inflight desc = msg->payload.inflight;
	int fd, err;

	if (!desc.num_queues || desc.num_queues > dev->rings || !desc.queue_size ||
	    desc.queue_size > VM_VRING_NUM_MAX)
		return -EINVAL;
	if (!vm_device_all_taken(dev, sock))
		return -EAGAIN;
	desc.mmap_size = desc.num_queues * vm_device_inflight_stride(desc.queue_size);
	desc.mmap_offset = 0;
	desc.padding = 0;
	fd = memfd_create("virtmesh-inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	/* It comes back to us: then it must be as long as it was. */
	if (ftruncate(fd, desc.mmap_size) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		err = -errno;
	else
		err = vm_message_reply(sock, msg, &desc, msg->hdr.size, fd);
	close(fd);
	return err;
}

static int set_inflight(struct vm_device *dev, struct vm_message *msg)
{
	int err = vm_device_set_inflight(dev, &msg->payload.inflight, msg->fd[0]);

	if (!err)
		msg->fd[0] = -1;
	return err;
}

static int query(struct vm_device *dev, int sock, const struct vm_message *msg)
{
	switch (msg->hdr.request) {
	case VU_GET_FEATURES:
		return reply_u64(sock, msg, dev->offered);
	case VU_GET_PROTOCOL_FEATURES:
		return reply_u64(sock, msg, PROTOCOL_OFFERED);
	case VU_GET_QUEUE_NUM:
		return reply_u64(sock, msg, dev->rings / 2);
	case VU_GET_MAX_MEM_SLOTS:
		return reply_u64(sock, msg, VM_REGIONS_MAX);
	case VU_GET_VRING_BASE:
		return get_vring_base(dev, sock, msg);
	case VU_GET_CONFIG:
		return get_config(dev, sock, msg);
	case VU_GET_INFLIGHT_FD:
		return get_inflight(dev, sock, msg);
	default:
		return -EOPNOTSUPP;
	}
}

static int change(struct vm_device *dev, struct vm_message *msg)
{
	switch (msg->hdr.request) {
	case VU_SET_OWNER:
		return 0;
	case VU_RESET_OWNER: /* no longer used; what it may still mean is this */
		for (unsigned int i = 0; i < dev->rings; i++) {
			vm_device_stop_ring(dev, i);
			dev->ring[i].enabled = false;
		}
		return 0;
	case VU_RESET_DEVICE:
		vm_device_reset(dev);
		return 0;
	case VU_SET_FEATURES:
		return set_features(dev, msg->payload.u64);
	case VU_SET_PROTOCOL_FEATURES:
		if (msg->payload.u64 & ~PROTOCOL_OFFERED)
			return -EINVAL;
		dev->protocol = msg->payload.u64;
		return 0;
	case VU_SET_MEM_TABLE:
		return set_mem_table(dev, msg);
	case VU_ADD_MEM_REG:
		return add_mem_reg(dev, msg);
	case VU_REM_MEM_REG:
		return rem_mem_reg(dev, msg);
	case VU_SET_VRING_NUM:
		return set_vring_num(dev, &msg->payload.state);
	case VU_SET_VRING_ADDR:
		return set_vring_addr(dev, &msg->payload.addr);
	case VU_SET_VRING_BASE:
		return set_vring_base(dev, &msg->payload.state);
	case VU_SET_VRING_KICK:
	case VU_SET_VRING_CALL:
	case VU_SET_VRING_ERR:
		return set_vring_fd(dev, msg);
	case VU_SET_VRING_ENABLE:
		return set_vring_enable(dev, &msg->payload.state);
	case VU_SET_BACKEND_REQ_FD:
		return set_backend_req(dev, msg);
	case VU_SET_INFLIGHT_FD:
		return set_inflight(dev, msg);
	case VU_SET_CONFIG: /* nothing in it is the driver's to set */
		return -EPERM;
	default:
		return -EOPNOTSUPP;
	}
}

static void complain(struct vm_device *dev, const struct vm_message *msg, int err)
{
	if (dev->complaints >= COMPLAINTS_MAX)
		return;
	vm_warn("event=refused request=%u size=%u fds=%u error=\"%s\"%s", msg->hdr.request,
		msg->hdr.size, msg->nfds, strerror(-err),
		++dev->complaints == COMPLAINTS_MAX ? " hint=\"further ones are not logged\"" : "");
}

static int do_query(struct vm_device *dev, int sock, const struct vm_message *msg, int err)
{
	if (!err)
		err = query(dev, sock, msg);
	if (!err)
		return 0;
	complain(dev, msg, err);
	/* The one query whose answer can say no. */
	if (msg->hdr.request == VU_GET_CONFIG && err != -EAGAIN)
		return vm_message_reply(sock, msg, NULL, 0, -1);
	return err;
}

int vm_device_request(struct vm_device *dev, int sock, struct vm_message *msg)
{
	int err = vm_message_check(msg);

	if (vm_message_is_query(msg->hdr.request))
		return do_query(dev, sock, msg, err);
	if (!err) {
		err = change(dev, msg);
		/* In this order: a ring that moves frames is one that the next process knows of. */
		vm_device_save(dev);
		vm_device_start_rings(dev);
	}
	if (err)
		complain(dev, msg, err);
	if (msg->hdr.flags & VU_FLAG_NEED_REPLY && dev->protocol & BIT(VU_PROTOCOL_REPLY_ACK))
		return reply_u64(sock, msg, -err);
	return err;
}
