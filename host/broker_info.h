/* SPDX-License-Identifier: GPL-2.0-only */
/* Is there a broker, and does it do its work? A connection alone says neither. */
#ifndef VIRTMESH_HOST_BROKER_INFO_H
#define VIRTMESH_HOST_BROKER_INFO_H

#include <virtmesh/ctl.h>

/*
 * Ask the broker for @info, waiting VM_BROKER_WAIT_MS for it. 0; -ENOTCONN when none
 * runs; -ETIMEDOUT when it does not answer; -EACCES, -EPROTO, -errno. Silent.
 */
int vm_broker_info(struct vm_ctl_info *info);

#endif /* VIRTMESH_HOST_BROKER_INFO_H */
