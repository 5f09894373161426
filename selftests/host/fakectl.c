// SPDX-License-Identifier: GPL-2.0-only
/*
 * fakectl ANSWER: a control socket that answers each request with ANSWER:
 *
 *	silent		nothing
 *	hangup		the end of the connection
 *	reset		the same, with the request unread, as when it is killed
 *	short		less than a header
 *	length		a header whose length is not the record's
 *	version, cookie, op	a header with another of these
 *	odd		nodes and a half
 *	busy		EBUSY and the end, before any request
 *	endless		one node after the other, never the last
 *	error		ENOSPC, with words
 *	nodes		two nodes, in two records, in the wrong order
 *
 * Writes "ready" when it listens. Ends with the connection of its client, or is killed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <virtmesh/ctl.h>

static char record[VM_CTL_MAX];

static int answer(int fd, const struct vm_ctl_msg *msg, const void *data, size_t len)
{
	memcpy(record, msg, sizeof(*msg));
	memcpy(record + sizeof(*msg), data, len);
	return send(fd, record, sizeof(*msg) + len, MSG_NOSIGNAL) < 0;
}

static void serve(int fd, const char *how)
{
	struct vm_ctl_node node[2] = {
		{ .addr = vm_addr(1, 2), .incarnation = 7, .epoch = 5, .state = VM_NODE_UP },
		{ .addr = vm_addr(1, 1), .epoch = 5, .state = 99 },
	};
	static const char words[] = "no room, says the fake";
	struct vm_ctl_msg msg,
		busy = { .version = VM_CTL_VERSION, .flags = VM_CTL_LAST, .error = EBUSY };

	if (!strcmp(how, "busy")) {
		shutdown(fd, SHUT_RD);
		while (recv(fd, &msg, sizeof(msg), MSG_DONTWAIT) > 0)
			;
		answer(fd, &busy, NULL, 0);
		return;
	}
	if (!strcmp(how, "reset")) {
		recv(fd, &msg, sizeof(msg), MSG_PEEK);
		return;
	}
	if (recv(fd, &msg, sizeof(msg), 0) < (ssize_t)sizeof(msg) || !strcmp(how, "hangup"))
		return;
	msg.flags = VM_CTL_LAST;
	msg.len = 0;
	if (!strcmp(how, "silent")) {
		recv(fd, record, 1, 0); /* until the client has had enough */
	} else if (!strcmp(how, "short")) {
		send(fd, &msg, 8, MSG_NOSIGNAL);
	} else if (!strcmp(how, "length")) {
		msg.len = 48;
		answer(fd, &msg, NULL, 0);
	} else if (!strcmp(how, "version")) {
		msg.version++;
		answer(fd, &msg, NULL, 0);
	} else if (!strcmp(how, "cookie")) {
		msg.cookie++;
		answer(fd, &msg, NULL, 0);
	} else if (!strcmp(how, "op")) {
		msg.op = VM_CTL_INFO;
		answer(fd, &msg, NULL, 0);
	} else if (!strcmp(how, "odd")) {
		msg.len = sizeof(node[0]) * 3 / 2;
		answer(fd, &msg, node, msg.len);
	} else if (!strcmp(how, "endless")) {
		msg.flags = 0;
		msg.len = sizeof(node[0]);
		while (!answer(fd, &msg, node, msg.len))
			;
	} else if (!strcmp(how, "error")) {
		msg.error = ENOSPC;
		msg.len = sizeof(words) - 1;
		answer(fd, &msg, words, msg.len);
	} else {
		msg.flags = 0;
		msg.len = sizeof(node[0]);
		answer(fd, &msg, &node[0], msg.len);
		msg.flags = VM_CTL_LAST;
		answer(fd, &msg, &node[1], msg.len);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = VM_CTL_SOCKET };
	int listener, fd;

	if (argc != 2)
		return 2;
	mkdir(VM_CTL_DIR, 0755);
	unlink(VM_CTL_SOCKET);
	listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) || listen(listener, 1)) {
		perror("fakectl");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	fd = accept(listener, NULL, NULL);
	if (fd >= 0)
		serve(fd, argv[1]);
	return 0;
}
