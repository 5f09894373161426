// SPDX-License-Identifier: GPL-2.0-only
/*
 * The walker.
 *
 * Indices run freely through 16 bits: differences are taken modulo 65536, and an
 * available index further ahead than the ring is long is nonsense.
 *
 * Barriers. The guest writes descriptors, then its available index: we read
 * the index with acquire. We write used elements, then the used index, with
 * release. Whoever is about to sleep (or to skip a notification) writes its
 * wish, then a full barrier, then looks at the other's index: one of the two sees
 * the other.
 */
#include <errno.h>
#include <limits.h>
#include <stdint.h>

#include "memory.h"
#include "vring.h"
#include "vring_log.h"

#define READ_ONCE(x)	 (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))

/* Descriptors in one chain: more than any iovec the kernel takes can need. */
#define CHAIN_MAX UIO_MAXIOV

typedef __u16 __attribute__((may_alias)) index_t;

static int broken(struct vm_vring *vr, const char *why)
{
	vr->broken = true;
	vr->why = why;
	return -EPROTO;
}

void vm_vring_start(struct vm_vring *vr)
{
	vr->broken = false;
	vr->why = NULL;
	vr->used_idx = READ_ONCE(vr->used->idx);
	vr->avail_seen = vr->last_avail;
	vr->batch = 0;
	vr->batch_head = 0;
	vr->signalled_valid = false;
	vr->popped = 0;
}

/* Look at the guest's index again. */
static int look(struct vm_vring *vr)
{
	__u16 idx = __atomic_load_n(&vr->avail->idx, __ATOMIC_ACQUIRE);

	if ((__u16)(idx - vr->last_avail) > vr->num)
		return broken(vr, "available index out of range");
	vr->avail_seen = idx;
	return idx != vr->last_avail;
}

bool vm_vring_more(struct vm_vring *vr)
{
	return vr->avail_seen != vr->last_avail || look(vr) != 0;
}

/* An indirect table need not be aligned: what the guest says is no reason for a trap. */
struct packed_desc {
	__u64 addr;
	__u32 len;
	__u16 flags, next;
} __attribute__((packed));

static struct vring_desc read_desc(const struct vring_desc *table, unsigned int i)
{
	const volatile struct packed_desc *from = (const volatile void *)(table + i);

	return (struct vring_desc){
		.addr = from->addr,
		.len = from->len,
		.flags = from->flags,
		.next = from->next,
	};
}

/* One more piece, unless there is no room: then the chain is cut, and the rest only checked. */
static int add_piece(struct vm_vring *vr, const struct vm_memory *mem, struct vm_chain *c,
		     const struct vring_desc *d, unsigned int max)
{
	bool in = d->flags & VRING_DESC_F_WRITE;
	unsigned int n = c->out + c->in;
	__u32 *total = in ? &c->in_len : &c->out_len;
	struct iovec *last = n ? &c->iov[n - 1] : NULL;
	void *at;

	if (!in && c->in)
		return broken(vr, "a piece to read behind one to write");
	if (!d->len)
		return broken(vr, "an empty piece");
	if (d->len > UINT32_MAX - *total)
		return broken(vr, "a chain of over 4 GiB");
	at = vm_memory_guest(mem, d->addr, d->len);
	if (!at)
		return broken(vr, "a piece outside of the guest's memory");

	if (c->cut)
		return 0;
	if (last && !!c->in == in && (char *)last->iov_base + last->iov_len == at) {
		last->iov_len += d->len;
		*total += d->len;
		return 0;
	}
	if (n == max) {
		c->cut = true;
		return 0;
	}
	c->iov[n].iov_base = at;
	c->iov[n].iov_len = d->len;
	*total += d->len;
	if (in)
		c->in++;
	else
		c->out++;
	return 0;
}

int vm_vring_walk(struct vm_vring *vr, const struct vm_memory *mem, __u16 head, struct iovec *iov,
		  unsigned int max, struct vm_chain *c)
{
	const struct vring_desc *table = vr->desc;
	unsigned int entries = vr->num, left = entries, next = head;
	bool inside = false;
	struct vring_desc d;
	int err;

	*c = (struct vm_chain){ .iov = iov, .head = head };
	for (;;) {
		if (next >= entries)
			return broken(vr, "a descriptor's number out of range");
		if (!left--)
			return broken(vr, "a chain that is a loop, or longer than its table");
		d = read_desc(table, next);

		if (d.flags & VRING_DESC_F_INDIRECT) {
			if (!vr->indirect)
				return broken(vr, "an indirect table that was not negotiated");
			if (inside)
				return broken(vr, "an indirect table in an indirect table");
			if (d.flags & VRING_DESC_F_NEXT)
				return broken(vr, "a chain that goes on behind an indirect table");
			if (!d.len || d.len % sizeof(d))
				return broken(vr, "an indirect table of odd size");
			table = vm_memory_guest(mem, d.addr, d.len);
			if (!table)
				return broken(vr, "an indirect table outside of the memory");
			entries = d.len / sizeof(d);
			left = entries < CHAIN_MAX ? entries : CHAIN_MAX;
			next = 0;
			inside = true;
			continue;
		}

		err = add_piece(vr, mem, c, &d, max);
		if (err || !(d.flags & VRING_DESC_F_NEXT))
			return err;
		next = d.next;
	}
}

int vm_vring_pop(struct vm_vring *vr, const struct vm_memory *mem, struct iovec *iov,
		 unsigned int max, struct vm_chain *chain)
{
	__u16 head;
	int ret;

	if (vr->avail_seen == vr->last_avail) {
		ret = look(vr);
		if (ret <= 0)
			return ret;
	}
	head = READ_ONCE(vr->avail->ring[vr->last_avail & (vr->num - 1)]);
	if (head >= vr->num)
		return broken(vr, "a head out of range");
	ret = vm_vring_walk(vr, mem, head, iov, max, chain);
	if (ret)
		return ret;
	if (vr->log)
		vm_vring_log_pop(vr->log, head, vr->popped);
	vr->popped++;
	vr->last_avail++;
	return 1;
}

void vm_vring_unpop(struct vm_vring *vr, __u16 head)
{
	vr->last_avail--;
	vr->popped--;
	if (vr->log)
		vm_vring_log_unpop(vr->log, head);
}

void vm_vring_push(struct vm_vring *vr, __u16 head, __u32 len)
{
	struct vring_used_elem *e;

	e = &vr->used->ring[(__u16)(vr->used_idx + vr->batch) & (vr->num - 1)];
	if (vr->log)
		vm_vring_log_push(vr->log, head, vr->batch_head);
	WRITE_ONCE(e->id, head);
	WRITE_ONCE(e->len, len);
	vr->batch_head = head;
	vr->batch++;
}

/* Does the guest want to hear of what it was given since it was last told? */
static bool want_call(struct vm_vring *vr)
{
	__u16 old = vr->signalled;
	bool valid = vr->signalled_valid;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!vr->event_idx)
		return !(READ_ONCE(vr->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT);
	vr->signalled = vr->used_idx;
	vr->signalled_valid = true;
	if (!valid)
		return true;
	/* used_event lies behind the available ring. */
	return vring_need_event(READ_ONCE(vr->avail->ring[vr->num]), vr->used_idx, old);
}

bool vm_vring_publish(struct vm_vring *vr)
{
	unsigned int n = vr->batch;

	if (!n)
		return false;
	vr->used_idx += n;
	vr->batch = 0;
	__atomic_store_n(&vr->used->idx, vr->used_idx, __ATOMIC_RELEASE);
	if (vr->log)
		vm_vring_log_clear(vr->log, vr->num, n, vr->used_idx);
	return want_call(vr);
}

bool vm_vring_kick_on(struct vm_vring *vr)
{
	if (vr->event_idx)
		/* avail_event lies behind the used ring. */
		*(volatile index_t *)&vr->used->ring[vr->num] = vr->last_avail;
	else
		WRITE_ONCE(vr->used->flags, 0);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return look(vr) != 0;
}

void vm_vring_kick_off(struct vm_vring *vr)
{
	/* An index that the guest has passed: it would come round after 65536 chains. */
	if (vr->event_idx)
		*(volatile index_t *)&vr->used->ring[vr->num] = vr->last_avail - 1;
	else
		WRITE_ONCE(vr->used->flags, VRING_USED_F_NO_NOTIFY);
}
