// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend.h"
#include "plug.h"

#define PROGRAM	  BUILD_DIR "/host/vhost/virtmesh-port"
#define WORDS_MAX 32
#define LOG_SHOWN 1200L /* bytes */

/*
 * A port changes its user, which makes the kernel forget that it was to die with
 * us. So it runs in a process namespace, whose first process does die with us and
 * takes it along.
 */
static int ns_ours = -1, ns_theirs = -1;

static int make_namespace(void)
{
	char path[64], byte;
	int armed[2];
	pid_t init;

	ns_ours = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	if (ns_ours < 0 || pipe2(armed, O_CLOEXEC) || unshare(CLONE_NEWPID))
		return -errno;
	init = fork();
	if (init < 0)
		return -errno;
	if (!init) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGCHLD, SIG_IGN);
		close(armed[0]);
		close(armed[1]);
		for (;;)
			pause();
	}
	/* Were we to end before it has asked for that, it would never. */
	close(armed[1]);
	if (read(armed[0], &byte, 1))
		return -EPROTO;
	close(armed[0]);
	snprintf(path, sizeof(path), "/proc/%d/ns/pid", init);
	ns_theirs = open(path, O_RDONLY | O_CLOEXEC);
	return ns_theirs < 0 ? -errno : 0;
}

/* A child in there; we stay here, and may make threads. */
static pid_t fork_inside(void)
{
	int err = ns_theirs < 0 ? make_namespace() : 0;
	pid_t pid;

	if (err || setns(ns_theirs, CLONE_NEWPID))
		return -1;
	pid = fork();
	if (pid && setns(ns_ours, CLONE_NEWPID))
		abort();
	return pid;
}

static void run(const struct plug *plug, char *options)
{
	char *argv[WORDS_MAX] = { PROGRAM, "--tap", (char *)plug->tap, "--socket",
				  (char *)plug->socket };
	unsigned int n = 5;
	int log = open(plug->log, O_CREAT | O_TRUNC | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);

	for (char *word = strtok(options, " "); word && n < WORDS_MAX - 1; word = strtok(NULL, " "))
		argv[n++] = word;
	argv[n] = NULL;
	dup2(log, STDERR_FILENO);
	dup2(log, STDOUT_FILENO);
	execv(PROGRAM, argv);
	_exit(127);
}

const char *plug_lane(void)
{
	const char *name = getenv("LANE");

	return name ? name : "own";
}

int plug_start(struct plug *plug, const char *tap, const char *options)
{
	char words[512];

	memset(plug, 0, sizeof(*plug));
	snprintf(plug->tap, sizeof(plug->tap), "%s", tap);
	snprintf(plug->socket, sizeof(plug->socket), "/run/%s.sock", plug->tap);
	snprintf(plug->log, sizeof(plug->log), "/run/%s.log", plug->tap);
	snprintf(words, sizeof(words), "%s", options);
	/* A socket that is there is one that can be connected to. */
	unlink(plug->socket);
	plug->pid = fork_inside();
	if (!plug->pid)
		run(plug, words);
	return plug->pid < 0 ? -errno : 0;
}

int plug_end(struct plug *plug, int sig)
{
	long long end = fe_now_ms() + FE_WAIT_MS;
	int status;

	if (sig)
		kill(plug->pid, sig);
	while (waitpid(plug->pid, &status, WNOHANG) == 0) {
		if (fe_now_ms() > end) {
			kill(plug->pid, SIGKILL);
			waitpid(plug->pid, &status, 0);
			plug->pid = 0;
			return -ETIMEDOUT;
		}
		poll(NULL, 0, 2);
	}
	plug->pid = 0;
	return status;
}

bool plug_runs(const struct plug *plug)
{
	siginfo_t info = { .si_pid = 0 };

	return plug->pid && !waitid(P_PID, plug->pid, &info, WEXITED | WNOHANG | WNOWAIT) &&
	       !info.si_pid;
}

long long plug_status(const struct plug *plug, const char *key, int base)
{
	char path[64], line[256];
	long long value = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", plug->pid);
	f = fopen(path, "re");
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ':')
			value = strtoll(line + strlen(key) + 1, NULL, base);
	fclose(f);
	return value;
}

int plug_fds(const struct plug *plug)
{
	char path[64];
	int n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", plug->pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	for (struct dirent *e = readdir(dir); e; e = readdir(dir))
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

bool file_has(const char *path, const char *text)
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

bool plug_log_has(const struct plug *plug, const char *text)
{
	return file_has(plug->log, text);
}

bool plug_log_wait(const struct plug *plug, const char *text)
{
	long long end = fe_now_ms() + FE_WAIT_MS;

	while (fe_now_ms() < end) {
		if (plug_log_has(plug, text))
			return true;
		poll(NULL, 0, 5);
	}
	return false;
}

void plug_log_show(const struct plug *plug)
{
	FILE *f = fopen(plug->log, "re");
	char line[1024];

	if (!f)
		return;
	/* Its end says most. */
	if (!fseek(f, -LOG_SHOWN, SEEK_END) && fgets(line, sizeof(line), f))
		printf("# %s: [..]\n", plug->tap);
	while (fgets(line, sizeof(line), f))
		printf("# %s: %s", plug->tap, line);
	fclose(f);
}
