// SPDX-License-Identifier: GPL-2.0-only
/*
 * The port of a detour comes first and goes last, and the entry in `faults` says
 * what happens; the flags only make ports look there. So a command that is
 * killed leaves either no entry, and flags that cost time, or an entry that not
 * all ports look at; and maybe a port that nobody is led by. The next command
 * sets the flags by the entries, and takes such a port away.
 */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "clock.h"
#include "faults.h"
#include "faults_view.h"
#include "hints.h"
#include "log.h"
#include "veth.h"
#include "xdp.h"

static int explain(int err)
{
	if (err)
		vm_err("cannot write the faults into the maps: %s", strerror(-err));
	return err;
}

int vm_faults_get(const struct vm_state *st, __u32 ensemble, struct vm_faults *faults)
{
	return bpf_map_lookup_elem(st->maps.faults, &ensemble, faults);
}

int vm_faults_flag(const struct vm_state *st, __u32 ensemble, __u32 *flag)
{
	struct vm_faults faults;
	int err;

	err = vm_faults_get(st, ensemble, &faults);
	*flag = err ? 0 : VM_PORT_FAULTS;
	return err == -ENOENT ? 0 : err;
}

/* The hint is the one that counts: written last, so that a second try begins there again. */
static int set_flag(const struct vm_state *st, struct vm_port_entry *e, __u32 flag)
{
	struct vm_port port = e->port;
	int err;

	if ((port.flags & VM_PORT_FAULTS) == flag)
		return 0;
	port.flags ^= VM_PORT_FAULTS;
	err = bpf_map_update_elem(st->maps.ports, &e->ifindex, &port, BPF_EXIST);
	if (err)
		return err;
	err = vm_hints_add_port(st, e->ifindex, &port);
	if (err) {
		bpf_map_update_elem(st->maps.ports, &e->ifindex, &e->port, BPF_EXIST);
		return err;
	}
	e->port = port;
	return 0;
}

/* Make the ports of @ensemble (0: of all) look, or not, as the entries have it. */
static int set_flags(const struct vm_state *st, struct vm_ports *ports, __u32 ensemble)
{
	int e, err = 0;

	for (size_t i = 0; i < ports->count; i++) {
		struct vm_port_entry *entry = &ports->entry[i];
		__u32 of = vm_addr_ensemble(entry->port.addr), flag;

		if (!of || (ensemble && of != ensemble))
			continue;
		e = vm_faults_flag(st, of, &flag);
		if (!e)
			e = set_flag(st, entry, flag);
		err = err ?: e;
	}
	return err;
}

/* Put back what publish() changed at the detour's other end. 0 as well when it has gone. */
static int restore_peer(__u32 ifindex, __u32 changed)
{
	struct vm_link link;
	int err;

	err = vm_link_get(ifindex, &link);
	if (!err)
		err = vm_veth_restore(&link, changed);
	if (!err || err == -ENODEV)
		return 0;
	vm_err("cannot put back what the detour changed at the peer of interface %u: %s; try again",
	       ifindex, strerror(-err));
	return err;
}

static int withdraw(struct vm_state *st, struct vm_ports *ports, __u32 ifindex)
{
	const struct vm_port_entry *entry = vm_ports_by_ifindex(ports, ifindex);
	struct vm_xdp xdp;
	int err, e;

	if (!entry)
		return 0;
	/* Before the entry goes, which alone knows. */
	err = restore_peer(ifindex, entry->port.flags);
	if (err)
		return err;
	xdp = (struct vm_xdp){ entry->port.flags, entry->port.prog_id };
	err = vm_ports_withdraw(st, ports, ifindex);
	if (err && vm_ports_by_ifindex(ports, ifindex))
		return err;
	e = vm_xdp_detach(st, ifindex, &xdp);
	return err ?: e;
}

/* The detour's port: no node's, so neither in `nodes` nor in a group. Fills @faults. */
static int publish(struct vm_state *st, struct vm_ports *ports, const struct vm_link *link,
		   struct vm_faults *faults)
{
	struct bpf_devmap_val target = { .ifindex = link->ifindex };
	struct vm_port port = { .mtu = link->mtu, .flags = VM_PORT_THROUGH };
	__u32 ifindex = link->ifindex, slot, changed;
	struct vm_xdp xdp;
	int err;

	err = vm_ports_free_slot(ports);
	if (err < 0)
		return err;
	slot = err;
	err = vm_veth_prepare(link, NULL, &changed);
	if (err)
		return err;
	err = vm_xdp_attach(st, link, &xdp);
	if (err)
		goto restore;
	port.slot = slot;
	port.flags |= xdp.flags | changed;
	port.prog_id = xdp.prog_id;
	port.tx_dropped = link->tx_dropped;
	port.added_ns = vm_clock_ns(CLOCK_REALTIME);

	err = vm_ports_reset_slot(st, slot);
	if (err)
		goto detach;
	err = explain(bpf_map_update_elem(st->maps.taps, &slot, &target, BPF_ANY));
	if (err)
		goto detach;
	err = explain(bpf_map_update_elem(st->maps.ports, &ifindex, &port, BPF_NOEXIST));
	if (err)
		goto undo_taps;
	err = explain(vm_hints_add_port(st, ifindex, &port));
	if (err)
		goto undo_ports;
	ports->entry[ports->count].ifindex = ifindex;
	ports->entry[ports->count++].port = port;
	st->changed = true;
	faults->ifindex = ifindex;
	faults->slot = slot;
	return 0;

undo_ports:
	vm_hints_del_port(st, ifindex);
	bpf_map_delete_elem(st->maps.ports, &ifindex);
undo_taps:
	bpf_map_delete_elem(st->maps.taps, &slot);
detach:
	vm_xdp_detach(st, ifindex, &xdp);
restore:
	vm_veth_restore(link, changed);
	return err;
}

/* @had: NULL when there was none. */
static void restore(const struct vm_state *st, struct vm_ports *ports, __u32 ensemble,
		    const struct vm_faults *had)
{
	if (had)
		bpf_map_update_elem(st->maps.faults, &ensemble, had, BPF_ANY);
	else
		bpf_map_delete_elem(st->maps.faults, &ensemble);
	set_flags(st, ports, ensemble);
}

int vm_faults_on(struct vm_state *st, struct vm_ports *ports, __u32 ensemble,
		 const struct vm_link *through, const struct vm_faults *faults)
{
	struct vm_faults want = *faults, had = { 0 };
	bool is_new, same;
	int err;

	err = vm_faults_get(st, ensemble, &had);
	if (err && err != -ENOENT)
		return explain(err);
	is_new = err;
	same = through && had.ifindex == through->ifindex;
	want.since_ns = vm_clock_ns(CLOCK_REALTIME);
	if (same) {
		want.ifindex = had.ifindex;
		want.slot = had.slot;
	} else if (through) {
		err = publish(st, ports, through, &want);
		if (err)
			return err;
	}
	err = explain(bpf_map_update_elem(st->maps.faults, &ensemble, &want, BPF_ANY));
	if (!err) {
		err = explain(set_flags(st, ports, ensemble));
		if (err)
			restore(st, ports, ensemble, is_new ? NULL : &had);
	}
	if (err) {
		if (!same && through)
			withdraw(st, ports, want.ifindex);
		return err;
	}
	return had.ifindex && !same ? withdraw(st, ports, had.ifindex) : 0;
}

int vm_faults_off(struct vm_state *st, struct vm_ports *ports, __u32 ensemble)
{
	struct vm_faults had;
	int err, e;

	err = vm_faults_get(st, ensemble, &had);
	if (err)
		return err == -ENOENT ? 0 : explain(err);
	err = explain(bpf_map_delete_elem(st->maps.faults, &ensemble));
	if (err)
		return err;
	err = explain(set_flags(st, ports, ensemble));
	e = had.ifindex ? withdraw(st, ports, had.ifindex) : 0;
	return err ?: e;
}

/* *@arg: an ifindex, cleared when it is where these lead. */
static void see_used(__u32 ensemble, const struct vm_faults *faults, void *arg)
{
	__u32 *ifindex = arg;

	if (faults->ifindex == *ifindex)
		*ifindex = 0;
}

static bool is_used(const struct vm_state *st, __u32 ifindex)
{
	vm_faults_each(&st->maps, 0, see_used, &ifindex);
	return !ifindex;
}

static int sweep_entries(const struct vm_state *st, const struct vm_ports *ports)
{
	struct vm_faults faults;
	struct vm_ensemble e;
	__u32 key, next;
	int err, ret;

	err = bpf_map_get_next_key(st->maps.faults, NULL, &next);
	for (unsigned int i = 0; !err && i < VM_ENSEMBLES_MAX; i++) {
		key = next;
		err = bpf_map_get_next_key(st->maps.faults, &key, &next);
		ret = vm_faults_get(st, key, &faults);
		if (!ret && bpf_map_lookup_elem(st->maps.ensembles, &key, &e) != -ENOENT &&
		    (!faults.ifindex || vm_ports_by_ifindex(ports, faults.ifindex)))
			continue;
		ret = bpf_map_delete_elem(st->maps.faults, &key);
		if (ret && ret != -ENOENT)
			return ret;
	}
	return err == -ENOENT ? 0 : err;
}

int vm_faults_sweep(struct vm_state *st, struct vm_ports *ports)
{
	int err;

	err = sweep_entries(st, ports);
	for (size_t i = ports->count; i-- && !err;) {
		const struct vm_port_entry e = ports->entry[i];

		if (e.port.flags & VM_PORT_THROUGH && !is_used(st, e.ifindex))
			err = withdraw(st, ports, e.ifindex);
	}
	return err ?: set_flags(st, ports, 0);
}
