/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way to one node, over all groups: how many frames are out, and what was
 * seen on it. Made when a group first names the node, kept as long as the device.
 */
#ifndef VMESH_PATH_H
#define VMESH_PATH_H

#include <linux/atomic.h>
#include <linux/types.h>
#include <uapi/linux/virtmesh.h>

/*
 * What a receiver's tap and ring are taken to hold. A port's tap has 4096 slots
 * unless it was made otherwise; half is left to the interface's traffic and to
 * the groups' acknowledgments.
 */
#define VMESH_CAPACITY 2048

struct vmesh;

struct vmesh_path {
	u16 node;
	atomic_t out; /* frames sent and not acknowledged, of all groups */
	u16 window; /* last allowed; READ_ONCE */
	u64 srtt; /* ns, of the group that measured last; READ_ONCE */

	/* Written under some group's lock, so they are atomic; never reset. */
	atomic64_t frames_sent;
	atomic64_t frames_received;
	atomic64_t bytes_sent;
	atomic64_t bytes_received;
	atomic64_t retransmits;
	atomic64_t timeouts;
	atomic64_t duplicates;
	atomic64_t credit_stalls;
	atomic64_t latency[VIRTMESH_LATENCY_BUCKETS];
};

/* The path to @node, made when there is none. Process context. NULL: no memory. */
struct vmesh_path *vmesh_path_get(struct vmesh *m, u16 node);
/* The same, or NULL when no group ever named it. Any context. */
struct vmesh_path *vmesh_path_find(struct vmesh *m, u16 node);
void vmesh_paths_free(struct vmesh *m); /* nobody uses one any more */

/*
 * Frames any one node may have out towards this one (and one more for each of its
 * groups that has none); and of them, how many of each class one of its groups may have
 * out or parked here. Any context.
 */
u16 vmesh_path_share(struct vmesh *m);
u16 vmesh_class_share(struct vmesh *m);

#endif /* VMESH_PATH_H */
