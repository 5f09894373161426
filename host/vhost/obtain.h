/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a port gets its tap from, and who it is.
 */
#ifndef VIRTMESH_VHOST_OBTAIN_H
#define VIRTMESH_VHOST_OBTAIN_H

#include <stdbool.h>

#include <virtmesh/types.h>

struct vm_obtained {
	int tap; /* as vm_tap_open() gives it; the caller's */
	int vhost; /* /dev/vhost-net, fresh, the caller's; -errno: why there is none */
	__u8 mac[VM_MAC_LEN];
	unsigned int mtu;
	const char *from; /* for the log: who gave it */
};

/*
 * The tap @name: of the broker; without one, opened by what the pinned maps say
 * of the port. Waits for up to two seconds while somebody still holds it: the
 * kernel lets go of a killed process's tap a little later. 0; -ENOENT: no port
 * has that name; -EBUSY, -EACCES, -EPERM, -EINVAL; logged.
 */
int vm_obtain(const char *name, struct vm_obtained *out);
/*
 * A tap that is no port of a mesh: @tap, which becomes *@out's, or (-1) opened by name.
 * @mtu 0: the interface's.
 */
int vm_obtain_plain(const char *name, int tap, const __u8 mac[VM_MAC_LEN], unsigned int mtu,
		    struct vm_obtained *out);
/* A fresh /dev/vhost-net for the port of tap @name, of the broker or by itself. -errno: none. */
int vm_obtain_vhost(const char *name);

#endif /* VIRTMESH_VHOST_OBTAIN_H */
