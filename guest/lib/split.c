// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Groups made from groups.
 *
 * The members of a new group must call it by one id that none of their nodes has
 * in use already, which no member can know alone. So all members of the old group
 * try an id that they compute alike, tell each other whether it was free, and try
 * the next one together until it was for all.
 */
#include <errno.h>
#include <stdlib.h>
#include "lib.h"

#define ATTEMPTS 16

struct wish {
	int32_t colour;
	int32_t key;
};

/* FNV-1a over four words: the same at all members. */
static uint32_t derive(uint32_t id, uint32_t nth, uint32_t colour, uint32_t attempt)
{
	const uint32_t words[] = { id, nth, colour, attempt };
	uint32_t hash = 2166136261u;
	unsigned int i, shift;

	for (i = 0; i < 4; i++)
		for (shift = 0; shift < 32; shift += 8)
			hash = (hash ^ (words[i] >> shift & 0xff)) * 16777619u;
	return VMESH_ID_DERIVED | hash;
}

/* By key, then by rank: an insertion sort keeps the ranks' order. */
static unsigned int choose(const struct vmesh_group *g, const struct wish *wishes, int32_t colour,
			   uint16_t *nodes)
{
	int32_t keys[VIRTMESH_RANKS_MAX];
	unsigned int count = 0, r, i;

	for (r = 0; r < g->size; r++) {
		if (!(g->members >> r & 1) || wishes[r].colour != colour)
			continue;
		for (i = count++; i && keys[i - 1] > wishes[r].key; i--) {
			keys[i] = keys[i - 1];
			nodes[i] = nodes[i - 1];
		}
		keys[i] = wishes[r].key;
		nodes[i] = g->nodes[r];
	}
	return count;
}

/* Tell the others how it went here: 0 when it went well for all, or an errno of one. */
static int agree(struct vmesh_group *g, uint32_t *status, int mine, uint64_t timeout_ns)
{
	unsigned int r;
	int err;

	status[g->rank] = -mine;
	err = vmesh_allgather(g, NULL, status, sizeof(*status), timeout_ns);
	if (err)
		return err;
	for (r = 0; r < g->size && !err; r++)
		if ((g->members >> r & 1) && status[r])
			err = -(int)status[r];
	return err;
}

int vmesh_group_split(struct vmesh_group *g, int colour, int key, uint64_t timeout_ns,
		      struct vmesh_group **part)
{
	uint16_t nodes[VIRTMESH_RANKS_MAX];
	unsigned int count, attempt;
	struct vmesh_group *new = NULL;
	struct wish *wishes;
	uint32_t *status;
	void *scratch;
	int err;

	*part = NULL;
	if (colour < -1)
		return -EINVAL;
	err = vmesh_group_scratch(g, g->size * (sizeof(*wishes) + sizeof(*status)), &scratch);
	if (err)
		return err;
	wishes = scratch;
	status = (uint32_t *)(wishes + g->size);
	wishes[g->rank] = (struct wish){ .colour = colour, .key = key };
	err = vmesh_allgather(g, NULL, wishes, sizeof(*wishes), timeout_ns);
	if (err)
		return err;
	g->derived++;
	count = colour < 0 ? 0 : choose(g, wishes, colour, nodes);
	for (attempt = 0; attempt < ATTEMPTS; attempt++) {
		uint32_t id = derive(g->id, g->derived, colour, attempt);
		int mine = count ? vmesh_group_make(g->mesh, id, nodes, count, &new) : 0;

		err = agree(g, status, mine, timeout_ns);
		if (!err)
			break;
		if (new)
			vmesh_group_leave(new);
		new = NULL;
		if (err != -EADDRINUSE)
			return err;
	}
	if (err || !new)
		return err;
	new->timeout_ns = g->timeout_ns;
	err = vmesh_group_form(new, timeout_ns, 0);
	if (err) {
		vmesh_group_leave(new);
		return err;
	}
	*part = new;
	return 0;
}

int vmesh_group_dup(struct vmesh_group *g, uint64_t timeout_ns, struct vmesh_group **copy)
{
	return vmesh_group_split(g, 0, 0, timeout_ns, copy);
}
