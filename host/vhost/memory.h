/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's memory, as far as the front-end shows it to us: regions of files,
 * mapped shared. Everything in it may change at any time.
 */
#ifndef VIRTMESH_VHOST_MEMORY_H
#define VIRTMESH_VHOST_MEMORY_H

#include <stddef.h>

#include <linux/types.h>

#define VM_REGIONS_MAX 32 /* kernel vhost takes 64 */

/* The exit status when the memory's file became shorter than its region. */
#define VM_EXIT_MEMORY 3

struct vm_region {
	__u64 gpa; /* in the guest */
	__u64 size;
	__u64 user; /* in the front-end */
	__u64 offset; /* in the file */
	void *at; /* of its first byte, in this process */
	void *map; /* the mapping, which may begin before it: files are mapped by pages */
	size_t map_size;
	int fd; /* kept to pass it on to the next process; owned */
};

struct vm_memory {
	unsigned int n;
	struct vm_region region[VM_REGIONS_MAX];
};

void vm_memory_init(struct vm_memory *mem);
/*
 * Map @size bytes of @fd from @offset as the guest's [@gpa, @gpa + @size). Takes
 * @fd on success only. Returns 0; -EINVAL for an empty region, one that wraps
 * around, or a file that is too short; -EEXIST when it overlaps another, in the
 * guest or in the front-end; -ENOSPC at VM_REGIONS_MAX; -errno of mmap (-ENODEV,
 * -EACCES: not a file of memory).
 */
int vm_memory_add(struct vm_memory *mem, __u64 gpa, __u64 user, __u64 size, __u64 offset, int fd);
/* Unmap exactly that region, and close its fd. 0, or -ENOENT. */
int vm_memory_del(struct vm_memory *mem, __u64 gpa, __u64 user, __u64 size);
void vm_memory_clear(struct vm_memory *mem);

/* How much of @fd is mapped for @size bytes from the beginning of a page of its. */
size_t vm_memory_map_size(int fd, __u64 size);
/* munmap(), which says when it fails. */
void vm_memory_unmap(void *map, size_t size);

/*
 * Where the @len bytes from a guest's (a front-end's) address are here. NULL
 * unless all of them are in one region, for whatever values; len 0 is never.
 */
void *vm_memory_guest(const struct vm_memory *mem, __u64 gpa, __u64 len);
void *vm_memory_user(const struct vm_memory *mem, __u64 user, __u64 len);

/*
 * Have SIGBUS, which a file that was cut short under us raises, end the process
 * with VM_EXIT_MEMORY and a line that says so. Nothing else could be right: the
 * guest whose memory it was has none any more.
 */
void vm_memory_guard(void);

#endif /* VIRTMESH_VHOST_MEMORY_H */
