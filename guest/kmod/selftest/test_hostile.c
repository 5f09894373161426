// SPDX-License-Identifier: GPL-2.0-only
/* A member of a group that says what no driver would. */
#include <linux/prandom.h>

#include "fake_group.h"

/* A frame of rank 1 that is nearly right. */
static void mutated(struct kunit *test, struct rnd_state *rnd)
{
	union {
		struct vm_group_msg group;
		struct vm_data data;
		struct vm_ack ack;
		u8 bytes[160];
	} u;
	u8 type = VM_F_GROUP + prandom_u32_state(rnd) % 3;
	unsigned int len = sizeof(u), i;

	prandom_bytes_state(rnd, &u, sizeof(u));
	/* All three begin with group, cookie, and two of them with ours. */
	u.ack.group = fake_ours.group;
	u.ack.cookie = cpu_to_be32(FAKE_COOKIE + 1);
	if (type == VM_F_DATA) {
		u.data.flow %= VM_FLOWS + 1;
		u.data.heard %= VM_HEARD_MAX + 2;
		u.data.kind %= VIRTMESH_OPS + 1;
		u.data.root = cpu_to_be16(prandom_u32_state(rnd) % 4);
		u.data.number = cpu_to_be32(prandom_u32_state(rnd) % 8);
		u.data.tag = 0;
		u.data.offset = cpu_to_be64(prandom_u32_state(rnd) % 80);
		u.data.total = cpu_to_be64(prandom_u32_state(rnd) % 200);
	} else {
		u.ack.peer_cookie = fake_ours.cookie;
	}
	if (type == VM_F_GROUP) { /* a FENCE ends all by right, a LEAVE its own part */
		u.group.verb = prandom_u32_state(rnd) % 16 ? VM_GROUP_JOIN : 77;
		u.group.layout = prandom_u32_state(rnd) % 2 ? fake_ours.layout : u.group.layout;
		u.group.cookie = cpu_to_be32(FAKE_COOKIE + 1 - prandom_u32_state(rnd) % 2);
	}
	for (i = prandom_u32_state(rnd) % 3; i; i--)
		u.bytes[12 + prandom_u32_state(rnd) % (sizeof(u) - 12)] ^= prandom_u32_state(rnd);
	if (type == VM_F_GROUP && u.group.verb != VM_GROUP_JOIN)
		u.group.verb = 77;
	if (prandom_u32_state(rnd) % 4 == 0)
		len = prandom_u32_state(rnd) % sizeof(u);
	fake_say_as(test, 1, type, prandom_u32_state(rnd) % 400, &u, len);
}

/*
 * Thousands of frames, all with the right cookie and hardly one that makes sense,
 * while an honest member's message is on its way. It arrives as it was sent.
 */
static void a_hostile_member(struct kunit *test)
{
	static const char text[] = "nothing of this was said by rank 1";
	struct fake *f = test->priv;
	struct rnd_state rnd;
	struct vmesh_group *g;
	struct fake_op *o;
	unsigned int i;

	prandom_seed_state(&rnd, 4);
	g = fake_formed(test);
	o = fake_post(test, g, VIRTMESH_OP_RECV, 2, 64, 120000);
	for (i = 0; i < 5000; i++) {
		if (i == 2500)
			fake_say_data(test, 2, FAKE_COOKIE + 2, 2, VIRTMESH_OP_SEND, 0, text, 9,
				      25);
		mutated(test, &rnd);
		fake_drain(f);
	}
	KUNIT_EXPECT_FALSE(test, completion_done(&o->done));
	/* They went as deep as a member's frames can. */
	KUNIT_EXPECT_GT(test, FAKE_COUNT(f, rx_malformed), 0ULL);
	KUNIT_EXPECT_GT(test, vmesh_parked(&g->ranks[1]), 0);
	KUNIT_EXPECT_GT(test, atomic64_read(&g->ranks[1].path->duplicates), 0LL);
	KUNIT_EXPECT_NE(test, g->ranks[1].ack_seen, 0);
	KUNIT_EXPECT_EQ(test, g->lost, 2);
	fake_say_data(test, 2, FAKE_COOKIE + 2, 1, VIRTMESH_OP_SEND, 0, text, 0, 9);
	fake_op_ends(test, o, sizeof(text) - 1, 0);
	KUNIT_EXPECT_STREQ(test, o->into, text);
	fake_group_end(g);
}

static void says_message(struct kunit *test, u32 seq, u32 number)
{
	struct {
		struct vm_data data;
		u8 byte;
	} __packed frame = {
		.data = {
			.group = fake_ours.group,
			.cookie = cpu_to_be32(FAKE_COOKIE + 1),
			.kind = VIRTMESH_OP_SEND,
			.number = cpu_to_be32(number),
			.total = cpu_to_be64(1),
		},
		.byte = number,
	};

	fake_say_as(test, 1, VM_F_DATA, seq, &frame, sizeof(frame));
	fake_drain(test->priv);
}

/*
 * The last message first. However many they are, they lie in order, and the first one
 * does not make us look through them once for each.
 */
static void messages_backwards(struct kunit *test)
{
	const u32 many = 200;
	struct vmesh_parked *p;
	struct vmesh_group *g;
	struct fake_op *o;
	u32 i, last = 1;

	g = fake_formed(test);
	for (i = 0; i < many - 1; i++)
		says_message(test, 1 + i, many - i);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(vmesh_parked(&g->ranks[1]) == many - 1));
	list_for_each_entry(p, &g->parked, list)
		KUNIT_EXPECT_EQ(test, p->data.number, ++last);
	says_message(test, many, 1);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(g->ranks[1].message_next) == many));
	for (i = 1; i <= many; i++) {
		o = fake_post(test, g, VIRTMESH_OP_RECV, 1, 1, 60000);
		fake_op_ends(test, o, 1, 0);
		KUNIT_EXPECT_EQ(test, o->into[0], i);
	}
	fake_group_end(g);
}

/* Who sends early, and more than any window allows, leaves room for what the others say. */
static void leaves_room_to_park(struct kunit *test)
{
	struct vmesh_control_id id;
	struct vmesh_group *g;
	char word[8];
	u32 seq;

	g = fake_formed(test);
	for (seq = 1; seq <= VMESH_CAPACITY; seq++) {
		fake_say_data(test, 1, FAKE_COOKIE + 1, seq, VIRTMESH_OP_BCAST, 1, "early", 0, 5);
		fake_drain(test->priv);
	}
	fake_say_data(test, 2, FAKE_COOKIE + 2, 1, VM_KIND_CONTROL, 0, "word", 0, 4);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(vmesh_parked(&g->ranks[2])));
	KUNIT_EXPECT_EQ(test, vmesh_control_peek(g, word, sizeof(word), &id), 4);
	fake_group_end(g);
}

static struct kunit_case cases[] = { KUNIT_CASE(a_hostile_member),
				     KUNIT_CASE(messages_backwards),
				     KUNIT_CASE(leaves_room_to_park),
				     {} };

static struct kunit_suite suite = {
	.name = "virtmesh-hostile",
	.init = fake_init,
	.exit = fake_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);
