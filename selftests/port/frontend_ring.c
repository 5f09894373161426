// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test library's own ring driver against a device of a few lines: what the
 * other tests lean on.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "frontend.h"

FIXTURE(ring)
{
	struct fe fe;
	struct ring *r;
};

FIXTURE_SETUP(ring)
{
	self->fe = (struct fe){ .slot_size = 4096, .sock = -1 };
	ASSERT_EQ(0, fe_memory(&self->fe, 0x1000000, 8 << 20));
	ASSERT_EQ(0, fe_ring_make(&self->fe, 0, 4));
	self->r = &self->fe.ring[0];
}

FIXTURE_TEARDOWN(ring)
{
	fe_close(&self->fe);
}

static void device_uses(struct ring *r, uint32_t id, uint32_t len)
{
	r->used->ring[r->used->idx % r->num] = (struct vring_used_elem){ id, len };
	__atomic_store_n(&r->used->idx, r->used->idx + 1, __ATOMIC_RELEASE);
}

TEST_F(ring, frames_of_many_rounds_come_back_in_any_order)
{
	struct ring *r = self->r;
	char frame[100] = "x";
	int heads[4];

	for (int round = 0; round < 40000; round++) {
		for (int i = 0; i < 4; i++) {
			ASSERT_EQ(0, ring_send(r, frame, sizeof(frame)));
			heads[i] = r->avail->ring[(r->avail_idx - 1) % 4];
			ASSERT_EQ(112, r->desc[heads[i]].len);
		}
		ASSERT_EQ(-ENOSPC, ring_send(r, frame, sizeof(frame)));
		for (int i = 3; i >= 0; i--)
			device_uses(r, heads[i ^ (round & 3)], 0);
		ASSERT_EQ(4, ring_out(r));
	}
}

TEST_F(ring, a_chain_is_freed_whole_and_an_id_that_is_not_out_is_seen)
{
	struct ring *r = self->r;
	struct ring_buf bufs[3] = { { r->slots, 1 },
				    { r->slots + 4096, 2 },
				    { r->slots, 3, true } };
	int head = ring_add(r, bufs, 3, NULL);

	ASSERT_LE(0, head);
	ASSERT_EQ(1, r->nfree);
	ASSERT_EQ(VRING_DESC_F_WRITE, r->desc[r->next[r->next[head]]].flags);
	device_uses(r, head, 3);
	device_uses(r, head, 3);
	ASSERT_EQ(head, ring_get(r, NULL));
	ASSERT_EQ(4, r->nfree);
	ASSERT_EQ(-EBADMSG, ring_get(r, NULL));
	ASSERT_EQ(-EAGAIN, ring_get(r, NULL));
}

TEST_F(ring, an_indirect_chain_takes_one_descriptor)
{
	struct ring *r = self->r;
	struct vring_desc *table = fe_alloc(&self->fe, 0, 2 * sizeof(*table), 16);
	struct ring_buf bufs[2] = { { r->slots, 1 }, { r->slots + 4096, 2, true } };

	ASSERT_LE(0, ring_add(r, bufs, 2, table));
	ASSERT_EQ(3, r->nfree);
	ASSERT_EQ(VRING_DESC_F_NEXT, table[0].flags);
	ASSERT_EQ(VRING_DESC_F_WRITE, table[1].flags);
}

TEST_F(ring, calls_are_counted_on_eventfd_and_socket)
{
	uint64_t one = 1;

	self->fe.call_sockets = true;
	ASSERT_EQ(0, fe_ring_make(&self->fe, 1, 4));
	ASSERT_EQ(8, write(self->r->call, &one, 8));
	ASSERT_EQ(8, write(self->r->call, &one, 8));
	ASSERT_EQ(2, ring_calls(self->r->call));
	ASSERT_EQ(0, ring_calls(self->r->call));
	ASSERT_EQ(8, write(self->fe.ring[1].call_theirs, &one, 8));
	ASSERT_EQ(1, ring_calls(self->fe.ring[1].call));
	ASSERT_EQ(-ETIMEDOUT, ring_wait(self->r, 10));
}

TEST_HARNESS_MAIN
