// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a front-end writes into its socket, through vm_message_receive() and
 * vm_message_check(). An input is a stream of bytes; where the writes end is in it:
 *
 *	1 byte	how much is written at a time
 *	1 byte	every so many writes one descriptor or more goes with it
 *	rest	the stream
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../host/vhost/message.h"
#include "fuzz.h"

#define FDS 12 /* more than a message may have */

static void send_some(int sock, const uint8_t *data, size_t len, unsigned int nfds)
{
	static int any = -1;
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(FDS * sizeof(int))];
	} control = {};
	struct iovec iov = { .iov_base = (void *)data, .iov_len = len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg = &control.align;

	if (any < 0)
		any = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (nfds) {
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		for (unsigned int i = 0; i < nfds; i++)
			memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &any, sizeof(any));
	}
	must(sendmsg(sock, &mh, MSG_DONTWAIT) == (ssize_t)len);
}

static void check(const struct vm_message *msg)
{
	const union vm_payload *p = &msg->payload;

	must(msg->hdr.size <= sizeof(msg->payload));
	must(msg->nfds <= VM_MESSAGE_FDS);
	if (vm_message_check(msg))
		return;
	must(msg->hdr.request && msg->hdr.request < VU_REQUESTS);
	must(!msg->fds_lost);
	switch (msg->hdr.request) {
	case VU_SET_MEM_TABLE:
		must(p->table.num <= VU_TABLE_REGIONS && p->table.num == msg->nfds);
		must(8 + p->table.num * sizeof(struct vu_region) <= msg->hdr.size);
		break;
	case VU_GET_CONFIG:
	case VU_SET_CONFIG:
		must(p->config.offset + (__u64)p->config.size <= VU_CONFIG_MAX);
		must(msg->hdr.size == 12 + p->config.size);
		break;
	case VU_SET_INFLIGHT_FD:
	case VU_ADD_MEM_REG:
	case VU_SET_BACKEND_REQ_FD:
		must(msg->nfds == 1);
		break;
	case VU_SET_VRING_NUM:
	case VU_SET_VRING_BASE:
	case VU_GET_VRING_BASE:
	case VU_SET_VRING_ENABLE:
		must(msg->hdr.size == sizeof(p->state) && !msg->nfds);
		break;
	case VU_SET_LOG_BASE:
	case VU_SET_LOG_FD:
	case VU_IOTLB_MSG:
		must(!"requests whose feature is not offered are refused");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct vm_message msg;
	unsigned int step, every, writes = 0;
	int pair[2], ret = 0, first_free;

	if (len < 3)
		return 0;
	step = data[0] ? data[0] : 4096;
	every = data[1];
	data += 2;
	len -= 2;

	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	vm_message_init(&msg);
	while (ret >= 0 && len) {
		size_t n = step < len ? step : len;

		writes++;
		send_some(pair[1], data, n, every && writes % every == 0 ? every % (FDS + 1) : 0);
		data += n;
		len -= n;
		/* As often as there is a whole one. */
		while ((ret = vm_message_receive(&msg, pair[0])) == 1) {
			check(&msg);
			vm_message_done(&msg);
		}
	}
	must(ret <= 0);
	vm_message_done(&msg);
	close(pair[1]);
	close(pair[0]);
	/* Nothing stays open. */
	first_free = dup(STDERR_FILENO);
	must(first_free < 16);
	close(first_free);
	return 0;
}
