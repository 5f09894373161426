// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <virtmesh/types.h>

#include "frontend.h"
#include "traffic.h"

/* Frames on their way: what a tap's ring holds while nobody reads it, and far more than a batch. */
#define WINDOW	  700
#define MARK_AT	  VM_ETH_HLEN
#define FRAME_LEN 64

static void make_frame(unsigned char *frame, unsigned int from, unsigned int seq)
{
	memset(frame, 0, FRAME_LEN);
	vm_addr_to_mac(vm_addr(1, TRAFFIC_ENDS - from), frame);
	vm_addr_to_mac(vm_addr(1, from + 1), frame + VM_MAC_LEN);
	frame[12] = 0x88;
	frame[13] = 0xb6;
	memcpy(frame + MARK_AT, &seq, sizeof(seq));
}

/* Whatever can be sent and received now. 0; -EBADMSG for a frame that is not the next. */
static int pump(struct traffic *t, bool send, unsigned int *moved)
{
	unsigned char frame[2048];
	unsigned int seq;
	ssize_t n;

	*moved = 0;
	for (unsigned int i = 0; i < TRAFFIC_ENDS; i++) {
		struct ring *rx = &t->fe[i]->ring[0], *tx = &t->fe[i]->ring[1];
		unsigned int other = TRAFFIC_ENDS - 1 - i;

		while (send && t->sent[i] - t->got[other] < WINDOW) {
			make_frame(frame, i, t->sent[i]);
			if (ring_send(tx, frame, FRAME_LEN))
				break;
			t->sent[i]++;
		}
		ring_kick_if_wanted(tx);
		while ((n = ring_recv(rx, frame, sizeof(frame))) != -EAGAIN) {
			if (!n)
				continue;
			if (n != FRAME_LEN) {
				printf("# node %u: %zd instead of a frame\n", i + 1, n);
				return -EBADMSG;
			}
			memcpy(&seq, frame + MARK_AT, sizeof(seq));
			if (seq != t->got[i]) {
				printf("# node %u got frame %u, the next is %u\n", i + 1, seq,
				       t->got[i]);
				return -EBADMSG;
			}
			t->got[i]++;
			++*moved;
		}
		ring_publish(rx);
		ring_kick_if_wanted(rx);
	}
	return 0;
}

int traffic_pass(struct traffic *t, unsigned int frames)
{
	unsigned int want[TRAFFIC_ENDS] = { t->got[0] + frames, t->got[1] + frames };
	long long end = fe_now_ms() + FE_WAIT_MS;

	while ((int)(t->got[0] - want[0]) < 0 || (int)(t->got[1] - want[1]) < 0) {
		unsigned int moved;
		int err = pump(t, true, &moved);
		long long now = fe_now_ms();

		if (err)
			return err;
		if (now > end) {
			printf("# sent %u %u got %u %u\n", t->sent[0], t->sent[1], t->got[0],
			       t->got[1]);
			return -ETIMEDOUT;
		}
		if (moved) {
			if (t->last_ms && now - t->last_ms > t->longest_ms)
				t->longest_ms = now - t->last_ms;
			t->last_ms = now;
			end = now + FE_WAIT_MS;
		} else {
			poll(NULL, 0, 1);
		}
	}
	return 0;
}

int traffic_drain(struct traffic *t)
{
	long long end = fe_now_ms() + FE_WAIT_MS;

	while (t->got[0] != t->sent[1] || t->got[1] != t->sent[0]) {
		unsigned int moved;
		int err = pump(t, false, &moved);

		if (err)
			return err;
		if (fe_now_ms() > end) {
			printf("# sent %u %u got %u %u\n", t->sent[0], t->sent[1], t->got[0],
			       t->got[1]);
			return -ETIMEDOUT;
		}
		if (!moved)
			poll(NULL, 0, 1);
	}
	return 0;
}

int traffic_one(struct traffic *t, unsigned int from)
{
	struct ring *tx = &t->fe[from]->ring[1];
	unsigned char frame[FRAME_LEN];
	int err;

	make_frame(frame, from, t->sent[from]);
	err = ring_send(tx, frame, sizeof(frame));
	if (err)
		return err;
	t->sent[from]++;
	ring_kick_if_wanted(tx);
	return traffic_drain(t);
}

int traffic_out(struct fe *fe, unsigned int n)
{
	unsigned char frame[1514] = { 2, 0x4d, 0, 1, 0, 9, 2, 0x4d, 0, 1, 0, 1, 0x88, 0xb6 };
	struct ring *tx = &fe->ring[1];

	for (unsigned int i = 0; i < n; i++) {
		while (ring_send(tx, frame, sizeof(frame)) == -ENOSPC) {
			int err;

			ring_kick_if_wanted(tx);
			err = ring_wait(tx, FE_WAIT_MS);
			if (err)
				return err;
		}
		ring_kick_if_wanted(tx);
	}
	return 0;
}
