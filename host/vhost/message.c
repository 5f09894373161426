// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * The socket is a stream: messages have borders only as long as every header
 * can be believed. So a header that no message can have ends the connection,
 * while a message that is only wrong is received whole, and refused.
 *
 * Never is more read than the message at hand has left. File descriptors stick
 * to the bytes they were sent with, so those that come belong to this message.
 */
#include <errno.h>
#include <seccomp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../rights.h"
#include "message.h"
#include "sandbox.h"

SANDBOX_CALLS(message_calls, SANDBOX_CALL(recvmsg), SANDBOX_CALL(sendmsg), SANDBOX_CALL(close));

/* What each request must look like; where sizes or fds vary, check_fields() goes on. */
static const struct rule {
	__u16 min;
	__u16 max;
	__u8 fds_min;
	__u8 fds_max;
	__u8 known : 1;
	__u8 query : 1; /* has an answer of its own */
} rules[VU_REQUESTS] = {
#define BYTES(lo, hi) .known = 1, .min = (lo), .max = (hi)
#define FDS(lo, hi)   .fds_min = (lo), .fds_max = (hi)
#define QUERY	      .query = 1
	[VU_GET_FEATURES] = { BYTES(0, 0), QUERY },
	[VU_SET_FEATURES] = { BYTES(8, 8) },
	[VU_SET_OWNER] = { BYTES(0, 0) },
	[VU_RESET_OWNER] = { BYTES(0, 0) },
	[VU_SET_MEM_TABLE] = { BYTES(8, sizeof(struct vu_mem_table)), FDS(0, VU_TABLE_REGIONS) },
	[VU_SET_VRING_NUM] = { BYTES(8, 8) },
	[VU_SET_VRING_ADDR] = { BYTES(40, 40) },
	[VU_SET_VRING_BASE] = { BYTES(8, 8) },
	[VU_GET_VRING_BASE] = { BYTES(8, 8), QUERY },
	[VU_SET_VRING_KICK] = { BYTES(8, 8), FDS(0, 1) },
	[VU_SET_VRING_CALL] = { BYTES(8, 8), FDS(0, 1) },
	[VU_SET_VRING_ERR] = { BYTES(8, 8), FDS(0, 1) },
	[VU_GET_PROTOCOL_FEATURES] = { BYTES(0, 0), QUERY },
	[VU_SET_PROTOCOL_FEATURES] = { BYTES(8, 8) },
	[VU_GET_QUEUE_NUM] = { BYTES(0, 0), QUERY },
	[VU_SET_VRING_ENABLE] = { BYTES(8, 8) },
	[VU_SET_BACKEND_REQ_FD] = { BYTES(0, 0), FDS(1, 1) },
	[VU_GET_CONFIG] = { BYTES(12, sizeof(struct vu_config)), QUERY },
	[VU_SET_CONFIG] = { BYTES(12, sizeof(struct vu_config)) },
	/* With or without the padding that a compiler puts at its end. */
	[VU_GET_INFLIGHT_FD] = { BYTES(VU_INFLIGHT_BYTES, sizeof(struct vu_inflight)), QUERY },
	[VU_SET_INFLIGHT_FD] = { BYTES(VU_INFLIGHT_BYTES, sizeof(struct vu_inflight)), FDS(1, 1) },
	[VU_RESET_DEVICE] = { BYTES(0, 0) },
	[VU_GET_MAX_MEM_SLOTS] = { BYTES(0, 0), QUERY },
	[VU_ADD_MEM_REG] = { BYTES(40, 40), FDS(1, 1) },
	[VU_REM_MEM_REG] = { BYTES(40, 40), FDS(0, 1) },
#undef BYTES
#undef FDS
#undef QUERY
};

void vm_message_init(struct vm_message *msg)
{
	memset(msg, 0, sizeof(*msg));
}

void vm_message_done(struct vm_message *msg)
{
	for (unsigned int i = 0; i < msg->nfds; i++)
		if (msg->fd[i] >= 0)
			close(msg->fd[i]);
	vm_message_init(msg);
}

bool vm_message_is_query(__u32 request)
{
	return request < VU_REQUESTS && rules[request].query;
}

/* Fields whose meaning needs no device, of a message whose size and fds fit its rule. */
static int check_fields(const struct vm_message *msg)
{
	const union vm_payload *p = &msg->payload;
	__u32 size = msg->hdr.size;

	switch (msg->hdr.request) {
	case VU_SET_MEM_TABLE:
		if ((size - 8) % sizeof(struct vu_region))
			return -EINVAL;
		/* UML sends room for two regions whatever their number. */
		if (p->table.num > (size - 8) / sizeof(struct vu_region) ||
		    p->table.num != msg->nfds)
			return -EINVAL;
		return 0;
	case VU_SET_VRING_KICK:
	case VU_SET_VRING_CALL:
	case VU_SET_VRING_ERR:
		if (p->u64 & ~(__u64)(VU_VRING_INDEX | VU_VRING_NO_FD))
			return -EINVAL;
		return msg->nfds == !(p->u64 & VU_VRING_NO_FD) ? 0 : -EINVAL;
	case VU_GET_CONFIG:
	case VU_SET_CONFIG:
		if (!p->config.size || p->config.size > VU_CONFIG_MAX ||
		    p->config.offset > VU_CONFIG_MAX - p->config.size)
			return -EINVAL;
		return size == 12 + p->config.size ? 0 : -EINVAL;
	case VU_SET_VRING_ENABLE:
		return p->state.num <= 1 ? 0 : -EINVAL;
	case VU_SET_VRING_BASE:
		return p->state.num <= 0xffff ? 0 : -EINVAL;
	default:
		return 0;
	}
}

int vm_message_check(const struct vm_message *msg)
{
	const struct rule *rule = &rules[msg->hdr.request < VU_REQUESTS ? msg->hdr.request : 0];

	if (!rule->known)
		return -EOPNOTSUPP;
	if (msg->hdr.size < rule->min || msg->hdr.size > rule->max)
		return -EINVAL;
	if (msg->fds_lost || msg->nfds < rule->fds_min || msg->nfds > rule->fds_max)
		return -EINVAL;
	return check_fields(msg);
}

static void take_fds(struct vm_message *msg, struct msghdr *mh)
{
	struct cmsghdr *cmsg;

	if (mh->msg_flags & MSG_CTRUNC)
		msg->fds_lost = true;
	for (cmsg = CMSG_FIRSTHDR(mh); cmsg; cmsg = CMSG_NXTHDR(mh, cmsg)) {
		size_t n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(fd), sizeof(fd));
			if (msg->nfds < VM_MESSAGE_FDS) {
				msg->fd[msg->nfds++] = fd;
			} else {
				close(fd);
				msg->fds_lost = true;
			}
		}
	}
}

/* Up to @len bytes to @to, and what fds come with them: how many, 0: none yet, or -errno. */
static ssize_t receive_some(struct vm_message *msg, int fd, void *to, size_t len)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(VM_MESSAGE_FDS * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = to, .iov_len = len };
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;

	do {
		n = recvmsg(fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -ECONNRESET;
	take_fds(msg, &mh);
	return n ? n : -ECONNRESET;
}

int vm_message_receive(struct vm_message *msg, int fd)
{
	const size_t hdr = sizeof(msg->hdr);
	ssize_t n;

	while (msg->have < hdr) {
		n = receive_some(msg, fd, (char *)&msg->hdr + msg->have, hdr - msg->have);
		if (n <= 0)
			return n;
		msg->have += n;
	}
	if ((msg->hdr.flags & VU_VERSION_MASK) != VU_VERSION || msg->hdr.flags & VU_FLAG_REPLY ||
	    msg->hdr.size > sizeof(msg->payload))
		return -EPROTO;
	while (msg->have < hdr + msg->hdr.size) {
		n = receive_some(msg, fd, (char *)&msg->payload + msg->have - hdr,
				 hdr + msg->hdr.size - msg->have);
		if (n <= 0)
			return n;
		msg->have += n;
	}
	return 1;
}

int vm_message_reply(int sock, const struct vm_message *msg, const void *payload, size_t size,
		     int fd)
{
	struct vu_header hdr = {
		.request = msg->hdr.request,
		.flags = VU_VERSION | VU_FLAG_REPLY,
		.size = size,
	};
	struct iovec iov[2] = {
		{ .iov_base = &hdr, .iov_len = sizeof(hdr) },
		{ .iov_base = (void *)payload, .iov_len = size },
	};
	ssize_t n = vm_send_rights(sock, iov, 2, &fd, fd >= 0, MSG_DONTWAIT);

	if (n < 0)
		return n;
	/* A part of an answer is none: the rest would have to wait for its reader. */
	return (size_t)n == sizeof(hdr) + size ? 0 : -EAGAIN;
}
