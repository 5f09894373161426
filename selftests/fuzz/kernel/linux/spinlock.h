/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Locks among one thread: who would wait here would wait for ever, so each is
 * held once at most, and let go by who took it. What a softirq takes too, a task
 * takes with softirqs off. See ../context.c.
 */
#ifndef VIRTMESH_FUZZ_LINUX_SPINLOCK_H
#define VIRTMESH_FUZZ_LINUX_SPINLOCK_H

#include <linux/types.h>

typedef struct {
	bool made, held;
	bool soft; /* a softirq has taken it */
	bool hard; /* a task has, and a softirq could have come */
} spinlock_t;

void spin_lock_init(spinlock_t *lock);
void spin_lock(spinlock_t *lock);
void spin_unlock(spinlock_t *lock);
void spin_lock_bh(spinlock_t *lock);
void spin_unlock_bh(spinlock_t *lock);

struct mutex {
	bool made, held;
};

void mutex_init(struct mutex *mutex);
void mutex_lock(struct mutex *mutex);
int mutex_lock_interruptible(struct mutex *mutex);
void mutex_unlock(struct mutex *mutex);

/* What is to be freed by RCU goes when the last reader has, and never later. */
void rcu_read_lock(void);
void rcu_read_unlock(void);
void synchronize_rcu(void);
void fake_rcu_free(struct rcu_head *head, void *memory);
#define kfree_rcu(at, member) fake_rcu_free(&(at)->member, at)

#endif /* VIRTMESH_FUZZ_LINUX_SPINLOCK_H */
