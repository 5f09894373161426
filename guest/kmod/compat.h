/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All that differs between the kernels this driver builds for, 6.1 and newer.
 * Kbuild looks into the kernel's headers for each feature and defines
 * VMESH_HAVE_*; no version numbers here, since distributions backport.
 */
#ifndef VMESH_COMPAT_H
#define VMESH_COMPAT_H

#include <linux/eventfd.h>
#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/timer.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#ifdef VMESH_HAVE_URING_CMD_H
#include <linux/io_uring/cmd.h>
#else
#include <linux/io_uring.h>
#ifdef VMESH_HAVE_URING_CANCEL
#include <linux/io_uring_types.h>
#endif
#endif

/* What the device offers, of the first 64. May sleep. */
static inline u64 vmesh_offered(struct virtio_device *vdev)
{
#ifdef VMESH_HAVE_EXTENDED_FEATURES
	/* A transport has one of two callbacks; and the size's name changes. */
	u64 features[ARRAY_SIZE(vdev->features_array)];

	virtio_get_features(vdev, features);
	return features[0];
#else
	return vdev->config->get_features(vdev);
#endif
}

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

/* Soft: the function runs in softirq. Any context. */
static inline void vmesh_timer_setup(struct hrtimer *timer,
				     enum hrtimer_restart (*fn)(struct hrtimer *timer))
{
#ifdef VMESH_HAVE_HRTIMER_SETUP
	hrtimer_setup(timer, fn, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_SOFT);
#else
	hrtimer_init(timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_SOFT);
	timer->function = fn;
#endif
}

/* May sleep: the function has returned, too. */
static inline void vmesh_timer_delete_sync(struct timer_list *timer)
{
#ifdef VMESH_HAVE_TIMER_DELETE
	timer_delete_sync(timer);
#else
	del_timer_sync(timer);
#endif
}

/* In a mapping that is being made. */
static inline void vmesh_vm_flags_set(struct vm_area_struct *vma, unsigned long flags)
{
#ifdef VMESH_HAVE_VM_FLAGS_SET
	vm_flags_set(vma, flags);
#else
	vma->vm_flags |= flags;
#endif
}

/* Any context. */
static inline void vmesh_eventfd_signal(struct eventfd_ctx *ctx)
{
#ifdef VMESH_HAVE_EVENTFD_SIGNAL_N
	eventfd_signal(ctx, 1);
#else
	eventfd_signal(ctx);
#endif
}

/* What a program wrote into its submission queue entry; it may still change it. */
static inline const void *vmesh_uring_cmd(const struct io_uring_cmd *cmd)
{
#ifdef VMESH_HAVE_URING_SQE
	return cmd->sqe->cmd;
#else
	return cmd->cmd;
#endif
}

/* Define @work, for io_uring_cmd_complete_in_task(), that calls @fn with command and flags. */
#ifdef VMESH_HAVE_URING_FROM_TW
#define VMESH_URING_WORK(work, fn)                                                 \
	static void work(struct io_tw_req req, io_tw_token_t tw)                   \
	{                                                                          \
		fn(io_uring_cmd_from_tw(req), IO_URING_CMD_TASK_WORK_ISSUE_FLAGS); \
	}
#else
#define VMESH_URING_WORK(work, fn)                                     \
	static void work(struct io_uring_cmd *cmd, unsigned int flags) \
	{                                                              \
		fn(cmd, flags);                                        \
	}
#endif

/*
 * It has ended. @more is what a completion of 32 bytes has besides; a ring of shorter
 * ones does without. As io_uring_cmd_done() otherwise.
 */
static inline void vmesh_uring_finish(struct io_uring_cmd *cmd, int result, u64 more,
				      unsigned int flags)
{
#ifdef VMESH_HAVE_URING_DONE32
	io_uring_cmd_done32(cmd, result, more, flags);
#else
	io_uring_cmd_done(cmd, result, more, flags);
#endif
}

/*
 * Ask io_uring to tell when the ring or its task ends. Kernels that cannot,
 * do not call us with VMESH_URING_CANCEL.
 */
#ifdef VMESH_HAVE_URING_CANCEL
#define VMESH_URING_CANCEL IO_URING_F_CANCEL
static inline void vmesh_uring_cancelable(struct io_uring_cmd *cmd, unsigned int flags)
{
	io_uring_cmd_mark_cancelable(cmd, flags);
}

/* Would it tell so of both for the same reason? Neither is done. */
static inline bool vmesh_uring_together(struct io_uring_cmd *a, struct io_uring_cmd *b)
{
	return cmd_to_io_kiocb(a)->ctx == cmd_to_io_kiocb(b)->ctx &&
	       io_uring_cmd_get_task(a) == io_uring_cmd_get_task(b);
}
#else
#define VMESH_URING_CANCEL 0
static inline void vmesh_uring_cancelable(struct io_uring_cmd *cmd, unsigned int flags)
{
}

static inline bool vmesh_uring_together(struct io_uring_cmd *a, struct io_uring_cmd *b)
{
	return false;
}
#endif

/*
 * In a loop that looks at the ring: let whoever shares this CPU run. Under UML, where
 * the device's process may be one of them, that is the host's to decide.
 */
static inline void vmesh_relax(void)
{
#ifdef CONFIG_UML
	long ret = 24; /* __NR_sched_yield of x86-64 */

	asm volatile("syscall" : "+a"(ret) : : "rcx", "r11", "memory");
#endif
	cond_resched();
	cpu_relax();
}

#endif /* VMESH_COMPAT_H */
