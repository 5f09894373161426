// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many messages, every byte of each compared:
 *
 *	flood -N NODES -g ID -c COUNT [-b AT_ONCE] [-p EVERY] [-S SEED] [-t MS]
 *
 * COUNT in all, the same from every node to every other one, in rounds of AT_ONCE to
 * each, with lengths from 1 to 256, and one in 64 of several frames. Receives are
 * posted before, after and between their messages' arrival, with two tags. With -p
 * it says how many it has compared, about every EVERY.
 */
#include <err.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"

#define LONGEST 10000
#define SLOT	(LONGEST + 2 * RIG_GUARD)

static struct {
	int fd;
	struct rig_group g;
	struct rig_buf send, recv;
	uint64_t seed;
	uint64_t timeout_ns;
	uint64_t bytes;
} t;

/* Message @n from rank @from to rank @to: both know how long it is. */
static size_t length(unsigned int from, unsigned int to, uint32_t n)
{
	uint64_t r = rig_mix(rig_key((uint32_t)t.seed, n, from, to));

	return r % 64 ? 1 + (r >> 8) % 256 : 1 + (r >> 8) % LONGEST;
}

/* One round of messages @n and on, with every other rank. */
static void round_of(uint32_t n, unsigned int at_once)
{
	static struct virtmesh_op ops[VIRTMESH_OPS_MAX];
	static struct virtmesh_done done[VIRTMESH_OPS_MAX];
	unsigned int count = 0;
	int e;

	for (unsigned int k = 0; k < at_once; k++) {
		for (unsigned int r = 0; r < t.g.count; r++) {
			size_t off = (size_t)(r * at_once + k) * SLOT + RIG_GUARD + k % 8;

			if (r == t.g.rank)
				continue;
			/* Sends and receives change their order from message to message. */
			for (unsigned int turn = 0; turn < 2; turn++) {
				struct virtmesh_op op = {
					.user_data = count,
					.group = t.g.handle,
					.rank = (uint16_t)r,
					.tag = (n + k) & 1,
					.timeout_ns = t.timeout_ns,
				};

				if (((n + k) >> 1 & 1) == turn) {
					op.opcode = VIRTMESH_OP_SEND;
					op.sbuf = t.send.handle;
					op.soff = off;
					op.len = length(t.g.rank, r, n + k);
					rig_fill(t.send.addr + off, op.len,
						 rig_key(t.g.id, n + k, t.g.rank, r));
				} else {
					op.opcode = VIRTMESH_OP_RECV;
					op.rbuf = t.recv.handle;
					op.roff = off;
					op.len = LONGEST;
					t.recv.addr[off + length(r, t.g.rank, n + k)] = 0xa5;
				}
				ops[count++] = op;
			}
		}
	}
	e = rig_run(t.fd, ops, count, done);
	if (e)
		errx(1, "message %u: SUBMIT: %s", n, strerror(-e));
	for (unsigned int i = 0; i < count; i++) {
		const struct virtmesh_op *op = &ops[done[i].user_data % count];
		uint32_t m = n + (uint32_t)((op->roff + op->soff) / SLOT % at_once);
		size_t len = length(op->rank, t.g.rank, m);

		if (op->opcode == VIRTMESH_OP_SEND) {
			if (!done[i].result)
				continue;
		} else if (done[i].result == (int64_t)len) {
			t.bytes += len;
			if (rig_differs(t.recv.addr + op->roff, len,
					rig_key(t.g.id, m, op->rank, t.g.rank)) < 0 &&
			    t.recv.addr[op->roff + len] == 0xa5)
				continue;
		}
		rig_print("failed", &done[i]);
		errx(1, "message %u with rank %u: %zu bytes", m, op->rank, len);
	}
}

int main(int argc, char **argv)
{
	unsigned int at_once = 32, peers;
	struct virtmesh_group_form form;
	uint64_t count = 1000, every = 0, told = 0, start, each;
	struct virtmesh_info info;
	int c, e;

	t.timeout_ns = 60000000000ULL;
	while ((c = getopt(argc, argv, "N:g:c:b:p:S:t:")) != -1) {
		switch (c) {
		case 'N':
			t.g.count = rig_nodes(optarg, t.g.nodes);
			break;
		case 'g':
			t.g.id = (uint32_t)rig_number(optarg);
			break;
		case 'c':
			count = rig_number(optarg);
			break;
		case 'b':
			at_once = (unsigned int)rig_number(optarg);
			break;
		case 'p':
			every = rig_number(optarg);
			break;
		case 'S':
			t.seed = rig_number(optarg);
			break;
		case 't':
			t.timeout_ns = rig_number(optarg) * 1000000;
			break;
		default:
			errx(2, "see the top of flood.c");
		}
	}
	peers = t.g.count - 1;
	if (t.g.count < 2 || !at_once)
		errx(2, "see the top of flood.c");
	if (2 * at_once * peers > VIRTMESH_OPS_MAX)
		at_once = VIRTMESH_OPS_MAX / 2 / peers;
	t.fd = rig_open(&info);
	rig_alloc(t.fd, (size_t)SLOT * at_once * t.g.count, &t.send);
	rig_alloc(t.fd, (size_t)SLOT * at_once * t.g.count, &t.recv);
	rig_create(t.fd, &t.g);
	e = rig_form(t.fd, &t.g, 60000000000ULL, 0, &form);
	if (e)
		errx(1, "FORM: %s, missing %#llx", strerror(-e), (unsigned long long)form.missing);

	start = rig_now_ns();
	each = (count + (uint64_t)peers * t.g.count - 1) / ((uint64_t)peers * t.g.count);
	for (uint64_t n = 0; n < each; n += at_once) {
		if (every && n * peers >= told + every) {
			told = n * peers;
			printf("compared=%" PRIu64 "\n", told);
			fflush(stdout);
		}
		round_of((uint32_t)n, each - n < at_once ? (unsigned int)(each - n) : at_once);
	}
	printf("received=%" PRIu64 " bytes=%" PRIu64 " seconds=%.3f\n", each * peers, t.bytes,
	       (double)(rig_now_ns() - start) / 1e9);
	return 0;
}
