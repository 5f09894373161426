/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirtmesh: messages, shared buffers and collective operations between the
 * virtual machines of a mesh. The overview is libvirtmesh(7).
 *
 * Every function that returns int returns 0 or a positive number, or a negative
 * errno; one that failed has changed nothing unless its page says so.
 *
 * Times are nanoseconds (VMESH_MS, VMESH_S make them). A timeout_ns of 0 is the
 * group's default: vmesh_group_set_timeout(), 30 s at first. No operation waits
 * for ever.
 *
 * Addresses given to operations lie in a buffer of vmesh_buf_alloc() or
 * vmesh_buf_register(), anywhere in it; -EFAULT otherwise. The memory belongs to
 * the operation until that has ended.
 *
 * Threads: all functions may be called from any thread, and a thread that waits
 * holds up no other. Collective operations of ONE group must be called in the
 * same order by all members, so they must not be called from two threads at
 * once. What a function frees must not be in use by another thread.
 */
#ifndef VMESH_H
#define VMESH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

#define VMESH_VERSION_MAJOR 0
#define VMESH_VERSION_MINOR 1
#define VMESH_VERSION_PATCH 0

#define VMESH_US(n) ((uint64_t)(n)*1000u)
#define VMESH_MS(n) ((uint64_t)(n)*1000000u)
#define VMESH_S(n)  ((uint64_t)(n)*1000000000u)

#define VMESH_RANKS_MAX 64

struct vmesh; /* an open device */
struct vmesh_buf; /* memory that operations may use */
struct vmesh_group; /* an ordered set of nodes; a node's place in it is its rank */
struct vmesh_req; /* an operation that was started and not waited for yet */

/* The device: vmesh_open(3) */

enum vmesh_link {
	VMESH_LINK_JOINING = 0,
	VMESH_LINK_JOINED = 1,
	VMESH_LINK_BROKERLESS = 2, /* joined; the broker is silent */
	VMESH_LINK_REFUSED = 3
};

struct vmesh_info {
	uint16_t node; /* this node */
	uint16_t ensemble;
	uint32_t link; /* enum vmesh_link */
	uint32_t incarnation; /* this life's number; 0 before it has joined */
	uint32_t epoch; /* of the membership */
	uint32_t members; /* nodes of the ensemble */
	uint16_t mtu; /* bytes a frame carries */
	uint16_t control_max; /* bytes a control message carries */
	char netdev[16];
	char version[32]; /* of the driver */
	uint64_t reserved[4];
};

/*
 * Open `device`; NULL: $VIRTMESH_DEVICE, or /dev/virtmesh0. -ENOENT: no driver or
 * no mesh device; -EPROTO: the driver speaks another version; -EACCES, -ENOMEM.
 */
int vmesh_open(struct vmesh **mesh, const char *device);
/* Frees all that was made with it: groups (the peers' operations fail), buffers, requests. */
void vmesh_close(struct vmesh *mesh);
/* For poll(2) and io_uring; stays the library's. POLLRDBAND: an operation has ended. */
int vmesh_fd(const struct vmesh *mesh);
int vmesh_get_info(struct vmesh *mesh, struct vmesh_info *info);
/* Write to an eventfd whenever an operation ends; -1: no more. */
int vmesh_set_eventfd(struct vmesh *mesh, int eventfd);
/* Look at the ring for up to so many microseconds (at most 10000) before sleeping; 0: never. */
int vmesh_set_busy_poll(struct vmesh *mesh, unsigned int us);
/* Of the library that is running, as "0.1.0". */
const char *vmesh_version(void);

/* Buffers: vmesh_buf_alloc(3) */

/* Memory of the driver's, zeroed, in huge pages as far as there are some. -ENOMEM, -EMFILE. */
int vmesh_buf_alloc(struct vmesh *mesh, size_t size, struct vmesh_buf **buf);
/* Memory of the program's, any alignment; it is pinned. -EFAULT, -ENOMEM (RLIMIT_MEMLOCK). */
int vmesh_buf_register(struct vmesh *mesh, void *addr, size_t size, struct vmesh_buf **buf);
/* Operations under way keep the memory; the caller must not touch vmesh_buf_alloc()'s any more. */
void vmesh_buf_free(struct vmesh_buf *buf);
void *vmesh_buf_addr(const struct vmesh_buf *buf);
size_t vmesh_buf_size(const struct vmesh_buf *buf);

/* Groups: vmesh_group_create(3) */

#define VMESH_SURVIVORS 0x1 /* form without the ranks found missing since the last forming */

#define VMESH_ID_DERIVED 0x80000000u /* ids from here on are split's and dup's */

/*
 * The group of all nodes that `mesh run` started, formed: from the environment
 * VIRTMESH_NODES (node ids in rank order, with commas), VIRTMESH_GROUP (its id;
 * default 1), and VIRTMESH_RANK and VIRTMESH_SIZE, which must agree. -ENOENT: no
 * VIRTMESH_NODES; -EINVAL: they do not agree, or this is not the node of the rank;
 * vmesh_group_form()'s.
 */
int vmesh_world(struct vmesh *mesh, uint64_t timeout_ns, struct vmesh_group **group);

/*
 * `id` is what the members call it, below VMESH_ID_DERIVED; `nodes` are the same
 * for all, in rank order. Local. -EADDRINUSE: a group of this node has the id.
 */
int vmesh_group_create(struct vmesh *mesh, uint32_t id, const uint16_t *nodes, unsigned int count,
		       struct vmesh_group **group);
/*
 * Meet the other members: every member calls it, also to start anew after a
 * failure (VMESH_SURVIVORS). -ETIMEDOUT: members are missing; -EXDEV: a member has
 * another list; -EHOSTUNREACH: the others excluded this node; -EBUSY: another
 * thread forms it; -EINTR: a signal came.
 */
int vmesh_group_form(struct vmesh_group *group, uint64_t timeout_ns, unsigned int flags);
/*
 * As MPI_Comm_split: members that give the same colour (0 and up) get a group of
 * their own, ranked by key, then by rank in `group`. Colour -1: none, *part is
 * NULL. Collective on `group`; the new group is formed.
 */
int vmesh_group_split(struct vmesh_group *group, int colour, int key, uint64_t timeout_ns,
		      struct vmesh_group **part);
/* A group of the same members. Collective on `group`. */
int vmesh_group_dup(struct vmesh_group *group, uint64_t timeout_ns, struct vmesh_group **copy);
/* Leave and free it. Its operations end with -ECANCELED, the others' name this node. */
void vmesh_group_leave(struct vmesh_group *group);

int vmesh_group_rank(const struct vmesh_group *group);
int vmesh_group_size(const struct vmesh_group *group);
uint32_t vmesh_group_id(const struct vmesh_group *group);
int vmesh_group_node(const struct vmesh_group *group, unsigned int rank); /* or -EINVAL */
uint64_t vmesh_group_members(const struct vmesh_group *group); /* ranks that are in, a bit each */
void vmesh_group_set_timeout(struct vmesh_group *group, uint64_t timeout_ns);

/* Messages: vmesh_send(3) */

int vmesh_send(struct vmesh_group *group, unsigned int rank, uint32_t tag, const void *buf,
	       size_t len, uint64_t timeout_ns);
/* Returns the bytes received; -EMSGSIZE: the message was longer, and is gone. */
int vmesh_recv(struct vmesh_group *group, unsigned int rank, uint32_t tag, void *buf, size_t len,
	       uint64_t timeout_ns);
/* Both in one system call, with one tag. Returns the bytes received. */
int vmesh_sendrecv(struct vmesh_group *group, unsigned int to, const void *sbuf, size_t slen,
		   unsigned int from, void *rbuf, size_t rlen, uint32_t tag, uint64_t timeout_ns);

/*
 * Control messages: up to one frame, any memory, nothing posted by the receiver.
 * Receiving returns the bytes and sets *rank; with timeout_ns VMESH_NOWAIT
 * -EAGAIN when there is none.
 */
#define VMESH_NOWAIT UINT64_MAX
int vmesh_control_send(struct vmesh_group *group, unsigned int rank, const void *data, size_t len,
		       uint64_t timeout_ns);
int vmesh_control_recv(struct vmesh_group *group, unsigned int *rank, void *data, size_t room,
		       uint64_t timeout_ns);

/*
 * Collectives: vmesh_allgather(3). `len` is what one rank contributes to one
 * other. sbuf NULL: this rank's part is in its place in rbuf already (scatter:
 * rbuf NULL at the root: it stays in sbuf).
 */
int vmesh_bcast(struct vmesh_group *group, unsigned int root, void *buf, size_t len,
		uint64_t timeout_ns);
int vmesh_allgather(struct vmesh_group *group, const void *sbuf, void *rbuf, size_t len,
		    uint64_t timeout_ns);
int vmesh_gather(struct vmesh_group *group, unsigned int root, const void *sbuf, void *rbuf,
		 size_t len, uint64_t timeout_ns);
int vmesh_scatter(struct vmesh_group *group, unsigned int root, const void *sbuf, void *rbuf,
		  size_t len, uint64_t timeout_ns);
int vmesh_alltoall(struct vmesh_group *group, const void *sbuf, void *rbuf, size_t len,
		   uint64_t timeout_ns);
int vmesh_barrier(struct vmesh_group *group, uint64_t timeout_ns);

/*
 * The same, started only: vmesh_isend(3). *req is freed by the call that says it
 * has ended (vmesh_wait(), or vmesh_test() and vmesh_wait_any() which set it to NULL).
 */
int vmesh_isend(struct vmesh_group *group, unsigned int rank, uint32_t tag, const void *buf,
		size_t len, uint64_t timeout_ns, struct vmesh_req **req);
int vmesh_irecv(struct vmesh_group *group, unsigned int rank, uint32_t tag, void *buf, size_t len,
		uint64_t timeout_ns, struct vmesh_req **req);
int vmesh_ibcast(struct vmesh_group *group, unsigned int root, void *buf, size_t len,
		 uint64_t timeout_ns, struct vmesh_req **req);
int vmesh_iallgather(struct vmesh_group *group, const void *sbuf, void *rbuf, size_t len,
		     uint64_t timeout_ns, struct vmesh_req **req);
int vmesh_igather(struct vmesh_group *group, unsigned int root, const void *sbuf, void *rbuf,
		  size_t len, uint64_t timeout_ns, struct vmesh_req **req);
int vmesh_iscatter(struct vmesh_group *group, unsigned int root, const void *sbuf, void *rbuf,
		   size_t len, uint64_t timeout_ns, struct vmesh_req **req);
int vmesh_ialltoall(struct vmesh_group *group, const void *sbuf, void *rbuf, size_t len,
		    uint64_t timeout_ns, struct vmesh_req **req);
int vmesh_ibarrier(struct vmesh_group *group, uint64_t timeout_ns, struct vmesh_req **req);

/* What the blocking call would have returned. The operation's own deadline ends the wait. */
int vmesh_wait(struct vmesh_req *req);
/* -EAGAIN: it goes on. Else as vmesh_wait(), and *req is NULL. NULL in *req: 0. */
int vmesh_test(struct vmesh_req **req);
/*
 * Until one of them has ended: its index, *result is what vmesh_wait() would have
 * returned, its entry is NULL. NULL entries are passed over; -ENOENT: all are.
 */
int vmesh_wait_any(struct vmesh_req **reqs, unsigned int count, int *result);
/* All of them; entries become NULL. 0, or the first error in their order. */
int vmesh_wait_all(struct vmesh_req **reqs, unsigned int count);

/* Reductions: vmesh_allreduce(3) */

enum vmesh_type {
	VMESH_F32 = 1,
	VMESH_F64 = 2,
	VMESH_BF16 = 3, /* as uint16_t: the upper half of an F32 */
	VMESH_F16 = 4, /* as uint16_t: IEEE 754 binary16 */
	VMESH_I32 = 5,
	VMESH_I64 = 6
};

enum vmesh_reduction { VMESH_SUM = 1, VMESH_MAX = 2, VMESH_MIN = 3, VMESH_AVG = 4 };

/* How, for `flags`; all members must say the same. 0: by size and group, as measured. */
#define VMESH_DIRECT 0x1 /* everybody gets everything and reduces all of it */
#define VMESH_SLICED 0x2 /* each reduces a slice; the slices are gathered */

/*
 * rbuf[i] = the reduction over all ranks' sbuf[i], i < count elements; sbuf NULL:
 * what is in rbuf. Every member gets the same bits, and these depend on the
 * contributions and their order by rank alone.
 */
int vmesh_allreduce(struct vmesh_group *group, const void *sbuf, void *rbuf, size_t count, int type,
		    int reduction, unsigned int flags, uint64_t timeout_ns);
/* rbuf[i] = the reduction over all ranks' sbuf[rank * count + i]: `count` elements each. */
int vmesh_reduce_scatter(struct vmesh_group *group, const void *sbuf, void *rbuf, size_t count,
			 int type, int reduction, unsigned int flags, uint64_t timeout_ns);
size_t vmesh_type_size(int type); /* bytes; 0: no such type */

/* Failures: vmesh_strerror(3) */

enum vmesh_reason {
	VMESH_REASON_NONE = 0,
	VMESH_REASON_ABSENT = 1, /* not a member of the ensemble, or has left it */
	VMESH_REASON_DOWN = 2, /* the broker finds it silent */
	VMESH_REASON_STALLED = 3, /* it is there, and did not do its part in time */
	VMESH_REASON_FENCED = 4, /* restarted, or others have given it up */
	VMESH_REASON_LEFT = 5, /* its program left the group or ended */
	VMESH_REASON_SILENT = 6, /* nothing came from it, although the broker holds it up */
	VMESH_REASON_MISMATCH = 7 /* it called something else, or with another length */
};

struct vmesh_failure {
	int error; /* negative errno; 0: nothing has failed on this group */
	uint32_t group; /* id */
	uint32_t number; /* generation or message; 0: it was refused */
	uint16_t operation; /* enum virtmesh_opcode, or 0 */
	uint16_t reason; /* enum vmesh_reason of `node` */
	uint16_t node; /* the lowest rank of those missing; 0: none */
	uint16_t rank;
	uint64_t missing; /* ranks, a bit each */
	uint64_t elapsed_ns;
	uint64_t bytes; /* that had come, or were acknowledged, of all ranks together */
	uint64_t len; /* of one part */
	uint64_t silent_ns; /* since anything came from `node` */
	uint64_t reserved[4];
};

/* The last failure on the group, of any thread. */
void vmesh_group_failure(struct vmesh_group *group, struct vmesh_failure *failure);
/*
 * One line for people about `error`, a function's negative result: when it is the
 * last failure of `group`, who and why: "all-gather 81 on group 3: node 4 stalled
 * for 512 ms at chunk 2 of 16". `group` may be NULL. Valid until the thread's
 * next call.
 */
const char *vmesh_strerror(struct vmesh_group *group, int error);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif /* VMESH_H */
