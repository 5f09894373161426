// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/virtio_net.h>

#include "driver.h"
#include "frontend.h"

#define VNET_HDR sizeof(struct virtio_net_hdr_v1)

/* Where event indices stand: behind the rings. */
static uint16_t *used_event(const struct ring *ring)
{
	return &ring->avail->ring[ring->num];
}

static uint16_t *avail_event(const struct ring *ring)
{
	return (uint16_t *)&ring->used->ring[ring->num];
}

static uint16_t load(const uint16_t *at)
{
	return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

static void store(uint16_t *at, uint16_t value)
{
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
}

void ring_reset_at(struct ring *ring, uint16_t base)
{
	memset(ring->desc, 0, ring->num * sizeof(*ring->desc));
	memset(ring->avail, 0, sizeof(*ring->avail) + (ring->num + 1) * sizeof(uint16_t));
	memset(ring->used, 0,
	       sizeof(*ring->used) + ring->num * sizeof(*ring->used->ring) + sizeof(uint16_t));
	memset(ring->length, 0, sizeof(ring->length));
	for (unsigned int i = 0; i < ring->num; i++)
		ring->next[i] = i + 1;
	ring->free_head = 0;
	ring->nfree = ring->num;
	ring->avail_idx = base;
	ring->kicked_idx = base;
	ring->used_idx = base;
	store(&ring->avail->idx, base);
	store(&ring->used->idx, base);
}

void ring_reset(struct ring *ring)
{
	ring_reset_at(ring, 0);
}

static uint16_t take(struct ring *ring)
{
	uint16_t i = ring->free_head;

	ring->free_head = ring->next[i];
	ring->nfree--;
	return i;
}

static void put_desc(struct ring *ring, struct vring_desc *desc, const struct ring_buf *buf,
		     bool more, uint16_t next)
{
	desc->addr = fe_gpa(ring->fe, buf->at);
	desc->len = buf->len;
	desc->flags = (buf->in ? VRING_DESC_F_WRITE : 0) | (more ? VRING_DESC_F_NEXT : 0);
	desc->next = next;
}

int ring_add(struct ring *ring, const struct ring_buf *bufs, unsigned int n,
	     struct vring_desc *table)
{
	uint16_t head, i;

	if (ring->nfree < (table ? 1 : n))
		return -ENOSPC;
	head = i = take(ring);
	if (table) {
		for (unsigned int k = 0; k < n; k++)
			put_desc(ring, &table[k], &bufs[k], k + 1 < n, k + 1);
		ring->desc[head] = (struct vring_desc){
			.addr = fe_gpa(ring->fe, table),
			.len = n * sizeof(*table),
			.flags = VRING_DESC_F_INDIRECT,
		};
		ring->length[head] = 1;
	} else {
		for (unsigned int k = 0; k < n; k++) {
			uint16_t next = k + 1 < n ? take(ring) : 0;

			put_desc(ring, &ring->desc[i], &bufs[k], k + 1 < n, next);
			ring->next[i] = next;
			i = next;
		}
		ring->length[head] = n;
	}
	ring->avail->ring[ring->avail_idx++ % ring->num] = head;
	return head;
}

void ring_desc(struct ring *ring, unsigned int i, uint64_t addr, uint32_t len, uint16_t flags,
	       uint16_t next)
{
	ring->desc[i] = (struct vring_desc){ addr, len, flags, next };
}

void ring_publish(struct ring *ring)
{
	store(&ring->avail->idx, ring->avail_idx);
}

void ring_put(struct ring *ring, uint16_t head)
{
	ring->avail->ring[ring->avail_idx++ % ring->num] = head;
	ring_publish(ring);
}

int ring_get(struct ring *ring, uint32_t *len)
{
	const struct vring_used_elem *elem;
	uint32_t id;
	uint16_t i;

	if (load(&ring->used->idx) == ring->used_idx)
		return -EAGAIN;
	elem = &ring->used->ring[ring->used_idx++ % ring->num];
	id = elem->id;
	if (len)
		*len = elem->len;
	if (id >= ring->num || !ring->length[id])
		return -EBADMSG;

	for (i = id, ring->nfree++; --ring->length[id]; ring->nfree++)
		i = ring->next[i];
	ring->next[i] = ring->free_head;
	ring->free_head = id;
	return id;
}

unsigned int ring_out(const struct ring *ring)
{
	return (uint16_t)(ring->avail_idx - ring->used_idx);
}

bool ring_wants_kick(const struct ring *ring)
{
	uint16_t idx = ring->avail_idx, old = ring->kicked_idx;

	/* What was published before what is asked: the other side does the reverse. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (idx == old)
		return false;
	if (!ring->event_idx)
		return !(load(&ring->used->flags) & VRING_USED_F_NO_NOTIFY);
	return vring_need_event(load(avail_event(ring)), idx, old);
}

void ring_kick(struct ring *ring)
{
	uint64_t one = 1;

	ring->kicked_idx = ring->avail_idx;
	/* Refused when it is full: then a kick is pending. */
	while (write(ring->kick, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void ring_kick_if_wanted(struct ring *ring)
{
	if (ring_wants_kick(ring))
		ring_kick(ring);
}

void ring_want_call(struct ring *ring, unsigned int more)
{
	store(&ring->avail->flags, 0);
	store(used_event(ring), ring->used_idx + more - 1);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void ring_want_no_call(struct ring *ring)
{
	store(&ring->avail->flags, VRING_AVAIL_F_NO_INTERRUPT);
	store(used_event(ring), ring->used_idx - 1);
}

unsigned int ring_calls(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t value;
	unsigned int n = 0;
	ssize_t got;

	/* An eventfd holds a number; a socket holds one such a call. */
	while (poll(&p, 1, 0) == 1 && (p.revents & POLLIN)) {
		got = read(fd, &value, sizeof(value));
		if (got <= 0)
			break;
		n += got == sizeof(value) && value < 0xffffffff ? value : 1;
	}
	return n;
}

int ring_wait(struct ring *ring, int ms)
{
	long long end = fe_now_ms() + ms;
	struct pollfd p = { .fd = ring->call, .events = POLLIN };

	for (;;) {
		long long left = end - fe_now_ms();

		ring_want_call(ring, 1);
		if (load(&ring->used->idx) != ring->used_idx)
			return 0;
		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(&p, 1, left) > 0)
			ring_calls(ring->call);
	}
}

static void reclaim(struct ring *ring)
{
	while (ring_get(ring, NULL) >= 0)
		;
}

int ring_send(struct ring *ring, const void *frame, size_t len)
{
	struct ring_buf buf;

	if (!ring->nfree)
		reclaim(ring);
	if (!ring->nfree)
		return -ENOSPC;
	if (VNET_HDR + len > ring->slot_size)
		return -EMSGSIZE;
	buf.at = ring->slots + (size_t)ring->free_head * ring->slot_size;
	buf.len = VNET_HDR + len;
	buf.in = false;
	memset(buf.at, 0, VNET_HDR);
	memcpy((char *)buf.at + VNET_HDR, frame, len);
	ring_add(ring, &buf, 1, NULL);
	ring_publish(ring);
	return 0;
}

static void post_one(struct ring *ring)
{
	struct ring_buf buf = {
		.at = ring->slots + (size_t)ring->free_head * ring->slot_size,
		.len = ring->slot_size,
		.in = true,
	};

	ring_add(ring, &buf, 1, NULL);
}

unsigned int ring_post(struct ring *ring)
{
	unsigned int n = ring->nfree;

	while (ring->nfree)
		post_one(ring);
	ring_publish(ring);
	return n;
}

ssize_t ring_recv(struct ring *ring, void *frame, size_t max)
{
	uint32_t len;
	int head = ring_get(ring, &len);

	if (head < 0)
		return head;
	if (!len) {
		post_one(ring);
		return 0;
	}
	if (len < VNET_HDR || len > ring->slot_size)
		return -EBADMSG;
	len -= VNET_HDR;
	if (len > max)
		return -EMSGSIZE;
	memcpy(frame, ring->slots + (size_t)head * ring->slot_size + VNET_HDR, len);
	post_one(ring);
	return len;
}
