/* SPDX-License-Identifier: GPL-2.0-only */
/* The network interface mesh0. See netdev.c. */
#ifndef VMESH_NETDEV_H
#define VMESH_NETDEV_H

#include <linux/types.h>

struct net_device;
struct vmesh;
struct vmesh_frame;

/* Process context, in this order. create: sets m->netdev and what the base wants. ENOMEM. */
int vmesh_netdev_create(struct vmesh *m);
int vmesh_netdev_register(struct vmesh *m);
void vmesh_netdev_unregister(struct vmesh *m);
void vmesh_netdev_destroy(struct vmesh *m);

/* Around the rings' absence. Process context. */
void vmesh_netdev_detach(struct vmesh *m);
void vmesh_netdev_attach(struct vmesh *m);

/* The carrier, out of the link's and the join machine's state. state_lock held. */
void vmesh_netdev_carrier(struct vmesh *m);

/* The largest frame is @mtu now. Takes rtnl when that is news. Process context. */
void vmesh_netdev_mtu(struct vmesh *m, u16 mtu);

/* Softirq: a frame that is not of the mesh protocol. True: its page was taken. */
bool vmesh_netdev_receive(struct vmesh *m, const struct vmesh_frame *frame);

/* Of an interface made here. */
struct vmesh *vmesh_of_netdev(struct net_device *netdev);

/* ethtool.c */
void vmesh_ethtool_init(struct net_device *netdev);

#endif /* VMESH_NETDEV_H */
