/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way to the front-end: a socket we listen on, or one we connect to, again
 * and again. One front-end at a time; a second waits until the first has gone.
 */
#ifndef VIRTMESH_VHOST_CONNECTION_H
#define VIRTMESH_VHOST_CONNECTION_H

#include <stdbool.h>

#include <sys/types.h>

#include "message.h"

struct vm_device;
struct vm_loop;

struct vm_connection {
	struct vm_loop *loop;
	struct vm_device *dev;
	const char *path;
	bool client; /* we connect; else we listen */
	int listen; /* -1: not (yet) */
	int sock; /* the front-end; -1: none */
	unsigned int backoff_ms;
	int last_err; /* of the last try to connect, for the log */
	struct vm_message msg; /* being received */
};

/*
 * Before the sandbox: listen on @path, or adopt the listening socket @listen of
 * an earlier process (-1: none), which is closed and dropped from the store if it
 * is of another path, or its file was deleted; as a client nothing else is done yet.
 * The socket is for @uid and the directory's group, mode 0660. 0 or -errno, logged.
 */
int vm_connection_init(struct vm_connection *c, struct vm_loop *loop, struct vm_device *dev,
		       const char *path, bool client, int listen, uid_t uid);
/* Begin: with the front-end at @sock, which an earlier process had (-1: none). */
int vm_connection_start(struct vm_connection *c, int sock);
/* Cut the front-end off, and wait for the next. */
void vm_connection_cut(struct vm_connection *c);
/* Close everything. @unlink_it: nobody will listen there again. */
void vm_connection_exit(struct vm_connection *c, bool unlink_it);

#endif /* VIRTMESH_VHOST_CONNECTION_H */
