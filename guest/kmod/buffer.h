/* SPDX-License-Identifier: GPL-2.0-only */
/* Buffers: memory that operations read from and write into. See buffer.c. */
#ifndef VMESH_BUFFER_H
#define VMESH_BUFFER_H

#include <linux/kref.h>
#include <linux/types.h>

struct page;
struct user_struct;
struct vm_area_struct;

struct vmesh_buffer {
	struct kref ref;
	u64 size;
	void *data; /* all of it, at one kernel address, for as long as there is a reference */
	struct page **pages; /* pinned ones of a program; NULL: the memory is ours */
	unsigned long count; /* of pages, accounted to user */
	struct user_struct *user;
};

/*
 * Zeroed memory of the kernel, @size rounded up to pages; or the caller's own,
 * pinned. Process context. With one reference, or ERR_PTR: EINVAL (size),
 * ENOMEM (also RLIMIT_MEMLOCK), EFAULT (not writable memory), EINTR.
 */
struct vmesh_buffer *vmesh_buffer_alloc(u64 size);
struct vmesh_buffer *vmesh_buffer_register(u64 addr, u64 size);

void vmesh_buffer_get(struct vmesh_buffer *b); /* any context */
void vmesh_buffer_put(struct vmesh_buffer *b); /* process context: it may sleep */

/*
 * Map all of @b, shared. Holds mmap_lock. The mapping has a reference of its own.
 * EINVAL: not the whole, not shared, or a registered one.
 */
int vmesh_buffer_mmap(struct vmesh_buffer *b, struct vm_area_struct *vma);

#endif /* VMESH_BUFFER_H */
