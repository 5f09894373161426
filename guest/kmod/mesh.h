/* SPDX-License-Identifier: GPL-2.0-only */
/* The mesh on top of the base: one node, as its parts see it. */
#ifndef VMESH_MESH_H
#define VMESH_MESH_H

#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include "datagram.h"
#include "device.h"
#include "echo.h"
#include "groups.h"
#include "join.h"
#include "peer.h"
#include "pending.h"
#include "trace.h"

/*
 * Lock order: state_lock, then a group's lock (members that went), then a file's
 * queue lock or tx.lock. The spinlocks of the other parts and tx.lock are leaves:
 * nothing is taken inside them. rtnl (an MTU from WELCOME) is taken by itself.
 */
struct vmesh {
	struct vmesh_dev dev; /* first */
	struct net_device *netdev; /* valid from create() to destroy() */
	struct miscdevice misc;
	int id; /* the N of virtmeshN */
	char name[24];
	bool gone; /* the device goes or has gone: every call ends with ENODEV */

	/*
	 * Protects what the join machine decides and calls read whole: the fields
	 * of `join` marked so, and writing to `peers`. Sleeps.
	 */
	struct mutex state_lock;
	struct vmesh_join join;
	struct vmesh_peers peers;
	struct vmesh_echoes echoes;
	struct vmesh_channels channels;
	struct vmesh_groups groups;
	struct vmesh_pendings pendings;
	struct vmesh_trace trace;

	/* Counts changes of the membership and of the link; POLLPRI is about it. */
	atomic_t changes;
};

static inline struct vmesh *vmesh_of(struct vmesh_dev *d)
{
	return container_of(d, struct vmesh, dev);
}

static inline u16 vmesh_ensemble(const struct vmesh *m)
{
	return vm_addr_ensemble(m->dev.addr);
}

static inline u16 vmesh_node(const struct vmesh *m)
{
	return vm_addr_node(m->dev.addr);
}

/* The membership or the link's state is another now: tell who polls. Process context. */
void vmesh_changed(struct vmesh *m);

/* Softirq: one received frame of the mesh protocol. True: its page was taken. */
bool vmesh_input(struct vmesh *m, const struct vmesh_frame *frame);

#endif /* VMESH_MESH_H */
