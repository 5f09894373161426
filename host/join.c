// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "clock.h"
#include "join.h"
#include "json.h"
#include "log.h"
#include "room.h"
#include "xdp.h"

/* From check(): the very same port is there. No error, nothing to do. */
#define JOIN_SAME 1

/* Asked for again, with an owner: it must be the one the tap has. */
static int check_owner(const struct vm_port_entry *entry, const struct vm_args *args)
{
	struct vm_link link;
	int err;

	err = vm_link_get(entry->ifindex, &link);
	if (err) {
		vm_err("cannot look at %s: %s", args->name, strerror(-err));
		return err;
	}
	if (link.owner == args->owner)
		return JOIN_SAME;
	vm_err("%s is a port already, and its tap belongs to user %d, not %u; remove it first "
	       "(virtmesh port del %s)",
	       args->name, (int)link.owner, args->owner, args->name);
	return -EEXIST;
}

/* The interface is a port already: the one that is asked for? */
static int check_taken(const struct vm_port_entry *entry, const struct vm_args *args, __u32 owned)
{
	__u32 addr = entry->port.addr;

	if (entry->port.flags & VM_PORT_BROKER) {
		vm_err("%s is the broker's", args->name);
		return -EEXIST;
	}
	if (entry->port.flags & VM_PORT_THROUGH) {
		vm_err("faults of an ensemble lead through %s: virtmesh ensemble faults E --off",
		       args->name);
		return -EEXIST;
	}
	if (addr != vm_addr(args->ensemble, args->node)) {
		vm_err("%s is the port of node %u in ensemble %u already", args->name,
		       vm_addr_node(addr), vm_addr_ensemble(addr));
		return -EEXIST;
	}
	if ((entry->port.flags & VM_PORT_OWNED) != owned) {
		vm_err("%s is a port already, but %s; remove it first (virtmesh %s %s)", args->name,
		       owned ? "was attached, not made, by virtmesh" : "was made by virtmesh",
		       owned ? "detach" : "port del", args->name);
		return -EEXIST;
	}
	if (args->mtu && args->mtu != entry->port.mtu) {
		vm_err("%s is a port already, with MTU %u instead of %u; remove it first "
		       "(virtmesh %s %s)",
		       args->name, entry->port.mtu, args->mtu, owned ? "port del" : "detach",
		       args->name);
		return -EEXIST;
	}
	if (args->vhost_user && !(entry->port.flags & VM_PORT_VHOST_USER)) {
		vm_err("%s is a port already, but the VMM's, not virtmesh-port's; remove it first "
		       "(virtmesh port del %s)",
		       args->name, args->name);
		return -EEXIST;
	}
	return args->owner_given ? check_owner(entry, args) : JOIN_SAME;
}

/*
 * May @args become a port? -ENOENT: no such ensemble; -EEXIST: node or interface
 * is taken. JOIN_SAME: it is one, *@same.
 */
static int check(const struct vm_state *st, const struct vm_ports *ports,
		 const struct vm_args *args, __u32 owned, const struct vm_port_entry **same)
{
	const struct vm_port_entry *entry;
	__u32 ifindex = if_nametoindex(args->name);
	char name[IF_NAMESIZE] = "?";
	int err;

	err = vm_ensemble_find(st, args->ensemble);
	if (err)
		return err;
	entry = ifindex ? vm_ports_by_ifindex(ports, ifindex) : NULL;
	*same = entry;
	if (entry)
		return check_taken(entry, args, owned);
	entry = vm_ports_by_addr(ports, vm_addr(args->ensemble, args->node));
	if (entry) {
		if_indextoname(entry->ifindex, name);
		vm_err("node %u of ensemble %u has a port already: %s", args->node, args->ensemble,
		       name);
		return -EEXIST;
	}
	return 0;
}

int vm_join_fit(const struct vm_link *link)
{
	char master[IF_NAMESIZE] = "another one";

	if (link->loopback || !link->ether) {
		vm_err("%s is no Ethernet interface", link->name);
		return -EINVAL;
	}
	if (strcmp(link->kind, "tun") && strcmp(link->kind, "veth")) {
		vm_err("%s is neither a tap nor a veth but %s: the host would be cut off from "
		       "what is behind it",
		       link->name, *link->kind ? link->kind : "hardware");
		return -EINVAL;
	}
	if (link->master) {
		if_indextoname(link->master, master);
		vm_err("%s belongs to %s, which would get no more frames from it: "
		       "ip link set dev %s nomaster",
		       link->name, master, link->name);
		return -EINVAL;
	}
	return 0;
}

int vm_join(struct vm_state *st, struct vm_ports *ports, const struct vm_link *link,
	    struct vm_join *join)
{
	struct vm_xdp xdp;
	int err;

	err = vm_xdp_attach(st, link, &xdp);
	if (err)
		return err;
	join->ifindex = link->ifindex;
	join->port.flags |= xdp.flags;
	join->port.prog_id = xdp.prog_id;
	join->port.tx_dropped = link->tx_dropped;
	join->port.added_ns = vm_clock_ns(CLOCK_REALTIME);
	err = vm_ports_publish(st, ports, link->ifindex, &join->port);
	if (err)
		vm_xdp_detach(st, link->ifindex, &xdp);
	return err;
}

int vm_leave(struct vm_state *st, struct vm_ports *ports, __u32 ifindex)
{
	const struct vm_port_entry *entry = vm_ports_by_ifindex(ports, ifindex);
	struct vm_xdp xdp = { entry->port.flags, entry->port.prog_id };
	int err;

	/*
	 * The program first: while the port is in the maps whoever asks again finds it, and
	 * a program that has gone is no error. Left on an interface that is no port, it would
	 * drop everything for good.
	 */
	err = vm_xdp_detach(st, ifindex, &xdp);
	return err ?: vm_ports_withdraw(st, ports, ifindex);
}

int vm_join_find(const struct vm_ports *ports, const char *name, const struct vm_port_entry **entry)
{
	__u32 ifindex = if_nametoindex(name);

	*entry = ifindex ? vm_ports_by_ifindex(ports, ifindex) : NULL;
	if (*entry && (*entry)->port.flags & VM_PORT_BROKER) {
		vm_err("%s is the broker's: it goes with the last ensemble", name);
		return -EINVAL;
	}
	if (*entry && (*entry)->port.flags & VM_PORT_THROUGH) {
		vm_err("%s is no node's: faults of an ensemble lead through it, "
		       "virtmesh ensemble faults E --off ends that",
		       name);
		return -EINVAL;
	}
	if (*entry)
		return 0;
	if (ifindex)
		vm_err("%s is no port: virtmesh show lists them", name);
	else
		vm_err("there is no interface %s", name);
	return -ENODEV;
}

/* Tell what was done, in the way @args asks for. @join: NULL when the port has gone. */
static int report(const struct vm_args *args, const struct vm_join *join, bool changed,
		  const char *text)
{
	bool vhost_user = join && join->port.flags & VM_PORT_VHOST_USER;
	char path[VM_ROOM_PATH];
	struct json_object *json;
	__u8 mac[VM_MAC_LEN];

	vm_addr_to_mac(vm_addr(args->ensemble, args->node), mac);
	vm_room_socket(args->name, path);
	if (args->json) {
		json = json_object_new_object();
		vm_json_str(json, "port", args->name);
		vm_json_bool(json, "changed", changed);
		if (join) {
			vm_json_u64(json, "ensemble", args->ensemble);
			vm_json_u64(json, "node", args->node);
			vm_json_mac(json, "mac", mac);
		}
		if (vhost_user)
			vm_json_str(json, "socket", path);
		return vm_json_print(json, false);
	}
	printf("port %s %s", args->name, text);
	if (join)
		printf(": node %u of ensemble %u, %02x:%02x:%02x:%02x:%02x:%02x", args->node,
		       args->ensemble, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	if (vhost_user)
		printf(", %s", path);
	printf("\n");
	return 0;
}

int vm_join_command(const struct vm_args *args, struct vm_join *join)
{
	const struct vm_port_entry *entry = NULL;
	struct vm_ports *ports = NULL;
	bool same = false;
	struct vm_state st;
	int err;

	err = vm_state_change(&st);
	if (err)
		return err;
	ports = vm_ports_load(&st.maps);
	err = ports ? check(&st, ports, args, join->owned, &entry) : -EIO;
	if (err == JOIN_SAME) {
		join->port = entry->port;
		same = true;
	}
	if (!err || same)
		err = join->make(&st, ports, args, join, same);
	free(ports);
	vm_state_close(&st);
	if (err)
		return err;
	return report(args, join, !same, same ? join->same_text : join->text);
}

int vm_leave_command(const struct vm_args *args,
		     int (*leave)(struct vm_state *st, struct vm_ports *ports,
				  const struct vm_args *args),
		     const char *text)
{
	struct vm_ports *ports;
	struct vm_state st;
	int err;

	err = vm_state_change(&st);
	if (err)
		return err;
	ports = vm_ports_load(&st.maps);
	err = ports ? leave(&st, ports, args) : -EIO;
	free(ports);
	vm_state_close(&st);
	if (err)
		return err;
	return report(args, NULL, true, text);
}
