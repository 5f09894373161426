/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Taps that one way or another are joined: what frames are sent through. Each
 * lane has a network namespace of its own; its taps' fds work from anywhere, so
 * several lanes can be open, and measured in turns.
 */
#ifndef VIRTMESH_BENCH_LANE_H
#define VIRTMESH_BENCH_LANE_H

#include "testbed.h"

struct bare_bpf;

#define LANE_PORTS    16
#define LANE_ENSEMBLE 7

enum lane_kind {
	LANE_STEER, /* virtmesh's program */
	LANE_BARE, /* a program that only redirects, from port 0 to port 1 */
	LANE_BRIDGE, /* the kernel's bridge, which has learned where everybody is */
};

struct lane {
	enum lane_kind kind;
	unsigned int n;
	struct bed bed; /* of LANE_STEER */
	struct bare_bpf *bare; /* of LANE_BARE */
	struct bed_port port[LANE_PORTS]; /* node i + 1 of LANE_ENSEMBLE; nobody's in a bridge */
};

/* @n taps of @mtu. 0 or -errno. */
int lane_open(struct lane *lane, enum lane_kind kind, unsigned int n, unsigned int mtu);
void lane_close(struct lane *lane);

/* The address of port @i, and of all ports. */
__u32 lane_addr(unsigned int i);
#define LANE_ALL vm_addr(LANE_ENSEMBLE, VM_NODE_ALL)

#endif /* VIRTMESH_BENCH_LANE_H */
