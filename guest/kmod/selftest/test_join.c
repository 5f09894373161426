// SPDX-License-Identifier: GPL-2.0-only
/* join.c, members.c, alive.c: a node and its broker, whose words may come in any order. */
#include "fake.h"

#define J(f)	 (&fake_mesh(f)->join)
#define STATE(f) READ_ONCE(J(f)->state)

static struct vm_hello *hello(struct fake *f)
{
	return fake_payload(f);
}

/* With growing distance, spread by a quarter, up to the bound. */
static void hello_backs_off(struct kunit *test)
{
	struct fake *f = test->priv;
	unsigned long at[5];
	unsigned int i, gap;
	u64 nonce = 0;

	KUNIT_ASSERT_EQ(test, fake_bind(f), 0);
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_HELLO));
		at[i] = jiffies;
		if (!i)
			nonce = be64_to_cpu(hello(f)->nonce);
		KUNIT_EXPECT_NE(test, nonce, 0);
		KUNIT_EXPECT_EQ_MSG(test, be64_to_cpu(hello(f)->nonce), nonce, "one nonce a life");
		KUNIT_EXPECT_EQ(test, be32_to_cpu(fake_hdr(f)->incarnation), 0);
		KUNIT_EXPECT_EQ(test, be16_to_cpu(hello(f)->mtu), f->mtu);
	}
	/* 100, 200, 400, 800 ms; never much too early. Late is the machine's fault. */
	for (i = 1, gap = 100; i < ARRAY_SIZE(at); i++, gap *= 2)
		KUNIT_EXPECT_GE_MSG(test, jiffies_to_msecs(at[i] - at[i - 1]) + 30, gap * 3 / 4,
				    "HELLO %u", i);
	KUNIT_EXPECT_EQ(test, FAKE_COUNT(f, hellos_sent), ARRAY_SIZE(at));
}

static void joins(struct kunit *test)
{
	struct fake *f = test->priv;

	fake_join(test);
	KUNIT_EXPECT_EQ(test, STATE(f), VIRTMESH_LINK_JOINED);
	KUNIT_EXPECT_EQ(test, J(f)->incarnation, FAKE_LIFE);
	KUNIT_EXPECT_EQ(test, J(f)->broker_id, FAKE_BROKER);
	KUNIT_EXPECT_EQ(test, fake_mesh(f)->peers.count, 3);
	KUNIT_EXPECT_TRUE(test, netif_carrier_ok(fake_mesh(f)->netdev));
	KUNIT_EXPECT_EQ(test, FAKE_COUNT(f, snapshots), 1);
	/* Gone in peace. */
	fake_unbind(f);
}

static void goodbye(struct kunit *test)
{
	struct fake *f = test->priv;
	struct vmesh_dev *d;

	fake_join(test);
	/* The frames are looked at before the ring goes. */
	d = &fake_mesh(f)->dev;
	vmesh_tx_close(d);
	vmesh_join_stop(fake_mesh(f), true);
	KUNIT_EXPECT_TRUE(test, fake_pop_type(f, VM_F_BYE));
	KUNIT_EXPECT_EQ(test, be32_to_cpu(fake_hdr(f)->incarnation), FAKE_LIFE);
}

static void strangers_welcome(struct kunit *test)
{
	struct fake *f = test->priv;
	u64 nonce;

	KUNIT_ASSERT_EQ(test, fake_bind(f), 0);
	KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_HELLO));
	nonce = be64_to_cpu(hello(f)->nonce);
	KUNIT_ASSERT_TRUE(test, fake_welcome(f, nonce ^ 1, FAKE_BROKER, 60000));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(FAKE_COUNT(f, rx_malformed) == 1));
	KUNIT_EXPECT_EQ_MSG(test, STATE(f), VIRTMESH_LINK_JOINING, "of another life");
	/* Members before the welcome are others' news. */
	KUNIT_ASSERT_TRUE(test, fake_snapshot(f, FAKE_EPOCH, 0, 3, 3, 1));
	KUNIT_ASSERT_TRUE(test, fake_welcome(f, nonce, FAKE_BROKER, 60000));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(STATE(f) == VIRTMESH_LINK_JOINED));
	KUNIT_EXPECT_EQ(test, J(f)->epoch, 0);
	/* The snapshot that should follow does not: it asks. */
	KUNIT_EXPECT_TRUE(test, fake_pop_type(f, VM_F_SYNC));
}

static void snapshot_in_parts_out_of_order(struct kunit *test)
{
	struct fake *f = test->priv;
	u32 epoch = FAKE_EPOCH + 1;

	fake_join(test);
	KUNIT_ASSERT_TRUE(test, fake_snapshot(f, epoch, 200, 100, 300, 2));
	KUNIT_ASSERT_TRUE(test, fake_snapshot(f, epoch, 0, 100, 300, 2));
	KUNIT_ASSERT_TRUE(test, fake_snapshot(f, epoch, 0, 100, 300, 2)); /* again */
	KUNIT_ASSERT_TRUE(test, FAKE_UNTIL(skb_queue_empty_lockless(&J(f)->frames)));
	KUNIT_EXPECT_EQ_MSG(test, J(f)->epoch, FAKE_EPOCH, "nobody sees a part of it");
	KUNIT_EXPECT_EQ(test, fake_mesh(f)->peers.count, 3);
	KUNIT_ASSERT_TRUE(test, fake_snapshot(f, epoch, 100, 100, 300, 2));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(J(f)->epoch) == epoch));
	KUNIT_EXPECT_EQ(test, fake_mesh(f)->peers.count, 300);
	KUNIT_EXPECT_TRUE(test, vmesh_peer_is_member(&fake_mesh(f)->peers, 300));
}

/* A part of one snapshot and the rest of another make none. */
static void snapshots_do_not_mix(struct kunit *test)
{
	struct fake *f = test->priv;

	fake_join(test);
	KUNIT_ASSERT_TRUE(test, fake_snapshot(f, 200, 0, 10, 20, 2));
	KUNIT_ASSERT_TRUE(test, fake_snapshot(f, 201, 10, 10, 20, 2));
	KUNIT_ASSERT_TRUE(test, fake_snapshot(f, 200, 10, 10, 20, 2));
	KUNIT_ASSERT_TRUE(test, FAKE_UNTIL(FAKE_COUNT(f, rx_mesh_frames) == 5));
	KUNIT_ASSERT_TRUE(test, FAKE_UNTIL(skb_queue_empty_lockless(&J(f)->frames)));
	KUNIT_EXPECT_EQ(test, J(f)->epoch, FAKE_EPOCH);
	KUNIT_ASSERT_TRUE(test, fake_snapshot(f, 200, 0, 10, 20, 2));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(J(f)->epoch) == 200));
	KUNIT_EXPECT_EQ(test, fake_mesh(f)->peers.count, 20);
}

static void changes(struct kunit *test)
{
	struct vmesh_peers *peers;
	struct fake *f = test->priv;

	fake_join(test);
	peers = &fake_mesh(f)->peers;
	KUNIT_ASSERT_TRUE(test, fake_change(f, 100, 101, 2, VM_NODE_DOWN, 1, 0));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(J(f)->epoch) == 101));
	KUNIT_EXPECT_TRUE(test, vmesh_peer_is_member(peers, 2));
	KUNIT_ASSERT_TRUE(test, fake_change(f, 101, 102, 3, 0, 0, VM_MEMBER_GONE));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(J(f)->epoch) == 102));
	KUNIT_EXPECT_EQ(test, peers->count, 2);
	/* The same again; then one that starts where we are not. */
	KUNIT_ASSERT_TRUE(test, fake_change(f, 101, 102, 3, 0, 0, VM_MEMBER_GONE));
	KUNIT_ASSERT_TRUE(test, fake_change(f, 103, 104, 4, VM_NODE_UP, 1, 0));
	KUNIT_EXPECT_TRUE_MSG(test, fake_pop_type(f, VM_F_SYNC), "it asks for all");
	KUNIT_EXPECT_EQ(test, J(f)->epoch, 102);
	KUNIT_EXPECT_FALSE(test, vmesh_peer_is_member(peers, 4));
	KUNIT_EXPECT_EQ(test, FAKE_COUNT(f, changes), 2);
}

static void answers_probes(struct kunit *test)
{
	struct fake *f = test->priv;
	struct vm_alive *alive;

	fake_join(test);
	KUNIT_ASSERT_TRUE(test, fake_probe(f, FAKE_BROKER, FAKE_EPOCH, 0xabcd));
	KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_ALIVE));
	alive = fake_payload(f);
	KUNIT_EXPECT_EQ(test, be32_to_cpu(alive->token), 0xabcd);
	KUNIT_EXPECT_EQ(test, be32_to_cpu(alive->pending), 0);
	KUNIT_EXPECT_EQ(test, be64_to_cpu(alive->progress), 0);
	KUNIT_EXPECT_EQ(test, be32_to_cpu(fake_hdr(f)->incarnation), FAKE_LIFE);
	/* Of an epoch we do not have: the change is on its way, or we ask. */
	KUNIT_ASSERT_TRUE(test, fake_probe(f, FAKE_BROKER, FAKE_EPOCH + 7, 1));
	KUNIT_EXPECT_TRUE(test, fake_pop_type(f, VM_F_SYNC));
}

static void silent_broker_and_another(struct kunit *test)
{
	struct fake *f = test->priv;
	u64 nonce;

	KUNIT_ASSERT_EQ(test, fake_bind(f), 0);
	KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_HELLO));
	nonce = be64_to_cpu(hello(f)->nonce);
	KUNIT_ASSERT_TRUE(test, fake_welcome(f, nonce, FAKE_BROKER, 200));
	KUNIT_ASSERT_TRUE(test, fake_snapshot(f, FAKE_EPOCH, 0, 3, 3, 1));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(STATE(f) == VIRTMESH_LINK_BROKERLESS));
	KUNIT_EXPECT_EQ_MSG(test, vmesh_join_ready(fake_mesh(f)), 0, "the data path goes on");
	KUNIT_EXPECT_EQ_MSG(test, fake_mesh(f)->peers.count, 3, "the members stay");
	KUNIT_EXPECT_TRUE(test, fake_pop_type(f, VM_F_HELLO));
	KUNIT_EXPECT_EQ_MSG(test, be32_to_cpu(hello(f)->incarnation), FAKE_LIFE,
			    "it tells its life");

	/* Another broker, which knows it not: a new round, the same nonce. */
	KUNIT_ASSERT_TRUE(test, fake_probe(f, FAKE_BROKER + 1, FAKE_EPOCH, 2));
	KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_HELLO));
	KUNIT_EXPECT_EQ(test, be64_to_cpu(hello(f)->nonce), nonce);
	KUNIT_ASSERT_TRUE(test, fake_welcome(f, nonce, FAKE_BROKER + 1, 60000));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(STATE(f) == VIRTMESH_LINK_JOINED));
	KUNIT_EXPECT_EQ(test, J(f)->broker_id, FAKE_BROKER + 1);
}

static void refused(struct kunit *test)
{
	struct vm_refuse r = { .reason = cpu_to_be16(VM_REFUSE_UNKNOWN) };
	struct fake *f = test->priv;

	fake_join(test);
	KUNIT_ASSERT_TRUE(test,
			  fake_say(f, FAKE_FRAME_FROM(VM_NODE_BROKER, VM_F_REFUSE, &r, sizeof(r))));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(STATE(f) == VIRTMESH_LINK_REFUSED));
	KUNIT_EXPECT_EQ(test, vmesh_join_ready(fake_mesh(f)), -ENOTCONN);
	KUNIT_EXPECT_EQ(test, J(f)->refusal, VM_REFUSE_UNKNOWN);
	KUNIT_EXPECT_TRUE_MSG(test, fake_pop_type(f, VM_F_HELLO), "it tries on");
	KUNIT_ASSERT_TRUE(test, fake_welcome(f, be64_to_cpu(hello(f)->nonce), FAKE_BROKER, 60000));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(STATE(f) == VIRTMESH_LINK_JOINED));
	/* Another's refusal is not for us. */
	r.nonce = cpu_to_be64(1);
	KUNIT_ASSERT_TRUE(test,
			  fake_say(f, FAKE_FRAME_FROM(VM_NODE_BROKER, VM_F_REFUSE, &r, sizeof(r))));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(FAKE_COUNT(f, rx_malformed) == 1));
	KUNIT_EXPECT_EQ(test, STATE(f), VIRTMESH_LINK_JOINED);
}

/* What a broker says of time is kept within what does no harm. */
static void timers_are_bounded(struct kunit *test)
{
	struct vm_welcome w = {
		.mtu = cpu_to_be16(65535),
		.ensemble = cpu_to_be16(FAKE_ENSEMBLE),
		.node = cpu_to_be16(FAKE_NODE),
		.incarnation = cpu_to_be32(1),
		.epoch = cpu_to_be32(1),
		.broker_id = cpu_to_be64(1),
		.probe_ms = 0,
		.dead_ms = cpu_to_be32(U32_MAX),
		.hello_min_ms = 0,
		.hello_max_ms = cpu_to_be32(U32_MAX),
	};
	struct fake *f = test->priv;
	struct fake_frame what;

	KUNIT_ASSERT_EQ(test, fake_bind(f), 0);
	KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_HELLO));
	w.nonce = hello(f)->nonce;
	what = FAKE_FRAME_FROM(VM_NODE_BROKER, VM_F_WELCOME, &w, sizeof(w));
	KUNIT_ASSERT_TRUE(test, fake_say(f, what));
	KUNIT_ASSERT_TRUE(test, FAKE_UNTIL(STATE(f) == VIRTMESH_LINK_JOINED));
	KUNIT_EXPECT_EQ(test, J(f)->probe_ms, 10);
	KUNIT_EXPECT_EQ(test, J(f)->dead_ms, 600000);
	KUNIT_EXPECT_EQ(test, J(f)->hello_min_ms, 20);
	KUNIT_EXPECT_EQ(test, J(f)->hello_max_ms, 60000);
	KUNIT_EXPECT_EQ_MSG(test, J(f)->mtu, f->mtu, "never above the device's");
}

static struct kunit_case cases[] = { KUNIT_CASE(hello_backs_off),
				     KUNIT_CASE(joins),
				     KUNIT_CASE(goodbye),
				     KUNIT_CASE(strangers_welcome),
				     KUNIT_CASE(snapshot_in_parts_out_of_order),
				     KUNIT_CASE(snapshots_do_not_mix),
				     KUNIT_CASE(changes),
				     KUNIT_CASE(answers_probes),
				     KUNIT_CASE(silent_broker_and_another),
				     KUNIT_CASE(refused),
				     KUNIT_CASE(timers_are_bounded),
				     {} };

static struct kunit_suite suite = {
	.name = "virtmesh-join",
	.init = fake_init,
	.exit = fake_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);
