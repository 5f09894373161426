/* SPDX-License-Identifier: GPL-2.0-only */
/* The ports as one looks at them: maps, counters and interfaces put together. */
#ifndef VIRTMESH_HOST_VIEW_H
#define VIRTMESH_HOST_VIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "holder.h"
#include "link.h"
#include "state.h"

struct vm_view {
	__u32 ifindex;
	struct vm_port port;
	struct vm_link link; /* zeroed when gone; then its name is "(gone)" */
	bool gone; /* the interface has vanished; the next change forgets the port */
	bool attached; /* the steering program is where it should be */
	struct vm_counters count; /* all CPUs */
	__u64 lost_skb; /* see VM_LOST_SKB_NAME */
	struct vm_holder holder; /* who has its tap open; only after vm_views_hold() */
	bool known; /* the broker has written @member, and of this very port */
	struct vm_member member;
};

/*
 * Ports of @ensemble (0: all), in order of address; with @broker those of
 * no node as well, first: its port, and what faults lead through. @views is for free(). 0, or -errno explained on stderr.
 */
int vm_views_load(const struct vm_state *st, unsigned int ensemble, bool broker,
		  struct vm_view **views, size_t *count);

/* Look who serves each: takes a walk through /proc. */
void vm_views_hold(struct vm_view *views, size_t count);
/* By what way frames come and go: "qemu-system-x86", "port/own", "port/kernel", "-". */
const char *vm_view_served(const struct vm_view *view, char *text, size_t size);

/* Sum of @view's drops that the steering program made, and of what was lost behind it. */
__u64 vm_view_drops(const struct vm_view *view);
__u64 vm_view_lost(const struct vm_view *view);

/* Sum @slot's counters of all CPUs. 0 or -errno. */
int vm_counters_sum(const struct vm_maps *maps, __u32 slot, struct vm_counters *sum);

/* "native", "generic", "gone", "detached". */
const char *vm_view_mode(const struct vm_view *view);

#endif /* VIRTMESH_HOST_VIEW_H */
