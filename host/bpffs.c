// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>
#include <virtmesh/maps.h>

#include "bpffs.h"
#include "log.h"

#define LOCK_WAIT_S 10

bool vm_bpffs_mounted(void)
{
	struct statfs st;

	return !statfs(VM_BPFFS, &st) && st.f_type == BPF_FS_MAGIC;
}

static void on_alarm(int sig)
{
}

/* flock() with a limit. The handler is there for the EINTR only. */
static int lock_wait(int fd)
{
	struct sigaction sa = { .sa_handler = on_alarm }, old;
	int err = 0;

	if (!flock(fd, LOCK_EX | LOCK_NB))
		return 0;
	if (errno != EWOULDBLOCK)
		return -errno;

	vm_debug("waiting for another virtmesh command");
	sigaction(SIGALRM, &sa, &old);
	alarm(LOCK_WAIT_S);
	if (flock(fd, LOCK_EX))
		err = errno == EINTR ? -EBUSY : -errno;
	alarm(0);
	sigaction(SIGALRM, &old, NULL);
	return err;
}

int vm_bpffs_mount(bool *mounted)
{
	int dir, err;

	*mounted = false;
	if (vm_bpffs_mounted())
		return 0;
	/* There is no VM_PIN_DIR to lock yet, and two mounts would both succeed. */
	dir = open(VM_BPFFS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = dir < 0 ? -errno : lock_wait(dir);
	if (!err && !vm_bpffs_mounted()) {
		if (mount("bpf", VM_BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700"))
			err = -errno;
		else
			*mounted = true;
	}
	if (dir >= 0)
		close(dir);
	if (err)
		vm_err("no bpffs on %s, and mounting it failed: %s; try: mount -t bpf none %s",
		       VM_BPFFS, strerror(-err), VM_BPFFS);
	else if (*mounted)
		vm_info("mounted a bpffs on %s", VM_BPFFS);
	return err;
}

void vm_bpffs_unmount(void)
{
	umount(VM_BPFFS);
}

/* Is the directory we have locked still the one of that name? */
static bool is_current(int fd)
{
	struct stat ours, now;

	return !fstat(fd, &ours) && !stat(VM_PIN_DIR, &now) && ours.st_dev == now.st_dev &&
	       ours.st_ino == now.st_ino;
}

int vm_pins_lock(bool make)
{
	bool made = false;
	int fd, err;

	/* Whoever had the lock may have removed the directory: look again then. */
	for (;;) {
		if (make) {
			made = !mkdir(VM_PIN_DIR, 0700);
			if (!made && errno != EEXIST) {
				err = -errno;
				goto explain;
			}
		}
		fd = open(VM_PIN_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0) {
			err = -errno;
			if (err == -ENOENT && make)
				continue;
			goto explain;
		}
		err = lock_wait(fd);
		if (err) {
			close(fd);
			goto explain;
		}
		if (is_current(fd))
			return fd;
		close(fd);
	}

explain:
	if (made)
		rmdir(VM_PIN_DIR);
	if (err == -EBUSY)
		vm_err("another virtmesh command has held the lock on %s for %d s: see fuser -v %s",
		       VM_PIN_DIR, LOCK_WAIT_S, VM_PIN_DIR);
	else if (err == -EACCES || err == -EPERM)
		vm_err("not allowed to use %s: run this as root", VM_PIN_DIR);
	else if (err == -EROFS)
		vm_err("%s is mounted read-only: mount -o remount,rw %s", VM_BPFFS, VM_BPFFS);
	else if (err != -ENOENT || make)
		vm_err("cannot use %s: %s", VM_PIN_DIR, strerror(-err));
	return err;
}

static int unlink_all(int dirfd)
{
	struct dirent *entry;
	int fd, err = 0;
	DIR *dir;

	/* readdir() of the fd that holds the lock would move its position. */
	fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		err = -errno;
		close(fd);
		return err;
	}
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (unlinkat(fd, entry->d_name, 0) && errno != EISDIR && errno != EPERM)
			err = err ?: -errno;
	}
	closedir(dir);
	return err;
}

static int clear_subdir(int lock, const char *name)
{
	int fd, err;

	fd = openat(lock, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	err = unlink_all(fd);
	close(fd);
	if (unlinkat(lock, name, AT_REMOVEDIR))
		err = err ?: -errno;
	return err;
}

int vm_pins_clear(int lock)
{
	int err, ret = 0;

	if (unlinkat(lock, "meta", 0) && errno != ENOENT)
		ret = -errno;
	err = clear_subdir(lock, VM_PIN_LINKS);
	ret = ret ?: err;
	err = clear_subdir(lock, VM_PIN_PROGS);
	ret = ret ?: err;
	err = unlink_all(lock);
	return ret ?: err;
}

int vm_pins_remove(int lock)
{
	int err = vm_pins_clear(lock);

	if (rmdir(VM_PIN_DIR))
		err = err ?: -errno;
	return err;
}
