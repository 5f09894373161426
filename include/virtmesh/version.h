/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VIRTMESH_VERSION_H
#define VIRTMESH_VERSION_H

/* Of the release. What must match between parts has numbers of its own: VM_*_ABI. */
#define VM_VERSION "0.1.0"

#endif /* VIRTMESH_VERSION_H */
