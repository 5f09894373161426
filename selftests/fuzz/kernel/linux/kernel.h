/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VIRTMESH_FUZZ_LINUX_KERNEL_H
#define VIRTMESH_FUZZ_LINUX_KERNEL_H

#include_next <linux/kernel.h>

/* @to: a power of two. */
#define round_up(n, to) (((n) + (to)-1) & ~((__typeof__(n))(to)-1))

#endif /* VIRTMESH_FUZZ_LINUX_KERNEL_H */
