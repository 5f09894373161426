/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VIRTMESH_BROKER_LISTEN_H
#define VIRTMESH_BROKER_LISTEN_H

/*
 * A listening SOCK_SEQPACKET socket at @path, mode 0660, of the group
 * VM_CTL_GROUP if there is one. A missing directory is made, root's (0751); a socket
 * nobody answers is replaced. May sleep some seconds for another broker
 * that is starting, dying or hanging. Returns the fd, or, having said why in the log,
 * -EADDRINUSE: a broker answers there; -EEXIST: something else has that name;
 * -ENAMETOOLONG; or another -errno of making it.
 */
int listen_unix(const char *path);

#endif /* VIRTMESH_BROKER_LISTEN_H */
