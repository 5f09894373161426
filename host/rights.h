/* SPDX-License-Identifier: GPL-2.0-only */
/* Descriptors sent over a UNIX socket, as unix(7)'s SCM_RIGHTS has it. */
#ifndef VIRTMESH_HOST_RIGHTS_H
#define VIRTMESH_HOST_RIGHTS_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#define VM_RIGHTS_MAX 2

/*
 * Send @n pieces, and the @nfds descriptors of @fds, 0 to VM_RIGHTS_MAX, with their
 * first byte; they stay the caller's. @flags are sendmsg(2)'s; MSG_NOSIGNAL is one
 * in any case. Returns how many bytes went, or -errno, never -EINTR.
 */
ssize_t vm_send_rights(int sock, struct iovec *iov, size_t n, const int *fds, size_t nfds,
		       int flags);

#endif /* VIRTMESH_HOST_RIGHTS_H */
