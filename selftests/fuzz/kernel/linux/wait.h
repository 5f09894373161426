/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sleeping. A condition is looked at again only after a wake-up or the end of the
 * time, so one that nobody tells of is missed here as there. See ../task.c.
 */
#ifndef VIRTMESH_FUZZ_LINUX_WAIT_H
#define VIRTMESH_FUZZ_LINUX_WAIT_H

#include <linux/hrtimer.h>
#include <linux/list.h>
#include <linux/spinlock.h>

enum { TASK_RUNNING, TASK_INTERRUPTIBLE, TASK_UNINTERRUPTIBLE };

struct task_struct {
	int state;
	bool signal;
	struct fake_event ev; /* it goes on */
};

extern struct task_struct *current;

#define set_current_state(to)	((void)(current->state = (to)))
#define __set_current_state(to) set_current_state(to)
#define signal_pending(task)	((task)->signal)
/* Until @expires, or for ever. 0: that time has come. */
int schedule_hrtimeout_range(ktime_t *expires, u64 delta, enum hrtimer_mode mode);

struct wait_queue_entry;
typedef int (*wait_queue_func_t)(struct wait_queue_entry *wait, unsigned int mode, int sync,
				 void *key);

struct wait_queue_entry {
	struct list_head list;
	void *private;
	wait_queue_func_t func;
};

typedef struct {
	struct list_head head;
} wait_queue_head_t;

int default_wake_function(struct wait_queue_entry *wait, unsigned int mode, int sync, void *key);
void init_waitqueue_func_entry(struct wait_queue_entry *wait, wait_queue_func_t func);
void add_wait_queue(wait_queue_head_t *q, struct wait_queue_entry *wait);
void remove_wait_queue(wait_queue_head_t *q, struct wait_queue_entry *wait);

#define init_waitqueue_head(q) INIT_LIST_HEAD(&(q)->head)
/* One thread: there is nothing to put a barrier between. */
#define waitqueue_active(q) (!list_empty(&(q)->head))
void wake_up_all(wait_queue_head_t *q);
#define wake_up_interruptible	  wake_up_all
#define wake_up_interruptible_all wake_up_all
static inline void wake_up_poll(wait_queue_head_t *q, __poll_t key)
{
	wake_up_all(q);
}

#define wake_up_interruptible_poll wake_up_poll
#define EPOLLIN			   0x1u
#define EPOLLPRI		   0x2u
#define EPOLLRDNORM		   0x40u
#define EPOLLRDBAND		   0x80u

/* jiffies left, 0, -ERESTARTSYS, as the kernel's. */
#define FAKE_WAIT(q, cond, timeout, intr)                                                      \
	({                                                                                     \
		struct wait_queue_entry entry_;                                                \
		u64 end_ = fake_wait_end(timeout);                                             \
		long left_;                                                                    \
		init_waitqueue_func_entry(&entry_, default_wake_function);                     \
		entry_.private = current;                                                      \
		add_wait_queue(&(q), &entry_);                                                 \
		for (;;) {                                                                     \
			set_current_state((intr) ? TASK_INTERRUPTIBLE : TASK_UNINTERRUPTIBLE); \
			left_ = fake_wait_left(end_);                                          \
			if (cond) {                                                            \
				left_ = max(left_, 1L);                                        \
				break;                                                         \
			}                                                                      \
			if (!left_)                                                            \
				break;                                                         \
			if ((intr) && signal_pending(current)) {                               \
				left_ = -ERESTARTSYS;                                          \
				break;                                                         \
			}                                                                      \
			fake_sleep(end_);                                                      \
		}                                                                              \
		set_current_state(TASK_RUNNING);                                               \
		remove_wait_queue(&(q), &entry_);                                              \
		left_;                                                                         \
	})

u64 fake_wait_end(long timeout);
long fake_wait_left(u64 end);
void fake_sleep(u64 until);
void fake_wake(struct task_struct *task);

#define wait_event(q, cond)				   ((void)FAKE_WAIT(q, cond, LONG_MAX, false))
#define wait_event_interruptible(q, cond)		   ((int)min(FAKE_WAIT(q, cond, LONG_MAX, true), 0L))
#define wait_event_interruptible_timeout(q, cond, timeout) FAKE_WAIT(q, cond, timeout, true)

struct completion {
	unsigned int done;
	wait_queue_head_t wait;
};

void init_completion(struct completion *c);
void complete(struct completion *c);
long wait_for_completion_interruptible_timeout(struct completion *c, long timeout);
int wait_for_completion_interruptible(struct completion *c);

#endif /* VIRTMESH_FUZZ_LINUX_WAIT_H */
