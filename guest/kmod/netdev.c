// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * mesh0 is an ordinary Ethernet interface for every program that knows nothing
 * of the mesh. It shares the rings with the mesh protocol, which also runs
 * while the interface is down. Multicast and broadcast just go out: the host
 * clones them to the ensemble. Addresses are the node's identity, so the MAC
 * address cannot be changed; the host drops tagged frames, so there are no
 * VLANs on top.
 *
 * The stack may not send the mesh protocol's EtherType. Membership and
 * incarnations are the driver's word, and a program with a raw socket must not
 * be able to speak for it. Received frames of that type are not shown to the
 * stack either. (A guest's root can always replace its driver: this protects a
 * guest from its own programs, and the host protects the mesh from guests.)
 *
 * The carrier is on from the first WELCOME; a silent broker does not take it
 * off, because frames between nodes do not depend on it.
 */
#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/skbuff.h>
#include <linux/virtio.h>
#include <uapi/linux/virtmesh.h>

#include "mesh.h"
#include "netdev.h"
#include "parse.h"

/* Received frames up to this are copied, and their page stays in the ring. */
#define VMESH_COPYBREAK 256

struct vmesh_netdev {
	struct vmesh *m;
};

struct vmesh *vmesh_of_netdev(struct net_device *netdev)
{
	return ((struct vmesh_netdev *)netdev_priv(netdev))->m;
}

static int vmesh_ndo_open(struct net_device *netdev)
{
	netif_start_queue(netdev);
	return 0;
}

static int vmesh_ndo_stop(struct net_device *netdev)
{
	/* The stack keeps its frames to itself; the rings go on without it. */
	return 0;
}

static netdev_tx_t vmesh_ndo_start_xmit(struct sk_buff *skb, struct net_device *netdev)
{
	struct vmesh *m = vmesh_of_netdev(netdev);
	unsigned int len = skb->len;
	unsigned int flags = VMESH_TX_STACK;

	if (netdev_xmit_more())
		flags |= VMESH_TX_MORE;
	/* No scatter-gather is announced, so this is for whoever ignores that. */
	if (skb_linearize(skb) || len < ETH_HLEN)
		goto drop;
	if (vmesh_is_mesh(skb->data, len)) {
		vmesh_count(&m->dev, tx_refused);
		goto drop;
	}

	skb_tx_timestamp(skb);
	/* Finished frames may stay in the ring: nobody may wait for one. See send.c. */
	skb_orphan(skb);
	nf_reset_ct(skb);
	switch (vmesh_tx(&m->dev, skb, flags)) {
	case 0:
		dev_sw_netstats_tx_add(netdev, 1, len);
		return NETDEV_TX_OK;
	case -ENOBUFS:
		return NETDEV_TX_BUSY; /* the queue is stopped */
	}
drop:
	dev_core_stats_tx_dropped_inc(netdev);
	dev_kfree_skb_any(skb);
	vmesh_tx_kick(&m->dev);
	return NETDEV_TX_OK;
}

static void vmesh_ndo_tx_timeout(struct net_device *netdev, unsigned int queue)
{
	struct vmesh *m = vmesh_of_netdev(netdev);
	struct netdev_queue *nq = netdev_get_tx_queue(netdev, queue);

	netdev_err(netdev,
		   "the host takes no frames: none for %u ms, %u in flight; notified it again\n",
		   jiffies_to_msecs(jiffies - READ_ONCE(nq->trans_start)),
		   READ_ONCE(m->dev.tx.in_flight));
	netdev->stats.tx_errors++;
	vmesh_tx_nudge(&m->dev);
}

static const struct net_device_ops vmesh_netdev_ops = {
	.ndo_open = vmesh_ndo_open,
	.ndo_stop = vmesh_ndo_stop,
	.ndo_start_xmit = vmesh_ndo_start_xmit,
	.ndo_tx_timeout = vmesh_ndo_tx_timeout,
	.ndo_get_stats64 = dev_get_tstats64,
	.ndo_validate_addr = eth_validate_addr,
};

static void vmesh_netdev_setup(struct net_device *netdev)
{
	ether_setup(netdev);
	netdev->netdev_ops = &vmesh_netdev_ops;
	netdev->needed_headroom = VMESH_TX_HEADROOM;
	netdev->features |= NETIF_F_VLAN_CHALLENGED | NETIF_F_HIGHDMA;
	/* We write into the headroom of what we send. */
	netdev->priv_flags &= ~IFF_TX_SKB_SHARING;
	/* It sends with interrupts off, and out of a printk under our own tx.lock. */
	netdev->priv_flags |= IFF_DISABLE_NETPOLL;
	netdev->watchdog_timeo = 5 * HZ;
	vmesh_ethtool_init(netdev);
}

int vmesh_netdev_create(struct vmesh *m)
{
	struct net_device *netdev;

	netdev = alloc_netdev_mqs(sizeof(struct vmesh_netdev), "mesh%d", NET_NAME_ENUM,
				  vmesh_netdev_setup, 1, 1);
	if (!netdev)
		return -ENOMEM;
	netdev->tstats = netdev_alloc_pcpu_stats(struct pcpu_sw_netstats);
	if (!netdev->tstats) {
		free_netdev(netdev);
		return -ENOMEM;
	}
	((struct vmesh_netdev *)netdev_priv(netdev))->m = m;
	SET_NETDEV_DEV(netdev, &m->dev.vdev->dev);
	eth_hw_addr_set(netdev, m->dev.mac);
	netdev->mtu = m->dev.mtu;
	netdev->max_mtu = m->dev.mtu;
	netif_carrier_off(netdev);

	m->netdev = netdev;
	m->dev.napi_dev = netdev;
	m->dev.tx.nq = netdev_get_tx_queue(netdev, 0);
	return 0;
}

void vmesh_netdev_destroy(struct vmesh *m)
{
	struct net_device *netdev = m->netdev;

	m->dev.napi_dev = NULL;
	m->dev.tx.nq = NULL;
	m->netdev = NULL;
	free_percpu(netdev->tstats);
	free_netdev(netdev);
}

int vmesh_netdev_register(struct vmesh *m)
{
	return register_netdev(m->netdev);
}

void vmesh_netdev_unregister(struct vmesh *m)
{
	unregister_netdev(m->netdev);
}

void vmesh_netdev_detach(struct vmesh *m)
{
	/* Under rtnl, so that no ethtool call is left at the rings. */
	rtnl_lock();
	netif_device_detach(m->netdev);
	rtnl_unlock();
}

void vmesh_netdev_attach(struct vmesh *m)
{
	netif_device_attach(m->netdev);
}

void vmesh_netdev_carrier(struct vmesh *m)
{
	/* Once unregistered, the interface must not get new link events. */
	if (m->gone)
		return;
	if (!vmesh_join_ready(m) && READ_ONCE(m->dev.link_up) && !READ_ONCE(m->dev.broken))
		netif_carrier_on(m->netdev);
	else
		netif_carrier_off(m->netdev);
}

void vmesh_netdev_mtu(struct vmesh *m, u16 mtu)
{
	struct net_device *netdev = m->netdev;
	bool follow;

	/* Only the join work gets here, one at a time. */
	if (netdev->max_mtu == mtu)
		return;
	rtnl_lock();
	/* A smaller one that somebody set stays. */
	follow = netdev->mtu == netdev->max_mtu || netdev->mtu > mtu;
	netdev->max_mtu = mtu;
	if (follow && dev_set_mtu(netdev, mtu))
		netdev_warn(netdev, "the MTU stays at %u, but the mesh carries %u\n", netdev->mtu,
			    mtu);
	rtnl_unlock();
}

bool vmesh_netdev_receive(struct vmesh *m, const struct vmesh_frame *frame)
{
	struct net_device *netdev = m->netdev;
	struct napi_struct *napi = &m->dev.rx.napi;
	bool copy = frame->len <= VMESH_COPYBREAK;
	struct sk_buff *skb;

	if (unlikely(READ_ONCE(m->gone) || !(READ_ONCE(netdev->flags) & IFF_UP)))
		return false;

	if (copy) {
		skb = napi_alloc_skb(napi, frame->len);
		if (likely(skb))
			skb_put_data(skb, frame->data, frame->len);
	} else {
		skb = napi_build_skb(page_address(frame->page), PAGE_SIZE << frame->order);
		if (likely(skb)) {
			skb_reserve(skb, frame->offset);
			skb_put(skb, frame->len);
		}
	}
	if (unlikely(!skb)) {
		vmesh_count(&m->dev, rx_no_memory);
		dev_core_stats_rx_dropped_inc(netdev);
		return false;
	}
	dev_sw_netstats_rx_add(netdev, frame->len);
	skb->protocol = eth_type_trans(skb, netdev);
	napi_gro_receive(napi, skb);
	return !copy;
}
