// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bed.h"

#define WORDS	  32
#define LOG_SHOWN 16384L /* bytes: its end says most */

long long bed_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static const char *build_dir(void)
{
	const char *dir = getenv("O");

	return dir ? dir : BUILD_DIR;
}

int bed_enter(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS))
		return -errno;
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL) ||
	    mount("tmpfs", "/run", "tmpfs", 0, "mode=755"))
		return -errno;
	return 0;
}

/* In a child: become @argv[0] of the build, and die with the test. */
static void become(const char *program, char **argv)
{
	char path[512];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(path, sizeof(path), "%s/%s", build_dir(), program);
	execv(path, argv);
	dprintf(STDERR_FILENO, "# %s: %s\n", path, strerror(errno));
	_exit(127);
}

static int split(char *words, char **argv, const char *name)
{
	int n = 0;

	argv[n++] = (char *)name;
	for (char *w = strtok(words, " "); w && n < WORDS - 1; w = strtok(NULL, " "))
		argv[n++] = w;
	argv[n] = NULL;
	return n;
}

/* Its wait status; -ETIMEDOUT, and it is killed. */
static int wait_for(pid_t pid, int ms)
{
	struct pollfd pfd = { .events = POLLIN };
	int status, ended;

	pfd.fd = syscall(SYS_pidfd_open, pid, 0);
	if (pfd.fd < 0)
		return -errno;
	ended = poll(&pfd, 1, ms);
	close(pfd.fd);
	if (ended != 1)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return ended == 1 ? status : -ETIMEDOUT;
}

int bed_virtmesh(const char *fmt, ...)
{
	char words[512], text[4096], *argv[WORDS];
	int out, status;
	va_list ap;
	ssize_t n;
	pid_t pid;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	out = memfd_create("virtmesh output", MFD_CLOEXEC);
	if (out < 0)
		return -errno;
	pid = fork();
	if (!pid) {
		dup2(out, STDOUT_FILENO);
		dup2(out, STDERR_FILENO);
		split(words, argv, "virtmesh");
		become("host/virtmesh", argv);
	}
	status = pid < 0 ? -errno : wait_for(pid, BED_COMMAND_MS);
	if (status > 0 && WIFEXITED(status))
		status = WEXITSTATUS(status);
	if (status) {
		n = pread(out, text, sizeof(text) - 1, 0);
		text[n > 0 ? n : 0] = '\0';
		fprintf(stderr, "# virtmesh %s: status %d: %s\n", words, status, text);
	}
	close(out);
	return status;
}

int bed_broker_start(struct broker_proc *broker, const char *options)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = BED_NOTIFY };
	char words[512], *argv[WORDS];
	pid_t pid;

	unlink(BED_NOTIFY);
	broker->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (broker->notify < 0 || bind(broker->notify, (struct sockaddr *)&addr, sizeof(addr)))
		return -errno;
	snprintf(words, sizeof(words), "%s", options);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		int log = open(BED_LOG, O_WRONLY | O_CREAT | O_APPEND, 0600);

		dup2(log, STDERR_FILENO);
		setenv("NOTIFY_SOCKET", BED_NOTIFY, 1);
		unsetenv("JOURNAL_STREAM");
		split(words, argv, "virtmeshd");
		become("broker/virtmeshd", argv);
	}
	broker->pid = pid;
	return 0;
}

int bed_broker_says(struct broker_proc *broker, const char *text)
{
	struct pollfd pfd[2] = { { .fd = broker->notify, .events = POLLIN }, { .events = POLLIN } };
	int err = -ETIMEDOUT;
	char line[256];
	ssize_t n;

	pfd[1].fd = syscall(SYS_pidfd_open, broker->pid, 0);
	while (poll(pfd, 2, BED_WAIT_MS) > 0) {
		if (pfd[0].revents) {
			n = recv(broker->notify, line, sizeof(line) - 1, 0);
			if (n <= 0)
				break;
			line[n] = '\0';
			if (strstr(line, text)) {
				err = 0;
				break;
			}
		} else if (pfd[1].revents) {
			err = -ECHILD;
			break;
		}
	}
	close(pfd[1].fd);
	return err;
}

int bed_broker(struct broker_proc *broker, const char *options)
{
	int err = bed_broker_start(broker, options);

	if (!err)
		err = bed_broker_says(broker, "READY=1");
	if (err)
		bed_log_show();
	return err;
}

int bed_broker_end(struct broker_proc *broker, int sig)
{
	int status;

	if (broker->pid <= 0)
		return -ESRCH;
	if (sig)
		kill(broker->pid, sig);
	status = wait_for(broker->pid, BED_WAIT_MS);
	broker->pid = 0;
	close(broker->notify);
	return status;
}

bool bed_broker_runs(const struct broker_proc *broker)
{
	siginfo_t info = { .si_pid = 0 };

	return broker->pid > 0 && !waitid(P_PID, broker->pid, &info, WEXITED | WNOHANG | WNOWAIT) &&
	       !info.si_pid;
}

long long bed_broker_status(const struct broker_proc *broker, const char *key, int base)
{
	long long value = -1;
	char line[256];
	FILE *file;

	snprintf(line, sizeof(line), "/proc/%d/status", broker->pid);
	file = fopen(line, "r");
	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ':')
			value = strtoll(line + strlen(key) + 1, NULL, base);
	fclose(file);
	return value;
}

bool bed_log_has(const char *text)
{
	bool found = false;
	char line[2048];
	FILE *file = fopen(BED_LOG, "r");

	if (!file)
		return false;
	while (fgets(line, sizeof(line), file))
		found |= strstr(line, text) != NULL;
	fclose(file);
	return found;
}

void bed_log_show(void)
{
	char line[2048];
	FILE *file = fopen(BED_LOG, "r");

	if (!file)
		return;
	fseek(file, -LOG_SHOWN, SEEK_END);
	while (fgets(line, sizeof(line), file))
		fprintf(stderr, "# %s", line);
	fclose(file);
}

int ctl_connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

int ctl_connect(void)
{
	return ctl_connect_to(VM_CTL_SOCKET);
}

int ctl_send_raw(int fd, const void *data, size_t len)
{
	ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

	return n == (ssize_t)len ? 0 : n < 0 ? -errno : -EIO;
}

int ctl_send(int fd, __u16 op, __u32 cookie, const void *payload, size_t len)
{
	struct vm_ctl_msg msg = {
		.version = VM_CTL_VERSION, .op = op, .len = len, .cookie = cookie
	};
	char rec[VM_CTL_MAX];

	memcpy(rec, &msg, sizeof(msg));
	memcpy(rec + sizeof(msg), payload, len);
	return ctl_send_raw(fd, rec, sizeof(msg) + len);
}

int ctl_recv(int fd, struct ctl_record *rec, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char data[VM_CTL_MAX + 1];
	ssize_t n;

	if (poll(&pfd, 1, ms) != 1)
		return -ETIMEDOUT;
	n = recv(fd, data, sizeof(data), 0);
	if (n < 0)
		return -errno;
	if (!n)
		return -ECONNRESET;
	if (n < (ssize_t)sizeof(rec->msg) || n > VM_CTL_MAX)
		return -EMSGSIZE;
	memcpy(&rec->msg, data, sizeof(rec->msg));
	rec->len = n - sizeof(rec->msg);
	memcpy(rec->payload, data + sizeof(rec->msg), rec->len);
	return rec->msg.len == rec->len && rec->msg.version == VM_CTL_VERSION ? 0 : -EBADMSG;
}

int ctl_ask(int fd, __u16 op, const void *payload, size_t len, struct ctl_record *rec)
{
	static __u32 cookie;
	int err = ctl_send(fd, op, ++cookie, payload, len);

	if (!err)
		err = ctl_recv(fd, rec, BED_WAIT_MS);
	if (err)
		return err;
	if (rec->msg.op != op || rec->msg.cookie != cookie)
		return -EBADMSG;
	return -rec->msg.error;
}

int ctl_info(int fd, struct vm_ctl_info *info)
{
	struct ctl_record rec;
	int err = ctl_ask(fd, VM_CTL_INFO, NULL, 0, &rec);

	if (err)
		return err;
	if (rec.len != sizeof(*info) || !(rec.msg.flags & VM_CTL_LAST))
		return -EBADMSG;
	memcpy(info, rec.payload, sizeof(*info));
	return 0;
}

int ctl_resync(int fd)
{
	struct ctl_record rec;

	return ctl_ask(fd, VM_CTL_RESYNC, NULL, 0, &rec);
}

static bool find_node(const struct ctl_record *rec, __u32 addr, struct vm_ctl_node *node)
{
	for (size_t i = 0; i + sizeof(*node) <= rec->len; i += sizeof(*node)) {
		memcpy(node, rec->payload + i, sizeof(*node));
		if (node->addr == addr)
			return true;
	}
	return false;
}

int ctl_node(int fd, __u32 addr, struct vm_ctl_node *node)
{
	struct vm_ctl_nodes ask = { .ensemble = 0 };
	struct vm_ctl_node found;
	struct ctl_record rec;
	int err = ctl_ask(fd, VM_CTL_NODES, &ask, sizeof(ask), &rec);

	memset(node, 0, sizeof(*node));
	while (!err) {
		if (find_node(&rec, addr, &found))
			*node = found;
		if (rec.msg.flags & VM_CTL_LAST)
			return node->addr ? 0 : -ENOENT;
		err = ctl_recv(fd, &rec, BED_WAIT_MS);
	}
	return err;
}

int ctl_wait_state(__u32 addr, int state, struct vm_ctl_node *node)
{
	struct vm_ctl_nodes ask = { .ensemble = 0 };
	long long until = bed_now_ms() + BED_WAIT_MS;
	int watch = ctl_connect(), fd = ctl_connect();
	struct ctl_record rec;
	int err = watch < 0 ? watch : fd < 0 ? fd : 0;

	/* Watch first, look then: nothing is missed in between. */
	if (!err)
		err = ctl_ask(watch, VM_CTL_WATCH, &ask, sizeof(ask), &rec);
	if (!err)
		err = ctl_node(fd, addr, node);
	while (!err && node->state != state) {
		err = bed_now_ms() < until ? ctl_recv(watch, &rec, until - bed_now_ms()) :
					     -ETIMEDOUT;
		if (!err) {
			struct vm_ctl_node found;

			if (find_node(&rec, addr, &found))
				*node = found;
		}
	}
	close(watch);
	close(fd);
	return err;
}
