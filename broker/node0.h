/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Node 0: the tap vmesh0, read and written through the ring. What the frames
 * mean is control.c's.
 */
#ifndef VIRTMESH_BROKER_NODE0_H
#define VIRTMESH_BROKER_NODE0_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include <linux/types.h>
#include <virtmesh/types.h>

struct broker;
struct io_uring_buf_ring;
struct io_uring_cqe;
struct sandbox_calls;

/* Frames for the broker are a hundred bytes; what is longer is cut and then found malformed. */
#define NODE0_RX_BYTES 2048
#define NODE0_RX_BUFS  128 /* power of two: the provided buffers are a ring */
#define NODE0_READS    32 /* outstanding where the kernel cannot read multishot */
/* What we send stays in the native XDP path, whatever the ensemble's MTU. */
#define NODE0_TX_MTU   VM_MTU_DEFAULT
#define NODE0_TX_BYTES 4096
#define NODE0_TX_BUFS  64
#define NODE0_VNET_HDR 12

struct node0 {
	int fd; /* -1: no state, no tap */
	__u32 ifindex;
	__u16 mtu; /* of its port */
	__u32 generation; /* of fd: completions of an older one are stale */

	struct io_uring_buf_ring *buf_ring; /* NULL: fixed reads */
	bool reading[NODE0_READS]; /* a read into this buffer is out; [0] the multishot one */
	__u32 read_generation[NODE0_READS]; /* ... of this generation of fd */

	__u32 tx_free[NODE0_TX_BUFS]; /* stack of free buffers */
	unsigned int tx_nfree;

	__u32 seq;
	__u64 frames_rx;
	__u64 frames_tx;
	__u64 frames_bad;
	__u64 frames_refused;
	__u64 frames_unsent;

	__u8 *rx; /* NODE0_RX_BUFS * NODE0_RX_BYTES */
	__u8 *tx; /* (NODE0_TX_BUFS + 1) * NODE0_TX_BYTES: the last is never in flight */
};

/* Say where the buffers are, for the ring to pin. */
void node0_buffers(struct node0 *node0, struct iovec *rx, struct iovec *tx);
/* Before loop_enable(): give the ring our buffers. */
void node0_init(struct broker *b);
void node0_exit(struct broker *b);

/* Start with the tap @fd, now ours, whose ifindex and MTU are given. */
void node0_open(struct broker *b, int fd, __u32 ifindex, __u16 mtu);
void node0_close(struct broker *b);

/*
 * Where to write a frame of up to NODE0_TX_MTU + 14 bytes, from its Ethernet
 * header on. Never NULL; each must be followed by its node0_send().
 */
void *node0_frame(struct broker *b);
/* Queue the frame that was written there. A frame the tap does not take is counted. */
void node0_send(struct broker *b, void *frame, size_t len);

void node0_read_done(struct broker *b, const struct io_uring_cqe *cqe);
void node0_write_done(struct broker *b, const struct io_uring_cqe *cqe);

extern const struct sandbox_calls node0_calls;

#endif /* VIRTMESH_BROKER_NODE0_H */
