// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest.h"

#include <virtmesh/types.h>

#include "../broker/bed.h"
#include "../broker/lasting_tap.h"
#include "hostile.h"

#define ENSEMBLE 1
/* Ours, and steered like any other. */
#define ETHERTYPE 0x88b6
#define MAGIC	  0x766d6669u

int hostile_failed(const char *func, int line, const char *what)
{
	printf("# %s:%d: does not hold: %s\n", func, line, what);
	return -1;
}

int hostile_failed_with(const char *func, int line, const char *what, int err)
{
	printf("# %s:%d: %s: %s\n", func, line, what, err < 0 ? strerror(-err) : "not 0");
	return -1;
}

void frame_make(unsigned char *frame, size_t len, unsigned int from, unsigned int to,
		unsigned int seq)
{
	unsigned int mark[2] = { MAGIC, seq };
	unsigned char eth[VM_ETH_HLEN] = { 0 };

	vm_addr_to_mac(vm_addr(ENSEMBLE, to + 1), eth);
	vm_addr_to_mac(vm_addr(ENSEMBLE, from + 1), eth + VM_MAC_LEN);
	eth[12] = ETHERTYPE >> 8;
	eth[13] = ETHERTYPE & 0xff;
	memset(frame, 0x5a, len);
	memcpy(frame, eth, len < sizeof(eth) ? len : sizeof(eth));
	if (len >= sizeof(eth) + sizeof(mark))
		memcpy(frame + sizeof(eth), mark, sizeof(mark));
}

/* Is it one of ours, numbered from @first on? */
static bool frame_is(const unsigned char *frame, ssize_t len, unsigned int first)
{
	unsigned int mark[2];

	if (len < (ssize_t)(VM_ETH_HLEN + sizeof(mark)))
		return false;
	memcpy(mark, frame + VM_ETH_HLEN, sizeof(mark));
	return mark[0] == MAGIC && mark[1] - first < 0x80000000;
}

int hostile_exchange(struct arena *arena, unsigned int from, unsigned int to)
{
	struct ring *tx = &arena->fe[from].ring[1], *rx = &arena->fe[to].ring[0];
	long long end = fe_now_ms() + FE_WAIT_MS;
	unsigned int first = arena->seq;
	static unsigned char frame[16384];

	/* A frame may be lost where a neighbour is still busy with older ones: another, then. */
	while (fe_now_ms() < end) {
		ssize_t n;

		frame_make(frame, 64, from, to, arena->seq++);
		n = ring_send(tx, frame, 64);
		if (n && n != -ENOSPC)
			return n;
		ring_kick_if_wanted(tx);
		if (ring_wait(rx, 200))
			continue;
		while ((n = ring_recv(rx, frame, sizeof(frame))) != -EAGAIN) {
			if (n == -EBADMSG)
				return n;
			if (n > 0 && frame_is(frame, n, first))
				break;
		}
		ring_publish(rx);
		ring_kick_if_wanted(rx);
		if (n > 0)
			return 0;
	}
	return -ETIMEDOUT;
}

int hostile_connect(struct arena *arena)
{
	return fe_connect(&arena->fe[0], arena->plug[0].socket);
}

int hostile_start(struct arena *arena)
{
	int err = hostile_connect(arena);

	return err ? err : fe_start(&arena->fe[0]);
}

int hostile_start_bare(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	uint16_t base;
	int err;

	fe_close(fe);
	err = hostile_start(arena);
	if (!err)
		err = fe_ring_stop(fe, 0, &base);
	if (err)
		return err;
	ring_reset(&fe->ring[0]);
	err = fe_ring_tell(fe, 0, 0);
	return err ? err : fe_ring_enable(fe, 0, true);
}

int hostile_reconnect(struct arena *arena)
{
	fe_close(&arena->fe[0]);
	return hostile_connect(arena);
}

int hostile_settle(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	char waste[512];
	int err = fe_send(fe, FE_GET_QUEUE_NUM, 0, NULL, 0, NULL, 0);
	ssize_t n = err;

	while (n != 8 && !err) {
		n = fe_recv(fe, FE_GET_QUEUE_NUM, waste, sizeof(waste), NULL);
		if (n < 0 && n != -EPROTO)
			err = n;
	}
	return err == -ECONNRESET ? 1 : err;
}

enum hostile_verdict hostile_verdict(struct arena *arena, unsigned int i)
{
	long long end = fe_now_ms() + FE_WAIT_MS;
	struct ring *ring = &arena->fe[0].ring[i];
	struct pollfd p[2] = {
		{ .fd = ring->err, .events = POLLIN },
		{ .fd = arena->fe[0].sock, .events = POLLRDHUP },
	};

	while (fe_now_ms() < end) {
		int n = poll(p, 2, 2);

		if (n > 0 && p[0].revents)
			return V_BROKEN;
		if (n > 0 && p[1].revents & (POLLRDHUP | POLLHUP | POLLERR))
			return V_CUT;
		if (__atomic_load_n(&ring->used->idx, __ATOMIC_ACQUIRE) != ring->used_idx)
			return V_USED;
	}
	return V_NOTHING;
}

void hostile_frames_to_it(struct arena *arena, unsigned int n)
{
	static unsigned char frame[1000];

	for (unsigned int i = 0; i < n; i++) {
		frame_make(frame, sizeof(frame), 1, 0, arena->seq++);
		ring_send(&arena->fe[1].ring[1], frame, sizeof(frame));
	}
	ring_kick_if_wanted(&arena->fe[1].ring[1]);
}

static int start_plug(struct arena *arena, unsigned int i)
{
	char options[64];
	char name[16];

	snprintf(name, sizeof(name), "vm%u", i + 1);
	snprintf(options, sizeof(options), "--lane %s", plug_lane());
	return plug_start(&arena->plug[i], name, options);
}

static int arena_open(struct arena *arena)
{
	int err = bed_enter();

	if (err)
		return err;
	err = bed_virtmesh("ensemble add %u", ENSEMBLE);
	/* For who has use of a tap that is nobody's. */
	if (!err)
		err = tap_create("spare", 0, 1500);
	for (unsigned int i = 0; i < NODES && !err; i++) {
		err = bed_virtmesh("port add vm%u --ensemble %u --node %u", i + 1, ENSEMBLE, i + 1);
		if (!err)
			err = start_plug(arena, i);
	}
	for (unsigned int i = 1; i < NODES && !err; i++) {
		err = fe_connect(&arena->fe[i], arena->plug[i].socket);
		if (!err)
			err = fe_start(&arena->fe[i]);
		arena->fds[i] = plug_fds(&arena->plug[i]);
	}
	/* All three have worked once before anybody is hostile. */
	if (!err)
		err = hostile_start(arena);
	if (!err)
		err = hostile_exchange(arena, 0, 1);
	if (!err)
		err = hostile_exchange(arena, 2, 0);
	arena->fds[0] = plug_fds(&arena->plug[0]);
	fe_close(&arena->fe[0]);
	return err;
}

/* With a front-end as it was at the beginning: as many as then, in the end. */
static bool fds_settle(struct arena *arena, unsigned int i)
{
	long long end = fe_now_ms() + FE_WAIT_MS;
	int n = 0;

	while (fe_now_ms() < end) {
		n = plug_fds(&arena->plug[i]);
		if (n == arena->fds[i])
			return true;
		poll(NULL, 0, 5);
	}
	printf("# %s holds %d descriptors, and held %d\n", arena->plug[i].tap, n, arena->fds[i]);
	return false;
}

/* The hostile VM's port, after a case. */
static int look_at_port(struct arena *arena, const struct hostile_case *c)
{
	struct plug *plug = &arena->plug[0];

	/* It may still be about to end: a front-end that gets through has seen it not. */
	if (plug_runs(plug) && !hostile_start(arena)) {
		need_ok(hostile_exchange(arena, 0, 1));
		need_ok(hostile_exchange(arena, 2, 0));
		need(fds_settle(arena, 0));
		return 0;
	}
	if (plug_runs(plug) && c->exit) {
		int status = plug_end(plug, 0);

		need(WIFEXITED(status) && WEXITSTATUS(status) == c->exit);
		return 1;
	}
	if (!plug_runs(plug)) {
		int status = plug_end(plug, 0);

		if (c->exit && WIFEXITED(status) && WEXITSTATUS(status) == c->exit)
			return 1;
		printf("# the port ended: %s %d\n", WIFSIGNALED(status) ? "signal" : "status",
		       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
		return -1;
	}
	printf("# the port runs, and serves no new front-end\n");
	return -1;
}

static int look_at_neighbours(struct arena *arena)
{
	for (unsigned int i = 1; i < NODES; i++) {
		need(plug_runs(&arena->plug[i]));
		need_ok(fe_ping(&arena->fe[i]));
		need(fds_settle(arena, i));
	}
	need_ok(hostile_exchange(arena, 1, 2));
	need_ok(hostile_exchange(arena, 2, 1));
	return 0;
}

static bool run_case(struct arena *arena, const struct hostile_case *c)
{
	struct plug *plug = &arena->plug[0];
	int err = c->run(arena), state;

	fe_close(&arena->fe[0]);
	state = look_at_port(arena, c);
	fe_close(&arena->fe[0]);
	if (look_at_neighbours(arena) || state < 0)
		err = -1;
	if (err)
		plug_log_show(plug);
	if (state && plug_runs(plug))
		plug_end(plug, SIGKILL);
	/* The next case meets a new one. */
	if (state && (start_plug(arena, 0) || hostile_start(arena)))
		ksft_exit_fail_msg("the port does not start again\n");
	if (state)
		fe_close(&arena->fe[0]);
	return !err;
}

int hostile_main(const struct hostile_case *cases, unsigned int n)
{
	static struct arena arena;
	const char *only = getenv("CASE"); /* a part of its name, to run it alone */
	int err;

	/* A port that ends while it is written to is told by the write. */
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	for (unsigned int i = 0; i < NODES; i++)
		arena.fe[i].sock = -1;
	err = arena_open(&arena);
	if (err) {
		for (unsigned int i = 0; i < NODES; i++)
			plug_log_show(&arena.plug[i]);
		ksft_exit_fail_msg("three ports that work: %s\n", strerror(-err));
	}
	ksft_set_plan(n);
	for (unsigned int i = 0; i < n; i++)
		if (only && !strstr(cases[i].name, only))
			ksft_test_result_skip("%s\n", cases[i].name);
		else
			ksft_test_result(run_case(&arena, &cases[i]), "%s\n", cases[i].name);
	for (unsigned int i = 0; i < NODES; i++)
		if (plug_runs(&arena.plug[i]))
			plug_end(&arena.plug[i], SIGTERM);
	ksft_finished();
	return KSFT_FAIL; /* never: but older headers do not say that it does not return */
}
