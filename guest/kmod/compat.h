/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All that differs between the kernels this driver builds for, 6.1 and newer.
 * Kbuild looks into the kernel's headers for each feature and defines
 * VMESH_HAVE_*; no version numbers here, since distributions backport.
 */
#ifndef VMESH_COMPAT_H
#define VMESH_COMPAT_H

#include <linux/virtio.h>
#include <linux/virtio_config.h>

struct vmesh_vq_spec {
	const char *name;
	void (*callback)(struct virtqueue *vq);
};

#define VMESH_VQS 2

/* May sleep. Returns 0, or what the transport says. */
static inline int vmesh_find_vqs(struct virtio_device *vdev, struct virtqueue *vqs[VMESH_VQS],
				 const struct vmesh_vq_spec spec[VMESH_VQS])
{
#ifdef VMESH_HAVE_VIRTQUEUE_INFO
	struct virtqueue_info info[VMESH_VQS] = {};
	int i;

	for (i = 0; i < VMESH_VQS; i++) {
		info[i].name = spec[i].name;
		info[i].callback = spec[i].callback;
	}
	return virtio_find_vqs(vdev, VMESH_VQS, vqs, info, NULL);
#else
	vq_callback_t *callbacks[VMESH_VQS];
	const char *names[VMESH_VQS];
	int i;

	for (i = 0; i < VMESH_VQS; i++) {
		names[i] = spec[i].name;
		callbacks[i] = spec[i].callback;
	}
	return virtio_find_vqs(vdev, VMESH_VQS, vqs, callbacks, names, NULL);
#endif
}

/* May sleep. Needs VIRTIO_F_RING_RESET, and nobody else at the queue meanwhile. */
static inline int vmesh_resize_vq(struct virtqueue *vq, u32 num,
				  void (*recycle)(struct virtqueue *vq, void *buf))
{
#ifdef VMESH_HAVE_RECYCLE_DONE
	return virtqueue_resize(vq, num, recycle, NULL);
#else
	return virtqueue_resize(vq, num, recycle);
#endif
}

#endif /* VMESH_COMPAT_H */
