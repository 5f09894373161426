/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The processes of a job, one for each rank: started together, their output led by
 * the rank, ended together.
 */
#ifndef VIRTMESH_MESH_RANKS_H
#define VIRTMESH_MESH_RANKS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct mesh_stream {
	int fd; /* -1: has ended */
	size_t fill;
	char line[4096]; /* a longer one is told in pieces */
};

struct mesh_rank {
	char **argv; /* NULL at the end */
	char **env; /* NAME=VALUE beyond ours; NULL at the end */

	/* ranks.c's */
	pid_t pid; /* 0: not started, or reaped; also its process group */
	int status; /* of an exit, or 128 and the signal's number */
	struct mesh_stream stream[2]; /* stdout, stderr */
};

/*
 * Run all of them to their ends. When one fails, or this process is told to end, the
 * others get SIGTERM, and SIGKILL two seconds later. Returns the exit status of the
 * one that failed first, 0 when none did, or 128 and the number of the signal that
 * this process got.
 */
int mesh_ranks_run(struct mesh_rank *ranks, unsigned int n, bool json);

#endif /* VIRTMESH_MESH_RANKS_H */
