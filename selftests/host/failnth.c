// SPDX-License-Identifier: GPL-2.0-only
/*
 * Run a command whose n-th syscall of those below fails, or kills it, or waits:
 *
 *	failnth N ERRNO|kill|wait REACHED COMMAND [ARG]...
 *
 * REACHED is a file, made when there was an n-th; "wait" goes on when it is removed. The exit status is the
 * command's, or 128 plus the signal's number.
 *
 * The syscalls are what changes things or asks about them: bpf, ioctl, sends
 * (netlink), socket, mkdir, mount, flock, and opens of directories and for
 * writing. They stop in seccomp and are let go or failed by us, without the
 * command's knowing, and with nothing of this in the command.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DATA(field) ((__u32)offsetof(struct seccomp_data, field))
#define STOP(nr)                                         \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1), \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF)

static struct sock_filter filter[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, DATA(nr)),
	STOP(__NR_bpf),
	STOP(__NR_flock),
	STOP(__NR_ioctl),
#ifdef __NR_mkdir
	STOP(__NR_mkdir),
#endif
	STOP(__NR_mkdirat),
	STOP(__NR_mount),
	STOP(__NR_sendmsg),
	STOP(__NR_sendto),
	STOP(__NR_socket),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_openat, 0, 3),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, DATA(args[2])),
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_WRONLY | O_RDWR | O_DIRECTORY, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static void die(const char *what)
{
	perror(what);
	exit(125);
}

/* In the child: stop at those syscalls from now on. Returns the listener. */
static int listen_to_self(void)
{
	struct sock_fprog prog = { sizeof(filter) / sizeof(filter[0]), filter };
	int fd;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		die("no_new_privs");
	fd = syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
		     &prog);
	if (fd < 0)
		die("seccomp");
	return fd;
}

/*
 * The listener's number goes through the pipe, and the parent takes the fd
 * itself: sending it would stop in the filter, with nobody to let it go.
 */
static void run(int pipe_fd, char **argv)
{
	int fd = listen_to_self();

	if (write(pipe_fd, &fd, sizeof(fd)) != sizeof(fd))
		_exit(125);
	/* Until the parent has it: the listener is closed when argv is executed. */
	if (read(pipe_fd, &fd, 1) != 1)
		_exit(125);
	execvp(argv[0], argv);
	_exit(127);
}

static int take_listener(pid_t child, int pipe_fd)
{
	int theirs, pidfd, fd;

	if (read(pipe_fd, &theirs, sizeof(theirs)) != sizeof(theirs))
		die("listener");
	pidfd = syscall(__NR_pidfd_open, child, 0);
	if (pidfd < 0)
		die("pidfd_open");
	fd = syscall(__NR_pidfd_getfd, pidfd, theirs, 0);
	if (fd < 0)
		die("pidfd_getfd");
	close(pidfd);
	if (write(pipe_fd, "", 1) != 1)
		die("go");
	return fd;
}

#define KILL 0
#define WAIT (-1)

static void wait_removed(const char *path)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	while (!access(path, F_OK))
		nanosleep(&pause, NULL);
}

static void serve(int listener, pid_t child, long n, int err, const char *reached)
{
	struct pollfd pfd = { .fd = listener, .events = POLLIN };
	long count = 0;

	for (;;) {
		struct seccomp_notif_resp resp = { 0 };
		struct seccomp_notif req = { 0 };

		if (poll(&pfd, 1, -1) < 0)
			die("poll");
		/* HUP: the last process with the filter has ended. */
		if (!(pfd.revents & POLLIN))
			return;
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &req))
			continue;
		resp.id = req.id;
		if (++count == n) {
			int fd = open(reached, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

			if (fd < 0)
				die(reached);
			dprintf(fd, "%d\n", req.data.nr);
			close(fd);
			if (err == KILL)
				kill(child, SIGKILL);
			else if (err == WAIT)
				wait_removed(reached);
			resp.error = err == WAIT ? 0 : -(err ?: EINTR);
		}
		if (!resp.error)
			resp.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		/* Fails when the command was killed meanwhile. */
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &resp);
	}
}

static int error_number(const char *name)
{
	if (!strcmp(name, "kill"))
		return KILL;
	if (!strcmp(name, "wait"))
		return WAIT;
	for (int i = 1; i < 134; i++) {
		const char *known = strerrorname_np(i);

		if (known && !strcmp(known, name))
			return i;
	}
	fprintf(stderr, "failnth: no errno is called %s\n", name);
	exit(125);
}

int main(int argc, char **argv)
{
	int pipe_fd[2], listener, status, err;
	pid_t child;

	if (argc < 5) {
		fprintf(stderr, "usage: failnth N ERRNO|kill|wait REACHED COMMAND [ARG]...\n");
		return 125;
	}
	err = error_number(argv[2]);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pipe_fd))
		die("socketpair");
	child = fork();
	if (child < 0)
		die("fork");
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run(pipe_fd[1], argv + 4);
	}
	close(pipe_fd[1]);
	listener = take_listener(child, pipe_fd[0]);
	serve(listener, child, strtol(argv[1], NULL, 10), err, argv[3]);
	if (waitpid(child, &status, 0) != child)
		die("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
