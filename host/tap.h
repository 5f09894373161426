/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tap devices: made, opened, set up, removed. In the caller's network namespace.
 */
#ifndef VIRTMESH_HOST_TAP_H
#define VIRTMESH_HOST_TAP_H

#include <stdbool.h>
#include <sys/types.h>

/* Slots of a mesh tap's ring: what may wait for its reader. See ARCHITECTURE.md, "Loss". */
#define VM_TAP_RING 4096
/* struct virtio_net_hdr_v1, what modern virtio-net has before every frame; bytes. */
#define VM_TAP_VNET_HDR 12

/*
 * Making in two steps: the tap @name, with vnet header, owned by @owner (always
 * somebody: a tap without an owner may be opened by whoever can open
 * /dev/net/tun, and whoever holds a tap is its node), MTU @mtu, a ring of
 * VM_TAP_RING, IPv6 autoconfiguration off, up, is gone when the fd that
 * vm_tap_make() returns is closed (or its owner killed), until vm_tap_keep() makes it
 * persistent. The caller closes the fd in either case.
 *
 * vm_tap_make() returns -EEXIST when an interface has that name; -EPERM without
 * CAP_NET_ADMIN; -ENODEV without /dev/net/tun; -EINVAL for a bad name or MTU; nothing
 * is left behind on an error. vm_tap_keep() returns 0 or -errno.
 */
int vm_tap_make(const char *name, uid_t owner, unsigned int mtu);
int vm_tap_keep(int fd);
/*
 * Removing in two steps: vm_tap_hold() returns an fd by which nobody else can
 * open the tap (-EBUSY: somebody has; -ENODEV, -EINVAL as below), vm_tap_release() makes
 * it go when that fd is closed.
 */
int vm_tap_hold(const char *name);
int vm_tap_release(int fd);
/*
 * Open the existing tap @name for frames: O_NONBLOCK (native XDP runs only
 * then), unlimited sndbuf, vnet header of VM_TAP_VNET_HDR bytes. Returns the fd, which the
 * caller closes; -ENODEV when there is no such interface, -EINVAL when it is no
 * tap, -EBUSY when it is open already, -EPERM.
 */
int vm_tap_open(const char *name);
/* Is @fd an open tap, and of interface @name? Not so once that has been deleted. */
bool vm_tap_is(int fd, const char *name);

#endif /* VIRTMESH_HOST_TAP_H */
