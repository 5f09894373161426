/* SPDX-License-Identifier: GPL-2.0-only */
/* Linear frames: a head of exactly the size asked for, behind a count of references. */
#ifndef VIRTMESH_FUZZ_LINUX_SKBUFF_H
#define VIRTMESH_FUZZ_LINUX_SKBUFF_H

#include <linux/types.h>
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

struct sk_buff {
	struct list_head list; /* of its queue */
	int users;
	u8 *head, *data, *tail, *end;
	unsigned int len, truesize;
	char cb[48] __attribute__((aligned(8)));
};

struct sk_buff_head {
	struct list_head list;
	unsigned int qlen;
	spinlock_t lock;
};

struct sk_buff *alloc_skb(unsigned int size, gfp_t gfp);
void kfree_skb(struct sk_buff *skb);
#define consume_skb kfree_skb
struct sk_buff *skb_get(struct sk_buff *skb);
void skb_reserve(struct sk_buff *skb, unsigned int len);
void *skb_put(struct sk_buff *skb, unsigned int len);
void skb_put_data(struct sk_buff *skb, const void *data, unsigned int len);

static inline bool skb_shared(const struct sk_buff *skb)
{
	return skb->users != 1;
}

static inline void skb_reset_tail_pointer(struct sk_buff *skb)
{
	skb->tail = skb->data;
}

void skb_queue_head_init(struct sk_buff_head *q);
void skb_queue_tail(struct sk_buff_head *q, struct sk_buff *skb);
void __skb_queue_tail(struct sk_buff_head *q, struct sk_buff *skb);
void __skb_unlink(struct sk_buff *skb, struct sk_buff_head *q);
struct sk_buff *skb_peek(struct sk_buff_head *q);
struct sk_buff *skb_dequeue(struct sk_buff_head *q);
void skb_queue_purge(struct sk_buff_head *q);
#define skb_queue_len(q)	  ((q)->qlen)
#define skb_queue_len_lockless(q) ((q)->qlen)
#define skb_queue_empty(q)	  (!(q)->qlen)
#define skb_queue_empty_lockless  skb_queue_empty

#endif /* VIRTMESH_FUZZ_LINUX_SKBUFF_H */
