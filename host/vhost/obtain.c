// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <virtmesh/ctl.h>

#include "../log.h"
#include "../maps.h"
#include "../tap.h"
#include "obtain.h"
#include "vhost_net.h"

#define ANSWER_SECONDS 5 /* a broker that takes longer is no broker */
#define BUSY_TRIES     40
#define BUSY_NS	       50000000L

struct answer {
	struct vm_ctl_msg msg;
	union {
		struct vm_ctl_tap tap;
		char text[256];
	};
	size_t len; /* of all of it */
	int fd[2]; /* -1: fewer came */
};

static int ask(int sock, __u16 op, const char *name)
{
	struct {
		struct vm_ctl_msg msg;
		struct vm_ctl_port port;
	} request = {
		.msg = {
			.version = VM_CTL_VERSION,
			.op = op,
			.len = sizeof(request.port),
			.cookie = 1,
		},
	};

	if (!*name || strlen(name) >= sizeof(request.port.name))
		return -EINVAL;
	strcpy(request.port.name, name);
	/* Who hangs up before we have asked has said why. */
	return send(sock, &request, sizeof(request), MSG_NOSIGNAL) < 0 && errno != EPIPE ? -errno :
											   0;
}

/* The fds of @mh: at most two are ours to keep, any other is closed. */
static void take_fds(struct msghdr *mh, int fd[2])
{
	struct cmsghdr *cmsg;
	unsigned int n = 0;

	for (cmsg = CMSG_FIRSTHDR(mh); cmsg; cmsg = CMSG_NXTHDR(mh, cmsg)) {
		size_t count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int got;

			memcpy(&got, CMSG_DATA(cmsg) + i * sizeof(got), sizeof(got));
			if (n < 2)
				fd[n++] = got;
			else
				close(got);
		}
	}
}

static int read_answer(int sock, __u16 op, struct answer *answer)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(4 * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = answer, .iov_len = offsetof(struct answer, len) };
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;

	n = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	take_fds(&mh, answer->fd);
	answer->len = n;
	if ((size_t)n < sizeof(answer->msg))
		return -EPROTO;
	if (answer->msg.error)
		return -(int)answer->msg.error;
	return answer->msg.op == op && answer->fd[0] >= 0 ? 0 : -EPROTO;
}

static void drop_answer(struct answer *answer)
{
	for (unsigned int i = 0; i < 2; i++)
		if (answer->fd[i] >= 0)
			close(answer->fd[i]);
}

/* -ECONNREFUSED: there is no broker. On an error @answer has no fds. */
static int transact(const char *name, __u16 op, struct answer *answer)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = VM_CTL_SOCKET };
	struct timeval patience = { .tv_sec = ANSWER_SECONDS };
	int sock, err;

	memset(answer, 0, sizeof(*answer));
	answer->fd[0] = answer->fd[1] = -1;
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(sock, (struct sockaddr *)&addr, sizeof(addr)))
		err = errno == ENOENT ? -ECONNREFUSED : -errno;
	else
		err = ask(sock, op, name);
	if (!err)
		err = read_answer(sock, op, answer);
	if (err)
		drop_answer(answer);
	close(sock);
	return err;
}

static int open_vhost(void)
{
	int fd = open(VM_VHOST_NET, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int vm_obtain_vhost(const char *name)
{
	const struct timespec pause = { .tv_nsec = BUSY_NS };
	struct answer answer;
	int err, fd;

	for (unsigned int i = 0; i < BUSY_TRIES; i++) {
		err = transact(name, VM_CTL_VHOST_NET, &answer);
		if (err != -EBUSY)
			break;
		nanosleep(&pause, NULL);
	}
	if (!err)
		return answer.fd[0];
	fd = open_vhost();
	/* In a service that sees no device the broker's reason is the one that counts. */
	return fd < 0 && err != -ECONNREFUSED ? err : fd;
}

static int from_broker(const char *name, struct vm_obtained *out, char *why, size_t why_size)
{
	struct answer answer;
	int err;

	err = transact(name, VM_CTL_TAP, &answer);
	if (err) {
		if (answer.msg.error && answer.len > sizeof(answer.msg))
			snprintf(why, why_size, "%.*s", (int)(answer.len - sizeof(answer.msg)),
				 answer.text);
		return err;
	}
	if (answer.len < sizeof(answer.msg) + sizeof(answer.tap)) {
		drop_answer(&answer);
		return -EPROTO;
	}
	out->tap = answer.fd[0];
	out->vhost = answer.fd[1];
	if (out->vhost < 0)
		out->vhost = answer.tap.vhost_error ? -(int)answer.tap.vhost_error : -ENODEV;
	memcpy(out->mac, answer.tap.mac, VM_MAC_LEN);
	out->mtu = answer.tap.mtu;
	out->from = "broker";
	return 0;
}

static int from_maps(const char *name, struct vm_obtained *out)
{
	struct vm_maps maps = VM_MAPS_CLOSED;
	__u32 ifindex = if_nametoindex(name);
	struct vm_port port;
	int err;

	if (!ifindex)
		return -ENOENT;
	err = vm_maps_open(&maps);
	if (err)
		return err;
	err = bpf_map_lookup_elem(maps.ports, &ifindex, &port) ? -errno : 0;
	vm_maps_close(&maps);
	if (!err && port.flags & (VM_PORT_BROKER | VM_PORT_THROUGH))
		err = -EINVAL;
	if (err)
		return err;

	out->tap = vm_tap_open(name);
	if (out->tap < 0)
		return out->tap;
	out->vhost = open_vhost();
	vm_addr_to_mac(port.addr, out->mac);
	out->mtu = port.mtu;
	out->from = "maps";
	return 0;
}

int vm_obtain(const char *name, struct vm_obtained *out)
{
	const struct timespec pause = { .tv_nsec = BUSY_NS };
	char why[256];
	int err;

	for (unsigned int i = 0; i < BUSY_TRIES; i++) {
		*why = '\0';
		err = from_broker(name, out, why, sizeof(why));
		if (err == -ECONNREFUSED) {
			strcpy(why, "no broker answers, so by the maps");
			err = from_maps(name, out);
		}
		if (err != -EBUSY)
			break;
		nanosleep(&pause, NULL);
	}
	if (err)
		vm_err("event=start tap=%s error=\"%s\"%s%s%s", name, strerror(-err),
		       *why ? " reason=\"" : "", why, *why ? "\"" : "");
	return err;
}

static int mtu_of(const char *name)
{
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = {};
	int err;

	if (sock < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	err = ioctl(sock, SIOCGIFMTU, &ifr) ? -errno : ifr.ifr_mtu;
	close(sock);
	return err;
}

int vm_obtain_plain(const char *name, int tap, const __u8 mac[VM_MAC_LEN], unsigned int mtu,
		    struct vm_obtained *out)
{
	const struct timespec pause = { .tv_nsec = BUSY_NS };
	int err = 0;

	out->tap = tap;
	for (unsigned int i = 0; i < BUSY_TRIES && tap < 0; i++) {
		out->tap = vm_tap_open(name);
		if (out->tap != -EBUSY)
			break;
		nanosleep(&pause, NULL);
	}
	if (out->tap < 0)
		err = out->tap;
	if (!err && !mtu) {
		err = mtu_of(name);
		mtu = err > 0 ? err : 0;
		err = err < 0 ? err : 0;
	}
	if (err) {
		vm_err("event=start tap=%s error=\"%s\"", name, strerror(-err));
		if (out->tap >= 0)
			close(out->tap);
		return err;
	}
	out->vhost = open_vhost();
	memcpy(out->mac, mac, VM_MAC_LEN);
	out->mtu = mtu;
	out->from = tap < 0 ? "name" : "store";
	return 0;
}
