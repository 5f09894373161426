/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control socket of <virtmesh/ctl.h>.
 */
#ifndef VIRTMESH_BROKER_SERVER_H
#define VIRTMESH_BROKER_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

#include <linux/types.h>
#include <virtmesh/ctl.h>

#include "request.h"

struct broker;
struct io_uring_cqe;
struct node;
struct sandbox_calls;

/* Changes kept for watchers; one who is further behind is let go. Power of two. */
#define SERVER_EVENTS 1024
/* Of VM_CTL_CLIENTS, how many may be anybody's: the others are root's. */
#define SERVER_CLIENTS_ANY 48
/* ... and how many of those one user's: he must not keep the others out. */
#define SERVER_CLIENTS_UID 16

struct client {
	int fd; /* -1: free */
	uid_t uid;
	bool receiving; /* a receive is out */
	bool sending; /* a send is out */
	bool answering; /* `request` is not answered to its end */
	bool closing; /* wait for what is out, then close */
	bool given; /* files, which it may not have taken */
	struct request request;
	int refusal; /* errno to answer it with; 0: none */
	const char *why;
	__u32 next_addr; /* NODES: where the next record begins */

	bool watching;
	bool watch_told; /* that it has ended */
	__u32 watch_cookie;
	__u32 watch_ensemble;
	__u64 watch_seen; /* events sent to it */

	__u64 send_until; /* CLOCK_MONOTONIC: who has not read by then is let go */
	__u8 in[REQUEST_MAX];
	__u8 *out; /* VM_CTL_MAX bytes */
};

struct server {
	int fd;
	const char *path;
	pid_t pid;
	bool accepting; /* an accept is out */
	__u64 accept_at; /* CLOCK_MONOTONIC: try again then; 0: not waiting for that */
	unsigned int nclients;
	unsigned int nany; /* of them, who is not root */
	struct client clients[VM_CTL_CLIENTS];

	__u64 line_due; /* CLOCK_MONOTONIC: see server_may_log() */
	unsigned int unsaid; /* lines it has kept back since the last */

	struct vm_ctl_node events[SERVER_EVENTS];
	__u64 nevents; /* ever published */
};

/*
 * Make the socket at @path, 0660 root:virtmesh where that group is, in a
 * directory that is made if need be. Before the sandbox. Returns 0; -EADDRINUSE
 * when another broker answers there; -errno. Says why in the log.
 */
int server_init(struct broker *b, const char *path);
/* Start to accept; once the ring is enabled. */
void server_start(struct broker *b);
/* Accept and ask no more; finish what was asked and tell watchers the end. */
void server_drain(struct broker *b);
/* Is everything said? */
bool server_idle(const struct server *server);
void server_exit(struct broker *b);

/* May a client cause one more line in the log? They must not fill it. */
bool server_may_log(struct broker *b);
/* @node is news for watchers. */
void server_publish(struct broker *b, const struct node *node, __u32 epoch);
/* Once a wake-up, after all events: send what is due, let go who is overdue. */
void server_run(struct broker *b);
/* When server_run() is next needed if nothing happens; 0: not. */
__u64 server_deadline(const struct server *server);

void server_accept_done(struct broker *b, const struct io_uring_cqe *cqe);
void server_recv_done(struct broker *b, const struct io_uring_cqe *cqe);
void server_send_done(struct broker *b, const struct io_uring_cqe *cqe);

extern const struct sandbox_calls server_calls;

#endif /* VIRTMESH_BROKER_SERVER_H */
