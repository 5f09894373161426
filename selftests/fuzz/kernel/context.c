// SPDX-License-Identifier: GPL-2.0-only
/*
 * What may be done where. Not as much as lockdep sees, which the debugging guests
 * have: but a lock that is taken twice, left held, or open to a softirq that takes
 * it too, and sleeping where that is not allowed, end the run.
 */
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "fake.h"

static unsigned int softirq; /* 1: we are in one */
static unsigned int bh; /* softirqs are off, so often */
static unsigned int locks, mutexes, readers;
static struct rcu_head *freed; /* when the last reader has gone */

void fake_context_begin(void)
{
	softirq = 0;
	bh = 0;
	locks = 0;
	mutexes = 0;
	readers = 0;
}

void fake_context_end(void)
{
	fake_must(!softirq && !bh && !locks && !mutexes && !readers && !freed);
}

void fake_softirq_begin(void)
{
	fake_must(!softirq && !bh && !locks && !readers);
	softirq = 1;
}

void fake_softirq_end(void)
{
	fake_must(softirq && !bh && !locks && !readers);
	softirq = 0;
}

void fake_may_sleep(void)
{
	fake_must(!softirq && !bh && !locks && !readers);
}

void spin_lock_init(spinlock_t *lock)
{
	*lock = (spinlock_t){ .made = true };
}

static void take(spinlock_t *lock)
{
	fake_must(lock->made);
	fake_must(!lock->held);
	if (softirq)
		lock->soft = true;
	else if (!bh)
		lock->hard = true;
	fake_must(!(lock->soft && lock->hard));
	lock->held = true;
	locks++;
}

static void let_go(spinlock_t *lock)
{
	fake_must(lock->held && locks);
	lock->held = false;
	locks--;
}

void spin_lock(spinlock_t *lock)
{
	take(lock);
}

void spin_unlock(spinlock_t *lock)
{
	let_go(lock);
}

void spin_lock_bh(spinlock_t *lock)
{
	bh++;
	take(lock);
}

void spin_unlock_bh(spinlock_t *lock)
{
	let_go(lock);
	fake_must(bh);
	bh--;
}

void mutex_init(struct mutex *mutex)
{
	*mutex = (struct mutex){ .made = true };
}

void mutex_lock(struct mutex *mutex)
{
	fake_may_sleep();
	/* Whoever has it lies below us on the stack. */
	fake_must(mutex->made && !mutex->held);
	mutex->held = true;
	mutexes++;
}

int mutex_lock_interruptible(struct mutex *mutex)
{
	mutex_lock(mutex);
	return 0;
}

void mutex_unlock(struct mutex *mutex)
{
	fake_must(mutex->held && mutexes);
	mutex->held = false;
	mutexes--;
}

void rcu_read_lock(void)
{
	readers++;
}

static void grace(void)
{
	struct rcu_head *head;

	while (!readers && freed) {
		head = freed;
		freed = head->next;
		kfree(head->memory);
	}
}

void rcu_read_unlock(void)
{
	fake_must(readers);
	readers--;
	grace();
}

void fake_rcu_free(struct rcu_head *head, void *memory)
{
	head->memory = memory;
	head->next = freed;
	freed = head;
	grace();
}

void synchronize_rcu(void)
{
	fake_may_sleep();
}
