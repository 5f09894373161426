// SPDX-License-Identifier: GPL-2.0-only
/*
 * mesh trace: the flight recorder of this node's driver: operations in the order
 * they ended, and behind them those that are pending.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "device.h"
#include "mesh.h"

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static struct json_object *ranks_json(__u64 mask)
{
	struct json_object *list = json_object_new_array();

	for (int r = 0; r < VIRTMESH_RANKS_MAX; r++)
		if (mask >> r & 1)
			json_object_array_add(list, json_object_new_int(r));
	return list;
}

static struct json_object *to_json(const struct virtmesh_record *r)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "posted_ns", json_object_new_uint64(r->posted_ns));
	json_object_object_add(o, "ended_ns", json_object_new_uint64(r->ended_ns));
	json_object_object_add(o, "pending", json_object_new_boolean(!r->ended_ns));
	json_object_object_add(o, "node", json_object_new_int(r->node));
	json_object_object_add(o, "group", json_object_new_int64(r->group));
	json_object_object_add(o, "self", json_object_new_int(r->self));
	json_object_object_add(o, "operation", json_object_new_string(mesh_opcode(r->opcode)));
	json_object_object_add(o, "number", json_object_new_int64(r->number));
	json_object_object_add(o, "rank", json_object_new_int(r->rank));
	json_object_object_add(o, "len", json_object_new_uint64(r->len));
	json_object_object_add(o, "bytes", json_object_new_uint64(r->bytes));
	json_object_object_add(o, "result", json_object_new_int(r->result));
	json_object_object_add(o, "reason", json_object_new_string(mesh_reason(r->reason)));
	json_object_object_add(o, "missing", ranks_json(r->missing));
	return o;
}

static void print_text(const struct virtmesh_record *r, uint64_t now)
{
	char outcome[64];

	if (!r->ended_ns)
		snprintf(outcome, sizeof(outcome), "pending");
	else if (r->result < 0)
		snprintf(outcome, sizeof(outcome), "%s (%s)", strerrorname_np(-r->result),
			 mesh_reason(r->reason));
	else
		snprintf(outcome, sizeof(outcome), "done");
	printf("%12.6f %12.1f  %-10s %10u %10u %4u %12" PRIu64 " %12" PRIu64 "  %s",
	       (double)r->posted_ns / 1e9,
	       (double)((r->ended_ns ? r->ended_ns : now) - r->posted_ns) / 1000,
	       mesh_opcode(r->opcode), r->group, r->number, r->rank, (uint64_t)r->len,
	       (uint64_t)r->bytes, outcome);
	if (r->missing) {
		printf(", without rank");
		for (int i = 0; i < VIRTMESH_RANKS_MAX; i++)
			if (r->missing >> i & 1)
				printf(" %d", i);
	}
	putchar('\n');
}

/* Room for all that are remembered, and as many that are pending: one call tells all. */
#define ROOM (2 * VIRTMESH_RECORDS)

int mesh_trace(const struct mesh_args *args)
{
	struct virtmesh_trace t = { .count = ROOM };
	struct virtmesh_record *records;
	struct json_object *list = NULL;
	uint64_t now;
	int fd, err, n, i;

	fd = mesh_open(args->device);
	if (fd < 0)
		return -fd;
	records = calloc(ROOM, sizeof(*records));
	t.records = (__u64)(uintptr_t)records;
	err = !records ? ENOMEM : ioctl(fd, VIRTMESH_IOC_TRACE, &t) ? errno : 0;
	now = now_ns();
	close(fd);
	if (err) {
		free(records);
		return mesh_fail(err, "trace");
	}
	n = (int)t.count;

	if (args->json)
		list = json_object_new_array();
	else
		printf("%12s %12s  %-10s %10s %10s %4s %12s %12s  %s\n", "posted-s", "took-us",
		       "operation", "group", "number", "rank", "length", "bytes", "outcome");
	i = args->count && (unsigned int)n > args->count ? n - (int)args->count : 0;
	for (; i < n; i++) {
		if (list)
			json_object_array_add(list, to_json(&records[i]));
		else
			print_text(&records[i], now);
	}
	if (list) {
		puts(json_object_to_json_string_ext(list, JSON_C_TO_STRING_PLAIN));
		json_object_put(list);
	}
	free(records);
	return MESH_OK;
}
