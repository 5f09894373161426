/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A node without a VM: the test holds its tap and speaks the wire protocol
 * through the real steering program. Functions return 0 or -errno.
 */
#ifndef VIRTMESH_SELFTESTS_BROKER_GUEST_H
#define VIRTMESH_SELFTESTS_BROKER_GUEST_H

#include <stdbool.h>
#include <stddef.h>

#include <virtmesh/frame.h>

#define GUEST_FRAME_MAX 9100

struct guest {
	int fd;
	__u32 addr;
	__u16 mtu; /* what it says in HELLO */
	__u64 nonce;
	/* As the broker told: */
	__u32 incarnation;
	__u32 epoch;
	__u64 broker_id;
	__u32 seq; /* of the frames it sends */
	/* What ALIVE says: */
	__u32 pending;
	__u64 progress;
	bool deaf; /* does not answer PROBE */
};

/* A frame that came, host byte order. */
struct guest_frame {
	__u32 from; /* vm_addr() */
	bool group;
	__u8 type;
	__u32 incarnation;
	__u32 epoch;
	__u16 len;
	__u8 payload[GUEST_FRAME_MAX];
};

/* Make the port NAME by the command, and open its tap. */
int guest_add(struct guest *guest, const char *name, __u16 ensemble, __u16 node);
/* The interface of an existing port. */
int guest_open(struct guest *guest, const char *name, __u32 addr);
void guest_close(struct guest *guest);

/* Anything at all: a whole Ethernet frame. */
int guest_send_raw(struct guest *guest, const void *frame, size_t len);
/* A well-formed frame to @to. */
int guest_send(struct guest *guest, __u32 to, __u8 type, const void *payload, size_t len);
/* To the broker. guest_hello() does not wait for the answer. */
int guest_hello(struct guest *guest);
int guest_alive(struct guest *guest, __u32 token);

/*
 * Receive until a frame of @type (0: of any) comes, answering probes meanwhile unless deaf.
 * -ETIMEDOUT after @ms; 0 ms: what is there already.
 */
int guest_expect(struct guest *guest, __u8 type, struct guest_frame *frame, int ms);
/* Fails (-EEXIST) if a frame of @type comes within @ms. */
int guest_expect_none(struct guest *guest, __u8 type, int ms);
/* HELLO, WELCOME with our nonce, and the snapshot; all checked. */
int guest_join(struct guest *guest);

/* A MEMBERS frame's entry for @node: its state, or -ENOENT; incarnation if wanted. */
int members_state(const struct guest_frame *frame, __u16 node, __u32 *incarnation, __u8 *flags);

#endif /* VIRTMESH_SELFTESTS_BROKER_GUEST_H */
