// SPDX-License-Identifier: GPL-2.0-only
/*
 * The in-flight log: what was popped and not yet used, and in which order.
 *
 * A port may die between any two stores below, and the next one must be able to
 * tell. So the order of stores is what matters here (the compiler's; the
 * processor keeps it for whoever looks after the process is dead):
 *
 *	pop	inflight = 1, before anything is done with the chain
 *	push	desc.next and last_batch_head, then the used element
 *	publish	used->idx (the guest's memory), then inflight = 0 for the whole
 *		batch, then log.used_idx
 *
 * Whoever finds used->idx != log.used_idx finds a batch that was published and
 * perhaps not cleared: last_batch_head leads through it. The available ring needs no
 * entry: what was popped is what is used and what is in flight.
 */
#include <stdlib.h>
#include <string.h>

#include "vring_log.h"

#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#define READ_ONCE(x)	 (*(const volatile __typeof__(x) *)&(x))
#define barrier()	 __asm__ __volatile__("" ::: "memory")

void vm_vring_log_reset(struct vm_vring_log *log)
{
	WRITE_ONCE(log->desc_num, 0);
}

void vm_vring_log_begin(struct vm_vring_log *log, unsigned int num, __u16 used_idx)
{
	WRITE_ONCE(log->desc_num, 0);
	barrier();
	log->features = 0;
	log->version = VM_VRING_LOG_VERSION;
	log->last_batch_head = 0;
	log->used_idx = used_idx;
	memset(log->desc, 0, num * sizeof(log->desc[0]));
	barrier();
	WRITE_ONCE(log->desc_num, num);
}

bool vm_vring_log_dirty(const struct vm_vring_log *log, unsigned int num)
{
	return READ_ONCE(log->version) == VM_VRING_LOG_VERSION && READ_ONCE(log->desc_num) == num;
}

void vm_vring_log_pop(struct vm_vring_log *log, __u16 head, __u64 counter)
{
	struct vm_vring_log_desc *d = &log->desc[head];

	d->counter = counter;
	d->carried = 0;
	barrier();
	WRITE_ONCE(d->inflight, 1);
	barrier();
}

void vm_vring_log_unpop(struct vm_vring_log *log, __u16 head)
{
	WRITE_ONCE(log->desc[head].inflight, 0);
	barrier();
}

void vm_vring_log_push(struct vm_vring_log *log, __u16 head, __u16 prev)
{
	log->desc[head].next = prev;
	barrier();
	WRITE_ONCE(log->last_batch_head, head);
	barrier();
}

static void clear_batch(struct vm_vring_log *log, unsigned int num, unsigned int n)
{
	unsigned int head = READ_ONCE(log->last_batch_head);

	while (n-- && head < num) {
		WRITE_ONCE(log->desc[head].inflight, 0);
		head = READ_ONCE(log->desc[head].next);
	}
}

void vm_vring_log_clear(struct vm_vring_log *log, unsigned int num, unsigned int n, __u16 used_idx)
{
	barrier();
	clear_batch(log, num, n);
	barrier();
	WRITE_ONCE(log->used_idx, used_idx);
	barrier();
}

void vm_vring_log_carried(struct vm_vring_log *log, unsigned int num, __u16 head, __u32 len)
{
	struct vm_vring_log_desc *d = &log->desc[head];

	if (head >= num || !READ_ONCE(d->inflight))
		return;
	memcpy(d->len, &len, sizeof(len));
	barrier();
	WRITE_ONCE(d->carried, 1);
}

static int by_counter(const void *a, const void *b)
{
	const struct vm_vring_left *l = a, *r = b;

	return l->counter < r->counter ? -1 : l->counter > r->counter;
}

unsigned int vm_vring_log_recover(struct vm_vring_log *log, unsigned int num, __u16 used_idx,
				  struct vm_vring_left *left)
{
	__u16 batch = used_idx - READ_ONCE(log->used_idx);
	unsigned int n = 0;

	/* More than a ring can have had in flight is no batch, whoever wrote it. */
	if (batch && batch <= num)
		clear_batch(log, num, batch);
	barrier();
	WRITE_ONCE(log->used_idx, used_idx);

	for (unsigned int head = 0; head < num; head++) {
		const struct vm_vring_log_desc *d = &log->desc[head];

		if (!READ_ONCE(d->inflight))
			continue;
		left[n].head = head;
		left[n].carried = READ_ONCE(d->carried);
		left[n].counter = READ_ONCE(d->counter);
		memcpy(&left[n].len, d->len, sizeof(left[n].len));
		n++;
	}
	qsort(left, n, sizeof(*left), by_counter);
	return n;
}
