// SPDX-License-Identifier: GPL-2.0-only
/*
 * A port that is started with what a service manager kept, and that is not of its own
 * kind: a state that is none, the listener of another socket. The manager here takes
 * whatever it is sent and keeps nothing, but a note of it.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "../broker/bed.h"
#include "frontend.h"
#include "plug.h"
#include "traffic.h"

#define PORT	 BUILD_DIR "/host/vhost/virtmesh-port"
#define LOG	 "/run/vm1.log"
#define SOCK	 "/run/vm1.sock"
#define OLD_SOCK "/run/old.sock"
#define MANAGER	 "/run/manager"
#define TOLD	 "/run/manager.told"

FIXTURE(fdstore)
{
	pid_t manager;
	struct plug given; /* the port of node 1, by start_with() */
	struct plug other; /* of node 2, which goes on */
	struct fe fe[TRAFFIC_ENDS];
	struct traffic traffic;
};

static pid_t start_manager(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = MANAGER };
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

FIXTURE_SETUP(fdstore)
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
	snprintf(options, sizeof(options), "--lane %s", plug_lane());
	ASSERT_EQ(0, plug_start(&self->other, "vm2", options));
	ASSERT_EQ(0, fe_connect(&self->fe[1], self->other.socket));
	ASSERT_EQ(0, fe_start(&self->fe[1]));
	self->manager = start_manager();
	ASSERT_LT(0, self->manager);
}

FIXTURE_TEARDOWN(fdstore)
{
	if (!strcmp(plug_lane(), "kernel"))
		EXPECT_FALSE(plug_log_has(&self->given, "lane=own"));
	if (!BED_PASSED()) {
		plug_log_show(&self->given);
		plug_log_show(&self->other);
	}
	fe_close(&self->fe[0]);
	fe_close(&self->fe[1]);
	if (self->given.pid > 0)
		plug_end(&self->given, SIGKILL);
	plug_end(&self->other, SIGTERM);
	if (self->manager > 0) {
		kill(self->manager, SIGKILL);
		waitpid(self->manager, NULL, 0);
	}
}

/* Run the port with @fd kept as @name, and the manager; @how: "--socket". */
static void start_with(struct plug *plug, const char *name, int fd, const char *how)
{
	char number[16];
	int log;

	snprintf(plug->tap, sizeof(plug->tap), "vm1");
	snprintf(plug->log, sizeof(plug->log), "%s", LOG);
	plug->pid = fork();
	if (plug->pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	log = open(LOG, O_CREAT | O_TRUNC | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
	dup2(log, STDERR_FILENO);
	dup2(fd, 3);
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_FDNAMES", name, 1);
	setenv("NOTIFY_SOCKET", MANAGER, 1);
	snprintf(number, sizeof(number), "%d", getpid());
	setenv("LISTEN_PID", number, 1);
	execl(PORT, PORT, "--tap", plug->tap, how, SOCK, "--lane", plug_lane(), NULL);
	_exit(127);
}

TEST_F(fdstore, a_state_that_is_none_is_not_believed)
{
	static const size_t sizes[] = { 0, 1, 4096, 1 << 20 };

	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		int fd = memfd_create("forged", MFD_CLOEXEC);

		ASSERT_EQ(0, ftruncate(fd, sizes[i]));
		unlink(SOCK);
		start_with(&self->given, "saved", fd, "--socket");
		close(fd);
		ASSERT_EQ(0, fe_connect(&self->fe[0], SOCK));
		ASSERT_EQ(0, fe_start(&self->fe[0]));
		self->traffic.sent[0] = self->traffic.got[1];
		self->traffic.sent[1] = self->traffic.got[0];
		ASSERT_EQ(0, traffic_pass(&self->traffic, 100));
		ASSERT_EQ(0, traffic_drain(&self->traffic));
		fe_close(&self->fe[0]);
		EXPECT_TRUE(plug_log_has(&self->given, "another version's state"));
		ASSERT_EQ(0, plug_end(&self->given, SIGTERM));
	}
}

/* What an earlier port listened on, at @path. */
static int old_listener(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(addr.sun_path, path);
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

TEST_F(fdstore, started_again_with_another_socket_it_listens_there_and_nowhere_else)
{
	int fd;

	/* What we listen on is for the port's user, too. */
	umask(0);
	for (unsigned int client = 0; client < 2; client++) {
		fd = old_listener(OLD_SOCK);
		ASSERT_LE(0, fd);
		unlink(SOCK);
		start_with(&self->given, "listen", fd, client ? "--connect" : "--socket");
		/* Held on to, as by the store. */
		ASSERT_EQ(0,
			  client ? fe_accept(&self->fe[0], SOCK) : fe_connect(&self->fe[0], SOCK));
		EXPECT_EQ(0, fe_start(&self->fe[0]));
		EXPECT_TRUE(wait_told("FDSTOREREMOVE=1 FDNAME=listen"));
		EXPECT_NE(0, access(OLD_SOCK, F_OK));
		fe_close(&self->fe[0]);
		ASSERT_EQ(0, plug_end(&self->given, SIGTERM));
		close(fd);
		unlink(OLD_SOCK);
		ASSERT_EQ(0, truncate(TOLD, 0));
	}
}

TEST_F(fdstore, started_again_when_the_file_of_its_socket_is_gone_it_listens_on_a_new_one)
{
	int fd;

	umask(0);
	fd = old_listener(SOCK);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, unlink(SOCK));
	start_with(&self->given, "listen", fd, "--socket");
	ASSERT_EQ(0, fe_connect(&self->fe[0], SOCK));
	EXPECT_EQ(0, fe_start(&self->fe[0]));
	EXPECT_TRUE(wait_told("FDSTOREREMOVE=1 FDNAME=listen"));
	EXPECT_TRUE(wait_told("FDSTORE=1 FDPOLL=0 FDNAME=listen"));
	close(fd);
}

/* Is @first in what the manager was told, and @then behind it, and not before? */
static bool told_in_order(const char *first, const char *then)
{
	char line[512];
	bool any = false, order = false;
	FILE *f = fopen(TOLD, "re");

	while (f && fgets(line, sizeof(line), f)) {
		if (strstr(line, first))
			any = true;
		else if (strstr(line, then))
			order = any;
	}
	if (f)
		fclose(f);
	return order;
}

/* Files are numbered from 1 on where the state begins afresh. */
TEST_F(fdstore, what_was_kept_of_a_state_that_is_gone_does_not_take_its_namesake_along)
{
	int old = memfd_create("old", MFD_CLOEXEC), listener;

	umask(0);
	listener = old_listener(SOCK);
	ASSERT_LE(0, listener);
	start_with(&self->given, "f1", old, "--connect");
	ASSERT_TRUE(wait_told("READY=1"));
	EXPECT_TRUE(told_in_order("FDSTOREREMOVE=1 FDNAME=f1", "FDSTORE=1 FDPOLL=0 FDNAME=f1"));
	close(listener);
	close(old);
}

TEST_HARNESS_MAIN
