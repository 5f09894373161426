/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's names of what user space's <linux/types.h> has, for guest/kmod/parse.c. */
#ifndef VIRTMESH_FUZZ_LINUX_TYPES_H
#define VIRTMESH_FUZZ_LINUX_TYPES_H

#include_next <linux/types.h>

#include <stdbool.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __s32 s32;
typedef __u64 u64;

#endif /* VIRTMESH_FUZZ_LINUX_TYPES_H */
