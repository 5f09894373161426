/* SPDX-License-Identifier: GPL-2.0-only */
/* ECHO: asking, answering, and being answered. See echo.c. */
#ifndef VMESH_ECHO_H
#define VMESH_ECHO_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/spinlock.h>

struct virtmesh_echo;
struct vmesh;
struct vmesh_msg;

struct vmesh_echoes {
	spinlock_t lock; /* protects the list and what hangs on it; bh; a leaf */
	struct list_head waiting;
	atomic_t seq;
};

void vmesh_echoes_init(struct vmesh_echoes *e);

/* The device goes: end every wait with ENODEV. Any context. */
void vmesh_echoes_abort(struct vmesh_echoes *e);

/* VIRTMESH_IOC_ECHO; the errnos are in the uapi header. Process context. */
int vmesh_echo(struct vmesh *m, struct virtmesh_echo *arg);

/* Softirq: an ECHO from a member, to us alone; an ECHO_REPLY from one. */
void vmesh_echo_answer(struct vmesh *m, u16 node, const struct vmesh_msg *msg);
void vmesh_echo_reply(struct vmesh *m, u16 node, const struct vmesh_msg *msg);

#endif /* VMESH_ECHO_H */
