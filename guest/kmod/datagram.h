/* SPDX-License-Identifier: GPL-2.0-only */
/* Datagrams: open files, their channels and their queues. See datagram.c. */
#ifndef VMESH_DATAGRAM_H
#define VMESH_DATAGRAM_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/xarray.h>
#include "handles.h"
#include "submit.h"

struct iov_iter;
struct virtmesh_bind;
struct vmesh;
struct vmesh_msg;

struct vmesh_channels {
	struct xarray files; /* by channel, to struct vmesh_file; read under RCU */
	u32 next; /* where the search for a free channel begins */
	spinlock_t lock; /* protects open */
	struct list_head open; /* every open file */
	atomic_t unread; /* datagrams in all queues */
	atomic_long_t bytes; /* of memory in all queues */
	long bytes_max; /* and how many there may be */
	atomic64_t progress; /* datagrams read and sent */
};

/* One open file. */
struct vmesh_file {
	struct vmesh *m; /* a reference */
	struct list_head list; /* in channels.open */
	struct sk_buff_head queue; /* its lock protects bytes and dropped, too */
	unsigned int bytes; /* of memory in the queue */
	u32 dropped;
	struct mutex read_lock; /* from looking at the head of the queue to taking it */
	struct mutex bind_lock; /* protects writing to channel */
	u16 channel; /* 0: not bound; READ_ONCE */
	int seen; /* vmesh.changes at the last VIRTMESH_IOC_PEERS */
	wait_queue_head_t wait; /* in read(2): for the queue, or the end of the device */
	struct vmesh_handles handles;
	struct vmesh_ops ops;
};

void vmesh_channels_init(struct vmesh_channels *c);
void vmesh_channels_free(struct vmesh_channels *c); /* no file is open any more */

/* The device goes: wake every reader. Process context. */
void vmesh_channels_abort(struct vmesh_channels *c);

/* POLLPRI for every open file. Process context. */
void vmesh_channels_changed(struct vmesh_channels *c);

/* Process context. NULL: no memory. close() also drops the file's reference. */
struct vmesh_file *vmesh_file_open(struct vmesh *m);
void vmesh_file_close(struct vmesh_file *f);

/* VIRTMESH_IOC_BIND, read(2) and write(2); the errnos are in the uapi header. */
int vmesh_file_bind(struct vmesh_file *f, struct virtmesh_bind *arg);
ssize_t vmesh_file_read(struct vmesh_file *f, struct iov_iter *to, bool nonblock);
ssize_t vmesh_file_write(struct vmesh_file *f, struct iov_iter *from, bool nonblock);

/* Softirq: a DATAGRAM from a member, to us (or to all: @group). */
void vmesh_datagram(struct vmesh *m, u16 node, bool group, const struct vmesh_msg *msg);

#endif /* VMESH_DATAGRAM_H */
