/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Faults of an ensemble on purpose: its entry in `faults`, VM_PORT_FAULTS at its
 * ports, and the port of the detour, if there is one. Functions return 0 or
 * -errno and, unless it says silent, have explained an error on stderr.
 */
#ifndef VIRTMESH_HOST_FAULTS_H
#define VIRTMESH_HOST_FAULTS_H

#include "link.h"
#include "ports.h"
#include "state.h"

/* -ENOENT: it has none. Silent. */
int vm_faults_get(const struct vm_state *st, __u32 ensemble, struct vm_faults *faults);

/* VM_PORT_FAULTS if a port of @ensemble must have it, else 0. Silent. */
int vm_faults_flag(const struct vm_state *st, __u32 ensemble, __u32 *flag);

/*
 * Turn them on, or change them: they start anew. @through: make a detour by this
 * interface; NULL: lose faults->loss of a million. On an error it is as before.
 */
int vm_faults_on(struct vm_state *st, struct vm_ports *ports, __u32 ensemble,
		 const struct vm_link *through, const struct vm_faults *faults);
/* The reverse. Going on after an error as vm_ports_withdraw() does. */
int vm_faults_off(struct vm_state *st, struct vm_ports *ports, __u32 ensemble);

/* Part of vm_ports_sweep(): detours without an interface, flags of killed commands. Silent. */
int vm_faults_sweep(struct vm_state *st, struct vm_ports *ports);

#endif /* VIRTMESH_HOST_FAULTS_H */
