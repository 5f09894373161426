// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * An operation is, for each rank, a part to send (or none) and a part to expect
 * (or none). What the kinds differ in is in one function, vmesh_op_plan(); the
 * rest sees parts only. It ends when
 *	all that it expects has come,
 *	all that it sends is in frames, which outlive it, and
 *	where it says so (`awaits`), all receivers have acknowledged these.
 *
 * An operation whose time passes fails alone when it has left no trace: a
 * receive that matched no message, a message of which no frame was made. Any
 * other leaves its group in a state in which the members no longer agree on
 * what comes next, so the group is fenced (form.c).
 */
#include <linux/string.h>

#include "transport.h"

/* The grace of a fence: a twentieth of the time that passed in vain, within bounds. */
#define VMESH_GRACE_MIN_NS (1000 * 1000ULL)
#define VMESH_GRACE_MAX_NS (20 * 1000 * 1000ULL)

static bool vmesh_gathers(u8 kind)
{
	return kind == VIRTMESH_OP_ALLGATHER || kind == VIRTMESH_OP_GATHER ||
	       kind == VIRTMESH_OP_ALLTOALL;
}

static bool vmesh_scatters(u8 kind)
{
	return kind == VIRTMESH_OP_SCATTER || kind == VIRTMESH_OP_ALLTOALL;
}

/* Where the part that comes from @rank begins. */
void *vmesh_op_into(const struct vmesh_op *op, u16 rank)
{
	return op->recv + (vmesh_gathers(op->kind) ? rank * op->len : 0);
}

static void vmesh_part_send(struct vmesh_op *op, struct vmesh_part *part, struct vmesh_flow *flow,
			    const void *data, bool awaits)
{
	part->sends = true;
	part->data = data;
	part->awaits = awaits;
	list_add_tail(&part->list, vmesh_is_message(op) ? &flow->messages : &flow->parts);
}

/* Everybody else gets @op->send, in one frame each where the host can clone it. */
static void vmesh_send_same(struct vmesh_group *g, struct vmesh_op *op, bool awaits)
{
	u16 r;

	if (g->all.ranks) {
		vmesh_part_send(op, &op->all, &g->all, op->send, awaits);
		return;
	}
	vmesh_for_each_rank(r, vmesh_others(g))
		vmesh_part_send(op, &op->part[r], &g->ranks[r].flow, op->send, awaits);
}

/* Everybody else gets his own. */
static void vmesh_send_each(struct vmesh_group *g, struct vmesh_op *op, bool awaits)
{
	u16 i, r;

	/* In the pump's order. */
	for (i = 1; i < g->count; i++) {
		r = (g->rank + i) % g->count;
		if (g->members >> r & 1)
			vmesh_part_send(op, &op->part[r], &g->ranks[r].flow, op->send + r * op->len,
					awaits);
	}
}

static void vmesh_expect(struct vmesh_group *g, struct vmesh_op *op, u64 ranks)
{
	u16 r;

	vmesh_for_each_rank(r, ranks)
		op->part[r].expects = true;
}

static void vmesh_op_plan(struct vmesh_group *g, struct vmesh_op *op)
{
	bool root = op->root == g->rank;
	u16 r;

	op->all = (struct vmesh_part){ .op = op };
	INIT_LIST_HEAD(&op->all.list);
	for (r = 0; r < g->count; r++) {
		op->part[r] = (struct vmesh_part){ .op = op };
		INIT_LIST_HEAD(&op->part[r].list);
	}

	switch (op->kind) {
	case VIRTMESH_OP_SEND:
	case VM_KIND_CONTROL:
		vmesh_part_send(op, &op->part[op->root], &g->ranks[op->root].flow, op->send, true);
		break;
	case VIRTMESH_OP_RECV:
		vmesh_expect(g, op, BIT_ULL(op->root));
		break;
	case VIRTMESH_OP_BCAST:
		if (root)
			vmesh_send_same(g, op, true);
		else
			vmesh_expect(g, op, BIT_ULL(op->root));
		break;
	case VIRTMESH_OP_ALLGATHER:
	case VIRTMESH_OP_BARRIER:
		vmesh_send_same(g, op, false);
		vmesh_expect(g, op, vmesh_others(g));
		break;
	case VIRTMESH_OP_GATHER:
		if (root)
			vmesh_expect(g, op, vmesh_others(g));
		else
			vmesh_part_send(op, &op->part[op->root], &g->ranks[op->root].flow, op->send,
					true);
		break;
	case VIRTMESH_OP_SCATTER:
		if (root)
			vmesh_send_each(g, op, true);
		else
			vmesh_expect(g, op, BIT_ULL(op->root));
		break;
	case VIRTMESH_OP_ALLTOALL:
		vmesh_send_each(g, op, false);
		vmesh_expect(g, op, vmesh_others(g));
		break;
	}
}

/* A rank's part for itself. Without the lock: it may be a gigabyte. */
static void vmesh_op_own_part(const struct vmesh_group *g, const struct vmesh_op *op)
{
	const void *from = op->send + (vmesh_scatters(op->kind) ? g->rank * op->len : 0);
	void *to = vmesh_op_into(op, g->rank);

	switch (op->kind) {
	case VIRTMESH_OP_GATHER:
	case VIRTMESH_OP_SCATTER:
		if (op->root != g->rank)
			return;
		break;
	case VIRTMESH_OP_ALLGATHER:
	case VIRTMESH_OP_ALLTOALL:
		break;
	default:
		return;
	}
	if (op->len && to != from)
		memmove(to, from, op->len);
}

int vmesh_group_ready(const struct vmesh_group *g)
{
	if (READ_ONCE(g->dead))
		return READ_ONCE(g->m->gone) ? -ENODEV : -ECANCELED;
	if (READ_ONCE(g->state) == VIRTMESH_GROUP_FENCED || READ_ONCE(g->fencing))
		return -ESTALE;
	return READ_ONCE(g->state) == VIRTMESH_GROUP_FORMED ? 0 : -ENOTCONN;
}

/* Is there nobody where it goes to, or comes from? */
static bool vmesh_op_excluded(const struct vmesh_group *g, const struct vmesh_op *op)
{
	switch (op->kind) {
	case VIRTMESH_OP_ALLGATHER:
	case VIRTMESH_OP_ALLTOALL:
	case VIRTMESH_OP_BARRIER:
		return false;
	default:
		return !(g->members >> op->root & 1);
	}
}

int vmesh_group_post(struct vmesh_group *g, struct vmesh_op *op)
{
	u64 now = vmesh_now();
	struct vmesh_op *last;
	u32 serial;
	int err;

	err = vmesh_group_ready(g);
	if (err)
		return err;
	vmesh_op_own_part(g, op);

	spin_lock_bh(&g->lock);
	err = vmesh_group_ready(g);
	/* One frame, and a member may take less than we do. */
	if (!err && op->kind == VM_KIND_CONTROL && op->len > g->frame_max - VMESH_CONTROL_HEAD)
		err = -EMSGSIZE;
	if (!err && vmesh_op_excluded(g, op))
		err = -EHOSTUNREACH;
	if (err)
		goto out;
	op->posted_ns = now;
	op->deadline_ns = now + op->timeout_ns;
	op->serial = ++g->posted;
	if (!vmesh_is_message(op))
		g->generation = vmesh_next_number(g->generation);
	op->number = vmesh_is_message(op) ? 0 : g->generation;
	op->acked = 0;
	op->matched = false;
	op->total = op->len;
	list_add_tail(&op->list, &g->ops);
	vmesh_group_at(g, op->deadline_ns);
	vmesh_op_plan(g, op);
	serial = op->serial;
	vmesh_pump(g, vmesh_now()); /* not before what was copied */
	vmesh_place_parked(g);
	/* It may have ended, and then is the poster's again. */
	last = list_empty(&g->ops) ? NULL : list_last_entry(&g->ops, struct vmesh_op, list);
	if (last && last->serial == serial)
		vmesh_op_advance(g, last);
	vmesh_lost_check(g);
out:
	spin_unlock_bh(&g->lock);
	return err;
}

/* Ranks whose doing @op waits for. */
u64 vmesh_op_waits_for(const struct vmesh_group *g, const struct vmesh_op *op)
{
	u64 ranks = 0;
	u16 r;

	vmesh_for_each_rank(r, vmesh_others(g)) {
		const struct vmesh_part *part = &op->part[r];
		bool same = op->all.sends;

		if (part->expects && !part->whole)
			ranks |= BIT_ULL(r);
		if (same ? op->all.awaits || !op->all.framed :
			   part->sends && (part->awaits || !part->framed))
			if (!(op->acked >> r & 1))
				ranks |= BIT_ULL(r);
	}
	return ranks;
}

void vmesh_op_progress(struct vmesh_op *op, u64 *bytes, u64 *missing)
{
	struct vmesh_group *g = op->group;
	bool expects = false;
	u64 got = 0, sent = 0;
	u16 r;

	vmesh_for_each_rank(r, vmesh_others(g)) {
		const struct vmesh_part *part = &op->part[r];

		expects |= part->expects;
		got += part->got;
		if (op->acked >> r & 1)
			sent += op->len;
	}
	*bytes = expects ? got : sent;
	*missing = vmesh_op_waits_for(g, op);
}

void vmesh_op_end(struct vmesh_group *g, struct vmesh_op *op, u64 missing, int result)
{
	u64 waited;
	u16 r;

	vmesh_op_progress(op, &op->bytes, &waited);
	list_del(&op->list);
	list_del(&op->all.list);
	for (r = 0; r < g->count; r++)
		list_del(&op->part[r].list);
	op->missing = missing;
	op->rank = missing ? __ffs64(missing) : 0;
	op->reason = missing ? vmesh_reason(g, op->rank, op->posted_ns) : VIRTMESH_REASON_NONE;
	op->result = result;
	if (!result && op->kind == VIRTMESH_OP_RECV)
		op->result = op->total;
	op->ended_ns = vmesh_now();
	op->done(op);
}

void vmesh_op_advance(struct vmesh_group *g, struct vmesh_op *op)
{
	bool cut = op->kind == VIRTMESH_OP_RECV && op->matched && op->total > op->len;
	u16 r;

	if (op->all.sends && !op->all.framed)
		return;
	for (r = 0; r < g->count; r++)
		if (op->part[r].sends && !op->part[r].framed)
			return;
	if (!vmesh_op_waits_for(g, op))
		vmesh_op_end(g, op, 0, cut ? -EMSGSIZE : 0);
}

void vmesh_ops_end(struct vmesh_group *g, u64 missing, int result)
{
	struct vmesh_op *op, *next;

	list_for_each_entry_safe(op, next, &g->ops, list)
		vmesh_op_end(g, op, missing, result);
}

void vmesh_group_cancel(struct vmesh_group *g)
{
	spin_lock_bh(&g->lock);
	vmesh_ops_end(g, 0, -ECANCELED);
	spin_unlock_bh(&g->lock);
}

/* Has @r acknowledged all of @part, which went out on @flow? */
static bool vmesh_part_acked(struct vmesh_group *g, u16 r, const struct vmesh_part *part, u8 kind)
{
	return part->framed && !vmesh_seq_before(g->ranks[r].cum[kind], part->last);
}

void vmesh_ops_acked(struct vmesh_group *g, u16 r)
{
	struct vmesh_op *op, *next;

	list_for_each_entry_safe(op, next, &g->ops, list) {
		const struct vmesh_part *part = &op->part[r];
		bool all = op->all.sends;

		if (op->acked >> r & 1 || !(all ? op->all.awaits : part->sends && part->awaits))
			continue;
		if (all ? vmesh_part_acked(g, r, &op->all, VM_FLOW_ALL) :
			  vmesh_part_acked(g, r, part, VM_FLOW_ONE)) {
			op->acked |= BIT_ULL(r);
			vmesh_op_advance(g, op);
		}
	}
}

/* Nobody can tell that @op, a message, was ever posted. */
static bool vmesh_op_traceless(const struct vmesh_op *op)
{
	return vmesh_is_message(op) && !op->number;
}

u64 vmesh_ops_tick(struct vmesh_group *g, u64 now)
{
	struct vmesh_op *op, *next;
	u64 due = VMESH_NEVER, grace;

	if (g->fencing)
		return VMESH_NEVER;
	list_for_each_entry_safe(op, next, &g->ops, list) {
		if (op->deadline_ns > now) {
			due = min(due, op->deadline_ns);
		} else if (vmesh_op_traceless(op)) {
			vmesh_op_end(g, op, vmesh_op_waits_for(g, op), -ETIMEDOUT);
		} else {
			grace = clamp_t(u64, op->timeout_ns / 20, VMESH_GRACE_MIN_NS,
					VMESH_GRACE_MAX_NS);
			vmesh_fence_begin(g, op->number, vmesh_op_waits_for(g, op), grace, now);
			return VMESH_NEVER;
		}
	}
	return due;
}
