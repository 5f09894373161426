/* SPDX-License-Identifier: GPL-2.0-only */
/* A file's operations: posted, pending, ended, taken. See submit.c. */
#ifndef VMESH_SUBMIT_H
#define VMESH_SUBMIT_H

#include <linux/completion.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "op.h"

struct eventfd_ctx;
struct io_uring_cmd;
struct virtmesh_busy_poll;
struct virtmesh_eventfd;
struct virtmesh_submit;
struct vmesh_buffer;
struct vmesh_file;

/* Where an operation's result goes. */
enum vmesh_taker {
	VMESH_TAKER_SUBMIT, /* VIRTMESH_IOC_SUBMIT of this file */
	VMESH_TAKER_URING, /* a completion of io_uring */
	VMESH_TAKER_SLEEPER, /* a thread that waits for this one */
	VMESH_TAKER_NOBODY, /* it was interrupted: the next call cleans up */
};

/* One operation of a file, and what it holds until its result is taken. */
struct vmesh_entry {
	struct vmesh_op op;
	struct list_head list; /* in free, pending, ended or orphans of the file's ops */
	struct vmesh_file *file;
	struct vmesh_buffer *sbuf, *rbuf; /* references, or NULL */
	void *data; /* kvfree() at the end; or NULL */
	u64 user_data;
	u32 group; /* handle */
	u8 taker; /* enum vmesh_taker */
	bool ended;
	bool doomed; /* its group is about to be left; VMESH_TAKER_URING */
	struct completion done; /* for VMESH_TAKER_SLEEPER */
	struct io_uring_cmd *cmd; /* VMESH_TAKER_URING */
	const void *owner; /* the files of the task that posted it */
};

struct vmesh_ops {
	struct mutex prepare_lock; /* for making the pool */
	spinlock_t lock; /* protects all below; bh; nests inside a group's lock */
	struct vmesh_entry *pool; /* VIRTMESH_OPS_MAX; NULL: no group was ever made */
	struct list_head free;
	struct list_head pending;
	struct list_head ended; /* of VMESH_TAKER_SUBMIT, in the order they ended */
	struct list_head orphans; /* ended, of VMESH_TAKER_NOBODY */
	unsigned int in_flight; /* pending ones, of all takers */
	unsigned int awaited; /* pending ones of VMESH_TAKER_SUBMIT; READ_ONCE */
	unsigned int takeable; /* in ended; READ_ONCE */
	struct eventfd_ctx *eventfd; /* or NULL */
	u32 busy_us; /* READ_ONCE */
	wait_queue_head_t wait; /* for ended ones, or that none is in flight; in poll(2), for all */
};

/* Process context, all of it. */
void vmesh_ops_init(struct vmesh_ops *q);
/* The file's groups were left: wait for what is in flight, free everything. */
void vmesh_ops_exit(struct vmesh_ops *q);
/* Operations are about to be possible: make the pool. 0, ENOMEM. */
int vmesh_ops_prepare(struct vmesh_ops *q);

/* An entry from the pool, for @taker. NULL: all are in use. */
struct vmesh_entry *vmesh_entry_get(struct vmesh_file *f, enum vmesh_taker taker);
/*
 * Fill it with what a program wants: EINVAL, ENOENT, ERANGE. The caller puts it
 * in any case, when it has ended or was not started.
 */
int vmesh_entry_fill(struct vmesh_entry *e, const struct virtmesh_op *arg);
/* Post it. 0: it ends by its taker. Else nothing happened: what vmesh_group_post() says. */
int vmesh_entry_start(struct vmesh_entry *e);
/* Not in flight, and in no list but perhaps `orphans`. May sleep. */
void vmesh_entry_put(struct vmesh_entry *e);

/*
 * Look at the ring for as long as the file's busy poll allows, and for @max_ns at
 * most, until @ready(@arg) or a signal. Returns whether it is ready.
 */
bool vmesh_spin(struct vmesh_file *f, u64 max_ns, bool (*ready)(void *arg), void *arg);

/* The calls of the uapi header. vmesh_submit() sets both counts whatever it returns. */
int vmesh_submit(struct vmesh_file *f, struct virtmesh_submit *arg);
int vmesh_set_eventfd(struct vmesh_file *f, struct virtmesh_eventfd *arg);
int vmesh_set_busy_poll(struct vmesh_file *f, struct virtmesh_busy_poll *arg);

#endif /* VMESH_SUBMIT_H */
