// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two or three nodes, all of them the driver's own transport, with one program on
 * each that does the same steps in the same order. The network between them is the
 * input: it loses, doubles, delays and so reorders frames. An input is:
 *
 *	1 byte	bit 0: three nodes; 1: operations and forming have little time, or else
 *		an hour; 2-3: nodes in the ensemble; 4: a small transmit ring; 5: other
 *		MTUs; 6: who has done his steps leaves at once; 7: node 1 dies
 *	1 byte	how many steps, up to STEPS_MAX
 *	2 bytes	each of these: bits 0-3 what, 4-5 root or sender, 6-7 tag; how long
 *	then a byte for each copy of a frame that is sent, and each step that is done:
 *	what the network makes of it, how long until the next
 *
 * Losses are not for ever, so with an hour of time everything ends well: each
 * operation and forming at each node, every byte as it was sent, in its place. With
 * little time what ends well does so as well; what fails names others.
 */
#include <string.h>

#include "../../guest/kmod/control.h"
#include "input.h"
#include "node.h"

#define NODES_MAX  3
#define STEPS_MAX  12
#define LOST_MAX   2 /* in a row, from one node to another: its timers are not to reach 2 s */
#define EVENTS_MAX 400000
#define NODE_DIES  (3 * NSEC_PER_MSEC) /* after it has begun */
#define HOUR	   VIRTMESH_TIMEOUT_MAX_NS
#define CONTROL	   9 /* steps that are no operation */
#define FORM	   10
#define WORD	   12 /* bytes of a control message, at least */

/* A loop over bytes, whose number of rounds is nothing new. */
#define NO_COVER __attribute__((no_sanitize("coverage")))

struct step {
	u8 kind;
	u16 root, to;
	u32 tag;
	u64 len;
};

struct seat {
	struct node node;
	unsigned int done; /* steps */
	bool over;
	u64 members;
	unsigned int told[NODES_MAX]; /* control messages of each: the step of the next */
	unsigned int lost[NODES_MAX]; /* frames in a row to each */
	u64 came[NODES_MAX]; /* steps whose part of each did */
};

struct copy {
	struct copy *next; /* by time */
	u64 at;
	struct seat *to;
	unsigned int len;
	u8 frame[];
};

static struct seat seats[NODES_MAX];
static unsigned int nodes, steps, events;
static struct step program[STEPS_MAX * 2 + 2];
static struct input in;
static struct copy *wire;
static bool hasty, forms_again, leaves_early;
static u64 death; /* of node 1 */

/* All is to end well. */
static bool strict(void)
{
	return !hasty;
}

/* The network. */

static bool is_dead(const struct seat *s)
{
	return s == seats && fake_now >= death;
}

static void wire_put(struct seat *to, const u8 *frame, unsigned int len, u64 at)
{
	struct copy *copy = malloc(sizeof(*copy) + len), **next = &wire;

	must(copy);
	*copy = (struct copy){ .at = at, .to = to, .len = len };
	memcpy(copy->frame, frame, len);
	while (*next && (*next)->at <= at)
		next = &(*next)->next;
	copy->next = *next;
	*next = copy;
}

static void wire_carry(struct seat *from, struct seat *to, const u8 *frame, unsigned int len)
{
	unsigned int fate = input_8(&in), *lost = &from->lost[to - seats];
	u64 at = fake_now + 10 * NSEC_PER_USEC;
	u64 later = at + (NSEC_PER_USEC << (fate >> 2 & 15));

	switch (fate & 3) {
	case 1:
		if ((*lost)++ < LOST_MAX)
			return;
		break;
	case 2:
		wire_put(to, frame, len, later);
		break;
	case 3:
		at = later;
		break;
	}
	*lost = 0;
	wire_put(to, frame, len, at);
}

void node_says(struct node *n, const u8 *frame, unsigned int len)
{
	struct seat *from = container_of(n, struct seat, node);
	bool all = vm_mac_is_group(frame);
	u16 to = vm_addr_node(vm_mac_to_addr(frame));
	unsigned int i;

	if (is_dead(from))
		return;
	/* The host drops what the smallest port does not take. */
	must(!all || len <= VM_ETH_HLEN + VM_MTU_MIN);
	for (i = 0; i < nodes; i++)
		if (seats[i].node.id != n->id && (all || seats[i].node.id == to))
			wire_carry(from, &seats[i], frame, len);
}

static void wire_arrives(void)
{
	struct copy *copy = wire;
	struct seat *to = copy->to;

	wire = copy->next;
	if (!is_dead(to))
		node_hears(&to->node, copy->frame, copy->len);
	free(copy);
	/* One receive poll takes what is there. */
	if (!wire || wire->at > fake_now || wire->to != to)
		node_polled(&to->node);
}

/* What is sent. */

NO_COVER static u8 byte_of(unsigned int step, u16 from, u16 to, u64 i)
{
	u32 x = (step + 1) * 2654435761U + from * 40503U + to * 30011U + (u32)i * 2246822519U;

	return x >> 24 ^ x >> 11;
}

/* A part for one receiver only, or for all who receive it. */
static u16 receiver(u8 kind, u16 to)
{
	return kind == VIRTMESH_OP_SCATTER || kind == VIRTMESH_OP_ALLTOALL ? to : NODES_MAX;
}

NO_COVER static void fill(struct node *n, struct node_job *job)
{
	u8 *at = job->at[0];
	u64 i, left;
	u16 to;

	for (to = 0, left = job->span[0]; left; left -= job->len, to++)
		for (i = 0; i < job->len; i++)
			*at++ = byte_of(job->what, n->rank, receiver(job->kind, to), i);
}

NO_COVER static bool is_part(const struct node_job *job, unsigned int step, u16 from, u16 to,
			     const u8 *at, u64 len)
{
	u64 i;

	for (i = 0; i < len; i++)
		if (at[i] != byte_of(step, from, receiver(job->kind, to), i))
			return false;
	return true;
}

/*
 * What is at @at, @from has sent, whole, in the same step. Where a step was refused
 * somewhere, what comes next takes its place: then it was sent in another step, and
 * has not come before.
 */
static void check_part(const struct node *n, const struct node_job *job, u16 from, const u8 *at,
		       u64 len)
{
	struct seat *s = container_of(n, struct seat, node);
	unsigned int step = job->what;
	u64 i;

	if (!(s->members >> from & 1)) {
		for (i = 0; i < len; i++)
			must(at[i] == NODE_BLANK);
		return;
	}
	if (!is_part(job, step, from, n->rank, at, len)) {
		must(!strict());
		for (step = 0; step < steps && (program[step].len != len ||
						!is_part(job, step, from, n->rank, at, len));
		     step++)
			;
		must(step < steps);
	}
	if (len < WORD || from == n->rank)
		return; /* too few to tell */
	must(!(s->came[from] >> step & 1));
	s->came[from] |= 1ULL << step;
}

void node_ended(struct node *n, const struct node_job *job, const struct virtmesh_done *done)
{
	u16 r;

	must(!strict() || done->result >= 0);
	if (done->result < 0)
		return;
	if (job->kind == VIRTMESH_OP_RECV)
		must(!strict() || done->result == (s64)job->len);
	if (!job->span[1])
		return;
	if (job->span[1] == job->len) {
		check_part(n, job, job->root, job->at[1],
			   job->kind == VIRTMESH_OP_RECV ? (u64)done->result : job->len);
		return;
	}
	for (r = 0; r < nodes; r++)
		check_part(n, job, r, job->at[1] + r * job->len, job->len);
}

/* The programs. */

static u64 patience(unsigned int step)
{
	if (hasty)
		return (1 + step % 7 * 4) * NSEC_PER_MSEC;
	return forms_again ? HOUR / 60 : HOUR;
}

static void control_send(struct seat *s, const struct step *step)
{
	u8 word[256];
	struct virtmesh_control arg = {
		.addr = (uintptr_t)word,
		.group = s->node.group,
		.rank = step->to,
		.len = WORD + step->len % (sizeof(word) - WORD),
		.timeout_ns = patience(s->done),
	};
	unsigned int i;
	int err;

	for (i = 0; i < arg.len; i++)
		word[i] = byte_of(s->done, step->root, step->to, i);
	word[0] = s->done;
	err = vmesh_control_send(s->node.f, &arg);
	must(!strict() || !err);
}

/* The next of whomever: each one's come in order, and once. */
static void control_receive(struct seat *s)
{
	u8 word[256];
	struct virtmesh_control arg = {
		.addr = (uintptr_t)word,
		.group = s->node.group,
		.len = sizeof(word),
		.timeout_ns = patience(s->done),
	};
	const struct step *sent;
	unsigned int i;
	int err;

	err = vmesh_control_receive(s->node.f, &arg);
	must(!strict() || !err);
	if (err)
		return;
	sent = &program[word[0]];
	must(word[0] < steps && sent->kind == CONTROL && word[0] >= s->told[arg.rank]);
	must(sent->root == arg.rank && sent->to == s->node.rank);
	must(arg.len == WORD + sent->len % (sizeof(word) - WORD));
	for (i = 1; i < arg.len; i++)
		must(word[i] == byte_of(word[0], sent->root, sent->to, i));
	s->told[arg.rank] = word[0] + 1;
}

static void form(struct seat *s)
{
	struct virtmesh_group_form arg;
	int err;

	node_wait(&s->node, NODE_JOBS, 0);
	err = node_form(&s->node, patience(s->done), hasty ? VIRTMESH_FORM_SURVIVORS : 0, &arg);
	must(!strict() || (!err && arg.members == (1u << nodes) - 1));
	if (!err)
		s->members = arg.members;
}

static void seat_does(struct seat *s, const struct step *step)
{
	u16 rank = s->node.rank, root = step->root;
	u8 kind = step->kind;
	int err;

	switch (kind) {
	case FORM:
		form(s);
		return;
	case CONTROL:
		if (rank == step->to)
			control_receive(s);
		else if (rank == root)
			control_send(s, step);
		return;
	case VIRTMESH_OP_SEND:
		if (rank != step->to && rank != root)
			return;
		if (rank == step->to)
			kind = VIRTMESH_OP_RECV;
		else
			root = step->to;
		break;
	case VIRTMESH_OP_BCAST:
	case VIRTMESH_OP_GATHER:
	case VIRTMESH_OP_SCATTER:
		break;
	default:
		root = 0;
	}
	err = node_post(&s->node, kind, root, kind <= VIRTMESH_OP_RECV ? step->tag : 0, step->len,
			patience(s->done), s->done, fill);
	must(!strict() || !err);
}

static void seat_main(void *arg)
{
	struct seat *s = arg;
	unsigned long us;

	for (s->done = 0; s->done < steps && !is_dead(s); s->done++) {
		us = 5UL << (input_8(&in) & 15);
		usleep_range(us, us + 1);
		seat_does(s, &program[s->done]);
	}
	node_wait(&s->node, NODE_JOBS, 0);
	must(!node_pending(&s->node));
	if (leaves_early)
		node_close(&s->node);
	s->over = true;
}

/* What happens next. */

void fake_world(u64 until)
{
	u64 at = fake_next();
	unsigned int i;

	must(events++ < EVENTS_MAX);
	at = at < until ? at : until;
	at = wire && wire->at < at ? wire->at : at;
	must(at != FAKE_NEVER); /* who sleeps is woken by somebody */
	fake_now = at > fake_now ? at : fake_now;
	if (fake_next() <= fake_now)
		fake_expire();
	else if (wire && wire->at <= fake_now)
		wire_arrives();
	for (i = 0; i < nodes; i++) {
		node_device(&seats[i].node, NODE_RING_MAX);
		node_take(&seats[i].node);
		if (!(events & 15))
			node_audit(&seats[i].node);
	}
}

static bool all_over(void)
{
	unsigned int i;

	for (i = 0; i < nodes; i++)
		if (!seats[i].over)
			return false;
	return true;
}

static void add(u8 kind, unsigned int what, unsigned int size)
{
	struct step *step = &program[steps++];

	*step = (struct step){
		.kind = kind,
		.root = (what >> 4 & 3) % nodes,
		.tag = what >> 6,
		/* Nothing, some bytes, about a frame, some frames, more than a window. */
		.len = size < 192 ? size * size / 4 :
				    (size < 250 ? (size - 191) * 160 : (size - 249) * 55001),
	};
	step->to = (step->root + 1 + (what >> 6) % (nodes - 1)) % nodes;
	if (kind == VIRTMESH_OP_BARRIER)
		step->len = 0;
}

/* Nobody ends what others have still to begin: a barrier goes before forming and the end. */
static void read_program(void)
{
	unsigned int n = input_8(&in) % (STEPS_MAX + 1), what;
	u8 kind;

	steps = 0;
	forms_again = false;
	add(FORM, 0, 0);
	while (n--) {
		what = input_8(&in);
		kind = what & 15;
		if (kind == 0 || kind == VIRTMESH_OP_RECV || kind > FORM)
			kind = VIRTMESH_OP_SEND;
		if (kind == FORM)
			add(VIRTMESH_OP_BARRIER, 0, 0);
		forms_again |= kind == FORM;
		add(kind, what, input_8(&in));
	}
	add(VIRTMESH_OP_BARRIER, 0, 0);
}

/* What only a liar says. */
static void check_counters(const struct node *n)
{
	const u64 *v = n->m->dev.counters->v;

	must(!v[VMESH_CNT_rx_malformed] && !v[VMESH_CNT_rx_unknown_type]);
	must(!v[VMESH_CNT_rx_foreign] && !v[VMESH_CNT_rx_forged] && !v[VMESH_CNT_rx_stale]);
	must(!strict() || !v[VMESH_CNT_rx_mismatch]);
}

static void begin(unsigned int what)
{
	unsigned int i, ensemble;

	fake_kernel_begin();
	nodes = 2 + (what & 1);
	hasty = what & 0x82; /* who waits for a dead one does not wait an hour */
	leaves_early = what & 0x40;
	death = what & 0x80 ? fake_now + NODE_DIES : FAKE_NEVER;
	ensemble = (const unsigned int[]){ nodes, 5, 60, 200 }[what >> 2 & 3];
	for (i = 0; i < nodes; i++) {
		seats[i] = (struct seat){};
		node_begin(&seats[i].node, i + 1, VM_MTU_MIN + (what & 0x20 ? i * 300 : 0),
			   what & 0x10 ? 24 : NODE_RING_MAX, ensemble);
		must(!node_create(&seats[i].node, nodes));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct copy *copy;
	unsigned int i;

	if (len < 2)
		return 0;
	in = (struct input){ .at = data + 1, .left = len - 1 };
	events = 0;
	begin(data[0]);
	read_program();
	for (i = 0; i < nodes; i++)
		fake_task_run(seat_main, &seats[i]);
	while (!all_over())
		fake_world(FAKE_NEVER);
	for (i = 0; i < nodes; i++)
		if (seats[i].node.f)
			node_close(&seats[i].node);
	for (i = 0; i < nodes; i++) {
		check_counters(&seats[i].node);
		node_gone(&seats[i].node);
		node_end(&seats[i].node);
	}
	while ((copy = wire)) {
		wire = copy->next;
		free(copy);
	}
	fake_kernel_end();
	return 0;
}
