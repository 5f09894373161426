// SPDX-License-Identifier: GPL-2.0-only
/*
 * Spinning saves the wake-up, which is most of a short round trip, and costs a
 * CPU that somebody else may need. So it is adaptive: what was waited for is
 * measured, asleep or not. A wait that was shorter than the longest spin says that
 * spinning pays, and opens the window; each longer one halves it. In a round trip
 * short waits (for the answer's call) and longer ones (for the next request) take
 * turns, so one long wait does not close it. A port that is idle is woken by
 * nothing, so it does not spin; one that is woken now and then soon does not.
 *
 * The CPU is offered to others now and then: to a guest that shares it with its port
 * as soon as that got a frame, and between looks. How many looks, the offers tell. A
 * guest that spins, too, is switched to for nothing most times, and a frame that comes
 * meanwhile waits for the switch back: who gives the CPU back at once had nothing to
 * do, and is asked half as often. Who keeps it a little had: where a guest's kernel and
 * its programs are processes, each system call hands the CPU over twice, and we are in
 * the queue between them; then offers come soon again. Others get it as well, and keep
 * it for a time slice, while who sleeps is scheduled soon after it is woken. So when
 * somebody has kept the CPU for long, there is no spinning for a while.
 */
#include <sched.h>
#include <time.h>

#include "mover.h"
#include "poll.h"

#define WINDOW_MIN 4000 /* ns: less than a wake-up costs is not worth its clock reads */
#define LOOKS_MIN \
	10 /* between offers of the CPU: half of what an offer costs that somebody takes */
#define LOOKS_MAX 160 /* some microseconds: what an offer that is needed may be late */
#define BRIEF	  3000 /* ns: two switches, and a look between */
#define KEPT	  200000 /* ns: longer than a guest needs to answer */
#define PENALTY	  20000000 /* ns without spinning then */

__u64 vm_poll_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ __volatile__("yield");
#endif
}

void vm_poll_init(struct vm_poll *p, int poll_us, __u64 *spins, __u64 *hits)
{
	*p = (struct vm_poll){
		.cap = 1000ULL * poll_us,
		.looks = LOOKS_MIN,
		.spins = spins,
		.hits = hits,
	};
}

/* Let somebody else run; @at is the time, before and after. False: for too long. */
static bool offer(struct vm_poll *p, __u64 *at)
{
	__u64 before = *at;

	sched_yield();
	*at = vm_poll_now();
	if (*at - before <= KEPT)
		return true;
	p->window = 0;
	p->closed_until = *at + PENALTY;
	return false;
}

bool vm_poll_offer(struct vm_poll *p)
{
	__u64 at = vm_poll_now();

	return offer(p, &at);
}

void vm_poll_soon(struct vm_poll *p)
{
	p->looks = LOOKS_MIN;
}

/* Between looks. What somebody made of it says when to offer again. */
static bool offer_in_turn(struct vm_poll *p, __u64 *at)
{
	__u64 before = *at = vm_poll_now();
	bool soon = offer(p, at);

	if (*at - before > BRIEF)
		p->looks = LOOKS_MIN;
	else if (p->looks < LOOKS_MAX)
		p->looks *= 2;
	return soon;
}

static bool look(const struct vm_poll *p, bool (*found)(void *arg), void *arg)
{
	for (unsigned int i = 0; i < p->looks; i++) {
		if (found(arg))
			return true;
		relax();
	}
	return false;
}

bool vm_poll_spin(struct vm_poll *p, bool first, bool (*found)(void *arg), void *arg)
{
	__u64 at, end;

	if (!p->window)
		return false;
	(*p->spins)++;
	at = p->idle_at = vm_poll_now();
	end = at + p->window;
	if (first && !offer(p, &at))
		return false;
	do {
		if (look(p, found, arg)) {
			(*p->hits)++;
			p->idle_at = 0;
			return true;
		}
	} while (offer_in_turn(p, &at) && at < end);
	return false;
}

void vm_poll_rest(struct vm_poll *p, __u64 until, bool (*found)(void *arg), void *arg)
{
	__u64 at;

	while (!look(p, found, arg) && offer_in_turn(p, &at) && at < until)
		;
}

void vm_poll_sleep(struct vm_poll *p)
{
	if (p->cap && !p->idle_at)
		p->idle_at = vm_poll_now();
}

void vm_poll_woke(struct vm_poll *p)
{
	__u64 at, idle;

	if (!p->idle_at)
		return;
	at = vm_poll_now();
	idle = at - p->idle_at;
	p->idle_at = 0;
	if (at < p->closed_until)
		return;
	if (idle <= p->cap)
		p->window = p->cap;
	else
		p->window /= 2;
	if (p->window < WINDOW_MIN)
		p->window = 0;
}
