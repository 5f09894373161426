// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <seccomp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../log.h"
#include "connection.h"
#include "device.h"
#include "loop.h"
#include "sandbox.h"
#include "saved.h"
#include "store.h"

SANDBOX_CALLS(connection_calls, SANDBOX_CALL_ARG(socket, 0, AF_UNIX), SANDBOX_CALL(connect),
	      SANDBOX_CALL(accept4), SANDBOX_CALL(close), SANDBOX_CALL(shutdown),
	      SANDBOX_CALL(unlink), SANDBOX_CALL(unlinkat),
	      SANDBOX_CALL_ARG(getsockopt, 2, SO_PEERCRED));

/* Requests done before rings get their turn: a flood of them must not starve frames. */
#define REQUESTS_A_TURN 16

#define BACKOFF_MIN_MS 20
#define BACKOFF_MAX_MS 1000
#define NSEC_PER_MSEC  1000000ULL

static int await(struct vm_connection *c);
static void try_connect(void *arg);

static int address(const char *path, struct sockaddr_un *addr)
{
	if (!*path || strlen(path) >= sizeof(addr->sun_path))
		return -ENAMETOOLONG;
	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	strcpy(addr->sun_path, path);
	return 0;
}

/* A socket's file that nobody listens on any more is in the way of the next. */
static void remove_stale(const struct sockaddr_un *addr)
{
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (sock < 0)
		return;
	if (!lstat(addr->sun_path, &st) && S_ISSOCK(st.st_mode) &&
	    connect(sock, (const struct sockaddr *)addr, sizeof(*addr)) && errno == ECONNREFUSED)
		unlink(addr->sun_path);
	close(sock);
}

/*
 * As root: the socket is @uid's, and its directory's group may connect. Whoever else
 * starts us cannot give a group away; a room does, it is setgid.
 */
static int give_to(const char *path, uid_t uid)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct stat st;

	if (geteuid())
		return 0;
	strcpy(dir, path);
	if (stat(dirname(dir), &st) || lchown(path, uid, st.st_gid))
		return -errno;
	return 0;
}

static int listen_at(const char *path, uid_t uid)
{
	struct sockaddr_un addr;
	mode_t mask;
	int fd, err;

	err = address(path, &addr);
	if (err)
		return err;
	remove_stale(&addr);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	mask = umask(0117);
	err = bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ? -errno : 0;
	umask(mask);
	if (!err)
		err = give_to(path, uid);
	if (!err && listen(fd, 1))
		err = -errno;
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

static bool listens_at(int fd, const char *path)
{
	struct sockaddr_un addr = {};
	socklen_t len = sizeof(addr) - 1;
	struct stat st;

	/* A socket whose file was deleted still has its name, and nobody finds it. */
	return !getsockname(fd, (struct sockaddr *)&addr, &len) && addr.sun_family == AF_UNIX &&
	       !strcmp(addr.sun_path, path) && !lstat(path, &st) && S_ISSOCK(st.st_mode);
}

/* Nobody listens on @fd any more, whoever holds it, and its name is free again. */
static void stop_listening(int fd)
{
	struct sockaddr_un addr = {};
	socklen_t len = sizeof(addr) - 1;
	bool named = !getsockname(fd, (struct sockaddr *)&addr, &len) &&
		     addr.sun_family == AF_UNIX && *addr.sun_path;

	vm_store_drop(VM_SAVED_LISTEN);
	/* Before it is looked at who answers there: the store may have a copy yet. */
	shutdown(fd, SHUT_RDWR);
	close(fd);
	if (named)
		remove_stale(&addr);
}

int vm_connection_init(struct vm_connection *c, struct vm_loop *loop, struct vm_device *dev,
		       const char *path, bool client, int listen, uid_t uid)
{
	struct sockaddr_un addr;
	int err;

	*c = (struct vm_connection){
		.loop = loop,
		.dev = dev,
		.path = path,
		.client = client,
		.listen = -1,
		.sock = -1,
		.backoff_ms = BACKOFF_MIN_MS,
	};
	vm_message_init(&c->msg);
	/* It was started with other options. */
	if (listen >= 0 && (client || !listens_at(listen, path))) {
		stop_listening(listen);
		listen = -1;
	}
	if (client) {
		err = address(path, &addr);
	} else {
		c->listen = listen >= 0 ? listen : listen_at(path, uid);
		err = c->listen < 0 ? c->listen : 0;
		if (!err && listen < 0)
			vm_store_keep(VM_SAVED_LISTEN, c->listen);
	}
	if (err)
		vm_err("event=start socket=%s error=\"%s\"", path, strerror(-err));
	return err;
}

static void on_message(void *arg)
{
	struct vm_connection *c = arg;
	int err;

	for (unsigned int i = 0; i < REQUESTS_A_TURN; i++) {
		err = vm_message_receive(&c->msg, c->sock);
		if (!err)
			return;
		if (err > 0)
			err = vm_device_request(c->dev, c->sock, &c->msg);
		if (err) {
			if (err != -ECONNRESET)
				vm_warn("event=cut reason=\"%s\" request=%u", strerror(-err),
					c->msg.hdr.request);
			vm_connection_cut(c);
			return;
		}
		vm_message_done(&c->msg);
		/* It means it. One that only ever cuts us off has us come slower and slower. */
		c->backoff_ms = BACKOFF_MIN_MS;
	}
}

static int serve(struct vm_connection *c, int sock)
{
	struct ucred peer = { .pid = 0 };
	socklen_t len = sizeof(peer);
	int err;

	getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	err = vm_loop_watch(c->loop, sock, on_message, c);
	if (err) {
		close(sock);
		return err;
	}
	c->sock = sock;
	c->dev->sock = sock;
	vm_device_all_taken(c->dev, sock);
	vm_info("event=front-end pid=%d uid=%d", peer.pid, (int)peer.uid);
	return 0;
}

static void await_again(void *arg)
{
	await(arg);
}

static void on_accept(void *arg)
{
	struct vm_connection *c = arg;
	int sock = accept4(c->listen, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (sock < 0 && (errno == EAGAIN || errno == ECONNABORTED))
		return;
	vm_loop_unwatch(c->loop, c->listen);
	if (sock < 0 || serve(c, sock)) {
		/* Out of something, and the next try would fail as well: let time pass. */
		vm_warn("event=accept error=\"%s\"", strerror(errno));
		vm_loop_timer(c->loop, BACKOFF_MAX_MS * NSEC_PER_MSEC, await_again, c);
		return;
	}
	vm_device_save(c->dev);
}

static void later(struct vm_connection *c)
{
	vm_loop_timer(c->loop, c->backoff_ms * NSEC_PER_MSEC, try_connect, c);
	c->backoff_ms = c->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : c->backoff_ms * 2;
}

static int connect_to(const char *path)
{
	struct sockaddr_un addr;
	int sock, err;

	err = address(path, &addr);
	if (err)
		return err;
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return -errno;
	if (!connect(sock, (struct sockaddr *)&addr, sizeof(addr)))
		return sock;
	err = -errno;
	close(sock);
	return err;
}

static void try_connect(void *arg)
{
	struct vm_connection *c = arg;
	int sock = connect_to(c->path), err;

	err = sock < 0 ? sock : serve(c, sock);
	if (!err) {
		c->last_err = 0;
		vm_device_save(c->dev);
		return;
	}
	/* Once for each reason: it may go on like this for days. */
	if (err != c->last_err)
		vm_info("event=connect socket=%s error=\"%s\" hint=\"tries again and again\"",
			c->path, strerror(-err));
	c->last_err = err;
	later(c);
}

static int await(struct vm_connection *c)
{
	if (!c->client)
		return vm_loop_watch(c->loop, c->listen, on_accept, c);
	/* Not at once: a front-end that cuts us off whenever we come would keep us busy. */
	later(c);
	return 0;
}

int vm_connection_start(struct vm_connection *c, int sock)
{
	if (sock >= 0)
		return serve(c, sock);
	vm_device_save(c->dev);
	if (!c->client)
		return await(c);
	try_connect(c);
	return 0;
}

void vm_connection_cut(struct vm_connection *c)
{
	if (c->sock < 0)
		return;
	vm_info("event=front-end-gone");
	vm_device_disconnect(c->dev);
	vm_message_done(&c->msg);
	vm_loop_unwatch(c->loop, c->sock);
	/* Its copy in the store keeps a socket open: say it to the other end. */
	shutdown(c->sock, SHUT_RDWR);
	if (vm_device_all_taken(c->dev, c->sock) || c->dev->untaken >= 0)
		close(c->sock);
	else
		c->dev->untaken = c->sock;
	c->sock = -1;
	c->dev->sock = -1;
	vm_device_save(c->dev);
	if (await(c))
		vm_err("event=await error=\"nothing can be watched any more\"");
}

void vm_connection_exit(struct vm_connection *c, bool unlink_it)
{
	vm_message_done(&c->msg);
	if (c->sock >= 0)
		close(c->sock);
	if (c->listen >= 0)
		close(c->listen);
	if (unlink_it && !c->client && unlink(c->path))
		vm_debug("event=stop socket=%s error=\"%s\"", c->path, strerror(errno));
}
