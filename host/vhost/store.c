// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "../log.h"
#include "../manager.h"
#include "../rights.h"
#include "sandbox.h"
#include "store.h"

SANDBOX_CALLS(store_calls, SANDBOX_CALL(sendmsg), SANDBOX_CALL(close));

#define FIRST_FD 3 /* where a manager's fds begin: SD_LISTEN_FDS_START */
#define FDS_MAX	 1024
#define KEPT_MAX 128

static int manager = -1;

static struct kept {
	char name[VM_STORE_NAME];
	int fd; /* -1: taken */
} kept[KEPT_MAX];

static unsigned int nkept;

static void find_manager(void)
{
	/* What is to be kept must arrive; but a manager that hangs must not hang us. */
	struct timeval patience = { .tv_sec = 1 };

	manager = manager_connect(0);
	if (manager < 0 ||
	    !setsockopt(manager, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)))
		return;
	vm_warn("event=notify error=\"SO_SNDTIMEO: %s\"", strerror(errno));
	close(manager);
	manager = -1;
}

/* By sd_listen_fds(3): LISTEN_FDS of them from FIRST_FD on, LISTEN_FDNAMES "a:b:c", for LISTEN_PID. */
static void take_kept(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	const char *names = getenv("LISTEN_FDNAMES");
	unsigned long n = 0;

	if (pid && count && strtoul(pid, NULL, 10) == (unsigned long)getpid())
		n = strtoul(count, NULL, 10);
	if (n > FDS_MAX)
		n = FDS_MAX;
	/* What our parent forgot to close is nothing for a sandbox. */
	close_range(FIRST_FD + n, ~0U, 0);
	for (unsigned long i = 0; i < n; i++) {
		size_t len = names ? strcspn(names, ":") : 0;
		int fd = FIRST_FD + i;

		if (nkept < KEPT_MAX && len < VM_STORE_NAME && !fcntl(fd, F_SETFD, FD_CLOEXEC)) {
			struct kept *k = &kept[nkept++];

			memcpy(k->name, names ? names : "", len);
			k->name[len] = '\0';
			k->fd = fd;
		} else {
			close(fd);
		}
		if (names)
			names += len + (names[len] == ':');
	}
}

void vm_store_init(void)
{
	take_kept();
	find_manager();
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

bool vm_store_exists(void)
{
	return manager >= 0;
}

int vm_store_take(const char *name)
{
	for (unsigned int i = 0; i < nkept; i++) {
		int fd = kept[i].fd;

		if (fd < 0 || strcmp(kept[i].name, name))
			continue;
		kept[i].fd = -1;
		return fd;
	}
	return -1;
}

static void tell(const char *lines, int fd)
{
	struct iovec iov = { .iov_base = (void *)lines, .iov_len = strlen(lines) };
	ssize_t n;

	if (manager < 0)
		return;
	n = vm_send_rights(manager, &iov, 1, &fd, fd >= 0, 0);
	if (n < 0)
		vm_warn("event=notify error=\"%s\" hint=\"a restart may not find its files\"",
			strerror(-n));
}

void vm_store_tell(const char *lines)
{
	tell(lines, -1);
}

void vm_store_keep(const char *name, int fd)
{
	char lines[48 + VM_STORE_NAME];

	/* A socket whose other end has closed is still what our state speaks of. */
	snprintf(lines, sizeof(lines), "FDSTORE=1\nFDPOLL=0\nFDNAME=%.*s\n", VM_STORE_NAME - 1,
		 name);
	tell(lines, fd);
}

void vm_store_drop(const char *name)
{
	char lines[32 + VM_STORE_NAME];

	snprintf(lines, sizeof(lines), "FDSTOREREMOVE=1\nFDNAME=%.*s\n", VM_STORE_NAME - 1, name);
	tell(lines, -1);
}

void vm_store_tidy(void)
{
	for (unsigned int i = 0; i < nkept; i++) {
		if (kept[i].fd < 0)
			continue;
		close(kept[i].fd);
		kept[i].fd = -1;
		vm_store_drop(kept[i].name);
	}
	nkept = 0;
}
