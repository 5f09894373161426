/* SPDX-License-Identifier: GPL-2.0-only */
/* The mesh interface's calls as functions, for the tests of /dev/virtmesh0. */
#ifndef CALLS_H
#define CALLS_H

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <liburing.h>
#include <linux/virtmesh.h>

#define DEVICE "/dev/virtmesh0"
#define MS     1000000ULL
#define SEC    (1000 * MS)
#define LONG   (30 * SEC) /* what a busy machine may take */
#define PAGE   4096UL

/* No address of ours; volatile, lest the compiler knows better. */
static void *volatile nowhere = (void *)8;

static inline unsigned int env_number(const char *name)
{
	const char *text = getenv(name);

	return text ? (unsigned int)strtoul(text, NULL, 10) : 0;
}

/* A call failed with this errno. */
#define EXPECT_ERRNO(want, call)                                    \
	do {                                                        \
		errno = 0;                                          \
		EXPECT_EQ(-1, (call));                              \
		EXPECT_EQ(want, errno)                              \
		{                                                   \
			TH_LOG("errno %s", strerrorname_np(errno)); \
		}                                                   \
	} while (0)

static inline int buf_alloc(int fd, __u64 size, struct virtmesh_buf_alloc *a)
{
	*a = (struct virtmesh_buf_alloc){ .size = size };
	return ioctl(fd, VIRTMESH_IOC_BUF_ALLOC, a);
}

static inline int buf_register(int fd, const void *addr, __u64 size, __u32 *handle)
{
	struct virtmesh_buf_register r = { .addr = (uintptr_t)addr, .size = size };
	int err = ioctl(fd, VIRTMESH_IOC_BUF_REGISTER, &r);

	*handle = r.handle;
	return err;
}

static inline int buf_free(int fd, __u32 handle)
{
	struct virtmesh_buf_free f = { .handle = handle };

	return ioctl(fd, VIRTMESH_IOC_BUF_FREE, &f);
}

static inline char *map(int fd, const struct virtmesh_buf_alloc *a)
{
	return mmap(NULL, a->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, a->offset);
}

static inline int group_create(int fd, __u32 id, const __u16 *nodes, __u32 count, __u32 *group)
{
	struct virtmesh_group_create c = { .nodes = (uintptr_t)nodes, .id = id, .count = count };
	int err = ioctl(fd, VIRTMESH_IOC_GROUP_CREATE, &c);

	*group = c.group;
	return err;
}

static inline int group_form(int fd, __u32 group, __u64 timeout_ns, struct virtmesh_group_form *f)
{
	*f = (struct virtmesh_group_form){ .timeout_ns = timeout_ns, .group = group };
	return ioctl(fd, VIRTMESH_IOC_GROUP_FORM, f);
}

static inline int submit(int fd, const struct virtmesh_op *ops, __u32 count,
			 struct virtmesh_done *done, __u32 room, __u32 wait, __u64 timeout_ns,
			 struct virtmesh_submit *s)
{
	*s = (struct virtmesh_submit){
		.ops = (uintptr_t)ops,
		.done = (uintptr_t)done,
		.timeout_ns = timeout_ns,
		.count = count,
		.room = room,
		.wait = wait,
	};
	return ioctl(fd, VIRTMESH_IOC_SUBMIT, s);
}

static inline __u64 now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SEC + t.tv_nsec;
}

#define SIZE (64 * PAGE) /* of a buffer in groups' tests */

/* io_uring. */

static inline int ring_init(struct io_uring *ring, unsigned int flags)
{
	struct io_uring_params params = { .flags = flags };

	return io_uring_queue_init_params(64, ring, &params);
}

/* Queue one; returns 0 when it was submitted. */
static inline int ring_post(struct io_uring *ring, int fd, __u32 cmd, const struct virtmesh_op *op)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, fd, NULL, 0, 0);
	sqe->off = cmd; /* cmd_op lies there */
	sqe->user_data = op->user_data;
	memcpy((char *)sqe + 48, op, ring->flags & IORING_SETUP_SQE128 ? sizeof(*op) : 16);
	return io_uring_submit(ring) == 1 ? 0 : -1;
}

static inline int ring_poll(struct io_uring *ring, int fd, unsigned int events)
{
	io_uring_prep_poll_add(io_uring_get_sqe(ring), fd, events);
	return io_uring_submit(ring) == 1 ? 0 : -1;
}

/* The next completion's res. */
static inline int ring_take(struct io_uring *ring, __u64 *missing)
{
	struct io_uring_cqe *cqe;
	int res;

	if (io_uring_wait_cqe(ring, &cqe))
		return 1;
	res = cqe->res;
	if (missing)
		*missing = ((__u64 *)(cqe + 1))[0];
	io_uring_cqe_seen(ring, cqe);
	return res;
}

#endif /* CALLS_H */
