// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * A round, driven by the loop: take what both directions have, up to a batch
 * each; one system call submits all of it, and every write and read in it is over
 * when it returns, because none may wait; the completions go to the used rings,
 * and each guest ring is called at most once. A call is itself a submission of the
 * next round's system call.
 *
 * A round that found nothing goes towards sleep: one read is left to wait in the
 * kernel, or the tap is polled (receive.c), the mover may spin for a while (poll.c),
 * then kicks are asked for, the rings looked at once more, and the loop sleeps. While
 * it is awake kicks are off, and the receive ring's are on only when it is out of
 * buffers. A kick fd is polled for good and never read: nobody reads its count.
 *
 * The read that waits is executed where all others are, in a system call of ours, by
 * the kernel's work that a frame leaves us; a process that dies does none of it any
 * more, so it has the frame and the completion, or neither.
 *
 * In flight, as the log and a restart see it, is what was popped and not pushed:
 * buffers waiting for a frame all the time, frames being sent only inside a
 * system call.
 *
 * No registered buffers: they make a write 7 % faster (379 for 409 ns, 64 bytes),
 * but they pin the guest's pages. Memory that the VMM punches out, a balloon's say,
 * would be other pages for the guest from then on, and we would read the old ones.
 *
 * The kernel. RWF_NOWAIT on a tap is known from Linux 6.4; before, reads that find
 * nothing stay with the kernel and complete when a frame comes; they are
 * cancelled when the ring stops.
 */
#include <errno.h>
#include <poll.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../log.h"
#include "own.h"
#include "sandbox.h"
#include "vring_log.h"

SANDBOX_CALLS(vm_mover_calls, SANDBOX_CALL(sched_yield), SANDBOX_CALL_POLL, SANDBOX_CALL(write));

static const __u64 one = 1;

__u64 vm_slot_data(unsigned int ring, const struct vm_side *s, const struct vm_slot *slot)
{
	return vm_event_pack(ring == VM_MOVER_RX ? VM_EVENT_RECEIVE : VM_EVENT_TRANSMIT,
			     ring << 16 | slot->chain.head,
			     (__u32)(slot - s->slot) << 16 | s->generation);
}

__u64 vm_kick_data(unsigned int ring, const struct vm_side *s)
{
	return vm_event_pack(VM_EVENT_KICK, ring << 16, s->generation);
}

struct vm_slot *vm_side_take(struct vm_side *s)
{
	struct vm_slot *slot;
	int ret;

	if (s->n == VM_BATCH || s->vr->broken)
		return NULL;
	slot = &s->slot[s->order[s->n]];
	if (s->left_at < s->left_n) {
		slot->seq = s->left[s->left_at].seq;
		ret = vm_vring_walk(s->vr, s->mem, s->left[s->left_at].head, slot->iov, VM_SLOT_IOV,
				    &slot->chain);
		ret = ret ?: 1;
		s->left_at++;
	} else {
		slot->seq = s->vr->popped;
		ret = vm_vring_pop(s->vr, s->mem, slot->iov, VM_SLOT_IOV, &slot->chain);
	}
	if (ret <= 0)
		return NULL;
	slot->done = false;
	s->n++;
	return slot;
}

/* What is done leaves the order; its slot becomes free behind the others. */
static void compact(struct vm_side *s)
{
	__u8 freed[VM_BATCH] = { 0 };
	unsigned int kept = 0, nfreed = 0;

	for (unsigned int i = 0; i < s->n; i++) {
		if (s->slot[s->order[i]].done)
			freed[nfreed++] = s->order[i];
		else
			s->order[kept++] = s->order[i];
	}
	memcpy(&s->order[kept], freed, nfreed);
	s->n = kept;
	s->batch = 0;
}

struct io_uring_sqe *vm_slot_submit(struct vm_mover *m, unsigned int ring, struct vm_slot *slot,
				    unsigned int op, unsigned int op_vectored, unsigned int pieces,
				    __u32 len)
{
	struct vm_side *s = &m->side[ring];
	struct io_uring_sqe *sqe = vm_loop_sqe(m->loop);

	if (pieces == 1)
		io_uring_prep_rw(op, sqe, m->config.tap, slot->iov[0].iov_base, len, 0);
	else
		io_uring_prep_rw(op_vectored, sqe, m->config.tap, slot->iov, pieces, 0);
	if (m->loop->fixed_files) {
		sqe->fd = VM_LOOP_FILE_TAP;
		sqe->flags = IOSQE_FIXED_FILE;
	}
	sqe->rw_flags = m->nowait ? RWF_NOWAIT : 0;
	sqe->user_data = vm_slot_data(ring, s, slot);
	return sqe;
}

/* The fd is whatever the front-end gave: what it answers is not relied on. */
void vm_mover_call(struct vm_mover *m, unsigned int ring)
{
	const struct vm_vring *vr = m->side[ring].vr;
	struct io_uring_sqe *sqe;

	if (vr->call < 0)
		return;
	sqe = vm_loop_sqe(m->loop);
	if (vr->call_is_eventfd) {
		io_uring_prep_write(sqe, vr->call, &one, sizeof(one), 0);
		sqe->rw_flags = RWF_NOWAIT;
	} else {
		io_uring_prep_send(sqe, vr->call, &one, sizeof(one), MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	sqe->user_data = vm_event_pack(VM_EVENT_CALL, ring << 16, 0);
	m->stats.calls++;
}

/*
 * The call came back. Full: the guest has one to read already. But the kernel also
 * says that of an eventfd without O_NONBLOCK, whatever is in it; that one is
 * written here, once it has room. (A front-end that takes the room in between
 * holds up its own port alone.)
 */
static void call_refused(struct vm_mover *m, unsigned int ring)
{
	const struct vm_vring *vr = m->side[ring].vr;
	struct pollfd room = { .events = POLLOUT };

	if (!vr || vr->call < 0)
		return;
	room.fd = vr->call;
	if (vr->call_is_eventfd && poll(&room, 1, 0) == 1 && room.revents & POLLOUT &&
	    write(vr->call, &one, sizeof(one)) == sizeof(one))
		return;
	m->stats.calls_pending++;
}

static void arm_kick(struct vm_mover *m, unsigned int ring)
{
	struct vm_side *s = &m->side[ring];
	struct io_uring_sqe *sqe;

	if (s->kick_armed || s->vr->kick < 0)
		return;
	sqe = vm_loop_sqe(m->loop);
	io_uring_prep_poll_multishot(sqe, s->vr->kick, POLLIN);
	sqe->user_data = vm_kick_data(ring, s);
	s->kick_armed = true;
}

static __u64 tap_data(const struct vm_mover *m)
{
	return vm_event_pack(VM_EVENT_TAP, 0, m->tap_generation);
}

void vm_tap_arm(struct vm_mover *m)
{
	struct io_uring_sqe *sqe;

	if (m->tap_armed || m->tap_gone)
		return;
	m->tap_generation++;
	sqe = vm_loop_sqe(m->loop);
	io_uring_prep_poll_add(sqe, m->config.tap, POLLIN);
	sqe->user_data = tap_data(m);
	m->tap_armed = true;
	m->tap_polls++;
}

/*
 * While spinning: the kernel has something for us, which only a system call would
 * tell. The tap, most likely: so let that call read from it, too.
 */
static void guess(struct vm_mover *m)
{
	if (!m->tap_armed || m->tap_polls > 1 || !vm_loop_pending(m->loop))
		return;
	m->rx_ready = true;
	m->tap_armed = false; /* its answer is not waited for any more */
	m->tap_generation++;
}

/* Is there something that the next round would take? */
static bool ring_has(struct vm_mover *m)
{
	struct vm_side *rx = &m->side[VM_MOVER_RX], *tx = &m->side[VM_MOVER_TX];

	if (vm_side_runs(tx) && !tx->inflight &&
	    (tx->left_at < tx->left_n || vm_vring_more(tx->vr)))
		return true;
	return vm_side_runs(rx) && !rx->inflight && vm_receive_starved(m) && vm_vring_more(rx->vr);
}

static bool found(void *ctx)
{
	struct vm_mover *m = ctx;

	return vm_loop_pending(m->loop) || ring_has(m);
}

/* Ask for kicks from the rings that matter, and look again. True: there is something. */
static bool kicks_on(struct vm_mover *m)
{
	struct vm_side *rx = &m->side[VM_MOVER_RX], *tx = &m->side[VM_MOVER_TX];

	if (vm_side_runs(tx)) {
		arm_kick(m, VM_MOVER_TX);
		if (vm_vring_kick_on(tx->vr))
			return true;
	}
	if (vm_side_runs(rx) && !rx->inflight && vm_receive_starved(m)) {
		arm_kick(m, VM_MOVER_RX);
		if (vm_vring_kick_on(rx->vr))
			return true;
	}
	return false;
}

static void kicks_off(struct vm_mover *m)
{
	for (unsigned int i = 0; i < VM_MOVER_RINGS; i++)
		if (vm_side_runs(&m->side[i]))
			vm_vring_kick_off(m->side[i].vr);
}

/* Did the guest break this ring, with nobody told yet, who would have stopped it? */
static bool untold(const struct vm_side *s)
{
	return s->vr && s->vr->broken && !s->inflight;
}

/* Have rings that were found broken stopped. Was there one? */
static bool tell_broken(struct vm_mover *m)
{
	bool any = false;

	for (unsigned int i = 0; i < VM_MOVER_RINGS; i++) {
		struct vm_side *s = &m->side[i];

		if (!untold(s))
			continue;
		any = true;
		m->config.broken(m->config.arg, i, s->vr->why);
	}
	return any;
}

/* So many frames at once that latency is not the question. */
static bool streams(const struct vm_mover *m)
{
	return m->rx_batch > 2 * VM_BATCH_MIN;
}

/* The guest got a frame: let it have the CPU that we spin on, and take what it answers. */
static unsigned int guest_first(struct vm_mover *m)
{
	unsigned int taken;

	if (!m->gave || !m->poll.window || streams(m))
		return 0;
	vm_loop_flush(m->loop); /* the call */
	vm_poll_offer(&m->poll);
	taken = vm_transmit(m);
	if (!taken)
		vm_poll_soon(&m->poll); /* it is at it: a program is to be woken, say */
	return taken;
}

/* Spin for what the next round would take. Is there something? */
static bool spin(struct vm_mover *m)
{
	vm_loop_flush(m->loop);
	m->rx_asked &= io_uring_cq_ready(&m->loop->ring) > 0;
	return vm_poll_spin(&m->poll, streams(m), found, m);
}

static bool work(void *ctx)
{
	struct vm_mover *m = ctx;
	bool rests = vm_receive_rests(m);
	unsigned int taken;

	if (m->asleep) {
		m->asleep = false;
		vm_poll_woke(&m->poll);
		kicks_off(m);
	}
	m->rx_asked = false;
	taken = vm_transmit(m) + vm_receive(m);
	if (!taken)
		taken = guest_first(m);
	m->gave = false;
	/* However busy the other direction is: an empty tap tells when it is no longer. */
	if (vm_side_runs(&m->side[VM_MOVER_RX]) && !m->rx_ready && !rests)
		vm_receive_wait(m);
	if (tell_broken(m) || taken)
		return true;
	if (!vm_side_runs(&m->side[VM_MOVER_RX]) && !vm_side_runs(&m->side[VM_MOVER_TX]))
		return false;

	if (rests) {
		vm_loop_flush(m->loop);
		vm_poll_rest(&m->poll, m->flood.until, found, m);
		return true;
	}

	if (m->poll.window && spin(m)) {
		guess(m);
		vm_transmit(m);
		vm_receive(m);
		return true;
	}
	if (kicks_on(m)) {
		kicks_off(m);
		return true;
	}
	vm_poll_sleep(&m->poll);
	m->asleep = true;
	return false;
}

static void complete_slot(struct vm_mover *m, __u64 data, int res)
{
	unsigned int ring = vm_event_index(data) >> 16;
	__u32 generation = vm_event_generation(data);
	struct vm_side *s = &m->side[ring];
	struct vm_slot *slot = &s->slot[generation >> 16];

	if (!s->vr || (generation & 0xffff) != s->generation)
		return;
	if (ring == VM_MOVER_RX)
		vm_receive_done(m, slot, res);
	else
		vm_transmit_done(m, slot, res);
	if (--s->inflight)
		return;
	if (ring == VM_MOVER_RX)
		vm_receive_settled(m);
	compact(s);
}

static void complete(void *ctx, const struct io_uring_cqe *cqe)
{
	struct vm_mover *m = ctx;
	__u64 data = cqe->user_data;
	int res = cqe->res;
	struct vm_side *s;

	switch (vm_event_of(data)) {
	case VM_EVENT_TRANSMIT:
	case VM_EVENT_RECEIVE:
		complete_slot(m, data, res);
		break;
	case VM_EVENT_KICK:
		s = &m->side[vm_event_index(data) >> 16];
		if (!s->vr || vm_event_generation(data) != s->generation)
			break;
		/* A kick fd that cannot be polled is not asked again. */
		s->kick_armed = cqe->flags & IORING_CQE_F_MORE || res < 0;
		m->stats.kicks++;
		break;
	case VM_EVENT_CALL:
		/* Only what failed comes here. */
		if (res == -EAGAIN)
			call_refused(m, vm_event_index(data) >> 16);
		break;
	case VM_EVENT_TAP:
		m->tap_polls -= m->tap_polls > 0;
		if (vm_event_generation(data) != m->tap_generation)
			break;
		m->tap_armed = false;
		m->rx_ready = true;
		break;
	case VM_EVENT_PROBE:
		m->probed = true;
		m->nowait = res != -EOPNOTSUPP;
		break;
	default:
		break;
	}
}

static void flush(void *ctx)
{
	struct vm_mover *m = ctx;

	m->gave |= m->side[VM_MOVER_RX].vr && m->side[VM_MOVER_RX].vr->batch;
	for (unsigned int i = 0; i < VM_MOVER_RINGS; i++)
		if (m->side[i].vr && vm_vring_publish(m->side[i].vr))
			vm_mover_call(m, i);
}

static const struct vm_engine engine = {
	.work = work,
	.complete = complete,
	.flush = flush,
};

/* A write too short to be anything: refused by the tap, unless by its want of NOWAIT. */
static int probe(struct vm_mover *m)
{
	struct io_uring_sqe *sqe = vm_loop_sqe(m->loop);
	int err = 0;

	io_uring_prep_write(sqe, m->config.tap, &one, 1, 0);
	sqe->rw_flags = RWF_NOWAIT;
	sqe->user_data = vm_event_pack(VM_EVENT_PROBE, 0, 0);
	while (!m->probed && !err)
		err = vm_loop_turn(m->loop, true);
	return err;
}

int vm_mover_init(struct vm_mover **mover, struct vm_loop *loop,
		  const struct vm_mover_config *config)
{
	struct vm_mover *m;
	int err;

	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->loop = loop;
	m->config = *config;
	m->frame_max = VM_HDR_LEN + VM_ETH_HLEN + config->mtu;
	m->rx_batch = VM_BATCH_MIN;
	vm_poll_init(&m->poll, config->poll_us, &m->stats.spins, &m->stats.spins_hit);
	for (unsigned int i = 0; i < VM_MOVER_RINGS; i++)
		for (unsigned int j = 0; j < VM_BATCH; j++)
			m->side[i].order[j] = j;

	if (loop->fixed_files) {
		err = vm_loop_file(loop, VM_LOOP_FILE_TAP, config->tap);
		if (err)
			goto free;
	}
	loop->engine = &engine;
	loop->engine_ctx = m;
	err = probe(m);
	if (err)
		goto no_engine;
	*mover = m;
	return 0;

no_engine:
	loop->engine = NULL;
	if (loop->fixed_files)
		vm_loop_file(loop, VM_LOOP_FILE_TAP, -1);
free:
	free(m);
	return err;
}

void vm_mover_exit(struct vm_mover *m)
{
	if (m->tap_armed)
		vm_loop_cancel(m->loop, tap_data(m));
	m->loop->engine = NULL;
	if (m->loop->fixed_files)
		vm_loop_file(m->loop, VM_LOOP_FILE_TAP, -1);
	free(m);
}

void vm_mover_log(const struct vm_mover *m)
{
	vm_info("event=mover ring=%s kept=%d fixed-files=%d nowait=%d batch=%u poll-us=%llu",
		m->loop->setup, m->loop->kept, m->loop->fixed_files, m->nowait, VM_BATCH,
		(unsigned long long)m->poll.cap / 1000);
}

const struct vm_mover_stats *vm_mover_stats(const struct vm_mover *m)
{
	return &m->stats;
}
