// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a hostile VM costs its neighbours: frames from node 2 to node 3 in
 * windows of time, without and with an attack in turn, so that whatever else the
 * machine does is in both. The attacker and its port have another processor than
 * the neighbours, as VMs and their ports would be placed; what is shared is the
 * kernel's, the steering program's and the maps. The neighbours must keep half
 * their rate at the least: a floor for busy machines, not what is expected.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hostile.h"

#define WINDOWS	  24 /* of each kind: short and many, since the machine has other work */
#define WINDOW_MS 50
#define KEPT	  0.5

struct attacker {
	struct arena *arena;
	int (*round)(struct attacker *a); /* one of many, short; != 0: it cannot go on */
	unsigned int seed;
	/* Not a lock between the two: who lets go of one takes it again before the other wakes. */
	sem_t begin, paused;
	bool go;
	bool stop;
	int failed;
	unsigned long rounds;
};

static void on_cpu(pid_t pid, unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	/* Where there is one processor only, it is shared, and the floor holds still. */
	sched_setaffinity(pid, sizeof(set), &set);
}

static void *attack(void *arg)
{
	struct attacker *a = arg;

	on_cpu(0, 1);
	for (;;) {
		sem_wait(&a->begin);
		if (a->stop)
			break;
		while (__atomic_load_n(&a->go, __ATOMIC_RELAXED) && !a->failed) {
			a->failed = a->round(a);
			a->rounds++;
		}
		sem_post(&a->paused);
	}
	return NULL;
}

static void attack_begins(struct attacker *a)
{
	__atomic_store_n(&a->go, true, __ATOMIC_RELAXED);
	sem_post(&a->begin);
}

/* The round that runs comes to its end first. */
static void attack_pauses(struct attacker *a)
{
	__atomic_store_n(&a->go, false, __ATOMIC_RELAXED);
	sem_wait(&a->paused);
}

/*
 * Frames from node 2 that reach node 3 in one window. @deaf: each eighth goes to
 * node 1 instead.
 */
static unsigned long window(struct arena *arena, bool deaf)
{
	static unsigned char frame[64], other[64], in[4096];
	struct ring *tx = &arena->fe[1].ring[1], *rx = &arena->fe[2].ring[0];
	long long end = fe_now_ms() + WINDOW_MS;
	unsigned long n = 0;

	frame_make(frame, sizeof(frame), 1, 2, arena->seq++);
	frame_make(other, sizeof(other), 1, 0, arena->seq++);
	ring_want_no_call(rx);
	while (fe_now_ms() < end) {
		ssize_t len;

		/* No more than the target's ring holds are under way: nothing is lost. */
		for (unsigned int i = 0; i < 64; i++)
			if (ring_send(tx, deaf && i % 8 == 0 ? other : frame, sizeof(frame)))
				break;
		ring_kick_if_wanted(tx);
		while ((len = ring_recv(rx, in, sizeof(in))) >= 0)
			n += len == sizeof(frame) && !memcmp(in, frame, 14);
		ring_publish(rx);
		ring_kick_if_wanted(rx);
		/* One processor for all three: the ports must get it, too. */
		sched_yield();
	}
	return n;
}

/* It posts no buffers: what is for it waits in its tap, or is dropped there. */
static int r_deaf(struct attacker *a)
{
	return 0;
}

static int keep_rate(struct arena *arena, int (*round)(struct attacker *a))
{
	struct attacker a = { .arena = arena, .round = round, .seed = 1 };
	unsigned long quiet = 0, attacked = 0;
	cpu_set_t before;
	pthread_t thread;

	need(!sched_getaffinity(0, sizeof(before), &before));
	need_ok(hostile_start(arena));
	on_cpu(arena->plug[0].pid, 1);
	on_cpu(arena->plug[1].pid, 0);
	on_cpu(arena->plug[2].pid, 0);
	on_cpu(0, 0);
	sem_init(&a.begin, 0, 0);
	sem_init(&a.paused, 0, 0);
	need(!pthread_create(&thread, NULL, attack, &a));
	window(arena, false); /* everything warm */
	for (unsigned int i = 0; i < WINDOWS; i++) {
		quiet += window(arena, false);
		attack_begins(&a);
		attacked += window(arena, round == r_deaf);
		attack_pauses(&a);
	}
	a.stop = true;
	sem_post(&a.begin);
	pthread_join(thread, NULL);
	for (unsigned int i = 0; i < NODES; i++)
		sched_setaffinity(arena->plug[i].pid, sizeof(before), &before);
	sched_setaffinity(0, sizeof(before), &before);

	printf("# %lu frames/s alone, %.2f of it under attack (%lu rounds)\n",
	       quiet * 1000 / (WINDOWS * WINDOW_MS), (double)attacked / (quiet ? quiet : 1),
	       a.rounds);
	need_ok(a.failed);
	need(quiet > 100 && a.rounds >= WINDOWS / 4);
	need(attacked >= KEPT * quiet);
	return 0;
}

/* For as long as a round is: connected, started again where it was cut off. */
static int again(struct arena *arena)
{
	fe_close(&arena->fe[0]);
	return hostile_start(arena);
}

static int r_messages(struct attacker *a)
{
	struct fe *fe = &a->arena->fe[0];
	struct fe_vring_state state = { .index = 3, .num = 77 };

	for (unsigned int i = 0; i < 200; i++)
		if (fe_send(fe, FE_SET_VRING_NUM, 0, &state, sizeof(state), NULL, 0))
			return again(a->arena);
	return fe_ping(fe) ? again(a->arena) : 0;
}

static int r_connections(struct attacker *a)
{
	for (unsigned int i = 0; i < 20; i++) {
		int err = hostile_reconnect(a->arena);

		if (err)
			return err;
	}
	return 0;
}

static int r_broken_rings(struct attacker *a)
{
	struct fe *fe = &a->arena->fe[0];
	struct ring *tx = &fe->ring[1];
	uint16_t base;
	int err;

	ring_put(tx, 60000);
	ring_kick(tx);
	err = fe_ring_stop(fe, 1, &base);
	if (err)
		return again(a->arena);
	ring_reset(tx);
	err = fe_ring_tell(fe, 1, 0);
	if (!err)
		err = fe_ring_enable(fe, 1, true);
	return err ? again(a->arena) : 0;
}

static void flood(struct arena *arena, size_t len, unsigned int to)
{
	struct ring *tx = &arena->fe[0].ring[1];
	static unsigned char frame[4096];

	frame_make(frame, len, 0, to, arena->seq);
	if (to == NODES) {
		memset(frame, 0xff, 6);
		frame[0] = 0xff;
	}
	for (unsigned int i = 0; i < 512; i++)
		if (ring_send(tx, frame, len))
			break;
	ring_kick(tx);
}

static int r_runts(struct attacker *a)
{
	flood(a->arena, 8, 1);
	return 0;
}

/* Nobody has the address: dropped by the steering program. */
static int r_strangers(struct attacker *a)
{
	flood(a->arena, 64, 100);
	return 0;
}

static int r_kicks(struct attacker *a)
{
	for (unsigned int i = 0; i < 500; i++) {
		ring_kick(&a->arena->fe[0].ring[0]);
		ring_kick(&a->arena->fe[0].ring[1]);
	}
	return 0;
}

static int r_memory(struct attacker *a)
{
	struct fe *fe = &a->arena->fe[0];

	for (unsigned int i = 0; i < 10; i++)
		if (fe_tell_memory(fe))
			return again(a->arena);
	return 0;
}

static int r_long_chains(struct attacker *a)
{
	struct fe *fe = &a->arena->fe[0];
	struct ring *tx = &fe->ring[1];

	/* As long as the ring, one byte each, from every head. */
	for (unsigned int i = 0; i < tx->num; i++)
		tx->desc[i] = (struct vring_desc){ fe_gpa(fe, tx->slots) + 4 * i, 1,
						   i + 1 < tx->num ? VRING_DESC_F_NEXT : 0, i + 1 };
	for (unsigned int i = 0; i < tx->num; i++)
		tx->avail->ring[i] = 0;
	tx->avail_idx = tx->used->idx + tx->num;
	ring_publish(tx);
	ring_kick(tx);
	return 0;
}

#define KEEPS(name)                                \
	static int name(struct arena *arena)       \
	{                                          \
		return keep_rate(arena, r_##name); \
	}

KEEPS(messages)
KEEPS(connections)
KEEPS(broken_rings)
KEEPS(runts)
KEEPS(strangers)
KEEPS(kicks)
KEEPS(memory)
KEEPS(deaf)
KEEPS(long_chains)

static const struct hostile_case cases[] = {
	{ "neighbours keep their rate: a flood of messages", messages },
	{ "neighbours keep their rate: a flood of connections", connections },
	{ "neighbours keep their rate: rings broken again and again", broken_rings },
	{ "neighbours keep their rate: a flood of runts", runts },
	{ "neighbours keep their rate: a flood to nobody", strangers },
	{ "neighbours keep their rate: a flood of kicks", kicks },
	{ "neighbours keep their rate: memory told again and again", memory },
	{ "neighbours keep their rate: a VM that takes nothing sent to it", deaf },
	{ "neighbours keep their rate: chains of a whole ring", long_chains },
};

int main(void)
{
	return hostile_main(cases, sizeof(cases) / sizeof(cases[0]));
}
