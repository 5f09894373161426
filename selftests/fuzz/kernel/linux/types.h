/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's names of what user space's <linux/types.h> has, and of the compiler's. */
#ifndef VIRTMESH_FUZZ_LINUX_TYPES_H
#define VIRTMESH_FUZZ_LINUX_TYPES_H

#include_next <linux/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __s32 s32;
typedef __u64 u64;
typedef __s64 s64;
typedef unsigned int gfp_t;
typedef unsigned int __poll_t;
typedef unsigned long ulong;
typedef unsigned int uint;

#define __user
#define __percpu
#define __force
#define __packed __attribute__((packed))

#define likely(x)	  __builtin_expect(!!(x), 1)
#define unlikely(x)	  __builtin_expect(!!(x), 0)
#define READ_ONCE(x)	  (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, to) (*(volatile __typeof__(x) *)&(x) = (to))

#undef static_assert
#define static_assert(cond, ...) _Static_assert(cond, #cond)
#define BUILD_BUG_ON(cond) _Static_assert(!(cond), #cond)

#define container_of(at, type, member) ((type *)((char *)(at)-offsetof(type, member)))

struct list_head {
	struct list_head *next, *prev;
};

struct rcu_head {
	struct rcu_head *next;
	void *memory;
};

#endif /* VIRTMESH_FUZZ_LINUX_TYPES_H */
