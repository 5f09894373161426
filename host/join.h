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

struct vm_join {
	struct vm_port port; /* addr, mtu and flags from the caller; vm_join() adds the rest */
	__u32 ifindex; /* from vm_join() */
	__u32 owned; /* VM_PORT_OWNED or 0: how it is asked for */
	/* Make the interface a port; if @same it is one, and what belongs to it may be mended. */
	int (*make)(struct vm_state *st, struct vm_ports *ports, const struct vm_args *args,
		    struct vm_join *join, bool same);
	const char *text, *same_text; /* for people: "added", "exists already" */
};

/* A verb that makes a port, whole: under the lock, by @join, telling broker and user. */
int vm_join_command(const struct vm_args *args, struct vm_join *join);
/* The same for one that ends a port, by @leave; @text: "removed". */
int vm_leave_command(const struct vm_args *args,
		     int (*leave)(struct vm_state *st, struct vm_ports *ports,
				  const struct vm_args *args),
		     const char *text);

/*
 * May somebody's @link be a port? Not the host's own way out: its frames would end in
 * the mesh. 0, or -EINVAL explained.
 */
int vm_join_fit(const struct vm_link *link);
/* Attach the program and fill the maps; neither on an error. */
int vm_join(struct vm_state *st, struct vm_ports *ports, const struct vm_link *link,
	    struct vm_join *join);
/*
 * The reverse. After an error either @ports still has it, for the next try to finish, or
 * what is left of it in the maps is swept by the next command.
 */
int vm_leave(struct vm_state *st, struct vm_ports *ports, __u32 ifindex);
/* The port that interface @name is. -ENODEV when there is none. */
int vm_join_find(const struct vm_ports *ports, const char *name,
		 const struct vm_port_entry **entry);

#endif /* VIRTMESH_HOST_JOIN_H */
