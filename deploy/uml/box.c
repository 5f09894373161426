// SPDX-License-Identifier: GPL-2.0-only
/*
 * uml-box: run one User-Mode Linux guest so that it can do no harm and leave
 * nothing behind.
 *
 *	uml-box PROGRAM [ARG]...
 *
 * Theory of operation
 *
 * The guest's kernel is a process of ours, and the guest's root is the host's, by
 * hostfs. So it gets a mount namespace in which every mount is read-only, which
 * holds against the guest's root and against a guest that has taken over its
 * kernel's process. Only /dev/shm is writable, fresh and empty: the guest's memory
 * is an unlinked file there. Descriptors that are open already are not affected.
 *
 * It gets a process namespace too, since its kernel keeps one process for each
 * address space. This program waits outside, and a first process inside: when
 * either is killed, by whatever signal, the kernel takes all of them along.
 *
 * Exit status: the guest's own; 128 and the signal that ended it; 125 when it
 * could not be started.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_BOX     125
#define GUEST_MEMORY "/dev/shm"

static volatile sig_atomic_t inside; /* the first process of the namespace */

/* Asked to end: so does the namespace, and with its first process all others. */
static void on_end(int sig)
{
	if (inside > 0)
		kill(inside, SIGKILL);
}

static void close_the_host(void)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };

	if (unshare(CLONE_NEWNS | CLONE_NEWPID))
		err(EXIT_BOX, "cannot make namespaces");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		err(EXIT_BOX, "cannot make the mounts private");
	/* By number: glibc has it since 2.36 only, the kernel since 5.12. */
	if (syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &ro, sizeof(ro)))
		err(EXIT_BOX, "cannot make the mounts read-only");
	if (mount("uml-box", GUEST_MEMORY, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700"))
		err(EXIT_BOX, "cannot mount a tmpfs on %s", GUEST_MEMORY);
}

static int outcome(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* The namespace's first process: it reaps, and ends with the guest. */
static int first_process(char **argv)
{
	pid_t guest, pid;
	int status;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	guest = fork();
	if (guest < 0)
		err(EXIT_BOX, "fork");
	if (!guest) {
		/* Its kernel wants a home for its own files. */
		setenv("HOME", GUEST_MEMORY, 1);
		setenv("TMPDIR", GUEST_MEMORY, 1);
		execv(argv[0], argv);
		err(EXIT_BOX, "%s", argv[0]);
	}
	while ((pid = wait(&status)) != guest) {
		if (pid < 0)
			err(EXIT_BOX, "wait");
	}
	return outcome(status);
}

int main(int argc, char **argv)
{
	struct sigaction end = { .sa_handler = on_end, .sa_flags = SA_RESTART };
	sigset_t ends;
	int status;
	pid_t pid;

	if (argc < 2 || argv[1][0] == '-') {
		fprintf(stderr, "usage: uml-box PROGRAM [ARG]...\n");
		return 2;
	}

	close_the_host();
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	/* One that comes too early waits until there is somebody to end. */
	sigprocmask(SIG_BLOCK, &ends, NULL);
	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGINT, &end, NULL);
	pid = fork();
	if (pid < 0)
		err(EXIT_BOX, "fork");
	if (!pid) {
		signal(SIGTERM, SIG_DFL);
		signal(SIGINT, SIG_DFL);
		sigprocmask(SIG_UNBLOCK, &ends, NULL);
		return first_process(argv + 1);
	}
	inside = pid;
	sigprocmask(SIG_UNBLOCK, &ends, NULL);
	/* By now nothing of the namespace is left. */
	while (waitpid(pid, &status, 0) < 0)
		;
	return outcome(status);
}
