/* SPDX-License-Identifier: GPL-2.0-only */
/* Time that goes on when the harness says so. See ../time.c. */
#ifndef VIRTMESH_FUZZ_LINUX_HRTIMER_H
#define VIRTMESH_FUZZ_LINUX_HRTIMER_H

#include <linux/types.h>
#include <linux/kernel.h>

#define HZ		 250
#define NSEC_PER_SEC	 1000000000L
#define NSEC_PER_MSEC	 1000000L
#define NSEC_PER_USEC	 1000L
#define MAX_JIFFY_OFFSET ((LONG_MAX >> 1) - 1)

typedef s64 ktime_t;
#define KTIME_MAX INT64_MAX

u64 ktime_get_ns(void);
#define ktime_get()	     ((ktime_t)ktime_get_ns())
#define ns_to_ktime(ns)	     ((ktime_t)(ns))
#define ktime_add_safe(a, b) ((ktime_t)min_t(u64, (u64)(a) + (u64)(b), KTIME_MAX))

#define jiffies		     ((unsigned long)(ktime_get_ns() / (NSEC_PER_SEC / HZ)))
#define nsecs_to_jiffies(ns) ((unsigned long)((u64)(ns) / (NSEC_PER_SEC / HZ)))
#define msecs_to_jiffies(ms) (((unsigned long)(ms)*HZ + 999) / 1000)
#define time_before(a, b)    ((long)((a) - (b)) < 0)
#define time_after(a, b)     time_before(b, a)
#define time_after_eq(a, b)  (!time_before(a, b))

/* What is to happen at a time. */
struct fake_event {
	struct fake_event *next; /* by time */
	bool due;
	u64 at;
	void (*happen)(struct fake_event *ev);
};

void fake_event_at(struct fake_event *ev, u64 at);
bool fake_event_cancel(struct fake_event *ev); /* was it due? */
u64 fake_after(unsigned long delay); /* jiffies */

enum hrtimer_restart { HRTIMER_NORESTART };
enum hrtimer_mode { HRTIMER_MODE_ABS, HRTIMER_MODE_ABS_SOFT };
#define CLOCK_MONOTONIC 1

struct hrtimer {
	struct fake_event ev;
	enum hrtimer_restart (*function)(struct hrtimer *timer);
};

void hrtimer_init(struct hrtimer *timer, int clock, enum hrtimer_mode mode);
void hrtimer_start(struct hrtimer *timer, ktime_t at, enum hrtimer_mode mode);
int hrtimer_cancel(struct hrtimer *timer);

void usleep_range(unsigned long min_us, unsigned long max_us);
#define cond_resched() ((void)0)
#define cpu_relax()    ((void)0)

#endif /* VIRTMESH_FUZZ_LINUX_HRTIMER_H */
