// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "log.h"
#include "ports.h"
#include "view.h"
#include "xdp.h"

_Static_assert(sizeof(struct vm_counters) % 8 == 0, "per-CPU values would be padded");

int vm_counters_sum(const struct vm_maps *maps, __u32 slot, struct vm_counters *sum)
{
	int cpus = libbpf_num_possible_cpus(), err;
	struct vm_counters *each;

	memset(sum, 0, sizeof(*sum));
	if (cpus < 0)
		return cpus;
	each = calloc(cpus, sizeof(*each));
	if (!each)
		return -ENOMEM;
	err = bpf_map_lookup_elem(maps->counters, &slot, each);
	for (int cpu = 0; cpu < cpus && !err; cpu++) {
		const __u64 *from = (const __u64 *)&each[cpu];
		__u64 *to = (__u64 *)sum;

		for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
			to[i] += from[i];
	}
	free(each);
	return err;
}

/*
 * A tap that is full counts in tx_dropped on both paths; what the native one
 * lost there has a counter of ours, so the rest is the generic path's.
 */
static __u64 lost_skb(const struct vm_view *v)
{
	__u64 dropped = v->link.tx_dropped - v->port.tx_dropped;
	__u64 native = v->count.drops[VM_DROP_LOST_FULL];

	if (v->gone || v->link.tx_dropped < v->port.tx_dropped || dropped < native)
		return 0;
	return dropped - native;
}

static int fill(const struct vm_state *st, const struct vm_port_entry *e, struct vm_view *v)
{
	int err;

	v->ifindex = e->ifindex;
	v->port = e->port;
	err = vm_counters_sum(&st->maps, e->port.slot, &v->count);
	if (err)
		return err;
	/* Counters first: what is dropped between the two readings must not look like skb's. */
	err = vm_port_gone(&st->maps, e);
	if (!err)
		err = vm_link_get(e->ifindex, &v->link);
	if (err < 0 && err != -ENODEV)
		return err;
	v->gone = err;
	if (v->gone)
		strcpy(v->link.name, "(gone)");
	else
		v->attached = vm_xdp_is_ours(&v->link, &v->port);
	v->lost_skb = lost_skb(v);
	/* The record of the port before this one says nothing of it. */
	v->known = !bpf_map_lookup_elem(st->maps.members, &e->port.addr, &v->member) &&
		   v->member.port == (__u32)e->port.added_ns;
	return 0;
}

int vm_views_load(const struct vm_state *st, unsigned int ensemble, bool broker,
		  struct vm_view **views, size_t *count)
{
	struct vm_ports *ports;
	struct vm_view *v;
	size_t n = 0;
	int err = 0;

	*views = NULL;
	*count = 0;
	ports = vm_ports_load(&st->maps);
	if (!ports)
		return -EIO;
	v = calloc(ports->count ?: 1, sizeof(*v));
	if (!v)
		err = -ENOMEM;
	for (size_t i = 0; i < ports->count && !err; i++) {
		const struct vm_port_entry *e = &ports->entry[i];

		if (!e->port.addr ? !broker :
				    ensemble && vm_addr_ensemble(e->port.addr) != ensemble)
			continue;
		err = fill(st, e, &v[n++]);
	}
	free(ports);
	if (err) {
		vm_err("cannot look at the ports: %s", strerror(-err));
		free(v);
		return err;
	}
	*views = v;
	*count = n;
	return 0;
}

void vm_views_hold(struct vm_view *views, size_t count)
{
	struct vm_holder *holders = calloc(count ?: 1, sizeof(*holders));

	/* Without it nobody is seen: no reason to tell nothing at all. */
	if (!holders)
		return;
	for (size_t i = 0; i < count; i++)
		strcpy(holders[i].name, views[i].link.name);
	vm_holders_find(holders, count);
	for (size_t i = 0; i < count; i++)
		views[i].holder = holders[i];
	free(holders);
}

const char *vm_view_served(const struct vm_view *view, char *text, size_t size)
{
	const struct vm_holder *holder = &view->holder;

	if (!holder->pid)
		snprintf(text, size, "-");
	else if (!strcmp(holder->command, "virtmesh-port"))
		snprintf(text, size, "port/%s", holder->vhost_net ? "kernel" : "own");
	else
		snprintf(text, size, "%s%s", holder->command, holder->vhost_net ? "/kernel" : "");
	return text;
}

__u64 vm_view_drops(const struct vm_view *view)
{
	__u64 sum = 0;

	for (int reason = 0; reason < VM_DROP_LOST_FIRST; reason++)
		sum += view->count.drops[reason];
	return sum;
}

__u64 vm_view_lost(const struct vm_view *view)
{
	__u64 sum = view->lost_skb;

	for (int reason = VM_DROP_LOST_FIRST; reason < VM_DROP_REASONS; reason++)
		sum += view->count.drops[reason];
	return sum;
}

const char *vm_view_mode(const struct vm_view *view)
{
	if (view->gone)
		return "gone";
	if (!view->attached)
		return "detached";
	return view->port.flags & VM_PORT_GENERIC ? "generic" : "native";
}
