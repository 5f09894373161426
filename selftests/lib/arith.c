// SPDX-License-Identifier: GPL-2.0-only
/* The arithmetic of reductions against the oracle, bit for bit. */
#include <stdlib.h>
#include <string.h>
#include "kselftest_harness.h"
#include "../../guest/lib/lib.h"
#include "oracle.h"

#define COUNT_MAX 1100
#define RANKS	  8
#define BYTES	  (COUNT_MAX * 8 + 64)

static const char *const names[] = {
	[VMESH_F32] = "f32", [VMESH_F64] = "f64", [VMESH_BF16] = "bf16",
	[VMESH_F16] = "f16", [VMESH_I32] = "i32", [VMESH_I64] = "i64",
};

FIXTURE(arith)
{
	char *in[RANKS];
	char *out;
	const void *at[RANKS];
};

FIXTURE_SETUP(arith)
{
	int r;

	for (r = 0; r < RANKS; r++) {
		self->in[r] = malloc(BYTES);
		ASSERT_NE(NULL, self->in[r]);
	}
	self->out = malloc(BYTES);
	ASSERT_NE(NULL, self->out);
}

FIXTURE_TEARDOWN(arith)
{
	int r;

	for (r = 0; r < RANKS; r++)
		free(self->in[r]);
	free(self->out);
}

FIXTURE_VARIANT(arith)
{
	int type;
};
#define VARIANT(t)                    \
	FIXTURE_VARIANT_ADD(arith, t) \
	{                             \
		.type = VMESH_##t,    \
	}

VARIANT(F32);
VARIANT(F64);
VARIANT(BF16);
VARIANT(F16);
VARIANT(I32);
VARIANT(I64);

/* The first element that is not the oracle's, or -1. */
static long differs(FIXTURE_DATA(arith) * self, int type, int reduction, int ranks, size_t count,
		    size_t shift)
{
	size_t size = vmesh_type_size(type), i;
	char want[8];
	int r;

	for (r = 0; r < ranks; r++) {
		/* Each at another address. */
		char *p = self->in[r] + shift * (r + 1) % 17;

		for (i = 0; i < count; i++)
			oracle_element(p + i * size, type, count, r, i);
		self->at[r] = p;
	}
	memset(self->out, 0x5a, BYTES);
	vmesh_reduce(self->out + shift, self->at, ranks, count, type, reduction);
	for (i = 0; i < count; i++) {
		oracle_reduce(want, self->at, ranks, i, type, reduction);
		if (memcmp(want, self->out + shift + i * size, size))
			return i;
	}
	for (i = 0; i < 8; i++)
		if (self->out[shift + count * size + i] != 0x5a ||
		    (shift > i && self->out[i] != 0x5a))
			return count;
	return -1;
}

TEST_F(arith, any_number_of_ranks_and_elements_at_any_address)
{
	static const size_t counts[] = { 1,  2,	 3,  5,	 7,   8,   9,	15,   16,
					 17, 31, 33, 63, 511, 512, 513, 1024, 1031 };
	int reduction, ranks;
	size_t c, shift;

	for (reduction = VMESH_SUM; reduction <= VMESH_AVG; reduction++)
		for (ranks = 1; ranks <= RANKS; ranks++)
			for (c = 0; c < sizeof(counts) / sizeof(counts[0]); c++)
				for (shift = 0; shift < 4; shift += ranks == 3 ? 1 : 3)
					ASSERT_EQ(-1, differs(self, variant->type, reduction, ranks,
							      counts[c], shift))
	TH_LOG("%s, reduction %d, %d ranks, %zu elements, shift %zu", names[variant->type],
	       reduction, ranks, counts[c], shift);
}

TEST_F(arith, the_result_may_take_the_place_of_any_contribution)
{
	size_t size = vmesh_type_size(variant->type), i;
	char want[COUNT_MAX * 8];
	int r, place;

	for (place = 0; place < 3; place++) {
		for (r = 0; r < 3; r++) {
			for (i = 0; i < 1031; i++)
				oracle_element(self->in[r] + i * size, variant->type, 1, r, i);
			self->at[r] = self->in[r];
		}
		for (i = 0; i < 1031; i++)
			oracle_reduce(want + i * size, self->at, 3, i, variant->type, VMESH_SUM);
		vmesh_reduce(self->in[place], self->at, 3, 1031, variant->type, VMESH_SUM);
		EXPECT_EQ(0, memcmp(want, self->in[place], 1031 * size));
	}
}

/* All 65536 of both halves go through F32 and back. */
TEST(every_half_survives)
{
	static uint16_t in[65536], out[65536];
	const void *at[] = { in };
	int type, i;

	for (i = 0; i < 65536; i++)
		in[i] = i;
	for (type = VMESH_BF16; type <= VMESH_F16; type++) {
		uint16_t inf = type == VMESH_BF16 ? 0x7f80 : 0x7c00;
		uint16_t nan = type == VMESH_BF16 ? 0x7fc0 : 0x7e00;

		vmesh_reduce(out, at, 1, 65536, type, VMESH_SUM);
		for (i = 0; i < 65536; i++)
			ASSERT_EQ((i & 0x7fff) > inf ? nan : i, out[i]);
	}
}

/* Halves are rounded once, not after each rank: 2048 + 1 + 1 in F16. */
TEST(halves_are_rounded_at_the_end)
{
	const uint16_t big = 0x6800, one = 0x3c00;
	const void *at[] = { &big, &one, &one };
	uint16_t out;

	vmesh_reduce(&out, at, 3, 1, VMESH_F16, VMESH_SUM);
	EXPECT_EQ(0x6801, out);
}

/* (1 + 2^-24) + 2^-24 is 1; 1 + (2^-24 + 2^-24) would not be. */
TEST(the_order_is_that_of_ranks)
{
	const float big = 1, small = 0x1p-24f;
	const void *first[] = { &big, &small, &small }, *last[] = { &small, &small, &big };
	float out;

	vmesh_reduce(&out, first, 3, 1, VMESH_F32, VMESH_SUM);
	EXPECT_TRUE(out == 1);
	vmesh_reduce(&out, last, 3, 1, VMESH_F32, VMESH_SUM);
	EXPECT_TRUE(out == 1 + 0x1p-23f);
}

TEST(a_nan_stays_and_loses_its_payload)
{
	const uint32_t nan = 0xffc12345, one = 0x3f800000;
	const void *first[] = { &nan, &one }, *last[] = { &one, &nan };
	uint32_t out;
	int reduction;

	for (reduction = VMESH_SUM; reduction <= VMESH_AVG; reduction++) {
		vmesh_reduce(&out, first, 2, 1, VMESH_F32, reduction);
		EXPECT_EQ(0x7fc00000, out);
		vmesh_reduce(&out, last, 2, 1, VMESH_F32, reduction);
		EXPECT_EQ(0x7fc00000, out);
	}
}

TEST(integers_wrap_and_are_cut_towards_zero)
{
	const int32_t a = -7, b = 2, top = INT32_MAX, one = 1;
	const void *in[] = { &a, &b }, *over[] = { &top, &one };
	int32_t out;

	vmesh_reduce(&out, in, 2, 1, VMESH_I32, VMESH_AVG);
	EXPECT_EQ(-2, out);
	vmesh_reduce(&out, over, 2, 1, VMESH_I32, VMESH_SUM);
	EXPECT_EQ(INT32_MIN, out);
}

TEST_HARNESS_MAIN
