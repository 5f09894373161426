/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VIRTMESH_FUZZ_LINUX_TIMER_H
#define VIRTMESH_FUZZ_LINUX_TIMER_H

/* The receive ring's, which is not built here. */
struct timer_list {
	void (*function)(struct timer_list *timer);
};

int del_timer_sync(struct timer_list *timer);

#endif /* VIRTMESH_FUZZ_LINUX_TIMER_H */
