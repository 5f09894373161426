// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "holder.h"

/* The first @size - 1 bytes of the file @name below @dir, as a string; false: none. */
static bool read_text(int dir, const char *name, char *text, size_t size)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static bool same_netns(int proc)
{
	struct stat theirs, ours;

	return !fstatat(proc, "ns/net", &theirs, 0) && !stat("/proc/self/ns/net", &ours) &&
	       theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev;
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);

	return len >= n && !strcmp(text + len - n, end);
}

/* The interface behind the open file @fd of /dev/net/tun. */
static bool read_iff(int proc, const char *fd, char *name)
{
	char path[64], text[512];
	const char *line;

	snprintf(path, sizeof(path), "fdinfo/%.20s", fd);
	if (!read_text(proc, path, text, sizeof(text)))
		return false;
	line = strstr(text, "\niff:\t");
	return line && sscanf(line + 6, "%15s", name) == 1;
}

/* A process names itself, whoever's it is; what it says goes to terminals and into JSON. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if (*text < 0x20 || *text > 0x7e)
			*text = '?';
}

static void hold(int proc, pid_t pid, struct vm_holder *holder)
{
	holder->pid = pid;
	if (read_text(proc, "comm", holder->command, sizeof(holder->command)))
		holder->command[strcspn(holder->command, "\n")] = '\0';
	make_printable(holder->command);
}

/* The open files of process @pid: is one of them a tap we look for? */
static void look(int proc, pid_t pid, struct vm_holder *holders, size_t count)
{
	int fds = openat(proc, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fds < 0 ? NULL : fdopendir(fds);
	bool vhost_net = false;
	struct dirent *entry;

	if (!dir) {
		if (fds >= 0)
			close(fds);
		return;
	}
	while ((entry = readdir(dir))) {
		char target[128], name[IF_NAMESIZE];
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		if (n <= 0)
			continue;
		target[n] = '\0';
		if (ends_with(target, "/vhost-net"))
			vhost_net = true;
		if (!ends_with(target, "/net/tun") || !read_iff(proc, entry->d_name, name))
			continue;
		for (size_t i = 0; i < count; i++)
			if (!strcmp(holders[i].name, name))
				hold(proc, pid, &holders[i]);
	}
	closedir(dir);
	for (size_t i = 0; i < count; i++)
		if (holders[i].pid == pid)
			holders[i].vhost_net = vhost_net;
}

void vm_holders_find(struct vm_holder *holders, size_t count)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	for (size_t i = 0; i < count; i++) {
		holders[i].pid = 0;
		holders[i].command[0] = '\0';
		holders[i].vhost_net = false;
	}
	if (!dir || !count)
		goto close;
	while ((entry = readdir(dir))) {
		pid_t pid = atoi(entry->d_name);
		int proc;

		if (pid <= 0)
			continue;
		proc = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (proc < 0)
			continue;
		if (same_netns(proc))
			look(proc, pid, holders, count);
		close(proc);
	}
close:
	if (dir)
		closedir(dir);
}
