// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/virtmeshN: the calls of include/uapi/linux/virtmesh.h, checked and handed
 * to the file that does each. A file holds a reference on the node, so it may
 * outlive the device; m->gone then ends every call with ENODEV.
 */
#include <linux/compat.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/virtio.h>
#include <uapi/linux/virtmesh.h>
#include <virtmesh/version.h>

#include "chardev.h"
#include "compat.h"
#include "compose.h"
#include "control.h"
#include "group.h"
#include "mesh.h"
#include "stats.h"
#include "uring.h"

static_assert(sizeof(struct virtmesh_info) == 112);
static_assert(sizeof(struct virtmesh_peer) == 32);
static_assert(sizeof(struct virtmesh_peers) == 24);
static_assert(sizeof(struct virtmesh_echo) == 24);
static_assert(sizeof(struct virtmesh_bind) == 8);
static_assert(sizeof(struct virtmesh_dgram) == 16);
static_assert(sizeof(struct virtmesh_buf_alloc) == 24);
static_assert(sizeof(struct virtmesh_buf_register) == 24);
static_assert(sizeof(struct virtmesh_buf_free) == 8);
static_assert(sizeof(struct virtmesh_group_create) == 24);
static_assert(sizeof(struct virtmesh_group_form) == 40);
static_assert(sizeof(struct virtmesh_group_leave) == 8);
static_assert(sizeof(struct virtmesh_rank) == 24);
static_assert(sizeof(struct virtmesh_group_info) == 48);
static_assert(sizeof(struct virtmesh_eventfd) == 8);
static_assert(sizeof(struct virtmesh_busy_poll) == 8);

static int vmesh_fop_open(struct inode *inode, struct file *file)
{
	/* misc holds its lock over open and deregister: the node is still there. */
	struct vmesh *m = container_of(file->private_data, struct vmesh, misc);

	file->private_data = vmesh_file_open(m);
	if (!file->private_data)
		return -ENOMEM;
	return stream_open(inode, file);
}

static int vmesh_fop_release(struct inode *inode, struct file *file)
{
	vmesh_file_close(file->private_data);
	return 0;
}

/* The file's wish, or the call's: io_uring tries with its lock held, and preadv2() has RWF_NOWAIT. */
static bool vmesh_nonblock(const struct kiocb *iocb)
{
	return (iocb->ki_filp->f_flags & O_NONBLOCK) || (iocb->ki_flags & IOCB_NOWAIT);
}

static ssize_t vmesh_fop_read(struct kiocb *iocb, struct iov_iter *to)
{
	return vmesh_file_read(iocb->ki_filp->private_data, to, vmesh_nonblock(iocb));
}

static ssize_t vmesh_fop_write(struct kiocb *iocb, struct iov_iter *from)
{
	return vmesh_file_write(iocb->ki_filp->private_data, from, vmesh_nonblock(iocb));
}

static __poll_t vmesh_fop_poll(struct file *file, poll_table *wait)
{
	struct vmesh_file *f = file->private_data;
	struct vmesh *m = f->m;
	__poll_t mask = 0;

	/* Two: io_uring's poll takes no file with more. */
	poll_wait(file, &f->ops.wait, wait);
	poll_wait(file, &m->dev.tx.wait, wait);
	if (READ_ONCE(m->gone))
		return EPOLLHUP | EPOLLERR;
	if (!skb_queue_empty_lockless(&f->queue))
		mask |= EPOLLIN | EPOLLRDNORM;
	/* Who does not ask for it must not make the ring interrupt for it. */
	if ((poll_requested_events(wait) & (EPOLLOUT | EPOLLWRNORM)) && vmesh_tx_room(&m->dev))
		mask |= EPOLLOUT | EPOLLWRNORM;
	if (atomic_read(&m->changes) != READ_ONCE(f->seen))
		mask |= EPOLLPRI;
	if (READ_ONCE(f->ops.takeable))
		mask |= EPOLLRDBAND;
	return mask;
}

static int vmesh_info(struct vmesh *m, struct virtmesh_info *info)
{
	struct vmesh_join *j = &m->join;

	*info = (struct virtmesh_info){
		.abi = VIRTMESH_ABI,
		.ensemble = vmesh_ensemble(m),
		.node = vmesh_node(m),
		.nonce = j->nonce,
		.features = m->dev.features,
		.control_max = vmesh_control_max(m),
		.version = VM_VERSION,
	};
	mutex_lock(&m->state_lock);
	info->state = j->state;
	info->mtu = j->mtu;
	info->dgram_max = vmesh_dgram_max(m);
	info->refusal = j->state == VIRTMESH_LINK_REFUSED ? j->refusal : 0;
	info->incarnation = j->incarnation;
	info->epoch = j->epoch;
	info->members = m->peers.count;
	info->broker_id = j->broker_id;
	info->probe_ms = j->probe_ms;
	info->dead_ms = j->dead_ms;
	/* The netdev goes after `gone` is set under this lock, and its name may change. */
	if (!m->gone)
		strscpy(info->netdev, m->netdev->name, sizeof(info->netdev));
	mutex_unlock(&m->state_lock);
	return 0;
}

static int vmesh_ioc_peers(struct vmesh_file *f, struct virtmesh_peers *arg)
{
	struct vmesh *m = f->m;
	struct virtmesh_peer *peers;
	int err = 0, seen;
	u32 n;

	if (arg->reserved)
		return -EINVAL;
	mutex_lock(&m->state_lock);
	n = min(arg->count, m->peers.count);
	peers = kvmalloc_array(n, sizeof(*peers), GFP_KERNEL);
	if (!peers) {
		mutex_unlock(&m->state_lock);
		return -ENOMEM;
	}
	/* First, so that a change after it is one that was not seen. */
	seen = atomic_read(&m->changes);
	arg->epoch = m->join.epoch;
	arg->count = m->peers.count;
	vmesh_peers_report(&m->peers, peers, n);
	mutex_unlock(&m->state_lock);
	/* Not inside: the program's memory may keep us for as long as it likes. */
	if (copy_to_user(u64_to_user_ptr(arg->peers), peers, n * sizeof(*peers)))
		err = -EFAULT;
	else
		WRITE_ONCE(f->seen, seen);
	kvfree(peers);
	return err;
}

/* What each call takes and gives: the union is what all of them fit in. */
union vmesh_arg {
	struct virtmesh_info info;
	struct virtmesh_peers peers;
	struct virtmesh_echo echo;
	struct virtmesh_bind bind;
	struct virtmesh_buf_alloc buf_alloc;
	struct virtmesh_buf_register buf_register;
	struct virtmesh_buf_free buf_free;
	struct virtmesh_group_create group_create;
	struct virtmesh_group_form group_form;
	struct virtmesh_group_leave group_leave;
	struct virtmesh_group_info group_info;
	struct virtmesh_submit submit;
	struct virtmesh_control control;
	struct virtmesh_eventfd eventfd;
	struct virtmesh_busy_poll busy_poll;
	struct virtmesh_trace trace;
	struct virtmesh_pending pending;
	struct virtmesh_stats stats;
};

#define VMESH_CALL(name, call)                                                   \
	static int vmesh_call_##name(struct vmesh_file *f, union vmesh_arg *arg) \
	{                                                                        \
		return call;                                                     \
	}
VMESH_CALL(info, vmesh_info(f->m, &arg->info))
VMESH_CALL(peers, vmesh_ioc_peers(f, &arg->peers))
VMESH_CALL(echo, vmesh_echo(f->m, &arg->echo))
VMESH_CALL(bind, vmesh_file_bind(f, &arg->bind))
VMESH_CALL(buf_alloc, vmesh_buf_alloc(f, &arg->buf_alloc))
VMESH_CALL(buf_register, vmesh_buf_register(f, &arg->buf_register))
VMESH_CALL(buf_free, vmesh_buf_free(f, &arg->buf_free))
VMESH_CALL(group_create, vmesh_ioc_group_create(f, &arg->group_create))
VMESH_CALL(group_form, vmesh_ioc_group_form(f, &arg->group_form))
VMESH_CALL(group_leave, vmesh_ioc_group_leave(f, &arg->group_leave))
VMESH_CALL(group_info, vmesh_ioc_group_info(f, &arg->group_info))
VMESH_CALL(submit, vmesh_submit(f, &arg->submit))
VMESH_CALL(control_send, vmesh_control_send(f, &arg->control))
VMESH_CALL(control_recv, vmesh_control_receive(f, &arg->control))
VMESH_CALL(eventfd, vmesh_set_eventfd(f, &arg->eventfd))
VMESH_CALL(busy_poll, vmesh_set_busy_poll(f, &arg->busy_poll))
VMESH_CALL(trace, vmesh_trace_read(f->m, &arg->trace))
VMESH_CALL(pending, vmesh_pending(f->m, &arg->pending))
VMESH_CALL(stats, vmesh_stats(f->m, &arg->stats))

/* The one that matters first; then in order of their numbers. */
static const struct vmesh_call {
	unsigned int cmd;
	int (*fn)(struct vmesh_file *f, union vmesh_arg *arg);
} vmesh_calls[] = {
	{ VIRTMESH_IOC_SUBMIT, vmesh_call_submit },
	{ VIRTMESH_IOC_INFO, vmesh_call_info },
	{ VIRTMESH_IOC_PEERS, vmesh_call_peers },
	{ VIRTMESH_IOC_ECHO, vmesh_call_echo },
	{ VIRTMESH_IOC_BIND, vmesh_call_bind },
	{ VIRTMESH_IOC_BUF_ALLOC, vmesh_call_buf_alloc },
	{ VIRTMESH_IOC_BUF_REGISTER, vmesh_call_buf_register },
	{ VIRTMESH_IOC_BUF_FREE, vmesh_call_buf_free },
	{ VIRTMESH_IOC_GROUP_CREATE, vmesh_call_group_create },
	{ VIRTMESH_IOC_GROUP_FORM, vmesh_call_group_form },
	{ VIRTMESH_IOC_GROUP_LEAVE, vmesh_call_group_leave },
	{ VIRTMESH_IOC_GROUP_INFO, vmesh_call_group_info },
	{ VIRTMESH_IOC_CONTROL_SEND, vmesh_call_control_send },
	{ VIRTMESH_IOC_CONTROL_RECV, vmesh_call_control_recv },
	{ VIRTMESH_IOC_EVENTFD, vmesh_call_eventfd },
	{ VIRTMESH_IOC_BUSY_POLL, vmesh_call_busy_poll },
	{ VIRTMESH_IOC_TRACE, vmesh_call_trace },
	{ VIRTMESH_IOC_PENDING, vmesh_call_pending },
	{ VIRTMESH_IOC_STATS, vmesh_call_stats },
};

static long vmesh_fop_ioctl(struct file *file, unsigned int cmd, unsigned long argp)
{
	struct vmesh_file *f = file->private_data;
	void __user *user = (void __user *)argp;
	const struct vmesh_call *call = vmesh_calls;
	union vmesh_arg arg;
	int err;

	if (READ_ONCE(f->m->gone))
		return -ENODEV;
	while (call->cmd != cmd)
		if (++call == vmesh_calls + ARRAY_SIZE(vmesh_calls))
			return -ENOTTY;
	memset(&arg, 0, sizeof(arg));
	if ((_IOC_DIR(cmd) & _IOC_WRITE) && copy_from_user(&arg, user, _IOC_SIZE(cmd)))
		return -EFAULT;
	/*
	 * Who cannot be told of a handle or a channel could never let go of it: then it is
	 * not made. SUBMIT makes none, and has to be quick.
	 */
	if (_IOC_DIR(cmd) == (_IOC_READ | _IOC_WRITE) && cmd != VIRTMESH_IOC_SUBMIT &&
	    copy_to_user(user, &arg, _IOC_SIZE(cmd)))
		return -EFAULT;

	err = call->fn(f, &arg);
	/* Some say more when they fail than that they did; see the uapi header. */
	if ((!err || cmd == VIRTMESH_IOC_SUBMIT || cmd == VIRTMESH_IOC_GROUP_FORM) &&
	    (_IOC_DIR(cmd) & _IOC_READ) && copy_to_user(user, &arg, _IOC_SIZE(cmd)))
		err = -EFAULT;
	return err;
}

static int vmesh_fop_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct vmesh_file *f = file->private_data;

	return READ_ONCE(f->m->gone) ? -ENODEV : vmesh_buf_mmap(f, vma);
}

static int vmesh_fop_uring_cmd(struct io_uring_cmd *cmd, unsigned int flags)
{
	return vmesh_uring(cmd->file->private_data, cmd, flags);
}

/* A task closes this file, perhaps one of many. Only one that ends takes its operations along. */
static int vmesh_fop_flush(struct file *file, fl_owner_t id)
{
	if (current->flags & PF_EXITING)
		vmesh_uring_end(file->private_data, id);
	return 0;
}

static const struct file_operations vmesh_fops = {
	.owner = THIS_MODULE,
	.open = vmesh_fop_open,
	.release = vmesh_fop_release,
	.read_iter = vmesh_fop_read,
	.write_iter = vmesh_fop_write,
	.poll = vmesh_fop_poll,
	.mmap = vmesh_fop_mmap,
	.flush = vmesh_fop_flush,
	.uring_cmd = vmesh_fop_uring_cmd,
	.unlocked_ioctl = vmesh_fop_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

int vmesh_chardev_register(struct vmesh *m)
{
	m->misc.minor = MISC_DYNAMIC_MINOR;
	m->misc.name = m->name;
	m->misc.fops = &vmesh_fops;
	m->misc.parent = &m->dev.vdev->dev;
	return misc_register(&m->misc);
}

void vmesh_chardev_unregister(struct vmesh *m)
{
	misc_deregister(&m->misc);
}
