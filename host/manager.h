/* SPDX-License-Identifier: GPL-2.0-only */
/* The service manager of a daemon, as sd_notify(3) has it. */
#ifndef VIRTMESH_HOST_MANAGER_H
#define VIRTMESH_HOST_MANAGER_H

/*
 * Its socket, that NOTIFY_SOCKET names: a datagram socket with @flags (SOCK_NONBLOCK
 * or 0), the caller's. -1: there is no manager, or it cannot be reached, which is logged.
 */
int manager_connect(int flags);

#endif /* VIRTMESH_HOST_MANAGER_H */
