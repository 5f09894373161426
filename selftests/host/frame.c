// SPDX-License-Identifier: GPL-2.0-only
/*
 * A node without a VM: sends and receives frames on a tap or any other interface.
 *
 *	frame send IFNAME DST SRC TYPE LEN SEED [COUNT]
 *	frame recv IFNAME COUNT SECONDS
 *
 * `recv` writes "ready", then "DST SRC TYPE LEN SEED" for each frame whose bytes
 * behind the header are what `send` makes of that SEED, or "... damaged", and
 * ends with 0 when COUNT have come, with 1 when the time is over.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

#define FRAME_MAX 9216
#define VNET_HDR  12

struct port {
	int fd;
	size_t skip; /* what stands before a frame */
};

static struct port open_port(const char *name)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	struct port port = { .fd = vm_tap_open(name), .skip = VNET_HDR };

	if (port.fd == -EINVAL) { /* no tap */
		addr.sll_ifindex = if_nametoindex(name);
		port.skip = 0;
		port.fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
				 htons(ETH_P_ALL));
		if (port.fd >= 0 && bind(port.fd, (struct sockaddr *)&addr, sizeof(addr)))
			port.fd = -errno;
	}
	if (port.fd < 0) {
		fprintf(stderr, "frame: %s: %s\n", name, strerror(-port.fd));
		exit(2);
	}
	return port;
}

static unsigned char body(unsigned int seed, size_t at)
{
	return (seed + 1) * 2654435761u >> (at % 4 * 8) ^ at * 31;
}

/* The seed stands in the first four bytes, the rest follows from it. */
static void fill(unsigned char *p, size_t len, unsigned int seed)
{
	unsigned int be = htonl(seed);

	for (size_t i = 0; i < len; i++)
		p[i] = i < 4 ? ((unsigned char *)&be)[i] : body(seed, i);
}

static void parse_mac(const char *text, unsigned char mac[6])
{
	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2, mac + 3, mac + 4,
		   mac + 5) != 6) {
		fprintf(stderr, "frame: %s is no address\n", text);
		exit(2);
	}
}

static int cmd_send(char **argv)
{
	unsigned char buf[VNET_HDR + FRAME_MAX] = { 0 };
	struct port port = open_port(argv[0]);
	unsigned char *frame = buf + port.skip;
	size_t len = strtoul(argv[4], NULL, 0);
	unsigned int seed = strtoul(argv[5], NULL, 0);
	unsigned long count = argv[6] ? strtoul(argv[6], NULL, 0) : 1;
	unsigned int type = strtoul(argv[3], NULL, 0);

	if (len > FRAME_MAX)
		return 2;
	parse_mac(argv[1], frame);
	parse_mac(argv[2], frame + 6);
	frame[12] = type >> 8;
	frame[13] = type;
	while (count--) {
		if (len > ETH_HLEN)
			fill(frame + ETH_HLEN, len - ETH_HLEN, seed++);
		if (write(port.fd, buf, port.skip + len) != (ssize_t)(port.skip + len)) {
			perror("frame: write");
			return 1;
		}
	}
	return 0;
}

static void print_frame(const unsigned char *f, size_t len)
{
	unsigned char want[FRAME_MAX];
	unsigned int seed = 0;

	for (int i = 0; i < 12; i++)
		printf("%02x%s", f[i], i % 6 == 5 ? " " : ":");
	printf("%02x%02x %zu ", f[12], f[13], len);
	if (len < ETH_HLEN + 4) {
		printf("-\n");
		return;
	}
	memcpy(&seed, f + ETH_HLEN, sizeof(seed));
	seed = ntohl(seed);
	fill(want, len - ETH_HLEN, seed);
	if (memcmp(want, f + ETH_HLEN, len - ETH_HLEN))
		printf("damaged\n");
	else
		printf("%u\n", seed);
}

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Of a packet socket: what this end sent itself does not count. */
static ssize_t receive(const struct port *port, void *buf, size_t size)
{
	struct sockaddr_ll from = { 0 };
	socklen_t len = sizeof(from);
	ssize_t n;

	if (port->skip)
		return read(port->fd, buf, size);
	n = recvfrom(port->fd, buf, size, 0, (struct sockaddr *)&from, &len);
	return n >= 0 && from.sll_pkttype == PACKET_OUTGOING ? 0 : n;
}

static int cmd_recv(char **argv)
{
	unsigned char buf[VNET_HDR + FRAME_MAX];
	struct port port = open_port(argv[0]);
	unsigned long count = strtoul(argv[1], NULL, 0);
	long end = now_ms() + strtol(argv[2], NULL, 0) * 1000, left;
	struct pollfd pfd = { .fd = port.fd, .events = POLLIN };
	ssize_t n;

	setlinebuf(stdout);
	printf("ready\n");
	while (count) {
		n = receive(&port, buf, sizeof(buf));
		if (n > (ssize_t)port.skip) {
			print_frame(buf + port.skip, n - port.skip);
			count--;
		} else if (n < 0 && errno != EAGAIN) {
			perror("frame: read");
			return 1;
		} else if (n < 0) {
			left = end - now_ms();
			if (left <= 0 || poll(&pfd, 1, left) <= 0)
				return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 8 && !strcmp(argv[1], "send"))
		return cmd_send(argv + 2);
	if (argc == 5 && !strcmp(argv[1], "recv"))
		return cmd_recv(argv + 2);
	fprintf(stderr, "usage: frame send IFNAME DST SRC TYPE LEN SEED [COUNT]\n"
			"       frame recv IFNAME COUNT SECONDS\n");
	return 2;
}
