/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The steering program on an interface: natively where the driver can, through
 * libxdp's dispatcher where the kernel can. Functions return 0 or -errno and
 * have explained an error on stderr.
 */
#ifndef VIRTMESH_HOST_XDP_H
#define VIRTMESH_HOST_XDP_H

#include "link.h"
#include "state.h"

struct vm_xdp {
	__u32 flags; /* of vm_port: VM_PORT_DISPATCHER, VM_PORT_GENERIC */
	__u32 prog_id; /* of vm_port */
};

/*
 * Attach to @link. -EBUSY when another program is in the way. Where the native
 * path is refused, attaches in the generic one and warns why.
 */
int vm_xdp_attach(const struct vm_state *st, const struct vm_link *link, struct vm_xdp *xdp);
/* Undo; 0 as well when the interface or the program has gone. Leaves programs of others. */
int vm_xdp_detach(const struct vm_state *st, __u32 ifindex, const struct vm_xdp *xdp);

/*
 * Does libxdp's dispatcher work on this kernel? Found out by attaching to @link,
 * which must have no program: left attached (and *@xdp filled) when it does.
 */
bool vm_xdp_try_dispatcher(const struct vm_state *st, const struct vm_link *link,
			   struct vm_xdp *xdp);

/*
 * @link is no port: did a command that was killed leave the program on it? Then *@xdp is
 * what to detach.
 */
bool vm_xdp_left(const struct vm_state *st, const struct vm_link *link, struct vm_xdp *xdp);

/*
 * The interface has gone, by us: libxdp's pins for what others had on it go as well.
 * Nobody else would take them away, and they keep the programs loaded.
 */
void vm_xdp_forget(const struct vm_state *st, __u32 ifindex);

/* The kernel's number of the program @fd. 0 or -errno; silent. */
int vm_xdp_prog_id(int fd, __u32 *id);

/* What is attached to @link is the steering program, as @port says it should be. */
bool vm_xdp_is_ours(const struct vm_link *link, const struct vm_port *port);

#endif /* VIRTMESH_HOST_XDP_H */
