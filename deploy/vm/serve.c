// SPDX-License-Identifier: GPL-2.0-only
/*
 * vm-serve: do what the host asks a test guest for, at a device, for ever.
 *
 *	vm-serve DEVICE
 *
 *	host:	\nrun ID SECONDS BYTES SCRIPT\n, the script with an RS (036) for each \n
 *	guest:	\ndone ID STATUS BYTES\n, then its output of BYTES, both streams
 *
 * vm.sh is the other end. One request at a time; a script that takes longer than
 * SECONDS is killed, and has status 137. Background jobs outlive their request; what
 * they write later is thrown away.
 *
 * Who sends may be killed at any byte, and a serial line may lose one: a script that is
 * not of BYTES is not run, nor answered, and the next request begins a line of its own
 * whatever came before it. So does an answer, for a host that took only half of the last.
 *
 * It is process 1 of its guest: who loses his parent is waited for here. And it is no
 * script, which would start five processes for each request beside the shell: where a
 * process is dear, as in User-Mode Linux, that was most of what tests did.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SCRIPT	   "/tmp/.script"
#define SCRIPT_MAX (64u << 20)
#define LINE_ROOM  256 /* for what is in a line beside a script */
#define NEWLINE	   '\036' /* in a script: what stands for it */
#define EXIT_SERVE 126 /* the script could not be started */

#define LINE_MAX_BYTES (SCRIPT_MAX + LINE_ROOM)

struct line {
	char *text;
	size_t len, room;
};

/* The device, and what was read of it and is not used yet. */
static struct {
	int fd;
	size_t at, len;
	char buf[4096];
} dev;

static const char *device;

static void nothing(int sig)
{
}

/* The host's end may be closed for a while: wait for it to come back. */
static void open_device(void)
{
	if (dev.fd >= 0)
		close(dev.fd);
	dev.at = dev.len = 0;
	while ((dev.fd = open(device, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0)
		usleep(100000);
}

/* False: the host's end was closed. */
static bool fill(void)
{
	struct pollfd in = { .fd = dev.fd, .events = POLLIN };
	sigset_t none;
	ssize_t n;

	sigemptyset(&none);
	do {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	} while (ppoll(&in, 1, NULL, &none) < 0 && errno == EINTR);
	n = read(dev.fd, dev.buf, sizeof(dev.buf));
	dev.at = 0;
	dev.len = n > 0 ? n : 0;
	return n > 0;
}

static void append(struct line *line, const char *from, size_t len)
{
	if (len > LINE_MAX_BYTES - line->len)
		len = LINE_MAX_BYTES - line->len;
	if (line->len + len >= line->room) {
		line->room = 2 * (line->len + len) + LINE_ROOM;
		line->text = realloc(line->text, line->room);
		if (!line->text)
			err(1, "no room for a line of %zu bytes", line->len + len);
	}
	memcpy(line->text + line->len, from, len);
	line->len += len;
	line->text[line->len] = 0;
}

/* A line without its end; of one that is too long its beginning. */
static bool get_line(struct line *line)
{
	const char *from, *end;
	size_t n;

	do {
		if (dev.at == dev.len && !fill())
			return false;
		from = dev.buf + dev.at;
		end = memchr(from, '\n', dev.len - dev.at);
		n = end ? (size_t)(end - from) : dev.len - dev.at;
		append(line, from, n);
		dev.at += n + !!end;
	} while (!end);
	return true;
}

static bool put(const char *from, size_t len)
{
	while (len) {
		ssize_t n = write(dev.fd, from, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		from += n;
		len -= n;
	}
	return true;
}

static int save(char *script, size_t len)
{
	int fd = open(SCRIPT, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool all;
	char *c;

	if (fd < 0)
		return -errno;
	for (c = script; (c = memchr(c, NEWLINE, script + len - c)); c++)
		*c = '\n';
	all = write(fd, script, len) == (ssize_t)len;
	close(fd);
	return all ? 0 : -ENOSPC;
}

static int start(pid_t *pid, int output)
{
	char sh[] = "sh", script[] = SCRIPT;
	char *const argv[] = { sh, script, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none;
	int err;

	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, output, 1);
	posix_spawn_file_actions_adddup2(&files, output, 2);
	err = posix_spawnp(pid, "sh", &files, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return -err;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Until @pid has ended, killed after @seconds. SIGCHLD comes while it sleeps alone. */
static int await(pid_t pid, unsigned int seconds)
{
	int64_t end = now_ms() + seconds * 1000LL, left;
	sigset_t none;
	int status;
	pid_t one;

	sigemptyset(&none);
	for (;;) {
		while ((one = waitpid(-1, &status, WNOHANG)) > 0)
			if (one == pid)
				return WIFEXITED(status) ? WEXITSTATUS(status) :
							   128 + WTERMSIG(status);
		left = end - now_ms();
		if (left <= 0) {
			kill(pid, SIGKILL);
			left = 1000;
			end = now_ms() + left;
		}
		ppoll(NULL, 0,
		      &(struct timespec){ .tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000 },
		      &none);
	}
}

static bool answer(const char *id, int status, int output)
{
	char line[LINE_ROOM], buf[4096];
	struct stat st = { 0 };
	off_t at = 0;

	fstat(output, &st);
	snprintf(line, sizeof(line), "\ndone %.100s %d %lld\n", id, status, (long long)st.st_size);
	if (!put(line, strlen(line)))
		return false;
	while (at < st.st_size) {
		size_t left = st.st_size - at, n = left < sizeof(buf) ? left : sizeof(buf);

		/* Cut meanwhile by who wrote it: as many bytes as were announced. */
		memset(buf, 0, n);
		if (pread(output, buf, n, at) < 0 || !put(buf, n))
			return false;
		at += n;
	}
	return true;
}

/* Of @line, which need not be a request at all. False: do nothing about it. */
static bool request(const struct line *line, char id[LINE_ROOM], unsigned int *seconds,
		    char **script, unsigned int *bytes)
{
	int at;

	if (sscanf(line->text, "run %200s %u %u%n", id, seconds, bytes, &at) != 3 ||
	    line->text[at] != ' ')
		return false;
	*script = line->text + at + 1;
	return line->len - at - 1 == *bytes;
}

/* False: the device is to be opened anew. */
static bool serve_one(void)
{
	unsigned int seconds, bytes;
	struct line line = { 0 };
	char id[LINE_ROOM], *script;
	int output, error, status;
	bool there;
	pid_t pid;

	there = get_line(&line);
	if (!there || !request(&line, id, &seconds, &script, &bytes)) {
		free(line.text);
		return there;
	}
	output = memfd_create("output", MFD_CLOEXEC);
	if (output < 0)
		err(1, "no room for an output");
	error = save(script, bytes);
	free(line.text);
	error = error ?: start(&pid, output);
	if (error)
		dprintf(output, "vm-serve: %s\n", strerror(-error));
	status = error ? EXIT_SERVE : await(pid, seconds);
	there = answer(id, status, output);
	close(output);
	return there;
}

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = nothing };
	sigset_t child;

	if (argc != 2)
		errx(2, "usage: vm-serve DEVICE");
	device = argv[1];
	dev.fd = -1;
	sigaction(SIGCHLD, &act, NULL);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	for (;;) {
		open_device();
		while (serve_one())
			;
		usleep(100000);
	}
}
