/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is left of root's power once everything is set up.
 */
#ifndef VIRTMESH_BROKER_SANDBOX_H
#define VIRTMESH_BROKER_SANDBOX_H

#include "../host/calls.h"

/*
 * Drop all capabilities but CAP_NET_ADMIN, for good, and every system call that no file declares:
 * such a call ends the process with SIGSYS. Returns 0 or -errno, logged.
 */
int sandbox_enter(void);

#endif /* VIRTMESH_BROKER_SANDBOX_H */
