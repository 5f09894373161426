// SPDX-License-Identifier: GPL-2.0-only
/*
 * The base, device.c queue.c receive.c send.c: what a device may say of itself, and
 * what it may do with the rings. Nothing of it may cost a byte or the kernel.
 */
#include <linux/etherdevice.h>
#include <linux/kthread.h>
#include <linux/skbuff.h>
#include <linux/virtio_net.h>

#include "fake.h"
#include "queue.h"

/* No frame of anybody's protocol. */
static const u8 quiet[60] = { [0] = 0xff, [12] = 0x08, [13] = 0x06 };

static void binds_and_unbinds(struct kunit *test)
{
	struct fake *f = test->priv;
	int i;

	for (i = 0; i < 3; i++) {
		KUNIT_ASSERT_EQ(test, fake_bind(f), 0);
		KUNIT_EXPECT_TRUE(test, f->status & VIRTIO_CONFIG_S_DRIVER_OK);
		KUNIT_EXPECT_NE(test, f->kicks, 0);
		KUNIT_EXPECT_EQ_MSG(test, f->early, 0, "no notification before DRIVER_OK");
		KUNIT_EXPECT_EQ(test, fake_mesh(f)->dev.mtu, VM_MTU_DEFAULT);
		KUNIT_EXPECT_TRUE(test, fake_pop_type(f, VM_F_HELLO));
		fake_unbind(f);
		KUNIT_EXPECT_EQ_MSG(test, f->status & VIRTIO_CONFIG_S_DRIVER_OK, 0, "reset");
		KUNIT_EXPECT_NULL(test, f->ring[0].vq);
	}
}

static void refuses_a_small_mtu(struct kunit *test)
{
	struct fake *f = test->priv;

	f->mtu = VM_MTU_MIN - 1;
	KUNIT_EXPECT_NE(test, fake_bind(f), 0);
	KUNIT_EXPECT_NULL(test, f->ring[0].vq);
	f->mtu = VM_MTU_MIN;
	KUNIT_EXPECT_EQ(test, fake_bind(f), 0);
}

static void bounds_a_large_mtu(struct kunit *test)
{
	struct fake *f = test->priv;

	f->mtu = 65535;
	KUNIT_ASSERT_EQ(test, fake_bind(f), 0);
	KUNIT_EXPECT_EQ(test, fake_mesh(f)->dev.mtu, VM_MTU_MAX);
}

static void refuses_a_legacy_device(struct kunit *test)
{
	struct fake *f = test->priv;

	f->offers &= ~BIT_ULL(VIRTIO_F_VERSION_1);
	KUNIT_EXPECT_EQ(test, vmesh_identify(&f->vdev, NULL), -EOPNOTSUPP);
	KUNIT_EXPECT_NE(test, fake_bind(f), 0);
}

static void knows_what_is_not_its_own(struct kunit *test)
{
	struct fake *f = test->priv;
	u8 mac[ETH_ALEN];

	KUNIT_EXPECT_EQ(test, vmesh_identify(&f->vdev, mac), 0);
	KUNIT_EXPECT_TRUE(test, ether_addr_equal(mac, f->mac));
	f->mac[0] = 0x03; /* a group's */
	KUNIT_EXPECT_EQ(test, vmesh_identify(&f->vdev, NULL), -ENXIO);
	vm_addr_to_mac(vm_addr(FAKE_ENSEMBLE, VM_NODE_BROKER), f->mac);
	KUNIT_EXPECT_EQ(test, vmesh_identify(&f->vdev, NULL), -ENXIO);
	vm_addr_to_mac(vm_addr(0, FAKE_NODE), f->mac);
	KUNIT_EXPECT_EQ(test, vmesh_identify(&f->vdev, NULL), -ENXIO);
	f->offers &= ~BIT_ULL(VIRTIO_NET_F_MAC);
	KUNIT_EXPECT_EQ(test, vmesh_identify(&f->vdev, NULL), -ENXIO);
	KUNIT_EXPECT_EQ(test, f->status & VIRTIO_CONFIG_S_FAILED, 0);
}

/* Nor has virtio-pci the callback then. */
static void refuses_a_device_without_config(struct kunit *test)
{
	struct fake *f = test->priv;
	const struct virtio_config_ops *whole = f->vdev.config;
	struct virtio_config_ops ops = *whole;

	ops.get = NULL;
	f->vdev.config = &ops;
	KUNIT_EXPECT_EQ(test, vmesh_identify(&f->vdev, NULL), -ENXIO);
	KUNIT_EXPECT_EQ(test, fake_bind(f), -EINVAL);
	KUNIT_EXPECT_NULL(test, f->ring[0].vq);
	f->vdev.config = whole;
}

static void refuses_tiny_rings(struct kunit *test)
{
	struct fake *f = test->priv;

	f->ring_size = 8;
	KUNIT_EXPECT_EQ(test, fake_bind(f), -EINVAL);
	KUNIT_EXPECT_NULL_MSG(test, f->ring[0].vq, "and gives them back");
}

/* Every buffer comes back round, thousands of times. */
static void receives_for_ever(struct kunit *test)
{
	struct fake *f = test->priv;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, fake_bind(f), 0);
	for (i = 0; i < 20 * FAKE_RING; i++)
		KUNIT_ASSERT_TRUE(test, FAKE_UNTIL(fake_push(f, quiet, sizeof(quiet))));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(FAKE_COUNT(f, rx_ring_frames) == 20 * FAKE_RING));
	KUNIT_EXPECT_EQ(test, FAKE_COUNT(f, rx_bad_len), 0);
}

/*
 * Who spins turns the interrupt off for all. Should he lose the CPU, or the rings go
 * under him, nothing waits for him.
 */
static void receives_behind_a_spinner_that_sleeps(struct kunit *test)
{
	struct fake *f = test->priv;
	unsigned int i, n = 5;
	struct vmesh_dev *d;

	f->heeds = true;
	KUNIT_ASSERT_EQ(test, fake_bind(f), 0);
	d = &fake_mesh(f)->dev;
	for (i = 0; i < n; i++)
		KUNIT_ASSERT_TRUE(test, fake_push(f, quiet, sizeof(quiet)));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(FAKE_COUNT(f, rx_ring_frames) == n));
	vmesh_rx_spin_begin(d);
	vmesh_rx_spin(d);
	for (i = 0; i < 2; i++) {
		KUNIT_ASSERT_TRUE(test, fake_push(f, quiet, sizeof(quiet)));
		KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(FAKE_COUNT(f, rx_ring_frames) == n + 1 + i));
	}
	vmesh_rx_spin_end(d);
	KUNIT_ASSERT_TRUE(test, fake_push(f, quiet, sizeof(quiet)));
	KUNIT_EXPECT_TRUE_MSG(test, FAKE_UNTIL(FAKE_COUNT(f, rx_ring_frames) == n + 3),
			      "interrupted again");

	vmesh_get(d); /* as his file does */
	vmesh_rx_spin_begin(d);
	vmesh_rx_spin(d);
	fake_unbind(f);
	KUNIT_EXPECT_FALSE(test, timer_pending(&d->rx.watch));
	vmesh_rx_spin_end(d);
	vmesh_put(d);
}

static void counts_lengths_that_cannot_be(struct kunit *test)
{
	static const int said[] = { 0, 1, 11, 12, 25 };
	struct fake *f = test->priv;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, fake_bind(f), 0);
	for (i = 0; i < ARRAY_SIZE(said); i++)
		KUNIT_ASSERT_TRUE(test, fake_push_as(f, quiet, sizeof(quiet), said[i], -1));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(FAKE_COUNT(f, rx_bad_len) == ARRAY_SIZE(said)));
	/* One byte more than the buffer has. */
	KUNIT_ASSERT_TRUE(test,
			  fake_push_as(f, quiet, sizeof(quiet), fake_mesh(f)->dev.rx.room + 1, -1));
	/* More than it can be, by the core's count or ours; and it goes on. */
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(FAKE_COUNT(f, rx_bad_len) == ARRAY_SIZE(said) + 1 ||
					   READ_ONCE(fake_mesh(f)->dev.broken)));
	KUNIT_EXPECT_FALSE(test, fake_mesh(f)->dev.broken);
	KUNIT_ASSERT_TRUE(test, fake_push(f, quiet, sizeof(quiet)));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(FAKE_COUNT(f, rx_ring_frames) == ARRAY_SIZE(said) + 2));
}

/* An id that is no descriptor's: the ring is given up, the rest lives. */
static void gives_up_a_ring_of_nonsense(struct kunit *test)
{
	struct fake *f = test->priv;

	KUNIT_ASSERT_EQ(test, fake_bind(f), 0);
	KUNIT_ASSERT_TRUE(test, fake_push_as(f, quiet, sizeof(quiet), -1, FAKE_RING + 5));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(fake_mesh(f)->dev.broken)));
	fake_unbind(f);
	KUNIT_ASSERT_EQ_MSG(test, fake_bind(f), 0, "bound again, it is as new");
	KUNIT_EXPECT_TRUE(test, fake_pop_type(f, VM_F_HELLO));
}

/* Fill the ring of a device that takes nothing; control still finds its reserve. */
static void transmit_ring_full_and_free_again(struct kunit *test)
{
	struct fake *f = test->priv;
	struct vmesh_dev *d;
	struct sk_buff *skb;
	unsigned int n, i;
	u64 completed;

	KUNIT_ASSERT_EQ(test, fake_bind(f), 0);
	d = &fake_mesh(f)->dev;
	KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_HELLO));
	n = fake_fill(test);
	KUNIT_EXPECT_GE(test, n, FAKE_RING / 2);
	KUNIT_EXPECT_GE(test, FAKE_COUNT(f, tx_ring_full), 1);
	skb = fake_skb(test, n);
	KUNIT_EXPECT_EQ(test, vmesh_tx_wait(d, skb, true), -EAGAIN);
	KUNIT_EXPECT_FALSE(test, vmesh_tx_room(d));
	KUNIT_EXPECT_EQ_MSG(test, vmesh_tx(d, skb, VMESH_TX_RESERVE), 0, "kept back for this");

	/* In order, unchanged, the reserved one and perhaps a HELLO among the last. */
	for (i = 0; i < n; i++) {
		KUNIT_ASSERT_TRUE(test, fake_pop(f));
		if (f->frame[12] == VM_ETHERTYPE >> 8 && f->frame[13] == (VM_ETHERTYPE & 0xff)) {
			i--;
			continue;
		}
		KUNIT_EXPECT_EQ(test, f->len, 100);
		KUNIT_EXPECT_EQ(test, f->frame[0], i);
		KUNIT_EXPECT_EQ(test, f->frame[99], i);
	}
	while (fake_pop(f))
		;
	KUNIT_EXPECT_TRUE(test, vmesh_tx_room(d));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(!vmesh_tx_pending(d, &completed)));
	KUNIT_EXPECT_GE(test, completed, n + 1);
}

/* One who waits for room, in a thread of his own. */
struct sending {
	struct vmesh_dev *d;
	struct sk_buff *skb;
	int result;
	struct completion done;
};

static int send_thread(void *arg)
{
	struct sending *s = arg;

	s->result = vmesh_tx_wait(s->d, s->skb, false);
	complete(&s->done);
	return 0;
}

/* Asleep when this returns. What it returns goes with the test. */
static struct sending *send_begin(struct kunit *test, struct vmesh_dev *d)
{
	struct sending *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, s);
	s->d = d;
	s->skb = fake_skb(test, 0);
	init_completion(&s->done);
	KUNIT_ASSERT_FALSE(test, IS_ERR(kthread_run(send_thread, s, "virtmesh-send")));
	KUNIT_ASSERT_TRUE(test, FAKE_UNTIL(wq_has_sleeper(&d->tx.wait)));
	return s;
}

static void send_ends(struct kunit *test, struct sending *s, int result)
{
	if (!wait_for_completion_timeout(&s->done, 20 * HZ)) {
		KUNIT_FAIL(test, "it sleeps on");
		vmesh_tx_close(s->d);
		wait_for_completion(&s->done);
	}
	KUNIT_EXPECT_EQ(test, s->result, result);
	if (s->result)
		kfree_skb(s->skb);
}

/* A full ring that is given up makes no more room: who waits for some is told. */
static void gives_up_a_full_ring(struct kunit *test)
{
	struct fake *f = test->priv;
	struct vmesh_dev *d;
	struct sending *s;

	fake_join(test);
	d = &fake_mesh(f)->dev;
	fake_fill(test);
	s = send_begin(test, d);
	KUNIT_EXPECT_FALSE(test, vmesh_tx_room(d));
	fake_took(f, FAKE_RING + 5);
	send_ends(test, s, -EIO);
	KUNIT_EXPECT_TRUE(test, d->broken);
	KUNIT_EXPECT_TRUE_MSG(test, vmesh_tx_room(d), "POLLOUT: a write would not wait");
}

/* A resize to the size it has leaves everything in the ring; so do those who wait. */
static void wakes_whom_it_kept_waiting(struct kunit *test)
{
	struct fake *f = test->priv;
	struct vmesh_dev *d;
	struct sending *s;

	f->heeds = true;
	fake_join(test);
	d = &fake_mesh(f)->dev;
	fake_fill(test);
	s = send_begin(test, d);
	vmesh_tx_disable(d);
	vmesh_tx_enable(d);
	while (fake_pop(f))
		;
	send_ends(test, s, 0);
}

/* What the device never gave back is freed with the ring; KASAN and kmemleak look on. */
static void unbound_with_frames_in_flight(struct kunit *test)
{
	struct fake *f = test->priv;
	struct sk_buff *skb;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, fake_bind(f), 0);
	for (i = 0; i < 10; i++) {
		skb = fake_skb(test, i);
		KUNIT_ASSERT_EQ(test, vmesh_tx(&fake_mesh(f)->dev, skb, 0), 0);
	}
	fake_unbind(f);
}

static void closed_for_good(struct kunit *test)
{
	struct fake *f = test->priv;
	struct sk_buff *skb = fake_skb(test, 1);

	KUNIT_ASSERT_EQ(test, fake_bind(f), 0);
	vmesh_tx_close(&fake_mesh(f)->dev);
	KUNIT_EXPECT_EQ(test, vmesh_tx(&fake_mesh(f)->dev, skb, 0), -ENODEV);
	KUNIT_EXPECT_EQ(test, vmesh_tx_wait(&fake_mesh(f)->dev, skb, false), -ENODEV);
	kfree_skb(skb);
}

static void rings_away_and_back(struct kunit *test)
{
	struct fake *f = test->priv;
	struct sk_buff *skb = fake_skb(test, 1);
	struct vmesh_dev *d;

	KUNIT_ASSERT_EQ(test, fake_bind(f), 0);
	d = &fake_mesh(f)->dev;
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&f->vdev), 0);
	KUNIT_EXPECT_NULL(test, f->ring[0].vq);
	KUNIT_EXPECT_EQ(test, vmesh_tx(d, skb, 0), -ENETDOWN);
	KUNIT_ASSERT_EQ(test, virtio_device_restore(&f->vdev), 0);
	KUNIT_EXPECT_EQ(test, vmesh_tx(d, skb, 0), 0);
	KUNIT_EXPECT_TRUE_MSG(test, fake_pop_type(f, VM_F_HELLO), "it says so, too");
	KUNIT_ASSERT_TRUE(test, fake_push(f, quiet, sizeof(quiet)));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(FAKE_COUNT(f, rx_ring_frames) == 1));
}

static void no_ring_reset_no_resize(struct kunit *test)
{
	struct fake *f = test->priv;

	KUNIT_ASSERT_EQ(test, fake_bind(f), 0);
	KUNIT_EXPECT_EQ(test, vmesh_queues_resize(&fake_mesh(f)->dev, 32, 32), -EOPNOTSUPP);
}

/* A size that no ring can have is refused before either has lost a frame for it. */
static void resizes_both_rings_or_none(struct kunit *test)
{
	struct fake *f = test->priv;
	struct vmesh_dev *d;

	f->offers |= BIT_ULL(VIRTIO_F_RING_RESET);
	fake_join(test);
	d = &fake_mesh(f)->dev;
	KUNIT_ASSERT_EQ(test, vmesh_tx(d, fake_skb(test, 1), 0), 0);
	KUNIT_EXPECT_EQ(test, vmesh_queues_resize(d, 32, 24), -EINVAL);
	KUNIT_EXPECT_EQ(test, vmesh_queues_resize(d, 24, 32), -EINVAL);
	KUNIT_EXPECT_EQ(test, virtqueue_get_vring_size(d->rx.vq), FAKE_RING);
	KUNIT_EXPECT_EQ(test, virtqueue_get_vring_size(d->tx.vq), FAKE_RING);
	KUNIT_EXPECT_TRUE(test, fake_pop(f));
	KUNIT_EXPECT_EQ(test, f->frame[0], 1);

	KUNIT_EXPECT_EQ(test, vmesh_queues_resize(d, 32, 16), 0);
	KUNIT_EXPECT_EQ(test, virtqueue_get_vring_size(d->rx.vq), 32);
	KUNIT_EXPECT_EQ(test, virtqueue_get_vring_size(d->tx.vq), 16);
	KUNIT_ASSERT_EQ(test, vmesh_tx(d, fake_skb(test, 2), 0), 0);
	KUNIT_EXPECT_TRUE(test, fake_pop(f));
	KUNIT_EXPECT_EQ(test, f->frame[0], 2);
	KUNIT_ASSERT_TRUE(test, fake_probe(f, FAKE_BROKER, FAKE_EPOCH, 1));
	KUNIT_EXPECT_TRUE(test, fake_pop_type(f, VM_F_ALIVE));
}

static struct kunit_case cases[] = { KUNIT_CASE(binds_and_unbinds),
				     KUNIT_CASE(refuses_a_small_mtu),
				     KUNIT_CASE(bounds_a_large_mtu),
				     KUNIT_CASE(refuses_a_legacy_device),
				     KUNIT_CASE(knows_what_is_not_its_own),
				     KUNIT_CASE(refuses_a_device_without_config),
				     KUNIT_CASE(refuses_tiny_rings),
				     KUNIT_CASE(receives_for_ever),
				     KUNIT_CASE(receives_behind_a_spinner_that_sleeps),
				     KUNIT_CASE(counts_lengths_that_cannot_be),
				     KUNIT_CASE(gives_up_a_ring_of_nonsense),
				     KUNIT_CASE(transmit_ring_full_and_free_again),
				     KUNIT_CASE(gives_up_a_full_ring),
				     KUNIT_CASE(wakes_whom_it_kept_waiting),
				     KUNIT_CASE(unbound_with_frames_in_flight),
				     KUNIT_CASE(closed_for_good),
				     KUNIT_CASE(rings_away_and_back),
				     KUNIT_CASE(no_ring_reset_no_resize),
				     KUNIT_CASE(resizes_both_rings_or_none),
				     {} };

static struct kunit_suite suite = {
	.name = "virtmesh-base",
	.init = fake_init,
	.exit = fake_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);
