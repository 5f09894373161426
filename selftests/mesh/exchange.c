// SPDX-License-Identifier: GPL-2.0-only
/*
 * Data from another node by each way in that is not a plain SUBMIT, every byte compared:
 *
 *	exchange -N NODE,NODE -g ID -c ROUNDS [-t MS] control|uring|poll|eventfd|threads
 *
 * Two nodes run it with the same arguments.
 *
 *	control		control messages of each size there is, in order, both ways
 *	uring		32 operations by one io_uring_enter(), a round
 *	poll, eventfd	a thread sleeps; only then the other node is asked for what wakes it
 *	threads		threads with a group each at once: two that have a ring each on one
 *			file, one that sends control messages on it, two with files of their own
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <liburing.h>

#include "rig.h"

#define FORM_NS	   60000000000ULL
#define CONTROL_AT 8 /* messages that wait for their receiver at a time */
#define CONTROL_UP 65536 /* more than any control_max */
#define PAIRS	   16 /* of a receive and a send in one submission */
#define SLOT	   (20000 + 2 * RIG_GUARD)

/* What one thread works with; all but fd and t.timeout_ns is its own. */
struct lane {
	int fd;
	struct rig_group g;
	struct rig_buf send, recv;
	unsigned int rounds;
	uint64_t bytes, count;
};

static struct {
	uint64_t timeout_ns;
	uint16_t nodes[2];
	uint32_t id;
	unsigned int rounds;
	size_t control_max;
} t;

static void lane_open(struct lane *l, int fd, uint32_t id)
{
	struct virtmesh_group_form form;
	int e;

	l->fd = fd;
	l->rounds = t.rounds;
	l->g = (struct rig_group){ .id = id, .count = 2, .nodes = { t.nodes[0], t.nodes[1] } };
	rig_alloc(fd, (size_t)PAIRS * SLOT, &l->send);
	rig_register(fd, (size_t)PAIRS * SLOT, &l->recv);
	rig_create(fd, &l->g);
	e = rig_form(fd, &l->g, FORM_NS, 0, &form);
	if (e)
		errx(1, "FORM of group %u: %s, missing %#llx", id, strerror(-e),
		     (unsigned long long)form.missing);
}

static unsigned int other(const struct lane *l)
{
	return 1 - l->g.rank;
}

/* Nobody leaves while the other still needs it. */
static void lane_barrier(struct lane *l)
{
	struct virtmesh_op op = {
		.group = l->g.handle,
		.opcode = VIRTMESH_OP_BARRIER,
		.timeout_ns = t.timeout_ns,
	};
	struct virtmesh_done done;
	int e = rig_run(l->fd, &op, 1, &done);

	if (e || done.result)
		errx(1, "barrier of group %u: %d, %lld", l->g.id, e, (long long)done.result);
}

/* Control messages. Both ends know how long the @n-th from @from is. */
static size_t control_len(const struct lane *l, unsigned int from, uint32_t n)
{
	const size_t max = t.control_max;
	const size_t edges[] = { 0,   1,  2,   3,   7,	 8,	  9,	   63,
				 64,  65, 255, 256, 257, 1000,	  1001,	   1499,
				 max, 0,  1,   max, 333, max - 1, max - 2, max / 2 };

	if (n < sizeof(edges) / sizeof(edges[0]))
		return edges[n];
	return rig_mix(rig_key(l->g.id, n, from, 77)) % (max + 1);
}

static void control_send(struct lane *l, uint32_t n)
{
	unsigned char data[CONTROL_UP];
	struct virtmesh_control c = {
		.addr = (uintptr_t)data + n % 8,
		.timeout_ns = t.timeout_ns,
		.group = l->g.handle,
		.len = (uint32_t)control_len(l, l->g.rank, n),
		.rank = (uint16_t)other(l),
	};

	rig_fill(data + n % 8, c.len, rig_key(l->g.id, n, l->g.rank, other(l)));
	if (ioctl(l->fd, VIRTMESH_IOC_CONTROL_SEND, &c))
		err(1, "control message %u of %u bytes", n, c.len);
}

static void control_recv(struct lane *l, uint32_t n)
{
	size_t len = control_len(l, other(l), n);
	unsigned char data[CONTROL_UP + 2 * RIG_GUARD], *at = data + RIG_GUARD + n % 8;
	struct virtmesh_control c = {
		.addr = (uintptr_t)at,
		.timeout_ns = t.timeout_ns,
		.group = l->g.handle,
	};
	long long wrong;

	/* With too little room at first: it is refused, and still there. */
	if (n % 4 == 1 && len) {
		c.len = (uint32_t)len - 1;
		memset(data, 0xa5, sizeof(data));
		if (!ioctl(l->fd, VIRTMESH_IOC_CONTROL_RECV, &c) || errno != EMSGSIZE)
			err(1, "control message %u of %zu bytes into %zu", n, len, len - 1);
		for (size_t i = 0; i < sizeof(data); i++)
			if (data[i] != 0xa5)
				errx(1, "control message %u was refused and written", n);
	}
	memset(data, 0xa5, sizeof(data));
	c.len = n % 2 ? (uint32_t)len : (uint32_t)t.control_max;
	if (ioctl(l->fd, VIRTMESH_IOC_CONTROL_RECV, &c))
		err(1, "control message %u is not received", n);
	if (c.len != len || c.rank != other(l))
		errx(1, "control message %u: %u bytes from rank %u, not %zu from %u", n, c.len,
		     c.rank, len, other(l));
	wrong = rig_differs(at, len, rig_key(l->g.id, n, other(l), l->g.rank));
	if (wrong >= 0)
		errx(1, "control message %u of %zu bytes is wrong at %lld", n, len, wrong);
	for (size_t i = 0; i < RIG_GUARD; i++)
		if (at[-1 - (long)i] != 0xa5 || at[len + i] != 0xa5)
			errx(1, "control message %u of %zu bytes: it wrote beyond", n, len);
	l->bytes += len;
	l->count++;
}

/* Eight of one rank's, then eight of the other's: who receives mostly sleeps when they come. */
static void control(struct lane *l)
{
	for (uint32_t n = 0; n < l->rounds; n += CONTROL_AT) {
		for (unsigned int turn = 0; turn < 2; turn++)
			for (uint32_t k = n; k < n + CONTROL_AT; k++) {
				if (turn == l->g.rank)
					control_send(l, k);
				else
					control_recv(l, k);
			}
	}
	/* And all that come together before the first is asked for. */
	for (uint32_t k = 0; k < CONTROL_AT; k++)
		control_send(l, l->rounds + CONTROL_AT + k);
	for (uint32_t k = 0; k < CONTROL_AT; k++)
		control_recv(l, l->rounds + CONTROL_AT + k);
	if (l->count < l->rounds)
		errx(1, "only %" PRIu64 " came", l->count);
}

/* Messages in slots of the buffers: the @n-th to a rank. */
static size_t message_len(const struct lane *l, unsigned int from, uint32_t n)
{
	static const size_t edges[] = { 0, 1, 3277, 3278, 3279, 4096, 4097, 10001 };
	uint64_t r = rig_mix(rig_key(l->g.id, n, from, 78));

	return r % 3 ? (r >> 8) % (SLOT - 2 * RIG_GUARD + 1) : edges[(r >> 8) % 8];
}

static struct virtmesh_op message_op(const struct lane *l, uint32_t n, bool send)
{
	size_t off = (size_t)(n % PAIRS) * SLOT + RIG_GUARD;
	struct virtmesh_op op = {
		.user_data = n * 2 + send,
		.group = l->g.handle,
		.opcode = send ? VIRTMESH_OP_SEND : VIRTMESH_OP_RECV,
		.rank = (uint16_t)other(l),
		.tag = n % 3,
		.timeout_ns = t.timeout_ns,
	};

	if (send) {
		op.sbuf = l->send.handle;
		op.soff = off;
		op.len = message_len(l, l->g.rank, n);
		rig_fill(l->send.addr + off, op.len, rig_key(l->g.id, n, l->g.rank, other(l)));
	} else {
		op.rbuf = l->recv.handle;
		op.roff = off;
		op.len = SLOT - 2 * RIG_GUARD;
		memset(l->recv.addr + off - RIG_GUARD, 0xa5, SLOT);
	}
	return op;
}

static void message_check(struct lane *l, uint32_t n, int64_t result)
{
	const unsigned char *at = l->recv.addr + (size_t)(n % PAIRS) * SLOT + RIG_GUARD;
	size_t len = message_len(l, other(l), n);
	long long wrong;

	if (result != (int64_t)len)
		errx(1, "message %u of group %u: %lld, not %zu bytes", n, l->g.id,
		     (long long)result, len);
	wrong = rig_differs(at, len, rig_key(l->g.id, n, other(l), l->g.rank));
	if (wrong >= 0)
		errx(1, "message %u of group %u, %zu bytes, is wrong at %lld", n, l->g.id, len,
		     wrong);
	for (size_t i = 0; i < RIG_GUARD; i++)
		if (at[-1 - (long)i] != 0xa5 || at[len + i] != 0xa5)
			errx(1, "message %u of %zu bytes: it wrote beyond", n, len);
	l->bytes += len;
	l->count++;
}

/* A round: all its operations queued, handed over by one system call, and reaped. */
static void uring_round(struct lane *l, struct io_uring *ring, uint32_t n)
{
	uint64_t seen = 0;
	int e;

	for (unsigned int i = 0; i < 2 * PAIRS; i++) {
		/* Receives first, last, or in turn with the sends. */
		unsigned int k = n / PAIRS % 3 == 2 ? i / 2 : i % PAIRS;
		bool send = n / PAIRS % 3 == 2 ? i % 2 : i / PAIRS == n / PAIRS % 3;
		struct virtmesh_op op = message_op(l, n + k, send);
		struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

		io_uring_prep_rw(IORING_OP_URING_CMD, sqe, l->fd, NULL, 0, 0);
		sqe->off = VIRTMESH_URING_OP; /* cmd_op lies there */
		sqe->user_data = op.user_data;
		memcpy((char *)sqe + 48, &op, sizeof(op));
	}
	e = io_uring_submit(ring);
	if (e != 2 * PAIRS)
		errx(1, "one io_uring_enter took %d of %d", e, 2 * PAIRS);
	for (unsigned int i = 0; i < 2 * PAIRS; i++) {
		struct io_uring_cqe *cqe;
		uint64_t missing, user;

		do
			e = io_uring_wait_cqe(ring, &cqe);
		while (e == -EINTR);
		if (e)
			errx(1, "io_uring: %s", strerror(-e));
		e = cqe->res;
		user = cqe->user_data - 2 * n;
		missing = cqe->big_cqe[0];
		io_uring_cqe_seen(ring, cqe);
		if (user >= 2 * PAIRS || seen >> user & 1 || missing)
			errx(1, "completion %" PRIu64 ": %d, missing %#" PRIx64, user, e, missing);
		seen |= 1ULL << user;
		if (!(user & 1))
			message_check(l, n + (uint32_t)user / 2, e);
		else if (e)
			errx(1, "message %" PRIu64 " is not sent: %d", n + user / 2, e);
	}
}

static void uring(struct lane *l)
{
	struct io_uring_params params = { .flags = IORING_SETUP_SQE128 | IORING_SETUP_CQE32 };
	struct io_uring ring;
	int e = io_uring_queue_init_params(2 * PAIRS, &ring, &params);

	if (e)
		errx(1, "io_uring: %s", strerror(-e));
	for (uint32_t n = 0; n < l->rounds * PAIRS; n += PAIRS)
		uring_round(l, &ring, n);
	io_uring_queue_exit(&ring);
}

static void plain(struct lane *l)
{
	for (uint32_t n = 0; n < l->rounds * PAIRS; n += PAIRS) {
		struct virtmesh_op ops[2 * PAIRS];
		struct virtmesh_done done[2 * PAIRS];
		int e;

		for (unsigned int i = 0; i < 2 * PAIRS; i++)
			ops[i] = message_op(l, n + i / 2, i % 2);
		e = rig_run(l->fd, ops, 2 * PAIRS, done);
		if (e)
			errx(1, "message %u: SUBMIT: %s", n, strerror(-e));
		for (unsigned int i = 0; i < 2 * PAIRS; i++) {
			/* Of this file's threads, nobody else's. */
			if (done[i].group != l->g.handle)
				errx(1, "it got group %#x's, its own is %#x", done[i].group,
				     l->g.handle);
			if (!(done[i].user_data & 1))
				message_check(l, (uint32_t)done[i].user_data / 2, done[i].result);
			else if (done[i].result)
				errx(1, "message %llu is not sent: %lld",
				     (unsigned long long)done[i].user_data / 2,
				     (long long)done[i].result);
		}
	}
}

/* A thread that sleeps in poll(), or in read() of an eventfd. */
struct sleeper {
	int fd; /* of the device, or the eventfd */
	bool reads;
	atomic_int tid;
	short revents;
	uint64_t value;
};

static void *sleeper_run(void *arg)
{
	struct sleeper *s = arg;
	struct pollfd pfd = { .fd = s->fd, .events = POLLRDBAND };

	atomic_store(&s->tid, (int)syscall(SYS_gettid));
	if (s->reads) {
		if (read(s->fd, &s->value, sizeof(s->value)) != sizeof(s->value))
			err(1, "eventfd");
	} else {
		if (poll(&pfd, 1, (int)(t.timeout_ns / 1000000)) != 1)
			errx(1, "poll: nothing came");
		s->revents = pfd.revents;
	}
	return NULL;
}

/* Until the kernel says that it sleeps: from then on only what comes can wake it. */
static void sleeper_sleeps(struct sleeper *s)
{
	uint64_t end = rig_now_ns() + t.timeout_ns;
	char path[64], line[512];

	for (;;) {
		int tid = atomic_load(&s->tid);
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
		f = tid ? fopen(path, "re") : NULL;
		if (f) {
			const char *state = fgets(line, sizeof(line), f) ? strrchr(line, ')') :
									   NULL;

			fclose(f);
			if (state && state[2] == 'S')
				return;
		}
		if (rig_now_ns() > end)
			errx(1, "it does not go to sleep");
		poll(NULL, 0, 1);
	}
}

static int take(struct lane *l, struct virtmesh_done *done)
{
	unsigned int none = 0;

	return rig_submit(l->fd, NULL, &none, done, 1, 0);
}

/* Ranks take turns: one sleeps, then asks by a control message, the other sends. */
static void asleep(struct lane *l, bool with_eventfd)
{
	struct virtmesh_eventfd e = { .fd = -1 };

	if (with_eventfd) {
		e.fd = eventfd(0, EFD_CLOEXEC);
		if (e.fd < 0 || ioctl(l->fd, VIRTMESH_IOC_EVENTFD, &e))
			err(1, "EVENTFD");
	}
	for (uint32_t n = 0; n < l->rounds; n++) {
		bool sends = (n & 1) == l->g.rank;
		struct virtmesh_op op = message_op(l, n, sends);
		struct sleeper s = { .fd = with_eventfd ? e.fd : l->fd, .reads = with_eventfd };
		struct virtmesh_done done;
		unsigned int one = 1;
		pthread_t thread;

		if (sends) {
			control_recv(l, n);
			if (rig_run(l->fd, &op, 1, &done) || done.result)
				errx(1, "message %u is not sent", n);
			/* The end of what it sent itself was one, too. */
			if (with_eventfd && read(e.fd, &s.value, sizeof(s.value)) < 0)
				err(1, "eventfd");
			continue;
		}
		if (rig_submit(l->fd, &op, &one, &done, 1, 0) || one != 1)
			errx(1, "message %u was there before it was asked for", n);
		if (pthread_create(&thread, NULL, sleeper_run, &s))
			errx(1, "no thread");
		sleeper_sleeps(&s);
		if (take(l, &done))
			errx(1, "message %u was there before it was asked for", n);
		control_send(l, n);
		pthread_join(thread, NULL);
		if (with_eventfd ? s.value != 1 : !(s.revents & POLLRDBAND))
			errx(1, "it woke with %#x, %" PRIu64, s.revents, s.value);
		/* Awake: then it can be taken without waiting. */
		if (take(l, &done) != 1 || done.user_data != op.user_data)
			errx(1, "message %u: awake, and nothing to take", n);
		message_check(l, n, done.result);
	}
}

static void poll_sleeps(struct lane *l)
{
	asleep(l, false);
}

static void eventfd_sleeps(struct lane *l)
{
	asleep(l, true);
}

/* Several at once. */

struct worker {
	struct lane lane;
	void (*run)(struct lane *l);
	pthread_t thread;
};

static void *work(void *arg)
{
	struct worker *w = arg;

	w->run(&w->lane);
	return NULL;
}

static void threads(struct lane *first)
{
	struct worker workers[5] = { { .run = uring },
				     { .run = uring },
				     { .run = control },
				     { .run = plain },
				     { .run = plain } };
	struct virtmesh_info info;

	for (unsigned int i = 0; i < 5; i++)
		lane_open(&workers[i].lane, i < 3 ? first->fd : rig_open(&info), t.id + 1 + i);
	for (unsigned int i = 0; i < 5; i++)
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			errx(1, "no thread");
	for (unsigned int i = 0; i < 5; i++) {
		pthread_join(workers[i].thread, NULL);
		first->bytes += workers[i].lane.bytes;
		first->count += workers[i].lane.count;
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(struct lane *l);
	} cases[] = {
		{ "control", control },	       { "uring", uring },     { "poll", poll_sleeps },
		{ "eventfd", eventfd_sleeps }, { "threads", threads },
	};
	uint16_t nodes[VIRTMESH_RANKS_MAX];
	struct virtmesh_info info;
	struct lane lane = { 0 };
	uint64_t start;
	int c, fd;

	t.timeout_ns = 60000000000ULL;
	while ((c = getopt(argc, argv, "N:g:c:t:")) != -1) {
		switch (c) {
		case 'N':
			if (rig_nodes(optarg, nodes) == 2)
				memcpy(t.nodes, nodes, sizeof(t.nodes));
			break;
		case 'g':
			t.id = (uint32_t)rig_number(optarg);
			break;
		case 'c':
			t.rounds = (unsigned int)rig_number(optarg);
			break;
		case 't':
			t.timeout_ns = rig_number(optarg) * 1000000;
			break;
		default:
			errx(2, "see the top of exchange.c");
		}
	}
	if (!t.nodes[0] || !t.rounds || optind != argc - 1)
		errx(2, "see the top of exchange.c");
	fd = rig_open(&info);
	t.control_max = info.control_max;
	lane_open(&lane, fd, t.id);
	start = rig_now_ns();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!strcmp(cases[i].name, argv[optind])) {
			cases[i].run(&lane);
			lane_barrier(&lane);
			printf("compared=%" PRIu64 " bytes=%" PRIu64 " seconds=%.3f\n", lane.count,
			       lane.bytes, (double)(rig_now_ns() - start) / 1e9);
			return 0;
		}
	errx(2, "see the top of exchange.c");
}
