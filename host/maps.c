// SPDX-License-Identifier: GPL-2.0-only
/*
 * Opening the pinned maps.
 *
 * `meta` is pinned last when the state is made and unpinned first when it goes
 * (state.c), so its pin alone says whether there is a state. A pin that is
 * missing beside it is damage, not absence.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "maps.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

static const struct {
	const char *name;
	const char *path;
	size_t fd; /* offset in struct vm_maps */
} pins[] = {
#define PIN(map)                                                         \
	{                                                                \
#map, VM_PIN_DIR "/" #map, offsetof(struct vm_maps, map) \
	}
	PIN(meta), /* first: see above */
	PIN(ports),	PIN(nodes),  PIN(port_index),  PIN(node_index), PIN(taps),
	PIN(ensembles), PIN(groups), PIN(members),     PIN(epochs),	PIN(counters),
	PIN(limits),	PIN(faults), PIN(fault_batch), PIN(events),
#undef PIN
};

#define PINS (sizeof(pins) / sizeof(pins[0]))
_Static_assert(sizeof(struct vm_maps) == PINS * sizeof(int), "a map without a pin");

static int *map_fd(struct vm_maps *maps, size_t i)
{
	return (int *)((char *)maps + pins[i].fd);
}

int *vm_maps_fd(struct vm_maps *maps, const char *name)
{
	for (size_t i = 0; i < PINS; i++)
		if (!strcmp(pins[i].name, name))
			return map_fd(maps, i);
	return NULL;
}

void vm_maps_close(struct vm_maps *maps)
{
	for (size_t i = 0; i < PINS; i++) {
		int *fd = map_fd(maps, i);

		if (*fd >= 0)
			close(*fd);
		*fd = -1;
	}
}

int vm_netns_cookie(__u64 *cookie)
{
	socklen_t len = sizeof(*cookie);
	int fd, err = 0;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, cookie, &len))
		err = -errno;
	close(fd);
	return err;
}

static int read_meta(int fd, struct vm_meta *meta)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(fd, &zero, meta);
}

static int check_meta(int fd)
{
	struct vm_meta meta;
	__u64 cookie;
	int err;

	err = read_meta(fd, &meta);
	if (err)
		return err;
	if (meta.abi != VM_MAPS_ABI)
		return -EPROTO;
	err = vm_netns_cookie(&cookie);
	if (err)
		return err;
	return meta.netns_cookie == cookie ? 0 : -EXDEV;
}

/* Is the state whose meta is @meta still the one that is pinned? 0; -ENOENT: none is; -ESTALE. */
static int check_pinned(int meta)
{
	int fd = bpf_obj_get(pins[0].path), err;
	struct vm_meta was, is;

	if (fd < 0)
		return fd;
	err = read_meta(meta, &was);
	if (!err)
		err = read_meta(fd, &is);
	close(fd);
	return err ?: was.created_ns == is.created_ns ? 0 : -ESTALE;
}

/* Those that were opened before an error stay open. */
static int open_pins(struct vm_maps *maps)
{
	int err;

	for (size_t i = 0; i < PINS; i++) {
		int fd = bpf_obj_get(pins[i].path);

		if (fd < 0)
			return fd == -ENOENT && i ? -EPROTO : fd;
		*map_fd(maps, i) = fd;
		/* Before the others: they may be of another layout. */
		err = i ? 0 : check_meta(fd);
		if (err)
			return err;
	}
	return 0;
}

int vm_maps_open(struct vm_maps *maps)
{
	int err, pinned;

	*maps = (struct vm_maps)VM_MAPS_CLOSED;
	do {
		pinned = 0;
		err = open_pins(maps);
		/* Removed meanwhile, or replaced: neither damage, nor all of one state. */
		if (!err || err == -EPROTO)
			pinned = check_pinned(maps->meta);
		if (pinned)
			err = pinned;
		if (err)
			vm_maps_close(maps);
	} while (err == -ESTALE);
	return err;
}

int vm_ports_each(const struct vm_maps *maps,
		  int (*fn)(__u32 ifindex, const struct vm_port *port, void *arg), void *arg)
{
	struct vm_port port;
	__u32 key, next;
	int err, ret;

	err = bpf_map_get_next_key(maps->ports, NULL, &next);
	/*
	 * A key that is deleted while we stand on it sends the walk back to the
	 * start: look ahead, so that @fn may delete its port, and bound the walk
	 * against other writers.
	 */
	for (unsigned int i = 0; !err && i < 4 * VM_PORTS_MAX; i++) {
		key = next;
		err = bpf_map_get_next_key(maps->ports, &key, &next);
		ret = bpf_map_lookup_elem(maps->ports, &key, &port);
		if (ret == -ENOENT)
			continue; /* deleted just now */
		if (!ret)
			ret = fn(key, &port, arg);
		if (ret)
			return ret;
	}
	if (!err)
		return -EAGAIN; /* the bound: there may be more */
	return err == -ENOENT ? 0 : err;
}
