// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * All-gather, and going on when a node dies.
 *
 *	mesh run -n 4 -N 1,2,3,4 -H n1,n2,n3,n4 -L 'ssh %h' -- allgather [BYTES [ROUNDS]]
 *
 * In each round every rank contributes BYTES that nobody else could have written,
 * and checks what all others contributed. When a round fails, the program says who
 * is missing, forms the group without these, and goes on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <virtmesh.h>

static struct vmesh_group *world;

static int must(int result, const char *what)
{
	if (result < 0) {
		fprintf(stderr, "allgather: %s: %s\n", what, vmesh_strerror(world, result));
		exit(1);
	}
	return result;
}

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void fill(unsigned char *p, size_t bytes, int rank, int round)
{
	size_t i;

	for (i = 0; i < bytes; i++)
		p[i] = rank * 31 + round * 7 + i;
}

/* The chunks of those who take part are what they must be. */
static int right(const unsigned char *all, size_t bytes, unsigned char *want, int round)
{
	uint64_t members = vmesh_group_members(world);
	int rank;

	for (rank = 0; rank < vmesh_group_size(world); rank++) {
		if (!(members >> rank & 1))
			continue;
		fill(want, bytes, rank, round);
		if (memcmp(all + rank * bytes, want, bytes))
			return 0;
	}
	return 1;
}

/*
 * Say who it was, and form the group without. A round may have failed here and not
 * there: all go on with the earliest that failed for anybody. -1: it cannot be done.
 */
static int recover(int error, int32_t *round)
{
	int tries;

	fprintf(stderr, "allgather: round %d: %s\n", *round, vmesh_strerror(world, error));
	/* Another node may die meanwhile; then it is missing, too, the next time. */
	for (tries = 0; tries < 3; tries++)
		if (!vmesh_group_form(world, VMESH_S(5), VMESH_SURVIVORS) &&
		    !vmesh_allreduce(world, NULL, round, 1, VMESH_I32, VMESH_MIN, 0, VMESH_S(2)))
			return *round;
	return -1;
}

int main(int argc, char **argv)
{
	size_t bytes = argc > 1 ? strtoul(argv[1], NULL, 0) : 16384;
	int rounds = argc > 2 ? atoi(argv[2]) : 100;
	struct vmesh_buf *buf;
	unsigned char *all, *want;
	struct vmesh *mesh;
	int round, rank, err;
	int32_t *at;
	double start;

	if (!bytes || rounds < 1) {
		fprintf(stderr, "usage: allgather [BYTES [ROUNDS]]\n");
		return 2;
	}
	must(vmesh_open(&mesh, NULL), "open");
	must(vmesh_world(mesh, 0, &world), "world");
	rank = vmesh_group_rank(world);
	must(vmesh_buf_alloc(mesh, bytes * vmesh_group_size(world) + 64, &buf), "buffer");
	at = vmesh_buf_addr(buf);
	all = (unsigned char *)vmesh_buf_addr(buf) + 64;
	want = malloc(bytes);
	if (!want)
		return 1;

	start = now_s();
	for (round = 0; round < rounds; round++) {
		/* Our chunk is in its place already, so there is nothing else to say. */
		fill(all + rank * bytes, bytes, rank, round);
		err = vmesh_allgather(world, NULL, all, bytes, VMESH_S(2));
		if (err) {
			*at = round;
			round = recover(err, at) - 1;
			if (round < -1)
				return 1;
		} else if (!right(all, bytes, want, round)) {
			fprintf(stderr, "allgather: round %d: wrong data\n", round);
			return 1;
		}
	}
	if (rank == 0)
		printf("%d rounds of %zu bytes among %d: %.1f us a round, all as sent\n", rounds,
		       bytes, __builtin_popcountll(vmesh_group_members(world)),
		       (now_s() - start) * 1e6 / rounds);
	must(vmesh_barrier(world, 0), "barrier");
	vmesh_close(mesh);
	free(want);
	return 0;
}
