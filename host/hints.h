/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The arrays `port_index` and `node_index` (see <virtmesh/maps.h>), kept after
 * the hashes they copy. 0 or -errno.
 */
#ifndef VIRTMESH_HOST_HINTS_H
#define VIRTMESH_HOST_HINTS_H

#include "state.h"

/* After the hash's entry. 0 as well when the place is another's: that costs speed only. */
int vm_hints_add_port(const struct vm_state *st, __u32 ifindex, const struct vm_port *port);
int vm_hints_add_node(const struct vm_state *st, __u32 addr, const struct vm_dest *dest);
/* Before the hash's entry goes, which must stay when this fails. */
int vm_hints_del_port(const struct vm_state *st, __u32 ifindex);
int vm_hints_del_node(const struct vm_state *st, __u32 addr);

#endif /* VIRTMESH_HOST_HINTS_H */
