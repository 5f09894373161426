// SPDX-License-Identifier: GPL-2.0-only
/* Time, and what is to happen at some: timers, which are softirqs, and work. */
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "fake.h"

#define NS_PER_JIFFY (NSEC_PER_SEC / HZ)
#define EXPIRE_MAX   100000 /* more than that at one time is a loop */

u64 fake_now;
static struct fake_event *events;
struct workqueue_struct *system_wq;

void fake_time_begin(void)
{
	/* Not 0, which would be a time that was never set. */
	fake_now = 1000000000ULL;
	events = NULL;
}

void fake_time_end(void)
{
	fake_must(!events);
}

u64 ktime_get_ns(void)
{
	return fake_now;
}

/* Events. */

bool fake_event_cancel(struct fake_event *ev)
{
	struct fake_event **at;

	if (!ev->due)
		return false;
	for (at = &events; *at != ev; at = &(*at)->next)
		fake_must(*at);
	*at = ev->next;
	ev->due = false;
	return true;
}

void fake_event_at(struct fake_event *ev, u64 at)
{
	struct fake_event **next = &events;

	fake_event_cancel(ev);
	while (*next && (*next)->at <= at)
		next = &(*next)->next;
	ev->at = at;
	ev->next = *next;
	*next = ev;
	ev->due = true;
}

u64 fake_next(void)
{
	return events ? events->at : FAKE_NEVER;
}

void fake_expire(void)
{
	struct fake_event *ev;
	unsigned int n = 0;

	while (events && events->at <= fake_now) {
		ev = events;
		events = ev->next;
		ev->due = false;
		ev->happen(ev);
		fake_must(n++ < EXPIRE_MAX);
	}
}

static void timer_happens(struct fake_event *ev)
{
	struct hrtimer *timer = container_of(ev, struct hrtimer, ev);

	fake_softirq_begin();
	timer->function(timer);
	fake_softirq_end();
}

void hrtimer_init(struct hrtimer *timer, int clock, enum hrtimer_mode mode)
{
	timer->ev = (struct fake_event){ .happen = timer_happens };
}

void hrtimer_start(struct hrtimer *timer, ktime_t at, enum hrtimer_mode mode)
{
	fake_event_at(&timer->ev, at < 0 ? 0 : at);
}

int hrtimer_cancel(struct hrtimer *timer)
{
	fake_may_sleep();
	return fake_event_cancel(&timer->ev);
}

static void work_happens(struct fake_event *ev)
{
	struct work_struct *work = container_of(ev, struct work_struct, ev);

	fake_may_sleep();
	work->fn(work);
	fake_may_sleep();
}

void INIT_WORK(struct work_struct *work, void (*fn)(struct work_struct *work))
{
	work->ev = (struct fake_event){ .happen = work_happens };
	work->fn = fn;
}

bool schedule_work(struct work_struct *work)
{
	bool was = work->ev.due;

	if (!was)
		fake_event_at(&work->ev, fake_now);
	return !was;
}

bool cancel_work_sync(struct work_struct *work)
{
	fake_may_sleep();
	return fake_event_cancel(&work->ev);
}

u64 fake_after(unsigned long delay)
{
	return delay > (FAKE_NEVER - fake_now) / NS_PER_JIFFY - 1 ? FAKE_NEVER - 1 :
								    fake_now + delay * NS_PER_JIFFY;
}

bool mod_delayed_work(struct workqueue_struct *wq, struct delayed_work *dwork, unsigned long delay)
{
	bool was = dwork->work.ev.due;

	fake_event_at(&dwork->work.ev, fake_after(delay));
	return was;
}

bool queue_delayed_work(struct workqueue_struct *wq, struct delayed_work *dwork,
			unsigned long delay)
{
	return !dwork->work.ev.due && !mod_delayed_work(wq, dwork, delay);
}

struct workqueue_struct *alloc_ordered_workqueue(const char *format, unsigned int flags, ...)
{
	return kzalloc(1, GFP_KERNEL);
}

void destroy_workqueue(struct workqueue_struct *wq)
{
	kfree(wq);
}
