/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pinned maps of <virtmesh/maps.h>, opened. Shared by the command and the
 * broker; creating them is the command's alone (state.h).
 */
#ifndef VIRTMESH_HOST_MAPS_H
#define VIRTMESH_HOST_MAPS_H

#include <virtmesh/maps.h>

/* File descriptors, all O_CLOEXEC; -1: not open. Owned by whoever opened them. */
struct vm_maps {
	int meta;
	int ports;
	int nodes;
	int port_index;
	int node_index;
	int taps;
	int ensembles;
	int groups;
	int members;
	int epochs;
	int counters;
	int limits;
	int faults;
	int fault_batch;
	int events;
};

#define VM_MAPS_CLOSED                                                     \
	{                                                                  \
		-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1 \
	}

/*
 * Open every map of the host's state. All or none: on an error @maps is closed.
 * Returns 0; -ENOENT when there is no state (no ensemble was ever added);
 * -EPROTO when meta.abi is not VM_MAPS_ABI; -EXDEV when the state belongs to
 * another network namespace than the caller's; -EPERM or -EACCES without the
 * right to open the pins. They are all of one state, even while that is replaced.
 */
int vm_maps_open(struct vm_maps *maps);
void vm_maps_close(struct vm_maps *maps);
/* The fd of the map called @name; NULL when there is no such map. */
int *vm_maps_fd(struct vm_maps *maps, const char *name);

/*
 * Visit every port; @fn returns 0 to go on, anything else ends the walk and is
 * returned. -errno of the kernel otherwise; -EAGAIN when others deleted so much
 * meanwhile that the walk came to no end. Ports added meanwhile may be missed;
 * @fn may delete the port it was given, and no other.
 */
int vm_ports_each(const struct vm_maps *maps,
		  int (*fn)(__u32 ifindex, const struct vm_port *port, void *arg), void *arg);

/* What vm_meta.netns_cookie is compared to: the caller's. 0, or -errno (kernel < 5.14). */
int vm_netns_cookie(__u64 *cookie);

#endif /* VIRTMESH_HOST_MAPS_H */
