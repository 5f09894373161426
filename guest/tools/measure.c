// SPDX-License-Identifier: GPL-2.0-only
/*
 * The measurements of mesh perf, in the manner of the OSU micro-benchmarks. Every
 * payload is new in every iteration and compared when it has come, outside of what
 * is timed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "perf.h"

#define WARM_UP	     5
#define WINDOW	     64 /* messages on their way in a measurement of bandwidth */
#define WINDOW_BYTES (16U << 20)
#define WINDOWS	     8 /* of them, one after the other */
#define CLOCK_READS  101
#define TAG_PING     1
#define TAG_FLOOD    2

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

uint64_t perf_clock_ns(void)
{
	uint64_t ns[CLOCK_READS], start = now_ns();

	for (unsigned int i = 0; i < CLOCK_READS; i++) {
		uint64_t now = now_ns();

		ns[i] = now - start;
		start = now;
	}
	qsort(ns, CLOCK_READS, sizeof(*ns), ascending);
	return ns[CLOCK_READS / 2];
}

/* Without what the two readings of the clock take. */
static uint64_t since(const struct perf *p, uint64_t start)
{
	uint64_t took = now_ns() - start;

	return took > p->clock_ns ? took - p->clock_ns : 1;
}

/* The finalizer of splitmix64: any two words that differ in a bit differ in half of theirs. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static uint64_t seed(unsigned int iteration, unsigned int rank)
{
	return mix((uint64_t)iteration << 32 | (rank + 1));
}

static void fill(void *to, size_t len, uint64_t from)
{
	unsigned char *p = to;

	for (size_t at = 0; at < len; at += sizeof(uint64_t)) {
		uint64_t word = mix(from + at);

		memcpy(p + at, &word, len - at < sizeof(word) ? len - at : sizeof(word));
	}
}

static void compare(struct perf *p, const void *got, size_t len, uint64_t from)
{
	const unsigned char *g = got;

	for (size_t at = 0; at < len; at += sizeof(uint64_t)) {
		uint64_t word = mix(from + at);

		if (memcmp(g + at, &word, len - at < sizeof(word) ? len - at : sizeof(word)))
			p->corrupt = true;
	}
}

void perf_latency(uint64_t *ns, unsigned int n, struct perf_latency *latency)
{
	double sum = 0;

	qsort(ns, n, sizeof(*ns), ascending);
	for (unsigned int i = 0; i < n; i++)
		sum += (double)ns[i];
	latency->avg = sum / n / 1000;
	latency->min = (double)ns[0] / 1000;
	latency->max = (double)ns[n - 1] / 1000;
	/* Nearest rank. */
	latency->p50 = (double)ns[(n * 50ULL + 99) / 100 - 1] / 1000;
	latency->p99 = (double)ns[(n * 99ULL + 99) / 100 - 1] / 1000;
}

/*
 * Rank 0 sends to rank 1, which sends the same bytes back: half a round trip is
 * what one way takes, and rank 0 compares for both.
 */
static int ping(struct perf *p, size_t size, unsigned int iterations)
{
	void *out = vmesh_buf_addr(p->out), *in = vmesh_buf_addr(p->in);
	unsigned int all = iterations + WARM_UP;
	int err = 0;

	for (unsigned int i = 0; p->rank == 0 && i < all; i++) {
		uint64_t start;

		fill(out, size, seed(i, 0));
		start = now_ns();
		err = vmesh_sendrecv(p->group, 1, out, size, 1, in, size, TAG_PING, p->timeout_ns);
		if (err < 0)
			return err;
		if (i >= WARM_UP)
			p->ns[i - WARM_UP] = since(p, start) / 2;
		if ((size_t)err != size)
			p->corrupt = true;
		compare(p, in, size, seed(i, 0));
	}
	if (p->rank == 0)
		return 0;

	err = vmesh_recv(p->group, 0, TAG_PING, in, size, p->timeout_ns);
	for (unsigned int i = 1; err >= 0 && i < all; i++) {
		/* What came goes back while the next comes: the two buffers take turns. */
		void *back = i & 1 ? in : out, *next = i & 1 ? out : in;

		err = vmesh_sendrecv(p->group, 0, back, size, 0, next, size, TAG_PING,
				     p->timeout_ns);
	}
	if (err < 0)
		return err;
	return vmesh_send(p->group, 0, TAG_PING, all & 1 ? in : out, size, p->timeout_ns);
}

static unsigned int window(size_t size)
{
	size_t n = WINDOW_BYTES / size;

	return n < 1 ? 1 : n > WINDOW ? WINDOW : (unsigned int)n;
}

/* Rank 0 waits for a byte of rank 1. */
static int hear(struct perf *p, const void *out, void *in)
{
	return p->rank == 0 ? vmesh_recv(p->group, 1, TAG_FLOOD, in, 1, p->timeout_ns) :
			      vmesh_send(p->group, 0, TAG_FLOOD, out, 1, p->timeout_ns);
}

/* Windows of messages from rank 0 to rank 1, each asked for and answered by one byte. */
static int flood(struct perf *p, size_t size, double *bytes_per_us)
{
	struct vmesh_req *reqs[WINDOW];
	unsigned int n = window(size);
	char *out = vmesh_buf_addr(p->out), *in = vmesh_buf_addr(p->in);
	uint64_t start, took = 0;
	int err = 0;

	for (unsigned int w = 0; w < WINDOWS; w++) {
		for (unsigned int i = 0; i < n && p->rank == 0; i++)
			fill(out + i * size, size, seed(w, i + 1));
		/* Who receives may have compared for longer than we have written. */
		err = hear(p, out, in);
		if (err < 0)
			return err;
		start = now_ns();
		for (unsigned int i = 0; i < n; i++) {
			err = p->rank == 0 ? vmesh_isend(p->group, 1, TAG_FLOOD, out + i * size,
							 size, p->timeout_ns, &reqs[i]) :
					     vmesh_irecv(p->group, 0, TAG_FLOOD, in + i * size,
							 size, p->timeout_ns, &reqs[i]);
			if (err < 0) {
				vmesh_wait_all(reqs, i);
				return err;
			}
		}
		err = vmesh_wait_all(reqs, n);
		if (err >= 0)
			err = hear(p, out, in);
		if (err < 0)
			return err;
		/* The first warms up. */
		if (w)
			took += since(p, start);
		for (unsigned int i = 0; i < n && p->rank == 1; i++)
			compare(p, in + i * size, size, seed(w, i + 1));
	}
	*bytes_per_us = (double)(WINDOWS - 1) * n * (double)size * 1000 / (double)took;
	return 0;
}

static int send_measure(struct perf *p, size_t size, unsigned int iterations,
			struct perf_latency *latency, double *bytes_per_us)
{
	int err;

	/* Only the first two ranks take part. */
	if (p->rank > 1)
		return 0;
	err = ping(p, size, iterations);
	if (!err && p->rank == 0)
		perf_latency(p->ns, iterations, latency);
	return err ? err : flood(p, size, bytes_per_us);
}

static unsigned int send_parts(const struct perf *p, size_t size)
{
	return window(size);
}

/* One collective, from when all are ready for it. */
typedef int collective_fn(struct perf *p, size_t size, unsigned int iteration);
typedef void prepare_fn(struct perf *p, size_t size, unsigned int iteration);

static int collective(struct perf *p, size_t size, unsigned int iterations, prepare_fn *prepare,
		      collective_fn *run, prepare_fn *check, struct perf_latency *latency)
{
	for (unsigned int i = 0; i < iterations + WARM_UP; i++) {
		uint64_t start;
		int err;

		prepare(p, size, i);
		err = vmesh_barrier(p->group, p->timeout_ns);
		if (err)
			return err;
		start = now_ns();
		err = run(p, size, i);
		if (err)
			return err;
		if (i >= WARM_UP)
			p->ns[i - WARM_UP] = since(p, start);
		check(p, size, i);
	}
	perf_latency(p->ns, iterations, latency);
	return 0;
}

static void nothing(struct perf *p, size_t size, unsigned int iteration)
{
}

/* The root is another one each time. */
static void bcast_prepare(struct perf *p, size_t size, unsigned int i)
{
	if (i % p->ranks == p->rank)
		fill(vmesh_buf_addr(p->in), size, seed(i, p->rank));
	else
		memset(vmesh_buf_addr(p->in), 0, size);
}

static int bcast_run(struct perf *p, size_t size, unsigned int i)
{
	return vmesh_bcast(p->group, i % p->ranks, vmesh_buf_addr(p->in), size, p->timeout_ns);
}

static void bcast_check(struct perf *p, size_t size, unsigned int i)
{
	compare(p, vmesh_buf_addr(p->in), size, seed(i, i % p->ranks));
}

static int bcast_measure(struct perf *p, size_t size, unsigned int iterations,
			 struct perf_latency *latency, double *bytes_per_us)
{
	return collective(p, size, iterations, bcast_prepare, bcast_run, bcast_check, latency);
}

static void allgather_prepare(struct perf *p, size_t size, unsigned int i)
{
	fill(vmesh_buf_addr(p->out), size, seed(i, p->rank));
	memset(vmesh_buf_addr(p->in), 0, size * p->ranks);
}

static int allgather_run(struct perf *p, size_t size, unsigned int i)
{
	return vmesh_allgather(p->group, vmesh_buf_addr(p->out), vmesh_buf_addr(p->in), size,
			       p->timeout_ns);
}

static void allgather_check(struct perf *p, size_t size, unsigned int i)
{
	for (unsigned int r = 0; r < p->ranks; r++)
		compare(p, (char *)vmesh_buf_addr(p->in) + r * size, size, seed(i, r));
}

static int allgather_measure(struct perf *p, size_t size, unsigned int iterations,
			     struct perf_latency *latency, double *bytes_per_us)
{
	return collective(p, size, iterations, allgather_prepare, allgather_run, allgather_check,
			  latency);
}

/* Small integers, whose sum is exact in any order. */
static float element(unsigned int iteration, unsigned int rank, size_t at)
{
	return (float)((iteration + rank * 7 + at) % 1000);
}

static void allreduce_prepare(struct perf *p, size_t size, unsigned int i)
{
	float *out = vmesh_buf_addr(p->out);

	for (size_t at = 0; at < size / sizeof(*out); at++)
		out[at] = element(i, p->rank, at);
	memset(vmesh_buf_addr(p->in), 0, size);
}

static int allreduce_run(struct perf *p, size_t size, unsigned int i)
{
	return vmesh_allreduce(p->group, vmesh_buf_addr(p->out), vmesh_buf_addr(p->in),
			       size / sizeof(float), VMESH_F32, VMESH_SUM, 0, p->timeout_ns);
}

static void allreduce_check(struct perf *p, size_t size, unsigned int i)
{
	const float *in = vmesh_buf_addr(p->in);

	for (size_t at = 0; at < size / sizeof(*in); at++) {
		float want = 0;

		for (unsigned int r = 0; r < p->ranks; r++)
			want += element(i, r, at);
		if (in[at] < want || in[at] > want)
			p->corrupt = true;
	}
}

static int allreduce_measure(struct perf *p, size_t size, unsigned int iterations,
			     struct perf_latency *latency, double *bytes_per_us)
{
	return collective(p, size, iterations, allreduce_prepare, allreduce_run, allreduce_check,
			  latency);
}

static int barrier_run(struct perf *p, size_t size, unsigned int i)
{
	return vmesh_barrier(p->group, p->timeout_ns);
}

static int barrier_measure(struct perf *p, size_t size, unsigned int iterations,
			   struct perf_latency *latency, double *bytes_per_us)
{
	return collective(p, size, iterations, nothing, barrier_run, nothing, latency);
}

static unsigned int one_part(const struct perf *p, size_t size)
{
	return 1;
}

static unsigned int part_of_each(const struct perf *p, size_t size)
{
	return p->ranks;
}

static size_t one_size(const struct perf *p, size_t size)
{
	return size;
}

static size_t size_of_others(const struct perf *p, size_t size)
{
	return size * (p->ranks - 1);
}

const struct perf_bench *perf_bench(const char *name)
{
	static const struct perf_bench benches[] = {
		/* keep sorted */
		{ "allgather", true, 1, part_of_each, allgather_measure, size_of_others },
		{ "allreduce", true, sizeof(float), one_part, allreduce_measure, one_size },
		{ "barrier", false, 1, one_part, barrier_measure, one_size },
		{ "bcast", true, 1, one_part, bcast_measure, one_size },
		{ "send", true, 1, send_parts, send_measure, one_size },
	};

	for (size_t i = 0; i < sizeof(benches) / sizeof(benches[0]); i++)
		if (!strcmp(benches[i].name, name))
			return &benches[i];
	return NULL;
}
