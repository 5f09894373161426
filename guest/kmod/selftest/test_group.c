// SPDX-License-Identifier: GPL-2.0-only
/* Groups, from JOIN to FENCE. What the rules are for is in selftests/model. */
#include "fake_group.h"

static void forms(struct kunit *test)
{
	struct vmesh_group *g;

	g = fake_formed(test);
	KUNIT_EXPECT_EQ(test, g->state, VIRTMESH_GROUP_FORMED);
	/* One that was late is no news; a newer cookie means it has begun anew. */
	fake_say_group(test, 1, VM_GROUP_JOIN, FAKE_COOKIE, 0, 0);
	fake_say_group(test, 2, VM_GROUP_JOIN, FAKE_COOKIE + 3, 0, 0);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(g->lost)));
	KUNIT_EXPECT_EQ(test, g->lost, 4);
	fake_group_end(g);
}

/* What the broker says of a member's last life is no news of the one that it joins in. */
static void forms_with_a_new_life(struct kunit *test)
{
	struct fake *f = test->priv;
	struct vm_group_msg msg;
	struct fake_frame what = FAKE_FRAME_FROM(2, VM_F_GROUP, &msg, sizeof(msg));
	struct vmesh_group *g;
	struct fake_forming *a;

	a = fake_form(test);
	g = a->g;
	msg = fake_ours;
	msg.rank = 1;
	msg.cookie = cpu_to_be32(FAKE_COOKIE + 1);
	msg.peer_cookie = fake_ours.cookie;
	msg.flags = 0;
	what.life = 2;
	KUNIT_ASSERT_TRUE(test, fake_say(f, what));
	fake_say_group(test, 2, VM_GROUP_JOIN, FAKE_COOKIE + 2, 0, 0);
	fake_form_ends(test, a, 0, 7);
	KUNIT_EXPECT_EQ(test, g->lost, 0);
	fake_change(f, FAKE_EPOCH, FAKE_EPOCH + 1, 2, VM_NODE_DOWN, 1, 0);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(g->m->join.epoch) == FAKE_EPOCH + 1));
	fake_change(f, FAKE_EPOCH + 1, FAKE_EPOCH + 2, 3, VM_NODE_DOWN, 1, 0);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(g->lost)));
	KUNIT_EXPECT_EQ(test, g->lost, 4);
	fake_change(f, FAKE_EPOCH + 2, FAKE_EPOCH + 3, 2, VM_NODE_DOWN, 2, 0);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(g->lost) == 6));
	fake_group_end(g);
}

static void confirms(struct kunit *test)
{
	struct fake *f = test->priv;
	struct vm_group_msg other;
	struct vmesh_group *g;
	struct fake_forming *a;

	a = fake_form(test);
	g = a->g;
	fake_say_group(test, 1, VM_GROUP_JOIN, FAKE_COOKIE + 1, 0, 0);
	/* It knows an earlier cookie of ours: not confirmed, and it asks. */
	other = fake_ours;
	fake_ours.cookie = cpu_to_be32(be32_to_cpu(fake_ours.cookie) - 1);
	fake_say_group(test, 2, VM_GROUP_JOIN, FAKE_COOKIE + 2, 0, VM_GROUP_ASK);
	fake_ours = other;
	do {
		KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_GROUP));
		memcpy(&other, fake_payload(f), sizeof(other));
	} while (other.peer_cookie != cpu_to_be32(FAKE_COOKIE + 2));
	KUNIT_EXPECT_TRUE(test, other.flags & cpu_to_be16(VM_GROUP_ASK));
	KUNIT_EXPECT_FALSE(test, completion_done(&a->done));
	fake_say_group(test, 2, VM_GROUP_JOIN, FAKE_COOKIE + 2, 0, 0);
	fake_form_ends(test, a, 0, 7);
	fake_group_end(g);
}

static void agrees_whom_to_exclude(struct kunit *test)
{
	struct vmesh_group *g;
	struct fake_forming *a;

	a = fake_form(test);
	g = a->g;
	fake_say_group(test, 1, VM_GROUP_JOIN, FAKE_COOKIE + 1, 0, 0);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(g->ranks[1].confirmed)));
	/* Rank 1 will not have rank 2; what rank 2 will not have counts no more. */
	fake_say_group(test, 1, VM_GROUP_JOIN, FAKE_COOKIE + 1, 4, 0);
	fake_say_group(test, 2, VM_GROUP_JOIN, FAKE_COOKIE + 2, 2, 0);
	fake_form_ends(test, a, 0, 3);
	fake_group_end(g);
}

/* Nor does what came of it before. */
static void drops_what_the_excluded_said(struct kunit *test)
{
	struct vmesh_group *g;
	struct fake_forming *a;
	struct vmesh_control_id id;
	char word[8];

	a = fake_form(test);
	g = a->g;
	fake_say_group(test, 1, VM_GROUP_JOIN, FAKE_COOKIE + 1, 0, 0);
	fake_say_data(test, 1, FAKE_COOKIE + 1, 1, VM_KIND_CONTROL, 0, "word", 0, 4);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(vmesh_parked(&g->ranks[1])));
	fake_say_group(test, 2, VM_GROUP_JOIN, FAKE_COOKIE + 2, 2, 0);
	fake_form_ends(test, a, 0, 5);
	KUNIT_EXPECT_EQ(test, vmesh_control_peek(g, word, sizeof(word), &id), -EAGAIN);
	fake_group_end(g);
}

static void is_excluded(struct kunit *test)
{
	struct vmesh_group *g;
	struct fake_forming *a;

	a = fake_form(test);
	g = a->g;
	fake_say_group(test, 1, VM_GROUP_JOIN, FAKE_COOKIE + 1, 1, 0);
	fake_form_ends(test, a, -EHOSTUNREACH, 7);
	fake_group_end(g);
}

/*
 * Whose list of nodes is another one is named, and not who has yet to come. And what
 * comes of who was confirmed then belongs nowhere.
 */
static void names_another_list(struct kunit *test)
{
	struct fake *f = test->priv;
	struct vm_group_msg msg;
	u64 fenced;
	struct vmesh_group *g;
	struct fake_forming *a;

	a = fake_form(test);
	g = a->g;
	fake_say_group(test, 1, VM_GROUP_JOIN, FAKE_COOKIE + 1, 0, 0);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(g->ranks[1].confirmed)));
	msg = fake_ours;
	msg.rank = 2;
	msg.cookie = cpu_to_be32(FAKE_COOKIE + 2);
	msg.layout ^= cpu_to_be64(1);
	fake_say_as(test, 2, VM_F_GROUP, 0, &msg, sizeof(msg));
	fake_form_ends(test, a, -EXDEV, 7);
	KUNIT_EXPECT_EQ(test, a->arg.missing, 4);
	KUNIT_EXPECT_EQ(test, a->arg.rank, 2);
	KUNIT_EXPECT_EQ(test, a->arg.reason, VIRTMESH_REASON_MISMATCH);
	KUNIT_EXPECT_EQ(test, g->state, VIRTMESH_GROUP_CREATED);
	fenced = FAKE_COUNT(f, rx_fenced);
	fake_say_data(test, 1, FAKE_COOKIE + 1, 1, VIRTMESH_OP_SEND, 0, "word", 0, 4);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(FAKE_COUNT(f, rx_fenced) == fenced + 1));
	KUNIT_EXPECT_EQ(test, vmesh_parked(&g->ranks[1]), 0);
	fake_group_end(g);
}

static void receives(struct kunit *test)
{
	struct fake *f = test->priv;
	struct vmesh_group *g;
	struct fake_op *o;
	u64 fenced;

	g = fake_formed(test);
	o = fake_post(test, g, VIRTMESH_OP_RECV, 1, 64, 60000);
	/* Of an earlier forming: not taken. */
	fenced = FAKE_COUNT(f, rx_fenced);
	fake_say_data(test, 1, FAKE_COOKIE, 1, VIRTMESH_OP_SEND, 0, "WRONG WRONG", 0, 6);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(FAKE_COUNT(f, rx_fenced) == fenced + 1));
	/* The end, the end again, the beginning. */
	fake_say_data(test, 1, FAKE_COOKIE + 1, 2, VIRTMESH_OP_SEND, 0, "hello there", 6, 5);
	fake_say_data(test, 1, FAKE_COOKIE + 1, 2, VIRTMESH_OP_SEND, 0, "HELLO THERE", 6, 5);
	fake_say_data(test, 1, FAKE_COOKIE + 1, 1, VIRTMESH_OP_SEND, 0, "hello there", 0, 6);
	fake_op_ends(test, o, 11, 0);
	KUNIT_EXPECT_STREQ(test, o->into, "hello there");
	KUNIT_EXPECT_EQ(test, atomic64_read(&g->ranks[1].path->duplicates), 1);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(g->ranks[1].seen[VM_FLOW_ONE].cum == 2));
	fake_group_end(g);
}

/* After the last number comes the first: 0 is none. */
static void counts_round(struct kunit *test)
{
	struct fake *f = test->priv;
	static const u8 kinds[] = { VIRTMESH_OP_SEND, VM_KIND_CONTROL, VIRTMESH_OP_BARRIER };
	struct vmesh_group *g;
	struct vm_data data;
	struct fake_op *o;
	struct vmesh_control_id id;
	char word[8];
	int i;

	g = fake_formed(test);
	spin_lock_bh(&g->lock);
	g->ranks[1].messages_sent = U32_MAX;
	g->ranks[1].controls_sent = U32_MAX;
	g->ranks[1].message_next = U32_MAX;
	g->ranks[1].control_next = U32_MAX;
	g->generation = U32_MAX;
	spin_unlock_bh(&g->lock);
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		fake_post(test, g, kinds[i], 1, kinds[i] == VIRTMESH_OP_BARRIER ? 0 : 4, 60000);
		do {
			KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_DATA));
			memcpy(&data, fake_payload(f), sizeof(data));
		} while (data.kind != kinds[i]);
		KUNIT_EXPECT_EQ(test, be32_to_cpu(data.number), 1);
	}
	o = fake_post(test, g, VIRTMESH_OP_RECV, 1, 64, 5000);
	fake_say_data(test, 1, FAKE_COOKIE + 1, 1, VIRTMESH_OP_SEND, 0, "round", 0, 5);
	fake_op_ends(test, o, 5, 0);
	fake_say_data(test, 1, FAKE_COOKIE + 1, 2, VM_KIND_CONTROL, 0, "word", 0, 4);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(vmesh_parked(&g->ranks[1])));
	KUNIT_EXPECT_EQ(test, vmesh_control_peek(g, word, sizeof(word), &id), 4);
	fake_group_end(g);
}

/* What comes before it is wanted waits, takes room, and is there when it is. */
static void parks(struct kunit *test)
{
	u16 window[VM_CLASSES], share;
	struct vmesh_group *g;
	struct fake_op *o;

	g = fake_formed(test);
	share = vmesh_class_share(g->m);
	fake_say_data(test, 1, FAKE_COOKIE + 1, 1, VIRTMESH_OP_BCAST, 1, "early", 0, 2);
	fake_say_data(test, 1, FAKE_COOKIE + 1, 2, VIRTMESH_OP_BCAST, 1, "early", 2, 3);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(vmesh_parked(&g->ranks[1]) == 2));
	vmesh_windows_for(g, &g->ranks[1], window);
	KUNIT_EXPECT_EQ(test, window[VM_CLASS_COLLECTIVE], share - 2);
	KUNIT_EXPECT_EQ(test, window[VM_CLASS_MESSAGE], share);
	o = fake_post(test, g, VIRTMESH_OP_BCAST, 1, 5, 60000);
	fake_op_ends(test, o, 0, 0);
	KUNIT_EXPECT_STREQ(test, o->into, "early");
	KUNIT_EXPECT_EQ(test, vmesh_parked(&g->ranks[1]), 0);
	fake_group_end(g);
}

/* What a class may not send any more the other may. */
static void windows_of_their_own(struct kunit *test)
{
	struct vm_ack ack = {};
	struct fake *f = test->priv;
	struct fake_op *bcast, *word;
	struct vm_data data;
	struct vmesh_group *g;

	g = fake_formed(test);
	ack.group = fake_ours.group;
	ack.cookie = cpu_to_be32(FAKE_COOKIE + 1);
	ack.peer_cookie = fake_ours.cookie;
	ack.window[VM_CLASS_MESSAGE] = cpu_to_be16(9);
	fake_say_as(test, 1, VM_F_ACK, 1, &ack, sizeof(ack));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(vmesh_allowed(&g->ranks[1]) == 9));
	bcast = fake_post(test, g, VIRTMESH_OP_BCAST, 0, 5, 60000);
	word = fake_post(test, g, VIRTMESH_OP_SEND, 1, 4, 60000);
	KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_DATA));
	memcpy(&data, fake_payload(f), sizeof(data));
	KUNIT_EXPECT_EQ(test, data.kind, VIRTMESH_OP_SEND);
	/* The other way round, and the broadcast goes to both. */
	ack.window[VM_CLASS_COLLECTIVE] = cpu_to_be16(1);
	ack.window[VM_CLASS_MESSAGE] = 0;
	fake_say_as(test, 1, VM_F_ACK, 2, &ack, sizeof(ack));
	KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_DATA));
	memcpy(&data, fake_payload(f), sizeof(data));
	KUNIT_EXPECT_EQ(test, data.kind, VIRTMESH_OP_BCAST);
	KUNIT_EXPECT_FALSE(test, completion_done(&bcast->done));
	KUNIT_EXPECT_FALSE(test, completion_done(&word->done));
	fake_group_end(g);
}

/*
 * With no room to park it, a frame does not count as come, nor does it as its
 * message's turn: when it comes again it finds the receive posted meanwhile.
 */
static void parks_no_more(struct kunit *test)
{
	struct fake *f = test->priv;
	struct vmesh_group *g;
	LIST_HEAD(taken);
	struct fake_op *o;

	g = fake_formed(test);
	spin_lock_bh(&g->lock);
	list_splice_init(&g->parked_free, &taken);
	spin_unlock_bh(&g->lock);
	fake_say_data(test, 1, FAKE_COOKIE + 1, 1, VIRTMESH_OP_SEND, 0, "again", 0, 5);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(FAKE_COUNT(f, rx_no_parking)));
	spin_lock_bh(&g->lock);
	list_splice_init(&taken, &g->parked_free);
	spin_unlock_bh(&g->lock);
	o = fake_post(test, g, VIRTMESH_OP_RECV, 1, 64, 5000);
	fake_say_data(test, 1, FAKE_COOKIE + 1, 1, VIRTMESH_OP_SEND, 0, "again", 0, 5);
	fake_op_ends(test, o, 5, 0);
	KUNIT_EXPECT_STREQ(test, o->into, "again");
	fake_group_end(g);
}

/* A control message is one frame to every member, also to one with a smaller MTU than ours. */
static void cuts_no_control(struct kunit *test)
{
	struct fake_forming *a = fake_form(test);
	struct vmesh_op *op = kunit_kzalloc(test, sizeof(*op), GFP_KERNEL);
	struct vmesh_group *g = a->g;

	KUNIT_ASSERT_NOT_NULL(test, op);
	fake_say_group(test, 1, VM_GROUP_JOIN, FAKE_COOKIE + 1, 0, 0);
	fake_ours.mtu = cpu_to_be16(VM_MTU_MIN);
	fake_say_group(test, 2, VM_GROUP_JOIN, FAKE_COOKIE + 2, 0, 0);
	fake_form_ends(test, a, 0, 7);
	op->group = g;
	op->kind = VM_KIND_CONTROL;
	op->root = 1;
	op->timeout_ns = NSEC_PER_SEC;
	op->len = VM_MTU_MIN - sizeof(struct vm_hdr) - sizeof(struct vm_data) -
		  sizeof(struct vm_heard) + 1;
	KUNIT_EXPECT_LE(test, op->len, (u64)vmesh_control_max(g->m));
	KUNIT_EXPECT_EQ(test, vmesh_group_post(g, op), -EMSGSIZE);
	fake_group_end(g);
}

/* What the host clones fits the smallest port of all, of members or not. */
static void cuts_clones_to_fit(struct kunit *test)
{
	struct fake *f = test->priv;
	struct vmesh_group *g;
	unsigned int len;
	struct fake_op *o;
	void *memory;

	f->group_mtu = VM_MTU_MIN;
	g = fake_formed(test);
	KUNIT_EXPECT_EQ(test, g->frame_max, VM_MTU_DEFAULT - sizeof(struct vm_hdr));
	memory = kunit_kzalloc(test, VM_MTU_DEFAULT, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, memory);
	o = fake_post_from(test, g, VIRTMESH_OP_BCAST, g->rank, memory, VM_MTU_DEFAULT, 60000);
	KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_DATA));
	len = be16_to_cpu(((struct vm_hdr *)(f->frame + VM_ETH_HLEN))->len);
	KUNIT_EXPECT_EQ(test, len, VM_MTU_MIN - sizeof(struct vm_hdr));
	fake_group_end(g);
	fake_op_ends(test, o, -ECANCELED, 0);
}

/* A long message to one rank does not go out before the next rank's has begun. */
static void takes_turns(struct kunit *test)
{
	static const u8 nodes[] = { 2, 3, 2, 3 }, frames[] = { 16, 16, 2, 2 };
	struct fake *f = test->priv;
	struct vmesh_group *g;
	void *memory;
	u8 i, n;
	u64 len;
	u16 r;

	g = fake_formed(test);
	len = 18 * (u64)vmesh_control_max(g->m);
	memory = kunit_kzalloc(test, len, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, memory);
	for (r = 1; r < 3; r++)
		WRITE_ONCE(g->ranks[r].window[VM_CLASS_MESSAGE], 0);
	for (r = 1; r < 3; r++)
		fake_post_from(test, g, VIRTMESH_OP_SEND, r, memory, len, 60000);
	spin_lock_bh(&g->lock);
	for (r = 1; r < 3; r++)
		g->ranks[r].window[VM_CLASS_MESSAGE] = 64;
	vmesh_pump(g, vmesh_now());
	spin_unlock_bh(&g->lock);
	for (i = 0; i < ARRAY_SIZE(nodes); i++) {
		for (n = 0; n < frames[i]; n++) {
			KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_DATA));
			KUNIT_ASSERT_EQ(test, f->frame[ETH_ALEN - 1], nodes[i]);
		}
	}
	fake_group_end(g);
}

static void acks(struct kunit *test, u16 r, u8 flow, u32 cum)
{
	struct vm_ack ack = {
		.group = fake_ours.group,
		.cookie = cpu_to_be32(FAKE_COOKIE + r),
		.peer_cookie = fake_ours.cookie,
		.window = { cpu_to_be16(VM_WINDOW_MAX), cpu_to_be16(VM_WINDOW_MAX) },
	};

	ack.flow[flow].cum = cpu_to_be32(cum);
	fake_say_as(test, r, VM_F_ACK, cum, &ack, sizeof(ack));
}

/* Rank 1 sees a message within the next few frames of its. */
static void sees_a_message(struct kunit *test)
{
	struct fake *f = test->priv;
	struct vm_data data;
	unsigned int n = 0;

	do { /* some may be of the collective, sent again */
		KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_DATA));
		memcpy(&data, fake_payload(f), sizeof(data));
	} while (data.kind != VIRTMESH_OP_SEND && ++n < VM_WINDOW_MAX / 4);
	KUNIT_EXPECT_EQ(test, data.kind, VIRTMESH_OP_SEND);
}

static void has_its_turn_beside(struct kunit *test, u8 kind, u16 root, u8 flow)
{
	struct fake *f = test->priv;
	struct vmesh_group *g;
	void *memory;
	u32 cum;
	u64 len;

	g = fake_formed(test);
	len = 2 * VM_WINDOW_MAX * (u64)vmesh_control_max(g->m);
	memory = kvzalloc(len, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, memory);
	fake_post_from(test, g, kind, root, memory, len, 60000);
	while (atomic_read(&g->ranks[1].path->out) < vmesh_path_share(g->m))
		KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_DATA));
	fake_post(test, g, VIRTMESH_OP_SEND, 1, 4, 60000);
	fake_drain(f);
	for (cum = 1; cum <= 4; cum++) {
		acks(test, 2, flow, cum);
		acks(test, 1, flow, cum);
	}
	sees_a_message(test);
	fake_group_end(g);
	kvfree(memory);
}

/* Nor does a message wait for the end of a long collective that has all the credit. */
static void takes_turns_with_gather(struct kunit *test)
{
	has_its_turn_beside(test, VIRTMESH_OP_GATHER, 1, VM_FLOW_ONE);
}

static void takes_turns_with_broadcast(struct kunit *test)
{
	has_its_turn_beside(test, VIRTMESH_OP_BCAST, 0, VM_FLOW_ALL);
}

/* Who does not answer has his share of the frames, and what is over: not what others need. */
static void leaves_frames_for_others(struct kunit *test)
{
	struct fake *f = test->priv;
	struct vmesh_group *g;
	unsigned int hidden;
	u16 r;

	g = fake_formed(test);
	for (r = 1; r < 3; r++)
		WRITE_ONCE(g->ranks[r].window[VM_CLASS_MESSAGE], 0);
	for (r = 1; r < 3; r++)
		fake_post(test, g, VIRTMESH_OP_SEND, r, 4, 60000);
	spin_lock_bh(&g->lock);
	/* As if all but one share were out, and one to rank 1. */
	hidden = g->pool_free - g->pool_share;
	g->pool_free -= hidden;
	g->ranks[1].flow.first -= g->pool_share;
	for (r = 1; r < 3; r++)
		g->ranks[r].window[VM_CLASS_MESSAGE] = 64;
	vmesh_pump(g, vmesh_now());
	KUNIT_EXPECT_EQ(test, vmesh_out(&g->ranks[1]), 0);
	KUNIT_EXPECT_EQ(test, vmesh_out(&g->ranks[2]), 1);
	g->pool_free += hidden;
	g->ranks[1].flow.first += g->pool_share;
	vmesh_pump(g, vmesh_now());
	KUNIT_EXPECT_EQ(test, vmesh_out(&g->ranks[1]), 1);
	spin_unlock_bh(&g->lock);
	fake_drain(f);
	fake_group_end(g);
}

/* Of all that an answer lacks, so much is sent again at once and no more, of whichever flow. */
static void repairs_some_at_once(struct kunit *test)
{
	const unsigned int frames = 48, bound = 32;
	struct fake *f = test->priv;
	struct vm_ack ack = {};
	struct vmesh_group *g;
	u64 len, before, n;
	atomic64_t *again;
	void *memory;

	g = fake_formed(test);
	len = frames * (u64)vmesh_control_max(g->m);
	memory = kvzalloc(len, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, memory);
	fake_post_from(test, g, VIRTMESH_OP_SEND, 1, memory, len, 60000);
	fake_post_from(test, g, VIRTMESH_OP_BCAST, g->rank, memory, len, 60000);
	KUNIT_ASSERT_TRUE(test, FAKE_UNTIL((fake_drain(f), vmesh_out(&g->ranks[1]) >= 2 * frames)));
	do { /* and with this all that went before it has left the ring */
		KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_ACK));
		memcpy(&ack, fake_payload(f), sizeof(ack));
	} while (!(ack.flags & VM_ACK_PROBE) || f->frame[ETH_ALEN - 1] != 2);
	again = &g->ranks[1].path->retransmits;
	before = atomic64_read(again);
	ack = (struct vm_ack){
		.group = fake_ours.group,
		.cookie = cpu_to_be32(FAKE_COOKIE + 1),
		.peer_cookie = fake_ours.cookie,
		.flags = VM_ACK_ANSWER,
	};
	fake_say_as(test, 1, VM_F_ACK, 1, &ack, sizeof(ack));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(atomic64_read(again) - before >= bound));
	spin_lock_bh(&g->lock);
	n = atomic64_read(again) - before; /* and what the timer sent */
	spin_unlock_bh(&g->lock);
	KUNIT_EXPECT_LT(test, n, (u64)frames);
	fake_group_end(g);
	kvfree(memory);
}

/* While the ring takes nothing, an acknowledgment is not tried for every while. */
static void acknowledges_when_there_is_room(struct kunit *test)
{
	struct fake *f = test->priv;
	struct vmesh_group *g;
	struct sk_buff *skb;
	u64 began, tried;
	int err;

	g = fake_formed(test);
	do {
		skb = alloc_skb(VMESH_TX_HEADROOM + 64, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		skb_reserve(skb, VMESH_TX_HEADROOM);
		memset(skb_put(skb, 64), 0, 64);
		err = vmesh_tx(&g->m->dev, skb, 0);
	} while (!err);
	kfree_skb(skb);
	began = vmesh_now();
	tried = FAKE_COUNT(f, tx_ring_full);
	fake_say_data(test, 1, FAKE_COOKIE + 1, 1, VIRTMESH_OP_SEND, 0, "word", 0, 4);
	msleep(50);
	tried = FAKE_COUNT(f, tx_ring_full) - tried;
	KUNIT_EXPECT_GT(test, tried, 0);
	KUNIT_EXPECT_LE(test, tried, 2 + div_u64(vmesh_now() - began, VMESH_RTO_MIN_NS));
	KUNIT_EXPECT_TRUE(test, fake_pop_type(f, VM_F_ACK));
	fake_group_end(g);
}

/* Rank 1 has not come, rank 2 has: the deadline names the one. */
static void names_the_silent(struct kunit *test)
{
	struct fake *f = test->priv;
	struct vm_group_msg fence;
	struct vmesh_group *g;
	struct fake_op *o;

	g = fake_formed(test);
	o = fake_post(test, g, VIRTMESH_OP_BARRIER, 0, 0, 50);
	/* The round trip does not begin before what is copied here first. */
	KUNIT_EXPECT_GT(test, vmesh_slot(&g->all, 1)->sent_ns, o->op.posted_ns);
	fake_say_data(test, 2, FAKE_COOKIE + 2, 1, VIRTMESH_OP_BARRIER, 0, "", 0, 0);
	KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_GROUP));
	memcpy(&fence, fake_payload(f), sizeof(fence));
	KUNIT_EXPECT_EQ(test, fence.verb, VM_GROUP_FENCE);
	KUNIT_EXPECT_EQ(test, be64_to_cpu(fence.ranks), 2);
	fake_op_ends(test, o, -ETIMEDOUT, 2);
	spin_lock_bh(&g->lock);
	KUNIT_EXPECT_EQ(test, g->state, VIRTMESH_GROUP_FENCED);
	KUNIT_EXPECT_EQ(test, atomic_read(&g->ranks[1].path->out), 0);
	spin_unlock_bh(&g->lock);
	fake_group_end(g);
}

/* The same three in another group, which is FAKE_GROUP + 1 to them. */
static struct vmesh_group *formed_beside(struct kunit *test, struct vmesh_group *g)
{
	static const u16 nodes[] = { 1, 2, 3 };
	struct vmesh_group *next;
	struct fake_forming *a;

	next = vmesh_group_create(g->m, FAKE_GROUP + 1, nodes, ARRAY_SIZE(nodes));
	KUNIT_ASSERT_FALSE(test, IS_ERR(next));
	a = fake_form_again(test, next, 0);
	fake_say_group(test, 1, VM_GROUP_JOIN, FAKE_COOKIE + 3, 0, 0);
	fake_say_group(test, 2, VM_GROUP_JOIN, FAKE_COOKIE + 4, 0, 0);
	fake_form_ends(test, a, 0, 7);
	return next;
}

/* Is one of the next @n frames of data group @id's? */
static bool pops_data_of(struct fake *f, u32 id, unsigned int n)
{
	struct vm_data data;

	while (n-- && fake_pop_type(f, VM_F_DATA)) {
		memcpy(&data, fake_payload(f), sizeof(data));
		if (be32_to_cpu(data.group) == id)
			return true;
	}
	return false;
}

/* What a group had out to rank 1 when rank 2 failed it is no part of another's credit. */
static void gives_its_credit_back(struct kunit *test)
{
	struct fake *f = test->priv;
	struct vmesh_group *g, *next;
	struct fake_op *o;
	void *memory;
	u64 len;

	g = fake_formed(test);
	len = VM_WINDOW_MAX * (u64)vmesh_control_max(g->m);
	memory = kvzalloc(len, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, memory);
	fake_post_from(test, g, VIRTMESH_OP_SEND, 1, memory, len, 60000);
	while (atomic_read(&g->ranks[1].path->out) < vmesh_path_share(g->m))
		KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_DATA));
	o = fake_post(test, g, VIRTMESH_OP_RECV, 2, 64, 60000);
	fake_say_group(test, 2, VM_GROUP_LEAVE, FAKE_COOKIE + 2, 0, 0);
	fake_op_ends(test, o, -ECONNRESET, 4);
	fake_drain(f);
	next = formed_beside(test, g);
	fake_post(test, next, VIRTMESH_OP_SEND, 1, 4, 60000);
	KUNIT_EXPECT_TRUE(test, pops_data_of(f, FAKE_GROUP + 1, 1));
	fake_group_end(g);
	fake_group_end(next);
	kvfree(memory);
}

/*
 * One group takes each credit that comes back as soon as it does. Another has something
 * to say to the same node, and does.
 */
static void is_not_crowded_out(struct kunit *test)
{
	struct fake *f = test->priv;
	struct vm_group_msg ours;
	struct vmesh_group *g, *next;
	void *memory;
	u32 cum;
	u64 len;

	g = fake_formed(test);
	ours = fake_ours;
	next = formed_beside(test, g);
	fake_ours = ours;
	len = 2 * VM_WINDOW_MAX * (u64)vmesh_control_max(g->m);
	memory = kvzalloc(len, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, memory);
	fake_post_from(test, g, VIRTMESH_OP_SEND, 1, memory, len, 60000);
	while (atomic_read(&g->ranks[1].path->out) < vmesh_path_share(g->m))
		KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_DATA));
	fake_drain(f);
	fake_post(test, next, VIRTMESH_OP_SEND, 1, 4, 60000);
	for (cum = 1; cum <= 16; cum++)
		acks(test, 1, VM_FLOW_ONE, cum);
	KUNIT_EXPECT_TRUE(test, pops_data_of(f, FAKE_GROUP + 1, 24));
	fake_group_end(g);
	fake_group_end(next);
	kvfree(memory);
}

/* Room in the ring does not all go to one group, however much that has to send. */
static void takes_turns_with_groups(struct kunit *test)
{
	struct fake *f = test->priv;
	struct vmesh_group *g, *next;
	void *memory;
	u64 len;
	u16 r;

	g = fake_formed(test);
	next = formed_beside(test, g);
	len = VM_WINDOW_MAX * (u64)vmesh_control_max(g->m);
	memory = kvzalloc(len, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, memory);
	fake_drain(f);
	for (r = 1; r < 3; r++)
		fake_post_from(test, g, VIRTMESH_OP_SEND, r, memory, len, 60000);
	fake_post(test, next, VIRTMESH_OP_SEND, 1, 4, 60000);
	KUNIT_EXPECT_EQ(test, vmesh_out(&next->ranks[1]), 0);
	KUNIT_EXPECT_TRUE(test, pops_data_of(f, FAKE_GROUP + 1, 2 * FAKE_RING));
	fake_group_end(g);
	fake_group_end(next);
	kvfree(memory);
}

/* Nor is what a member owes that has left a group which goes on. */
static void forgives_who_has_left(struct kunit *test)
{
	struct vmesh_group *g;
	struct fake_op *o;

	g = fake_formed(test);
	o = fake_post(test, g, VIRTMESH_OP_BARRIER, 0, 0, 60000);
	fake_say_data(test, 1, FAKE_COOKIE + 1, 1, VIRTMESH_OP_BARRIER, 0, "", 0, 0);
	fake_say_data(test, 2, FAKE_COOKIE + 2, 1, VIRTMESH_OP_BARRIER, 0, "", 0, 0);
	fake_op_ends(test, o, 0, 0);
	KUNIT_EXPECT_EQ(test, vmesh_out(&g->ranks[1]), 1);
	fake_say_group(test, 1, VM_GROUP_LEAVE, FAKE_COOKIE + 1, 0, 0);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(g->lost) == 2));
	spin_lock_bh(&g->lock);
	KUNIT_EXPECT_EQ(test, g->state, VIRTMESH_GROUP_FORMED);
	KUNIT_EXPECT_EQ(test, vmesh_out(&g->ranks[1]), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&g->ranks[1].path->out), 0);
	KUNIT_EXPECT_EQ(test, g->ranks[1].rto_ns, VMESH_NEVER);
	KUNIT_EXPECT_EQ(test, vmesh_out(&g->ranks[2]), 1);
	spin_unlock_bh(&g->lock);
	fake_group_end(g);
}

/* Another's FENCE: it is over at once; he says whom he waited for, and is excused. */
static void heeds_a_fence(struct kunit *test)
{
	struct vmesh_group *g;
	struct fake_op *o;

	g = fake_formed(test);
	o = fake_post(test, g, VIRTMESH_OP_BARRIER, 0, 0, 60000);
	fake_say_group(test, 1, VM_GROUP_FENCE, FAKE_COOKIE + 1, 4, 0);
	fake_op_ends(test, o, -ESTALE, 4);
	fake_group_end(g);
}

static bool by_nobody(const struct vmesh_op *op)
{
	return false;
}

/*
 * A receive that nobody waits for: our program was stopped when it had posted that,
 * and we do not say that it waited.
 */
static void speaks_for_who_waits_alone(struct kunit *test)
{
	struct fake *f = test->priv;
	struct vm_group_msg msg;
	struct vmesh_group *g;
	struct fake_op *o;

	g = fake_formed(test);
	o = fake_post(test, g, VIRTMESH_OP_RECV, 1, 64, 60000);
	o->op.awaited = by_nobody;
	fake_say_group(test, 1, VM_GROUP_FENCE, FAKE_COOKIE + 1, 1, 0);
	fake_op_ends(test, o, -ESTALE, 0);
	fake_group_end(g);
	do {
		KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_GROUP));
		memcpy(&msg, fake_payload(f), sizeof(msg));
		KUNIT_EXPECT_NE(test, msg.verb, VM_GROUP_FENCE);
	} while (msg.verb != VM_GROUP_LEAVE);
}

/*
 * Between two operations of ours, rank 2 has left and rank 1, whom that failed,
 * forms again without having heard why. It is rank 2 that is missing, and whoever
 * asks in the grace waits for its end to know.
 */
static void tells_who_failed_after_the_grace(struct kunit *test)
{
	struct virtmesh_group_info info = {};
	struct vmesh_group *g;

	g = fake_formed(test);
	fake_say_group(test, 1, VM_GROUP_FENCE, FAKE_COOKIE + 1, 4, 0);
	fake_say_group(test, 2, VM_GROUP_LEAVE, FAKE_COOKIE + 2, 0, 0);
	fake_say_group(test, 1, VM_GROUP_JOIN, FAKE_COOKIE + 3, 0, 0);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(g->lost) == 6));
	vmesh_group_info(g, &info, NULL, 0);
	KUNIT_EXPECT_EQ(test, info.state, VIRTMESH_GROUP_FENCED);
	KUNIT_EXPECT_EQ(test, info.missing, 4);
	fake_group_end(g);
}

/* Survivors are those who have not left, though no operation has needed who did. */
static void survivors_of_a_leave(struct kunit *test)
{
	struct fake_forming *a;
	struct vmesh_group *g;

	g = fake_formed(test);
	fake_say_group(test, 2, VM_GROUP_LEAVE, FAKE_COOKIE + 2, 0, 0);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(g->lost) == 4));
	a = fake_form_again(test, g, VIRTMESH_FORM_SURVIVORS);
	KUNIT_EXPECT_EQ(test, be64_to_cpu(fake_ours.ranks), 4);
	fake_say_group(test, 1, VM_GROUP_JOIN, FAKE_COOKIE + 3, 4, 0);
	fake_form_ends(test, a, 0, 3);
	fake_group_end(g);
}

/* Whom rank 2, which is out, will not have is nothing to us. It is told that it is out. */
static void asks_no_excluded(struct kunit *test)
{
	struct virtmesh_group_info info = {};
	struct fake *f = test->priv;
	struct vm_group_msg msg;
	struct fake_forming *a;
	struct vmesh_group *g;
	int i;

	g = fake_formed(test);
	fake_say_group(test, 2, VM_GROUP_LEAVE, FAKE_COOKIE + 2, 0, 0);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(g->lost) == 4));
	a = fake_form_again(test, g, VIRTMESH_FORM_SURVIVORS);
	fake_say_group(test, 1, VM_GROUP_JOIN, FAKE_COOKIE + 3, 4, 0);
	fake_form_ends(test, a, 0, 3);
	fake_drain(f);
	for (i = 0; i < 2; i++)
		fake_say_group(test, 2, VM_GROUP_JOIN, FAKE_COOKIE + 4, 2, VM_GROUP_ASK);
	KUNIT_EXPECT_TRUE(test, fake_pop_type(f, VM_F_GROUP));
	memcpy(&msg, fake_payload(f), sizeof(msg));
	KUNIT_EXPECT_EQ(test, msg.verb, VM_GROUP_JOIN);
	KUNIT_EXPECT_EQ(test, be64_to_cpu(msg.ranks), 4);
	vmesh_group_info(g, &info, NULL, 0);
	KUNIT_EXPECT_EQ(test, info.state, VIRTMESH_GROUP_FORMED);
	KUNIT_EXPECT_EQ(test, info.missing, 0);
	fake_group_end(g);
}

static void ended(struct vmesh_op *op)
{
}

/* What would go to one that is not in, or come from there, is not begun: none of it would. */
static void refuses_the_excluded(struct kunit *test)
{
	static const struct {
		u8 kind;
		u16 root;
		int result;
	} ops[] = {
		{ VIRTMESH_OP_SEND, 2, -EHOSTUNREACH },
		{ VIRTMESH_OP_RECV, 2, -EHOSTUNREACH },
		{ VM_KIND_CONTROL, 2, -EHOSTUNREACH },
		{ VIRTMESH_OP_BCAST, 2, -EHOSTUNREACH },
		{ VIRTMESH_OP_GATHER, 2, -EHOSTUNREACH },
		{ VIRTMESH_OP_SCATTER, 2, -EHOSTUNREACH },
		{ VIRTMESH_OP_RECV, 1, 0 },
		{ VIRTMESH_OP_BCAST, 1, 0 },
		{ VIRTMESH_OP_ALLGATHER, 0, 0 },
	};
	struct vmesh_op *op = kunit_kzalloc(test, sizeof(*op), GFP_KERNEL);
	struct fake_forming *a;
	struct vmesh_group *g;
	char into[64];
	int i, result;

	KUNIT_ASSERT_NOT_NULL(test, op);
	g = fake_formed(test);
	fake_say_group(test, 2, VM_GROUP_LEAVE, FAKE_COOKIE + 2, 0, 0);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(g->lost) == 4));
	a = fake_form_again(test, g, VIRTMESH_FORM_SURVIVORS);
	fake_say_group(test, 1, VM_GROUP_JOIN, FAKE_COOKIE + 3, 4, 0);
	fake_form_ends(test, a, 0, 3);
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		if (!ops[i].result) {
			fake_post_from(test, g, ops[i].kind, ops[i].root, NULL, 4, 60000);
			continue;
		}
		op->group = g;
		op->kind = ops[i].kind;
		op->root = ops[i].root;
		op->len = 4;
		op->send = into;
		op->recv = into;
		op->timeout_ns = NSEC_PER_SEC;
		op->done = ended;
		result = vmesh_group_post(g, op);
		KUNIT_EXPECT_EQ_MSG(test, result, ops[i].result, "kind %u", ops[i].kind);
	}
	fake_group_end(g);
}

/* What came of others, and they were not told of yet, they are told before: they wait for it. */
static void acknowledges_before_it_forms(struct kunit *test)
{
	struct fake *f = test->priv;
	struct fake_forming *a;
	struct vmesh_group *g;
	struct fake_op *o;

	g = fake_formed(test);
	o = fake_post(test, g, VIRTMESH_OP_RECV, 1, 64, 60000);
	fake_say_data(test, 1, FAKE_COOKIE + 1, 1, VIRTMESH_OP_SEND, 0, "word", 0, 4);
	fake_op_ends(test, o, 4, 0);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(FAKE_COUNT(f, acks_sent) == 1));
	/* As if one more had come just now, however long that takes here. */
	spin_lock_bh(&g->lock);
	g->ranks[1].unacked = 1;
	spin_unlock_bh(&g->lock);
	fake_drain(f);
	/* Also when it is over already, because another one forms again. */
	fake_say_group(test, 2, VM_GROUP_JOIN, FAKE_COOKIE + 3, 0, 0);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(g->state) == VIRTMESH_GROUP_FENCED));
	a = fake_form_again(test, g, 0);
	KUNIT_EXPECT_EQ(test, FAKE_COUNT(f, acks_sent), 2ULL);
	/* And again with each JOIN, for an acknowledgment may be lost. */
	KUNIT_EXPECT_EQ(test, be64_to_cpu(fake_ours.heard), 1ULL << 32);
	fake_say_group(test, 1, VM_GROUP_JOIN, FAKE_COOKIE + 3, 0, VM_GROUP_ASK);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(g->ranks[1].confirmed)));
	/* Not to one that has a new cookie: there are none of its frames yet. */
	KUNIT_EXPECT_EQ(test, g->ranks[1].last_words, 0ULL);
	fake_say_group(test, 2, VM_GROUP_JOIN, FAKE_COOKIE + 3, 0, 0);
	fake_form_ends(test, a, 0, 7);
	fake_group_end(g);
}

/* What has ended here, and has not come to rank 2, is repaired also when rank 1 forms again. */
static void repairs_before_it_is_over(struct kunit *test)
{
	struct fake *f = test->priv;
	struct vm_ack ack = {};
	struct vmesh_group *g;
	struct fake_op *o;

	g = fake_formed(test);
	o = fake_post(test, g, VIRTMESH_OP_BARRIER, 0, 0, 60000);
	fake_say_data(test, 1, FAKE_COOKIE + 1, 1, VIRTMESH_OP_BARRIER, 0, "", 0, 0);
	fake_say_data(test, 2, FAKE_COOKIE + 2, 1, VIRTMESH_OP_BARRIER, 0, "", 0, 0);
	fake_op_ends(test, o, 0, 0);
	fake_ours.heard = cpu_to_be64(1); /* frame of the flow to all */
	fake_say_group(test, 1, VM_GROUP_JOIN, FAKE_COOKIE + 3, 0, VM_GROUP_ASK);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(g->lost) == 2));
	fake_drain(f);
	KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_DATA));
	KUNIT_EXPECT_EQ(test, f->frame[ETH_ALEN - 1], 3);
	ack.group = fake_ours.group;
	ack.cookie = cpu_to_be32(FAKE_COOKIE + 2);
	ack.peer_cookie = fake_ours.cookie;
	ack.flow[VM_FLOW_ALL].cum = cpu_to_be32(1);
	fake_say_as(test, 2, VM_F_ACK, 1, &ack, sizeof(ack));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(g->state) == VIRTMESH_GROUP_FENCED));
	fake_group_end(g);
}

static void formed_again(struct kunit *test, struct vmesh_group *g, u32 cookie)
{
	struct fake_forming *a;

	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(!READ_ONCE(g->fencing)));
	fake_drain(test->priv);
	a = fake_form_again(test, g, 0);
	fake_say_group(test, 1, VM_GROUP_JOIN, cookie, 0, 0);
	fake_say_group(test, 2, VM_GROUP_JOIN, cookie, 0, 0);
	fake_form_ends(test, a, 0, 7);
}

/* A rank that forms again says how far it got with our frames: what it has is sent. */
static void hears_how_far_it_got(struct kunit *test)
{
	static const struct {
		u32 cookie; /* of ours, beyond that of this forming */
		u32 heard;
		int result;
	} joins[] = {
		{ 0, 1, 0 },
		{ 0, 0, -ECONNRESET },
		{ 1, 1, -ECONNRESET }, /* it speaks of another forming */
		{ 0, 2, -ECONNRESET }, /* and of a frame that was never sent */
	};
	struct vmesh_group *g;
	struct fake_op *o;
	int i;

	g = fake_formed(test);
	for (i = 0; i < ARRAY_SIZE(joins); i++) {
		formed_again(test, g, FAKE_COOKIE + 10 + 2 * i);
		o = fake_post(test, g, VIRTMESH_OP_SEND, 1, 4, 60000);
		fake_ours.heard = cpu_to_be64((u64)joins[i].heard << 32);
		be32_add_cpu(&fake_ours.cookie, joins[i].cookie);
		fake_say_group(test, 1, VM_GROUP_JOIN, FAKE_COOKIE + 11 + 2 * i, 0, 0);
		fake_op_ends(test, o, joins[i].result, joins[i].result ? 2 : 0);
	}
	fake_group_end(g);
}

static struct kunit_case cases[] = { KUNIT_CASE(forms),
				     KUNIT_CASE(forms_with_a_new_life),
				     KUNIT_CASE(confirms),
				     KUNIT_CASE(agrees_whom_to_exclude),
				     KUNIT_CASE(drops_what_the_excluded_said),
				     KUNIT_CASE(is_excluded),
				     KUNIT_CASE(names_another_list),
				     KUNIT_CASE(receives),
				     KUNIT_CASE(counts_round),
				     KUNIT_CASE(parks),
				     KUNIT_CASE(windows_of_their_own),
				     KUNIT_CASE(parks_no_more),
				     KUNIT_CASE(cuts_no_control),
				     KUNIT_CASE(cuts_clones_to_fit),
				     KUNIT_CASE(takes_turns),
				     KUNIT_CASE(takes_turns_with_gather),
				     KUNIT_CASE(takes_turns_with_broadcast),
				     KUNIT_CASE(leaves_frames_for_others),
				     KUNIT_CASE(repairs_some_at_once),
				     KUNIT_CASE(acknowledges_when_there_is_room),
				     KUNIT_CASE(names_the_silent),
				     KUNIT_CASE(gives_its_credit_back),
				     KUNIT_CASE(is_not_crowded_out),
				     KUNIT_CASE(takes_turns_with_groups),
				     KUNIT_CASE(forgives_who_has_left),
				     KUNIT_CASE(heeds_a_fence),
				     KUNIT_CASE(speaks_for_who_waits_alone),
				     KUNIT_CASE(tells_who_failed_after_the_grace),
				     KUNIT_CASE(survivors_of_a_leave),
				     KUNIT_CASE(asks_no_excluded),
				     KUNIT_CASE(refuses_the_excluded),
				     KUNIT_CASE(acknowledges_before_it_forms),
				     KUNIT_CASE(repairs_before_it_is_over),
				     KUNIT_CASE(hears_how_far_it_got),
				     {} };

static struct kunit_suite suite = {
	.name = "virtmesh-group",
	.init = fake_init,
	.exit = fake_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);
