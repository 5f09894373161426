/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A vhost-user front-end for tests: what a VMM does, and what a hostile one can.
 * Written from the specification, apart from host/vhost/: a mistake there is not
 * made here as well. All waits end (FE_WAIT_MS). Functions return 0 or -errno:
 *
 *	-ECONNRESET	the port cut us off
 *	-EREMOTEIO	it answered that it failed
 *	-ETIMEDOUT	it did not answer
 */
#ifndef VIRTMESH_SELFTESTS_PORT_FRONTEND_H
#define VIRTMESH_SELFTESTS_PORT_FRONTEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "driver.h"

#define FE_WAIT_MS 20000
#define FE_RINGS   4
#define FE_REGIONS 8
#define FE_FDS	   8 /* most in one message that the specification allows */

enum fe_request {
	FE_GET_FEATURES = 1,
	FE_SET_FEATURES = 2,
	FE_SET_OWNER = 3,
	FE_RESET_OWNER = 4,
	FE_SET_MEM_TABLE = 5,
	FE_SET_LOG_BASE = 6,
	FE_SET_LOG_FD = 7,
	FE_SET_VRING_NUM = 8,
	FE_SET_VRING_ADDR = 9,
	FE_SET_VRING_BASE = 10,
	FE_GET_VRING_BASE = 11,
	FE_SET_VRING_KICK = 12,
	FE_SET_VRING_CALL = 13,
	FE_SET_VRING_ERR = 14,
	FE_GET_PROTOCOL_FEATURES = 15,
	FE_SET_PROTOCOL_FEATURES = 16,
	FE_GET_QUEUE_NUM = 17,
	FE_SET_VRING_ENABLE = 18,
	FE_SEND_RARP = 19,
	FE_NET_SET_MTU = 20,
	FE_SET_BACKEND_REQ_FD = 21,
	FE_IOTLB_MSG = 22,
	FE_SET_VRING_ENDIAN = 23,
	FE_GET_CONFIG = 24,
	FE_SET_CONFIG = 25,
	FE_GET_INFLIGHT_FD = 31,
	FE_SET_INFLIGHT_FD = 32,
	FE_RESET_DEVICE = 34,
	FE_VRING_KICK = 35,
	FE_GET_MAX_MEM_SLOTS = 36,
	FE_ADD_MEM_REG = 37,
	FE_REM_MEM_REG = 38,
	FE_SET_STATUS = 39,
	FE_GET_STATUS = 40,
};

#define FE_VERSION    1u
#define FE_REPLY      (1u << 2)
#define FE_NEED_REPLY (1u << 3)

/* Bits of the protocol features. */
enum fe_protocol {
	FE_P_MQ = 0,
	FE_P_LOG_SHMFD = 1,
	FE_P_REPLY_ACK = 3,
	FE_P_BACKEND_REQ = 5,
	FE_P_CONFIG = 9,
	FE_P_INFLIGHT_SHMFD = 12,
	FE_P_RESET_DEVICE = 13,
	FE_P_CONFIGURE_MEM_SLOTS = 15,
};

#define FE_F_PROTOCOL_FEATURES 30 /* bit of the virtio features */

#define FE_BIT(n) (1ULL << (n))

struct fe_hdr {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* of the payload */
};

struct fe_vring_state {
	uint32_t index;
	uint32_t num;
};

struct fe_vring_addr {
	uint32_t index;
	uint32_t flags;
	uint64_t desc;
	uint64_t used;
	uint64_t avail;
	uint64_t log;
};

struct fe_mem_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t user;
	uint64_t mmap_offset;
};

struct fe_mem_table {
	uint32_t n;
	uint32_t padding;
	struct fe_mem_region region[FE_REGIONS];
};

struct fe_mem_reg { /* ADD_MEM_REG, REM_MEM_REG */
	uint64_t padding;
	struct fe_mem_region region;
};

struct fe_config {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;
	uint8_t region[256];
};

struct fe_inflight {
	uint64_t mmap_size;
	uint64_t mmap_offset;
	uint16_t num_queues;
	uint16_t queue_size;
};

struct fe_region {
	char *at; /* here; also its "user" address */
	uint64_t gpa;
	uint64_t size;
	uint64_t mmap_offset;
	int fd;
	size_t taken; /* by fe_alloc() */
};

struct fe {
	/* Set before fe_start(), or left 0: */
	unsigned int num; /* entries of each ring: 256 */
	unsigned int nrings; /* 2 */
	unsigned int slot_size; /* of the rings' buffers: 4096 */
	size_t memory; /* bytes of region 0: 16 MiB */
	bool call_sockets; /* call fds are stream sockets, as UML's are */
	bool no_reply_ack; /* as if we did not know it */
	uint64_t without; /* features not to be acknowledged */

	int sock;
	uint64_t features; /* acknowledged */
	uint64_t protocol;
	struct fe_region region[FE_REGIONS];
	unsigned int nregions;
	struct ring ring[FE_RINGS]; /* 0: receive, 1: transmit */
};

long long fe_now_ms(void);

/* Wait for the port's socket and connect. Or be the server: the port connects. */
int fe_connect(struct fe *fe, const char *path);
int fe_accept(struct fe *fe, const char *path);
/* Close everything and forget the memory; the options stay. */
void fe_close(struct fe *fe);

/* Messages. fe_send() fills the header in, fe_send_raw() sends any bytes. */
int fe_send_raw(struct fe *fe, const void *data, size_t len, const int *fds, unsigned int nfds);
int fe_send(struct fe *fe, uint32_t request, uint32_t flags, const void *payload, size_t len,
	    const int *fds, unsigned int nfds);
/*
 * A reply to @request: its payload's length. -EPROTO: another reply. *@fd, if
 * wanted: the descriptor that came with it, or -1.
 */
ssize_t fe_recv(struct fe *fe, uint32_t request, void *payload, size_t max, int *fd);
/*
 * Send and learn whether it was done: by REPLY_ACK where that is acknowledged;
 * else 0 when the port answers a question that follows.
 */
int fe_ask(struct fe *fe, uint32_t request, const void *payload, size_t len, const int *fds,
	   unsigned int nfds);
int fe_ask_u64(struct fe *fe, uint32_t request, uint64_t value);
int fe_ask_state(struct fe *fe, uint32_t request, uint32_t index, uint32_t num);
/* KICK, CALL, ERR: @fd -1: none (bit 8 of the payload). */
int fe_ask_ring_fd(struct fe *fe, uint32_t request, uint32_t index, int fd);
/* A question answered by a number. */
int fe_get_u64(struct fe *fe, uint32_t request, uint64_t *value);
/* Does it still answer? 0, or as above. */
int fe_ping(struct fe *fe);
/* Wait until the port has closed the connection. 0; -ETIMEDOUT. */
int fe_wait_cut(struct fe *fe);

/* GET_CONFIG of @size bytes at @offset; the reply must echo both. */
int fe_get_config(struct fe *fe, uint32_t offset, uint32_t size, void *out);

/* Memory. fe_memory() adds a region (a memfd) here; fe_tell_memory() tells the port the table. */
int fe_memory(struct fe *fe, uint64_t gpa, size_t size);
int fe_tell_memory(struct fe *fe);
int fe_add_region(struct fe *fe, unsigned int i); /* ADD_MEM_REG */
int fe_remove_region(struct fe *fe, unsigned int i); /* REM_MEM_REG */
/* Zeroed, from region @i; NULL when it is full. Never freed. */
void *fe_alloc(struct fe *fe, unsigned int i, size_t size, size_t align);
/* The guest's address of something in our memory; aborts when it is not. */
uint64_t fe_gpa(const struct fe *fe, const void *at);

/* Owner, features (all offered, less @without), protocol features. */
int fe_negotiate(struct fe *fe);
/* A ring's memory and fds, here only. */
int fe_ring_make(struct fe *fe, unsigned int i, unsigned int num);
/* NUM, ADDR, BASE, KICK, CALL, ERR of a ring that was made. Then ENABLE. */
int fe_ring_tell(struct fe *fe, unsigned int i, uint16_t base);
int fe_ring_enable(struct fe *fe, unsigned int i, bool on);
/* GET_VRING_BASE: it stops, and says where. */
int fe_ring_stop(struct fe *fe, unsigned int i, uint16_t *base);

/* The lot, after fe_connect(): a device that works, ring 0 filled with buffers. */
int fe_start(struct fe *fe);

#endif /* VIRTMESH_SELFTESTS_PORT_FRONTEND_H */
