/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A vhost-user port's place in the file system: a directory of its own, in
 * which the VMM and virtmesh-port meet. Functions return 0 or -errno and have
 * explained an error on stderr.
 */
#ifndef VIRTMESH_HOST_ROOM_H
#define VIRTMESH_HOST_ROOM_H

#include <stddef.h>
#include <sys/types.h>

#include "ports.h"

#define VM_ROOMS       "/run/virtmesh/ports"
#define VM_ROOM_SOCKET "vhost-user.sock"
#define VM_ROOM_PATH   (sizeof(VM_ROOMS) + 16 + sizeof(VM_ROOM_SOCKET)) /* bytes for any of them */

#define VM_PORT_USER "virtmesh-port" /* owns taps and rooms if nobody else is named */

/* The path of port @name's socket, in @path of VM_ROOM_PATH bytes. */
const char *vm_room_socket(const char *name, char *path);

/* Whose members meet a port of @owner's, if nobody else is named. */
gid_t vm_room_group(uid_t owner);
/*
 * Make port @name's directory, or mend it: @owner's and @group's, and closed to
 * all others. @group -1: the one it has, or vm_room_group(). -EINVAL, here and in
 * vm_room_remove(), for a name that no interface can have.
 */
int vm_room_make(const char *name, uid_t owner, gid_t group);
/* Remove it and the sockets in it. 0 as well when there is none. */
int vm_room_remove(const char *name);
/* Remove those that no port of @ports has: left over when an interface vanished. Silent. */
void vm_rooms_tidy(const struct vm_ports *ports);

#endif /* VIRTMESH_HOST_ROOM_H */
