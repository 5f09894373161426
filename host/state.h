/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host's state as a whole: made by the first ensemble, removed with the
 * last, opened by everything in between. Functions return 0 or -errno and have
 * explained an error on stderr.
 */
#ifndef VIRTMESH_HOST_STATE_H
#define VIRTMESH_HOST_STATE_H

#include <stdbool.h>

#include "maps.h"

struct vm_state {
	struct vm_maps maps;
	struct vm_meta meta;
	int lock; /* VM_PIN_DIR, flocked; -1 for a reader */
	int steer; /* programs; -1 for a reader */
	int egress;
	__u32 steer_id;
	bool dispatcher; /* ports are attached through libxdp's dispatcher */
	bool changed; /* what ports, ensembles or vmesh0 there are: the broker is to be told */
	bool made; /* this command made it: vm_state_undo() */
	bool mounted; /* .. and the bpffs as well */
};

/* CAP_SYS_ADMIN and CAP_NET_ADMIN, or -EPERM. */
int vm_state_privilege(void);

/* Open for reading, without the lock. -ENOENT: there is none. */
int vm_state_read(struct vm_state *st);
/*
 * Open for changing: takes the lock, forgets ports whose interface has gone,
 * and mends vmesh0 if somebody took it away.
 */
int vm_state_change(struct vm_state *st);
/* The same, and makes the state when there is none; all or nothing. */
int vm_state_make(struct vm_state *st);
/* After vm_state_make(): the command fails after all, take away what it made. */
void vm_state_undo(struct vm_state *st);
/* The last ensemble has gone: take everything away. Call vm_state_close() after. */
int vm_state_remove(struct vm_state *st);
/* Lets go of the lock; then, if there was a change, whatever else failed, tells the broker. */
void vm_state_close(struct vm_state *st);

#endif /* VIRTMESH_HOST_STATE_H */
