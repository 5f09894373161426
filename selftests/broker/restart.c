// SPDX-License-Identifier: GPL-2.0-only
/* Brokers that are killed and come again, and states that come and go under one. */
#include <endian.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include <bpf/bpf.h>

#include <virtmesh/maps.h>

#include "bed.h"
#include "guest.h"

#define PATIENT "--probe-ms 60000 --dead-ms 600000"
#define HASTY	"--probe-ms 50 --dead-ms 600"

FIXTURE(restart)
{
	struct broker_proc broker;
	struct guest a, b;
};

FIXTURE_SETUP(restart)
{
	ASSERT_EQ(0, bed_enter());
	ASSERT_EQ(0, bed_virtmesh("ensemble add 1"));
	ASSERT_EQ(0, guest_add(&self->a, "vm1", 1, 1));
	ASSERT_EQ(0, guest_add(&self->b, "vm2", 1, 2));
	ASSERT_EQ(0, bed_broker(&self->broker, PATIENT));
	ASSERT_EQ(0, guest_join(&self->a));
	ASSERT_EQ(0, guest_join(&self->b));
}

FIXTURE_TEARDOWN(restart)
{
	if (!BED_PASSED())
		bed_log_show();
	EXPECT_EQ(0, bed_broker_end(&self->broker, SIGTERM));
	guest_close(&self->a);
	guest_close(&self->b);
}

static int node_now(__u32 addr, struct vm_ctl_node *node)
{
	int fd = ctl_connect(), err;

	if (fd < 0)
		return fd;
	err = ctl_node(fd, addr, node);
	close(fd);
	return err;
}

TEST_F(restart, killed_broker_comes_again_with_the_members_it_had)
{
	struct vm_ctl_node before, after;
	struct guest_frame frame;

	ASSERT_EQ(0, node_now(self->a.addr, &before));
	ASSERT_EQ(SIGKILL, bed_broker_end(&self->broker, SIGKILL));
	ASSERT_EQ(0, bed_broker(&self->broker, PATIENT));
	EXPECT_EQ(true, bed_log_has("replacing the socket of a broker that died"));

	ASSERT_EQ(0, node_now(self->a.addr, &after));
	EXPECT_EQ(VM_NODE_UP, after.state);
	EXPECT_EQ(before.incarnation, after.incarnation);
	EXPECT_EQ(before.epoch, after.epoch);
	EXPECT_EQ(before.since_ns, after.since_ns);
	EXPECT_EQ(0, after.heard_ns);

	/* It asks at once who is there, and they see that it is another. */
	ASSERT_EQ(0, guest_expect(&self->a, VM_F_PROBE, &frame, BED_WAIT_MS));
	EXPECT_EQ(before.epoch, frame.epoch);
	EXPECT_NE(self->a.broker_id, be64toh(((struct vm_probe *)frame.payload)->broker_id));
}

TEST_F(restart, hello_to_the_new_broker_confirms_without_an_epoch)
{
	__u32 incarnation = self->a.incarnation, epoch;
	__u64 broker_id = self->a.broker_id;

	epoch = self->b.epoch;
	ASSERT_EQ(SIGKILL, bed_broker_end(&self->broker, SIGKILL));
	ASSERT_EQ(0, bed_broker(&self->broker, PATIENT));
	ASSERT_EQ(0, guest_join(&self->a));
	EXPECT_NE(broker_id, self->a.broker_id);
	EXPECT_EQ(incarnation, self->a.incarnation);
	EXPECT_EQ(epoch, self->a.epoch);
}

TEST_F(restart, life_of_the_old_broker_needs_no_hello_to_be_heard)
{
	struct guest_frame frame;
	struct vm_ctl_node node;

	ASSERT_EQ(SIGKILL, bed_broker_end(&self->broker, SIGKILL));
	while (!guest_expect(&self->a, VM_F_MEMBERS, &frame, 0))
		; /* what the first broker told */
	ASSERT_EQ(0, bed_broker(&self->broker, HASTY));
	/* a answers probes and says nothing else; b, whose grace is the same, is gone. */
	ASSERT_EQ(0, guest_expect(&self->a, VM_F_MEMBERS, &frame, BED_WAIT_MS));
	EXPECT_EQ(VM_NODE_DOWN, members_state(&frame, 2, NULL, NULL));
	EXPECT_EQ(-ENOENT, members_state(&frame, 1, NULL, NULL));
	ASSERT_EQ(0, node_now(self->a.addr, &node));
	EXPECT_NE(0, node.heard_ns);
}

TEST_F(restart, who_died_meanwhile_goes_down_after_its_grace)
{
	struct vm_ctl_node node;
	long long start;

	ASSERT_EQ(SIGKILL, bed_broker_end(&self->broker, SIGKILL));
	start = bed_now_ms();
	ASSERT_EQ(0, bed_broker(&self->broker, HASTY));
	ASSERT_EQ(0, node_now(self->b.addr, &node));
	EXPECT_EQ(VM_NODE_UP, node.state);
	ASSERT_EQ(0, ctl_wait_state(self->b.addr, VM_NODE_DOWN, &node));
	EXPECT_LE(600, bed_now_ms() - start);
}

TEST_F(restart, broker_that_was_kept_waiting_for_its_tap_blames_nobody)
{
	struct vm_ctl_node before, after;
	struct guest_frame frame;
	struct guest holder;

	ASSERT_EQ(0, guest_send(&self->b, vm_addr(1, 0), VM_F_BYE, NULL, 0));
	ASSERT_EQ(0, ctl_wait_state(self->b.addr, VM_NODE_ABSENT, &before));
	ASSERT_EQ(0, node_now(self->a.addr, &before));
	ASSERT_EQ(SIGKILL, bed_broker_end(&self->broker, SIGKILL));
	ASSERT_EQ(0, guest_open(&holder, VM_BROKER_IF, vm_addr(1, 0)));
	ASSERT_EQ(0, bed_broker_start(&self->broker, HASTY));
	/* Longer than a node may be silent, and less than it waits. */
	poll(NULL, 0, 800);
	guest_close(&holder);
	ASSERT_EQ(0, bed_broker_says(&self->broker, "READY=1"));

	for (int i = 0; i < 5; i++)
		ASSERT_EQ(0, guest_expect(&self->a, VM_F_PROBE, &frame, BED_WAIT_MS));
	ASSERT_EQ(0, node_now(self->a.addr, &after));
	EXPECT_EQ(VM_NODE_UP, after.state);
	EXPECT_EQ(before.epoch, after.epoch);
	EXPECT_EQ(before.since_ns, after.since_ns);
}

TEST_F(restart, node_that_was_stalled_stays_so_until_it_moves)
{
	struct vm_ctl_node before, after;
	struct guest_frame frame;

	ASSERT_EQ(SIGKILL, bed_broker_end(&self->broker, SIGKILL));
	ASSERT_EQ(0, bed_broker(&self->broker, HASTY));
	ASSERT_EQ(0, guest_send(&self->b, vm_addr(1, 0), VM_F_BYE, NULL, 0));
	self->a.pending = 3;
	self->a.progress = 77;
	do {
		ASSERT_EQ(0, guest_expect(&self->a, VM_F_MEMBERS, &frame, BED_WAIT_MS));
	} while (members_state(&frame, 1, NULL, NULL) != VM_NODE_STALLED);
	ASSERT_EQ(0, node_now(self->a.addr, &before));

	ASSERT_EQ(SIGKILL, bed_broker_end(&self->broker, SIGKILL));
	ASSERT_EQ(0, bed_broker(&self->broker, HASTY));
	/* It says to this broker what it said to that one. */
	do {
		ASSERT_EQ(0, guest_expect(&self->a, VM_F_PROBE, &frame, BED_WAIT_MS));
		ASSERT_EQ(0, node_now(self->a.addr, &after));
	} while (after.progress != 77);
	EXPECT_EQ(VM_NODE_STALLED, after.state);
	EXPECT_EQ(before.epoch, after.epoch);
	EXPECT_EQ(before.since_ns, after.since_ns);

	self->a.progress++;
	do {
		ASSERT_EQ(0, guest_expect(&self->a, VM_F_MEMBERS, &frame, BED_WAIT_MS));
	} while (members_state(&frame, 1, NULL, NULL) != VM_NODE_UP);
	EXPECT_EQ(before.epoch, be32toh(((struct vm_members *)frame.payload)->prev_epoch));
}

TEST_F(restart, ports_changed_meanwhile_make_an_epoch)
{
	struct guest_frame frame;
	struct vm_ctl_node node;
	__u32 epoch = self->b.epoch;
	__u8 flags;
	struct guest c;

	ASSERT_EQ(SIGKILL, bed_broker_end(&self->broker, SIGKILL));
	guest_close(&self->b);
	ASSERT_EQ(0, bed_virtmesh("port del vm2"));
	ASSERT_EQ(0, guest_add(&c, "vm3", 1, 3));
	ASSERT_EQ(0, bed_broker(&self->broker, PATIENT));

	EXPECT_EQ(-ENOENT, node_now(self->b.addr, &node));
	ASSERT_EQ(0, node_now(c.addr, &node));
	EXPECT_LT(epoch, node.epoch);
	do {
		ASSERT_EQ(0, guest_expect(&self->a, VM_F_MEMBERS, &frame, BED_WAIT_MS));
	} while (members_state(&frame, 2, NULL, &flags) == -ENOENT || !(flags & VM_MEMBER_GONE));
	/* Of ports that this broker has seen, which are all but that. */
	EXPECT_EQ(VM_MTU_DEFAULT, be16toh(((struct vm_members *)frame.payload)->mtu));
	do {
		ASSERT_EQ(0, guest_expect(&self->a, VM_F_MEMBERS, &frame, BED_WAIT_MS));
	} while (members_state(&frame, 3, NULL, NULL) != VM_NODE_ABSENT);
	guest_close(&c);
}

/* Take everything away and make it again; b has another life in it. */
static int remake(struct guest *a, struct guest *b)
{
	guest_close(a);
	guest_close(b);
	if (bed_virtmesh("port del vm1") || bed_virtmesh("port del vm2") ||
	    bed_virtmesh("ensemble del 1") || bed_virtmesh("ensemble add 1"))
		return -EIO;
	return guest_add(b, "vm2", 1, 2);
}

TEST_F(restart, last_ensemble_removed_and_made_again_goes_on_counting)
{
	__u32 epoch = self->b.epoch, incarnation = self->b.incarnation;

	ASSERT_EQ(0, remake(&self->a, &self->b));
	ASSERT_EQ(0, guest_join(&self->b));
	EXPECT_LT(epoch, self->b.epoch);
	EXPECT_LT(incarnation, self->b.incarnation);
}

TEST_F(restart, last_ensemble_made_again_under_another_broker_counts_from_the_clock)
{
	__u32 epoch = self->b.epoch;

	ASSERT_EQ(0, bed_broker_end(&self->broker, SIGTERM));
	ASSERT_EQ(0, remake(&self->a, &self->b));
	/* Epochs of some seconds ago may be ahead of the clock, by as many as there were. */
	while ((__u32)time(NULL) <= epoch)
		poll(NULL, 0, 50);
	ASSERT_EQ(0, bed_broker(&self->broker, PATIENT));
	ASSERT_EQ(0, guest_join(&self->b));
	EXPECT_LT(epoch, self->b.epoch);
}

TEST_F(restart, port_replaced_meanwhile_is_a_node_that_never_joined)
{
	struct vm_ctl_node node;
	__u32 incarnation = self->b.incarnation;

	ASSERT_EQ(SIGKILL, bed_broker_end(&self->broker, SIGKILL));
	guest_close(&self->b);
	ASSERT_EQ(0, bed_virtmesh("port del vm2"));
	ASSERT_EQ(0, guest_add(&self->b, "vm2", 1, 2));
	ASSERT_EQ(0, bed_broker(&self->broker, PATIENT));
	ASSERT_EQ(0, node_now(self->b.addr, &node));
	EXPECT_EQ(VM_NODE_ABSENT, node.state);
	ASSERT_EQ(0, guest_join(&self->b));
	EXPECT_LT(incarnation, self->b.incarnation);
}

/* Root's other programs may write them, too. */
TEST_F(restart, record_with_an_mtu_that_cannot_be_is_dropped)
{
	int members = bpf_obj_get(VM_PIN_DIR "/members");
	struct vm_member rec;

	ASSERT_LE(0, members);
	ASSERT_EQ(SIGKILL, bed_broker_end(&self->broker, SIGKILL));
	ASSERT_EQ(0, bpf_map_lookup_elem(members, &self->b.addr, &rec));
	rec.mtu = 34; /* room for no member behind the headers */
	ASSERT_EQ(0, bpf_map_update_elem(members, &self->b.addr, &rec, BPF_EXIST));
	close(members);
	ASSERT_EQ(0, bed_broker(&self->broker, PATIENT));
	EXPECT_EQ(true, bed_log_has("record-dropped"));
	EXPECT_EQ(0, guest_join(&self->a));
	EXPECT_EQ(0, guest_join(&self->b));
}

/* A numbered frame from a to b of another EtherType; -EAGAIN when b's ring has none. */
static int send_number(struct guest *a, __u32 to, __u32 number)
{
	__u8 frame[64] = { 0 };

	vm_addr_to_mac(to, frame);
	vm_addr_to_mac(a->addr, frame + VM_MAC_LEN);
	frame[12] = 0x08;
	memcpy(frame + VM_ETH_HLEN, &number, sizeof(number));
	return guest_send_raw(a, frame, sizeof(frame));
}

/* Reads all of @b's ring; the frames must be *@next and so on. */
static int take_numbers(struct guest *b, __u32 *next)
{
	__u8 buf[12 + GUEST_FRAME_MAX];
	__u32 number;
	ssize_t n;

	while ((n = read(b->fd, buf, sizeof(buf))) > 0) {
		if (buf[12 + 12] != 0x08)
			continue; /* the broker's */
		memcpy(&number, buf + 12 + VM_ETH_HLEN, sizeof(number));
		if (number != *next)
			return -EILSEQ;
		++*next;
	}
	return errno == EAGAIN ? 0 : -errno;
}

TEST_F(restart, frames_between_guests_go_on_while_the_broker_is_killed_again_and_again)
{
	__u32 sent = 0, received = 0;

	for (int kills = 0; kills < 10; kills++) {
		/* Some while it runs, some while it is dying, dead, and starting. */
		for (int phase = 0; phase < 4; phase++) {
			for (int i = 0; i < 500; i++) {
				ASSERT_EQ(0, send_number(&self->a, self->b.addr, sent));
				sent++;
			}
			ASSERT_EQ(0, take_numbers(&self->b, &received));
			ASSERT_EQ(sent, received);
			switch (phase) {
			case 0:
				kill(self->broker.pid, SIGKILL);
				break;
			case 1:
				ASSERT_EQ(SIGKILL, bed_broker_end(&self->broker, 0));
				break;
			case 2:
				ASSERT_EQ(0, bed_broker_start(&self->broker, PATIENT));
				break;
			}
		}
		ASSERT_EQ(0, bed_broker_says(&self->broker, "READY=1"));
	}
	EXPECT_EQ(20000, received);
}

FIXTURE(state)
{
	struct broker_proc broker;
	int ctl;
};

FIXTURE_SETUP(state)
{
	ASSERT_EQ(0, bed_enter());
	ASSERT_EQ(0, bed_broker(&self->broker, PATIENT));
	self->ctl = ctl_connect();
	ASSERT_LE(0, self->ctl);
}

FIXTURE_TEARDOWN(state)
{
	if (!BED_PASSED())
		bed_log_show();
	close(self->ctl);
	EXPECT_EQ(0, bed_broker_end(&self->broker, SIGTERM));
}

TEST_F(state, broker_before_any_ensemble_serves_the_first)
{
	struct vm_ctl_info info;
	struct guest a;

	ASSERT_EQ(0, ctl_info(self->ctl, &info));
	EXPECT_EQ(0, info.has_state);
	ASSERT_EQ(0, ctl_resync(self->ctl));
	ASSERT_EQ(0, bed_virtmesh("ensemble add 1"));
	ASSERT_EQ(0, ctl_info(self->ctl, &info));
	EXPECT_EQ(1, info.has_state);
	EXPECT_EQ(1, info.ensembles);
	ASSERT_EQ(0, guest_add(&a, "vm1", 1, 1));
	ASSERT_EQ(0, guest_join(&a));
	guest_close(&a);
}

TEST_F(state, last_ensemble_deleted_and_added_again_under_the_broker)
{
	struct vm_ctl_info info;
	struct guest a;

	for (int round = 0; round < 3; round++) {
		ASSERT_EQ(0, bed_virtmesh("ensemble add 1"));
		ASSERT_EQ(0, guest_add(&a, "vm1", 1, 1));
		ASSERT_EQ(0, guest_join(&a));
		guest_close(&a);
		ASSERT_EQ(0, bed_virtmesh("port del vm1"));
		ASSERT_EQ(0, bed_virtmesh("ensemble del 1"));
		ASSERT_EQ(0, ctl_info(self->ctl, &info));
		EXPECT_EQ(0, info.has_state);
		EXPECT_EQ(0, info.nodes);
		EXPECT_EQ(0, info.ensembles);
		EXPECT_EQ(0, if_nametoindex(VM_BROKER_IF));
	}
}

TEST_F(state, vmesh0_torn_away_is_noticed_without_a_word)
{
	struct vm_ctl_info info;
	long long until = bed_now_ms() + BED_WAIT_MS;
	struct guest a;

	ASSERT_EQ(0, bed_virtmesh("ensemble add 1"));
	ASSERT_EQ(0, system("ip link del vmesh0"));
	do {
		ASSERT_EQ(0, ctl_info(self->ctl, &info));
	} while (info.has_state && bed_now_ms() < until);
	EXPECT_EQ(0, info.has_state);
	EXPECT_EQ(true, bed_log_has("event=tap-lost"));

	/* The next command mends it and says so. */
	ASSERT_EQ(0, guest_add(&a, "vm1", 1, 1));
	ASSERT_EQ(0, ctl_info(self->ctl, &info));
	EXPECT_EQ(1, info.has_state);
	ASSERT_EQ(0, guest_join(&a));
	guest_close(&a);
}

/* What a watcher is told of nodes 1 and 2 of ensemble 1: both there, or both gone. */
static int watch_both(int watch, bool there)
{
	unsigned int seen = 0;
	struct vm_ctl_node node;
	struct ctl_record rec;
	int err;

	while (seen != 3) {
		err = ctl_recv(watch, &rec, BED_WAIT_MS);
		if (err)
			return err;
		for (size_t i = 0; i < rec.len; i += sizeof(node)) {
			memcpy(&node, rec.payload + i, sizeof(node));
			if (!node.ifindex == there)
				return -EILSEQ;
			seen |= 1 << (vm_addr_node(node.addr) - 1);
		}
	}
	return 0;
}

TEST_F(state, watchers_are_told_that_ports_went_with_vmesh0_and_came_back)
{
	struct vm_ctl_nodes ask = { .ensemble = 1 };
	struct ctl_record rec;
	struct guest a, b;

	ASSERT_EQ(0, bed_virtmesh("ensemble add 1"));
	ASSERT_EQ(0, guest_add(&a, "vm1", 1, 1));
	ASSERT_EQ(0, guest_add(&b, "vm2", 1, 2));
	ASSERT_EQ(0, guest_join(&a)); /* the other never does */
	ASSERT_EQ(0, ctl_ask(self->ctl, VM_CTL_WATCH, &ask, sizeof(ask), &rec));
	ASSERT_EQ(0, system("ip link del vmesh0"));
	EXPECT_EQ(0, watch_both(self->ctl, false));
	/* Any command mends it. */
	ASSERT_EQ(0, bed_virtmesh("ensemble add 2"));
	EXPECT_EQ(0, watch_both(self->ctl, true));
	guest_close(&a);
	guest_close(&b);
}

TEST_F(state, vmesh0_that_was_down_serves_when_it_is_up_again)
{
	struct vm_ctl_info info;
	struct guest a;

	ASSERT_EQ(0, bed_virtmesh("ensemble add 1"));
	ASSERT_EQ(0, guest_add(&a, "vm1", 1, 1));
	ASSERT_EQ(0, system("ip link set vmesh0 down"));
	ASSERT_EQ(0, guest_hello(&a));
	EXPECT_EQ(0, guest_expect_none(&a, VM_F_WELCOME, 100));
	ASSERT_EQ(0, ctl_info(self->ctl, &info));
	EXPECT_EQ(1, info.has_state);
	EXPECT_EQ(0, info.frames_rx);
	ASSERT_EQ(0, system("ip link set vmesh0 up"));
	ASSERT_EQ(0, guest_join(&a));
	guest_close(&a);
}

TEST_F(state, pins_torn_away_are_noticed_at_the_next_resync)
{
	struct vm_ctl_info info;

	ASSERT_EQ(0, bed_virtmesh("ensemble add 1"));
	ASSERT_EQ(0, system("rm -r /sys/fs/bpf/virtmesh"));
	ASSERT_EQ(0, ctl_resync(self->ctl));
	ASSERT_EQ(0, ctl_info(self->ctl, &info));
	EXPECT_EQ(0, info.has_state);
	ASSERT_EQ(0, ctl_resync(self->ctl));
}

TEST_F(state, sighup_is_a_resync)
{
	struct vm_ctl_info info;
	long long until = bed_now_ms() + BED_WAIT_MS;

	ASSERT_EQ(0, bed_virtmesh("ensemble add 1"));
	ASSERT_EQ(0, system("rm -r /sys/fs/bpf/virtmesh"));
	ASSERT_EQ(0, kill(self->broker.pid, SIGHUP));
	do {
		ASSERT_EQ(0, ctl_info(self->ctl, &info));
	} while (info.has_state && bed_now_ms() < until);
	EXPECT_EQ(0, info.has_state);
}

/* Commands that find nothing to do, or fail, but forget or mend something on the way. */
TEST_F(state, vmesh0_made_again_beside_what_was_asked_for_is_told)
{
	static const char *const asks[] = {
		"ensemble add 1", /* the hint of doctor */
		"port add vm1 --ensemble 1 --node 1",
		"ensemble faults 1 --off",
	};
	struct vm_ctl_info info;

	ASSERT_EQ(0, bed_virtmesh("ensemble add 1"));
	ASSERT_EQ(0, bed_virtmesh("port add vm1 --ensemble 1 --node 1"));
	for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
		ASSERT_EQ(0, system("ip link del vmesh0"));
		ASSERT_EQ(0, bed_virtmesh("%s", asks[i]));
		ASSERT_EQ(0, ctl_info(self->ctl, &info));
		EXPECT_EQ(1, info.has_state);
	}
}

TEST_F(state, port_forgotten_by_a_command_that_fails_is_told)
{
	struct vm_ctl_node node;

	ASSERT_EQ(0, bed_virtmesh("ensemble add 1"));
	ASSERT_EQ(0, bed_virtmesh("port add vm1 --ensemble 1 --node 1"));
	ASSERT_EQ(0, ctl_node(self->ctl, vm_addr(1, 1), &node));
	ASSERT_EQ(0, system("ip link del vm1"));
	ASSERT_EQ(3, bed_virtmesh("port del vm1"));
	EXPECT_EQ(-ENOENT, ctl_node(self->ctl, vm_addr(1, 1), &node));
}

TEST_HARNESS_MAIN
