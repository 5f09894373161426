// SPDX-License-Identifier: GPL-2.0-only
/*
 * One rank of a group is the driver's own transport, from the receive path's first
 * look at a frame to the calls of a program; all that the others and the host do to
 * it is the input:
 *
 *	1 byte	bits 0-1: ranks, 2..4; 2-3: which is ours; 4-5: nodes in the ensemble;
 *		6: a small transmit ring; 7: the group is formed at the start
 *	1 byte	bit 0: the device goes before the file is closed
 *	then commands, a byte and what each takes (see commands[])
 *
 * Frames are bytes of the input as they are, or made right first as far as a member
 * knows what is right, and then changed. A call that sleeps has further commands
 * done meanwhile, other threads' calls among them.
 */
#include <string.h>

#include "../../guest/kmod/parse.h"
#include "rank.h"

#define CALLS	   7 /* of the commands, the last: they may sleep */
#define LONGEST_NS (8 * NSEC_PER_SEC) /* that a call may take */
#define LATEST_NS  (30 * NSEC_PER_MSEC) /* after its deadline an operation has ended */

struct node rank_node;
struct input rank_in;
static bool all_join; /* the others do, at once */
static unsigned int settled;
static u64 late; /* by how much timers were, at most */

u16 rank_other(unsigned int r)
{
	r %= rank_node.ranks;
	return r == rank_node.rank ? (r + 1) % rank_node.ranks : r;
}

u64 rank_duration(void)
{
	unsigned int t = input_8(&rank_in);

	return (NSEC_PER_USEC + (t & 7) * NSEC_PER_USEC / 8) << (t >> 3) % 22;
}

void node_says(struct node *n, const u8 *frame, unsigned int len)
{
	struct vmesh_msg msg;

	/* Nobody listens; but it is a frame that others would take. */
	must(!vmesh_parse(frame, len, &msg));
	must(msg.len == len - VM_PAYLOAD_OFFSET);
}

void node_ended(struct node *n, const struct node_job *job, const struct virtmesh_done *done)
{
}

/* Time. */

static void settle(void)
{
	fake_expire();
	node_take(&rank_node);
	if (!(settled++ % 8))
		node_audit(&rank_node);
}

/* To the next that is due, or to @until. */
static void step(u64 until)
{
	u64 next = fake_next();

	next = next < until ? next : until;
	must(next != FAKE_NEVER); /* who sleeps is woken by somebody */
	fake_now = next > fake_now ? next : fake_now;
	settle();
	node_device(&rank_node, NODE_RING_MAX);
}

static void run(u64 until)
{
	while (fake_now < until)
		step(until);
	settle();
}

static void time_passes(void)
{
	run(fake_now + rank_duration());
}

/* And nobody gets a processor meanwhile. */
static void time_is_lost(void)
{
	u64 ns = rank_duration();

	late += ns;
	fake_now += ns;
	settle();
}

static void memory_fails(void)
{
	unsigned int n = input_8(&rank_in);

	fake_fail(n >> 2, 1 + (n & 3));
}

static void device(void)
{
	unsigned int n = input_8(&rank_in);

	rank_node.slow = n & 0x80;
	node_device(&rank_node, n & 0x7f);
}

static void signal_comes(void)
{
	fake_signal(input_8(&rank_in) & 3);
}

static void (*const commands[])(void) = {
	rank_frame_data,
	rank_frame_ack,
	rank_frame_group,
	rank_post,
	time_passes,
	rank_frame_raw,
	time_is_lost,
	memory_fails,
	device,
	rank_frame_other,
	rank_scribble,
	rank_member,
	signal_comes,
	rank_form,
	rank_leave_or_create,
	rank_control_send,
	rank_control_receive,
	rank_ask,
	rank_datagram,
	rank_wait,
};

static void call(void *arg)
{
	void (*const *fn)(void) = arg;

	(*fn)();
}

static void command(void)
{
	unsigned int n = input_8(&rank_in) % ARRAY_SIZE(commands);

	if (n < ARRAY_SIZE(commands) - CALLS)
		commands[n]();
	else if (fake_tasks < FAKE_TASKS_MAX)
		fake_task_run(call, (void *)&commands[n]);
	settle();
	must(!node_overdue(&rank_node, late + LATEST_NS));
}

void fake_world(u64 until)
{
	if (all_join)
		rank_join_rightly();
	else
		step(until);
}

static void begin(unsigned int what)
{
	u16 ranks = 2 + (what & 3) % 3, rank = (what >> 2 & 3) % ranks;
	const unsigned int ensembles[] = { ranks, 5, 60, 200 };
	struct virtmesh_group_form arg;

	fake_kernel_begin();
	late = 0;
	settled = 0;
	node_begin(&rank_node, rank + 1, VM_MTU_MIN, what & 0x40 ? 24 : NODE_RING_MAX,
		   ensembles[what >> 4 & 3]);
	must(!node_create(&rank_node, ranks));
	if (!(what & 0x80))
		return;
	all_join = true;
	must(!node_form(&rank_node, NSEC_PER_SEC, 0, &arg));
	all_join = false;
	node_audit(&rank_node);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	bool gone_first;

	if (len < 3)
		return 0;
	rank_in = (struct input){ .at = data + 2, .left = len - 2 };
	begin(data[0]);
	gone_first = data[1] & 1;
	while (rank_in.left)
		command();

	fake_fail(0, 0);
	rank_node.slow = false;
	if (gone_first)
		node_gone(&rank_node);
	run(fake_now + LONGEST_NS + late + LATEST_NS);
	must(!fake_tasks && !node_pending(&rank_node));
	node_audit(&rank_node);
	node_close(&rank_node);
	if (!gone_first)
		node_gone(&rank_node);
	node_end(&rank_node);
	fake_kernel_end();
	return 0;
}
