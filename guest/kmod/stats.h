/* SPDX-License-Identifier: GPL-2.0-only */
/* The transport's numbers, for programs: of one path, and of all. See stats.c. */
#ifndef VMESH_STATS_H
#define VMESH_STATS_H

#include <linux/types.h>

struct virtmesh_stats;
struct vmesh;

/* Process context; errnos are in the uapi header. */
int vmesh_stats(struct vmesh *m, struct virtmesh_stats *arg);

/* Sums over all paths, as lines of ethtool -S: their names, ETH_GSTRING_LEN each. Any context. */
#define VMESH_TOTALS 8
void vmesh_totals_names(u8 *to);
void vmesh_totals(struct vmesh *m, u64 *to);

#endif /* VMESH_STATS_H */
