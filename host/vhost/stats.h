/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the mover and the loop have counted, for people and for tests.
 */
#ifndef VIRTMESH_VHOST_STATS_H
#define VIRTMESH_VHOST_STATS_H

struct vm_device;

/* Log it: two lines, "event=stats ..." with name=value pairs. */
void vm_stats_log(const struct vm_device *dev);

#endif /* VIRTMESH_VHOST_STATS_H */
