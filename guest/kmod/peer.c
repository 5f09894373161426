// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * The receive path looks a peer up for each mesh frame, under RCU and without a
 * lock. Only the join machine writes, with state_lock held. A peer's state and
 * incarnation change in place, each with one store; whoever reads both may see
 * the one old and the other new, which is the same as reading a little earlier
 * or later.
 *
 * Lives: a frame of an incarnation before the one in the table is of a life
 * that has ended, and is refused. A later one is of a node that came back and
 * whose change we have not had yet: it is taken. The numbers wrap like TCP's.
 */
#include <linux/slab.h>
#include <uapi/linux/virtmesh.h>
#include <virtmesh/types.h>

#include "parse.h"
#include "peer.h"

static_assert((int)VIRTMESH_NODE_ABSENT == (int)VM_NODE_ABSENT);
static_assert((int)VIRTMESH_NODE_UP == (int)VM_NODE_UP);
static_assert((int)VIRTMESH_NODE_STALLED == (int)VM_NODE_STALLED);
static_assert((int)VIRTMESH_NODE_DOWN == (int)VM_NODE_DOWN);
static_assert(VIRTMESH_NODE_ALL == VM_NODE_ALL);

void vmesh_peers_init(struct vmesh_peers *p)
{
	xa_init(&p->nodes);
}

void vmesh_peers_free(struct vmesh_peers *p)
{
	struct vmesh_peer *peer;
	unsigned long node;

	xa_for_each(&p->nodes, node, peer)
		kfree_rcu(peer, rcu);
	xa_destroy(&p->nodes);
}

struct vmesh_peer *vmesh_peer_find(struct vmesh_peers *p, u16 node)
{
	return xa_load(&p->nodes, node);
}

static bool vmesh_peer_joined(const struct vmesh_peer *peer)
{
	return READ_ONCE(peer->state) != VM_NODE_ABSENT;
}

bool vmesh_peer_is_member(struct vmesh_peers *p, u16 node)
{
	struct vmesh_peer *peer;
	bool member;

	rcu_read_lock();
	peer = vmesh_peer_find(p, node);
	member = peer && vmesh_peer_joined(peer);
	rcu_read_unlock();
	return member;
}

void vmesh_peer_sent(struct vmesh_peers *p, u16 node)
{
	struct vmesh_peer *peer;

	rcu_read_lock();
	peer = vmesh_peer_find(p, node);
	if (peer)
		atomic64_inc(&peer->tx_frames);
	rcu_read_unlock();
}

static bool vmesh_is_earlier(u32 incarnation, u32 known)
{
	return known && (s32)(incarnation - known) < 0;
}

int vmesh_peer_accept(struct vmesh_peers *p, u16 node, u32 incarnation)
{
	struct vmesh_peer *peer;
	int err = 0;

	rcu_read_lock();
	peer = vmesh_peer_find(p, node);
	if (!peer || !incarnation) {
		err = -ENOENT;
	} else if (vmesh_is_earlier(incarnation, READ_ONCE(peer->incarnation))) {
		atomic64_inc(&peer->stale_frames);
		err = -ESTALE;
	} else {
		atomic64_inc(&peer->rx_frames);
	}
	rcu_read_unlock();
	return err;
}

static void vmesh_peer_remove(struct vmesh_peers *p, struct vmesh_peer *peer)
{
	xa_erase(&p->nodes, peer->node);
	p->count--;
	kfree_rcu(peer, rcu);
}

int vmesh_peer_apply(struct vmesh_peers *p, const struct vmesh_member *entry)
{
	struct vmesh_peer *peer = xa_load(&p->nodes, entry->node);
	int err;

	if (entry->gone) {
		if (peer)
			vmesh_peer_remove(p, peer);
		return 0;
	}
	if (!peer) {
		peer = kzalloc(sizeof(*peer), GFP_KERNEL);
		if (!peer)
			return -ENOMEM;
		peer->node = entry->node;
		peer->state = entry->state;
		peer->incarnation = entry->incarnation;
		peer->listed = true;
		err = xa_err(xa_store(&p->nodes, entry->node, peer, GFP_KERNEL));
		if (err) {
			kfree(peer);
			return err;
		}
		p->count++;
		return 0;
	}
	WRITE_ONCE(peer->incarnation, entry->incarnation);
	WRITE_ONCE(peer->state, entry->state);
	peer->listed = true;
	return 0;
}

int vmesh_peers_replace(struct vmesh_peers *p, const struct vmesh_member *entries, unsigned int n)
{
	struct vmesh_peer *peer;
	unsigned long node;
	unsigned int i;
	int err;

	xa_for_each(&p->nodes, node, peer)
		peer->listed = false;
	for (i = 0; i < n; i++) {
		err = vmesh_peer_apply(p, &entries[i]);
		if (err)
			return err;
	}
	xa_for_each(&p->nodes, node, peer)
		if (!peer->listed)
			vmesh_peer_remove(p, peer);
	return 0;
}

void vmesh_peers_report(struct vmesh_peers *p, struct virtmesh_peer *to, u32 room)
{
	struct vmesh_peer *peer;
	unsigned long node;
	u32 n = 0;

	xa_for_each(&p->nodes, node, peer) {
		if (n == room)
			break;
		to[n++] = (struct virtmesh_peer){
			.node = peer->node,
			.state = peer->state,
			.incarnation = peer->incarnation,
			.rx_frames = atomic64_read(&peer->rx_frames),
			.tx_frames = atomic64_read(&peer->tx_frames),
			.stale_frames = atomic64_read(&peer->stale_frames),
		};
	}
}
