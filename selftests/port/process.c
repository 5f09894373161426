// SPDX-License-Identifier: GPL-2.0-only
/*
 * The process: how it starts and ends, what it is left with, what it costs.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include <virtmesh/types.h>

#include "../../host/tap.h"
#include "../broker/bed.h"
#include "frontend.h"
#include "plug.h"

#define PORT	   BUILD_DIR "/host/vhost/virtmesh-port"
#define LOG	   "/run/run.log"
#define NOBODY	   65534
#define MEMORY_MAX (8LL << 10) /* KiB, besides the guest's */
#define WORDS_MAX  32

FIXTURE(process)
{
	struct plug plug;
	struct fe fe;
	pid_t pid; /* of run() */
};

FIXTURE_SETUP(process)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	memset(self, 0, sizeof(*self));
	self->fe.sock = -1;
	ASSERT_EQ(0, bed_enter());
	ASSERT_EQ(0, bed_virtmesh("ensemble add 1"));
	ASSERT_EQ(0, bed_virtmesh("port add vm1 --ensemble 1 --node 1"));
}

FIXTURE_TEARDOWN(process)
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

static bool log_has(const char *text)
{
	FILE *f = fopen(LOG, "re");
	char line[1024];
	bool has = false;

	while (f && !has && fgets(line, sizeof(line), f))
		has = strstr(line, text);
	if (f)
		fclose(f);
	return has;
}

static bool wait_log(const struct plug *plug, const char *text)
{
	long long end = fe_now_ms() + FE_WAIT_MS;

	while (fe_now_ms() < end) {
		if (plug_log_has(plug, text))
			return true;
		poll(NULL, 0, 5);
	}
	return false;
}

/* Names in the directory that process @pid sees at @path. */
static unsigned int names_in(pid_t pid, const char *path, char *last, size_t size)
{
	char at[128];
	unsigned int n = 0;
	DIR *dir;

	snprintf(at, sizeof(at), "/proc/%d/root%s", pid, path);
	dir = opendir(at);
	for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(last, size, "%s", e->d_name);
		n++;
	}
	if (dir)
		closedir(dir);
	return n;
}

TEST_F(process, has_no_user_no_capability_no_file_in_sight_and_a_filter)
{
	struct plug *plug = &self->plug;
	char name[256] = "";
	struct stat st;

	ASSERT_EQ(0, plug_start(plug, "vm1", "--lane own"));
	ASSERT_EQ(0, fe_connect(&self->fe, plug->socket));
	ASSERT_EQ(0, fe_start(&self->fe));
	EXPECT_EQ(NOBODY, plug_status(plug, "Uid", 10));
	EXPECT_EQ(NOBODY, plug_status(plug, "Gid", 10));
	EXPECT_EQ(0, plug_status(plug, "Groups", 10) > 0);
	EXPECT_EQ(0, plug_status(plug, "CapInh", 16));
	EXPECT_EQ(0, plug_status(plug, "CapPrm", 16));
	EXPECT_EQ(0, plug_status(plug, "CapEff", 16));
	EXPECT_EQ(0, plug_status(plug, "CapBnd", 16));
	EXPECT_EQ(0, plug_status(plug, "CapAmb", 16));
	EXPECT_EQ(1, plug_status(plug, "NoNewPrivs", 10));
	EXPECT_EQ(2, plug_status(plug, "Seccomp", 10));
	EXPECT_EQ(1, plug_status(plug, "Threads", 10));
	/* The directory of its socket is all it sees. */
	EXPECT_EQ(1, names_in(plug->pid, "/", name, sizeof(name)));
	EXPECT_STREQ("socket", name);
	EXPECT_LE(1, names_in(plug->pid, "/socket", name, sizeof(name)));
	/* Not dumpable: what /proc has of it is root's. */
	snprintf(name, sizeof(name), "/proc/%d/mem", plug->pid);
	ASSERT_EQ(0, stat(name, &st));
	EXPECT_EQ(0, st.st_uid);
	/* Others may not connect. */
	ASSERT_EQ(0, stat(plug->socket, &st));
	EXPECT_EQ(0660, st.st_mode & 07777);
	EXPECT_EQ(NOBODY, st.st_uid);
}

TEST_F(process, becomes_who_it_is_told_to)
{
	ASSERT_EQ(0, plug_start(&self->plug, "vm1", "--lane own --user daemon"));
	ASSERT_EQ(0, fe_connect(&self->fe, self->plug.socket));
	EXPECT_EQ(0, fe_start(&self->fe));
	EXPECT_EQ(1, plug_status(&self->plug, "Uid", 10));
	self->pid = run("--tap vm1 --socket /run/x.sock --user nobody-of-this-name");
	EXPECT_EQ(1, wait_exit(self->pid));
	self->pid = 0;
}

TEST_F(process, its_socket_is_its_users_and_of_the_directorys_group)
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

/* KiB resident that are not the guest's. */
static long long own_memory(pid_t pid)
{
	char path[64], line[512];
	long long sum = 0, kib;
	bool guest = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	f = fopen(path, "re");
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		unsigned long from, to;

		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			guest = strstr(line, "memfd:guest");
		else if (!guest && sscanf(line, "Rss: %lld kB", &kib) == 1)
			sum += kib;
	}
	fclose(f);
	return sum;
}

/* Frames out of the guest, and as many that the device must throw away. */
static int frames_out(struct fe *fe, unsigned int n)
{
	unsigned char frame[1514] = { 2, 0x4d, 0, 1, 0, 9, 2, 0x4d, 0, 1, 0, 1, 0x88, 0xb6 };
	struct ring *tx = &fe->ring[1];

	for (unsigned int i = 0; i < n; i++) {
		while (ring_send(tx, frame, sizeof(frame)) == -ENOSPC) {
			int err;

			ring_kick_if_wanted(tx);
			err = ring_wait(tx, FE_WAIT_MS);
			if (err)
				return err;
		}
		ring_kick_if_wanted(tx);
	}
	return 0;
}

TEST_F(process, takes_less_than_8_mib_besides_the_guests_memory)
{
	long long kib;

	ASSERT_EQ(0, plug_start(&self->plug, "vm1", "--lane own"));
	ASSERT_EQ(0, fe_connect(&self->fe, self->plug.socket));
	self->fe.memory = 64 << 20;
	self->fe.num = 1024;
	self->fe.nrings = 4;
	ASSERT_EQ(0, fe_start(&self->fe));
	ASSERT_EQ(0, frames_out(&self->fe, 5000));
	kib = own_memory(self->plug.pid);
	printf("# resident besides the guest's memory: %lld KiB\n", kib);
	EXPECT_LT(0, kib);
	EXPECT_GT(MEMORY_MAX, kib);
	/* And of a guest that has gone nothing is left mapped. */
	fe_close(&self->fe);
	ASSERT_TRUE(wait_log(&self->plug, "event=front-end-gone"));
	EXPECT_GT(MEMORY_MAX, plug_status(&self->plug, "VmRSS", 10));
}

static bool maps_have(pid_t pid, const char *text)
{
	char path[64], line[512];
	bool has = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "re");
	while (f && !has && fgets(line, sizeof(line), f))
		has = strstr(line, text);
	if (f)
		fclose(f);
	return has;
}

#define HUGE_2MB   (21U << 26) /* of memfd_create() */
#define OVERCOMMIT "/proc/sys/vm/nr_overcommit_hugepages"

/* Let the kernel make so many huge pages more, when they are asked for. */
static int allow_huge_pages(int more)
{
	FILE *f = fopen(OVERCOMMIT, "r+e");
	int n, err = -1;

	if (!f)
		return -1;
	if (fscanf(f, "%d", &n) == 1) {
		rewind(f);
		err = fprintf(f, "%d\n", n + more) < 0;
	}
	return fclose(f) ? -1 : err;
}

TEST_F(process, memory_of_huge_pages_that_is_no_multiple_of_them_is_unmapped_whole)
{
	const size_t M = 1 << 20;
	struct fe_mem_reg reg = { .region = { .gpa = 0x80000000, .user = 0x10000000 } };
	int fd = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB | HUGE_2MB);
	void *probe = MAP_FAILED;

	/* Once it has been mapped, the file has its pages. */
	if (fd >= 0 && !ftruncate(fd, 4 * M) && !allow_huge_pages(2)) {
		probe = mmap(NULL, 4 * M, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		allow_huge_pages(-2);
	}
	if (probe == MAP_FAILED)
		SKIP(return, "no huge pages here");
	munmap(probe, 4 * M);
	ASSERT_EQ(0, plug_start(&self->plug, "vm1", "--lane own"));
	ASSERT_EQ(0, fe_connect(&self->fe, self->plug.socket));
	ASSERT_EQ(0, fe_start(&self->fe));
	for (unsigned int i = 0; i < 4; i++) {
		/* It begins, or ends, or both, in the middle of one. */
		reg.region.mmap_offset = (i & 1) * M;
		reg.region.size = (2 + (i >> 1)) * M - 4096;
		EXPECT_EQ(0, fe_ask(&self->fe, FE_ADD_MEM_REG, &reg, sizeof(reg), &fd, 1));
		EXPECT_TRUE(maps_have(self->plug.pid, "memfd:huge"));
		EXPECT_EQ(0, fe_ask(&self->fe, FE_REM_MEM_REG, &reg, sizeof(reg), NULL, 0));
		EXPECT_FALSE(maps_have(self->plug.pid, "memfd:huge"));
	}
	EXPECT_FALSE(plug_log_has(&self->plug, "event=unmap"));
	EXPECT_EQ(0, frames_out(&self->fe, 100));
	close(fd);
}

static long long switches(const struct plug *plug)
{
	return plug_status(plug, "voluntary_ctxt_switches", 10) +
	       plug_status(plug, "nonvoluntary_ctxt_switches", 10);
}

TEST_F(process, sleeps_without_waking_up_when_there_is_nothing_to_do)
{
	long long end = fe_now_ms() + FE_WAIT_MS, before, after = -1;

	ASSERT_EQ(0, plug_start(&self->plug, "vm1", "--lane own"));
	ASSERT_EQ(0, fe_connect(&self->fe, self->plug.socket));
	ASSERT_EQ(0, fe_start(&self->fe));
	ASSERT_EQ(0, frames_out(&self->fe, 1000));
	/* It may have to settle first; then a second without one switch. */
	do {
		before = switches(&self->plug);
		poll(NULL, 0, 1000);
		after = switches(&self->plug);
	} while (after != before && fe_now_ms() < end);
	EXPECT_LT(0, before);
	EXPECT_EQ(before, after);
}

TEST_F(process, as_a_client_it_comes_again_whenever_the_front_end_has_gone)
{
	/* Nobody listens yet. */
	self->pid = run("--tap vm1 --connect /run/vmm.sock --lane own --user root");
	for (unsigned int i = 0; i < 4; i++) {
		ASSERT_EQ(0, fe_accept(&self->fe, "/run/vmm.sock"));
		ASSERT_EQ(0, fe_start(&self->fe));
		ASSERT_EQ(0, frames_out(&self->fe, 100));
		fe_close(&self->fe);
	}
	kill(self->pid, SIGTERM);
	EXPECT_EQ(0, wait_exit(self->pid));
	self->pid = 0;
}

TEST_F(process, as_a_client_it_does_not_hammer_on_a_door_that_is_shut)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "/run/vmm.sock" };
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	long long end;
	int n = 0;

	ASSERT_EQ(0, bind(sock, (struct sockaddr *)&addr, sizeof(addr)));
	ASSERT_EQ(0, listen(sock, 8));
	self->pid = run("--tap vm1 --connect /run/vmm.sock --lane own --user root");
	/* Cut off each time it comes: 20 ms later at first, then 40, 80, .. */
	for (end = fe_now_ms() + 1000; fe_now_ms() < end; n++) {
		struct pollfd p = { .fd = sock, .events = POLLIN };

		if (poll(&p, 1, end > fe_now_ms() ? end - fe_now_ms() : 0) == 1)
			close(accept(sock, NULL, NULL));
	}
	printf("# came %d times in a second\n", n);
	EXPECT_LT(1, n);
	EXPECT_GT(10, n);
	close(sock);
}

TEST_F(process, sigterm_ends_it_with_0_and_the_next_one_takes_its_socket_over)
{
	for (unsigned int i = 0; i < 2; i++) {
		int status;

		self->pid = run("--tap vm1 --socket /run/port.sock --lane own");
		ASSERT_EQ(0, fe_connect(&self->fe, "/run/port.sock"));
		ASSERT_EQ(0, fe_start(&self->fe));
		ASSERT_EQ(0, frames_out(&self->fe, 100));
		kill(self->pid, i ? SIGINT : SIGTERM);
		status = wait_exit(self->pid);
		self->pid = 0;
		EXPECT_EQ(0, status);
		EXPECT_EQ(0, fe_wait_cut(&self->fe));
		fe_close(&self->fe);
		EXPECT_TRUE(log_has("event=stopped status=0"));
	}
}

TEST_F(process, a_socket_that_somebody_listens_on_is_not_taken_away)
{
	ASSERT_EQ(0, bed_virtmesh("port add vm2 --ensemble 1 --node 2"));
	ASSERT_EQ(0, plug_start(&self->plug, "vm1", "--lane own"));
	ASSERT_EQ(0, fe_connect(&self->fe, self->plug.socket));
	ASSERT_EQ(0, fe_start(&self->fe));
	self->pid = run("--tap vm2 --socket /run/vm1.sock --lane own");
	EXPECT_EQ(1, wait_exit(self->pid));
	self->pid = 0;
	EXPECT_TRUE(log_has("Address already in use"));
	/* Nor is a file that is no socket. */
	self->pid = run("--tap vm2 --socket /run/vm1.log --lane own");
	EXPECT_EQ(1, wait_exit(self->pid));
	self->pid = 0;
	EXPECT_EQ(0, fe_ping(&self->fe));
	EXPECT_TRUE(plug_log_has(&self->plug, "event=ready"));
}

TEST_F(process, a_port_that_is_none_or_somebody_elses_is_refused)
{
	ASSERT_EQ(0, plug_start(&self->plug, "vm1", "--lane own"));
	ASSERT_EQ(0, fe_connect(&self->fe, self->plug.socket));
	self->pid = run("--tap vm1 --socket /run/x.sock --lane own");
	EXPECT_EQ(1, wait_exit(self->pid));
	EXPECT_TRUE(log_has("Device or resource busy"));
	self->pid = run("--tap vm9 --socket /run/x.sock --lane own");
	EXPECT_EQ(1, wait_exit(self->pid));
	EXPECT_TRUE(log_has("No such file or directory"));
	self->pid = run("--tap vmesh0 --socket /run/x.sock --lane own");
	EXPECT_EQ(1, wait_exit(self->pid));
	self->pid = run("--tap lo --socket /run/x.sock --lane own");
	EXPECT_EQ(1, wait_exit(self->pid));
	self->pid = run("--tap lo --mac 02:00:00:00:00:01 --socket /run/x.sock --lane own");
	EXPECT_EQ(1, wait_exit(self->pid));
	self->pid = 0;
	EXPECT_NE(0, access("/run/x.sock", F_OK));
}

TEST_F(process, asks_the_broker_for_its_tap_where_there_is_one)
{
	struct broker_proc broker;

	ASSERT_EQ(0, bed_broker(&broker, ""));
	ASSERT_EQ(0, plug_start(&self->plug, "vm1", "--lane own"));
	ASSERT_EQ(0, fe_connect(&self->fe, self->plug.socket));
	EXPECT_EQ(0, fe_start(&self->fe));
	EXPECT_TRUE(wait_log(&self->plug, "from=broker mac=02:4d:00:01:00:01 mtu=3366"));
	self->pid = run("--tap vm9 --socket /run/x.sock --lane own");
	EXPECT_EQ(1, wait_exit(self->pid));
	self->pid = 0;
	EXPECT_TRUE(log_has("No such file or directory"));
	/* It needs the broker no more. */
	bed_broker_end(&broker, SIGKILL);
	EXPECT_EQ(0, frames_out(&self->fe, 100));
}

TEST_F(process, serves_a_tap_that_is_no_port_of_a_mesh)
{
	unsigned char config[12];

	/* sysfs shows the interfaces of the namespace it was mounted in. */
	ASSERT_EQ(0, mount("sysfs", "/sys", "sysfs", 0, NULL));
	ASSERT_EQ(0, vm_tap_create("plain", 1, 1400));
	ASSERT_EQ(0, plug_start(&self->plug, "plain", "--lane own --mac 02:00:00:00:00:07"));
	ASSERT_EQ(0, fe_connect(&self->fe, self->plug.socket));
	ASSERT_EQ(0, fe_start(&self->fe));
	ASSERT_EQ(0, fe_get_config(&self->fe, 0, sizeof(config), config));
	EXPECT_EQ(7, config[5]);
	EXPECT_EQ(1400, config[10] | config[11] << 8);
	EXPECT_EQ(0, frames_out(&self->fe, 1000));
	/* The tap is this user's: who serves it is he. */
	EXPECT_EQ(1, plug_status(&self->plug, "Uid", 10));
}

TEST_F(process, started_by_the_taps_owner_who_is_not_root)
{
	struct plug plug = {};

	/* Whoever may open this, as udev has it; not every machine runs udev. */
	ASSERT_EQ(0, mknod("/run/tun", S_IFCHR, makedev(10, 200)));
	ASSERT_EQ(0, chmod("/run/tun", 0666));
	ASSERT_EQ(0, mount("/run/tun", "/dev/net/tun", NULL, MS_BIND, NULL));
	ASSERT_EQ(0, vm_tap_create("mine", NOBODY, 1500));
	ASSERT_EQ(0, mkdir("/run/mine", 0700));
	ASSERT_EQ(0, chown("/run/mine", NOBODY, NOBODY));
	self->pid = run_as(NOBODY, "--tap mine --mac 02:00:00:00:00:07 --lane own "
				   "--socket /run/mine/port.sock");
	ASSERT_EQ(0, fe_connect(&self->fe, "/run/mine/port.sock"));
	ASSERT_EQ(0, fe_start(&self->fe));
	ASSERT_EQ(0, frames_out(&self->fe, 100));
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

TEST_F(process, one_queue_pair_offers_no_multiqueue)
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
	EXPECT_EQ(0, frames_out(&self->fe, 100));
}

TEST_F(process, signals_that_ask_for_something)
{
	ASSERT_EQ(0, plug_start(&self->plug, "vm1", "--lane own"));
	ASSERT_EQ(0, fe_connect(&self->fe, self->plug.socket));
	ASSERT_EQ(0, fe_start(&self->fe));
	ASSERT_EQ(0, frames_out(&self->fe, 100));
	kill(self->plug.pid, SIGUSR1);
	EXPECT_TRUE(wait_log(&self->plug, "event=stats"));
	/* Nobody would start it again: it stays. */
	kill(self->plug.pid, SIGHUP);
	EXPECT_TRUE(wait_log(&self->plug, "no service manager"));
	EXPECT_EQ(0, frames_out(&self->fe, 100));
	EXPECT_TRUE(plug_runs(&self->plug));
}

TEST_F(process, wrong_words_end_it_with_2)
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
