// SPDX-License-Identifier: GPL-2.0-only
/*
 * mesh info: this node and its place in the mesh.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
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

static void print_json(const struct virtmesh_info *info, const char *device)
{
	struct json_object *o = json_object_new_object();
	char hex[24];

	json_object_object_add(o, "device", json_object_new_string(device));
	json_object_object_add(o, "netdev", json_object_new_string(info->netdev));
	json_object_object_add(o, "state", json_object_new_string(mesh_link_state(info->state)));
	if (info->state == VIRTMESH_LINK_REFUSED)
		json_object_object_add(o, "refusal",
				       json_object_new_string(mesh_refusal(info->refusal)));
	json_object_object_add(o, "ensemble", json_object_new_int(info->ensemble));
	json_object_object_add(o, "node", json_object_new_int(info->node));
	json_object_object_add(o, "incarnation", json_object_new_int64(info->incarnation));
	json_object_object_add(o, "epoch", json_object_new_int64(info->epoch));
	json_object_object_add(o, "members", json_object_new_int64(info->members));
	json_object_object_add(o, "mtu", json_object_new_int(info->mtu));
	json_object_object_add(o, "dgram_max", json_object_new_int(info->dgram_max));
	json_object_object_add(o, "probe_ms", json_object_new_int64(info->probe_ms));
	json_object_object_add(o, "dead_ms", json_object_new_int64(info->dead_ms));
	/* Identities: beyond what JSON's readers keep of a number. */
	snprintf(hex, sizeof(hex), "%016" PRIx64, (uint64_t)info->nonce);
	json_object_object_add(o, "nonce", json_object_new_string(hex));
	snprintf(hex, sizeof(hex), "%016" PRIx64, (uint64_t)info->broker_id);
	json_object_object_add(o, "broker_id", json_object_new_string(hex));
	snprintf(hex, sizeof(hex), "%016" PRIx64, (uint64_t)info->features);
	json_object_object_add(o, "features", json_object_new_string(hex));
	json_object_object_add(o, "abi", json_object_new_int64(info->abi));
	json_object_object_add(o, "version", json_object_new_string(info->version));
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
}

static void print_text(const struct virtmesh_info *info, const char *device)
{
	printf("%s, %s: node %u of ensemble %u\n", device, info->netdev, info->node,
	       info->ensemble);
	if (info->state == VIRTMESH_LINK_REFUSED)
		printf("  state        REFUSED: %s\n", mesh_refusal(info->refusal));
	else
		printf("  state        %s\n", mesh_link_state(info->state));
	printf("  incarnation  %u\n", info->incarnation);
	printf("  epoch        %u, %u members\n", info->epoch, info->members);
	printf("  mtu          %u, datagrams up to %u bytes\n", info->mtu, info->dgram_max);
	printf("  broker       %016" PRIx64 ", probes every %u ms, gives up after %u ms\n",
	       (uint64_t)info->broker_id, info->probe_ms, info->dead_ms);
	printf("  driver       %s, nonce %016" PRIx64 ", features %#" PRIx64 "\n", info->version,
	       (uint64_t)info->nonce, (uint64_t)info->features);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* The broker's silence afterwards does not undo it. */
static bool has_joined(const struct virtmesh_info *info)
{
	return info->state == VIRTMESH_LINK_JOINED || info->state == VIRTMESH_LINK_BROKERLESS;
}

/* Fill @info; with a deadline, not before the node has joined. Returns 0 or -errno. */
static int get_info(int fd, unsigned int wait_s, struct virtmesh_info *info)
{
	int64_t end = now_ms() + wait_s * 1000LL, left;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLPRI };
		struct virtmesh_peer *peers;
		int n;

		if (ioctl(fd, VIRTMESH_IOC_INFO, info))
			return -errno;
		left = end - now_ms();
		if (!wait_s || has_joined(info) || left <= 0)
			return 0;
		/* Joining brings the first membership; asking for it arms the poll again. */
		n = mesh_get_peers(fd, &peers, NULL);
		if (n < 0)
			return n;
		free(peers);
		if (poll(&p, 1, left < 1000 ? (int)left : 1000) < 0 && errno != EINTR)
			return -errno;
		if (p.revents & POLLHUP)
			return -ENODEV;
	}
}

int mesh_info(const struct mesh_args *args)
{
	struct virtmesh_info info;
	int fd = mesh_open(args->device);
	int err;

	if (fd < 0)
		return -fd;
	err = get_info(fd, args->wait_s, &info);
	close(fd);
	if (err)
		return mesh_fail(-err, args->device);
	if (args->json)
		print_json(&info, args->device);
	else
		print_text(&info, args->device);
	return has_joined(&info) ? MESH_OK : MESH_NOT_JOINED;
}
