/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The inside of the mover: what mover.c, rings.c, transmit.c and receive.c share.
 */
#ifndef VIRTMESH_VHOST_OWN_H
#define VIRTMESH_VHOST_OWN_H

#include <stdbool.h>
#include <sys/uio.h>

#include <linux/virtio_net.h>

#include "flood.h"
#include "loop.h"
#include "mover.h"
#include "poll.h"
#include "vring.h"

#define VM_BATCH     64 /* frames submitted by one system call, each way */
#define VM_BATCH_MIN 2
#define VM_SLOT_IOV  32 /* pieces of one chain: 9000 bytes in pages, and then some */

#define VM_HDR_LEN ((unsigned int)sizeof(struct virtio_net_hdr_v1))

/* A chain that was popped: being carried, or a buffer that waits for a frame. */
struct vm_slot {
	struct vm_chain chain;
	__u64 seq; /* of its popping */
	bool done; /* carried: its chain is in the used ring */
	struct iovec iov[VM_SLOT_IOV];
};

struct vm_side {
	struct vm_vring *vr; /* NULL: stopped */
	const struct vm_memory *mem;
	__u16 generation; /* of its start */

	bool kick_armed; /* the kernel tells of each kick; or the fd is broken */

	/* slot[order[0 .. n-1]]: popped, oldest first; the first `batch` are being carried. */
	unsigned int n;
	unsigned int batch;
	unsigned int inflight; /* of those, not yet completed */
	__u8 order[VM_BATCH];
	struct vm_slot slot[VM_BATCH];

	/* What a dead port left in flight, to be taken before anything is popped. */
	struct {
		__u64 seq;
		__u16 head;
	} left[VM_VRING_NUM_MAX];
	unsigned int left_at, left_n;
};

struct vm_mover {
	struct vm_loop *loop;
	struct vm_mover_config config;
	bool nowait; /* the tap takes RWF_NOWAIT: nothing ever waits in the kernel */
	bool probed;
	bool asleep;
	bool gave; /* the guest got a frame in this round */
	bool tap_gone;
	bool tap_armed; /* a poll of it is with the kernel, and will be listened to */
	__u32 tap_generation; /* that one's */
	unsigned int tap_polls; /* all that are with the kernel */
	unsigned int tap_failed; /* batches of reads that only failed, in a row */
	unsigned int frame_max; /* bytes, with its header */

	bool rx_ready; /* a read is worth trying */
	bool rx_last; /* the last read of the batch found a frame */
	bool rx_was_starved;
	bool rx_waits; /* the read with the kernel is the one that may wait */
	bool rx_asked; /* since this round: if it is over already, there was a frame */
	unsigned int rx_batch; /* reads to try at once */
	unsigned int rx_filled; /* of the current batch */
	int rx_error; /* of the current batch */
	struct vm_flood flood;

	struct vm_poll poll;
	struct vm_mover_stats stats;
	struct vm_side side[VM_MOVER_RINGS];
};

/* Queue a batch; how many chains were taken. */
unsigned int vm_transmit(struct vm_mover *m);
unsigned int vm_receive(struct vm_mover *m);
/* Is the tap left alone for a while, whatever the ring does? Over, it is worth a read. */
bool vm_receive_rests(struct vm_mover *m);
/* The tap is empty: have the kernel see to the next frame. */
void vm_receive_wait(struct vm_mover *m);
/* Slot @slot's write or read came back with @res. */
void vm_transmit_done(struct vm_mover *m, struct vm_slot *slot, int res);
void vm_receive_done(struct vm_mover *m, struct vm_slot *slot, int res);
/* Return chain @c with @len bytes in it; false: the frame was cut, the buffer stays. */
bool vm_receive_give(struct vm_mover *m, const struct vm_chain *c, __u32 len);
/* The whole batch is back. */
void vm_receive_settled(struct vm_mover *m);
/* A frame could be read, but the guest has posted no buffer, or none that is left. */
bool vm_receive_starved(const struct vm_mover *m);

/* mover.c: for all. */

/*
 * An event's index: the ring in bits 16-23, the head in 0-15. Its generation: the slot,
 * and that of the ring's start.
 */
__u64 vm_slot_data(unsigned int ring, const struct vm_side *s, const struct vm_slot *slot);
__u64 vm_kick_data(unsigned int ring, const struct vm_side *s);
/* Tell the guest, by the next system call. */
void vm_mover_call(struct vm_mover *m, unsigned int ring);

/* Have it told when the tap is readable. */
void vm_tap_arm(struct vm_mover *m);

/* Can anything be taken from this side's ring? */
static inline bool vm_side_runs(const struct vm_side *s)
{
	return s->vr && !s->vr->broken;
}

/* The next chain, left or popped, into a free slot behind the others. NULL: none. */
struct vm_slot *vm_side_take(struct vm_side *s);
/* A submission for @slot with its fd, flags and user_data still to be prepared by vm_slot_submit(). */
struct io_uring_sqe *vm_slot_submit(struct vm_mover *m, unsigned int ring, struct vm_slot *slot,
				    unsigned int op, unsigned int op_vectored, unsigned int pieces,
				    __u32 len);

#endif /* VIRTMESH_VHOST_OWN_H */
