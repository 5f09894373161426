// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * A mesh device is a network device of virtio id 1 like any other; its MAC
 * address tells. The driver's id table matches nothing, so the bus never
 * offers it a device, neither a foreign one, which a failed probe would leave
 * marked FAILED, nor its own. Devices come by being claimed:
 *
 *	at load		each virtio device that has no driver and is of the mesh
 *	by name		# echo virtio3 > /sys/bus/virtio/drivers/virtmesh/claim
 *
 * The second is for a device that virtio_net had first, after it was unbound
 * there (deploy/virtmesh-bind and its udev rule do both).
 *
 * The check only reads, and under the device's lock, so that it cannot come
 * between a probe of another driver and the registers. The lock is dropped
 * before device_driver_attach() takes it again; should another driver win
 * the device meanwhile, the answer is EBUSY, and nothing was touched.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/device.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>

#include "claim.h"
#include "device.h"

static int vmesh_claim(struct device *dev)
{
	int err;

	device_lock(dev);
	err = dev->driver ? -EBUSY : vmesh_identify(dev_to_virtio(dev), NULL);
	device_unlock(dev);

	return err ?: device_driver_attach(&vmesh_virtio_driver.driver, dev);
}

static const char *vmesh_claim_error(int err)
{
	switch (err) {
	case -EBUSY:
		return "another driver has it";
	case -ENXIO:
		return "it is no network device with the MAC address of a mesh node";
	case -EOPNOTSUPP:
		return "a legacy device; the host must offer virtio 1 (disable-legacy=on)";
	default:
		return "it could not be set up";
	}
}

/*
 * 0; ENODEV: no virtio device of this name; EBUSY: a driver has it; ENXIO: not
 * a device of the mesh; EOPNOTSUPP: it is, but legacy; or the probe's error.
 */
static ssize_t claim_store(struct device_driver *drv, const char *buf, size_t count)
{
	struct device *dev;
	char name[32];
	int err;

	if (count >= sizeof(name))
		return -ENODEV;
	strscpy(name, buf, sizeof(name));
	dev = bus_find_device_by_name(drv->bus, NULL, strim(name));
	if (!dev)
		return -ENODEV;

	err = vmesh_claim(dev);
	if (err)
		dev_notice(dev, "not claimed by %s: %s (%d)\n", drv->name, vmesh_claim_error(err),
			   err);
	put_device(dev);
	return err ?: count;
}
static DRIVER_ATTR_WO(claim);

static struct attribute *vmesh_claim_attrs[] = {
	&driver_attr_claim.attr,
	NULL,
};

static const struct attribute_group vmesh_claim_group = { .attrs = vmesh_claim_attrs };

const struct attribute_group *vmesh_claim_groups[] = { &vmesh_claim_group, NULL };

static int vmesh_claim_one(struct device *dev, void *unused)
{
	int err = vmesh_claim(dev);

	if (err && err != -EBUSY && err != -ENXIO)
		dev_err(dev, "a device of the mesh, but not claimed: %s (%d)\n",
			vmesh_claim_error(err), err);
	return 0;
}

void vmesh_claim_all(void)
{
	bus_for_each_dev(vmesh_virtio_driver.driver.bus, NULL, NULL, vmesh_claim_one);
}
