// SPDX-License-Identifier: GPL-2.0-only
/* What the broker may do, when it wakes, and how it starts and ends. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "bed.h"
#include "guest.h"

#define PATIENT "--probe-ms 60000 --dead-ms 600000"
/* Long enough to see a timer of a second, twice. */
#define IDLE_MS 2500

FIXTURE(power)
{
	struct broker_proc broker;
	struct guest a;
};

FIXTURE_SETUP(power)
{
	ASSERT_EQ(0, bed_enter());
	ASSERT_EQ(0, bed_virtmesh("ensemble add 1"));
	ASSERT_EQ(0, guest_add(&self->a, "vm1", 1, 1));
}

FIXTURE_TEARDOWN(power)
{
	if (!BED_PASSED())
		bed_log_show();
	if (self->broker.pid > 0)
		EXPECT_EQ(0, bed_broker_end(&self->broker, SIGTERM));
	guest_close(&self->a);
}

static long long switches(const struct broker_proc *broker)
{
	return bed_broker_status(broker, "voluntary_ctxt_switches", 10) +
	       bed_broker_status(broker, "nonvoluntary_ctxt_switches", 10);
}

/* Context switches of the broker while nothing is done to it for @ms. */
static long long switches_in(const struct broker_proc *broker, int ms)
{
	long long before = switches(broker);

	poll(NULL, 0, ms);
	return switches(broker) - before;
}

/* Wait until it sleeps: what was asked of it is done. */
static int settle(const struct broker_proc *broker)
{
	long long until = bed_now_ms() + BED_WAIT_MS;

	while (switches_in(broker, 50))
		if (bed_now_ms() > until)
			return -ETIMEDOUT;
	return 0;
}

TEST_F(power, idle_without_nodes_up_never_wakes)
{
	struct vm_ctl_info before, after;
	int fd;

	ASSERT_EQ(0, bed_broker(&self->broker, ""));
	fd = ctl_connect();
	ASSERT_EQ(0, ctl_info(fd, &before));
	ASSERT_EQ(0, settle(&self->broker));
	EXPECT_EQ(0, switches_in(&self->broker, IDLE_MS));
	ASSERT_EQ(0, ctl_info(fd, &after));
	/* One for the question itself. */
	EXPECT_EQ(before.wakeups + 1, after.wakeups);
	close(fd);
}

TEST_F(power, idle_on_the_oldest_kernel_s_ring_never_wakes)
{
	ASSERT_EQ(0, bed_broker(&self->broker, "--plain-ring"));
	ASSERT_EQ(0, guest_join(&self->a));
	ASSERT_EQ(0, guest_send(&self->a, vm_addr(1, 0), VM_F_BYE, NULL, 0));
	ASSERT_EQ(0, ctl_wait_state(self->a.addr, VM_NODE_ABSENT, &(struct vm_ctl_node){ 0 }));
	ASSERT_EQ(0, settle(&self->broker));
	EXPECT_EQ(0, switches_in(&self->broker, IDLE_MS));
	EXPECT_EQ(true, bed_log_has("setup=none read-multishot=0 fixed-buffers=0"));
}

TEST_F(power, idle_before_any_state_never_wakes)
{
	guest_close(&self->a);
	ASSERT_EQ(0, bed_virtmesh("port del vm1"));
	ASSERT_EQ(0, bed_virtmesh("ensemble del 1"));
	ASSERT_EQ(0, bed_broker(&self->broker, ""));
	ASSERT_EQ(0, settle(&self->broker));
	EXPECT_EQ(0, switches_in(&self->broker, IDLE_MS));
}

TEST_F(power, after_the_last_node_left_or_died_it_never_wakes)
{
	struct vm_ctl_node node;

	ASSERT_EQ(0, bed_broker(&self->broker, "--probe-ms 100 --dead-ms 300"));
	ASSERT_EQ(0, guest_join(&self->a));
	ASSERT_EQ(0, guest_send(&self->a, vm_addr(1, 0), VM_F_BYE, NULL, 0));
	ASSERT_EQ(0, ctl_wait_state(self->a.addr, VM_NODE_ABSENT, &node));
	ASSERT_EQ(0, settle(&self->broker));
	EXPECT_EQ(0, switches_in(&self->broker, 1000));

	ASSERT_EQ(0, guest_join(&self->a));
	ASSERT_EQ(0, ctl_wait_state(self->a.addr, VM_NODE_DOWN, &node));
	ASSERT_EQ(0, settle(&self->broker));
	EXPECT_EQ(0, switches_in(&self->broker, 1000));
}

TEST_F(power, with_nodes_up_it_wakes_for_probes_and_their_answers_only)
{
	struct vm_ctl_info before, after;
	struct guest_frame frame;
	long long until, began;
	int fd, probes;

	ASSERT_EQ(0, bed_broker(&self->broker, ""));
	fd = ctl_connect();
	ASSERT_EQ(0, guest_join(&self->a));
	ASSERT_EQ(0, ctl_info(fd, &before));
	began = bed_now_ms();
	until = began + 3500;
	while (bed_now_ms() < until)
		guest_expect(&self->a, VM_F_DATAGRAM, &frame, until - bed_now_ms());
	ASSERT_EQ(0, ctl_info(fd, &after));
	/* Three or four probes with an answer each, and our question; one a second more if late. */
	probes = (int)((bed_now_ms() - began) / 1000) + 1;
	EXPECT_LE(3 * 2, after.wakeups - before.wakeups);
	EXPECT_GE(probes * 2 + 1, after.wakeups - before.wakeups);
	close(fd);
}

TEST_F(power, one_capability_is_left_of_root_s_power)
{
	ASSERT_EQ(0, bed_broker(&self->broker, PATIENT));
	/* CAP_NET_ADMIN, for the taps of others; what it is good for, seccomp says. */
	EXPECT_EQ(1 << 12, bed_broker_status(&self->broker, "CapEff", 16));
	EXPECT_EQ(1 << 12, bed_broker_status(&self->broker, "CapPrm", 16));
	EXPECT_EQ(0, bed_broker_status(&self->broker, "CapInh", 16));
	EXPECT_EQ(0, bed_broker_status(&self->broker, "CapBnd", 16));
	EXPECT_EQ(0, bed_broker_status(&self->broker, "CapAmb", 16));
	EXPECT_EQ(1, bed_broker_status(&self->broker, "NoNewPrivs", 10));
	EXPECT_EQ(2, bed_broker_status(&self->broker, "Seccomp", 10));
	EXPECT_EQ(1, bed_broker_status(&self->broker, "Threads", 10));
}

TEST_F(power, serves_all_it_is_for_without_that_power)
{
	struct guest b;

	/* State that comes after the sandbox, joined, changed, gone, and come again. */
	guest_close(&self->a);
	ASSERT_EQ(0, bed_virtmesh("port del vm1"));
	ASSERT_EQ(0, bed_virtmesh("ensemble del 1"));
	ASSERT_EQ(0, bed_broker(&self->broker, PATIENT));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, bed_virtmesh("ensemble add 1"));
		ASSERT_EQ(0, guest_add(&b, "vm2", 1, 2));
		ASSERT_EQ(0, guest_join(&b));
		guest_close(&b);
		ASSERT_EQ(0, bed_virtmesh("port del vm2"));
		ASSERT_EQ(0, bed_virtmesh("ensemble del 1"));
	}
	EXPECT_EQ(true, bed_broker_runs(&self->broker));
	EXPECT_EQ(false, bed_log_has("persist-failed"));
}

/* Datagrams to the service manager, until it has room for no more. */
static int crowd_manager(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = BED_NOTIFY };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;

	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return -errno;
	while (send(fd, "STATUS=another's", 16, 0) > 0)
		;
	err = errno;
	close(fd);
	return err == EAGAIN ? 0 : -err;
}

TEST_F(power, manager_whose_queue_is_full_hears_that_it_is_ready)
{
	long long until = bed_now_ms() + BED_WAIT_MS;

	ASSERT_EQ(0, bed_broker_start(&self->broker, PATIENT));
	ASSERT_EQ(0, kill(self->broker.pid, SIGSTOP));
	ASSERT_EQ(0, crowd_manager());
	ASSERT_EQ(0, kill(self->broker.pid, SIGCONT));
	/* The sandbox is the last before READY: then it has said so, or waits to. */
	while (bed_broker_status(&self->broker, "Seccomp", 10) != 2)
		ASSERT_GT(until, bed_now_ms());
	ASSERT_EQ(0, settle(&self->broker));
	EXPECT_EQ(0, bed_broker_says(&self->broker, "READY=1"));
	EXPECT_EQ(0, guest_join(&self->a));
}

TEST_F(power, closed_standard_files_are_no_trap)
{
	int out = dup(STDOUT_FILENO), in = dup(STDIN_FILENO);

	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	ASSERT_EQ(0, bed_broker(&self->broker, PATIENT));
	dup2(out, STDOUT_FILENO);
	dup2(in, STDIN_FILENO);
	EXPECT_EQ(0, guest_join(&self->a));
	close(out);
	close(in);
}

TEST_F(power, sigterm_answers_what_was_asked_and_tells_watchers_the_end)
{
	struct vm_ctl_nodes ask = { .ensemble = 0 };
	struct vm_ctl_info info;
	struct ctl_record rec;
	int asker, watcher;

	ASSERT_EQ(0, bed_broker(&self->broker, PATIENT));
	asker = ctl_connect();
	watcher = ctl_connect();
	ASSERT_EQ(0, ctl_info(asker, &info));
	ASSERT_EQ(0, ctl_ask(watcher, VM_CTL_WATCH, &ask, sizeof(ask), &rec));
	ASSERT_EQ(0, kill(self->broker.pid, SIGSTOP));
	ASSERT_EQ(0, ctl_send(asker, VM_CTL_INFO, 9, NULL, 0));
	ASSERT_EQ(0, kill(self->broker.pid, SIGTERM));
	ASSERT_EQ(0, kill(self->broker.pid, SIGCONT));
	ASSERT_EQ(0, ctl_recv(asker, &rec, BED_WAIT_MS));
	EXPECT_EQ(9, rec.msg.cookie);
	EXPECT_EQ(0, rec.msg.error);
	ASSERT_EQ(0, ctl_recv(watcher, &rec, BED_WAIT_MS));
	EXPECT_EQ(VM_CTL_LAST, rec.msg.flags);
	EXPECT_EQ(-ECONNRESET, ctl_recv(watcher, &rec, BED_WAIT_MS));
	EXPECT_EQ(0, bed_broker_says(&self->broker, "STOPPING=1"));
	EXPECT_EQ(0, bed_broker_end(&self->broker, 0));
	EXPECT_EQ(-1, access(VM_CTL_SOCKET, F_OK));
	close(asker);
	close(watcher);
}

TEST_F(power, sigterm_lets_watchers_go)
{
	struct vm_ctl_nodes ask = { .ensemble = 0 };
	struct ctl_record rec;
	int fd[8];

	ASSERT_EQ(0, bed_broker(&self->broker, PATIENT));
	for (int i = 0; i < 8; i++) {
		fd[i] = ctl_connect();
		ASSERT_EQ(0, ctl_ask(fd[i], VM_CTL_WATCH, &ask, sizeof(ask), &rec));
	}
	EXPECT_EQ(0, bed_broker_end(&self->broker, SIGTERM));
	for (int i = 0; i < 8; i++)
		close(fd[i]);
}

TEST_F(power, sigterm_tells_guests_nothing)
{
	struct guest_frame frame;

	ASSERT_EQ(0, bed_broker(&self->broker, PATIENT));
	ASSERT_EQ(0, guest_join(&self->a));
	ASSERT_EQ(0, bed_broker_end(&self->broker, SIGTERM));
	EXPECT_EQ(-ETIMEDOUT, guest_expect(&self->a, VM_F_MEMBERS, &frame, 0));
	ASSERT_EQ(0, bed_broker(&self->broker, PATIENT));
	ASSERT_EQ(0, guest_expect(&self->a, VM_F_PROBE, &frame, BED_WAIT_MS));
	EXPECT_EQ(self->a.epoch, frame.epoch);
}

TEST_F(power, second_broker_gives_up_and_says_why)
{
	struct broker_proc second;
	struct vm_ctl_info info;
	int fd;

	ASSERT_EQ(0, bed_broker(&self->broker, PATIENT));
	ASSERT_EQ(0, bed_broker_start(&second, PATIENT));
	EXPECT_EQ(1 << 8, bed_broker_end(&second, 0));
	EXPECT_EQ(true, bed_log_has("another broker answers"));
	/* At another socket it finds vmesh0 taken. */
	ASSERT_EQ(0, bed_broker_start(&second, PATIENT " --socket /run/other.sock"));
	EXPECT_EQ(1 << 8, bed_broker_end(&second, 0));
	EXPECT_EQ(true, bed_log_has("another program holds vmesh0 open"));
	EXPECT_EQ(-1, access("/run/other.sock", F_OK));

	/* The first has not noticed. */
	fd = ctl_connect();
	EXPECT_EQ(0, ctl_info(fd, &info));
	EXPECT_EQ(self->broker.pid, info.pid);
	close(fd);
}

TEST_F(power, two_brokers_started_at_once_leave_one)
{
	struct broker_proc one, two;
	int first, second;

	ASSERT_EQ(0, bed_broker_start(&one, PATIENT));
	ASSERT_EQ(0, bed_broker_start(&two, PATIENT));
	/* One of them ends by itself; which, is theirs to settle. */
	do {
		first = bed_broker_runs(&one);
		second = bed_broker_runs(&two);
	} while (first && second);
	ASSERT_EQ(true, first || second);
	EXPECT_EQ(1 << 8, bed_broker_end(first ? &two : &one, 0));
	self->broker = first ? one : two;
	EXPECT_EQ(0, ctl_wait_state(self->a.addr, VM_NODE_ABSENT, &(struct vm_ctl_node){ 0 }));
}

TEST_F(power, something_else_in_the_socket_s_place_is_left_alone)
{
	struct broker_proc broker;
	struct stat st;
	FILE *file;

	ASSERT_EQ(0, mkdir(VM_CTL_DIR, 0750));
	file = fopen(VM_CTL_SOCKET, "w");
	ASSERT_NE(NULL, file);
	fclose(file);
	ASSERT_EQ(0, bed_broker_start(&broker, PATIENT));
	EXPECT_EQ(1 << 8, bed_broker_end(&broker, 0));
	ASSERT_EQ(0, stat(VM_CTL_SOCKET, &st));
	EXPECT_EQ(true, S_ISREG(st.st_mode));
	EXPECT_EQ(true, bed_log_has("is no socket"));
}

TEST_F(power, bad_options_are_refused_with_status_2)
{
	static const char *const bad[] = {
		/* keep sorted */
		"--dead-ms 100 --probe-ms 60",
		"--dead-ms 4000000",
		"--log-level loud",
		"--no-such-option",
		"--probe-ms",
		"--probe-ms -5",
		"--probe-ms 0",
		"--probe-ms 1e3",
		"--probe-ms 9999999999999999999999",
		"argument",
	};
	struct broker_proc broker;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ASSERT_EQ(0, bed_broker_start(&broker, bad[i]));
		EXPECT_EQ(2 << 8, bed_broker_end(&broker, 0))
		{
			TH_LOG("%s", bad[i]);
		}
	}
}

TEST_HARNESS_MAIN
