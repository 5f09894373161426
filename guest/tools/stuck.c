// SPDX-License-Identifier: GPL-2.0-only
/*
 * mesh stuck: ask every node of the ensemble what it waits for, and find who holds
 * all of them up: a node that is waited for and itself waits for nobody, or does not
 * even answer, or is not even there; or several that wait for each other.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "device.h"
#include "mesh.h"
#include "waits.h"

/* What one node said. */
struct answer {
	struct virtmesh_record records[VIRTMESH_PENDING_MAX];
	__u16 nodes[VIRTMESH_PENDING_MAX][VIRTMESH_RANKS_MAX];
	unsigned int count;
	int err; /* why it said nothing */
	unsigned int state; /* enum virtmesh_node_state */
	uint64_t now; /* when it came, CLOCK_MONOTONIC of here, as posted_ns is */
};

struct look {
	const struct mesh_args *args;
	struct answer *answers; /* beside waits.node */
	struct waits waits;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void ask(int fd, const struct mesh_args *args, __u16 node, struct answer *a)
{
	struct virtmesh_pending p = {
		.records = (__u64)(uintptr_t)a->records,
		.nodes = (__u64)(uintptr_t)a->nodes,
		.node = node,
		.timeout_ms = args->timeout_ms,
	};

	if (ioctl(fd, VIRTMESH_IOC_PENDING, &p))
		a->err = errno;
	else
		a->count = p.count;
	a->now = now_ns();
}

static double waited_ms(const struct answer *a, const struct virtmesh_record *r)
{
	return a->now > r->posted_ns ? (double)(a->now - r->posted_ns) / 1e6 : 0;
}

static bool counts(const struct look *l, const struct answer *a, unsigned int i)
{
	return waited_ms(a, &a->records[i]) >= l->args->older_ms;
}

/* Operation @i of @a waits for rank @r. */
static bool waits_for(const struct look *l, const struct answer *a, unsigned int i, int r)
{
	return a->records[i].missing >> r & 1 && counts(l, a, i);
}

/* For a node or, with a control message, for anybody. */
static bool somebody_waits(const struct look *l)
{
	for (size_t n = 0; n < l->waits.n; n++)
		for (unsigned int i = 0; i < l->answers[n].count; i++)
			if (counts(l, &l->answers[n], i))
				return true;
	return false;
}

static void build(struct look *l)
{
	for (size_t from = 0; from < l->waits.n; from++) {
		const struct answer *a = &l->answers[from];

		for (unsigned int i = 0; i < a->count; i++)
			for (int r = 0; r < VIRTMESH_RANKS_MAX; r++)
				if (waits_for(l, a, i, r))
					waits_add(&l->waits, (int)from,
						  waits_index(&l->waits, a->nodes[i][r]));
	}
}

/* What is known of the node that holds the others up. */
static const char *excuse(const struct answer *a)
{
	if (a->state != VIRTMESH_NODE_UP)
		return mesh_node_state(a->state);
	if (a->err)
		return "does not answer";
	return a->count ? "waits itself" : "has nothing posted";
}

static struct json_object *wait_json(__u16 node, const struct answer *a, unsigned int i)
{
	const struct virtmesh_record *r = &a->records[i];
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();

	json_object_object_add(o, "node", json_object_new_int(node));
	json_object_object_add(o, "operation", json_object_new_string(mesh_opcode(r->opcode)));
	json_object_object_add(o, "group", json_object_new_int64(r->group));
	json_object_object_add(o, "number", json_object_new_int64(r->number));
	json_object_object_add(o, "len", json_object_new_uint64(r->len));
	json_object_object_add(o, "bytes", json_object_new_uint64(r->bytes));
	json_object_object_add(o, "ms", json_object_new_double(waited_ms(a, r)));
	for (int k = 0; k < VIRTMESH_RANKS_MAX; k++)
		if (r->missing >> k & 1)
			json_object_array_add(list, json_object_new_int(a->nodes[i][k]));
	json_object_object_add(o, "waits_for", list);
	return o;
}

static void tell_json(const struct look *l)
{
	struct json_object *o = json_object_new_object(), *waits = json_object_new_array();
	struct json_object *roots = json_object_new_array(), *silent = json_object_new_array();

	for (size_t n = 0; n < l->waits.n; n++) {
		const struct answer *a = &l->answers[n];

		for (unsigned int i = 0; i < a->count; i++)
			if (counts(l, a, i))
				json_object_array_add(waits, wait_json(l->waits.node[n], a, i));
		if (a->err)
			json_object_array_add(silent, json_object_new_int(l->waits.node[n]));
		if (l->waits.root[n]) {
			struct json_object *r = json_object_new_object();

			json_object_object_add(r, "node", json_object_new_int(l->waits.node[n]));
			json_object_object_add(r, "why", json_object_new_string(excuse(a)));
			json_object_array_add(roots, r);
		}
	}
	json_object_object_add(o, "waiting", waits);
	json_object_object_add(o, "no_answer", silent);
	json_object_object_add(o, "roots", roots);
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
}

/* Bytes that come from, or go to, the others: what `bytes` will be. Ranks left out count. */
static uint64_t total(const struct answer *a, unsigned int i)
{
	const struct virtmesh_record *r = &a->records[i];
	uint64_t others = 0;

	for (int k = 0; k < VIRTMESH_RANKS_MAX; k++)
		others += a->nodes[i][k] && k != r->self;
	switch (r->opcode) {
	case VIRTMESH_OP_ALLGATHER:
	case VIRTMESH_OP_ALLTOALL:
		return r->len * others;
	case VIRTMESH_OP_BCAST:
	case VIRTMESH_OP_GATHER:
	case VIRTMESH_OP_SCATTER:
		return r->rank == r->self ? r->len * others : r->len;
	default:
		return r->len;
	}
}

static void tell_what(__u16 node, const struct answer *a, unsigned int i)
{
	const struct virtmesh_record *r = &a->records[i];

	printf("node %u: %s", node, mesh_opcode(r->opcode));
	if (r->number)
		printf(" %u", r->number);
	printf(" on group %u", r->group);
	if (r->len)
		printf(", %" PRIu64 " bytes of %" PRIu64, (uint64_t)r->bytes, total(a, i));
}

static void tell_text(const struct look *l, size_t roots)
{
	for (size_t n = 0; n < l->waits.n; n++) {
		const struct answer *a = &l->answers[n];

		if (a->err)
			printf("node %u (%s) does not say: %s\n", l->waits.node[n],
			       mesh_node_state(a->state), strerror(a->err));
		for (unsigned int i = 0; i < a->count; i++) {
			const struct virtmesh_record *r = &a->records[i];

			if (!counts(l, a, i))
				continue;
			tell_what(l->waits.node[n], a, i);
			printf(", for %.0f ms: waits for %s", waited_ms(a, r),
			       r->missing ? "node" : "anybody");
			for (int k = 0; k < VIRTMESH_RANKS_MAX; k++)
				if (r->missing >> k & 1)
					printf(" %u", a->nodes[i][k]);
			putchar('\n');
		}
	}
	if (!roots)
		puts(somebody_waits(l) ? "nobody waits for any node" : "nobody waits");
	for (size_t n = 0; n < l->waits.n; n++)
		if (l->waits.root[n])
			printf("all wait for node %u, which %s%s\n", l->waits.node[n],
			       l->answers[n].state == VIRTMESH_NODE_UP ? "" : "is ",
			       excuse(&l->answers[n]));
}

/*
 * A group may name any node. Put behind the @n peers in @nodes, which has room for all
 * there can be, whom they wait for and who is none; how many it has then.
 */
static size_t add_strangers(const struct look *l, __u16 *nodes, size_t n)
{
	bool known[UINT16_MAX + 1] = { false };
	size_t all = n;

	for (size_t i = 0; i < n; i++)
		known[nodes[i]] = true;
	for (size_t p = 0; p < n; p++) {
		const struct answer *a = &l->answers[p];

		for (unsigned int i = 0; i < a->count; i++)
			for (int r = 0; r < VIRTMESH_RANKS_MAX; r++) {
				__u16 node = a->nodes[i][r];

				if (!waits_for(l, a, i, r) || known[node])
					continue;
				known[node] = true;
				nodes[all++] = node;
			}
	}
	return all;
}

static int look(int fd, struct look *l, const struct virtmesh_peer *peers, int n)
{
	__u16 *nodes = calloc(UINT16_MAX + 1, sizeof(*nodes));
	struct answer *answers;
	int err = -ENOMEM;
	size_t all;

	l->answers = calloc((size_t)n, sizeof(*l->answers));
	if (!nodes || !l->answers)
		goto out;
	for (int i = 0; i < n; i++) {
		nodes[i] = peers[i].node;
		l->answers[i].state = peers[i].state;
		/* Who is known to be gone would only cost the time. */
		if (peers[i].state == VIRTMESH_NODE_UP || peers[i].state == VIRTMESH_NODE_STALLED)
			ask(fd, l->args, peers[i].node, &l->answers[i]);
		else
			l->answers[i].err = EHOSTDOWN;
	}
	all = add_strangers(l, nodes, (size_t)n);
	answers = reallocarray(l->answers, all, sizeof(*answers));
	if (!answers)
		goto out;
	l->answers = answers;
	for (size_t i = (size_t)n; i < all; i++) {
		memset(&answers[i], 0, sizeof(*answers));
		answers[i].state = VIRTMESH_NODE_ABSENT;
		answers[i].err = EHOSTUNREACH;
	}
	err = waits_init(&l->waits, nodes, all);
out:
	free(nodes);
	if (err)
		free(l->answers);
	return err;
}

int mesh_stuck(const struct mesh_args *args)
{
	struct look l = { .args = args };
	struct virtmesh_peer *peers;
	size_t roots;
	int fd, n, err, status;

	fd = mesh_open(args->device);
	if (fd < 0)
		return -fd;
	n = mesh_get_peers(fd, &peers, NULL);
	if (n <= 0) {
		close(fd);
		return mesh_fail(n ? -n : ENOTCONN, args->device);
	}
	err = look(fd, &l, peers, n);
	free(peers);
	close(fd);
	if (err)
		return mesh_fail(-err, "stuck");
	build(&l);
	roots = waits_roots(&l.waits);
	if (args->json)
		tell_json(&l);
	else
		tell_text(&l, roots);
	status = somebody_waits(&l) ? MESH_FAILED : MESH_OK;
	waits_free(&l.waits);
	free(l.answers);
	return status;
}
