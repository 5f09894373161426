// SPDX-License-Identifier: GPL-2.0-only
/*
 * A room belongs to the user its port runs as, who puts in it what he likes:
 * nothing here follows a link or looks deeper than one level. The directories
 * above are root's.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <virtmesh/ctl.h>

#include "link.h"
#include "log.h"
#include "room.h"

/* Setgid: what either side makes in it is the group's. */
#define ROOM_MODE 02770

const char *vm_room_socket(const char *name, char *path)
{
	snprintf(path, VM_ROOM_PATH, VM_ROOMS "/%.15s/" VM_ROOM_SOCKET, name);
	return path;
}

/* @path, root's, open for others to go through. */
static int make_parent(const char *path)
{
	if (mkdir(path, 0755) && errno != EEXIST)
		return -errno;
	/* Whoever made it before may have shut it; a link is not what we make. */
	if (lchown(path, 0, 0) || fchmodat(AT_FDCWD, path, 0751, 0))
		return -errno;
	return 0;
}

static int open_rooms(bool make)
{
	int fd, err = 0;

	if (make)
		err = make_parent(VM_CTL_DIR);
	if (make && !err)
		err = make_parent(VM_ROOMS);
	if (err)
		return err;
	fd = open(VM_ROOMS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

gid_t vm_room_group(uid_t owner)
{
	const struct passwd *pw = getpwuid(owner);

	return pw ? pw->pw_gid : 0;
}

static int make_room(int rooms, const char *name, uid_t owner, gid_t group)
{
	int fd, err = 0;

	if (!mkdirat(rooms, name, 0700)) {
		if (group == (gid_t)-1)
			group = vm_room_group(owner);
	} else if (errno != EEXIST) {
		return -errno;
	}
	fd = openat(rooms, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* The mode last: chown() takes setgid away. */
	if (fchown(fd, owner, group) || fchmod(fd, ROOM_MODE))
		err = -errno;
	close(fd);
	return err;
}

/* A path or ".." is a directory of somebody else, which both would take for a room. */
static int check_name(const char *name)
{
	if (vm_link_name_valid(name))
		return 0;
	vm_err("\"%s\" cannot be the name of a port", name);
	return -EINVAL;
}

int vm_room_make(const char *name, uid_t owner, gid_t group)
{
	int rooms, err;

	err = check_name(name);
	if (err)
		return err;
	rooms = open_rooms(true);
	err = rooms;
	if (rooms >= 0) {
		err = make_room(rooms, name, owner, group);
		close(rooms);
	}
	if (err)
		vm_err("cannot make %s/%s: %s", VM_ROOMS, name, strerror(-err));
	return err;
}

/* What stands in @room, if that are no directories. Takes the fd. */
static void empty(int room)
{
	struct dirent *entry;
	DIR *dir = fdopendir(room);

	if (!dir) {
		close(room);
		return;
	}
	while ((entry = readdir(dir)))
		unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
}

static int remove_room(int rooms, const char *name)
{
	int fd = openat(rooms, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	empty(fd);
	return unlinkat(rooms, name, AT_REMOVEDIR) ? -errno : 0;
}

int vm_room_remove(const char *name)
{
	int rooms, err;

	err = check_name(name);
	if (err)
		return err;
	rooms = open_rooms(false);
	err = rooms;
	if (rooms >= 0) {
		err = remove_room(rooms, name);
		close(rooms);
	}
	if (!err || err == -ENOENT)
		return 0;
	vm_err("cannot remove %s/%s: %s", VM_ROOMS, name, strerror(-err));
	return err;
}

static bool has_port(const struct vm_ports *ports, const char *name)
{
	__u32 ifindex = if_nametoindex(name);
	const struct vm_port_entry *entry = ifindex ? vm_ports_by_ifindex(ports, ifindex) : NULL;

	return entry && entry->port.flags & VM_PORT_VHOST_USER;
}

void vm_rooms_tidy(const struct vm_ports *ports)
{
	int rooms = open_rooms(false);
	struct dirent *entry;
	DIR *dir;

	if (rooms < 0)
		return;
	dir = fdopendir(rooms);
	if (!dir) {
		close(rooms);
		return;
	}
	while ((entry = readdir(dir)))
		if (vm_link_name_valid(entry->d_name) && !has_port(ports, entry->d_name))
			remove_room(dirfd(dir), entry->d_name);
	closedir(dir);
}
