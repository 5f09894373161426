// SPDX-License-Identifier: GPL-2.0-only
/* parse_data.c: every length the transport's frames can be cut to, every limit. */
#include <kunit/test.h>
#include <uapi/linux/virtmesh.h>

#include "parse_data.h"

/* Behind it is nobody's memory: KASAN sees a look past the end. */
static u8 *exactly(struct kunit *test, const void *from, size_t len)
{
	u8 *to = kunit_kmalloc(test, len ?: 1, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, to);
	memcpy(to, from, len);
	return to;
}

static void group(struct kunit *test)
{
	struct vm_group_msg good = {
		.group = cpu_to_be32(1),
		.cookie = cpu_to_be32(2),
		.peer_cookie = cpu_to_be32(3),
		.verb = VM_GROUP_FENCE,
		.rank = VM_RANKS_MAX - 1,
		.window = cpu_to_be16(5),
		.layout = cpu_to_be64(6),
		.heard = cpu_to_be64(10),
		.ranks = cpu_to_be64(7),
		.number = cpu_to_be32(8),
		.mtu = cpu_to_be16(9),
		.flags = cpu_to_be16(VM_GROUP_ASK),
	}, bad;
	struct vmesh_group_msg out;
	unsigned int len;

	for (len = 0; len < sizeof(good); len++)
		KUNIT_EXPECT_EQ_MSG(test, vmesh_parse_group(exactly(test, &good, len), len, &out),
				    -EBADMSG, "%u bytes", len);
	KUNIT_ASSERT_EQ(test, vmesh_parse_group(exactly(test, &good, len), len, &out), 0);
	KUNIT_EXPECT_EQ(test, out.group, 1);
	KUNIT_EXPECT_EQ(test, out.cookie, 2);
	KUNIT_EXPECT_EQ(test, out.peer_cookie, 3);
	KUNIT_EXPECT_EQ(test, out.verb, VM_GROUP_FENCE);
	KUNIT_EXPECT_EQ(test, out.rank, VM_RANKS_MAX - 1);
	KUNIT_EXPECT_EQ(test, out.window, 5);
	KUNIT_EXPECT_EQ(test, out.layout, 6);
	KUNIT_EXPECT_EQ(test, out.heard, 10);
	KUNIT_EXPECT_EQ(test, out.ranks, 7);
	KUNIT_EXPECT_EQ(test, out.number, 8);
	KUNIT_EXPECT_EQ(test, out.mtu, 9);
	KUNIT_EXPECT_EQ(test, out.flags, VM_GROUP_ASK);

	bad = good;
	bad.cookie = 0;
	KUNIT_EXPECT_EQ(test, vmesh_parse_group((u8 *)&bad, sizeof(bad), &out), -EBADMSG);
	bad = good;
	bad.rank = VM_RANKS_MAX;
	KUNIT_EXPECT_EQ(test, vmesh_parse_group((u8 *)&bad, sizeof(bad), &out), -EBADMSG);
}

struct frame {
	struct vm_data data;
	struct vm_heard heard[2];
	u8 bytes[10];
} __packed;

static const struct frame good_data = {
	.data = {
		.group = cpu_to_be32(1),
		.cookie = cpu_to_be32(2),
		.flow = VM_FLOW_ALL,
		.kind = VIRTMESH_OP_ALLGATHER,
		.flags = VM_DATA_ACK_NOW,
		.heard = 2,
		.root = cpu_to_be16(VM_RANKS_MAX - 1),
		.number = cpu_to_be32(3),
		.tag = cpu_to_be32(4),
		.offset = cpu_to_be64(90),
		.total = cpu_to_be64(100),
	},
	.heard = { { { cpu_to_be32(5), cpu_to_be32(6) } }, { { cpu_to_be32(7), cpu_to_be32(8) } } },
	.bytes = "ten bytes",
};

static void data(struct kunit *test)
{
	const unsigned int lead = offsetof(struct frame, bytes);
	struct vmesh_data out;
	u32 cum[VM_FLOWS];
	unsigned int len;
	u8 *at;

	for (len = 0; len < sizeof(good_data); len++) {
		/* Cut in the data it is a shorter piece; without any it would be none. */
		KUNIT_EXPECT_EQ_MSG(test,
				    vmesh_parse_data(exactly(test, &good_data, len), len, &out),
				    len > lead ? 0 : -EBADMSG, "%u bytes", len);
	}
	at = exactly(test, &good_data, len);
	((struct frame *)at)->data.kind = VM_KIND_CONTROL; /* which comes in one piece */
	KUNIT_EXPECT_EQ(test, vmesh_parse_data(at, len, &out), -EBADMSG);
	at = exactly(test, &good_data, len);
	KUNIT_ASSERT_EQ(test, vmesh_parse_data(at, len, &out), 0);
	KUNIT_EXPECT_EQ(test, out.group, 1);
	KUNIT_EXPECT_EQ(test, out.cookie, 2);
	KUNIT_EXPECT_EQ(test, out.flow, VM_FLOW_ALL);
	KUNIT_EXPECT_EQ(test, out.kind, VIRTMESH_OP_ALLGATHER);
	KUNIT_EXPECT_EQ(test, out.flags, VM_DATA_ACK_NOW);
	KUNIT_EXPECT_EQ(test, out.root, VM_RANKS_MAX - 1);
	KUNIT_EXPECT_EQ(test, out.number, 3);
	KUNIT_EXPECT_EQ(test, out.tag, 4);
	KUNIT_EXPECT_EQ(test, out.offset, 90);
	KUNIT_EXPECT_EQ(test, out.total, 100);
	KUNIT_EXPECT_EQ(test, out.len, 10);
	KUNIT_EXPECT_PTR_EQ(test, out.data, (const u8 *)at + lead);
	KUNIT_ASSERT_EQ(test, out.heard, 2);
	vmesh_parse_heard(&out, 1, cum);
	KUNIT_EXPECT_EQ(test, cum[VM_FLOW_ONE], 7);
	KUNIT_EXPECT_EQ(test, cum[VM_FLOW_ALL], 8);
}

static int spoilt(struct vm_data how, unsigned int len)
{
	struct frame bad = good_data;
	struct vmesh_data out;

	bad.data = how;
	return vmesh_parse_data((u8 *)&bad, len, &out);
}

#define WITH(field, value)                          \
	({                                          \
		struct vm_data d_ = good_data.data; \
		d_.field = (value);                 \
		d_;                                 \
	})

static void data_of_nonsense(struct kunit *test)
{
	const unsigned int all = sizeof(struct frame), lead = offsetof(struct frame, bytes);
	struct vm_data nothing = WITH(offset, 0);

	KUNIT_EXPECT_EQ(test, spoilt(WITH(cookie, 0), all), -EBADMSG);
	KUNIT_EXPECT_EQ(test, spoilt(WITH(number, 0), all), -EBADMSG);
	KUNIT_EXPECT_EQ(test, spoilt(WITH(flow, VM_FLOWS), all), -EBADMSG);
	KUNIT_EXPECT_EQ(test, spoilt(WITH(root, cpu_to_be16(VM_RANKS_MAX)), all), -EBADMSG);
	KUNIT_EXPECT_EQ(test, spoilt(WITH(heard, VM_HEARD_MAX + 1), all), -EBADMSG);
	KUNIT_EXPECT_EQ(test, spoilt(WITH(heard, 4), all), -EBADMSG);
	KUNIT_EXPECT_EQ(test, spoilt(WITH(offset, cpu_to_be64(91)), all), -EBADMSG);
	KUNIT_EXPECT_EQ(test, spoilt(WITH(offset, cpu_to_be64(101)), all), -EBADMSG);
	KUNIT_EXPECT_EQ(test, spoilt(WITH(offset, cpu_to_be64(U64_MAX - 4)), all), -EBADMSG);
	KUNIT_EXPECT_EQ_MSG(test, spoilt(WITH(total, cpu_to_be64(U64_MAX)), all), 0,
			    "it is the receiver's to judge");
	nothing.total = 0;
	KUNIT_EXPECT_EQ(test, spoilt(nothing, all), -EBADMSG);
	KUNIT_EXPECT_EQ_MSG(test, spoilt(nothing, lead), 0, "a part of no bytes");
}

static void ack(struct kunit *test)
{
	struct vm_ack good = {
		.group = cpu_to_be32(1),
		.cookie = cpu_to_be32(2),
		.peer_cookie = cpu_to_be32(3),
		.window = { cpu_to_be16(4), cpu_to_be16(6) },
		.flags = VM_ACK_PROBE,
		.flow = { { .cum = cpu_to_be32(5) },
			  { .cum = cpu_to_be32(6),
			    .beyond = { cpu_to_be64(7), 0, 0, cpu_to_be64(8) } } },
	};
	struct vmesh_ack out;
	unsigned int len;

	for (len = 0; len < sizeof(good); len++)
		KUNIT_EXPECT_EQ_MSG(test, vmesh_parse_ack(exactly(test, &good, len), len, &out),
				    -EBADMSG, "%u bytes", len);
	KUNIT_ASSERT_EQ(test, vmesh_parse_ack(exactly(test, &good, len), len, &out), 0);
	KUNIT_EXPECT_EQ(test, out.group, 1);
	KUNIT_EXPECT_EQ(test, out.cookie, 2);
	KUNIT_EXPECT_EQ(test, out.peer_cookie, 3);
	KUNIT_EXPECT_EQ(test, out.window[VM_CLASS_COLLECTIVE], 4);
	KUNIT_EXPECT_EQ(test, out.window[VM_CLASS_MESSAGE], 6);
	KUNIT_EXPECT_EQ(test, out.flags, VM_ACK_PROBE);
	KUNIT_EXPECT_EQ(test, out.flow[VM_FLOW_ONE].cum, 5);
	KUNIT_EXPECT_EQ(test, out.flow[VM_FLOW_ALL].cum, 6);
	KUNIT_EXPECT_EQ(test, out.flow[VM_FLOW_ALL].beyond[0], 7);
	KUNIT_EXPECT_EQ(test, out.flow[VM_FLOW_ALL].beyond[3], 8);
	good.cookie = 0;
	KUNIT_EXPECT_EQ(test, vmesh_parse_ack((u8 *)&good, sizeof(good), &out), -EBADMSG);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(group), KUNIT_CASE(data), KUNIT_CASE(data_of_nonsense), KUNIT_CASE(ack), {}
};

static struct kunit_suite suite = {
	.name = "virtmesh-parse-data",
	.test_cases = cases,
};

kunit_test_suite(suite);
