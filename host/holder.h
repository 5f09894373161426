/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who holds a tap open: the process behind a port, as the kernel tells it of
 * each open file in /proc. No process has to cooperate.
 */
#ifndef VIRTMESH_HOST_HOLDER_H
#define VIRTMESH_HOST_HOLDER_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct vm_holder {
	char name[IF_NAMESIZE]; /* from the caller */
	pid_t pid; /* 0: nobody that we may see, in this network namespace */
	char command[16]; /* printable ASCII: what is not, is a '?' */
	bool vhost_net; /* it has /dev/vhost-net open: the kernel may carry its frames */
};

/* Fill @holders, which name taps. One walk through /proc for all of them. */
void vm_holders_find(struct vm_holder *holders, size_t count);

#endif /* VIRTMESH_HOST_HOLDER_H */
