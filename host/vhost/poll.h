/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether to spin before sleeping, and for how long.
 */
#ifndef VIRTMESH_VHOST_POLL_H
#define VIRTMESH_VHOST_POLL_H

#include <stdbool.h>

#include <linux/types.h>

struct vm_poll {
	__u64 cap; /* ns: the longest spin; 0: never */
	__u64 window; /* ns: the next one; 0: none */
	__u64 closed_until; /* CLOCK_MONOTONIC, ns: no window before */
	__u64 idle_at; /* CLOCK_MONOTONIC, ns; 0: not idle */
	unsigned int looks; /* between offers of the CPU */
	__u64 *spins, *hits; /* counted there */
};

/* @poll_us: the cap, as --poll-us says. Spins, and those that found something, are counted. */
void vm_poll_init(struct vm_poll *p, int poll_us, __u64 *spins, __u64 *hits);
/*
 * Look with @found(@arg) until it is true or the window is over. The CPU is offered
 * @first: the guest has something to do, or, in a stream, what comes meanwhile is
 * taken by one call. @found's last answer.
 */
bool vm_poll_spin(struct vm_poll *p, bool first, bool (*found)(void *arg), void *arg);
/* CLOCK_MONOTONIC, ns. */
__u64 vm_poll_now(void);
/*
 * As vm_poll_spin(), whatever the window is, until @until or @found(@arg). May be over
 * earlier.
 */
void vm_poll_rest(struct vm_poll *p, __u64 until, bool (*found)(void *arg), void *arg);
/* Let somebody else run. False: for too long; no spinning now. */
bool vm_poll_offer(struct vm_poll *p);
/* Somebody else has something to do: offer again after a few looks. */
void vm_poll_soon(struct vm_poll *p);
/* About to sleep; woken. */
void vm_poll_sleep(struct vm_poll *p);
void vm_poll_woke(struct vm_poll *p);

#endif /* VIRTMESH_VHOST_POLL_H */
