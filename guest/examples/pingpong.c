// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Ping-pong: how long a message takes to the next node and back.
 *
 *	mesh run -n 2 -N 1,2 -H n1,n2 -L 'ssh %h' -- pingpong [BYTES [ROUNDS]]
 *
 * Rank 0 sends, rank 1 answers; any others wait for them to finish.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <virtmesh.h>

static struct vmesh_group *world;

/* Every call may fail, and then somebody wants to know because of whom. */
static int must(int result, const char *what)
{
	if (result < 0) {
		fprintf(stderr, "pingpong: %s: %s\n", what, vmesh_strerror(world, result));
		exit(1);
	}
	return result;
}

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e6 + ts.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void ping(char *out, char *in, size_t bytes, int rounds)
{
	double *us = calloc(rounds, sizeof(*us));
	int i;

	if (!us)
		exit(1);
	for (i = 0; i < rounds; i++) {
		double start = now_us();

		memset(out, i, bytes);
		/* Send and receive are one system call. */
		must(vmesh_sendrecv(world, 1, out, bytes, 1, in, bytes, 0, 0), "ping");
		us[i] = now_us() - start;
		if (memcmp(in, out, bytes)) {
			fprintf(stderr, "pingpong: round %d came back different\n", i);
			exit(1);
		}
	}
	qsort(us, rounds, sizeof(*us), by_value);
	printf("%zu bytes, %d rounds: p50 %.1f us, p99 %.1f us, min %.1f us\n", bytes, rounds,
	       us[rounds / 2], us[rounds * 99 / 100], us[0]);
	free(us);
}

static void pong(char *buf, size_t bytes, int rounds)
{
	int i;

	must(vmesh_recv(world, 0, 0, buf, bytes, 0), "pong");
	/* The answer goes while the next is waited for, which needs a place of its own. */
	for (i = 1; i < rounds; i++)
		must(vmesh_sendrecv(world, 0, buf + !(i & 1) * bytes, bytes, 0,
				    buf + (i & 1) * bytes, bytes, 0, 0),
		     "pong");
	must(vmesh_send(world, 0, 0, buf + !(rounds & 1) * bytes, bytes, 0), "pong");
}

int main(int argc, char **argv)
{
	size_t bytes = argc > 1 ? strtoul(argv[1], NULL, 0) : 64;
	int rounds = argc > 2 ? atoi(argv[2]) : 1000;
	struct vmesh_buf *buf;
	struct vmesh *mesh;
	char *mem;

	if (!bytes || rounds < 1) {
		fprintf(stderr, "usage: pingpong [BYTES [ROUNDS]]\n");
		return 2;
	}
	must(vmesh_open(&mesh, NULL), "open");
	must(vmesh_world(mesh, 0, &world), "world");
	must(vmesh_buf_alloc(mesh, 2 * bytes, &buf), "buffer");
	mem = vmesh_buf_addr(buf);

	if (vmesh_group_rank(world) == 0 && vmesh_group_size(world) > 1)
		ping(mem, mem + bytes, bytes, rounds);
	else if (vmesh_group_rank(world) == 1)
		pong(mem, bytes, rounds);
	/* Nobody leaves while another still needs it. */
	must(vmesh_barrier(world, 0), "barrier");
	vmesh_close(mesh);
	return 0;
}
