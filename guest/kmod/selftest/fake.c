// SPDX-License-Identifier: GPL-2.0-only
#include <linux/etherdevice.h>
#include <linux/io.h>
#include <linux/slab.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <uapi/linux/virtio_ids.h>

#include "fake.h"

static struct fake *of(struct virtio_device *vdev)
{
	return container_of(vdev, struct fake, vdev);
}

/* The device, as the virtio core asks it. */

static void fake_get(struct virtio_device *vdev, unsigned int offset, void *buf, unsigned int len)
{
	struct fake *f = of(vdev);
	struct virtio_net_config config = {
		.status = cpu_to_le16(f->link),
		.mtu = cpu_to_le16(f->mtu),
	};

	ether_addr_copy(config.mac, f->mac);
	memset(buf, 0, len);
	if (offset < sizeof(config))
		memcpy(buf, (u8 *)&config + offset, min_t(size_t, len, sizeof(config) - offset));
}

static u8 fake_get_status(struct virtio_device *vdev)
{
	return of(vdev)->status;
}

static void fake_set_status(struct virtio_device *vdev, u8 status)
{
	of(vdev)->status = status;
}

static void fake_reset(struct virtio_device *vdev)
{
	of(vdev)->status = 0;
}

/* As virtio-pci has it: where there is the newer callback, only that. */
#ifdef VMESH_HAVE_EXTENDED_FEATURES
static void fake_get_features(struct virtio_device *vdev, u64 *features)
{
	virtio_features_from_u64(features, of(vdev)->offers);
}
#else
static u64 fake_get_features(struct virtio_device *vdev)
{
	return of(vdev)->offers;
}
#endif

static int fake_finalize_features(struct virtio_device *vdev)
{
	vring_transport_features(vdev);
	/* The transport's word, as virtio-pci has it. */
	if (of(vdev)->offers & BIT_ULL(VIRTIO_F_RING_RESET))
		__virtio_set_bit(vdev, VIRTIO_F_RING_RESET);
	return 0;
}

static int fake_disable_vq(struct virtqueue *vq)
{
	return 0;
}

static int fake_enable_vq(struct virtqueue *vq)
{
	of(vq->vdev)->ring[vq->index].seen = 0;
	return 0;
}

static bool fake_notify(struct virtqueue *vq)
{
	struct fake *f = of(vq->vdev);

	f->kicks++;
	if (!(f->status & VIRTIO_CONFIG_S_DRIVER_OK))
		f->early++;
	return true;
}

static void fake_del_vqs(struct virtio_device *vdev)
{
	struct fake *f = of(vdev);
	int i;

	for (i = 0; i < ARRAY_SIZE(f->ring); i++) {
		if (f->ring[i].vq)
			vring_del_virtqueue(f->ring[i].vq);
		f->ring[i] = (struct fake_ring){};
	}
}

static int fake_find_vqs(struct virtio_device *vdev, unsigned int nvqs, struct virtqueue *vqs[],
			 struct virtqueue_info info[], struct irq_affinity *desc)
{
	struct fake *f = of(vdev);
	unsigned int i;

	if (nvqs > ARRAY_SIZE(f->ring))
		return -EINVAL;
	for (i = 0; i < nvqs; i++) {
		vqs[i] = vring_create_virtqueue(i, f->ring_size, PAGE_SIZE, vdev, true, false,
						false, fake_notify, info[i].callback, info[i].name);
		if (!vqs[i]) {
			fake_del_vqs(vdev);
			return -ENOMEM;
		}
		vqs[i]->num_max = f->ring_size;
		f->ring[i].vq = vqs[i];
	}
	return 0;
}

static const struct virtio_config_ops fake_ops = {
	.get = fake_get,
	.get_status = fake_get_status,
	.set_status = fake_set_status,
	.reset = fake_reset,
	.find_vqs = fake_find_vqs,
	.del_vqs = fake_del_vqs,
#ifdef VMESH_HAVE_EXTENDED_FEATURES
	.get_extended_features = fake_get_features,
#else
	.get_features = fake_get_features,
#endif
	.finalize_features = fake_finalize_features,
	.disable_vq_and_reset = fake_disable_vq,
	.enable_vq_after_reset = fake_enable_vq,
};

static void fake_release(struct device *dev)
{
	complete(&of(dev_to_virtio(dev))->released);
}

/* Its life. */

int fake_init(struct kunit *test)
{
	struct fake *f = kzalloc(sizeof(*f), GFP_KERNEL);
	int err;

	if (!f)
		return -ENOMEM;
	f->root = root_device_register("virtmesh_fake");
	if (IS_ERR(f->root)) {
		err = PTR_ERR(f->root);
		kfree(f);
		return err;
	}
	init_completion(&f->released);
	vm_addr_to_mac(vm_addr(FAKE_ENSEMBLE, FAKE_NODE), f->mac);
	f->mtu = VM_MTU_DEFAULT;
	f->link = VIRTIO_NET_S_LINK_UP;
	f->ring_size = FAKE_RING;
	f->offers = BIT_ULL(VIRTIO_NET_F_MAC) | BIT_ULL(VIRTIO_NET_F_MTU) |
		    BIT_ULL(VIRTIO_NET_F_STATUS) | BIT_ULL(VIRTIO_F_VERSION_1) |
		    BIT_ULL(VIRTIO_RING_F_EVENT_IDX) | BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC);
	f->vdev.id.device = VIRTIO_ID_NET;
	f->vdev.config = &fake_ops;
	f->vdev.dev.parent = f->root;
	f->vdev.dev.release = fake_release;
	test->priv = f;
	err = register_virtio_device(&f->vdev);
	if (err) {
		put_device(&f->vdev.dev);
		wait_for_completion(&f->released);
		root_device_unregister(f->root);
		kfree(f);
		test->priv = NULL;
	}
	return err;
}

void fake_exit(struct kunit *test)
{
	struct fake *f = test->priv;

	if (!f)
		return;
	unregister_virtio_device(&f->vdev);
	wait_for_completion(&f->released);
	root_device_unregister(f->root);
	kfree(f);
}

int fake_bind(struct fake *f)
{
	return device_driver_attach(&vmesh_virtio_driver.driver, &f->vdev.dev);
}

void fake_unbind(struct fake *f)
{
	device_release_driver(&f->vdev.dev);
}

struct vmesh *fake_mesh(struct fake *f)
{
	return vmesh_of(f->vdev.priv);
}

u64 fake_counter(struct fake *f, enum vmesh_counter c)
{
	struct vmesh_dev *d = f->vdev.priv;
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += per_cpu_ptr(d->counters, cpu)->v[c];
	return sum;
}

/* Its side of the rings. */

static struct vring_desc *fake_desc(const struct vring *vring, u16 id)
{
	return &vring->desc[id % vring->num];
}

/* The next chain the driver made available, or -1. */
static int fake_next(struct fake_ring *r)
{
	const struct vring *vring = virtqueue_get_vring(r->vq);
	u16 avail = le16_to_cpu((__force __le16)READ_ONCE(vring->avail->idx));

	if (avail == r->seen)
		return -1;
	virt_rmb(); /* the index before what it announces */
	return le16_to_cpu((__force __le16)vring->avail->ring[r->seen++ % vring->num]);
}

static void fake_done(struct fake_ring *r, u32 id, u32 len)
{
	const struct vring *vring = virtqueue_get_vring(r->vq);
	u16 used = le16_to_cpu((__force __le16)vring->used->idx);
	struct vring_used_elem *elem = &vring->used->ring[used % vring->num];

	elem->id = (__force __virtio32)cpu_to_le32(id);
	elem->len = (__force __virtio32)cpu_to_le32(len);
	virt_wmb(); /* what it announces before the index */
	vring->used->idx = (__force __virtio16)cpu_to_le16(used + 1);
	virt_mb(); /* the index before what asks for an interrupt */
	/* Mostly always: an interrupt too many must do no harm. */
	if (of(r->vq->vdev)->heeds &&
	    !vring_need_event(le16_to_cpu((__force __le16)READ_ONCE(vring_used_event(vring))),
			      used + 1, used))
		return;
	local_bh_disable();
	vring_interrupt(0, r->vq);
	local_bh_enable();
}

static void *fake_address(const struct vring_desc *desc)
{
	return phys_to_virt(le64_to_cpu((__force __le64)desc->addr));
}

bool fake_push_as(struct fake *f, const void *frame, unsigned int len, int said, int id)
{
	struct fake_ring *r = &f->ring[0];
	struct vring_desc *desc;
	u8 *to;
	int head;

	head = fake_next(r);
	if (head < 0)
		return false;
	desc = fake_desc(virtqueue_get_vring(r->vq), head);
	if (WARN_ON(le32_to_cpu((__force __le32)desc->len) <
		    sizeof(struct virtio_net_hdr_v1) + len))
		return false;
	to = fake_address(desc);
	memset(to, 0, sizeof(struct virtio_net_hdr_v1));
	memcpy(to + sizeof(struct virtio_net_hdr_v1), frame, len);
	fake_done(r, id < 0 ? head : id, said < 0 ? sizeof(struct virtio_net_hdr_v1) + len : said);
	return true;
}

bool fake_push(struct fake *f, const void *frame, unsigned int len)
{
	return fake_push_as(f, frame, len, -1, -1);
}

bool fake_pop(struct fake *f)
{
	const unsigned int skip = sizeof(struct virtio_net_hdr_v1);
	struct fake_ring *r = &f->ring[1];
	const struct vring *vring;
	struct vring_desc *desc;
	unsigned int at = 0, n, left, i;
	int head;

	if (!r->vq)
		return false;
	head = fake_next(r);
	if (head < 0)
		return false;
	vring = virtqueue_get_vring(r->vq);
	desc = fake_desc(vring, head);
	left = 1;
	if (le16_to_cpu((__force __le16)desc->flags) & VRING_DESC_F_INDIRECT) {
		left = le32_to_cpu((__force __le32)desc->len) / sizeof(*desc);
		desc = fake_address(desc);
		for (i = 0; i < left; i++) {
			n = le32_to_cpu((__force __le32)desc[i].len);
			if (WARN_ON(at + n > sizeof(f->frame)))
				return false;
			memcpy(f->frame + at, fake_address(&desc[i]), n);
			at += n;
		}
	} else {
		for (;;) {
			n = le32_to_cpu((__force __le32)desc->len);
			if (WARN_ON(at + n > sizeof(f->frame)))
				return false;
			memcpy(f->frame + at, fake_address(desc), n);
			at += n;
			if (!(le16_to_cpu((__force __le16)desc->flags) & VRING_DESC_F_NEXT))
				break;
			desc = fake_desc(vring, le16_to_cpu((__force __le16)desc->next));
		}
	}
	fake_done(r, head, 0);
	f->len = at - skip;
	memmove(f->frame, f->frame + skip, f->len);
	return true;
}

void fake_took(struct fake *f, u32 id)
{
	fake_done(&f->ring[1], id, 0);
}

struct sk_buff *fake_skb(struct kunit *test, u8 mark)
{
	struct sk_buff *skb = alloc_skb(VMESH_TX_HEADROOM + 100, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, skb);
	skb_reserve(skb, VMESH_TX_HEADROOM);
	memset(skb_put(skb, 100), mark, 100);
	return skb;
}

unsigned int fake_fill(struct kunit *test)
{
	struct fake *f = test->priv;
	struct sk_buff *skb;
	unsigned int n;
	int err = 0;

	for (n = 0; n <= f->ring_size; n++) {
		skb = fake_skb(test, n);
		err = vmesh_tx(&fake_mesh(f)->dev, skb, 0);
		if (err) {
			kfree_skb(skb);
			break;
		}
	}
	KUNIT_ASSERT_EQ(test, err, -ENOBUFS);
	return n;
}

struct vm_hdr *fake_hdr(struct fake *f)
{
	return (struct vm_hdr *)(f->frame + VM_ETH_HLEN);
}

void *fake_payload(struct fake *f)
{
	return f->frame + VM_PAYLOAD_OFFSET;
}

static bool fake_is(struct fake *f, u8 type)
{
	return f->len >= VM_PAYLOAD_OFFSET && get_unaligned_be16(f->frame + 12) == VM_ETHERTYPE &&
	       fake_hdr(f)->type == type;
}

bool fake_pop_type(struct fake *f, u8 type)
{
	unsigned long end = jiffies + 20 * HZ;

	while (time_before(jiffies, end)) {
		if (!fake_pop(f))
			usleep_range(200, 1000);
		else if (fake_is(f, type))
			return true;
	}
	return false;
}

/* What others say. */

bool fake_say(struct fake *f, struct fake_frame what)
{
	struct vm_hdr hdr = {
		.version = what.version,
		.type = what.type,
		.len = cpu_to_be16(what.said ?: what.len),
		.incarnation = cpu_to_be32(what.life),
		.epoch = cpu_to_be32(what.epoch),
		.seq = cpu_to_be32(what.seq),
	};
	u8 *frame = kmalloc(VM_PAYLOAD_OFFSET + what.len, GFP_KERNEL);
	bool sent;

	if (!frame)
		return false;
	vm_addr_to_mac(vm_addr(FAKE_ENSEMBLE, what.to), frame);
	vm_addr_to_mac(vm_addr(what.ensemble, what.from), frame + ETH_ALEN);
	put_unaligned_be16(VM_ETHERTYPE, frame + 12);
	memcpy(frame + VM_ETH_HLEN, &hdr, sizeof(hdr));
	if (what.len)
		memcpy(frame + VM_PAYLOAD_OFFSET, what.payload, what.len);
	sent = fake_push(f, frame, VM_PAYLOAD_OFFSET + what.len);
	kfree(frame);
	return sent;
}

bool fake_welcome(struct fake *f, u64 nonce, u64 broker, u32 dead_ms)
{
	struct vm_welcome w = {
		.abi = cpu_to_be16(VM_WIRE_ABI),
		.mtu = cpu_to_be16(f->mtu),
		.ensemble = cpu_to_be16(FAKE_ENSEMBLE),
		.node = cpu_to_be16(FAKE_NODE),
		.incarnation = cpu_to_be32(FAKE_LIFE),
		.epoch = cpu_to_be32(FAKE_EPOCH),
		.nonce = cpu_to_be64(nonce),
		.broker_id = cpu_to_be64(broker),
		.probe_ms = cpu_to_be32(50),
		.dead_ms = cpu_to_be32(dead_ms),
		.hello_min_ms = cpu_to_be32(40),
		.hello_max_ms = cpu_to_be32(160),
	};

	return fake_say(f, FAKE_FRAME_FROM(VM_NODE_BROKER, VM_F_WELCOME, &w, sizeof(w)));
}

bool fake_probe(struct fake *f, u64 broker, u32 epoch, u32 token)
{
	struct vm_probe p = { .broker_id = cpu_to_be64(broker), .token = cpu_to_be32(token) };
	struct fake_frame what = FAKE_FRAME_FROM(VM_NODE_BROKER, VM_F_PROBE, &p, sizeof(p));

	what.to = VM_NODE_ALL;
	what.epoch = epoch;
	return fake_say(f, what);
}

static bool fake_members(struct fake *f, u32 prev, u32 epoch, u16 first, u16 total,
			 const struct vm_member_entry *entries, u16 n)
{
	size_t bytes = sizeof(struct vm_members) + n * sizeof(*entries);
	struct vm_members *members = kzalloc(bytes, GFP_KERNEL);
	bool sent;

	if (!members)
		return false;
	members->epoch = cpu_to_be32(epoch);
	members->prev_epoch = cpu_to_be32(prev);
	members->first = cpu_to_be16(first);
	members->count = cpu_to_be16(n);
	members->total = cpu_to_be16(total);
	members->mtu = cpu_to_be16(f->group_mtu);
	memcpy(members->entry, entries, n * sizeof(*entries));
	sent = fake_say(f, FAKE_FRAME_FROM(VM_NODE_BROKER, VM_F_MEMBERS, members, bytes));
	kfree(members);
	return sent;
}

bool fake_snapshot(struct fake *f, u32 epoch, u16 first, u16 n, u16 total, u32 life)
{
	struct vm_member_entry *entries = kcalloc(n, sizeof(*entries), GFP_KERNEL);
	bool sent;
	u16 i;

	if (!entries)
		return false;
	for (i = 0; i < n; i++) {
		entries[i].node = cpu_to_be16(first + i + 1);
		entries[i].state = VM_NODE_UP;
		entries[i].incarnation = cpu_to_be32(life);
	}
	sent = fake_members(f, 0, epoch, first, total, entries, n);
	kfree(entries);
	return sent;
}

bool fake_change(struct fake *f, u32 prev, u32 epoch, u16 node, u8 state, u32 life, u8 flags)
{
	struct vm_member_entry e = {
		.node = cpu_to_be16(node),
		.state = state,
		.flags = flags,
		.incarnation = cpu_to_be32(life),
	};

	return fake_members(f, prev, epoch, 0, 1, &e, 1);
}

void fake_join(struct kunit *test)
{
	struct fake *f = test->priv;
	u64 nonce;

	KUNIT_ASSERT_EQ(test, fake_bind(f), 0);
	KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_HELLO));
	nonce = be64_to_cpu(((struct vm_hello *)fake_payload(f))->nonce);
	KUNIT_ASSERT_TRUE(test, fake_welcome(f, nonce, FAKE_BROKER, 60000));
	KUNIT_ASSERT_TRUE(test, fake_snapshot(f, FAKE_EPOCH, 0, 3, 3, 1));
	KUNIT_ASSERT_TRUE(test, FAKE_UNTIL(READ_ONCE(fake_mesh(f)->join.epoch) == FAKE_EPOCH));
	KUNIT_ASSERT_EQ(test, vmesh_join_ready(fake_mesh(f)), 0);
	/* What it said meanwhile is of no interest. */
	while (fake_pop(f))
		;
}
