// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mesh interface of /dev/virtmesh0, call by call and errno by errno, as far as
 * one node can go: groups, and operations on a group of its own. virtmesh.sh runs it
 * in a guest that has joined with a peer that is up, and forms no group:
 *
 *	SELF=1 PEER=2 calls
 */
#include <poll.h>
#include <sys/eventfd.h>

#include "calls.h"
#include "kselftest_harness.h"

FIXTURE(dev)
{
	int fd;
	__u16 self;
	__u16 peer;
};

FIXTURE_SETUP(dev)
{
	self->self = env_number("SELF");
	self->peer = env_number("PEER");
	self->fd = open(DEVICE, O_RDWR);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(dev)
{
	close(self->fd);
}

/* Groups. */

TEST_F(dev, group_errors)
{
	__u16 nodes[VIRTMESH_RANKS_MAX + 1] = { self->self, self->peer };
	struct virtmesh_group_leave leave = {};
	struct virtmesh_group_form f = { .timeout_ns = SEC };
	struct virtmesh_group_info info = {};
	struct virtmesh_group_create c = { .nodes = (uintptr_t)nodes, .count = 2, .flags = 1 };
	__u32 g, h;
	int other;

	EXPECT_ERRNO(EINVAL, ioctl(self->fd, VIRTMESH_IOC_GROUP_CREATE, &c));
	EXPECT_ERRNO(EINVAL, group_create(self->fd, 7, nodes, 0, &g));
	EXPECT_ERRNO(EINVAL, group_create(self->fd, 7, nodes, VIRTMESH_RANKS_MAX + 1, &g));
	EXPECT_ERRNO(EFAULT, group_create(self->fd, 7, nowhere, 2, &g));
	EXPECT_ERRNO(EINVAL, group_create(self->fd, 7, nodes + 1, 1, &g)); /* without us */
	EXPECT_ERRNO(EINVAL, group_create(self->fd, 7, nodes, 3, &g)); /* node 0 */
	nodes[2] = self->self;
	EXPECT_ERRNO(EINVAL, group_create(self->fd, 7, nodes, 3, &g)); /* twice */
	EXPECT_ERRNO(ENOENT, ioctl(self->fd, VIRTMESH_IOC_GROUP_FORM, &f));
	EXPECT_ERRNO(ENOENT, ioctl(self->fd, VIRTMESH_IOC_GROUP_LEAVE, &leave));
	EXPECT_ERRNO(ENOENT, ioctl(self->fd, VIRTMESH_IOC_GROUP_INFO, &info));

	ASSERT_EQ(0, group_create(self->fd, 7, nodes, 2, &g));
	other = open(DEVICE, O_RDWR);
	ASSERT_LE(0, other);
	EXPECT_ERRNO(EADDRINUSE, group_create(other, 7, nodes, 2, &h));
	f.group = g;
	f.timeout_ns = 0;
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, VIRTMESH_IOC_GROUP_FORM, &f));
	f.timeout_ns = VIRTMESH_TIMEOUT_MAX_NS + 1;
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, VIRTMESH_IOC_GROUP_FORM, &f));
	f.timeout_ns = SEC;
	f.flags = 2;
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, VIRTMESH_IOC_GROUP_FORM, &f));
	/* Another file's handles are not ours. */
	leave.group = g;
	EXPECT_ERRNO(ENOENT, ioctl(other, VIRTMESH_IOC_GROUP_LEAVE, &leave));
	leave.reserved = 1;
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, VIRTMESH_IOC_GROUP_LEAVE, &leave));
	leave.reserved = 0;
	EXPECT_EQ(0, ioctl(self->fd, VIRTMESH_IOC_GROUP_LEAVE, &leave));
	EXPECT_ERRNO(ENOENT, ioctl(self->fd, VIRTMESH_IOC_GROUP_LEAVE, &leave));
	EXPECT_EQ(0, group_create(other, 7, nodes, 2, &h));
	close(other);
	EXPECT_EQ(0, group_create(self->fd, 7, nodes, 2, &g));
}

/* What a program is not told of it could not let go of: then it has not been made. */
TEST_F(dev, where_no_answer_can_be_written_nothing_is_done)
{
	struct virtmesh_bind *bind, channel = { .channel = 99 };
	struct virtmesh_group_create *create;
	struct virtmesh_buf_register *reg;
	struct virtmesh_buf_alloc *alloc, a;
	char *page, *memory;
	__u32 g, handle;

	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, page);
	memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, memory);
	bind = (void *)page;
	create = (void *)(page + 100);
	reg = (void *)(page + 200);
	alloc = (void *)(page + 300);
	*bind = channel;
	*create = (struct virtmesh_group_create){ .nodes = (uintptr_t)&self->self,
						  .id = 9,
						  .count = 1 };
	*reg = (struct virtmesh_buf_register){ .addr = (uintptr_t)memory, .size = PAGE };
	*alloc = (struct virtmesh_buf_alloc){ .size = PAGE };
	ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ));

	EXPECT_ERRNO(EFAULT, ioctl(self->fd, VIRTMESH_IOC_BIND, bind));
	EXPECT_ERRNO(EFAULT, ioctl(self->fd, VIRTMESH_IOC_GROUP_CREATE, create));
	EXPECT_ERRNO(EFAULT, ioctl(self->fd, VIRTMESH_IOC_BUF_REGISTER, reg));
	EXPECT_ERRNO(EFAULT, ioctl(self->fd, VIRTMESH_IOC_BUF_ALLOC, alloc));

	EXPECT_EQ(0, ioctl(self->fd, VIRTMESH_IOC_BIND, &channel));
	EXPECT_EQ(0, group_create(self->fd, 9, &self->self, 1, &g));
	for (unsigned int i = 0; i < VIRTMESH_BUFS_MAX; i++)
		ASSERT_EQ(0, buf_alloc(self->fd, PAGE, &a));
	EXPECT_ERRNO(EMFILE, buf_register(self->fd, memory, PAGE, &handle));
	munmap(memory, PAGE);
	munmap(page, PAGE);
}

TEST_F(dev, nobody_comes_to_a_group)
{
	__u16 nodes[2] = { self->peer, self->self };
	struct virtmesh_op op = { .opcode = VIRTMESH_OP_BARRIER, .timeout_ns = SEC };
	struct virtmesh_control c = { .timeout_ns = SEC };
	struct virtmesh_rank ranks[2];
	struct virtmesh_group_info info = { .ranks = (uintptr_t)ranks, .count = 2 };
	struct virtmesh_group_form f;
	struct virtmesh_done done;
	struct virtmesh_submit s;
	__u64 began = now();

	ASSERT_EQ(0, group_create(self->fd, 8, nodes, 2, &op.group));
	EXPECT_ERRNO(ETIMEDOUT, group_form(self->fd, op.group, 50 * MS, &f));
	EXPECT_LE(50 * MS, now() - began);
	EXPECT_EQ(1, f.missing);
	EXPECT_EQ(0, f.rank);
	EXPECT_NE(VIRTMESH_REASON_NONE, f.reason);
	EXPECT_ERRNO(ENOTCONN, submit(self->fd, &op, 1, &done, 1, 1, 0, &s));
	c.group = op.group;
	EXPECT_ERRNO(ENOTCONN, ioctl(self->fd, VIRTMESH_IOC_CONTROL_SEND, &c));
	info.group = op.group;
	ASSERT_EQ(0, ioctl(self->fd, VIRTMESH_IOC_GROUP_INFO, &info));
	EXPECT_EQ(2, info.count);
	EXPECT_EQ(1, info.rank);
	EXPECT_EQ(8, info.id);
	EXPECT_EQ(self->peer, ranks[0].node);
	EXPECT_EQ(self->self, ranks[1].node);
	info.ranks = (uintptr_t)nowhere;
	EXPECT_ERRNO(EFAULT, ioctl(self->fd, VIRTMESH_IOC_GROUP_INFO, &info));
}

/* A group of this node alone: every operation is a copy, or nothing. */

FIXTURE(alone)
{
	int fd;
	__u16 node;
	__u32 group;
	struct virtmesh_buf_alloc buf;
	char *p;
	__u32 mine; /* a registered one */
	char *q;
};

FIXTURE_SETUP(alone)
{
	struct virtmesh_group_form f;

	self->node = env_number("SELF");
	self->fd = open(DEVICE, O_RDWR);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, buf_alloc(self->fd, SIZE, &self->buf));
	self->p = map(self->fd, &self->buf);
	ASSERT_NE(MAP_FAILED, self->p);
	self->q = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->q);
	ASSERT_EQ(0, buf_register(self->fd, self->q + 11, SIZE - 11, &self->mine));
	ASSERT_EQ(0, group_create(self->fd, 100, &self->node, 1, &self->group));
	ASSERT_EQ(0, group_form(self->fd, self->group, LONG, &f));
	EXPECT_EQ(1, f.members);
	EXPECT_EQ(0, f.missing);
}

FIXTURE_TEARDOWN(alone)
{
	close(self->fd);
	munmap(self->p, SIZE);
	munmap(self->q, SIZE);
}

TEST_F(alone, operations_copy_ones_own_part)
{
	static const __u16 kinds[] = { VIRTMESH_OP_ALLGATHER, VIRTMESH_OP_GATHER,
				       VIRTMESH_OP_SCATTER, VIRTMESH_OP_ALLTOALL };
	static const __u32 lengths[] = { 1, 63, 4096, 70001 };
	struct virtmesh_done done;
	struct virtmesh_submit s;

	for (unsigned int k = 0; k < 4; k++) {
		for (unsigned int n = 0; n < 4; n++) {
			struct virtmesh_op op = {
				.user_data = 0x1122334455667788,
				.group = self->group,
				.opcode = kinds[k],
				.sbuf = self->buf.handle,
				.rbuf = self->mine,
				.soff = 13,
				.roff = 5,
				.len = lengths[n],
				.timeout_ns = SEC,
			};

			memset(self->p, 'a' + k * 4 + n, SIZE);
			memset(self->q, 0, SIZE);
			ASSERT_EQ(0, submit(self->fd, &op, 1, &done, 1, 1, 0, &s));
			ASSERT_EQ(1, s.count);
			ASSERT_EQ(1, s.room);
			EXPECT_EQ(op.user_data, done.user_data);
			EXPECT_EQ(0, done.result);
			EXPECT_EQ(0, done.missing);
			EXPECT_EQ(self->group, done.group);
			EXPECT_EQ(kinds[k], done.opcode);
			EXPECT_EQ(k * 4 + n + 1, done.number);
			EXPECT_EQ(0, self->q[11 + 5 - 1]);
			EXPECT_EQ(0, memcmp(self->q + 16, self->p + 13, lengths[n]));
			EXPECT_EQ(0, self->q[16 + lengths[n]]);
		}
	}
}

TEST_F(alone, what_is_refused_has_no_effect)
{
	const struct virtmesh_op good = { .group = self->group,
					  .opcode = VIRTMESH_OP_ALLGATHER,
					  .sbuf = self->buf.handle,
					  .rbuf = self->mine,
					  .len = 100,
					  .timeout_ns = SEC };
	struct virtmesh_op bad[13];
	static const int want[13] = { ENOENT, ENOENT, ENOENT, EINVAL, EINVAL, EINVAL, EINVAL,
				      EINVAL, ERANGE, ERANGE, ERANGE, ERANGE, EINVAL };
	struct virtmesh_group_info info = { .group = self->group };
	struct virtmesh_done done[2];
	struct virtmesh_submit s;
	struct virtmesh_op two[2] = { good, good };

	for (unsigned int i = 0; i < 13; i++)
		bad[i] = good;
	bad[0].group = 0;
	bad[1].sbuf = 77777;
	bad[2].rbuf = 0;
	bad[3].opcode = 99;
	bad[4].flags = 1;
	bad[5].reserved = 1;
	bad[6].timeout_ns = 0;
	bad[7].len = VIRTMESH_BUF_MAX_BYTES + 1;
	bad[8].soff = SIZE - 99;
	bad[9].roff = ~0ULL;
	bad[10].roff = SIZE - 11 - 99; /* the registered one begins at 11 */
	bad[11].soff = -50ULL;
	bad[12].opcode = VIRTMESH_OP_SEND; /* to itself */
	for (unsigned int i = 0; i < 13; i++) {
		EXPECT_ERRNO(want[i], submit(self->fd, &bad[i], 1, done, 1, 1, 0, &s));
		EXPECT_EQ(0, s.count);
		EXPECT_EQ(0, s.room);
		/* Behind a good one it stops the posting, and is not an error. */
		two[1] = bad[i];
		EXPECT_EQ(0, submit(self->fd, two, 2, done, 2, 2, 0, &s));
		EXPECT_EQ(1, s.count);
		EXPECT_EQ(1, s.room);
	}
	EXPECT_ERRNO(EFAULT, submit(self->fd, nowhere, 1, done, 1, 1, 0, &s));
	EXPECT_ERRNO(EINVAL, submit(self->fd, &good, 1, done, 1, 2, 0, &s));
	s = (struct virtmesh_submit){ .flags = 1 };
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, VIRTMESH_IOC_SUBMIT, &s));
	ASSERT_EQ(0, ioctl(self->fd, VIRTMESH_IOC_GROUP_INFO, &info));
	EXPECT_EQ(13, info.generation);

	/* A result that cannot be written stays. */
	EXPECT_ERRNO(EFAULT, submit(self->fd, &good, 1, nowhere, 1, 1, 0, &s));
	EXPECT_EQ(1, s.count);
	EXPECT_EQ(0, s.room);
	EXPECT_EQ(0, submit(self->fd, NULL, 0, done, 2, 0, 0, &s));
	EXPECT_EQ(1, s.room);
	EXPECT_EQ(0, submit(self->fd, NULL, 0, done, 2, 2, 0, &s));
	EXPECT_EQ(0, s.room);
}

TEST_F(alone, results_not_taken_are_bounded)
{
	struct virtmesh_op ops[VIRTMESH_OPS_MAX + 10];
	struct virtmesh_done done[VIRTMESH_OPS_MAX + 10];
	struct virtmesh_submit s;

	for (unsigned int i = 0; i < VIRTMESH_OPS_MAX + 10; i++)
		ops[i] = (struct virtmesh_op){ .user_data = i,
					       .group = self->group,
					       .opcode = VIRTMESH_OP_BARRIER,
					       .timeout_ns = SEC };
	ASSERT_EQ(0, submit(self->fd, ops, VIRTMESH_OPS_MAX + 10, NULL, 0, 0, 0, &s));
	EXPECT_EQ(VIRTMESH_OPS_MAX, s.count);
	EXPECT_ERRNO(EAGAIN, submit(self->fd, ops, 1, NULL, 0, 0, 0, &s));
	ASSERT_EQ(0, submit(self->fd, NULL, 0, done, VIRTMESH_OPS_MAX + 10, 1, 0, &s));
	EXPECT_EQ(VIRTMESH_OPS_MAX, s.room);
	for (unsigned int i = 0; i < s.room; i++)
		EXPECT_EQ(i, done[i].user_data);
}

TEST_F(alone, poll_and_eventfd_tell)
{
	struct virtmesh_op op = { .group = self->group,
				  .opcode = VIRTMESH_OP_BARRIER,
				  .timeout_ns = SEC };
	struct pollfd p = { .fd = self->fd, .events = POLLRDBAND };
	struct virtmesh_eventfd e = { .fd = -1 };
	struct virtmesh_done done;
	struct virtmesh_submit s;
	__u64 n;

	EXPECT_EQ(0, poll(&p, 1, 0));
	e.fd = eventfd(0, EFD_NONBLOCK);
	ASSERT_LE(0, e.fd);
	ASSERT_EQ(0, ioctl(self->fd, VIRTMESH_IOC_EVENTFD, &e));
	ASSERT_EQ(0, submit(self->fd, &op, 1, NULL, 0, 0, 0, &s));
	EXPECT_EQ(1, poll(&p, 1, 1000));
	EXPECT_EQ(POLLRDBAND, p.revents);
	EXPECT_EQ(8, read(e.fd, &n, 8));
	EXPECT_EQ(1, n);
	ASSERT_EQ(0, submit(self->fd, NULL, 0, &done, 1, 0, 0, &s));
	EXPECT_EQ(1, s.room);
	EXPECT_EQ(0, poll(&p, 1, 0));

	n = e.fd;
	e.fd = -1;
	ASSERT_EQ(0, ioctl(self->fd, VIRTMESH_IOC_EVENTFD, &e));
	ASSERT_EQ(0, submit(self->fd, &op, 1, &done, 1, 1, 0, &s));
	EXPECT_ERRNO(EAGAIN, read(n, &n, 8));
	e.fd = self->fd;
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, VIRTMESH_IOC_EVENTFD, &e));
	e.fd = 999;
	EXPECT_ERRNO(EBADF, ioctl(self->fd, VIRTMESH_IOC_EVENTFD, &e));
	e.fd = -2;
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, VIRTMESH_IOC_EVENTFD, &e));
}

TEST_F(alone, busy_poll_has_a_bound)
{
	struct virtmesh_busy_poll b = { .us = 10000 };
	struct virtmesh_op op = { .group = self->group,
				  .opcode = VIRTMESH_OP_BARRIER,
				  .timeout_ns = SEC };
	struct virtmesh_done done;
	struct virtmesh_submit s;

	ASSERT_EQ(0, ioctl(self->fd, VIRTMESH_IOC_BUSY_POLL, &b));
	EXPECT_EQ(0, submit(self->fd, &op, 1, &done, 1, 1, 0, &s));
	b.us++;
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, VIRTMESH_IOC_BUSY_POLL, &b));
	b = (struct virtmesh_busy_poll){ .reserved = 1 };
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, VIRTMESH_IOC_BUSY_POLL, &b));
}

TEST_F(alone, the_recorder_remembers)
{
	struct virtmesh_op op = { .group = self->group,
				  .opcode = VIRTMESH_OP_BARRIER,
				  .timeout_ns = SEC };
	struct virtmesh_record records[8];
	struct virtmesh_trace t = { .next = ~0ULL };
	struct virtmesh_done done;
	struct virtmesh_submit s;

	/* To the end of what there is. */
	do {
		t.records = (uintptr_t)records;
		t.count = 8;
		t.next = t.next == ~0ULL ? 0 : t.next;
		ASSERT_EQ(0, ioctl(self->fd, VIRTMESH_IOC_TRACE, &t));
	} while (t.count == 8);
	for (unsigned int i = 0; i < 3; i++)
		ASSERT_EQ(0, submit(self->fd, &op, 1, &done, 1, 1, 0, &s));
	t.count = 8;
	ASSERT_EQ(0, ioctl(self->fd, VIRTMESH_IOC_TRACE, &t));
	ASSERT_EQ(3, t.count);
	for (unsigned int i = 0; i < 3; i++) {
		EXPECT_EQ(VIRTMESH_OP_BARRIER, records[i].opcode);
		EXPECT_EQ(100, records[i].group);
		EXPECT_EQ(i + 1, records[i].number);
		EXPECT_EQ(self->node, records[i].node);
		EXPECT_LE(records[i].posted_ns, records[i].ended_ns);
	}
	t.flags = 1;
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, VIRTMESH_IOC_TRACE, &t));
	t = (struct virtmesh_trace){ .records = (uintptr_t)nowhere, .count = 1 };
	EXPECT_ERRNO(EFAULT, ioctl(self->fd, VIRTMESH_IOC_TRACE, &t));
}

TEST_F(alone, io_uring_posts_and_completes)
{
	struct virtmesh_op op = { .group = self->group,
				  .opcode = VIRTMESH_OP_ALLGATHER,
				  .sbuf = self->buf.handle,
				  .rbuf = self->mine,
				  .len = 5000,
				  .timeout_ns = SEC };
	struct io_uring ring;
	__u64 missing = 1;

	ASSERT_EQ(0, ring_init(&ring, IORING_SETUP_SQE128 | IORING_SETUP_CQE32));
	memset(self->p, 0x5a, SIZE);
	for (unsigned int i = 0; i < 300; i++) {
		ASSERT_EQ(0, ring_post(&ring, self->fd, VIRTMESH_URING_OP, &op));
		ASSERT_EQ(0, ring_take(&ring, &missing));
		ASSERT_EQ(0, missing);
	}
	EXPECT_EQ(0, memcmp(self->q + 11, self->p, 5000));

	/* Refused ones complete, with the errno, and leave nothing behind. */
	op.roff = SIZE;
	ASSERT_EQ(0, ring_post(&ring, self->fd, VIRTMESH_URING_OP, &op));
	EXPECT_EQ(-ERANGE, ring_take(&ring, NULL));
	op.group = 0;
	ASSERT_EQ(0, ring_post(&ring, self->fd, VIRTMESH_URING_OP, &op));
	EXPECT_EQ(-ENOENT, ring_take(&ring, NULL));
	ASSERT_EQ(0, ring_post(&ring, self->fd, 99, &op));
	EXPECT_EQ(-ENOTTY, ring_take(&ring, NULL));
	io_uring_queue_exit(&ring);

	ASSERT_EQ(0, ring_init(&ring, 0));
	ASSERT_EQ(0, ring_post(&ring, self->fd, VIRTMESH_URING_OP, &op));
	EXPECT_EQ(-EINVAL, ring_take(&ring, NULL));
	io_uring_queue_exit(&ring);
}

/* It takes two wait queues of a file, and of one that has more it says EINVAL. */
TEST_F(alone, io_uring_polls)
{
	struct virtmesh_op op = { .group = self->group,
				  .opcode = VIRTMESH_OP_BARRIER,
				  .timeout_ns = SEC };
	struct virtmesh_submit s;
	struct io_uring ring;

	ASSERT_EQ(0, ring_init(&ring, 0));
	/* What there is, */
	ASSERT_EQ(0, ring_poll(&ring, self->fd, POLLOUT));
	EXPECT_EQ(POLLOUT, ring_take(&ring, NULL));
	ASSERT_EQ(0, ring_poll(&ring, self->fd, POLLPRI));
	EXPECT_EQ(POLLPRI, ring_take(&ring, NULL));
	/* and what comes. */
	ASSERT_EQ(0, ring_poll(&ring, self->fd, POLLIN | POLLRDBAND));
	EXPECT_EQ(0, io_uring_cq_ready(&ring));
	ASSERT_EQ(0, submit(self->fd, &op, 1, NULL, 0, 0, 0, &s));
	EXPECT_EQ(POLLRDBAND, ring_take(&ring, NULL));
	io_uring_queue_exit(&ring);
}

TEST_HARNESS_MAIN
