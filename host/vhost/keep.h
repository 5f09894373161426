/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An io_uring in memory of ours (IORING_SETUP_NO_MMAP), a memfd that outlives
 * the process.
 *
 * Why: a port that is killed in the middle of a batch has descriptors in flight
 * of which the kernel has carried some. Which ones, only the completion queue
 * knows: a batch is executed within io_uring_enter(), which is not interrupted by
 * a signal, and every completion is in the queue when it returns, or when the
 * process dies instead of returning. The queue's head moves only after what the
 * completions said has been written to the used ring and the log. So the next port
 * reads the queue that the dead one left, and is certain of every frame.
 *
 * Where the kernel has no such thing (it needs memory in several pages: Linux
 * 6.10), a batch that was in flight may be carried twice.
 */
#ifndef VIRTMESH_VHOST_KEEP_H
#define VIRTMESH_VHOST_KEEP_H

#include <liburing.h>
#include <linux/types.h>

#define VM_KEEP_SIZE (64 * 1024)

/*
 * Make @ring of @p (entries as in it) in the VM_KEEP_SIZE bytes at @keep, page
 * aligned and mapped shared. What was there is lost. 0; -errno when this kernel
 * cannot: @keep then holds nothing.
 */
int vm_keep_init(void *keep, unsigned int entries, struct io_uring_params *p,
		 struct io_uring *ring);
/* Instead of io_uring_queue_exit(). */
void vm_keep_exit(struct io_uring *ring);

/* There is nothing in @keep for the next port. */
void vm_keep_forget(void *keep);
/* Call @fn(@arg) for each completion in @keep that its port did not live to forget. */
void vm_keep_each(const void *keep, void (*fn)(void *arg, __u64 data, int res), void *arg);

#endif /* VIRTMESH_VHOST_KEEP_H */
