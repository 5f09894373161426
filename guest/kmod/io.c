// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtmesh_io.ko: the base alone, under a raw frame device /dev/virtmesh_ioN.
 * It is for tests, which prove with it that the rings work before the mesh is
 * on top of them, and that play the hostile guest. It is never installed.
 *
 *	read(2)		one Ethernet frame; EMSGSIZE when the buffer is shorter (the
 *			frame stays); EAGAIN or sleep when there is none
 *	write(2)	one Ethernet frame, as it is; EAGAIN or sleep when the ring is full
 *	poll(2)		POLLIN, POLLOUT; POLLHUP when the device has gone
 *
 * Received frames wait in one queue for all readers; what finds it full is
 * dropped, and the count of these is in the module parameter `dropped`.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/etherdevice.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/uio.h>
#include <linux/virtio.h>
#include <virtmesh/version.h>

#include "claim.h"
#include "device.h"

#define IO_QUEUE_MAX 1024 /* frames */
#define IO_FRAME_MAX 16384 /* longer than any MTU: what the host makes of it is under test */

static ulong io_dropped;
module_param_named(dropped, io_dropped, ulong, 0444);
MODULE_PARM_DESC(dropped, "frames that found the queue full (to be read)");

static DEFINE_IDA(io_ids);

struct io {
	struct vmesh_dev dev; /* first */
	struct miscdevice misc;
	struct sk_buff_head queue;
	wait_queue_head_t wait;
	struct mutex read_lock; /* from looking at the head of the queue to taking it */
	bool gone;
	int id;
	char name[24];
};

static struct io *to_io(struct vmesh_dev *d)
{
	return container_of(d, struct io, dev);
}

static bool io_ready(struct io *io)
{
	return READ_ONCE(io->gone) || !skb_queue_empty_lockless(&io->queue);
}

static int io_open(struct inode *inode, struct file *file)
{
	/* misc holds its lock over open and deregister: the device is still there. */
	struct io *io = container_of(file->private_data, struct io, misc);

	vmesh_get(&io->dev);
	file->private_data = io;
	return stream_open(inode, file);
}

static int io_release(struct inode *inode, struct file *file)
{
	struct io *io = file->private_data;

	vmesh_put(&io->dev);
	return 0;
}

static bool io_nonblock(const struct kiocb *iocb)
{
	return (iocb->ki_filp->f_flags & O_NONBLOCK) || (iocb->ki_flags & IOCB_NOWAIT);
}

static ssize_t io_read(struct kiocb *iocb, struct iov_iter *to)
{
	struct io *io = iocb->ki_filp->private_data;
	struct sk_buff *skb;
	ssize_t ret;

	for (;;) {
		if (READ_ONCE(io->gone))
			return -ENODEV;
		if (mutex_lock_interruptible(&io->read_lock))
			return -ERESTARTSYS;
		skb = skb_peek(&io->queue);
		if (skb)
			break;
		mutex_unlock(&io->read_lock);

		if (io_nonblock(iocb))
			return -EAGAIN;
		if (wait_event_interruptible(io->wait, io_ready(io)))
			return -ERESTARTSYS;
	}

	ret = skb->len;
	if (iov_iter_count(to) < skb->len)
		ret = -EMSGSIZE;
	else if (copy_to_iter(skb->data, skb->len, to) != skb->len)
		ret = -EFAULT;
	if (ret >= 0) {
		skb_unlink(skb, &io->queue);
		consume_skb(skb);
	}
	mutex_unlock(&io->read_lock);
	return ret;
}

static ssize_t io_write(struct kiocb *iocb, struct iov_iter *from)
{
	struct io *io = iocb->ki_filp->private_data;
	size_t len = iov_iter_count(from);
	struct sk_buff *skb;
	int err;

	if (!len || len > IO_FRAME_MAX)
		return -EMSGSIZE;
	skb = alloc_skb(VMESH_TX_HEADROOM + len, GFP_KERNEL);
	if (!skb)
		return -ENOMEM;
	skb_reserve(skb, VMESH_TX_HEADROOM);
	if (!copy_from_iter_full(skb_put(skb, len), len, from)) {
		kfree_skb(skb);
		return -EFAULT;
	}
	err = vmesh_tx_wait(&io->dev, skb, io_nonblock(iocb));
	if (err) {
		kfree_skb(skb);
		return err;
	}
	return len;
}

static __poll_t io_poll(struct file *file, poll_table *wait)
{
	struct io *io = file->private_data;
	__poll_t mask = 0;

	poll_wait(file, &io->wait, wait);
	poll_wait(file, &io->dev.tx.wait, wait);
	if (READ_ONCE(io->gone))
		return EPOLLHUP | EPOLLERR;
	if (!skb_queue_empty_lockless(&io->queue))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (vmesh_tx_room(&io->dev))
		mask |= EPOLLOUT | EPOLLWRNORM;
	return mask;
}

static const struct file_operations io_fops = {
	.owner = THIS_MODULE,
	.open = io_open,
	.release = io_release,
	.read_iter = io_read,
	.write_iter = io_write,
	.poll = io_poll,
};

static bool io_receive(struct vmesh_dev *d, const struct vmesh_frame *frame)
{
	struct io *io = to_io(d);
	struct sk_buff *skb;

	if (skb_queue_len_lockless(&io->queue) >= IO_QUEUE_MAX) {
		io_dropped++;
		return false;
	}
	skb = alloc_skb(frame->len, GFP_ATOMIC | __GFP_NOWARN);
	if (!skb) {
		vmesh_count(d, rx_no_memory);
		return false;
	}
	skb_put_data(skb, frame->data, frame->len);
	skb_queue_tail(&io->queue, skb);
	wake_up_interruptible(&io->wait);
	return false;
}

static int io_create(struct vmesh_dev *d)
{
	struct io *io = to_io(d);

	skb_queue_head_init(&io->queue);
	init_waitqueue_head(&io->wait);
	mutex_init(&io->read_lock);

	/* Never registered: NAPI must belong to some interface. */
	d->napi_dev = alloc_etherdev(0);
	if (!d->napi_dev)
		return -ENOMEM;
	io->id = ida_alloc(&io_ids, GFP_KERNEL);
	if (io->id < 0) {
		free_netdev(d->napi_dev);
		return io->id;
	}
	return 0;
}

static void io_destroy(struct vmesh_dev *d)
{
	ida_free(&io_ids, to_io(d)->id);
	free_netdev(d->napi_dev);
	d->napi_dev = NULL;
}

static int io_start(struct vmesh_dev *d)
{
	struct io *io = to_io(d);

	snprintf(io->name, sizeof(io->name), "virtmesh_io%d", io->id);
	io->misc.minor = MISC_DYNAMIC_MINOR;
	io->misc.name = io->name;
	io->misc.fops = &io_fops;
	io->misc.parent = &d->vdev->dev;
	return misc_register(&io->misc);
}

static void io_stop(struct vmesh_dev *d)
{
	struct io *io = to_io(d);

	misc_deregister(&io->misc);
	WRITE_ONCE(io->gone, true);
	vmesh_tx_close(d);
	wake_up_interruptible_all(&io->wait);
}

static void io_release_dev(struct vmesh_dev *d)
{
	skb_queue_purge(&to_io(d)->queue);
}

static void io_nothing(struct vmesh_dev *d)
{
}

const struct vmesh_upper vmesh_upper = {
	.size = sizeof(struct io),
	.create = io_create,
	.start = io_start,
	.stop = io_stop,
	.destroy = io_destroy,
	.release = io_release_dev,
	.suspend = io_nothing,
	.resume = io_nothing,
	.link_changed = io_nothing,
	.receive = io_receive,
};

static int __init io_init(void)
{
	int err = register_virtio_driver(&vmesh_virtio_driver);

	if (err)
		return err;
	vmesh_claim_all();
	return 0;
}

static void __exit io_exit(void)
{
	unregister_virtio_driver(&vmesh_virtio_driver);
	ida_destroy(&io_ids);
}

module_init(io_init);
module_exit(io_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("the virtmesh developers");
MODULE_DESCRIPTION("virtmesh: the driver's base with a raw frame device, for tests only");
MODULE_VERSION(VM_VERSION);
