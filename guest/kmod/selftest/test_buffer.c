// SPDX-License-Identifier: GPL-2.0-only
/*
 * buffer.c: the driver's own memory. A program's memory needs a program: that half
 * is selftests/guest/calls.c.
 */
#include <kunit/test.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/sched/user.h>
#include <linux/string.h>
#include <uapi/linux/virtmesh.h>

#include "buffer.h"

static long locked(void)
{
	return atomic_long_read(&current_user()->locked_vm);
}

static void allocates_whole_zeroed_pages(struct kunit *test)
{
	static const u64 sizes[] = { 1, PAGE_SIZE - 1, PAGE_SIZE, PAGE_SIZE + 1, 3 << 20 };
	struct vmesh_buffer *b;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		b = vmesh_buffer_alloc(sizes[i]);
		KUNIT_ASSERT_FALSE(test, IS_ERR(b));
		KUNIT_EXPECT_EQ(test, b->size, PAGE_ALIGN(sizes[i]));
		KUNIT_EXPECT_NULL(test, b->pages);
		KUNIT_EXPECT_NULL(test, memchr_inv(b->data, 0, b->size));
		memset(b->data, 0xee, b->size);
		vmesh_buffer_put(b);
	}
}

static void counts_what_it_holds(struct kunit *test)
{
	long before = locked();
	struct vmesh_buffer *b = vmesh_buffer_alloc(5 * PAGE_SIZE - 7);

	KUNIT_ASSERT_FALSE(test, IS_ERR(b));
	KUNIT_EXPECT_EQ(test, locked(), before + 5);
	vmesh_buffer_get(b);
	vmesh_buffer_put(b);
	KUNIT_EXPECT_EQ(test, locked(), before + 5);
	vmesh_buffer_put(b);
	KUNIT_EXPECT_EQ(test, locked(), before);
}

static void refuses_sizes(struct kunit *test)
{
	static const u64 sizes[] = { 0, VIRTMESH_BUF_MAX_BYTES + 1, U64_MAX, U64_MAX - PAGE_SIZE };
	long before = locked();
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		KUNIT_EXPECT_EQ(test, PTR_ERR(vmesh_buffer_alloc(sizes[i])), -EINVAL);
		KUNIT_EXPECT_EQ(test, PTR_ERR(vmesh_buffer_register(PAGE_SIZE, sizes[i])), -EINVAL);
	}
	/* Around the end of all addresses. */
	KUNIT_EXPECT_EQ(test, PTR_ERR(vmesh_buffer_register(U64_MAX, 1)), -EFAULT);
	KUNIT_EXPECT_EQ(test, PTR_ERR(vmesh_buffer_register(U64_MAX - 10, 100)), -EFAULT);
	KUNIT_EXPECT_EQ(test, PTR_ERR(vmesh_buffer_register(ULONG_MAX - 100, 50)), -EFAULT);
	KUNIT_EXPECT_EQ(test, locked(), before);
}

static struct kunit_case cases[] = { KUNIT_CASE(allocates_whole_zeroed_pages),
				     KUNIT_CASE(counts_what_it_holds),
				     KUNIT_CASE(refuses_sizes),
				     {} };

static struct kunit_suite suite = {
	.name = "virtmesh-buffer",
	.test_cases = cases,
};

kunit_test_suite(suite);
