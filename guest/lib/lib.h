/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between the library's files. Who locks what stands at the member. */
#ifndef LIBVIRTMESH_LIB_H
#define LIBVIRTMESH_LIB_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <linux/virtmesh.h>
#include "virtmesh.h"

#define DEFAULT_TIMEOUT_NS VMESH_S(30)
#define TAKE_MAX	   16 /* ended operations that one system call takes */
#define FAILURE_TEXT_MAX   640 /* one that names all of 63 nodes, four digits each */
#define OPCODE_CONTROL	   0xff /* in failures, beside enum virtmesh_opcode */

/* The kernel, or what a test puts in its place. Negative errnos; mmap: NULL. */
struct vmesh_ops {
	int (*open)(const char *device);
	void (*close)(int fd);
	int (*ioctl)(int fd, unsigned long request, void *arg);
	void *(*mmap)(int fd, size_t size, uint64_t offset);
	void (*munmap)(void *addr, size_t size);
};

extern const struct vmesh_ops vmesh_system;
int vmesh_open_by(const struct vmesh_ops *ops, struct vmesh **mesh, const char *device);

struct vmesh_buf {
	struct vmesh *mesh;
	char *addr;
	size_t size;
	size_t mapped; /* bytes to unmap; 0: the memory is the program's */
	uint32_t handle;
};

struct vmesh {
	const struct vmesh_ops *ops;
	int fd;
	unsigned int algorithm; /* VMESH_DIRECT, VMESH_SLICED, 0: of the environment */

	pthread_rwlock_t bufs_lock; /* protects the two below */
	struct vmesh_buf *bufs[VIRTMESH_BUFS_MAX];
	unsigned int nbufs;

	pthread_mutex_t lock; /* protects what follows, every req, and group.failure */
	pthread_cond_t ended; /* operations have, or nobody is in the kernel any more */
	int broken; /* why waiting fails for ever; atomic */
	bool taking; /* a thread is in the kernel to take what ends */
	struct vmesh_req *reqs; /* all there are */
	struct vmesh_group *groups;
};

struct vmesh_group {
	struct vmesh *mesh;
	struct vmesh_group *next; /* in mesh.groups */
	uint64_t timeout_ns;
	uint64_t members;
	uint32_t handle;
	uint32_t id;
	uint32_t derived; /* groups made from it so far: the same number at all members */
	uint16_t rank;
	uint16_t size;
	uint16_t nodes[VIRTMESH_RANKS_MAX];
	struct vmesh_failure failure;
	char text[FAILURE_TEXT_MAX]; /* of it */
	/* Of collective calls, which the caller keeps one at a time. */
	struct vmesh_buf *scratch;
};

struct vmesh_req {
	struct vmesh_group *group; /* NULL: it was left meanwhile */
	struct vmesh_req *next;
	struct vmesh_req **prev; /* NULL: not in mesh.reqs */
	struct vmesh *mesh;
	struct virtmesh_op op;
	struct virtmesh_done done;
	bool ended;
};

/* buffer.c: the handle and the offset of `p`. 0 or -EFAULT; len 0: handle 0. */
int vmesh_buf_find(struct vmesh *m, const void *p, size_t len, __u32 *handle, __u64 *offset);

/* group.c: memory of at least `size` bytes for a collective call. 0 or a negative errno. */
int vmesh_group_scratch(struct vmesh_group *g, size_t size, void **mem);
/* With ids of the library's own. Otherwise as the public one. */
int vmesh_group_make(struct vmesh *m, uint32_t id, const uint16_t *nodes, unsigned int count,
		     struct vmesh_group **group);

/* prepare.c: an operation as the kernel wants it. 0 or a negative errno. */
int vmesh_op_message(struct vmesh_req *req, struct vmesh_group *g, int opcode, unsigned int rank,
		     uint32_t tag, const void *buf, size_t len, uint64_t timeout_ns);
int vmesh_op_collective(struct vmesh_req *req, struct vmesh_group *g, int opcode, unsigned int root,
			const void *sbuf, void *rbuf, size_t len, uint64_t timeout_ns);

/*
 * complete.c. Post and wait for all of up to TAKE_MAX requests of one file; each
 * has its result then. Returns 0, or the first error in their order.
 */
int vmesh_run(struct vmesh *m, struct vmesh_req **reqs, unsigned int count);
/* Post only, and give the caller a request of its own. */
int vmesh_start(const struct vmesh_req *prepared, struct vmesh_req **req);

/* failure.c: make `error` the last failure of `g`; done may be NULL. No lock is held. */
void vmesh_failed(struct vmesh_group *g, int error, const struct virtmesh_op *op,
		  const struct virtmesh_done *done);
/* A control message; @missing: whom it was for, if it was. */
void vmesh_failed_control(struct vmesh_group *g, int error, const struct virtmesh_control *arg,
			  uint64_t missing);
/* Forming it, as the kernel answered, which took so long. */
void vmesh_failed_form(struct vmesh_group *g, int error, const struct virtmesh_group_form *arg,
		       uint64_t elapsed_ns);
/* -EINVAL before there is a group: the @rank is node @there's, and this is @here. */
void vmesh_failed_place(unsigned int rank, uint16_t there, uint16_t here);
/* reduce.c: the environment's wish for vmesh.algorithm, or -EINVAL. */
int vmesh_algorithm_wanted(void);

/*
 * arith.c: out[i] = the reduction, in this order, over in[0][i], in[1][i], ..;
 * any alignment; `out` may be one of `in`, wholly.
 */
void vmesh_reduce(void *out, const void *const *in, unsigned int ranks, size_t count, int type,
		  int reduction);

static inline uint64_t deadline_or_default(const struct vmesh_group *g, uint64_t timeout_ns)
{
	uint64_t t = timeout_ns ? timeout_ns : g->timeout_ns;

	return t < VIRTMESH_TIMEOUT_MAX_NS ? t : VIRTMESH_TIMEOUT_MAX_NS;
}

/* Both have so many bytes. */
static inline bool overlap(const void *a, const void *b, size_t bytes)
{
	uintptr_t x = (uintptr_t)a, y = (uintptr_t)b;

	return x < y ? y - x < bytes : x - y < bytes;
}

/* CLOCK_MONOTONIC */
static inline uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return VMESH_S(ts.tv_sec) + ts.tv_nsec;
}

#endif /* LIBVIRTMESH_LIB_H */
