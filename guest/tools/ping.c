// SPDX-License-Identifier: GPL-2.0-only
/*
 * mesh ping: round trips to a node. The other node's driver answers by itself,
 * so this measures rings, host and wake-ups, and no program over there.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
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

/* Round trips kept for the percentiles: when there are more, of the last so many. */
#define KEEP (1U << 20)

struct tally {
	uint64_t sent;
	uint64_t answered;
	uint64_t corrupt; /* the payload came back changed */
	uint64_t unreachable; /* not a member at that moment */
	uint64_t min;
	uint64_t max;
	uint64_t *rtt;
	size_t room;
};

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	stop = sig;
}

static int keep(struct tally *t, uint64_t rtt)
{
	if (t->answered >= t->room && t->room < KEEP) {
		size_t room = t->room ? t->room * 2 : 256;
		uint64_t *grown = reallocarray(t->rtt, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		t->rtt = grown;
		t->room = room;
	}
	t->rtt[t->answered++ % KEEP] = rtt;
	if (t->answered == 1 || rtt < t->min)
		t->min = rtt;
	if (rtt > t->max)
		t->max = rtt;
	return 0;
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The smallest kept round trip that @percent of them do not pass (nearest rank). */
static double percentile_us(const struct tally *t, unsigned int percent)
{
	size_t n = t->answered < KEEP ? t->answered : KEEP;
	size_t rank = (n * percent + 99) / 100;

	return (double)t->rtt[rank ? rank - 1 : 0] / 1000;
}

static void summary_json(const struct mesh_args *args, const struct tally *t)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "node", json_object_new_int64(args->node));
	json_object_object_add(o, "size", json_object_new_int64(args->size));
	json_object_object_add(o, "sent", json_object_new_uint64(t->sent));
	json_object_object_add(o, "answered", json_object_new_uint64(t->answered));
	json_object_object_add(o, "lost", json_object_new_uint64(t->sent - t->answered));
	json_object_object_add(o, "corrupt", json_object_new_uint64(t->corrupt));
	json_object_object_add(o, "unreachable", json_object_new_uint64(t->unreachable));
	if (t->answered) {
		struct json_object *r = json_object_new_object();

		json_object_object_add(r, "min", json_object_new_double((double)t->min / 1000));
		json_object_object_add(r, "p50", json_object_new_double(percentile_us(t, 50)));
		json_object_object_add(r, "p99", json_object_new_double(percentile_us(t, 99)));
		json_object_object_add(r, "max", json_object_new_double((double)t->max / 1000));
		json_object_object_add(o, "rtt_us", r);
	}
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
}

static void summary_text(const struct mesh_args *args, const struct tally *t)
{
	uint64_t lost = t->sent - t->answered;

	printf("node %u: %" PRIu64 " sent, %" PRIu64 " answered, %" PRIu64 " lost (%.1f %%)\n",
	       args->node, t->sent, t->answered, lost,
	       t->sent ? 100.0 * (double)lost / (double)t->sent : 0.0);
	if (t->corrupt)
		printf("%" PRIu64 " answers came back with another payload\n", t->corrupt);
	if (t->unreachable)
		printf("%" PRIu64 " times it was not a member\n", t->unreachable);
	if (t->answered)
		printf("rtt min/p50/p99/max = %.1f/%.1f/%.1f/%.1f us\n", (double)t->min / 1000,
		       percentile_us(t, 50), percentile_us(t, 99), (double)t->max / 1000);
}

/* One round trip. 0, or the -errno that ends the run. */
static int one(int fd, const struct mesh_args *args, struct tally *t)
{
	struct virtmesh_echo echo = {
		.node = args->node,
		.size = args->size,
		.timeout_ms = args->timeout_ms,
	};
	const char *trouble;
	bool show = !args->quiet && !args->json;

	if (!ioctl(fd, VIRTMESH_IOC_ECHO, &echo)) {
		t->sent++;
		if (show)
			printf("node %u: %u bytes, seq %" PRIu64 ", %.1f us\n", args->node,
			       args->size, t->sent, (double)echo.rtt_ns / 1000);
		return keep(t, echo.rtt_ns);
	}
	switch (errno) {
	case EINTR:
		return 0;
	case ETIMEDOUT:
		trouble = "no answer";
		break;
	case EBADMSG:
		trouble = "the answer's payload differs";
		t->corrupt++;
		break;
	case EHOSTUNREACH:
		trouble = "not a member";
		t->unreachable++;
		break;
	default:
		return -errno;
	}
	t->sent++;
	if (show)
		printf("node %u: seq %" PRIu64 ": %s\n", args->node, t->sent, trouble);
	return 0;
}

int mesh_ping(const struct mesh_args *args)
{
	struct sigaction on_stop = { .sa_handler = on_signal };
	struct timespec pause = {
		.tv_sec = args->interval_ms / 1000,
		.tv_nsec = args->interval_ms % 1000 * 1000000L,
	};
	struct virtmesh_info info;
	struct tally t = { 0 };
	int fd, err = 0;

	fd = mesh_open(args->device);
	if (fd < 0)
		return -fd;
	if (!ioctl(fd, VIRTMESH_IOC_INFO, &info) && args->size > info.dgram_max) {
		fprintf(stderr, "mesh: -s %u: the mesh carries %u bytes at most\n", args->size,
			info.dgram_max);
		close(fd);
		return MESH_USAGE;
	}

	/* Without SA_RESTART: the summary comes at once. */
	sigaction(SIGINT, &on_stop, NULL);
	sigaction(SIGTERM, &on_stop, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (!stop && !err && (!args->count || t.sent < args->count)) {
		if (t.sent && args->interval_ms)
			nanosleep(&pause, NULL);
		if (!stop)
			err = one(fd, args, &t);
	}
	close(fd);

	if (t.answered)
		qsort(t.rtt, t.answered < KEEP ? t.answered : KEEP, sizeof(*t.rtt), ascending);
	if (!err || t.sent) {
		if (args->json)
			summary_json(args, &t);
		else
			summary_text(args, &t);
	}
	free(t.rtt);
	if (err)
		return mesh_fail(-err, "ping");
	return t.sent && t.answered == t.sent ? MESH_OK : MESH_FAILED;
}
