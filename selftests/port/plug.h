/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtmesh-port process of a test: dies with it. In the namespaces of
 * bed_enter(), on a port that the virtmesh command made.
 */
#ifndef VIRTMESH_SELFTESTS_PORT_PLUG_H
#define VIRTMESH_SELFTESTS_PORT_PLUG_H

#include <stdbool.h>
#include <sys/types.h>

struct plug {
	pid_t pid;
	char tap[16];
	char socket[64];
	char log[64]; /* its stderr */
};

/* The lane to be tested: LANE, "kernel" where there is one (selftests/vhost-net); or "own". */
const char *plug_lane(void);
/*
 * Start it for the port @tap as a server of plug->socket, with more options (words
 * separated by blanks, may be ""). It may still be starting: fe_connect() waits.
 */
int plug_start(struct plug *plug, const char *tap, const char *options);
/* Send @sig (0: none) and wait for the end. Its wait status; -ETIMEDOUT: then it is killed. */
int plug_end(struct plug *plug, int sig);
bool plug_runs(const struct plug *plug);
/* The number behind @key in /proc/PID/status, in @base; -1: none. */
long long plug_status(const struct plug *plug, const char *key, int base);
/* How many descriptors it has open. */
int plug_fds(const struct plug *plug);
/* Is there a line with @text in the file @path? */
bool file_has(const char *path, const char *text);
bool plug_log_has(const struct plug *plug, const char *text);
bool plug_log_wait(const struct plug *plug, const char *text); /* within FE_WAIT_MS */
void plug_log_show(const struct plug *plug);

#endif /* VIRTMESH_SELFTESTS_PORT_PLUG_H */
