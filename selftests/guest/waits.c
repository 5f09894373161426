// SPDX-License-Identifier: GPL-2.0-only
/*
 * Operations of /dev/virtmesh0 that do not end by themselves: deadlines, signals,
 * and everything that takes them away. virtmesh.sh runs it in one guest,
 *
 *	SELF=1 PEER=2 waits
 *
 * while in another there is somebody who forms the same group, again and again, and
 * then does nothing:
 *
 *	waits partner GROUP NODE NODE
 */
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "calls.h"
#include "kselftest_harness.h"

#define PARTNER 4242 /* the group that the partner is in */
#define LISTENS 253 /* opcode of who waits for a control message */

FIXTURE(pair)
{
	int fd;
	__u16 nodes[2];
	__u32 group;
	struct virtmesh_buf_alloc buf;
};

/* The id is taken for as long as io_uring holds the file of who had it before. */
static int create_soon(int fd, const __u16 *nodes, __u32 *group)
{
	__u64 end = now() + LONG;

	while (group_create(fd, PARTNER, nodes, 2, group)) {
		if (errno != EADDRINUSE || now() > end)
			return -1;
		poll(NULL, 0, 10);
	}
	return 0;
}

FIXTURE_SETUP(pair)
{
	struct virtmesh_group_form f;

	self->nodes[0] = env_number("SELF");
	self->nodes[1] = env_number("PEER");
	self->fd = open(DEVICE, O_RDWR);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, buf_alloc(self->fd, SIZE, &self->buf));
	ASSERT_EQ(0, create_soon(self->fd, self->nodes, &self->group));
	ASSERT_EQ(0, group_form(self->fd, self->group, LONG, &f));
}

FIXTURE_TEARDOWN(pair)
{
	close(self->fd);
}

static struct virtmesh_op pending_op(__u32 group, __u32 buffer, __u64 timeout_ns)
{
	return (struct virtmesh_op){ .group = group,
				     .opcode = VIRTMESH_OP_RECV,
				     .rank = 1,
				     .rbuf = buffer,
				     .len = 100,
				     .timeout_ns = timeout_ns };
}

TEST_F(pair, a_deadline_names_who_is_missing)
{
	struct virtmesh_op op = pending_op(self->group, self->buf.handle, 100 * MS);
	struct virtmesh_done done;
	struct virtmesh_submit s;
	__u64 began = now();

	ASSERT_EQ(0, submit(self->fd, &op, 1, &done, 1, 1, 0, &s));
	EXPECT_LE(100 * MS, now() - began);
	ASSERT_EQ(1, s.room);
	EXPECT_EQ(-ETIMEDOUT, done.result);
	EXPECT_EQ(2, done.missing);
	EXPECT_EQ(1, done.rank);
	EXPECT_NE(VIRTMESH_REASON_NONE, done.reason);
	EXPECT_LE(100 * MS, done.elapsed_ns);
	/* For the kernel's log, which says with the next what was before. */
	op.timeout_ns = 10 * MS;
	ASSERT_EQ(0, submit(self->fd, &op, 1, &done, 1, 1, 0, &s));
	EXPECT_EQ(-ETIMEDOUT, done.result);
}

TEST_F(pair, waiting_is_not_posting)
{
	struct virtmesh_op op = pending_op(self->group, self->buf.handle, LONG);
	struct virtmesh_busy_poll b = { .us = 2000 };
	struct virtmesh_group_leave leave = { .group = self->group };
	struct virtmesh_done done;
	struct virtmesh_submit s;
	__u64 began;

	ASSERT_EQ(0, submit(self->fd, &op, 1, &done, 1, 0, 0, &s));
	EXPECT_EQ(0, s.room);
	for (unsigned int i = 0; i < 2; i++) {
		began = now();
		EXPECT_ERRNO(ETIME, submit(self->fd, NULL, 0, &done, 1, 1, 20 * MS, &s));
		EXPECT_LE(20 * MS, now() - began);
		EXPECT_EQ(0, s.room);
		ASSERT_EQ(0, ioctl(self->fd, VIRTMESH_IOC_BUSY_POLL, &b));
	}
	/* Its buffer may go before it. */
	EXPECT_EQ(0, buf_free(self->fd, self->buf.handle));
	ASSERT_EQ(0, ioctl(self->fd, VIRTMESH_IOC_GROUP_LEAVE, &leave));
	ASSERT_EQ(0, submit(self->fd, NULL, 0, &done, 1, 1, 0, &s));
	ASSERT_EQ(1, s.room);
	EXPECT_EQ(-ECANCELED, done.result);
}

/* Of the processor's time: who sleeps takes none, and how long he does is up to jiffies. */
static __u64 worked(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * SEC + t.tv_nsec;
}

/* The least that any of some waits of a millisecond took of it. */
static __u64 least_of_short_waits(int fd, bool control, __u32 group)
{
	struct virtmesh_control c = { .group = group, .timeout_ns = MS };
	struct virtmesh_done done;
	struct virtmesh_submit s;
	__u64 least = LONG, began;

	for (unsigned int i = 0; i < 50; i++) {
		began = worked();
		if (control ? ioctl(fd, VIRTMESH_IOC_CONTROL_RECV, &c) != -1 || errno != ETIMEDOUT :
			      submit(fd, NULL, 0, &done, 1, 1, MS, &s) != -1 || errno != ETIME)
			return LONG;
		if (worked() - began < least)
			least = worked() - began;
	}
	return least;
}

TEST_F(pair, a_busy_poll_ends_with_the_wait)
{
	struct virtmesh_op op = pending_op(self->group, self->buf.handle, LONG);
	struct virtmesh_busy_poll b = { .us = 10000 };
	struct virtmesh_done done;
	struct virtmesh_submit s;

	ASSERT_EQ(0, submit(self->fd, &op, 1, &done, 1, 0, 0, &s));
	ASSERT_EQ(0, ioctl(self->fd, VIRTMESH_IOC_BUSY_POLL, &b));
	EXPECT_GT(5 * MS, least_of_short_waits(self->fd, false, self->group));
	EXPECT_GT(5 * MS, least_of_short_waits(self->fd, true, self->group));
}

static void on_alarm(int sig)
{
}

TEST_F(pair, a_signal_ends_the_wait_and_nothing_else)
{
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct virtmesh_op op = pending_op(self->group, self->buf.handle, LONG);
	struct itimerval soon = { .it_value.tv_usec = 50000, .it_interval.tv_usec = 50000 };
	struct itimerval never = {};
	struct virtmesh_control c = { .group = self->group, .rank = 1, .timeout_ns = LONG };
	struct virtmesh_done done;
	struct virtmesh_submit s;

	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &soon, NULL));
	EXPECT_ERRNO(EINTR, submit(self->fd, &op, 1, &done, 1, 1, 0, &s));
	EXPECT_EQ(1, s.count);
	EXPECT_EQ(0, s.room);
	EXPECT_ERRNO(EINTR, ioctl(self->fd, VIRTMESH_IOC_CONTROL_RECV, &c));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &never, NULL));
	EXPECT_ERRNO(ETIME, submit(self->fd, NULL, 0, &done, 1, 1, MS, &s));
}

TEST_F(pair, control_messages)
{
	struct virtmesh_control c = { .group = self->group, .rank = 1, .timeout_ns = LONG };
	struct virtmesh_info info;
	char data[65536] = "for nobody";

	ASSERT_EQ(0, ioctl(self->fd, VIRTMESH_IOC_INFO, &info));
	EXPECT_LT(1000, info.control_max);
	c.addr = (uintptr_t)data;
	c.len = info.control_max;
	EXPECT_EQ(0, ioctl(self->fd, VIRTMESH_IOC_CONTROL_SEND, &c));
	c.len = 0;
	c.addr = 0;
	EXPECT_EQ(0, ioctl(self->fd, VIRTMESH_IOC_CONTROL_SEND, &c));
	c.len = info.control_max + 1;
	EXPECT_ERRNO(EMSGSIZE, ioctl(self->fd, VIRTMESH_IOC_CONTROL_SEND, &c));
	c.len = 10;
	c.addr = (uintptr_t)nowhere;
	EXPECT_ERRNO(EFAULT, ioctl(self->fd, VIRTMESH_IOC_CONTROL_SEND, &c));
	c.addr = (uintptr_t)data;
	c.rank = 0;
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, VIRTMESH_IOC_CONTROL_SEND, &c));
	c.rank = 2;
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, VIRTMESH_IOC_CONTROL_SEND, &c));
	c.rank = 1;
	c.timeout_ns = 0;
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, VIRTMESH_IOC_CONTROL_SEND, &c));
	EXPECT_ERRNO(EAGAIN, ioctl(self->fd, VIRTMESH_IOC_CONTROL_RECV, &c));
	c.timeout_ns = 20 * MS;
	EXPECT_ERRNO(ETIMEDOUT, ioctl(self->fd, VIRTMESH_IOC_CONTROL_RECV, &c));
	c.flags = 1;
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, VIRTMESH_IOC_CONTROL_RECV, &c));
	c.flags = 0;
	c.group = 0;
	EXPECT_ERRNO(ENOENT, ioctl(self->fd, VIRTMESH_IOC_CONTROL_RECV, &c));
	EXPECT_ERRNO(ENOENT, ioctl(self->fd, VIRTMESH_IOC_CONTROL_SEND, &c));
}

TEST_F(pair, pending_and_stats_tell)
{
	struct virtmesh_op op = pending_op(self->group, self->buf.handle, LONG);
	struct virtmesh_record records[VIRTMESH_PENDING_MAX];
	__u16 nodes[VIRTMESH_PENDING_MAX * VIRTMESH_RANKS_MAX];
	struct virtmesh_pending p = { .records = (uintptr_t)records,
				      .nodes = (uintptr_t)nodes,
				      .timeout_ms = 10000,
				      .node = self->nodes[0] };
	struct virtmesh_trace t = { .records = (uintptr_t)records, .count = 0 };
	struct virtmesh_stats stats = { .node = self->nodes[1] };
	struct virtmesh_done done;
	struct virtmesh_submit s;
	__u64 began = now();

	for (unsigned int i = 0; i < VIRTMESH_PENDING_MAX + 4; i++)
		ASSERT_EQ(0, submit(self->fd, &op, 1, &done, 1, 0, 0, &s));
	ASSERT_EQ(0, ioctl(self->fd, VIRTMESH_IOC_PENDING, &p));
	ASSERT_EQ(VIRTMESH_PENDING_MAX, p.count);
	EXPECT_EQ(VIRTMESH_OP_RECV, records[0].opcode);
	EXPECT_EQ(PARTNER, records[0].group);
	EXPECT_EQ(2, records[0].missing);
	EXPECT_EQ(1, records[0].rank);
	EXPECT_EQ(0, records[0].ended_ns);
	EXPECT_EQ(self->nodes[0], nodes[0]);
	EXPECT_EQ(self->nodes[1], nodes[1]);
	EXPECT_EQ(0, nodes[2]);
	for (unsigned int i = 1; i < p.count; i++)
		EXPECT_LE(records[i - 1].posted_ns, records[i].posted_ns);
	/* The partner has formed the group and waits, soon, for a word from anybody. */
	p.node = self->nodes[1];
	do {
		usleep(50000); /* so many answers a second, and no more */
		ASSERT_EQ(0, ioctl(self->fd, VIRTMESH_IOC_PENDING, &p));
		ASSERT_GE(1, p.count);
	} while ((!p.count || records[0].opcode != LISTENS) && now() - began < LONG);
	ASSERT_EQ(1, p.count);
	EXPECT_EQ(LISTENS, records[0].opcode);
	EXPECT_EQ(PARTNER, records[0].group);
	EXPECT_EQ(0, records[0].missing);
	EXPECT_EQ(1, records[0].self);
	p.node = 999;
	EXPECT_ERRNO(EHOSTUNREACH, ioctl(self->fd, VIRTMESH_IOC_PENDING, &p));
	p.timeout_ms = 0;
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, VIRTMESH_IOC_PENDING, &p));

	/* At the end of the recorder: what is pending. */
	ASSERT_EQ(0, ioctl(self->fd, VIRTMESH_IOC_TRACE, &t));
	do {
		t.count = VIRTMESH_PENDING_MAX;
		ASSERT_EQ(0, ioctl(self->fd, VIRTMESH_IOC_TRACE, &t));
	} while (t.count && records[t.count - 1].ended_ns);
	ASSERT_NE(0, t.count);
	EXPECT_EQ(PARTNER, records[t.count - 1].group);

	ASSERT_EQ(0, ioctl(self->fd, VIRTMESH_IOC_STATS, &stats));
	EXPECT_EQ(self->nodes[1], stats.node);
	stats.node = 999;
	EXPECT_ERRNO(EHOSTUNREACH, ioctl(self->fd, VIRTMESH_IOC_STATS, &stats));
}

/* Whatever way a file goes with operations pending: at once, and the peer is free again. */
TEST_F(pair, a_closed_file_ends_everything)
{
	struct virtmesh_op op = pending_op(self->group, self->buf.handle, VIRTMESH_TIMEOUT_MAX_NS);
	struct virtmesh_done done;
	struct virtmesh_submit s;

	for (unsigned int i = 0; i < 10; i++)
		ASSERT_EQ(0, submit(self->fd, &op, 1, &done, 1, 0, 0, &s));
}

TEST_F(pair, a_killed_process_ends_everything)
{
	struct virtmesh_op op = pending_op(self->group, self->buf.handle, VIRTMESH_TIMEOUT_MAX_NS);
	struct virtmesh_group_form f;
	struct virtmesh_done done;
	struct virtmesh_submit s;
	int ready[2], status;
	__u32 group = 0;
	pid_t child;
	char c;

	ASSERT_EQ(0, pipe(ready));
	close(self->fd); /* the fixture's group goes, the child makes it anew */
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		int fd = open(DEVICE, O_RDWR);
		struct io_uring ring;

		if (buf_alloc(fd, SIZE, &self->buf) ||
		    group_create(fd, PARTNER, self->nodes, 2, &group) ||
		    group_form(fd, group, LONG, &f) || ring_init(&ring, IORING_SETUP_SQE128))
			_exit(1);
		op.group = group;
		op.rbuf = self->buf.handle;
		if (ring_post(&ring, fd, VIRTMESH_URING_OP, &op) || write(ready[1], "", 1) != 1)
			_exit(2);
		submit(fd, &op, 1, &done, 1, 1, 0, &s);
		_exit(3);
	}
	close(ready[1]);
	ASSERT_EQ(1, read(ready[0], &c, 1));
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));

	/* And all begins anew. */
	self->fd = open(DEVICE, O_RDWR);
	ASSERT_EQ(0, create_soon(self->fd, self->nodes, &group));
	ASSERT_EQ(0, group_form(self->fd, group, LONG, &f));
}

/* How many operations of this node are pending, 16 at most; negative: it does not say. */
static int pending_here(int fd, __u16 node)
{
	static struct virtmesh_record records[VIRTMESH_PENDING_MAX];
	struct virtmesh_pending p = { .records = (uintptr_t)records,
				      .node = node,
				      .timeout_ms = 1000 };

	return ioctl(fd, VIRTMESH_IOC_PENDING, &p) ? -errno : p.count;
}

/* Whether io_uring can tell the driver that a ring goes: Linux 6.7 and newer. */
static bool ring_tells(void)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	char name[256];
	bool found = false;

	while (f && !found && fscanf(f, "%*s %*s %255s%*[^\n]", name) == 1)
		found = !strcmp(name, "io_uring_cmd_mark_cancelable");
	if (f)
		fclose(f);
	return found;
}

/* Where io_uring does not tell, by the deadline; which else is too far for that. */
TEST_F(pair, a_ring_that_goes_takes_its_operations_along)
{
	struct virtmesh_op op = pending_op(self->group, self->buf.handle,
					   ring_tells() ? VIRTMESH_TIMEOUT_MAX_NS : 3 * SEC);
	struct virtmesh_group_info info = { .group = self->group };
	struct io_uring ring;
	__u64 end = now() + LONG / 2; /* the harness gives it 30 s */

	ASSERT_EQ(0, ring_init(&ring, IORING_SETUP_SQE128));
	for (unsigned int i = 0; i < 10; i++)
		ASSERT_EQ(0, ring_post(&ring, self->fd, VIRTMESH_URING_OP, &op));
	EXPECT_EQ(10, pending_here(self->fd, self->nodes[0]));
	io_uring_queue_exit(&ring);
	while (pending_here(self->fd, self->nodes[0]) > 0 && now() < end)
		poll(NULL, 0, 10);
	EXPECT_EQ(0, pending_here(self->fd, self->nodes[0]));
	/* With the group: a single one cannot be taken back. */
	if (ring_tells())
		EXPECT_ERRNO(ENOENT, ioctl(self->fd, VIRTMESH_IOC_GROUP_INFO, &info));
}

TEST_F(pair, io_uring_waits_for_deadlines)
{
	struct virtmesh_op op = pending_op(self->group, self->buf.handle, 50 * MS);
	struct io_uring ring;
	__u64 missing = 0;

	ASSERT_EQ(0, ring_init(&ring, IORING_SETUP_SQE128 | IORING_SETUP_CQE32));
	ASSERT_EQ(0, ring_post(&ring, self->fd, VIRTMESH_URING_OP, &op));
	EXPECT_EQ(-ETIMEDOUT, ring_take(&ring, &missing));
	EXPECT_EQ(2, missing);
	io_uring_queue_exit(&ring);
}

/* Nonsense, half of it nearly right. Whatever the answers, the kernel lives and is clean. */
TEST_F(pair, nonsense)
{
	static const unsigned long calls[] = {
		VIRTMESH_IOC_INFO,	   VIRTMESH_IOC_PEERS,	      VIRTMESH_IOC_BIND,
		VIRTMESH_IOC_BUF_ALLOC,	   VIRTMESH_IOC_BUF_REGISTER, VIRTMESH_IOC_BUF_FREE,
		VIRTMESH_IOC_GROUP_CREATE, VIRTMESH_IOC_GROUP_LEAVE,  VIRTMESH_IOC_GROUP_INFO,
		VIRTMESH_IOC_SUBMIT,	   VIRTMESH_IOC_SUBMIT,	      VIRTMESH_IOC_SUBMIT,
		VIRTMESH_IOC_EVENTFD,	   VIRTMESH_IOC_BUSY_POLL,    VIRTMESH_IOC_TRACE,
		VIRTMESH_IOC_STATS,
	};
	static __u64 memory[65536]; /* what pointers may point to: room for any answer */
	__u32 seed = env_number("SEED") ?: (__u32)now();
	__u64 arg[64];

	/* It asks for a lot of memory: as one who gets little. */
	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ 4 << 20, 4 << 20 }));
	ASSERT_EQ(0, setresuid(4711, 4711, 4711));
	TH_LOG("SEED=%u", seed);
	srandom(seed);
	for (__u64 end = now() + 3 * SEC; now() < end;) {
		for (unsigned int k = 0; k < 64; k++) {
			switch (random() % 6) {
			case 0:
				arg[k] = (uintptr_t)memory;
				break;
			case 1:
				arg[k] = (__u64)random() << 33 ^ random();
				break;
			case 2:
				arg[k] = self->group | (__u64)(random() % 9) << 32;
				break;
			case 3:
				arg[k] = random() % 4096;
				break;
			default:
				arg[k] = random() % 3;
			}
			memory[random() % 1024] = arg[k];
		}
		/* Never a wait that nobody would end. */
		unsigned long call = calls[random() % (sizeof(calls) / sizeof(*calls))];

		if (call == VIRTMESH_IOC_SUBMIT) {
			struct virtmesh_submit *s = (void *)arg;

			s->wait = 0;
		}
		ioctl(self->fd, call, arg);
	}
}

/* The peer's half: form, wait until it fails, form again. */
static int be_partner(char **args)
{
	__u16 nodes[2] = { strtoul(args[1], NULL, 10), strtoul(args[2], NULL, 10) };
	struct virtmesh_group_form f;
	int fd = open(DEVICE, O_RDWR);
	char data[65536];
	__u32 group;

	if (fd < 0 || group_create(fd, strtoul(args[0], NULL, 10), nodes, 2, &group)) {
		perror("partner");
		return 1;
	}
	for (;;) {
		struct virtmesh_control c = { .group = group,
					      .timeout_ns = VIRTMESH_TIMEOUT_MAX_NS };

		if (group_form(fd, group, SEC, &f)) {
			if (errno == ETIMEDOUT || errno == EHOSTDOWN || errno == EAGAIN)
				continue;
			perror("partner: form");
			return 1;
		}
		do {
			c.addr = (uintptr_t)data;
			c.len = sizeof(data);
		} while (!ioctl(fd, VIRTMESH_IOC_CONTROL_RECV, &c));
	}
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "partner"))
		return be_partner(argv + 2);
	return test_harness_run(argc, argv);
}
