// SPDX-License-Identifier: GPL-2.0-only
/* peer.c: the membership's table, and which life of a node is listened to. */
#include <kunit/test.h>

#include "parse.h"
#include "peer.h"

static int peers_init(struct kunit *test)
{
	struct vmesh_peers *p = kunit_kzalloc(test, sizeof(*p), GFP_KERNEL);

	if (!p)
		return -ENOMEM;
	vmesh_peers_init(p);
	test->priv = p;
	return 0;
}

static void peers_exit(struct kunit *test)
{
	vmesh_peers_free(test->priv);
}

static struct vmesh_member up(u16 node, u32 life)
{
	return (struct vmesh_member){ .node = node, .state = VM_NODE_UP, .incarnation = life };
}

static void apply(struct kunit *test)
{
	struct vmesh_peers *p = test->priv;
	struct vmesh_member m = up(3, 10);

	KUNIT_EXPECT_FALSE(test, vmesh_peer_is_member(p, 3));
	KUNIT_EXPECT_EQ(test, vmesh_peer_apply(p, &m), 0);
	KUNIT_EXPECT_EQ(test, vmesh_peer_apply(p, &m), 0);
	KUNIT_EXPECT_EQ_MSG(test, p->count, 1, "the same twice is one");
	KUNIT_EXPECT_TRUE(test, vmesh_peer_is_member(p, 3));
	m.state = VM_NODE_DOWN;
	KUNIT_EXPECT_EQ(test, vmesh_peer_apply(p, &m), 0);
	KUNIT_EXPECT_TRUE_MSG(test, vmesh_peer_is_member(p, 3), "down, but not gone");
	m.state = VM_NODE_ABSENT;
	KUNIT_EXPECT_EQ(test, vmesh_peer_apply(p, &m), 0);
	KUNIT_EXPECT_FALSE(test, vmesh_peer_is_member(p, 3));
	m.gone = true;
	KUNIT_EXPECT_EQ(test, vmesh_peer_apply(p, &m), 0);
	KUNIT_EXPECT_EQ(test, p->count, 0);
	KUNIT_EXPECT_EQ_MSG(test, vmesh_peer_apply(p, &m), 0, "gone already");
	KUNIT_EXPECT_EQ(test, p->count, 0);
}

static void replace(struct kunit *test)
{
	struct vmesh_member before[] = { up(1, 1), up(2, 2), up(4094, 3) };
	struct vmesh_member after[] = { up(2, 5), up(3, 1) };
	struct vmesh_peers *p = test->priv;

	KUNIT_EXPECT_EQ(test, vmesh_peers_replace(p, before, ARRAY_SIZE(before)), 0);
	KUNIT_EXPECT_EQ(test, p->count, 3);
	KUNIT_EXPECT_EQ(test, vmesh_peers_replace(p, after, ARRAY_SIZE(after)), 0);
	KUNIT_EXPECT_EQ(test, p->count, 2);
	KUNIT_EXPECT_FALSE(test, vmesh_peer_is_member(p, 1));
	KUNIT_EXPECT_FALSE(test, vmesh_peer_is_member(p, 4094));
	KUNIT_EXPECT_TRUE(test, vmesh_peer_is_member(p, 3));
	KUNIT_EXPECT_EQ_MSG(test, vmesh_peer_accept(p, 2, 4), -ESTALE, "its new life counts");
	KUNIT_EXPECT_EQ(test, vmesh_peers_replace(p, NULL, 0), 0);
	KUNIT_EXPECT_EQ(test, p->count, 0);
}

static void lives(struct kunit *test)
{
	struct vmesh_member wraps = up(2, 0xfffffffe), unknown = up(3, 0), m = up(1, 10);
	struct vmesh_peers *p = test->priv;
	struct vmesh_peer *peer;

	KUNIT_ASSERT_EQ(test, vmesh_peer_apply(p, &m), 0);
	KUNIT_ASSERT_EQ(test, vmesh_peer_apply(p, &wraps), 0);
	KUNIT_ASSERT_EQ(test, vmesh_peer_apply(p, &unknown), 0);
	KUNIT_EXPECT_EQ(test, vmesh_peer_accept(p, 1, 10), 0);
	KUNIT_EXPECT_EQ(test, vmesh_peer_accept(p, 1, 9), -ESTALE);
	KUNIT_EXPECT_EQ_MSG(test, vmesh_peer_accept(p, 1, 11), 0, "we have not heard of it yet");
	KUNIT_EXPECT_EQ_MSG(test, vmesh_peer_accept(p, 1, 0), -ENOENT, "no life at all");
	KUNIT_EXPECT_EQ(test, vmesh_peer_accept(p, 9, 10), -ENOENT);
	KUNIT_EXPECT_EQ_MSG(test, vmesh_peer_accept(p, 2, 1), 0, "later, past the wrap");
	KUNIT_EXPECT_EQ(test, vmesh_peer_accept(p, 2, 0xfffffffd), -ESTALE);
	KUNIT_EXPECT_EQ_MSG(test, vmesh_peer_accept(p, 3, 0xffffffff), 0, "none is known");

	vmesh_peer_sent(p, 1);
	vmesh_peer_sent(p, 9); /* nobody */
	rcu_read_lock();
	peer = vmesh_peer_find(p, 1);
	KUNIT_EXPECT_EQ(test, atomic64_read(&peer->rx_frames), 2);
	KUNIT_EXPECT_EQ(test, atomic64_read(&peer->stale_frames), 1);
	KUNIT_EXPECT_EQ(test, atomic64_read(&peer->tx_frames), 1);
	rcu_read_unlock();
}

static struct kunit_case cases[] = {
	KUNIT_CASE(apply),
	KUNIT_CASE(replace),
	KUNIT_CASE(lives),
	{},
};

static struct kunit_suite suite = {
	.name = "virtmesh-peer",
	.init = peers_init,
	.exit = peers_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);
