/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VIRTMESH_FUZZ_LINUX_WORKQUEUE_H
#define VIRTMESH_FUZZ_LINUX_WORKQUEUE_H

#include <linux/hrtimer.h>

struct workqueue_struct;
extern struct workqueue_struct *system_wq;

struct work_struct {
	struct fake_event ev;
	void (*fn)(struct work_struct *work);
};

struct delayed_work {
	struct work_struct work;
};

void INIT_WORK(struct work_struct *work, void (*fn)(struct work_struct *work));
bool schedule_work(struct work_struct *work);
bool cancel_work_sync(struct work_struct *work);

#define INIT_DELAYED_WORK(dwork, fn)	INIT_WORK(&(dwork)->work, fn)
#define cancel_delayed_work_sync(dwork) cancel_work_sync(&(dwork)->work)
#define to_delayed_work(at)		container_of(at, struct delayed_work, work)
bool mod_delayed_work(struct workqueue_struct *wq, struct delayed_work *dwork, unsigned long delay);
/* Does nothing when it is due already. */
bool queue_delayed_work(struct workqueue_struct *wq, struct delayed_work *dwork,
			unsigned long delay);
#define schedule_delayed_work(dwork, delay) queue_delayed_work(system_wq, dwork, delay)

struct workqueue_struct *alloc_ordered_workqueue(const char *format, unsigned int flags, ...);
void destroy_workqueue(struct workqueue_struct *wq);

#endif /* VIRTMESH_FUZZ_LINUX_WORKQUEUE_H */
