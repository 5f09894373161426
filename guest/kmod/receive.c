// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * Every descriptor of the receive ring holds one page (or, above an MTU of
 * about 3680, one compound page) with room for the virtio header and one frame
 * of the device's MTU. The upper layer is shown the frame where it lies. It
 * may take the page away; otherwise the page goes straight back into the ring.
 *
 * Only NAPI touches the ring while it runs. When a quarter of the descriptors
 * lack a buffer, or at the end of a poll, it fills up from the atomic pools.
 * Where these are empty, a work item allocates a few pages that may sleep for
 * them, puts them aside in `spare`, and schedules NAPI to take them; and again,
 * for as long as it takes. So a ring that ran dry is never left dry, although
 * no interrupt would ever come from it again.
 *
 * Who waits for a frame of which he knows that it is near may spin: he runs the
 * poll himself, again and again, and while there is such a one a poll that finds
 * nothing leaves the ring's interrupt off. The last to stop spinning runs one
 * more poll, which turns it on and looks again. Who spins may lose his CPU for long,
 * and then nobody looks: so a timer does, a tick or two after such a poll. A tick
 * comes to a CPU that is busy anyway; an interrupt of its own each millisecond was
 * seen in the p99 of round trips in User-Mode Linux (53 us, not 21).
 */
#include <linux/skbuff.h>
#include <linux/virtio.h>
#include <linux/virtio_net.h>

#include "compat.h"
#include "device.h"

#define VMESH_VNET_HLEN sizeof(struct virtio_net_hdr_v1)

/* Pages a refill work puts aside at once. */
#define VMESH_RX_SPARES 16
#define VMESH_RX_RETRY	msecs_to_jiffies(20)

static struct page *vmesh_rx_page(struct vmesh_rx *rx, gfp_t gfp)
{
	struct page *page = NULL;

	if (unlikely(!list_empty(&rx->spare))) {
		spin_lock_bh(&rx->spare_lock);
		page = list_first_entry_or_null(&rx->spare, struct page, lru);
		if (page)
			list_del(&page->lru);
		spin_unlock_bh(&rx->spare_lock);
	}
	return page ?: __dev_alloc_pages(gfp | __GFP_NOWARN, rx->order);
}

static int vmesh_rx_add(struct vmesh_rx *rx, struct page *page, gfp_t gfp)
{
	struct scatterlist sg;

	sg_init_table(&sg, 1);
	sg_set_page(&sg, page, rx->room, VMESH_RX_HEADROOM);
	return virtqueue_add_inbuf(rx->vq, &sg, 1, page, gfp);
}

/* Caller: NAPI, or nobody else is at the ring. False: there was not enough memory. */
static bool vmesh_rx_refill(struct vmesh_dev *d, gfp_t gfp)
{
	struct vmesh_rx *rx = &d->rx;
	struct page *page;
	bool added = false;
	bool ok = true;

	while (rx->vq->num_free) {
		page = vmesh_rx_page(rx, gfp);
		if (!page) {
			ok = false;
			break;
		}
		if (vmesh_rx_add(rx, page, gfp)) {
			/* Broken, which poll notices, or no room in an IOMMU. */
			__free_pages(page, rx->order);
			ok = virtqueue_is_broken(rx->vq);
			break;
		}
		added = true;
	}
	if (added)
		virtqueue_kick(rx->vq);
	if (!ok)
		vmesh_count(d, rx_refill_failed);
	return ok;
}

static void vmesh_rx_refill_work(struct work_struct *work)
{
	struct vmesh_rx *rx = container_of(to_delayed_work(work), struct vmesh_rx, refill);
	struct page *page;
	int i;

	for (i = 0; i < VMESH_RX_SPARES; i++) {
		page = __dev_alloc_pages(GFP_KERNEL | __GFP_NOWARN, rx->order);
		if (!page)
			break;
		spin_lock_bh(&rx->spare_lock);
		list_add(&page->lru, &rx->spare);
		spin_unlock_bh(&rx->spare_lock);
	}

	/* Even with nothing in hand: the poll tries itself, and calls again. */
	local_bh_disable();
	napi_schedule(&rx->napi);
	local_bh_enable();
}

static void vmesh_rx_one(struct vmesh_dev *d, struct page *page, unsigned int len)
{
	struct vmesh_rx *rx = &d->rx;
	struct vmesh_frame frame;

	vmesh_count(d, rx_ring_frames);
	/* The length is the device's word: it may be anything. */
	if (unlikely(len < VMESH_VNET_HLEN + ETH_HLEN || len > rx->room)) {
		vmesh_count(d, rx_bad_len);
		goto recycle;
	}
	frame.page = page;
	frame.order = rx->order;
	frame.offset = VMESH_RX_HEADROOM + VMESH_VNET_HLEN;
	frame.len = len - VMESH_VNET_HLEN;
	frame.data = page_address(page) + frame.offset;
	if (vmesh_upper.receive(d, &frame))
		return;
recycle:
	if (vmesh_rx_add(rx, page, GFP_ATOMIC))
		__free_pages(page, rx->order);
}

static int vmesh_rx_poll(struct napi_struct *napi, int budget)
{
	struct vmesh_dev *d = container_of(napi, struct vmesh_dev, rx.napi);
	struct virtqueue *vq = d->rx.vq;
	unsigned int opaque, len;
	struct page *page;
	int done = 0;

	while (done < budget && (page = virtqueue_get_buf(vq, &len))) {
		vmesh_rx_one(d, page, len);
		done++;
	}

	if (done && vmesh_upper.polled)
		vmesh_upper.polled(d);
	if (unlikely(virtqueue_is_broken(vq))) {
		vmesh_set_broken(d, "receive");
		napi_complete_done(napi, done);
		return 0;
	}

	/* Recycled buffers are in the ring, but not announced yet. */
	if (done)
		virtqueue_kick(vq);
	if (done < budget || vq->num_free > virtqueue_get_vring_size(vq) / 4)
		if (!vmesh_rx_refill(d, GFP_ATOMIC))
			schedule_delayed_work(&d->rx.refill, VMESH_RX_RETRY);

	/* Sent frames are not interrupted for: take them back while we are here. */
	vmesh_tx_pending(d, NULL);
	if (vmesh_upper.room)
		vmesh_upper.room(d);

	if (done < budget) {
		if (atomic_read(&d->rx.spinners)) {
			/* Before the end of the poll, which disabling waits for. */
			if (!timer_pending(&d->rx.watch))
				mod_timer(&d->rx.watch, jiffies + 1);
			napi_complete_done(napi, done);
			return done;
		}
		opaque = virtqueue_enable_cb_prepare(vq);
		if (napi_complete_done(napi, done)) {
			if (unlikely(virtqueue_poll(vq, opaque)) && napi_schedule_prep(napi)) {
				virtqueue_disable_cb(vq);
				__napi_schedule(napi);
			}
		} else {
			virtqueue_disable_cb(vq);
		}
	}
	return done;
}

void vmesh_rx_interrupt(struct virtqueue *vq)
{
	struct vmesh_dev *d = vq->vdev->priv;

	if (napi_schedule_prep(&d->rx.napi)) {
		virtqueue_disable_cb(vq);
		__napi_schedule(&d->rx.napi);
	}
}

void vmesh_rx_spin(struct vmesh_dev *d)
{
	struct napi_struct *napi = &d->rx.napi;

	local_bh_disable();
	if (napi_schedule_prep(napi)) { /* not while it is disabled: then vq may be gone */
		virtqueue_disable_cb(d->rx.vq);
		__napi_schedule(napi);
	}
	local_bh_enable();
}

/* Softirq. Without spinners the interrupt is on, or the last one's poll is about to. */
static void vmesh_rx_watch(struct timer_list *timer)
{
	struct vmesh_dev *d = container_of(timer, struct vmesh_dev, rx.watch);

	if (atomic_read(&d->rx.spinners))
		vmesh_rx_spin(d);
}

void vmesh_rx_spin_begin(struct vmesh_dev *d)
{
	atomic_inc(&d->rx.spinners);
}

void vmesh_rx_spin_end(struct vmesh_dev *d)
{
	if (atomic_dec_and_test(&d->rx.spinners))
		vmesh_rx_spin(d);
}

void vmesh_rx_init(struct vmesh_dev *d)
{
	struct vmesh_rx *rx = &d->rx;
	unsigned int bytes;

	rx->room = VMESH_VNET_HLEN + ETH_HLEN + d->mtu;
	/* What build_skb() wants of the page beside the frame. */
	bytes = SKB_DATA_ALIGN(VMESH_RX_HEADROOM + rx->room) +
		SKB_DATA_ALIGN(sizeof(struct skb_shared_info));
	rx->order = get_order(bytes);
	spin_lock_init(&rx->spare_lock);
	INIT_LIST_HEAD(&rx->spare);
	INIT_DELAYED_WORK(&rx->refill, vmesh_rx_refill_work);
	timer_setup(&rx->watch, vmesh_rx_watch, 0);
	netif_napi_add(d->napi_dev, &rx->napi, vmesh_rx_poll);
}

void vmesh_rx_exit(struct vmesh_dev *d)
{
	netif_napi_del(&d->rx.napi);
}

int vmesh_rx_fill(struct vmesh_dev *d)
{
	vmesh_rx_refill(d, GFP_KERNEL);
	return d->rx.vq->num_free == virtqueue_get_vring_size(d->rx.vq) ? -ENOMEM : 0;
}

void vmesh_rx_enable(struct vmesh_dev *d)
{
	napi_enable(&d->rx.napi);
	local_bh_disable();
	napi_schedule(&d->rx.napi);
	local_bh_enable();
}

void vmesh_rx_disable(struct vmesh_dev *d)
{
	/* In this order: NAPI starts the others; these cannot start a disabled NAPI. */
	napi_disable(&d->rx.napi);
	vmesh_timer_delete_sync(&d->rx.watch);
	cancel_delayed_work_sync(&d->rx.refill);
}

void vmesh_rx_recycle(struct virtqueue *vq, void *page)
{
	struct vmesh_dev *d = vq->vdev->priv;

	__free_pages(page, d->rx.order);
}

void vmesh_rx_drain(struct vmesh_dev *d)
{
	struct vmesh_rx *rx = &d->rx;
	struct page *page, *next;

	while ((page = virtqueue_detach_unused_buf(rx->vq)))
		__free_pages(page, rx->order);
	list_for_each_entry_safe(page, next, &rx->spare, lru) {
		list_del(&page->lru);
		__free_pages(page, rx->order);
	}
	rx->vq = NULL;
}
