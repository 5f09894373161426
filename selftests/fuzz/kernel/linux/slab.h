/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory of exactly the size asked for, which fails when the input says so. See ../memory.c. */
#ifndef VIRTMESH_FUZZ_LINUX_SLAB_H
#define VIRTMESH_FUZZ_LINUX_SLAB_H

#include <linux/types.h>
#include <linux/kernel.h>

#define GFP_ATOMIC	   0u
#define GFP_KERNEL	   1u /* may sleep */
#define GFP_KERNEL_ACCOUNT GFP_KERNEL
#define __GFP_NOWARN	   0u

void *kmalloc(size_t size, gfp_t gfp);
void *kzalloc(size_t size, gfp_t gfp);
void *kcalloc(size_t n, size_t size, gfp_t gfp);
void *kvcalloc(size_t n, size_t size, gfp_t gfp);
void kfree(const void *at);
void kvfree(const void *at);

/* The pages that one frame came in. */
struct page {
	u8 *data;
	unsigned int order;
	struct list_head list; /* of those the driver has */
};

void __free_pages(struct page *page, unsigned int order);

#endif /* VIRTMESH_FUZZ_LINUX_SLAB_H */
