// SPDX-License-Identifier: GPL-2.0-only
/*
 * mesh recv: count the numbered datagrams of mesh send, by sender. It ends when
 * -c datagrams have come, or when nothing comes for -W milliseconds.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>
#include <virtmesh/types.h>

#include "device.h"
#include "mesh.h"
#include "numbered.h"

struct sender {
	uint64_t received;
	uint32_t total; /* as its datagrams say */
};

struct count {
	struct sender *from; /* by node */
	uint64_t received;
	uint64_t other; /* too short to be numbered */
	uint32_t dropped; /* by the driver, because this program was slow */
	struct timespec first;
	struct timespec last;
};

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	stop = sig;
}

static double seconds(const struct count *c)
{
	return (double)(c->last.tv_sec - c->first.tv_sec) +
	       (double)(c->last.tv_nsec - c->first.tv_nsec) / 1e9;
}

static void take(struct count *c, const char *buf, size_t len)
{
	struct mesh_numbered number;
	struct virtmesh_dgram head;

	memcpy(&head, buf, sizeof(head));
	c->dropped = head.dropped;
	if (len < sizeof(head) + sizeof(number) || head.node > VM_NODE_MAX) {
		c->other++;
		return;
	}
	memcpy(&number, buf + sizeof(head), sizeof(number));
	clock_gettime(CLOCK_MONOTONIC, &c->last);
	if (!c->received++)
		c->first = c->last;
	c->from[head.node].received++;
	c->from[head.node].total = ntohl(number.total);
}

static uint64_t lost(const struct sender *s)
{
	return s->total > s->received ? s->total - s->received : 0;
}

static void summary_json(const struct count *c)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();

	for (unsigned int n = VM_NODE_MIN; n <= VM_NODE_MAX; n++) {
		const struct sender *s = &c->from[n];
		struct json_object *e;

		if (!s->received)
			continue;
		e = json_object_new_object();
		json_object_object_add(e, "node", json_object_new_int64(n));
		json_object_object_add(e, "received", json_object_new_uint64(s->received));
		json_object_object_add(e, "lost", json_object_new_uint64(lost(s)));
		json_object_array_add(list, e);
	}
	json_object_object_add(o, "received", json_object_new_uint64(c->received));
	json_object_object_add(o, "dropped", json_object_new_int64(c->dropped));
	json_object_object_add(o, "other", json_object_new_uint64(c->other));
	json_object_object_add(o, "seconds", json_object_new_double(seconds(c)));
	json_object_object_add(o, "from", list);
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
}

static void summary_text(const struct count *c)
{
	for (unsigned int n = VM_NODE_MIN; n <= VM_NODE_MAX; n++)
		if (c->from[n].received)
			printf("from node %u: %" PRIu64 " received, %" PRIu64 " lost\n", n,
			       c->from[n].received, lost(&c->from[n]));
	printf("%" PRIu64 " datagrams in %.3f s, %u dropped here\n", c->received, seconds(c),
	       c->dropped);
}

/* Until there is no more to wait for. 0 or -errno. */
static int receive(int fd, const struct mesh_args *args, struct count *c)
{
	char buf[sizeof(struct virtmesh_dgram) + VM_MTU_MAX];

	while (!stop && (!args->count || c->received < args->count)) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n = read(fd, buf, sizeof(buf));
		int ready;

		if (n >= (ssize_t)sizeof(struct virtmesh_dgram)) {
			take(c, buf, (size_t)n);
			continue;
		}
		if (n >= 0)
			return -EIO;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		ready = poll(&p, 1, (int)args->timeout_ms);
		if (!ready)
			return 0;
		if (ready < 0 && errno != EINTR)
			return -errno;
		if (p.revents & (POLLHUP | POLLERR))
			return -ENODEV;
	}
	return 0;
}

int mesh_recv(const struct mesh_args *args)
{
	struct sigaction on_stop = { .sa_handler = on_signal };
	struct virtmesh_bind bind = { .channel = (__u16)args->channel };
	struct count c = { 0 };
	uint64_t missing = 0;
	int fd, err;

	fd = mesh_open(args->device);
	if (fd < 0)
		return -fd;
	if (ioctl(fd, VIRTMESH_IOC_BIND, &bind)) {
		err = errno;
		close(fd);
		return mesh_fail(err, "bind");
	}
	c.from = calloc(VM_NODE_MAX + 1, sizeof(*c.from));
	if (!c.from) {
		close(fd);
		return mesh_fail(ENOMEM, "recv");
	}
	sigaction(SIGINT, &on_stop, NULL);
	sigaction(SIGTERM, &on_stop, NULL);
	fprintf(stderr, "mesh: listening on channel %u\n", bind.channel);
	err = receive(fd, args, &c);
	close(fd);
	if (args->json)
		summary_json(&c);
	else
		summary_text(&c);
	for (unsigned int n = VM_NODE_MIN; n <= VM_NODE_MAX; n++)
		missing += lost(&c.from[n]);
	free(c.from);
	if (err)
		return mesh_fail(-err, "recv");
	return missing || c.received < args->count ? MESH_FAILED : MESH_OK;
}
