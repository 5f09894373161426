/* SPDX-License-Identifier: GPL-2.0-only */
/* Both rings together: made, run, halted, taken down. See queue.c. */
#ifndef VMESH_QUEUE_H
#define VMESH_QUEUE_H

#include <linux/types.h>

struct vmesh_dev;

/* Once for a device, before and after everything else. Process context. */
int vmesh_queues_init(struct vmesh_dev *d);
void vmesh_queues_exit(struct vmesh_dev *d);

/* Between the two, any number of times. Process context. */
int vmesh_queues_up(struct vmesh_dev *d);
void vmesh_queues_down(struct vmesh_dev *d);

/*
 * New ring sizes, the same contents lost as with a link that flaps. Process
 * context, rings up, callers serialised (the interface has rtnl for it).
 * EOPNOTSUPP without VIRTIO_F_RING_RESET; EINVAL: too small, or no power of two, and
 * nothing is lost; else what virtqueue_resize() says.
 */
int vmesh_queues_resize(struct vmesh_dev *d, u32 rx, u32 tx);

#endif /* VMESH_QUEUE_H */
