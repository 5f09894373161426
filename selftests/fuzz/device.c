// SPDX-License-Identifier: GPL-2.0-only
/*
 * A front-end's requests, done by the device with real files, memory and saved
 * state; only the lane and the service manager are played here. An input is:
 *
 *	1 byte	bit 0: at the end the port dies and another goes on; bits 1-7: how many
 *		bytes of what is saved have changed by then
 *	3 bytes	each of these: where (16 bits), and what is there now
 *	then, for each request:
 *	1 byte	the request
 *	1 byte	bits 0-3: which descriptors go with it; 4: a reply is asked for
 *	1 byte	how many bytes of payload follow
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/kcmp.h>

#include "../../host/log.h"
#include "../../host/vhost/device.h"
#include "../../host/vhost/loop.h"
#include "../../host/vhost/saved.h"
#include "../../host/vhost/store.h"
#include "../../host/vhost/vring_log.h"
#include "fuzz.h"

#define MEMORY (128 << 10)
#define KEPT   64

static const __u8 mac[VM_MAC_LEN] = { 0x02, 0x4d, 0, 1, 0, 1 };

/* The service manager: what it keeps. */
static struct {
	char name[VM_STORE_NAME];
	int fd;
} kept[KEPT];
static unsigned int nkept;
static bool lied_to; /* what is saved may name any file */

bool vm_store_exists(void)
{
	return true;
}

int vm_store_take(const char *name)
{
	for (unsigned int i = 0; i < nkept; i++)
		if (!strcmp(kept[i].name, name))
			return dup(kept[i].fd);
	return -1;
}

void vm_store_keep(const char *name, int fd)
{
	must(nkept < KEPT);
	/* Of a file that it has, a manager forgets the second name. */
	for (unsigned int i = 0; i < nkept && !lied_to; i++)
		must(syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, kept[i].fd, fd));
	must(strlen(name) < VM_STORE_NAME);
	strcpy(kept[nkept].name, name);
	kept[nkept++].fd = dup(fd);
}

void vm_store_drop(const char *name)
{
	for (unsigned int i = 0; i < nkept; i++)
		if (!strcmp(kept[i].name, name)) {
			close(kept[i].fd);
			kept[i] = kept[--nkept];
			return;
		}
	must(lied_to);
}

void vm_store_tidy(void)
{
}

/* Of a port that can have no lane any more: the one here is always to be had. */
void vm_loop_stop(struct vm_loop *loop, int status)
{
	must(0);
}

/* The lane: as little as can tell whether a ring may run. */
static unsigned int running;

static void touch(volatile void *at, size_t len)
{
	volatile char *byte = at;
	char first = byte[0], last = byte[len - 1];

	byte[0] = first;
	byte[len - 1] = last;
}

static int lane_start(struct vm_device *dev, unsigned int i)
{
	struct vm_vring *vr = &dev->ring[i];
	struct iovec iov[8];
	struct vm_chain chain;

	must(i < VM_RINGS_LANE && !(running & 1u << i));
	must(vr->num && vr->num <= VM_VRING_NUM_MAX && !(vr->num & (vr->num - 1)));
	must(vr->kick >= 0 && !vr->broken);
	must(!((uintptr_t)vr->desc & 15) && !((uintptr_t)vr->avail & 1) &&
	     !((uintptr_t)vr->used & 3));
	touch(vr->desc, 16UL * vr->num);
	touch(vr->avail, 6 + 2UL * vr->num);
	touch(vr->used, 6 + 8UL * vr->num);
	if (vr->log)
		touch(vr->log, vm_vring_log_size(vr->num));
	vm_vring_start(vr);
	if (vr->log && !vm_vring_log_dirty(vr->log, vr->num))
		vm_vring_log_begin(vr->log, vr->num, vr->used_idx);
	while (vm_vring_pop(vr, &dev->mem, iov, 8, &chain) == 1) {
		for (unsigned int k = 0; k < chain.out + chain.in; k++)
			touch(iov[k].iov_base, iov[k].iov_len);
		vm_vring_push(vr, chain.head, 0);
	}
	vm_vring_publish(vr);
	running |= 1u << i;
	if (vr->broken) {
		/* As from within ring_start(): the device stops it by itself. */
		vm_device_ring_broken(dev, i, vr->why);
		return -EPROTO;
	}
	return 0;
}

static void lane_stop(struct vm_device *dev, unsigned int i)
{
	must(running & 1u << i);
	running &= ~(1u << i);
}

static int lane_init(struct vm_device *dev)
{
	return 0;
}

static void lane_exit(struct vm_device *dev)
{
}

const struct vm_lane vm_lane_own = {
	.name = "none",
	.init = lane_init,
	.ring_start = lane_start,
	.ring_stop = lane_stop,
	.exit = lane_exit,
};

/* Never chosen here. */
const struct vm_lane vm_lane_kernel = { .name = "kernel" };

/* What a front-end has: memory, events, a socket, things that are neither. */
static int files[4];
static int sock[2];
static struct vm_saved *saved;
static char saved_page[4096]; /* as it was at first */

static void begin_once(void)
{
	bool resumed;

	if (saved)
		return;
	vm_log_set_level(VM_LOG_ERR);
	files[0] = memfd_create("guest", MFD_CLOEXEC);
	files[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	files[3] = open("/dev/null", O_RDWR | O_CLOEXEC);
	must(!ftruncate(files[0], MEMORY));
	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sock));
	files[2] = sock[1];
	saved = vm_saved_open(&resumed);
	must(saved && !resumed);
	must(pread(kept[0].fd, saved_page, sizeof(saved_page), 0) == sizeof(saved_page));
}

static void make_device(struct vm_device *dev)
{
	vm_device_init(dev, mac, 1500, 2);
	dev->lane = &vm_lane_own;
	dev->saved = saved;
}

static void drain(void)
{
	char waste[4096], control[256];
	struct iovec iov = { .iov_base = waste, .iov_len = sizeof(waste) };

	for (;;) {
		struct msghdr mh = {
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control),
		};
		struct cmsghdr *cmsg;

		if (recvmsg(sock[1], &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0)
			return;
		cmsg = CMSG_FIRSTHDR(&mh);
		if (cmsg) {
			int fd;

			memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
			close(fd);
		}
	}
}

static void check(const struct vm_device *dev)
{
	must(dev->mem.n <= VM_REGIONS_MAX);
	for (unsigned int i = 0; i < VM_RINGS; i++) {
		const struct vm_vring *vr = &dev->ring[i];

		if (i < VM_RINGS_LANE)
			must(vr->running == !!(running & 1u << i));
		must(!vr->running || (vr->desc && vr->num && !vr->broken));
	}
	must(!(dev->features & ~dev->offered));
}

static int lowest_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

static const uint8_t *request(struct vm_device *dev, const uint8_t *data, size_t len, bool *cut)
{
	struct vm_message msg;
	size_t size;

	vm_message_init(&msg);
	size = data[2] < len - 3 ? data[2] : len - 3;
	msg.hdr.request = data[0] % (VU_REQUESTS + 2);
	msg.hdr.flags = VU_VERSION | (data[1] & 16 ? VU_FLAG_NEED_REPLY : 0);
	msg.hdr.size = size;
	memcpy(&msg.payload, data + 3, size);
	for (unsigned int i = 0; i < 4; i++)
		if (data[1] & 1u << i)
			msg.fd[msg.nfds++] = dup(files[i]);
	*cut = vm_device_request(dev, sock[0], &msg) < 0;
	vm_message_done(&msg);
	drain();
	check(dev);
	return data + 3 + size;
}

/* A guest had its way with the port before it died. */
static void lie(const uint8_t *data, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++, data += 3)
		must(pwrite(kept[0].fd, data + 2, 1,
			    (data[0] | data[1] << 8) % sizeof(saved_page)) == 1);
	lied_to = n;
}

/* All as before the first input. */
static void forget(void)
{
	while (nkept > 1)
		close(kept[--nkept].fd);
	must(pwrite(kept[0].fd, saved_page, sizeof(saved_page), 0) == sizeof(saved_page));
	lied_to = false;
}

/* The port has died: what it had open is closed, and its successor reads what is saved. */
static void another(struct vm_device *dev)
{
	int their_sock = -1;
	bool kernel;

	vm_device_stop_rings(dev);
	for (unsigned int i = 0; i < VM_RINGS; i++) {
		close(dev->ring[i].kick);
		close(dev->ring[i].call);
		close(dev->ring[i].err);
	}
	close(dev->backend_req);
	vm_memory_clear(&dev->mem);
	if (dev->inflight.fd >= 0) {
		munmap(dev->inflight.map, dev->inflight.map_size);
		close(dev->inflight.fd);
	}
	make_device(dev);
	if (!vm_saved_read(saved, dev, &their_sock, &kernel)) {
		vm_device_resume(dev, kernel);
		check(dev);
		drain();
	}
	if (their_sock >= 0)
		close(their_sock);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const uint8_t *end = data + len;
	static struct vm_device dev;
	const uint8_t *lies;
	unsigned int nlies;
	bool dies, cut = false;
	uint64_t count;
	int lowest;

	if (!len)
		return 0;
	begin_once();
	lowest = lowest_fd();
	make_device(&dev);
	dev.sock = sock[0];
	vm_device_save(&dev);
	dies = *data & 1;
	nlies = *data++ >> 1;
	if (end - data < 3 * (ssize_t)nlies)
		nlies = (end - data) / 3;
	lies = data;
	data += 3 * nlies;
	while (end - data >= 3 && !cut)
		data = request(&dev, data, end - data, &cut);
	if (dies && !cut) {
		lie(lies, nlies);
		another(&dev);
	}
	vm_device_disconnect(&dev);
	must(!running);
	dev.sock = -1;
	vm_device_save(&dev);
	/* Only the memfd of the state itself is still there. */
	must(nkept == 1 || lied_to);
	forget();
	must(lowest_fd() == lowest);
	if (read(files[1], &count, sizeof(count)) < 0)
		must(errno == EAGAIN);
	return 0;
}
