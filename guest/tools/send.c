// SPDX-License-Identifier: GPL-2.0-only
/*
 * mesh send: numbered datagrams to a node or to all of them, for mesh recv to
 * count. Datagrams are not repaired: what is lost, recv tells.
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

#include "device.h"
#include "mesh.h"
#include "numbered.h"

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	stop = sig;
}

/* One datagram, waiting for room in the ring. 0 or -errno. */
static int put(int fd, const void *buf, size_t len)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	while (write(fd, buf, len) < 0) {
		if (stop || (errno != EAGAIN && errno != EINTR))
			return -errno;
		if (poll(&p, 1, 1000) < 0 && errno != EINTR)
			return -errno;
		if (p.revents & (POLLHUP | POLLERR))
			return -ENODEV;
	}
	return 0;
}

static void summary(const struct mesh_args *args, uint32_t sent, double seconds)
{
	struct json_object *o;

	if (!args->json) {
		printf("sent %u datagrams of %u bytes in %.3f s\n", sent, args->size, seconds);
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "sent", json_object_new_int64(sent));
	json_object_object_add(o, "size", json_object_new_int64(args->size));
	json_object_object_add(o, "seconds", json_object_new_double(seconds));
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
}

int mesh_send(const struct mesh_args *args)
{
	struct sigaction on_stop = { .sa_handler = on_signal };
	struct timespec pause = {
		.tv_sec = args->interval_ms / 1000,
		.tv_nsec = args->interval_ms % 1000 * 1000000L,
	};
	size_t len = sizeof(struct virtmesh_dgram) + args->size;
	struct mesh_numbered number = { .total = htonl(args->count) };
	struct virtmesh_dgram head = {
		.node = args->all ? VIRTMESH_NODE_ALL : (__u16)args->node,
		.channel = (__u16)args->channel,
		.len = (__u16)args->size,
	};
	struct timespec start, end;
	uint32_t sent = 0;
	int fd, err = 0;
	char *buf;

	if (args->size < sizeof(number)) {
		fprintf(stderr, "mesh: -s: at least %zu bytes, for the number\n", sizeof(number));
		return MESH_USAGE;
	}
	fd = mesh_open(args->device);
	if (fd < 0)
		return -fd;
	buf = calloc(1, len);
	if (!buf) {
		close(fd);
		return mesh_fail(ENOMEM, "send");
	}
	memcpy(buf, &head, sizeof(head));
	sigaction(SIGINT, &on_stop, NULL);
	sigaction(SIGTERM, &on_stop, NULL);

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (!stop && sent < args->count) {
		number.seq = htonl(sent);
		memcpy(buf + sizeof(head), &number, sizeof(number));
		err = put(fd, buf, len);
		if (err)
			break;
		sent++;
		if (args->interval_ms && sent < args->count)
			nanosleep(&pause, NULL);
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	free(buf);
	close(fd);
	summary(args, sent,
		(double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9);
	if (err && !stop)
		return mesh_fail(-err, "send");
	return sent == args->count ? MESH_OK : MESH_FAILED;
}
