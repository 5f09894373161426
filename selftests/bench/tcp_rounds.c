// SPDX-License-Identifier: GPL-2.0-only
/*
 * Round trips over TCP, as a program has them that does what it can:
 *
 *	tcp_rounds serve PORT
 *	tcp_rounds ping ADDRESS PORT BYTES COUNT
 *
 * TCP_NODELAY, blocking calls, one message of BYTES each way; "p50=NS p99=NS", without
 * what reading the clock takes, as mesh perf tells it.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BYTES_MAX   65536
#define WARM_UP	    200
#define CLOCK_READS 101

static char buf[BYTES_MAX];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void nodelay(int fd)
{
	int one = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		die("TCP_NODELAY");
}

/* All of @len; 0 when the other end has closed. */
static int take(int fd, size_t len)
{
	for (size_t got = 0; got < len;) {
		ssize_t n = read(fd, buf + got, len - got);

		if (n <= 0)
			return 0;
		got += (size_t)n;
	}
	return 1;
}

static void serve(struct sockaddr_in *addr)
{
	int one = 1, fd, listening = socket(AF_INET, SOCK_STREAM, 0);

	if (listening < 0 || setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(listening, (void *)addr, sizeof(*addr)) || listen(listening, 1))
		die("listen");
	while ((fd = accept(listening, NULL, NULL)) >= 0) {
		unsigned int len;

		nodelay(fd);
		if (take(fd, sizeof(len))) {
			memcpy(&len, buf, sizeof(len));
			while (len <= BYTES_MAX && take(fd, len) &&
			       write(fd, buf, len) == (ssize_t)len)
				;
		}
		close(fd);
	}
	die("accept");
}

static int by_value(const void *a, const void *b)
{
	const unsigned long long *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static unsigned long long between(const struct timespec *from, const struct timespec *to)
{
	return (to->tv_sec - from->tv_sec) * 1000000000ULL + to->tv_nsec - from->tv_nsec;
}

/* Of two readings with nothing between them, the median. */
static unsigned long long clock_ns(void)
{
	unsigned long long ns[CLOCK_READS];
	struct timespec from, to;

	for (unsigned int i = 0; i < CLOCK_READS; i++) {
		clock_gettime(CLOCK_MONOTONIC, &from);
		clock_gettime(CLOCK_MONOTONIC, &to);
		ns[i] = between(&from, &to);
	}
	qsort(ns, CLOCK_READS, sizeof(*ns), by_value);
	return ns[CLOCK_READS / 2];
}

static unsigned long long without(unsigned long long ns, unsigned long long clock)
{
	return ns > clock ? ns - clock : 1;
}

static void ping(const struct sockaddr_in *addr, unsigned int len, unsigned int count)
{
	unsigned long long *ns = calloc(count, sizeof(*ns)), clock = clock_ns();
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct timespec from, to;

	if (!ns || fd < 0 || connect(fd, (const void *)addr, sizeof(*addr)))
		die("connect");
	nodelay(fd);
	if (write(fd, &len, sizeof(len)) != sizeof(len))
		die("write");
	for (unsigned int i = 0; i < count + WARM_UP; i++) {
		clock_gettime(CLOCK_MONOTONIC, &from);
		if (write(fd, buf, len) != (ssize_t)len || !take(fd, len))
			die("round trip");
		clock_gettime(CLOCK_MONOTONIC, &to);
		if (i >= WARM_UP)
			ns[i - WARM_UP] = without(between(&from, &to), clock);
	}
	qsort(ns, count, sizeof(*ns), by_value);
	printf("p50=%llu p99=%llu\n", ns[count / 2], ns[count - 1 - count / 100]);
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };

	if (argc == 3 && !strcmp(argv[1], "serve")) {
		addr.sin_port = htons(atoi(argv[2]));
		serve(&addr);
	} else if (argc == 6 && !strcmp(argv[1], "ping") && inet_aton(argv[2], &addr.sin_addr) &&
		   atoi(argv[4]) > 0 && atoi(argv[4]) <= BYTES_MAX && atoi(argv[5]) > 0) {
		addr.sin_port = htons(atoi(argv[3]));
		ping(&addr, atoi(argv[4]), atoi(argv[5]));
		return 0;
	}
	fprintf(stderr, "usage: tcp_rounds serve PORT | ping ADDRESS PORT BYTES COUNT\n");
	return 2;
}
