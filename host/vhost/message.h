/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One vhost-user message: received whole with its fds, checked, answered. What
 * it means is device.c's.
 */
#ifndef VIRTMESH_VHOST_MESSAGE_H
#define VIRTMESH_VHOST_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "wire.h"

#define VM_MESSAGE_FDS VU_TABLE_REGIONS

struct vm_message {
	struct vu_header hdr;
	union vm_payload {
		__u64 u64;
		struct vu_vring_state state;
		struct vu_vring_addr addr;
		struct vu_mem_table table;
		struct vu_mem_one one;
		struct vu_config config;
		struct vu_inflight inflight;
	} payload;
	/* Owned by the message; whoever takes one puts -1 in its place. */
	int fd[VM_MESSAGE_FDS];
	unsigned int nfds;
	bool fds_lost; /* more fds came than a message may have: those were closed */

	size_t have; /* bytes received so far: of the header, then of the payload */
};

void vm_message_init(struct vm_message *msg);
/* Close what fds are left; ready for the next message. */
void vm_message_done(struct vm_message *msg);

/*
 * Go on receiving @msg from the non-blocking stream socket @fd. Returns 1 when
 * it is whole; 0 when more must come first; -ECONNRESET at the end of the
 * stream; -EPROTO for a header no message can have (a wrong version, a reply, a
 * payload longer than any), which leaves the stream without borders: cut it.
 */
int vm_message_receive(struct vm_message *msg, int fd);

/*
 * Is a whole @msg well formed: a request we know, with a payload and fds of the
 * number and sizes it must have, and fields that can be judged without the
 * device? Pure. Returns 0; -EOPNOTSUPP for a request not known or whose feature
 * is never offered; -EINVAL.
 */
int vm_message_check(const struct vm_message *msg);

/* Has request @request an answer of its own, so that none is asked for by NEED_REPLY? */
bool vm_message_is_query(__u32 request);

/*
 * Answer @msg with @size bytes of @payload and @fd unless that is -1. Never
 * waits: a front-end that does not read its answers gets -EAGAIN, and is cut.
 */
int vm_message_reply(int sock, const struct vm_message *msg, const void *payload, size_t size,
		     int fd);

#endif /* VIRTMESH_VHOST_MESSAGE_H */
