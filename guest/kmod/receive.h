/* SPDX-License-Identifier: GPL-2.0-only */
/* The base's receive ring: page buffers, NAPI, refill. See receive.c. */
#ifndef VMESH_RECEIVE_H
#define VMESH_RECEIVE_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

struct page;
struct virtqueue;
struct vmesh_dev;

/*
 * Where the device's write begins in a buffer. The headroom is what the stack
 * wants before a frame; the 2 puts what follows the 12 byte virtio header and
 * the 14 byte Ethernet header on a multiple of four.
 */
#define VMESH_RX_HEADROOM (NET_SKB_PAD + 2)

struct vmesh_rx {
	struct virtqueue *vq;
	struct napi_struct napi;
	atomic_t spinners; /* who looks at the ring by himself: it does not interrupt then */
	struct timer_list watch; /* looks when they do not come to it */
	unsigned int order; /* of the pages */
	unsigned int room; /* bytes the device may write: virtio header and frame */
	spinlock_t spare_lock; /* protects spare; bh */
	struct list_head spare; /* pages the refill work could get, for NAPI to take */
	struct delayed_work refill;
};

/* One received frame, from its Ethernet header on. */
struct vmesh_frame {
	struct page *page;
	unsigned int order; /* of the page */
	unsigned int offset; /* of the frame in it */
	unsigned int len;
	void *data; /* page_address(page) + offset */
};

/* The ring's life; see queue.c for the order. Process context. */
void vmesh_rx_init(struct vmesh_dev *d);
int vmesh_rx_fill(struct vmesh_dev *d); /* before NAPI runs: 0, or ENOMEM when nothing went in */
void vmesh_rx_enable(struct vmesh_dev *d);
void vmesh_rx_disable(struct vmesh_dev *d);
void vmesh_rx_drain(struct vmesh_dev *d); /* after the device was reset */
void vmesh_rx_exit(struct vmesh_dev *d);

/*
 * Look at the ring instead of being interrupted: between begin and end, each
 * vmesh_rx_spin() runs the receive poll at once, on this CPU, when it does not
 * run already. The caller bounds the time, and lets others run meanwhile.
 * Process context, rings up or down.
 */
void vmesh_rx_spin_begin(struct vmesh_dev *d);
void vmesh_rx_spin(struct vmesh_dev *d);
void vmesh_rx_spin_end(struct vmesh_dev *d);

/* Interrupt. */
void vmesh_rx_interrupt(struct virtqueue *vq);

/* A page back out of the ring's hands; virtqueue_resize() calls it too. */
void vmesh_rx_recycle(struct virtqueue *vq, void *page);

#endif /* VMESH_RECEIVE_H */
