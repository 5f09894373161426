/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Control frames, taken apart. Pure functions of their arguments: no state, no
 * system call, no allocation.
 */
#ifndef VIRTMESH_BROKER_WIRE_H
#define VIRTMESH_BROKER_WIRE_H

#include <stddef.h>

#include <linux/types.h>

struct wire_hello {
	__u16 abi;
	__u16 mtu;
	__u32 caps;
	__u64 nonce;
	__u32 incarnation;
};

struct wire_alive {
	__u32 token;
	__u32 pending;
	__u64 progress;
};

/* A frame from a node to the broker, host byte order. */
struct wire_frame {
	__u32 addr; /* the sender's, from its MAC address: steering vouches for it */
	__u8 type; /* VM_F_HELLO, SYNC, ALIVE or BYE */
	__u32 incarnation;
	__u32 epoch;
	union {
		struct wire_hello hello;
		struct wire_alive alive;
	};
};

/*
 * Take apart the Ethernet frame at @data. Returns 0; or, with *@frame undefined,
 * -EBADMSG: too short, or its lengths disagree
 * -EPROTONOSUPPORT: of another wire version
 * -EADDRNOTAVAIL: not from a node to its broker, or another EtherType
 * -EOPNOTSUPP: of a type that is not for the broker
 */
int wire_parse(const void *data, size_t len, struct wire_frame *frame);

#endif /* VIRTMESH_BROKER_WIRE_H */
