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
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/virtio.h>
#include <uapi/linux/virtmesh.h>
#include <virtmesh/version.h>

#include "chardev.h"
#include "compose.h"
#include "mesh.h"

static_assert(sizeof(struct virtmesh_info) == 112);
static_assert(sizeof(struct virtmesh_peer) == 32);
static_assert(sizeof(struct virtmesh_peers) == 24);
static_assert(sizeof(struct virtmesh_echo) == 24);
static_assert(sizeof(struct virtmesh_bind) == 8);
static_assert(sizeof(struct virtmesh_dgram) == 16);

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

static ssize_t vmesh_fop_read(struct kiocb *iocb, struct iov_iter *to)
{
	struct file *file = iocb->ki_filp;

	return vmesh_file_read(file->private_data, to, file->f_flags & O_NONBLOCK);
}

static ssize_t vmesh_fop_write(struct kiocb *iocb, struct iov_iter *from)
{
	struct file *file = iocb->ki_filp;

	return vmesh_file_write(file->private_data, from, file->f_flags & O_NONBLOCK);
}

static __poll_t vmesh_fop_poll(struct file *file, poll_table *wait)
{
	struct vmesh_file *f = file->private_data;
	struct vmesh *m = f->m;
	__poll_t mask = 0;

	poll_wait(file, &f->wait, wait);
	poll_wait(file, &m->dev.tx.wait, wait);
	poll_wait(file, &m->change_wait, wait);
	if (READ_ONCE(m->gone))
		return EPOLLHUP | EPOLLERR;
	if (!skb_queue_empty_lockless(&f->queue))
		mask |= EPOLLIN | EPOLLRDNORM;
	/* Who does not ask for it must not make the ring interrupt for it. */
	if ((poll_requested_events(wait) & (EPOLLOUT | EPOLLWRNORM)) && vmesh_tx_room(&m->dev))
		mask |= EPOLLOUT | EPOLLWRNORM;
	if (atomic_read(&m->changes) != READ_ONCE(f->seen))
		mask |= EPOLLPRI;
	return mask;
}

static void vmesh_info(struct vmesh *m, struct virtmesh_info *info)
{
	struct vmesh_join *j = &m->join;

	*info = (struct virtmesh_info){
		.abi = VIRTMESH_ABI,
		.ensemble = vmesh_ensemble(m),
		.node = vmesh_node(m),
		.nonce = j->nonce,
		.features = m->dev.features,
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
}

static int vmesh_ioc_peers(struct vmesh_file *f, struct virtmesh_peers *arg)
{
	struct vmesh *m = f->m;
	int err;

	if (arg->reserved)
		return -EINVAL;
	mutex_lock(&m->state_lock);
	/* First, so that a change after it is one that was not seen. */
	WRITE_ONCE(f->seen, atomic_read(&m->changes));
	arg->epoch = m->join.epoch;
	err = vmesh_peers_report(&m->peers, arg);
	mutex_unlock(&m->state_lock);
	return err;
}

static long vmesh_fop_ioctl(struct file *file, unsigned int cmd, unsigned long argp)
{
	struct vmesh_file *f = file->private_data;
	void __user *user = (void __user *)argp;
	union {
		struct virtmesh_info info;
		struct virtmesh_peers peers;
		struct virtmesh_echo echo;
		struct virtmesh_bind bind;
	} arg;
	long err = 0;

	if (READ_ONCE(f->m->gone))
		return -ENODEV;
	switch (cmd) {
	case VIRTMESH_IOC_INFO:
	case VIRTMESH_IOC_PEERS:
	case VIRTMESH_IOC_ECHO:
	case VIRTMESH_IOC_BIND:
		break;
	default:
		return -ENOTTY;
	}
	memset(&arg, 0, sizeof(arg));
	if ((_IOC_DIR(cmd) & _IOC_WRITE) && copy_from_user(&arg, user, _IOC_SIZE(cmd)))
		return -EFAULT;

	switch (cmd) {
	case VIRTMESH_IOC_INFO:
		vmesh_info(f->m, &arg.info);
		break;
	case VIRTMESH_IOC_PEERS:
		err = vmesh_ioc_peers(f, &arg.peers);
		break;
	case VIRTMESH_IOC_ECHO:
		err = vmesh_echo(f->m, &arg.echo);
		break;
	case VIRTMESH_IOC_BIND:
		err = vmesh_file_bind(f, &arg.bind);
		break;
	}
	if (!err && copy_to_user(user, &arg, _IOC_SIZE(cmd)))
		err = -EFAULT;
	return err;
}

static const struct file_operations vmesh_fops = {
	.owner = THIS_MODULE,
	.open = vmesh_fop_open,
	.release = vmesh_fop_release,
	.read_iter = vmesh_fop_read,
	.write_iter = vmesh_fop_write,
	.poll = vmesh_fop_poll,
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
