// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frames no well-meaning guest sends: runts, giants, offloads nobody agreed to.
 * Whatever the port does with them, the neighbour gets whole frames only, each
 * as it was sent.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_net.h>

#include "hostile.h"

#define HDR sizeof(struct virtio_net_hdr_v1)
#define BIG (72 << 10)

static unsigned char sent[BIG], got[BIG];

/* A started hostile device with slots that a giant fits. */
static int start_big(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];

	fe_close(fe);
	need_ok(hostile_connect(arena));
	fe->num = 64;
	fe->slot_size = BIG;
	need_ok(fe_start(fe));
	fe->num = 0;
	fe->slot_size = 0;
	return 0;
}

/* One chain of one piece: @hdr, then @len bytes of frame; wait until it is used. */
static int send_one(struct arena *arena, const struct virtio_net_hdr_v1 *hdr, size_t len,
		    unsigned int seq)
{
	struct fe *fe = &arena->fe[0];
	struct ring *tx = &fe->ring[1];
	struct ring_buf buf = { tx->slots + (size_t)tx->free_head * tx->slot_size, HDR + len };

	memcpy(buf.at, hdr, HDR);
	if (len)
		frame_make((unsigned char *)buf.at + HDR, len, 0, 1, seq);
	need(ring_add(tx, &buf, 1, NULL) >= 0);
	ring_publish(tx);
	ring_kick(tx);
	need_ok(ring_wait(tx, FE_WAIT_MS));
	need(ring_get(tx, NULL) >= 0);
	return 0;
}

/*
 * Everything the neighbour has got up to a mark that is sent now, through all the
 * same queues: *@n frames numbered @seq; each must be as frame_make() made it.
 */
static int received(struct arena *arena, unsigned int seq, size_t len, unsigned int *n)
{
	static const struct virtio_net_hdr_v1 plain;
	struct ring *rx = &arena->fe[1].ring[0];
	unsigned int mark = arena->seq++;
	long long end = fe_now_ms() + FE_WAIT_MS;
	unsigned int its;
	bool seen = false;

	*n = 0;
	if (send_one(arena, &plain, 64, mark))
		return -1;
	while (!seen) {
		ssize_t m;

		need(fe_now_ms() < end);
		need_ok(ring_wait(rx, FE_WAIT_MS));
		while ((m = ring_recv(rx, got, sizeof(got))) != -EAGAIN) {
			need(m >= 14);
			/* The host's kernel may have said something of its own. */
			if (got[12] != 0x88 || got[13] != 0xb6 || m < 22)
				continue;
			/* Whichever it is: as it was sent, and padded by Ethernet at most. */
			memcpy(&its, got + 18, sizeof(its));
			frame_make(sent, m, got[2 * 6 - 1] - 1, 1, its);
			need(!memcmp(got, sent, its == seq && len < (size_t)m ? len : (size_t)m));
			need(its != seq || (size_t)m >= len);
			seen |= its == mark;
			*n += its == seq;
		}
		ring_publish(rx);
		ring_kick_if_wanted(rx);
	}
	return 0;
}

static int runts(struct arena *arena)
{
	static const struct virtio_net_hdr_v1 plain;
	unsigned int n, seq;

	if (start_big(arena))
		return -1;
	for (size_t len = 0; len < 14; len++) {
		seq = arena->seq++;
		if (send_one(arena, &plain, len, seq) || received(arena, seq, len, &n))
			return -1;
		need(n == 0);
	}
	/* Without a whole header. */
	for (uint32_t len = 1; len <= HDR; len++) {
		struct ring *tx = &arena->fe[0].ring[1];
		struct ring_buf buf = { tx->slots + (size_t)tx->free_head * tx->slot_size, len };

		need(ring_add(tx, &buf, 1, NULL) >= 0);
		ring_publish(tx);
		ring_kick(tx);
		need_ok(ring_wait(tx, FE_WAIT_MS));
		need(ring_get(tx, NULL) >= 0);
	}
	need_ok(received(arena, ~0u, 0, &n));
	need(n == 0);
	return 0;
}

static int giants(struct arena *arena)
{
	static const size_t lens[] = { 3366 + 15, 3366 + 19, 3400,  4096,  9000,
				       16384,	  65535,     65536, 65537, BIG - HDR };
	static const struct virtio_net_hdr_v1 plain;
	unsigned int n, seq;

	if (start_big(arena))
		return -1;
	for (unsigned int i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		seq = arena->seq++;
		if (send_one(arena, &plain, lens[i], seq) || received(arena, seq, lens[i], &n))
			return -1;
		/* Over the MTU of both ports. */
		need(lens[i] <= 3366 + 18 || n == 0);
	}
	return 0;
}

/* Headers that ask the kernel for things; offsets that point anywhere. */
static int offloads(struct arena *arena)
{
	static const __u8 types[] = { 0, 1, 3, 4, 5, 0x80, 0x81, 0x84, 0x7f, 0xff };
	static const __u16 values[] = { 0, 1, 13, 14, 60, 64, 65, 1000, 32768, 65535 };
	unsigned int n, seq;

	if (start_big(arena))
		return -1;
	for (unsigned int i = 0; i < 1000; i++) {
		struct virtio_net_hdr_v1 hdr = {
			.flags = i % 8,
			.gso_type = types[i % 10],
			.hdr_len = values[i / 10 % 10],
			.gso_size = values[i / 7 % 10],
			.csum_start = values[i / 3 % 10],
			.csum_offset = values[i / 100],
			.num_buffers = values[i / 13 % 10],
		};

		/* Said to be a flag for reading; or nothing but rubbish in it. */
		seq = arena->seq++;
		if (send_one(arena, &hdr, i & 1 ? 1500 : 64, seq))
			return -1;
		if (i % 50 == 0 && received(arena, seq, 14, &n))
			return -1;
	}
	return 0;
}

/* Cut into pieces at the oddest places, a frame is still the frame. */
static int in_pieces(struct arena *arena)
{
	static const unsigned int sizes[] = { 1, 2, 7, 11, 12, 13, 26, 63, 64 };
	unsigned int n;

	if (start_big(arena))
		return -1;
	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (unsigned int indirect = 0; indirect < 2; indirect++) {
			struct fe *fe = &arena->fe[0];
			struct ring *tx = &fe->ring[1];
			unsigned char *at = (unsigned char *)tx->slots;
			struct vring_desc *t = indirect ? fe_alloc(fe, 0, 4096, 4096) : NULL;
			unsigned int seq = arena->seq++, count = 0;
			struct ring_buf bufs[80];
			size_t total = HDR + 48;

			memset(at, 0, HDR);
			frame_make(at + HDR, 48, 0, 1, seq);
			/* From the last piece to the first in memory, so that none join. */
			for (size_t off = 0; off < total; off += sizes[i], count++) {
				size_t len = total - off < sizes[i] ? total - off : sizes[i];
				unsigned char *to = at + 8192 + (80 - count) * 128;

				memcpy(to, at + off, len);
				bufs[count] = (struct ring_buf){ to, len };
			}
			need(ring_add(tx, bufs, count, t) >= 0);
			ring_publish(tx);
			ring_kick(tx);
			need_ok(ring_wait(tx, FE_WAIT_MS));
			need(ring_get(tx, NULL) >= 0);
			if (received(arena, seq, 48, &n))
				return -1;
			/* More pieces than a port must take. */
			if (count > 32)
				continue;
			if (n != 1)
				printf("# pieces of %u, indirect %u: %u came\n", sizes[i], indirect,
				       n);
			need(n == 1);
		}
	return 0;
}

/* The receive ring's buffers are too small for a header, for a frame, by a byte. */
static int buffers_too_small(struct arena *arena)
{
	static const unsigned int sizes[] = { 1, 11, 12, 13, 25, 26, 75, 76, 77 };
	struct fe *fe = &arena->fe[0];
	static unsigned char frame[64];

	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct ring *rx = &fe->ring[0];
		uint16_t base;

		fe_close(fe);
		need_ok(hostile_start(arena));
		need_ok(fe_ring_stop(fe, 0, &base));
		ring_reset(rx);
		/* A red zone behind each. */
		memset(rx->slots, 0xcc, (size_t)rx->num * rx->slot_size);
		for (unsigned int k = 0; k < rx->num; k++) {
			struct ring_buf buf = { rx->slots + (size_t)rx->free_head * rx->slot_size,
						sizes[i], true };

			need(ring_add(rx, &buf, 1, NULL) >= 0);
		}
		need_ok(fe_ring_tell(fe, 0, 0));
		need_ok(fe_ring_enable(fe, 0, true));
		ring_publish(rx);
		ring_kick(rx);
		for (unsigned int k = 0; k < 20; k++) {
			frame_make(frame, sizeof(frame), 1, 0, arena->seq++);
			need_ok(ring_send(&arena->fe[1].ring[1], frame, sizeof(frame)));
			ring_kick_if_wanted(&arena->fe[1].ring[1]);
		}
		need_ok(hostile_exchange(arena, 1, 2));
		need_ok(hostile_exchange(arena, 0, 1));
		need_ok(fe_ring_stop(fe, 0, &base));
		for (unsigned int k = 0; k < rx->num; k++)
			for (unsigned int b = sizes[i]; b < 256; b++)
				need((unsigned char)rx->slots[(size_t)k * rx->slot_size + b] ==
				     0xcc);
	}
	return 0;
}

static const struct hostile_case cases[] = {
	{ "frames shorter than Ethernet's header never leave", runts },
	{ "frames longer than any never arrive", giants },
	{ "offloads nobody agreed to", offloads },
	{ "frames in pieces of every size are carried as they are", in_pieces },
	{ "buffers too small for what comes are not written beyond", buffers_too_small },
};

int main(void)
{
	return hostile_main(cases, sizeof(cases) / sizeof(cases[0]));
}
