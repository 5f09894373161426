// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * A frame of data says where it belongs: which operation, at which offset. Where
 * that operation is posted the data are copied from the receive page to their
 * place, in whatever order frames come; the flow's window has seen to it that
 * each comes once, so counting bytes is enough to know when a part is whole.
 *
 * A frame that is early (its collective is not posted, its message is not
 * matched) is parked: its page stays out of the ring, and the window that its
 * sender is allowed for its class shrinks by one. A group has a descriptor for each
 * frame that its windows allow; beyond them, for who ignores those or has not heard
 * yet, frames are not taken, and come again. So that who ignores them does not leave the
 * others without, a rank has two whole windows at most.
 *
 * Messages of one rank are matched in their order. The next one goes to the
 * oldest receive posted for its tag; if there is none it counts as unexpected:
 * the ones after it may be matched, and it is when a receive for it is posted.
 */
#include <linux/mm.h>

#include "transport.h"

#define VMESH_PARKED_MAX (VM_CLASSES * VM_WINDOW_MAX) /* of one rank */

enum vmesh_placed {
	VMESH_PLACED, /* or of no use any more: it counts as come */
	VMESH_EARLY, /* to be parked */
	VMESH_WRONG, /* its operation is another one here */
};

static void vmesh_place_in(struct vmesh_group *g, struct vmesh_op *op, u16 r,
			   const struct vmesh_data *data)
{
	struct vmesh_part *part = &op->part[r];
	/* A message may be longer than its receiver's room: the rest is dropped. */
	u64 room = data->offset < op->len ? op->len - data->offset : 0;

	if (data->len && room)
		memcpy(vmesh_op_into(op, r) + data->offset, data->data,
		       min_t(u64, data->len, room));
	part->got += data->len;
	if (part->got >= data->total)
		part->whole = true;
}

static enum vmesh_placed vmesh_place_collective(struct vmesh_group *g, u16 r,
						const struct vmesh_data *data,
						struct vmesh_op **found)
{
	struct vmesh_op *op;

	if (vmesh_seq_before(g->generation, data->number))
		return VMESH_EARLY;
	list_for_each_entry(op, &g->ops, list) {
		if (vmesh_is_message(op) || op->number != data->number)
			continue;
		*found = op;
		if (op->kind != data->kind || op->root != data->root || op->len != data->total ||
		    !op->part[r].expects || op->part[r].whole)
			return VMESH_WRONG;
		vmesh_place_in(g, op, r, data);
		return VMESH_PLACED;
	}
	return VMESH_PLACED;
}

/* The oldest receive from @r that has no message yet and takes @tag. */
static struct vmesh_op *vmesh_match(struct vmesh_group *g, u16 r, u32 tag)
{
	struct vmesh_op *op;

	list_for_each_entry(op, &g->ops, list)
		if (op->kind == VIRTMESH_OP_RECV && !op->matched && op->root == r && op->tag == tag)
			return op;
	return NULL;
}

static void vmesh_bind_message(struct vmesh_op *op, const struct vmesh_data *data)
{
	op->matched = true;
	op->number = data->number;
	op->total = data->total;
}

static enum vmesh_placed vmesh_place_message(struct vmesh_group *g, u16 r,
					     const struct vmesh_data *data, struct vmesh_op **found)
{
	struct vmesh_rank *rank = &g->ranks[r];
	struct vmesh_op *op;

	if (data->number == vmesh_next_number(rank->message_next)) {
		rank->message_next = data->number;
		op = vmesh_match(g, r, data->tag);
		if (op)
			vmesh_bind_message(op, data);
	}
	list_for_each_entry(op, &g->ops, list) {
		if (op->kind != VIRTMESH_OP_RECV || !op->matched || op->root != r ||
		    op->number != data->number)
			continue;
		*found = op;
		if (op->total != data->total)
			return VMESH_WRONG;
		vmesh_place_in(g, op, r, data);
		return VMESH_PLACED;
	}
	return VMESH_EARLY; /* it is still to come to its turn, or unexpected */
}

static enum vmesh_placed vmesh_place(struct vmesh_group *g, u16 r, const struct vmesh_data *data,
				     struct vmesh_op **found)
{
	*found = NULL;
	switch (data->kind) {
	case VM_KIND_CONTROL:
		return VMESH_EARLY; /* until it is taken */
	case VIRTMESH_OP_SEND:
		return vmesh_place_message(g, r, data, found);
	default:
		return vmesh_place_collective(g, r, data, found);
	}
}

/*
 * What a frame is parked before. Messages of one rank lie in their order, so that one
 * look is enough for all whose turn has come. They come in that, but for repairs.
 */
static struct list_head *vmesh_park_before(struct vmesh_group *g, u16 r,
					   const struct vmesh_data *data)
{
	struct vmesh_rank *rank = &g->ranks[r];
	struct list_head *at = &g->parked;
	struct vmesh_parked *p;

	if (data->kind != VIRTMESH_OP_SEND)
		return at;
	if (!rank->parked[VM_CLASS_MESSAGE] || !vmesh_seq_before(data->number, rank->parked_last)) {
		rank->parked_last = data->number;
		return at;
	}
	list_for_each_entry_reverse(p, &g->parked, list) {
		if (p->rank != r || p->data.kind != VIRTMESH_OP_SEND)
			continue;
		if (!vmesh_seq_before(data->number, p->data.number))
			break;
		at = &p->list;
	}
	return at;
}

static void vmesh_park(struct vmesh_group *g, u16 r, const struct vmesh_data *data,
		       const struct vmesh_frame *frame)
{
	struct vmesh_parked *p = list_first_entry(&g->parked_free, struct vmesh_parked, list);

	p->page = frame->page;
	p->order = frame->order;
	p->rank = r;
	p->data = *data;
	list_move_tail(&p->list, vmesh_park_before(g, r, data));
	g->ranks[r].parked[vmesh_class_of(data->kind)]++;
	if (data->kind == VM_KIND_CONTROL)
		wake_up_interruptible_all(&g->wait);
}

static void vmesh_unpark(struct vmesh_group *g, struct vmesh_parked *p)
{
	struct vmesh_rank *rank = &g->ranks[p->rank];

	__free_pages(p->page, p->order);
	list_move(&p->list, &g->parked_free);
	rank->parked[vmesh_class_of(p->data.kind)]--;
}

void vmesh_parked_drop(struct vmesh_group *g, u64 ranks)
{
	struct vmesh_parked *p, *next;

	list_for_each_entry_safe(p, next, &g->parked, list)
		if (ranks >> p->rank & 1)
			vmesh_unpark(g, p);
}

/* A rank did something else than we did: there is no way to go on. */
static void vmesh_mismatch(struct vmesh_group *g, u16 r)
{
	vmesh_count(&g->m->dev, rx_mismatch);
	g->ranks[r].reason = VIRTMESH_REASON_MISMATCH;
	g->lost |= BIT_ULL(r);
}

static bool vmesh_is_matched(struct vmesh_group *g, u16 r, u32 number)
{
	struct vmesh_op *op;

	list_for_each_entry(op, &g->ops, list)
		if (op->matched && op->root == r && op->number == number)
			return true;
	return false;
}

/* The first of the unexpected messages from @r with @tag that no receive has yet. */
static struct vmesh_parked *vmesh_unexpected(struct vmesh_group *g, u16 r, u32 tag)
{
	struct vmesh_parked *p;

	list_for_each_entry(p, &g->parked, list) {
		if (p->rank != r || p->data.kind != VIRTMESH_OP_SEND)
			continue;
		if (vmesh_seq_before(g->ranks[r].message_next, p->data.number))
			break; /* it and all that follow are still to come to their turn */
		if (p->data.tag == tag && !vmesh_is_matched(g, r, p->data.number))
			return p;
	}
	return NULL;
}

static void vmesh_match_parked(struct vmesh_group *g)
{
	struct vmesh_parked *p;
	struct vmesh_op *op;

	list_for_each_entry(op, &g->ops, list) {
		if (op->kind != VIRTMESH_OP_RECV || op->matched ||
		    !vmesh_parked(&g->ranks[op->root]))
			continue;
		p = vmesh_unexpected(g, op->root, op->tag);
		if (p)
			vmesh_bind_message(op, &p->data);
	}
}

/* Look through the parked frames for some that have a place now. */
void vmesh_place_parked(struct vmesh_group *g)
{
	struct vmesh_parked *p, *next;
	struct vmesh_op *op;
	u64 freed[VM_CLASSES] = {};
	unsigned int cls;
	u16 r;

	vmesh_match_parked(g);
	list_for_each_entry_safe(p, next, &g->parked, list) {
		switch (vmesh_place(g, p->rank, &p->data, &op)) {
		case VMESH_EARLY:
			continue;
		case VMESH_WRONG:
			vmesh_mismatch(g, p->rank);
			break;
		case VMESH_PLACED:
			break;
		}
		freed[vmesh_class_of(p->data.kind)] |= BIT_ULL(p->rank);
		vmesh_unpark(g, p);
		if (op)
			vmesh_op_advance(g, op);
	}
	for (cls = 0; cls < VM_CLASSES; cls++)
		vmesh_for_each_rank(r, freed[cls])
			vmesh_ack_freed(g, r, cls);
}

/*
 * Softirq. A frame of data numbered @seq from @r, whose cookie was right. True:
 * its page was taken.
 */
bool vmesh_place_data(struct vmesh_group *g, u16 r, u32 seq, const struct vmesh_data *data,
		      const struct vmesh_frame *frame, u64 now)
{
	struct vmesh_rank *rank = &g->ranks[r];
	struct vmesh_window *seen = &rank->seen[data->flow];
	enum vm_class cls = vmesh_class_of(data->kind);
	u32 turn = rank->message_next;
	struct vmesh_op *op = NULL;
	bool taken = false;

	if (!vmesh_window_wants(seen, seq)) {
		atomic64_inc(&rank->path->duplicates);
		vmesh_ack_data(g, rank, cls, true, false, now);
		return false;
	}
	switch (vmesh_place(g, r, data, &op)) {
	case VMESH_EARLY:
		if (list_empty(&g->parked_free) || vmesh_parked(rank) >= VMESH_PARKED_MAX) {
			/* It did not come: when it does, it is its message's turn again. */
			rank->message_next = turn;
			vmesh_count(&g->m->dev, rx_no_parking);
			return false;
		}
		vmesh_park(g, r, data, frame);
		taken = true;
		break;
	case VMESH_WRONG:
		vmesh_mismatch(g, r);
		break;
	case VMESH_PLACED:
		break;
	}
	vmesh_window_add(seen, seq);
	atomic64_inc(&rank->path->frames_received);
	atomic64_add(data->len, &rank->path->bytes_received);
	vmesh_ack_data(g, rank, cls, vmesh_window_gap(seen), data->flags & VM_DATA_ACK_NOW, now);
	if (op)
		vmesh_op_advance(g, op);
	/* It brought another message to its turn, which may be here already. */
	if (turn != rank->message_next && rank->parked[VM_CLASS_MESSAGE])
		vmesh_place_parked(g);
	vmesh_lost_check(g);
	return taken;
}

/* The next control message, in order of arrival over the ranks; NULL: none. */
static struct vmesh_parked *vmesh_control_first(struct vmesh_group *g)
{
	struct vmesh_parked *p;

	list_for_each_entry(p, &g->parked, list)
		if (p->data.kind == VM_KIND_CONTROL &&
		    p->data.number == vmesh_next_number(g->ranks[p->rank].control_next))
			return p;
	return NULL;
}

/* Why none will come any more; 0: one may. */
static int vmesh_control_over(const struct vmesh_group *g)
{
	return vmesh_group_ready(g) ?: vmesh_alone(g) ? -ESTALE : 0;
}

int vmesh_control_peek(struct vmesh_group *g, void *to, unsigned int room,
		       struct vmesh_control_id *id)
{
	struct vmesh_parked *p;
	int ret;

	spin_lock_bh(&g->lock);
	p = vmesh_control_first(g);
	if (!p) {
		ret = vmesh_control_over(g) ?: -EAGAIN;
	} else if (p->data.len > room) {
		ret = -EMSGSIZE;
	} else {
		memcpy(to, p->data.data, p->data.len);
		ret = p->data.len;
		*id = (struct vmesh_control_id){ g->cookie, p->data.number, p->rank };
	}
	spin_unlock_bh(&g->lock);
	return ret;
}

bool vmesh_control_take(struct vmesh_group *g, const struct vmesh_control_id *id)
{
	struct vmesh_parked *p;
	bool taken = false;

	spin_lock_bh(&g->lock);
	/* The first is the first until it is taken. */
	p = g->cookie == id->cookie ? vmesh_control_first(g) : NULL;
	if (p && p->rank == id->rank && p->data.number == id->number) {
		g->ranks[p->rank].control_next = p->data.number;
		vmesh_unpark(g, p);
		vmesh_ack_freed(g, id->rank, VM_CLASS_MESSAGE);
		taken = true;
	}
	spin_unlock_bh(&g->lock);
	return taken;
}

static bool vmesh_control_ready(struct vmesh_group *g)
{
	bool ready;

	spin_lock_bh(&g->lock);
	ready = vmesh_control_first(g) || vmesh_control_over(g);
	spin_unlock_bh(&g->lock);
	return ready;
}

long vmesh_control_wait(struct vmesh_group *g, long timeout)
{
	spin_lock_bh(&g->lock);
	if (!g->listeners++)
		g->listen_ns = vmesh_now();
	spin_unlock_bh(&g->lock);
	timeout = wait_event_interruptible_timeout(g->wait, vmesh_control_ready(g), timeout);
	spin_lock_bh(&g->lock);
	g->listeners--;
	spin_unlock_bh(&g->lock);
	return timeout;
}

bool vmesh_group_listening(const struct vmesh_group *g, u64 *since_ns)
{
	*since_ns = g->listen_ns;
	return g->listeners;
}
