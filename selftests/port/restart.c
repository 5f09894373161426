// SPDX-License-Identifier: GPL-2.0-only
/*
 * A port that is killed, or makes room for a newer one, with a service manager
 * that keeps its files: the front-end stays connected, and of the frames in its
 * rings none is lost and none comes twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "../broker/lasting_tap.h"
#include "../broker/bed.h"
#include "frontend.h"
#include "kept.h"
#include "plug.h"
#include "traffic.h"

FIXTURE(restart)
{
	pid_t keeper;
	struct plug other; /* the port of node 2, which goes on */
	struct fe fe[TRAFFIC_ENDS];
	struct traffic traffic;
};

FIXTURE_SETUP(restart)
{
	char options[32];

	setvbuf(stdout, NULL, _IOLBF, 0);
	memset(self, 0, sizeof(*self));
	for (unsigned int i = 0; i < TRAFFIC_ENDS; i++) {
		self->fe[i].sock = -1;
		self->traffic.fe[i] = &self->fe[i];
	}
	ASSERT_EQ(0, bed_enter());
	ASSERT_EQ(0, bed_virtmesh("ensemble add 1"));
	ASSERT_EQ(0, bed_virtmesh("port add vm1 --ensemble 1 --node 1"));
	ASSERT_EQ(0, bed_virtmesh("port add vm2 --ensemble 1 --node 2"));
	self->keeper = kept_start();
	ASSERT_LT(0, self->keeper);
	ASSERT_LT(0, kept_wait(0));
	snprintf(options, sizeof(options), "--lane %s", plug_lane());
	ASSERT_EQ(0, plug_start(&self->other, "vm2", options));
	ASSERT_EQ(0, fe_connect(&self->fe[1], self->other.socket));
	ASSERT_EQ(0, fe_start(&self->fe[1]));
}

FIXTURE_TEARDOWN(restart)
{
	if (!strcmp(plug_lane(), "kernel"))
		EXPECT_FALSE(kept_log_has("lane=own"));
	if (!BED_PASSED()) {
		kept_log_show();
		plug_log_show(&self->other);
	}
	fe_close(&self->fe[0]);
	fe_close(&self->fe[1]);
	if (self->keeper > 0)
		kept_end(self->keeper);
	plug_end(&self->other, SIGTERM);
}

#define SKIP_UNLESS_KEPT()                                                                   \
	do {                                                                                 \
		if (!strcmp(plug_lane(), "own") && !kept_log_has("kept=1"))                  \
			SKIP(return, "this kernel's io_uring does not outlive its process"); \
	} while (0)

TEST_F(restart, killed_again_and_again_under_traffic_no_frame_is_lost_or_comes_twice)
{
	SKIP_UNLESS_KEPT();
	ASSERT_EQ(0, fe_connect(&self->fe[0], KEPT_SOCK));
	ASSERT_EQ(0, fe_start(&self->fe[0]));
	ASSERT_EQ(0, traffic_pass(&self->traffic, 1000));
	for (unsigned int i = 0; i < 20; i++) {
		pid_t pid = kept_wait(0);

		ASSERT_LT(0, pid);
		/* Somewhere in a batch, another place each time. */
		ASSERT_EQ(0, traffic_pass(&self->traffic, 100 + 37 * i));
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(0, traffic_pass(&self->traffic, 2000));
		ASSERT_LT(0, kept_wait(pid));
	}
	ASSERT_EQ(0, traffic_drain(&self->traffic));
	ASSERT_EQ(0, fe_ping(&self->fe[0]));
	printf("# longest pause %lld ms, frames %u + %u\n", self->traffic.longest_ms,
	       self->traffic.got[0], self->traffic.got[1]);
}

TEST_F(restart, asked_by_sighup_to_make_room_no_frame_is_lost_or_comes_twice)
{
	ASSERT_EQ(0, fe_connect(&self->fe[0], KEPT_SOCK));
	ASSERT_EQ(0, fe_start(&self->fe[0]));
	for (unsigned int i = 0; i < 10; i++) {
		pid_t pid = kept_wait(0);

		ASSERT_EQ(0, traffic_pass(&self->traffic, 500 + 41 * i));
		ASSERT_EQ(0, kill(pid, SIGHUP));
		ASSERT_EQ(0, traffic_pass(&self->traffic, 2000));
		ASSERT_LT(0, kept_wait(pid));
	}
	ASSERT_EQ(0, traffic_drain(&self->traffic));
	EXPECT_TRUE(kept_log_has("event=restart"));
	printf("# longest pause %lld ms\n", self->traffic.longest_ms);
}

TEST_F(restart, killed_with_the_front_ends_own_inflight_memory_no_frame_is_lost)
{
	struct fe_inflight desc = { .num_queues = 2, .queue_size = 256 }, got = {};
	struct fe *fe = &self->fe[0];
	unsigned char wire[24] = {};
	int fd = -1;

	SKIP_UNLESS_KEPT();
	ASSERT_EQ(0, fe_connect(fe, KEPT_SOCK));
	/* As fe_start() does, but the in-flight memory comes before the rings. */
	fe->num = 256;
	fe->nrings = 2;
	fe->slot_size = 4096;
	ASSERT_EQ(0, fe_negotiate(fe));
	memcpy(wire, &desc, 20);
	ASSERT_EQ(0, fe_send(fe, FE_GET_INFLIGHT_FD, 0, wire, 20, NULL, 0));
	ASSERT_EQ(20, fe_recv(fe, FE_GET_INFLIGHT_FD, wire, sizeof(wire), &fd));
	memcpy(&got, wire, 20);
	ASSERT_LE(0, fd);
	EXPECT_LE(2 * (16 + 256 * 16), got.mmap_size);
	ASSERT_EQ(0, fe_ask(fe, FE_SET_INFLIGHT_FD, wire, 20, &fd, 1));
	close(fd);
	ASSERT_EQ(0, fe_memory(fe, 0x40000000, 16 << 20));
	ASSERT_EQ(0, fe_tell_memory(fe));
	for (unsigned int i = 0; i < 2; i++) {
		ASSERT_EQ(0, fe_ring_make(fe, i, 256));
		ASSERT_EQ(0, fe_ring_tell(fe, i, 0));
	}
	for (unsigned int i = 0; i < 2; i++)
		ASSERT_EQ(0, fe_ring_enable(fe, i, true));
	ring_post(&fe->ring[0]);
	ring_kick(&fe->ring[0]);
	for (unsigned int i = 0; i < 5; i++) {
		pid_t pid = kept_wait(0);

		ASSERT_EQ(0, traffic_pass(&self->traffic, 300 + 31 * i));
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(0, traffic_pass(&self->traffic, 1000));
		ASSERT_LT(0, kept_wait(pid));
	}
	ASSERT_EQ(0, traffic_drain(&self->traffic));
}

/* Kill it, and see that the front-end is where it was. */
static int kill_once(FIXTURE_DATA(restart) * self)
{
	pid_t pid = kept_wait(0);
	int err;

	if (!pid || kill(pid, SIGKILL) || !kept_wait(pid))
		return -ESRCH;
	err = traffic_pass(&self->traffic, 500);
	return err ? err : fe_ping(&self->fe[0]);
}

TEST_F(restart, the_same_memory_told_again_and_killed_is_still_there)
{
	ASSERT_EQ(0, fe_connect(&self->fe[0], KEPT_SOCK));
	ASSERT_EQ(0, fe_start(&self->fe[0]));
	ASSERT_EQ(0, traffic_pass(&self->traffic, 100));
	for (unsigned int i = 0; i < 3; i++) {
		/* As UML does whenever a driver is bound. */
		ASSERT_EQ(0, fe_tell_memory(&self->fe[0]));
		ASSERT_EQ(0, traffic_pass(&self->traffic, 100));
		ASSERT_EQ(0, kill_once(self));
	}
	ASSERT_EQ(0, traffic_drain(&self->traffic));
	EXPECT_FALSE(kept_log_has("event=resume"));
}

/* What was region 0 becomes two, of one file. */
static int split_memory(struct fe *fe)
{
	struct fe_region *r = &fe->region[0];
	size_t half = r->size / 2;
	int fd = fcntl(r->fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	fe->region[1] = (struct fe_region){ .at = r->at + half,
					    .gpa = r->gpa + half,
					    .size = half,
					    .mmap_offset = half,
					    .fd = fd };
	r->size = half;
	fe->nregions = 2;
	return fe_tell_memory(fe);
}

TEST_F(restart, killed_with_two_regions_of_one_file)
{
	struct fe *fe = &self->fe[0];

	ASSERT_EQ(0, fe_connect(fe, KEPT_SOCK));
	ASSERT_EQ(0, fe_start(fe));
	ASSERT_EQ(0, traffic_pass(&self->traffic, 100));
	ASSERT_EQ(0, split_memory(fe));
	for (unsigned int i = 0; i < 2; i++)
		ASSERT_EQ(0, kill_once(self));
	/* One use less of it is no reason to forget the file. */
	ASSERT_EQ(0, fe_remove_region(fe, 1));
	ASSERT_EQ(0, fe_ping(fe));
	ASSERT_EQ(0, fe_add_region(fe, 1));
	ASSERT_EQ(0, kill_once(self));
	ASSERT_EQ(0, traffic_drain(&self->traffic));
	EXPECT_FALSE(kept_log_has("event=resume"));
}

TEST_F(restart, killed_while_the_memory_of_its_rings_is_away)
{
	struct fe *fe = &self->fe[0];
	pid_t pid;

	ASSERT_EQ(0, fe_connect(fe, KEPT_SOCK));
	ASSERT_EQ(0, fe_start(fe));
	ASSERT_EQ(0, traffic_pass(&self->traffic, 100));
	ASSERT_EQ(0, fe_remove_region(fe, 0));
	pid = kept_wait(0);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_LT(0, kept_wait(pid));
	ASSERT_EQ(0, fe_add_region(fe, 0));
	ASSERT_EQ(0, traffic_pass(&self->traffic, 500));
	ASSERT_EQ(0, traffic_drain(&self->traffic));
}

/* Is it in that system call, by /proc? */
static bool is_in(pid_t pid, long call)
{
	char path[32];
	long in = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	f = fopen(path, "re");
	if (f && fscanf(f, "%ld", &in) != 1)
		in = -1;
	if (f)
		fclose(f);
	return in == call;
}

/* ADD_MEM_REG of a new file, with nothing to be answered. */
static int send_region(struct fe *fe, unsigned int i)
{
	const struct fe_region *r = &fe->region[i];
	struct fe_mem_reg reg = { .region = { r->gpa, r->size, (uintptr_t)r->at, 0 } };

	return fe_send(fe, FE_ADD_MEM_REG, 0, &reg, sizeof(reg), &r->fd, 1);
}

/* Its rings have stopped, and where they had come to is not written down yet. */
TEST_F(restart, killed_while_it_keeps_a_new_file_the_rings_go_on_where_they_were)
{
	struct fe *fe = &self->fe[0];
	pid_t pid;

	SKIP_UNLESS_KEPT();
	ASSERT_EQ(0, fe_connect(fe, KEPT_SOCK));
	ASSERT_EQ(0, fe_start(fe));
	for (unsigned int i = 0; i < 3; i++) {
		long long end = fe_now_ms() + FE_WAIT_MS;

		/* Not a ringful: who begins at 0 again finds what he could carry once more. */
		ASSERT_EQ(0, traffic_pass(&self->traffic, 100 + 117 * i));
		ASSERT_EQ(0, fe_memory(fe, 0x80000000 + i * 0x100000, 0x100000));
		pid = kept_wait(0);
		ASSERT_EQ(0, kept_deaf(self->keeper, true));
		ASSERT_EQ(0, send_region(fe, 1 + i));
		while (!is_in(pid, SYS_sendmsg) && fe_now_ms() < end)
			poll(NULL, 0, 1);
		ASSERT_TRUE(is_in(pid, SYS_sendmsg));
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(0, kept_deaf(self->keeper, false));
		ASSERT_LT(0, kept_wait(pid));
		ASSERT_EQ(0, traffic_pass(&self->traffic, 2000));
	}
	ASSERT_EQ(0, traffic_drain(&self->traffic));
	EXPECT_FALSE(kept_log_has("event=ring-broken"));
}

TEST_F(restart, killed_with_one_call_fd_for_both_rings)
{
	struct fe *fe = &self->fe[0];

	ASSERT_EQ(0, fe_connect(fe, KEPT_SOCK));
	ASSERT_EQ(0, fe_start(fe));
	ASSERT_EQ(0, traffic_pass(&self->traffic, 100));
	for (unsigned int i = 0; i < 3; i++) {
		ASSERT_EQ(0, fe_ask_ring_fd(fe, FE_SET_VRING_CALL, i & 1, fe->ring[0].call));
		ASSERT_EQ(0, fe_ask_ring_fd(fe, FE_SET_VRING_CALL, 1, fe->ring[0].call));
		ASSERT_EQ(0, kill_once(self));
	}
	/* And it is forgotten when no ring has it any more. */
	for (unsigned int i = 0; i < 2; i++)
		ASSERT_EQ(0, fe_ask_ring_fd(fe, FE_SET_VRING_CALL, i, fe->ring[1].call));
	ASSERT_EQ(0, kill_once(self));
	ASSERT_EQ(0, traffic_drain(&self->traffic));
	EXPECT_FALSE(kept_log_has("event=resume"));
}

TEST_F(restart, killed_when_nobody_reads_its_calls_any_more)
{
	struct fe *fe = &self->fe[0];

	fe->call_sockets = true;
	ASSERT_EQ(0, fe_connect(fe, KEPT_SOCK));
	ASSERT_EQ(0, fe_start(fe));
	ASSERT_EQ(0, traffic_pass(&self->traffic, 100));
	close(fe->ring[0].call);
	fe->ring[0].call = -1;
	ASSERT_EQ(0, traffic_pass(&self->traffic, 100));
	for (unsigned int i = 0; i < 2; i++)
		ASSERT_EQ(0, kill_once(self));
	ASSERT_EQ(0, traffic_drain(&self->traffic));
	EXPECT_FALSE(kept_log_has("event=resume"));
}

TEST_F(restart, killed_before_a_front_end_came_the_next_one_listens_on_the_same_socket)
{
	pid_t pid = kept_wait(0);

	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_LT(0, kept_wait(pid));
	ASSERT_EQ(0, fe_connect(&self->fe[0], KEPT_SOCK));
	ASSERT_EQ(0, fe_start(&self->fe[0]));
	ASSERT_EQ(0, traffic_pass(&self->traffic, 1000));
	ASSERT_EQ(0, traffic_drain(&self->traffic));
}

/* By hand, under its port, which cannot go on with what it has open. */
TEST_F(restart, killed_when_its_interface_was_deleted_and_made_again_it_serves_the_new_one)
{
	pid_t pid = kept_wait(0);

	ASSERT_EQ(0, fe_connect(&self->fe[0], KEPT_SOCK));
	ASSERT_EQ(0, fe_start(&self->fe[0]));
	ASSERT_EQ(0, traffic_pass(&self->traffic, 100));
	ASSERT_EQ(0, traffic_drain(&self->traffic));
	ASSERT_EQ(0, system("ip link del vm1"));
	ASSERT_EQ(0, bed_virtmesh("port add vm1 --ensemble 1 --node 1"));
	for (unsigned int i = 0; i < 2; i++) {
		ASSERT_EQ(0, kill(pid, SIGKILL));
		pid = kept_wait(pid);
		ASSERT_LT(0, pid);
		ASSERT_EQ(0, traffic_pass(&self->traffic, 1000));
	}
	ASSERT_EQ(0, traffic_drain(&self->traffic));
	/* And that is kept in its turn. */
	EXPECT_TRUE(kept_log_has("from=store"));
}

TEST_F(restart, killed_when_the_guest_had_broken_a_ring_that_rests_and_the_other_goes_on)
{
	struct fe *fe = &self->fe[0];
	struct ring *tx = &fe->ring[1];
	struct pollfd broken = { .events = POLLIN };
	uint16_t used;
	pid_t pid;

	SKIP_UNLESS_KEPT();
	ASSERT_EQ(0, fe_connect(fe, KEPT_SOCK));
	ASSERT_EQ(0, fe_start(fe));
	for (unsigned int i = 0; i < 10; i++)
		ASSERT_EQ(0, traffic_one(&self->traffic, 0));
	broken.fd = tx->err;
	ring_put(tx, 0xffff);
	ring_kick(tx);
	ASSERT_EQ(1, poll(&broken, 1, FE_WAIT_MS));
	used = tx->used->idx;
	/* A frame that it sent before: as if nothing had been. */
	tx->avail->ring[(uint16_t)(tx->avail_idx - 1) % tx->num] = 0;
	pid = kept_wait(0);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_LT(0, kept_wait(pid));
	ring_kick(tx);
	for (unsigned int i = 0; i < 10; i++)
		ASSERT_EQ(0, traffic_one(&self->traffic, 1));
	EXPECT_EQ(used, tx->used->idx);
	EXPECT_EQ(0, fe_ping(fe));
	EXPECT_EQ(used, tx->used->idx);
}

#define WORDS "/run/words"

static int write_words(const char *path, const char *words)
{
	FILE *f = fopen(path, "we");

	return !f || fputs(words, f) < 0 || fclose(f) ? -EIO : 0;
}

TEST_F(restart, started_again_with_other_words_it_is_who_they_say)
{
	static const unsigned char macs[2][6] = { { 2, 0, 0, 0, 0, 1 }, { 2, 0, 0, 0, 0, 2 } };
	struct fe *fe = &self->fe[0];
	unsigned char mac[6], mtu[2];
	pid_t pid;

	/* Not the tap, nor the socket, that the kernel has yet to take from the one before. */
	ASSERT_EQ(0, tap_create("plain", 65534, 1500));
	ASSERT_EQ(0, kept_end(self->keeper));
	ASSERT_EQ(0, unlink(KEPT_SOCK));
	for (unsigned int i = 0; i < 2; i++) {
		ASSERT_EQ(0,
			  write_words(WORDS, i ? "--tap plain --mac 02:00:00:00:00:02 --mtu 1300" :
						 "--tap plain --mac 02:00:00:00:00:01 --mtu 1400"));
		if (!i) {
			self->keeper = kept_start_as(WORDS);
			ASSERT_LT(0, kept_wait(0));
			ASSERT_EQ(0, fe_connect(fe, KEPT_SOCK));
			ASSERT_EQ(0, fe_negotiate(fe));
		} else {
			pid = kept_wait(0);
			ASSERT_EQ(0, kill(pid, SIGKILL));
			ASSERT_LT(0, kept_wait(pid));
		}
		/* As struct virtio_net_config has them. */
		ASSERT_EQ(0, fe_get_config(fe, 0, sizeof(mac), mac));
		EXPECT_EQ(0, memcmp(mac, macs[i], sizeof(mac)));
		ASSERT_EQ(0, fe_get_config(fe, 10, sizeof(mtu), mtu));
		EXPECT_EQ(i ? 1300 : 1400, mtu[0] | mtu[1] << 8);
	}
	EXPECT_TRUE(kept_log_has("from=store"));
}

TEST_F(restart, started_again_with_other_queues_it_says_why_it_cuts_the_front_end_off)
{
	struct fe *fe = &self->fe[0];
	pid_t pid;

	ASSERT_EQ(0, tap_create("plain", 65534, 1500));
	ASSERT_EQ(0, kept_end(self->keeper));
	ASSERT_EQ(0, unlink(KEPT_SOCK));
	ASSERT_EQ(0, write_words(WORDS, "--tap plain --mac 02:00:00:00:00:01"));
	self->keeper = kept_start_as(WORDS);
	pid = kept_wait(0);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, fe_connect(fe, KEPT_SOCK));
	ASSERT_EQ(0, fe_negotiate(fe));
	ASSERT_EQ(0, write_words(WORDS, "--tap plain --mac 02:00:00:00:00:01 --queues 1"));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(0, fe_wait_cut(fe));
	ASSERT_LT(0, kept_wait(pid));
	EXPECT_TRUE(kept_log_has("error=\"the device had other queues or features\""));
	EXPECT_FALSE(kept_log_has("not all of it was kept"));
}

TEST_F(restart, killed_between_two_requests_the_front_end_goes_on_with_the_next)
{
	struct fe *fe = &self->fe[0];
	pid_t pid;

	ASSERT_EQ(0, fe_connect(fe, KEPT_SOCK));
	ASSERT_EQ(0, fe_negotiate(fe));
	pid = kept_wait(0);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	fe->num = 256;
	fe->slot_size = 4096;
	ASSERT_EQ(0, fe_memory(fe, 0x40000000, 16 << 20));
	/* Sent while nobody reads: answered by the next. */
	ASSERT_EQ(0, fe_tell_memory(fe));
	pid = kept_wait(pid);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	for (unsigned int i = 0; i < 2; i++) {
		ASSERT_EQ(0, fe_ring_make(fe, i, 256));
		ASSERT_EQ(0, fe_ring_tell(fe, i, 0));
		ASSERT_EQ(0, fe_ring_enable(fe, i, true));
		pid = kept_wait(pid);
		ASSERT_EQ(0, kill(pid, SIGKILL));
	}
	ring_post(&fe->ring[0]);
	ring_kick(&fe->ring[0]);
	ASSERT_EQ(0, traffic_pass(&self->traffic, 1000));
	ASSERT_EQ(0, traffic_drain(&self->traffic));
}

TEST_F(restart, a_front_end_that_left_meanwhile_is_noticed_and_the_next_is_served)
{
	pid_t pid = kept_wait(0);

	ASSERT_EQ(0, fe_connect(&self->fe[0], KEPT_SOCK));
	ASSERT_EQ(0, fe_start(&self->fe[0]));
	ASSERT_EQ(0, traffic_pass(&self->traffic, 100));
	ASSERT_EQ(0, traffic_drain(&self->traffic));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	fe_close(&self->fe[0]);
	ASSERT_LT(0, kept_wait(pid));
	ASSERT_EQ(0, fe_connect(&self->fe[0], KEPT_SOCK));
	ASSERT_EQ(0, fe_start(&self->fe[0]));
	ASSERT_EQ(0, traffic_pass(&self->traffic, 1000));
	ASSERT_EQ(0, traffic_drain(&self->traffic));
	/* And nothing of the first one is kept any more. */
	pid = kept_wait(0);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(0, traffic_pass(&self->traffic, 1000));
	ASSERT_EQ(0, traffic_drain(&self->traffic));
}

TEST_F(restart, sigterm_ends_it_and_the_front_end_is_cut_off)
{
	ASSERT_EQ(0, fe_connect(&self->fe[0], KEPT_SOCK));
	ASSERT_EQ(0, fe_start(&self->fe[0]));
	EXPECT_EQ(0, kept_end(self->keeper));
	self->keeper = 0;
	EXPECT_EQ(0, fe_wait_cut(&self->fe[0]));
}

TEST_HARNESS_MAIN
