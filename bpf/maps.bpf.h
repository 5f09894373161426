/* SPDX-License-Identifier: GPL-2.0-only */
/* The maps of <virtmesh/maps.h>, as the loader makes them. What they hold stands there. */
#ifndef VIRTMESH_MAPS_BPF_H
#define VIRTMESH_MAPS_BPF_H

#include <virtmesh/maps.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct vm_meta);
} meta SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, VM_PORTS_MAX);
	__type(key, __u32);
	__type(value, struct vm_port);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, VM_PORTS_MAX);
	__type(key, __u32);
	__type(value, struct vm_dest);
} nodes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, VM_PORT_HINTS);
	__type(key, __u32);
	__type(value, struct vm_port_hint);
} port_index SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, VM_NODE_HINTS);
	__type(key, __u32);
	__type(value, struct vm_node_hint);
} node_index SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, VM_PORTS_MAX);
	__type(key, __u32);
	__type(value, struct bpf_devmap_val);
} taps SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, VM_ENSEMBLES_MAX);
	__type(key, __u32);
	__type(value, struct vm_ensemble);
} ensembles SEC(".maps");

/*
 * The kernel walks every bucket of a group's map for each frame, so the inner
 * maps are made as small as the ensemble allows; max_entries here is only the
 * template's.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, VM_ENSEMBLES_MAX);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
			__uint(max_entries, 1);
			__type(key, __u32);
			__type(value, struct bpf_devmap_val);
		});
} groups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, VM_PORTS_MAX);
	__type(key, __u32);
	__type(value, struct vm_member);
} members SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, VM_ENSEMBLES_MAX);
	__type(key, __u32);
	__type(value, __u32);
} epochs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, VM_PORTS_MAX);
	__type(key, __u32);
	__type(value, struct vm_counters);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, VM_PORTS_MAX);
	__type(key, __u32);
	__type(value, struct vm_limits);
} limits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, VM_ENSEMBLES_MAX);
	__type(key, __u32);
	__type(value, struct vm_faults);
} faults SEC(".maps");

/* Clones that `egress` lost on purpose in the batch this CPU hands on just now. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} fault_batch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, VM_EVENTS_BYTES);
} events SEC(".maps");

#endif /* VIRTMESH_MAPS_BPF_H */
