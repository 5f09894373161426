// SPDX-License-Identifier: GPL-2.0-only
/* A group of three, two of which the test plays; see fake_group.h. */
#include <linux/kthread.h>

#include "fake_group.h"

struct vm_group_msg fake_ours;

struct vmesh_group *fake_group(struct kunit *test)
{
	static const u16 nodes[] = { 1, 2, 3 };
	struct vmesh_group *g = vmesh_group_create(fake_mesh(test->priv), FAKE_GROUP, nodes, 3);

	KUNIT_ASSERT_FALSE(test, IS_ERR(g));
	return g;
}

static int form_thread(void *arg)
{
	struct fake_forming *a = arg;

	a->result = vmesh_group_form(a->g, &a->arg);
	complete(&a->done);
	return 0;
}

struct fake_forming *fake_form_again(struct kunit *test, struct vmesh_group *g, u32 flags)
{
	struct fake_forming *a = kunit_kzalloc(test, sizeof(*a), GFP_KERNEL);
	struct fake *f = test->priv;

	KUNIT_ASSERT_NOT_NULL(test, a);
	a->g = g;
	a->arg.timeout_ns = 30 * NSEC_PER_SEC;
	a->arg.flags = flags;
	init_completion(&a->done);
	KUNIT_ASSERT_FALSE(test, IS_ERR(kthread_run(form_thread, a, "virtmesh-form")));
	KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_GROUP));
	memcpy(&fake_ours, fake_payload(f), sizeof(fake_ours));
	KUNIT_EXPECT_EQ(test, fake_ours.verb, VM_GROUP_JOIN);
	KUNIT_EXPECT_TRUE(test, fake_ours.flags & cpu_to_be16(VM_GROUP_ASK));
	return a;
}

struct fake_forming *fake_form(struct kunit *test)
{
	fake_join(test);
	return fake_form_again(test, fake_group(test), 0);
}

void fake_drain(struct fake *f)
{
	while (fake_pop(f))
		;
}

/* A burst must not find the ring without a buffer. */
void fake_say_as(struct kunit *test, u16 r, u8 type, u32 seq, const void *payload, u16 len)
{
	struct fake_frame what = FAKE_FRAME_FROM(r + 1, type, payload, len);

	what.seq = seq;
	KUNIT_ASSERT_TRUE(test, FAKE_UNTIL(fake_say(test->priv, what)));
}

void fake_say_group(struct kunit *test, u16 r, u8 verb, u32 cookie, u64 ranks, u16 flags)
{
	struct vm_group_msg msg = fake_ours;

	msg.verb = verb;
	msg.rank = r;
	msg.cookie = cpu_to_be32(cookie);
	msg.peer_cookie = fake_ours.cookie;
	msg.ranks = cpu_to_be64(ranks);
	msg.flags = cpu_to_be16(flags);
	msg.number = cpu_to_be32(verb == VM_GROUP_FENCE);
	fake_say_as(test, r, VM_F_GROUP, 0, &msg, sizeof(msg));
}

void fake_form_ends(struct kunit *test, struct fake_forming *a, int result, u64 members)
{
	KUNIT_ASSERT_GT(test, wait_for_completion_timeout(&a->done, 20 * HZ), 0UL);
	KUNIT_ASSERT_EQ(test, a->result, result);
	KUNIT_EXPECT_EQ(test, a->arg.members, members);
}

struct vmesh_group *fake_formed(struct kunit *test)
{
	struct fake_forming *a = fake_form(test);

	fake_say_group(test, 1, VM_GROUP_JOIN, FAKE_COOKIE + 1, 0, 0);
	fake_say_group(test, 2, VM_GROUP_JOIN, FAKE_COOKIE + 2, 0, 0);
	fake_form_ends(test, a, 0, 7);
	fake_drain(test->priv);
	return a->g;
}

void fake_group_end(struct vmesh_group *g)
{
	vmesh_group_leave(g);
	vmesh_group_put(g);
}

static void op_done(struct vmesh_op *op)
{
	complete(&container_of(op, struct fake_op, op)->done);
}

struct fake_op *fake_post_from(struct kunit *test, struct vmesh_group *g, u8 kind, u16 root,
			       void *memory, u64 len, unsigned int timeout_ms)
{
	struct fake_op *o = kunit_kzalloc(test, sizeof(*o), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, o);
	init_completion(&o->done);
	o->op.group = g;
	o->op.kind = kind;
	o->op.root = root;
	o->op.len = len;
	o->op.recv = len ? memory ?: o->into : NULL;
	o->op.send = o->op.recv;
	o->op.timeout_ns = timeout_ms * (u64)NSEC_PER_MSEC;
	o->op.done = op_done;
	KUNIT_ASSERT_EQ(test, vmesh_group_post(g, &o->op), 0);
	return o;
}

struct fake_op *fake_post(struct kunit *test, struct vmesh_group *g, u8 kind, u16 root, u64 len,
			  unsigned int timeout_ms)
{
	return fake_post_from(test, g, kind, root, NULL, len, timeout_ms);
}

void fake_op_ends(struct kunit *test, struct fake_op *o, s64 result, u64 missing)
{
	KUNIT_ASSERT_GT(test, wait_for_completion_timeout(&o->done, 20 * HZ), 0UL);
	KUNIT_EXPECT_EQ(test, o->op.result, result);
	KUNIT_EXPECT_EQ(test, o->op.missing, missing);
}

void fake_say_data(struct kunit *test, u16 r, u32 cookie, u32 seq, u8 kind, u16 root,
		   const char *all, u64 offset, unsigned int len)
{
	struct {
		struct vm_data data;
		u8 bytes[64];
	} __packed frame = {
		.data = {
			.group = fake_ours.group,
			.cookie = cpu_to_be32(cookie),
			.kind = kind,
			.root = cpu_to_be16(root),
			.number = cpu_to_be32(1),
			.offset = cpu_to_be64(offset),
			.total = cpu_to_be64(strlen(all)),
		},
	};

	memcpy(frame.bytes, all + offset, len);
	fake_say_as(test, r, VM_F_DATA, seq, &frame, sizeof(frame.data) + len);
}
