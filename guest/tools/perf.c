// SPDX-License-Identifier: GPL-2.0-only
/*
 * mesh perf: an operation's latency and bandwidth, by size. One such program runs
 * on each node, by mesh run or by hand; rank 0 prints what all of them measured.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include <virtmesh/types.h>

#include "device.h"
#include "mesh.h"
#include "perf.h"

#define SIZES_MAX  64
#define SIZE_LIMIT (1ULL << 30)
#define SMALL	   8192 /* up to here an iteration is short */
#define BUSY_LIMIT 10000

static struct {
	const char *sizes; /* NULL: from one element up to 1M */
	unsigned int iterations; /* 0: by size */
	unsigned int first; /* ranks that take part; 0: all */
	unsigned int timeout_ms;
	unsigned int busy_us;
} opt = { .timeout_ms = 30000 };

static int tell_world(const char *name, const char *value)
{
	return setenv(name, value, 1);
}

int mesh_perf_option(struct mesh_args *args, int letter, const char *value)
{
	unsigned int number;

	switch (letter) {
	case 'b':
		return mesh_number("-b", value, 0, BUSY_LIMIT, &opt.busy_us);
	case 'g':
		return mesh_number("-g", value, 1, VMESH_ID_DERIVED - 1, &number) ||
		       tell_world("VIRTMESH_GROUP", value);
	case 'i':
		return mesh_number("-i", value, 1, 1000000, &opt.iterations);
	case 'N':
		/* What the environment said of another list holds no more. */
		unsetenv("VIRTMESH_RANK");
		unsetenv("VIRTMESH_SIZE");
		return tell_world("VIRTMESH_NODES", value);
	case 'n':
		return mesh_number("-n", value, 1, VMESH_RANKS_MAX, &opt.first);
	case 'r':
		return mesh_number("-r", value, 0, VMESH_RANKS_MAX - 1, &number) ||
		       tell_world("VIRTMESH_RANK", value);
	case 's':
		opt.sizes = value;
		return 0;
	default:
		return mesh_number("-W", value, 1, 3600000, &opt.timeout_ms);
	}
}

/* Bytes: a number, and perhaps K, M or G after it. Where it ends, or NULL. */
static const char *parse_size(const char *text, size_t *size)
{
	static const char units[] = "KMG";
	unsigned long long n;
	unsigned int shift = 0;
	const char *unit;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	unit = *end ? strchr(units, *end) : NULL;
	if (unit) {
		shift = 10 * (unsigned int)(unit - units + 1);
		end++;
	}
	if (text[0] < '0' || text[0] > '9' || errno || !n || n > SIZE_LIMIT >> shift)
		return NULL;
	*size = (size_t)n << shift;
	return end;
}

/* "1,64,4K" and "1-1M", which doubles. How many, or -1. */
static int parse_sizes(const char *text, size_t *sizes)
{
	int n = 0;

	for (;;) {
		size_t size, last;

		text = parse_size(text, &size);
		if (!text)
			return -1;
		last = size;
		if (*text == '-')
			text = parse_size(text + 1, &last);
		if (!text || last < size)
			return -1;
		for (; size <= last; size *= 2) {
			if (n == SIZES_MAX)
				return -1;
			sizes[n++] = size;
		}
		if (!*text)
			return n;
		if (*text++ != ',')
			return -1;
	}
}

/* What is to be measured. How many sizes, or -1 and a line on stderr. */
static int get_sizes(const struct perf_bench *b, size_t *sizes)
{
	char all[32];
	int n;

	snprintf(all, sizeof(all), "%zu-1M", b->unit);
	n = parse_sizes(opt.sizes ? opt.sizes : all, sizes);
	if (n < 0)
		fprintf(stderr,
			"mesh: -s takes sizes from 1 to 1G, as 1,64,4K or 1-1M, not \"%s\"\n",
			opt.sizes);
	for (int i = 0; i < n; i++)
		if (sizes[i] % b->unit) {
			fprintf(stderr,
				"mesh: perf: the elements of %s have %zu bytes each: "
				"-s takes multiples of that, not %zu\n",
				b->name, b->unit, sizes[i]);
			return -1;
		}
	return n;
}

/*
 * With -n only the first ranks are of the world. Returns 0, or -1 when this node
 * is none of them, or -errno.
 */
static int shorten_world(struct vmesh *mesh)
{
	const char *nodes = getenv("VIRTMESH_NODES"), *end = nodes;
	struct vmesh_info info;
	char short_list[VMESH_RANKS_MAX * 6], size[16];
	bool member = false;
	int err;

	if (!nodes || !opt.first)
		return 0;
	err = vmesh_get_info(mesh, &info);
	if (err)
		return err;
	for (unsigned int i = 0; i < opt.first; i++) {
		char *after;

		if (strtoul(end, &after, 10) == info.node)
			member = true;
		end = after;
		if (*end == ',' && i + 1 < opt.first)
			end++;
		else if (i + 1 < opt.first)
			return -EINVAL;
	}
	if ((size_t)(end - nodes) >= sizeof(short_list))
		return -EINVAL;
	memcpy(short_list, nodes, (size_t)(end - nodes));
	short_list[end - nodes] = '\0';
	snprintf(size, sizeof(size), "%u", opt.first);
	if (tell_world("VIRTMESH_NODES", short_list) || tell_world("VIRTMESH_SIZE", size))
		return -ENOMEM;
	return member ? 0 : -1;
}

static unsigned int iterations(size_t size)
{
	if (opt.iterations)
		return opt.iterations;
	return size <= SMALL ? 1000 : size < 1U << 20 ? 100 : 20;
}

/* Rank 0's, out of what every rank has measured. */
static void merge(const struct perf_latency *of, unsigned int ranks, struct perf_latency *all)
{
	unsigned int n = 0;

	*all = (struct perf_latency){ 0 };
	for (unsigned int r = 0; r < ranks; r++) {
		if (!(of[r].avg > 0))
			continue;
		n++;
		all->avg += of[r].avg;
		all->min = n == 1 || of[r].min < all->min ? of[r].min : all->min;
		all->max = of[r].max > all->max ? of[r].max : all->max;
		all->p50 = of[r].p50 > all->p50 ? of[r].p50 : all->p50;
		all->p99 = of[r].p99 > all->p99 ? of[r].p99 : all->p99;
	}
	all->avg /= n ? n : 1;
}

static void head(const struct mesh_args *args, const struct perf *p, const struct perf_bench *b)
{
	if (args->json)
		return;
	printf("# virtmesh %s, %u nodes; without the clock's own %.2f us\n", b->name, p->ranks,
	       (double)p->clock_ns / 1000);
	printf("%-10s %10s %10s %10s %10s %10s %12s %8s\n", b->sized ? "# Size" : "#", "Avg(us)",
	       "Min(us)", "Max(us)", "p50(us)", "p99(us)", b->sized ? "MB/s" : "", "Iters");
}

static void row(const struct mesh_args *args, const struct perf *p, const struct perf_bench *b,
		size_t size, unsigned int n, const struct perf_latency *l, double bytes_per_us)
{
	struct json_object *o, *us;

	if (!args->json) {
		if (b->sized)
			printf("%-10zu %10.2f %10.2f %10.2f %10.2f %10.2f %12.2f %8u\n", size,
			       l->avg, l->min, l->max, l->p50, l->p99, bytes_per_us, n);
		else
			printf("%-10s %10.2f %10.2f %10.2f %10.2f %10.2f %12s %8u\n", "", l->avg,
			       l->min, l->max, l->p50, l->p99, "", n);
		fflush(stdout);
		return;
	}
	o = json_object_new_object();
	us = json_object_new_object();
	json_object_object_add(o, "operation", json_object_new_string(b->name));
	json_object_object_add(o, "nodes", json_object_new_int64(p->ranks));
	if (b->sized)
		json_object_object_add(o, "size", json_object_new_uint64(size));
	json_object_object_add(o, "iterations", json_object_new_int64(n));
	json_object_object_add(us, "avg", json_object_new_double(l->avg));
	json_object_object_add(us, "min", json_object_new_double(l->min));
	json_object_object_add(us, "max", json_object_new_double(l->max));
	json_object_object_add(us, "p50", json_object_new_double(l->p50));
	json_object_object_add(us, "p99", json_object_new_double(l->p99));
	json_object_object_add(o, "clock_us", json_object_new_double((double)p->clock_ns / 1000));
	json_object_object_add(o, "latency_us", us);
	if (b->sized)
		json_object_object_add(o, "megabytes_per_s", json_object_new_double(bytes_per_us));
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	fflush(stdout);
	json_object_put(o);
}

static int one_size(const struct mesh_args *args, struct perf *p, const struct perf_bench *b,
		    size_t size)
{
	struct perf_latency *results = vmesh_buf_addr(p->results);
	struct perf_latency all;
	double bytes_per_us = 0;
	unsigned int n = iterations(size);
	int err;

	/* The first is this rank's own, the others are of all, at the root. */
	memset(results, 0, sizeof(*results));
	err = vmesh_barrier(p->group, p->timeout_ns);
	if (!err)
		err = b->measure(p, size, n, &results[0], &bytes_per_us);
	if (!err)
		err = vmesh_gather(p->group, 0, &results[0], &results[1], sizeof(*results),
				   p->timeout_ns);
	if (err || p->rank)
		return err;
	merge(&results[1], p->ranks, &all);
	if (!(bytes_per_us > 0) && all.avg > 0)
		bytes_per_us = (double)b->carried(p, size) / all.avg;
	row(args, p, b, size, n, &all, bytes_per_us);
	return 0;
}

static int prepare(struct perf *p, const struct perf_bench *b, const size_t *sizes, int n)
{
	size_t room = 0, size;
	unsigned int most = 0;
	int err;

	for (int i = 0; i < n; i++) {
		size = sizes[i] * b->parts(p, sizes[i]);
		room = size > room ? size : room;
		most = iterations(sizes[i]) > most ? iterations(sizes[i]) : most;
	}
	p->ns = calloc(most, sizeof(*p->ns));
	err = p->ns ? vmesh_buf_alloc(p->mesh, room, &p->out) : -ENOMEM;
	if (!err)
		err = vmesh_buf_alloc(p->mesh, room, &p->in);
	if (!err)
		err = vmesh_buf_alloc(p->mesh, (p->ranks + 1) * sizeof(struct perf_latency),
				      &p->results);
	return err;
}

static int fail(const struct perf *p, int err)
{
	fprintf(stderr, "mesh: perf: %s\n", vmesh_strerror(p->group, err));
	switch (err) {
	case -ENODEV:
	case -ENOENT:
		return MESH_NO_DEVICE;
	case -ENOTCONN:
		return MESH_NOT_JOINED;
	default:
		return MESH_FAILED;
	}
}

static int run(const struct mesh_args *args, struct perf *p, const struct perf_bench *b,
	       const size_t *sizes, int n)
{
	int err = shorten_world(p->mesh);

	if (err == -1)
		return MESH_OK;
	if (!err)
		err = vmesh_world(p->mesh, p->timeout_ns, &p->group);
	if (err)
		return fail(p, err);
	p->rank = (unsigned int)vmesh_group_rank(p->group);
	p->ranks = (unsigned int)vmesh_group_size(p->group);
	if (p->ranks < 2) {
		fprintf(stderr, "mesh: perf: one node alone has nobody to talk to\n");
		return MESH_USAGE;
	}
	p->clock_ns = perf_clock_ns();
	err = prepare(p, b, sizes, n);
	if (!err && p->rank == 0)
		head(args, p, b);
	for (int i = 0; !err && i < n; i++)
		err = one_size(args, p, b, sizes[i]);
	if (err)
		return fail(p, err);
	if (p->corrupt) {
		fprintf(stderr, "mesh: perf: rank %u got other bytes than were sent\n", p->rank);
		return MESH_FAILED;
	}
	return MESH_OK;
}

int mesh_perf(const struct mesh_args *args)
{
	const struct perf_bench *bench = args->nwords == 1 ? perf_bench(args->words[0]) : NULL;
	struct perf p = { .timeout_ns = VMESH_MS(opt.timeout_ms) };
	size_t sizes[SIZES_MAX];
	int n, fd, status, err;

	if (!bench) {
		fprintf(stderr, "mesh: perf takes one of send, bcast, allgather, allreduce, "
				"barrier\n");
		return MESH_USAGE;
	}
	n = get_sizes(bench, sizes);
	if (n < 0)
		return MESH_USAGE;
	if (!getenv("VIRTMESH_NODES")) {
		fprintf(stderr, "mesh: perf: which nodes? Start it by mesh run, or give -N\n");
		return MESH_USAGE;
	}
	if (!bench->sized)
		n = 1;
	/* Says better why there is none. */
	fd = mesh_open(args->device);
	if (fd < 0)
		return -fd;
	close(fd);
	err = vmesh_open(&p.mesh, args->device);
	if (!err && opt.busy_us)
		err = vmesh_set_busy_poll(p.mesh, opt.busy_us);
	if (err)
		return fail(&p, err);
	status = run(args, &p, bench, sizes, n);
	free(p.ns);
	vmesh_close(p.mesh);
	return status;
}
