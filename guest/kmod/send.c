// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * One transmit ring for three kinds of senders: the interface (under its own
 * queue lock), files and the join machine (process context), and answers given
 * in the receive path (softirq). tx.lock serialises them.
 *
 * Completions are not interrupted for. A frame's memory is let go of when
 * somebody next touches the ring: each sender, and each receive poll. This
 * halves the cost of single frames, where the interrupt would be most of the
 * work; the price is that finished frames may lie in the ring for a while, so
 * they are orphaned from their sockets before they go in.
 *
 * An interrupt is asked for only while somebody waits: the interface's queue is
 * stopped (by us for room or by the byte queue limits), or a sender sleeps in
 * tx.wait. It is then asked for with the event index set where three quarters
 * of the outstanding frames are done, so that room comes in batches.
 *
 * Room: a few descriptors are kept back from ordinary frames. They are for the
 * join machine and for ALIVE, which a guest that floods its ring must still be
 * able to say.
 */
#include <linux/delay.h>
#include <linux/ktime.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/virtio_net.h>

#include "device.h"

#define VMESH_VNET_HLEN	   sizeof(struct virtio_net_hdr_v1)
#define VMESH_TX_PER_FRAME 2 /* descriptors a frame may need: header and frame */
#define VMESH_TX_RESERVED  8 /* descriptors kept back for control */

struct vmesh_tx_cb {
	unsigned int bytes; /* as told to the byte queue limits; 0: not the stack's */
};

static struct vmesh_tx_cb *vmesh_tx_cb(struct sk_buff *skb)
{
	BUILD_BUG_ON(sizeof(struct vmesh_tx_cb) > sizeof(skb->cb));
	return (struct vmesh_tx_cb *)skb->cb;
}

static bool vmesh_tx_has_room(const struct vmesh_tx *tx)
{
	return tx->vq->num_free >= VMESH_TX_RESERVED + VMESH_TX_PER_FRAME;
}

/* tx.lock held, tx.up true. */
static void vmesh_tx_reclaim(struct vmesh_dev *d)
{
	struct vmesh_tx *tx = &d->tx;
	unsigned int len, pkts = 0, bytes = 0;
	struct sk_buff *skb;

	while ((skb = virtqueue_get_buf(tx->vq, &len))) {
		tx->in_flight--;
		tx->completed++;
		if (vmesh_tx_cb(skb)->bytes) {
			pkts++;
			bytes += vmesh_tx_cb(skb)->bytes;
		}
		dev_consume_skb_any(skb);
	}
	if (pkts)
		netdev_tx_completed_queue(tx->nq, pkts, bytes);
	if (unlikely(virtqueue_is_broken(tx->vq)))
		vmesh_set_broken(d, "transmit");
}

/* tx.lock held, tx.up true. Whoever waits for room goes on when there is some. */
static void vmesh_tx_wake(struct vmesh_dev *d)
{
	struct vmesh_tx *tx = &d->tx;

	if (!vmesh_tx_has_room(tx))
		return;
	/* In batches: not at the first free descriptor. */
	if (tx->in_flight && tx->vq->num_free < virtqueue_get_vring_size(tx->vq) / 4)
		return;
	if (tx->nq && netif_tx_queue_stopped(tx->nq))
		netif_tx_wake_queue(tx->nq);
	if (tx->want) {
		tx->want = false;
		wake_up_interruptible_all(&tx->wait);
	}
}

static bool vmesh_tx_somebody_waits(const struct vmesh_tx *tx)
{
	return tx->want || (tx->nq && netif_xmit_stopped(tx->nq));
}

/* tx.lock held, tx.up true: an interrupt, or when it is too late for one, the poll. */
static void vmesh_tx_arm(struct vmesh_tx *tx)
{
	if (unlikely(!virtqueue_enable_cb_delayed(tx->vq)))
		napi_schedule(&tx->napi);
}

static int vmesh_tx_poll(struct napi_struct *napi, int budget)
{
	struct vmesh_dev *d = container_of(napi, struct vmesh_dev, tx.napi);
	struct vmesh_tx *tx = &d->tx;

	spin_lock(&tx->lock);
	if (tx->up) {
		virtqueue_disable_cb(tx->vq);
		vmesh_tx_reclaim(d);
		vmesh_tx_wake(d);
	}
	/* First done, then armed: what comes now schedules us again. */
	napi_complete_done(napi, 0);
	if (tx->up && vmesh_tx_somebody_waits(tx))
		vmesh_tx_arm(tx);
	spin_unlock(&tx->lock);
	if (vmesh_upper.room)
		vmesh_upper.room(d);
	return 0;
}

void vmesh_tx_interrupt(struct virtqueue *vq)
{
	struct vmesh_dev *d = vq->vdev->priv;

	napi_schedule(&d->tx.napi);
}

/* tx.lock held. The header's bytes are all zero: no offload of any kind. */
static int vmesh_tx_add(struct vmesh_tx *tx, struct sk_buff *skb)
{
	struct scatterlist sg[VMESH_TX_PER_FRAME];
	int err;

	if (!skb_header_cloned(skb) && skb_headroom(skb) >= VMESH_VNET_HLEN) {
		memset(__skb_push(skb, VMESH_VNET_HLEN), 0, VMESH_VNET_HLEN);
		sg_init_one(sg, skb->data, skb->len);
		err = virtqueue_add_outbuf(tx->vq, sg, 1, skb, GFP_ATOMIC);
		if (err)
			__skb_pull(skb, VMESH_VNET_HLEN);
		return err;
	}
	/* Somebody else may look at the headroom: a capture, mostly. */
	sg_init_table(sg, 2);
	sg_set_buf(&sg[0], tx->hdr, VMESH_VNET_HLEN);
	sg_set_buf(&sg[1], skb->data, skb->len);
	return virtqueue_add_outbuf(tx->vq, sg, 2, skb, GFP_ATOMIC);
}

int vmesh_tx(struct vmesh_dev *d, struct sk_buff *skb, unsigned int flags)
{
	struct vmesh_tx *tx = &d->tx;
	unsigned int need = VMESH_TX_PER_FRAME;
	unsigned int bytes = skb->len;
	bool kick = !(flags & VMESH_TX_MORE);
	int ret;

	if (!(flags & VMESH_TX_RESERVE))
		need += VMESH_TX_RESERVED;

	spin_lock_bh(&tx->lock);
	if (unlikely(tx->closed && !(flags & VMESH_TX_RESERVE))) {
		ret = -ENODEV;
		goto out;
	}
	if (unlikely(!tx->up)) {
		tx->want = true;
		ret = -ENETDOWN;
		goto out;
	}
	vmesh_tx_reclaim(d);
	/* Of a full one nobody would hear again. Last words try: it may be the other ring's. */
	if (unlikely(READ_ONCE(d->broken) && !(flags & VMESH_TX_RESERVE))) {
		ret = -EIO;
		goto out;
	}
	if (unlikely(tx->vq->num_free < need)) {
		vmesh_count(d, tx_ring_full);
		if (flags & VMESH_TX_STACK)
			netif_tx_stop_queue(tx->nq);
		else
			tx->want = true;
		vmesh_tx_arm(tx);
		/* What the interface left unannounced would keep the ring full. */
		virtqueue_kick(tx->vq);
		ret = -ENOBUFS;
		goto out;
	}

	vmesh_tx_cb(skb)->bytes = flags & VMESH_TX_STACK ? bytes : 0;
	ret = vmesh_tx_add(tx, skb);
	if (unlikely(ret)) {
		vmesh_count(d, tx_failed);
		if (ret != -ENOMEM)
			ret = -EIO;
		virtqueue_kick(tx->vq);
		goto out;
	}
	tx->in_flight++;
	vmesh_count(d, tx_ring_frames);
	if (flags & VMESH_TX_STACK) {
		/* Stopped and woken under tx.lock only, so no wake-up is missed. */
		if (!vmesh_tx_has_room(tx))
			netif_tx_stop_queue(tx->nq);
		kick = __netdev_tx_sent_queue(tx->nq, bytes, !kick);
	}
	if (kick) {
		vmesh_count(d, tx_kicks);
		virtqueue_kick(tx->vq);
	}
	if (vmesh_tx_somebody_waits(tx))
		vmesh_tx_arm(tx);
out:
	spin_unlock_bh(&tx->lock);
	return ret;
}

void vmesh_tx_kick(struct vmesh_dev *d)
{
	struct vmesh_tx *tx = &d->tx;

	spin_lock_bh(&tx->lock);
	if (tx->up)
		virtqueue_kick(tx->vq);
	spin_unlock_bh(&tx->lock);
}

bool vmesh_tx_room(struct vmesh_dev *d)
{
	struct vmesh_tx *tx = &d->tx;
	bool room = false;

	spin_lock_bh(&tx->lock);
	if (tx->up) {
		vmesh_tx_reclaim(d);
		room = vmesh_tx_has_room(tx) || READ_ONCE(d->broken);
	}
	if (!room) {
		tx->want = true;
		if (tx->up)
			vmesh_tx_arm(tx);
	}
	spin_unlock_bh(&tx->lock);
	return room;
}

static bool vmesh_tx_may_go_on(struct vmesh_dev *d)
{
	return READ_ONCE(d->tx.closed) || vmesh_tx_room(d);
}

/* What is left of @timeout jiffies, 0 when they passed, or -ERESTARTSYS. */
static long vmesh_tx_sleep(struct vmesh_dev *d, long timeout)
{
	return wait_event_interruptible_timeout(d->tx.wait, vmesh_tx_may_go_on(d), timeout);
}

int vmesh_tx_wait(struct vmesh_dev *d, struct sk_buff *skb, bool nonblock)
{
	long left;
	int err;

	for (;;) {
		err = vmesh_tx(d, skb, 0);
		if (err != -ENOBUFS && err != -ENETDOWN)
			return err;
		if (nonblock)
			return -EAGAIN;
		left = vmesh_tx_sleep(d, MAX_SCHEDULE_TIMEOUT);
		if (left < 0)
			return left;
	}
}

int vmesh_tx_until(struct vmesh_dev *d, struct sk_buff *skb, unsigned long deadline, u64 *sent_ns)
{
	long left;
	int err;

	for (;;) {
		*sent_ns = ktime_get_ns();
		err = vmesh_tx(d, skb, 0);
		if (err != -ENOBUFS && err != -ENETDOWN)
			return err;
		left = (long)(deadline - jiffies);
		left = left > 0 ? vmesh_tx_sleep(d, left) : 0;
		if (left <= 0)
			return left ? -EINTR : -ETIMEDOUT;
	}
}

void vmesh_tx_close(struct vmesh_dev *d)
{
	struct vmesh_tx *tx = &d->tx;

	spin_lock_bh(&tx->lock);
	tx->closed = true;
	spin_unlock_bh(&tx->lock);
	wake_up_interruptible_all(&tx->wait);
}

unsigned int vmesh_tx_pending(struct vmesh_dev *d, u64 *completed)
{
	struct vmesh_tx *tx = &d->tx;
	unsigned int pending;

	spin_lock_bh(&tx->lock);
	if (tx->up) {
		vmesh_tx_reclaim(d);
		vmesh_tx_wake(d);
	}
	pending = tx->in_flight;
	if (completed)
		*completed = tx->completed;
	spin_unlock_bh(&tx->lock);
	return pending;
}

void vmesh_tx_nudge(struct vmesh_dev *d)
{
	struct vmesh_tx *tx = &d->tx;

	spin_lock_bh(&tx->lock);
	if (tx->up) {
		virtqueue_notify(tx->vq);
		napi_schedule(&tx->napi);
	}
	spin_unlock_bh(&tx->lock);
}

void vmesh_tx_flush(struct vmesh_dev *d, unsigned int ms)
{
	unsigned long end = jiffies + msecs_to_jiffies(ms);

	while (vmesh_tx_pending(d, NULL) && !READ_ONCE(d->broken) && time_before(jiffies, end))
		usleep_range(100, 200);
}

int vmesh_tx_init(struct vmesh_dev *d)
{
	struct vmesh_tx *tx = &d->tx;

	/* On the heap, because module data need not be reachable by the device. */
	tx->hdr = kzalloc(VMESH_VNET_HLEN, GFP_KERNEL);
	if (!tx->hdr)
		return -ENOMEM;
	spin_lock_init(&tx->lock);
	init_waitqueue_head(&tx->wait);
	netif_napi_add_tx(d->napi_dev, &tx->napi, vmesh_tx_poll);
	return 0;
}

void vmesh_tx_exit(struct vmesh_dev *d)
{
	netif_napi_del(&d->tx.napi);
	kfree(d->tx.hdr);
	d->tx.hdr = NULL;
}

void vmesh_tx_enable(struct vmesh_dev *d)
{
	struct vmesh_tx *tx = &d->tx;

	napi_enable(&tx->napi);
	spin_lock_bh(&tx->lock);
	virtqueue_disable_cb(tx->vq);
	tx->up = true;
	vmesh_tx_wake(d);
	/* The ring may have kept its frames, and those who wait for them. */
	if (vmesh_tx_somebody_waits(tx))
		vmesh_tx_arm(tx);
	spin_unlock_bh(&tx->lock);
}

void vmesh_tx_disable(struct vmesh_dev *d)
{
	struct vmesh_tx *tx = &d->tx;

	spin_lock_bh(&tx->lock);
	tx->up = false;
	spin_unlock_bh(&tx->lock);
	napi_disable(&tx->napi);
}

void vmesh_tx_recycle(struct virtqueue *vq, void *buf)
{
	struct vmesh_dev *d = vq->vdev->priv;
	struct sk_buff *skb = buf;

	d->tx.in_flight--;
	if (vmesh_tx_cb(skb)->bytes)
		netdev_tx_completed_queue(d->tx.nq, 1, vmesh_tx_cb(skb)->bytes);
	dev_kfree_skb_any(skb);
}

void vmesh_tx_drain(struct vmesh_dev *d)
{
	struct sk_buff *skb;

	while ((skb = virtqueue_detach_unused_buf(d->tx.vq)))
		vmesh_tx_recycle(d->tx.vq, skb);
	d->tx.vq = NULL;
}
