// SPDX-License-Identifier: GPL-2.0-only
/*
 * wake CPU CPU: the unit that round trips are judged in, what it costs this machine
 * to wake a thread on the other CPU. A round trip between guests is made of such
 * wake-ups, and they differ tenfold from one machine, and one minute, to the next.
 *
 * An eventfd ping-pong between two threads, each blocked in read(2), on the two
 * CPUs; prints "wake.p50 NS" and "wake.p99 NS".
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "figure.h"

#define ROUNDS	5000
#define WARM_UP 200

struct wake {
	int ping, pong; /* eventfds */
	int cpu_a, cpu_b;
	double ns[ROUNDS];
	int err;
};

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

static int pin(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	return sched_setaffinity(0, sizeof(cpus), &cpus) ? -errno : 0;
}

static int eventfd_pass(int from, int to)
{
	eventfd_t value;

	return eventfd_read(from, &value) || eventfd_write(to, 1) ? -errno : 0;
}

static void *answer(void *arg)
{
	struct wake *wake = arg;
	int i;

	/* An answer for each question in any case, or the other would wait for ever. */
	wake->err = pin(wake->cpu_b);
	for (i = 0; i < WARM_UP + ROUNDS; i++)
		if (eventfd_pass(wake->ping, wake->pong))
			wake->err = -EIO;
	return NULL;
}

static void *ask(void *arg)
{
	struct wake *wake = arg;
	int err = pin(wake->cpu_a), i;
	eventfd_t value;
	double start;

	for (i = 0; i < WARM_UP + ROUNDS; i++) {
		start = now_ns();
		if (eventfd_write(wake->ping, 1) || eventfd_read(wake->pong, &value))
			err = -errno;
		if (i >= WARM_UP)
			wake->ns[i - WARM_UP] = now_ns() - start;
	}
	wake->err = wake->err ?: err;
	return NULL;
}

static int wake_measure(int cpu_a, int cpu_b)
{
	static struct wake wake; /* too large for a stack */
	pthread_t a, b;
	int err;

	wake = (struct wake){ .ping = eventfd(0, EFD_CLOEXEC), .cpu_a = cpu_a, .cpu_b = cpu_b };
	wake.pong = eventfd(0, EFD_CLOEXEC);
	if (wake.ping < 0 || wake.pong < 0)
		return -errno;
	err = -pthread_create(&b, NULL, answer, &wake);
	if (!err) {
		err = -pthread_create(&a, NULL, ask, &wake);
		if (err) /* feed the other to its end */
			ask(&wake);
		else
			pthread_join(a, NULL);
		pthread_join(b, NULL);
	}
	close(wake.ping);
	close(wake.pong);
	if (err || wake.err)
		return err ?: wake.err;
	printf("wake.p50 %.0f\n", figure_percentile(wake.ns, ROUNDS, 50));
	printf("wake.p99 %.0f\n", figure_percentile(wake.ns, ROUNDS, 99));
	return 0;
}

int main(int argc, char **argv)
{
	int err = argc == 3 ? wake_measure(atoi(argv[1]), atoi(argv[2])) : -EINVAL;

	if (err)
		fprintf(stderr, "wake: %s\n", strerror(-err));
	return !!err;
}
