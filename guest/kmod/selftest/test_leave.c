// SPDX-License-Identifier: GPL-2.0-only
/* Leaving a group: others, and we. What the rules are for is in selftests/model/leave.pml. */
#include <linux/kthread.h>

#include "fake_group.h"
#include "handles.h"
#include "submit.h"
#include "uring.h"

/* A member that leaves ends what needs it, at once, and nothing else. */
static void notices_a_leave(struct kunit *test)
{
	struct fake_op *needs, *other;
	struct vmesh_group *g;

	g = fake_formed(test);
	other = fake_post(test, g, VIRTMESH_OP_RECV, 2, 64, 60000);
	fake_say_group(test, 1, VM_GROUP_LEAVE, FAKE_COOKIE + 1, 0, 0);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(g->lost) == 2));
	fake_say_data(test, 2, FAKE_COOKIE + 2, 1, VIRTMESH_OP_SEND, 0, "still here", 0, 10);
	fake_op_ends(test, other, 10, 0);
	needs = fake_post(test, g, VIRTMESH_OP_RECV, 1, 64, 60000);
	fake_op_ends(test, needs, -ECONNRESET, 2);
	fake_group_end(g);
}

/* Who merely forms again, and is lost to us for that, is not named beside who left. */
static void names_who_left(struct kunit *test)
{
	struct vmesh_group *g;
	struct fake_op *o;

	g = fake_formed(test);
	o = fake_post(test, g, VIRTMESH_OP_RECV, 2, 64, 60000);
	fake_say_group(test, 1, VM_GROUP_JOIN, FAKE_COOKIE + 3, 0, 0);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(g->lost) == 2));
	fake_say_group(test, 2, VM_GROUP_LEAVE, FAKE_COOKIE + 2, 0, 0);
	fake_op_ends(test, o, -ECONNRESET, 4);
	fake_group_end(g);
}

/* Also when all have left: what they sent before is here, and nothing else is needed. */
static void takes_what_came_before_a_leave(struct kunit *test)
{
	struct vmesh_group *g;
	struct fake_op *o;

	g = fake_formed(test);
	fake_say_data(test, 1, FAKE_COOKIE + 1, 1, VIRTMESH_OP_BCAST, 1, "early", 0, 5);
	fake_say_group(test, 1, VM_GROUP_LEAVE, FAKE_COOKIE + 1, 0, 0);
	fake_say_group(test, 2, VM_GROUP_LEAVE, FAKE_COOKIE + 2, 0, 0);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(g->lost) == 6));
	o = fake_post(test, g, VIRTMESH_OP_BCAST, 1, 5, 60000);
	fake_op_ends(test, o, 0, 0);
	KUNIT_EXPECT_STREQ(test, o->into, "early");
	o = fake_post(test, g, VIRTMESH_OP_BCAST, 1, 5, 60000);
	fake_op_ends(test, o, -ECONNRESET, 6);
	fake_group_end(g);
}

/* A member that was confirmed and leaves is waited for anew; its words of before are late. */
static void forms_without_who_left(struct kunit *test)
{
	struct fake_forming *a = fake_form(test);
	struct vmesh_group *g = a->g;

	fake_say_group(test, 1, VM_GROUP_JOIN, FAKE_COOKIE + 1, 0, 0);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(g->ranks[1].confirmed)));
	fake_say_group(test, 1, VM_GROUP_LEAVE, FAKE_COOKIE + 1, 0, 0);
	fake_say_group(test, 1, VM_GROUP_JOIN, FAKE_COOKIE + 1, 0, 0);
	fake_say_group(test, 2, VM_GROUP_JOIN, FAKE_COOKIE + 2, 0, 0);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(g->ranks[2].confirmed)));
	KUNIT_EXPECT_FALSE(test, READ_ONCE(g->ranks[1].confirmed));
	KUNIT_EXPECT_EQ(test, g->ranks[1].reason, VIRTMESH_REASON_LEFT);
	KUNIT_EXPECT_EQ(test, g->state, VIRTMESH_GROUP_FORMING);
	fake_say_group(test, 1, VM_GROUP_JOIN, FAKE_COOKIE + 3, 0, 0);
	fake_form_ends(test, a, 0, 7);
	KUNIT_EXPECT_EQ(test, g->ranks[1].reason, VIRTMESH_REASON_NONE);
	fake_group_end(g);
}

/* Nothing is wrong with the device when the program itself leaves what it forms. */
static void leaves_while_it_forms(struct kunit *test)
{
	struct fake_forming *a = fake_form(test);

	vmesh_group_leave(a->g);
	fake_form_ends(test, a, -ECANCELED, 7);
	vmesh_group_put(a->g);
}

/* Who leaves when it has failed already is no survivor either. */
static void survivors_of_a_late_leave(struct kunit *test)
{
	struct fake_forming *a;
	struct vmesh_group *g;
	struct fake_op *o;

	g = fake_formed(test);
	o = fake_post(test, g, VIRTMESH_OP_BARRIER, 0, 0, 60000);
	fake_say_group(test, 1, VM_GROUP_FENCE, FAKE_COOKIE + 1, 1, 0);
	fake_say_group(test, 2, VM_GROUP_FENCE, FAKE_COOKIE + 2, 1, 0);
	fake_op_ends(test, o, -ESTALE, 6);
	fake_say_group(test, 2, VM_GROUP_LEAVE, FAKE_COOKIE + 2, 0, 0);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(g->ranks[2].left)));
	g->missing = 0; /* nobody was to blame, say */
	fake_drain(test->priv);
	a = fake_form_again(test, g, VIRTMESH_FORM_SURVIVORS);
	KUNIT_EXPECT_EQ(test, be64_to_cpu(fake_ours.ranks), 4);
	fake_say_group(test, 1, VM_GROUP_JOIN, FAKE_COOKIE + 3, 4, 0);
	fake_form_ends(test, a, 0, 3);
	fake_group_end(g);
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
	struct vmesh_control_id id;
	unsigned char word[8];

	g = fake_formed(test);
	w.g = g;
	init_completion(&w.done);
	KUNIT_ASSERT_FALSE(test, IS_ERR(kthread_run(waits_for_a_word, &w, "virtmesh-word")));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(!list_empty(&g->wait.head)));
	fake_say_group(test, 1, VM_GROUP_LEAVE, FAKE_COOKIE + 1, 0, 0);
	fake_say_group(test, 2, VM_GROUP_LEAVE, FAKE_COOKIE + 2, 0, 0);
	wait_for_completion(&w.done);
	KUNIT_EXPECT_GT(test, w.left, 1L); /* jiffies before it would have given up */
	KUNIT_EXPECT_EQ(test, vmesh_control_peek(g, word, sizeof(word), &id), -ESTALE);
	fake_group_end(g);
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

	g = fake_formed(test);
	fake_say_group(test, 1, VM_GROUP_LEAVE, FAKE_COOKIE + 1, 0, VM_GROUP_ASK);
	pop_leave(test, 2, VM_GROUP_ANSWER, &msg);
	KUNIT_EXPECT_EQ(test, be32_to_cpu(msg.group), FAKE_GROUP);
	KUNIT_EXPECT_EQ(test, msg.cookie, fake_ours.cookie);
	KUNIT_EXPECT_EQ(test, be32_to_cpu(msg.peer_cookie), FAKE_COOKIE + 1);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(g->lost) == 2));
	fake_group_end(g);
	fake_drain(test->priv);
	fake_say_group(test, 1, VM_GROUP_LEAVE, FAKE_COOKIE + 1, 0, VM_GROUP_ANSWER);
	fake_say_group(test, 1, VM_GROUP_LEAVE, FAKE_COOKIE + 7, 0, VM_GROUP_ASK);
	pop_leave(test, 2, VM_GROUP_ANSWER, &msg);
	KUNIT_EXPECT_EQ(test, be32_to_cpu(msg.peer_cookie), FAKE_COOKIE + 7);
}

/* Our own is said until each has answered, to who has not alone; then it is forgotten. */
static void leaves_until_all_know(struct kunit *test)
{
	struct fake *f = test->priv;
	struct vmesh_leaving *l;
	struct vm_group_msg msg;
	struct vmesh_group *g;

	g = fake_formed(test);
	l = &fake_mesh(f)->groups.leaving;
	fake_say_data(test, 2, FAKE_COOKIE + 2, 1, VIRTMESH_OP_SEND, 0, "word", 0, 4);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(vmesh_parked(&g->ranks[2])));
	vmesh_group_get(g);
	fake_group_end(g);
	pop_leave(test, 2, VM_GROUP_ASK, &msg);
	fake_say_group(test, 1, VM_GROUP_LEAVE, FAKE_COOKIE + 1, 0, VM_GROUP_ANSWER);
	/* The cookies of another forming are no answer. */
	fake_say_group(test, 2, VM_GROUP_LEAVE, FAKE_COOKIE + 3, 0, VM_GROUP_ANSWER);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(g->unanswered) == 4));
	fake_drain(f);
	pop_leave(test, 3, VM_GROUP_ASK, &msg);
	KUNIT_EXPECT_EQ(test, be64_to_cpu(msg.heard), 1ULL << 32);
	pop_leave(test, 3, VM_GROUP_ASK, &msg);
	fake_say_group(test, 2, VM_GROUP_LEAVE, FAKE_COOKIE + 2, 0, VM_GROUP_ANSWER);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(!READ_ONCE(l->count)));
	/* Its id was free all the time. */
	vmesh_group_put(g);
	fake_group_end(fake_group(test));
}

struct leaving {
	struct vmesh_group *g;
	struct vmesh_handles handles;
	struct completion done;
};

static int leaves(void *arg)
{
	struct leaving *l = arg;

	vmesh_group_leave(l->g);
	complete(&l->done);
	return 0;
}

/*
 * Rank 1 has not got all we sent: we linger for it, with nothing pending any more, and
 * rank 2 need not wait for that.
 */
static void tells_the_others_at_once(struct kunit *test)
{
	struct vm_ack ack = {};
	struct vm_group_msg msg;
	struct vmesh_group *g;
	struct leaving l;
	struct fake_op *o;

	g = fake_formed(test);
	o = fake_post(test, g, VIRTMESH_OP_SEND, 1, 4, 60000);
	l.g = g;
	init_completion(&l.done);
	KUNIT_ASSERT_FALSE(test, IS_ERR(kthread_run(leaves, &l, "virtmesh-leave")));
	fake_op_ends(test, o, -ECANCELED, 0);
	pop_leave(test, 3, 0, &msg);
	KUNIT_EXPECT_FALSE(test, READ_ONCE(g->dead));
	ack.group = fake_ours.group;
	ack.cookie = cpu_to_be32(FAKE_COOKIE + 1);
	ack.peer_cookie = fake_ours.cookie;
	ack.flow[VM_FLOW_ONE].cum = cpu_to_be32(1);
	fake_say_as(test, 1, VM_F_ACK, 1, &ack, sizeof(ack));
	wait_for_completion(&l.done);
	KUNIT_EXPECT_EQ(test, g->told, 4);
	pop_leave(test, 2, VM_GROUP_ASK, &msg);
	vmesh_group_put(g);
}

static int leaves_all(void *arg)
{
	struct leaving *l = arg;

	vmesh_handles_leave(&l->handles);
	complete(&l->done);
	return 0;
}

/* Of two groups of a file, one that nobody is waited for in does not wait for the other. */
static void leaves_the_quiet_first(struct kunit *test)
{
	static const u16 nodes[] = { 1, 2, 3 };
	struct leaving *l = kunit_kzalloc(test, sizeof(*l), GFP_KERNEL);
	struct vmesh_group *quiet;
	u32 handle;

	KUNIT_ASSERT_NOT_NULL(test, l);
	vmesh_handles_init(&l->handles);
	init_completion(&l->done);
	l->g = fake_formed(test);
	quiet = vmesh_group_create(fake_mesh(test->priv), FAKE_GROUP + 1, nodes, 3);
	KUNIT_ASSERT_FALSE(test, IS_ERR(quiet));
	KUNIT_ASSERT_EQ(test, xa_alloc(&l->handles.groups, &handle, l->g, xa_limit_32b, GFP_KERNEL),
			0);
	KUNIT_ASSERT_EQ(test,
			xa_alloc(&l->handles.groups, &handle, quiet, xa_limit_32b, GFP_KERNEL), 0);
	vmesh_group_get(l->g);
	vmesh_group_get(quiet);
	fake_post(test, l->g, VIRTMESH_OP_SEND, 1, 4, 60000);
	KUNIT_ASSERT_FALSE(test, IS_ERR(kthread_run(leaves_all, l, "virtmesh-leave")));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(quiet->dead)));
	KUNIT_EXPECT_FALSE(test, READ_ONCE(l->g->dead));
	KUNIT_EXPECT_GT(test, wait_for_completion_timeout(&l->done, 20 * HZ), 0UL);
	KUNIT_EXPECT_TRUE(test, l->g->dead);
	vmesh_group_put(l->g);
	vmesh_group_put(quiet);
	vmesh_handles_free(&l->handles);
}

struct uring_ending {
	struct vmesh_file *file;
	struct completion done;
};

static int ends_uring(void *arg)
{
	struct uring_ending *u = arg;

	vmesh_uring_end(u->file, u);
	complete(&u->done);
	return 0;
}

/* An operation that looks like one of io_uring's, until it ends. */
static struct vmesh_entry *uring_send(struct kunit *test, struct uring_ending *u,
				      struct vmesh_group *g)
{
	struct vmesh_entry *e = vmesh_entry_get(u->file, VMESH_TAKER_SLEEPER);
	u32 *word = kunit_kzalloc(test, sizeof(*word), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, e);
	KUNIT_ASSERT_NOT_NULL(test, word);
	KUNIT_ASSERT_EQ(test,
			xa_alloc(&u->file->handles.groups, &e->group, g, xa_limit_31b, GFP_KERNEL),
			0);
	vmesh_group_get(g);
	init_completion(&e->done);
	e->cmd = (struct io_uring_cmd *)word;
	e->owner = u;
	e->op.group = g;
	e->op.kind = VIRTMESH_OP_SEND;
	e->op.root = 1;
	e->op.send = word;
	e->op.len = sizeof(*word);
	e->op.timeout_ns = 60 * NSEC_PER_SEC;
	KUNIT_ASSERT_EQ(test, vmesh_entry_start(e), 0);
	return e;
}

/* A task of io_uring ends with operations on two groups: rank 1 is silent in both. */
static void ends_all_of_a_task_at_once(struct kunit *test)
{
	struct uring_ending *u = kunit_kzalloc(test, sizeof(*u), GFP_KERNEL);
	static const u16 nodes[] = { 1, 2, 3 };
	struct vmesh_group *g[2];
	struct vmesh_entry *e[2];
	struct fake_forming *a;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, u);
	init_completion(&u->done);
	g[0] = fake_formed(test);
	g[1] = vmesh_group_create(fake_mesh(test->priv), FAKE_GROUP + 1, nodes, 3);
	KUNIT_ASSERT_FALSE(test, IS_ERR(g[1]));
	a = fake_form_again(test, g[1], 0);
	fake_say_group(test, 1, VM_GROUP_JOIN, FAKE_COOKIE + 1, 0, 0);
	fake_say_group(test, 2, VM_GROUP_JOIN, FAKE_COOKIE + 2, 0, 0);
	fake_form_ends(test, a, 0, 7);
	u->file = vmesh_file_open(fake_mesh(test->priv));
	KUNIT_ASSERT_NOT_NULL(test, u->file);
	KUNIT_ASSERT_EQ(test, vmesh_ops_prepare(&u->file->ops), 0);
	for (i = 0; i < 2; i++)
		e[i] = uring_send(test, u, g[i]);

	KUNIT_ASSERT_FALSE(test, IS_ERR(kthread_run(ends_uring, u, "virtmesh-uring")));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(READ_ONCE(g[1]->told) == 4));
	KUNIT_EXPECT_EQ(test, READ_ONCE(g[0]->told), 4);
	KUNIT_EXPECT_FALSE_MSG(test, READ_ONCE(g[0]->dead), "nobody has waited for it yet");
	KUNIT_EXPECT_GT(test, wait_for_completion_timeout(&u->done, 20 * HZ), 0UL);
	KUNIT_EXPECT_TRUE(test, xa_empty(&u->file->handles.groups));
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_TRUE(test, g[i]->dead);
		KUNIT_EXPECT_EQ(test, e[i]->op.result, -ECANCELED);
		vmesh_entry_put(e[i]);
	}
	vmesh_file_close(u->file);
}

static struct kunit_case cases[] = { KUNIT_CASE(notices_a_leave),
				     KUNIT_CASE(names_who_left),
				     KUNIT_CASE(takes_what_came_before_a_leave),
				     KUNIT_CASE(wakes_when_all_have_left),
				     KUNIT_CASE(forms_without_who_left),
				     KUNIT_CASE(leaves_while_it_forms),
				     KUNIT_CASE(survivors_of_a_late_leave),
				     KUNIT_CASE(answers_a_leave),
				     KUNIT_CASE(leaves_until_all_know),
				     KUNIT_CASE(tells_the_others_at_once),
				     KUNIT_CASE(leaves_the_quiet_first),
				     KUNIT_CASE(ends_all_of_a_task_at_once),
				     {} };

static struct kunit_suite suite = {
	.name = "virtmesh-leave",
	.init = fake_init,
	.exit = fake_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);
