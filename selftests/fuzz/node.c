// SPDX-License-Identifier: GPL-2.0-only
/*
 * What lies under the transport: the ladders of main.c, a device for send.c and
 * receive.c, memory for buffer.c. No interface, no io_uring.
 */
#include <string.h>

#include <linux/slab.h>

#include "../../guest/kmod/buffer.h"
#include "../../guest/kmod/netdev.h"
#include "../../guest/kmod/parse.h"
#include "../../guest/kmod/uring.h"
#include "node.h"

/* As send.c has them. */
#define VNET_HLEN    12
#define TX_PER_FRAME 2
#define TX_RESERVED  8

static struct node *node_of(struct vmesh_dev *d)
{
	return (struct node *)d->vdev;
}

/* What others of the driver's files have. */

void vmesh_changed(struct vmesh *m)
{
	atomic_inc(&m->changes);
	vmesh_channels_changed(&m->channels);
}

void vmesh_netdev_carrier(struct vmesh *m)
{
	must(m->state_lock.held);
}

void vmesh_netdev_mtu(struct vmesh *m, u16 mtu)
{
	fake_may_sleep(); /* rtnl */
}

void vmesh_uring_done(struct vmesh_entry *e)
{
	must(!"nobody posts by io_uring");
}

void vmesh_get(struct vmesh_dev *d)
{
	kref_get(&d->ref);
}

static void release(struct kref *ref)
{
	struct vmesh_dev *d = container_of(ref, struct vmesh_dev, ref);
	struct vmesh *m = vmesh_of(d);

	vmesh_peers_free(&m->peers);
	vmesh_channels_free(&m->channels);
	vmesh_groups_free(m);
	vmesh_trace_free(&m->trace);
	node_of(d)->m = NULL;
	kfree(d->counters);
	kfree(m);
}

void vmesh_put(struct vmesh_dev *d)
{
	kref_put(&d->ref, release);
}

/* Buffers: memory of exactly that size, for as long as anybody may write to it. */

struct vmesh_buffer *vmesh_buffer_alloc(u64 size)
{
	struct vmesh_buffer *b = kzalloc(sizeof(*b), GFP_KERNEL);

	if (!b)
		return ERR_PTR(-ENOMEM);
	kref_init(&b->ref);
	b->size = size;
	b->data = kzalloc(size, GFP_KERNEL);
	if (b->data)
		return b;
	kfree(b);
	return ERR_PTR(-ENOMEM);
}

struct vmesh_buffer *vmesh_buffer_register(u64 addr, u64 size)
{
	return vmesh_buffer_alloc(size);
}

static void buffer_release(struct kref *ref)
{
	struct vmesh_buffer *b = container_of(ref, struct vmesh_buffer, ref);

	kfree(b->data);
	kfree(b);
}

void vmesh_buffer_get(struct vmesh_buffer *b)
{
	kref_get(&b->ref);
}

void vmesh_buffer_put(struct vmesh_buffer *b)
{
	fake_may_sleep();
	kref_put(&b->ref, buffer_release);
}

int vmesh_buffer_mmap(struct vmesh_buffer *b, struct vm_area_struct *vma)
{
	return -EINVAL;
}

/* The transmit ring. */

/* tx.lock held. */
static void reclaim(struct node *n, unsigned int count)
{
	struct vmesh_tx *tx = &n->m->dev.tx;

	for (; count && n->in_ring; count--) {
		struct node_sent sent = n->ring[0];

		must(!memcmp(sent.copy, sent.skb->data, sent.skb->len));
		free(sent.copy);
		n->in_ring--;
		memmove(n->ring, n->ring + 1, n->in_ring * sizeof(*n->ring));
		tx->completed++;
		kfree_skb(sent.skb);
	}
	if (tx->want && n->ring_size - n->in_ring >= n->ring_size / 4) {
		tx->want = false;
		wake_up_interruptible_all(&tx->wait);
	}
}

void node_device(struct node *n, unsigned int count)
{
	if (!n->m || !n->in_ring)
		return;
	fake_softirq_begin();
	spin_lock(&n->m->dev.tx.lock);
	reclaim(n, count);
	spin_unlock(&n->m->dev.tx.lock);
	vmesh_groups_room(n->m);
	fake_softirq_end();
}

int vmesh_tx(struct vmesh_dev *d, struct sk_buff *skb, unsigned int flags)
{
	unsigned int need = TX_PER_FRAME + (flags & VMESH_TX_RESERVE ? 0 : TX_RESERVED);
	struct node *n = node_of(d);
	struct vmesh_tx *tx = &d->tx;
	struct node_sent *sent;
	int err = 0;

	must(skb->len >= VM_PAYLOAD_OFFSET && skb->len <= ETH_HLEN + d->mtu);
	must(vmesh_is_mesh(skb->data, skb->len));
	spin_lock_bh(&tx->lock);
	if (!n->slow)
		reclaim(n, NODE_RING_MAX);
	if (tx->closed && !(flags & VMESH_TX_RESERVE)) {
		err = -ENODEV;
	} else if (!tx->up) {
		tx->want = true;
		err = -ENETDOWN;
	} else if (n->ring_size - n->in_ring < need) {
		tx->want = true;
		err = -ENOBUFS;
	} else if (fake_fails()) {
		err = -EIO;
	}
	if (err)
		goto out;
	node_says(n, skb->data, skb->len);
	/* As the base does: its header goes before the frame. */
	must(skb->data - skb->head >= VNET_HLEN);
	skb->data -= VNET_HLEN;
	skb->len += VNET_HLEN;
	memset(skb->data, 0, VNET_HLEN);
	sent = &n->ring[n->in_ring++];
	sent->skb = skb;
	sent->copy = malloc(skb->len);
	must(sent->copy);
	memcpy(sent->copy, skb->data, skb->len);
out:
	spin_unlock_bh(&tx->lock);
	return err;
}

static bool tx_room(struct vmesh_dev *d)
{
	struct node *n = node_of(d);

	return n->ring_size - n->in_ring >= TX_PER_FRAME + TX_RESERVED || d->tx.closed;
}

int vmesh_tx_wait(struct vmesh_dev *d, struct sk_buff *skb, bool nonblock)
{
	int err;

	for (;;) {
		err = vmesh_tx(d, skb, 0);
		if (err != -ENOBUFS && err != -ENETDOWN)
			return err;
		if (nonblock)
			return -EAGAIN;
		if (wait_event_interruptible(d->tx.wait, tx_room(d)))
			return -ERESTARTSYS;
	}
}

int vmesh_tx_until(struct vmesh_dev *d, struct sk_buff *skb, unsigned long deadline, u64 *sent_ns)
{
	long left;
	int err;

	for (;;) {
		*sent_ns = ktime_get_ns();
		err = vmesh_tx(d, skb, 0);
		if (err != -ENOBUFS && err != -ENETDOWN)
			return err;
		left = (long)(deadline - jiffies);
		if (left > 0)
			left = wait_event_interruptible_timeout(d->tx.wait, tx_room(d), left);
		else
			left = 0;
		if (left <= 0)
			return left ? -EINTR : -ETIMEDOUT;
	}
}

void vmesh_tx_close(struct vmesh_dev *d)
{
	spin_lock_bh(&d->tx.lock);
	d->tx.closed = true;
	wake_up_interruptible_all(&d->tx.wait);
	spin_unlock_bh(&d->tx.lock);
}

void vmesh_tx_kick(struct vmesh_dev *d)
{
}

unsigned int vmesh_tx_pending(struct vmesh_dev *d, u64 *completed)
{
	*completed = d->tx.completed;
	return node_of(d)->in_ring;
}

void vmesh_tx_flush(struct vmesh_dev *d, unsigned int ms)
{
	fake_may_sleep();
}

/* The receive ring. */

void vmesh_rx_spin_begin(struct vmesh_dev *d)
{
	node_of(d)->spinners++;
}

void vmesh_rx_spin(struct vmesh_dev *d)
{
	must(node_of(d)->spinners);
	usleep_range(1, 2);
}

void vmesh_rx_spin_end(struct vmesh_dev *d)
{
	must(node_of(d)->spinners);
	node_of(d)->spinners--;
}

void node_hears(struct node *n, const u8 *data, unsigned int len)
{
	struct vmesh_frame frame = { .len = len };

	if (!n->m || len < ETH_HLEN || !vmesh_is_mesh(data, len))
		return;
	frame.page = fake_page(data, len);
	frame.data = frame.page->data;
	fake_softirq_begin();
	if (vmesh_input(n->m, &frame))
		fake_page_given(frame.page);
	else
		__free_pages(frame.page, frame.order);
	fake_softirq_end();
}

void node_polled(struct node *n)
{
	if (!n->m)
		return;
	fake_softirq_begin();
	vmesh_groups_polled(n->m);
	vmesh_groups_room(n->m);
	fake_softirq_end();
}

/* The broker. */

void node_head(u8 *at, u16 from, u16 to, u8 type, u32 seq, u32 life, u16 len)
{
	struct vm_hdr hdr = {
		.version = VM_WIRE_VERSION,
		.type = type,
		.len = cpu_to_be16(len),
		.incarnation = cpu_to_be32(life),
		.epoch = cpu_to_be32(NODE_EPOCH),
		.seq = cpu_to_be32(seq),
	};

	vm_addr_to_mac(vm_addr(NODE_ENSEMBLE, to), at);
	vm_addr_to_mac(vm_addr(NODE_ENSEMBLE, from), at + VM_MAC_LEN);
	at[12] = VM_ETHERTYPE >> 8;
	at[13] = VM_ETHERTYPE & 0xff;
	memcpy(at + VM_ETH_HLEN, &hdr, sizeof(hdr));
}

static void broker_says(struct node *n, u8 type, const void *payload, u16 len)
{
	u8 *frame = malloc(VM_PAYLOAD_OFFSET + len);

	must(frame);
	node_head(frame, VM_NODE_BROKER, n->id, type, 0, 0, len);
	memcpy(frame + VM_PAYLOAD_OFFSET, payload, len);
	node_hears(n, frame, VM_PAYLOAD_OFFSET + len);
	free(frame);
}

void node_member(struct node *n, u16 node, u8 state, u32 life)
{
	struct vm_members head = {
		.epoch = cpu_to_be32(n->m->join.epoch + 1 ?: 1),
		.prev_epoch = cpu_to_be32(n->m->join.epoch),
		.count = cpu_to_be16(1),
		.total = cpu_to_be16(1),
	};
	struct vm_member_entry entry = {
		.node = cpu_to_be16(node),
		.state = state % VM_NODE_STATES,
		.flags = state & 0x80 ? VM_MEMBER_GONE : 0,
		.incarnation = cpu_to_be32(life),
	};
	u8 change[sizeof(head) + sizeof(entry)];

	memcpy(change, &head, sizeof(head));
	memcpy(change + sizeof(head), &entry, sizeof(entry));
	broker_says(n, VM_F_MEMBERS, change, sizeof(change));
}

static void join(struct node *n, unsigned int nodes)
{
	size_t size = sizeof(struct vm_members) + nodes * sizeof(struct vm_member_entry);
	struct vm_welcome w = {
		.abi = cpu_to_be16(VM_WIRE_ABI),
		.mtu = cpu_to_be16(n->m->dev.mtu),
		.ensemble = cpu_to_be16(NODE_ENSEMBLE),
		.node = cpu_to_be16(n->id),
		.incarnation = cpu_to_be32(NODE_LIFE),
		.epoch = cpu_to_be32(NODE_EPOCH),
		.nonce = cpu_to_be64(n->m->join.nonce),
		.broker_id = cpu_to_be64(NODE_BROKER),
		/* It is not heard of again, and the time that takes is not the test's. */
		.probe_ms = cpu_to_be32(60000),
		.dead_ms = cpu_to_be32(600000),
		.hello_min_ms = cpu_to_be32(10000),
		.hello_max_ms = cpu_to_be32(60000),
	};
	struct vm_members *members = calloc(1, size);
	unsigned int i;

	must(members);
	members->epoch = cpu_to_be32(NODE_EPOCH);
	members->count = cpu_to_be16(nodes);
	members->total = cpu_to_be16(nodes);
	members->mtu = cpu_to_be16(VM_MTU_MIN); /* every port takes that */
	for (i = 0; i < nodes; i++)
		members->entry[i] = (struct vm_member_entry){
			.node = cpu_to_be16(i + 1),
			.state = VM_NODE_UP,
			.incarnation = cpu_to_be32(NODE_LIFE),
		};
	broker_says(n, VM_F_WELCOME, &w, sizeof(w));
	broker_says(n, VM_F_MEMBERS, members, size);
	free(members);
	fake_expire();
	must(!vmesh_join_ready(n->m) && n->m->peers.count == nodes);
}

/* Its life. */

void node_begin(struct node *n, u16 id, u16 mtu, unsigned int ring_size, unsigned int nodes)
{
	struct vmesh *m = kzalloc(sizeof(*m), GFP_KERNEL);
	struct vmesh_dev *d = &m->dev;

	*n = (struct node){ .m = m, .id = id, .ring_size = ring_size };
	kref_init(&d->ref);
	d->vdev = (struct virtio_device *)n;
	d->counters = kzalloc(sizeof(*d->counters), GFP_KERNEL);
	d->addr = vm_addr(NODE_ENSEMBLE, id);
	vm_addr_to_mac(d->addr, d->mac);
	d->mtu = mtu;
	d->tx.up = true;
	spin_lock_init(&d->tx.lock);
	init_waitqueue_head(&d->tx.wait);

	mutex_init(&m->state_lock);
	vmesh_peers_init(&m->peers);
	vmesh_echoes_init(&m->echoes);
	vmesh_channels_init(&m->channels);
	vmesh_groups_init(m);
	vmesh_pendings_init(&m->pendings);
	must(!vmesh_trace_init(&m->trace) && !vmesh_join_init(m));
	vmesh_join_start(m);
	join(n, nodes);
	n->f = vmesh_file_open(m);
	must(n->f);
}

void node_gone(struct node *n)
{
	struct vmesh *m = n->m;
	struct vmesh_dev *d = &m->dev;

	mutex_lock(&m->state_lock);
	WRITE_ONCE(m->gone, true);
	mutex_unlock(&m->state_lock);
	vmesh_groups_abort(m);
	vmesh_tx_close(d);
	vmesh_channels_abort(&m->channels);
	vmesh_echoes_abort(&m->echoes);
	vmesh_pendings_abort(&m->pendings);
	vmesh_join_stop(m, true);
}

void node_end(struct node *n)
{
	struct vmesh *m = n->m;

	node_polled(n); /* the poll that runs goes to its end */
	spin_lock_bh(&m->dev.tx.lock);
	m->dev.tx.up = false;
	reclaim(n, NODE_RING_MAX);
	spin_unlock_bh(&m->dev.tx.lock);
	vmesh_join_exit(m);
	vmesh_trace_stop(&m->trace);
	must(!n->spinners);
	vmesh_put(&m->dev);
	/* That was the last reference: of a group, too. */
	must(!n->m);
}

void node_close(struct node *n)
{
	struct vmesh_file *f = n->f;
	struct vmesh_path *path;
	unsigned long node;
	unsigned int i;

	node_take(n);
	n->f = NULL; /* no other call comes any more */
	vmesh_file_close(f);
	n->group = 0;
	/* Nothing of it is counted any more: it was the only file. */
	must(!atomic_read(&n->m->groups.count) && !atomic_read(&n->m->channels.unread));
	must(!atomic_long_read(&n->m->channels.bytes));
	xa_for_each(&n->m->groups.paths, node, path)
		must(!atomic_read(&path->out));
	/* What had not ended was cancelled, and its buffers went with the file. */
	for (i = 0; i < NODE_JOBS; i++)
		n->job[i].used = false;
}
