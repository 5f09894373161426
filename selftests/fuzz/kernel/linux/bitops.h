/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VIRTMESH_FUZZ_LINUX_BITOPS_H
#define VIRTMESH_FUZZ_LINUX_BITOPS_H

#include <linux/types.h>
#include <string.h>
#include "../fake.h"

/* A shift by more than there are bits is seen by the sanitizer here as there. */
#define BIT_ULL(n)	       (1ULL << (n))
#define GENMASK_ULL(high, low) ((~0ULL << (low)) & (~0ULL >> (63 - (high))))

static inline unsigned int __ffs64(u64 word)
{
	fake_must(word);
	return __builtin_ctzll(word);
}

static inline unsigned int hweight64(u64 word)
{
	return __builtin_popcountll(word);
}

static inline unsigned int ilog2(u64 n)
{
	fake_must(n);
	return 63 - __builtin_clzll(n);
}

#define VM_FUZZ_WORDS(bits)	   (((bits) + 63) / 64)
#define DECLARE_BITMAP(name, bits) u64 name[VM_FUZZ_WORDS(bits)]

static inline void bitmap_zero(u64 *map, unsigned int bits)
{
	memset(map, 0, VM_FUZZ_WORDS(bits) * sizeof(*map));
}

static inline bool __test_and_set_bit(unsigned int bit, u64 *map)
{
	bool was = map[bit / 64] >> (bit % 64) & 1;

	map[bit / 64] |= BIT_ULL(bit % 64);
	return was;
}

#endif /* VIRTMESH_FUZZ_LINUX_BITOPS_H */
