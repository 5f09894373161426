/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A port's entries in the maps. Functions that return int return 0 or -errno
 * and have explained an error on stderr.
 */
#ifndef VIRTMESH_HOST_PORTS_H
#define VIRTMESH_HOST_PORTS_H

#include <stdbool.h>
#include <stddef.h>

#include "state.h"

struct vm_port_entry {
	__u32 ifindex;
	struct vm_port port;
};

/* What `ports` holds at one moment, in order of address; vmesh0 comes first. */
struct vm_ports {
	size_t count;
	struct vm_port_entry entry[VM_PORTS_MAX];
};

/* The caller frees it. NULL after an error. */
struct vm_ports *vm_ports_load(const struct vm_maps *maps);
/* NULL when there is none. */
const struct vm_port_entry *vm_ports_by_addr(const struct vm_ports *ports, __u32 addr);
const struct vm_port_entry *vm_ports_by_ifindex(const struct vm_ports *ports, __u32 ifindex);
/* How many of @ensemble, and the smallest of their MTUs (VM_MTU_MAX if none). */
unsigned int vm_ports_of(const struct vm_ports *ports, __u16 ensemble, __u16 *mtu);

/*
 * Make @ifindex, to which the program is attached, a port: choose port->slot,
 * start its counters at 0, fill every map, `ports` last. On an error none of
 * them has changed. @ports is brought up to date.
 */
int vm_ports_publish(struct vm_state *st, struct vm_ports *ports, __u32 ifindex,
		     struct vm_port *port);
/*
 * The reverse. An error at the start leaves all as it is, and the port in
 * @ports. Later it goes on, so that as little as can be is left, and returns the
 * first error; the next vm_ports_sweep() then finds the rest.
 */
int vm_ports_withdraw(struct vm_state *st, struct vm_ports *ports, __u32 ifindex);

/* Has its interface gone, or left the namespace? 1, 0, or -errno, which is not explained. */
int vm_port_gone(const struct vm_maps *maps, const struct vm_port_entry *entry);

/*
 * Forget ports whose interface has gone, and entries of commands that were
 * killed half-way. Silent but for a line for each port forgotten.
 */
int vm_ports_sweep(struct vm_state *st, struct vm_ports *ports);

/* 0; -ENOENT when this host has no such ensemble. */
int vm_ensemble_find(const struct vm_state *st, __u32 ensemble);

/* A slot that no port has, or -ENOSPC. */
int vm_ports_free_slot(const struct vm_ports *ports);
/* Start @slot's counters and limits at 0. */
int vm_ports_reset_slot(const struct vm_state *st, __u16 slot);

#endif /* VIRTMESH_HOST_PORTS_H */
