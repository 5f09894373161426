// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * A datagram names the channel it is for; a channel belongs to at most one open
 * file, whose queue takes a copy of it. Queues are bounded in number and in
 * memory, each and all of the node together, since there may be many files: what
 * finds no room is dropped, counted for the file (read tells) and for the node.
 * Nothing here waits for a reader, so one that does not read costs nobody else
 * more than room; it shows in ALIVE as work that waits, and when nothing is done
 * for long the broker calls the node stalled.
 *
 * The receive path finds the file under RCU. close() takes it out of the table
 * and lets a grace period pass before the queue goes.
 */
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <uapi/linux/virtmesh.h>
#include <virtmesh/frame.h>

#include "compose.h"
#include "mesh.h"
#include "parse.h"

/* Of one file. The bytes are of memory, with what an skb costs besides its data. */
#define VMESH_QUEUE_FRAMES 1024
#define VMESH_QUEUE_BYTES  (4 << 20)
/* Of all files: no program is charged for it. Less where the node has little memory. */
#define VMESH_QUEUES_BYTES (64L << 20)
#define VMESH_QUEUES_SHARE 8 /* at most one part of that many */

struct vmesh_dgram_cb {
	u16 node;
	u16 flags;
};

static struct vmesh_dgram_cb *vmesh_dgram_cb(struct sk_buff *skb)
{
	BUILD_BUG_ON(sizeof(struct vmesh_dgram_cb) > sizeof(skb->cb));
	return (struct vmesh_dgram_cb *)skb->cb;
}

void vmesh_channels_init(struct vmesh_channels *c)
{
	xa_init_flags(&c->files, XA_FLAGS_ALLOC1);
	spin_lock_init(&c->lock);
	INIT_LIST_HEAD(&c->open);
	/* In pages first: a 32-bit kernel may have more memory than a long counts. */
	c->bytes_max = min(totalram_pages() / VMESH_QUEUES_SHARE,
			   (unsigned long)VMESH_QUEUES_BYTES >> PAGE_SHIFT)
		       << PAGE_SHIFT;
}

void vmesh_channels_free(struct vmesh_channels *c)
{
	xa_destroy(&c->files);
}

void vmesh_channels_abort(struct vmesh_channels *c)
{
	struct vmesh_file *f;

	spin_lock(&c->lock);
	list_for_each_entry(f, &c->open, list) {
		wake_up_interruptible_all(&f->wait);
		wake_up_interruptible_all(&f->ops.wait);
	}
	spin_unlock(&c->lock);
}

void vmesh_channels_changed(struct vmesh_channels *c)
{
	struct vmesh_file *f;

	spin_lock(&c->lock);
	list_for_each_entry(f, &c->open, list)
		wake_up_interruptible_poll(&f->ops.wait, EPOLLPRI);
	spin_unlock(&c->lock);
}

struct vmesh_file *vmesh_file_open(struct vmesh *m)
{
	struct vmesh_file *f = kzalloc(sizeof(*f), GFP_KERNEL);

	if (!f)
		return NULL;
	vmesh_get(&m->dev);
	f->m = m;
	skb_queue_head_init(&f->queue);
	mutex_init(&f->read_lock);
	mutex_init(&f->bind_lock);
	init_waitqueue_head(&f->wait);
	vmesh_handles_init(&f->handles);
	vmesh_ops_init(&f->ops);
	/* Not what is now, so that the first poll shows a membership there is. */
	f->seen = 0;
	spin_lock(&m->channels.lock);
	list_add(&f->list, &m->channels.open);
	spin_unlock(&m->channels.lock);
	return f;
}

void vmesh_file_close(struct vmesh_file *f)
{
	struct vmesh *m = f->m;

	vmesh_handles_leave(&f->handles);
	vmesh_ops_exit(&f->ops);
	vmesh_handles_free(&f->handles);
	spin_lock(&m->channels.lock);
	list_del(&f->list);
	spin_unlock(&m->channels.lock);
	if (f->channel) {
		xa_erase(&m->channels.files, f->channel);
		synchronize_rcu();
	}
	atomic_sub(skb_queue_len(&f->queue), &m->channels.unread);
	atomic_long_sub(f->bytes, &m->channels.bytes);
	skb_queue_purge(&f->queue);
	kfree(f);
	vmesh_put(&m->dev);
}

int vmesh_file_bind(struct vmesh_file *f, struct virtmesh_bind *arg)
{
	struct vmesh_channels *c = &f->m->channels;
	u32 channel = arg->channel;
	int err;

	if (arg->reserved[0] || arg->reserved[1] || arg->reserved[2])
		return -EINVAL;

	mutex_lock(&f->bind_lock);
	if (f->channel)
		err = -EISCONN;
	else if (channel)
		err = xa_insert(&c->files, channel, f, GFP_KERNEL);
	else /* Round and round, so that a late datagram finds no new owner soon. */
		err = xa_alloc_cyclic(&c->files, &channel, f, XA_LIMIT(1, U16_MAX), &c->next,
				      GFP_KERNEL);
	if (err >= 0) {
		WRITE_ONCE(f->channel, channel);
		arg->channel = channel;
		err = 0;
	} else if (err == -EBUSY) {
		err = -EADDRINUSE;
	}
	mutex_unlock(&f->bind_lock);
	return err;
}

static bool vmesh_file_ready(const struct vmesh_file *f)
{
	return READ_ONCE(f->m->gone) || !skb_queue_empty_lockless(&f->queue);
}

/* Wait for a datagram. 0: read_lock is held, and the queue's head stays. */
static int vmesh_file_peek(struct vmesh_file *f, bool nonblock)
{
	for (;;) {
		if (READ_ONCE(f->m->gone))
			return -ENODEV;
		if (mutex_lock_interruptible(&f->read_lock))
			return -ERESTARTSYS;
		if (!skb_queue_empty(&f->queue))
			return 0;
		mutex_unlock(&f->read_lock);
		if (nonblock)
			return -EAGAIN;
		if (wait_event_interruptible(f->wait, vmesh_file_ready(f)))
			return -ERESTARTSYS;
	}
}

ssize_t vmesh_file_read(struct vmesh_file *f, struct iov_iter *to, bool nonblock)
{
	struct virtmesh_dgram head = {};
	struct sk_buff *skb;
	ssize_t ret;

	if (READ_ONCE(f->m->gone))
		return -ENODEV;
	head.channel = READ_ONCE(f->channel);
	if (!head.channel)
		return -EDESTADDRREQ;
	ret = vmesh_file_peek(f, nonblock);
	if (ret)
		return ret;

	spin_lock_bh(&f->queue.lock);
	skb = skb_peek(&f->queue);
	head.dropped = f->dropped;
	spin_unlock_bh(&f->queue.lock);
	head.node = vmesh_dgram_cb(skb)->node;
	head.flags = vmesh_dgram_cb(skb)->flags;
	head.len = skb->len;

	/* Taken only when all of it arrived. */
	ret = sizeof(head) + skb->len;
	if (iov_iter_count(to) < ret) {
		ret = -EMSGSIZE;
	} else if (copy_to_iter(&head, sizeof(head), to) != sizeof(head) ||
		   copy_to_iter(skb->data, skb->len, to) != skb->len) {
		ret = -EFAULT;
	} else {
		spin_lock_bh(&f->queue.lock);
		__skb_unlink(skb, &f->queue);
		f->bytes -= skb->truesize;
		spin_unlock_bh(&f->queue.lock);
		atomic_long_sub(skb->truesize, &f->m->channels.bytes);
		consume_skb(skb);
		atomic_dec(&f->m->channels.unread);
		atomic64_inc(&f->m->channels.progress);
	}
	mutex_unlock(&f->read_lock);
	return ret;
}

ssize_t vmesh_file_write(struct vmesh_file *f, struct iov_iter *from, bool nonblock)
{
	size_t count = iov_iter_count(from);
	struct vmesh *m = f->m;
	struct virtmesh_dgram head;
	struct vm_datagram *dgram;
	struct sk_buff *skb;
	void *payload;
	int err;

	if (READ_ONCE(m->gone))
		return -ENODEV;
	if (count < sizeof(head))
		return -EINVAL;
	if (!copy_from_iter_full(&head, sizeof(head), from))
		return -EFAULT;
	if (head.flags || head.reserved || !head.channel || head.len != count - sizeof(head))
		return -EINVAL;
	err = vmesh_join_ready(m);
	if (err)
		return err;
	if (head.len > vmesh_dgram_max(m) ||
	    (head.node == VM_NODE_ALL && head.len + sizeof(*dgram) > vmesh_group_payload_max(m)))
		return -EMSGSIZE;
	if (head.node != VM_NODE_ALL &&
	    (head.node == vmesh_node(m) || !vmesh_peer_is_member(&m->peers, head.node)))
		return -EHOSTUNREACH;

	skb = vmesh_compose(m, head.node, VM_F_DATAGRAM, 0, sizeof(*dgram) + head.len, &payload,
			    GFP_KERNEL);
	if (!skb)
		return -ENOMEM;
	dgram = payload;
	dgram->channel = cpu_to_be16(head.channel);
	dgram->reserved = 0;
	if (!copy_from_iter_full(dgram + 1, head.len, from)) {
		kfree_skb(skb);
		return -EFAULT;
	}
	err = vmesh_tx_wait(&m->dev, skb, nonblock);
	if (err) {
		kfree_skb(skb);
		return err;
	}
	if (head.node != VM_NODE_ALL)
		vmesh_peer_sent(&m->peers, head.node);
	vmesh_count(&m->dev, dgrams_sent);
	atomic64_inc(&m->channels.progress);
	return count;
}

static bool vmesh_channels_take(struct vmesh_channels *c, unsigned int bytes)
{
	if (atomic_long_add_return(bytes, &c->bytes) <= c->bytes_max)
		return true;
	atomic_long_sub(bytes, &c->bytes);
	return false;
}

static bool vmesh_file_queue(struct vmesh_file *f, struct sk_buff *skb)
{
	bool room;

	spin_lock(&f->queue.lock);
	room = skb_queue_len(&f->queue) < VMESH_QUEUE_FRAMES &&
	       f->bytes + skb->truesize <= VMESH_QUEUE_BYTES &&
	       vmesh_channels_take(&f->m->channels, skb->truesize);
	if (room) {
		__skb_queue_tail(&f->queue, skb);
		f->bytes += skb->truesize;
	} else {
		f->dropped++;
	}
	spin_unlock(&f->queue.lock);
	return room;
}

void vmesh_datagram(struct vmesh *m, u16 node, bool group, const struct vmesh_msg *msg)
{
	unsigned int len = msg->len - sizeof(struct vm_datagram);
	struct vmesh_file *f;
	struct sk_buff *skb;
	u16 channel;

	if (vmesh_parse_datagram(msg->payload, msg->len, &channel)) {
		vmesh_count(&m->dev, rx_malformed);
		return;
	}
	rcu_read_lock();
	f = xa_load(&m->channels.files, channel);
	if (!f) {
		vmesh_count(&m->dev, dgrams_no_channel);
		goto out;
	}
	skb = alloc_skb(len, GFP_ATOMIC | __GFP_NOWARN);
	if (!skb) {
		vmesh_count(&m->dev, rx_no_memory);
		goto out;
	}
	skb_put_data(skb, msg->payload + sizeof(struct vm_datagram), len);
	vmesh_dgram_cb(skb)->node = node;
	vmesh_dgram_cb(skb)->flags = group ? VIRTMESH_DGRAM_GROUP : 0;

	/* Before it can be read, or the count could be seen below zero. */
	atomic_inc(&m->channels.unread);
	if (vmesh_file_queue(f, skb)) {
		vmesh_count(&m->dev, dgrams_received);
		wake_up_interruptible(&f->wait);
		wake_up_interruptible_poll(&f->ops.wait, EPOLLIN | EPOLLRDNORM);
	} else {
		atomic_dec(&m->channels.unread);
		kfree_skb(skb);
		vmesh_count(&m->dev, dgrams_queue_full);
	}
out:
	rcu_read_unlock();
}
