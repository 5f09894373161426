// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * The order in which the two rings come and go. Coming up:
 *
 *	find_vqs, DRIVER_OK, fill the receive ring, NAPI on, tx.up = true
 *
 * A device may be notified from DRIVER_OK on: what it does with a notification
 * before that is its own affair (virtio 1.2, 3.1.1), and no other would follow
 * for a ring that is full. NAPI is scheduled once by hand, because an interrupt
 * between DRIVER_OK and NAPI was for nothing. Going down is the mirror:
 *
 *	tx.up = false, NAPI off, refill off, reset, free what was in the rings
 *
 * After the reset the device owns no buffer, and no interrupt comes any more.
 * A device that was pulled out answers nothing; all of this works on memory.
 */
#include <linux/log2.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include "compat.h"
#include "device.h"
#include "queue.h"

/* A ring must hold the control reserve and a few frames besides. */
#define VMESH_RING_MIN 16

int vmesh_queues_init(struct vmesh_dev *d)
{
	int err;

	err = vmesh_tx_init(d);
	if (err)
		return err;
	vmesh_rx_init(d);
	return 0;
}

void vmesh_queues_exit(struct vmesh_dev *d)
{
	vmesh_rx_exit(d);
	vmesh_tx_exit(d);
}

int vmesh_queues_up(struct vmesh_dev *d)
{
	static const struct vmesh_vq_spec spec[VMESH_VQS] = {
		{ "rx", vmesh_rx_interrupt },
		{ "tx", vmesh_tx_interrupt },
	};
	struct virtio_device *vdev = d->vdev;
	struct virtqueue *vqs[VMESH_VQS];
	int i, err;

	err = vmesh_find_vqs(vdev, vqs, spec);
	if (err)
		return err;
	for (i = 0; i < VMESH_VQS; i++) {
		if (virtqueue_get_vring_size(vqs[i]) < VMESH_RING_MIN) {
			dev_err(&vdev->dev, "the %s ring has %u descriptors, less than %u\n",
				spec[i].name, virtqueue_get_vring_size(vqs[i]), VMESH_RING_MIN);
			err = -EINVAL;
			goto err_vqs;
		}
	}
	d->rx.vq = vqs[0];
	d->tx.vq = vqs[1];
	d->broken = false;

	virtio_device_ready(vdev);
	err = vmesh_rx_fill(d);
	if (err)
		goto err_vqs;

	d->rings = true;
	vmesh_tx_enable(d);
	vmesh_rx_enable(d);
	return 0;

err_vqs:
	virtio_reset_device(vdev);
	vdev->config->del_vqs(vdev);
	return err;
}

void vmesh_queues_down(struct vmesh_dev *d)
{
	struct virtio_device *vdev = d->vdev;

	if (!d->rings) { /* they did not survive a suspend */
		virtio_reset_device(vdev);
		return;
	}
	d->rings = false;
	vmesh_tx_disable(d);
	vmesh_rx_disable(d);
	virtio_reset_device(vdev);
	vmesh_tx_drain(d);
	vmesh_rx_drain(d);
	vdev->config->del_vqs(vdev);
}

int vmesh_queues_resize(struct vmesh_dev *d, u32 rx, u32 tx)
{
	int err, err2, fill;

	if (!virtio_has_feature(d->vdev, VIRTIO_F_RING_RESET))
		return -EOPNOTSUPP;
	if (rx < VMESH_RING_MIN || tx < VMESH_RING_MIN)
		return -EINVAL;
	/* The core says so, too, when it has thrown away what was in the ring. */
	if (!virtio_has_feature(d->vdev, VIRTIO_F_RING_PACKED) &&
	    (!is_power_of_2(rx) || !is_power_of_2(tx)))
		return -EINVAL;

	vmesh_tx_disable(d);
	err = vmesh_resize_vq(d->tx.vq, tx, vmesh_tx_recycle);
	vmesh_tx_enable(d);

	vmesh_rx_disable(d);
	err2 = vmesh_resize_vq(d->rx.vq, rx, vmesh_rx_recycle);
	fill = vmesh_rx_fill(d); /* when it fails, the refill work goes on trying */
	vmesh_rx_enable(d);
	/* With any other error the ring is as before, but empty. */
	if (err == -EBUSY || err2 == -EBUSY)
		vmesh_set_broken(d, err == -EBUSY ? "transmit" : "receive");
	return err ?: err2 ?: fill;
}
