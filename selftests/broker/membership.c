// SPDX-License-Identifier: GPL-2.0-only
/* Nodes that join, leave, die and stall, and what the others are told of it. */
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "kselftest_harness.h"

#include "../../host/maps.h"
#include "bed.h"
#include "guest.h"

/* No probe comes while the test lasts: who is silent is not missed. */
#define PATIENT "--probe-ms 60000 --dead-ms 600000"
/* Silence and standstill are seen soon. */
#define PLAIN " --plain-ring"
#define HASTY "--probe-ms 50 --dead-ms 600"

static __u32 epoch_of(const struct guest_frame *frame)
{
	return be32toh(((const struct vm_members *)frame->payload)->epoch);
}

static __u32 prev_of(const struct guest_frame *frame)
{
	return be32toh(((const struct vm_members *)frame->payload)->prev_epoch);
}

/* Nodes 1 and 2 of ensemble 1, not joined yet, and a broker. */
static int set_up(struct guest *a, struct guest *b, struct broker_proc *broker, const char *options)
{
	int err = bed_enter();

	if (!err)
		err = bed_virtmesh("ensemble add 1");
	if (!err)
		err = guest_add(a, "vm1", 1, 1);
	if (!err)
		err = guest_add(b, "vm2", 1, 2);
	return err ? err : bed_broker(broker, options);
}

FIXTURE(mesh)
{
	struct broker_proc broker;
	struct guest a, b;
	int ctl;
};

FIXTURE_VARIANT(mesh)
{
	const char *options;
};

/* With what this kernel's io_uring has, and with what the oldest one's has. */
FIXTURE_VARIANT_ADD(mesh, best){ .options = PATIENT };
FIXTURE_VARIANT_ADD(mesh, plain){ .options = PATIENT PLAIN };

FIXTURE_SETUP(mesh)
{
	ASSERT_EQ(0, set_up(&self->a, &self->b, &self->broker, variant->options));
	self->ctl = ctl_connect();
	ASSERT_LE(0, self->ctl);
}

FIXTURE_TEARDOWN(mesh)
{
	if (!BED_PASSED())
		bed_log_show();
	close(self->ctl);
	/* Whatever was done to it, it ends as it should. */
	EXPECT_EQ(0, bed_broker_end(&self->broker, SIGTERM));
	guest_close(&self->a);
	guest_close(&self->b);
}

FIXTURE(hasty)
{
	struct broker_proc broker;
	struct guest a, b;
	int ctl;
};

FIXTURE_VARIANT(hasty)
{
	const char *options;
};

/* With what this kernel's io_uring has, and with what the oldest one's has. */
FIXTURE_VARIANT_ADD(hasty, best){ .options = HASTY };
FIXTURE_VARIANT_ADD(hasty, plain){ .options = HASTY PLAIN };

FIXTURE_SETUP(hasty)
{
	ASSERT_EQ(0, set_up(&self->a, &self->b, &self->broker, variant->options));
	self->ctl = ctl_connect();
	ASSERT_LE(0, self->ctl);
}

FIXTURE_TEARDOWN(hasty)
{
	if (!BED_PASSED())
		bed_log_show();
	close(self->ctl);
	EXPECT_EQ(0, bed_broker_end(&self->broker, SIGTERM));
	guest_close(&self->a);
	guest_close(&self->b);
}

TEST_F(mesh, node_that_never_joined_is_absent)
{
	struct vm_ctl_node node;

	ASSERT_EQ(0, ctl_node(self->ctl, self->a.addr, &node));
	EXPECT_EQ(VM_NODE_ABSENT, node.state);
	EXPECT_EQ(0, node.incarnation);
	EXPECT_EQ(0, node.heard_ns);
	EXPECT_NE(0, node.epoch);
	EXPECT_NE(0, node.ifindex);
}

TEST_F(mesh, hello_is_welcomed_and_others_are_told)
{
	struct guest_frame frame;
	struct vm_ctl_node node;
	__u32 incarnation;

	ASSERT_EQ(0, guest_join(&self->a));
	ASSERT_EQ(0, guest_join(&self->b));
	EXPECT_EQ(VM_MTU_DEFAULT, self->a.mtu);
	EXPECT_EQ(self->a.broker_id, self->b.broker_id);
	EXPECT_LT(self->a.epoch, self->b.epoch);

	/* a is taken from its epoch to b's, by a frame for the group. */
	ASSERT_EQ(0, guest_expect(&self->a, VM_F_MEMBERS, &frame, BED_WAIT_MS));
	EXPECT_EQ(true, frame.group);
	EXPECT_EQ(vm_addr(1, 0), frame.from);
	EXPECT_EQ(self->a.epoch, prev_of(&frame));
	EXPECT_EQ(self->b.epoch, epoch_of(&frame));
	EXPECT_EQ(VM_NODE_UP, members_state(&frame, 2, &incarnation, NULL));
	EXPECT_EQ(self->b.incarnation, incarnation);
	EXPECT_EQ(-ENOENT, members_state(&frame, 1, NULL, NULL));

	ASSERT_EQ(0, ctl_node(self->ctl, self->b.addr, &node));
	EXPECT_EQ(VM_NODE_UP, node.state);
	EXPECT_EQ(self->b.incarnation, node.incarnation);
	EXPECT_EQ(self->b.epoch, node.epoch);
	EXPECT_NE(0, node.heard_ns);
}

TEST_F(mesh, welcome_never_allows_more_than_either_mtu)
{
	self->a.mtu = 1500;
	ASSERT_EQ(0, guest_join(&self->a));
	EXPECT_EQ(1500, self->a.mtu);
	self->b.mtu = VM_MTU_MAX;
	ASSERT_EQ(0, guest_join(&self->b));
	EXPECT_EQ(VM_MTU_DEFAULT, self->b.mtu);
}

TEST_F(mesh, hello_again_with_its_nonce_is_confirmed_without_an_epoch)
{
	__u32 incarnation, epoch;

	ASSERT_EQ(0, guest_join(&self->a));
	incarnation = self->a.incarnation;
	epoch = self->a.epoch;
	ASSERT_EQ(0, guest_join(&self->a));
	EXPECT_EQ(incarnation, self->a.incarnation);
	EXPECT_EQ(epoch, self->a.epoch);
}

TEST_F(mesh, second_life_gets_the_next_incarnation_and_the_first_is_refused)
{
	struct guest_frame frame;
	struct vm_refuse refuse;
	__u32 first, told;

	ASSERT_EQ(0, guest_join(&self->b));
	ASSERT_EQ(0, guest_join(&self->a));
	ASSERT_EQ(0, guest_expect(&self->b, VM_F_MEMBERS, &frame, BED_WAIT_MS));
	first = self->a.incarnation;

	self->a.nonce++;
	ASSERT_EQ(0, guest_join(&self->a));
	EXPECT_EQ(first + 1, self->a.incarnation);
	ASSERT_EQ(0, guest_expect(&self->b, VM_F_MEMBERS, &frame, BED_WAIT_MS));
	EXPECT_EQ(VM_NODE_UP, members_state(&frame, 1, &told, NULL));
	EXPECT_EQ(first + 1, told);

	/* The old life speaks up. */
	self->a.incarnation = first;
	ASSERT_EQ(0, guest_send(&self->a, vm_addr(1, 0), VM_F_SYNC, NULL, 0));
	ASSERT_EQ(0, guest_expect(&self->a, VM_F_REFUSE, &frame, BED_WAIT_MS));
	memcpy(&refuse, frame.payload, sizeof(refuse));
	EXPECT_EQ(VM_REFUSE_STALE, be16toh(refuse.reason));
	/* Nor may it say goodbye for the new one. */
	ASSERT_EQ(0, guest_send(&self->a, vm_addr(1, 0), VM_F_BYE, NULL, 0));
	self->a.incarnation = first + 1;
	ASSERT_EQ(0, guest_send(&self->a, vm_addr(1, 0), VM_F_SYNC, NULL, 0));
	ASSERT_EQ(0, guest_expect(&self->a, VM_F_MEMBERS, &frame, BED_WAIT_MS));
	EXPECT_EQ(VM_NODE_UP, members_state(&frame, 1, NULL, NULL));
}

TEST_F(mesh, bye_makes_absent_and_hello_after_it_is_the_same_life)
{
	struct guest_frame frame;
	struct vm_ctl_node node;
	__u32 incarnation;

	ASSERT_EQ(0, guest_join(&self->b));
	ASSERT_EQ(0, guest_join(&self->a));
	ASSERT_EQ(0, guest_expect(&self->b, VM_F_MEMBERS, &frame, BED_WAIT_MS));
	incarnation = self->a.incarnation;

	ASSERT_EQ(0, guest_send(&self->a, vm_addr(1, 0), VM_F_BYE, NULL, 0));
	ASSERT_EQ(0, guest_expect(&self->b, VM_F_MEMBERS, &frame, BED_WAIT_MS));
	EXPECT_EQ(VM_NODE_ABSENT, members_state(&frame, 1, NULL, NULL));
	ASSERT_EQ(0, ctl_node(self->ctl, self->a.addr, &node));
	EXPECT_EQ(VM_NODE_ABSENT, node.state);

	ASSERT_EQ(0, guest_join(&self->a));
	EXPECT_EQ(incarnation, self->a.incarnation);
	ASSERT_EQ(0, guest_expect(&self->b, VM_F_MEMBERS, &frame, BED_WAIT_MS));
	EXPECT_EQ(VM_NODE_UP, members_state(&frame, 1, NULL, NULL));
}

TEST_F(hasty, silent_node_goes_down_and_its_next_word_brings_it_up)
{
	struct guest_frame frame;
	struct vm_ctl_node node;
	long long start;
	__u32 incarnation;

	ASSERT_EQ(0, guest_join(&self->b));
	ASSERT_EQ(0, guest_join(&self->a));
	incarnation = self->a.incarnation;
	start = bed_now_ms();
	/* b hears of a's arrival, then, answering probes, of its end. */
	do {
		ASSERT_EQ(0, guest_expect(&self->b, VM_F_MEMBERS, &frame, BED_WAIT_MS));
	} while (members_state(&frame, 1, NULL, NULL) != VM_NODE_DOWN);
	EXPECT_LE(590, bed_now_ms() - start);
	EXPECT_EQ(-ENOENT, members_state(&frame, 2, NULL, NULL));
	ASSERT_EQ(0, ctl_node(self->ctl, self->a.addr, &node));
	EXPECT_EQ(VM_NODE_DOWN, node.state);
	EXPECT_EQ(incarnation, node.incarnation);

	/* Its probes wait in the ring; answering the last one is enough. */
	ASSERT_EQ(0, guest_send(&self->a, vm_addr(1, 0), VM_F_SYNC, NULL, 0));
	do {
		ASSERT_EQ(0, guest_expect(&self->b, VM_F_MEMBERS, &frame, BED_WAIT_MS));
	} while (members_state(&frame, 1, NULL, NULL) != VM_NODE_UP);
	ASSERT_EQ(0, ctl_node(self->ctl, self->a.addr, &node));
	EXPECT_EQ(incarnation, node.incarnation);
}

TEST_F(hasty, node_that_answers_without_progress_is_stalled_until_it_moves)
{
	struct guest_frame frame;
	struct vm_ctl_node node;

	self->b.deaf = true;
	ASSERT_EQ(0, guest_join(&self->a));
	self->a.pending = 3;
	self->a.progress = 77;
	do {
		ASSERT_EQ(0, guest_expect(&self->a, VM_F_MEMBERS, &frame, BED_WAIT_MS));
	} while (members_state(&frame, 1, NULL, NULL) != VM_NODE_STALLED);
	ASSERT_EQ(0, ctl_node(self->ctl, self->a.addr, &node));
	EXPECT_EQ(VM_NODE_STALLED, node.state);
	EXPECT_EQ(3, node.pending);
	EXPECT_EQ(77, node.progress);

	/* The same HELLO again is no progress. */
	ASSERT_EQ(0, guest_join(&self->a));
	ASSERT_EQ(0, ctl_node(self->ctl, self->a.addr, &node));
	EXPECT_EQ(VM_NODE_STALLED, node.state);

	self->a.progress++;
	do {
		ASSERT_EQ(0, guest_expect(&self->a, VM_F_MEMBERS, &frame, BED_WAIT_MS));
	} while (members_state(&frame, 1, NULL, NULL) != VM_NODE_UP);
}

TEST_F(hasty, node_with_nothing_pending_never_stalls)
{
	struct vm_ctl_nodes ask = { .ensemble = 0 };
	struct guest_frame frame;
	struct vm_ctl_node node;
	struct ctl_record rec;

	ASSERT_EQ(0, ctl_ask(self->ctl, VM_CTL_WATCH, &ask, sizeof(ask), &rec));
	ASSERT_EQ(0, guest_join(&self->a));
	self->a.progress = 5; /* and stays */
	/* Twice the time it takes to stall, counted by the broker's clock. */
	for (int i = 0; i < 24; i++)
		ASSERT_EQ(0, guest_expect(&self->a, VM_F_PROBE, &frame, BED_WAIT_MS));
	while (!ctl_recv(self->ctl, &rec, 0)) {
		memcpy(&node, rec.payload, sizeof(node));
		EXPECT_NE(VM_NODE_STALLED, node.state);
	}
}

TEST_F(mesh, who_missed_a_change_syncs_to_the_present_epoch)
{
	struct guest_frame frame;
	__u32 missed;

	ASSERT_EQ(0, guest_join(&self->a));
	missed = self->a.epoch;
	ASSERT_EQ(0, guest_join(&self->b));
	self->b.nonce++;
	ASSERT_EQ(0, guest_join(&self->b));
	/* a did not look at the first change and sees from the second that it is behind. */
	ASSERT_EQ(0, guest_expect(&self->a, VM_F_MEMBERS, &frame, BED_WAIT_MS));
	ASSERT_EQ(0, guest_expect(&self->a, VM_F_MEMBERS, &frame, BED_WAIT_MS));
	EXPECT_NE(missed, prev_of(&frame));
	ASSERT_EQ(0, guest_send(&self->a, vm_addr(1, 0), VM_F_SYNC, NULL, 0));
	ASSERT_EQ(0, guest_expect(&self->a, VM_F_MEMBERS, &frame, BED_WAIT_MS));
	EXPECT_EQ(false, frame.group);
	EXPECT_EQ(0, prev_of(&frame));
	EXPECT_EQ(self->b.epoch, epoch_of(&frame));
	EXPECT_EQ(VM_NODE_UP, members_state(&frame, 1, NULL, NULL));
	EXPECT_EQ(VM_NODE_UP, members_state(&frame, 2, NULL, NULL));
}

TEST_F(hasty, probe_tells_epoch_and_broker)
{
	struct guest_frame frame;
	struct vm_probe probe;

	ASSERT_EQ(0, guest_join(&self->a));
	ASSERT_EQ(0, guest_expect(&self->a, VM_F_PROBE, &frame, BED_WAIT_MS));
	memcpy(&probe, frame.payload, sizeof(probe));
	EXPECT_EQ(true, frame.group);
	EXPECT_EQ(self->a.epoch, frame.epoch);
	EXPECT_EQ(self->a.broker_id, be64toh(probe.broker_id));
}

TEST_F(hasty, alive_for_an_old_probe_proves_nothing)
{
	struct vm_ctl_node node;

	self->a.deaf = true;
	ASSERT_EQ(0, guest_join(&self->a));
	/* Answers keep coming, to a question that was not asked. */
	do {
		ASSERT_EQ(0, guest_alive(&self->a, 12345));
		EXPECT_EQ(0, guest_expect_none(&self->a, VM_F_REFUSE, 20));
		ASSERT_EQ(0, ctl_node(self->ctl, self->a.addr, &node));
	} while (node.state == VM_NODE_UP);
	EXPECT_EQ(VM_NODE_DOWN, node.state);
}

/* For longer than a node may be silent, or stand still. */
static void stop_a_while(const struct broker_proc *broker)
{
	kill(broker->pid, SIGSTOP);
	poll(NULL, 0, 1000);
}

TEST_F(hasty, broker_that_was_stopped_takes_it_for_nobody_s_silence)
{
	struct guest_frame frame;
	struct vm_ctl_node node;

	self->a.deaf = true; /* no answer waits for it when it goes on */
	ASSERT_EQ(0, guest_join(&self->a));
	stop_a_while(&self->broker);
	kill(self->broker.pid, SIGCONT);
	self->a.deaf = false;
	for (int i = 0; i < 5; i++)
		ASSERT_EQ(0, guest_expect(&self->a, VM_F_PROBE, &frame, BED_WAIT_MS));
	ASSERT_EQ(0, ctl_node(self->ctl, self->a.addr, &node));
	EXPECT_EQ(VM_NODE_UP, node.state);
	EXPECT_EQ(self->a.epoch, node.epoch);
}

TEST_F(hasty, broker_that_was_stopped_takes_it_for_nobody_s_standstill)
{
	struct guest_frame frame;
	struct vm_ctl_node node;
	struct vm_probe probe;

	self->a.pending = 1;
	ASSERT_EQ(0, guest_join(&self->a));
	ASSERT_EQ(0, guest_expect(&self->a, VM_F_PROBE, &frame, BED_WAIT_MS));
	self->a.deaf = true;
	ASSERT_EQ(0, guest_expect(&self->a, VM_F_PROBE, &frame, BED_WAIT_MS));
	memcpy(&probe, frame.payload, sizeof(probe));
	stop_a_while(&self->broker);
	/* The answer is from then: what it did since, nobody has asked it. */
	ASSERT_EQ(0, guest_alive(&self->a, be32toh(probe.token)));
	kill(self->broker.pid, SIGCONT);
	self->a.deaf = false;
	self->a.progress++;
	for (int i = 0; i < 5; i++)
		ASSERT_EQ(0, guest_expect(&self->a, VM_F_PROBE, &frame, BED_WAIT_MS));
	ASSERT_EQ(0, ctl_node(self->ctl, self->a.addr, &node));
	EXPECT_EQ(VM_NODE_UP, node.state);
	EXPECT_EQ(self->a.epoch, node.epoch);
}

TEST_F(mesh, port_added_and_deleted_while_it_runs_are_told)
{
	struct guest_frame frame;
	struct vm_ctl_node node;
	struct guest c;
	__u8 flags;

	ASSERT_EQ(0, guest_join(&self->a));
	ASSERT_EQ(0, guest_add(&c, "vm3", 1, 3));
	ASSERT_EQ(0, guest_expect(&self->a, VM_F_MEMBERS, &frame, BED_WAIT_MS));
	EXPECT_EQ(VM_NODE_ABSENT, members_state(&frame, 3, NULL, &flags));
	EXPECT_EQ(0, flags);
	ASSERT_EQ(0, guest_join(&c));
	ASSERT_EQ(0, guest_expect(&self->a, VM_F_MEMBERS, &frame, BED_WAIT_MS));
	EXPECT_EQ(VM_NODE_UP, members_state(&frame, 3, NULL, NULL));

	guest_close(&c);
	ASSERT_EQ(0, bed_virtmesh("port del vm3"));
	ASSERT_EQ(0, guest_expect(&self->a, VM_F_MEMBERS, &frame, BED_WAIT_MS));
	EXPECT_EQ(VM_NODE_ABSENT, members_state(&frame, 3, NULL, &flags));
	EXPECT_EQ(VM_MEMBER_GONE, flags);
	EXPECT_EQ(-ENOENT, ctl_node(self->ctl, vm_addr(1, 3), &node));
}

TEST_F(mesh, node_whose_port_was_made_anew_never_gets_an_incarnation_twice)
{
	struct guest c;
	__u32 first;

	ASSERT_EQ(0, guest_add(&c, "vm3", 1, 3));
	ASSERT_EQ(0, guest_join(&c));
	c.nonce++;
	ASSERT_EQ(0, guest_join(&c));
	first = c.incarnation;
	guest_close(&c);
	ASSERT_EQ(0, bed_virtmesh("port del vm3"));
	ASSERT_EQ(0, guest_add(&c, "vm3", 1, 3));
	ASSERT_EQ(0, guest_join(&c));
	EXPECT_LT(first, c.incarnation);
	guest_close(&c);
}

TEST_F(mesh, two_ensembles_know_nothing_of_each_other)
{
	struct guest_frame frame;
	struct guest x;

	ASSERT_EQ(0, bed_virtmesh("ensemble add 2"));
	ASSERT_EQ(0, guest_join(&self->a));
	ASSERT_EQ(0, guest_add(&x, "vx", 2, 1));
	ASSERT_EQ(0, guest_join(&x));
	EXPECT_EQ(0, guest_expect_none(&self->a, VM_F_MEMBERS, 200));
	ASSERT_EQ(0, guest_send(&x, vm_addr(2, 0), VM_F_SYNC, NULL, 0));
	ASSERT_EQ(0, guest_expect(&x, VM_F_MEMBERS, &frame, BED_WAIT_MS));
	EXPECT_EQ(vm_addr(2, 0), frame.from);
	EXPECT_EQ(VM_NODE_UP, members_state(&frame, 1, NULL, NULL));
	EXPECT_EQ(-ENOENT, members_state(&frame, 2, NULL, NULL));
	guest_close(&x);
}

/* Ports the broker finds in the maps, without an interface: it only counts them. */
static int enter_ports(unsigned int first, unsigned int n, __u16 mtu)
{
	struct vm_maps maps;
	int err = vm_maps_open(&maps);

	for (unsigned int i = first; !err && i < first + n; i++) {
		struct vm_port port = { .addr = vm_addr(1, i), .mtu = mtu, .added_ns = i };
		__u32 ifindex = 100000 + i;

		err = bpf_map_update_elem(maps.ports, &ifindex, &port, BPF_NOEXIST);
	}
	vm_maps_close(&maps);
	return err;
}

static int leave_port(unsigned int i)
{
	__u32 ifindex = 100000 + i;
	struct vm_maps maps;
	int err = vm_maps_open(&maps);

	if (!err)
		err = bpf_map_delete_elem(maps.ports, &ifindex);
	vm_maps_close(&maps);
	return err;
}

/* Collects a snapshot; how many frames it took, or -errno. */
static int count_snapshot(struct guest *guest, bool *seen, unsigned int nodes)
{
	struct vm_member_entry entry;
	struct guest_frame frame;
	struct vm_members members;
	unsigned int have = 0;
	int frames = 0, err;

	memset(seen, 0, nodes);
	do {
		err = guest_expect(guest, VM_F_MEMBERS, &frame, BED_WAIT_MS);
		if (err)
			return err;
		memcpy(&members, frame.payload, sizeof(members));
		if (members.prev_epoch)
			continue;
		if (be16toh(members.first) != have)
			return -EPROTO;
		if (frame.len + sizeof(struct vm_hdr) > guest->mtu)
			return -EMSGSIZE;
		for (unsigned int i = 0; i < be16toh(members.count); i++) {
			memcpy(&entry, frame.payload + sizeof(members) + i * sizeof(entry),
			       sizeof(entry));
			if (be16toh(entry.node) >= nodes || seen[be16toh(entry.node)])
				return -EEXIST;
			seen[be16toh(entry.node)] = true;
		}
		have += be16toh(members.count);
		frames++;
	} while (members.prev_epoch || have < be16toh(members.total));
	return frames;
}

TEST_F(mesh, snapshot_of_many_nodes_comes_in_pages_of_the_mtu)
{
	bool seen[1000];

	ASSERT_EQ(0, enter_ports(3, 900, VM_MTU_DEFAULT));
	ASSERT_EQ(0, ctl_resync(self->ctl));
	/* 902 nodes: 156 entries a frame at 1280, 416 at 3366. */
	self->a.mtu = VM_MTU_MIN;
	ASSERT_EQ(0, guest_hello(&self->a));
	ASSERT_EQ(6, count_snapshot(&self->a, seen, 1000));
	for (int i = 1; i <= 902; i++)
		EXPECT_EQ(true, seen[i]);
	ASSERT_EQ(0, guest_hello(&self->b));
	EXPECT_EQ(3, count_snapshot(&self->b, seen, 1000));
}

TEST_F(mesh, changes_of_many_nodes_at_once_chain_their_epochs)
{
	struct guest_frame frame;
	unsigned int told = 0;
	__u32 epoch;

	ASSERT_EQ(0, guest_join(&self->a));
	epoch = self->a.epoch;
	ASSERT_EQ(0, enter_ports(3, 500, VM_MTU_DEFAULT));
	ASSERT_EQ(0, ctl_resync(self->ctl));
	while (told < 500) {
		ASSERT_EQ(0, guest_expect(&self->a, VM_F_MEMBERS, &frame, BED_WAIT_MS));
		ASSERT_EQ(epoch, prev_of(&frame));
		ASSERT_EQ(epoch + 1, epoch_of(&frame));
		epoch++;
		told += be16toh(((struct vm_members *)frame.payload)->count);
	}
	EXPECT_EQ(500, told);
}

/* Somebody who takes away the key that a walk goes to next, each time, and puts it back. */
struct teaser {
	int map;
	__u32 taken;
	unsigned int visits;
};

static int tease(__u32 ifindex, const struct vm_port *port, void *arg)
{
	struct teaser *t = arg;
	__u32 next = 0;

	t->visits++;
	if (!bpf_map_get_next_key(t->map, &ifindex, &next))
		bpf_map_delete_elem(t->map, &next);
	if (t->taken)
		bpf_map_update_elem(t->map, &t->taken, port, BPF_ANY);
	t->taken = next;
	return 0;
}

static int visit(__u32 ifindex, const struct vm_port *port, void *arg)
{
	++*(unsigned int *)arg;
	return 0;
}

TEST(walk_through_ports_that_comes_to_no_end_is_an_error)
{
	struct vm_maps maps = VM_MAPS_CLOSED;
	struct vm_port port = { 0 };
	struct teaser t = { 0 };
	unsigned int visits = 0;

	maps.ports = bpf_map_create(BPF_MAP_TYPE_HASH, "ports", sizeof(__u32), sizeof(port),
				    VM_PORTS_MAX, NULL);
	ASSERT_LE(0, maps.ports);
	for (__u32 key = 1; key <= 3; key++)
		ASSERT_EQ(0, bpf_map_update_elem(maps.ports, &key, &port, BPF_NOEXIST));
	EXPECT_EQ(0, vm_ports_each(&maps, visit, &visits));
	EXPECT_EQ(3, visits);
	t.map = maps.ports;
	EXPECT_EQ(-EAGAIN, vm_ports_each(&maps, tease, &t));
	EXPECT_LT(VM_PORTS_MAX, t.visits);
	close(maps.ports);
}

static __u16 mtu_of(const struct guest_frame *frame)
{
	return be16toh(((const struct vm_members *)frame->payload)->mtu);
}

/* What goes to the group fits every port, whether a guest is behind it or not. */
TEST_F(mesh, members_are_told_the_smallest_mtu)
{
	struct guest_frame frame;

	ASSERT_EQ(0, guest_join(&self->a));
	ASSERT_EQ(0, guest_send(&self->a, vm_addr(1, 0), VM_F_SYNC, NULL, 0));
	ASSERT_EQ(0, guest_expect(&self->a, VM_F_MEMBERS, &frame, BED_WAIT_MS));
	EXPECT_EQ(VM_MTU_DEFAULT, mtu_of(&frame));
	ASSERT_EQ(0, enter_ports(3, 1, 1500));
	ASSERT_EQ(0, ctl_resync(self->ctl));
	ASSERT_EQ(0, guest_expect(&self->a, VM_F_MEMBERS, &frame, BED_WAIT_MS));
	EXPECT_EQ(self->a.epoch, prev_of(&frame));
	EXPECT_EQ(1500, mtu_of(&frame));

	/* The frame that says it goes is not bound by it any more. */
	ASSERT_EQ(0, leave_port(3));
	ASSERT_EQ(0, ctl_resync(self->ctl));
	ASSERT_EQ(0, guest_expect(&self->a, VM_F_MEMBERS, &frame, BED_WAIT_MS));
	EXPECT_EQ(VM_NODE_ABSENT, members_state(&frame, 3, NULL, NULL));
	EXPECT_EQ(VM_MTU_DEFAULT, mtu_of(&frame));
}

TEST_F(mesh, table_full_of_ports_is_served)
{
	struct vm_ctl_info info;
	bool seen[1100];

	/* Slots and vmesh0's own entry leave 1021 in the map. */
	ASSERT_EQ(0, enter_ports(3, VM_PORTS_MAX - 3, VM_MTU_DEFAULT));
	ASSERT_EQ(0, ctl_resync(self->ctl));
	ASSERT_EQ(0, ctl_info(self->ctl, &info));
	EXPECT_EQ(VM_PORTS_MAX - 1, info.nodes);
	ASSERT_EQ(0, guest_hello(&self->a));
	EXPECT_EQ(3, count_snapshot(&self->a, seen, 1100));
}

/* A process that writes the entries of these ports again and again, as they are. */
static pid_t rewrite_ports(unsigned int first, unsigned int n)
{
	struct vm_maps maps;
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (vm_maps_open(&maps))
		_exit(1);
	for (unsigned int i = 0;; i = (i + 1) % n) {
		__u32 ifindex = 100000 + first + i;
		struct vm_port port;

		if (bpf_map_lookup_elem(maps.ports, &ifindex, &port) ||
		    bpf_map_update_elem(maps.ports, &ifindex, &port, BPF_EXIST))
			_exit(1);
	}
}

TEST_F(mesh, port_that_is_written_again_while_it_is_read_stays)
{
	struct vm_ctl_node node;
	struct vm_ctl_info info;
	__u32 epoch;
	pid_t pid;
	int status;

	ASSERT_EQ(0, enter_ports(3, 900, VM_MTU_DEFAULT));
	ASSERT_EQ(0, ctl_resync(self->ctl));
	ASSERT_EQ(0, ctl_node(self->ctl, self->a.addr, &node));
	epoch = node.epoch;
	pid = rewrite_ports(3, 900);
	ASSERT_LT(0, pid);
	for (int i = 0; i < 300; i++)
		ASSERT_EQ(0, ctl_resync(self->ctl));
	EXPECT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(SIGKILL, status);
	/* Nobody went, nor came. */
	ASSERT_EQ(0, ctl_node(self->ctl, self->a.addr, &node));
	EXPECT_EQ(epoch, node.epoch);
	ASSERT_EQ(0, ctl_info(self->ctl, &info));
	EXPECT_EQ(902, info.nodes);
}

TEST_HARNESS_MAIN
