/* SPDX-License-Identifier: GPL-2.0-only */
/* Circular lists with a head. What was taken out points nowhere. */
#ifndef VIRTMESH_FUZZ_LINUX_LIST_H
#define VIRTMESH_FUZZ_LINUX_LIST_H

#include <linux/types.h>
#include "../fake.h"

#define LIST_HEAD(name) struct list_head name = { &(name), &(name) }

static inline void INIT_LIST_HEAD(struct list_head *head)
{
	head->next = head;
	head->prev = head;
}

static inline bool list_empty(const struct list_head *head)
{
	return head->next == head;
}

#define list_empty_careful list_empty

static inline void list_add(struct list_head *entry, struct list_head *after)
{
	/* Neither end was changed behind the list's back. */
	fake_must(after->next->prev == after);
	entry->prev = after;
	entry->next = after->next;
	after->next->prev = entry;
	after->next = entry;
}

static inline void list_add_tail(struct list_head *entry, struct list_head *head)
{
	list_add(entry, head->prev);
}

static inline void fake_list_out(struct list_head *entry)
{
	fake_must(entry->next && entry->next->prev == entry && entry->prev->next == entry);
	entry->next->prev = entry->prev;
	entry->prev->next = entry->next;
}

static inline void list_del(struct list_head *entry)
{
	fake_list_out(entry);
	entry->next = NULL;
	entry->prev = NULL;
}

static inline void list_del_init(struct list_head *entry)
{
	fake_list_out(entry);
	INIT_LIST_HEAD(entry);
}

static inline void list_move(struct list_head *entry, struct list_head *head)
{
	fake_list_out(entry);
	list_add(entry, head);
}

static inline void list_move_tail(struct list_head *entry, struct list_head *head)
{
	fake_list_out(entry);
	list_add_tail(entry, head);
}

static inline void list_splice_init(struct list_head *from, struct list_head *to)
{
	while (!list_empty(from))
		list_move(from->prev, to);
}

#define list_entry(at, type, member)	     container_of(at, type, member)
#define list_first_entry(head, type, member) list_entry((head)->next, type, member)
#define list_last_entry(head, type, member)  list_entry((head)->prev, type, member)
#define list_first_entry_or_null(head, type, member) \
	(list_empty(head) ? NULL : list_first_entry(head, type, member))

#define list_for_each_entry(at, head, member)                                               \
	for (at = list_entry((head)->next, __typeof__(*at), member); &at->member != (head); \
	     at = list_entry(at->member.next, __typeof__(*at), member))

#define list_for_each_entry_reverse(at, head, member)                                       \
	for (at = list_entry((head)->prev, __typeof__(*at), member); &at->member != (head); \
	     at = list_entry(at->member.prev, __typeof__(*at), member))

#define list_for_each_entry_safe(at, after, head, member)                 \
	for (at = list_entry((head)->next, __typeof__(*at), member),      \
	    after = list_entry(at->member.next, __typeof__(*at), member); \
	     &at->member != (head);                                       \
	     at = after, after = list_entry(after->member.next, __typeof__(*at), member))

#endif /* VIRTMESH_FUZZ_LINUX_LIST_H */
