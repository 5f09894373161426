// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page 0 says where things are; the two rings and the submission entries follow.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <virtmesh/types.h>

#include "keep.h"

/* Newer than the liburing we build with. */
#ifndef IORING_SETUP_NO_MMAP
#define IORING_SETUP_NO_MMAP (1U << 14)
#endif

#define KEEP_MAGIC 0x766d6b6565703176ULL

#define RINGS_AT 4096
#define SQES_AT	 (32 * 1024)

#define MAX_SQES ((VM_KEEP_SIZE - SQES_AT) / sizeof(struct io_uring_sqe))

struct keep {
	__u64 magic; /* KEEP_MAGIC: the rest is true */
	struct io_uring_params p;
};

/* user_addr, the last word of struct io_sqring_offsets and io_cqring_offsets, has had two names. */
static void set_user_addr(void *offsets, size_t size, const void *at)
{
	__u64 addr = (unsigned long)at;

	memcpy((char *)offsets + size - sizeof(addr), &addr, sizeof(addr));
}

#define RINGS_SIZE ((size_t)(SQES_AT - RINGS_AT))

static bool index_fits(__u32 at)
{
	return at <= RINGS_SIZE - sizeof(__u32) && !(at % sizeof(__u32));
}

/*
 * Do the completions, their indices and the submissions' array lie where they should?
 * Read after a restart, that is the word of a process that a guest may have had its way with.
 */
static bool fits(const struct io_uring_params *p)
{
	return index_fits(p->cq_off.head) && index_fits(p->cq_off.tail) &&
	       !(p->cq_off.cqes % sizeof(__u64)) &&
	       p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe) <= RINGS_SIZE &&
	       p->sq_off.array + p->sq_entries * sizeof(__u32) <= RINGS_SIZE;
}

static void point(struct io_uring *ring, char *rings, const struct io_uring_params *p, int fd)
{
	struct io_uring_sq *sq = &ring->sq;
	struct io_uring_cq *cq = &ring->cq;

	memset(ring, 0, sizeof(*ring));
	sq->khead = (unsigned int *)(rings + p->sq_off.head);
	sq->ktail = (unsigned int *)(rings + p->sq_off.tail);
	sq->kring_mask = (unsigned int *)(rings + p->sq_off.ring_mask);
	sq->kring_entries = (unsigned int *)(rings + p->sq_off.ring_entries);
	sq->kflags = (unsigned int *)(rings + p->sq_off.flags);
	sq->kdropped = (unsigned int *)(rings + p->sq_off.dropped);
	sq->array = (unsigned int *)(rings + p->sq_off.array);
	sq->sqes = (void *)(rings - RINGS_AT + SQES_AT);
	sq->ring_mask = *sq->kring_mask;
	sq->ring_entries = *sq->kring_entries;
	for (unsigned int i = 0; i < sq->ring_entries; i++)
		sq->array[i] = i;

	cq->khead = (unsigned int *)(rings + p->cq_off.head);
	cq->ktail = (unsigned int *)(rings + p->cq_off.tail);
	cq->kring_mask = (unsigned int *)(rings + p->cq_off.ring_mask);
	cq->kring_entries = (unsigned int *)(rings + p->cq_off.ring_entries);
	cq->koverflow = (unsigned int *)(rings + p->cq_off.overflow);
	cq->cqes = (struct io_uring_cqe *)(rings + p->cq_off.cqes);
	cq->kflags = (unsigned int *)(rings + p->cq_off.flags);
	cq->ring_mask = *cq->kring_mask;
	cq->ring_entries = *cq->kring_entries;

	ring->flags = p->flags;
	ring->features = p->features;
	ring->ring_fd = fd;
	ring->enter_ring_fd = fd;
}

void vm_keep_forget(void *keep)
{
	struct keep *k = keep;

	__atomic_store_n(&k->magic, 0, __ATOMIC_SEQ_CST);
}

int vm_keep_init(void *keep, unsigned int entries, struct io_uring_params *p, struct io_uring *ring)
{
	struct keep *k = keep;
	char *rings = (char *)keep + RINGS_AT;
	int fd;

	vm_keep_forget(keep);
	if (entries > MAX_SQES)
		return -E2BIG;
	/*
	 * New pages: the kernel takes a dead process's ring down in its own time, and
	 * still writes cancellations into the old ones, which it holds.
	 */
	if (madvise(keep, VM_KEEP_SIZE, MADV_REMOVE))
		return -errno;

	p->flags |= IORING_SETUP_NO_MMAP;
	set_user_addr(&p->cq_off, sizeof(p->cq_off), rings);
	set_user_addr(&p->sq_off, sizeof(p->sq_off), rings - RINGS_AT + SQES_AT);
	fd = syscall(__NR_io_uring_setup, entries, p);
	if (fd < 0)
		return -errno;
	if (!fits(p)) {
		close(fd);
		return -E2BIG;
	}
	point(ring, rings, p, fd);
	k->p = *p;
	__atomic_store_n(&k->magic, KEEP_MAGIC, __ATOMIC_SEQ_CST);
	return 0;
}

void vm_keep_exit(struct io_uring *ring)
{
	close(ring->ring_fd);
}

void vm_keep_each(const void *keep, void (*fn)(void *arg, __u64 data, int res), void *arg)
{
	/* Once, and looked at here: it is the other process's memory, too. */
	const struct keep k = *(const volatile struct keep *)keep;
	const char *rings = (const char *)keep + RINGS_AT;
	const struct io_uring_cqe *cqes;
	unsigned int head, tail, n;

	if (k.magic != KEEP_MAGIC || !fits(&k.p))
		return;
	head = *(const volatile unsigned int *)(rings + k.p.cq_off.head);
	tail = *(const volatile unsigned int *)(rings + k.p.cq_off.tail);
	cqes = (const void *)(rings + k.p.cq_off.cqes);
	n = k.p.cq_entries;
	if (!n || n & (n - 1) || tail - head > n)
		return;
	for (; head != tail; head++)
		fn(arg, cqes[head & (n - 1)].user_data, cqes[head & (n - 1)].res);
}
