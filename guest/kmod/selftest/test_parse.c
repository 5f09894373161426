// SPDX-License-Identifier: GPL-2.0-only
/* parse.c: every length a frame can be cut to, and every field that has a limit. */
#include <linux/unaligned.h>
#include <kunit/test.h>
#include <virtmesh/frame.h>

#include "parse.h"

/* Behind it is nobody's memory: KASAN sees a look past the end. */
static u8 *exactly(struct kunit *test, const void *from, size_t len)
{
	u8 *to = kunit_kmalloc(test, len ?: 1, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, to);
	memcpy(to, from, len);
	return to;
}

static void ethertype(struct kunit *test)
{
	u8 eth[VM_ETH_HLEN] = {};

	put_unaligned_be16(VM_ETHERTYPE, eth + 12);
	KUNIT_EXPECT_TRUE(test, vmesh_is_mesh(eth, sizeof(eth)));
	KUNIT_EXPECT_FALSE(test, vmesh_is_mesh(exactly(test, eth, 13), 13));
	eth[13]++;
	KUNIT_EXPECT_FALSE(test, vmesh_is_mesh(eth, sizeof(eth)));
}

static void header(struct kunit *test)
{
	struct {
		u8 eth[VM_ETH_HLEN];
		struct vm_hdr hdr;
		u8 payload[10];
	} __packed frame = {
		.eth = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x88, 0xb5 },
		.hdr = {
			.version = VM_WIRE_VERSION,
			.type = 99,
			.len = cpu_to_be16(7),
			.incarnation = cpu_to_be32(0x01020304),
			.epoch = cpu_to_be32(0x05060708),
			.seq = cpu_to_be32(0x090a0b0c),
		},
		.payload = "payload",
	};
	struct vmesh_msg msg;
	unsigned int len;

	for (len = 0; len < VM_PAYLOAD_OFFSET + 7; len++)
		KUNIT_EXPECT_EQ_MSG(test, vmesh_parse(exactly(test, &frame, len), len, &msg),
				    -EBADMSG, "%u bytes", len);
	for (; len <= sizeof(frame); len++) {
		KUNIT_EXPECT_EQ(test, vmesh_parse(&frame, len, &msg), 0);
		KUNIT_EXPECT_EQ_MSG(test, msg.len, 7, "padding is no payload");
	}
	KUNIT_EXPECT_EQ(test, msg.dst[0], 1);
	KUNIT_EXPECT_EQ(test, msg.src[5], 12);
	KUNIT_EXPECT_EQ(test, msg.type, 99);
	KUNIT_EXPECT_EQ(test, msg.incarnation, 0x01020304);
	KUNIT_EXPECT_EQ(test, msg.epoch, 0x05060708);
	KUNIT_EXPECT_EQ(test, msg.seq, 0x090a0b0c);
	KUNIT_EXPECT_PTR_EQ(test, msg.payload, (const u8 *)frame.payload);

	frame.hdr.version++;
	KUNIT_EXPECT_EQ(test, vmesh_parse(&frame, sizeof(frame), &msg), -EPROTONOSUPPORT);
}

static struct vm_welcome good_welcome(void)
{
	return (struct vm_welcome){
		.mtu = cpu_to_be16(VM_MTU_MIN),
		.ensemble = cpu_to_be16(7),
		.node = cpu_to_be16(3),
		.incarnation = cpu_to_be32(1),
		.epoch = cpu_to_be32(2),
		.nonce = cpu_to_be64(0x0102030405060708),
		.broker_id = cpu_to_be64(9),
		.dead_ms = cpu_to_be32(1000),
	};
}

static void welcome(struct kunit *test)
{
	struct vm_welcome w = good_welcome();
	struct vmesh_welcome out;
	unsigned int len;

	for (len = 0; len < sizeof(w); len++)
		KUNIT_EXPECT_EQ(test, vmesh_parse_welcome(exactly(test, &w, len), len, &out),
				-EBADMSG);
	KUNIT_EXPECT_EQ(test, vmesh_parse_welcome((u8 *)&w, sizeof(w), &out), 0);
	KUNIT_EXPECT_EQ(test, out.ensemble, 7);
	KUNIT_EXPECT_EQ(test, out.node, 3);
	KUNIT_EXPECT_EQ(test, out.nonce, 0x0102030405060708);
	KUNIT_EXPECT_EQ(test, out.dead_ms, 1000);

	w = good_welcome();
	w.incarnation = 0;
	KUNIT_EXPECT_EQ(test, vmesh_parse_welcome((u8 *)&w, sizeof(w), &out), -EBADMSG);
	w = good_welcome();
	w.epoch = 0;
	KUNIT_EXPECT_EQ(test, vmesh_parse_welcome((u8 *)&w, sizeof(w), &out), -EBADMSG);
	w = good_welcome();
	w.nonce = 0;
	KUNIT_EXPECT_EQ(test, vmesh_parse_welcome((u8 *)&w, sizeof(w), &out), -EBADMSG);
	w = good_welcome();
	w.mtu = cpu_to_be16(VM_MTU_MIN - 1);
	KUNIT_EXPECT_EQ(test, vmesh_parse_welcome((u8 *)&w, sizeof(w), &out), -EBADMSG);
}

static void refuse_probe_datagram(struct kunit *test)
{
	struct vm_refuse r = { .reason = cpu_to_be16(VM_REFUSE_ABI), .nonce = cpu_to_be64(5) };
	struct vm_probe p = { .broker_id = cpu_to_be64(6), .token = cpu_to_be32(7) };
	struct vm_datagram d = { .channel = cpu_to_be16(8) };
	struct vmesh_refuse refuse;
	struct vmesh_probe probe;
	unsigned int len;
	u16 channel;

	for (len = 0; len < sizeof(r); len++)
		KUNIT_EXPECT_EQ(test, vmesh_parse_refuse(exactly(test, &r, len), len, &refuse),
				-EBADMSG);
	KUNIT_EXPECT_EQ(test, vmesh_parse_refuse((u8 *)&r, sizeof(r), &refuse), 0);
	KUNIT_EXPECT_EQ(test, refuse.reason, VM_REFUSE_ABI);
	KUNIT_EXPECT_EQ(test, refuse.nonce, 5);
	r.reason = 0;
	KUNIT_EXPECT_EQ(test, vmesh_parse_refuse((u8 *)&r, sizeof(r), &refuse), -EBADMSG);

	for (len = 0; len < sizeof(p); len++)
		KUNIT_EXPECT_EQ(test, vmesh_parse_probe(exactly(test, &p, len), len, &probe),
				-EBADMSG);
	KUNIT_EXPECT_EQ(test, vmesh_parse_probe((u8 *)&p, sizeof(p), &probe), 0);
	KUNIT_EXPECT_EQ(test, probe.broker_id, 6);
	KUNIT_EXPECT_EQ(test, probe.token, 7);

	for (len = 0; len < sizeof(d); len++)
		KUNIT_EXPECT_EQ(test, vmesh_parse_datagram(exactly(test, &d, len), len, &channel),
				-EBADMSG);
	KUNIT_EXPECT_EQ(test, vmesh_parse_datagram((u8 *)&d, sizeof(d), &channel), 0);
	KUNIT_EXPECT_EQ(test, channel, 8);
	d.channel = 0;
	KUNIT_EXPECT_EQ(test, vmesh_parse_datagram((u8 *)&d, sizeof(d), &channel), -EBADMSG);
}

struct members_case {
	const char *name;
	u16 first, count, total;
	u32 epoch;
	int err;
};

static const struct members_case members_cases[] = {
	{ "whole", 0, 2, 2, 1, 0 },
	{ "a part in the middle", 5, 2, 100, 1, 0 },
	{ "the last two of all there can be", VM_NODE_MAX - 2, 2, VM_NODE_MAX, 1, 0 },
	{ "nothing", 0, 0, 0, 1, 0 },
	{ "no epoch", 0, 2, 2, 0, -EBADMSG },
	{ "more than the frame holds", 0, 3, 3, 1, -EBADMSG },
	{ "many more than the frame holds", 0, 65535, 65535, 1, -EBADMSG },
	{ "past the total", 1, 2, 2, 1, -EBADMSG },
	{ "past the total, by a sum above 16 bits", 65535, 2, 2, 1, -EBADMSG },
	{ "more than there can be nodes", 0, 2, VM_NODE_MAX + 1, 1, -EBADMSG },
};

static void members_case_name(const struct members_case *c, char *name)
{
	strscpy(name, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(members, members_cases, members_case_name);

static void members(struct kunit *test)
{
	const struct members_case *c = test->param_value;
	struct {
		struct vm_members m;
		struct vm_member_entry entry[2];
	} frame = {
		.m = {
			.epoch = cpu_to_be32(c->epoch),
			.first = cpu_to_be16(c->first),
			.count = cpu_to_be16(c->count),
			.total = cpu_to_be16(c->total),
		},
		.entry = {
			{ .node = cpu_to_be16(1), .state = 1, .incarnation = cpu_to_be32(4) },
			{ .node = cpu_to_be16(2), .state = VM_NODE_DOWN, .flags = VM_MEMBER_GONE },
		},
	};
	u8 *data = exactly(test, &frame, sizeof(frame));
	struct vmesh_members out;
	struct vmesh_member entry;

	KUNIT_EXPECT_EQ(test, vmesh_parse_members(data, sizeof(frame.m) - 1, &out), -EBADMSG);
	KUNIT_ASSERT_EQ(test, vmesh_parse_members(data, sizeof(frame), &out), c->err);
	if (c->err)
		return;
	KUNIT_EXPECT_EQ(test, vmesh_parse_member(&out, c->count, &entry), -EBADMSG);
	if (!c->count)
		return;
	KUNIT_EXPECT_EQ(test, vmesh_parse_member(&out, 0, &entry), 0);
	KUNIT_EXPECT_EQ(test, entry.node, 1);
	KUNIT_EXPECT_EQ(test, entry.incarnation, 4);
	KUNIT_EXPECT_FALSE(test, entry.gone);
	KUNIT_EXPECT_EQ(test, vmesh_parse_member(&out, 1, &entry), 0);
	KUNIT_EXPECT_TRUE(test, entry.gone);
}

static void member_of_nonsense(struct kunit *test)
{
	struct vm_member_entry e = { .node = cpu_to_be16(1), .state = VM_NODE_STATES };
	struct vmesh_members list = { .count = 1, .entries = (u8 *)&e };
	struct vmesh_member out;

	KUNIT_EXPECT_EQ(test, vmesh_parse_member(&list, 0, &out), -EBADMSG);
	e.state = VM_NODE_UP;
	e.node = cpu_to_be16(VM_NODE_BROKER);
	KUNIT_EXPECT_EQ(test, vmesh_parse_member(&list, 0, &out), -EBADMSG);
	e.node = cpu_to_be16(VM_NODE_MAX + 1);
	KUNIT_EXPECT_EQ(test, vmesh_parse_member(&list, 0, &out), -EBADMSG);
	e.node = cpu_to_be16(VM_NODE_MAX);
	KUNIT_EXPECT_EQ(test, vmesh_parse_member(&list, 0, &out), 0);
}

static struct kunit_case cases[] = { KUNIT_CASE(ethertype),
				     KUNIT_CASE(header),
				     KUNIT_CASE(welcome),
				     KUNIT_CASE(refuse_probe_datagram),
				     KUNIT_CASE_PARAM(members, members_gen_params),
				     KUNIT_CASE(member_of_nonsense),
				     {} };

static struct kunit_suite suite = {
	.name = "virtmesh-parse",
	.test_cases = cases,
};

kunit_test_suite(suite);
