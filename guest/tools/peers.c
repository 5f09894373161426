// SPDX-License-Identifier: GPL-2.0-only
/*
 * mesh peers: the nodes of the ensemble, this one included.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <json-c/json.h>

#include "device.h"
#include "mesh.h"

static void print_json(const struct virtmesh_peer *peers, int n, __u32 epoch)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();

	for (int i = 0; i < n; i++) {
		const struct virtmesh_peer *p = &peers[i];
		struct json_object *e = json_object_new_object();

		json_object_object_add(e, "node", json_object_new_int(p->node));
		json_object_object_add(e, "state",
				       json_object_new_string(mesh_node_state(p->state)));
		json_object_object_add(e, "incarnation", json_object_new_int64(p->incarnation));
		json_object_object_add(e, "rx_frames", json_object_new_uint64(p->rx_frames));
		json_object_object_add(e, "tx_frames", json_object_new_uint64(p->tx_frames));
		json_object_object_add(e, "stale_frames", json_object_new_uint64(p->stale_frames));
		json_object_array_add(list, e);
	}
	json_object_object_add(o, "epoch", json_object_new_int64(epoch));
	json_object_object_add(o, "peers", list);
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
}

static void print_text(const struct virtmesh_peer *peers, int n, __u32 epoch)
{
	printf("%5s  %-8s %11s %12s %12s %12s\n", "node", "state", "incarnation", "received",
	       "sent", "stale");
	for (int i = 0; i < n; i++)
		printf("%5u  %-8s %11u %12" PRIu64 " %12" PRIu64 " %12" PRIu64 "\n", peers[i].node,
		       mesh_node_state(peers[i].state), peers[i].incarnation,
		       (uint64_t)peers[i].rx_frames, (uint64_t)peers[i].tx_frames,
		       (uint64_t)peers[i].stale_frames);
	printf("epoch %u\n", epoch);
}

int mesh_peers(const struct mesh_args *args)
{
	struct virtmesh_peer *peers;
	__u32 epoch;
	int fd, n;

	fd = mesh_open(args->device);
	if (fd < 0)
		return -fd;
	n = mesh_get_peers(fd, &peers, &epoch);
	close(fd);
	if (n < 0)
		return mesh_fail(-n, args->device);
	if (args->json)
		print_json(peers, n, epoch);
	else
		print_text(peers, n, epoch);
	free(peers);
	return epoch ? MESH_OK : MESH_NOT_JOINED;
}
