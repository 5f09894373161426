/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records of the control socket, taken apart. Pure functions of their
 * arguments: no state, no system call, no allocation.
 */
#ifndef VIRTMESH_BROKER_REQUEST_H
#define VIRTMESH_BROKER_REQUEST_H

#include <stddef.h>

#include <linux/types.h>

struct request {
	__u16 op; /* enum vm_ctl_op, or whatever came when it was refused */
	__u32 cookie;
	__u32 ensemble; /* NODES, WATCH; 0: all */
	char name[16]; /* TAP, VHOST_NET: an interface's, as the kernel would take it */
};

/* The longest record any request may be; a longer one is only told apart from it. */
#define REQUEST_MAX 32

/*
 * Take apart the record at @data, of which @len bytes came and the first
 * REQUEST_MAX (or all, if fewer) are there. op and cookie are set whenever the
 * record was long enough to have them, else 0: a refusal repeats them.
 * Returns 0, or with *@why a sentence for people:
 * -EPROTO: malformed, or of another version
 * -EOPNOTSUPP: no such op
 * -EINVAL: an ensemble or a name that cannot be
 */
int request_parse(const void *data, size_t len, struct request *req, const char **why);

#endif /* VIRTMESH_BROKER_REQUEST_H */
