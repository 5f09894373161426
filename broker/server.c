// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * A client has at most one receive and one send out. While a request is being
 * answered no other is received, so a client that asks faster than it reads
 * waits in its own socket buffer. An answer of several records is made record by
 * record, each when the one before it was taken: nothing is queued here.
 *
 * Changes for watchers stand in one ring for all of them. A watcher is a
 * position in it; one that the ring laps, or that does not take a record within
 * SEND_SECONDS, is let go.
 *
 * A client is closed by shutdown(), which ends what is out, and its slot is free
 * when both have come back: no completion is ever for another client. One that was
 * given files and does not read them keeps its slot until its end is closed. That
 * is looked at when something else wakes us, as whoever wants the slot does.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <virtmesh/version.h>

#include "../host/log.h"
#include "broker.h"
#include "listen.h"
#include "sandbox.h"
#include "server.h"
#include "state.h"
#include "taps.h"

SANDBOX_CALLS(server_calls, SANDBOX_CALL_ARG(getsockopt, 2, SO_PEERCRED), SANDBOX_CALL(sendto),
	      SANDBOX_CALL(recvfrom), SANDBOX_CALL(recvmsg), SANDBOX_CALL(shutdown),
	      SANDBOX_CALL(close), SANDBOX_CALL(unlink), SANDBOX_CALL(unlinkat));

#define SEND_SECONDS   5
#define ACCEPT_SECONDS 1 /* after we were out of files or memory */

/* Lines that clients cause in the log: for all ports to start at once, and then one a second. */
#define LINES_BURST    VM_PORTS_MAX
#define LINES_INTERVAL NSEC_PER_SEC

#define NODES_PER_RECORD ((VM_CTL_MAX - sizeof(struct vm_ctl_msg)) / sizeof(struct vm_ctl_node))

static __u8 out_memory[VM_CTL_CLIENTS][VM_CTL_MAX];

int server_init(struct broker *b, const char *path)
{
	struct server *server = &b->server;

	for (unsigned int i = 0; i < VM_CTL_CLIENTS; i++) {
		server->clients[i].fd = -1;
		server->clients[i].out = out_memory[i];
	}
	server->path = path;
	server->pid = getpid();
	server->fd = listen_unix(path);
	return server->fd < 0 ? server->fd : 0;
}

static void arm_accept(struct broker *b)
{
	struct io_uring_sqe *sqe = loop_sqe(&b->loop);

	/* One at a time: all that wait at once would be more files than slots, and than we may have. */
	io_uring_prep_accept(sqe, b->server.fd, NULL, NULL, SOCK_CLOEXEC);
	io_uring_sqe_set_data64(sqe, event_pack(EVENT_ACCEPT, 0, 0));
	b->server.accepting = true;
	b->server.accept_at = 0;
}

void server_start(struct broker *b)
{
	arm_accept(b);
}

static unsigned int index_of(const struct server *server, const struct client *c)
{
	return c - server->clients;
}

static void maybe_free(struct broker *b, struct client *c)
{
	if (!c->closing || c->receiving || c->sending)
		return;
	if (c->given && !b->draining && taps_unread(c->fd))
		return;
	close(c->fd);
	b->server.nclients--;
	b->server.nany -= c->uid != 0;
	*c = (struct client){ .fd = -1, .out = c->out };
}

/*
 * Drop what came on @fd, which is shut down, and was not looked at. The client's own
 * end may be among it: open for as long as ours is, which may wait for it to close.
 */
static void discard(int fd)
{
	struct msghdr mh;

	do {
		/* No room for who sent it, which SO_PASSCRED says of each record. */
		mh = (struct msghdr){ 0 };
	} while (recvmsg(fd, &mh, MSG_DONTWAIT) >= 0 && mh.msg_flags & MSG_CTRUNC);
}

static void let_go(struct broker *b, struct client *c)
{
	if (!c->closing) {
		shutdown(c->fd, SHUT_RDWR);
		discard(c->fd);
	}
	c->closing = true;
	maybe_free(b, c);
}

static void receive(struct broker *b, struct client *c)
{
	struct io_uring_sqe *sqe = loop_sqe(&b->loop);

	/* MSG_TRUNC: be told how long the record was, though we take only its start. */
	io_uring_prep_recv(sqe, c->fd, c->in, sizeof(c->in), MSG_TRUNC);
	io_uring_sqe_set_data64(sqe, event_pack(EVENT_RECV, index_of(&b->server, c), 0));
	c->receiving = true;
}

static void send_record(struct broker *b, struct client *c, __u16 op, __u32 cookie, __u16 flags,
			int error, size_t len)
{
	struct vm_ctl_msg msg = {
		.version = VM_CTL_VERSION,
		.op = op,
		.flags = flags,
		.error = -error,
		.len = len,
		.cookie = cookie,
	};
	struct io_uring_sqe *sqe = loop_sqe(&b->loop);

	memcpy(c->out, &msg, sizeof(msg));
	io_uring_prep_send(sqe, c->fd, c->out, sizeof(msg) + len, MSG_NOSIGNAL);
	io_uring_sqe_set_data64(sqe, event_pack(EVENT_SEND, index_of(&b->server, c), 0));
	c->sending = true;
	c->send_until = b->now + SEND_SECONDS * NSEC_PER_SEC;
}

static struct vm_ctl_node describe(const struct node *node, __u32 epoch)
{
	return (struct vm_ctl_node){
		.addr = node->addr,
		.ifindex = node->ifindex,
		.epoch = epoch,
		.incarnation = node->rec.nonce ? node->rec.incarnation : 0,
		.since_ns = node->rec.since_ns,
		.heard_ns = node->heard_real,
		.progress = node->progress,
		.pending = node->pending,
		.mtu = node->rec.nonce ? node->rec.mtu : node->mtu,
		.state = node->rec.state,
	};
}

static size_t put_info(struct broker *b, __u8 *payload)
{
	struct vm_ctl_info info = {
		.broker_id = b->id,
		.started_ns = b->started_ns,
		.wakeups = b->loop.wakeups,
		.frames_rx = b->node0.frames_rx,
		.frames_tx = b->node0.frames_tx,
		.frames_bad = b->node0.frames_bad,
		.pid = b->server.pid,
		.nodes = b->mesh.nnodes,
		.ensembles = b->mesh.nensembles,
		.probe_ms = b->opt.probe_ms,
		.dead_ms = b->opt.dead_ms,
		.clients = b->server.nclients,
		.has_state = b->has_state,
		.version = VM_VERSION,
		.frames_refused = b->node0.frames_refused,
		.frames_unsent = b->node0.frames_unsent,
	};

	for (unsigned int i = 0; i < b->mesh.nnodes; i++)
		info.nodes_up += b->mesh.nodes[i].rec.state == VM_NODE_UP;
	memcpy(payload, &info, sizeof(info));
	return sizeof(info);
}

/* The next record's nodes; *@more when they are not all. The mesh may have changed in between. */
static size_t put_nodes(struct broker *b, struct client *c, __u8 *payload, bool *more)
{
	size_t n = 0;

	*more = false;
	for (unsigned int i = 0; i < b->mesh.nensembles; i++) {
		const struct ensemble *ens = &b->mesh.ensembles[i];

		if (c->request.ensemble && ens->id != c->request.ensemble)
			continue;
		for (unsigned int j = 0; j < ens->count; j++) {
			const struct node *node = &b->mesh.nodes[ens->first + j];
			struct vm_ctl_node entry = describe(node, ens->epoch);

			if (node->addr < c->next_addr)
				continue;
			if (n == NODES_PER_RECORD) {
				*more = true;
				c->next_addr = node->addr;
				return n * sizeof(entry);
			}
			memcpy(payload + n++ * sizeof(entry), &entry, sizeof(entry));
		}
	}
	return n * sizeof(struct vm_ctl_node);
}

static void answer(struct broker *b, struct client *c)
{
	__u8 *payload = c->out + sizeof(struct vm_ctl_msg);
	struct request *req = &c->request;
	__u16 flags = VM_CTL_LAST;
	size_t len = 0;
	bool more;

	if (!c->refusal && req->op == VM_CTL_NODES && req->ensemble && !c->next_addr &&
	    !mesh_ensemble(&b->mesh, req->ensemble)) {
		c->refusal = -ENOENT;
		c->why = "no such ensemble here";
	}
	if (c->refusal) {
		len = strlen(c->why);
		memcpy(payload, c->why, len);
		c->answering = false;
		send_record(b, c, req->op, req->cookie, VM_CTL_LAST, c->refusal, len);
		return;
	}
	switch (req->op) {
	case VM_CTL_INFO:
		len = put_info(b, payload);
		break;
	case VM_CTL_NODES:
		len = put_nodes(b, c, payload, &more);
		if (more)
			flags = 0;
		break;
	case VM_CTL_WATCH:
		c->watching = true;
		c->watch_cookie = req->cookie;
		c->watch_ensemble = req->ensemble;
		c->watch_seen = b->server.nevents;
		flags = 0;
		break;
	}
	c->answering = req->op == VM_CTL_NODES && !(flags & VM_CTL_LAST);
	send_record(b, c, req->op, req->cookie, flags, 0, len);
}

/* True when a record was sent. */
static bool tell_watcher(struct broker *b, struct client *c)
{
	__u8 *payload = c->out + sizeof(struct vm_ctl_msg);
	struct server *server = &b->server;
	size_t n = 0;

	if (server->nevents - c->watch_seen > SERVER_EVENTS) {
		if (server_may_log(b))
			vm_warn("event=client-dropped reason=\"a watcher fell %u changes behind\"",
				SERVER_EVENTS);
		let_go(b, c);
		return false;
	}
	for (; c->watch_seen < server->nevents && n < NODES_PER_RECORD; c->watch_seen++) {
		const struct vm_ctl_node *entry = &server->events[c->watch_seen % SERVER_EVENTS];

		if (c->watch_ensemble && vm_addr_ensemble(entry->addr) != c->watch_ensemble)
			continue;
		memcpy(payload + n++ * sizeof(*entry), entry, sizeof(*entry));
	}
	if (n) {
		send_record(b, c, VM_CTL_WATCH, c->watch_cookie, 0, 0,
			    n * sizeof(struct vm_ctl_node));
		return true;
	}
	if (b->draining && !c->watch_told) {
		c->watch_told = true;
		send_record(b, c, VM_CTL_WATCH, c->watch_cookie, VM_CTL_LAST, 0, 0);
		return true;
	}
	return false;
}

/* Did @c ask something that we have not seen yet? The receive that is out will bring it. */
static bool has_asked(const struct client *c)
{
	char byte;

	return c->receiving && recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* Whatever is next for @c. */
static void pump(struct broker *b, struct client *c)
{
	if (c->fd < 0)
		return;
	if (c->closing) {
		maybe_free(b, c);
		return;
	}
	if (c->sending) {
		if (b->now >= c->send_until) {
			if (server_may_log(b))
				vm_warn("event=client-dropped reason=\"it does not read\"");
			let_go(b, c);
		}
		return;
	}
	if (c->answering) {
		answer(b, c);
		return;
	}
	/* Let go, it may be nobody's already: with nothing out its slot is free at once. */
	if (c->watching && (tell_watcher(b, c) || c->fd < 0 || c->closing))
		return;
	if (b->draining) {
		if (!has_asked(c))
			let_go(b, c);
		return;
	}
	if (!c->receiving)
		receive(b, c);
}

/* A slot for one more client of user @uid; NULL: there is none, or none for him. */
static struct client *slot_for(struct broker *b, uid_t uid)
{
	struct server *server = &b->server;
	struct client *slot = NULL;
	unsigned int his = 0;

	for (unsigned int i = 0; i < VM_CTL_CLIENTS; i++) {
		struct client *c = &server->clients[i];

		maybe_free(b, c);
		if (c->fd < 0)
			slot = slot ?: c;
		else
			his += c->uid == uid;
	}
	if (uid && (server->nany >= SERVER_CLIENTS_ANY || his >= SERVER_CLIENTS_UID))
		return NULL;
	return slot;
}

void server_accept_done(struct broker *b, const struct io_uring_cqe *cqe)
{
	struct server *server = &b->server;
	struct ucred peer = { .uid = -1 };
	socklen_t len = sizeof(peer);
	struct client *c;
	int fd = cqe->res;

	server->accepting = false;
	/* Out of something: the next try would fail as well. Let time pass. */
	if (!b->draining && (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM || fd == -ENOBUFS))
		server->accept_at = b->now + ACCEPT_SECONDS * NSEC_PER_SEC;
	if (fd < 0) {
		if (fd != -ECANCELED && fd != -ECONNABORTED)
			vm_warn("event=accept error=\"%s\"", strerror(-fd));
		return;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		peer.uid = -1;
	vm_debug("event=client pid=%d uid=%d", peer.pid, (int)peer.uid);

	c = b->draining ? NULL : slot_for(b, peer.uid);
	if (!c) {
		struct vm_ctl_msg busy = {
			.version = VM_CTL_VERSION,
			.flags = VM_CTL_LAST,
			.error = EBUSY,
		};

		/* What it has asked already would, unread, have our end reset and the answer lost. */
		shutdown(fd, SHUT_RD);
		while (recv(fd, &peer, sizeof(peer), MSG_DONTWAIT) > 0)
			;
		send(fd, &busy, sizeof(busy), MSG_DONTWAIT | MSG_NOSIGNAL);
		close(fd);
		return;
	}
	c->fd = fd;
	c->uid = peer.uid;
	server->nclients++;
	server->nany += c->uid != 0;
}

bool server_may_log(struct broker *b)
{
	struct server *server = &b->server;
	__u64 due = server->line_due > b->now ? server->line_due : b->now;

	if (due - b->now > (LINES_BURST - 1) * LINES_INTERVAL) {
		server->unsaid++;
		return false;
	}
	server->line_due = due + LINES_INTERVAL;
	if (server->unsaid)
		vm_warn("event=lines-unsaid count=%u reason=\"clients cause too many\"",
			server->unsaid);
	server->unsaid = 0;
	return true;
}

static void give_tap(struct broker *b, struct client *c)
{
	int err = taps_give(b, c->fd, c->uid, &c->request, &c->why);

	if (err && !c->why) {
		if (server_may_log(b))
			vm_warn("event=client-dropped "
				"reason=\"it did not take the files of %s: %s\"",
				c->request.name, strerror(-err));
		let_go(b, c);
		return;
	}
	c->given |= !err;
	c->refusal = err;
	c->answering = err != 0;
}

static void take_request(struct broker *b, struct client *c, size_t len)
{
	c->answering = true;
	c->next_addr = 0;
	c->why = NULL;
	c->refusal = request_parse(c->in, len, &c->request, &c->why);
	if (!c->refusal && (c->request.op == VM_CTL_TAP || c->request.op == VM_CTL_VHOST_NET))
		give_tap(b, c);
	if (c->refusal || c->request.op != VM_CTL_RESYNC)
		return;
	if (c->uid) {
		c->refusal = -EPERM;
		c->why = "only root may ask for this";
		return;
	}
	c->refusal = state_resync(b);
	c->why = state_error(c->refusal);
}

void server_recv_done(struct broker *b, const struct io_uring_cqe *cqe)
{
	struct client *c = &b->server.clients[event_index(cqe->user_data)];

	c->receiving = false;
	if (c->closing) {
		maybe_free(b, c);
		return;
	}
	if (cqe->res > 0)
		take_request(b, c, cqe->res);
	else if (cqe->res != -EINTR && cqe->res != -EAGAIN)
		let_go(b, c); /* it left; an empty record says the same */
}

void server_send_done(struct broker *b, const struct io_uring_cqe *cqe)
{
	struct client *c = &b->server.clients[event_index(cqe->user_data)];

	c->sending = false;
	if (c->closing)
		maybe_free(b, c);
	else if (cqe->res < 0)
		let_go(b, c);
}

void server_publish(struct broker *b, const struct node *node, __u32 epoch)
{
	b->server.events[b->server.nevents++ % SERVER_EVENTS] = describe(node, epoch);
}

void server_run(struct broker *b)
{
	struct server *server = &b->server;

	for (unsigned int i = 0; i < VM_CTL_CLIENTS; i++)
		pump(b, &server->clients[i]);
	if (!server->accepting && !b->draining && b->now >= server->accept_at)
		arm_accept(b);
}

__u64 server_deadline(const struct server *server)
{
	__u64 when = server->accept_at;

	for (unsigned int i = 0; i < VM_CTL_CLIENTS; i++) {
		const struct client *c = &server->clients[i];

		if (c->fd >= 0 && c->sending && !c->closing && (!when || c->send_until < when))
			when = c->send_until;
	}
	return when;
}

void server_drain(struct broker *b)
{
	if (b->server.accepting)
		loop_cancel(&b->loop, event_pack(EVENT_ACCEPT, 0, 0));
	b->server.accept_at = 0; /* or its deadline would pass, and nobody would move it */
	unlink(b->server.path);
}

bool server_idle(const struct server *server)
{
	return !server->nclients;
}

void server_exit(struct broker *b)
{
	close(b->server.fd);
}
