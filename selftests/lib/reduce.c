// SPDX-License-Identifier: GPL-2.0-only
/* Reductions among ranks: whatever the way they take, the same bits everywhere. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "kselftest_harness.h"
#include "fake.h"
#include "oracle.h"

#define ALL_TYPES(t) for ((t) = VMESH_F32; (t) <= VMESH_I64; (t)++)

/* Room for in and out at odd addresses, registered as one buffer. */
struct memory {
	struct vmesh_buf *buf;
	char *in;
	char *out;
	char *want;
};

static int memory_get(struct rank *r, struct memory *m, size_t bytes)
{
	int err = vmesh_buf_alloc(r->mesh, 2 * bytes + 64, &m->buf);

	if (err)
		return err;
	m->in = (char *)vmesh_buf_addr(m->buf) + 3;
	m->out = m->in + bytes + 10;
	m->want = malloc(bytes);
	return m->want ? 0 : -ENOMEM;
}

static void memory_put(struct memory *m)
{
	vmesh_buf_free(m->buf);
	free(m->want);
}

/* What the members' contributions become, in their order, for elements first.. of each. */
static void expect(const struct rank *r, char *want, size_t first, size_t count, int type,
		   int reduction)
{
	uint64_t members = vmesh_group_members(r->group);
	size_t size = vmesh_type_size(type), i;
	char element[VMESH_RANKS_MAX][8];
	const void *in[VMESH_RANKS_MAX];
	int rank, n;

	for (i = 0; i < count; i++) {
		for (rank = n = 0; rank < r->size; rank++) {
			if (!(members >> rank & 1))
				continue;
			oracle_element(element[n], type, 5, rank, first + i);
			in[n] = element[n];
			n++;
		}
		oracle_reduce(want + i * size, in, n, 0, type, reduction);
	}
}

static void contribute(const struct rank *r, char *in, size_t count, int type)
{
	size_t size = vmesh_type_size(type), i;

	for (i = 0; i < count; i++)
		oracle_element(in + i * size, type, 5, r->rank, i);
}

static void allreduce(struct rank *r, size_t count, int type, int reduction, unsigned int flags,
		      bool in_place)
{
	size_t bytes = count * vmesh_type_size(type);
	struct memory m;

	CHECK_EQ(r, memory_get(r, &m, bytes), 0);
	contribute(r, in_place ? m.out : m.in, count, type);
	CHECK_EQ(r,
		 vmesh_allreduce(r->group, in_place ? NULL : m.in, m.out, count, type, reduction,
				 flags, VMESH_S(30)),
		 0);
	expect(r, m.want, 0, count, type, reduction);
	CHECK_EQ(r, memcmp(m.want, m.out, bytes), 0);
	memory_put(&m);
}

static void reduce_scatter(struct rank *r, size_t count, int type, int reduction,
			   unsigned int flags)
{
	size_t size = vmesh_type_size(type);
	struct memory m;

	CHECK_EQ(r, memory_get(r, &m, r->size * count * size), 0);
	contribute(r, m.in, r->size * count, type);
	CHECK_EQ(r,
		 vmesh_reduce_scatter(r->group, m.in, m.out, count, type, reduction, flags,
				      VMESH_S(30)),
		 0);
	expect(r, m.want, r->rank * count, count, type, reduction);
	CHECK_EQ(r, memcmp(m.want, m.out, count * size), 0);
	memory_put(&m);
}

static void every_type(struct rank *r)
{
	static const size_t counts[] = { 1, 8, 13, 1031 };
	int type, reduction;
	unsigned int flags, c;

	ALL_TYPES(type)
	for (reduction = VMESH_SUM; reduction <= VMESH_AVG; reduction++)
		for (flags = 0; flags <= VMESH_SLICED; flags++)
			for (c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
				allreduce(r, counts[c], type, reduction, flags, c & 1);
				if (!r->error[0])
					reduce_scatter(r, counts[c], type, reduction, flags);
				if (r->error[0])
					return;
			}
}

/* So many ranks: a fixture for each range of sizes that means something to a test. */
#define VARIANT(fixture, n)             \
	FIXTURE_VARIANT_ADD(fixture, n) \
	{                               \
		.size = n,              \
	}

FIXTURE(ranks){};
FIXTURE_SETUP(ranks)
{
}
FIXTURE_TEARDOWN(ranks)
{
}
FIXTURE_VARIANT(ranks)
{
	int size;
};
VARIANT(ranks, 1);
VARIANT(ranks, 2);
VARIANT(ranks, 3);
VARIANT(ranks, 4);
VARIANT(ranks, 5);
VARIANT(ranks, 6);
VARIANT(ranks, 7);
VARIANT(ranks, 8);

/* What takes long with more. */
FIXTURE(few_ranks){};
FIXTURE_SETUP(few_ranks)
{
}
FIXTURE_TEARDOWN(few_ranks)
{
}
FIXTURE_VARIANT(few_ranks)
{
	int size;
};
VARIANT(few_ranks, 1);
VARIANT(few_ranks, 2);
VARIANT(few_ranks, 3);
VARIANT(few_ranks, 4);

/* Without one of them there is still somebody to talk to. */
FIXTURE(three_ranks_or_more){};
FIXTURE_SETUP(three_ranks_or_more)
{
}
FIXTURE_TEARDOWN(three_ranks_or_more)
{
}
FIXTURE_VARIANT(three_ranks_or_more)
{
	int size;
};
VARIANT(three_ranks_or_more, 3);
VARIANT(three_ranks_or_more, 4);
VARIANT(three_ranks_or_more, 5);
VARIANT(three_ranks_or_more, 6);
VARIANT(three_ranks_or_more, 7);
VARIANT(three_ranks_or_more, 8);

TEST_F_TIMEOUT(ranks, every_type_reduction_and_way_gives_the_oracle_s_bits, 240)
{
	EXPECT_STREQ("", ranks_run(variant->size, every_type, NULL));
}

/* Larger than the pieces it is done in, and not a multiple of anything. */
static void long_vector(struct rank *r)
{
	allreduce(r, (5 << 20) / 4 + 7, VMESH_F32, VMESH_SUM, VMESH_SLICED, false);
	if (!r->error[0])
		allreduce(r, (5 << 20) / 4 + 7, VMESH_F32, VMESH_SUM, VMESH_DIRECT, true);
	if (r->error[0])
		return;
	/* Twice as much where a whole piece is laid out anew. */
	CHECK(r, vmesh_buf_size(r->group->scratch) <= 4 << 20);
	/* The longest that is not a whole one. */
	allreduce(r, (4 << 20) / 8 / r->size * r->size - 1, VMESH_F64, VMESH_MAX, VMESH_SLICED,
		  true);
	if (r->error[0])
		return;
	CHECK(r, vmesh_buf_size(r->group->scratch) <= 8 << 20);
	reduce_scatter(r, (1 << 20) / 4 + 7, VMESH_BF16, VMESH_AVG, 0);
}

TEST_F_TIMEOUT(few_ranks, a_long_vector_is_done_in_pieces, 120)
{
	EXPECT_STREQ("", ranks_run(variant->size, long_vector, NULL));
}

/* Rank 1 is missing: the others go on, and it is in none of their results. */
static void survivors(struct rank *r)
{
	unsigned int flags;

	if (r->rank == 1)
		return;
	/* Who calls late finds the group fenced already. */
	CHECK(r, vmesh_barrier(r->group, VMESH_S(30)) < 0);
	CHECK_EQ(r, vmesh_barrier(r->group, VMESH_S(30)), -ESTALE);
	CHECK_EQ(r, vmesh_group_form(r->group, VMESH_S(30), VMESH_SURVIVORS), 0);
	CHECK_EQ(r, vmesh_group_members(r->group), (1ULL << r->size) - 1 - 2);
	for (flags = 0; flags <= VMESH_SLICED; flags++) {
		allreduce(r, 1031, VMESH_F16, VMESH_AVG, flags, false);
		if (!r->error[0])
			allreduce(r, r->size * 100, VMESH_F32, VMESH_SUM, flags, true);
		if (!r->error[0])
			reduce_scatter(r, 77, VMESH_F64, VMESH_SUM, flags);
		if (r->error[0])
			return;
	}
	if (r->size > 4)
		return;
	allreduce(r, (5 << 20) / 8 + 7, VMESH_F64, VMESH_SUM, VMESH_SLICED, false);
	if (!r->error[0])
		CHECK(r, vmesh_buf_size(r->group->scratch) <= 8 << 20);
}

TEST_F_TIMEOUT(three_ranks_or_more, without_a_missing_rank_the_rest_is_reduced, 60)
{
	EXPECT_STREQ("", ranks_run(variant->size, survivors, NULL));
}

static void refused(struct rank *r)
{
	struct vmesh_buf *buf;
	char *p, stack[64];
	unsigned int flags;

	CHECK_EQ(r, vmesh_buf_alloc(r->mesh, 4096, &buf), 0);
	p = vmesh_buf_addr(buf);
	CHECK_EQ(r, vmesh_allreduce(r->group, p, p, 4, 0, VMESH_SUM, 0, 0), -EINVAL);
	CHECK_EQ(r, vmesh_allreduce(r->group, p, p, 4, 7, VMESH_SUM, 0, 0), -EINVAL);
	CHECK_EQ(r, vmesh_allreduce(r->group, p, p, 4, VMESH_F32, 5, 0, 0), -EINVAL);
	CHECK_EQ(r, vmesh_allreduce(r->group, p, p, 4, VMESH_F32, 1, 3, 0), -EINVAL);
	CHECK_EQ(r, vmesh_allreduce(r->group, p, p, SIZE_MAX / 2, VMESH_F32, 1, 0, 0), -EINVAL);
	CHECK_EQ(r, vmesh_allreduce(r->group, p, p, 1025, VMESH_F32, 1, 0, 0), -EFAULT);
	CHECK_EQ(r, vmesh_allreduce(r->group, p, p + 15, 4, VMESH_F32, 1, 0, 0), -EINVAL);
	CHECK_EQ(r, vmesh_allreduce(r->group, p + 15, p, 4, VMESH_F32, 1, 0, 0), -EINVAL);
	CHECK_EQ(r, vmesh_allreduce(r->group, p + 16, p, 4, VMESH_F32, 1, 0, 0), 0);
	CHECK_EQ(r, vmesh_allreduce(r->group, p, stack, 4, VMESH_F32, 1, VMESH_DIRECT, 0), -EFAULT);
	CHECK_EQ(r, vmesh_allreduce(r->group, p, stack, 4, VMESH_F32, 1, VMESH_SLICED, 0), -EFAULT);
	CHECK_EQ(r, vmesh_allreduce(r->group, p, p, 0, VMESH_F32, 1, 0, 0), 0);
	for (flags = 0; flags <= VMESH_SLICED; flags++) {
		CHECK_EQ(r, vmesh_reduce_scatter(r->group, NULL, p, 4, VMESH_F32, 1, flags, 0),
			 -EFAULT);
		CHECK_EQ(r, vmesh_reduce_scatter(r->group, stack, p, 4, VMESH_F32, 1, flags, 0),
			 -EFAULT);
		CHECK_EQ(r, vmesh_reduce_scatter(r->group, p, NULL, 4, VMESH_F32, 1, flags, 0),
			 -EFAULT);
		CHECK_EQ(r, vmesh_reduce_scatter(r->group, p, stack, 4, VMESH_F32, 1, flags, 0),
			 -EFAULT);
		CHECK_EQ(r, vmesh_reduce_scatter(r->group, p, p, 1025, VMESH_F32, 1, flags, 0),
			 -EFAULT);
		CHECK_EQ(r, vmesh_reduce_scatter(r->group, p, p, 0, VMESH_F32, 1, flags, 0), 0);
	}
	CHECK_EQ(r, vmesh_type_size(VMESH_BF16), 2);
	CHECK_EQ(r, vmesh_type_size(7), 0);
}

TEST(what_makes_no_sense_is_refused_at_once)
{
	EXPECT_STREQ("", ranks_run(1, refused, NULL));
}

/* The environment's way is taken: it shows in the number of system calls. */
static void one_sum(struct rank *r)
{
	struct vmesh_buf *buf;

	CHECK_EQ(r, vmesh_buf_alloc(r->mesh, 4096, &buf), 0);
	CHECK_EQ(r,
		 vmesh_allreduce(r->group, NULL, vmesh_buf_addr(buf), 4, VMESH_F32, VMESH_SUM, 0,
				 0),
		 0);
}

TEST(the_environment_chooses_the_way)
{
	struct vmesh *m;

	setenv("VIRTMESH_ALGORITHM", "direct", 1);
	EXPECT_STREQ("", ranks_run(1, one_sum, NULL));
	EXPECT_EQ(1, fake_submits());
	setenv("VIRTMESH_ALGORITHM", "sliced", 1);
	EXPECT_STREQ("", ranks_run(1, one_sum, NULL));
	EXPECT_EQ(2, fake_submits());
	setenv("VIRTMESH_ALGORITHM", "fast", 1);
	EXPECT_EQ(-EINVAL, vmesh_open_by(&fake_ops, &m, "1"));
	EXPECT_EQ(NULL, m);
}

TEST_HARNESS_MAIN
