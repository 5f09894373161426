// SPDX-License-Identifier: GPL-2.0-only
/*
 * The detour of `virtmesh ensemble faults E --through IFNAME`, with a seeded model:
 *
 *	detour IFNAME NODES [seed=S] [loss=PPM] [dup=PPM] [hold=PPM:FRAMES]
 *		[held=US] [delay=PPM:US] [mtu=M]
 *
 * makes the tap IFNAME, writes "ready", and until SIGTERM or SIGINT passes on what
 * comes out of it; at the end it writes what it did. NODES are those of the
 * ensemble, "1,2,3": a group frame becomes a copy for each but its sender. Each
 * copy by itself is lost, or goes on, with
 *
 *	dup	a second time, at once
 *	hold	when so many later ones have gone to the same node; or after `held`
 *		microseconds (HELD_US), since there may be no later ones
 *	delay	so many microseconds later
 *
 * at so many in a million. Which, is drawn from SEED and a number that each copy
 * and kind of fault takes: the same frames in the same order meet the same fate.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <virtmesh/maps.h>

#include "tap.h"

#define NODES_MAX 64
#define HELD_US	  2000
#define WAITING	  4096 /* more than that at once are lost, and counted */
#define FRAME_MAX (VM_TAP_VNET_HDR + VM_ETH_HLEN + VM_MTU_MAX)

enum kind { LOSS, DUP, HOLD, DELAY, KINDS };

static const char *const kinds[] = { "loss", "dup", "hold", "delay" };
_Static_assert(sizeof(kinds) / sizeof(kinds[0]) == KINDS, "a kind of fault has no name");

struct node {
	__u16 id;
	__u64 sent; /* copies written to it */
};

/* A copy that waits; free when len is 0. */
struct waiting {
	struct node *to;
	size_t len;
	__u64 due_ns;
	__u64 after; /* or when so many were sent to it */
	__u8 frame[FRAME_MAX];
};

static struct {
	int tap;
	struct node nodes[NODES_MAX];
	size_t count;
	__u64 seed, drawn;
	__u32 rate[KINDS];
	__u32 amount[KINDS]; /* frames, microseconds */
	__u32 held_us;
	struct waiting *waiting;
	size_t used; /* places of `waiting` that are, or were, in use */
	__u64 frames, done[KINDS], strange, refused, overflow;
} f = { .held_us = HELD_US };

static void die(const char *what)
{
	fprintf(stderr, "detour: %s: %s\n", what, strerror(errno));
	exit(1);
}

static __u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* One number a copy and kind, whether it can happen or not: rates do not move each other. */
static bool happens(enum kind kind)
{
	bool hit = vm_fault_hits(f.seed, f.drawn++, f.rate[kind]);

	f.done[kind] += hit;
	return hit;
}

static void put(struct node *to, const void *frame, size_t len)
{
	to->sent++;
	if (write(f.tap, frame, len) != (ssize_t)len)
		f.refused++;
}

static void wait_for(struct node *to, const void *frame, size_t len, __u64 due_ns, __u64 after)
{
	struct waiting *w = NULL;

	for (size_t i = 0; i < WAITING && !w; i++)
		if (!f.waiting[i].len)
			w = &f.waiting[i];
	if (!w) {
		f.overflow++;
		return;
	}
	if (w >= f.waiting + f.used)
		f.used = w - f.waiting + 1;
	w->to = to;
	w->len = len;
	w->due_ns = due_ns;
	w->after = after;
	memcpy(w->frame, frame, len);
}

/* Let go of all whose time has come; those they were held for may be the next to go. */
static void release(__u64 now)
{
	bool again;

	do {
		again = false;
		for (size_t i = 0; i < f.used; i++) {
			struct waiting *w = &f.waiting[i];

			if (!w->len || (now < w->due_ns && w->to->sent < w->after))
				continue;
			put(w->to, w->frame, w->len);
			w->len = 0;
			again = true;
		}
	} while (again);
	while (f.used && !f.waiting[f.used - 1].len)
		f.used--;
}

/* All four are drawn for each copy. */
static void pass_on(struct node *to, const void *frame, size_t len)
{
	bool lost = happens(LOSS), twice = happens(DUP), held = happens(HOLD),
	     late = happens(DELAY);

	if (lost)
		return;
	if (held)
		wait_for(to, frame, len, now_ns() + f.held_us * 1000ULL, to->sent + f.amount[HOLD]);
	else if (late)
		wait_for(to, frame, len, now_ns() + f.amount[DELAY] * 1000ULL, ~0ULL);
	else
		put(to, frame, len);
	if (twice)
		put(to, frame, len);
	release(now_ns());
}

static void take(__u8 *buf, size_t len)
{
	__u8 *eth = buf + VM_TAP_VNET_HDR;
	__u32 src, dst;

	if (len < VM_TAP_VNET_HDR + VM_ETH_HLEN || !vm_mac_is_node(eth + 6) ||
	    (eth[12] << 8 | eth[13]) != VM_ETHERTYPE ||
	    (!vm_mac_is_node(eth) && !vm_mac_is_group(eth))) {
		f.strange++; /* the host's own, perhaps */
		return;
	}
	f.frames++;
	dst = vm_mac_to_addr(eth);
	src = vm_mac_to_addr(eth + 6);
	for (size_t i = 0; i < f.count; i++) {
		struct node *to = &f.nodes[i];

		if (to->id == vm_addr_node(src))
			continue;
		if (vm_mac_is_node(eth) && to->id != vm_addr_node(dst))
			continue;
		eth[4] = to->id >> 8;
		eth[5] = to->id;
		pass_on(to, buf, len);
	}
}

/* Until the first that waits is due; NULL: for ever. */
static const struct timespec *timeout(struct timespec *ts)
{
	__u64 first = ~0ULL, now;

	for (size_t i = 0; i < f.used; i++)
		if (f.waiting[i].len && f.waiting[i].due_ns < first)
			first = f.waiting[i].due_ns;
	if (first == ~0ULL)
		return NULL;
	now = now_ns();
	first = first > now ? first - now : 0;
	ts->tv_sec = first / 1000000000;
	ts->tv_nsec = first % 1000000000;
	return ts;
}

static void run(int signals)
{
	struct pollfd fds[] = { { .fd = f.tap, .events = POLLIN },
				{ .fd = signals, .events = POLLIN } };
	static __u8 buf[FRAME_MAX];
	struct timespec ts;
	ssize_t n;

	while (!fds[1].revents) {
		if (ppoll(fds, 2, timeout(&ts), NULL) < 0)
			die("poll");
		while ((n = read(f.tap, buf, sizeof(buf))) > 0)
			take(buf, n);
		if (n < 0 && errno != EAGAIN)
			die("read");
		release(now_ns());
	}
	release(~0ULL); /* none goes down with us */
}

static unsigned long number(const char *text, char **end, unsigned long max)
{
	unsigned long n = strtoul(text, end, 10);

	if (*end == text || n > max) {
		fprintf(stderr, "detour: bad number: %s\n", text);
		exit(2);
	}
	return n;
}

static void parse_nodes(char *text)
{
	char *end;

	for (char *p = text;; p = end + 1) {
		if (f.count == NODES_MAX)
			exit(2);
		f.nodes[f.count++].id = number(p, &end, VM_NODE_MAX);
		if (*end != ',')
			break;
	}
}

/* NAME=NUMBER[:NUMBER] */
static void parse_option(const char *arg, unsigned int *mtu)
{
	const char *value = strchr(arg, '=');
	size_t len = value ? value++ - arg : 0;
	char *end = "?";

	if (len == 4 && !memcmp(arg, "seed", 4))
		f.seed = number(value, &end, ~0UL);
	else if (len == 3 && !memcmp(arg, "mtu", 3))
		*mtu = number(value, &end, VM_MTU_MAX);
	else if (len == 4 && !memcmp(arg, "held", 4))
		f.held_us = number(value, &end, 10000000);
	for (int i = 0; i < KINDS; i++) {
		if (!len || strlen(kinds[i]) != len || memcmp(arg, kinds[i], len))
			continue;
		f.rate[i] = number(value, &end, VM_FAULT_SCALE);
		if (i == HOLD || i == DELAY)
			f.amount[i] = *end == ':' ? number(end + 1, &end, 10000000) : 1;
	}
	if (*end) {
		fprintf(stderr, "detour: what is \"%s\"?\n", arg);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	unsigned int mtu = VM_MTU_DEFAULT;
	sigset_t mask;
	int signals;

	if (argc < 3) {
		fprintf(stderr, "usage: detour IFNAME NODES [NAME=VALUE]...\n");
		return 2;
	}
	parse_nodes(argv[2]);
	for (int i = 3; i < argc; i++)
		parse_option(argv[i], &mtu);
	f.waiting = calloc(WAITING, sizeof(*f.waiting));
	if (!f.waiting)
		die("memory");
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signals = signalfd(-1, &mask, SFD_CLOEXEC);
	f.tap = vm_tap_make(argv[1], 0, mtu);
	if (f.tap < 0) {
		errno = -f.tap;
		die(argv[1]);
	}
	if (fcntl(f.tap, F_SETFL, O_NONBLOCK)) /* what is written takes the native path, too */
		die("fcntl");
	printf("ready\n");
	fflush(stdout);
	run(signals);
	printf("frames=%llu lost=%llu doubled=%llu held=%llu delayed=%llu strange=%llu "
	       "refused=%llu overflow=%llu\n",
	       f.frames, f.done[LOSS], f.done[DUP], f.done[HOLD], f.done[DELAY], f.strange,
	       f.refused, f.overflow);
	return 0;
}
