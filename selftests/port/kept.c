// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend.h"
#include "kept.h"
#include "plug.h"

#define KEEPER	BUILD_DIR "/selftests/port/keeper"
#define PORT	BUILD_DIR "/host/vhost/virtmesh-port"
#define PIDFILE "/run/vm1.pid"
#define LOG	"/run/vm1.log"

pid_t kept_port(void)
{
	FILE *f = fopen(PIDFILE, "re");
	int pid = 0;

	if (f && fscanf(f, "%d", &pid) != 1)
		pid = 0;
	if (f)
		fclose(f);
	return pid;
}

pid_t kept_wait(pid_t old)
{
	long long end = fe_now_ms() + FE_WAIT_MS;
	pid_t pid = kept_port();

	while ((!pid || pid == old) && fe_now_ms() < end) {
		poll(NULL, 0, 2);
		pid = kept_port();
	}
	return pid == old ? 0 : pid;
}

pid_t kept_start_as(const char *words)
{
	char command[256];
	pid_t pid = fork();
	int log;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	log = open(LOG, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
	dup2(log, STDERR_FILENO);
	if (!words)
		execl(KEEPER, KEEPER, PIDFILE, PORT, "--socket", KEPT_SOCK, "--lane", plug_lane(),
		      "--tap", "vm1", NULL);
	snprintf(command, sizeof(command),
		 "exec " PORT " --socket " KEPT_SOCK " --lane %s $(cat %s)", plug_lane(), words);
	execl(KEEPER, KEEPER, PIDFILE, "/bin/sh", "-c", command, NULL);
	_exit(127);
}

pid_t kept_start(void)
{
	return kept_start_as(NULL);
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

int kept_end(pid_t keeper)
{
	pid_t pid = kept_port();
	int status;

	kill(keeper, SIGTERM);
	status = wait_keeper(keeper);
	/* One that hangs must not outlive the test: it is nobody's child then. */
	if (status == -ETIMEDOUT) {
		kill(keeper, SIGKILL);
		if (pid)
			kill(pid, SIGKILL);
		waitpid(keeper, NULL, 0);
	}
	return status;
}

/* Until the next one finds no room. */
static int fill_notify(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = PIDFILE ".notify" };
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err;

	if (sock < 0)
		return -errno;
	while (sendto(sock, "STATUS=", 7, 0, (struct sockaddr *)&addr, sizeof(addr)) >= 0)
		;
	err = errno;
	close(sock);
	return err == EAGAIN ? 0 : -err;
}

int kept_deaf(pid_t keeper, bool deaf)
{
	int status;

	if (kill(keeper, deaf ? SIGSTOP : SIGCONT))
		return -errno;
	if (!deaf)
		return 0;
	if (waitpid(keeper, &status, WUNTRACED) != keeper || !WIFSTOPPED(status))
		return -ECHILD;
	return fill_notify();
}

bool kept_log_has(const char *text)
{
	return file_has(LOG, text);
}

void kept_log_show(void)
{
	FILE *f = fopen(LOG, "re");
	char line[1024];

	while (f && fgets(line, sizeof(line), f))
		printf("# vm1: %s", line);
	if (f)
		fclose(f);
}
