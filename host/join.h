/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What "port" and "attach" share: an interface becomes a port and stops being
 * one. Functions return 0 or -errno and have explained an error on stderr.
 */
#ifndef VIRTMESH_HOST_JOIN_H
#define VIRTMESH_HOST_JOIN_H

#include "cmd.h"
#include "link.h"
#include "ports.h"
#include "state.h"

/* From vm_join_check(): the very same port is there. No error, nothing to do. */
#define VM_JOIN_SAME 1

struct vm_join {
	struct vm_port port; /* addr, mtu and flags from the caller; vm_join() adds the rest */
	__u32 ifindex; /* from vm_join() */
};

/*
 * May @args become a port? @owned: VM_PORT_OWNED or 0, how it is asked for.
 * -ENOENT: no such ensemble; -EEXIST: node or interface is taken.
 */
int vm_join_check(const struct vm_state *st, const struct vm_ports *ports,
		  const struct vm_args *args, __u32 owned);
/* Attach the program and fill the maps; neither on an error. */
int vm_join(const struct vm_state *st, struct vm_ports *ports, const struct vm_link *link,
	    struct vm_join *join);
/* The reverse. After an error either nothing was changed, or @ports has it no more. */
int vm_leave(const struct vm_state *st, struct vm_ports *ports, __u32 ifindex);
/* The port that interface @name is. -ENODEV when there is none. */
int vm_join_find(const struct vm_ports *ports, const char *name,
		 const struct vm_port_entry **entry);
/* Tell what was done, in the way @args asks for. @join: NULL when the port has gone. */
int vm_join_report(const struct vm_args *args, const struct vm_join *join, bool changed,
		   const char *text);

#endif /* VIRTMESH_HOST_JOIN_H */
