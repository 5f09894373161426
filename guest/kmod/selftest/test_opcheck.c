// SPDX-License-Identifier: GPL-2.0-only
/* opcheck.c and parse_pending.c: what programs and peers may say. */
#include <kunit/test.h>
#include <linux/string.h>
#include <uapi/linux/virtmesh.h>
#include <virtmesh/frame.h>

#include "opcheck.h"
#include "parse_pending.h"

#define SELF	2
#define RANKS	5
#define LEN	1000
#define MS	1000000ULL
#define LONGEST VIRTMESH_TIMEOUT_MAX_NS

/* What each kind touches, in parts, where this rank is the root and where not. */
static const struct shape {
	const char *name;
	u16 opcode, rank;
	u32 tag;
	unsigned int send, recv;
} shapes[] = {
	{ "send", VIRTMESH_OP_SEND, 0, 9, 1, 0 },
	{ "receive", VIRTMESH_OP_RECV, 4, 9, 0, 1 },
	{ "broadcast from here", VIRTMESH_OP_BCAST, SELF, 0, 1, 0 },
	{ "broadcast to here", VIRTMESH_OP_BCAST, 1, 0, 0, 1 },
	{ "all-gather", VIRTMESH_OP_ALLGATHER, 0, 0, 1, RANKS },
	{ "gather here", VIRTMESH_OP_GATHER, SELF, 0, 1, RANKS },
	{ "gather elsewhere", VIRTMESH_OP_GATHER, 0, 0, 1, 0 },
	{ "scatter from here", VIRTMESH_OP_SCATTER, SELF, 0, RANKS, 1 },
	{ "scatter to here", VIRTMESH_OP_SCATTER, 3, 0, 0, 1 },
	{ "all-to-all", VIRTMESH_OP_ALLTOALL, 0, 0, RANKS, RANKS },
};

static struct virtmesh_op good(const struct shape *s)
{
	return (struct virtmesh_op){
		.opcode = s->opcode,
		.rank = s->rank,
		.tag = s->tag,
		.len = LEN,
		.timeout_ns = MS,
	};
}

static void knows_each_shape(struct kunit *test)
{
	struct vmesh_spans spans;
	struct virtmesh_op op;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		op = good(&shapes[i]);
		KUNIT_EXPECT_EQ_MSG(test, vmesh_op_valid(&op, SELF, RANKS, &spans), 0, "%s",
				    shapes[i].name);
		KUNIT_EXPECT_EQ_MSG(test, spans.send, shapes[i].send * LEN, "%s", shapes[i].name);
		KUNIT_EXPECT_EQ_MSG(test, spans.recv, shapes[i].recv * LEN, "%s", shapes[i].name);
	}
	op = (struct virtmesh_op){ .opcode = VIRTMESH_OP_BARRIER, .timeout_ns = LONGEST };
	KUNIT_EXPECT_EQ(test, vmesh_op_valid(&op, SELF, RANKS, &spans), 0);
	KUNIT_EXPECT_EQ(test, spans.send + spans.recv, 0);
}

static void the_largest_fits(struct kunit *test)
{
	struct virtmesh_op op = { .opcode = VIRTMESH_OP_ALLTOALL,
				  .len = VIRTMESH_BUF_MAX_BYTES,
				  .timeout_ns = 1 };
	struct vmesh_spans spans;

	KUNIT_EXPECT_EQ(test, vmesh_op_valid(&op, 0, VIRTMESH_RANKS_MAX, &spans), 0);
	KUNIT_EXPECT_EQ(test, spans.send, 1ULL << 36);
	KUNIT_EXPECT_EQ(test, spans.recv, 1ULL << 36);
}

static void refuses_what_makes_no_sense(struct kunit *test)
{
	static const struct virtmesh_op bad[] = {
		{ .opcode = 0, .timeout_ns = MS },
		{ .opcode = VIRTMESH_OPS, .timeout_ns = MS },
		{ .opcode = 0xffff, .timeout_ns = MS },
		{ .opcode = VIRTMESH_OP_ALLGATHER, .timeout_ns = 0 },
		{ .opcode = VIRTMESH_OP_ALLGATHER, .timeout_ns = LONGEST + 1 },
		{ .opcode = VIRTMESH_OP_ALLGATHER, .timeout_ns = U64_MAX },
		{ .opcode = VIRTMESH_OP_ALLGATHER, .timeout_ns = MS, .flags = 1 },
		{ .opcode = VIRTMESH_OP_ALLGATHER, .timeout_ns = MS, .reserved = 1 },
		{ .opcode = VIRTMESH_OP_ALLGATHER, .timeout_ns = MS, .rank = 1 },
		{ .opcode = VIRTMESH_OP_ALLGATHER, .timeout_ns = MS, .tag = 1 },
		{ .opcode = VIRTMESH_OP_ALLGATHER,
		  .timeout_ns = MS,
		  .len = VIRTMESH_BUF_MAX_BYTES + 1 },
		{ .opcode = VIRTMESH_OP_ALLGATHER, .timeout_ns = MS, .len = U64_MAX },
		{ .opcode = VIRTMESH_OP_BARRIER, .timeout_ns = MS, .len = 1 },
		{ .opcode = VIRTMESH_OP_BARRIER, .timeout_ns = MS, .rank = SELF },
		{ .opcode = VIRTMESH_OP_SEND, .timeout_ns = MS, .rank = SELF },
		{ .opcode = VIRTMESH_OP_SEND, .timeout_ns = MS, .rank = RANKS },
		{ .opcode = VIRTMESH_OP_RECV, .timeout_ns = MS, .rank = SELF },
		{ .opcode = VIRTMESH_OP_RECV, .timeout_ns = MS, .rank = 0xffff },
		{ .opcode = VIRTMESH_OP_BCAST, .timeout_ns = MS, .rank = RANKS },
		{ .opcode = VIRTMESH_OP_BCAST, .timeout_ns = MS, .tag = 1 },
	};
	struct vmesh_spans spans;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		KUNIT_EXPECT_EQ_MSG(test, vmesh_op_valid(&bad[i], SELF, RANKS, &spans), -EINVAL,
				    "number %u", i);
}

static void spans_end_at_the_end(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, vmesh_span_fits(0, 10, 10));
	KUNIT_EXPECT_TRUE(test, vmesh_span_fits(10, 0, 10));
	KUNIT_EXPECT_TRUE(test, vmesh_span_fits(9, 1, 10));
	KUNIT_EXPECT_FALSE(test, vmesh_span_fits(0, 11, 10));
	KUNIT_EXPECT_FALSE(test, vmesh_span_fits(11, 0, 10));
	KUNIT_EXPECT_FALSE(test, vmesh_span_fits(U64_MAX, 2, 10));
	KUNIT_EXPECT_FALSE(test, vmesh_span_fits(5, U64_MAX - 4, 10));
}

/* A reply of one record of three ranks. */
struct reply {
	struct vm_pending_reply head;
	struct vm_pending_record record;
	__be16 node[4];
} __packed;

static struct reply one(void)
{
	return (struct reply){
		.head = { .count = cpu_to_be16(1), .total = cpu_to_be16(7) },
		.record = { .age_ns = cpu_to_be64(5),
			    .missing = cpu_to_be64(4),
			    .number = cpu_to_be32(81),
			    .kind = cpu_to_be16(VIRTMESH_OP_ALLGATHER),
			    .self = cpu_to_be16(1),
			    .ranks = cpu_to_be16(3) },
		.node = { cpu_to_be16(10), cpu_to_be16(20), cpu_to_be16(0x1234) },
	};
}

static void reads_a_reply(struct kunit *test)
{
	struct vmesh_pending_reader reader;
	struct vmesh_pending_record r;
	struct reply reply = one();

	KUNIT_ASSERT_EQ(test, vmesh_parse_pending((u8 *)&reply, sizeof(reply), &reader), 0);
	KUNIT_EXPECT_EQ(test, reader.total, 7);
	KUNIT_ASSERT_EQ(test, vmesh_parse_pending_next(&reader, &r), 0);
	KUNIT_EXPECT_EQ(test, r.number, 81);
	KUNIT_EXPECT_EQ(test, r.missing, 4);
	KUNIT_EXPECT_EQ(test, vmesh_parse_pending_node(&r, 2), 0x1234);
	KUNIT_EXPECT_EQ(test, vmesh_parse_pending_next(&reader, &r), -EBADMSG);
}

static int read_all(const void *data, unsigned int len)
{
	struct vmesh_pending_reader reader;
	struct vmesh_pending_record r;
	int err;

	err = vmesh_parse_pending(data, len, &reader);
	while (!err && reader.count)
		err = vmesh_parse_pending_next(&reader, &r);
	return err;
}

static void refuses_a_bad_reply(struct kunit *test)
{
	struct reply reply;
	unsigned int len;

	reply = one();
	for (len = 0; len < sizeof(reply); len++)
		KUNIT_EXPECT_EQ_MSG(test, read_all(&reply, len), -EBADMSG, "%u bytes", len);
	KUNIT_EXPECT_EQ(test, read_all(&reply, sizeof(reply)), 0);

	reply = one();
	reply.head.count = cpu_to_be16(2);
	KUNIT_EXPECT_EQ(test, read_all(&reply, sizeof(reply)), -EBADMSG);
	reply = one();
	reply.record.ranks = 0;
	KUNIT_EXPECT_EQ(test, read_all(&reply, sizeof(reply)), -EBADMSG);
	reply = one();
	reply.record.ranks = cpu_to_be16(VM_RANKS_MAX + 1);
	KUNIT_EXPECT_EQ(test, read_all(&reply, sizeof(reply)), -EBADMSG);
	reply = one();
	reply.record.self = cpu_to_be16(3);
	KUNIT_EXPECT_EQ(test, read_all(&reply, sizeof(reply)), -EBADMSG);
	reply = one();
	reply.record.rank = cpu_to_be16(3);
	KUNIT_EXPECT_EQ(test, read_all(&reply, sizeof(reply)), -EBADMSG);
	reply = one();
	reply.record.missing = cpu_to_be64(8);
	KUNIT_EXPECT_EQ(test, read_all(&reply, sizeof(reply)), -EBADMSG);
}

static struct kunit_case cases[] = { KUNIT_CASE(knows_each_shape),
				     KUNIT_CASE(the_largest_fits),
				     KUNIT_CASE(refuses_what_makes_no_sense),
				     KUNIT_CASE(spans_end_at_the_end),
				     KUNIT_CASE(reads_a_reply),
				     KUNIT_CASE(refuses_a_bad_reply),
				     {} };

static struct kunit_suite suite = {
	.name = "virtmesh-opcheck",
	.test_cases = cases,
};

kunit_test_suite(suite);
