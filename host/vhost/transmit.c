// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest to tap: the bytes of a chain, virtio header included, are what the tap
 * takes in one write.
 *
 * A tap that takes no more is a full network: the frame is dropped and counted,
 * and the guest's descriptor comes back. Nothing waits here, so a guest cannot
 * be slowed by another's tap.
 *
 * The header is looked at here and read again by the kernel. A guest that
 * changes it in between gains nothing: the kernel does its own checks, and the
 * steering program sees the frame as it is.
 */
#include <errno.h>

#include <virtmesh/types.h>

#include "own.h"

/* Byte @at of the chain. There is one. */
static __u8 byte_at(const struct vm_chain *c, unsigned int at)
{
	const struct iovec *iov = c->iov;

	for (; at >= iov->iov_len; iov++)
		at -= iov->iov_len;
	return *((const volatile __u8 *)iov->iov_base + at);
}

/* Is it a frame we carry? Else it is counted. */
static bool acceptable(struct vm_mover *m, const struct vm_chain *c)
{
	if (c->out_len < VM_HDR_LEN + VM_ETH_HLEN) {
		m->stats.tx_short++;
		return false;
	}
	if (c->cut || c->out_len > m->frame_max) {
		m->stats.tx_long++;
		return false;
	}
	/* None of these was offered. */
	if (byte_at(c, offsetof(struct virtio_net_hdr_v1, flags)) & VIRTIO_NET_HDR_F_NEEDS_CSUM ||
	    byte_at(c, offsetof(struct virtio_net_hdr_v1, gso_type)) != VIRTIO_NET_HDR_GSO_NONE) {
		m->stats.tx_offload++;
		return false;
	}
	return true;
}

unsigned int vm_transmit(struct vm_mover *m)
{
	struct vm_side *s = &m->side[VM_MOVER_TX];
	unsigned int taken = 0;
	struct vm_slot *slot;

	if (!vm_side_runs(s) || s->inflight)
		return 0;
	while (s->n < VM_BATCH && taken < VM_BATCH) {
		slot = vm_side_take(s);
		if (!slot)
			break;
		taken++;
		if (slot->chain.in && !slot->chain.cut) {
			s->vr->broken = true;
			s->vr->why = "a transmit chain to be written";
			break;
		}
		if (m->tap_gone || !acceptable(m, &slot->chain)) {
			m->stats.tx_failed += m->tap_gone;
			vm_vring_push(s->vr, slot->chain.head, 0);
			s->n--;
			continue;
		}
		vm_slot_submit(m, VM_MOVER_TX, slot, IORING_OP_WRITE, IORING_OP_WRITEV,
			       slot->chain.out, slot->chain.out_len);
		s->batch++;
		s->inflight++;
	}
	m->stats.tx_batches += s->inflight > 0;
	return taken;
}

void vm_transmit_done(struct vm_mover *m, struct vm_slot *slot, int res)
{
	struct vm_side *s = &m->side[VM_MOVER_TX];

	if (res == (int)slot->chain.out_len) {
		m->stats.tx_frames++;
		m->stats.tx_bytes += res - VM_HDR_LEN;
	} else if (res == -EAGAIN || res == -ENOBUFS) {
		m->stats.tx_busy++;
	} else {
		m->stats.tx_failed++;
	}
	slot->done = true;
	vm_vring_push(s->vr, slot->chain.head, 0);
}
