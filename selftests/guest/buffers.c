// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffers of /dev/virtmesh0: memory of the driver's and of the program's. Run in a
 * guest by virtmesh.sh.
 */
#include <sys/resource.h>

#include "calls.h"
#include "kselftest_harness.h"

FIXTURE(dev)
{
	int fd;
};

FIXTURE_SETUP(dev)
{
	self->fd = open(DEVICE, O_RDWR);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(dev)
{
	close(self->fd);
}

TEST_F(dev, buffers_are_zeroed_shared_and_whole)
{
	struct virtmesh_buf_alloc a, b;
	char *p, *q;

	ASSERT_EQ(0, buf_alloc(self->fd, 3 * PAGE - 5, &a));
	EXPECT_EQ(3 * PAGE, a.size);
	EXPECT_NE(0, a.handle);
	ASSERT_EQ(0, buf_alloc(self->fd, 1, &b));
	EXPECT_NE(a.handle, b.handle);
	EXPECT_NE(a.offset, b.offset);

	p = map(self->fd, &a);
	ASSERT_NE(MAP_FAILED, p);
	for (unsigned int i = 0; i < a.size; i++)
		ASSERT_EQ(0, p[i]);
	q = map(self->fd, &a);
	ASSERT_NE(MAP_FAILED, q);
	strcpy(p + PAGE - 3, "across pages");
	EXPECT_STREQ("across pages", q + PAGE - 3);

	/* A mapping keeps the memory, and a part of one keeps that part. */
	EXPECT_EQ(0, buf_free(self->fd, a.handle));
	EXPECT_ERRNO(ENOENT, buf_free(self->fd, a.handle));
	EXPECT_EQ(0, munmap(p, PAGE));
	EXPECT_STREQ("oss pages", p + PAGE);
	EXPECT_EQ(0, munmap(p + PAGE, 2 * PAGE));
	EXPECT_EQ(0, madvise(q, 3 * PAGE, MADV_DONTNEED));
	EXPECT_STREQ("across pages", q + PAGE - 3);
	EXPECT_EQ(MAP_FAILED, mremap(q, 3 * PAGE, 4 * PAGE, MREMAP_MAYMOVE));
	EXPECT_EQ(0, munmap(q, 3 * PAGE));
}

TEST_F(dev, mmap_takes_only_whole_shared_buffers)
{
	const int rw = PROT_READ | PROT_WRITE;
	struct virtmesh_buf_alloc a;

	ASSERT_EQ(0, buf_alloc(self->fd, 4 * PAGE, &a));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, rw, MAP_SHARED, self->fd, a.offset));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 5 * PAGE, rw, MAP_SHARED, self->fd, a.offset));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4 * PAGE, rw, MAP_PRIVATE, self->fd, a.offset));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4 * PAGE, rw, MAP_SHARED, self->fd, a.offset + PAGE));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4 * PAGE, rw, MAP_SHARED, self->fd, 0));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4 * PAGE, rw, MAP_SHARED, self->fd, 99ULL << 30));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4 * PAGE, rw, MAP_SHARED, self->fd, 1ULL << 62));
}

TEST_F(dev, buffer_errors)
{
	struct virtmesh_buf_register r = { .addr = PAGE, .size = 1, .flags = 1 };
	struct virtmesh_buf_alloc a = { .size = 1, .flags = 1 };
	struct virtmesh_buf_free f = { .handle = 1, .reserved = 1 };
	__u32 handle;
	char *ro;

	EXPECT_ERRNO(EINVAL, ioctl(self->fd, VIRTMESH_IOC_BUF_ALLOC, &a));
	EXPECT_ERRNO(EINVAL, buf_alloc(self->fd, 0, &a));
	EXPECT_ERRNO(EINVAL, buf_alloc(self->fd, VIRTMESH_BUF_MAX_BYTES + 1, &a));
	EXPECT_ERRNO(EINVAL, buf_alloc(self->fd, ~0ULL, &a));
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, VIRTMESH_IOC_BUF_REGISTER, &r));
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, VIRTMESH_IOC_BUF_FREE, &f));
	EXPECT_ERRNO(ENOENT, buf_free(self->fd, 0));
	EXPECT_ERRNO(ENOENT, buf_free(self->fd, ~0U));

	EXPECT_ERRNO(EINVAL, buf_register(self->fd, nowhere, 0, &handle));
	EXPECT_ERRNO(EINVAL, buf_register(self->fd, nowhere, VIRTMESH_BUF_MAX_BYTES + 1, &handle));
	EXPECT_ERRNO(EFAULT, buf_register(self->fd, nowhere, 1, &handle));
	EXPECT_ERRNO(EFAULT, buf_register(self->fd, (void *)~0UL, 1, &handle));
	EXPECT_ERRNO(EFAULT, buf_register(self->fd, (void *)-PAGE, 2 * PAGE, &handle));
	ro = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, ro);
	EXPECT_ERRNO(EFAULT, buf_register(self->fd, ro, PAGE, &handle));
	/* The second of two pages is missing: nothing stays pinned of the first. */
	ASSERT_EQ(0, mprotect(ro, PAGE, PROT_READ | PROT_WRITE));
	ASSERT_EQ(0, munmap(ro + PAGE, PAGE));
	EXPECT_ERRNO(EFAULT, buf_register(self->fd, ro, 2 * PAGE, &handle));
	EXPECT_EQ(0, buf_register(self->fd, ro + 7, PAGE - 7, &handle));
	EXPECT_EQ(0, buf_free(self->fd, handle));
	munmap(ro, PAGE);
}

TEST_F(dev, so_many_buffers_and_no_more)
{
	struct virtmesh_buf_alloc a[VIRTMESH_BUFS_MAX + 1];
	unsigned int i;

	for (i = 0; i < VIRTMESH_BUFS_MAX; i++)
		ASSERT_EQ(0, buf_alloc(self->fd, 1, &a[i]));
	EXPECT_ERRNO(EMFILE, buf_alloc(self->fd, 1, &a[i]));
	EXPECT_EQ(0, buf_free(self->fd, a[100].handle));
	EXPECT_EQ(0, buf_alloc(self->fd, 1, &a[i]));
}

/* As a user without privileges: the limit holds, over both kinds, and is given back. */
TEST_F(dev, memory_counts_against_the_limit)
{
	struct rlimit limit = { 16 * PAGE, 16 * PAGE };
	struct virtmesh_buf_alloc a, b;
	char *p;
	__u32 handle;

	p = mmap(NULL, 32 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &limit));
	ASSERT_EQ(0, setresuid(4711, 4711, 4711));

	EXPECT_ERRNO(ENOMEM, buf_alloc(self->fd, 17 * PAGE, &a));
	EXPECT_ERRNO(ENOMEM, buf_register(self->fd, p, 17 * PAGE, &handle));
	ASSERT_EQ(0, buf_alloc(self->fd, 10 * PAGE, &a));
	EXPECT_ERRNO(ENOMEM, buf_alloc(self->fd, 7 * PAGE, &b));
	/* 5 pages and a bit on either side are 7. */
	EXPECT_ERRNO(ENOMEM, buf_register(self->fd, p + 1, 6 * PAGE, &handle));
	ASSERT_EQ(0, buf_register(self->fd, p, 6 * PAGE, &handle));
	EXPECT_ERRNO(ENOMEM, buf_alloc(self->fd, 1, &b));
	EXPECT_EQ(0, buf_free(self->fd, handle));
	EXPECT_EQ(0, buf_alloc(self->fd, 6 * PAGE, &b));
	EXPECT_EQ(0, buf_free(self->fd, a.handle));
	EXPECT_EQ(0, buf_free(self->fd, b.handle));
	EXPECT_EQ(0, buf_alloc(self->fd, 16 * PAGE, &a));
}

TEST_HARNESS_MAIN
