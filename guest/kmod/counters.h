/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the driver counts beside the interface's own statistics. Each is a line
 * of `ethtool -S`, whose names are in ethtool.c. Per CPU and never reset: a
 * frame that is not delivered is in exactly one of them.
 */
#ifndef VMESH_COUNTERS_H
#define VMESH_COUNTERS_H

#include <linux/percpu.h>
#include <linux/types.h>

enum vmesh_counter {
	/* the rings */
	VMESH_CNT_rx_ring_frames, /* all the device delivered, good or bad */
	VMESH_CNT_rx_bad_len, /* the device said a length it cannot have written */
	VMESH_CNT_rx_refill_failed, /* no memory for receive buffers; tried again later */
	VMESH_CNT_tx_ring_frames, /* handed to the device */
	VMESH_CNT_tx_kicks, /* notifications asked for; the device may have suppressed some */
	VMESH_CNT_tx_ring_full, /* senders that found no room; not lost, they wait or are told */
	VMESH_CNT_tx_failed, /* the ring would not take it: broken, down, or no memory to map */
	/* the mesh protocol, receiving */
	VMESH_CNT_rx_mesh_frames,
	VMESH_CNT_rx_version, /* of a wire version we do not speak */
	VMESH_CNT_rx_malformed, /* shorter than it says or than its type demands, or nonsense */
	VMESH_CNT_rx_unknown_type,
	VMESH_CNT_rx_foreign, /* not from or not to our ensemble, or in our own name */
	VMESH_CNT_rx_forged, /* what only the broker may say, from somebody else */
	VMESH_CNT_rx_stale, /* of an earlier life of its sender */
	VMESH_CNT_rx_not_member, /* from a node the membership does not have */
	VMESH_CNT_rx_control_dropped, /* the queue to the join machine was full, or no memory */
	VMESH_CNT_rx_no_memory,
	/* the mesh protocol, both ways */
	VMESH_CNT_hellos_sent,
	VMESH_CNT_syncs_sent,
	VMESH_CNT_probes,
	VMESH_CNT_alives_sent,
	VMESH_CNT_alives_dropped, /* no room even in the reserve */
	VMESH_CNT_snapshots, /* memberships taken whole */
	VMESH_CNT_changes, /* and changes applied to it */
	VMESH_CNT_echoes_answered,
	VMESH_CNT_echoes_dropped, /* ring full or no memory: the asker runs into its timeout */
	VMESH_CNT_echo_replies,
	VMESH_CNT_echo_replies_late, /* nobody waits for it any more */
	VMESH_CNT_acks_sent,
	VMESH_CNT_rx_no_group, /* of a group that nobody here has, or not with its sender */
	VMESH_CNT_rx_fenced, /* of another forming of its group than ours */
	VMESH_CNT_rx_mismatch, /* of another operation than was called here */
	VMESH_CNT_rx_no_parking, /* early, and no room for more of these: it comes again */
	VMESH_CNT_pendings_answered,
	VMESH_CNT_pendings_dropped, /* asked too often, ring full, or no memory */
	VMESH_CNT_pending_replies,
	VMESH_CNT_pending_replies_late, /* nobody waits for it any more */
	VMESH_CNT_dgrams_received,
	VMESH_CNT_dgrams_no_channel, /* no file is bound to the channel */
	VMESH_CNT_dgrams_queue_full, /* the file's, or all together */
	VMESH_CNT_dgrams_sent,
	/* the interface */
	VMESH_CNT_tx_refused, /* the stack tried to send the mesh protocol's EtherType */
	VMESH_CNT_MAX
};

struct vmesh_counters {
	u64 v[VMESH_CNT_MAX];
};

/* Any context. */
#define vmesh_count(dev, name) this_cpu_inc((dev)->counters->v[VMESH_CNT_##name])

#endif /* VMESH_COUNTERS_H */
