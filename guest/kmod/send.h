/* SPDX-License-Identifier: GPL-2.0-only */
/* The base's transmit ring. See send.c. */
#ifndef VMESH_SEND_H
#define VMESH_SEND_H

#include <linux/netdevice.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

struct sk_buff;
struct virtqueue;
struct vmesh_dev;

/* Headroom that a linear skb should have, so that it takes one descriptor. */
#define VMESH_TX_HEADROOM 16

enum vmesh_tx_flags {
	VMESH_TX_STACK = 1 << 0, /* from the interface: byte queue limits apply to it */
	VMESH_TX_MORE = 1 << 1, /* more follow at once: need not notify yet */
	VMESH_TX_RESERVE = 1 << 2, /* may use the descriptors kept back for control */
};

struct vmesh_tx {
	spinlock_t lock; /* protects all below and the ring; bh; nothing is taken inside */
	struct virtqueue *vq;
	struct netdev_queue *nq; /* of the interface, or NULL */
	bool up; /* the ring may be used */
	bool closed; /* for good: only last words are taken */
	bool want; /* somebody in `wait` found no room */
	unsigned int in_flight; /* frames the device has */
	u64 completed; /* frames it has given back */
	void *hdr; /* virtio header for frames that have no room for their own */
	wait_queue_head_t wait; /* room in the ring, or its end; broken rings */
	struct napi_struct napi;
};

/*
 * Hand one linear frame, from its Ethernet header on, to the device. Any
 * context but hard interrupt. Returns 0, and has taken @skb; or, with @skb
 * untouched and still the caller's:
 *	-ENOBUFS	no room. tx.nq was stopped (VMESH_TX_STACK), or tx.wait will be woken
 *	-ENETDOWN	the rings are away for a while; tx.wait will be woken
 *	-ENODEV		vmesh_tx_close() was called
 *	-EIO		a ring is broken
 *	-ENOMEM		the ring would not take it
 */
int vmesh_tx(struct vmesh_dev *d, struct sk_buff *skb, unsigned int flags);

/* As vmesh_tx(), but sleeps for room, or says -EAGAIN (@nonblock). Also -ERESTARTSYS. */
int vmesh_tx_wait(struct vmesh_dev *d, struct sk_buff *skb, bool nonblock);

/*
 * As vmesh_tx(), but sleeps for room until @deadline, in jiffies: -ETIMEDOUT, -EINTR.
 * @sent_ns: ktime when it was handed over.
 */
int vmesh_tx_until(struct vmesh_dev *d, struct sk_buff *skb, unsigned long deadline, u64 *sent_ns);

/* From now on only VMESH_TX_RESERVE frames are taken, and nobody sleeps. Any context. */
void vmesh_tx_close(struct vmesh_dev *d);

/* Announce what VMESH_TX_MORE left unannounced, when the last of a batch was dropped. */
void vmesh_tx_kick(struct vmesh_dev *d);

/*
 * Would a frame find room now, or a broken ring? If not, tx.wait will be woken. Any
 * context; a hint.
 */
bool vmesh_tx_room(struct vmesh_dev *d);

/* Take back what the device has finished; how much it still has. Any context. */
unsigned int vmesh_tx_pending(struct vmesh_dev *d, u64 *completed);

/* Notify again and look for completions: for the watchdog. */
void vmesh_tx_nudge(struct vmesh_dev *d);

/* Wait until the device has taken everything, for at most @ms. Process context. */
void vmesh_tx_flush(struct vmesh_dev *d, unsigned int ms);

/* The ring's life; see queue.c for the order. Process context. */
int vmesh_tx_init(struct vmesh_dev *d);
void vmesh_tx_enable(struct vmesh_dev *d);
void vmesh_tx_disable(struct vmesh_dev *d);
void vmesh_tx_drain(struct vmesh_dev *d); /* after the device was reset */
void vmesh_tx_exit(struct vmesh_dev *d);

/* Interrupt. */
void vmesh_tx_interrupt(struct virtqueue *vq);

/* A frame back out of the ring's hands; virtqueue_resize() calls it too. */
void vmesh_tx_recycle(struct virtqueue *vq, void *skb);

#endif /* VMESH_SEND_H */
