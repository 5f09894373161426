// SPDX-License-Identifier: GPL-2.0-only
/* Everything but arithmetic: operations, requests, threads, groups, and what is said of failures. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "kselftest_harness.h"
#include "fake.h"

#define LEN 100

/* A page of the driver's for each side; what rank r sends is r + 1 everywhere. */
static char *page(struct rank *r)
{
	struct vmesh_buf *buf;

	return vmesh_buf_alloc(r->mesh, 8192, &buf) ? NULL : vmesh_buf_addr(buf);
}

static bool all(const char *p, size_t len, char want)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i] != want)
			return false;
	return true;
}

static void collectives(struct rank *r)
{
	char *in = page(r), *out = page(r);
	int i;

	CHECK(r, in && out);
	memset(in, r->rank + 1, LEN);
	CHECK_EQ(r, vmesh_allgather(r->group, in, out + 1, LEN, 0), 0);
	for (i = 0; i < r->size; i++)
		CHECK(r, all(out + 1 + i * LEN, LEN, i + 1));

	memset(out, 0, 8192);
	memset(out + r->rank * LEN, r->rank + 1, LEN);
	CHECK_EQ(r, vmesh_allgather(r->group, NULL, out, LEN, 0), 0);
	for (i = 0; i < r->size; i++)
		CHECK(r, all(out + i * LEN, LEN, i + 1));

	if (r->rank == 2)
		memset(out, 99, LEN);
	CHECK_EQ(r, vmesh_bcast(r->group, 2, out, LEN, 0), 0);
	CHECK(r, all(out, LEN, 99));

	memset(out, 0, 8192);
	CHECK_EQ(r, vmesh_gather(r->group, 1, in, out, LEN, 0), 0);
	for (i = 0; i < r->size; i++)
		CHECK(r, all(out + i * LEN, LEN, r->rank == 1 ? i + 1 : 0));

	for (i = 0; i < r->size; i++)
		memset(in + i * LEN, 10 * r->rank + i, LEN);
	memset(out, 0, 8192);
	CHECK_EQ(r, vmesh_scatter(r->group, 1, in, r->rank == 1 ? NULL : out, LEN, 0), 0);
	CHECK(r, r->rank == 1 || all(out, LEN, 10 + r->rank));

	CHECK_EQ(r, vmesh_alltoall(r->group, in, out, LEN, 0), 0);
	for (i = 0; i < r->size; i++)
		CHECK(r, all(out + i * LEN, LEN, 10 * i + r->rank));
	CHECK_EQ(r, vmesh_alltoall(r->group, in, in + LEN, LEN, 0), -EINVAL);
	CHECK_EQ(r, vmesh_barrier(r->group, 0), 0);
}

TEST(each_collective_puts_every_part_in_its_place)
{
	EXPECT_STREQ("", ranks_run(4, collectives, NULL));
}

static void messages(struct rank *r)
{
	unsigned int to = (r->rank + 1) % r->size, from = (r->rank + r->size - 1) % r->size;
	char *in = page(r), *out = page(r), text[8];
	struct vmesh_failure failure;
	unsigned int who;

	CHECK(r, in && out);
	memset(in, r->rank + 1, LEN);
	CHECK_EQ(r, vmesh_sendrecv(r->group, to, in, LEN - from, from, out, LEN, 7, 0),
		 LEN - (from + r->size - 1) % r->size);
	CHECK(r, out[0] == (char)(from + 1));
	if (r->rank == 0) {
		CHECK_EQ(r, vmesh_send(r->group, 1, 5, in, LEN, 0), 0);
		CHECK_EQ(r, vmesh_send(r->group, 1, 5, in, 0, 0), 0);
		CHECK_EQ(r, vmesh_control_send(r->group, 1, "hello", 6, 0), 0);
		CHECK_EQ(r, vmesh_control_send(r->group, 1, in, 65, 0), -EMSGSIZE);
		/* Rank 2 never takes its first. */
		CHECK_EQ(r, vmesh_control_send(r->group, 2, "one", 3, 0), 0);
		CHECK_EQ(r, vmesh_control_send(r->group, 2, "two", 3, VMESH_MS(20)), -ETIMEDOUT);
		vmesh_group_failure(r->group, &failure);
		CHECK_EQ(r, failure.missing, 4);
		CHECK_EQ(r, failure.rank, 2);
	} else if (r->rank == 1) {
		CHECK_EQ(r, vmesh_recv(r->group, 0, 5, out, LEN - 1, 0), -EMSGSIZE);
		vmesh_group_failure(r->group, &failure);
		CHECK_EQ(r, failure.error, -EMSGSIZE);
		CHECK_EQ(r, failure.missing, 0);
		/* The next one is not harmed. */
		CHECK_EQ(r, vmesh_recv(r->group, 0, 5, NULL, 0, 0), 0);
		CHECK_EQ(r, vmesh_control_recv(r->group, &who, text, sizeof(text), 0), 6);
		CHECK(r, who == 0 && !strcmp(text, "hello"));
		CHECK_EQ(r, vmesh_control_recv(r->group, &who, text, 8, VMESH_NOWAIT), -EAGAIN);
	}
	CHECK_EQ(r, vmesh_send(r->group, r->size, 0, in, 1, 0), -EINVAL);
	CHECK_EQ(r, vmesh_send(r->group, to, 0, in + 8190, 3, 0), -EFAULT);
	CHECK_EQ(r, vmesh_send(r->group, to, 0, text, 1, 0), -EFAULT);
	/* Until nobody needs the other any more. */
	CHECK_EQ(r, vmesh_barrier(r->group, 0), 0);
}

TEST(messages_and_control_messages)
{
	EXPECT_STREQ("", ranks_run(3, messages, NULL));
}

static void one_call(struct rank *r)
{
	char *in = page(r);
	int err;

	CHECK(r, in);
	err = vmesh_allgather(r->group, NULL, in, LEN, 0);
	CHECK_EQ(r, err, 0);
}

TEST(to_post_and_wait_is_one_system_call)
{
	EXPECT_STREQ("", ranks_run(4, one_call, NULL));
	EXPECT_EQ(4, fake_submits());
}

static void signals(struct rank *r)
{
	char *in = page(r);

	CHECK(r, in);
	CHECK_EQ(r, vmesh_barrier(r->group, 0), 0);
	if (r->rank == 0)
		fake_interrupt(5);
	CHECK_EQ(r, vmesh_allgather(r->group, NULL, in, LEN, 0), 0);
	CHECK_EQ(r, vmesh_sendrecv(r->group, 1 - r->rank, in, 1, 1 - r->rank, in + 1, 1, 0, 0), 1);
}

TEST(a_signal_does_not_end_an_operation)
{
	EXPECT_STREQ("", ranks_run(2, signals, NULL));
}

static void requests(struct rank *r)
{
	struct vmesh_req *req[4] = { 0 };
	char *in = page(r), *out = page(r);
	unsigned int other = 1 - r->rank, seen = 0;
	int i, n, result;

	CHECK(r, in && out);
	CHECK_EQ(r, vmesh_wait_any(req, 4, &result), -ENOENT);
	CHECK_EQ(r, vmesh_test(&req[0]), 0);
	for (i = 0; i < 3; i++)
		CHECK_EQ(r, vmesh_irecv(r->group, other, i, out + i * LEN, LEN, 0, &req[i]), 0);
	CHECK_EQ(r, vmesh_test(&req[0]), -EAGAIN);
	CHECK_EQ(r, vmesh_barrier(r->group, 0), 0);
	/* Their ends may be taken by this one's wait: they are kept. */
	for (i = 2; i >= 0; i--) {
		memset(in + i * LEN, 10 * r->rank + i, LEN);
		CHECK_EQ(r, vmesh_send(r->group, other, i, in + i * LEN, i + 1, 0), 0);
	}
	while ((n = vmesh_wait_any(req, 4, &result)) >= 0) {
		CHECK_EQ(r, result, n + 1);
		CHECK(r, !req[n]);
		CHECK(r, all(out + n * LEN, n + 1, 10 * other + n));
		seen |= 1 << n;
	}
	CHECK_EQ(r, seen, 7);
	/* Started in one order, waited for in another. */
	CHECK_EQ(r, vmesh_iallgather(r->group, NULL, out, 8, 0, &req[0]), 0);
	CHECK_EQ(r, vmesh_ibcast(r->group, 1, in, LEN, 0, &req[1]), 0);
	CHECK_EQ(r, vmesh_ibarrier(r->group, 0, &req[2]), 0);
	CHECK_EQ(r, vmesh_ialltoall(r->group, in, out + LEN, 8, 0, &req[3]), 0);
	CHECK_EQ(r, vmesh_wait(req[3]), 0);
	req[3] = NULL;
	do
		result = vmesh_test(&req[2]);
	while (result == -EAGAIN);
	CHECK(r, !result && !req[2]);
	CHECK_EQ(r, vmesh_wait_all(req, 4), 0);
	CHECK_EQ(r, vmesh_igather(r->group, 0, in, out, 8, 0, &req[0]), 0);
	CHECK_EQ(r, vmesh_iscatter(r->group, 0, in, out + LEN, 8, 0, &req[1]), 0);
	CHECK_EQ(r, vmesh_wait_all(req, 2), 0);
	/* Never waited for: closing frees it, and its group's leaving ends it. */
	CHECK_EQ(r, vmesh_irecv(r->group, other, 77, out, LEN, 0, &req[0]), 0);
	CHECK_EQ(r, vmesh_isend(r->group, other, 78, in, LEN, 0, &req[1]), 0);
	CHECK_EQ(r, vmesh_barrier(r->group, 0), 0);
	vmesh_group_leave(r->group);
	result = vmesh_wait(req[1]);
	CHECK(r, result == -ECANCELED || result == -ECONNRESET);
}

TEST(requests_end_in_any_order)
{
	EXPECT_STREQ("", ranks_run(2, requests, NULL));
}

static void refusals(struct rank *r)
{
	struct vmesh_req *req = (void *)r;
	char *in = page(r), text[256];

	CHECK(r, in);
	if (r->rank == 1) {
		CHECK_EQ(r, vmesh_group_form(r->group, 0, 0), 0);
		CHECK_EQ(r, vmesh_group_form(r->group, 0, 0), 0);
		CHECK_EQ(r, vmesh_barrier(r->group, 0), 0);
		return;
	}
	fake_refuse(VIRTMESH_OP_BARRIER, EAGAIN);
	CHECK_EQ(r, vmesh_ibarrier(r->group, 0, &req), -EAGAIN);
	CHECK(r, !req);
	/* The first of two is refused, the second goes on its way; and the other way round. */
	fake_refuse(VIRTMESH_OP_RECV, EAGAIN);
	CHECK_EQ(r, vmesh_sendrecv(r->group, 1, in, 4, 1, in + 8, 4, 0, VMESH_MS(1)), -EAGAIN);
	CHECK_EQ(r, vmesh_group_form(r->group, 0, 0), 0);
	fake_refuse(VIRTMESH_OP_SEND, ENODEV);
	CHECK_EQ(r, vmesh_sendrecv(r->group, 1, in, 4, 1, in + 8, 4, 0, VMESH_MS(1)), -ETIMEDOUT);
	CHECK_EQ(r, vmesh_barrier(r->group, 0), -ESTALE);
	snprintf(text, sizeof(text), "%s", vmesh_strerror(r->group, -ESTALE));
	CHECK(r, !strncmp(text, "barrier on group 3: node 12 stalled", 35));
	CHECK_EQ(r, vmesh_group_form(r->group, 0, 4), -EINVAL);
	CHECK_EQ(r, vmesh_group_form(r->group, 0, 0), 0);
	CHECK_EQ(r, vmesh_barrier(r->group, 0), 0);
	CHECK(r, !strcmp(vmesh_strerror(r->group, 0), "no error"));
}

TEST(a_refused_operation_leaves_nothing_behind)
{
	EXPECT_STREQ("", ranks_run(2, refusals, NULL));
}

/* Rank 1 is out: what is to go there or come from there takes nothing else with it. */
static void halves(struct rank *r)
{
	char *in = page(r), *out = page(r);
	struct vmesh_req *req;
	uint64_t since;

	CHECK(r, in && out);
	if (r->rank == 1)
		return;
	CHECK(r, vmesh_barrier(r->group, 0) < 0);
	CHECK_EQ(r, vmesh_group_form(r->group, 0, VMESH_SURVIVORS), 0);
	memset(in, r->rank + 1, LEN);
	if (r->rank == 2)
		CHECK_EQ(r, vmesh_isend(r->group, 0, 7, in, LEN, 0, &req), 0);
	CHECK_EQ(r, vmesh_barrier(r->group, 0), 0);
	if (r->rank == 2) {
		/* Of all that rank 0 tries, only the last one comes. */
		CHECK_EQ(r, vmesh_wait(req), 0);
		CHECK_EQ(r, vmesh_recv(r->group, 0, 7, out, LEN, 0), 1);
		return;
	}
	since = now_ns();
	CHECK_EQ(r, vmesh_sendrecv(r->group, 1, in, LEN, 2, out, LEN, 7, VMESH_S(20)),
		 -EHOSTUNREACH);
	CHECK_EQ(r, vmesh_sendrecv(r->group, 2, in, LEN, 1, out, LEN, 7, VMESH_S(20)),
		 -EHOSTUNREACH);
	CHECK(r, !strncmp(vmesh_strerror(r->group, -EHOSTUNREACH), "receive on group 3: ", 20));
	CHECK_EQ(r, vmesh_sendrecv(r->group, 0, in, LEN, 2, out, LEN, 7, VMESH_S(20)), -EINVAL);
	CHECK_EQ(r, vmesh_sendrecv(r->group, 2, in, LEN, 0, out, LEN, 7, VMESH_S(20)), -EINVAL);
	CHECK(r, now_ns() - since < VMESH_S(5));
	CHECK_EQ(r, vmesh_sendrecv(r->group, 2, in, 1, 2, out, LEN, 7, VMESH_S(20)), LEN);
	CHECK(r, all(out, LEN, 3));
}

TEST(half_of_a_sendrecv_is_none_of_it)
{
	EXPECT_STREQ("", ranks_run(3, halves, NULL));
}

/* Rank 2 comes to nothing: everybody else learns that it was node 13, and since when. */
static void stalled(struct rank *r)
{
	struct vmesh_failure f;
	const char *text;
	char *out = page(r);
	int err;

	CHECK(r, out);
	CHECK_EQ(r, vmesh_barrier(r->group, 0), 0);
	if (r->rank == 2) {
		/* It is there all the time, and does nothing. */
		CHECK_EQ(r, vmesh_group_form(r->group, VMESH_S(20), 0), 0);
		return;
	}
	/* Time enough for those who come, on a busy machine. */
	err = vmesh_allgather(r->group, NULL, out, LEN, VMESH_S(1));
	CHECK(r, err == -ETIMEDOUT || err == -ESTALE);
	vmesh_group_failure(r->group, &f);
	CHECK_EQ(r, f.error, err);
	CHECK_EQ(r, f.missing, 4);
	CHECK_EQ(r, f.node, 13);
	CHECK_EQ(r, f.rank, 2);
	CHECK_EQ(r, f.reason, VMESH_REASON_STALLED);
	CHECK_EQ(r, f.number, 2);
	CHECK_EQ(r, f.operation, VIRTMESH_OP_ALLGATHER);
	text = vmesh_strerror(r->group, err);
	CHECK(r, !strncmp(text, "all-gather 2 on group 3: node 13 stalled for ", 45));
	CHECK(r, strstr(text, " ms at chunk 2 of 4"));
	/* Which a control message has no other way to tell. */
	err = vmesh_control_send(r->group, (r->rank + 1) % 2, "word", 4, VMESH_MS(50));
	CHECK_EQ(r, err, -ESTALE);
	vmesh_group_failure(r->group, &f);
	CHECK_EQ(r, f.missing, 4);
	CHECK_EQ(r, f.node, 13);
	CHECK_EQ(r, f.len, 4);
	CHECK(r, strstr(vmesh_strerror(r->group, err), "node 13 stalled"));
	CHECK_EQ(r, vmesh_group_form(r->group, VMESH_S(20), 0), 0);
	vmesh_group_failure(r->group, &f);
	CHECK_EQ(r, f.error, 0);
}

TEST(who_is_missing_is_named)
{
	EXPECT_STREQ("", ranks_run(4, stalled, NULL));
}

/* Rank 1 has left, and the others go on without it: it comes back, and learns that. */
static void excluded(struct rank *r)
{
	const uint16_t nodes[] = { 11, 12, 13 };
	struct vmesh_group *copy, *again;
	struct vmesh_failure f;

	CHECK_EQ(r, vmesh_group_dup(r->group, 0, &copy), 0);
	if (r->rank == 1) {
		vmesh_group_leave(r->group);
		CHECK_EQ(r, vmesh_group_create(r->mesh, 3, nodes, 3, &again), 0);
		CHECK_EQ(r, vmesh_group_form(again, VMESH_S(20), 0), -EHOSTUNREACH);
		vmesh_group_failure(again, &f);
		CHECK_EQ(r, f.error, -EHOSTUNREACH);
		/* The others it had not met yet have done nothing wrong. */
		CHECK_EQ(r, f.missing, 0);
		CHECK_EQ(r, f.node, 0);
		CHECK(r, f.elapsed_ns < VMESH_S(20));
		CHECK(r, !strcmp(vmesh_strerror(again, -EHOSTUNREACH),
				 "forming of group 3: this node or that rank was excluded, "
				 "or there is no such node"));
	} else {
		CHECK(r, vmesh_barrier(r->group, 0) < 0);
		CHECK_EQ(r, vmesh_group_form(r->group, 0, VMESH_SURVIVORS), 0);
		CHECK_EQ(r, vmesh_group_members(r->group), 5);
	}
	/* Nobody goes before it has. */
	CHECK_EQ(r, vmesh_barrier(copy, 0), 0);
}

TEST(who_was_excluded_blames_nobody)
{
	EXPECT_STREQ("", ranks_run(3, excluded, NULL));
}

static void forming_ends(struct rank *r)
{
	const uint16_t nodes[] = { 11, 99 };
	struct vmesh_group *g;
	struct vmesh_failure f;
	const char *text;

	CHECK_EQ(r, vmesh_group_create(r->mesh, 4, nodes, 2, &g), 0);
	fake_interrupt(1);
	CHECK_EQ(r, vmesh_group_form(g, VMESH_S(20), 0), -EINTR);
	vmesh_group_failure(g, &f);
	CHECK_EQ(r, f.missing, 0);
	CHECK(r, f.elapsed_ns < VMESH_S(20));
	CHECK(r, !strcmp(vmesh_strerror(g, -EINTR), "forming of group 4: Interrupted system call"));
	text = vmesh_strerror(NULL, -EINTR);
	CHECK_EQ(r, vmesh_group_form(g, VMESH_MS(20), 0), -ETIMEDOUT);
	vmesh_group_failure(g, &f);
	CHECK_EQ(r, f.missing, 2);
	CHECK_EQ(r, f.node, 99);
	CHECK(r, f.elapsed_ns >= VMESH_MS(19)); /* clocks differ */
	/* Nobody has asked since: it is what it was. */
	CHECK(r, !strcmp(text, "forming of group 4: Interrupted system call"));
}

TEST(only_who_is_late_is_to_blame_for_it)
{
	EXPECT_STREQ("", ranks_run(1, forming_ends, NULL));
}

struct says {
	struct virtmesh_op op;
	struct virtmesh_done done;
	int error;
	const char *text;
};

static const struct says said[] = {
	{ { .opcode = VIRTMESH_OP_ALLGATHER, .len = 10 },
	  { .number = 81,
	    .missing = 8,
	    .rank = 3,
	    .reason = VMESH_REASON_STALLED,
	    .elapsed_ns = VMESH_MS(512),
	    .bytes = 5 },
	  -ETIMEDOUT,
	  "all-gather 81 on group 3: node 14 stalled for 512 ms at chunk 2 of 4" },
	{ { .opcode = VIRTMESH_OP_ALLTOALL, .len = 10 },
	  { .number = 7, .missing = 0xe, .rank = 1, .reason = VMESH_REASON_SILENT, .bytes = 25 },
	  -ETIMEDOUT,
	  "all-to-all 7 on group 3: node 12 silent for 700 ms at chunk 4 of 4; "
	  "missing, too: nodes 13, 14" },
	{ { .opcode = VIRTMESH_OP_SEND, .len = 4096, .rank = 1 },
	  { .number = 1, .missing = 2, .rank = 1, .reason = VMESH_REASON_DOWN, .bytes = 1024 },
	  -EHOSTDOWN,
	  "send 1 on group 3: node 12 is down, silent for 700 ms at byte 1024 of 4096" },
	{ { .opcode = VIRTMESH_OP_BARRIER },
	  { .number = 2, .missing = 3, .rank = 0, .reason = VMESH_REASON_LEFT },
	  -ECONNRESET,
	  "barrier 2 on group 3: node 11 left the group; missing, too: node 12" },
	{ { .opcode = VIRTMESH_OP_BCAST, .len = 5, .rank = 2 },
	  { .number = 3, .missing = 4, .rank = 2, .reason = VMESH_REASON_MISMATCH },
	  -EPROTO,
	  "broadcast 3 on group 3: node 13 called something else, or with another length "
	  "at byte 0 of 5" },
	/* The root's are of all that it sends; who sends to a root has one part. */
	{ { .opcode = VIRTMESH_OP_BCAST, .len = 1 << 20 },
	  { .number = 3, .missing = 4, .rank = 2, .reason = VMESH_REASON_FENCED, .bytes = 2 << 20 },
	  -ECONNRESET,
	  "broadcast 3 on group 3: node 13 was fenced: it restarted, or others gave it up "
	  "at byte 2097152 of 3145728" },
	{ { .opcode = VIRTMESH_OP_SCATTER, .len = 10 },
	  { .number = 3, .missing = 4, .rank = 2, .reason = VMESH_REASON_LEFT, .bytes = 20 },
	  -ECONNRESET,
	  "scatter 3 on group 3: node 13 left the group at byte 20 of 30" },
	{ { .opcode = VIRTMESH_OP_SCATTER, .len = 10, .rank = 2 },
	  { .number = 3, .missing = 4, .rank = 2, .reason = VMESH_REASON_LEFT, .bytes = 4 },
	  -ECONNRESET,
	  "scatter 3 on group 3: node 13 left the group at byte 4 of 10" },
	{ { .opcode = VIRTMESH_OP_GATHER, .len = 10 },
	  { .number = 3, .missing = 4, .rank = 2, .reason = VMESH_REASON_LEFT, .bytes = 14 },
	  -ECONNRESET,
	  "gather 3 on group 3: node 13 left the group at chunk 3 of 4" },
	{ { .opcode = VIRTMESH_OP_GATHER, .len = 10, .rank = 2 },
	  { .number = 3, .missing = 4, .rank = 2, .reason = VMESH_REASON_LEFT },
	  -ECONNRESET,
	  "gather 3 on group 3: node 13 left the group at byte 0 of 10" },
	{ { .opcode = VIRTMESH_OP_RECV },
	  { .number = 9, .missing = 1, .rank = 0, .reason = VMESH_REASON_FENCED },
	  -ECONNRESET,
	  "receive 9 on group 3: node 11 was fenced: it restarted, or others gave it up" },
	{ { .opcode = VIRTMESH_OP_GATHER },
	  { .number = 4, .missing = 1, .rank = 0, .reason = VMESH_REASON_ABSENT },
	  -EHOSTDOWN,
	  "gather 4 on group 3: node 11 is not in the ensemble" },
	{ { .opcode = VIRTMESH_OP_SCATTER },
	  { .number = 5,
	    .missing = 1,
	    .rank = 0,
	    .reason = VMESH_REASON_STALLED,
	    .elapsed_ns = VMESH_US(900) },
	  -ETIMEDOUT,
	  "scatter 5 on group 3: node 11 stalled for 900 us" },
	{ { .opcode = VIRTMESH_OP_SCATTER },
	  { .number = 6,
	    .missing = 1,
	    .rank = 0,
	    .reason = VMESH_REASON_STALLED,
	    .elapsed_ns = VMESH_MS(12345) },
	  -ETIMEDOUT,
	  "scatter 6 on group 3: node 11 stalled for 12.3 s" },
	{ { .opcode = VIRTMESH_OP_BARRIER },
	  { .number = 6 },
	  -ECANCELED,
	  "barrier 6 on group 3: cancelled: the group was left or formed anew" },
};

static void pictures(struct rank *r)
{
	unsigned int i;

	if (r->rank == 0)
		for (i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
			const char *text;

			vmesh_failed(r->group, said[i].error, &said[i].op, &said[i].done);
			text = vmesh_strerror(r->group, said[i].error);
			if (strcmp(text, said[i].text))
				rank_fails(r, __FILE__, __LINE__, "\"%s\", not \"%s\"", text,
					   said[i].text);
		}
	CHECK_EQ(r, vmesh_barrier(r->group, 0), 0);
}

TEST(failures_are_said_in_one_line)
{
	EXPECT_STREQ("", ranks_run(4, pictures, NULL));
	EXPECT_STREQ("unknown error", vmesh_strerror(NULL, -4095));
	EXPECT_STREQ("the memory is not in a buffer", vmesh_strerror(NULL, -EFAULT));
}

/* 63 of 64 are missing, and each of them is named. */
TEST(all_who_are_missing_are_named)
{
	const struct virtmesh_op op = { .opcode = VIRTMESH_OP_ALLTOALL, .len = 1 << 24 };
	const struct virtmesh_done done = {
		.number = UINT32_MAX,
		.missing = ~1ULL,
		.rank = 1,
		.reason = VMESH_REASON_MISMATCH,
		.bytes = 1ULL << 30,
	};
	uint16_t nodes[VMESH_RANKS_MAX];
	struct vmesh_group *g;
	struct vmesh *m;
	char want[1024];
	int i, n;

	fake_reset();
	for (i = 0; i < VMESH_RANKS_MAX; i++)
		nodes[i] = 4031 + i;
	ASSERT_EQ(0, vmesh_open_by(&fake_ops, &m, "4031"));
	ASSERT_EQ(0, vmesh_group_create(m, VMESH_ID_DERIVED - 1, nodes, VMESH_RANKS_MAX, &g));
	g->members = ~0ULL;
	vmesh_failed(g, -EPROTO, &op, &done);
	n = snprintf(want, sizeof(want),
		     "all-to-all 4294967295 on group 2147483647: node 4032 called something else, "
		     "or with another length at chunk 64 of 64; missing, too: nodes 4033");
	for (i = 4034; i <= 4094; i++)
		n += snprintf(want + n, sizeof(want) - n, ", %d", i);
	EXPECT_STREQ(want, vmesh_strerror(g, -EPROTO));
	vmesh_close(m);
}

/* Two threads on one device: one waits for what never comes while the other works. */
struct waiter {
	struct rank *r;
	char *out;
	int result;
};

static void *wait_long(void *arg)
{
	struct waiter *w = arg;

	w->result = vmesh_recv(w->r->group, 1 - w->r->rank, 99, w->out, LEN, VMESH_S(20));
	return NULL;
}

static void threads(struct rank *r)
{
	char *in = page(r), *out = page(r);
	struct waiter w = { r, out, 0 };
	pthread_t t;
	int i;

	CHECK(r, in && out);
	CHECK(r, !pthread_create(&t, NULL, wait_long, &w));
	memset(in, r->rank + 1, LEN);
	for (i = 0; i < 200; i++)
		if (vmesh_allgather(r->group, in, out + LEN, 8, VMESH_S(20)))
			rank_fails(r, __FILE__, __LINE__, "%s", vmesh_strerror(r->group, 0));
	if (vmesh_send(r->group, 1 - r->rank, 99, in, LEN, VMESH_S(20)))
		rank_fails(r, __FILE__, __LINE__, "cannot send");
	pthread_join(t, NULL);
	CHECK_EQ(r, w.result, LEN);
	CHECK(r, all(out, LEN, 2 - r->rank));
	CHECK_EQ(r, vmesh_barrier(r->group, VMESH_S(20)), 0);
}

TEST(a_waiting_thread_holds_up_no_other)
{
	EXPECT_STREQ("", ranks_run(2, threads, NULL));
}

static void splits(struct rank *r)
{
	struct vmesh_group *half, *copy, *none, *single;
	uint16_t own = 11 + r->rank;
	char *in = page(r);
	int i, colour = r->rank % 2;

	CHECK(r, in);
	/* Backwards. */
	CHECK_EQ(r, vmesh_group_split(r->group, colour, -r->rank, 0, &half), 0);
	CHECK_EQ(r, vmesh_group_size(half), (r->size + 1 - colour) / 2);
	CHECK_EQ(r, vmesh_group_node(half, 0), 11 + (r->size - 1 - colour) / 2 * 2 + colour);
	CHECK_EQ(r, vmesh_group_node(half, vmesh_group_rank(half)), 11 + r->rank);
	CHECK_EQ(r, vmesh_group_node(half, r->size), -EINVAL);
	CHECK(r, vmesh_group_id(half) >= VMESH_ID_DERIVED);
	in[vmesh_group_rank(half)] = r->rank;
	CHECK_EQ(r, vmesh_allgather(half, NULL, in, 1, 0), 0);
	for (i = 0; i < vmesh_group_size(half); i++)
		CHECK_EQ(r, in[i] + 11, vmesh_group_node(half, i));

	CHECK_EQ(r, vmesh_group_dup(half, 0, &copy), 0);
	CHECK_EQ(r, vmesh_group_rank(copy), vmesh_group_rank(half));
	CHECK(r, vmesh_group_id(copy) != vmesh_group_id(half));
	CHECK_EQ(r, vmesh_barrier(copy, 0), 0);
	vmesh_group_leave(half);
	CHECK_EQ(r, vmesh_group_split(r->group, r->rank ? -1 : 0, 0, 0, &none), 0);
	CHECK(r, !none == !!r->rank);

	/* The id that comes next is taken at one node: all find another together. */
	if (r->rank == 1)
		fake_refuse(-1, EADDRINUSE);
	CHECK_EQ(r, vmesh_group_dup(r->group, 0, &copy), 0);
	CHECK_EQ(r, vmesh_barrier(copy, 0), 0);
	CHECK_EQ(r, vmesh_group_create(r->mesh, VMESH_ID_DERIVED, &own, 1, &single), -EINVAL);
	CHECK_EQ(r, vmesh_group_create(r->mesh, 3, &own, 1, &single), -EADDRINUSE);
	CHECK(r, !single);
}

TEST(groups_are_split_by_colour_and_key)
{
	EXPECT_STREQ("", ranks_run(5, splits, NULL));
}

TEST(the_world_is_in_the_environment)
{
	struct vmesh_group *g = NULL;
	struct vmesh *m;

	fake_reset();
	setenv("VIRTMESH_DEVICE", "12", 1);
	ASSERT_EQ(0, vmesh_open_by(&fake_ops, &m, NULL));
	unsetenv("VIRTMESH_NODES");
	EXPECT_EQ(-ENOENT, vmesh_world(m, 0, &g));
	EXPECT_EQ(NULL, g);
	setenv("VIRTMESH_NODES", "12", 1);
	setenv("VIRTMESH_RANK", "0", 1);
	setenv("VIRTMESH_SIZE", "1", 1);
	ASSERT_EQ(0, vmesh_world(m, 0, &g));
	EXPECT_EQ(1, vmesh_group_id(g));
	vmesh_group_leave(g);
	setenv("VIRTMESH_GROUP", "77", 1);
	ASSERT_EQ(0, vmesh_world(m, 0, &g));
	EXPECT_EQ(77, vmesh_group_id(g));
	EXPECT_EQ(1, vmesh_group_members(g));
	vmesh_group_leave(g);
	setenv("VIRTMESH_SIZE", "2", 1);
	EXPECT_EQ(-EINVAL, vmesh_world(m, 0, &g));
	setenv("VIRTMESH_NODES", "11,12", 1);
	EXPECT_EQ(-EINVAL, vmesh_world(m, 0, &g));
	EXPECT_STREQ("this is node 12, but rank 0 of VIRTMESH_NODES is node 11: start it there, "
		     "as mesh run does when it has a launcher (-L)",
		     vmesh_strerror(NULL, -EINVAL));
	setenv("VIRTMESH_RANK", "2", 1);
	EXPECT_EQ(-EINVAL, vmesh_world(m, 0, &g));
	/* Also where this node is none of them. */
	setenv("VIRTMESH_NODES", "11,13", 1);
	setenv("VIRTMESH_RANK", "1", 1);
	EXPECT_EQ(-EINVAL, vmesh_world(m, 0, &g));
	EXPECT_NE(NULL,
		  strstr(vmesh_strerror(NULL, -EINVAL), "rank 1 of VIRTMESH_NODES is node 13"));
	setenv("VIRTMESH_NODES", "11,12", 1);
	setenv("VIRTMESH_RANK", "1", 1);
	EXPECT_EQ(-ETIMEDOUT, vmesh_world(m, VMESH_MS(20), &g));
	EXPECT_STREQ("forming of group 77: node 11 is not in the ensemble",
		     vmesh_strerror(NULL, -ETIMEDOUT));
	setenv("VIRTMESH_NODES", "11,x", 1);
	EXPECT_EQ(-EINVAL, vmesh_world(m, 0, &g));
	setenv("VIRTMESH_NODES", "11,", 1);
	EXPECT_EQ(-EINVAL, vmesh_world(m, 0, &g));
	setenv("VIRTMESH_RANK", "-1", 1);
	EXPECT_EQ(-EINVAL, vmesh_world(m, 0, &g));
	EXPECT_EQ(0, fake_groups());
	vmesh_close(m);
	setenv("VIRTMESH_DEVICE", "nonsense", 1);
	EXPECT_EQ(-ENOENT, vmesh_open_by(&fake_ops, &m, NULL));
}

TEST(buffers_of_both_kinds_are_found_and_let_go)
{
	struct vmesh_buf *big, *own, *small;
	struct vmesh_info info;
	struct vmesh *m;
	char memory[100];
	__u32 handle;
	__u64 offset;

	fake_reset();
	ASSERT_EQ(0, vmesh_open_by(&fake_ops, &m, "1"));
	ASSERT_EQ(0, vmesh_get_info(m, &info));
	EXPECT_EQ(1, info.node);
	EXPECT_STREQ("mesh0", info.netdev);
	ASSERT_EQ(0, vmesh_buf_alloc(m, 10000, &big));
	EXPECT_EQ(10000, vmesh_buf_size(big));
	ASSERT_EQ(0, vmesh_buf_register(m, memory + 1, 50, &own));
	/* The same memory twice: whichever has all that is asked for. */
	ASSERT_EQ(0, vmesh_buf_register(m, memory + 11, 80, &small));
	EXPECT_EQ(0, vmesh_buf_find(m, memory + 21, 70, &handle, &offset));
	EXPECT_EQ(10, offset);
	EXPECT_EQ(-EFAULT, vmesh_buf_find(m, memory + 5, 60, &handle, &offset));
	EXPECT_EQ(-EFAULT, vmesh_buf_find(m, memory, 1, &handle, &offset));
	EXPECT_EQ(0, vmesh_buf_find(m, NULL, 0, &handle, &offset));
	EXPECT_EQ(0, handle);
	EXPECT_EQ(0, vmesh_buf_find(m, (char *)vmesh_buf_addr(big) + 9999, 1, &handle, &offset));
	EXPECT_EQ(-EFAULT,
		  vmesh_buf_find(m, (char *)vmesh_buf_addr(big) + 9999, 2, &handle, &offset));
	EXPECT_EQ(-EINVAL, vmesh_buf_alloc(m, 0, &small));
	EXPECT_EQ(NULL, small);
	EXPECT_EQ(3, fake_buffers());
	vmesh_buf_free(own);
	EXPECT_EQ(2, fake_buffers());
	EXPECT_EQ(-EFAULT, vmesh_buf_find(m, memory + 1, 1, &handle, &offset));
	vmesh_close(m);
	vmesh_close(NULL);
	EXPECT_EQ(0, fake_buffers());
}

TEST_HARNESS_MAIN
