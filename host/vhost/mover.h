/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The own path: frames between a pair of rings and a tap, by io_uring.
 * transmit.c is guest to tap, receive.c tap to guest, poll.c the decision when
 * to sleep. No frame is copied here and nothing is allocated for one.
 */
#ifndef VIRTMESH_VHOST_MOVER_H
#define VIRTMESH_VHOST_MOVER_H

#include <stdbool.h>
#include <stddef.h>

#include <virtmesh/types.h>

struct vm_loop;
struct vm_memory;
struct vm_mover;
struct vm_vring;
struct vm_vring_log;

/* The rings of the pair we move. */
enum {
	VM_MOVER_RX, /* to the guest */
	VM_MOVER_TX, /* from the guest */
	VM_MOVER_RINGS
};

#define VM_POLL_US 100 /* longest spin, unless told otherwise */

struct vm_mover_config {
	int tap; /* non-blocking, vnet header of 12 bytes */
	unsigned int mtu; /* frames are at most this and their header's 14 bytes */
	int poll_us; /* longest spin before sleeping; 0: never */
	/* The guest broke ring @i. Called with nothing in flight; is to stop the ring. */
	void (*broken)(void *arg, unsigned int i, const char *why);
	void *arg;
};

struct vm_mover_stats {
	__u64 tx_frames, tx_bytes;
	__u64 tx_short, tx_long, tx_offload; /* dropped: frame too short, too long, offload asked */
	__u64 tx_busy, tx_failed; /* dropped: the tap would not take it now, or at all */
	__u64 tx_batches;
	__u64 rx_frames, rx_bytes;
	__u64 rx_cut; /* dropped: larger than the guest's buffer */
	__u64 rx_failed;
	__u64 rx_empty; /* reads that found nothing */
	__u64 rx_starved; /* times the guest had posted no buffer when we looked */
	__u64 rx_batches;
	__u64 rx_rests; /* times the tap was left alone for a while: flood.h */
	__u64 kicks; /* from the guest that woke us */
	__u64 calls, calls_pending; /* to the guest; found one unread */
	__u64 spins, spins_hit; /* times polled before sleep; found work that way */
	__u64 resumed, carried; /* chains a dead port left; of those, already moved */
};

/*
 * Make a mover for @config on @loop (of which it becomes the engine) and probe
 * what the tap can; the one allocation. 0 or -errno. Before the sandbox, and
 * after vm_loop_enable().
 */
int vm_mover_init(struct vm_mover **mover, struct vm_loop *loop,
		  const struct vm_mover_config *config);
/* All rings are stopped. */
void vm_mover_exit(struct vm_mover *mover);

/*
 * Start ring @i (VM_MOVER_*) in @mem, both the caller's until vm_mover_stop().
 * What a dead port left in its log is finished first. 0; -EPROTO when the guest
 * broke the ring (vr->broken is set).
 */
int vm_mover_start(struct vm_mover *mover, unsigned int i, struct vm_vring *vr,
		   const struct vm_memory *mem);
/*
 * A running ring's call fd is another now. On return the old one may be closed:
 * nothing that is queued names it any more. The new one is called once.
 */
void vm_mover_fds(struct vm_mover *mover, unsigned int i);
/*
 * On return nothing is in flight, nothing that is queued names the ring's fds, no
 * kick will be consumed and last_avail is true. The log says the same, until the
 * caller has last_avail in safety and resets it.
 */
void vm_mover_stop(struct vm_mover *mover, unsigned int i);

const struct vm_mover_stats *vm_mover_stats(const struct vm_mover *mover);
/* The line "in use" that is logged once at start: which of the kernel's features. */
void vm_mover_log(const struct vm_mover *mover);

/*
 * A port died; @keep is what its loop lived in. Note in the logs of its rings
 * what the kernel had carried for it. To be called before vm_loop_init() with
 * the same memory, which wipes it. log[i] may be NULL; num[i] is its ring's size.
 */
void vm_mover_salvage(void *keep, struct vm_vring_log *const log[VM_MOVER_RINGS],
		      const unsigned int num[VM_MOVER_RINGS]);

/* What is left is lane_own: the same for struct vm_device. See device.h. */

#endif /* VIRTMESH_VHOST_MOVER_H */
