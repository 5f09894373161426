/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VIRTMESH_FUZZ_LINUX_MM_H
#define VIRTMESH_FUZZ_LINUX_MM_H

#include <linux/slab.h>

#define PAGE_SHIFT 12

/* A guest of 256 MiB. */
static inline unsigned long totalram_pages(void)
{
	return 1UL << 16;
}

struct vm_area_struct {
	unsigned long vm_pgoff, vm_flags;
};

#endif /* VIRTMESH_FUZZ_LINUX_MM_H */
