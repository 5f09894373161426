// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long `virtmesh port add` takes, for each of 256 ports in a row: the whole
 * command as a person runs it, with nothing else on the host's mesh. In a child
 * with network and mount namespaces of its own, so that nothing is left.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "figure.h"

#define PORTS	 256
#define LIMIT_MS 50

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

/* 0, or -errno; -EIO when the command failed, which has then said why. */
static int run(char *const argv[])
{
	posix_spawn_file_actions_t actions;
	int status, err;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	err = posix_spawn(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (err)
		return -err;
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -EIO;
}

static int isolate(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("sysfs", "/sys", "sysfs", 0, NULL) ||
	    mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL) || mount("tmpfs", "/run", "tmpfs", 0, NULL))
		return -errno;
	return 0;
}

/* In the child. Milliseconds of each into @took. */
static int measure(const char *command, double took[PORTS])
{
	char path[4096], name[16], node[16];
	char *add[9] = { path, "port", "add", name, "--ensemble", "1", "--node", node, NULL };
	char *ensemble[5] = { path, "ensemble", "add", "1", NULL };
	double start;
	int i, err;

	snprintf(path, sizeof(path), "%s", command);
	err = isolate();
	if (!err)
		err = run(ensemble);
	for (i = 0; !err && i < PORTS; i++) {
		snprintf(name, sizeof(name), "vm%d", i + 1);
		snprintf(node, sizeof(node), "%d", i + 1);
		start = now_ms();
		err = run(add);
		took[i] = now_ms() - start;
	}
	return err;
}

int bench_port_add(void)
{
	const char *out = getenv("O");
	double took[PORTS];
	struct figure figure = { .unit = "ms",
				 .baseline = "the limit",
				 .baseline_value = LIMIT_MS };
	char command[4096];
	int pipefd[2], status;
	ssize_t got;
	pid_t pid;

	if (!out)
		return -ENOENT; /* run by make, which says where it built */
	snprintf(command, sizeof(command), "%s/host/virtmesh", out);
	if (pipe(pipefd))
		return -errno;
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		status = measure(command, took);
		if (!status && write(pipefd[1], took, sizeof(took)) != sizeof(took))
			status = -EIO;
		_exit(-status);
	}
	close(pipefd[1]);
	got = read(pipefd[0], took, sizeof(took));
	close(pipefd[0]);
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	if (!WIFEXITED(status))
		return -EIO;
	if (WEXITSTATUS(status) || got != (ssize_t)sizeof(took))
		return WEXITSTATUS(status) ? -WEXITSTATUS(status) : -EIO;

	figure.name = "port add, 256 in a row, p50";
	figure.value = figure_percentile(took, PORTS, 50);
	figure.at_most = 1;
	figure_add(&figure);
	figure.name = "port add, 256 in a row, slowest";
	figure.value = took[PORTS - 1];
	figure_add(&figure);
	return 0;
}
