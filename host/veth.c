// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <virtmesh/maps.h>

#include "log.h"
#include "veth.h"

static int ethtool(const char *name, void *cmd)
{
	struct ifreq ifr = { .ifr_data = cmd };
	int fd, err = 0;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	strcpy(ifr.ifr_name, name);
	if (ioctl(fd, SIOCETHTOOL, &ifr))
		err = -errno;
	close(fd);
	return err;
}

/* Set one switch. 0: it was so already; 1: changed; -errno. */
static int set(const char *name, __u32 get_cmd, __u32 set_cmd, __u32 on)
{
	struct ethtool_value value = { .cmd = get_cmd };
	int err;

	err = ethtool(name, &value);
	if (err)
		return err;
	if (!value.data == !on)
		return 0;
	value = (struct ethtool_value){ .cmd = set_cmd, .data = on };
	err = ethtool(name, &value);
	return err ?: 1;
}

static void tell_elsewhere(const struct vm_link *link, const __u8 *mac)
{
	char address[64] = "";

	if (mac)
		snprintf(address, sizeof(address),
			 " && ip link set dev PEER address %02x:%02x:%02x:%02x:%02x:%02x", mac[0],
			 mac[1], mac[2], mac[3], mac[4], mac[5]);
	vm_warn("the peer of %s is in another network namespace; there, type: "
		"ethtool -K PEER gro on tx off%s (PEER is its interface %u: ip link | grep ^%u:)",
		link->name, address, link->peer, link->peer);
}

int vm_veth_prepare(const struct vm_link *link, const __u8 *mac, __u32 *changed)
{
	struct vm_link peer;
	int err;

	*changed = 0;
	if (strcmp(link->kind, "veth") || !link->peer)
		return 0;
	if (link->peer_elsewhere) {
		tell_elsewhere(link, mac);
		return 0;
	}
	err = vm_link_get(link->peer, &peer);
	if (err) {
		vm_err("cannot look at the peer of %s: %s", link->name, strerror(-err));
		return err;
	}
	err = set(peer.name, ETHTOOL_GGRO, ETHTOOL_SGRO, 1);
	if (err < 0)
		goto explain;
	*changed |= err ? VM_PORT_PEER_GRO : 0;
	err = set(peer.name, ETHTOOL_GTXCSUM, ETHTOOL_STXCSUM, 0);
	if (err < 0)
		goto explain;
	*changed |= err ? VM_PORT_PEER_CSUM : 0;

	if (mac && memcmp(peer.mac, mac, sizeof(peer.mac)))
		vm_warn("the node behind %s must use its mesh address: "
			"ip link set dev %s address %02x:%02x:%02x:%02x:%02x:%02x",
			link->name, peer.name, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	return 0;

explain:
	vm_err("cannot set up %s, the peer of %s: %s; try: ethtool -K %s gro on tx off", peer.name,
	       link->name, strerror(-err), peer.name);
	vm_veth_restore(link, *changed);
	*changed = 0;
	return err;
}

int vm_veth_restore(const struct vm_link *link, __u32 changed)
{
	struct vm_link peer;
	int err;

	if (link->peer_elsewhere && changed & (VM_PORT_PEER_GRO | VM_PORT_PEER_CSUM))
		vm_warn("the peer of %s is in another network namespace now; to put back what was "
			"changed there, type: ethtool -K PEER%s%s (PEER is its interface %u: "
			"ip link | grep ^%u:)",
			link->name, changed & VM_PORT_PEER_GRO ? " gro off" : "",
			changed & VM_PORT_PEER_CSUM ? " tx on" : "", link->peer, link->peer);
	if (!link->peer || link->peer_elsewhere)
		return 0;
	err = vm_link_get(link->peer, &peer);
	if (!err && changed & VM_PORT_PEER_GRO)
		err = set(peer.name, ETHTOOL_GGRO, ETHTOOL_SGRO, 0);
	if (err >= 0 && changed & VM_PORT_PEER_CSUM)
		err = set(peer.name, ETHTOOL_GTXCSUM, ETHTOOL_STXCSUM, 1);
	return err == -ENODEV || err > 0 ? 0 : err;
}
