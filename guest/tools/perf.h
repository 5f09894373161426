/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mesh perf: what is measured, between its command line (perf.c) and its
 * measurements (measure.c).
 */
#ifndef VIRTMESH_MESH_PERF_H
#define VIRTMESH_MESH_PERF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../lib/virtmesh.h"

/* Of one rank in microseconds, or of all: then of their means, least, greatest .. */
struct perf_latency {
	double avg;
	double min;
	double max;
	double p50; /* .. and of the rank that has the longest */
	double p99;
};

struct perf {
	struct vmesh *mesh;
	struct vmesh_group *group;
	unsigned int rank;
	unsigned int ranks;
	uint64_t timeout_ns;
	/* Buffers for the greatest size: what goes out, what comes in, and for results. */
	struct vmesh_buf *out;
	struct vmesh_buf *in;
	struct vmesh_buf *results;
	uint64_t *ns; /* one for each iteration */
	uint64_t clock_ns; /* perf_clock_ns(), which is no part of any of them */
	bool corrupt; /* a payload was not what it had to be */
};

struct perf_bench {
	const char *name;
	bool sized; /* false: carries no data */
	size_t unit; /* bytes of an element: a size is a multiple of it */
	/* Parts of `size` bytes that `in` and `out` must have room for. */
	unsigned int (*parts)(const struct perf *p, size_t size);
	/*
	 * So many iterations of `size` bytes: 0 or -errno. *latency of this rank
	 * (avg 0: it measures nothing), *bytes_per_us where something else than the
	 * latency tells it, else 0.
	 */
	int (*measure)(struct perf *p, size_t size, unsigned int iterations,
		       struct perf_latency *latency, double *bytes_per_us);
	/* Bytes that one rank receives in an iteration, or has in the end. */
	size_t (*carried)(const struct perf *p, size_t size);
};

/* NULL: there is none of that name. */
const struct perf_bench *perf_bench(const char *name);

/*
 * What lies between two readings of the clock with nothing between them, ns: next to
 * nothing where it is read without a system call, as much as a message elsewhere.
 */
uint64_t perf_clock_ns(void);

/* What latencies of @n iterations make; sorts @ns. */
void perf_latency(uint64_t *ns, unsigned int n, struct perf_latency *latency);

#endif /* VIRTMESH_MESH_PERF_H */
