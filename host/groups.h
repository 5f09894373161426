/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The inner maps of `groups`: for each ensemble the interfaces a group frame is
 * cloned to. The kernel walks all buckets for each such frame, so a map has the
 * power of two of entries that its members need. Functions return 0 or -errno;
 * on an error the group is as it was.
 */
#ifndef VIRTMESH_HOST_GROUPS_H
#define VIRTMESH_HOST_GROUPS_H

#include "ports.h"
#include "state.h"

/* An empty group. */
int vm_group_make(const struct vm_state *st, __u16 ensemble);
int vm_group_remove(const struct vm_state *st, __u16 ensemble);
/* Put (@slot, @ifindex) in; @ports are the members before it, for growing. */
int vm_group_add(const struct vm_state *st, const struct vm_ports *ports, __u16 ensemble,
		 __u16 slot, __u32 ifindex);
/*
 * Take @slot out; @ports are the members left, for shrinking, which may fail in silence.
 * 0 if it was not in.
 */
int vm_group_del(const struct vm_state *st, const struct vm_ports *ports, __u16 ensemble,
		 __u16 slot);
/* Take out what @ports does not have. */
int vm_group_sweep(const struct vm_state *st, const struct vm_ports *ports, __u16 ensemble);

#endif /* VIRTMESH_HOST_GROUPS_H */
