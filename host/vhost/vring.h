/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The device's side of a split virtqueue: chains out of the available ring,
 * used ones back, and who wants to be told. Pure: memory only, no system call.
 *
 * Ring and descriptors are the guest's, and it may change them at any time:
 * each word is read once, checked, then used. An error (-EPROTO) means that the
 * guest broke the ring; nothing more can be trusted in it and the caller stops it.
 */
#ifndef VIRTMESH_VHOST_VRING_H
#define VIRTMESH_VHOST_VRING_H

#include <stdbool.h>
#include <sys/uio.h>

#include <linux/virtio_ring.h>
#include <virtmesh/types.h>

struct vm_memory;
struct vm_vring_log;

#define VM_VRING_NUM_MAX 1024 /* largest ring we take: QEMU's */

struct vm_vring {
	/* Set by whoever starts it. num: a power of two. */
	unsigned int num;
	struct vring_desc *desc; /* all three in our mapping, aligned; NULL: nowhere in it now */
	struct vring_avail *avail;
	struct vring_used *used;
	__u64 desc_user, avail_user, used_user; /* the front-end's addresses of them .. */
	bool addressed; /* .. if it has told them */
	bool event_idx, indirect; /* as negotiated */
	struct vm_vring_log *log; /* what is in flight; may be NULL */
	struct vm_vring_log *spent; /* of the ring as it ran; to be forgotten once it is saved */
	int kick, call, err; /* fds, -1: none */
	bool call_is_eventfd; /* else a stream socket (UML) */
	bool enabled, running;

	__u16 last_avail; /* next entry of the available ring to take */

	/* The walker's own. */
	bool broken; /* the guest broke it: stays stopped until it is set up again */
	const char *why; /* when broken, for people */
	__u16 used_idx; /* next entry of the used ring to fill */
	__u16 avail_seen; /* available index when last looked */
	__u16 batch; /* pushed, not yet published */
	__u16 batch_head;
	__u16 signalled; /* used_idx when the guest was last considered for a call */
	bool signalled_valid;
	__u64 popped; /* counter of chains */
};

/* A chain: @out pieces the device reads, then @in pieces it writes, in iov[]. */
struct vm_chain {
	struct iovec *iov;
	__u16 head;
	bool cut; /* more pieces than iov[] had room for: what is here is its beginning */
	unsigned int out, in;
	__u32 out_len, in_len; /* bytes of those pieces */
};

/*
 * Take the ring up where the used ring stands. last_avail, num, addresses and
 * features are set. A log that a dead port left is the caller's, before this.
 */
void vm_vring_start(struct vm_vring *vr);

/*
 * Take the next chain; its pieces, translated, adjoining ones merged, go to
 * @iov, at most @max. Returns 1; 0 when there is none; -EPROTO.
 */
int vm_vring_pop(struct vm_vring *vr, const struct vm_memory *mem, struct iovec *iov,
		 unsigned int max, struct vm_chain *chain);
/* The chain that begins at @head, which was popped before. 0 or -EPROTO. */
int vm_vring_walk(struct vm_vring *vr, const struct vm_memory *mem, __u16 head, struct iovec *iov,
		  unsigned int max, struct vm_chain *chain);
/* Put the last popped chain back. */
void vm_vring_unpop(struct vm_vring *vr, __u16 head);
/* Is there anything to pop? Looks at the guest's index only if what was seen is taken. */
bool vm_vring_more(struct vm_vring *vr);

/* Return a chain, @len bytes written into it. The guest sees it with vm_vring_publish(). */
void vm_vring_push(struct vm_vring *vr, __u16 head, __u32 len);
/* Show the guest what was pushed. True: it wants a call. */
bool vm_vring_publish(struct vm_vring *vr);

/*
 * Ask for a kick when the next chain comes, then look again: true when one is
 * there already (and no kick need come). To be called before sleeping only.
 */
bool vm_vring_kick_on(struct vm_vring *vr);
void vm_vring_kick_off(struct vm_vring *vr);

#endif /* VIRTMESH_VHOST_VRING_H */
