// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * MEMBERS comes as a snapshot in one or more frames, or as a change from one
 * epoch to the next. A snapshot is gathered aside until all its entries have
 * come, in whatever order, and then replaces the membership at once: nobody
 * sees half of it. A change is applied when it starts where we are. Anything
 * else makes us ask for a snapshot, which is always a correct answer; so losing,
 * repeating or reordering these frames costs time only.
 */
#include <linux/bitmap.h>
#include <linux/slab.h>

#include "mesh.h"
#include "parse.h"

void vmesh_stage_drop(struct vmesh_stage *stage)
{
	kvfree(stage->entries);
	stage->entries = NULL;
}

static int vmesh_stage_begin(struct vmesh_stage *stage, const struct vmesh_members *members)
{
	vmesh_stage_drop(stage);
	stage->entries = kvcalloc(members->total, sizeof(*stage->entries), GFP_KERNEL);
	if (!stage->entries)
		return -EAGAIN;
	stage->epoch = members->epoch;
	stage->total = members->total;
	stage->have = 0;
	bitmap_zero(stage->seen, VM_NODE_MAX);
	return 0;
}

static int vmesh_snapshot(struct vmesh *m, const struct vmesh_members *members)
{
	struct vmesh_stage *stage = &m->join.stage;
	unsigned int i, at;
	int err;

	/* One without entries cannot be: we are in it. */
	if (!members->count)
		return -EAGAIN;
	if (!stage->entries || stage->epoch != members->epoch || stage->total != members->total) {
		err = vmesh_stage_begin(stage, members);
		if (err)
			return err;
	}
	for (i = 0; i < members->count; i++) {
		at = members->first + i; /* below total, which is at most VM_NODE_MAX */
		if (vmesh_parse_member(members, i, &stage->entries[at])) {
			vmesh_count(&m->dev, rx_malformed);
			vmesh_stage_drop(stage);
			return -EAGAIN;
		}
		if (!__test_and_set_bit(at, stage->seen))
			stage->have++;
	}
	if (stage->have < stage->total)
		return 0;

	err = vmesh_peers_replace(&m->peers, stage->entries, stage->total);
	vmesh_stage_drop(stage);
	if (err)
		return -EAGAIN;
	WRITE_ONCE(m->join.epoch, members->epoch);
	vmesh_count(&m->dev, snapshots);
	return 1;
}

static int vmesh_change(struct vmesh *m, const struct vmesh_members *members)
{
	struct vmesh_member entry;
	unsigned int i;

	if (members->epoch == m->join.epoch)
		return 0; /* had it */
	if (members->prev_epoch != m->join.epoch || members->first ||
	    members->count != members->total)
		return -EAGAIN;
	/* All or nothing: look before the first is applied. */
	for (i = 0; i < members->count; i++) {
		if (vmesh_parse_member(members, i, &entry)) {
			vmesh_count(&m->dev, rx_malformed);
			return -EAGAIN;
		}
	}
	for (i = 0; i < members->count; i++) {
		if (vmesh_parse_member(members, i, &entry) || vmesh_peer_apply(&m->peers, &entry))
			return -EAGAIN;
	}
	WRITE_ONCE(m->join.epoch, members->epoch);
	vmesh_count(&m->dev, changes);
	return 1;
}

int vmesh_members_take(struct vmesh *m, const struct vmesh_members *members)
{
	return members->prev_epoch ? vmesh_change(m, members) : vmesh_snapshot(m, members);
}
