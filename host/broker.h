/* SPDX-License-Identifier: GPL-2.0-only */
/* A client of the broker's control socket, <virtmesh/ctl.h>. */
#ifndef VIRTMESH_HOST_BROKER_H
#define VIRTMESH_HOST_BROKER_H

#include <stddef.h>

#include <virtmesh/ctl.h>

/* What the socket may take to answer. */
#define VM_BROKER_WAIT_MS 2000

/*
 * Connect. Returns an fd the caller closes; -ENOTCONN when no broker runs,
 * -EACCES when this user may not ask it, -errno.
 */
int vm_broker_connect(void);

/*
 * Ask @op with @len bytes at @payload, and hand each record of the answer to
 * @fn (which returns 0 to go on; NULL: nothing is expected). Returns 0; what @fn
 * returned; -ETIMEDOUT; -ENOTCONN when the broker ended meanwhile; -EPROTO when
 * the answer makes no sense; or the broker's own error, whose words are then in
 * @why (@size bytes, always terminated).
 */
int vm_broker_ask(int fd, enum vm_ctl_op op, const void *payload, size_t len,
		  int (*fn)(const void *data, size_t len, void *arg), void *arg, char *why,
		  size_t size);

/*
 * Tell the broker, if there is one, that the maps have changed. Waits for it a
 * bounded time and warns if it does not answer: lane 1 does not need it.
 */
void vm_broker_resync(void);

#endif /* VIRTMESH_HOST_BROKER_H */
