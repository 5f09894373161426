/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A kernel for the driver's transport, as small as it can be: what its harness
 * sees of it. The names that the driver uses are in linux/. One thread, no
 * interrupts: what would run at the same time runs one after the other, in an order
 * that the harness chooses, and tasks change only where one sleeps.
 */
#ifndef VIRTMESH_FUZZ_KERNEL_FAKE_H
#define VIRTMESH_FUZZ_KERNEL_FAKE_H

#include <linux/types.h>

/* What the kernel would find with its debugging on. */
#define fake_must(cond)                                         \
	do {                                                    \
		if (!(cond))                                    \
			fake_broken(__FILE__, __LINE__, #cond); \
	} while (0)
__attribute__((noreturn)) void fake_broken(const char *file, int line, const char *what);

void fake_kernel_begin(void); /* everything as at the start */
void fake_kernel_end(void); /* nothing is held, due, or left */

/* Their parts. */
void fake_context_begin(void);
void fake_context_end(void);
void fake_chance_begin(void);
void fake_time_begin(void);
void fake_time_end(void);
void fake_task_begin(void);
void fake_task_end(void);

/* context.c: softirqs come between two, and leave no lock held. */
void fake_softirq_begin(void);
void fake_softirq_end(void);
void fake_may_sleep(void);

/* memory.c */
/* The allocation (or copy, or sending) after @after others fails, and @count from there on. */
void fake_fail(unsigned int after, unsigned int count);
bool fake_fails(void);
struct page;
struct page *fake_page(const void *data, size_t len); /* harness's until it is given away */
void fake_page_given(struct page *page);
struct page *fake_page_nth(unsigned int n); /* that the driver has; NULL: none */
extern unsigned int fake_pages; /* that it has */
extern long fake_allocated; /* pieces of memory that were not freed */

/* time.c */
extern u64 fake_now;
#define FAKE_NEVER (~0ULL)
/* The harness's, while the first task sleeps: the next thing happens, or it is @until. */
void fake_world(u64 until);
u64 fake_next(void); /* when the next timer or work is due; FAKE_NEVER */
void fake_expire(void); /* those that are due now, and those which that makes so */

/* task.c */
#define FAKE_TASKS_MAX 6
extern unsigned int fake_tasks; /* that have not ended */
void fake_task_run(void (*fn)(void *arg), void *arg); /* until it sleeps for the first time */
void fake_signal(unsigned int nth); /* of them, to end its sleep */

#endif /* VIRTMESH_FUZZ_KERNEL_FAKE_H */
