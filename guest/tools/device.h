/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /dev/virtmeshN, opened, and the words for what it tells.
 */
#ifndef VIRTMESH_MESH_DEVICE_H
#define VIRTMESH_MESH_DEVICE_H

#include <linux/virtmesh.h>

/*
 * Open @path and check that its driver speaks this program's ABI. Returns the fd,
 * O_NONBLOCK and O_CLOEXEC; or the negative of an exit status, with a line on
 * stderr: -MESH_NO_DEVICE, -MESH_FAILED.
 */
int mesh_open(const char *path);

/* An exit status for @err, the positive errno of a failed call, and a line on stderr. */
int mesh_fail(int err, const char *what);

/*
 * The membership of now, in *@peers, which the caller frees. Re-arms POLLPRI.
 * Returns the number of entries, or -errno.
 */
int mesh_get_peers(int fd, struct virtmesh_peer **peers, __u32 *epoch);

/* Never NULL: "?" for what this program does not know. */
const char *mesh_node_state(unsigned int state);
const char *mesh_link_state(unsigned int state);
/* Why the broker refused: enum vm_refusal. */
const char *mesh_refusal(unsigned int reason);
/* enum virtmesh_opcode, and virtmesh_reason. */
const char *mesh_opcode(unsigned int opcode);
const char *mesh_reason(unsigned int reason);

#endif /* VIRTMESH_MESH_DEVICE_H */
