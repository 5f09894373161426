// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../host/vhost/loop.h"
#include "lanebed.h"

static struct {
	int fd;
	void (*fn)(void *arg);
	void *arg;
} watches[VM_LOOP_WATCHES];
static unsigned int n_watches, broken[VM_RINGS_LANE];

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

unsigned int lanebed_round(int ms)
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

unsigned int lanebed_watches(void)
{
	return n_watches;
}

/* What device.c does of it: the ring stops. */
void vm_device_ring_broken(struct vm_device *dev, unsigned int i, const char *why)
{
	broken[i]++;
	vm_lane_kernel.ring_stop(dev, i);
}

unsigned int lanebed_broken(unsigned int i)
{
	return broken[i];
}

int wire_open(const char *tap)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)), one = 1;
	int size = 32 << 20;

	to.sll_ifindex = if_nametoindex(tap);
	setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return bind(fd, (struct sockaddr *)&to, sizeof(to)) ? -errno : fd;
}

int lanebed_memory(struct vm_device *dev, struct fe *fe)
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

void lanebed_ring(struct vm_device *dev, unsigned int i, const struct ring *r)
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

void frame_fill(unsigned char *frame, __u16 n, size_t len)
{
	memcpy(frame, "\x02\x4d\x00\x01\x00\x02\x02\x4d\x00\x01\x00\x01\x88\xb5", 14);
	frame[14] = n >> 8;
	frame[15] = n;
	for (size_t i = 16; i < len; i++)
		frame[i] = i * 7 + n * 13 + (i >> 8);
}

static bool frame_is(const unsigned char *frame, __u16 n, size_t len)
{
	unsigned char want[WIRE_FRAME_MAX];

	frame_fill(want, n, len);
	return !memcmp(frame, want, len);
}

int guest_says(struct fe *fe, __u16 n, size_t len)
{
	struct ring *r = &fe->ring[VM_RING_TX];
	unsigned char frame[WIRE_FRAME_MAX];
	long long end = fe_now_ms() + FE_WAIT_MS;
	int err;

	frame_fill(frame, n, len);
	while ((err = ring_send(r, frame, len)) == -ENOSPC) {
		if (fe_now_ms() > end)
			return -ETIMEDOUT;
		err = ring_wait(r, FE_WAIT_MS);
		if (err)
			return err;
	}
	ring_kick_if_wanted(r);
	return err;
}

int wire_hears(int wire, __u16 n, size_t len)
{
	unsigned char frame[WIRE_FRAME_MAX];
	struct pollfd p = { .fd = wire, .events = POLLIN };
	ssize_t got;

	if (poll(&p, 1, FE_WAIT_MS) != 1)
		return -ETIMEDOUT;
	got = recv(wire, frame, sizeof(frame), MSG_TRUNC);
	if (got < 0)
		return -errno;
	return (size_t)got == len && frame_is(frame, n, len);
}

int wire_says(int wire, __u16 n, size_t len)
{
	unsigned char frame[WIRE_FRAME_MAX];

	frame_fill(frame, n, len);
	return send(wire, frame, len, 0) == (ssize_t)len ? 0 : -errno;
}

int guest_hears(struct fe *fe, __u16 n, size_t len)
{
	struct ring *r = &fe->ring[VM_RING_RX];
	unsigned char frame[WIRE_FRAME_MAX];
	ssize_t got;
	int err;

	while ((got = ring_recv(r, frame, sizeof(frame))) == -EAGAIN) {
		err = ring_wait(r, FE_WAIT_MS);
		if (err)
			return err;
	}
	if (got < 0)
		return got;
	ring_publish(r);
	ring_kick_if_wanted(r);
	return (size_t)got == len && frame_is(frame, n, len);
}

bool wire_is_silent(int wire)
{
	struct pollfd p = { .fd = wire, .events = POLLIN };

	return poll(&p, 1, 0) == 0;
}
