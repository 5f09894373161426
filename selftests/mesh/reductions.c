// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reductions of libvirtmesh over the real driver, among all ranks of the world and
 * in halves of it. Each rank computes by itself what must come out, in the order of
 * ranks, and compares every bit; selftests/lib says that this arithmetic is right.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../../guest/lib/lib.h"

#define BYTES_MAX (5u << 20)

static struct vmesh *mesh;
static struct vmesh_group *world;
static char *memory, *model[VMESH_RANKS_MAX];

static void must(int err, struct vmesh_group *g, const char *what)
{
	if (err < 0) {
		printf("%s: %s\n", what, vmesh_strerror(g, err));
		exit(1);
	}
}

/* Numbers of every size for floats, and any bits for integers. */
static void element(char *p, int type, unsigned int rank, size_t i)
{
	uint32_t h = (rank + 1) * 2654435761u ^ (uint32_t)i * 2246822519u;
	float f;
	double d;

	h = (h ^ h >> 15) * 3266489917u;
	f = ((int32_t)h >> 8) * (1.0f / (1 << (h & 15)));
	d = f * 1.0000000001;
	switch (type) {
	case VMESH_F32:
		memcpy(p, &f, 4);
		break;
	case VMESH_F64:
		memcpy(p, &d, 8);
		break;
	case VMESH_I64:
		memcpy(p, &h, 4);
		memcpy(p + 4, &h, 4);
		break;
	default:
		/* Of the halves every pattern: infinities and what is no number, too. */
		memcpy(p, &h, vmesh_type_size(type));
	}
}

static void contribution(char *p, int type, unsigned int rank, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		element(p + i * vmesh_type_size(type), type, rank, i);
}

static void same(struct vmesh_group *g, const char *got, const char *want, size_t bytes, int type,
		 int reduction, unsigned int flags, const char *what)
{
	if (!memcmp(got, want, bytes))
		return;
	printf("%s of %d, type %d, reduction %d, flags %u, %zu bytes: wrong\n", what,
	       vmesh_group_size(g), type, reduction, flags, bytes);
	exit(1);
}

static void reduce(struct vmesh_group *g, size_t count, int type, int reduction, unsigned int flags)
{
	unsigned int ranks = vmesh_group_size(g), rank = vmesh_group_rank(g), r;
	size_t size = vmesh_type_size(type), all = count * size, part = count / ranks;
	char *in = memory + 5, *out = memory + BYTES_MAX + 9, *want = model[ranks];
	const void *parts[VMESH_RANKS_MAX];

	for (r = 0; r < ranks; r++) {
		contribution(model[r], type, vmesh_group_node(g, r), count);
		parts[r] = model[r];
	}
	vmesh_reduce(want, parts, ranks, count, type, reduction);
	memcpy(in, model[rank], all);
	memset(out, 0x5a, all);
	must(vmesh_allreduce(g, in, out, count, type, reduction, flags, 0), g, "all-reduce");
	same(g, out, want, all, type, reduction, flags, "all-reduce");
	must(vmesh_allreduce(g, NULL, in, count, type, reduction, flags, 0), g, "all-reduce");
	same(g, in, want, all, type, reduction, flags, "all-reduce in place");
	memcpy(in, model[rank], all);
	must(vmesh_reduce_scatter(g, in, out, part, type, reduction, flags, 0), g,
	     "reduce-scatter");
	same(g, out, want + rank * part * size, part * size, type, reduction, flags,
	     "reduce-scatter");
}

static void every(struct vmesh_group *g)
{
	static const size_t counts[] = { 1, 1031, 20000 };
	int type, reduction;
	unsigned int c, flags;

	for (type = VMESH_F32; type <= VMESH_I64; type++)
		for (reduction = VMESH_SUM; reduction <= VMESH_AVG; reduction++)
			for (c = 0; c < 3; c++)
				for (flags = 0; flags <= VMESH_SLICED; flags++)
					reduce(g, counts[c], type, reduction, flags);
	/* In several pieces. */
	reduce(g, BYTES_MAX / 4, VMESH_F32, VMESH_SUM, VMESH_SLICED);
}

int main(void)
{
	struct vmesh_group *half, *copy;
	struct vmesh_buf *buf;
	int i;

	must(vmesh_open(&mesh, NULL), NULL, "open");
	must(vmesh_world(mesh, 0, &world), NULL, "world");
	must(vmesh_buf_alloc(mesh, 2 * BYTES_MAX + 64, &buf), NULL, "buffer");
	memory = vmesh_buf_addr(buf);
	for (i = 0; i <= vmesh_group_size(world); i++) {
		model[i] = malloc(BYTES_MAX);
		if (!model[i])
			return 1;
	}
	every(world);
	/* Halves, backwards, at the same time on the same nodes' driver. */
	must(vmesh_group_split(world, vmesh_group_rank(world) % 2, -vmesh_group_rank(world), 0,
			       &half),
	     world, "split");
	every(half);
	must(vmesh_group_dup(half, 0, &copy), half, "dup");
	reduce(copy, 100, VMESH_BF16, VMESH_AVG, 0);
	must(vmesh_barrier(copy, 0), copy, "barrier");
	must(vmesh_barrier(world, 0), world, "barrier");
	printf("%s: ok\n", vmesh_version());
	vmesh_close(mesh);
	return 0;
}
