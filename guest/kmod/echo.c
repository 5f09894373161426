// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * An asker puts itself on the list under a sequence number of its own, sends,
 * and sleeps; the reply is compared where it lies in the receive buffer. The
 * payload is made from the sequence number, so nobody keeps a copy of it, and
 * a reply to another ECHO does not pass for this one's.
 *
 * Being asked costs a guest one frame, in the receive path. It is bounded by
 * the ring: when that is full the ECHO is dropped, and the asker times out.
 */
#include <linux/completion.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/skbuff.h>
#include <linux/string.h>
#include <uapi/linux/virtmesh.h>
#include <virtmesh/frame.h>

#include "compose.h"
#include "mesh.h"
#include "parse.h"

#define VMESH_ECHO_TIMEOUT_MAX 60000 /* ms */

struct vmesh_echo_wait {
	struct list_head list; /* empty: done */
	struct completion done;
	u16 node;
	u16 size;
	u32 seq;
	int result;
	u64 sent; /* ktime, ns; written by the asker before it sends */
	u64 arrived;
};

static u8 vmesh_echo_byte(u32 seq, unsigned int i)
{
	return seq * 31 + i + (i >> 8);
}

void vmesh_echoes_init(struct vmesh_echoes *e)
{
	spin_lock_init(&e->lock);
	INIT_LIST_HEAD(&e->waiting);
}

/* e->lock held. */
static void vmesh_echo_end(struct vmesh_echo_wait *w, int result)
{
	w->result = result;
	list_del_init(&w->list);
	complete(&w->done);
}

void vmesh_echoes_abort(struct vmesh_echoes *e)
{
	struct vmesh_echo_wait *w, *next;

	spin_lock_bh(&e->lock);
	list_for_each_entry_safe(w, next, &e->waiting, list)
		vmesh_echo_end(w, -ENODEV);
	spin_unlock_bh(&e->lock);
}

static int vmesh_echo_send(struct vmesh *m, struct vmesh_echo_wait *w, unsigned long deadline)
{
	struct sk_buff *skb;
	unsigned int i;
	u8 *payload;
	int err;

	skb = vmesh_compose(m, w->node, VM_F_ECHO, w->seq, w->size, (void **)&payload, GFP_KERNEL);
	if (!skb)
		return -ENOMEM;
	for (i = 0; i < w->size; i++)
		payload[i] = vmesh_echo_byte(w->seq, i);

	err = vmesh_tx_until(&m->dev, skb, deadline, &w->sent);
	if (err)
		kfree_skb(skb);
	else
		vmesh_peer_sent(&m->peers, w->node);
	return err;
}

int vmesh_echo(struct vmesh *m, struct virtmesh_echo *arg)
{
	struct vmesh_echoes *e = &m->echoes;
	struct vmesh_echo_wait w = { .node = arg->node, .size = arg->size };
	unsigned long deadline;
	long left;
	int err;

	if (arg->reserved || !arg->timeout_ms || arg->timeout_ms > VMESH_ECHO_TIMEOUT_MAX)
		return -EINVAL;
	err = vmesh_join_ready(m);
	if (err)
		return err;
	if (arg->size > vmesh_dgram_max(m))
		return -EMSGSIZE;
	/* Nothing on the mesh leads back to its sender. */
	if (arg->node == vmesh_node(m) || !vmesh_peer_is_member(&m->peers, arg->node))
		return -EHOSTUNREACH;

	deadline = jiffies + max(1UL, msecs_to_jiffies(arg->timeout_ms));
	init_completion(&w.done);
	w.seq = atomic_inc_return(&e->seq);
	spin_lock_bh(&e->lock);
	list_add(&w.list, &e->waiting);
	spin_unlock_bh(&e->lock);
	/* Who put us on after this has looked, nobody will take us off but ourselves. */
	if (READ_ONCE(m->gone)) {
		err = -ENODEV;
		goto out;
	}

	err = vmesh_echo_send(m, &w, deadline);
	if (err)
		goto out;
	left = (long)(deadline - jiffies);
	left = wait_for_completion_interruptible_timeout(&w.done, left > 0 ? left : 1);
	if (left < 0)
		err = -EINTR;
	else if (!left)
		err = -ETIMEDOUT;
out:
	spin_lock_bh(&e->lock);
	if (list_empty(&w.list))
		err = w.result; /* it came while we were going */
	else
		list_del(&w.list);
	spin_unlock_bh(&e->lock);
	if (!err)
		arg->rtt_ns = w.arrived - w.sent;
	return err;
}

void vmesh_echo_answer(struct vmesh *m, u16 node, const struct vmesh_msg *msg)
{
	struct sk_buff *skb;
	void *payload;

	if (vmesh_join_ready(m) || msg->len > vmesh_payload_max(m))
		goto drop;
	skb = vmesh_compose(m, node, VM_F_ECHO_REPLY, msg->seq, msg->len, &payload,
			    GFP_ATOMIC | __GFP_NOWARN);
	if (!skb)
		goto drop;
	memcpy(payload, msg->payload, msg->len);
	if (vmesh_tx(&m->dev, skb, 0)) {
		kfree_skb(skb);
		goto drop;
	}
	vmesh_peer_sent(&m->peers, node);
	vmesh_count(&m->dev, echoes_answered);
	return;
drop:
	vmesh_count(&m->dev, echoes_dropped);
}

static int vmesh_echo_compare(const struct vmesh_echo_wait *w, const struct vmesh_msg *msg)
{
	unsigned int i;

	if (msg->len != w->size)
		return -EBADMSG;
	for (i = 0; i < w->size; i++)
		if (msg->payload[i] != vmesh_echo_byte(w->seq, i))
			return -EBADMSG;
	return 0;
}

void vmesh_echo_reply(struct vmesh *m, u16 node, const struct vmesh_msg *msg)
{
	struct vmesh_echoes *e = &m->echoes;
	struct vmesh_echo_wait *w;
	u64 now = ktime_get_ns();
	bool found = false;

	spin_lock(&e->lock);
	list_for_each_entry(w, &e->waiting, list) {
		if (w->seq != msg->seq || w->node != node)
			continue;
		w->arrived = now;
		vmesh_echo_end(w, vmesh_echo_compare(w, msg));
		found = true;
		break;
	}
	spin_unlock(&e->lock);
	if (found)
		vmesh_count(&m->dev, echo_replies);
	else
		vmesh_count(&m->dev, echo_replies_late);
}
