/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The vhost-user protocol's messages, as its specification has them
 * (docs/interop/vhost-user.rst of QEMU). A message is a header, and the payload
 * its request names behind it; file descriptors travel as ancillary data of its
 * first byte. Host byte order: both ends are on one host.
 */
#ifndef VIRTMESH_VHOST_WIRE_H
#define VIRTMESH_VHOST_WIRE_H

#include <virtmesh/types.h>

enum vu_request {
	VU_GET_FEATURES = 1, /* -> u64 */
	VU_SET_FEATURES = 2, /* u64 */
	VU_SET_OWNER = 3,
	VU_RESET_OWNER = 4,
	VU_SET_MEM_TABLE = 5, /* struct vu_mem_table, an fd for each region */
	VU_SET_LOG_BASE = 6,
	VU_SET_LOG_FD = 7,
	VU_SET_VRING_NUM = 8, /* struct vu_vring_state */
	VU_SET_VRING_ADDR = 9, /* struct vu_vring_addr */
	VU_SET_VRING_BASE = 10, /* struct vu_vring_state */
	VU_GET_VRING_BASE = 11, /* struct vu_vring_state -> the same */
	VU_SET_VRING_KICK = 12, /* u64 VU_VRING_*, an fd unless VU_VRING_NO_FD */
	VU_SET_VRING_CALL = 13, /* the same */
	VU_SET_VRING_ERR = 14, /* the same */
	VU_GET_PROTOCOL_FEATURES = 15, /* -> u64 */
	VU_SET_PROTOCOL_FEATURES = 16, /* u64 */
	VU_GET_QUEUE_NUM = 17, /* -> u64 */
	VU_SET_VRING_ENABLE = 18, /* struct vu_vring_state */
	VU_SEND_RARP = 19,
	VU_NET_SET_MTU = 20,
	VU_SET_BACKEND_REQ_FD = 21, /* an fd */
	VU_IOTLB_MSG = 22,
	VU_SET_VRING_ENDIAN = 23,
	VU_GET_CONFIG = 24, /* struct vu_config -> the same; nothing: it was refused */
	VU_SET_CONFIG = 25, /* struct vu_config */
	VU_GET_INFLIGHT_FD = 31, /* struct vu_inflight -> the same, an fd */
	VU_SET_INFLIGHT_FD = 32, /* struct vu_inflight, an fd */
	VU_RESET_DEVICE = 34,
	VU_VRING_KICK = 35,
	VU_GET_MAX_MEM_SLOTS = 36, /* -> u64 */
	VU_ADD_MEM_REG = 37, /* struct vu_mem_one, an fd */
	VU_REM_MEM_REG = 38, /* struct vu_mem_one; an fd that comes with it is closed */
	VU_SET_STATUS = 39,
	VU_GET_STATUS = 40,
	VU_REQUESTS /* one more than the last known */
};

/* What the back-end may say by itself, on the fd of SET_BACKEND_REQ_FD. */
enum vu_backend_request {
	VU_BACKEND_CONFIG_CHANGE = 2,
};

#define VU_VERSION	   0x1 /* in the flags, with: */
#define VU_VERSION_MASK	   0x3
#define VU_FLAG_REPLY	   0x4
#define VU_FLAG_NEED_REPLY 0x8

struct vu_header {
	__u32 request; /* enum vu_request */
	__u32 flags;
	__u32 size; /* of the payload */
} __attribute__((packed));
VM_ASSERT_SIZE(struct vu_header, 12);

/* A virtio feature bit of the transport: protocol features can be negotiated. */
#define VU_F_PROTOCOL_FEATURES 30

enum vu_protocol_feature {
	VU_PROTOCOL_MQ = 0,
	VU_PROTOCOL_REPLY_ACK = 3,
	VU_PROTOCOL_BACKEND_REQ = 5,
	VU_PROTOCOL_CONFIG = 9,
	VU_PROTOCOL_INFLIGHT_SHMFD = 12,
	VU_PROTOCOL_RESET_DEVICE = 13,
	VU_PROTOCOL_CONFIGURE_MEM_SLOTS = 15,
};

struct vu_vring_state {
	__u32 index;
	__u32 num;
};
VM_ASSERT_SIZE(struct vu_vring_state, 8);

struct vu_vring_addr {
	__u32 index;
	__u32 flags; /* bit 0: dirty pages are logged */
	__u64 desc; /* user addresses of the front-end */
	__u64 used;
	__u64 avail;
	__u64 log;
};
VM_ASSERT_SIZE(struct vu_vring_addr, 40);

#define VU_VRING_INDEX 0xffu
#define VU_VRING_NO_FD 0x100u

struct vu_region {
	__u64 gpa; /* in the guest */
	__u64 size;
	__u64 user; /* in the front-end */
	__u64 mmap_offset; /* in the region's file */
};
VM_ASSERT_SIZE(struct vu_region, 32);

#define VU_TABLE_REGIONS 8 /* the most one SET_MEM_TABLE carries: as many as fds */

struct vu_mem_table {
	__u32 num;
	__u32 padding;
	struct vu_region region[VU_TABLE_REGIONS];
};
VM_ASSERT_SIZE(struct vu_mem_table, 264);

struct vu_mem_one {
	__u64 padding;
	struct vu_region region;
};
VM_ASSERT_SIZE(struct vu_mem_one, 40);

#define VU_CONFIG_MAX 256

struct vu_config {
	__u32 offset;
	__u32 size;
	__u32 flags;
	__u8 data[VU_CONFIG_MAX];
};
VM_ASSERT_SIZE(struct vu_config, 12 + VU_CONFIG_MAX);

struct vu_inflight {
	__u64 mmap_size;
	__u64 mmap_offset;
	__u16 num_queues;
	__u16 queue_size;
	__u32 padding; /* not on the wire: see VU_INFLIGHT_BYTES */
};
#define VU_INFLIGHT_BYTES 20

/* The in-flight memory: one of these for each ring, VM_INFLIGHT_ALIGN apart. */
struct vu_inflight_desc {
	__u8 inflight;
	__u8 padding[5];
	__u16 next; /* of the batch being completed */
	__u64 counter; /* order in which the chains were taken */
};
VM_ASSERT_SIZE(struct vu_inflight_desc, 16);

struct vu_inflight_ring {
	__u64 features; /* none defined */
	__u16 version; /* 0: not initialised, else 1 */
	__u16 desc_num;
	__u16 last_batch_head;
	__u16 used_idx; /* the used ring's, when the last batch was complete */
	struct vu_inflight_desc desc[];
};
VM_ASSERT_SIZE(struct vu_inflight_ring, 16);

#endif /* VIRTMESH_VHOST_WIRE_H */
