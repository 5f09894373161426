// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * The life of one device. probe() reads what the device says of itself, checks
 * it, makes the rings, sets DRIVER_OK, and only then lets the upper layer
 * publish it. remove() goes the same way back. Between the two the rings may
 * go and come again (suspend and resume); tx.up says whether they are there.
 *
 * The device is untrusted: a hypervisor's bug, or its malice, must not become
 * ours. Config space is read once, into checked copies; lengths in the used
 * rings are held against what was posted; a ring that the virtio core finds
 * inconsistent is given up with one log line.
 *
 * Memory: struct vmesh_dev begins the upper layer's own structure, and is
 * counted, because an open file may outlive the device. vdev and the rings are
 * valid from create() to destroy(); whoever holds just a reference goes through
 * vmesh_tx(), which finds tx.up false under tx.lock afterwards.
 *
 * Features. VERSION_1 and MAC are demanded, MTU and STATUS used where offered.
 * No checksum or segmentation offload and no mergeable buffers: a frame that
 * the host's XDP steers must be plain and fit one page. The ring's own features
 * (EVENT_IDX, INDIRECT_DESC, RING_RESET, ACCESS_PLATFORM) are in the table for
 * the reader; the virtio core negotiates what it supports of them by itself.
 */
#include <linux/etherdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <uapi/linux/virtio_ids.h>

#include "claim.h"
#include "compat.h"
#include "device.h"
#include "queue.h"

static const unsigned int vmesh_features[] = {
	VIRTIO_NET_F_MAC,	  VIRTIO_NET_F_MTU,
	VIRTIO_NET_F_STATUS,	  VIRTIO_RING_F_INDIRECT_DESC,
	VIRTIO_RING_F_EVENT_IDX,  VIRTIO_F_VERSION_1,
	VIRTIO_F_ACCESS_PLATFORM, VIRTIO_F_RING_RESET,
};

static void vmesh_free(struct kref *ref)
{
	struct vmesh_dev *d = container_of(ref, struct vmesh_dev, ref);

	vmesh_upper.release(d);
	free_percpu(d->counters);
	kfree(d);
}

void vmesh_get(struct vmesh_dev *d)
{
	kref_get(&d->ref);
}

void vmesh_put(struct vmesh_dev *d)
{
	kref_put(&d->ref, vmesh_free);
}

void vmesh_set_broken(struct vmesh_dev *d, const char *which)
{
	if (xchg(&d->broken, true))
		return;
	dev_err(&d->vdev->dev,
		"the %s ring is broken: no traffic until the device is bound again\n", which);
	/* No ring would wake them: after what they look at is set. */
	wake_up_interruptible_all(&d->tx.wait);
	schedule_work(&d->config_work);
}

int vmesh_identify(struct virtio_device *vdev, u8 mac[ETH_ALEN])
{
	u8 addr[ETH_ALEN];
	u64 features;
	u32 id;

	if (vdev->id.device != VIRTIO_ID_NET)
		return -ENXIO;
	/* virtio-pci leaves it NULL where the device has no configuration space. */
	if (!vdev->config->get)
		return -ENXIO;

	features = vmesh_offered(vdev);
	if (!(features & BIT_ULL(VIRTIO_NET_F_MAC)))
		return -ENXIO;

	/* Byte by byte: transports BUG() on lengths they do not know. */
	virtio_cread_bytes(vdev, offsetof(struct virtio_net_config, mac), addr, sizeof(addr));
	id = vm_mac_to_addr(addr);
	if (!vm_mac_is_node(addr) || !vm_ensemble_valid(vm_addr_ensemble(id)) ||
	    !vm_node_valid(vm_addr_node(id)))
		return -ENXIO;
	if (!(features & BIT_ULL(VIRTIO_F_VERSION_1)))
		return -EOPNOTSUPP;
	if (mac)
		ether_addr_copy(mac, addr);
	return 0;
}

static bool vmesh_read_link(struct vmesh_dev *d)
{
	u16 status;

	if (!virtio_has_feature(d->vdev, VIRTIO_NET_F_STATUS))
		return true;
	virtio_cread(d->vdev, struct virtio_net_config, status, &status);
	return status & VIRTIO_NET_S_LINK_UP;
}

static int vmesh_read_config(struct vmesh_dev *d)
{
	struct virtio_device *vdev = d->vdev;
	u16 mtu = VM_MTU_DEFAULT;
	int err;

	err = vmesh_identify(vdev, d->mac);
	if (err) {
		dev_err(&vdev->dev, "the device changed while it was being bound\n");
		return err;
	}
	d->addr = vm_mac_to_addr(d->mac);

	if (virtio_has_feature(vdev, VIRTIO_NET_F_MTU)) {
		virtio_cread(vdev, struct virtio_net_config, mtu, &mtu);
		if (mtu < VM_MTU_MIN) {
			dev_err(&vdev->dev, "the device's MTU of %u is below %u\n", mtu,
				VM_MTU_MIN);
			return -EINVAL;
		}
	}
	d->mtu = min_t(u16, mtu, VM_MTU_MAX);
	d->features = vdev->features;
	return 0;
}

static void vmesh_config_work(struct work_struct *work)
{
	struct vmesh_dev *d = container_of(work, struct vmesh_dev, config_work);

	WRITE_ONCE(d->link_up, vmesh_read_link(d));
	vmesh_upper.link_changed(d);
}

/* Interrupt. The core calls it between probe and remove only. */
static void vmesh_config_changed(struct virtio_device *vdev)
{
	struct vmesh_dev *d = vdev->priv;

	schedule_work(&d->config_work);
}

/* The claim has checked the same before; here it is for whoever finds another way in. */
static int vmesh_validate(struct virtio_device *vdev)
{
	if (!vdev->config->get) {
		dev_err(&vdev->dev, "the device has no configuration space\n");
		return -EINVAL;
	}
	if (!virtio_has_feature(vdev, VIRTIO_F_VERSION_1)) {
		dev_err(&vdev->dev,
			"a legacy device: virtmesh needs virtio 1.0 (disable-legacy=on)\n");
		return -EOPNOTSUPP;
	}
	if (!virtio_has_feature(vdev, VIRTIO_NET_F_MAC)) {
		dev_err(&vdev->dev, "the device has no MAC address\n");
		return -EINVAL;
	}
	return 0;
}

static int vmesh_probe(struct virtio_device *vdev)
{
	struct vmesh_dev *d;
	int err;

	d = kzalloc(vmesh_upper.size, GFP_KERNEL);
	if (!d)
		return -ENOMEM;
	d->counters = alloc_percpu(struct vmesh_counters);
	if (!d->counters) {
		kfree(d);
		return -ENOMEM;
	}
	kref_init(&d->ref);
	INIT_WORK(&d->config_work, vmesh_config_work);
	d->vdev = vdev;
	vdev->priv = d;

	err = vmesh_read_config(d);
	if (err)
		goto err_free;
	d->link_up = vmesh_read_link(d);

	err = vmesh_upper.create(d);
	if (err)
		goto err_free;

	err = vmesh_queues_init(d);
	if (err)
		goto err_destroy;

	err = vmesh_queues_up(d);
	if (err)
		goto err_queues;

	err = vmesh_upper.start(d);
	if (err)
		goto err_down;
	return 0;

err_down:
	vmesh_queues_down(d);
	cancel_work_sync(&d->config_work); /* NAPI may start it */
err_queues:
	vmesh_queues_exit(d);
err_destroy:
	vmesh_upper.destroy(d);
	vdev->priv = NULL;
	vmesh_put(d);
	return err;
err_free:
	vdev->priv = NULL;
	free_percpu(d->counters);
	kfree(d);
	return err;
}

static void vmesh_remove(struct virtio_device *vdev)
{
	struct vmesh_dev *d = vdev->priv;

	vmesh_upper.stop(d);
	vmesh_queues_down(d);
	cancel_work_sync(&d->config_work);
	vmesh_queues_exit(d);
	vmesh_upper.destroy(d);
	vdev->priv = NULL;
	vmesh_put(d);
}

static __maybe_unused int vmesh_freeze(struct virtio_device *vdev)
{
	struct vmesh_dev *d = vdev->priv;

	vmesh_upper.suspend(d);
	vmesh_queues_down(d);
	cancel_work_sync(&d->config_work);
	return 0;
}

static __maybe_unused int vmesh_restore(struct virtio_device *vdev)
{
	struct vmesh_dev *d = vdev->priv;
	int err;

	err = vmesh_queues_up(d);
	if (err) {
		dev_err(&vdev->dev, "the rings did not come back: %d\n", err);
		return err;
	}
	WRITE_ONCE(d->link_up, vmesh_read_link(d));
	vmesh_upper.resume(d);
	return 0;
}

/*
 * Matches nothing. Were VIRTIO_ID_NET in here, the bus would offer us every
 * network device, and there is no way to decline one: a probe that fails
 * leaves FAILED in the device's status, and the virtio bus has no
 * driver_override. So devices are claimed, see claim.c.
 */
static const struct virtio_device_id vmesh_ids[] = { { 0 } };

struct virtio_driver vmesh_virtio_driver = {
	.driver.name = KBUILD_MODNAME,
	.driver.owner = THIS_MODULE,
	.driver.groups = vmesh_claim_groups,
	.id_table = vmesh_ids,
	.feature_table = vmesh_features,
	.feature_table_size = ARRAY_SIZE(vmesh_features),
	.validate = vmesh_validate,
	.probe = vmesh_probe,
	.remove = vmesh_remove,
	.config_changed = vmesh_config_changed,
#ifdef CONFIG_PM_SLEEP
	.freeze = vmesh_freeze,
	.restore = vmesh_restore,
#endif
};
