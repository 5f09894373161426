// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tasks, each on a stack of its own, of which one runs until it sleeps. The one
 * that libFuzzer calls is the first: when that sleeps, the world goes on for it.
 */
#include <sys/mman.h>
#include <ucontext.h>

#include <sanitizer/common_interface_defs.h>

#include <linux/wait.h>

#include "fake.h"

#define NS_PER_JIFFY (NSEC_PER_SEC / HZ)
#define STACK	     (128 << 10)

static struct task_struct first;
static struct task {
	struct task_struct t;
	bool used;
	ucontext_t ctx, back; /* its own, and of who let it run */
	struct task_struct *resumer;
	void *stack;
	const void *back_stack;
	size_t back_size;
	void (*fn)(void *arg);
	void *arg;
} tasks[FAKE_TASKS_MAX];

struct task_struct *current;
unsigned int fake_tasks;

void fake_task_begin(void)
{
	first = (struct task_struct){};
	current = &first;
	fake_tasks = 0;
}

void fake_task_end(void)
{
	fake_must(current == &first && !fake_tasks);
}

/* On the stack of @task from here on; back when it sleeps or ends. */
static void resume(struct task *task)
{
	void *fake_stack;

	fake_may_sleep();
	task->resumer = current;
	current = &task->t;
	__sanitizer_start_switch_fiber(&fake_stack, task->stack, STACK);
	swapcontext(&task->back, &task->ctx);
	__sanitizer_finish_switch_fiber(fake_stack, NULL, NULL);
	current = task->resumer;
}

/* Let whoever let us run go on. */
static void leave(struct task *task, bool for_good)
{
	void *fake_stack = NULL;

	fake_may_sleep();
	__sanitizer_start_switch_fiber(for_good ? NULL : &fake_stack, task->back_stack,
				       task->back_size);
	swapcontext(&task->ctx, &task->back);
	__sanitizer_finish_switch_fiber(fake_stack, &task->back_stack, &task->back_size);
}

static void task_main(void)
{
	struct task *task = container_of(current, struct task, t);

	__sanitizer_finish_switch_fiber(NULL, &task->back_stack, &task->back_size);
	task->fn(task->arg);
	task->used = false;
	fake_tasks--;
	leave(task, true);
}

static void task_happens(struct fake_event *ev)
{
	struct task_struct *t = container_of(ev, struct task_struct, ev);

	resume(container_of(t, struct task, t));
}

void fake_task_run(void (*fn)(void *arg), void *arg)
{
	struct task *task = tasks;

	while (task->used)
		fake_must(++task < tasks + FAKE_TASKS_MAX);
	if (!task->stack) {
		task->stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				   -1, 0);
		fake_must(task->stack != MAP_FAILED);
	}
	task->t = (struct task_struct){ .ev.happen = task_happens };
	task->used = true;
	task->fn = fn;
	task->arg = arg;
	fake_must(!getcontext(&task->ctx));
	task->ctx.uc_stack.ss_sp = task->stack;
	task->ctx.uc_stack.ss_size = STACK;
	task->ctx.uc_link = NULL;
	makecontext(&task->ctx, task_main, 0);
	fake_tasks++;
	resume(task);
}

/* Sleeping. */

static bool sleeps(void)
{
	return current->state != TASK_RUNNING &&
	       !(current->state == TASK_INTERRUPTIBLE && current->signal);
}

void fake_sleep(u64 until)
{
	fake_may_sleep();
	while (sleeps() && fake_now < until) {
		if (current == &first) {
			fake_world(until);
			continue;
		}
		if (until != FAKE_NEVER)
			fake_event_at(&current->ev, until);
		leave(container_of(current, struct task, t), false);
		fake_event_cancel(&current->ev);
	}
	current->state = TASK_RUNNING;
}

void fake_wake(struct task_struct *task)
{
	task->state = TASK_RUNNING;
	if (task != &first && task != current)
		fake_event_at(&task->ev, fake_now);
}

void fake_signal(unsigned int nth)
{
	struct task *task;

	for (task = tasks; task < tasks + FAKE_TASKS_MAX; task++) {
		if (!task->used || nth--)
			continue;
		task->t.signal = true;
		fake_event_at(&task->t.ev, fake_now);
		return;
	}
}

int schedule_hrtimeout_range(ktime_t *expires, u64 delta, enum hrtimer_mode mode)
{
	u64 until = expires && *expires != KTIME_MAX ? (u64)*expires : FAKE_NEVER;

	fake_sleep(until);
	return fake_now >= until ? 0 : -EINTR;
}

void usleep_range(unsigned long min_us, unsigned long max_us)
{
	set_current_state(TASK_UNINTERRUPTIBLE);
	fake_sleep(fake_now + min_us * NSEC_PER_USEC);
}

u64 fake_wait_end(long timeout)
{
	return timeout == LONG_MAX ? FAKE_NEVER : fake_after(timeout);
}

long fake_wait_left(u64 end)
{
	if (end == FAKE_NEVER)
		return LONG_MAX;
	return end > fake_now ? (long)((end - fake_now) / NS_PER_JIFFY) + 1 : 0;
}

int default_wake_function(struct wait_queue_entry *wait, unsigned int mode, int sync, void *key)
{
	struct task_struct *task = wait->private;

	fake_wake(task);
	return 1;
}

void init_waitqueue_func_entry(struct wait_queue_entry *wait, wait_queue_func_t func)
{
	*wait = (struct wait_queue_entry){ .func = func };
}

void add_wait_queue(wait_queue_head_t *q, struct wait_queue_entry *wait)
{
	list_add_tail(&wait->list, &q->head);
}

void remove_wait_queue(wait_queue_head_t *q, struct wait_queue_entry *wait)
{
	list_del(&wait->list);
}

void wake_up_all(wait_queue_head_t *q)
{
	struct wait_queue_entry *wait;

	list_for_each_entry(wait, &q->head, list)
		wait->func(wait, 0, 0, NULL);
}

void init_completion(struct completion *c)
{
	c->done = 0;
	init_waitqueue_head(&c->wait);
}

void complete(struct completion *c)
{
	c->done++;
	wake_up_all(&c->wait);
}

static long completed(struct completion *c, long left)
{
	if (left > 0)
		c->done--;
	return left;
}

long wait_for_completion_interruptible_timeout(struct completion *c, long timeout)
{
	return completed(c, wait_event_interruptible_timeout(c->wait, c->done, timeout));
}

int wait_for_completion_interruptible(struct completion *c)
{
	return (int)min(wait_for_completion_interruptible_timeout(c, LONG_MAX), 0L);
}
