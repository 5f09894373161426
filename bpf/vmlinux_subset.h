/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The types our BPF programs need, and no more: integers, the constants of the
 * BPF interface, and those fields of kernel structures that are read, relocated
 * by CO-RE when the program loads.
 * Never included together with a uapi header, which defines the same names.
 */
#ifndef VIRTMESH_VMLINUX_SUBSET_H
#define VIRTMESH_VMLINUX_SUBSET_H

typedef signed char __s8;
typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u64 __be64;
typedef __u32 __wsum;

#define EIO	   5
#define ENXIO	   6
#define EMSGSIZE   90
#define ENETDOWN   100
#define EOPNOTSUPP 95

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PROG_ARRAY = 3,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_HASH_OF_MAPS = 13,
	BPF_MAP_TYPE_DEVMAP = 14,
	BPF_MAP_TYPE_DEVMAP_HASH = 25,
	BPF_MAP_TYPE_RINGBUF = 27,
};

enum {
	BPF_F_BROADCAST = 1 << 3,
	BPF_F_EXCLUDE_INGRESS = 1 << 4,
};

enum xdp_action {
	XDP_ABORTED = 0,
	XDP_DROP = 1,
	XDP_PASS = 2,
	XDP_TX = 3,
	XDP_REDIRECT = 4,
};

struct xdp_md {
	__u32 data;
	__u32 data_end;
	__u32 data_meta;
	__u32 ingress_ifindex;
	__u32 rx_queue_index;
	__u32 egress_ifindex;
};

struct bpf_devmap_val {
	__u32 ifindex;
	union {
		int fd; /* of an "xdp/devmap" program, when written; 0 or less: none */
		__u32 id; /* of the same, when read */
	} bpf_prog;
};

/* Kernel structures: only the fields that are read. CO-RE finds where they are. */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct net {
	__u64 net_cookie;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct net_device {
	int ifindex;
	possible_net_t nd_net;
};

/* What a redirect tracepoint's target points to for the devmap types. */
struct bpf_dtab_netdev {
	struct net_device *dev;
};

struct bpf_prog;

#pragma clang attribute pop

#endif /* VIRTMESH_VMLINUX_SUBSET_H */
