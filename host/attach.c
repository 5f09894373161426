// SPDX-License-Identifier: GPL-2.0-only
/*
 * attach, detach: ports whose interface is somebody else's. What attach changes
 * on it is written in the port's flags, so that detach can put it back.
 */
#include <errno.h>
#include <string.h>

#include "cmd.h"
#include "join.h"
#include "link.h"
#include "log.h"
#include "ports.h"
#include "state.h"
#include "tap.h"
#include "veth.h"
#include "xdp.h"

/* What the kernel gives a tap nobody has asked for more. */
#define TAP_RING_DEFAULT 1000

static int check_link(const struct vm_link *link, unsigned int mtu)
{
	int err;

	err = vm_join_fit(link);
	if (err)
		return err;
	if (mtu < VM_MTU_MIN || mtu > VM_MTU_MAX) {
		vm_err("%s has MTU %u: set one from %d to %d (ip link set dev %s mtu %d), "
		       "or give --mtu",
		       link->name, link->mtu, VM_MTU_MIN, VM_MTU_MAX, link->name, VM_MTU_DEFAULT);
		return -ERANGE;
	}
	if (mtu > link->mtu) {
		vm_err("%s has MTU %u, and cannot take frames of %u: "
		       "ip link set dev %s mtu %u, or give a smaller --mtu",
		       link->name, link->mtu, mtu, link->name, mtu);
		return -ERANGE;
	}
	if (!(link->flags & IFF_UP))
		vm_warn("%s is down, and loses what is sent to it: ip link set dev %s up",
			link->name, link->name);
	return 0;
}

/* Bursts for a tap wait in its ring. Raised only from the default: else somebody chose. */
static int prepare_ring(const struct vm_link *link, __u32 *changed)
{
	int err;

	if (strcmp(link->kind, "tun") || link->ring >= VM_TAP_RING)
		return 0;
	if (link->ring != TAP_RING_DEFAULT) {
		vm_warn("the ring of %s has %u slots; a mesh port should have %d: "
			"ip link set dev %s txqueuelen %d",
			link->name, link->ring, VM_TAP_RING, link->name, VM_TAP_RING);
		return 0;
	}
	err = vm_link_set_mtu_ring(link->ifindex, link->mtu, VM_TAP_RING);
	if (err) {
		vm_err("cannot set the ring of %s: %s", link->name, strerror(-err));
		return err;
	}
	*changed |= VM_PORT_RING;
	return 0;
}

static int restore(const struct vm_link *link, __u32 changed)
{
	int err = 0;

	if (changed & VM_PORT_RING)
		err = vm_link_set_mtu_ring(link->ifindex, link->mtu, TAP_RING_DEFAULT);
	return err ?: vm_veth_restore(link, changed);
}

static int make_port(struct vm_state *st, struct vm_ports *ports, const struct vm_args *args,
		     struct vm_join *join, bool same)
{
	__u8 mac[VM_MAC_LEN];
	struct vm_link link;
	__u32 changed;
	int err;

	if (same)
		return 0;
	err = vm_link_get_name(args->name, &link);
	if (err) {
		if (err == -ENODEV)
			vm_err("there is no interface %s: virtmesh port add %s makes a tap",
			       args->name, args->name);
		else
			vm_err("cannot look at %s: %s", args->name, strerror(-err));
		return err;
	}
	join->port.mtu = args->mtu ?: link.mtu;
	err = check_link(&link, args->mtu ?: link.mtu);
	if (err)
		return err;
	vm_addr_to_mac(join->port.addr, mac);
	err = vm_veth_prepare(&link, mac, &changed);
	if (err)
		return err;
	err = prepare_ring(&link, &changed);
	if (!err) {
		join->port.flags = changed;
		err = vm_join(st, ports, &link, join);
	}
	if (err)
		restore(&link, changed);
	return err;
}

int vm_cmd_attach(const struct vm_args *args)
{
	struct vm_join join = {
		.port.addr = vm_addr(args->ensemble, args->node),
		.make = make_port,
		.text = "attached",
		.same_text = "is attached already",
	};

	return vm_join_command(args, &join);
}

/* An attach that was killed before the entries: its program is there, and no port. */
static bool is_left(const struct vm_state *st, const struct vm_ports *ports, const char *name,
		    struct vm_link *link, struct vm_xdp *xdp)
{
	return !vm_link_get_name(name, link) && !vm_ports_by_ifindex(ports, link->ifindex) &&
	       vm_xdp_left(st, link, xdp);
}

static int remove_port(struct vm_state *st, struct vm_ports *ports, const struct vm_args *args)
{
	const struct vm_port_entry *entry;
	const char *name = args->name;
	struct vm_link link;
	struct vm_xdp xdp;
	__u32 flags;
	int err;

	if (is_left(st, ports, name, &link, &xdp))
		return vm_xdp_detach(st, link.ifindex, &xdp);
	err = vm_join_find(ports, name, &entry);
	if (err)
		return err;
	flags = entry->port.flags;
	if (flags & VM_PORT_OWNED) {
		vm_err("%s was made by virtmesh: virtmesh port del %s removes it", name, name);
		return -EINVAL;
	}
	err = vm_link_get(entry->ifindex, &link);
	if (err) {
		vm_err("cannot look at %s: %s", name, strerror(-err));
		return err;
	}
	/* Before the entry goes, which alone knows what is to be put back. */
	err = restore(&link, flags);
	if (err) {
		vm_err("cannot put back what attach changed on %s: %s; try again", name,
		       strerror(-err));
		return err;
	}
	return vm_leave(st, ports, link.ifindex);
}

int vm_cmd_detach(const struct vm_args *args)
{
	return vm_leave_command(args, remove_port, "detached");
}
