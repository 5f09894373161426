// SPDX-License-Identifier: GPL-2.0-only
/*
 * How the process starts and ends: the words it takes, the user it becomes, whose tap
 * and which socket it gets, and which it does not. What it is while it serves is
 * process.c's.
 */
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "../broker/bed.h"
#include "../broker/lasting_tap.h"
#include "frontend.h"
#include "plug.h"
#include "traffic.h"

#define PORT	  BUILD_DIR "/host/vhost/virtmesh-port"
#define LOG	  "/run/run.log"
#define NOBODY	  65534
#define WORDS_MAX 32

FIXTURE(startup)
{
	struct plug plug;
	struct fe fe;
	pid_t pid; /* of run() */
};

FIXTURE_SETUP(startup)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	memset(self, 0, sizeof(*self));
	self->fe.sock = -1;
	ASSERT_EQ(0, bed_enter());
	ASSERT_EQ(0, bed_virtmesh("ensemble add 1"));
	ASSERT_EQ(0, bed_virtmesh("port add vm1 --ensemble 1 --node 1"));
}

FIXTURE_TEARDOWN(startup)
{
	if (!BED_PASSED() && self->plug.log[0])
		plug_log_show(&self->plug);
	fe_close(&self->fe);
	if (self->plug.pid > 0)
		plug_end(&self->plug, SIGKILL);
	if (self->pid > 0) {
		kill(self->pid, SIGKILL);
		waitpid(self->pid, NULL, 0);
	}
}

/* The port with these words as options and nothing else, started by user @uid. */
static pid_t run_as(uid_t uid, const char *words)
{
	char copy[512], *argv[WORDS_MAX] = { PORT };
	unsigned int n = 1;
	pid_t pid = fork();
	int log, program;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* By its fd: the tree may lie where that user does not get. */
	program = open(PORT, O_PATH | O_CLOEXEC);
	snprintf(copy, sizeof(copy), "%s", words);
	for (char *w = strtok(copy, " "); w && n < WORDS_MAX - 1; w = strtok(NULL, " "))
		argv[n++] = w;
	log = open(LOG, O_CREAT | O_TRUNC | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
	dup2(log, STDERR_FILENO);
	dup2(log, STDOUT_FILENO);
	if (uid && (setgroups(0, NULL) || setgid(uid) || setuid(uid)))
		_exit(126);
	fexecve(program, argv, environ);
	_exit(127);
}

static pid_t run(const char *words)
{
	return run_as(0, words);
}

/* Its exit status; -1: none within FE_WAIT_MS, or a signal. */
static int wait_exit(pid_t pid)
{
	long long end = fe_now_ms() + FE_WAIT_MS;
	int status;

	while (!waitpid(pid, &status, WNOHANG)) {
		if (fe_now_ms() > end) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return -1;
		}
		poll(NULL, 0, 2);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(startup, becomes_who_it_is_told_to)
{
	ASSERT_EQ(0, plug_start(&self->plug, "vm1", "--lane own --user daemon"));
	ASSERT_EQ(0, fe_connect(&self->fe, self->plug.socket));
	EXPECT_EQ(0, fe_start(&self->fe));
	EXPECT_EQ(1, plug_status(&self->plug, "Uid", 10));
	self->pid = run("--tap vm1 --socket /run/x.sock --user nobody-of-this-name");
	EXPECT_EQ(1, wait_exit(self->pid));
	self->pid = 0;
}

TEST_F(startup, its_socket_is_its_users_and_of_the_directorys_group)
{
	/* With and without what makes a directory hand its group on. */
	static const mode_t modes[] = { 02770, 0770 };
	struct stat st;

	ASSERT_EQ(0, mkdir("/run/room", 0700));
	for (unsigned int i = 0; i < 2; i++) {
		ASSERT_EQ(0, chown("/run/room", 1, 4321));
		ASSERT_EQ(0, chmod("/run/room", modes[i]));
		self->pid = run("--tap vm1 --lane own --user daemon --socket /run/room/port.sock");
		ASSERT_EQ(0, fe_connect(&self->fe, "/run/room/port.sock"));
		EXPECT_EQ(0, fe_ping(&self->fe));
		ASSERT_EQ(0, stat("/run/room/port.sock", &st));
		EXPECT_EQ(1, st.st_uid);
		EXPECT_EQ(4321, st.st_gid);
		EXPECT_EQ(0660, st.st_mode & 07777);
		fe_close(&self->fe);
		kill(self->pid, SIGTERM);
		EXPECT_EQ(0, wait_exit(self->pid));
		self->pid = 0;
	}
}

TEST_F(startup, as_a_client_it_comes_again_whenever_the_front_end_has_gone)
{
	/* Nobody listens yet. */
	self->pid = run("--tap vm1 --connect /run/vmm.sock --lane own --user root");
	for (unsigned int i = 0; i < 4; i++) {
		ASSERT_EQ(0, fe_accept(&self->fe, "/run/vmm.sock"));
		ASSERT_EQ(0, fe_start(&self->fe));
		ASSERT_EQ(0, traffic_out(&self->fe, 100));
		fe_close(&self->fe);
	}
	kill(self->pid, SIGTERM);
	EXPECT_EQ(0, wait_exit(self->pid));
	self->pid = 0;
}

TEST_F(startup, as_a_client_it_does_not_hammer_on_a_door_that_is_shut)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "/run/vmm.sock" };
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct pollfd p = { .fd = sock, .events = POLLIN };
	long long end;
	int n = 0;

	ASSERT_EQ(0, bind(sock, (struct sockaddr *)&addr, sizeof(addr)));
	ASSERT_EQ(0, listen(sock, 8));
	self->pid = run("--tap vm1 --connect /run/vmm.sock --lane own --user root");
	ASSERT_EQ(1, poll(&p, 1, FE_WAIT_MS));
	/* Cut off each time it comes: 20 ms later at first, then 40, 80, .. */
	for (end = fe_now_ms() + 1000; fe_now_ms() < end;) {
		if (poll(&p, 1, end > fe_now_ms() ? end - fe_now_ms() : 0) == 1) {
			close(accept(sock, NULL, NULL));
			n++;
		}
	}
	printf("# came %d times in a second\n", n);
	EXPECT_LT(1, n);
	EXPECT_GT(10, n);
	close(sock);
}

TEST_F(startup, sigterm_ends_it_with_0_and_the_next_one_takes_its_socket_over)
{
	for (unsigned int i = 0; i < 2; i++) {
		int status;

		self->pid = run("--tap vm1 --socket /run/port.sock --lane own");
		ASSERT_EQ(0, fe_connect(&self->fe, "/run/port.sock"));
		ASSERT_EQ(0, fe_start(&self->fe));
		ASSERT_EQ(0, traffic_out(&self->fe, 100));
		kill(self->pid, i ? SIGINT : SIGTERM);
		status = wait_exit(self->pid);
		self->pid = 0;
		EXPECT_EQ(0, status);
		EXPECT_EQ(0, fe_wait_cut(&self->fe));
		fe_close(&self->fe);
		EXPECT_TRUE(file_has(LOG, "event=stopped status=0"));
	}
}

TEST_F(startup, a_socket_that_somebody_listens_on_is_not_taken_away)
{
	ASSERT_EQ(0, bed_virtmesh("port add vm2 --ensemble 1 --node 2"));
	ASSERT_EQ(0, plug_start(&self->plug, "vm1", "--lane own"));
	ASSERT_EQ(0, fe_connect(&self->fe, self->plug.socket));
	ASSERT_EQ(0, fe_start(&self->fe));
	self->pid = run("--tap vm2 --socket /run/vm1.sock --lane own");
	EXPECT_EQ(1, wait_exit(self->pid));
	self->pid = 0;
	EXPECT_TRUE(file_has(LOG, "Address already in use"));
	/* Nor is a file that is no socket. */
	self->pid = run("--tap vm2 --socket /run/vm1.log --lane own");
	EXPECT_EQ(1, wait_exit(self->pid));
	self->pid = 0;
	EXPECT_EQ(0, fe_ping(&self->fe));
	EXPECT_TRUE(plug_log_has(&self->plug, "event=ready"));
}

TEST_F(startup, a_port_that_is_none_or_somebody_elses_is_refused)
{
	ASSERT_EQ(0, plug_start(&self->plug, "vm1", "--lane own"));
	ASSERT_EQ(0, fe_connect(&self->fe, self->plug.socket));
	self->pid = run("--tap vm1 --socket /run/x.sock --lane own");
	EXPECT_EQ(1, wait_exit(self->pid));
	EXPECT_TRUE(file_has(LOG, "Device or resource busy"));
	self->pid = run("--tap vm9 --socket /run/x.sock --lane own");
	EXPECT_EQ(1, wait_exit(self->pid));
	EXPECT_TRUE(file_has(LOG, "No such file or directory"));
	EXPECT_TRUE(file_has(LOG, "reason=\"no broker answers"));
	self->pid = run("--tap vmesh0 --socket /run/x.sock --lane own");
	EXPECT_EQ(1, wait_exit(self->pid));
	self->pid = run("--tap lo --socket /run/x.sock --lane own");
	EXPECT_EQ(1, wait_exit(self->pid));
	self->pid = run("--tap lo --mac 02:00:00:00:00:01 --socket /run/x.sock --lane own");
	EXPECT_EQ(1, wait_exit(self->pid));
	self->pid = 0;
	EXPECT_NE(0, access("/run/x.sock", F_OK));
}

TEST_F(startup, asks_the_broker_for_its_tap_where_there_is_one)
{
	struct broker_proc broker;

	ASSERT_EQ(0, bed_broker(&broker, ""));
	ASSERT_EQ(0, plug_start(&self->plug, "vm1", "--lane own"));
	ASSERT_EQ(0, fe_connect(&self->fe, self->plug.socket));
	EXPECT_EQ(0, fe_start(&self->fe));
	EXPECT_TRUE(plug_log_wait(&self->plug, "from=broker mac=02:4d:00:01:00:01 mtu=3366"));
	self->pid = run("--tap vm9 --socket /run/x.sock --lane own");
	EXPECT_EQ(1, wait_exit(self->pid));
	self->pid = 0;
	EXPECT_TRUE(file_has(LOG, "No such file or directory"));
	/* It needs the broker no more. */
	bed_broker_end(&broker, SIGKILL);
	EXPECT_EQ(0, traffic_out(&self->fe, 100));
}

/* A /dev in which vhost-net is there, and can be opened by nobody. */
static int dev_without_vhost(void)
{
	if (mkdir("/run/dev", 0755) || mkdir("/run/dev/net", 0755) ||
	    mkdir("/run/dev/vhost-net", 0755) ||
	    mknod("/run/dev/null", S_IFCHR | 0666, makedev(1, 3)) ||
	    mknod("/run/dev/net/tun", S_IFCHR | 0666, makedev(10, 200)))
		return -1;
	return mount("/run/dev", "/dev", NULL, MS_BIND, NULL);
}

TEST_F(startup, says_why_it_has_no_kernel_lane)
{
	struct broker_proc broker;

	ASSERT_EQ(0, dev_without_vhost());
	/* Its own trial, then the broker's. */
	for (unsigned int i = 0; i < 2; i++) {
		if (i)
			ASSERT_EQ(0, bed_broker(&broker, ""));
		ASSERT_EQ(0, plug_start(&self->plug, "vm1", ""));
		EXPECT_TRUE(plug_log_wait(&self->plug, i ? "from=broker" : "from=maps"));
		EXPECT_TRUE(plug_log_has(&self->plug,
					 "lane=own reason=\"/dev/vhost-net: Is a directory\""));
		ASSERT_EQ(0, plug_end(&self->plug, SIGTERM));
	}
	bed_broker_end(&broker, SIGKILL);
}

TEST_F(startup, serves_a_tap_that_is_no_port_of_a_mesh)
{
	unsigned char config[12];

	/* sysfs shows the interfaces of the namespace it was mounted in. */
	ASSERT_EQ(0, mount("sysfs", "/sys", "sysfs", 0, NULL));
	ASSERT_EQ(0, tap_create("plain", 1, 1400));
	ASSERT_EQ(0, plug_start(&self->plug, "plain", "--lane own --mac 02:00:00:00:00:07"));
	ASSERT_EQ(0, fe_connect(&self->fe, self->plug.socket));
	ASSERT_EQ(0, fe_start(&self->fe));
	ASSERT_EQ(0, fe_get_config(&self->fe, 0, sizeof(config), config));
	EXPECT_EQ(7, config[5]);
	EXPECT_EQ(1400, config[10] | config[11] << 8);
	EXPECT_EQ(0, traffic_out(&self->fe, 1000));
	/* The tap is this user's: who serves it is he. */
	EXPECT_EQ(1, plug_status(&self->plug, "Uid", 10));
}

TEST_F(startup, started_by_the_taps_owner_who_is_not_root)
{
	struct plug plug = {};

	/* Whoever may open this, as udev has it; not every machine runs udev. */
	ASSERT_EQ(0, mknod("/run/tun", S_IFCHR, makedev(10, 200)));
	ASSERT_EQ(0, chmod("/run/tun", 0666));
	ASSERT_EQ(0, mount("/run/tun", "/dev/net/tun", NULL, MS_BIND, NULL));
	ASSERT_EQ(0, tap_create("mine", NOBODY, 1500));
	ASSERT_EQ(0, mkdir("/run/mine", 0700));
	ASSERT_EQ(0, chown("/run/mine", NOBODY, NOBODY));
	self->pid = run_as(NOBODY, "--tap mine --mac 02:00:00:00:00:07 --lane own "
				   "--socket /run/mine/port.sock");
	ASSERT_EQ(0, fe_connect(&self->fe, "/run/mine/port.sock"));
	ASSERT_EQ(0, fe_start(&self->fe));
	ASSERT_EQ(0, traffic_out(&self->fe, 100));
	plug.pid = self->pid;
	EXPECT_EQ(0, plug_status(&plug, "CapEff", 16));
	EXPECT_EQ(1, plug_status(&plug, "NoNewPrivs", 10));
	EXPECT_EQ(2, plug_status(&plug, "Seccomp", 10));
	kill(self->pid, SIGTERM);
	EXPECT_EQ(0, wait_exit(self->pid));
	/* The directory is its own: its socket has gone with it. */
	EXPECT_NE(0, access("/run/mine/port.sock", F_OK));
	self->pid = run_as(NOBODY, "--tap vm1 --lane own --socket /run/mine/port.sock");
	EXPECT_EQ(1, wait_exit(self->pid));
	self->pid = 0;
}

TEST_F(startup, one_queue_pair_offers_no_multiqueue)
{
	uint64_t value;

	ASSERT_EQ(0, plug_start(&self->plug, "vm1", "--lane own --queues 1"));
	ASSERT_EQ(0, fe_connect(&self->fe, self->plug.socket));
	ASSERT_EQ(0, fe_get_u64(&self->fe, FE_GET_FEATURES, &value));
	EXPECT_EQ(0, value & FE_BIT(22));
	ASSERT_EQ(0, fe_get_u64(&self->fe, FE_GET_QUEUE_NUM, &value));
	EXPECT_EQ(1, value);
	ASSERT_EQ(0, fe_start(&self->fe));
	EXPECT_EQ(-EREMOTEIO, fe_ask_state(&self->fe, FE_SET_VRING_NUM, 2, 256));
	EXPECT_EQ(0, traffic_out(&self->fe, 100));
}

TEST_F(startup, wrong_words_end_it_with_2)
{
	static const char *const words[] = {
		"",
		"--tap vm1",
		"--socket /run/x.sock",
		"--tap vm1 --socket /run/x.sock --connect /run/y.sock",
		"--tap vm1 --socket /run/x.sock more",
		"--tap vm1 --socket /run/x.sock --queues 0",
		"--tap vm1 --socket /run/x.sock --queues 3",
		"--tap vm1 --socket /run/x.sock --queues 1x",
		"--tap vm1 --socket /run/x.sock --poll-us -1",
		"--tap vm1 --socket /run/x.sock --poll-us 100001",
		"--tap vm1 --socket /run/x.sock --lane both",
		"--tap vm1 --socket /run/x.sock --mtu 1500",
		"--tap vm1 --socket /run/x.sock --mac 01:00:00:00:00:01",
		"--tap vm1 --socket /run/x.sock --mac 02:00:00:00:00",
		"--tap vm1 --socket /run/x.sock --mac 02:00:00:00:00:01:02",
		"--tap vm1 --socket /run/x.sock --log-level loud",
		"--no-such-option",
	};
	char longest[256];

	for (unsigned int i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		int status = wait_exit(run(words[i]));

		if (status != 2)
			printf("# %d: %s\n", status, words[i]);
		EXPECT_EQ(2, status);
	}
	EXPECT_EQ(0, wait_exit(run("--version")));
	EXPECT_EQ(0, wait_exit(run("--help")));
	/* Longer than a socket's name may be. */
	snprintf(longest, sizeof(longest), "--tap vm1 --socket /run/%0120d", 0);
	EXPECT_EQ(1, wait_exit(run(longest)));
	if (access("/dev/vhost-net", F_OK))
		EXPECT_EQ(1, wait_exit(run("--tap vm1 --socket /run/x.sock --lane kernel")));
}

TEST_HARNESS_MAIN
