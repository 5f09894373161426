/* SPDX-License-Identifier: GPL-2.0-only */
/* The membership: who is in our ensemble, as the broker last said. See peer.c. */
#ifndef VMESH_PEER_H
#define VMESH_PEER_H

#include <linux/atomic.h>
#include <linux/rcupdate.h>
#include <linux/types.h>
#include <linux/xarray.h>

struct vmesh;
struct vmesh_member;
struct virtmesh_peer;

struct vmesh_peer {
	struct rcu_head rcu;
	u16 node;
	u8 state; /* enum vm_node_state; READ_ONCE */
	bool listed; /* in the snapshot being applied */
	u32 incarnation; /* READ_ONCE */
	atomic64_t rx_frames;
	atomic64_t tx_frames;
	atomic64_t stale_frames;
};

struct vmesh_peers {
	struct xarray nodes; /* by node number; entries are freed by RCU */
	unsigned int count; /* state_lock */
};

void vmesh_peers_init(struct vmesh_peers *p);
void vmesh_peers_free(struct vmesh_peers *p); /* nobody looks any more */

/* The peer, or NULL. RCU read lock; valid until it is dropped. */
struct vmesh_peer *vmesh_peer_find(struct vmesh_peers *p, u16 node);

/* May we talk to @node? It has joined and not left. Any context. */
bool vmesh_peer_is_member(struct vmesh_peers *p, u16 node);

/* Count a frame sent to @node alone. Any context. */
void vmesh_peer_sent(struct vmesh_peers *p, u16 node);

/*
 * Is a frame that @node sent in its life @incarnation to be taken? Counts it at
 * the peer. 0; ENOENT: not a member; ESTALE: of an earlier life. Any context.
 */
int vmesh_peer_accept(struct vmesh_peers *p, u16 node, u32 incarnation);

/* state_lock held, may sleep. @entry: one change. 0, ENOMEM. */
int vmesh_peer_apply(struct vmesh_peers *p, const struct vmesh_member *entry);

/* state_lock held, may sleep. @entries: all there are. 0, ENOMEM (some may be applied). */
int vmesh_peers_replace(struct vmesh_peers *p, const struct vmesh_member *entries, unsigned int n);

/* The first @room of them, for VIRTMESH_IOC_PEERS. state_lock held. */
void vmesh_peers_report(struct vmesh_peers *p, struct virtmesh_peer *to, u32 room);

#endif /* VMESH_PEER_H */
