/* SPDX-License-Identifier: GPL-2.0-only */
/* Operations by io_uring: VIRTMESH_URING_OP. See uring.c. */
#ifndef VMESH_URING_H
#define VMESH_URING_H

struct io_uring_cmd;
struct vmesh_entry;
struct vmesh_file;

/* The file's uring_cmd. What io_uring makes of it: EIOCBQUEUED, or an errno at once. */
int vmesh_uring(struct vmesh_file *f, struct io_uring_cmd *cmd, unsigned int flags);

/* An entry of VMESH_TAKER_URING has ended. Any context; the queue's lock is held. */
void vmesh_uring_done(struct vmesh_entry *e);

/* The task that has @files ends: so do the operations it posted. Process context. */
void vmesh_uring_end(struct vmesh_file *f, const void *files);

#endif /* VMESH_URING_H */
