// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reductions over the kernel's all-gather and all-to-all.
 *
 * DIRECT: one all-gather brings everybody everything; each reduces all of it. One
 * round, and each rank's contribution leaves its node once, cloned by the host;
 * but (n - 1) * len bytes come in, and all of them are added up everywhere.
 * SLICED: all-to-all brings rank r the r-th slice of everybody's; it reduces this
 * one, and an all-gather spreads the results. Two rounds, 2 * (n - 1) / n * len
 * bytes in, an n-th of the adding.
 *
 * Both add up each element in the order of ranks, whoever does it, so the result
 * has the same bits. A ring that adds on its way would begin each slice at
 * another rank; so there is none.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "lib.h"

/* A vector is worked on in pieces, so that scratch memory stays small: twice this at most. */
#define PIECE_BYTES (4u << 20)

/*
 * From how many bytes on slices are faster in an all-reduce, by ranks. Measured as
 * the p50 of `mesh perf allreduce` with VIRTMESH_ALGORITHM=direct and =sliced, among
 * 2, 3, 4, 6 and 8 User-Mode Linux guests on two CPUs; with two ranks both bring
 * the same bytes, and the second round is never made good.
 */
static const struct {
	unsigned int ranks; /* up to */
	size_t sliced; /* bytes of one contribution from which on */
} thresholds[] = {
	{ 2, SIZE_MAX },
	{ 3, 512 << 10 },
	{ 4, 192 << 10 },
	{ VMESH_RANKS_MAX, 64 << 10 },
};

/*
 * A reduce-scatter is one round either way: to all at once is a frame less for each
 * rank where all that is sent fits in one, and else a waste.
 */
#define ONE_FRAME 3072 /* bytes; a frame carries some 3200 */

struct reduction {
	struct vmesh_group *group;
	int type;
	int op;
	size_t size; /* of an element */
	unsigned int ranks; /* that are in */
	uint16_t rank[VIRTMESH_RANKS_MAX]; /* these, in order */
	uint64_t deadline_ns; /* CLOCK_MONOTONIC */
};

int vmesh_algorithm_wanted(void)
{
	const char *s = getenv("VIRTMESH_ALGORITHM");

	if (!s || !*s || !strcmp(s, "auto"))
		return 0;
	if (!strcmp(s, "direct"))
		return VMESH_DIRECT;
	return strcmp(s, "sliced") ? -EINVAL : VMESH_SLICED;
}

/* The call's word, the environment's, or what is faster from so many bytes on. */
static bool sliced(const struct reduction *red, unsigned int flags, size_t bytes, size_t from)
{
	unsigned int how = flags ? flags : red->group->mesh->algorithm;

	return how ? how == VMESH_SLICED : bytes >= from;
}

static size_t threshold(const struct reduction *red)
{
	unsigned int i = 0;

	while (thresholds[i].ranks < red->ranks)
		i++;
	return thresholds[i].sliced;
}

/* Several rounds have one deadline. What is left is at least a nanosecond: the
 * kernel says who is missing then.
 */
static uint64_t left_ns(const struct reduction *red)
{
	uint64_t now = now_ns();

	return now < red->deadline_ns ? red->deadline_ns - now : 1;
}

/* A vector of parts * count elements. */
static int begin(struct reduction *red, struct vmesh_group *g, unsigned int parts, size_t count,
		 int type, int op, unsigned int flags, uint64_t timeout_ns)
{
	unsigned int r;

	*red = (struct reduction){ .group = g, .type = type, .op = op };
	red->size = vmesh_type_size(type);
	if (!red->size || op < VMESH_SUM || op > VMESH_AVG || flags > VMESH_SLICED)
		return -EINVAL;
	if (flags == (VMESH_DIRECT | VMESH_SLICED) ||
	    count > VIRTMESH_BUF_MAX_BYTES / red->size / parts)
		return -EINVAL;
	for (r = 0; r < g->size; r++) {
		if (g->members >> r & 1)
			red->rank[red->ranks++] = r;
	}
	red->deadline_ns = now_ns() + deadline_or_default(g, timeout_ns);
	return red->ranks ? 0 : -ENOTCONN;
}

/* Over the members' parts, which lie `stride` bytes apart in the order of ranks. */
static void reduce_parts(const struct reduction *red, const char *parts, size_t stride, void *out,
			 size_t count)
{
	const void *in[VIRTMESH_RANKS_MAX];
	unsigned int i;

	for (i = 0; i < red->ranks; i++)
		in[i] = parts + red->rank[i] * stride;
	vmesh_reduce(out, in, red->ranks, count, red->type, red->op);
}

static int allreduce_direct(const struct reduction *red, const char *in, char *out, size_t count)
{
	size_t bytes = count * red->size;
	void *parts;
	int err;

	err = vmesh_group_scratch(red->group, bytes * red->group->size, &parts);
	if (!err)
		err = vmesh_allgather(red->group, in, parts, bytes, left_ns(red));
	if (!err)
		reduce_parts(red, parts, bytes, out, count);
	return err;
}

/*
 * Slice i of the vector is the i-th member's, but its place in an operation is by
 * rank. These are the same when all ranks are in, and when the slices come out
 * even no copy is needed; else the vector is laid out in scratch memory.
 */
static void lay_out(const struct reduction *red, char *by_rank, char *vector, size_t count,
		    size_t slice, bool back)
{
	unsigned int i;

	for (i = 0; i < red->ranks && i * slice < count; i++) {
		size_t n = count - i * slice < slice ? count - i * slice : slice;
		char *a = by_rank + red->rank[i] * slice * red->size;
		char *b = vector + i * slice * red->size;

		memcpy(back ? b : a, back ? a : b, n * red->size);
	}
}

static int allreduce_sliced(const struct reduction *red, const char *in, char *out, size_t count)
{
	struct vmesh_group *g = red->group;
	size_t slice = (count + red->ranks - 1) / red->ranks;
	size_t bytes = slice * red->size, all = bytes * g->size;
	bool even = slice * g->size == count;
	char *parts, *place;
	void *scratch;
	int err;

	err = vmesh_group_scratch(g, even ? all : 2 * all, &scratch);
	if (err)
		return err;
	parts = scratch;
	place = even ? out : parts + all;
	if (!even)
		lay_out(red, place, (char *)in, count, slice, false);
	err = vmesh_alltoall(g, even ? in : place, parts, bytes, left_ns(red));
	if (err)
		return err;
	reduce_parts(red, parts, bytes, place + g->rank * bytes, slice);
	err = vmesh_allgather(g, NULL, place, bytes, left_ns(red));
	if (!err && !even)
		lay_out(red, place, out, count, slice, true);
	return err;
}

int vmesh_allreduce(struct vmesh_group *g, const void *sbuf, void *rbuf, size_t count, int type,
		    int reduction, unsigned int flags, uint64_t timeout_ns)
{
	const char *in = sbuf ? sbuf : rbuf;
	struct reduction red;
	__u64 offset;
	__u32 handle;
	size_t at, n, piece;
	bool in_slices;
	int err;

	err = begin(&red, g, 1, count, type, reduction, flags, timeout_ns);
	/* Whatever way is taken then, the same is refused. */
	if (!err && in != rbuf && overlap(in, rbuf, count * red.size))
		err = -EINVAL; /* a piece's result would be the next one's contribution */
	if (!err)
		err = vmesh_buf_find(g->mesh, in, count * red.size, &handle, &offset);
	if (!err)
		err = vmesh_buf_find(g->mesh, rbuf, count * red.size, &handle, &offset);
	if (err || !count)
		return err;
	in_slices = sliced(&red, flags, count * red.size, threshold(&red));
	/*
	 * Slices of a whole piece come out even, so that none is laid out; and ranks that
	 * are out, for whom there is room among the parts as well, do not make it more.
	 */
	piece = PIECE_BYTES / red.size / g->size * (in_slices ? red.ranks : 1);
	for (at = 0; at < count && !err; at += n) {
		size_t offs = at * red.size;

		n = count - at < piece ? count - at : piece;
		err = in_slices ? allreduce_sliced(&red, in + offs, (char *)rbuf + offs, n) :
				  allreduce_direct(&red, in + offs, (char *)rbuf + offs, n);
	}
	return err;
}

int vmesh_reduce_scatter(struct vmesh_group *g, const void *sbuf, void *rbuf, size_t count,
			 int type, int reduction, unsigned int flags, uint64_t timeout_ns)
{
	struct reduction red;
	size_t part, all;
	__u64 offset;
	__u32 handle;
	char *parts;
	void *scratch;
	int err;

	err = begin(&red, g, g->size, count, type, reduction, flags, timeout_ns);
	part = count * red.size;
	all = part * g->size;
	/* As above; and to an all-gather no sbuf would mean what scratch memory has. */
	if (!err)
		err = vmesh_buf_find(g->mesh, sbuf, all, &handle, &offset);
	if (!err)
		err = vmesh_buf_find(g->mesh, rbuf, part, &handle, &offset);
	if (err || !count)
		return err;
	if (!sliced(&red, flags, all, ONE_FRAME)) {
		/* In 32 bits the product may not be what it seems. */
		err = all > VIRTMESH_BUF_MAX_BYTES / g->size ?
			      -EINVAL :
			      vmesh_group_scratch(g, all * g->size, &scratch);
		if (!err)
			err = vmesh_allgather(g, sbuf, scratch, all, left_ns(&red));
		parts = (char *)scratch + g->rank * part;
	} else {
		err = vmesh_group_scratch(g, all, &scratch);
		if (!err)
			err = vmesh_alltoall(g, sbuf, scratch, part, left_ns(&red));
		parts = scratch;
		all = part;
	}
	if (!err)
		reduce_parts(&red, parts, all, rbuf, count);
	return err;
}
