/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is in flight of a ring, in memory that outlives the process.
 *
 * The layout is the one vhost-user specifies for split rings
 * (VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD), so the same code serves a front-end's
 * in-flight memory and our own `saved` memfd. In the padding that the
 * specification leaves unused we note what the dead port's io_uring is known to
 * have done for a head: see vm_mover_salvage().
 *
 * The memory may be a front-end's: everything read from it is checked.
 */
#ifndef VIRTMESH_VHOST_VRING_LOG_H
#define VIRTMESH_VHOST_VRING_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include <virtmesh/types.h>

#define VM_VRING_LOG_VERSION 1

struct vm_vring_log_desc {
	__u8 inflight; /* popped and not yet used */
	__u8 carried; /* ours: the kernel has moved its frame */
	__u8 len[4]; /* ours: bytes it moved, when carried; __u32, unaligned */
	__u16 next; /* head pushed before this one in its batch */
	__u64 counter; /* the order of popping */
};
VM_ASSERT_SIZE(struct vm_vring_log_desc, 16);

struct vm_vring_log {
	__u64 features; /* 0: the specification has none yet */
	__u16 version; /* VM_VRING_LOG_VERSION; 0: never used */
	__u16 desc_num; /* the ring's size; 0: nothing in flight, start afresh */
	__u16 last_batch_head;
	__u16 used_idx; /* the used ring's, when the last batch had been cleared */
	struct vm_vring_log_desc desc[];
};
VM_ASSERT_SIZE(struct vm_vring_log, 16);

/* Bytes for a ring of @num. */
static inline size_t vm_vring_log_size(unsigned int num)
{
	return sizeof(struct vm_vring_log) + num * sizeof(struct vm_vring_log_desc);
}

/*
 * Forget: the next start begins afresh at the ring's last_avail. Zeroed memory is
 * the same. A ring that was stopped in good order has its log so once last_avail is saved.
 */
void vm_vring_log_reset(struct vm_vring_log *log);
/* Nothing is in flight; from here on it is kept. */
void vm_vring_log_begin(struct vm_vring_log *log, unsigned int num, __u16 used_idx);
/* Did a port die with this log for a ring of @num? */
bool vm_vring_log_dirty(const struct vm_vring_log *log, unsigned int num);

/* A head left the available ring; @counter orders them. */
void vm_vring_log_pop(struct vm_vring_log *log, __u16 head, __u64 counter);
/* A head goes back to the available ring: it was the last one popped. */
void vm_vring_log_unpop(struct vm_vring_log *log, __u16 head);
/* @head joins the batch whose last head was @prev; to be called before it is published. */
void vm_vring_log_push(struct vm_vring_log *log, __u16 head, __u16 prev);
/* The batch of @n ending in last_batch_head is published: used->idx is @used_idx. */
void vm_vring_log_clear(struct vm_vring_log *log, unsigned int num, unsigned int n, __u16 used_idx);

/* The kernel has carried @head's frame of @len bytes. Ignored when it is not in flight. */
void vm_vring_log_carried(struct vm_vring_log *log, unsigned int num, __u16 head, __u32 len);

struct vm_vring_left {
	__u16 head;
	bool carried;
	__u32 len;
	__u64 counter;
};

/*
 * Finish what the dead port was about to write down, @used_idx being the used
 * ring's, and list what it left in flight, oldest first, into @left (room for
 * @num). Returns how many. Idempotent.
 */
unsigned int vm_vring_log_recover(struct vm_vring_log *log, unsigned int num, __u16 used_idx,
				  struct vm_vring_left *left);

#endif /* VIRTMESH_VHOST_VRING_LOG_H */
