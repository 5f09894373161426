// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every operation, with every byte compared. All nodes run this with the same
 * arguments and draw the same steps from the same seed:
 *
 *	ops -N NODES -g ID -S SEED -c STEPS -m BYTES [-G GROUPS] [-K AT_ONCE] [-t MS]
 *	ops -N NODES -g ID [-t MS] OPERATION:BYTES...
 *
 * In the first form a step is up to AT_ONCE operations of up to BYTES on groups drawn
 * at the start, all nodes of NODES in the first and a part of them, in another order,
 * in each other. In the second the operations come one by one on the first group,
 * the root going around. Where an operation reads and writes is drawn for each node
 * by itself: a buffer of the driver or a registered one, at an odd offset. Around
 * what it may write, nothing may change. OPERATION may be `order`: a broadcast and a
 * message, posted at once by rank 0 and one after the other by all others, the one
 * before the other and the other before the one. It needs -K 2.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"

#define GROUPS	8
#define AT_ONCE 8
#define KINDS	2 /* of buffers */

static const char *const names[VIRTMESH_OPS] = {
	[VIRTMESH_OP_SEND] = "message",	       [VIRTMESH_OP_BCAST] = "bcast",
	[VIRTMESH_OP_ALLGATHER] = "allgather", [VIRTMESH_OP_GATHER] = "gather",
	[VIRTMESH_OP_SCATTER] = "scatter",     [VIRTMESH_OP_ALLTOALL] = "alltoall",
	[VIRTMESH_OP_BARRIER] = "barrier",
};

struct step {
	struct rig_group *g;
	unsigned int opcode; /* SEND: a message to the rank `by` further on, and one from there */
	unsigned int root;
	unsigned int by;
	size_t len;
};

/* Where one operation reads and writes. */
struct place {
	const struct rig_buf *buf;
	size_t off;
	size_t len;
};

static struct {
	int fd;
	struct virtmesh_info info;
	struct rig_group groups[GROUPS];
	unsigned int ngroups;
	uint64_t timeout_ns;
	struct rig_buf send[KINDS], recv[KINDS];
	size_t room; /* of each buffer for one of the operations at once */
	uint64_t common; /* randomness that all nodes share */
	uint64_t own;
	uint32_t generation[GROUPS];
	uint32_t messages[GROUPS];
	uint64_t bytes;
	unsigned int operations;
} t;

static uint64_t draw(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15ULL;
	return rig_mix(*state);
}

/* What the operation writes, or reads, in parts of len. */
static size_t parts(const struct step *s, bool writes)
{
	switch (s->opcode) {
	case VIRTMESH_OP_BARRIER:
		return 0;
	case VIRTMESH_OP_ALLGATHER:
		return writes ? s->g->count : 1;
	case VIRTMESH_OP_ALLTOALL:
		return s->g->count;
	case VIRTMESH_OP_GATHER:
		return !writes ? 1 : s->g->rank == s->root ? s->g->count : 0;
	case VIRTMESH_OP_SCATTER:
		return writes ? 1 : s->g->rank == s->root ? s->g->count : 0;
	case VIRTMESH_OP_BCAST:
		return writes == (s->g->rank != s->root);
	default:
		return 1;
	}
}

/* Somewhere in slot @slot of one of @bufs. */
static struct place place(const struct rig_buf *bufs, unsigned int slot, size_t len)
{
	struct place p = { .buf = &bufs[draw(&t.own) % KINDS], .len = len };

	p.off = slot * t.room + RIG_GUARD + draw(&t.own) % RIG_GUARD;
	return p;
}

static unsigned char *at(const struct place *p)
{
	return p->buf->addr + p->off;
}

/* Who gets what this rank's @part-th part is. */
static unsigned int addressee(const struct step *s, unsigned int part)
{
	switch (s->opcode) {
	case VIRTMESH_OP_SCATTER:
	case VIRTMESH_OP_ALLTOALL:
		return part;
	default:
		return ~0U;
	}
}

static void fill(const struct step *s, uint32_t number, const struct place *p)
{
	for (unsigned int i = 0; i < parts(s, false); i++)
		rig_fill(at(p) + i * s->len, s->len,
			 rig_key(s->g->id, number, s->g->rank, addressee(s, i)));
}

/* The rank whose part comes @i-th, and the key of it. */
static uint64_t key_of(const struct step *s, uint32_t number, unsigned int i)
{
	unsigned int from = i, to = ~0U;

	if (s->opcode == VIRTMESH_OP_SEND)
		from = (s->g->rank + s->g->count - s->by) % s->g->count;
	else if (s->opcode == VIRTMESH_OP_BCAST || s->opcode == VIRTMESH_OP_SCATTER)
		from = s->root;
	if (s->opcode == VIRTMESH_OP_SCATTER || s->opcode == VIRTMESH_OP_ALLTOALL)
		to = s->g->rank;
	return rig_key(s->g->id, number, from, to);
}

static void check(const struct step *s, uint32_t number, const struct place *p)
{
	size_t whole = parts(s, true) * s->len;

	for (unsigned int i = 0; i < parts(s, true); i++) {
		long long wrong = rig_differs(at(p) + i * s->len, s->len, key_of(s, number, i));

		if (wrong >= 0)
			errx(1, "%s %u of %zu bytes on group %u, rank %u: part %u is wrong at %lld",
			     names[s->opcode], number, s->len, s->g->id, s->g->rank, i, wrong);
	}
	for (size_t i = 0; i < RIG_GUARD; i++)
		if (at(p)[-1 - (long)i] != 0xa5 || at(p)[whole + i] != 0xa5)
			errx(1, "%s %u of %zu bytes on group %u: it wrote %zu bytes beyond",
			     names[s->opcode], number, s->len, s->g->id, i + 1);
	t.bytes += whole;
}

/* The operations of one step that are this node's, up to two for each entry of @steps. */
static void run(const struct step *steps, unsigned int n)
{
	struct virtmesh_op ops[AT_ONCE * 2] = { 0 };
	struct virtmesh_done done[AT_ONCE * 2] = { 0 };
	struct place from[AT_ONCE], to[AT_ONCE];
	uint32_t number[AT_ONCE];
	unsigned int count = 0;
	int e;

	for (unsigned int i = 0; i < n; i++) {
		const struct step *s = &steps[i];
		size_t gi = (size_t)(s->g - t.groups);
		struct virtmesh_op op = {
			.group = s->g->handle,
			.opcode = (uint16_t)s->opcode,
			.rank = (uint16_t)s->root,
			.len = s->len,
			.timeout_ns = t.timeout_ns,
			.user_data = i,
		};

		number[i] = s->opcode == VIRTMESH_OP_SEND ? ++t.messages[gi] : ++t.generation[gi];
		if (!s->g->count)
			continue; /* not a member */
		from[i] = place(t.send, i, parts(s, false) * s->len);
		to[i] = place(t.recv, i, parts(s, true) * s->len);
		fill(s, number[i], &from[i]);
		memset(at(&to[i]) - RIG_GUARD, 0xa5, to[i].len + 2 * RIG_GUARD);
		op.sbuf = from[i].len ? from[i].buf->handle : 0;
		op.soff = from[i].len ? from[i].off : 0;
		op.rbuf = to[i].len ? to[i].buf->handle : 0;
		op.roff = to[i].len ? to[i].off : 0;
		if (s->opcode != VIRTMESH_OP_SEND) {
			ops[count++] = op;
			continue;
		}
		op.tag = (uint32_t)s->by;
		op.opcode = VIRTMESH_OP_RECV;
		op.rank = (uint16_t)((s->g->rank + s->g->count - s->by) % s->g->count);
		ops[count++] = op;
		op.opcode = VIRTMESH_OP_SEND;
		op.rank = (uint16_t)((s->g->rank + s->by) % s->g->count);
		ops[count++] = op;
	}
	e = rig_run(t.fd, ops, count, done);
	if (e)
		errx(1, "operation %u: SUBMIT: %s", t.operations, strerror(-e));
	for (unsigned int i = 0; i < count; i++) {
		const struct virtmesh_done *d = &done[i];
		const struct step *s = &steps[d->user_data % n];
		bool message = s->opcode == VIRTMESH_OP_SEND;
		int64_t want = d->opcode == VIRTMESH_OP_RECV ? (int64_t)s->len : 0;

		if (d->result != want || d->missing || d->group != s->g->handle ||
		    (!message && d->number != number[d->user_data])) {
			rig_print("failed", d);
			errx(1, "%s %u of %zu bytes on group %u (rank %u of %u)", names[s->opcode],
			     number[d->user_data], s->len, s->g->id, s->g->rank, s->g->count);
		}
	}
	for (unsigned int i = 0; i < n; i++)
		if (steps[i].g->count)
			check(&steps[i], number[i], &to[i]);
	t.operations += count;
}

/* Sizes about which something changes, and any others. */
static size_t draw_len(size_t max)
{
	static const size_t edges[] = { 0,    1,    7,	  8,	63,   64,    65,    1000,  3277,
					3278, 3279, 3300, 3302, 4096, 65536, 65537, 100000 };
	uint64_t r = draw(&t.common);
	size_t len;

	if (r % 3 == 0)
		len = edges[(r >> 8) % (sizeof(edges) / sizeof(edges[0]))];
	else
		len = draw(&t.common) & ((2ULL << (r >> 8) % 26) - 1);
	return len > max ? max ? draw(&t.common) % max : 0 : len;
}

static struct step draw_step(void)
{
	static const unsigned int kinds[] = { VIRTMESH_OP_SEND,	     VIRTMESH_OP_BCAST,
					      VIRTMESH_OP_ALLGATHER, VIRTMESH_OP_GATHER,
					      VIRTMESH_OP_SCATTER,   VIRTMESH_OP_ALLTOALL,
					      VIRTMESH_OP_BARRIER };
	struct step s = { 0 };
	uint64_t r = draw(&t.common);

	s.g = &t.groups[r % t.ngroups];
	s.opcode = kinds[(r >> 8) % (sizeof(kinds) / sizeof(kinds[0]))];
	return s;
}

/* What depends on the group's size, which those who are no members know as well. */
static void draw_rest(struct step *s, unsigned int count)
{
	bool rooted = s->opcode == VIRTMESH_OP_BCAST || s->opcode == VIRTMESH_OP_GATHER ||
		      s->opcode == VIRTMESH_OP_SCATTER;
	uint64_t r = draw(&t.common);

	s->root = rooted ? r % count : 0;
	s->by = 1 + (r >> 8) % (count - 1);
	s->len = draw_len((t.room - 3 * RIG_GUARD) / count);
	if (s->opcode == VIRTMESH_OP_BARRIER)
		s->len = 0;
}

/* All nodes in order; then parts of them, at least two, shuffled. Returns their sizes. */
static void draw_groups(const uint16_t *nodes, unsigned int n, uint32_t id, unsigned int *sizes)
{
	for (unsigned int i = 0; i < t.ngroups; i++) {
		struct rig_group *g = &t.groups[i];
		bool member = false;

		g->id = id + i;
		g->count = i ? 2 + draw(&t.common) % (n - 1) : n;
		memcpy(g->nodes, nodes, n * sizeof(*nodes));
		for (unsigned int k = 0; i && k < n; k++) {
			unsigned int other = k + draw(&t.common) % (n - k);
			uint16_t swap = g->nodes[k];

			g->nodes[k] = g->nodes[other];
			g->nodes[other] = swap;
		}
		sizes[i] = g->count;
		for (unsigned int k = 0; k < g->count; k++)
			member |= g->nodes[k] == t.info.node;
		if (!member)
			g->count = 0;
		else
			rig_create(t.fd, g);
	}
	/* In order of their numbers: nobody waits for one who waits for another. */
	for (unsigned int i = 0; i < t.ngroups; i++) {
		struct virtmesh_group_form f;
		int e = t.groups[i].count ? rig_form(t.fd, &t.groups[i], 60000000000ULL, 0, &f) : 0;

		if (e)
			errx(1, "FORM of group %u: %s, missing %#llx, reason %u", t.groups[i].id,
			     strerror(-e), (unsigned long long)f.missing, f.reason);
	}
}

static void buffers(size_t room, unsigned int at_once)
{
	t.room = room + 3 * RIG_GUARD;
	rig_alloc(t.fd, t.room * at_once, &t.send[0]);
	rig_register(t.fd, t.room * at_once, &t.send[1]);
	rig_alloc(t.fd, t.room * at_once, &t.recv[0]);
	rig_register(t.fd, t.room * at_once, &t.recv[1]);
}

static void order(struct rig_group *g, size_t len)
{
	struct step bcast = { .g = g, .opcode = VIRTMESH_OP_BCAST, .len = len };
	struct step message = { .g = g, .opcode = VIRTMESH_OP_SEND, .len = len, .by = 1 };

	for (unsigned int i = 0; i < 2; i++) {
		if (g->rank == 0) {
			run((struct step[]){ bcast, message }, 2);
		} else {
			run(i ? &bcast : &message, 1);
			run(i ? &message : &bcast, 1);
		}
	}
}

static void listed(char **words)
{
	struct rig_group *g = &t.groups[0];

	for (unsigned int nth = 0; *words; words++, nth++) {
		struct step s = { .g = g, .by = 1 + nth % (g->count - 1) };
		char *colon = strchr(*words, ':');

		if (!colon)
			errx(2, "not OPERATION:BYTES: %s", *words);
		*colon = '\0';
		if (!strcmp(*words, "order")) {
			order(g, rig_number(colon + 1));
			continue;
		}
		for (unsigned int i = 0; i < VIRTMESH_OPS; i++)
			if (names[i] && !strcmp(names[i], *words))
				s.opcode = i;
		if (!s.opcode)
			errx(2, "no operation: %s", *words);
		s.len = s.opcode == VIRTMESH_OP_BARRIER ? 0 : rig_number(colon + 1);
		if (s.opcode == VIRTMESH_OP_BCAST || s.opcode == VIRTMESH_OP_GATHER ||
		    s.opcode == VIRTMESH_OP_SCATTER)
			s.root = nth % g->count;
		run(&s, 1);
	}
}

int main(int argc, char **argv)
{
	unsigned int at_once = 1, count = 0, n = 0, sizes[GROUPS];
	uint16_t nodes[VIRTMESH_RANKS_MAX];
	uint64_t seed = 1, start;
	size_t max = 1 << 20;
	uint32_t id = 1;
	int c;

	t.ngroups = 1;
	t.timeout_ns = 30000000000ULL;
	while ((c = getopt(argc, argv, "N:g:S:c:m:G:K:t:")) != -1) {
		switch (c) {
		case 'N':
			n = rig_nodes(optarg, nodes);
			break;
		case 'g':
			id = (uint32_t)rig_number(optarg);
			break;
		case 'S':
			seed = rig_number(optarg);
			break;
		case 'c':
			count = (unsigned int)rig_number(optarg);
			break;
		case 'm':
			max = rig_number(optarg);
			break;
		case 'G':
			t.ngroups = (unsigned int)rig_number(optarg);
			break;
		case 'K':
			at_once = (unsigned int)rig_number(optarg);
			break;
		case 't':
			t.timeout_ns = rig_number(optarg) * 1000000;
			break;
		default:
			errx(2, "see the top of ops.c");
		}
	}
	if (n < 2 || !t.ngroups || t.ngroups > GROUPS || !at_once || at_once > AT_ONCE)
		errx(2, "see the top of ops.c");
	t.fd = rig_open(&t.info);
	t.common = rig_mix(seed);
	t.own = rig_mix(seed + t.info.node);
	buffers(max, at_once);
	draw_groups(nodes, n, id, sizes);

	start = rig_now_ns();
	if (argv[optind])
		listed(argv + optind);
	for (unsigned int i = 0; i < count; i++) {
		struct step steps[AT_ONCE];
		unsigned int k = 1 + draw(&t.common) % at_once;

		for (unsigned int j = 0; j < k; j++) {
			steps[j] = draw_step();
			draw_rest(&steps[j], sizes[steps[j].g - t.groups]);
		}
		run(steps, k);
	}
	/* Who leaves lingers for a while only, and another may be far behind on a busy host. */
	run(&(struct step){ .g = &t.groups[0], .opcode = VIRTMESH_OP_BARRIER }, 1);
	printf("operations=%u bytes=%" PRIu64 " seconds=%.3f\n", t.operations, t.bytes,
	       (double)(rig_now_ns() - start) / 1e9);
	return 0;
}
