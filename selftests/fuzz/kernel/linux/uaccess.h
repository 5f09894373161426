/* SPDX-License-Identifier: GPL-2.0-only */
/* A program's memory is ours; a copy faults when the input says so. */
#ifndef VIRTMESH_FUZZ_LINUX_UACCESS_H
#define VIRTMESH_FUZZ_LINUX_UACCESS_H

#include <linux/types.h>

#define u64_to_user_ptr(at) ((void *)(uintptr_t)(at))

unsigned long copy_from_user(void *to, const void *from, unsigned long n);
unsigned long copy_to_user(void *to, const void *from, unsigned long n);

struct iov_iter {
	u8 *at;
	size_t left;
};

#define iov_iter_count(it) ((it)->left)
size_t copy_to_iter(const void *from, size_t n, struct iov_iter *to);
bool copy_from_iter_full(void *to, size_t n, struct iov_iter *from);

#endif /* VIRTMESH_FUZZ_LINUX_UACCESS_H */
