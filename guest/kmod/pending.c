// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * Any member may ask what this node waits for; the driver answers in the receive
 * path, so that it does when every program of the node hangs. An answer walks all
 * pending operations, so there is a limit to how many are given in a second; who
 * gets none runs into his timeout and asks again.
 *
 * The asker's side is that of echo.c: on the list under a number of its own, then
 * asleep. The reply is copied where it arrives and read where it is wanted.
 */
#include <linux/completion.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <uapi/linux/virtmesh.h>
#include <virtmesh/frame.h>

#include "compose.h"
#include "group.h"
#include "mesh.h"
#include "op.h"
#include "parse.h"
#include "parse_pending.h"
#include "pending.h"
#include "trace.h"

static_assert(sizeof(struct virtmesh_pending) == 24);
static_assert(VIRTMESH_RANKS_MAX == VM_RANKS_MAX);

#define VMESH_PENDING_TIMEOUT_MAX 60000 /* ms */

/* Answers in a second. */
#define VMESH_PENDING_ANSWERS 64

/* The oldest operations that are pending, on this node or on another. */
struct vmesh_pending_set {
	u16 count; /* of entry, oldest first */
	u16 total;
	struct vmesh_pending_entry {
		struct virtmesh_record record;
		u16 ranks;
		u16 nodes[VIRTMESH_RANKS_MAX];
	} entry[VIRTMESH_PENDING_MAX];
};

struct vmesh_pending_wait {
	struct list_head list; /* empty: done */
	struct completion done;
	u16 node;
	u32 seq;
	int result; /* bytes of the reply, or an errno */
	unsigned int room;
	u8 *reply;
};

/* Looking at our own. */

/*
 * One more of @g that waits since @since_ns, in its place: the record to be filled.
 * NULL: there are enough that are older. The group's lock is held.
 */
static struct virtmesh_record *vmesh_pending_add(struct vmesh_pending_set *set,
						 struct vmesh_group *g, u64 since_ns)
{
	struct vmesh_pending_entry *e;
	unsigned int i, at;

	if (set->total < U16_MAX)
		set->total++;
	for (at = set->count; at; at--)
		if (set->entry[at - 1].record.posted_ns <= since_ns)
			break;
	if (at == VIRTMESH_PENDING_MAX)
		return NULL;
	if (set->count < VIRTMESH_PENDING_MAX)
		set->count++;
	e = &set->entry[at];
	memmove(e + 1, e, (set->count - 1 - at) * sizeof(*e));
	memset(e, 0, sizeof(*e));
	e->ranks = vmesh_group_count(g);
	for (i = 0; i < e->ranks; i++)
		e->nodes[i] = vmesh_group_node(g, i);
	return &e->record;
}

static void vmesh_pending_op(struct vmesh_group *g, struct vmesh_op *op, void *ctx)
{
	struct virtmesh_record *r = vmesh_pending_add(ctx, g, op->posted_ns);

	if (r)
		vmesh_record_fill(r, op);
}

static void vmesh_pending_wait_for(struct vmesh_pending_set *set, struct vmesh_group *g, u16 kind,
				   u64 since_ns, u64 missing)
{
	struct virtmesh_record *r = vmesh_pending_add(set, g, since_ns);

	if (!r)
		return;
	r->posted_ns = since_ns;
	r->missing = missing;
	r->group = vmesh_group_id(g);
	r->opcode = kind;
	r->self = vmesh_group_rank(g);
	r->node = vmesh_group_node(g, r->self);
}

/* Programs wait for operations, and without any. */
static void vmesh_pending_group(struct vmesh_group *g, void *ctx)
{
	u64 since, missing;

	vmesh_group_walk_ops(g, vmesh_pending_op, ctx);
	if (vmesh_group_forming(g, &since, &missing))
		vmesh_pending_wait_for(ctx, g, VM_KIND_FORM, since, missing);
	if (vmesh_group_listening(g, &since))
		vmesh_pending_wait_for(ctx, g, VM_KIND_LISTEN, since, 0);
}

/* Any context that @gfp allows. NULL: no memory. */
static struct vmesh_pending_set *vmesh_pending_own(struct vmesh *m, gfp_t gfp)
{
	struct vmesh_pending_set *set = kzalloc(sizeof(*set), gfp);

	if (set)
		vmesh_groups_walk(m, vmesh_pending_group, set);
	return set;
}

/* Being asked. */

static unsigned int vmesh_pending_size(const struct vmesh_pending_entry *e)
{
	return sizeof(struct vm_pending_record) + round_up(e->ranks * sizeof(__be16), 8);
}

static void vmesh_pending_write(u8 *to, const struct vmesh_pending_entry *e, u64 now)
{
	const struct virtmesh_record *r = &e->record;
	struct vm_pending_record *w = (struct vm_pending_record *)to;
	__be16 *nodes = (__be16 *)(w + 1);
	unsigned int i;

	memset(to, 0, vmesh_pending_size(e));
	*w = (struct vm_pending_record){
		.age_ns = cpu_to_be64(now - r->posted_ns),
		.len = cpu_to_be64(r->len),
		.bytes = cpu_to_be64(r->bytes),
		.missing = cpu_to_be64(r->missing),
		.group = cpu_to_be32(r->group),
		.number = cpu_to_be32(r->number),
		.kind = cpu_to_be16(r->opcode),
		.rank = cpu_to_be16(r->rank),
		.self = cpu_to_be16(r->self),
		.ranks = cpu_to_be16(e->ranks),
	};
	for (i = 0; i < e->ranks; i++)
		nodes[i] = cpu_to_be16(e->nodes[i]);
}

static int vmesh_pending_tell(struct vmesh *m, u16 node, u32 seq,
			      const struct vmesh_pending_set *set)
{
	unsigned int len = sizeof(struct vm_pending_reply);
	struct vm_pending_reply *reply;
	u64 now = ktime_get_ns();
	struct sk_buff *skb;
	unsigned int i, n;
	void *payload;
	int err;
	u8 *at;

	for (n = 0; n < set->count; n++) {
		if (len + vmesh_pending_size(&set->entry[n]) > vmesh_payload_max(m))
			break;
		len += vmesh_pending_size(&set->entry[n]);
	}
	skb = vmesh_compose(m, node, VM_F_PENDING_REPLY, seq, len, &payload,
			    GFP_ATOMIC | __GFP_NOWARN);
	if (!skb)
		return -ENOMEM;
	reply = payload;
	*reply = (struct vm_pending_reply){
		.count = cpu_to_be16(n),
		.total = cpu_to_be16(set->total),
	};
	at = payload + sizeof(*reply);
	for (i = 0; i < n; i++) {
		vmesh_pending_write(at, &set->entry[i], now);
		at += vmesh_pending_size(&set->entry[i]);
	}
	err = vmesh_tx(&m->dev, skb, 0);
	if (err)
		kfree_skb(skb);
	else
		vmesh_peer_sent(&m->peers, node);
	return err;
}

void vmesh_pending_answer(struct vmesh *m, u16 node, const struct vmesh_msg *msg)
{
	struct vmesh_pending_set *set = NULL;

	if (!vmesh_join_ready(m) && __ratelimit(&m->pendings.answers))
		set = vmesh_pending_own(m, GFP_ATOMIC | __GFP_NOWARN);
	if (set && !vmesh_pending_tell(m, node, msg->seq, set))
		vmesh_count(&m->dev, pendings_answered);
	else
		vmesh_count(&m->dev, pendings_dropped);
	kfree(set);
}

/* Asking. */

void vmesh_pendings_init(struct vmesh_pendings *p)
{
	spin_lock_init(&p->lock);
	INIT_LIST_HEAD(&p->waiting);
	ratelimit_state_init(&p->answers, HZ, VMESH_PENDING_ANSWERS);
	ratelimit_set_flags(&p->answers, RATELIMIT_MSG_ON_RELEASE); /* nobody needs to read it */
}

/* p->lock held. */
static void vmesh_pending_end(struct vmesh_pending_wait *w, int result)
{
	w->result = result;
	list_del_init(&w->list);
	complete(&w->done);
}

void vmesh_pendings_abort(struct vmesh_pendings *p)
{
	struct vmesh_pending_wait *w, *next;

	spin_lock_bh(&p->lock);
	list_for_each_entry_safe(w, next, &p->waiting, list)
		vmesh_pending_end(w, -ENODEV);
	spin_unlock_bh(&p->lock);
}

void vmesh_pending_reply(struct vmesh *m, u16 node, const struct vmesh_msg *msg)
{
	struct vmesh_pendings *p = &m->pendings;
	struct vmesh_pending_wait *w;
	bool found = false;

	spin_lock(&p->lock);
	list_for_each_entry(w, &p->waiting, list) {
		if (w->seq != msg->seq || w->node != node)
			continue;
		if (msg->len <= w->room) {
			memcpy(w->reply, msg->payload, msg->len);
			vmesh_pending_end(w, msg->len);
		} else {
			vmesh_pending_end(w, -EBADMSG);
		}
		found = true;
		break;
	}
	spin_unlock(&p->lock);
	if (found)
		vmesh_count(&m->dev, pending_replies);
	else
		vmesh_count(&m->dev, pending_replies_late);
}

/* Ask w->node; bytes of its reply, or an errno. */
static int vmesh_pending_ask(struct vmesh *m, struct vmesh_pending_wait *w, u32 timeout_ms)
{
	unsigned long deadline = jiffies + max(1UL, msecs_to_jiffies(timeout_ms));
	struct vmesh_pendings *p = &m->pendings;
	struct sk_buff *skb;
	void *payload;
	u64 sent;
	long left;
	int err;

	init_completion(&w->done);
	w->seq = atomic_inc_return(&p->seq);
	skb = vmesh_compose(m, w->node, VM_F_PENDING, w->seq, 0, &payload, GFP_KERNEL);
	if (!skb)
		return -ENOMEM;
	spin_lock_bh(&p->lock);
	list_add(&w->list, &p->waiting);
	spin_unlock_bh(&p->lock);
	/* As in echo.c: who came after the abort has to see for himself. */
	err = READ_ONCE(m->gone) ? -ENODEV : vmesh_tx_until(&m->dev, skb, deadline, &sent);
	if (err) {
		kfree_skb(skb);
	} else {
		vmesh_peer_sent(&m->peers, w->node);
		left = (long)(deadline - jiffies);
		left = wait_for_completion_interruptible_timeout(&w->done, left > 0 ? left : 1);
		err = left < 0 ? -EINTR : -ETIMEDOUT;
	}
	spin_lock_bh(&p->lock);
	if (list_empty(&w->list))
		err = w->result;
	else
		list_del(&w->list);
	spin_unlock_bh(&p->lock);
	return err;
}

static int vmesh_pending_read(struct vmesh_pending_set *set, u16 node, const u8 *reply,
			      unsigned int len)
{
	struct vmesh_pending_reader reader;
	struct vmesh_pending_record one;
	struct vmesh_pending_entry *e;
	u64 now = ktime_get_ns();
	unsigned int i;
	int err;

	err = vmesh_parse_pending(reply, len, &reader);
	if (err)
		return err;
	set->total = reader.total;
	while (reader.count && set->count < VIRTMESH_PENDING_MAX) {
		err = vmesh_parse_pending_next(&reader, &one);
		if (err)
			return err;
		e = &set->entry[set->count++];
		e->record = (struct virtmesh_record){
			.posted_ns = now - min(now, one.age_ns),
			.len = one.len,
			.bytes = one.bytes,
			.missing = one.missing,
			.group = one.group,
			.number = one.number,
			.opcode = one.kind,
			.rank = one.rank,
			.self = one.self,
			.node = node,
		};
		e->ranks = one.ranks;
		for (i = 0; i < one.ranks; i++)
			e->nodes[i] = vmesh_parse_pending_node(&one, i);
	}
	return 0;
}

static struct vmesh_pending_set *vmesh_pending_others(struct vmesh *m, u16 node, u32 timeout_ms)
{
	struct vmesh_pending_wait w = { .node = node, .room = vmesh_payload_max(m) };
	struct vmesh_pending_set *set = NULL;
	int result;

	w.reply = kmalloc(w.room, GFP_KERNEL);
	if (!w.reply)
		return ERR_PTR(-ENOMEM);
	result = vmesh_pending_ask(m, &w, timeout_ms);
	if (result < 0)
		goto out;
	set = kzalloc(sizeof(*set), GFP_KERNEL);
	result = set ? vmesh_pending_read(set, node, w.reply, result) : -ENOMEM;
out:
	kfree(w.reply);
	if (!result)
		return set;
	kfree(set);
	return ERR_PTR(result);
}

static int vmesh_pending_report(const struct vmesh_pending_set *set, struct virtmesh_pending *arg)
{
	struct virtmesh_record __user *records = u64_to_user_ptr(arg->records);
	u16 __user *nodes = u64_to_user_ptr(arg->nodes);
	const struct vmesh_pending_entry *e;
	unsigned int i;

	for (i = 0; i < set->count; i++) {
		e = &set->entry[i];
		if (copy_to_user(&records[i], &e->record, sizeof(e->record)))
			return -EFAULT;
		if (arg->nodes &&
		    copy_to_user(&nodes[i * VIRTMESH_RANKS_MAX], e->nodes, sizeof(e->nodes)))
			return -EFAULT;
	}
	arg->count = set->count;
	return 0;
}

int vmesh_pending(struct vmesh *m, struct virtmesh_pending *arg)
{
	struct vmesh_pending_set *set;
	int err;

	if (!arg->timeout_ms || arg->timeout_ms > VMESH_PENDING_TIMEOUT_MAX)
		return -EINVAL;
	if (arg->node == vmesh_node(m)) {
		set = vmesh_pending_own(m, GFP_KERNEL);
		if (!set)
			return -ENOMEM;
	} else {
		err = vmesh_join_ready(m);
		if (err)
			return err;
		if (!vmesh_peer_is_member(&m->peers, arg->node))
			return -EHOSTUNREACH;
		set = vmesh_pending_others(m, arg->node, arg->timeout_ms);
		if (IS_ERR(set))
			return PTR_ERR(set);
	}
	err = vmesh_pending_report(set, arg);
	kfree(set);
	return err;
}
