// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ring walker against a driver that says what it likes. The guest has two
 * regions; the rings lie outside of both.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "../../host/vhost/memory.h"
#include "../../host/vhost/vring.h"
#include "../../host/vhost/vring_log.h"

#define NUM	8
#define GPA	0x100000ULL
#define SIZE	0x10000
#define GPA_TWO 0x200000ULL /* another region, not next to it here */
#define MAX	4 /* pieces asked for */

typedef __u16 __attribute__((may_alias)) index_t;

struct walk {
	struct vm_memory mem;
	struct vm_vring vr;
	struct vm_chain c;
	struct iovec iov[64];
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	struct vm_vring_log *log;
	char *data;
	char *pages;
};

static int walk_init(struct walk *w)
{
	char *p = mmap(NULL, 4 * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	w->pages = p;
	w->data = p;
	w->desc = (void *)(p + SIZE);
	w->avail = (void *)(p + SIZE + 4096);
	w->used = (void *)(p + SIZE + 8192);
	w->log = (void *)(p + SIZE + 12288);
	w->mem.n = 2;
	w->mem.region[0] = (struct vm_region){ .gpa = GPA, .size = SIZE, .at = p };
	w->mem.region[1] = (struct vm_region){ .gpa = GPA_TWO, .size = 4096, .at = p + 2 * SIZE };
	w->vr = (struct vm_vring){
		.num = NUM,
		.desc = w->desc,
		.avail = w->avail,
		.used = w->used,
		.event_idx = true,
		.indirect = true,
		.kick = -1,
		.call = -1,
		.err = -1,
	};
	vm_vring_start(&w->vr);
	return 0;
}

FIXTURE(vring)
{
	struct walk w;
};

FIXTURE_SETUP(vring)
{
	ASSERT_EQ(0, walk_init(&self->w));
}

FIXTURE_TEARDOWN(vring)
{
	munmap(self->w.pages, 4 * SIZE);
}

static void put(struct walk *w, __u16 head)
{
	w->avail->ring[w->avail->idx++ % NUM] = head;
}

static int pop(struct walk *w)
{
	return vm_vring_pop(&w->vr, &w->mem, w->iov, MAX, &w->c);
}

#define OUT   0
#define IN    VRING_DESC_F_WRITE
#define MORE  VRING_DESC_F_NEXT
#define TABLE VRING_DESC_F_INDIRECT

TEST_F(vring, an_empty_ring_gives_nothing_until_the_index_moves)
{
	ASSERT_EQ(0, pop(&self->w));
	ASSERT_FALSE(vm_vring_more(&self->w.vr));
	self->w.desc[3] = (struct vring_desc){ GPA + 16, 100, OUT, 0 };
	put(&self->w, 3);
	ASSERT_TRUE(vm_vring_more(&self->w.vr));
	ASSERT_EQ(1, pop(&self->w));
	ASSERT_EQ(3, self->w.c.head);
	ASSERT_EQ(1, self->w.c.out);
	ASSERT_EQ(0, self->w.c.in);
	ASSERT_EQ(100, self->w.c.out_len);
	ASSERT_EQ(self->w.data + 16, self->w.iov[0].iov_base);
	ASSERT_EQ(100, self->w.iov[0].iov_len);
	ASSERT_EQ(0, pop(&self->w));
}

TEST_F(vring, a_chain_of_readable_then_writable_pieces)
{
	self->w.desc[0] = (struct vring_desc){ GPA, 10, OUT | MORE, 5 };
	self->w.desc[5] = (struct vring_desc){ GPA_TWO, 20, OUT | MORE, 2 };
	self->w.desc[2] = (struct vring_desc){ GPA + 100, 30, IN | MORE, 7 };
	self->w.desc[7] = (struct vring_desc){ GPA + 200, 40, IN, 0 };
	put(&self->w, 0);
	ASSERT_EQ(1, pop(&self->w));
	ASSERT_EQ(2, self->w.c.out);
	ASSERT_EQ(2, self->w.c.in);
	ASSERT_EQ(30, self->w.c.out_len);
	ASSERT_EQ(70, self->w.c.in_len);
	ASSERT_EQ(self->w.pages + 2 * SIZE, self->w.iov[1].iov_base);
	ASSERT_EQ(self->w.data + 200, self->w.iov[3].iov_base);
	ASSERT_FALSE(self->w.c.cut);
}

TEST_F(vring, adjoining_pieces_become_one_unless_their_direction_differs)
{
	self->w.desc[0] = (struct vring_desc){ GPA, 12, OUT | MORE, 1 };
	self->w.desc[1] = (struct vring_desc){ GPA + 12, 64, OUT | MORE, 2 };
	self->w.desc[2] = (struct vring_desc){ GPA + 76, 4, IN, 0 };
	put(&self->w, 0);
	ASSERT_EQ(1, pop(&self->w));
	ASSERT_EQ(1, self->w.c.out);
	ASSERT_EQ(76, self->w.iov[0].iov_len);
	ASSERT_EQ(1, self->w.c.in);
}

TEST_F(vring, more_pieces_than_there_is_room_for_cut_the_chain_and_break_nothing)
{
	for (int i = 0; i < 6; i++)
		self->w.desc[i] =
			(struct vring_desc){ GPA + 100 * i, 10, OUT | (i < 5 ? MORE : 0), i + 1 };
	put(&self->w, 0);
	ASSERT_EQ(1, pop(&self->w));
	ASSERT_TRUE(self->w.c.cut);
	ASSERT_EQ(MAX, self->w.c.out);
	ASSERT_EQ(40, self->w.c.out_len);
	ASSERT_FALSE(self->w.vr.broken);
}

TEST_F(vring, an_indirect_table_alone_and_at_the_end_of_a_chain)
{
	struct vring_desc *t = (void *)(self->w.data + 4096);

	t[0] = (struct vring_desc){ GPA, 12, OUT | MORE, 2 };
	t[2] = (struct vring_desc){ GPA + 64, 64, OUT, 0 };
	self->w.desc[1] = (struct vring_desc){ GPA + 4096, 48, TABLE, 0 };
	put(&self->w, 1);
	ASSERT_EQ(1, pop(&self->w));
	ASSERT_EQ(1, self->w.c.head);
	ASSERT_EQ(2, self->w.c.out);
	ASSERT_EQ(76, self->w.c.out_len);

	self->w.desc[4] = (struct vring_desc){ GPA + 512, 8, OUT | MORE, 1 };
	put(&self->w, 4);
	ASSERT_EQ(1, pop(&self->w));
	ASSERT_EQ(3, self->w.c.out);
}

TEST_F(vring, an_indirect_table_may_be_longer_than_the_ring_and_not_aligned)
{
	struct vring_desc d;

	for (int i = 0; i < 2 * NUM; i++) {
		d = (struct vring_desc){ GPA + 64 * i, 64, IN | (i < 2 * NUM - 1 ? MORE : 0),
					 i + 1 };
		memcpy(self->w.data + 4097 + i * sizeof(d), &d, sizeof(d));
	}
	self->w.desc[0] = (struct vring_desc){ GPA + 4097, 2 * NUM * sizeof(d), TABLE, 0 };
	put(&self->w, 0);
	ASSERT_EQ(1, pop(&self->w));
	ASSERT_EQ(1, self->w.c.in);
	ASSERT_EQ(2 * NUM * 64, self->w.c.in_len);
}

/* Everything that breaks a ring: what desc[0] and a table at GPA + 4096 say, put as head 0. */
FIXTURE(broken)
{
	struct walk w;
};

FIXTURE_VARIANT(broken)
{
	struct vring_desc desc[3], table[3];
	__u16 head;
	bool no_indirect;
};

/* clang-format off */
#define BROKEN(name, ...) FIXTURE_VARIANT_ADD(broken, name) { __VA_ARGS__ }
BROKEN(head_out_of_range, .head = NUM);
BROKEN(head_far_out_of_range, .head = 0xffff);
BROKEN(next_out_of_range, .desc = { { GPA, 1, MORE, NUM } });
BROKEN(loop_of_one, .desc = { { GPA, 1, MORE, 0 } });
BROKEN(loop_of_two, .desc = { { GPA, 1, MORE, 1 }, { GPA + 1, 1, MORE, 0 } });
BROKEN(empty_piece, .desc = { { GPA, 0, OUT, 0 } });
BROKEN(empty_second_piece, .desc = { { GPA, 1, MORE, 1 }, { GPA, 0, OUT, 0 } });
BROKEN(below_memory, .desc = { { GPA - 1, 2, OUT, 0 } });
BROKEN(beyond_memory, .desc = { { GPA + SIZE - 1, 2, OUT, 0 } });
BROKEN(between_regions, .desc = { { GPA + SIZE, 1, OUT, 0 } });
BROKEN(across_regions, .desc = { { GPA, (__u32)(GPA_TWO - GPA) + 1, OUT, 0 } });
BROKEN(longest_piece, .desc = { { GPA, 0xffffffff, OUT, 0 } });
BROKEN(address_wraps, .desc = { { ~0ULL, 2, OUT, 0 } });
BROKEN(address_wraps_into_memory, .desc = { { ~0ULL - 10, 0xffffffff, OUT, 0 } });
BROKEN(readable_behind_writable, .desc = { { GPA, 1, IN | MORE, 1 }, { GPA + 9, 1, OUT, 0 } });
BROKEN(table_not_negotiated, .desc = { { GPA + 4096, 16, TABLE, 0 } }, .no_indirect = true);
BROKEN(table_of_odd_size, .desc = { { GPA + 4096, 17, TABLE, 0 } },
	.table = { { GPA, 1, OUT, 0 } });
BROKEN(table_less_than_one, .desc = { { GPA + 4096, 15, TABLE, 0 } });
BROKEN(table_empty, .desc = { { GPA + 4096, 0, TABLE, 0 } });
BROKEN(table_outside, .desc = { { GPA + SIZE - 8, 16, TABLE, 0 } });
BROKEN(table_huge, .desc = { { GPA + 4096, 0xfffffff0, TABLE, 0 } });
BROKEN(table_with_next, .desc = { { GPA + 4096, 16, TABLE | MORE, 1 } },
	.table = { { GPA, 1, OUT, 0 } });
BROKEN(table_in_table, .desc = { { GPA + 4096, 32, TABLE, 0 } },
	.table = { { GPA + 4096, 16, TABLE, 0 } });
BROKEN(table_loop, .desc = { { GPA + 4096, 32, TABLE, 0 } },
	.table = { { GPA, 1, MORE, 1 }, { GPA + 1, 1, MORE, 0 } });
BROKEN(table_next_outside_of_it, .desc = { { GPA + 4096, 16, TABLE, 0 } },
	.table = { { GPA, 1, MORE, 1 }, { GPA + 1, 1, OUT, 0 } });
/* clang-format on */

FIXTURE_SETUP(broken)
{
	ASSERT_EQ(0, walk_init(&self->w));
	memcpy(self->w.desc, variant->desc, sizeof(variant->desc));
	memcpy(self->w.data + 4096, variant->table, sizeof(variant->table));
	self->w.vr.indirect = !variant->no_indirect;
	put(&self->w, variant->head);
}

FIXTURE_TEARDOWN(broken)
{
	munmap(self->w.pages, 4 * SIZE);
}

TEST_F(broken, ring_is_refused_with_a_reason_and_stays_where_it_was)
{
	ASSERT_EQ(-EPROTO, pop(&self->w));
	ASSERT_TRUE(self->w.vr.broken);
	ASSERT_NE(NULL, self->w.vr.why);
	ASSERT_EQ(0, self->w.vr.last_avail);
}

TEST_F(vring, an_available_index_too_far_ahead_breaks_the_ring)
{
	self->w.desc[0] = (struct vring_desc){ GPA, 1, OUT, 0 };
	self->w.avail->idx = NUM + 1;
	ASSERT_EQ(-EPROTO, pop(&self->w));
	ASSERT_TRUE(self->w.vr.broken);

	vm_vring_start(&self->w.vr);
	self->w.avail->idx = NUM;
	ASSERT_EQ(1, pop(&self->w));
	/* Going back is going far ahead. */
	vm_vring_start(&self->w.vr);
	self->w.avail->idx = 0;
	ASSERT_EQ(-EPROTO, pop(&self->w));
}

TEST_F(vring, indices_run_through_65536)
{
	self->w.vr.last_avail = 65530;
	self->w.avail->idx = 65530;
	self->w.used->idx = 65530;
	vm_vring_start(&self->w.vr);
	for (int i = 0; i < 200000; i++) {
		self->w.desc[i % NUM] = (struct vring_desc){ GPA, 1 + i % 7, OUT, 0 };
		put(&self->w, i % NUM);
		ASSERT_EQ(1, pop(&self->w));
		ASSERT_EQ(i % NUM, self->w.c.head);
		vm_vring_push(&self->w.vr, self->w.c.head, i);
		vm_vring_publish(&self->w.vr);
		ASSERT_EQ((__u16)(65531 + i), self->w.used->idx);
		ASSERT_EQ(i % NUM, self->w.used->ring[(65530 + i) % NUM].id);
		ASSERT_EQ(i, self->w.used->ring[(65530 + i) % NUM].len);
	}
}

TEST_F(vring, what_is_pushed_is_seen_when_published_and_not_before)
{
	for (int i = 0; i < 3; i++) {
		self->w.desc[i] = (struct vring_desc){ GPA, 1, OUT, 0 };
		put(&self->w, i);
		ASSERT_EQ(1, pop(&self->w));
		vm_vring_push(&self->w.vr, i, 0);
		ASSERT_EQ(0, self->w.used->idx);
	}
	ASSERT_TRUE(vm_vring_publish(&self->w.vr));
	ASSERT_EQ(3, self->w.used->idx);
	ASSERT_FALSE(vm_vring_publish(&self->w.vr));
}

static bool use(struct walk *w, unsigned int n)
{
	while (n--)
		vm_vring_push(&w->vr, 0, 0);
	return vm_vring_publish(&w->vr);
}

TEST_F(vring, a_call_is_wanted_when_the_used_event_is_passed)
{
	__u16 *event = &self->w.avail->ring[NUM];

	*event = 5;
	ASSERT_TRUE(use(&self->w, 1)); /* the first is told in any case */
	ASSERT_FALSE(use(&self->w, 1)); /* 2 */
	ASSERT_FALSE(use(&self->w, 3)); /* 5: entry 4 was the last */
	ASSERT_TRUE(use(&self->w, 1)); /* 6: entry 5 is used */
	ASSERT_FALSE(use(&self->w, 1));
	*event = 9;
	ASSERT_TRUE(use(&self->w, 7)); /* 14: went over it */
	ASSERT_FALSE(use(&self->w, 7));
}

TEST_F(vring, without_event_index_the_flag_decides)
{
	self->w.vr.event_idx = false;
	ASSERT_TRUE(use(&self->w, 1));
	ASSERT_TRUE(use(&self->w, 1));
	self->w.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	ASSERT_FALSE(use(&self->w, 1));
}

TEST_F(vring, a_kick_is_asked_for_by_index_and_what_came_meanwhile_is_seen)
{
	index_t *event = (index_t *)&self->w.used->ring[NUM];

	self->w.desc[0] = (struct vring_desc){ GPA, 1, OUT, 0 };
	put(&self->w, 0);
	ASSERT_EQ(1, pop(&self->w));
	/* Off: the next one the guest adds does not go over it. */
	*event = 1;
	vm_vring_kick_off(&self->w.vr);
	ASSERT_FALSE(vring_need_event(*event, 2, 1));
	ASSERT_FALSE(vring_need_event(*event, 60000, 1));
	ASSERT_FALSE(vm_vring_kick_on(&self->w.vr));
	ASSERT_EQ(1, *event);
	put(&self->w, 0);
	ASSERT_TRUE(vm_vring_kick_on(&self->w.vr));
	ASSERT_EQ(1, pop(&self->w));
}

TEST_F(vring, a_kick_is_asked_for_by_flag)
{
	self->w.vr.event_idx = false;
	vm_vring_kick_off(&self->w.vr);
	ASSERT_EQ(VRING_USED_F_NO_NOTIFY, self->w.used->flags);
	ASSERT_FALSE(vm_vring_kick_on(&self->w.vr));
	ASSERT_EQ(0, self->w.used->flags);
}

/* The log. */

static void with_log(struct walk *w)
{
	w->vr.log = w->log;
	vm_vring_log_begin(w->log, NUM, 0);
	for (int i = 0; i < NUM; i++)
		w->desc[i] = (struct vring_desc){ GPA, 1, OUT, 0 };
}

TEST_F(vring, the_log_knows_what_was_popped_and_not_used_in_order)
{
	struct vm_vring_left left[NUM];

	with_log(&self->w);
	put(&self->w, 5);
	put(&self->w, 1);
	put(&self->w, 3);
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(1, pop(&self->w));
	vm_vring_push(&self->w.vr, 1, 0);
	vm_vring_publish(&self->w.vr);
	vm_vring_log_carried(self->w.log, NUM, 3, 99);
	vm_vring_log_carried(self->w.log, NUM, 1, 99); /* was used: too late */
	vm_vring_log_carried(self->w.log, NUM, NUM + 3, 99);

	ASSERT_TRUE(vm_vring_log_dirty(self->w.log, NUM));
	for (int again = 0; again < 2; again++) {
		ASSERT_EQ(2, vm_vring_log_recover(self->w.log, NUM, 1, left));
		ASSERT_EQ(5, left[0].head);
		ASSERT_FALSE(left[0].carried);
		ASSERT_EQ(3, left[1].head);
		ASSERT_TRUE(left[1].carried);
		ASSERT_EQ(99, left[1].len);
	}
	vm_vring_log_reset(self->w.log);
	ASSERT_FALSE(vm_vring_log_dirty(self->w.log, NUM));
}

TEST_F(vring, a_batch_published_and_not_cleared_is_not_in_flight)
{
	struct vm_vring_left left[NUM];

	with_log(&self->w);
	for (int i = 0; i < 4; i++) {
		put(&self->w, 6 - i);
		ASSERT_EQ(1, pop(&self->w));
	}
	/* Death between publishing and clearing: 6, 5, 3 were used, 4 is out. */
	vm_vring_push(&self->w.vr, 6, 0);
	vm_vring_push(&self->w.vr, 5, 0);
	vm_vring_push(&self->w.vr, 3, 0);
	ASSERT_EQ(1, vm_vring_log_recover(self->w.log, NUM, 3, left));
	ASSERT_EQ(4, left[0].head);
	/* Death before publishing: nothing of it has happened. */
	vm_vring_log_begin(self->w.log, NUM, 0);
	vm_vring_log_pop(self->w.log, 2, 0);
	vm_vring_log_push(self->w.log, 2, 0);
	ASSERT_EQ(1, vm_vring_log_recover(self->w.log, NUM, 0, left));
}

TEST_F(vring, a_log_somebody_scribbled_on_leads_nowhere_else)
{
	struct vm_vring_left left[NUM];

	with_log(&self->w);
	memset(self->w.log->desc, 0xff, NUM * sizeof(self->w.log->desc[0]));
	self->w.log->last_batch_head = 0xffff;
	self->w.log->used_idx = 12345;
	ASSERT_GE(NUM, vm_vring_log_recover(self->w.log, NUM, 3, left));
	self->w.log->desc_num = 2 * NUM;
	ASSERT_FALSE(vm_vring_log_dirty(self->w.log, NUM));
}

TEST_F(vring, the_last_popped_goes_back)
{
	with_log(&self->w);
	put(&self->w, 1);
	put(&self->w, 2);
	ASSERT_EQ(1, pop(&self->w));
	ASSERT_EQ(1, pop(&self->w));
	vm_vring_unpop(&self->w.vr, 2);
	ASSERT_EQ(0, self->w.log->desc[2].inflight);
	ASSERT_EQ(1, self->w.log->desc[1].inflight);
	ASSERT_EQ(1, pop(&self->w));
	ASSERT_EQ(2, self->w.c.head);
}

#ifdef __x86_64__
/*
 * Each word of a descriptor is read once: the page they are in faults, the one
 * instruction is stepped through with the page open, and its address noted.
 */
static char *guarded;
static void *touched[256];
static volatile unsigned int ntouched;

static void on_fault(int sig, siginfo_t *si, void *uc)
{
	greg_t *regs = ((ucontext_t *)uc)->uc_mcontext.gregs;

	if (sig == SIGTRAP) {
		mprotect(guarded, 4096, PROT_NONE);
		regs[REG_EFL] &= ~0x100;
		return;
	}
	if ((char *)si->si_addr < guarded || (char *)si->si_addr >= guarded + 4096)
		_exit(99);
	if (ntouched < 256)
		touched[ntouched++] = si->si_addr;
	mprotect(guarded, 4096, PROT_READ | PROT_WRITE);
	regs[REG_EFL] |= 0x100;
}

TEST_F(vring, each_word_of_a_descriptor_is_read_once)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

	self->w.desc[0] = (struct vring_desc){ GPA, 10, OUT | MORE, 4 };
	self->w.desc[4] = (struct vring_desc){ GPA + 100, 10, OUT | MORE, 2 };
	self->w.desc[2] = (struct vring_desc){ GPA + 200, 10, IN, 0 };
	put(&self->w, 0);
	guarded = (char *)self->w.desc;
	ASSERT_EQ(0, sigaction(SIGSEGV, &sa, NULL));
	ASSERT_EQ(0, sigaction(SIGTRAP, &sa, NULL));
	ASSERT_EQ(0, mprotect(guarded, 4096, PROT_NONE));
	pop(&self->w);
	mprotect(guarded, 4096, PROT_READ | PROT_WRITE);
	signal(SIGSEGV, SIG_DFL);
	signal(SIGTRAP, SIG_DFL);
	ASSERT_EQ(3, self->w.c.out + self->w.c.in);
	ASSERT_LE(3 * 3, ntouched);
	ASSERT_GE(3 * 4, ntouched);
	for (unsigned int i = 0; i < ntouched; i++)
		for (unsigned int j = 0; j < i; j++)
			ASSERT_NE(touched[i], touched[j]);
}
#endif

TEST_HARNESS_MAIN
