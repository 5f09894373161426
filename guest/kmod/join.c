// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 *	            WELCOME with our nonce          no PROBE for dead_ms
 *	JOINING ------------------------> JOINED <-----------------------> BROKERLESS
 *	   |  ^                           |  ^     PROBE of this broker,      |
 *	   |  | (at start)        REFUSE  |  |     or WELCOME                 |
 *	   |  |                           v  | WELCOME                        |
 *	   |  +------------------------- REFUSED <----------------------------+
 *	   +--------------------------------^          REFUSE
 *
 * HELLO is due at start, when the broker fell silent, when a PROBE shows that
 * there is another broker now, and when we were refused. While it is due it is
 * said again with growing distance, for ever; the broker's WELCOME ends it.
 * A REFUSE that only says our incarnation is stale brings HELLO, no new state.
 * JOINED and BROKERLESS are the same to the data path: the carrier is on, and
 * the members are those last known.
 *
 * The frames that change this state are copied into a short queue, and one
 * work item does everything: takes the frames, looks at what the receive path
 * noted of the probes, says what is due, and sets its own next time. Its
 * decisions are made with state_lock held. Only a PROBE is answered in the
 * receive path itself (alive.c), so that a guest with no idle CPU for the work
 * still counts as alive; and a PROBE that brings no news does not even wake it.
 *
 * When the broker restarts, all nodes see it at the same PROBE: their HELLOs are
 * spread by chance, here as in every retry.
 */
#include <linux/jiffies.h>
#include <linux/random.h>
#include <linux/skbuff.h>
#include <uapi/linux/virtmesh.h>
#include <virtmesh/frame.h>

#include "compose.h"
#include "mesh.h"
#include "netdev.h"
#include "parse.h"

/* Until a WELCOME tells others. */
#define HELLO_MIN_MS 100
#define HELLO_MAX_MS 5000

#define FRAMES_MAX 64 /* a snapshot of the largest ensemble takes 27 at the smallest MTU */
#define BYE_MS	   20 /* how long the device may take to send it */

static void vmesh_set_state(struct vmesh *m, u8 state)
{
	struct vmesh_join *j = &m->join;

	if (j->state == state)
		return;
	WRITE_ONCE(j->state, state);
	vmesh_netdev_carrier(m);
	vmesh_changed(m);
}

int vmesh_join_ready(struct vmesh *m)
{
	u8 state = READ_ONCE(m->join.state);

	if (READ_ONCE(m->gone))
		return -ENODEV;
	return state == VIRTMESH_LINK_JOINED || state == VIRTMESH_LINK_BROKERLESS ? 0 : -ENOTCONN;
}

/* Retries. Between three and five quarters of the time, so that nodes do not march in step. */

static unsigned long vmesh_spread(unsigned int ms)
{
	return msecs_to_jiffies(ms - ms / 4 + get_random_u32() % (ms / 2 + 1));
}

static void vmesh_retry_at(struct vmesh_retry *r, unsigned long at, unsigned int wait)
{
	if (!r->due) {
		r->due = true;
		r->wait = wait;
		r->at = at;
	} else if (time_before(at, r->at)) {
		r->at = at;
	}
}

static void vmesh_retry_again(struct vmesh_retry *r, unsigned int max)
{
	r->at = jiffies + max(1UL, vmesh_spread(r->wait));
	r->wait = min(r->wait * 2, max);
}

static bool vmesh_retry_now(const struct vmesh_retry *r)
{
	return r->due && time_after_eq(jiffies, r->at);
}

/* HELLO at the next decent time: a little spread, and never denser than hello_min_ms. */
static void vmesh_hello_soon(struct vmesh_join *j)
{
	unsigned long at = j->hello_last + msecs_to_jiffies(j->hello_min_ms);

	if (time_before(at, jiffies))
		at = jiffies;
	vmesh_retry_at(&j->hello,
		       at + msecs_to_jiffies(get_random_u32() % (j->hello_min_ms / 4 + 1)),
		       j->hello_min_ms);
}

static void vmesh_sync_in(struct vmesh_join *j, unsigned int ms)
{
	vmesh_retry_at(&j->sync, jiffies + vmesh_spread(ms), j->hello_min_ms);
}

/* What we say. Nothing is made of a failure: it will be said again. */

static void vmesh_say(struct vmesh *m, struct sk_buff *skb)
{
	if (vmesh_tx(&m->dev, skb, VMESH_TX_RESERVE))
		kfree_skb(skb);
}

static void vmesh_say_hello(struct vmesh *m)
{
	struct vmesh_join *j = &m->join;
	struct vm_hello *hello;
	struct sk_buff *skb;
	void *payload;

	skb = vmesh_compose(m, VM_NODE_BROKER, VM_F_HELLO, 0, sizeof(*hello), &payload, GFP_KERNEL);
	if (!skb)
		return;
	hello = payload;
	*hello = (struct vm_hello){
		.abi = cpu_to_be16(VM_WIRE_ABI),
		.mtu = cpu_to_be16(m->dev.mtu),
		.caps = cpu_to_be32(VM_CAPS_KNOWN),
		.nonce = cpu_to_be64(j->nonce),
		.incarnation = cpu_to_be32(j->incarnation),
	};
	vmesh_say(m, skb);
	vmesh_count(&m->dev, hellos_sent);
	j->hello_last = jiffies;
}

static void vmesh_say_plain(struct vmesh *m, enum vm_frame_type type)
{
	struct sk_buff *skb;
	void *payload;

	skb = vmesh_compose(m, VM_NODE_BROKER, type, 0, 0, &payload, GFP_KERNEL);
	if (skb)
		vmesh_say(m, skb);
}

/*
 * What we hear. All with state_lock held. The log lines are rate limited, because
 * the host decides how often they come.
 */

/* The broker's word on timing, within what does no harm. */
static void vmesh_take_timers(struct vmesh_join *j, const struct vmesh_welcome *w)
{
	j->probe_ms = clamp(w->probe_ms, 10U, 60000U);
	j->dead_ms = clamp(w->dead_ms, j->probe_ms, 600000U);
	j->hello_min_ms = clamp(w->hello_min_ms, 20U, 10000U);
	j->hello_max_ms = clamp(w->hello_max_ms, j->hello_min_ms, 60000U);
}

static void vmesh_on_welcome(struct vmesh *m, const struct vmesh_msg *msg)
{
	struct vmesh_join *j = &m->join;
	struct vmesh_welcome w;

	if (vmesh_parse_welcome(msg->payload, msg->len, &w) || w.nonce != j->nonce ||
	    w.ensemble != vmesh_ensemble(m) || w.node != vmesh_node(m)) {
		vmesh_count(&m->dev, rx_malformed);
		return;
	}
	/* One line for each new life or broker, and for coming back from being refused. */
	if ((w.incarnation != j->incarnation || w.broker_id != j->broker_id ||
	     j->state != VIRTMESH_LINK_JOINED) &&
	    net_ratelimit())
		netdev_info(m->netdev,
			    "joined ensemble %u as node %u: incarnation %u, broker %016llx\n",
			    w.ensemble, w.node, w.incarnation, w.broker_id);

	spin_lock_bh(&j->heard_lock);
	j->heard = jiffies;
	j->heard_broker = w.broker_id;
	j->heard_epoch = w.epoch;
	spin_unlock_bh(&j->heard_lock);

	WRITE_ONCE(j->incarnation, w.incarnation);
	WRITE_ONCE(j->mtu, min(w.mtu, m->dev.mtu));
	WRITE_ONCE(j->broker_id, w.broker_id);
	j->refusal = 0;
	vmesh_take_timers(j, &w);
	j->hello.due = false;
	/* The snapshot follows by itself: ask only when it does not come. */
	j->sync.due = false;
	if (j->epoch != w.epoch)
		vmesh_sync_in(j, 2 * j->hello_min_ms);
	vmesh_set_state(m, VIRTMESH_LINK_JOINED);
}

static const char *vmesh_refusal_name(u16 reason)
{
	switch (reason) {
	case VM_REFUSE_ABI:
		return "it cannot serve this driver's version";
	case VM_REFUSE_UNKNOWN:
		return "this node has no port any more";
	case VM_REFUSE_MALFORMED:
		return "it does not understand our HELLO";
	default:
		return "for a reason unknown to this driver";
	}
}

static void vmesh_on_refuse(struct vmesh *m, const struct vmesh_msg *msg)
{
	struct vmesh_join *j = &m->join;
	struct vmesh_refuse r;

	if (vmesh_parse_refuse(msg->payload, msg->len, &r) || (r.nonce && r.nonce != j->nonce)) {
		vmesh_count(&m->dev, rx_malformed);
		return;
	}
	if (r.reason == VM_REFUSE_STALE) {
		vmesh_hello_soon(j);
		return;
	}
	if ((j->state != VIRTMESH_LINK_REFUSED || j->refusal != r.reason) && net_ratelimit())
		netdev_warn(m->netdev, "the broker refuses this node: %s (%u); trying on\n",
			    vmesh_refusal_name(r.reason), r.reason);
	j->refusal = r.reason;
	j->sync.due = false;
	j->hello.due = true;
	j->hello.wait = j->hello_max_ms;
	vmesh_retry_again(&j->hello, j->hello_max_ms);
	vmesh_set_state(m, VIRTMESH_LINK_REFUSED);
}

static void vmesh_on_members(struct vmesh *m, const struct vmesh_msg *msg)
{
	struct vmesh_join *j = &m->join;
	struct vmesh_members members;
	int ret;

	if (vmesh_parse_members(msg->payload, msg->len, &members)) {
		vmesh_count(&m->dev, rx_malformed);
		return;
	}
	/* Before WELCOME it is the others' news, or of a life before this one. */
	if (vmesh_join_ready(m))
		return;
	ret = vmesh_members_take(m, &members);
	if (ret > 0) {
		j->sync.due = false;
		WRITE_ONCE(j->group_mtu, members.mtu ?: U16_MAX);
		vmesh_groups_members(m);
		vmesh_changed(m);
	} else if (ret < 0) {
		vmesh_sync_in(j, j->hello_min_ms / 4);
	}
}

static void vmesh_on_frame(struct vmesh *m, const struct sk_buff *skb)
{
	struct vmesh_msg msg;

	if (vmesh_parse(skb->data, skb->len, &msg))
		return; /* cannot be: the receive path has parsed the same bytes */
	switch (msg.type) {
	case VM_F_WELCOME:
		vmesh_on_welcome(m, &msg);
		break;
	case VM_F_REFUSE:
		vmesh_on_refuse(m, &msg);
		break;
	case VM_F_MEMBERS:
		vmesh_on_members(m, &msg);
		break;
	}
}

/* The probes, and their absence. Returns when, in jiffies, silence would be too long. */
static unsigned long vmesh_look(struct vmesh *m)
{
	struct vmesh_join *j = &m->join;
	unsigned long heard, silent;
	u64 broker;
	u32 epoch;
	bool news;

	spin_lock_bh(&j->heard_lock);
	heard = j->heard;
	broker = j->heard_broker;
	epoch = j->heard_epoch;
	news = j->heard_news;
	j->heard_news = false;
	spin_unlock_bh(&j->heard_lock);
	silent = heard + msecs_to_jiffies(j->dead_ms);

	if (j->state == VIRTMESH_LINK_JOINED && time_after_eq(jiffies, silent)) {
		if (net_ratelimit())
			netdev_warn(m->netdev,
				    "the broker is silent; members stay as last known\n");
		vmesh_hello_soon(j);
		vmesh_set_state(m, VIRTMESH_LINK_BROKERLESS);
	}
	if (!news)
		return silent;

	switch (j->state) {
	case VIRTMESH_LINK_JOINING:
		vmesh_hello_soon(j); /* it is there: no need to wait out the backoff */
		break;
	case VIRTMESH_LINK_JOINED:
	case VIRTMESH_LINK_BROKERLESS:
		if (broker != j->broker_id) {
			vmesh_hello_soon(j);
			break;
		}
		if (j->state == VIRTMESH_LINK_BROKERLESS && time_before(jiffies, silent)) {
			if (net_ratelimit())
				netdev_info(m->netdev, "the broker is back\n");
			j->hello.due = false;
			vmesh_set_state(m, VIRTMESH_LINK_JOINED);
		}
		/* The change itself may be a moment behind the probe. */
		if (epoch != j->epoch)
			vmesh_sync_in(j, j->hello_min_ms / 4);
		else
			j->sync.due = false;
		break;
	}
	return silent;
}

static void vmesh_join_work(struct work_struct *work)
{
	struct vmesh_join *j = container_of(to_delayed_work(work), struct vmesh_join, work);
	struct vmesh *m = container_of(j, struct vmesh, join);
	unsigned long next, now;
	struct sk_buff *skb;
	u16 mtu;

	mutex_lock(&m->state_lock);
	if (!j->running) {
		mutex_unlock(&m->state_lock);
		return;
	}
	while ((skb = skb_dequeue(&j->frames))) {
		vmesh_on_frame(m, skb);
		consume_skb(skb);
	}
	next = vmesh_look(m);
	if (vmesh_retry_now(&j->hello)) {
		vmesh_say_hello(m);
		vmesh_retry_again(&j->hello, j->hello_max_ms);
	}
	if (vmesh_retry_now(&j->sync)) {
		vmesh_say_plain(m, VM_F_SYNC);
		vmesh_count(&m->dev, syncs_sent);
		vmesh_retry_again(&j->sync, j->hello_max_ms);
	}

	now = jiffies;
	if (j->state != VIRTMESH_LINK_JOINED)
		next = now + MAX_JIFFY_OFFSET / 2;
	if (j->hello.due && time_before(j->hello.at, next))
		next = j->hello.at;
	if (j->sync.due && time_before(j->sync.at, next))
		next = j->sync.at;
	queue_delayed_work(j->wq, &j->work, time_after(next, now) ? next - now : 0);
	mtu = j->mtu;
	mutex_unlock(&m->state_lock);

	vmesh_netdev_mtu(m, mtu);
}

void vmesh_join_wake(struct vmesh *m)
{
	struct vmesh_join *j = &m->join;

	if (READ_ONCE(j->running))
		mod_delayed_work(j->wq, &j->work, 0);
}

void vmesh_join_input(struct vmesh *m, const struct vmesh_frame *frame)
{
	struct vmesh_join *j = &m->join;
	struct sk_buff *skb;

	if (skb_queue_len_lockless(&j->frames) >= FRAMES_MAX)
		goto drop;
	skb = alloc_skb(frame->len, GFP_ATOMIC | __GFP_NOWARN);
	if (!skb)
		goto drop;
	skb_put_data(skb, frame->data, frame->len);
	skb_queue_tail(&j->frames, skb);
	vmesh_join_wake(m);
	return;
drop:
	vmesh_count(&m->dev, rx_control_dropped);
}

int vmesh_join_init(struct vmesh *m)
{
	struct vmesh_join *j = &m->join;

	skb_queue_head_init(&j->frames);
	spin_lock_init(&j->heard_lock);
	INIT_DELAYED_WORK(&j->work, vmesh_join_work);
	j->mtu = m->dev.mtu;
	j->group_mtu = U16_MAX;
	j->hello_min_ms = HELLO_MIN_MS;
	j->hello_max_ms = HELLO_MAX_MS;
	do
		j->nonce = get_random_u64();
	while (!j->nonce);
	j->wq = alloc_ordered_workqueue("%s", 0, m->name);
	return j->wq ? 0 : -ENOMEM;
}

void vmesh_join_exit(struct vmesh *m)
{
	struct vmesh_join *j = &m->join;

	/* Started once more by a frame that came while we stopped. */
	cancel_delayed_work_sync(&j->work);
	destroy_workqueue(j->wq);
	skb_queue_purge(&j->frames);
	vmesh_stage_drop(&j->stage);
}

void vmesh_join_start(struct vmesh *m)
{
	struct vmesh_join *j = &m->join;

	mutex_lock(&m->state_lock);
	/* The time that passed without us is not the broker's silence. */
	spin_lock_bh(&j->heard_lock);
	j->heard = jiffies;
	spin_unlock_bh(&j->heard_lock);
	j->hello.due = false;
	vmesh_retry_at(&j->hello, jiffies, j->hello_min_ms);
	WRITE_ONCE(j->running, true);
	mod_delayed_work(j->wq, &j->work, 0);
	mutex_unlock(&m->state_lock);
}

void vmesh_join_stop(struct vmesh *m, bool bye)
{
	struct vmesh_join *j = &m->join;

	mutex_lock(&m->state_lock);
	WRITE_ONCE(j->running, false);
	mutex_unlock(&m->state_lock);
	cancel_delayed_work_sync(&j->work);

	if (bye && j->incarnation) {
		vmesh_say_plain(m, VM_F_BYE);
		vmesh_tx_flush(&m->dev, BYE_MS);
	}
}
