// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * Reading. Where the kernel has multishot reads, one of them takes buffers from
 * a ring of provided ones until it ends by itself; elsewhere NODE0_READS reads
 * are out at any time, each into a buffer of its own. A frame is worked on
 * within its completion, so a buffer goes back at once and they cannot run out.
 * The tap is O_NONBLOCK (native XDP wants that); io_uring then waits by poll,
 * never in a worker thread.
 *
 * Writing. A tap with an unlimited sndbuf takes or refuses a frame within the
 * submit, so queued writes are done, in order, when io_uring_submit() returns.
 * When one batch of events makes more frames than there are buffers, the queue
 * is submitted and the frame is written directly: the order holds, nothing is
 * dropped and nothing is allocated.
 *
 * Closing. The reads are cancelled; their completions come later and carry the
 * generation of the fd they were for. Only then is their buffer read into again.
 * Any other error of a read means the interface is gone or unusable: the tap is
 * closed, and the next RESYNC opens it again.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <liburing.h>

#include "../host/log.h"
#include "broker.h"
#include "control.h"
#include "node0.h"
#include "sandbox.h"
#include "state.h"

SANDBOX_CALLS(node0_calls, SANDBOX_CALL(write), SANDBOX_CALL(close));

static __u8 rx_memory[NODE0_RX_BUFS * NODE0_RX_BYTES] __attribute__((aligned(4096)));
static __u8 tx_memory[(NODE0_TX_BUFS + 1) * NODE0_TX_BYTES] __attribute__((aligned(4096)));
static __u8 ring_memory[NODE0_RX_BUFS * sizeof(struct io_uring_buf)]
	__attribute__((aligned(65536)));

_Static_assert(NODE0_TX_MTU + VM_ETH_HLEN + NODE0_VNET_HDR <= NODE0_TX_BYTES, "frame over buffer");
_Static_assert(!(NODE0_RX_BUFS & (NODE0_RX_BUFS - 1)), "not a power of two");
_Static_assert(NODE0_READS <= NODE0_RX_BUFS, "a read without a buffer");

void node0_buffers(struct node0 *node0, struct iovec *rx, struct iovec *tx)
{
	node0->rx = rx_memory;
	node0->tx = tx_memory;
	*rx = (struct iovec){ rx_memory, sizeof(rx_memory) };
	*tx = (struct iovec){ tx_memory, sizeof(tx_memory) };
}

static void provide(struct node0 *node0, unsigned int buf)
{
	io_uring_buf_ring_add(node0->buf_ring, node0->rx + buf * NODE0_RX_BYTES, NODE0_RX_BYTES,
			      buf, io_uring_buf_ring_mask(NODE0_RX_BUFS), 0);
	io_uring_buf_ring_advance(node0->buf_ring, 1);
}

void node0_init(struct broker *b)
{
	struct node0 *node0 = &b->node0;
	struct io_uring_buf_reg reg = {
		.ring_addr = (unsigned long)ring_memory,
		.ring_entries = NODE0_RX_BUFS,
		.bgid = BUFFER_RING,
	};

	node0->fd = -1;
	for (unsigned int i = 0; i < NODE0_TX_BUFS; i++)
		node0->tx_free[node0->tx_nfree++] = i;

	if (!b->loop.has_read_multishot)
		return;
	if (io_uring_register_buf_ring(&b->loop.ring, &reg, 0)) {
		b->loop.has_read_multishot = false;
		return;
	}
	node0->buf_ring = (struct io_uring_buf_ring *)ring_memory;
	io_uring_buf_ring_init(node0->buf_ring);
	for (unsigned int i = 0; i < NODE0_RX_BUFS; i++)
		provide(node0, i);
}

void node0_exit(struct broker *b)
{
	node0_close(b);
}

static void set_fd(struct broker *b, struct io_uring_sqe *sqe)
{
	if (!b->loop.has_fixed_files)
		return;
	sqe->fd = FILE_TAP;
	sqe->flags |= IOSQE_FIXED_FILE;
}

static void arm_read(struct broker *b, unsigned int i)
{
	struct node0 *node0 = &b->node0;
	struct io_uring_sqe *sqe;
	void *buf = node0->rx + i * NODE0_RX_BYTES;

	if (node0->fd < 0 || node0->reading[i])
		return;
	sqe = loop_sqe(&b->loop);
	if (node0->buf_ring) {
		io_uring_prep_read(sqe, node0->fd, NULL, 0, 0);
		sqe->opcode = OP_READ_MULTISHOT;
		sqe->flags |= IOSQE_BUFFER_SELECT;
		sqe->buf_group = BUFFER_RING;
	} else if (b->loop.has_fixed_buffers) {
		io_uring_prep_read_fixed(sqe, node0->fd, buf, NODE0_RX_BYTES, 0, BUFFER_RX);
	} else {
		io_uring_prep_read(sqe, node0->fd, buf, NODE0_RX_BYTES, 0);
	}
	set_fd(b, sqe);
	io_uring_sqe_set_data64(sqe, event_pack(EVENT_TAP_READ, i, node0->generation));
	node0->reading[i] = true;
	node0->read_generation[i] = node0->generation;
}

static unsigned int reads(const struct node0 *node0)
{
	return node0->buf_ring ? 1 : NODE0_READS;
}

void node0_open(struct broker *b, int fd, __u32 ifindex, __u16 mtu)
{
	struct node0 *node0 = &b->node0;

	node0_close(b);
	node0->fd = fd;
	node0->ifindex = ifindex;
	node0->mtu = mtu < NODE0_TX_MTU ? mtu : NODE0_TX_MTU;
	node0->generation++;
	if (b->loop.has_fixed_files &&
	    io_uring_register_files_update(&b->loop.ring, FILE_TAP, &fd, 1) < 0)
		b->loop.has_fixed_files = false;
	for (unsigned int i = 0; i < reads(node0); i++)
		arm_read(b, i);
}

void node0_close(struct broker *b)
{
	struct node0 *node0 = &b->node0;
	int none = -1;

	if (node0->fd < 0)
		return;
	/* What is queued goes out first; then nothing holds the file but the reads. */
	io_uring_submit(&b->loop.ring);
	for (unsigned int i = 0; i < reads(node0); i++)
		if (node0->reading[i])
			loop_cancel(&b->loop,
				    event_pack(EVENT_TAP_READ, i, node0->read_generation[i]));
	if (b->loop.has_fixed_files)
		io_uring_register_files_update(&b->loop.ring, FILE_TAP, &none, 1);
	close(node0->fd);
	node0->fd = -1;
	node0->ifindex = 0;
}

void node0_read_done(struct broker *b, const struct io_uring_cqe *cqe)
{
	struct node0 *node0 = &b->node0;
	unsigned int i = event_index(cqe->user_data), buf = i;
	bool current = node0->fd >= 0 && event_generation(cqe->user_data) == node0->generation;
	int len = cqe->res;

	if (cqe->flags & IORING_CQE_F_BUFFER)
		buf = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
	if (!(cqe->flags & IORING_CQE_F_MORE))
		node0->reading[i] = false;

	if (len > NODE0_VNET_HDR && current) {
		node0->frames_rx++;
		control_frame(b, node0->rx + buf * NODE0_RX_BYTES + NODE0_VNET_HDR,
			      len - NODE0_VNET_HDR);
	}
	if (cqe->flags & IORING_CQE_F_BUFFER)
		provide(node0, buf);

	switch (len) {
	case -ECANCELED:
	case -EAGAIN:
	case -EINTR:
	case -ENOBUFS: /* given back since: see above */
		break;
	default:
		if (len >= 0 || !current)
			break;
		vm_warn("event=tap-lost if=%s error=\"%s\"", VM_BROKER_IF, strerror(-len));
		state_lost(b);
		break;
	}
	/* Not the same as the fd it was armed for, perhaps: the tap may have been changed. */
	arm_read(b, i);
}

void *node0_frame(struct broker *b)
{
	struct node0 *node0 = &b->node0;
	unsigned int i = NODE0_TX_BUFS;

	if (node0->tx_nfree)
		i = node0->tx_free[node0->tx_nfree - 1];
	/* Virtio header: all 0, no offload; left so by everybody. */
	return node0->tx + i * NODE0_TX_BYTES + NODE0_VNET_HDR;
}

static void unsent(struct broker *b, int err)
{
	/* One line each time it starts to fail would need a state; a power of two is enough. */
	__u64 n = ++b->node0.frames_unsent;

	if (!(n & (n - 1)))
		vm_warn("event=unsent if=%s frames=%llu error=\"%s\"", VM_BROKER_IF,
			(unsigned long long)n, strerror(-err));
}

void node0_send(struct broker *b, void *frame, size_t len)
{
	struct node0 *node0 = &b->node0;
	__u8 *buf = (__u8 *)frame - NODE0_VNET_HDR;
	unsigned int i = (buf - node0->tx) / NODE0_TX_BYTES;
	struct io_uring_sqe *sqe;

	len += NODE0_VNET_HDR;
	if (node0->fd < 0) {
		unsent(b, -ENODEV);
		return;
	}
	if (i == NODE0_TX_BUFS) {
		io_uring_submit(&b->loop.ring);
		if (write(node0->fd, buf, len) == (ssize_t)len)
			node0->frames_tx++;
		else
			unsent(b, -errno);
		return;
	}
	node0->tx_nfree--;
	sqe = loop_sqe(&b->loop);
	if (b->loop.has_fixed_buffers)
		io_uring_prep_write_fixed(sqe, node0->fd, buf, len, 0, BUFFER_TX);
	else
		io_uring_prep_write(sqe, node0->fd, buf, len, 0);
	set_fd(b, sqe);
	io_uring_sqe_set_data64(sqe, event_pack(EVENT_TAP_WRITE, i, 0));
}

void node0_write_done(struct broker *b, const struct io_uring_cqe *cqe)
{
	struct node0 *node0 = &b->node0;

	node0->tx_free[node0->tx_nfree++] = event_index(cqe->user_data);
	if (cqe->res > 0)
		node0->frames_tx++;
	else
		unsent(b, cqe->res);
}
