// SPDX-License-Identifier: GPL-2.0-only
/*
 * One loop over what can happen: a line comes, a child ends, a signal, the grace is
 * over. Each rank is a process group of its own, so that all it starts ends with it, and a
 * session: one that asks at a terminal, as ssh does, would be stopped there for ever, in
 * the background as it is; without one it says that it cannot.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "device.h"
#include "mesh.h"
#include "ranks.h"

#define GRACE_MS 2000
#define STREAMS	 2

struct job {
	struct mesh_rank *ranks;
	unsigned int n;
	unsigned int running;
	bool json;
	bool ending; /* the others have been told */
	int64_t kill_at; /* CLOCK_MONOTONIC ms; 0: they have been killed */
	int status;
	int signal_fd;
	sigset_t old_mask;
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* Bytes of the character that @s begins with, as Unicode's table 3-7 has them; 0: it is none. */
static size_t utf8_char(const unsigned char *s, size_t len)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	if (!n || n > len || s[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* Shorter ones say the same; surrogates; beyond the last. */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

/* A program may say anything, and JSON is UTF-8: each byte that is not is U+FFFD. */
static struct json_object *line_json(const char *line, size_t len)
{
	char text[3 * sizeof(((struct mesh_stream *)0)->line)];
	size_t fill = 0, n;

	for (; len; line += n, len -= n) {
		n = utf8_char((const unsigned char *)line, len);
		memcpy(text + fill, n ? line : "\xef\xbf\xbd", n ? n : 3);
		fill += n ? n : 3;
		n = n ? n : 1;
	}
	return json_object_new_string_len(text, (int)fill);
}

static void tell_line(const struct job *j, unsigned int rank, int which, const char *line,
		      size_t len)
{
	static const char *const names[STREAMS] = { "stdout", "stderr" };
	FILE *to = which ? stderr : stdout;
	struct json_object *o;

	if (!j->json) {
		fprintf(to, "[%u] ", rank);
		fwrite(line, 1, len, to);
		putc('\n', to);
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "rank", json_object_new_int64(rank));
	json_object_object_add(o, "stream", json_object_new_string(names[which]));
	json_object_object_add(o, "line", line_json(line, len));
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
}

/* The beginning of a line that does not end any more. */
static void tell_rest(const struct job *j, unsigned int rank, int which)
{
	struct mesh_stream *s = &j->ranks[rank].stream[which];

	if (s->fill)
		tell_line(j, rank, which, s->line, s->fill);
	s->fill = 0;
}

/* Whole lines at once, so that those of two ranks do not mix. */
static void read_stream(const struct job *j, unsigned int rank, int which)
{
	struct mesh_stream *s = &j->ranks[rank].stream[which];
	ssize_t got = read(s->fd, s->line + s->fill, sizeof(s->line) - s->fill);
	char *start = s->line, *end;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		tell_rest(j, rank, which);
		close(s->fd);
		s->fd = -1;
		return;
	}
	s->fill += (size_t)got;
	while ((end = memchr(start, '\n', s->fill))) {
		tell_line(j, rank, which, start, (size_t)(end - start));
		s->fill -= (size_t)(end - start) + 1;
		start = end + 1;
	}
	memmove(s->line, start, s->fill);
	if (s->fill == sizeof(s->line))
		tell_rest(j, rank, which);
	fflush(stdout);
}

static void signal_all(const struct job *j, int sig)
{
	for (unsigned int i = 0; i < j->n; i++)
		/* One that has just been started may not be a group yet. */
		if (j->ranks[i].pid && kill(-j->ranks[i].pid, sig))
			kill(j->ranks[i].pid, sig);
}

static void end_all(struct job *j, int status)
{
	if (j->ending)
		return;
	j->ending = true;
	j->status = status;
	j->kill_at = now_ms() + GRACE_MS;
	signal_all(j, SIGTERM);
}

static void tell_end(const struct job *j, unsigned int rank)
{
	struct json_object *o;

	if (!j->json) {
		if (j->ranks[rank].status)
			fprintf(stderr, "mesh: rank %u ended with status %d\n", rank,
				j->ranks[rank].status);
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "rank", json_object_new_int64(rank));
	json_object_object_add(o, "status", json_object_new_int(j->ranks[rank].status));
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
}

static void reap(struct job *j)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (unsigned int i = 0; i < j->n; i++) {
			struct mesh_rank *r = &j->ranks[i];

			if (r->pid != pid)
				continue;
			r->status = WIFEXITED(status) ? WEXITSTATUS(status) :
							128 + WTERMSIG(status);
			/* What it left behind in its group goes too. */
			kill(-pid, SIGKILL);
			r->pid = 0;
			j->running--;
			for (int s = 0; s < STREAMS; s++) {
				while (r->stream[s].fd >= 0) {
					struct pollfd p = { .fd = r->stream[s].fd,
							    .events = POLLIN };

					if (poll(&p, 1, 0) <= 0)
						break;
					read_stream(j, i, s);
				}
				/* Who was killed just now holds the pipe for a moment. */
				tell_rest(j, i, s);
			}
			tell_end(j, i);
			if (r->status)
				end_all(j, r->status);
		}
	}
}

static void child(const struct job *j, const struct mesh_rank *r, const int out[STREAMS])
{
	int nothing = open("/dev/null", O_RDONLY);

	setsid();
	sigprocmask(SIG_SETMASK, &j->old_mask, NULL);
	if (nothing < 0 || dup2(nothing, 0) < 0 || dup2(out[0], 1) < 0 || dup2(out[1], 2) < 0)
		_exit(126);
	for (int i = 0; r->env[i]; i++)
		putenv(r->env[i]);
	execvp(r->argv[0], r->argv);
	fprintf(stderr, "mesh: %s: %s\n", r->argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static int start(struct job *j, struct mesh_rank *r)
{
	int out[STREAMS], pipes[STREAMS][2];

	for (int s = 0; s < STREAMS; s++)
		r->stream[s].fd = -1;
	for (int s = 0; s < STREAMS; s++) {
		if (pipe2(pipes[s], O_CLOEXEC)) {
			int err = errno;

			while (s--)
				close(pipes[s][1]);
			return -err;
		}
		r->stream[s].fd = pipes[s][0];
		out[s] = pipes[s][1];
	}
	fflush(NULL);
	r->pid = fork();
	if (!r->pid)
		child(j, r, out);
	close(out[0]);
	close(out[1]);
	if (r->pid < 0) {
		r->pid = 0;
		return -errno;
	}
	j->running++;
	return 0;
}

static void loop(struct job *j)
{
	struct pollfd fds[1 + STREAMS * VIRTMESH_RANKS_MAX];
	unsigned int i;

	while (j->running) {
		int64_t left = j->kill_at ? j->kill_at - now_ms() : -1;
		struct signalfd_siginfo si;

		fds[0] = (struct pollfd){ .fd = j->signal_fd, .events = POLLIN };
		for (i = 0; i < j->n; i++)
			for (int s = 0; s < STREAMS; s++)
				fds[1 + STREAMS * i + s] =
					(struct pollfd){ .fd = j->ranks[i].stream[s].fd,
							 .events = POLLIN };
		if (j->kill_at && left <= 0) {
			signal_all(j, SIGKILL);
			j->kill_at = 0;
			left = -1;
		}
		if (poll(fds, 1 + STREAMS * j->n, (int)left) < 0)
			continue;
		for (i = 0; i < j->n; i++)
			for (int s = 0; s < STREAMS; s++)
				if (fds[1 + STREAMS * i + s].revents)
					read_stream(j, i, s);
		if (!fds[0].revents)
			continue;
		while (read(j->signal_fd, &si, sizeof(si)) == sizeof(si))
			if (si.ssi_signo != SIGCHLD)
				end_all(j, 128 + (int)si.ssi_signo);
		reap(j);
	}
}

int mesh_ranks_run(struct mesh_rank *ranks, unsigned int n, bool json)
{
	struct job j = { .ranks = ranks, .n = n, .json = json };
	sigset_t mask;
	int err;

	/* Ignored, as who started us may leave it, it would not come, and nobody be reaped. */
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigaddset(&mask, SIGHUP);
	sigaddset(&mask, SIGINT);
	/* Nobody reads any more: a reason to end the ranks, and not to leave them behind. */
	sigaddset(&mask, SIGPIPE);
	sigaddset(&mask, SIGQUIT);
	sigaddset(&mask, SIGTERM);
	/* Nothing may be missed between a look and the sleep. */
	sigprocmask(SIG_BLOCK, &mask, &j.old_mask);
	j.signal_fd = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
	if (j.signal_fd < 0)
		return mesh_fail(errno, "run");
	for (unsigned int i = 0; i < n; i++)
		for (int s = 0; s < STREAMS; s++)
			ranks[i].stream[s].fd = -1;
	for (unsigned int i = 0; i < n && !j.ending; i++) {
		err = start(&j, &ranks[i]);
		if (err)
			end_all(&j, mesh_fail(-err, "run"));
	}
	loop(&j);
	close(j.signal_fd);
	return j.status;
}
