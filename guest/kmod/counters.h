/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the driver counts beside the interface's own statistics. Each name is a
 * line of `ethtool -S`. Per CPU and never reset: a frame that is not delivered
 * is in exactly one of them.
 */
#ifndef VMESH_COUNTERS_H
#define VMESH_COUNTERS_H

#include <linux/percpu.h>
#include <linux/types.h>

#define VMESH_COUNTERS(X)                                                                   \
	/* the rings */                                                                     \
	X(rx_ring_frames) /* all the device delivered, good or bad */                       \
	X(rx_bad_len) /* the device said a length it cannot have written */                 \
	X(rx_refill_failed) /* no memory for receive buffers; tried again later */          \
	X(tx_ring_frames) /* handed to the device */                                        \
	X(tx_kicks) /* notifications asked for; the device may have suppressed some */      \
	X(tx_ring_full) /* senders that found no room; not lost, they wait or are told */   \
	X(tx_failed) /* the ring would not take it: broken, down, or no memory to map */    \
	/* the mesh protocol, receiving */                                                  \
	X(rx_mesh_frames)                                                                   \
	X(rx_version) /* of a wire version we do not speak */                               \
	X(rx_malformed) /* shorter than it says or than its type demands, or nonsense */    \
	X(rx_unknown_type)                                                                  \
	X(rx_foreign) /* not from or not to our ensemble, or in our own name */             \
	X(rx_forged) /* what only the broker may say, from somebody else */                 \
	X(rx_stale) /* of an earlier life of its sender */                                  \
	X(rx_not_member) /* from a node the membership does not have */                     \
	X(rx_control_dropped) /* the queue to the join machine was full, or no memory */    \
	X(rx_no_memory)                                                                     \
	/* the mesh protocol, both ways */                                                  \
	X(hellos_sent)                                                                      \
	X(syncs_sent)                                                                       \
	X(probes)                                                                           \
	X(alives_sent)                                                                      \
	X(alives_dropped) /* no room even in the reserve */                                 \
	X(snapshots) /* memberships taken whole */                                          \
	X(changes) /* and changes applied to it */                                          \
	X(echoes_answered)                                                                  \
	X(echoes_dropped) /* ring full or no memory: the asker runs into its timeout */     \
	X(echo_replies)                                                                     \
	X(echo_replies_late) /* nobody waits for it any more */                             \
	X(dgrams_received)                                                                  \
	X(dgrams_no_channel) /* no file is bound to the channel */                          \
	X(dgrams_queue_full)                                                                \
	X(dgrams_sent)                                                                      \
	/* the interface */                                                                 \
	X(tx_refused) /* the stack tried to send the mesh protocol's EtherType */

enum vmesh_counter {
#define X(name) VMESH_CNT_##name,
	VMESH_COUNTERS(X)
#undef X
	VMESH_CNT_MAX
};

struct vmesh_counters {
	u64 v[VMESH_CNT_MAX];
};

/* Any context. */
#define vmesh_count(dev, name) this_cpu_inc((dev)->counters->v[VMESH_CNT_##name])

#endif /* VMESH_COUNTERS_H */
