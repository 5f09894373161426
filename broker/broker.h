/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The whole daemon in one structure. There is one of it, made by main.c and
 * handed to every function: no file keeps state of its own.
 */
#ifndef VIRTMESH_BROKER_BROKER_H
#define VIRTMESH_BROKER_BROKER_H

#include <stdbool.h>

#include "../host/maps.h"
#include "loop.h"
#include "membership.h"
#include "node0.h"
#include "server.h"

struct broker {
	struct {
		const char *socket;
		__u32 probe_ms;
		__u32 dead_ms;
		bool plain_ring;
	} opt;

	__u64 id; /* random; guests tell a restarted broker by it */
	__u64 started_ns; /* CLOCK_REALTIME */
	__u64 now; /* CLOCK_MONOTONIC of this wake-up, ns */

	struct loop loop;
	struct node0 node0; /* the tap of node 0 */
	struct mesh mesh; /* who is there */
	struct server server; /* the control socket */

	struct vm_maps maps; /* open exactly while has_state */
	struct vm_meta meta; /* what they said when they were opened */
	bool has_state;
	__u64 resynced; /* when the ports were last read; CLOCK_MONOTONIC */

	bool draining; /* SIGTERM came */
	__u64 drain_until;
};

#define NSEC_PER_SEC  1000000000ULL
#define NSEC_PER_MSEC 1000000ULL

__u64 clock_mono(void); /* ns */
__u64 clock_real(void); /* ns */

#endif /* VIRTMESH_BROKER_BROKER_H */
