/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The base: one virtio network device with its two rings, used raw. It knows
 * Ethernet's lengths and nothing above them. Each module links the base with
 * one upper layer, which it reaches through the constant vmesh_upper.
 */
#ifndef VMESH_DEVICE_H
#define VMESH_DEVICE_H

#include <linux/if_ether.h>
#include <linux/kref.h>
#include <linux/netdevice.h>
#include <linux/workqueue.h>
#include <virtmesh/types.h>
#include "counters.h"
#include "receive.h"
#include "send.h"

struct virtio_device;
struct virtio_driver;

struct vmesh_dev {
	struct kref ref;
	struct virtio_device *vdev; /* valid from create() to destroy() only */
	struct net_device *napi_dev; /* set by create(): what the NAPI contexts belong to */
	struct vmesh_counters __percpu *counters;
	struct work_struct config_work;
	u64 features; /* negotiated; outlives vdev */
	u32 addr; /* vm_addr() out of the MAC address */
	u8 mac[ETH_ALEN];
	u16 mtu; /* of the device: receive buffers are made for it */
	bool rings; /* they are there; probe, remove and suspend only */
	bool link_up; /* what the device says; config_work writes it */
	bool broken; /* a ring was found broken: no traffic before a reset */
	struct vmesh_rx rx;
	struct vmesh_tx tx;
};

/*
 * What the upper layer provides. Its own state begins with a struct vmesh_dev
 * and is `size` bytes; the base allocates it zeroed. All may sleep but receive.
 *
 *	create		no rings yet. Sets napi_dev, and tx.nq if there is one.
 *	start		the rings run; the device may be used and published
 *	stop		undo start. The rings still run, for last words
 *	destroy		undo create. Nothing comes from the rings any more
 *	release		the last reference was dropped; may come long after destroy
 *	suspend, resume	around the rings' going away and coming back
 *	link_changed	link_up or broken changed
 *	receive		softirq. One frame of at least ETH_HLEN bytes. True: the
 *			page is the callee's now. False: it goes back to the ring.
 *	polled		softirq. After the last frame of one receive poll
 *	room		softirq. The transmit ring may have room for who found none
 */
struct vmesh_upper {
	size_t size;
	int (*create)(struct vmesh_dev *d);
	int (*start)(struct vmesh_dev *d);
	void (*stop)(struct vmesh_dev *d);
	void (*destroy)(struct vmesh_dev *d);
	void (*release)(struct vmesh_dev *d);
	void (*suspend)(struct vmesh_dev *d);
	void (*resume)(struct vmesh_dev *d);
	void (*link_changed)(struct vmesh_dev *d);
	bool (*receive)(struct vmesh_dev *d, const struct vmesh_frame *frame);
	void (*polled)(struct vmesh_dev *d); /* or NULL */
	void (*room)(struct vmesh_dev *d); /* or NULL */
};

extern const struct vmesh_upper vmesh_upper; /* each module has its own */
extern struct virtio_driver vmesh_virtio_driver;

/* References keep the memory, not the device: see "valid" above. Any context. */
void vmesh_get(struct vmesh_dev *d);
void vmesh_put(struct vmesh_dev *d);

/* A ring is broken: say so once and tell the upper layer. Any context. */
void vmesh_set_broken(struct vmesh_dev *d, const char *which);

/*
 * Is this a modern network device with the MAC address of a mesh node? Reads
 * the device, writes nothing to it. Process context; the caller holds the
 * device's lock. Returns 0, ENXIO: not of the mesh, EOPNOTSUPP: of the mesh,
 * but not modern. @mac may be NULL.
 */
int vmesh_identify(struct virtio_device *vdev, u8 mac[ETH_ALEN]);

#endif /* VMESH_DEVICE_H */
