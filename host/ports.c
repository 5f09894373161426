// SPDX-License-Identifier: GPL-2.0-only
/*
 * The order of the entries
 *
 * A frame may arrive between any two writes, and the command may be killed
 * there. So a port comes as
 *
 *	counters	at 0, nobody counts yet
 *	ensembles	the group's MTU falls before a clone can be too long
 *	taps		the slot leads to the interface; no address leads to the slot
 *	groups		group frames arrive
 *	nodes		unicast arrives
 *	ports		the node may send
 *	hints		the same, faster
 *
 * and goes in the reverse. What is in `ports` is whole; whatever else is in the
 * maps and has no entry in there was left by a command that was killed, and the
 * next command sweeps it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "faults.h"
#include "groups.h"
#include "hints.h"
#include "log.h"
#include "ports.h"
#include "xdp.h"

static int by_addr(const void *a, const void *b)
{
	const struct vm_port_entry *x = a, *y = b;

	if (x->port.addr != y->port.addr)
		return x->port.addr < y->port.addr ? -1 : 1;
	return (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

static int collect(__u32 ifindex, const struct vm_port *port, void *arg)
{
	struct vm_ports *ports = arg;

	if (ports->count == VM_PORTS_MAX)
		return -E2BIG;
	ports->entry[ports->count].ifindex = ifindex;
	ports->entry[ports->count++].port = *port;
	return 0;
}

struct vm_ports *vm_ports_load(const struct vm_maps *maps)
{
	struct vm_ports *ports = calloc(1, sizeof(*ports));
	int err = -ENOMEM;

	if (ports)
		err = vm_ports_each(maps, collect, ports);
	if (err) {
		vm_err("cannot read the ports: %s", strerror(-err));
		free(ports);
		return NULL;
	}
	qsort(ports->entry, ports->count, sizeof(ports->entry[0]), by_addr);
	return ports;
}

const struct vm_port_entry *vm_ports_by_addr(const struct vm_ports *ports, __u32 addr)
{
	for (size_t i = 0; i < ports->count; i++)
		if (ports->entry[i].port.addr == addr)
			return &ports->entry[i];
	return NULL;
}

const struct vm_port_entry *vm_ports_by_ifindex(const struct vm_ports *ports, __u32 ifindex)
{
	for (size_t i = 0; i < ports->count; i++)
		if (ports->entry[i].ifindex == ifindex)
			return &ports->entry[i];
	return NULL;
}

unsigned int vm_ports_of(const struct vm_ports *ports, __u16 ensemble, __u16 *mtu)
{
	unsigned int n = 0;

	if (mtu)
		*mtu = VM_MTU_MAX;
	for (size_t i = 0; i < ports->count; i++) {
		const struct vm_port *port = &ports->entry[i].port;

		if (vm_addr_ensemble(port->addr) != ensemble)
			continue;
		n++;
		if (mtu && port->mtu < *mtu)
			*mtu = port->mtu;
	}
	return n;
}

static int explain(const char *map, int err)
{
	if (err)
		vm_err("cannot access the map %s: %s", map, strerror(-err));
	return err;
}

int vm_ensemble_find(const struct vm_state *st, __u32 ensemble)
{
	struct vm_ensemble e;
	int err;

	err = bpf_map_lookup_elem(st->maps.ensembles, &ensemble, &e);
	if (err == -ENOENT)
		vm_err("there is no ensemble %u here: virtmesh ensemble list shows those there are, "
		       "virtmesh ensemble add %u makes it",
		       ensemble, ensemble);
	else if (err)
		vm_err("cannot look for ensemble %u: %s", ensemble, strerror(-err));
	return err;
}

int vm_ports_free_slot(const struct vm_ports *ports)
{
	bool used[VM_PORTS_MAX] = { false };

	for (size_t i = 0; i < ports->count; i++)
		if (ports->entry[i].port.slot < VM_PORTS_MAX)
			used[ports->entry[i].port.slot] = true;
	for (int slot = VM_SLOT_FIRST; slot < VM_PORTS_MAX; slot++)
		if (!used[slot])
			return slot;
	vm_err("all %d ports of this host are in use", VM_PORTS_MAX - VM_SLOT_FIRST);
	return -ENOSPC;
}

int vm_ports_reset_slot(const struct vm_state *st, __u16 slot)
{
	struct vm_limits limits = { 0 };
	struct vm_counters *zero;
	int cpus = libbpf_num_possible_cpus();
	__u32 key = slot;
	int err;

	if (cpus < 0)
		return cpus;
	zero = calloc(cpus, sizeof(*zero));
	if (!zero)
		return -ENOMEM;
	err = explain("counters", bpf_map_update_elem(st->maps.counters, &key, zero, BPF_ANY));
	free(zero);
	if (!err)
		err = explain("limits",
			      bpf_map_update_elem(st->maps.limits, &key, &limits, BPF_ANY));
	return err;
}

/* Count the ensemble's members anew, with @port if it is not NULL. */
static int write_ensemble(const struct vm_state *st, const struct vm_ports *ports, __u16 ensemble,
			  const struct vm_port *port)
{
	__u32 key = ensemble;
	struct vm_ensemble e;
	int err;

	err = bpf_map_lookup_elem(st->maps.ensembles, &key, &e);
	if (err)
		return explain("ensembles", err);
	e.members = vm_ports_of(ports, ensemble, &e.mtu);
	if (port) {
		e.members++;
		if (port->mtu < e.mtu)
			e.mtu = port->mtu;
	}
	return explain("ensembles", bpf_map_update_elem(st->maps.ensembles, &key, &e, BPF_EXIST));
}

int vm_ports_publish(struct vm_state *st, struct vm_ports *ports, __u32 ifindex,
		     struct vm_port *port)
{
	struct bpf_devmap_val target = { .ifindex = ifindex };
	__u16 ensemble = vm_addr_ensemble(port->addr);
	struct vm_dest dest;
	__u32 slot, faults;
	int err;

	err = vm_ports_free_slot(ports);
	if (err < 0)
		return err;
	slot = err;
	port->slot = slot;
	dest = (struct vm_dest){ .slot = slot, .mtu = port->mtu, .ifindex = ifindex };

	err = explain("faults", vm_faults_flag(st, ensemble, &faults));
	if (err)
		return err;
	port->flags |= faults;
	err = vm_ports_reset_slot(st, slot);
	if (err)
		return err;
	err = write_ensemble(st, ports, ensemble, port);
	if (err)
		return err;
	err = explain("taps", bpf_map_update_elem(st->maps.taps, &slot, &target, BPF_ANY));
	if (err)
		goto undo_ensemble;
	err = explain("groups", vm_group_add(st, ports, ensemble, slot, ifindex));
	if (err)
		goto undo_taps;
	err = explain("nodes",
		      bpf_map_update_elem(st->maps.nodes, &port->addr, &dest, BPF_NOEXIST));
	if (err)
		goto undo_group;
	err = explain("ports", bpf_map_update_elem(st->maps.ports, &ifindex, port, BPF_NOEXIST));
	if (err)
		goto undo_nodes;
	err = vm_hints_add_node(st, port->addr, &dest);
	if (!err)
		err = vm_hints_add_port(st, ifindex, port);
	if (explain("hints", err))
		goto undo_ports;
	collect(ifindex, port, ports);
	st->changed = true;
	return 0;

undo_ports:
	vm_hints_del_port(st, ifindex);
	vm_hints_del_node(st, port->addr);
	bpf_map_delete_elem(st->maps.ports, &ifindex);
undo_nodes:
	bpf_map_delete_elem(st->maps.nodes, &port->addr);
undo_group:
	vm_group_del(st, ports, ensemble, slot);
undo_taps:
	bpf_map_delete_elem(st->maps.taps, &slot);
undo_ensemble:
	write_ensemble(st, ports, ensemble, NULL);
	return err;
}

/* Deleting what is not there is no error: it may have gone with its interface. */
static void try_delete(int map, const char *name, const void *key, int *err)
{
	int e = bpf_map_delete_elem(map, key);

	if (e && e != -ENOENT && e != -EINVAL)
		*err = *err ?: explain(name, e);
}

int vm_ports_withdraw(struct vm_state *st, struct vm_ports *ports, __u32 ifindex)
{
	const struct vm_port_entry *entry = vm_ports_by_ifindex(ports, ifindex);
	struct vm_port port;
	__u32 slot;
	int e, err = 0;

	if (!entry)
		return 0;
	port = entry->port;
	slot = port.slot;

	e = vm_hints_del_port(st, ifindex);
	if (!e && port.addr)
		e = vm_hints_del_node(st, port.addr);
	if (e)
		return explain("hints", e); /* they must not outlive the entries */
	st->changed = true;
	ports->count--;
	memmove((void *)entry, entry + 1, (ports->count - (entry - ports->entry)) * sizeof(*entry));

	try_delete(st->maps.ports, "ports", &ifindex, &err);
	if (!port.addr) {
		try_delete(st->maps.taps, "taps", &slot, &err);
		return err;
	}
	try_delete(st->maps.nodes, "nodes", &port.addr, &err);
	e = vm_group_del(st, ports, vm_addr_ensemble(port.addr), slot);
	err = err ?: explain("groups", e);
	try_delete(st->maps.taps, "taps", &slot, &err);
	e = write_ensemble(st, ports, vm_addr_ensemble(port.addr), NULL);
	return err ?: e;
}

/*
 * An interface that comes from another namespace keeps its ifindex if nobody has it here, so
 * it may have that of one that has gone, or be the very one come back. But the kernel has
 * emptied the slot in `taps` when that went.
 */
int vm_port_gone(const struct vm_maps *maps, const struct vm_port_entry *entry)
{
	__u32 slot = entry->port.slot;
	struct bpf_devmap_val val;
	int err;

	err = bpf_map_lookup_elem(maps->taps, &slot, &val);
	return err == -ENOENT ? 1 : err;
}

static int sweep_gone(struct vm_state *st, struct vm_ports *ports)
{
	int gone, err = 0;

	for (size_t i = ports->count; i-- && !err;) {
		const struct vm_port_entry e = ports->entry[i];

		gone = vm_port_gone(&st->maps, &e);
		if (gone < 0)
			return gone;
		if (!gone)
			continue;
		if (e.port.flags & VM_PORT_BROKER)
			vm_info("%s has gone", VM_BROKER_IF);
		else if (e.port.flags & VM_PORT_THROUGH)
			vm_info("the interface that faults led through (%u) has gone: no faults "
				"any more",
				e.ifindex);
		else
			vm_info("forgetting node %u of ensemble %u: its interface (%u) has gone",
				vm_addr_node(e.port.addr), vm_addr_ensemble(e.port.addr),
				e.ifindex);
		err = vm_ports_withdraw(st, ports, e.ifindex);
		/* Libxdp's pins; and if it has come back it has our program still. */
		vm_xdp_detach(st, e.ifindex, &(struct vm_xdp){ e.port.flags, e.port.prog_id });
	}
	return err;
}

/* Entries of `nodes` that no port stands behind. */
static int sweep_nodes(const struct vm_state *st, const struct vm_ports *ports)
{
	__u32 addr, next;
	int err, ret;

	err = bpf_map_get_next_key(st->maps.nodes, NULL, &next);
	for (unsigned int i = 0; !err && i < VM_PORTS_MAX; i++) {
		const struct vm_port_entry *e;
		struct vm_dest dest;

		addr = next;
		err = bpf_map_get_next_key(st->maps.nodes, &addr, &next);
		ret = bpf_map_lookup_elem(st->maps.nodes, &addr, &dest);
		if (ret == -ENOENT)
			continue;
		if (ret)
			return ret;
		e = vm_ports_by_addr(ports, addr);
		if (e && e->ifindex == dest.ifindex && e->port.slot == dest.slot)
			continue;
		ret = vm_hints_del_node(st, addr);
		if (!ret)
			ret = bpf_map_delete_elem(st->maps.nodes, &addr);
		if (ret)
			return ret;
	}
	return err == -ENOENT ? 0 : err;
}

/* The groups, and the numbers in `ensembles`. */
static int sweep_ensembles(const struct vm_state *st, const struct vm_ports *ports)
{
	struct vm_ensemble e;
	__u32 key, next;
	__u16 mtu;
	int err, ret;

	err = bpf_map_get_next_key(st->maps.ensembles, NULL, &next);
	for (unsigned int i = 0; !err && i < VM_ENSEMBLES_MAX; i++) {
		key = next;
		err = bpf_map_get_next_key(st->maps.ensembles, &key, &next);
		ret = bpf_map_lookup_elem(st->maps.ensembles, &key, &e);
		if (ret == -ENOENT)
			continue;
		if (ret)
			return explain("ensembles", ret);
		ret = vm_group_sweep(st, ports, key);
		if (ret == -ENOENT) /* killed between the two: see ensemble.c */
			ret = vm_group_make(st, key);
		if (ret)
			return explain("groups", ret);
		if (e.members != vm_ports_of(ports, key, &mtu) || e.mtu != mtu) {
			ret = write_ensemble(st, ports, key, NULL);
			if (ret)
				return ret;
		}
	}
	return err == -ENOENT ? 0 : err;
}

int vm_ports_sweep(struct vm_state *st, struct vm_ports *ports)
{
	int err;

	err = sweep_gone(st, ports);
	if (!err)
		err = sweep_nodes(st, ports);
	if (!err)
		err = sweep_ensembles(st, ports);
	if (!err)
		err = vm_faults_sweep(st, ports);
	if (err)
		vm_err("cannot look through the maps: %s", strerror(-err));
	return err;
}
