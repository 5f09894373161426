// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mover as a lane of the device.
 */
#include <endian.h>
#include <string.h>

#include "../log.h"
#include "device.h"
#include "mover.h"

static void own_broken(void *arg, unsigned int i, const char *why)
{
	vm_device_ring_broken(arg, i, why);
}

static int own_init(struct vm_device *dev)
{
	struct vm_mover_config config = {
		.tap = dev->tap,
		.mtu = le16toh(dev->config.mtu),
		.poll_us = dev->poll_us,
		.broken = own_broken,
		.arg = dev,
	};
	struct vm_mover *m;
	int err;

	err = vm_mover_init(&m, dev->loop, &config);
	if (err) {
		vm_err("event=lane name=own error=\"%s\"", strerror(-err));
		return err;
	}
	dev->lane_data = m;
	vm_mover_log(m);
	return 0;
}

static int own_ring_start(struct vm_device *dev, unsigned int i)
{
	return vm_mover_start(dev->lane_data, i, &dev->ring[i], &dev->mem);
}

static void own_ring_stop(struct vm_device *dev, unsigned int i)
{
	vm_mover_stop(dev->lane_data, i);
}

static void own_ring_fds(struct vm_device *dev, unsigned int i)
{
	vm_mover_fds(dev->lane_data, i);
}

static void own_exit(struct vm_device *dev)
{
	vm_mover_exit(dev->lane_data);
	dev->lane_data = NULL;
}

const struct vm_lane vm_lane_own = {
	.name = "own",
	.init = own_init,
	.ring_start = own_ring_start,
	.ring_stop = own_ring_stop,
	.ring_fds = own_ring_fds,
	.exit = own_exit,
};
