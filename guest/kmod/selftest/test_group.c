// SPDX-License-Identifier: GPL-2.0-only
/*
 * Groups, from JOIN to FENCE: this node is rank 0 of three, the test plays the two
 * others, frame by frame. What the rules are for is in selftests/model.
 */
#include <linux/kthread.h>
#include <linux/prandom.h>

#include "fake.h"
#include "transport.h"

#define ID     9
#define COOKIE 1000 /* of rank r: COOKIE + r */

struct forming {
	struct vmesh_group *g;
	struct virtmesh_group_form arg;
	struct completion done;
	int result;
};

struct one_op {
	struct vmesh_op op;
	struct completion done;
	u8 into[64];
};

/* Our JOIN as it was last seen: what the others' look like, but for who they are. */
static struct vm_group_msg ours;

static struct vmesh_group *create(struct kunit *test)
{
	static const u16 nodes[] = { 1, 2, 3 };
	struct vmesh_group *g = vmesh_group_create(fake_mesh(test->priv), ID, nodes, 3);

	KUNIT_ASSERT_FALSE(test, IS_ERR(g));
	return g;
}

static int form_thread(void *arg)
{
	struct forming *a = arg;

	a->result = vmesh_group_form(a->g, &a->arg);
	complete(&a->done);
	return 0;
}

/* Begin to form, and see our JOIN. */
static struct forming *form_begin(struct kunit *test, struct vmesh_group *g)
{
	struct forming *a = kunit_kzalloc(test, sizeof(*a), GFP_KERNEL);
	struct fake *f = test->priv;

	KUNIT_ASSERT_NOT_NULL(test, a);
	a->g = g;
	a->arg.timeout_ns = 30 * NSEC_PER_SEC;
	init_completion(&a->done);
	KUNIT_ASSERT_FALSE(test, IS_ERR(kthread_run(form_thread, a, "virtmesh-form")));
	KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_GROUP));
	memcpy(&ours, fake_payload(f), sizeof(ours));
	KUNIT_EXPECT_EQ(test, ours.verb, VM_GROUP_JOIN);
	KUNIT_EXPECT_TRUE(test, ours.flags & cpu_to_be16(VM_GROUP_ASK));
	return a;
}

/* What it has said so far is of no interest; and its ring must not fill. */
static void drain(struct fake *f)
{
	while (fake_pop(f))
		;
}

/* Rank @r is node r + 1. A burst must not find the ring without a buffer. */
static void say(struct kunit *test, u16 r, u8 type, u32 seq, const void *payload, u16 len)
{
	struct fake_frame what = FAKE_FRAME_FROM(r + 1, type, payload, len);

	what.seq = seq;
	KUNIT_ASSERT_TRUE(test, FAKE_UNTIL(fake_say(test->priv, what)));
}

static void say_group(struct kunit *test, u16 r, u8 verb, u32 cookie, u64 ranks, u16 flags)
{
	struct vm_group_msg msg = ours;

	msg.verb = verb;
	msg.rank = r;
	msg.cookie = cpu_to_be32(cookie);
	msg.peer_cookie = ours.cookie;
	msg.ranks = cpu_to_be64(ranks);
	msg.flags = cpu_to_be16(flags);
	msg.number = cpu_to_be32(verb == VM_GROUP_FENCE);
	say(test, r, VM_F_GROUP, 0, &msg, sizeof(msg));
}

static void form_ends(struct kunit *test, struct forming *a, int result, u64 members)
{
	KUNIT_ASSERT_GT(test, wait_for_completion_timeout(&a->done, 20 * HZ), 0UL);
	KUNIT_ASSERT_EQ(test, a->result, result);
	KUNIT_EXPECT_EQ(test, a->arg.members, members);
}

static struct vmesh_group *formed(struct kunit *test)
{
	struct vmesh_group *g;
	struct forming *a;

	fake_join(test);
	g = create(test);
	a = form_begin(test, g);
	say_group(test, 1, VM_GROUP_JOIN, COOKIE + 1, 0, 0);
	say_group(test, 2, VM_GROUP_JOIN, COOKIE + 2, 0, 0);
	form_ends(test, a, 0, 7);
	drain(test->priv);
	return g;
}

static void end(struct vmesh_group *g)
{
	vmesh_group_leave(g);
	vmesh_group_put(g);
}

static void op_done(struct vmesh_op *op)
{
	complete(&container_of(op, struct one_op, op)->done);
}

static struct one_op *post(struct kunit *test, struct vmesh_group *g, u8 kind, u16 root, u64 len,
			   unsigned int timeout_ms)
{
	struct one_op *o = kunit_kzalloc(test, sizeof(*o), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, o);
	init_completion(&o->done);
	o->op.group = g;
	o->op.kind = kind;
	o->op.root = root;
	o->op.len = len;
	o->op.recv = len ? o->into : NULL;
	o->op.send = o->op.recv;
	o->op.timeout_ns = timeout_ms * (u64)NSEC_PER_MSEC;
	o->op.done = op_done;
	KUNIT_ASSERT_EQ(test, vmesh_group_post(g, &o->op), 0);
	return o;
}

static void op_ends(struct kunit *test, struct one_op *o, s64 result, u64 missing)
{
	KUNIT_ASSERT_GT(test, wait_for_completion_timeout(&o->done, 20 * HZ), 0UL);
	KUNIT_EXPECT_EQ(test, o->op.result, result);
	KUNIT_EXPECT_EQ(test, o->op.missing, missing);
}

static void say_data(struct kunit *test, u16 r, u32 cookie, u32 seq, u8 kind, u16 root,
		     const char *all, u64 offset, unsigned int len)
{
	struct {
		struct vm_data data;
		u8 bytes[64];
	} __packed frame = {
		.data = {
			.group = ours.group,
			.cookie = cpu_to_be32(cookie),
			.kind = kind,
			.root = cpu_to_be16(root),
			.number = cpu_to_be32(1),
			.offset = cpu_to_be64(offset),
			.total = cpu_to_be64(strlen(all)),
		},
	};

	memcpy(frame.bytes, all + offset, len);
	say(test, r, VM_F_DATA, seq, &frame, sizeof(frame.data) + len);
}

static void forms(struct kunit *test)
{
	struct vmesh_group *g;

	g = formed(test);
	KUNIT_EXPECT_EQ(test, g->state, VIRTMESH_GROUP_FORMED);
	/* One that was late is no news; a newer cookie means it has begun anew. */
	say_group(test, 1, VM_GROUP_JOIN, COOKIE, 0, 0);
	say_group(test, 2, VM_GROUP_JOIN, COOKIE + 3, 0, 0);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(g->lost)));
	KUNIT_EXPECT_EQ(test, g->lost, 4);
	end(g);
}

static void confirms(struct kunit *test)
{
	struct fake *f = test->priv;
	struct vm_group_msg other;
	struct vmesh_group *g;
	struct forming *a;

	fake_join(test);
	g = create(test);
	a = form_begin(test, g);
	say_group(test, 1, VM_GROUP_JOIN, COOKIE + 1, 0, 0);
	/* It knows an earlier cookie of ours: not confirmed, and it asks. */
	other = ours;
	ours.cookie = cpu_to_be32(be32_to_cpu(ours.cookie) - 1);
	say_group(test, 2, VM_GROUP_JOIN, COOKIE + 2, 0, VM_GROUP_ASK);
	ours = other;
	do {
		KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_GROUP));
		memcpy(&other, fake_payload(f), sizeof(other));
	} while (other.peer_cookie != cpu_to_be32(COOKIE + 2));
	KUNIT_EXPECT_TRUE(test, other.flags & cpu_to_be16(VM_GROUP_ASK));
	KUNIT_EXPECT_FALSE(test, completion_done(&a->done));
	say_group(test, 2, VM_GROUP_JOIN, COOKIE + 2, 0, 0);
	form_ends(test, a, 0, 7);
	end(g);
}

static void agrees_whom_to_exclude(struct kunit *test)
{
	struct vmesh_group *g;
	struct forming *a;

	fake_join(test);
	g = create(test);
	a = form_begin(test, g);
	say_group(test, 1, VM_GROUP_JOIN, COOKIE + 1, 0, 0);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(g->ranks[1].confirmed)));
	/* Rank 1 will not have rank 2; what rank 2 will not have counts no more. */
	say_group(test, 1, VM_GROUP_JOIN, COOKIE + 1, 4, 0);
	say_group(test, 2, VM_GROUP_JOIN, COOKIE + 2, 2, 0);
	form_ends(test, a, 0, 3);
	end(g);
}

static void is_excluded(struct kunit *test)
{
	struct vmesh_group *g;
	struct forming *a;

	fake_join(test);
	g = create(test);
	a = form_begin(test, g);
	say_group(test, 1, VM_GROUP_JOIN, COOKIE + 1, 1, 0);
	form_ends(test, a, -EHOSTUNREACH, 7);
	end(g);
}

/* Whose list of nodes is another one is named, and not who has yet to come. */
static void names_another_list(struct kunit *test)
{
	struct vm_group_msg msg;
	struct vmesh_group *g;
	struct forming *a;

	fake_join(test);
	g = create(test);
	a = form_begin(test, g);
	msg = ours;
	msg.rank = 2;
	msg.cookie = cpu_to_be32(COOKIE + 2);
	msg.layout ^= cpu_to_be64(1);
	say(test, 2, VM_F_GROUP, 0, &msg, sizeof(msg));
	form_ends(test, a, -EXDEV, 7);
	KUNIT_EXPECT_EQ(test, a->arg.missing, 4);
	KUNIT_EXPECT_EQ(test, a->arg.rank, 2);
	KUNIT_EXPECT_EQ(test, a->arg.reason, VIRTMESH_REASON_MISMATCH);
	end(g);
}

static void receives(struct kunit *test)
{
	struct fake *f = test->priv;
	struct vmesh_group *g;
	struct one_op *o;
	u64 fenced;

	g = formed(test);
	o = post(test, g, VIRTMESH_OP_RECV, 1, 64, 60000);
	/* Of an earlier forming: not taken. */
	fenced = FAKE_COUNT(f, rx_fenced);
	say_data(test, 1, COOKIE, 1, VIRTMESH_OP_SEND, 0, "WRONG WRONG", 0, 6);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(FAKE_COUNT(f, rx_fenced) == fenced + 1));
	/* The end, the end again, the beginning. */
	say_data(test, 1, COOKIE + 1, 2, VIRTMESH_OP_SEND, 0, "hello there", 6, 5);
	say_data(test, 1, COOKIE + 1, 2, VIRTMESH_OP_SEND, 0, "HELLO THERE", 6, 5);
	say_data(test, 1, COOKIE + 1, 1, VIRTMESH_OP_SEND, 0, "hello there", 0, 6);
	op_ends(test, o, 11, 0);
	KUNIT_EXPECT_STREQ(test, o->into, "hello there");
	KUNIT_EXPECT_EQ(test, atomic64_read(&g->ranks[1].path->duplicates), 1);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(g->ranks[1].seen[VM_FLOW_ONE].cum == 2));
	end(g);
}

/* What comes before it is wanted waits, takes room, and is there when it is. */
static void parks(struct kunit *test)
{
	u16 window[VM_CLASSES], share;
	struct vmesh_group *g;
	struct one_op *o;

	g = formed(test);
	share = vmesh_class_share(g->m);
	say_data(test, 1, COOKIE + 1, 1, VIRTMESH_OP_BCAST, 1, "early", 0, 2);
	say_data(test, 1, COOKIE + 1, 2, VIRTMESH_OP_BCAST, 1, "early", 2, 3);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(vmesh_parked(&g->ranks[1]) == 2));
	vmesh_windows_for(g, &g->ranks[1], window);
	KUNIT_EXPECT_EQ(test, window[VM_CLASS_COLLECTIVE], share - 2);
	KUNIT_EXPECT_EQ(test, window[VM_CLASS_MESSAGE], share);
	o = post(test, g, VIRTMESH_OP_BCAST, 1, 5, 60000);
	op_ends(test, o, 0, 0);
	KUNIT_EXPECT_STREQ(test, o->into, "early");
	KUNIT_EXPECT_EQ(test, vmesh_parked(&g->ranks[1]), 0);
	end(g);
}

/* What a class may not send any more the other may. */
static void windows_of_their_own(struct kunit *test)
{
	struct vm_ack ack = {};
	struct fake *f = test->priv;
	struct one_op *bcast, *word;
	struct vm_data data;
	struct vmesh_group *g;

	g = formed(test);
	ack.group = ours.group;
	ack.cookie = cpu_to_be32(COOKIE + 1);
	ack.peer_cookie = ours.cookie;
	ack.window[VM_CLASS_MESSAGE] = cpu_to_be16(9);
	say(test, 1, VM_F_ACK, 1, &ack, sizeof(ack));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(vmesh_allowed(&g->ranks[1]) == 9));
	bcast = post(test, g, VIRTMESH_OP_BCAST, 0, 5, 60000);
	word = post(test, g, VIRTMESH_OP_SEND, 1, 4, 60000);
	KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_DATA));
	memcpy(&data, fake_payload(f), sizeof(data));
	KUNIT_EXPECT_EQ(test, data.kind, VIRTMESH_OP_SEND);
	/* The other way round, and the broadcast goes to both. */
	ack.window[VM_CLASS_COLLECTIVE] = cpu_to_be16(1);
	ack.window[VM_CLASS_MESSAGE] = 0;
	say(test, 1, VM_F_ACK, 2, &ack, sizeof(ack));
	KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_DATA));
	memcpy(&data, fake_payload(f), sizeof(data));
	KUNIT_EXPECT_EQ(test, data.kind, VIRTMESH_OP_BCAST);
	KUNIT_EXPECT_FALSE(test, completion_done(&bcast->done));
	KUNIT_EXPECT_FALSE(test, completion_done(&word->done));
	end(g);
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
	struct one_op *o;

	g = formed(test);
	spin_lock_bh(&g->lock);
	list_splice_init(&g->parked_free, &taken);
	spin_unlock_bh(&g->lock);
	say_data(test, 1, COOKIE + 1, 1, VIRTMESH_OP_SEND, 0, "again", 0, 5);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(FAKE_COUNT(f, rx_no_parking)));
	spin_lock_bh(&g->lock);
	list_splice_init(&taken, &g->parked_free);
	spin_unlock_bh(&g->lock);
	o = post(test, g, VIRTMESH_OP_RECV, 1, 64, 5000);
	say_data(test, 1, COOKIE + 1, 1, VIRTMESH_OP_SEND, 0, "again", 0, 5);
	op_ends(test, o, 5, 0);
	KUNIT_EXPECT_STREQ(test, o->into, "again");
	end(g);
}

/* While the ring takes nothing, an acknowledgment is not tried for every while. */
static void acknowledges_when_there_is_room(struct kunit *test)
{
	struct fake *f = test->priv;
	struct vmesh_group *g;
	struct sk_buff *skb;
	u64 began, tried;
	int err;

	g = formed(test);
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
	say_data(test, 1, COOKIE + 1, 1, VIRTMESH_OP_SEND, 0, "word", 0, 4);
	msleep(50);
	tried = FAKE_COUNT(f, tx_ring_full) - tried;
	KUNIT_EXPECT_GT(test, tried, 0);
	KUNIT_EXPECT_LE(test, tried, 2 + div_u64(vmesh_now() - began, VMESH_RTO_MIN_NS));
	KUNIT_EXPECT_TRUE(test, fake_pop_type(f, VM_F_ACK));
	end(g);
}

/* Rank 1 has not come, rank 2 has: the deadline names the one. */
static void names_the_silent(struct kunit *test)
{
	struct fake *f = test->priv;
	struct vm_group_msg fence;
	struct vmesh_group *g;
	struct one_op *o;

	g = formed(test);
	o = post(test, g, VIRTMESH_OP_BARRIER, 0, 0, 50);
	say_data(test, 2, COOKIE + 2, 1, VIRTMESH_OP_BARRIER, 0, "", 0, 0);
	KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_GROUP));
	memcpy(&fence, fake_payload(f), sizeof(fence));
	KUNIT_EXPECT_EQ(test, fence.verb, VM_GROUP_FENCE);
	KUNIT_EXPECT_EQ(test, be64_to_cpu(fence.ranks), 2);
	op_ends(test, o, -ETIMEDOUT, 2);
	KUNIT_EXPECT_EQ(test, g->state, VIRTMESH_GROUP_FENCED);
	end(g);
}

/* Another's FENCE: it is over at once; he says whom he waited for, and is excused. */
static void heeds_a_fence(struct kunit *test)
{
	struct vmesh_group *g;
	struct one_op *o;

	g = formed(test);
	o = post(test, g, VIRTMESH_OP_BARRIER, 0, 0, 60000);
	say_group(test, 1, VM_GROUP_FENCE, COOKIE + 1, 4, 0);
	op_ends(test, o, -ESTALE, 4);
	end(g);
}

/* A member that leaves ends what needs it, at once, and nothing else. */
static void notices_a_leave(struct kunit *test)
{
	struct one_op *needs, *other;
	struct vmesh_group *g;

	g = formed(test);
	other = post(test, g, VIRTMESH_OP_RECV, 2, 64, 60000);
	say_group(test, 1, VM_GROUP_LEAVE, COOKIE + 1, 0, 0);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(g->lost) == 2));
	say_data(test, 2, COOKIE + 2, 1, VIRTMESH_OP_SEND, 0, "still here", 0, 10);
	op_ends(test, other, 10, 0);
	needs = post(test, g, VIRTMESH_OP_RECV, 1, 64, 60000);
	op_ends(test, needs, -ECONNRESET, 2);
	end(g);
}

/* Also when all have left: what they sent before is here, and nothing else is needed. */
static void takes_what_came_before_a_leave(struct kunit *test)
{
	struct vmesh_group *g;
	struct one_op *o;

	g = formed(test);
	say_data(test, 1, COOKIE + 1, 1, VIRTMESH_OP_BCAST, 1, "early", 0, 5);
	say_group(test, 1, VM_GROUP_LEAVE, COOKIE + 1, 0, 0);
	say_group(test, 2, VM_GROUP_LEAVE, COOKIE + 2, 0, 0);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(g->lost) == 6));
	o = post(test, g, VIRTMESH_OP_BCAST, 1, 5, 60000);
	op_ends(test, o, 0, 0);
	KUNIT_EXPECT_STREQ(test, o->into, "early");
	o = post(test, g, VIRTMESH_OP_BCAST, 1, 5, 60000);
	op_ends(test, o, -ECONNRESET, 6);
	end(g);
}

struct word_wait {
	struct vmesh_group *g;
	struct completion done;
	long left;
};

static int waits_for_a_word(void *arg)
{
	struct word_wait *w = arg;

	w->left = vmesh_control_wait(w->g, 20 * HZ);
	complete(&w->done);
	return 0;
}

/* Who waits for a control message when the last one leaves need not wait on. */
static void wakes_when_all_have_left(struct kunit *test)
{
	struct word_wait w;
	struct vmesh_group *g;
	unsigned char word[8];
	u16 rank;

	g = formed(test);
	w.g = g;
	init_completion(&w.done);
	KUNIT_ASSERT_FALSE(test, IS_ERR(kthread_run(waits_for_a_word, &w, "virtmesh-word")));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(!list_empty(&g->wait.head)));
	say_group(test, 1, VM_GROUP_LEAVE, COOKIE + 1, 0, 0);
	say_group(test, 2, VM_GROUP_LEAVE, COOKIE + 2, 0, 0);
	wait_for_completion(&w.done);
	KUNIT_EXPECT_GT(test, w.left, 1L); /* jiffies before it would have given up */
	KUNIT_EXPECT_EQ(test, vmesh_control_take(g, word, sizeof(word), &rank), -ESTALE);
	end(g);
}

static void pop_leave(struct kunit *test, u16 node, u16 flags, struct vm_group_msg *msg)
{
	struct fake *f = test->priv;

	do {
		KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_GROUP));
		memcpy(msg, fake_payload(f), sizeof(*msg));
	} while (msg->verb != VM_GROUP_LEAVE || msg->flags != cpu_to_be16(flags) ||
		 f->frame[ETH_ALEN - 1] != node);
}

/* Whoever asks is answered, with a group and without; an answer is not. */
static void answers_a_leave(struct kunit *test)
{
	struct vm_group_msg msg;
	struct vmesh_group *g;

	g = formed(test);
	say_group(test, 1, VM_GROUP_LEAVE, COOKIE + 1, 0, VM_GROUP_ASK);
	pop_leave(test, 2, VM_GROUP_ANSWER, &msg);
	KUNIT_EXPECT_EQ(test, be32_to_cpu(msg.group), ID);
	KUNIT_EXPECT_EQ(test, msg.cookie, ours.cookie);
	KUNIT_EXPECT_EQ(test, be32_to_cpu(msg.peer_cookie), COOKIE + 1);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(g->lost) == 2));
	end(g);
	drain(test->priv);
	say_group(test, 1, VM_GROUP_LEAVE, COOKIE + 1, 0, VM_GROUP_ANSWER);
	say_group(test, 1, VM_GROUP_LEAVE, COOKIE + 7, 0, VM_GROUP_ASK);
	pop_leave(test, 2, VM_GROUP_ANSWER, &msg);
	KUNIT_EXPECT_EQ(test, be32_to_cpu(msg.peer_cookie), COOKIE + 7);
}

/* Our own is said until each has answered, to who has not alone; then it is forgotten. */
static void leaves_until_all_know(struct kunit *test)
{
	struct fake *f = test->priv;
	struct vmesh_leaving *l;
	struct vm_group_msg msg;
	struct vmesh_group *g;

	g = formed(test);
	l = &fake_mesh(f)->groups.leaving;
	say_data(test, 2, COOKIE + 2, 1, VIRTMESH_OP_SEND, 0, "word", 0, 4);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(vmesh_parked(&g->ranks[2])));
	vmesh_group_get(g);
	end(g);
	pop_leave(test, 2, VM_GROUP_ASK, &msg);
	say_group(test, 1, VM_GROUP_LEAVE, COOKIE + 1, 0, VM_GROUP_ANSWER);
	/* The cookies of another forming are no answer. */
	say_group(test, 2, VM_GROUP_LEAVE, COOKIE + 3, 0, VM_GROUP_ANSWER);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(g->unanswered) == 4));
	drain(f);
	pop_leave(test, 3, VM_GROUP_ASK, &msg);
	KUNIT_EXPECT_EQ(test, be64_to_cpu(msg.layout), 1ULL << 32);
	pop_leave(test, 3, VM_GROUP_ASK, &msg);
	say_group(test, 2, VM_GROUP_LEAVE, COOKIE + 2, 0, VM_GROUP_ANSWER);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(!READ_ONCE(l->count)));
	/* Its id was free all the time. */
	vmesh_group_put(g);
	end(create(test));
}

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
	u.ack.group = ours.group;
	u.ack.cookie = cpu_to_be32(COOKIE + 1);
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
		u.ack.peer_cookie = ours.cookie;
	}
	if (type == VM_F_GROUP) { /* a FENCE ends all by right, a LEAVE its own part */
		u.group.verb = prandom_u32_state(rnd) % 16 ? VM_GROUP_JOIN : 77;
		u.group.layout = prandom_u32_state(rnd) % 2 ? ours.layout : u.group.layout;
		u.group.cookie = cpu_to_be32(COOKIE + 1 - prandom_u32_state(rnd) % 2);
	}
	for (i = prandom_u32_state(rnd) % 3; i; i--)
		u.bytes[12 + prandom_u32_state(rnd) % (sizeof(u) - 12)] ^= prandom_u32_state(rnd);
	if (type == VM_F_GROUP && u.group.verb != VM_GROUP_JOIN)
		u.group.verb = 77;
	if (prandom_u32_state(rnd) % 4 == 0)
		len = prandom_u32_state(rnd) % sizeof(u);
	say(test, 1, type, prandom_u32_state(rnd) % 400, &u, len);
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
	struct one_op *o;
	unsigned int i;

	prandom_seed_state(&rnd, 4);
	g = formed(test);
	o = post(test, g, VIRTMESH_OP_RECV, 2, 64, 120000);
	for (i = 0; i < 5000; i++) {
		if (i == 2500)
			say_data(test, 2, COOKIE + 2, 2, VIRTMESH_OP_SEND, 0, text, 9, 25);
		mutated(test, &rnd);
		drain(f);
	}
	KUNIT_EXPECT_FALSE(test, completion_done(&o->done));
	/* They went as deep as a member's frames can. */
	KUNIT_EXPECT_GT(test, FAKE_COUNT(f, rx_malformed), 0ULL);
	KUNIT_EXPECT_GT(test, vmesh_parked(&g->ranks[1]), 0);
	KUNIT_EXPECT_GT(test, atomic64_read(&g->ranks[1].path->duplicates), 0LL);
	KUNIT_EXPECT_NE(test, g->ranks[1].ack_seen, 0);
	KUNIT_EXPECT_EQ(test, g->lost, 2);
	say_data(test, 2, COOKIE + 2, 1, VIRTMESH_OP_SEND, 0, text, 0, 9);
	op_ends(test, o, sizeof(text) - 1, 0);
	KUNIT_EXPECT_STREQ(test, o->into, text);
	end(g);
}

static struct kunit_case cases[] = { KUNIT_CASE(forms),
				     KUNIT_CASE(confirms),
				     KUNIT_CASE(agrees_whom_to_exclude),
				     KUNIT_CASE(is_excluded),
				     KUNIT_CASE(names_another_list),
				     KUNIT_CASE(receives),
				     KUNIT_CASE(parks),
				     KUNIT_CASE(windows_of_their_own),
				     KUNIT_CASE(parks_no_more),
				     KUNIT_CASE(acknowledges_when_there_is_room),
				     KUNIT_CASE(names_the_silent),
				     KUNIT_CASE(heeds_a_fence),
				     KUNIT_CASE(notices_a_leave),
				     KUNIT_CASE(takes_what_came_before_a_leave),
				     KUNIT_CASE(wakes_when_all_have_left),
				     KUNIT_CASE(answers_a_leave),
				     KUNIT_CASE(leaves_until_all_know),
				     KUNIT_CASE(a_hostile_member),
				     {} };

static struct kunit_suite suite = {
	.name = "virtmesh-group",
	.init = fake_init,
	.exit = fake_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);
