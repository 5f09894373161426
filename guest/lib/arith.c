// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The arithmetic of reductions: out[i] = ((in[0][i] op in[1][i]) op in[2][i]) ..,
 * strictly in this order, so that its bits depend on nothing else: not on the
 * number of elements, their place, the compiler's vectors or the machine's.
 *
 *  - F32, F64, I32, I64 are added in their own type; F16 and BF16 in F32, and
 *    rounded once, at the end, to the nearest, ties to even.
 *  - Integers wrap around. AVG is the sum divided by the ranks at the end;
 *    integers are cut towards zero.
 *  - A NaN of any rank makes the result NaN, in MAX and MIN too. NaNs come out as
 *    the one quiet NaN without sign and payload: which of two is kept in a sum
 *    would depend on the compiler.
 *  - Of zeroes that differ in sign only, MAX and MIN keep the lowest rank's.
 *
 * Blocks stay in the first level cache while all ranks' are added. The loops are
 * the plainest there are, for the compiler to vectorise, once for each kind of
 * machine; elements may lie at any address.
 */
#include <float.h>
#include <stdbool.h>
#include <string.h>
#include "lib.h"

_Static_assert(!FLT_EVAL_METHOD, "each type is added in its own precision (build.mk)");

#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
#define CLONES __attribute__((target_clones("avx2", "default")))
#else
#define CLONES
#endif

#define BLOCK 512 /* elements */

/* In memory, at any address. */
#define AS_FOUND __attribute__((aligned(1), may_alias))
typedef float mem_f32 AS_FOUND;
typedef double mem_f64 AS_FOUND;
typedef uint16_t mem_u16 AS_FOUND;
typedef uint32_t mem_u32 AS_FOUND;
typedef uint64_t mem_u64 AS_FOUND;

static inline uint32_t bits(float f)
{
	uint32_t u;

	memcpy(&u, &f, sizeof(u));
	return u;
}

static inline float number(uint32_t u)
{
	float f;

	memcpy(&f, &u, sizeof(f));
	return f;
}

static inline float from_f16(uint16_t h)
{
	/* As if it had F32's bias; the factor 2^112 puts that right, subnormals too. */
	uint32_t u = bits(number((uint32_t)(h & 0x7fff) << 13) * 0x1p112f);

	u |= (h & 0x7c00) == 0x7c00 ? 0x7f800000u : 0;
	return number(u | (uint32_t)(h & 0x8000) << 16);
}

static inline uint16_t to_f16(float f)
{
	uint32_t u = bits(f) & 0x7fffffff;
	uint32_t normal = (u + 0xfff + (u >> 13 & 1) - (112u << 23)) >> 13;
	/* 0.5 has the last bit of F16's subnormals for its own: adding it rounds. */
	uint32_t small = bits(number(u) + 0.5f) - 0x3f000000u;
	uint32_t r = u < 113u << 23 ? small : normal;

	r = u >= 0x47800000u ? 0x7c00 : r;
	r = u > 0x7f800000u ? 0x7e00 : r | (bits(f) >> 16 & 0x8000);
	return r;
}

static inline float from_bf16(uint16_t h)
{
	return number((uint32_t)h << 16);
}

static inline uint16_t to_bf16(float f)
{
	uint32_t u = bits(f);

	return (u & 0x7fffffff) > 0x7f800000u ? 0x7fc0 : (u + 0x7fff + (u >> 16 & 1)) >> 16;
}

#define AS_IS(x)     (x)
#define QUIET32(x)   ((x) != (x) ? number(0x7fc00000) : (x))
#define QUIET64(x)   ((x) != (x) ? __builtin_nan("") : (x))
#define SUM_OF(a, x) ((a) + (x))
/* The second condition lets a NaN in, and no comparison gets it out. */
#define MAX_OF(a, x) ((x) > (a) || (x) != (x) ? (x) : (a))
#define MIN_OF(a, x) ((x) < (a) || (x) != (x) ? (x) : (a))

/* `sum` is what adding is done in: unsigned, where overflow must wrap. */
#define FOLD(name, mem, acc, get, op)                                 \
	static CLONES void name(void *to, const void *from, size_t n) \
	{                                                             \
		const mem *restrict in = from;                        \
		acc *restrict a = to;                                 \
		size_t i;                                             \
		for (i = 0; i < n; i++) {                             \
			acc x = get(in[i]);                           \
			a[i] = op(a[i], x);                           \
		}                                                     \
	}

#define LOAD(name, mem, acc, get)                                     \
	static CLONES void name(void *to, const void *from, size_t n) \
	{                                                             \
		const mem *restrict in = from;                        \
		acc *restrict a = to;                                 \
		size_t i;                                             \
		for (i = 0; i < n; i++)                               \
			a[i] = get(in[i]);                            \
	}

#define STORE(name, mem, acc, put)                                      \
	static CLONES void name(void *to, void *from, size_t n, int by) \
	{                                                               \
		acc *restrict a = from, divisor = by;                   \
		mem *restrict out = to;                                 \
		size_t i;                                               \
		for (i = 0; by && i < n; i++)                           \
			a[i] = a[i] / divisor;                          \
		for (i = 0; i < n; i++)                                 \
			out[i] = put(a[i]);                             \
	}

#define TYPE(t, mem, sum, acc, get, put)     \
	LOAD(t##_load, mem, acc, get)        \
	FOLD(t##_sum, mem, sum, get, SUM_OF) \
	FOLD(t##_max, mem, acc, get, MAX_OF) \
	FOLD(t##_min, mem, acc, get, MIN_OF) \
	STORE(t##_store, mem, acc, put)

TYPE(f32, mem_f32, float, float, AS_IS, QUIET32)
TYPE(f64, mem_f64, double, double, AS_IS, QUIET64)
TYPE(bf16, mem_u16, float, float, from_bf16, to_bf16)
TYPE(f16, mem_u16, float, float, from_f16, to_f16)
TYPE(i32, mem_u32, uint32_t, int32_t, AS_IS, AS_IS)
TYPE(i64, mem_u64, uint64_t, int64_t, AS_IS, AS_IS)

typedef void take_fn(void *to, const void *from, size_t n);

struct kernels {
	size_t size;
	take_fn *load;
	take_fn *fold[VMESH_AVG + 1];
	void (*store)(void *to, void *from, size_t n, int by);
};

#define KERNELS(t, bytes)                                            \
	{                                                            \
		.size = bytes, .load = t##_load, .store = t##_store, \
		.fold = {                                            \
			[VMESH_SUM] = t##_sum,                       \
			[VMESH_MAX] = t##_max,                       \
			[VMESH_MIN] = t##_min,                       \
			[VMESH_AVG] = t##_sum,                       \
		},                                                   \
	}

static const struct kernels kernels[] = {
	[VMESH_F32] = KERNELS(f32, 4),	 [VMESH_F64] = KERNELS(f64, 8),
	[VMESH_BF16] = KERNELS(bf16, 2), [VMESH_F16] = KERNELS(f16, 2),
	[VMESH_I32] = KERNELS(i32, 4),	 [VMESH_I64] = KERNELS(i64, 8),
};

size_t vmesh_type_size(int type)
{
	return type >= VMESH_F32 && type <= VMESH_I64 ? kernels[type].size : 0;
}

union block {
	_Alignas(64) float f32[BLOCK];
	double f64[BLOCK];
	int32_t i32[BLOCK];
	int64_t i64[BLOCK];
};

void vmesh_reduce(void *out, const void *const *in, unsigned int ranks, size_t count, int type,
		  int reduction)
{
	const struct kernels *k = &kernels[type];
	union block acc;
	size_t at, n;
	unsigned int r;

	for (at = 0; at < count; at += n) {
		n = count - at < BLOCK ? count - at : BLOCK;
		k->load(&acc, (const char *)in[0] + at * k->size, n);
		for (r = 1; r < ranks; r++)
			k->fold[reduction](&acc, (const char *)in[r] + at * k->size, n);
		k->store((char *)out + at * k->size, &acc, n, reduction == VMESH_AVG ? ranks : 0);
	}
}
