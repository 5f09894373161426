/* SPDX-License-Identifier: GPL-2.0-only */
/* One thread at a time: counting is all there is to it. */
#ifndef VIRTMESH_FUZZ_LINUX_ATOMIC_H
#define VIRTMESH_FUZZ_LINUX_ATOMIC_H

#include <linux/types.h>
#include "../fake.h"

typedef struct {
	int v;
} atomic_t;

typedef struct {
	s64 v;
} atomic64_t;

typedef struct {
	long v;
} atomic_long_t;

/* Macros: all widths, and what is counted is counted where it says so. */
#define atomic_read(a)	     ((a)->v)
#define atomic_set(a, to)    ((a)->v = (to))
#define atomic_inc(a)	     ((a)->v++)
#define atomic_dec(a)	     ((a)->v--)
#define atomic_sub(n, a)     ((a)->v -= (n))
#define atomic_inc_return(a) ((a)->v = (int)((unsigned int)(a)->v + 1))
#define atomic64_read(a)     ((a)->v)
#define atomic64_inc(a)	     ((a)->v++)
#define atomic64_add(n, a)   ((a)->v += (n))

#define atomic_long_read(a)	     ((a)->v)
#define atomic_long_sub(n, a)	     ((a)->v -= (n))
#define atomic_long_add_return(n, a) ((a)->v += (n))

struct kref {
	int n;
};

static inline void kref_init(struct kref *ref)
{
	ref->n = 1;
}

static inline void kref_get(struct kref *ref)
{
	fake_must(ref->n > 0);
	ref->n++;
}

static inline int kref_get_unless_zero(struct kref *ref)
{
	fake_must(ref->n >= 0);
	return ref->n ? ref->n++ : 0;
}

static inline int kref_put(struct kref *ref, void (*release)(struct kref *ref))
{
	fake_must(ref->n > 0);
	if (--ref->n)
		return 0;
	release(ref);
	return 1;
}

#endif /* VIRTMESH_FUZZ_LINUX_ATOMIC_H */
