/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The virtmesh-port of vm1 under a keeper (keeper.c), which keeps its files and starts
 * it again when it was killed: both die with the test. In the namespaces of
 * bed_enter(); one at a time. Runs on plug_lane(). All waits end (FE_WAIT_MS).
 */
#ifndef VIRTMESH_SELFTESTS_PORT_KEPT_H
#define VIRTMESH_SELFTESTS_PORT_KEPT_H

#include <stdbool.h>
#include <sys/types.h>

#define KEPT_SOCK "/run/vm1.sock"

/* The keeper's pid, for kept_end(); -1: there is none. */
pid_t kept_start(void);
/* The same, of the tap and with the options that file @words has each time it is started. */
pid_t kept_start_as(const char *words);
/* SIGTERM. The keeper's wait status; -ETIMEDOUT: then both were killed. */
int kept_end(pid_t keeper);
/* The port's, if it is ready; 0. */
pid_t kept_port(void);
/* The port's when it is ready, and not the one that was @old (0: any). 0: there is none. */
pid_t kept_wait(pid_t old);
/* Have the keeper leave what it is told, and its socket full; or go on. 0 or -errno. */
int kept_deaf(pid_t keeper, bool deaf);
/* The log of all that ran, one after the other. */
bool kept_log_has(const char *text);
void kept_log_show(void);

#endif /* VIRTMESH_SELFTESTS_PORT_KEPT_H */
