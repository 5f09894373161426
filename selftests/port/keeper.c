// SPDX-License-Identifier: GPL-2.0-only
/*
 * What systemd does for a virtmesh-port, for tests and benches without it:
 *
 *	keeper PIDFILE PROGRAM [ARG]...
 *
 * Runs PROGRAM, keeps what it sends by FDSTORE=1, and when it is killed or fails
 * starts it again with that. A file that is kept already is not kept again, whatever
 * its new name; and one that has hung up is dropped, unless it came with FDPOLL=0. Its pid is in PIDFILE from when it has said READY=1
 * until it has ended. Ends with it when it exits with 0, or when it fails before
 * it was ready; SIGTERM and SIGHUP are passed on. Stays until its last child is
 * gone: kill it with SIGKILL and the port goes as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/kcmp.h>

#define KEPT_MAX 128
#define FIRST_FD 3

static struct kept {
	char name[64];
	int fd;
	bool poll;
} kept[KEPT_MAX];

static unsigned int nkept;
static bool ready;
static pid_t child;
static const char *pidfile;

static void die(const char *what)
{
	fprintf(stderr, "keeper: %s: %s\n", what, strerror(errno));
	exit(1);
}

static bool is_kept(int fd)
{
	for (unsigned int i = 0; i < nkept; i++)
		if (!syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, kept[i].fd, fd))
			return true;
	return false;
}

static void keep(const char *name, int fd, bool poll)
{
	if (nkept == KEPT_MAX || is_kept(fd)) {
		close(fd);
		return;
	}
	/* Above all that the next process gets them as: dup2() must not meet itself. */
	kept[nkept].fd = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FD + KEPT_MAX);
	close(fd);
	if (kept[nkept].fd < 0)
		die("keep");
	kept[nkept].poll = poll;
	snprintf(kept[nkept++].name, sizeof(kept[0].name), "%s", name);
}

static void drop_one(unsigned int i)
{
	close(kept[i].fd);
	memmove(&kept[i], &kept[i + 1], (nkept - i - 1) * sizeof(kept[0]));
	nkept--;
}

static void drop(const char *name)
{
	for (unsigned int i = 0; i < nkept;) {
		if (strcmp(kept[i].name, name))
			i++;
		else
			drop_one(i);
	}
}

/* Behind the @n others in @fds: what is to be dropped once it has hung up. How many in all. */
static unsigned int poll_kept(struct pollfd *fds, unsigned int n)
{
	for (unsigned int i = 0; i < nkept; i++)
		fds[n++] = (struct pollfd){ .fd = kept[i].poll ? kept[i].fd : -1 };
	return n;
}

static void drop_hung_up(const struct pollfd *fds)
{
	for (unsigned int i = nkept; i-- > 0;)
		if (fds[i].revents & (POLLHUP | POLLERR))
			drop_one(i);
}

/* Seen by others whole or not at all. */
static void write_pid(void)
{
	char work[256];
	FILE *f;

	snprintf(work, sizeof(work), "%s.new", pidfile);
	f = fopen(work, "we");
	if (!f)
		die(work);
	fprintf(f, "%d\n", child);
	fclose(f);
	if (rename(work, pidfile))
		die(pidfile);
}

/* One datagram; false: there was none. */
static bool take_message(int sock)
{
	char text[512], *line, *save = NULL;
	char name[64] = "stored";
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = text, .iov_len = sizeof(text) - 1 };
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	bool store = false, remove = false, poll = true;
	struct cmsghdr *cmsg;
	ssize_t n;
	int fd = -1;

	n = recvmsg(sock, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return false;
	text[n] = '\0';
	cmsg = CMSG_FIRSTHDR(&mh);
	if (cmsg && cmsg->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (!strcmp(line, "FDSTORE=1"))
			store = true;
		else if (!strcmp(line, "FDSTOREREMOVE=1"))
			remove = true;
		else if (!strcmp(line, "FDPOLL=0"))
			poll = false;
		else if (!strncmp(line, "FDNAME=", 7))
			snprintf(name, sizeof(name), "%s", line + 7);
		else if (!strcmp(line, "READY=1"))
			ready = true;
	}
	if (remove)
		drop(name);
	if (store && fd >= 0)
		keep(name, fd, poll);
	else if (fd >= 0)
		close(fd);
	return true;
}

static void run(char **argv)
{
	char names[KEPT_MAX * 64] = "", *at = names, number[16];
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned int i = 0; i < nkept; i++) {
		at += sprintf(at, "%s%s", i ? ":" : "", kept[i].name);
		if (dup2(kept[i].fd, FIRST_FD + i) < 0)
			_exit(127);
	}
	snprintf(number, sizeof(number), "%u", nkept);
	setenv("LISTEN_FDS", number, 1);
	setenv("LISTEN_FDNAMES", names, 1);
	snprintf(number, sizeof(number), "%d", getpid());
	setenv("LISTEN_PID", number, 1);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv(argv[0], argv);
	_exit(127);
}

static void start(char **argv)
{
	ready = false;
	child = fork();
	if (child < 0)
		die("fork");
	if (!child)
		run(argv);
}

static int notify_socket(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s.notify", pidfile);
	unlink(addr.sun_path);
	if (sock < 0 || bind(sock, (struct sockaddr *)&addr, sizeof(addr)))
		die(addr.sun_path);
	setenv("NOTIFY_SOCKET", addr.sun_path, 1);
	return sock;
}

/* The child has ended: -1 to go on with the next one, else how we end. */
static int ended(int status, char **argv)
{
	unlink(pidfile);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (!ready) {
		fprintf(stderr, "keeper: %s ended with %#x before it was ready\n", argv[0], status);
		return 1;
	}
	start(argv);
	return -1;
}

int main(int argc, char **argv)
{
	struct signalfd_siginfo info;
	struct pollfd fds[2 + KEPT_MAX];
	sigset_t set;
	int status, end;

	if (argc < 3) {
		fprintf(stderr, "usage: keeper PIDFILE PROGRAM [ARG]...\n");
		return 2;
	}
	pidfile = argv[1];
	unlink(pidfile);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fds[0] = (struct pollfd){ .fd = notify_socket(), .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
				  .events = POLLIN };
	start(argv + 2);
	for (;;) {
		bool was_ready = ready;

		if (poll(fds, poll_kept(fds, 2), -1) < 0 && errno != EINTR)
			die("poll");
		drop_hung_up(fds + 2);
		/* What it said comes before that it died, as with systemd. */
		while (take_message(fds[0].fd))
			;
		if (ready && !was_ready)
			write_pid();
		while (read(fds[1].fd, &info, sizeof(info)) == sizeof(info))
			if (info.ssi_signo != SIGCHLD)
				kill(child, info.ssi_signo);
		while (waitpid(-1, &status, WNOHANG) == child) {
			while (take_message(fds[0].fd))
				;
			end = ended(status, argv + 2);
			if (end >= 0)
				return end;
		}
	}
}
