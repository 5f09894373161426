// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>

#include "hints.h"

int vm_hints_add_port(const struct vm_state *st, __u32 ifindex, const struct vm_port *port)
{
	__u32 at = vm_port_hint(ifindex);
	struct vm_port_hint hint;
	int err;

	err = bpf_map_lookup_elem(st->maps.port_index, &at, &hint);
	if (err || (hint.ifindex && hint.ifindex != ifindex))
		return err;
	hint = (struct vm_port_hint){
		.ifindex = ifindex,
		.addr = port->addr,
		.slot = port->slot,
		.mtu = port->mtu,
		.flags = port->flags,
	};
	return bpf_map_update_elem(st->maps.port_index, &at, &hint, BPF_ANY);
}

int vm_hints_add_node(const struct vm_state *st, __u32 addr, const struct vm_dest *dest)
{
	__u32 at = vm_node_hint(addr);
	struct vm_node_hint hint;
	int err;

	err = bpf_map_lookup_elem(st->maps.node_index, &at, &hint);
	if (err || (hint.addr && hint.addr != addr))
		return err;
	hint = (struct vm_node_hint){ .addr = addr, .slot = dest->slot, .mtu = dest->mtu };
	return bpf_map_update_elem(st->maps.node_index, &at, &hint, BPF_ANY);
}

int vm_hints_del_port(const struct vm_state *st, __u32 ifindex)
{
	__u32 at = vm_port_hint(ifindex);
	struct vm_port_hint hint;
	int err;

	err = bpf_map_lookup_elem(st->maps.port_index, &at, &hint);
	if (err || hint.ifindex != ifindex)
		return err;
	hint = (struct vm_port_hint){ 0 };
	return bpf_map_update_elem(st->maps.port_index, &at, &hint, BPF_ANY);
}

int vm_hints_del_node(const struct vm_state *st, __u32 addr)
{
	__u32 at = vm_node_hint(addr);
	struct vm_node_hint hint;
	int err;

	err = bpf_map_lookup_elem(st->maps.node_index, &at, &hint);
	if (err || hint.addr != addr)
		return err;
	hint = (struct vm_node_hint){ 0 };
	return bpf_map_update_elem(st->maps.node_index, &at, &hint, BPF_ANY);
}
