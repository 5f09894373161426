// SPDX-License-Identifier: GPL-2.0-only
/*
 * mesh stats: what the transport did towards each peer since the driver was bound.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <json-c/json.h>

#include "device.h"
#include "mesh.h"

/*
 * The round trip that @percent of all do not pass, out of the histogram: within its
 * bucket as if they lay evenly. 0 when there were none.
 */
static double percentile_us(const struct virtmesh_stats *s, double percent)
{
	double want, below = 0, total = 0;

	for (int b = 0; b < VIRTMESH_LATENCY_BUCKETS; b++)
		total += (double)s->latency[b];
	want = total * percent / 100;
	for (int b = 0; b < VIRTMESH_LATENCY_BUCKETS && total > 0; b++) {
		double n = (double)s->latency[b], low = (double)(1ULL << b);

		if (n > 0 && below + n >= want)
			return low * (1 + (want - below) / n) / 1000;
		below += n;
	}
	return 0;
}

static struct json_object *to_json(const struct virtmesh_stats *s)
{
	struct json_object *o = json_object_new_object(), *h = json_object_new_array();
	struct json_object *l = json_object_new_object();
	const struct {
		const char *name;
		__u64 value;
	} counters[] = {
		{ "frames_sent", s->frames_sent }, { "frames_received", s->frames_received },
		{ "bytes_sent", s->bytes_sent },   { "bytes_received", s->bytes_received },
		{ "retransmits", s->retransmits }, { "timeouts", s->timeouts },
		{ "duplicates", s->duplicates },   { "credit_stalls", s->credit_stalls },
	};

	json_object_object_add(o, "node", json_object_new_int(s->node));
	json_object_object_add(o, "window", json_object_new_int(s->window));
	json_object_object_add(o, "pending", json_object_new_int64(s->pending));
	json_object_object_add(o, "rtt_us", json_object_new_double((double)s->rtt_ns / 1000));
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		json_object_object_add(o, counters[i].name,
				       json_object_new_uint64(counters[i].value));
	json_object_object_add(l, "p50", json_object_new_double(percentile_us(s, 50)));
	json_object_object_add(l, "p99", json_object_new_double(percentile_us(s, 99)));
	/* Bucket b counts from 2^b ns on. */
	for (int b = 0; b < VIRTMESH_LATENCY_BUCKETS; b++)
		json_object_array_add(h, json_object_new_uint64(s->latency[b]));
	json_object_object_add(l, "histogram", h);
	json_object_object_add(o, "latency_us", l);
	return o;
}

static void print_text(const struct virtmesh_stats *s)
{
	printf("%5u %7u %7u %12" PRIu64 " %12" PRIu64 " %14" PRIu64 " %14" PRIu64 " %8" PRIu64
	       " %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %9.1f %9.1f\n",
	       s->node, s->window, s->pending, (uint64_t)s->frames_sent,
	       (uint64_t)s->frames_received, (uint64_t)s->bytes_sent, (uint64_t)s->bytes_received,
	       (uint64_t)s->retransmits, (uint64_t)s->timeouts, (uint64_t)s->duplicates,
	       (uint64_t)s->credit_stalls, percentile_us(s, 50), percentile_us(s, 99));
}

static int each(int fd, const struct mesh_args *args, const struct virtmesh_peer *peers, int n)
{
	struct json_object *list;
	struct virtmesh_info self;
	int told = 0;

	if (ioctl(fd, VIRTMESH_IOC_INFO, &self))
		return -errno;
	list = args->json ? json_object_new_array() : NULL;
	if (!args->json)
		printf("%5s %7s %7s %12s %12s %14s %14s %8s %8s %8s %8s %9s %9s\n", "node",
		       "window", "pending", "sent", "received", "bytes-sent", "bytes-received",
		       "resent", "timeouts", "doubles", "stalls", "p50-us", "p99-us");
	for (int i = 0; i < n; i++) {
		struct virtmesh_stats s = { .node = peers[i].node };

		if (s.node == self.node || (args->node && args->node != s.node))
			continue;
		if (ioctl(fd, VIRTMESH_IOC_STATS, &s)) {
			/* It has just been removed. */
			if (errno == EHOSTUNREACH)
				continue;
			json_object_put(list);
			return -errno;
		}
		if (list)
			json_object_array_add(list, to_json(&s));
		else
			print_text(&s);
		told++;
	}
	if (list) {
		puts(json_object_to_json_string_ext(list, JSON_C_TO_STRING_PLAIN));
		json_object_put(list);
	}
	return args->node && !told ? -EHOSTUNREACH : 0;
}

int mesh_stats(const struct mesh_args *args)
{
	struct virtmesh_peer *peers;
	int fd, n, err;

	fd = mesh_open(args->device);
	if (fd < 0)
		return -fd;
	n = mesh_get_peers(fd, &peers, NULL);
	if (n < 0) {
		close(fd);
		return mesh_fail(-n, args->device);
	}
	err = each(fd, args, peers, n);
	free(peers);
	close(fd);
	return err ? mesh_fail(-err, "stats") : MESH_OK;
}
