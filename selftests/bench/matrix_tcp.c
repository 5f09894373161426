// SPDX-License-Identifier: GPL-2.0-only
/*
 * guest/examples/matrix.c with TCP sockets between the nodes instead of the mesh:
 *
 *	matrix_tcp [-c] RANK ADDRESS,ADDRESS,.. STEPS N BATCH
 *
 * One connection for each pair, TCP_NODELAY; in each step everybody writes its slice
 * to everybody and reads theirs as they come, all of it non-blocking by poll().
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "product.h"

#define RANKS_MAX 16
#define PORT	  7100

static struct {
	unsigned int rank, size;
	struct sockaddr_in addr[RANKS_MAX];
	int fd[RANKS_MAX];
} world;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void *memory(size_t bytes)
{
	void *p = malloc(bytes);

	if (!p)
		die("memory");
	return p;
}

static void ready(int fd)
{
	int one = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) ||
	    fcntl(fd, F_SETFL, O_NONBLOCK))
		die("socket");
}

/* To those before us; then those after us come, each saying who it is. */
static void connect_all(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int one = 1, listening = socket(AF_INET, SOCK_STREAM, 0), fd;
	double end = now_s() + 20;
	unsigned int who;

	if (listening < 0 || setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(listening, (void *)&any, sizeof(any)) || listen(listening, RANKS_MAX))
		die("listen");
	for (unsigned int r = 0; r < world.rank; r++) {
		for (;;) {
			fd = socket(AF_INET, SOCK_STREAM, 0);
			if (fd < 0)
				die("socket");
			if (!connect(fd, (void *)&world.addr[r], sizeof(world.addr[r])))
				break;
			close(fd);
			if (errno != ECONNREFUSED || now_s() > end)
				die("connect");
			usleep(10000);
		}
		if (write(fd, &world.rank, sizeof(who)) != sizeof(who))
			die("write");
		world.fd[r] = fd;
		ready(fd);
	}
	for (unsigned int r = world.rank + 1; r < world.size; r++) {
		fd = accept(listening, NULL, NULL);
		if (fd < 0 || read(fd, &who, sizeof(who)) != sizeof(who) || who >= world.size)
			die("accept");
		world.fd[who] = fd;
		ready(fd);
	}
	close(listening);
}

/* As far as it goes: 1 when there is no more to move. */
static int move(int fd, char *data, size_t len, size_t *done, int out)
{
	while (*done < len) {
		ssize_t n = out ? write(fd, data + *done, len - *done) :
				  read(fd, data + *done, len - *done);

		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n <= 0)
			die("exchange");
		*done += (size_t)n;
	}
	return 1;
}

static void allgather(const void *mine, void *all, size_t len)
{
	size_t sent[RANKS_MAX] = { 0 }, got[RANKS_MAX] = { 0 };
	struct pollfd fds[RANKS_MAX];
	unsigned int r, n;

	memcpy((char *)all + world.rank * len, mine, len);
	for (;;) {
		for (n = r = 0; r < world.size; r++) {
			struct pollfd *p = &fds[n];
			int wrote, taken;

			if (r == world.rank)
				continue;
			wrote = move(world.fd[r], (char *)mine, len, &sent[r], 1);
			taken = move(world.fd[r], (char *)all + r * len, len, &got[r], 0);
			if (wrote && taken)
				continue;
			*p = (struct pollfd){ .fd = world.fd[r] };
			p->events = (wrote ? 0 : POLLOUT) | (taken ? 0 : POLLIN);
			n++;
		}
		if (!n)
			return;
		if (poll(fds, n, 30000) <= 0)
			die("poll");
	}
}

static int same_alone(const float *result, uint32_t steps, uint32_t n, uint32_t batch)
{
	size_t bytes = (size_t)n * batch * sizeof(float);
	float *w = memory((size_t)n * n * sizeof(*w)), *x = memory(bytes), *y = memory(bytes), *t;

	product_rows(w, 0, n, n);
	product_start(x, n, batch);
	for (; steps; steps--, t = x, x = y, y = t)
		product_step(y, w, x, n, n, batch);
	return !memcmp(x, result, bytes);
}

static int run(uint32_t steps, uint32_t n, uint32_t batch, int check)
{
	uint32_t rows = n / world.size;
	size_t slice = (size_t)rows * batch * sizeof(float);
	float *x = memory(slice * world.size), *y = memory(slice);
	float *w = memory((size_t)rows * n * sizeof(*w));
	double seconds;

	product_rows(w, world.rank * rows, rows, n);
	product_start(x, n, batch);
	allgather(x + (size_t)world.rank * rows * batch, x, slice); /* the barrier */
	seconds = now_s();
	for (uint32_t step = 0; step < steps; step++) {
		product_step(y, w, x, rows, n, batch);
		allgather(y, x, slice);
	}
	seconds = now_s() - seconds;
	if (world.rank)
		return 0;
	printf("sharded product over TCP: %u nodes: %u steps, %.0f steps/s", world.size, steps,
	       steps / seconds);
	if (check && !same_alone(x, steps, n, batch)) {
		printf(", NOT what one node computes\n");
		return 1;
	}
	printf("%s\n", check ? ", bit for bit what one node computes" : "");
	return 0;
}

int main(int argc, char **argv)
{
	int check = argc > 1 && !strcmp(argv[1], "-c");
	uint32_t steps, n, batch;

	argv += check;
	if (argc - check != 6)
		goto usage;
	for (char *p = strtok(argv[2], ","); p && world.size < RANKS_MAX; p = strtok(NULL, ",")) {
		world.addr[world.size].sin_family = AF_INET;
		world.addr[world.size].sin_port = htons(PORT);
		if (!inet_aton(p, &world.addr[world.size++].sin_addr))
			goto usage;
	}
	world.rank = (unsigned int)atoi(argv[1]);
	steps = (uint32_t)atoi(argv[3]);
	n = (uint32_t)atoi(argv[4]);
	batch = (uint32_t)atoi(argv[5]);
	if (world.rank >= world.size || !steps || !n || !batch || n % world.size)
		goto usage;
	connect_all();
	return run(steps, n, batch, check);
usage:
	fprintf(stderr, "usage: matrix_tcp [-c] RANK ADDRESS,.. STEPS N BATCH\n");
	return 2;
}
