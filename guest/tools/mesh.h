/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the verbs of the mesh command share.
 */
#ifndef VIRTMESH_MESH_H
#define VIRTMESH_MESH_H

#include <stdbool.h>

#include <linux/types.h>

/* Exit statuses; mesh(1) documents them. */
enum mesh_exit {
	MESH_OK = 0,
	MESH_FAILED = 1, /* no answer, or not all of them; the driver refused */
	MESH_USAGE = 2,
	MESH_NO_DEVICE = 3, /* there is no such device, or it has gone */
	MESH_NOT_JOINED = 4, /* the broker has not let this node in (yet) */
};

#define MESH_DEVICE "/dev/virtmesh0"

struct mesh_args {
	const char *device;
	bool json;
	bool quiet;
	unsigned int node;
	bool all; /* send: not to `node`, to all */
	unsigned int channel;
	unsigned int count; /* 0: without end */
	unsigned int size; /* bytes */
	unsigned int interval_ms;
	unsigned int timeout_ms;
	unsigned int wait_s; /* info: until joined; 0: do not wait */
};

int mesh_info(const struct mesh_args *args);
int mesh_peers(const struct mesh_args *args);
int mesh_ping(const struct mesh_args *args);
int mesh_recv(const struct mesh_args *args);
int mesh_send(const struct mesh_args *args);
int mesh_watch(const struct mesh_args *args);

#endif /* VIRTMESH_MESH_H */
