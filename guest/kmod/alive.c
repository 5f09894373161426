// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * The answer to a PROBE, given in the receive path. It says not only that this
 * guest's kernel runs, but whether what was asked of it gets done:
 *
 *	pending		datagrams that no program has read yet; and frames in the
 *			transmit ring, but only when the device has finished none
 *			since the last PROBE: otherwise they are just on their way
 *	progress	datagrams that were read or sent
 *
 * The interface's traffic is no progress on purpose: somebody's ssh session to
 * a guest must not make up for the job in it that hangs.
 */
#include <linux/skbuff.h>
#include <uapi/linux/virtmesh.h>
#include <virtmesh/frame.h>

#include "compose.h"
#include "mesh.h"
#include "parse.h"

static unsigned int vmesh_alive_pending(struct vmesh *m)
{
	struct vmesh_join *j = &m->join;
	unsigned int pending = atomic_read(&m->channels.unread);
	unsigned int in_flight;
	u64 completed;

	in_flight = vmesh_tx_pending(&m->dev, &completed);
	spin_lock(&j->heard_lock);
	if (in_flight && completed == j->tx_completed)
		pending += in_flight;
	j->tx_completed = completed;
	spin_unlock(&j->heard_lock);
	return pending;
}

void vmesh_alive_answer(struct vmesh *m, const struct vmesh_msg *msg)
{
	struct vmesh_join *j = &m->join;
	struct vmesh_probe probe;
	struct vm_alive *alive;
	struct sk_buff *skb;
	void *payload;
	bool news;

	if (vmesh_parse_probe(msg->payload, msg->len, &probe)) {
		vmesh_count(&m->dev, rx_malformed);
		return;
	}
	vmesh_count(&m->dev, probes);

	news = probe.broker_id != READ_ONCE(j->broker_id) || msg->epoch != READ_ONCE(j->epoch) ||
	       READ_ONCE(j->state) != VIRTMESH_LINK_JOINED;
	spin_lock(&j->heard_lock);
	j->heard = jiffies;
	j->heard_broker = probe.broker_id;
	j->heard_epoch = msg->epoch;
	j->heard_news |= news;
	spin_unlock(&j->heard_lock);
	if (news)
		vmesh_join_wake(m);

	/* Without an incarnation there is nobody to be alive yet. */
	if (!READ_ONCE(j->incarnation))
		return;
	skb = vmesh_compose(m, VM_NODE_BROKER, VM_F_ALIVE, 0, sizeof(*alive), &payload,
			    GFP_ATOMIC | __GFP_NOWARN);
	if (!skb)
		goto drop;
	alive = payload;
	alive->token = cpu_to_be32(probe.token);
	alive->pending = cpu_to_be32(vmesh_alive_pending(m));
	alive->progress = cpu_to_be64(atomic64_read(&m->channels.progress));
	if (vmesh_tx(&m->dev, skb, VMESH_TX_RESERVE)) {
		kfree_skb(skb);
		goto drop;
	}
	vmesh_count(&m->dev, alives_sent);
	return;
drop:
	vmesh_count(&m->dev, alives_dropped);
}
