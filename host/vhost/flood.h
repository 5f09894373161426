/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether frames come so fast that who reads them should leave the tap alone for a
 * while between two batches. Pure: the caller has the clock, CLOCK_MONOTONIC in ns.
 */
#ifndef VIRTMESH_VHOST_FLOOD_H
#define VIRTMESH_VHOST_FLOOD_H

#include <stdbool.h>

#include <linux/types.h>

#define VM_FLOOD_FRAMES	   256 /* are counted, and if they came .. */
#define VM_FLOOD_WITHIN_NS 512000 /* .. in no more than that, it is a flood */
#define VM_FLOOD_REST_NS   64000
#define VM_FLOOD_LEAST	   16 /* frames found after a rest; with fewer it is over */

struct vm_flood {
	unsigned int frames; /* since .. */
	__u64 since;
	bool on;
	bool rested; /* the next batch is the first after a rest */
	__u64 until; /* no read before; 0: no rest */
};

/* A batch of @frames was read. True: vm_flood_look() is due, with the time. */
bool vm_flood_batch(struct vm_flood *f, unsigned int frames);
/* It is @now; the last batch has left the tap @empty. Decides about a rest. */
void vm_flood_look(struct vm_flood *f, bool empty, __u64 now);
/* Is the rest over? It ends with the answer yes. */
bool vm_flood_rested(struct vm_flood *f, __u64 now);

#endif /* VIRTMESH_VHOST_FLOOD_H */
