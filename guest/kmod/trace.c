// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * An operation is recorded when it ends, in a ring that every group of the node
 * writes to; those still pending are found where they are, in the groups' lists.
 * What ran out of time is also told in the kernel's log, in a line that a person
 * can act on, and then what its group did before: the program may not live to be
 * asked. That is for a work item, since consoles are slow and done() holds a group's
 * lock.
 */
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/uaccess.h>
#include <uapi/linux/virtmesh.h>
#include <virtmesh/frame.h>

#include "group.h"
#include "mesh.h"
#include "op.h"
#include "trace.h"

static_assert(sizeof(struct virtmesh_record) == 64);
static_assert(sizeof(struct virtmesh_trace) == 24);

#define VMESH_TRACE_BEFORE 8 /* operations of a group that are told by themselves */

struct vmesh_traced {
	struct virtmesh_record record;
	u16 blamed; /* node of the lowest missing rank */
	u16 ranks; /* of the group */
};

static const char *vmesh_kind_name(u16 kind)
{
	static const char *const names[VIRTMESH_OPS] = {
		[VIRTMESH_OP_SEND] = "send",	       [VIRTMESH_OP_RECV] = "receive",
		[VIRTMESH_OP_BCAST] = "broadcast",     [VIRTMESH_OP_ALLGATHER] = "all-gather",
		[VIRTMESH_OP_GATHER] = "gather",       [VIRTMESH_OP_SCATTER] = "scatter",
		[VIRTMESH_OP_ALLTOALL] = "all-to-all", [VIRTMESH_OP_BARRIER] = "barrier",
	};

	return kind < VIRTMESH_OPS && names[kind] ? names[kind] : "control message";
}

static const char *vmesh_reason_name(u16 reason)
{
	static const char *const names[VIRTMESH_REASONS] = {
		[VIRTMESH_REASON_NONE] = "was waited for",
		[VIRTMESH_REASON_ABSENT] = "was absent",
		[VIRTMESH_REASON_DOWN] = "was down",
		[VIRTMESH_REASON_STALLED] = "stalled",
		[VIRTMESH_REASON_FENCED] = "was fenced",
		[VIRTMESH_REASON_LEFT] = "had left",
		[VIRTMESH_REASON_SILENT] = "was silent",
		[VIRTMESH_REASON_MISMATCH] = "called something else",
	};

	return names[reason < VIRTMESH_REASONS ? reason : VIRTMESH_REASON_NONE];
}

/* Does this rank only send in it? Then its bytes are those acknowledged. */
static bool vmesh_record_sends(const struct virtmesh_record *r)
{
	switch (r->opcode) {
	case VIRTMESH_OP_BCAST:
	case VIRTMESH_OP_SCATTER:
		return r->rank == r->self;
	case VIRTMESH_OP_GATHER:
		return r->rank != r->self;
	default:
		return r->opcode == VIRTMESH_OP_SEND || r->opcode == VM_KIND_CONTROL;
	}
}

/* Bytes that come from, or go to, the others. */
static u64 vmesh_record_total(const struct virtmesh_record *r, u16 ranks)
{
	switch (r->opcode) {
	case VIRTMESH_OP_ALLGATHER:
	case VIRTMESH_OP_ALLTOALL:
		return r->len * (ranks - 1);
	case VIRTMESH_OP_BCAST:
	case VIRTMESH_OP_GATHER:
	case VIRTMESH_OP_SCATTER:
		return r->rank == r->self ? r->len * (ranks - 1) : r->len;
	default:
		return r->len;
	}
}

static void vmesh_trace_say(const char *name, const struct vmesh_traced *t)
{
	const struct virtmesh_record *r = &t->record;
	unsigned int others = hweight64(r->missing);
	char number[16] = "", more[24] = "";

	if (r->number) /* a receive has none before its message has come */
		snprintf(number, sizeof(number), " %u", r->number);
	if (others > 1)
		snprintf(more, sizeof(more), " and %u more", others - 1);
	pr_notice("%s: %s%s of group %u: node %u%s %s for %llu ms, %llu of %llu bytes %s\n", name,
		  vmesh_kind_name(r->opcode), number, r->group, t->blamed, more,
		  vmesh_reason_name(r->reason), div_u64(r->ended_ns - r->posted_ns, NSEC_PER_MSEC),
		  r->bytes, vmesh_record_total(r, t->ranks),
		  vmesh_record_sends(r) ? "were acknowledged" : "had come");
}

/* The last operations of the same group that ended before the record numbered @at. */
static void vmesh_trace_before(struct vmesh *m, u64 at, u32 group)
{
	struct virtmesh_record last[VMESH_TRACE_BEFORE], *r;
	struct vmesh_trace *t = &m->trace;
	unsigned int n = 0;
	u64 oldest;

	spin_lock_bh(&t->lock);
	oldest = t->next > VIRTMESH_RECORDS ? t->next - VIRTMESH_RECORDS : 0;
	while (at > oldest && n < VMESH_TRACE_BEFORE) {
		r = &t->ring[--at % VIRTMESH_RECORDS].record;
		if (r->group == group)
			last[n++] = *r;
	}
	spin_unlock_bh(&t->lock);
	/* Of several that fail at once, one has all that came before. */
	if (!n || !__ratelimit(&t->dump))
		return;
	while (n--) {
		r = &last[n];
		pr_info("%s: before that, %s %u of group %u: %s (%d) after %llu us, %llu bytes\n",
			m->name, vmesh_kind_name(r->opcode), r->number, group,
			r->result ? "failed" : "done", r->result,
			div_u64(r->ended_ns - r->posted_ns, NSEC_PER_USEC), r->bytes);
	}
}

static void vmesh_trace_work(struct work_struct *work)
{
	struct vmesh_trace *t = container_of(work, struct vmesh_trace, work);
	struct vmesh *m = container_of(t, struct vmesh, trace);
	struct vmesh_traced one;
	u64 at;

	for (;;) {
		spin_lock_bh(&t->lock);
		if (t->next - t->told > VIRTMESH_RECORDS)
			t->told = t->next - VIRTMESH_RECORDS;
		if (t->told == t->next) {
			spin_unlock_bh(&t->lock);
			return;
		}
		at = t->told++;
		one = t->ring[at % VIRTMESH_RECORDS];
		spin_unlock_bh(&t->lock);
		if (one.record.result != -ETIMEDOUT || !__ratelimit(&t->limit))
			continue;
		vmesh_trace_say(m->name, &one);
		vmesh_trace_before(m, at, one.record.group);
	}
}

int vmesh_trace_init(struct vmesh_trace *t)
{
	spin_lock_init(&t->lock);
	INIT_WORK(&t->work, vmesh_trace_work);
	ratelimit_default_init(&t->limit);
	ratelimit_state_init(&t->dump, 5 * HZ, 1);
	ratelimit_set_flags(&t->dump, RATELIMIT_MSG_ON_RELEASE); /* nobody needs to read it */
	t->ring = kvcalloc(VIRTMESH_RECORDS, sizeof(*t->ring), GFP_KERNEL);
	return t->ring ? 0 : -ENOMEM;
}

void vmesh_trace_stop(struct vmesh_trace *t)
{
	cancel_work_sync(&t->work);
}

void vmesh_trace_free(struct vmesh_trace *t)
{
	kvfree(t->ring);
}

void vmesh_record_fill(struct virtmesh_record *r, struct vmesh_op *op)
{
	*r = (struct virtmesh_record){
		.posted_ns = op->posted_ns,
		.ended_ns = op->ended_ns,
		.len = op->len,
		.bytes = op->bytes,
		.missing = op->missing,
		.group = vmesh_group_id(op->group),
		.number = op->number,
		.result = min_t(s64, op->result, 0),
		.opcode = op->kind,
		.reason = op->reason,
		.rank = op->root,
		.self = vmesh_group_rank(op->group),
	};
	r->node = vmesh_group_node(op->group, r->self);
	if (!op->ended_ns)
		vmesh_op_progress(op, &r->bytes, &r->missing);
}

void vmesh_trace_ended(struct vmesh *m, struct vmesh_op *op)
{
	struct vmesh_trace *t = &m->trace;
	struct vmesh_traced *slot;

	spin_lock(&t->lock);
	slot = &t->ring[t->next++ % VIRTMESH_RECORDS];
	vmesh_record_fill(&slot->record, op);
	slot->blamed = vmesh_group_node(op->group, op->rank);
	slot->ranks = vmesh_group_count(op->group);
	spin_unlock(&t->lock);
	if (op->result == -ETIMEDOUT)
		schedule_work(&t->work);
}

struct vmesh_trace_pending {
	struct virtmesh_record *records;
	u32 room, count;
};

static void vmesh_trace_one(struct vmesh_group *g, struct vmesh_op *op, void *ctx)
{
	struct vmesh_trace_pending *p = ctx;

	if (p->count < p->room)
		vmesh_record_fill(&p->records[p->count++], op);
}

static void vmesh_trace_group(struct vmesh_group *g, void *ctx)
{
	vmesh_group_walk_ops(g, vmesh_trace_one, ctx);
}

static int vmesh_trace_older(const void *a, const void *b)
{
	const struct virtmesh_record *x = a, *y = b;

	return x->posted_ns < y->posted_ns ? -1 : x->posted_ns > y->posted_ns;
}

int vmesh_trace_read(struct vmesh *m, struct virtmesh_trace *arg)
{
	u32 room = min_t(u32, arg->count, 2 * VIRTMESH_RECORDS);
	struct vmesh_trace *t = &m->trace;
	struct vmesh_trace_pending p = {};
	struct virtmesh_record *records;
	u64 next = arg->next;
	u32 n = 0;
	int err = 0;

	if (arg->flags)
		return -EINVAL;
	records = kvcalloc(room, sizeof(*records), GFP_KERNEL);
	if (!records)
		return -ENOMEM;

	spin_lock_bh(&t->lock);
	if (next > t->next || t->next - next > VIRTMESH_RECORDS)
		next = t->next - min_t(u64, t->next, VIRTMESH_RECORDS);
	while (n < room && next < t->next)
		records[n++] = t->ring[next++ % VIRTMESH_RECORDS].record;
	spin_unlock_bh(&t->lock);

	p.records = records + n;
	p.room = room - n;
	if (p.room)
		vmesh_groups_walk(m, vmesh_trace_group, &p);
	sort(p.records, p.count, sizeof(*p.records), vmesh_trace_older, NULL);
	n += p.count;

	if (copy_to_user(u64_to_user_ptr(arg->records), records, n * sizeof(*records)))
		err = -EFAULT;
	kvfree(records);
	if (err)
		return err;
	arg->next = next;
	arg->count = n;
	return 0;
}
