/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading the mesh protocol: pure functions of bytes and their number. What they
 * return is in host byte order and was copied once, checked on the copy, and is
 * not looked at in the frame again: the device may still change that. Any context.
 */
#ifndef VMESH_PARSE_H
#define VMESH_PARSE_H

#include <linux/types.h>
#include <virtmesh/types.h>

/* A frame's headers. */
struct vmesh_msg {
	u8 dst[VM_MAC_LEN];
	u8 src[VM_MAC_LEN];
	u8 type; /* enum vm_frame_type, or unknown */
	u32 incarnation;
	u32 epoch;
	u32 seq;
	const u8 *payload; /* in the frame */
	unsigned int len; /* of the payload, padding excluded */
};

struct vmesh_welcome {
	u16 abi;
	u16 mtu;
	u16 ensemble;
	u16 node;
	u32 incarnation;
	u32 epoch;
	u64 nonce;
	u64 broker_id;
	u32 probe_ms;
	u32 dead_ms;
	u32 hello_min_ms;
	u32 hello_max_ms;
};

struct vmesh_refuse {
	u16 reason; /* enum vm_refusal, or unknown */
	u64 nonce;
};

struct vmesh_members {
	u32 epoch;
	u32 prev_epoch; /* 0: a snapshot */
	u16 first;
	u16 count;
	u16 total;
	u16 mtu; /* of frames to the group; 0: not said */
	const u8 *entries; /* in the frame, all `count` of them */
};

struct vmesh_member {
	u16 node;
	u8 state; /* enum vm_node_state */
	bool gone;
	u32 incarnation;
};

struct vmesh_probe {
	u64 broker_id;
	u32 token;
};

/* Is this frame of the mesh protocol's EtherType? @len is at least an Ethernet header. */
bool vmesh_is_mesh(const void *data, unsigned int len);

/*
 * The headers of a frame of @len bytes. 0; -EPROTONOSUPPORT: another wire
 * version; -EBADMSG: too short for the header, or for the payload it announces.
 */
int vmesh_parse(const void *data, unsigned int len, struct vmesh_msg *msg);

/* Payloads. -EBADMSG when too short, or when a field has an impossible value. */
int vmesh_parse_welcome(const u8 *payload, unsigned int len, struct vmesh_welcome *out);
int vmesh_parse_refuse(const u8 *payload, unsigned int len, struct vmesh_refuse *out);
int vmesh_parse_members(const u8 *payload, unsigned int len, struct vmesh_members *out);
int vmesh_parse_member(const struct vmesh_members *members, unsigned int i,
		       struct vmesh_member *out);
int vmesh_parse_probe(const u8 *payload, unsigned int len, struct vmesh_probe *out);
int vmesh_parse_datagram(const u8 *payload, unsigned int len, u16 *channel);

#endif /* VMESH_PARSE_H */
