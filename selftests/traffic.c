// SPDX-License-Identifier: GPL-2.0-only
/*
 * traffic: numbered frames or datagrams, each with bytes that follow from its
 * number, sent at one end and checked and counted at the other. An end is:
 *
 *	IFNAME			packet socket: whole Ethernet frames (of --type only)
 *	tap:NAME		the tap itself, held open: plays a VM with that port
 *	/dev/virtmesh_ioN	raw frame device of virtmesh_io.ko
 *	/dev/virtmeshN		datagrams; --dst is a node or "all", --channel
 *
 *	traffic send [options] END	-> sent=N bytes=N
 *	traffic recv [options] END	-> for each sender's seed:
 *		seed=S received=N distinct=N max=N reordered=N bytes=N
 *	   and	total=N corrupt=N foreign=N dropped=N
 *
 * Both say "ready" on stderr once their end is open. recv ends with status 0 when it
 * has --count distinct frames, 1 at its --time or on SIGTERM before that. An error
 * of the end is told by name (error=ENODEV), after the counts, with status 3.
 * Both go on after EAGAIN and the like; nothing is sent twice.
 *
 * TRAFFIC_SLOW in the environment divides every rate, for guests whose kernels
 * check all they do.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/virtmesh.h>

#define MAGIC	  0x766d7466 /* "vmtf" */
#define FRAME_MAX 16384
#define SEEDS	  16
#define SEQ_MAX	  (1U << 22)

enum kind { PACKET, TAP, RAW, DGRAM };

struct body { /* network order; the pattern follows */
	uint32_t magic;
	uint32_t seed;
	uint32_t seq;
	uint32_t len; /* of the whole frame, or of the datagram's data */
};

struct end {
	enum kind kind;
	int fd;
	size_t head; /* bytes before struct body in what is read and written */
	size_t skip; /* of these, what is no part of the frame */
};

struct stats {
	uint32_t seed;
	bool used;
	uint64_t received;
	uint64_t distinct;
	uint64_t reordered;
	uint64_t bytes;
	uint32_t max;
	uint8_t seen[SEQ_MAX / 8];
};

static struct {
	const char *end;
	uint8_t src[ETH_ALEN];
	uint8_t dst[ETH_ALEN];
	unsigned int node;
	unsigned int type;
	unsigned int channel;
	unsigned int min, max; /* bytes */
	unsigned int seed; /* recv: 0: of any sender; else these count for --count */
	uint64_t count;
	double rate; /* a second; 0: as fast as it goes */
	double seconds;
} opt = {
	.dst = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
	.node = VIRTMESH_NODE_ALL,
	.type = 0x88b6, /* IEEE local experimental 2: not the mesh's own */
	.channel = 1000,
	.min = 60,
	.max = 60,
	.count = 1,
	.seconds = 90,
};

static volatile sig_atomic_t stop;
static struct stats stats[SEEDS];

static void on_signal(int sig)
{
	stop = sig;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void die(const char *what)
{
	fprintf(stderr, "traffic: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* The bytes of frame @seq, the same at both ends. */
static void pattern(uint8_t *buf, size_t len, uint32_t seed, uint32_t seq)
{
	uint32_t x = seed * 2654435761U ^ (seq + 1) * 2246822519U;

	for (size_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		buf[i] = x & 0xff;
		x += 0x9e3779b9;
	}
}

static void open_packet(struct end *e, bool receive)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET };
	int big = 16 << 20;

	/* A sender would only let what comes fill the guest's memory. */
	if (receive)
		ll.sll_protocol = htons(opt.type);
	ll.sll_ifindex = (int)if_nametoindex(opt.end);
	if (!ll.sll_ifindex)
		die(opt.end);
	e->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (e->fd < 0)
		die("packet socket");
	/* What a slow reader must not lose here would be taken for the mesh's loss. */
	if (setsockopt(e->fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big)))
		die("SO_RCVBUFFORCE");
	if (bind(e->fd, (struct sockaddr *)&ll, sizeof(ll)))
		die("bind");
	e->head = ETH_HLEN;
}

static void open_tap(struct end *e)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int header = sizeof(struct virtio_net_hdr_mrg_rxbuf);

	e->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (e->fd < 0)
		die("/dev/net/tun");
	snprintf(ifr.ifr_name, IFNAMSIZ, "%s", opt.end + 4);
	if (ioctl(e->fd, TUNSETIFF, &ifr) || ioctl(e->fd, TUNSETVNETHDRSZ, &header))
		die(opt.end);
	e->skip = sizeof(struct virtio_net_hdr_mrg_rxbuf);
	e->head = e->skip + ETH_HLEN;
}

static void open_dgram(struct end *e, bool receive)
{
	struct virtmesh_bind req = { .channel = opt.channel };

	if (receive && ioctl(e->fd, VIRTMESH_IOC_BIND, &req))
		die("VIRTMESH_IOC_BIND");
	e->skip = sizeof(struct virtmesh_dgram);
	e->head = e->skip;
}

static void open_end(struct end *e, bool receive)
{
	if (opt.end[0] != '/') {
		e->kind = strncmp(opt.end, "tap:", 4) ? PACKET : TAP;
		if (e->kind == TAP)
			open_tap(e);
		else
			open_packet(e, receive);
	} else {
		e->fd = open(opt.end, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (e->fd < 0)
			die(opt.end);
		e->kind = strstr(opt.end, "_io") ? RAW : DGRAM;
		if (e->kind == DGRAM)
			open_dgram(e, receive);
		else
			e->head = ETH_HLEN;
	}
	fcntl(e->fd, F_SETFL, O_NONBLOCK);
}

static bool try_again(int err)
{
	return err == EAGAIN || err == EINTR || err == ENOBUFS;
}

static void wait_for(const struct end *e, short what, double until)
{
	struct pollfd p = { .fd = e->fd, .events = what };
	double left = until - now();

	/* A packet socket is always writable, its interface may be full. */
	if (e->kind == PACKET && what == POLLOUT)
		usleep(200);
	else if (left > 0)
		poll(&p, 1, left < 0.2 ? (int)(left * 1000) + 1 : 200);
}

/* Build frame @seq in @buf; returns what to write. */
static size_t build(const struct end *e, uint8_t *buf, uint32_t seq)
{
	size_t len = opt.min + seq % (opt.max - opt.min + 1);
	size_t eth = e->head - e->skip;
	struct body body = {
		.magic = htonl(MAGIC),
		.seed = htonl(opt.seed),
		.seq = htonl(seq),
		.len = htonl((uint32_t)len),
	};
	uint16_t type = htons((uint16_t)opt.type);

	memset(buf, 0, e->skip);
	if (e->kind == DGRAM) {
		struct virtmesh_dgram d = {
			.node = (uint16_t)opt.node,
			.channel = (uint16_t)opt.channel,
			.len = (uint16_t)len,
		};

		memcpy(buf, &d, sizeof(d));
	} else {
		memcpy(buf + e->skip, opt.dst, ETH_ALEN);
		memcpy(buf + e->skip + ETH_ALEN, opt.src, ETH_ALEN);
		memcpy(buf + e->skip + 2 * ETH_ALEN, &type, sizeof(type));
	}
	memcpy(buf + e->head, &body, sizeof(body));
	pattern(buf + e->head + sizeof(body), len - eth - sizeof(body), opt.seed, seq);
	return e->skip + len;
}

static int do_send(struct end *e)
{
	static uint8_t buf[FRAME_MAX];
	double start = now(), end = start + opt.seconds, due;
	uint64_t sent = 0, bytes = 0, waits = 0;
	int err = 0;

	while (!stop && sent < opt.count && now() < end) {
		size_t len = build(e, buf, (uint32_t)sent);
		ssize_t n;

		if (opt.rate > 0) {
			due = start + (double)sent / opt.rate;
			while (!stop && now() < due)
				usleep(100);
		}
		n = write(e->fd, buf, len);
		if (n < 0 && try_again(errno)) {
			waits++;
			wait_for(e, POLLOUT, end);
			continue;
		}
		if (n != (ssize_t)len) {
			err = n < 0 ? errno : EIO;
			break;
		}
		sent++;
		bytes += len - e->skip;
	}
	printf("sent=%llu bytes=%llu waits=%llu seconds=%.3f%s%s\n", (unsigned long long)sent,
	       (unsigned long long)bytes, (unsigned long long)waits, now() - start,
	       err ? " error=" : "", err ? strerrorname_np(err) : "");
	return err ? 3 : sent < opt.count;
}

static struct stats *find_stats(uint32_t seed)
{
	for (int i = 0; i < SEEDS; i++) {
		if (!stats[i].used) {
			stats[i].used = true;
			stats[i].seed = seed;
		}
		if (stats[i].seed == seed)
			return &stats[i];
	}
	return NULL;
}

/* 1: a new frame that counts; 0: one that does not; -1: changed; -2: none of ours */
static int check(const struct end *e, const uint8_t *buf, size_t n)
{
	static uint8_t want[FRAME_MAX];
	struct stats *s;
	struct body b;
	uint32_t seq;
	size_t len = n - e->skip;

	if (n < e->head + sizeof(b))
		return -2;
	memcpy(&b, buf + e->head, sizeof(b));
	if (ntohl(b.magic) != MAGIC)
		return -2;
	seq = ntohl(b.seq);
	s = find_stats(ntohl(b.seed));
	if (!s || seq >= SEQ_MAX || ntohl(b.len) != len)
		return -1;
	pattern(want, n - e->head - sizeof(b), s->seed, seq);
	if (memcmp(want, buf + e->head + sizeof(b), n - e->head - sizeof(b)))
		return -1;
	s->received++;
	s->bytes += len;
	if (seq < s->max)
		s->reordered++;
	else
		s->max = seq;
	if (s->seen[seq / 8] & 1 << seq % 8)
		return 0;
	s->seen[seq / 8] |= 1 << seq % 8;
	s->distinct++;
	return !opt.seed || opt.seed == s->seed;
}

static int do_recv(struct end *e)
{
	static uint8_t buf[FRAME_MAX + 64];
	uint64_t distinct = 0, total = 0, corrupt = 0, foreign = 0, dropped = 0;
	double end = now() + opt.seconds;
	int err = 0;

	while (!stop && distinct < opt.count && now() < end) {
		struct sockaddr_ll from = { 0 };
		socklen_t from_len = sizeof(from);
		ssize_t n;

		if (e->kind == PACKET)
			n = recvfrom(e->fd, buf, sizeof(buf), 0, (struct sockaddr *)&from,
				     &from_len);
		else
			n = read(e->fd, buf, sizeof(buf));
		if (n < 0 && (try_again(errno) || (e->kind == PACKET && errno == ENETDOWN))) {
			wait_for(e, POLLIN, end);
			continue;
		}
		if (n <= 0) {
			err = n < 0 ? errno : EPIPE;
			break;
		}
		/* A packet socket also sees what its own host sends. */
		if (e->kind == PACKET && from.sll_pkttype == PACKET_OUTGOING)
			continue;
		if (e->kind == DGRAM) {
			struct virtmesh_dgram d;

			memcpy(&d, buf, sizeof(d));
			dropped = d.dropped;
		}
		total++;
		switch (check(e, buf, (size_t)n)) {
		case 1:
			distinct++;
			break;
		case -1:
			corrupt++;
			break;
		case -2:
			foreign++;
			break;
		}
	}
	for (int i = 0; i < SEEDS && stats[i].used; i++)
		printf("seed=%u received=%llu distinct=%llu max=%u reordered=%llu bytes=%llu\n",
		       stats[i].seed, (unsigned long long)stats[i].received,
		       (unsigned long long)stats[i].distinct, stats[i].max,
		       (unsigned long long)stats[i].reordered, (unsigned long long)stats[i].bytes);
	printf("total=%llu corrupt=%llu foreign=%llu dropped=%llu%s%s\n", (unsigned long long)total,
	       (unsigned long long)corrupt, (unsigned long long)foreign,
	       (unsigned long long)dropped, err ? " error=" : "", err ? strerrorname_np(err) : "");
	return err ? 3 : distinct < opt.count;
}

static void mac(const char *text, uint8_t *to)
{
	unsigned int b[ETH_ALEN];

	if (sscanf(text, "%x:%x:%x:%x:%x:%x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) !=
	    ETH_ALEN) {
		fprintf(stderr, "traffic: \"%s\" is no MAC address\n", text);
		exit(2);
	}
	for (int i = 0; i < ETH_ALEN; i++)
		to[i] = b[i] & 0xff;
}

/* A number of at least 1. */
static double slowness(void)
{
	const char *text = getenv("TRAFFIC_SLOW");
	double n = text ? strtod(text, NULL) : 1;

	return n > 1 ? n : 1;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		/* keep sorted */
		{ "channel", required_argument, NULL, 'C' },
		{ "count", required_argument, NULL, 'n' },
		{ "dst", required_argument, NULL, 'd' },
		{ "rate", required_argument, NULL, 'r' },
		{ "seed", required_argument, NULL, 'S' },
		{ "size", required_argument, NULL, 's' },
		{ "src", required_argument, NULL, 'f' },
		{ "time", required_argument, NULL, 't' },
		{ "type", required_argument, NULL, 'y' },
		{ NULL, 0, NULL, 0 },
	};
	struct sigaction on_stop = { .sa_handler = on_signal };
	struct end end = { 0 };
	bool receive;
	int c;

	if (argc < 3 || (strcmp(argv[1], "send") && strcmp(argv[1], "recv"))) {
		fprintf(stderr, "usage: traffic send|recv [options] END\n");
		return 2;
	}
	receive = !strcmp(argv[1], "recv");
	while ((c = getopt_long(argc - 1, argv + 1, "n:s:t:r:", options, NULL)) != -1) {
		switch (c) {
		case 'C':
			opt.channel = (unsigned int)strtoul(optarg, NULL, 0);
			break;
		case 'n':
			opt.count = strtoull(optarg, NULL, 0);
			break;
		case 'd':
			if (strchr(optarg, ':'))
				mac(optarg, opt.dst);
			else
				opt.node = strcmp(optarg, "all") ?
						   (unsigned int)strtoul(optarg, NULL, 0) :
						   VIRTMESH_NODE_ALL;
			break;
		case 'f':
			mac(optarg, opt.src);
			break;
		case 'r':
			opt.rate = strtod(optarg, NULL) / slowness();
			break;
		case 'S':
			opt.seed = (unsigned int)strtoul(optarg, NULL, 0);
			break;
		case 's':
			/* MIN-MAX: the sizes in between in turn */
			opt.min = (unsigned int)strtoul(optarg, &optarg, 0);
			opt.max = *optarg == '-' ? (unsigned int)strtoul(optarg + 1, NULL, 0) :
						   opt.min;
			break;
		case 't':
			opt.seconds = strtod(optarg, NULL);
			break;
		case 'y':
			opt.type = (unsigned int)strtoul(optarg, NULL, 0);
			break;
		default:
			return 2;
		}
	}
	if (optind + 1 >= argc) {
		fprintf(stderr, "traffic: which end?\n");
		return 2;
	}
	opt.end = argv[optind + 1];
	if (opt.min < ETH_HLEN + sizeof(struct body) || opt.max < opt.min ||
	    opt.max > FRAME_MAX - 64 || opt.count > SEQ_MAX) {
		fprintf(stderr, "traffic: sizes are from %zu to %d, counts up to %u\n",
			ETH_HLEN + sizeof(struct body), FRAME_MAX - 64, SEQ_MAX);
		return 2;
	}
	sigaction(SIGTERM, &on_stop, NULL);
	sigaction(SIGINT, &on_stop, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (!receive && !opt.seed)
		opt.seed = 1;
	open_end(&end, receive);
	fprintf(stderr, "ready\n");
	return receive ? do_recv(&end) : do_send(&end);
}
