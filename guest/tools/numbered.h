/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What mesh send writes at the start of a datagram's data, and mesh recv counts.
 */
#ifndef VIRTMESH_MESH_NUMBERED_H
#define VIRTMESH_MESH_NUMBERED_H

#include <linux/types.h>

struct mesh_numbered {
	__be32 seq; /* from 0 */
	__be32 total; /* how many there will be */
};

#endif /* VIRTMESH_MESH_NUMBERED_H */
