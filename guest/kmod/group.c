// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * A node's groups are in one table by their id. The file that made a group has
 * a reference, so has whoever works on one now; the table has none of its own,
 * leaving takes the group out of it.
 *
 * Everything that happens to a group happens under its lock, by one of four
 * ways: a call of its file, a received frame, the membership's change, its timer.
 * There is one timer for all that a group waits for; it is set to the earliest
 * and, when that has moved meanwhile, finds nothing to do and is set again. So
 * frames that come and go as they should never touch it.
 */
#include <linux/random.h>
#include <linux/slab.h>

#include "compat.h"
#include "compose.h"
#include "parse.h"
#include "transport.h"

static enum hrtimer_restart vmesh_group_timer(struct hrtimer *timer);

static void vmesh_group_end(struct vmesh_group *g, int result);

static u64 vmesh_layout(const u16 *nodes, unsigned int count)
{
	u64 hash = 0xcbf29ce484222325ULL; /* FNV-1a */
	unsigned int i;

	for (i = 0; i < 2 * count; i++) {
		hash ^= i % 2 ? nodes[i / 2] & 0xff : nodes[i / 2] >> 8;
		hash *= 0x100000001b3ULL;
	}
	return hash;
}

/* This node's rank, or -EINVAL. */
static int vmesh_check_nodes(struct vmesh *m, const u16 *nodes, unsigned int count)
{
	int self = -EINVAL;
	unsigned int i, j;

	if (!count || count > VIRTMESH_RANKS_MAX)
		return -EINVAL;
	for (i = 0; i < count; i++) {
		if (!vm_node_valid(nodes[i]))
			return -EINVAL;
		for (j = 0; j < i; j++)
			if (nodes[j] == nodes[i])
				return -EINVAL;
		if (nodes[i] == vmesh_node(m))
			self = i;
	}
	return self;
}

static int vmesh_parking_alloc(struct vmesh_group *g)
{
	/* For all that the windows of all ranks together allow: see vmesh_class_share(). */
	unsigned int n = min((g->count - 1) * VM_CLASSES * VM_WINDOW_MAX, VMESH_CAPACITY), i;

	g->parked_all = kvcalloc(max(n, 1u), sizeof(*g->parked_all), GFP_KERNEL_ACCOUNT);
	if (!g->parked_all)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		list_add_tail(&g->parked_all[i].list, &g->parked_free);
	return 0;
}

/* What takes room. Nobody looks at it once the group is dead. */
static void vmesh_group_strip(struct vmesh_group *g)
{
	if (g->bare)
		return;
	g->bare = true;
	if (g->parked_all)
		vmesh_parked_drop(g, U64_MAX);
	kvfree(g->parked_all);
	vmesh_flows_free(g);
	atomic_dec(&g->m->groups.count);
}

static void vmesh_group_release(struct kref *ref)
{
	struct vmesh_group *g = container_of(ref, struct vmesh_group, ref);
	struct vmesh *m = g->m;

	vmesh_group_strip(g);
	/* Readers look at nothing but the count of references. */
	kfree_rcu(g, rcu);
	/* Not by RCU: the last one frees what a softirq may not. */
	vmesh_put(&m->dev);
}

void vmesh_group_get(struct vmesh_group *g)
{
	kref_get(&g->ref);
}

void vmesh_group_put(struct vmesh_group *g)
{
	kref_put(&g->ref, vmesh_group_release);
}

static int vmesh_ranks_init(struct vmesh_group *g, const u16 *nodes)
{
	u16 r;

	for (r = 0; r < g->count; r++) {
		struct vmesh_rank *rank = &g->ranks[r];

		rank->node = nodes[r];
		rank->rto_ns = VMESH_NEVER;
		rank->ack_ns = VMESH_NEVER;
		rank->flow.next = 1;
		rank->flow.first = 1;
		rank->path = vmesh_path_get(g->m, nodes[r]);
		if (!rank->path)
			return -ENOMEM;
	}
	g->all.next = 1;
	g->all.first = 1;
	return 0;
}

struct vmesh_group *vmesh_group_create(struct vmesh *m, u32 id, const u16 *nodes,
				       unsigned int count)
{
	int self = vmesh_check_nodes(m, nodes, count), err;
	struct vmesh_group *g;

	if (self < 0)
		return ERR_PTR(self);
	err = vmesh_join_ready(m);
	if (err)
		return ERR_PTR(err);
	g = kzalloc(struct_size(g, ranks, count), GFP_KERNEL_ACCOUNT);
	if (!g)
		return ERR_PTR(-ENOMEM);
	kref_init(&g->ref);
	vmesh_get(&m->dev);
	g->m = m;
	g->id = id;
	g->rank = self;
	g->count = count;
	g->layout = vmesh_layout(nodes, count);
	g->members = GENMASK_ULL(count - 1, 0);
	spin_lock_init(&g->lock);
	init_waitqueue_head(&g->wait);
	INIT_LIST_HEAD(&g->ops);
	INIT_LIST_HEAD(&g->parked);
	INIT_LIST_HEAD(&g->parked_free);
	INIT_LIST_HEAD(&g->poll);
	INIT_LIST_HEAD(&g->leaving);
	vmesh_timer_setup(&g->timer, vmesh_group_timer);
	g->timer_ns = VMESH_NEVER;

	if (atomic_inc_return(&m->groups.count) > VIRTMESH_GROUPS_MAX)
		err = -EMFILE;
	err = err ?: vmesh_ranks_init(g, nodes);
	err = err ?: vmesh_flows_alloc(g);
	err = err ?: vmesh_parking_alloc(g);
	if (!err) {
		vmesh_flows_reset(g);
		err = xa_insert(&m->groups.groups, id, g, GFP_KERNEL_ACCOUNT);
		if (err == -EBUSY)
			err = -EADDRINUSE;
	}
	if (err) {
		vmesh_group_put(g);
		return ERR_PTR(err);
	}
	/* Between the look before and the entry the device may have gone. */
	if (READ_ONCE(m->gone))
		vmesh_group_end(g, -ENODEV);
	return g;
}

/* Nothing happens on @g any more. Process context; again does nothing. */
static void vmesh_group_end(struct vmesh_group *g, int result)
{
	bool first;

	spin_lock_bh(&g->lock);
	first = !g->dead;
	if (first) {
		vmesh_leave_begin(g, vmesh_now());
		g->dead = true;
		vmesh_ops_end(g, 0, result);
		vmesh_parked_drop(g, U64_MAX);
		wake_up_interruptible_all(&g->wait);
	}
	spin_unlock_bh(&g->lock);
	if (first)
		xa_cmpxchg(&g->m->groups.groups, g->id, g, NULL, GFP_KERNEL);
	hrtimer_cancel(&g->timer);
}

void vmesh_group_leave(struct vmesh_group *g)
{
	vmesh_group_leave_begin(g);
	vmesh_group_linger(g);
	vmesh_group_end(g, -ECANCELED);
	vmesh_group_strip(g);
	vmesh_leave_go_on(g);
}

unsigned int vmesh_control_max(struct vmesh *m)
{
	return vmesh_payload_max(m) - VMESH_CONTROL_HEAD;
}

u32 vmesh_group_id(const struct vmesh_group *g)
{
	return g->id;
}

u16 vmesh_group_rank(const struct vmesh_group *g)
{
	return g->rank;
}

u16 vmesh_group_count(const struct vmesh_group *g)
{
	return g->count;
}

u16 vmesh_group_node(const struct vmesh_group *g, u16 rank)
{
	return g->ranks[rank].node;
}

void vmesh_group_info(struct vmesh_group *g, struct virtmesh_group_info *info,
		      struct virtmesh_rank *ranks, unsigned int room)
{
	u64 now;
	u16 r;

	vmesh_fence_wait(g);
	spin_lock_bh(&g->lock);
	now = vmesh_now(); /* no frame is heard later than this */
	info->members = g->members;
	info->missing = vmesh_to_blame(g);
	info->id = g->id;
	info->count = g->count;
	info->generation = g->generation;
	info->rank = g->rank;
	info->state = g->fencing ? VIRTMESH_GROUP_FENCED : g->state;
	for (r = 0; r < g->count && r < room; r++) {
		struct vmesh_rank *rank = &g->ranks[r];

		ranks[r] = (struct virtmesh_rank){
			.node = rank->node,
			.reason = (info->missing | g->excluded) >> r & 1 ? vmesh_reason(g, r, 0) :
									   VIRTMESH_REASON_NONE,
			.pending = vmesh_out(rank),
			.rtt_us = div_u64(rank->rtt.srtt, NSEC_PER_USEC),
			.window = vmesh_allowed(rank),
			.parked = vmesh_parked(rank),
			.heard_ms = rank->heard_ns ? div_u64(now - rank->heard_ns, NSEC_PER_MSEC) :
						     0,
		};
	}
	spin_unlock_bh(&g->lock);
}

/* g->lock held. */
void vmesh_group_at(struct vmesh_group *g, u64 ns)
{
	if (ns >= g->timer_ns || g->dead)
		return;
	g->timer_ns = ns;
	hrtimer_start(&g->timer, ns_to_ktime(ns), HRTIMER_MODE_ABS_SOFT);
}

static enum hrtimer_restart vmesh_group_timer(struct hrtimer *timer)
{
	struct vmesh_group *g = container_of(timer, struct vmesh_group, timer);
	u64 now = vmesh_now(), next;

	spin_lock(&g->lock);
	g->timer_ns = VMESH_NEVER;
	if (!g->dead) {
		next = vmesh_form_tick(g, now);
		next = min(next, vmesh_fence_tick(g, now));
		next = min(next, vmesh_ops_tick(g, now));
		next = min(next, vmesh_ack_tick(g, now));
		next = min(next, vmesh_repair_tick(g, now));
		vmesh_pump(g, now);
		vmesh_group_at(g, next);
	}
	spin_unlock(&g->lock);
	return HRTIMER_NORESTART;
}

void vmesh_groups_init(struct vmesh *m)
{
	struct vmesh_groups *gs = &m->groups;

	xa_init(&gs->groups);
	xa_init(&gs->paths);
	INIT_LIST_HEAD(&gs->poll);
	vmesh_leaving_init(&gs->leaving);
	atomic_set(&gs->cookie, get_random_u32());
}

void vmesh_groups_free(struct vmesh *m)
{
	xa_destroy(&m->groups.groups);
	vmesh_paths_free(m);
}

/* The group named @id, with a reference, or NULL. Any context. */
static struct vmesh_group *vmesh_group_find(struct vmesh *m, u32 id)
{
	struct vmesh_group *g;

	rcu_read_lock();
	g = xa_load(&m->groups.groups, id);
	if (g && !kref_get_unless_zero(&g->ref))
		g = NULL;
	rcu_read_unlock();
	return g;
}

static void vmesh_groups_walk_ids(struct vmesh *m, unsigned long first, unsigned long last,
				  void (*fn)(struct vmesh_group *g, void *ctx), void *ctx)
{
	struct vmesh_group *g;
	unsigned long id;

	rcu_read_lock();
	xa_for_each_range(&m->groups.groups, id, g, first, last) {
		if (!kref_get_unless_zero(&g->ref))
			continue;
		spin_lock_bh(&g->lock);
		if (!g->dead)
			fn(g, ctx);
		spin_unlock_bh(&g->lock);
		vmesh_group_put(g);
	}
	rcu_read_unlock();
}

void vmesh_groups_walk(struct vmesh *m, void (*fn)(struct vmesh_group *g, void *ctx), void *ctx)
{
	vmesh_groups_walk_ids(m, 0, U32_MAX, fn, ctx);
}

void vmesh_groups_abort(struct vmesh *m)
{
	struct vmesh_group *g;
	unsigned long id;

	xa_for_each(&m->groups.groups, id, g) {
		g = vmesh_group_find(m, id);
		if (!g)
			continue;
		vmesh_group_end(g, -ENODEV);
		vmesh_group_put(g);
	}
	vmesh_leaving_abort(&m->groups.leaving);
}

void vmesh_group_walk_ops(struct vmesh_group *g,
			  void (*fn)(struct vmesh_group *g, struct vmesh_op *op, void *ctx),
			  void *ctx)
{
	struct vmesh_op *op;

	list_for_each_entry(op, &g->ops, list)
		fn(g, op, ctx);
}

/* Why the broker's word means that @rank's node is not the one that joined. RCU. */
static u8 vmesh_member_gone(struct vmesh_group *g, const struct vmesh_rank *rank)
{
	struct vmesh_peer *peer = vmesh_peer_find(&g->m->peers, rank->node);
	u32 incarnation;

	if (!peer)
		return VIRTMESH_REASON_ABSENT;
	incarnation = READ_ONCE(peer->incarnation);
	/* It came back and we have yet to be told: what we know is of the life before. */
	if (vmesh_seq_before(incarnation, rank->incarnation))
		return VIRTMESH_REASON_NONE;
	switch (READ_ONCE(peer->state)) {
	case VM_NODE_ABSENT:
		return VIRTMESH_REASON_ABSENT;
	case VM_NODE_DOWN:
		return VIRTMESH_REASON_DOWN;
	default:
		return incarnation == rank->incarnation ? VIRTMESH_REASON_NONE :
							  VIRTMESH_REASON_FENCED;
	}
}

void vmesh_members_check(struct vmesh_group *g)
{
	u8 reason;
	u16 r;

	if (g->state != VIRTMESH_GROUP_FORMED)
		return;
	vmesh_for_each_rank(r, vmesh_others(g) & ~g->lost) {
		rcu_read_lock();
		reason = vmesh_member_gone(g, &g->ranks[r]);
		rcu_read_unlock();
		if (reason != VIRTMESH_REASON_NONE)
			vmesh_rank_lost(g, r, reason);
	}
}

static void vmesh_members_changed(struct vmesh_group *g, void *ctx)
{
	vmesh_members_check(g);
}

void vmesh_groups_members(struct vmesh *m)
{
	vmesh_groups_walk(m, vmesh_members_changed, NULL);
}

int vmesh_rank_of(const struct vmesh_group *g, u16 node)
{
	u16 r;

	for (r = 0; r < g->count; r++)
		if (g->ranks[r].node == node)
			return r;
	return -1;
}

/* How far the sender is with our frames: false when it does not say. */
static bool vmesh_heard_of_us(const struct vmesh_group *g, const struct vmesh_data *data,
			      u32 cum[VM_FLOWS])
{
	/* One entry is for its only receiver, as many as there are ranks for each. */
	if (data->heard == 1)
		vmesh_parse_heard(data, 0, cum);
	else if (data->heard == g->count)
		vmesh_parse_heard(data, g->rank, cum);
	else
		return false;
	return true;
}

static bool vmesh_group_data(struct vmesh_group *g, u16 r, const struct vmesh_msg *msg,
			     const struct vmesh_data *data, const struct vmesh_frame *frame)
{
	u64 now = vmesh_now();
	u32 cum[VM_FLOWS];
	bool heard, taken;
	u8 kind;

	if (data->cookie != g->ranks[r].cookie || !g->ranks[r].confirmed || g->fencing ||
	    (g->state != VIRTMESH_GROUP_FORMING && g->state != VIRTMESH_GROUP_FORMED)) {
		vmesh_count(&g->m->dev, rx_fenced);
		return false;
	}
	g->ranks[r].heard_ns = now;
	heard = vmesh_heard_of_us(g, data, cum); /* the page may be gone when it is placed */
	taken = vmesh_place_data(g, r, msg->seq, data, frame, now);
	if (g->state == VIRTMESH_GROUP_FORMED) {
		for (kind = 0; heard && kind < VM_FLOWS; kind++)
			vmesh_acked(g, r, kind, cum[kind], NULL, now);
		vmesh_pump(g, now);
		if (unlikely(g->lost))
			vmesh_lost_check(g); /* it may have been the last that was owed */
	}
	return taken;
}

static void vmesh_group_ack(struct vmesh_group *g, u16 r, const struct vmesh_msg *msg,
			    const struct vmesh_ack *ack)
{
	struct vmesh_rank *rank = &g->ranks[r];
	u64 now = vmesh_now();
	u8 kind;

	if (ack->cookie != rank->cookie || ack->peer_cookie != g->cookie || !rank->confirmed ||
	    g->state != VIRTMESH_GROUP_FORMED) {
		vmesh_count(&g->m->dev, rx_fenced);
		return;
	}
	rank->heard_ns = now;
	if (vmesh_seq_before(rank->ack_seen, msg->seq)) {
		rank->ack_seen = msg->seq;
		memcpy(rank->window, ack->window, sizeof(rank->window));
		WRITE_ONCE(rank->path->window, vmesh_allowed(rank));
	}
	for (kind = 0; kind < VM_FLOWS; kind++)
		vmesh_acked(g, r, kind, ack->flow[kind].cum, ack->flow[kind].beyond, now);
	if (ack->flags & VM_ACK_ANSWER)
		vmesh_probed(g, r, now);
	if (ack->flags & VM_ACK_PROBE)
		vmesh_ack_send(g, r, VM_ACK_ANSWER);
	if (!g->fencing)
		vmesh_pump(g, now);
	if (unlikely(g->lost))
		vmesh_lost_check(g);
}

bool vmesh_groups_input(struct vmesh *m, u16 node, bool all, const struct vmesh_msg *msg,
			const struct vmesh_frame *frame)
{
	union {
		struct vmesh_group_msg msg;
		struct vmesh_data data;
		struct vmesh_ack ack;
	} in;
	struct vmesh_group *g;
	bool taken = false;
	int err, r;

	switch (msg->type) {
	case VM_F_DATA:
		err = vmesh_parse_data(msg->payload, msg->len, &in.data);
		break;
	case VM_F_ACK:
		err = vmesh_parse_ack(msg->payload, msg->len, &in.ack);
		break;
	default:
		err = vmesh_parse_group(msg->payload, msg->len, &in.msg);
	}
	/* Only data are said to everybody. */
	if (err || (all && msg->type != VM_F_DATA)) {
		vmesh_count(&m->dev, rx_malformed);
		return false;
	}
	if (msg->type == VM_F_GROUP && in.msg.verb == VM_GROUP_LEAVE &&
	    vmesh_leave_input(m, node, &in.msg))
		return false;
	/* All three begin with the group. */
	g = vmesh_group_find(m, in.msg.group);
	if (!g) {
		vmesh_count(&m->dev, rx_no_group);
		return false;
	}
	r = vmesh_rank_of(g, node);
	spin_lock(&g->lock);
	if (r < 0 || g->dead) {
		vmesh_count(&m->dev, rx_no_group);
	} else {
		switch (msg->type) {
		case VM_F_DATA:
			taken = vmesh_group_data(g, r, msg, &in.data, frame);
			break;
		case VM_F_ACK:
			vmesh_group_ack(g, r, msg, &in.ack);
			break;
		default:
			vmesh_form_input(g, r, msg->incarnation, &in.msg);
		}
	}
	spin_unlock(&g->lock);
	vmesh_group_put(g);
	return taken;
}

static void vmesh_pump_blocked(struct vmesh_group *g, void *ctx)
{
	bool *first = ctx;

	if (!g->blocked)
		return;
	if (*first)
		WRITE_ONCE(g->m->groups.room_last, g->id);
	*first = false;
	vmesh_pump(g, vmesh_now());
}

void vmesh_groups_polled(struct vmesh *m)
{
	struct vmesh_group *g;

	/* Only this poll adds to the list. */
	while (!list_empty(&m->groups.poll)) {
		g = list_first_entry(&m->groups.poll, struct vmesh_group, poll);
		list_del_init(&g->poll);
		spin_lock(&g->lock);
		if (!g->dead)
			vmesh_ack_poll(g);
		spin_unlock(&g->lock);
		vmesh_group_put(g);
	}
}

void vmesh_groups_room(struct vmesh *m)
{
	bool first = true;
	u32 last;

	if (!READ_ONCE(m->groups.blocked))
		return;
	WRITE_ONCE(m->groups.blocked, false);
	/* The first may take all there is: it is another each time. */
	last = READ_ONCE(m->groups.room_last);
	vmesh_groups_walk_ids(m, (unsigned long)last + 1, U32_MAX, vmesh_pump_blocked, &first);
	vmesh_groups_walk_ids(m, 0, last, vmesh_pump_blocked, &first);
}
