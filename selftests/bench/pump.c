// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <liburing.h>

#include "pump.h"

#define BATCH	   64 /* writes a submit */
#define READS	   64 /* a submit, at most; it doubles from READS_MIN while all find a frame */
#define READS_MIN  2
#define REST_NS	   40000 /* between an empty tap and the next look: pump.h */
#define BUFFER	   4096
#define STALL_NS   1000000000ULL /* no progress for so long: what is missing is lost */
#define WARM_UP_NS 100000000ULL
#define FEEDER_CPU 0
#define SINK_CPU   1

/* Cache lines of their own: two CPUs look at these all the time. */
struct shared {
	_Alignas(64) _Atomic __u64 received[LANE_PORTS];
	_Alignas(64) _Atomic __u64 sent;
	_Alignas(64) _Atomic int stop; /* the feeder */
	_Atomic int quit; /* the sink */
	_Atomic int err;
};

struct run {
	struct pump *pump;
	struct shared shared;
};

static __u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void pin(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu % sysconf(_SC_NPROCESSORS_ONLN), &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

/* A ring with @fds and @n buffers of BUFFER bytes registered. */
static int ring_init(struct io_uring *ring, unsigned int n, const int *fds, unsigned int nfds,
		     char **buffers)
{
	struct io_uring_params params = { .flags = IORING_SETUP_SINGLE_ISSUER |
						   IORING_SETUP_DEFER_TASKRUN };
	struct iovec iov[READS + LANE_PORTS];
	unsigned int i;
	int err;

	err = io_uring_queue_init_params(n, ring, &params);
	if (err == -EINVAL)
		err = io_uring_queue_init(n, ring, 0);
	if (err)
		return err;
	*buffers = aligned_alloc(BUFFER, n * BUFFER);
	if (!*buffers) {
		io_uring_queue_exit(ring);
		return -ENOMEM;
	}
	memset(*buffers, 0, n * BUFFER);
	for (i = 0; i < n; i++)
		iov[i] = (struct iovec){ *buffers + i * BUFFER, BUFFER };
	err = io_uring_register_files(ring, fds, nfds) ?: io_uring_register_buffers(ring, iov, n);
	if (err) {
		io_uring_queue_exit(ring);
		free(*buffers);
	}
	return err;
}

static __u64 slowest(struct run *run)
{
	__u64 least = ~0ULL, n;
	unsigned int i;

	for (i = 0; i < run->pump->receivers; i++) {
		n = atomic_load_explicit(&run->shared.received[i], memory_order_acquire);
		if (n < least)
			least = n;
	}
	return least;
}

/* Wait for room for a batch. Returns what is taken for lost by now. */
static __u64 window_wait(struct run *run, __u64 sent, __u64 lost)
{
	__u64 seen = slowest(run), last = seen, since = 0, now;

	while (sent + BATCH - (seen + lost) > PUMP_WINDOW) {
		if (atomic_load_explicit(&run->shared.stop, memory_order_relaxed))
			break;
		now = now_ns();
		if (seen != last || !since) {
			since = now;
			last = seen;
		} else if (now - since > STALL_NS) {
			return sent - seen;
		}
		__builtin_ia32_pause();
		seen = slowest(run);
	}
	return lost;
}

/* Only the last write of a batch, and what fails, has a completion. */
static void write_prepare(struct io_uring_sqe *sqe, char *buffers, unsigned int i, size_t len)
{
	io_uring_prep_write_fixed(sqe, 0, buffers + i * BUFFER, len, 0, i);
	sqe->flags = IOSQE_FIXED_FILE;
	if (i < BATCH - 1)
		sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

static int feed(struct run *run, struct io_uring *ring, char *buffers)
{
	const struct pump *pump = run->pump;
	size_t len = LINK_VNET_HDR + pump->len;
	__u64 sent = 0, lost = 0;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	unsigned int i;
	int err;

	for (i = 0; i < BATCH; i++)
		memcpy(buffers + i * BUFFER + LINK_VNET_HDR, pump->frame, pump->len);

	while (!atomic_load_explicit(&run->shared.stop, memory_order_relaxed)) {
		lost = window_wait(run, sent, lost);
		/* The queue is one batch long: what was in it is still there. */
		for (i = 0; i < BATCH; i++) {
			sqe = io_uring_get_sqe(ring);
			if (!sent)
				write_prepare(sqe, buffers, i, len);
		}
		err = io_uring_submit_and_wait(ring, 1);
		if (err < 0)
			return err;
		err = io_uring_peek_cqe(ring, &cqe);
		if (err)
			return err;
		if (cqe->res != (int)len)
			return cqe->res < 0 ? cqe->res : -EIO;
		io_uring_cqe_seen(ring, cqe);
		sent += BATCH;
		atomic_store_explicit(&run->shared.sent, sent, memory_order_release);
	}
	return 0;
}

static void read_post(struct io_uring *ring, char *buffers, unsigned int i, unsigned int from)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	io_uring_prep_read_fixed(sqe, from, buffers + i * BUFFER, BUFFER, 0, i);
	sqe->flags |= IOSQE_FIXED_FILE;
	sqe->rw_flags = RWF_NOWAIT;
	io_uring_sqe_set_data64(sqe, i);
}

/* Read at most @want frames of receiver @from with one call. How many came, or -errno. */
static int read_batch(struct run *run, struct io_uring *ring, char *buffers, unsigned int from,
		      unsigned int want, __u64 *received)
{
	const struct pump *pump = run->pump;
	struct io_uring_cqe *cqe;
	unsigned int i, head, n = 0;
	int err, found = 0;

	for (i = 0; i < want; i++)
		read_post(ring, buffers, i, from);
	err = io_uring_submit_and_wait(ring, want);
	if (err < 0)
		return err;
	io_uring_for_each_cqe(ring, head, cqe) {
		n++;
		if (cqe->res == -EAGAIN)
			continue;
		if (cqe->res < 0)
			return cqe->res;
		found++;
		i = io_uring_cqe_get_data64(cqe);
		/* A bridge speaks by itself, too (IGMP, neighbours): not counted. */
		if (!memcmp(buffers + i * BUFFER + LINK_VNET_HDR, pump->frame, VM_ETH_HLEN))
			++*received;
	}
	io_uring_cq_advance(ring, n);
	return found;
}

static void rest(void)
{
	__u64 end = now_ns() + REST_NS;

	while (now_ns() < end)
		__builtin_ia32_pause();
}

static int sink(struct run *run, struct io_uring *ring, char *buffers)
{
	const struct pump *pump = run->pump;
	unsigned int want[LANE_PORTS], i;
	__u64 received[LANE_PORTS] = { 0 };
	bool more;
	int found;

	for (i = 0; i < pump->receivers; i++)
		want[i] = READS_MIN;
	while (!atomic_load_explicit(&run->shared.quit, memory_order_relaxed)) {
		more = false;
		for (i = 0; i < pump->receivers; i++) {
			found = read_batch(run, ring, buffers, i, want[i], &received[i]);
			if (found < 0)
				return found;
			if (found)
				atomic_store_explicit(&run->shared.received[i], received[i],
						      memory_order_release);
			more |= found == (int)want[i];
			want[i] = found < (int)want[i] ? READS_MIN : want[i] * 2;
			if (want[i] > READS)
				want[i] = READS;
		}
		if (!more)
			rest();
	}
	return 0;
}

static void *feeder_thread(void *arg)
{
	struct run *run = arg;
	struct io_uring ring;
	char *buffers;
	int err;

	pin(FEEDER_CPU);
	err = ring_init(&ring, BATCH, &run->pump->from->fd, 1, &buffers);
	if (!err) {
		err = feed(run, &ring, buffers);
		io_uring_queue_exit(&ring);
		free(buffers);
	}
	if (err)
		atomic_store(&run->shared.err, err);
	return NULL;
}

static void *sink_thread(void *arg)
{
	struct run *run = arg;
	int fds[LANE_PORTS], err;
	struct io_uring ring;
	unsigned int i;
	char *buffers;

	pin(SINK_CPU);
	for (i = 0; i < run->pump->receivers; i++)
		fds[i] = run->pump->to[i]->fd;
	err = ring_init(&ring, READS, fds, run->pump->receivers, &buffers);
	if (!err) {
		err = sink(run, &ring, buffers);
		io_uring_queue_exit(&ring);
		free(buffers);
	}
	if (err)
		atomic_store(&run->shared.err, err);
	return NULL;
}

static __u64 arrived(struct run *run)
{
	__u64 sum = 0;
	unsigned int i;

	for (i = 0; i < run->pump->receivers; i++)
		sum += atomic_load(&run->shared.received[i]);
	return sum;
}

static void sleep_ns(__u64 ns)
{
	struct timespec ts = { ns / 1000000000, ns % 1000000000 };

	nanosleep(&ts, NULL);
}

/* Let what is under way arrive: until nothing came for STALL_NS. */
static void settle(struct run *run)
{
	__u64 all = atomic_load(&run->shared.sent) * run->pump->receivers;
	__u64 last = arrived(run), since = now_ns();

	while (last < all && now_ns() - since < STALL_NS && !atomic_load(&run->shared.err)) {
		sleep_ns(1000000);
		if (arrived(run) != last) {
			last = arrived(run);
			since = now_ns();
		}
	}
}

int pump_run(struct pump *pump)
{
	struct run run = { .pump = pump };
	pthread_t feeder, sinker;
	__u64 start, end, first;
	char left[BUFFER];
	unsigned int i;
	int err;

	for (i = 0; i < pump->receivers; i++)
		while (link_read(pump->to[i], left, sizeof(left)) >= 0)
			;
	err = -pthread_create(&sinker, NULL, sink_thread, &run);
	if (err)
		return err;
	err = -pthread_create(&feeder, NULL, feeder_thread, &run);
	if (err)
		goto quit;

	sleep_ns(WARM_UP_NS);
	start = now_ns();
	first = arrived(&run);
	sleep_ns(pump->seconds * 1e9);
	end = now_ns();
	pump->rate = (arrived(&run) - first) * 1e9 / (end - start);

	atomic_store(&run.shared.stop, 1);
	pthread_join(feeder, NULL);
	settle(&run);
	pump->lost = atomic_load(&run.shared.sent) * pump->receivers - arrived(&run);
quit:
	atomic_store(&run.shared.quit, 1);
	pthread_join(sinker, NULL);
	return err ?: atomic_load(&run.shared.err);
}
