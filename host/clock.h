/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VIRTMESH_HOST_CLOCK_H
#define VIRTMESH_HOST_CLOCK_H

#include <time.h>

#include <linux/types.h>

/* What @clock shows, in ns. Times in the maps are CLOCK_REALTIME, but for those of programs. */
__u64 vm_clock_ns(clockid_t clock);

#endif /* VIRTMESH_HOST_CLOCK_H */
