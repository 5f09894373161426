/* SPDX-License-Identifier: GPL-2.0-only */
/* What compat.h speaks of, and nothing here calls. */
#ifndef VIRTMESH_FUZZ_LINUX_VIRTIO_H
#define VIRTMESH_FUZZ_LINUX_VIRTIO_H

#include <linux/types.h>

struct virtio_device;
struct virtqueue;

struct virtio_config_ops {
	u64 (*get_features)(struct virtio_device *vdev);
};

struct virtio_device {
	const struct virtio_config_ops *config;
};

typedef void vq_callback_t(struct virtqueue *vq);

int virtio_find_vqs(struct virtio_device *vdev, unsigned int n, struct virtqueue **vqs,
		    vq_callback_t **callbacks, const char *const *names, void *affinity);
int virtqueue_resize(struct virtqueue *vq, u32 num,
		     void (*recycle)(struct virtqueue *vq, void *buf));

#endif /* VIRTMESH_FUZZ_LINUX_VIRTIO_H */
