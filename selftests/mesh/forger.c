// SPDX-License-Identifier: GPL-2.0-only
/*
 * forger ENSEMBLE SEED RATE NODE...: a host that means harm, or lost its mind: it holds
 * vmesh0 in the broker's stead and says to NODE..., as node 0, what only a broker may say,
 * RATE frames in a millisecond, until SIGTERM. WELCOMEs have the nonces that the nodes'
 * HELLOs tell, so that they are believed; what else stands in WELCOME, REFUSE, MEMBERS and
 * PROBE is from its field's edges, and bytes are changed, cut off, added, or not counted
 * right. Now and then it says nothing for a while, for who waits before he asks. "deep":
 * it has sent DEEP frames, and the nodes have said to it all that they say to a broker. At
 * the end it says how many frames of what type it has sent and heard.
 */
#include <endian.h>
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../broker/guest.h"
#include "rig.h"

#define NODES_MAX 8
#define DEEP	  2000
#define TALK_MS	  700
#define QUIET_MS  300
#define BODY	  1200 /* bytes of payload, at most */
#define ENTRIES	  ((BODY - sizeof(struct vm_members)) / sizeof(struct vm_member_entry))

struct node {
	uint16_t id;
	__be64 nonce; /* of its last HELLO; 0: it has not said one */
};

static struct {
	struct guest guest;
	uint16_t ensemble;
	struct node nodes[NODES_MAX];
	unsigned int nnodes;
	uint64_t state;
	uint64_t sent[256], heard[256]; /* by type */
} t;

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	stop = sig;
}

static uint64_t draw(void)
{
	return rig_mix(t.state += 0x9e3779b97f4a7c15ULL);
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

/* @right, but for one in four. */
static uint64_t about(uint64_t right)
{
	return one_in(4) ? edge() : right;
}

/* Two brokers, so that each is another one now and then. */
static uint64_t broker_id(void)
{
	return about(4711 + draw() % 2);
}

/* Few enough that changes fit what went before, and what the true broker will say. */
static uint32_t epoch(void)
{
	return about(1 + draw() % 16);
}

static size_t welcome(uint8_t *payload, const struct node *n)
{
	struct vm_welcome w = {
		.abi = htobe16(about(VM_WIRE_ABI)),
		.mtu = htobe16(about(VM_MTU_DEFAULT)),
		.ensemble = htobe16(one_in(16) ? edge() : t.ensemble),
		.node = htobe16(one_in(16) ? edge() : n->id),
		.incarnation = htobe32(about(1 + draw() % 8)),
		.epoch = htobe32(epoch()),
		.nonce = one_in(16) ? draw() : n->nonce,
		.broker_id = htobe64(broker_id()),
		.probe_ms = htobe32(about(200)),
		.dead_ms = htobe32(about(2000)),
		.hello_min_ms = htobe32(about(50)),
		.hello_max_ms = htobe32(about(500)),
	};

	memcpy(payload, &w, sizeof(w));
	return sizeof(w);
}

static size_t refuse(uint8_t *payload, const struct node *n)
{
	struct vm_refuse r = {
		.reason = htobe16(about(1 + draw() % 4)),
		.abi = htobe16(about(VM_WIRE_ABI)),
		.nonce = one_in(4) ? draw() : n->nonce,
	};

	memcpy(payload, &r, sizeof(r));
	return sizeof(r);
}

static size_t members(uint8_t *payload)
{
	unsigned int count = one_in(16) ? ENTRIES : draw() % 6;
	uint32_t to = epoch();
	struct vm_members m = {
		.epoch = htobe32(to),
		.prev_epoch = htobe32(one_in(2) ? 0 : about(to - 1)),
		.first = htobe16(one_in(8) ? edge() :
				 one_in(4) ? draw() % 4 :
					     0),
		.count = htobe16(one_in(8) ? edge() : count),
		.total = htobe16(one_in(8) ? edge() :
				 one_in(4) ? count + draw() % 4 :
					     count),
	};

	memcpy(payload, &m, sizeof(m));
	for (unsigned int i = 0; i < count; i++) {
		struct vm_member_entry e = {
			.node = htobe16(one_in(8) ? edge() : 1 + i),
			.state = one_in(16) ? draw() : draw() % 4,
			.flags = one_in(4) ? draw() : 0,
			.incarnation = htobe32(about(1 + draw() % 8)),
		};

		memcpy(payload + sizeof(m) + i * sizeof(e), &e, sizeof(e));
	}
	return sizeof(m) + count * sizeof(struct vm_member_entry);
}

static size_t probe(uint8_t *payload)
{
	struct vm_probe p = { .broker_id = htobe64(broker_id()), .token = htobe32(draw()) };

	memcpy(payload, &p, sizeof(p));
	return sizeof(p);
}

static void forge(void)
{
	static const uint8_t types[] = { VM_F_WELCOME, VM_F_WELCOME, VM_F_REFUSE, VM_F_MEMBERS,
					 VM_F_MEMBERS, VM_F_MEMBERS, VM_F_PROBE,  VM_F_PROBE };
	const struct node *n = &t.nodes[draw() % t.nnodes];
	uint8_t frame[VM_PAYLOAD_OFFSET + BODY] = { 0 }, *payload = frame + VM_PAYLOAD_OFFSET;
	uint8_t type = types[draw() % sizeof(types)];
	struct vm_hdr hdr;
	size_t len;

	switch (type) {
	case VM_F_WELCOME:
		len = welcome(payload, n);
		break;
	case VM_F_REFUSE:
		/* Seldom: who is refused does not say much for a while. */
		if (!one_in(32))
			return;
		len = refuse(payload, n);
		break;
	case VM_F_MEMBERS:
		len = members(payload);
		break;
	default:
		len = probe(payload);
	}
	if (one_in(8))
		for (unsigned int k = 1 + draw() % 4; k; k--)
			payload[draw() % len] ^= draw();
	if (one_in(16))
		len = draw() % (len + 1);
	else if (one_in(16))
		len += draw() % (BODY - len + 1);
	hdr = (struct vm_hdr){
		.version = one_in(64) ? draw() : VM_WIRE_VERSION,
		.type = one_in(64) ? draw() : type,
		.len = htobe16(one_in(32) ? edge() : len),
		.incarnation = htobe32(about(0)),
		.epoch = htobe32(epoch()),
		.seq = htobe32(draw()),
	};
	vm_addr_to_mac(vm_addr(t.ensemble, one_in(4) ? VM_NODE_ALL : n->id), frame);
	vm_addr_to_mac(t.guest.addr, frame + VM_MAC_LEN);
	frame[12] = VM_ETHERTYPE >> 8;
	frame[13] = VM_ETHERTYPE & 0xff;
	memcpy(frame + VM_ETH_HLEN, &hdr, sizeof(hdr));
	if (!guest_send_raw(&t.guest, frame, VM_PAYLOAD_OFFSET + len))
		t.sent[type]++;
}

static void heard(const struct guest_frame *frame)
{
	struct vm_hello hello;

	t.heard[frame->type]++;
	if (frame->type != VM_F_HELLO || frame->len < sizeof(hello))
		return;
	memcpy(&hello, frame->payload, sizeof(hello));
	for (struct node *n = t.nodes; n < t.nodes + t.nnodes; n++)
		if (frame->from == vm_addr(t.ensemble, n->id))
			n->nonce = hello.nonce;
}

static bool is_deep(void)
{
	uint64_t sent = 0;

	for (unsigned int type = 0; type < 256; type++)
		sent += t.sent[type];
	return sent >= DEEP && t.heard[VM_F_HELLO] && t.heard[VM_F_SYNC] && t.heard[VM_F_ALIVE];
}

static bool is_quiet(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec * 1000ULL + now.tv_nsec / 1000000) % (TALK_MS + QUIET_MS) >= TALK_MS;
}

static int serve(unsigned int rate)
{
	struct pollfd pfd = { .fd = t.guest.fd, .events = POLLIN };
	static struct guest_frame frame;
	bool deep = false;
	int e;

	while (!stop) {
		while (!(e = guest_expect(&t.guest, 0, &frame, 0)))
			heard(&frame);
		if (e != -ETIMEDOUT && e != -EBADMSG)
			return e;
		for (unsigned int i = 0; i < rate && !is_quiet(); i++)
			forge();
		if (!deep && is_deep()) {
			deep = true;
			puts("deep");
		}
		poll(&pfd, 1, 1);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal };
	int e;

	if (argc < 5 || argc > 4 + NODES_MAX) {
		fprintf(stderr, "usage: forger ENSEMBLE SEED RATE NODE...\n");
		return 2;
	}
	setlinebuf(stdout);
	sigaction(SIGTERM, &sa, NULL);
	t.ensemble = strtoul(argv[1], NULL, 10);
	t.state = strtoull(argv[2], NULL, 10);
	for (t.nnodes = 0; t.nnodes < (unsigned int)argc - 4; t.nnodes++)
		t.nodes[t.nnodes].id = strtoul(argv[4 + t.nnodes], NULL, 10);
	e = guest_open(&t.guest, "vmesh0", vm_addr(t.ensemble, VM_NODE_BROKER));
	if (e)
		errx(1, "vmesh0: %s", strerror(-e));
	puts("ready");
	e = serve(strtoul(argv[3], NULL, 10));
	for (unsigned int type = 0; type < 256; type++)
		if (t.sent[type] || t.heard[type])
			printf("type %u: sent %llu heard %llu\n", type,
			       (unsigned long long)t.sent[type], (unsigned long long)t.heard[type]);
	if (e)
		errx(1, "vmesh0: %s", strerror(-e));
	return 0;
}
