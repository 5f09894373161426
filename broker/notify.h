/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The service manager's readiness protocol, sd_notify(3): datagrams of
 * NAME=VALUE lines to the socket $NOTIFY_SOCKET names. Without one, nothing.
 */
#ifndef VIRTMESH_BROKER_NOTIFY_H
#define VIRTMESH_BROKER_NOTIFY_H

struct sandbox_calls;

/* Connect. Before the sandbox. A broken NOTIFY_SOCKET is logged and ignored. */
void notify_init(void);
/* "READY=1", for which a busy manager is waited for some seconds. */
void notify_ready(void);
/* Anything else: a busy manager misses it. */
void notify(const char *lines);

extern const struct sandbox_calls notify_calls;

#endif /* VIRTMESH_BROKER_NOTIFY_H */
