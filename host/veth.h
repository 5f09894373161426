/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Making a veth fit for the mesh.
 *
 * What is redirected into a veth arrives at its peer by NAPI, which the peer has
 * only with GRO on. And the peer's stack must finish its checksums: nobody
 * behind a redirect does.
 */
#ifndef VIRTMESH_HOST_VETH_H
#define VIRTMESH_HOST_VETH_H

#include "link.h"

/*
 * Set the peer of @link up, if it is in this network namespace; tell what to
 * type there if it is not. @mac: the address a node must have there; NULL: no
 * node is. *@changed gets those of VM_PORT_PEER_* that were changed. 0, or
 * -errno explained on stderr (and nothing changed).
 */
int vm_veth_prepare(const struct vm_link *link, const __u8 *mac, __u32 *changed);
/* Undo @changed. 0 as well when the peer has gone, or moved. -errno: silent, try again. */
int vm_veth_restore(const struct vm_link *link, __u32 changed);

#endif /* VIRTMESH_HOST_VETH_H */
