/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VIRTMESH_FUZZ_LINUX_KERNEL_H
#define VIRTMESH_FUZZ_LINUX_KERNEL_H

#include_next <linux/kernel.h>

#include <asm/byteorder.h>
#include <limits.h>
#include <linux/types.h>
#include <linux/errno.h>
#include <stdio.h>
#include <stdlib.h>

#define U8_MAX	((u8)~0)
#define U16_MAX ((u16)~0)
#define U32_MAX ((u32)~0U)
#define S32_MAX INT_MAX
#define U64_MAX (~0ULL)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
/* @to: a power of two. */
#define round_up(n, to) (((n) + (to)-1) & ~((__typeof__(n))(to)-1))

#define min(a, b) VM_FUZZ_PICK(<, a, b, __typeof__((a) + (b)), __COUNTER__)
#define max(a, b) VM_FUZZ_PICK(>, a, b, __typeof__((a) + (b)), __COUNTER__)

#define min_t(type, a, b)	    VM_FUZZ_PICK(<, a, b, type, __COUNTER__)
#define max_t(type, a, b)	    VM_FUZZ_PICK(>, a, b, type, __COUNTER__)
#define clamp_t(type, x, low, high) min_t(type, max_t(type, x, low), high)
#define clamp(x, low, high)	    min(max(x, low), high)

/* The names are new for each use, so that one may stand in another. */
#define VM_FUZZ_PICK(op, a, b, type, n) VM_FUZZ_PICK_(op, a, b, type, n)
#define VM_FUZZ_PICK_(op, a, b, type, n)        \
	({                                      \
		type a_##n = (a);               \
		type b_##n = (b);               \
		a_##n op b_##n ? a_##n : b_##n; \
	})

#define swap(a, b)                        \
	do {                              \
		__typeof__(a) old_ = (a); \
		(a) = (b);                \
		(b) = old_;               \
	} while (0)

#define struct_size(at, member, n) (sizeof(*(at)) + sizeof(*(at)->member) * (n))
#define memset_after(at, byte, member)                                                            \
	memset((char *)(at) + offsetof(__typeof__(*(at)), member) + sizeof((at)->member), (byte), \
	       sizeof(*(at)) - offsetof(__typeof__(*(at)), member) - sizeof((at)->member))

#define div_u64(n, by) ((u64)(n) / (u32)(by))

static inline void sort(void *base, size_t n, size_t size, int (*cmp)(const void *a, const void *b),
			void *swap)
{
	qsort(base, n, size, cmp);
}

/* Errnos in pointers: the last page has no memory. */
#define IS_ERR(at)   ((unsigned long)(at) >= -4095UL)
#define PTR_ERR(at)  ((long)(at))
#define ERR_PTR(err) ((void *)(long)(err))

#define this_cpu_inc(x) ((x)++)

/* Formatted, so that what is to be printed is looked at, and not said. */
void fake_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
struct net_device;
void fake_print_of(struct net_device *netdev, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
#define netdev_info	fake_print_of
#define netdev_warn	fake_print_of
#define pr_notice	fake_print
#define pr_info		fake_print
#define net_ratelimit() true

struct ratelimit_state {
	int interval, burst;
	int left;
	u64 begin_ns;
};

#define RATELIMIT_MSG_ON_RELEASE 1
static inline void ratelimit_set_flags(struct ratelimit_state *state, int flags)
{
}

void ratelimit_state_init(struct ratelimit_state *state, int interval, int burst);
#define ratelimit_default_init(state) ratelimit_state_init(state, 5 * 250, 10)
int __ratelimit(struct ratelimit_state *state);

u32 get_random_u32(void);
u64 get_random_u64(void);

#endif /* VIRTMESH_FUZZ_LINUX_KERNEL_H */
