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
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include <virtmesh/types.h>

#include "../broker/bed.h"
#include "frontend.h"
#include "plug.h"

#define KEEPER	BUILD_DIR "/selftests/port/keeper"
#define PORT	BUILD_DIR "/host/vhost/virtmesh-port"
#define PIDFILE "/run/vm1.pid"
#define LOG	"/run/vm1.log"
#define SOCK	"/run/vm1.sock"
#define TOLD	"/run/manager.told"

#define NODES 2
/* Frames on their way: what a tap's ring holds while nobody reads it, and far more than a batch. */
#define WINDOW 700

FIXTURE(restart)
{
	pid_t keeper;
	struct plug other; /* the port of node 2, which goes on */
	struct fe fe[NODES];
	unsigned int sent[NODES], got[NODES]; /* by, of the other's */
	long long last_ms, longest_ms; /* between two frames */
};

/* LANE=kernel: where there is one (selftests/vhost-net). */
static char *lane(void)
{
	char *name = getenv("LANE");

	return name ? name : "own";
}

static pid_t port_pid(void)
{
	FILE *f = fopen(PIDFILE, "re");
	int pid = 0;

	if (f && fscanf(f, "%d", &pid) != 1)
		pid = 0;
	if (f)
		fclose(f);
	return pid;
}

/* A process that is ready, and not the one that was @old. */
static pid_t wait_port(pid_t old)
{
	long long end = fe_now_ms() + FE_WAIT_MS;
	pid_t pid = port_pid();

	while ((!pid || pid == old) && fe_now_ms() < end) {
		poll(NULL, 0, 2);
		pid = port_pid();
	}
	return pid == old ? 0 : pid;
}

static pid_t start_keeper(void)
{
	pid_t pid = fork();
	int log;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	log = open(LOG, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
	dup2(log, STDERR_FILENO);
	execl(KEEPER, KEEPER, PIDFILE, PORT, "--tap", "vm1", "--socket", SOCK, "--lane", lane(),
	      NULL);
	_exit(127);
}

static int wait_keeper(pid_t pid)
{
	long long end = fe_now_ms() + FE_WAIT_MS;
	int status;

	while (!waitpid(pid, &status, WNOHANG)) {
		if (fe_now_ms() > end)
			return -ETIMEDOUT;
		poll(NULL, 0, 2);
	}
	return status;
}

static bool file_has(const char *path, const char *text)
{
	FILE *f = fopen(path, "re");
	char line[1024];
	bool has = false;

	while (f && !has && fgets(line, sizeof(line), f))
		has = strstr(line, text);
	if (f)
		fclose(f);
	return has;
}

static bool log_has(const char *text)
{
	return file_has(LOG, text);
}

static void show_log(void)
{
	FILE *f = fopen(LOG, "re");
	char line[1024];

	while (f && fgets(line, sizeof(line), f))
		printf("# vm1: %s", line);
	if (f)
		fclose(f);
}

FIXTURE_SETUP(restart)
{
	char options[32];

	setvbuf(stdout, NULL, _IOLBF, 0);
	memset(self, 0, sizeof(*self));
	self->fe[0].sock = self->fe[1].sock = -1;
	ASSERT_EQ(0, bed_enter());
	ASSERT_EQ(0, bed_virtmesh("ensemble add 1"));
	ASSERT_EQ(0, bed_virtmesh("port add vm1 --ensemble 1 --node 1"));
	ASSERT_EQ(0, bed_virtmesh("port add vm2 --ensemble 1 --node 2"));
	self->keeper = start_keeper();
	ASSERT_LT(0, self->keeper);
	ASSERT_LT(0, wait_port(0));
	snprintf(options, sizeof(options), "--lane %s", lane());
	ASSERT_EQ(0, plug_start(&self->other, "vm2", options));
	ASSERT_EQ(0, fe_connect(&self->fe[1], self->other.socket));
	ASSERT_EQ(0, fe_start(&self->fe[1]));
}

FIXTURE_TEARDOWN(restart)
{
	if (!strcmp(lane(), "kernel"))
		EXPECT_FALSE(log_has("lane=own"));
	if (!BED_PASSED()) {
		show_log();
		plug_log_show(&self->other);
	}
	fe_close(&self->fe[0]);
	fe_close(&self->fe[1]);
	if (self->keeper > 0) {
		pid_t pid = port_pid();

		kill(self->keeper, SIGTERM);
		/* One that hangs must not outlive the test: it is nobody's child then. */
		if (wait_keeper(self->keeper) == -ETIMEDOUT) {
			kill(self->keeper, SIGKILL);
			if (pid)
				kill(pid, SIGKILL);
			waitpid(self->keeper, NULL, 0);
		}
	}
	plug_end(&self->other, SIGTERM);
}

#define MARK_AT	  VM_ETH_HLEN
#define FRAME_LEN 64

static void make_frame(unsigned char *frame, unsigned int from, unsigned int seq)
{
	memset(frame, 0, FRAME_LEN);
	vm_addr_to_mac(vm_addr(1, NODES - from), frame);
	vm_addr_to_mac(vm_addr(1, from + 1), frame + VM_MAC_LEN);
	frame[12] = 0x88;
	frame[13] = 0xb6;
	memcpy(frame + MARK_AT, &seq, sizeof(seq));
}

/* Whatever can be sent and received now. 0; -EBADMSG for a frame that is not the next. */
static int pump(FIXTURE_DATA(restart) * self, bool send, unsigned int *moved)
{
	unsigned char frame[2048];
	unsigned int seq;
	ssize_t n;

	*moved = 0;
	for (unsigned int i = 0; i < NODES; i++) {
		struct ring *rx = &self->fe[i].ring[0], *tx = &self->fe[i].ring[1];
		unsigned int other = NODES - 1 - i;

		while (send && self->sent[i] - self->got[other] < WINDOW) {
			make_frame(frame, i, self->sent[i]);
			if (ring_send(tx, frame, FRAME_LEN))
				break;
			self->sent[i]++;
		}
		ring_kick_if_wanted(tx);
		while ((n = ring_recv(rx, frame, sizeof(frame))) != -EAGAIN) {
			if (n != FRAME_LEN) {
				printf("# node %u: %zd instead of a frame\n", i + 1, n);
				return -EBADMSG;
			}
			memcpy(&seq, frame + MARK_AT, sizeof(seq));
			if (seq != self->got[i]) {
				printf("# node %u got frame %u, the next is %u\n", i + 1, seq,
				       self->got[i]);
				return -EBADMSG;
			}
			self->got[i]++;
			++*moved;
		}
		ring_publish(rx);
		ring_kick_if_wanted(rx);
	}
	return 0;
}

/* Until both have got @frames more. */
static int traffic(FIXTURE_DATA(restart) * self, unsigned int frames)
{
	unsigned int want[NODES] = { self->got[0] + frames, self->got[1] + frames };
	long long end = fe_now_ms() + FE_WAIT_MS;

	while ((int)(self->got[0] - want[0]) < 0 || (int)(self->got[1] - want[1]) < 0) {
		unsigned int moved;
		int err = pump(self, true, &moved);
		long long now = fe_now_ms();

		if (err)
			return err;
		if (now > end) {
			printf("# sent %u %u got %u %u\n", self->sent[0], self->sent[1],
			       self->got[0], self->got[1]);
			return -ETIMEDOUT;
		}
		if (moved) {
			if (self->last_ms && now - self->last_ms > self->longest_ms)
				self->longest_ms = now - self->last_ms;
			self->last_ms = now;
			end = now + FE_WAIT_MS;
		} else {
			poll(NULL, 0, 1);
		}
	}
	return 0;
}

/* Until nothing is on its way any more: all that was sent has come. */
static int drain(FIXTURE_DATA(restart) * self)
{
	long long end = fe_now_ms() + FE_WAIT_MS;

	while (self->got[0] != self->sent[1] || self->got[1] != self->sent[0]) {
		unsigned int moved;
		int err = pump(self, false, &moved);

		if (err)
			return err;
		if (fe_now_ms() > end) {
			printf("# sent %u %u got %u %u\n", self->sent[0], self->sent[1],
			       self->got[0], self->got[1]);
			return -ETIMEDOUT;
		}
		if (!moved)
			poll(NULL, 0, 1);
	}
	return 0;
}

#define SKIP_UNLESS_KEPT()                                                                   \
	do {                                                                                 \
		if (!strcmp(lane(), "own") && !log_has("kept=1"))                            \
			SKIP(return, "this kernel's io_uring does not outlive its process"); \
	} while (0)

TEST_F(restart, killed_again_and_again_under_traffic_no_frame_is_lost_or_comes_twice)
{
	SKIP_UNLESS_KEPT();
	ASSERT_EQ(0, fe_connect(&self->fe[0], SOCK));
	ASSERT_EQ(0, fe_start(&self->fe[0]));
	ASSERT_EQ(0, traffic(self, 1000));
	for (unsigned int i = 0; i < 20; i++) {
		pid_t pid = wait_port(0);

		ASSERT_LT(0, pid);
		/* Somewhere in a batch, another place each time. */
		ASSERT_EQ(0, traffic(self, 100 + 37 * i));
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(0, traffic(self, 2000));
		ASSERT_NE(pid, wait_port(pid));
	}
	ASSERT_EQ(0, drain(self));
	ASSERT_EQ(0, fe_ping(&self->fe[0]));
	printf("# longest pause %lld ms, frames %u + %u\n", self->longest_ms, self->got[0],
	       self->got[1]);
}

TEST_F(restart, asked_by_sighup_to_make_room_no_frame_is_lost_or_comes_twice)
{
	ASSERT_EQ(0, fe_connect(&self->fe[0], SOCK));
	ASSERT_EQ(0, fe_start(&self->fe[0]));
	for (unsigned int i = 0; i < 10; i++) {
		pid_t pid = wait_port(0);

		ASSERT_EQ(0, traffic(self, 500 + 41 * i));
		ASSERT_EQ(0, kill(pid, SIGHUP));
		ASSERT_EQ(0, traffic(self, 2000));
		ASSERT_NE(pid, wait_port(pid));
	}
	ASSERT_EQ(0, drain(self));
	EXPECT_TRUE(log_has("event=restart"));
	printf("# longest pause %lld ms\n", self->longest_ms);
}

TEST_F(restart, killed_with_the_front_ends_own_inflight_memory_no_frame_is_lost)
{
	struct fe_inflight desc = { .num_queues = 2, .queue_size = 256 }, got = {};
	struct fe *fe = &self->fe[0];
	unsigned char wire[24] = {};
	int fd = -1;

	SKIP_UNLESS_KEPT();
	ASSERT_EQ(0, fe_connect(fe, SOCK));
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
		pid_t pid = wait_port(0);

		ASSERT_EQ(0, traffic(self, 300 + 31 * i));
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(0, traffic(self, 1000));
		ASSERT_NE(pid, wait_port(pid));
	}
	ASSERT_EQ(0, drain(self));
}

/* Kill it, and see that the front-end is where it was. */
static int kill_once(FIXTURE_DATA(restart) * self)
{
	pid_t pid = wait_port(0);
	int err;

	if (!pid || kill(pid, SIGKILL) || !wait_port(pid))
		return -ESRCH;
	err = traffic(self, 500);
	return err ? err : fe_ping(&self->fe[0]);
}

TEST_F(restart, the_same_memory_told_again_and_killed_is_still_there)
{
	ASSERT_EQ(0, fe_connect(&self->fe[0], SOCK));
	ASSERT_EQ(0, fe_start(&self->fe[0]));
	ASSERT_EQ(0, traffic(self, 100));
	for (unsigned int i = 0; i < 3; i++) {
		/* As UML does whenever a driver is bound. */
		ASSERT_EQ(0, fe_tell_memory(&self->fe[0]));
		ASSERT_EQ(0, traffic(self, 100));
		ASSERT_EQ(0, kill_once(self));
	}
	ASSERT_EQ(0, drain(self));
	EXPECT_FALSE(log_has("event=resume"));
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

	ASSERT_EQ(0, fe_connect(fe, SOCK));
	ASSERT_EQ(0, fe_start(fe));
	ASSERT_EQ(0, traffic(self, 100));
	ASSERT_EQ(0, split_memory(fe));
	for (unsigned int i = 0; i < 2; i++)
		ASSERT_EQ(0, kill_once(self));
	/* One use less of it is no reason to forget the file. */
	ASSERT_EQ(0, fe_remove_region(fe, 1));
	ASSERT_EQ(0, fe_ping(fe));
	ASSERT_EQ(0, fe_add_region(fe, 1));
	ASSERT_EQ(0, kill_once(self));
	ASSERT_EQ(0, drain(self));
	EXPECT_FALSE(log_has("event=resume"));
}

TEST_F(restart, killed_while_the_memory_of_its_rings_is_away)
{
	struct fe *fe = &self->fe[0];
	pid_t pid;

	ASSERT_EQ(0, fe_connect(fe, SOCK));
	ASSERT_EQ(0, fe_start(fe));
	ASSERT_EQ(0, traffic(self, 100));
	ASSERT_EQ(0, fe_remove_region(fe, 0));
	pid = wait_port(0);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_LT(0, wait_port(pid));
	ASSERT_EQ(0, fe_add_region(fe, 0));
	ASSERT_EQ(0, traffic(self, 500));
	ASSERT_EQ(0, drain(self));
}

TEST_F(restart, killed_with_one_call_fd_for_both_rings)
{
	struct fe *fe = &self->fe[0];

	ASSERT_EQ(0, fe_connect(fe, SOCK));
	ASSERT_EQ(0, fe_start(fe));
	ASSERT_EQ(0, traffic(self, 100));
	for (unsigned int i = 0; i < 3; i++) {
		ASSERT_EQ(0, fe_ask_ring_fd(fe, FE_SET_VRING_CALL, i & 1, fe->ring[0].call));
		ASSERT_EQ(0, fe_ask_ring_fd(fe, FE_SET_VRING_CALL, 1, fe->ring[0].call));
		ASSERT_EQ(0, kill_once(self));
	}
	/* And it is forgotten when no ring has it any more. */
	for (unsigned int i = 0; i < 2; i++)
		ASSERT_EQ(0, fe_ask_ring_fd(fe, FE_SET_VRING_CALL, i, fe->ring[1].call));
	ASSERT_EQ(0, kill_once(self));
	ASSERT_EQ(0, drain(self));
	EXPECT_FALSE(log_has("event=resume"));
}

TEST_F(restart, killed_when_nobody_reads_its_calls_any_more)
{
	struct fe *fe = &self->fe[0];

	fe->call_sockets = true;
	ASSERT_EQ(0, fe_connect(fe, SOCK));
	ASSERT_EQ(0, fe_start(fe));
	ASSERT_EQ(0, traffic(self, 100));
	close(fe->ring[0].call);
	fe->ring[0].call = -1;
	ASSERT_EQ(0, traffic(self, 100));
	for (unsigned int i = 0; i < 2; i++)
		ASSERT_EQ(0, kill_once(self));
	ASSERT_EQ(0, drain(self));
	EXPECT_FALSE(log_has("event=resume"));
}

TEST_F(restart, killed_before_a_front_end_came_the_next_one_listens_on_the_same_socket)
{
	pid_t pid = wait_port(0);

	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_LT(0, wait_port(pid));
	ASSERT_EQ(0, fe_connect(&self->fe[0], SOCK));
	ASSERT_EQ(0, fe_start(&self->fe[0]));
	ASSERT_EQ(0, traffic(self, 1000));
	ASSERT_EQ(0, drain(self));
}

TEST_F(restart, killed_between_two_requests_the_front_end_goes_on_with_the_next)
{
	struct fe *fe = &self->fe[0];
	pid_t pid;

	ASSERT_EQ(0, fe_connect(fe, SOCK));
	ASSERT_EQ(0, fe_negotiate(fe));
	pid = wait_port(0);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	fe->num = 256;
	fe->slot_size = 4096;
	ASSERT_EQ(0, fe_memory(fe, 0x40000000, 16 << 20));
	/* Sent while nobody reads: answered by the next. */
	ASSERT_EQ(0, fe_tell_memory(fe));
	pid = wait_port(pid);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	for (unsigned int i = 0; i < 2; i++) {
		ASSERT_EQ(0, fe_ring_make(fe, i, 256));
		ASSERT_EQ(0, fe_ring_tell(fe, i, 0));
		ASSERT_EQ(0, fe_ring_enable(fe, i, true));
		pid = wait_port(pid);
		ASSERT_EQ(0, kill(pid, SIGKILL));
	}
	ring_post(&fe->ring[0]);
	ring_kick(&fe->ring[0]);
	ASSERT_EQ(0, traffic(self, 1000));
	ASSERT_EQ(0, drain(self));
}

TEST_F(restart, a_front_end_that_left_meanwhile_is_noticed_and_the_next_is_served)
{
	pid_t pid = wait_port(0);

	ASSERT_EQ(0, fe_connect(&self->fe[0], SOCK));
	ASSERT_EQ(0, fe_start(&self->fe[0]));
	ASSERT_EQ(0, traffic(self, 100));
	ASSERT_EQ(0, drain(self));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	fe_close(&self->fe[0]);
	ASSERT_LT(0, wait_port(pid));
	ASSERT_EQ(0, fe_connect(&self->fe[0], SOCK));
	ASSERT_EQ(0, fe_start(&self->fe[0]));
	ASSERT_EQ(0, traffic(self, 1000));
	ASSERT_EQ(0, drain(self));
	/* And nothing of the first one is kept any more. */
	pid = wait_port(0);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(0, traffic(self, 1000));
	ASSERT_EQ(0, drain(self));
}

TEST_F(restart, sigterm_ends_it_and_the_front_end_is_cut_off)
{
	ASSERT_EQ(0, fe_connect(&self->fe[0], SOCK));
	ASSERT_EQ(0, fe_start(&self->fe[0]));
	ASSERT_EQ(0, kill(self->keeper, SIGTERM));
	EXPECT_EQ(0, wait_keeper(self->keeper));
	self->keeper = 0;
	EXPECT_EQ(0, fe_wait_cut(&self->fe[0]));
}

/* Run the port with @fd kept as @name, and start_manager()'s manager; @how: "--socket". */
static int run_with(const char *name, int fd, const char *how, const char *path)
{
	pid_t pid = fork();
	char number[16];
	int log;

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		log = open(LOG, O_CREAT | O_TRUNC | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
		dup2(log, STDERR_FILENO);
		dup2(fd, 3);
		setenv("LISTEN_FDS", "1", 1);
		setenv("LISTEN_FDNAMES", name, 1);
		setenv("NOTIFY_SOCKET", "/run/manager", 1);
		snprintf(number, sizeof(number), "%d", getpid());
		setenv("LISTEN_PID", number, 1);
		execl(PORT, PORT, "--tap", "vm1", how, path, "--lane", lane(), NULL);
		_exit(127);
	}
	return pid;
}

/* One that takes everything and keeps nothing, but a note of it. */
static pid_t start_manager(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "/run/manager" };
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char text[512];
	pid_t pid;
	ssize_t n;
	FILE *f;

	if (bind(sock, (struct sockaddr *)&addr, sizeof(addr)))
		return -1;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		f = fopen(TOLD, "ae");
		while (f && (n = recv(sock, text, sizeof(text) - 1, 0)) >= 0) {
			text[n] = '\0';
			for (char *at = strchr(text, '\n'); at; at = strchr(at, '\n'))
				*at = ' ';
			fprintf(f, "%s\n", text);
			fflush(f);
		}
		_exit(0);
	}
	close(sock);
	return pid;
}

TEST_F(restart, a_state_that_is_none_is_not_believed)
{
	static const size_t sizes[] = { 0, 1, 4096, 1 << 20 };
	pid_t manager = start_manager();

	ASSERT_LT(0, manager);
	kill(self->keeper, SIGTERM);
	ASSERT_EQ(0, wait_keeper(self->keeper));
	self->keeper = 0;
	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		int fd = memfd_create("forged", MFD_CLOEXEC);
		pid_t pid;

		ASSERT_EQ(0, ftruncate(fd, sizes[i]));
		unlink(SOCK);
		pid = run_with("saved", fd, "--socket", SOCK);
		close(fd);
		ASSERT_EQ(0, fe_connect(&self->fe[0], SOCK));
		ASSERT_EQ(0, fe_start(&self->fe[0]));
		self->sent[0] = self->got[1];
		self->sent[1] = self->got[0];
		ASSERT_EQ(0, traffic(self, 100));
		ASSERT_EQ(0, drain(self));
		fe_close(&self->fe[0]);
		EXPECT_TRUE(log_has("another version's state"));
		kill(pid, SIGTERM);
		ASSERT_EQ(0, wait_keeper(pid));
	}
	kill(manager, SIGKILL);
	waitpid(manager, NULL, 0);
}

#define OLD_SOCK "/run/old.sock"

/* What an earlier port listened on, there. */
static int old_listener(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = OLD_SOCK };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 1) ? -1 : fd;
}

/* The manager has been told @text, within the time. */
static bool wait_told(const char *text)
{
	long long end = fe_now_ms() + FE_WAIT_MS;

	while (!file_has(TOLD, text) && fe_now_ms() < end)
		poll(NULL, 0, 2);
	return file_has(TOLD, text);
}

TEST_F(restart, started_again_with_another_socket_it_listens_there_and_nowhere_else)
{
	pid_t manager = start_manager(), pid;
	int fd;

	ASSERT_LT(0, manager);
	kill(self->keeper, SIGTERM);
	ASSERT_EQ(0, wait_keeper(self->keeper));
	self->keeper = 0;
	/* What we listen on is for the port's user, too. */
	umask(0);
	for (unsigned int client = 0; client < 2; client++) {
		fd = old_listener();
		ASSERT_LE(0, fd);
		unlink(SOCK);
		pid = run_with("listen", fd, client ? "--connect" : "--socket", SOCK);
		/* Held on to, as by the store. */
		ASSERT_EQ(0,
			  client ? fe_accept(&self->fe[0], SOCK) : fe_connect(&self->fe[0], SOCK));
		EXPECT_EQ(0, fe_start(&self->fe[0]));
		EXPECT_TRUE(wait_told("FDSTOREREMOVE=1 FDNAME=listen"));
		EXPECT_NE(0, access(OLD_SOCK, F_OK));
		fe_close(&self->fe[0]);
		kill(pid, SIGTERM);
		ASSERT_EQ(0, wait_keeper(pid));
		close(fd);
		unlink(OLD_SOCK);
		ASSERT_EQ(0, truncate(TOLD, 0));
	}
	kill(manager, SIGKILL);
	waitpid(manager, NULL, 0);
}

TEST_HARNESS_MAIN
