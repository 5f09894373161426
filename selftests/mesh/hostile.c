// SPDX-License-Identifier: GPL-2.0-only
/*
 * hostile PORT ENSEMBLE NODE GROUP SEED RATE PEER...: a node that joins, enters the group
 * of PEER... and itself, as its last rank, and then says whatever it likes to them,
 * through its tap and the steering programs, RATE frames in a millisecond, until
 * SIGTERM. It is no flood: that would show how slow they are. Frames are drawn from
 * SEED and from what the peers have said, with cookies that are right and hardly
 * anything else: fields from their edges, bytes changed, cut short, of types that
 * are the broker's, to one or to all. Says "joined", "member", "deep" when it has sent
 * DEEP frames, and at the end how many of what kind.
 */
#include <endian.h>
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtmesh.h>

#include "../broker/guest.h"

#define PEERS_MAX 8
#define DEEP	  2000
#define HEARD	  64 /* frames kept to be changed and said again */
#define BODY	  600 /* bytes of payload, at most */

struct peer {
	uint16_t node;
	uint32_t cookie; /* 0: it has not said JOIN yet */
	bool confirmed; /* it knows ours */
	bool asked; /* it has said JOIN since we last did */
};

struct heard {
	uint8_t type;
	uint16_t len;
	uint8_t payload[BODY];
};

static struct {
	struct guest guest;
	uint16_t ensemble;
	uint32_t group, cookie;
	uint64_t layout;
	struct peer peers[PEERS_MAX];
	unsigned int npeers;
	struct heard heard[HEARD];
	unsigned int nheard; /* ever */
	uint64_t state;
	uint64_t all, sent[256]; /* frames; by type */
} t;

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	stop = sig;
}

/* splitmix64 */
static uint64_t draw(void)
{
	uint64_t z = t.state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static bool one_in(unsigned int n)
{
	return draw() % n == 0;
}

/* Where mistakes live: small numbers, those next to a power of two, and any. */
static uint64_t edge(void)
{
	switch (draw() % 4) {
	case 0:
		return draw() % 8;
	case 1:
		return (1ULL << draw() % 64) - draw() % 3;
	case 2:
		return -(draw() % 3);
	default:
		return draw();
	}
}

static void say_join(const struct peer *p)
{
	struct vm_group_msg msg = {
		.group = htobe32(t.group),
		.cookie = htobe32(t.cookie),
		.peer_cookie = htobe32(p->cookie),
		.verb = VM_GROUP_JOIN,
		.rank = t.npeers,
		.window = htobe16(VM_WINDOW_MAX),
		.layout = htobe64(t.layout),
		.mtu = htobe16(t.guest.mtu),
		.flags = htobe16(p->confirmed ? 0 : VM_GROUP_ASK),
	};

	guest_send(&t.guest, vm_addr(t.ensemble, p->node), VM_F_GROUP, &msg, sizeof(msg));
}

static bool is_member(void)
{
	for (unsigned int i = 0; i < t.npeers; i++)
		if (!t.peers[i].confirmed)
			return false;
	return true;
}

static void heard(const struct guest_frame *frame)
{
	struct vm_group_msg msg = { 0 };
	struct peer *p;

	if (frame->type >= VM_F_ECHO) {
		struct heard *h = &t.heard[t.nheard++ % HEARD];

		h->type = frame->type;
		h->len = frame->len < BODY ? frame->len : BODY;
		memcpy(h->payload, frame->payload, h->len);
	}
	if (frame->type != VM_F_GROUP || frame->len < sizeof(msg))
		return;
	memcpy(&msg, frame->payload, sizeof(msg));
	if (msg.group != htobe32(t.group) || msg.verb != VM_GROUP_JOIN)
		return;
	for (p = t.peers; p < t.peers + t.npeers; p++)
		if (frame->from == vm_addr(t.ensemble, p->node))
			break;
	if (p == t.peers + t.npeers)
		return;
	p->cookie = be32toh(msg.cookie);
	p->confirmed = msg.peer_cookie == htobe32(t.cookie);
	p->asked = true;
	t.layout = be64toh(msg.layout);
}

/*
 * All begin with the group and our cookie; two of them go on with the peer's. A JOIN
 * that makes no sense ends the forming, and there would be nothing left to attack.
 */
static void credible(uint8_t type, uint8_t *payload, const struct peer *p)
{
	__be32 head[3] = { htobe32(t.group), htobe32(t.cookie), htobe32(p->cookie) };
	struct vm_group_msg msg;

	if (type == VM_F_GROUP || type == VM_F_ACK)
		memcpy(payload, head, sizeof(head));
	else if (type == VM_F_DATA)
		memcpy(payload, head, 2 * sizeof(head[0]));
	if (type != VM_F_GROUP)
		return;
	memcpy(&msg, payload, sizeof(msg));
	if (msg.verb != VM_GROUP_JOIN || one_in(200))
		return;
	msg.rank = t.npeers;
	msg.layout = htobe64(t.layout);
	msg.ranks = 0;
	memcpy(payload, &msg, sizeof(msg));
}

static unsigned int from_nothing(uint8_t *type, uint8_t *payload)
{
	static const uint8_t types[] = {
		VM_F_GROUP,	    VM_F_DATA,	  VM_F_DATA,	   VM_F_DATA,	  VM_F_ACK,
		VM_F_ACK,	    VM_F_ECHO,	  VM_F_ECHO_REPLY, VM_F_DATAGRAM, VM_F_PENDING,
		VM_F_PENDING_REPLY, VM_F_WELCOME, VM_F_MEMBERS,	   VM_F_PROBE,
	};
	unsigned int len = draw() % BODY, i;
	struct vm_data data;
	struct vm_group_msg msg;

	*type = types[draw() % sizeof(types)];
	for (i = 0; i < BODY; i++)
		payload[i] = draw();
	if (*type == VM_F_DATA) {
		data = (struct vm_data){
			.flow = draw() % (VM_FLOWS + 1),
			.kind = draw() % (VIRTMESH_OPS + 2),
			.flags = draw(),
			.heard = draw() % (VM_HEARD_MAX + 2),
			.root = htobe16(draw() % (t.npeers + 3)),
			.number = htobe32(one_in(4) ? edge() : draw() % 32),
			.tag = htobe32(draw() % 2),
			.offset = htobe64(one_in(2) ? edge() : draw() % 20000),
			.total = htobe64(one_in(2) ? edge() : draw() % 20000),
		};
		memcpy(payload, &data, sizeof(data));
	} else if (*type == VM_F_GROUP) {
		msg = (struct vm_group_msg){
			.verb = draw() % 5,
			.rank = draw() % (t.npeers + 3),
			.window = htobe16(edge()),
			.layout = htobe64(one_in(2) ? t.layout : edge()),
			.heard = htobe64(edge()),
			.ranks = htobe64(edge()),
			.number = htobe32(edge()),
			.mtu = htobe16(edge()),
			.flags = htobe16(draw() % 8),
		};
		memcpy(payload, &msg, sizeof(msg));
	}
	return len;
}

static void attack(void)
{
	const struct peer *p = &t.peers[draw() % t.npeers];
	uint8_t payload[BODY], type;
	unsigned int len, n;

	if (t.nheard && one_in(2)) {
		const struct heard *h = &t.heard[draw() % (t.nheard < HEARD ? t.nheard : HEARD)];

		type = h->type;
		len = h->len;
		memcpy(payload, h->payload, len);
		memset(payload + len, 0, BODY - len);
	} else {
		len = from_nothing(&type, payload);
	}
	if (type != VM_F_GROUP)
		for (n = draw() % 4; n; n--)
			payload[12 + draw() % (BODY - 12)] ^= draw();
	if (type == VM_F_GROUP || !one_in(16))
		credible(type, payload, p);
	if (one_in(8) && len)
		len = draw() % len;
	/* DATA are numbered from 1: the present ones, late ones, and those that never were. */
	t.guest.seq = one_in(4) ? edge() : draw() % 600;
	if (guest_send(&t.guest, vm_addr(t.ensemble, one_in(8) ? VM_NODE_ALL : p->node), type,
		       payload, len))
		return; /* the tap is full: not worth waiting for */
	t.sent[type]++;
	if (++t.all == DEEP)
		puts("deep");
}

static int serve(unsigned int rate)
{
	struct pollfd pfd = { .fd = t.guest.fd, .events = POLLIN };
	static struct guest_frame frame;
	bool member = false;
	int e;

	while (!stop) {
		while (!(e = guest_expect(&t.guest, 0, &frame, 0)))
			heard(&frame);
		if (e != -ETIMEDOUT && e != -EBADMSG)
			return e;
		if (!member && is_member()) {
			member = true;
			puts("member");
		}
		for (unsigned int i = 0; i < t.npeers; i++) {
			if (t.peers[i].asked)
				say_join(&t.peers[i]);
			t.peers[i].asked = false;
		}
		for (unsigned int i = 0; member && i < rate; i++)
			attack();
		poll(&pfd, 1, 1);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal };
	int e;

	if (argc < 8 || argc > 7 + PEERS_MAX) {
		fprintf(stderr, "usage: hostile PORT ENSEMBLE NODE GROUP SEED RATE PEER...\n");
		return 2;
	}
	setlinebuf(stdout);
	sigaction(SIGTERM, &sa, NULL);
	t.ensemble = strtoul(argv[2], NULL, 10);
	t.group = strtoul(argv[4], NULL, 10);
	t.state = strtoull(argv[5], NULL, 10);
	for (t.npeers = 0; t.npeers < (unsigned int)argc - 7; t.npeers++)
		t.peers[t.npeers].node = strtoul(argv[7 + t.npeers], NULL, 10);
	t.cookie = draw() | 1;

	e = guest_open(&t.guest, argv[1], vm_addr(t.ensemble, strtoul(argv[3], NULL, 10)));
	e = e ?: guest_join(&t.guest);
	if (e)
		errx(1, "%s does not join: %s", argv[1], strerror(-e));
	puts("joined");
	e = serve(strtoul(argv[6], NULL, 10));
	for (unsigned int type = 0; type < 256; type++)
		if (t.sent[type])
			printf("type %u: %llu frames\n", type, (unsigned long long)t.sent[type]);
	if (e)
		errx(1, "%s: %s", argv[1], strerror(-e));
	return 0;
}
