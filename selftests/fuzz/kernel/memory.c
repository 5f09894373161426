// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory under the sanitizer: each piece exactly as long as was asked for, a
 * frame's bytes apart from what describes it. What is filled in is not zero unless
 * zeroes were asked for.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <sanitizer/asan_interface.h>

#include <linux/skbuff.h>
#include <linux/slab.h>

#include "fake.h"

#define LARGE	   (64 << 10)
#define LARGE_MAX  32
#define LARGE_EDGE 4096

/* What was freed is kept from use for a while: more than one input's. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "quarantine_size_mb=16";
}

long fake_allocated;
unsigned int fake_pages;
static struct list_head pages = { &pages, &pages };

/* Which cannot fail, and is the harness's as well. */
static void *piece(size_t size)
{
	void *at = malloc(size);

	fake_must(at);
	fake_allocated++;
	return at;
}

static void piece_free(void *at)
{
	fake_allocated--;
	free(at);
}

/*
 * A megabyte at a time costs more than all the rest when the system has to give it
 * anew for each input: so these are kept, and are nobody's meanwhile. Not by
 * malloc(): libFuzzer counts that, and takes what is kept for a leak.
 */
static struct {
	void *at;
	size_t size;
	bool used;
} large[LARGE_MAX];

static void *large_map(size_t size)
{
	u8 *at = mmap(NULL, LARGE_EDGE + size + LARGE_EDGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	fake_must(at != MAP_FAILED);
	ASAN_POISON_MEMORY_REGION(at, LARGE_EDGE + size + LARGE_EDGE);
	return at + LARGE_EDGE;
}

static void *large_zeroes(size_t size)
{
	unsigned int i;

	for (i = 0; i < LARGE_MAX; i++) {
		if (large[i].used || (large[i].at && large[i].size != size))
			continue;
		if (!large[i].at)
			large[i].at = large_map(size);
		large[i].size = size;
		large[i].used = true;
		ASAN_UNPOISON_MEMORY_REGION(large[i].at, size);
		return memset(large[i].at, 0, size);
	}
	return calloc(1, size);
}

static bool large_free(const void *at)
{
	unsigned int i;

	for (i = 0; i < LARGE_MAX; i++) {
		if (large[i].at != at)
			continue;
		fake_must(large[i].used);
		large[i].used = false;
		ASAN_POISON_MEMORY_REGION(at, large[i].size);
		return true;
	}
	return false;
}

void *kmalloc(size_t size, gfp_t gfp)
{
	if (gfp & GFP_KERNEL)
		fake_may_sleep();
	return fake_fails() ? NULL : piece(size);
}

void *kzalloc(size_t size, gfp_t gfp)
{
	return kcalloc(1, size, gfp);
}

void *kcalloc(size_t n, size_t size, gfp_t gfp)
{
	void *at;

	if (gfp & GFP_KERNEL)
		fake_may_sleep();
	if (fake_fails())
		return NULL;
	at = n * size < LARGE ? calloc(n, size) : large_zeroes(n * size);
	fake_must(at);
	fake_allocated++;
	return at;
}

void *kvcalloc(size_t n, size_t size, gfp_t gfp)
{
	return kcalloc(n, size, gfp);
}

void kfree(const void *at)
{
	if (!at)
		return;
	if (large_free(at))
		fake_allocated--;
	else
		piece_free((void *)at);
}

void kvfree(const void *at)
{
	kfree(at);
}

/* Pages. */

struct page *fake_page(const void *data, size_t len)
{
	struct page *page = piece(sizeof(*page));

	page->data = piece(len);
	memcpy(page->data, data, len);
	page->order = 0;
	INIT_LIST_HEAD(&page->list);
	return page;
}

void fake_page_given(struct page *page)
{
	list_add_tail(&page->list, &pages);
	fake_pages++;
}

struct page *fake_page_nth(unsigned int n)
{
	struct page *page;

	list_for_each_entry(page, &pages, list)
		if (!n--)
			return page;
	return NULL;
}

void __free_pages(struct page *page, unsigned int order)
{
	fake_must(order == page->order);
	if (!list_empty(&page->list)) {
		list_del(&page->list);
		fake_pages--;
	}
	piece_free(page->data);
	piece_free(page);
}

/* Frames. */

struct sk_buff *alloc_skb(unsigned int size, gfp_t gfp)
{
	struct sk_buff *skb = kzalloc(sizeof(*skb), gfp);

	if (!skb)
		return NULL;
	INIT_LIST_HEAD(&skb->list);
	skb->users = 1;
	skb->head = piece(size);
	skb->data = skb->head;
	skb->tail = skb->head;
	skb->end = skb->head + size;
	skb->truesize = size + sizeof(*skb);
	return skb;
}

void kfree_skb(struct sk_buff *skb)
{
	fake_must(skb->users > 0);
	if (--skb->users)
		return;
	fake_must(list_empty(&skb->list));
	piece_free(skb->head);
	kfree(skb);
}

struct sk_buff *skb_get(struct sk_buff *skb)
{
	fake_must(skb->users > 0);
	skb->users++;
	return skb;
}

void skb_reserve(struct sk_buff *skb, unsigned int len)
{
	fake_must(!skb->len && len <= skb->end - skb->tail);
	skb->data += len;
	skb->tail += len;
}

void *skb_put(struct sk_buff *skb, unsigned int len)
{
	void *at = skb->tail;

	fake_must(skb->tail == skb->data + skb->len);
	fake_must(len <= skb->end - skb->tail);
	skb->tail += len;
	skb->len += len;
	return at;
}

void skb_put_data(struct sk_buff *skb, const void *data, unsigned int len)
{
	memcpy(skb_put(skb, len), data, len);
}

void skb_queue_head_init(struct sk_buff_head *q)
{
	INIT_LIST_HEAD(&q->list);
	q->qlen = 0;
	spin_lock_init(&q->lock);
}

void __skb_queue_tail(struct sk_buff_head *q, struct sk_buff *skb)
{
	fake_must(list_empty(&skb->list));
	list_add_tail(&skb->list, &q->list);
	q->qlen++;
}

void skb_queue_tail(struct sk_buff_head *q, struct sk_buff *skb)
{
	spin_lock_bh(&q->lock);
	__skb_queue_tail(q, skb);
	spin_unlock_bh(&q->lock);
}

void __skb_unlink(struct sk_buff *skb, struct sk_buff_head *q)
{
	fake_must(q->qlen);
	list_del_init(&skb->list);
	q->qlen--;
}

struct sk_buff *skb_peek(struct sk_buff_head *q)
{
	return list_first_entry_or_null(&q->list, struct sk_buff, list);
}

struct sk_buff *skb_dequeue(struct sk_buff_head *q)
{
	struct sk_buff *skb;

	spin_lock_bh(&q->lock);
	skb = skb_peek(q);
	if (skb)
		__skb_unlink(skb, q);
	spin_unlock_bh(&q->lock);
	return skb;
}

void skb_queue_purge(struct sk_buff_head *q)
{
	struct sk_buff *skb;

	while ((skb = skb_dequeue(q)))
		kfree_skb(skb);
}
