/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Network interfaces by netlink: what the command must know of one and set on
 * one. In the caller's network namespace. Everything returns 0 or -errno
 * (-ENODEV: no such interface, -EPERM: no CAP_NET_ADMIN).
 */
#ifndef VIRTMESH_HOST_LINK_H
#define VIRTMESH_HOST_LINK_H

#include <net/if.h>
#include <stdbool.h>

#include <linux/types.h>

struct vm_link {
	__u32 ifindex;
	__u32 mtu;
	__u32 ring; /* txqueuelen */
	__u32 flags; /* IFF_* */
	__u32 peer; /* of a veth: its other end's ifindex; 0: none or unknown */
	__u32 master; /* ifindex of the bridge, bond, .. that it belongs to; 0: none */
	bool peer_elsewhere; /* ... and that is in another network namespace */
	bool loopback;
	bool ether; /* ARPHRD_ETHER */
	__u8 mac[6];
	__u32 owner; /* of a tap: a user id; (__u32)-1: nobody, or no tap */
	__u64 tx_dropped;
	__u32 xdp_id; /* attached program; 0: none */
	bool xdp_generic; /* ... in the skb path */
	char name[IF_NAMESIZE];
	char kind[16]; /* "tun", "veth", ..; empty for hardware */
};

/* Could an interface be called @name? By the kernel's rules; the name may be a path's part. */
bool vm_link_name_valid(const char *name);

int vm_link_get(__u32 ifindex, struct vm_link *link);
int vm_link_get_name(const char *name, struct vm_link *link);

int vm_link_set_mtu_ring(__u32 ifindex, __u32 mtu, __u32 ring);
/* No IPv6 addresses by itself. 0 as well where the kernel has no IPv6. */
int vm_link_set_quiet(__u32 ifindex);
int vm_link_set_up(__u32 ifindex);
/* Of any kind, and whoever has it open. */
int vm_link_delete(__u32 ifindex);

#endif /* VIRTMESH_HOST_LINK_H */
