// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a dead port left of its io_uring, read by the next: whatever that says, nothing
 * outside of it is touched. The memory ends where the process's does.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "../../host/log.h"
#include "../../host/vhost/keep.h"
#include "../../host/vhost/loop.h"

/* As keep.c lays it out. */
#define MAGIC	   0x766d6b6565703176ULL
#define RINGS_AT   4096
#define RINGS_SIZE (32 * 1024 - RINGS_AT)
#define ENTRIES	   16
#define CQES	   64

struct kept {
	__u64 magic;
	struct io_uring_params p;
};

FIXTURE(keep)
{
	char *map;
	struct kept *kept;
};

FIXTURE_SETUP(keep)
{
	struct io_uring_cqe *cqe;

	vm_log_set_level(VM_LOG_ERR);
	self->map = mmap(NULL, 3 * VM_KEEP_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	self->kept = (void *)(self->map + VM_KEEP_SIZE);
	ASSERT_EQ(0, mprotect(self->kept, VM_KEEP_SIZE, PROT_READ | PROT_WRITE));
	self->kept->magic = MAGIC;
	self->kept->p = (struct io_uring_params){
		.cq_entries = ENTRIES,
		.cq_off = { .head = 0, .tail = 4, .cqes = CQES },
		.sq_entries = ENTRIES,
		.sq_off = { .array = CQES + ENTRIES * sizeof(*cqe) },
	};
	/* Three of them have not been read: 14, 15, 0. */
	*(__u32 *)((char *)self->kept + RINGS_AT) = 14;
	*(__u32 *)((char *)self->kept + RINGS_AT + 4) = 17;
	cqe = (void *)((char *)self->kept + RINGS_AT + CQES);
	for (unsigned int i = 0; i < ENTRIES; i++)
		cqe[i] = (struct io_uring_cqe){ .user_data = i, .res = 100 + i };
}

FIXTURE_TEARDOWN(keep)
{
	munmap(self->map, 3 * VM_KEEP_SIZE);
}

struct seen {
	unsigned int n;
	__u64 data[2 * ENTRIES];
};

static void see(void *arg, __u64 data, int res)
{
	struct seen *seen = arg;

	if (seen->n == 2 * ENTRIES || res != 100 + (int)data)
		abort();
	seen->data[seen->n++] = data;
}

TEST_F(keep, completions_that_nobody_read_are_found_in_their_order)
{
	struct seen seen = {};

	vm_keep_each(self->kept, see, &seen);
	ASSERT_EQ(3, seen.n);
	EXPECT_EQ(14, seen.data[0]);
	EXPECT_EQ(15, seen.data[1]);
	EXPECT_EQ(0, seen.data[2]);
}

TEST_F(keep, offsets_that_lead_out_of_it_are_not_followed)
{
	static const __u32 far[] = { RINGS_SIZE, RINGS_SIZE - 3, 1, 2 * VM_KEEP_SIZE, ~0U, ~0U - 3 };
	struct io_uring_params *p = &self->kept->p, good = *p;
	struct seen seen = {};

	for (unsigned int i = 0; i < sizeof(far) / sizeof(far[0]); i++) {
		p->cq_off.head = far[i];
		vm_keep_each(self->kept, see, &seen);
		*p = good;
		p->cq_off.tail = far[i];
		vm_keep_each(self->kept, see, &seen);
		*p = good;
		p->cq_off.cqes = far[i];
		vm_keep_each(self->kept, see, &seen);
		*p = good;
	}
	p->cq_entries = ~0U;
	vm_keep_each(self->kept, see, &seen);
	p->cq_entries = 1U << 31;
	vm_keep_each(self->kept, see, &seen);
	p->cq_entries = 0;
	vm_keep_each(self->kept, see, &seen);
	EXPECT_EQ(0, seen.n);
}

TEST_F(keep, a_port_whose_ring_lives_elsewhere_leaves_none_of_the_last_ones)
{
	struct seen seen = {};
	struct vm_loop loop;

	ASSERT_EQ(0, vm_loop_init(&loop, self->kept, true));
	vm_keep_each(self->kept, see, &seen);
	EXPECT_EQ(0, seen.n);
	vm_loop_exit(&loop);
}

TEST_HARNESS_MAIN
