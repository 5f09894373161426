// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A matrix product that is sharded over the nodes (product.h says of what).
 *
 *	mesh run -n 4 -N 1,2,3,4 -H n1,n2,n3,n4 -L 'ssh %h' -- matrix [-c] [STEPS [N [BATCH]]]
 *
 * Each node holds a slice of W's rows and computes these rows of the next x; an
 * all-gather gives x to everybody for the step after. -c: in the end rank 0 does all
 * steps alone, and compares every bit.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <virtmesh.h>
#include "product.h"

static struct vmesh_group *world;

static int must(int result, const char *what)
{
	if (result < 0) {
		fprintf(stderr, "matrix: %s: %s\n", what, vmesh_strerror(world, result));
		exit(1);
	}
	return result;
}

static float *memory(size_t elements)
{
	float *p = malloc(elements * sizeof(*p));

	if (!p) {
		fprintf(stderr, "matrix: out of memory\n");
		exit(1);
	}
	return p;
}

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* All by itself; true when `result` has the same bits. */
static int same_alone(const float *result, uint32_t steps, uint32_t n, uint32_t batch)
{
	size_t elements = (size_t)n * batch;
	float *w = memory((size_t)n * n), *x = memory(elements), *y = memory(elements), *t;
	int same;

	product_rows(w, 0, n, n);
	product_start(x, n, batch);
	for (; steps; steps--) {
		product_step(y, w, x, n, n, batch);
		t = x;
		x = y;
		y = t;
	}
	same = !memcmp(x, result, elements * sizeof(*x));
	free(w);
	free(x);
	free(y);
	return same;
}

int main(int argc, char **argv)
{
	int check = argc > 1 && !strcmp(argv[1], "-c");
	uint32_t steps = argc > 1 + check ? strtoul(argv[1 + check], NULL, 0) : 1000;
	uint32_t n = argc > 2 + check ? strtoul(argv[2 + check], NULL, 0) : 480;
	uint32_t batch = argc > 3 + check ? strtoul(argv[3 + check], NULL, 0) : 8;
	uint32_t size, rank, rows, step;
	size_t slice, elements;
	struct vmesh_buf *buf;
	struct vmesh *mesh;
	double start, seconds;
	float *x, *y, *w;

	must(vmesh_open(&mesh, NULL), "open");
	must(vmesh_world(mesh, 0, &world), "world");
	size = vmesh_group_size(world);
	rank = vmesh_group_rank(world);
	if (!steps || !n || !batch || n % size) {
		fprintf(stderr, "usage: matrix [-c] [STEPS [N [BATCH]]], N a multiple of %u\n",
			size);
		return 2;
	}
	rows = n / size;
	slice = (size_t)rows * batch;
	elements = slice * size;

	/* x, and this node's part of the next one. */
	must(vmesh_buf_alloc(mesh, (elements + slice) * sizeof(float), &buf), "buffer");
	x = vmesh_buf_addr(buf);
	y = x + elements;
	w = memory((size_t)rows * n);
	product_rows(w, rank * rows, rows, n);
	product_start(x, n, batch);

	must(vmesh_barrier(world, 0), "barrier");
	start = now_s();
	for (step = 0; step < steps; step++) {
		product_step(y, w, x, rows, n, batch);
		must(vmesh_allgather(world, y, x, slice * sizeof(float), 0), "step");
	}
	seconds = now_s() - start;

	if (rank == 0)
		printf("sharded product: %u nodes, %u x %u, batch %u: %u steps, %.0f steps/s", size,
		       n, n, batch, steps, steps / seconds);
	if (rank == 0 && check) {
		if (!same_alone(x, steps, n, batch)) {
			printf(", NOT what one node computes\n");
			return 1;
		}
		printf(", bit for bit what one node computes");
	}
	if (rank == 0)
		printf("\n");
	/* The others wait here while rank 0 checks. */
	must(vmesh_barrier(world, VMESH_S(300)), "barrier");
	vmesh_close(mesh);
	free(w);
	return 0;
}
