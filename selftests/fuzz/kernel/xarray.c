// SPDX-License-Identifier: GPL-2.0-only
#include <linux/xarray.h>

#include "fake.h"

struct fake_slot {
	struct fake_slot *next; /* by index */
	unsigned long index;
	void *entry;
};

void xa_init(struct xarray *xa)
{
	spin_lock_init(&xa->lock);
	xa->first = NULL;
}

void xa_destroy(struct xarray *xa)
{
	struct fake_slot *slot;

	while ((slot = xa->first)) {
		xa->first = slot->next;
		kfree(slot);
	}
}

/* Where the slot of @index is pointed to, or would be. */
static struct fake_slot **find(struct xarray *xa, unsigned long index)
{
	struct fake_slot **at = &xa->first;

	while (*at && (*at)->index < index)
		at = &(*at)->next;
	return at;
}

static void *at_index(struct fake_slot *slot, unsigned long index)
{
	return slot && slot->index == index ? slot->entry : NULL;
}

void *xa_load(struct xarray *xa, unsigned long index)
{
	return at_index(*find(xa, index), index);
}

void *fake_xa_from(struct xarray *xa, unsigned long *index)
{
	struct fake_slot *slot = *find(xa, *index);

	if (!slot)
		return NULL;
	*index = slot->index;
	return slot->entry;
}

/* What was there; or an error, and it still is. */
static void *put(struct xarray *xa, unsigned long index, void *entry)
{
	struct fake_slot **at = find(xa, index), *slot = *at;
	void *was = at_index(slot, index);

	if (was && entry) {
		slot->entry = entry;
	} else if (was) {
		*at = slot->next;
		kfree(slot);
	} else if (entry) {
		slot = kmalloc(sizeof(*slot), GFP_ATOMIC);
		if (!slot)
			return ERR_PTR(-ENOMEM);
		*slot = (struct fake_slot){ .next = *at, .index = index, .entry = entry };
		*at = slot;
	}
	return was;
}

void *xa_store(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp)
{
	void *was;

	if (gfp & GFP_KERNEL)
		fake_may_sleep();
	xa_lock(xa);
	was = put(xa, index, entry);
	xa_unlock(xa);
	return was;
}

void *xa_erase(struct xarray *xa, unsigned long index)
{
	return xa_store(xa, index, NULL, GFP_ATOMIC);
}

void *xa_cmpxchg(struct xarray *xa, unsigned long index, void *old, void *entry, gfp_t gfp)
{
	void *was;

	if (gfp & GFP_KERNEL)
		fake_may_sleep();
	xa_lock(xa);
	was = xa_load(xa, index);
	if (was == old)
		was = put(xa, index, entry);
	xa_unlock(xa);
	return was;
}

int xa_insert(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp)
{
	void *was = xa_cmpxchg(xa, index, NULL, entry, gfp);

	return xa_is_err(was) ? xa_err(was) : was ? -EBUSY : 0;
}

int xa_alloc_cyclic(struct xarray *xa, u32 *id, void *entry, struct xa_limit limit, u32 *next,
		    gfp_t gfp)
{
	u64 n = (u64)limit.max - limit.min + 1, i;
	u32 at = *next;
	int err;

	for (i = 0; i < n; i++, at++) {
		if (at < limit.min || at > limit.max)
			at = limit.min;
		if (xa_load(xa, at))
			continue;
		err = xa_insert(xa, at, entry, gfp);
		if (err)
			return err;
		*id = at;
		*next = at + 1;
		return 0;
	}
	return -EBUSY;
}
