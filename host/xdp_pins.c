// SPDX-License-Identifier: GPL-2.0-only
/*
 * libxdp pins each program that a dispatcher runs in a directory named after the
 * interface and the dispatcher, and removes it when it is told to detach. A tap
 * that vanishes with its killed maker tells nobody: the pins stay, and keep the
 * program loaded and with it every map of the mesh.
 *
 * An interface that is not here may be in another network namespace and well: a
 * directory is ours only if a program in it has our very map.
 */
#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <xdp/libxdp.h>

#include "bpffs.h"
#include "log.h"
#include "xdp_pins.h"

#define XDP_PINS VM_BPFFS "/xdp"
#define MAPS_MAX 64

static bool uses_map(int prog, __u32 map)
{
	__u32 ids[MAPS_MAX] = { 0 };
	struct bpf_prog_info info = {
		.nr_map_ids = MAPS_MAX,
		.map_ids = (__u64)(unsigned long)ids,
	};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(prog, &info, &len))
		return false;
	for (__u32 i = 0; i < info.nr_map_ids && i < MAPS_MAX; i++)
		if (ids[i] == map)
			return true;
	return false;
}

/* Does one of the programs pinned in @name use @map? */
static bool is_ours(const char *name, __u32 map)
{
	char path[sizeof(XDP_PINS) + 2 * NAME_MAX + 2];
	struct dirent *entry;
	bool ours = false;
	DIR *dir;

	snprintf(path, sizeof(path), XDP_PINS "/%s", name);
	dir = opendir(path);
	if (!dir)
		return false;
	while (!ours && (entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);
		int prog;

		/* "prog0-prog"; its link is beside it. */
		if (len < 5 || strcmp(entry->d_name + len - 5, "-prog"))
			continue;
		snprintf(path, sizeof(path), XDP_PINS "/%s/%s", name, entry->d_name);
		prog = bpf_obj_get(path);
		if (prog < 0)
			continue;
		ours = uses_map(prog, map);
		close(prog);
	}
	closedir(dir);
	return ours;
}

void vm_xdp_pins_sweep(int ports)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	struct dirent *entry;
	DIR *dir;

	if (bpf_obj_get_info_by_fd(ports, &info, &len))
		return;
	dir = opendir(XDP_PINS);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		char name[IF_NAMESIZE];
		unsigned int ifindex;

		if (sscanf(entry->d_name, "dispatch-%u-", &ifindex) != 1 ||
		    if_indextoname(ifindex, name) || !is_ours(entry->d_name, info.id))
			continue;
		vm_debug("libxdp's pins of interface %u, which has gone: removed", ifindex);
		libxdp_clean_references(ifindex);
	}
	closedir(dir);
}
