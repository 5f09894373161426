/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's path: /dev/vhost-net carries frames between a pair of rings and
 * the tap, and the port sleeps. The lane itself is vm_lane_kernel of device.h.
 */
#ifndef VIRTMESH_VHOST_VHOST_NET_H
#define VIRTMESH_VHOST_VHOST_NET_H

#include "sandbox.h"

#define VM_VHOST_NET "/dev/vhost-net"

extern const struct sandbox_calls vm_vhost_calls;

#endif /* VIRTMESH_VHOST_VHOST_NET_H */
