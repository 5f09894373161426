/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel calls a guest by eventfds and nothing else. Where the front-end's
 * call fd is of another kind (User-Mode Linux has stream sockets) the kernel is
 * given an eventfd of ours, and what it signals there is passed on.
 */
#ifndef VIRTMESH_VHOST_RELAY_H
#define VIRTMESH_VHOST_RELAY_H

#include "sandbox.h"

struct vm_loop;

struct vm_relay {
	struct vm_loop *loop;
	int event; /* what the kernel signals; -1: no relay */
	int call; /* the front-end's; not ours to close */
};

/*
 * Pass signals of relay->event on to @call until vm_relay_stop(). Never waits
 * for a front-end that does not read: a call it has not taken yet is as good as
 * another. Returns 0 or -errno.
 */
int vm_relay_start(struct vm_relay *relay, struct vm_loop *loop, int call);
/* What was signalled so far is passed on. Does nothing where no relay is. */
void vm_relay_stop(struct vm_relay *relay);

extern const struct sandbox_calls vm_relay_calls;

#endif /* VIRTMESH_VHOST_RELAY_H */
