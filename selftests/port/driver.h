/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The driver's side of a split ring, for tests: well behaved by its functions,
 * and with everything open for those that want to misbehave.
 */
#ifndef VIRTMESH_SELFTESTS_PORT_DRIVER_H
#define VIRTMESH_SELFTESTS_PORT_DRIVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/virtio_ring.h>

#define RING_MAX 32768

struct fe;

struct ring {
	struct fe *fe;
	unsigned int index; /* of the vhost-user device */
	unsigned int num;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	bool event_idx;

	int kick; /* eventfd */
	int call; /* eventfd, or our end of a socket pair: then call_theirs is given away */
	int call_theirs;
	int err; /* eventfd */

	uint16_t avail_idx; /* next entry we fill */
	uint16_t kicked_idx; /* avail_idx at the last kick */
	uint16_t used_idx; /* next entry we read */
	unsigned int nfree;
	uint16_t free_head;
	uint16_t next[RING_MAX]; /* ours: what is in shared memory is not trusted */
	uint16_t length[RING_MAX]; /* of the chain that begins here; 0: none is out */

	char *slots; /* one buffer of slot_size for each descriptor */
	unsigned int slot_size;
};

struct ring_buf {
	void *at; /* in the front-end's memory */
	uint32_t len;
	bool in; /* the device writes it */
};

/* Everything as after a reset: memory zeroed, all descriptors free. */
void ring_reset(struct ring *ring);
/* The same with all indices at @base, as after SET_VRING_BASE. */
void ring_reset_at(struct ring *ring, uint16_t base);

/*
 * Put a chain where the device finds it at the next publication; with @table (in
 * the front-end's memory, n entries) as one indirect descriptor. Returns its head, or
 * -ENOSPC.
 */
int ring_add(struct ring *ring, const struct ring_buf *bufs, unsigned int n,
	     struct vring_desc *table);
/* Descriptor @i as it stands, by hand. */
void ring_desc(struct ring *ring, unsigned int i, uint64_t addr, uint32_t len, uint16_t flags,
	       uint16_t next);
/* Make what was added visible. ring_put() does both for a raw entry of any value. */
void ring_publish(struct ring *ring);
void ring_put(struct ring *ring, uint16_t head);
/* The next used chain; its descriptors are free again. Head, or -EAGAIN; -EBADMSG for an id not out. */
int ring_get(struct ring *ring, uint32_t *len);
/* Chains that are out. */
unsigned int ring_out(const struct ring *ring);

/* Does the device want a kick for what was published since the last? */
bool ring_wants_kick(const struct ring *ring);
void ring_kick(struct ring *ring); /* in any case */
void ring_kick_if_wanted(struct ring *ring);

/* Ask for a call after the next @more used entries (1: the very next), or for none. */
void ring_want_call(struct ring *ring, unsigned int more);
void ring_want_no_call(struct ring *ring);
/*
 * Wait until the device has used something beyond used_idx. -ETIMEDOUT. By the
 * call fd: asks for a call, looks again, sleeps.
 */
int ring_wait(struct ring *ring, int ms);
/* Take what is in the call (or any such) fd. The number of calls, 0 if none. */
unsigned int ring_calls(int fd);

/*
 * Frames, one descriptor each, in the ring's slots. The header of 12 bytes is
 * sent zeroed and taken off. ring_send() returns -ENOSPC when all are out (it takes
 * back what is used first); it publishes and does not kick. ring_post() fills a receive ring with all
 * free descriptors and returns how many. ring_recv() returns a frame's length; 0 for
 * a buffer that came back empty, as one between others may when a ring stops (rings.c);
 * -EAGAIN; the buffer is posted again, not published.
 */
int ring_send(struct ring *ring, const void *frame, size_t len);
unsigned int ring_post(struct ring *ring);
ssize_t ring_recv(struct ring *ring, void *frame, size_t max);

#endif /* VIRTMESH_SELFTESTS_PORT_DRIVER_H */
