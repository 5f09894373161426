// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tap to guest: the kernel reads a frame, virtio header included, straight into
 * a buffer that the guest posted.
 *
 * Reads are submitted by the batch, without waiting (RWF_NOWAIT): as many as
 * have been worth it lately, from 2 to 64. A batch whose last read found nothing has
 * emptied the tap. Then, in a stream, the tap is polled; when frames are few, one read
 * is left waiting with the kernel, so that who is woken has the frame already, and no
 * system call more stands between it and the guest's call. In a batch a
 * read may find nothing and a later one a frame, so buffers that were not filled
 * stay, oldest first, for the next. A guest that posts no buffers is waited for by
 * its kick alone: the tap's queue fills, and what it does not take is the kernel's
 * to drop and count. In a flood an empty tap is left alone for a while (flood.c).
 */
#include <errno.h>
#include <string.h>

#include <virtmesh/types.h>

#include "../log.h"
#include "own.h"

/* Batches that only fail before the tap is given up: its interface was deleted, say. */
#define FAILED_MAX 64

/*
 * One buffer a frame: VIRTIO_NET_F_MRG_RXBUF is not offered, but the field is there
 * and the device fills it; the kernel writes 0, or nothing, according to its age.
 */
static void set_num_buffers(const struct vm_chain *c)
{
	const struct iovec *iov = c->iov;
	unsigned int at = offsetof(struct virtio_net_hdr_v1, num_buffers);

	for (unsigned int i = 0; i < 2; i++, at++) {
		for (; at >= iov->iov_len; iov++)
			at -= iov->iov_len;
		*((volatile __u8 *)iov->iov_base + at) = !i;
	}
}

bool vm_receive_give(struct vm_mover *m, const struct vm_chain *c, __u32 len)
{
	/* The kernel cuts without a word: a full buffer smaller than any frame may be has been. */
	if (len == c->in_len && c->in_len < m->frame_max) {
		m->stats.rx_cut++;
		return false;
	}
	set_num_buffers(c);
	m->stats.rx_frames++;
	m->stats.rx_bytes += len - VM_HDR_LEN;
	vm_vring_push(m->side[VM_MOVER_RX].vr, c->head, len);
	return true;
}

bool vm_receive_starved(const struct vm_mover *m)
{
	const struct vm_side *s = &m->side[VM_MOVER_RX];

	/* Where there is no tap any more, none is missed: who looked for one would never sleep. */
	return !m->tap_gone && !s->n && s->left_at == s->left_n;
}

static void fill(struct vm_mover *m, struct vm_side *s)
{
	while (s->n < m->rx_batch) {
		struct vm_slot *slot = vm_side_take(s);

		if (!slot)
			return;
		if (slot->chain.out || slot->chain.in_len < VM_HDR_LEN + VM_ETH_HLEN) {
			s->vr->broken = true;
			s->vr->why = slot->chain.out ? "a receive chain to be read" :
						       "a receive buffer that fits no frame";
			return;
		}
	}
}

/* Reads into the @n oldest buffers; they may @wait for a frame. */
static void submit(struct vm_mover *m, unsigned int n, bool wait)
{
	struct vm_side *s = &m->side[VM_MOVER_RX];
	struct io_uring_sqe *sqe;

	m->flood.until = 0;
	m->rx_filled = 0;
	m->rx_last = false;
	m->rx_error = 0;
	s->batch = n;
	for (unsigned int i = 0; i < n; i++) {
		struct vm_slot *slot = &s->slot[s->order[i]];

		slot->done = false;
		sqe = vm_slot_submit(m, VM_MOVER_RX, slot, IORING_OP_READ, IORING_OP_READV,
				     slot->chain.in, slot->chain.in_len);
		if (wait)
			sqe->rw_flags = 0;
		s->inflight++;
	}
}

unsigned int vm_receive(struct vm_mover *m)
{
	struct vm_side *s = &m->side[VM_MOVER_RX];

	if (!vm_side_runs(s) || s->inflight || !m->rx_ready || m->tap_gone)
		return 0;
	fill(m, s);
	if (s->vr->broken)
		return 0;
	if (!s->n) {
		m->stats.rx_starved += !m->rx_was_starved;
		m->rx_was_starved = true;
		return 0;
	}
	m->rx_was_starved = false;

	submit(m, s->n < m->rx_batch ? s->n : m->rx_batch, false);
	return s->batch;
}

bool vm_receive_rests(struct vm_mover *m)
{
	if (!m->flood.until)
		return false;
	if (!vm_flood_rested(&m->flood, vm_poll_now()))
		return true;
	m->rx_batch = VM_BATCH;
	m->rx_ready = true;
	return false;
}

void vm_receive_wait(struct vm_mover *m)
{
	struct vm_side *s = &m->side[VM_MOVER_RX];

	if (!m->nowait || m->rx_batch >= 2 * VM_BATCH_MIN) {
		if (!vm_receive_starved(m))
			vm_tap_arm(m);
		return;
	}
	if (s->inflight || m->tap_gone)
		return;
	fill(m, s);
	if (s->vr->broken)
		return;
	/* No buffer: when there is one, a frame may have been waiting for it. */
	m->rx_ready = !s->n;
	if (m->rx_ready)
		return;
	submit(m, 1, true);
	m->rx_waits = true;
	m->rx_asked = true;
}

void vm_receive_done(struct vm_mover *m, struct vm_slot *slot, int res)
{
	m->rx_last = res > 0;
	if (res <= 0) {
		if (res == -EAGAIN || res == -ECANCELED) {
			m->stats.rx_empty++;
			return;
		}
		m->stats.rx_failed++;
		m->rx_error = res;
		return;
	}
	m->rx_filled++;
	slot->done = vm_receive_give(m, &slot->chain, res);
}

void vm_receive_settled(struct vm_mover *m)
{
	struct vm_side *s = &m->side[VM_MOVER_RX];

	m->stats.rx_batches += m->rx_filled > 0;
	/* Twice as many while all are filled, else what it was and a few: empty reads cost, too. */
	if (m->rx_filled < s->batch)
		m->rx_batch = m->rx_filled + m->rx_filled / 8 + VM_BATCH_MIN;
	else if (s->batch == m->rx_batch)
		m->rx_batch *= 2;
	if (m->rx_batch > VM_BATCH)
		m->rx_batch = VM_BATCH;
	/* What had to be waited for came alone; what was there at once, perhaps not. */
	m->rx_ready = m->rx_last && (!m->rx_waits || m->rx_asked);
	m->rx_waits = false;
	/* Who does not spin sleeps, and is woken when the frames are there. */
	if (vm_flood_batch(&m->flood, m->rx_filled) && m->poll.window) {
		vm_flood_look(&m->flood, !m->rx_ready, vm_poll_now());
		m->stats.rx_rests += m->flood.until != 0;
	}

	if (m->rx_error == -EFAULT) {
		/* That is the guest's doing. The tap had a frame for it. */
		s->vr->broken = true;
		s->vr->why = "a receive buffer that cannot be written";
		m->rx_error = 0;
	}
	/* A poll of a tap that is gone answers at once, for ever. */
	m->tap_failed = m->rx_error && !m->rx_filled ? m->tap_failed + 1 : 0;
	if (m->tap_failed == FAILED_MAX) {
		vm_err("event=tap error=\"%s\" note=\"given up\"", strerror(-m->rx_error));
		m->tap_gone = true;
	}
}
