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
	unsigned int older_ms; /* stuck: an operation that waits for less is not told */
	char **words; /* perf, run: what is no option */
	int nwords;
};

/* A number of a command line. 0, or -1 and a line on stderr, which says @what takes it. */
int mesh_number(const char *what, const char *text, unsigned int min, unsigned int max,
		unsigned int *value);

int mesh_info(const struct mesh_args *args);
int mesh_peers(const struct mesh_args *args);
int mesh_perf(const struct mesh_args *args);
int mesh_perf_option(struct mesh_args *args, int letter, const char *value);
int mesh_ping(const struct mesh_args *args);
int mesh_recv(const struct mesh_args *args);
int mesh_run(const struct mesh_args *args);
int mesh_run_option(struct mesh_args *args, int letter, const char *value);
int mesh_send(const struct mesh_args *args);
int mesh_stats(const struct mesh_args *args);
int mesh_stuck(const struct mesh_args *args);
int mesh_trace(const struct mesh_args *args);
int mesh_watch(const struct mesh_args *args);

#endif /* VIRTMESH_MESH_H */
