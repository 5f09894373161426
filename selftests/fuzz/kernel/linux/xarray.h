/* SPDX-License-Identifier: GPL-2.0-only */
/* Pointers by index: as a list in order, which is enough for the few there are. */
#ifndef VIRTMESH_FUZZ_LINUX_XARRAY_H
#define VIRTMESH_FUZZ_LINUX_XARRAY_H

#include <linux/types.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

struct xarray {
	spinlock_t lock;
	struct fake_slot *first;
};

struct xa_limit {
	u32 max, min;
};

#define XA_FLAGS_ALLOC1	    1
#define XA_LIMIT(low, high) ((struct xa_limit){ .min = (low), .max = (high) })

void xa_init(struct xarray *xa);
static inline void xa_init_flags(struct xarray *xa, gfp_t flags)
{
	xa_init(xa);
}

void xa_destroy(struct xarray *xa);
#define xa_lock(xa)   spin_lock(&(xa)->lock)
#define xa_unlock(xa) spin_unlock(&(xa)->lock)

void *xa_load(struct xarray *xa, unsigned long index);
void *xa_store(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp);
void *xa_erase(struct xarray *xa, unsigned long index);
void *xa_cmpxchg(struct xarray *xa, unsigned long index, void *old, void *entry, gfp_t gfp);
int xa_insert(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp);
int xa_alloc_cyclic(struct xarray *xa, u32 *id, void *entry, struct xa_limit limit, u32 *next,
		    gfp_t gfp);
#define xa_is_err(entry) IS_ERR(entry)
#define xa_err(entry)	 (IS_ERR(entry) ? (int)PTR_ERR(entry) : 0)

/* The first from *@index on, which becomes its own; NULL: none. */
void *fake_xa_from(struct xarray *xa, unsigned long *index);

#define xa_for_each_range(xa, index, entry, low, high)                                         \
	for (index = (low); (entry = fake_xa_from(xa, &(index))) != NULL && (index) <= (high); \
	     (index)++)
#define xa_for_each(xa, index, entry) xa_for_each_range(xa, index, entry, 0, ULONG_MAX)

#endif /* VIRTMESH_FUZZ_LINUX_XARRAY_H */
