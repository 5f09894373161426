/* SPDX-License-Identifier: GPL-2.0-only */
/* Of an interface the transport sees its name for the log, no more. */
#ifndef VIRTMESH_FUZZ_LINUX_NETDEVICE_H
#define VIRTMESH_FUZZ_LINUX_NETDEVICE_H

#include <linux/if_ether.h>
#include <linux/skbuff.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <string.h>

#define NET_SKB_PAD 64

struct net_device;
struct netdev_queue;

struct napi_struct {
	int unused;
};

static inline void ether_addr_copy(u8 *to, const u8 *from)
{
	memcpy(to, from, ETH_ALEN);
}

static inline bool ether_addr_equal_unaligned(const u8 *a, const u8 *b)
{
	return !memcmp(a, b, ETH_ALEN);
}

#endif /* VIRTMESH_FUZZ_LINUX_NETDEVICE_H */
