// SPDX-License-Identifier: GPL-2.0-only
/*
 * A ring comes and goes. What a dead port had in flight with it is in its log
 * (vring_log.h): chains that the kernel carried are told to the guest, and the rest are
 * left for vm_side_take(), in the order in which they were popped. What we have in
 * flight when a ring stops goes back the same way, so that whoever serves it next, a
 * kernel's lane perhaps, finds every chain once. The log then says that nothing is in
 * flight, and is left so: a process that dies before it has saved last_avail had none
 * but this to tell it by.
 */
#include <errno.h>
#include <stdlib.h>

#include "own.h"
#include "vring_log.h"

/* The kernel carried it, and nobody has told the guest. */
static bool finish(struct vm_mover *m, struct vm_side *s, unsigned int ring,
		   const struct vm_vring_left *left)
{
	struct vm_slot *scratch = &s->slot[0];

	if (!left->carried)
		return false;
	m->stats.carried++;
	if (ring == VM_MOVER_TX) {
		vm_vring_push(s->vr, left->head, 0);
		return true;
	}
	if (vm_vring_walk(s->vr, s->mem, left->head, scratch->iov, VM_SLOT_IOV, &scratch->chain))
		return true; /* the ring is broken now, that is the guest's doing */
	if (left->len < VM_HDR_LEN || left->len > scratch->chain.in_len)
		return false;
	return vm_receive_give(m, &scratch->chain, left->len);
}

/* Finish what a dead port was doing with this ring, and know what it left. */
static int resume(struct vm_mover *m, struct vm_side *s, unsigned int ring)
{
	struct vm_vring_left *left;
	struct vm_vring *vr = s->vr;
	unsigned int n;

	left = calloc(vr->num, sizeof(*left));
	if (!left)
		return -ENOMEM;
	n = vm_vring_log_recover(vr->log, vr->num, vr->used_idx, left);
	vr->last_avail = vr->used_idx + n;
	vr->avail_seen = vr->last_avail;
	for (unsigned int i = 0; i < n; i++) {
		vr->popped = left[i].counter + 1;
		if (finish(m, s, ring, &left[i]))
			continue;
		s->left[s->left_n].head = left[i].head;
		s->left[s->left_n++].seq = left[i].counter;
	}
	m->stats.resumed += n;
	free(left);
	vm_vring_publish(vr);
	return 0;
}

int vm_mover_start(struct vm_mover *m, unsigned int i, struct vm_vring *vr,
		   const struct vm_memory *mem)
{
	struct vm_side *s = &m->side[i];
	int err;

	s->vr = vr;
	s->mem = mem;
	s->generation++;
	s->kick_armed = false;
	s->left_at = 0;
	s->left_n = 0;
	vm_vring_start(vr);
	if (vr->log && vm_vring_log_dirty(vr->log, vr->num)) {
		err = resume(m, s, i);
		if (err) {
			s->vr = NULL;
			return err;
		}
	} else if (vr->log) {
		vm_vring_log_begin(vr->log, vr->num, vr->used_idx);
	}
	if (i == VM_MOVER_RX)
		m->rx_ready = true;
	vm_vring_kick_off(vr);
	/* Once too often: the call that the port before us owed, if it did. */
	vm_mover_call(m, i);
	return 0;
}

/* Nothing of the side is with the kernel any more. */
static void settle(struct vm_mover *m, unsigned int ring)
{
	struct vm_side *s = &m->side[ring];

	if (s->kick_armed)
		vm_loop_cancel(m->loop, vm_kick_data(ring, s));
	while (s->inflight) {
		for (unsigned int i = 0; i < s->batch; i++)
			vm_loop_cancel(m->loop, vm_slot_data(ring, s, &s->slot[s->order[i]]));
		if (vm_loop_turn(m->loop, true))
			break;
	}
}

/* A popped chain goes back: by its index if it was the last, else as used and empty. */
static void give_back(struct vm_vring *vr, __u64 seq, __u16 head)
{
	if (seq + 1 == vr->popped)
		vm_vring_unpop(vr, head);
	else
		vm_vring_push(vr, head, 0);
}

void vm_mover_fds(struct vm_mover *m, unsigned int i)
{
	/* Submissions name fds by their numbers, which mean something else once they are closed. */
	vm_loop_flush(m->loop);
	/* Whoever waits on the new one may have missed what the old one got. */
	if (m->side[i].vr)
		vm_mover_call(m, i);
}

void vm_mover_stop(struct vm_mover *m, unsigned int i)
{
	struct vm_side *s = &m->side[i];
	struct vm_vring *vr = s->vr;

	if (!vr)
		return;
	settle(m, i);
	while (!vr->broken && s->left_n > s->left_at) {
		s->left_n--;
		give_back(vr, s->left[s->left_n].seq, s->left[s->left_n].head);
	}
	while (!vr->broken && s->n) {
		const struct vm_slot *slot = &s->slot[s->order[--s->n]];

		give_back(vr, slot->seq, slot->chain.head);
	}
	s->n = 0;
	if (vm_vring_publish(vr))
		vm_mover_call(m, i);
	vm_loop_flush(m->loop);
	s->vr = NULL;
	s->mem = NULL;
}

struct salvage {
	struct vm_vring_log *const *log;
	const unsigned int *num;
};

static void salvage_one(void *arg, __u64 data, int res)
{
	const struct salvage *sv = arg;
	unsigned int ring = vm_event_index(data) >> 16;
	__u16 head = vm_event_index(data);

	if (ring >= VM_MOVER_RINGS || !sv->log[ring] ||
	    !vm_vring_log_dirty(sv->log[ring], sv->num[ring]))
		return;
	/* A frame that the tap refused is gone, as it would have been; a buffer not filled stays. */
	if (vm_event_of(data) == VM_EVENT_TRANSMIT)
		vm_vring_log_carried(sv->log[ring], sv->num[ring], head, 0);
	else if (vm_event_of(data) == VM_EVENT_RECEIVE && res > 0)
		vm_vring_log_carried(sv->log[ring], sv->num[ring], head, res);
}

void vm_mover_salvage(void *keep, struct vm_vring_log *const log[VM_MOVER_RINGS],
		      const unsigned int num[VM_MOVER_RINGS])
{
	struct salvage sv = { .log = log, .num = num };

	vm_keep_each(keep, salvage_one, &sv);
}
