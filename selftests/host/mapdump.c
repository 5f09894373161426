// SPDX-License-Identifier: GPL-2.0-only
/*
 * mapdump: what the command has written into the maps, one line an entry,
 * sorted by nothing but the maps' order; equal states give equal text. Without the
 * counters, which frames write, and times. Exits with 3 when there is no state.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "maps.h"

static int by_key(const void *a, const void *b)
{
	const __u32 *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* All keys of @fd in order; hashes walk in any. */
static size_t keys_of(int fd, __u32 **keys)
{
	static __u32 room[32768];
	__u32 key, *prev = NULL;
	size_t n = 0;

	while (n < sizeof(room) / sizeof(room[0]) && !bpf_map_get_next_key(fd, prev, &room[n])) {
		key = room[n++];
		prev = &key;
	}
	qsort(room, n, sizeof(room[0]), by_key);
	*keys = malloc((n ?: 1) * sizeof(**keys));
	memcpy(*keys, room, n * sizeof(**keys));
	return n;
}

static void dump_ports(int fd)
{
	struct vm_port p;
	__u32 *keys;
	size_t n = keys_of(fd, &keys);

	for (size_t i = 0; i < n; i++)
		if (!bpf_map_lookup_elem(fd, &keys[i], &p))
			printf("ports %u: addr %08x slot %u mtu %u flags %x prog %u\n", keys[i],
			       p.addr, p.slot, p.mtu, p.flags, p.prog_id != 0);
	free(keys);
}

static void dump_nodes(int fd)
{
	struct vm_dest d;
	__u32 *keys;
	size_t n = keys_of(fd, &keys);

	for (size_t i = 0; i < n; i++)
		if (!bpf_map_lookup_elem(fd, &keys[i], &d))
			printf("nodes %08x: slot %u mtu %u ifindex %u\n", keys[i], d.slot, d.mtu,
			       d.ifindex);
	free(keys);
}

static void dump_devmap(const char *name, int fd)
{
	struct bpf_devmap_val v;
	__u32 *keys;
	size_t n = keys_of(fd, &keys);

	for (size_t i = 0; i < n; i++)
		if (!bpf_map_lookup_elem(fd, &keys[i], &v) && v.ifindex)
			printf("%s %u: ifindex %u prog %d\n", name, keys[i], v.ifindex,
			       v.bpf_prog.id != 0);
	free(keys);
}

static void dump_ensembles(const struct vm_maps *maps)
{
	struct vm_ensemble e;
	char name[32];
	__u32 *keys, id;
	size_t n = keys_of(maps->ensembles, &keys);
	int fd;

	for (size_t i = 0; i < n; i++) {
		if (bpf_map_lookup_elem(maps->ensembles, &keys[i], &e))
			continue;
		printf("ensembles %u: members %u mtu %u\n", keys[i], e.members, e.mtu);
	}
	free(keys);
	n = keys_of(maps->groups, &keys);
	for (size_t i = 0; i < n; i++) {
		struct bpf_map_info info = { 0 };
		__u32 len = sizeof(info);

		if (bpf_map_lookup_elem(maps->groups, &keys[i], &id))
			continue;
		fd = bpf_map_get_fd_by_id(id);
		snprintf(name, sizeof(name), "groups %u", keys[i]);
		printf("%s\n", name);
		if (getenv("SIZES") && !bpf_obj_get_info_by_fd(fd, &info, &len))
			printf("%s: room for %u\n", name, info.max_entries);
		dump_devmap(name, fd);
		close(fd);
	}
	free(keys);
}

/* All of an array, at one system call: most of the hints' places are empty. */
static __u32 all_of(int fd, void *values, __u32 n)
{
	static __u32 keys[VM_PORT_HINTS + VM_NODE_HINTS]; /* enough for either */
	__u32 next;
	int err = bpf_map_lookup_batch(fd, NULL, &next, keys, values, &n, NULL);

	if (err && err != -ENOENT) {
		fprintf(stderr, "mapdump: %s\n", strerror(-err));
		exit(1);
	}
	return n;
}

static void dump_hints(const struct vm_maps *maps)
{
	static struct vm_port_hint p[VM_PORT_HINTS];
	static struct vm_node_hint n[VM_NODE_HINTS];
	__u32 count = all_of(maps->port_index, p, VM_PORT_HINTS);

	for (__u32 i = 0; i < count; i++)
		if (p[i].ifindex)
			printf("port_index %u: ifindex %u addr %08x slot %u mtu %u flags %x\n", i,
			       p[i].ifindex, p[i].addr, p[i].slot, p[i].mtu, p[i].flags);
	count = all_of(maps->node_index, n, VM_NODE_HINTS);
	for (__u32 i = 0; i < count; i++)
		if (n[i].addr)
			printf("node_index %u: addr %08x slot %u mtu %u\n", i, n[i].addr, n[i].slot,
			       n[i].mtu);
}

static void dump_faults(const struct vm_maps *maps)
{
	struct vm_faults f;
	__u32 *keys;
	size_t n = keys_of(maps->faults, &keys);

	for (size_t i = 0; i < n; i++)
		if (!bpf_map_lookup_elem(maps->faults, &keys[i], &f))
			printf("faults %u: loss %u seed %llu slot %u ifindex %u\n", keys[i], f.loss,
			       f.seed, f.slot, f.ifindex);
	free(keys);
}

int main(void)
{
	struct vm_maps maps;
	struct vm_meta meta;
	__u32 zero = 0;
	int err;

	err = vm_maps_open(&maps);
	if (err) {
		fprintf(stderr, "mapdump: %s\n", strerror(-err));
		return err == -ENOENT ? 3 : 1;
	}
	if (!bpf_map_lookup_elem(maps.meta, &zero, &meta))
		printf("meta: abi %u broker %u\n", meta.abi, meta.broker_ifindex);
	dump_ports(maps.ports);
	dump_nodes(maps.nodes);
	dump_devmap("taps", maps.taps);
	dump_ensembles(&maps);
	dump_hints(&maps);
	dump_faults(&maps);
	vm_maps_close(&maps);
	return 0;
}
