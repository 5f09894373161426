// SPDX-License-Identifier: GPL-2.0-only
/*
 * The process while it serves: what it is left with, what it costs, the signals that
 * it goes on after. How it starts and ends is startup.c's.
 */
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "../broker/bed.h"
#include "frontend.h"
#include "plug.h"
#include "traffic.h"

#define NOBODY	   65534
#define MEMORY_MAX (8LL << 10) /* KiB, besides the guest's */

FIXTURE(process)
{
	struct plug plug;
	struct fe fe;
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

TEST_F(process, takes_less_than_8_mib_besides_the_guests_memory)
{
	long long kib;

	ASSERT_EQ(0, plug_start(&self->plug, "vm1", "--lane own"));
	ASSERT_EQ(0, fe_connect(&self->fe, self->plug.socket));
	self->fe.memory = 64 << 20;
	self->fe.num = 1024;
	self->fe.nrings = 4;
	ASSERT_EQ(0, fe_start(&self->fe));
	ASSERT_EQ(0, traffic_out(&self->fe, 5000));
	kib = own_memory(self->plug.pid);
	printf("# resident besides the guest's memory: %lld KiB\n", kib);
	EXPECT_LT(0, kib);
	EXPECT_GT(MEMORY_MAX, kib);
	/* And of a guest that has gone nothing is left mapped. */
	fe_close(&self->fe);
	ASSERT_TRUE(plug_log_wait(&self->plug, "event=front-end-gone"));
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
	EXPECT_EQ(0, traffic_out(&self->fe, 100));
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
	ASSERT_EQ(0, traffic_out(&self->fe, 1000));
	/* It may have to settle first; then a second without one switch. */
	do {
		before = switches(&self->plug);
		poll(NULL, 0, 1000);
		after = switches(&self->plug);
	} while (after != before && fe_now_ms() < end);
	EXPECT_LT(0, before);
	EXPECT_EQ(before, after);
}

/* Its CPU time stands still for a tenth of a second. */
static bool asleep(const struct plug *plug)
{
	struct timespec before, after;
	clockid_t clock;

	if (clock_getcpuclockid(plug->pid, &clock))
		return false;
	clock_gettime(clock, &before);
	poll(NULL, 0, 100);
	clock_gettime(clock, &after);
	return before.tv_sec == after.tv_sec && before.tv_nsec == after.tv_nsec;
}

TEST_F(process, sleeps_when_its_tap_has_gone_and_the_guest_starts_anew)
{
	long long end = fe_now_ms() + FE_WAIT_MS;
	struct fe *fe = &self->fe;
	uint16_t base;
	bool sleeps;

	ASSERT_EQ(0, plug_start(&self->plug, "vm1", "--lane own"));
	ASSERT_EQ(0, fe_connect(fe, self->plug.socket));
	ASSERT_EQ(0, fe_start(fe));
	ASSERT_EQ(0, traffic_out(fe, 100));
	ASSERT_EQ(0, system("ip link del vm1"));
	ASSERT_TRUE(plug_log_wait(&self->plug, "given up"));
	/* Its buffers are given back, and found again: nobody has a use for them. */
	ASSERT_EQ(0, fe_ring_stop(fe, 0, &base));
	ASSERT_NE(base, fe->ring[0].avail_idx);
	ASSERT_EQ(0, fe_ring_tell(fe, 0, base));
	ring_kick(&fe->ring[0]);
	ASSERT_EQ(0, fe_ping(fe));
	do
		sleeps = asleep(&self->plug);
	while (!sleeps && fe_now_ms() < end);
	EXPECT_TRUE(sleeps);
	/* What the guest sends comes back all the same. */
	EXPECT_EQ(0, traffic_out(fe, 1000));
}

TEST_F(process, signals_that_ask_for_something)
{
	ASSERT_EQ(0, plug_start(&self->plug, "vm1", "--lane own"));
	ASSERT_EQ(0, fe_connect(&self->fe, self->plug.socket));
	ASSERT_EQ(0, fe_start(&self->fe));
	ASSERT_EQ(0, traffic_out(&self->fe, 100));
	kill(self->plug.pid, SIGUSR1);
	EXPECT_TRUE(plug_log_wait(&self->plug, "event=stats"));
	/* Nobody would start it again: it stays. */
	kill(self->plug.pid, SIGHUP);
	EXPECT_TRUE(plug_log_wait(&self->plug, "no service manager"));
	EXPECT_EQ(0, traffic_out(&self->fe, 100));
	EXPECT_TRUE(plug_runs(&self->plug));
}

TEST_HARNESS_MAIN
