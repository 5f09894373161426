// SPDX-License-Identifier: GPL-2.0-only
/*
 * In place while there is room: replacing an inner map makes the kernel wait
 * for an RCU grace period, tens of milliseconds, in which it is rebuilt anyway.
 */
#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "groups.h"

/* Shrink when a quarter would do; not at half, or two commands could rebuild in turns. */
#define SHRINK_AT 4

static __u32 pow2_at_least(__u32 n)
{
	__u32 p = 1;

	while (p < n)
		p <<= 1;
	return p;
}

static int inner_make(__u32 entries)
{
	return bpf_map_create(BPF_MAP_TYPE_DEVMAP_HASH, "group", sizeof(__u32),
			      sizeof(struct bpf_devmap_val), entries, NULL);
}

static int inner_open(const struct vm_state *st, __u16 ensemble, __u32 *entries)
{
	struct bpf_map_info info = { 0 };
	__u32 key = ensemble, id, len = sizeof(info);
	int fd, err;

	err = bpf_map_lookup_elem(st->maps.groups, &key, &id);
	if (err)
		return err;
	fd = bpf_map_get_fd_by_id(id);
	if (fd < 0)
		return fd;
	err = bpf_obj_get_info_by_fd(fd, &info, &len);
	if (err) {
		close(fd);
		return err;
	}
	*entries = info.max_entries;
	return fd;
}

static int put(const struct vm_state *st, int inner, __u16 slot, __u32 ifindex)
{
	struct bpf_devmap_val val = { .ifindex = ifindex, .bpf_prog.fd = st->egress };
	__u32 key = slot;

	return bpf_map_update_elem(inner, &key, &val, BPF_ANY);
}

static int publish(const struct vm_state *st, __u16 ensemble, int inner)
{
	__u32 key = ensemble;

	return bpf_map_update_elem(st->maps.groups, &key, &inner, BPF_ANY);
}

static bool has_gone(__u32 ifindex)
{
	char name[IF_NAMESIZE];

	return !if_indextoname(ifindex, name) && errno == ENXIO;
}

/* A new map of @entries for the members in @ports and, if @ifindex, one more. */
static int rebuild(const struct vm_state *st, const struct vm_ports *ports, __u16 ensemble,
		   __u32 entries, __u16 slot, __u32 ifindex)
{
	int fd, err = 0;

	fd = inner_make(entries);
	if (fd < 0)
		return fd;
	for (size_t i = 0; i < ports->count && !err; i++) {
		const struct vm_port_entry *e = &ports->entry[i];

		if (e->port.addr && vm_addr_ensemble(e->port.addr) == ensemble) {
			err = put(st, fd, e->port.slot, e->ifindex);
			/* -EINVAL, like much else, so ask: it is the sweep's then. */
			if (err && has_gone(e->ifindex))
				err = 0;
		}
	}
	if (!err && ifindex)
		err = put(st, fd, slot, ifindex);
	if (!err)
		err = publish(st, ensemble, fd);
	close(fd);
	return err;
}

int vm_group_make(const struct vm_state *st, __u16 ensemble)
{
	int fd, err;

	fd = inner_make(1);
	if (fd < 0)
		return fd;
	err = publish(st, ensemble, fd);
	close(fd);
	return err;
}

int vm_group_remove(const struct vm_state *st, __u16 ensemble)
{
	__u32 key = ensemble;

	return bpf_map_delete_elem(st->maps.groups, &key);
}

int vm_group_add(const struct vm_state *st, const struct vm_ports *ports, __u16 ensemble,
		 __u16 slot, __u32 ifindex)
{
	__u32 entries, members = vm_ports_of(ports, ensemble, NULL) + 1;
	int fd, err;

	fd = inner_open(st, ensemble, &entries);
	if (fd < 0)
		return fd;
	if (members <= entries)
		err = put(st, fd, slot, ifindex);
	else
		err = rebuild(st, ports, ensemble, pow2_at_least(members), slot, ifindex);
	close(fd);
	return err;
}

int vm_group_del(const struct vm_state *st, const struct vm_ports *ports, __u16 ensemble,
		 __u16 slot)
{
	__u32 key = slot, entries, members = vm_ports_of(ports, ensemble, NULL);
	int fd, err;

	fd = inner_open(st, ensemble, &entries);
	if (fd < 0)
		return fd;
	err = bpf_map_delete_elem(fd, &key);
	if (err == -ENOENT || err == -EINVAL)
		err = 0;
	/* What fails here costs time for each frame and no more: the larger map is right. */
	if (!err && members && members * SHRINK_AT <= entries)
		rebuild(st, ports, ensemble, pow2_at_least(members), 0, 0);
	close(fd);
	return err;
}

int vm_group_sweep(const struct vm_state *st, const struct vm_ports *ports, __u16 ensemble)
{
	__u32 key, next, entries;
	int fd, err, ret;

	fd = inner_open(st, ensemble, &entries);
	if (fd < 0)
		return fd;
	err = bpf_map_get_next_key(fd, NULL, &next);
	for (__u32 i = 0; !err && i < VM_PORTS_MAX; i++) {
		struct bpf_devmap_val val;
		bool known = false;

		key = next;
		err = bpf_map_get_next_key(fd, &key, &next);
		ret = bpf_map_lookup_elem(fd, &key, &val);
		if (ret == -ENOENT)
			continue; /* its interface has gone just now */
		if (ret) {
			err = ret;
			break;
		}
		for (size_t j = 0; j < ports->count && !known; j++) {
			const struct vm_port_entry *e = &ports->entry[j];

			known = e->port.slot == key && e->ifindex == val.ifindex &&
				vm_addr_ensemble(e->port.addr) == ensemble;
		}
		ret = known ? 0 : bpf_map_delete_elem(fd, &key);
		if (ret && ret != -ENOENT && ret != -EINVAL) {
			err = ret;
			break;
		}
	}
	close(fd);
	return err == -ENOENT ? 0 : err;
}
