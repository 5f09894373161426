// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the library's tests believe. Halves are decoded by their definition and
 * encoded by looking for the neighbours, so that no trick with bits is shared.
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include "oracle.h"
#include "../../guest/lib/virtmesh.h"

/* Positive values in the order of their bits: `mant` bits of mantissa, this bias. */
static double half_value(uint16_t h, int mant, int bias)
{
	int exponent = (h & 0x7fff) >> mant, fraction = h & ((1 << mant) - 1);
	int top = 0x7fff >> mant;
	double v;

	if (exponent == top)
		v = fraction ? NAN : INFINITY;
	else if (!exponent)
		v = ldexp(fraction, 1 - bias - mant);
	else
		v = ldexp(fraction + (1 << mant), exponent - bias - mant);
	return h & 0x8000 ? -v : v;
}

static uint16_t half_bits(double v, int mant, int bias)
{
	uint16_t inf = (0x7fff >> mant) << mant, sign = signbit(v) ? 0x8000 : 0;
	uint16_t lo = 0, hi = inf;
	double below, above;

	if (isnan(v))
		return inf | 1 << (mant - 1);
	v = fabs(v);
	if (isinf(v))
		return sign | inf;
	/* The last that is not above v. */
	while (hi - lo > 1) {
		uint16_t mid = (lo + hi) / 2;

		if (half_value(mid, mant, bias) <= v)
			lo = mid;
		else
			hi = mid;
	}
	below = half_value(lo, mant, bias);
	/* Infinity stands where the next number would. */
	above = hi == inf ? 2 * below - half_value(lo - 1, mant, bias) : half_value(hi, mant, bias);
	if (v - below > above - v || (v - below == above - v && (lo & 1)))
		return sign | hi;
	return sign | lo;
}

double oracle_value(int type, const void *p)
{
	uint16_t h;
	double d;
	float f;

	switch (type) {
	case VMESH_F32:
		memcpy(&f, p, sizeof(f));
		return f;
	case VMESH_F64:
		memcpy(&d, p, sizeof(d));
		return d;
	case VMESH_BF16:
		memcpy(&h, p, sizeof(h));
		return half_value(h, 7, 127);
	default:
		memcpy(&h, p, sizeof(h));
		return half_value(h, 10, 15);
	}
}

static void put_float(void *out, int type, double v)
{
	uint32_t quiet32 = 0x7fc00000;
	uint64_t quiet64 = 0x7ff8000000000000;
	uint16_t h;
	float f = v;

	switch (type) {
	case VMESH_F32:
		memcpy(out, isnan(v) ? (void *)&quiet32 : (void *)&f, sizeof(f));
		break;
	case VMESH_F64:
		memcpy(out, isnan(v) ? (void *)&quiet64 : (void *)&v, sizeof(v));
		break;
	case VMESH_BF16:
		h = half_bits(f, 7, 127);
		memcpy(out, &h, sizeof(h));
		break;
	case VMESH_F16:
		h = half_bits(f, 10, 15);
		memcpy(out, &h, sizeof(h));
		break;
	}
}

/* A double holds what float arithmetic needs; rounding after each step makes it float's. */
static double step(double v, bool narrow)
{
	return narrow ? (double)(float)v : v;
}

static void reduce_float(void *out, const void *const *in, unsigned int ranks, size_t at, int type,
			 int reduction)
{
	bool narrow = type != VMESH_F64;
	double a = oracle_value(type, (const char *)in[0] + at);
	unsigned int r;

	for (r = 1; r < ranks; r++) {
		double x = oracle_value(type, (const char *)in[r] + at);

		if (reduction == VMESH_SUM || reduction == VMESH_AVG)
			a = step(a + x, narrow);
		else if (isnan(a) || isnan(x))
			a = NAN;
		else if (reduction == VMESH_MAX ? x > a : x < a)
			a = x;
	}
	if (reduction == VMESH_AVG)
		a = step(a / ranks, narrow);
	put_float(out, type, a);
}

static __int128 integer(int type, const void *p)
{
	int32_t i;
	int64_t l;

	if (type == VMESH_I32) {
		memcpy(&i, p, sizeof(i));
		return i;
	}
	memcpy(&l, p, sizeof(l));
	return l;
}

static void reduce_integer(void *out, const void *const *in, unsigned int ranks, size_t at,
			   int type, int reduction)
{
	__int128 a = integer(type, (const char *)in[0] + at);
	unsigned int r;
	int64_t l;
	int32_t i;

	for (r = 1; r < ranks; r++) {
		__int128 x = integer(type, (const char *)in[r] + at);

		if (reduction == VMESH_SUM || reduction == VMESH_AVG)
			a += x;
		else if (reduction == VMESH_MAX ? x > a : x < a)
			a = x;
	}
	/* Wraps here, as by the last bits of the true sum. */
	i = (int32_t)(uint32_t)a;
	l = (int64_t)(uint64_t)a;
	if (reduction == VMESH_AVG) {
		i /= (int)ranks;
		l /= (int)ranks;
	}
	memcpy(out, type == VMESH_I32 ? (void *)&i : (void *)&l, type == VMESH_I32 ? 4 : 8);
}

void oracle_reduce(void *out, const void *const *in, unsigned int ranks, size_t i, int type,
		   int reduction)
{
	size_t at = i * vmesh_type_size(type);

	if (type == VMESH_I32 || type == VMESH_I64)
		reduce_integer(out, in, ranks, at, type, reduction);
	else
		reduce_float(out, in, ranks, at, type, reduction);
}

static uint64_t mix(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdULL;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ULL;
	return x ^ x >> 33;
}

void oracle_element(void *out, int type, unsigned int seed, unsigned int r, size_t i)
{
	uint64_t x = mix((uint64_t)seed << 48 ^ (uint64_t)r << 40 ^ i), kind = mix(x) % 16;
	static const double special[] = { 0.0, -0.0, INFINITY, -INFINITY, NAN };
	double v;

	if (type == VMESH_I32 || type == VMESH_I64) {
		/* The largest now and then, so that sums wrap. */
		x = kind == 0 ? 0x7fffffff7fffffff : kind == 1 ? 0x8000000080000000 : x;
		memcpy(out, &x, vmesh_type_size(type));
		return;
	}
	if (kind == 0)
		v = special[x % 5];
	else if (kind == 1)
		v = ldexp((double)(x % 4096) - 2048, -24 - (int)(x >> 60)); /* F16's subnormals */
	else if (kind == 2)
		v = ((double)(x % 65536) - 32768) * 2; /* and its largest */
	else
		v = ((double)(x >> 11) / (1ULL << 52) - 1) * (1 << x % 12);
	put_float(out, type, v);
}
