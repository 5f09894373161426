// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the steering program costs a frame, in BPF_PROG_TEST_RUN, against a
 * program that only redirects. Three ways, the same frame each time:
 *
 *	alone		the program's run and nothing else
 *	veth		live frames: really redirected, and discarded where they arrive
 *	tap		live frames into a tap's ring, which is emptied between runs
 *
 * The programs take turns, and turns in going first. What else the machine does can only make a run
 * longer, so the tenth percentile of the runs counts, for both.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bench.h"
#include "bpf/steer.skel.h"
#include "selftests/bench/bare.skel.h"
#include "figure.h"
#include "testbed.h"

#define MTU	   3366
#define RING	   4096
#define RUNS	   101
#define PERCENT	   10
#define PORTS_MANY 256

/* One CPU, so that the counters and the clock are one CPU's. */
static void pin(void)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

static void unpin(void)
{
	cpu_set_t cpus;
	int i;

	CPU_ZERO(&cpus);
	for (i = 0; i < CPU_SETSIZE; i++)
		CPU_SET(i, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

/* ns a frame, or -errno. */
static int test_run(const struct bpf_program *prog, int ifindex, void *frame, size_t len,
		    int repeat, __u32 flags)
{
	struct xdp_md ctx = { .data_end = len, .ingress_ifindex = ifindex };
	struct bpf_test_run_opts opts = { .sz = sizeof(opts),
					  .data_in = frame,
					  .data_size_in = len,
					  .ctx_in = &ctx,
					  .ctx_size_in = sizeof(ctx),
					  .repeat = repeat,
					  .flags = flags };
	int err;

	err = bpf_prog_test_run_opts(bpf_program__fd(prog), &opts);
	return err ?: (int)opts.duration;
}

static void drain(const struct link *link)
{
	char frame[MTU + VM_ETH_HLEN];

	while (link_read(link, frame, sizeof(frame)) >= 0)
		;
}

struct cost {
	const struct bpf_program *prog[2]; /* ours, and the bare one */
	const struct bed_port *from, *to;
	int repeat;
	__u32 flags;
};

static int cost_measure(const char *name, const struct cost *cost, size_t len, double goal)
{
	struct figure figure = { .name = name,
				 .unit = "ns/frame",
				 .baseline = "bare bpf_redirect_map",
				 .at_most = goal };
	double ns[2][RUNS];
	__u8 frame[MTU + VM_ETH_HLEN];
	int run, turn, i, n;

	bed_frame_to(frame, len, cost->to->addr, cost->from->addr, 1);
	for (run = 0; run < RUNS; run++) {
		for (turn = 0; turn < 2; turn++) {
			i = (run + turn) % 2;
			n = test_run(cost->prog[i], cost->from->link.ifindex, frame, len,
				     cost->repeat, cost->flags);
			if (n < 0)
				return n;
			ns[i][run] = n;
			if (cost->to->link.kind == LINK_TAP && cost->flags)
				drain(&cost->to->link);
		}
	}
	figure.value = figure_percentile(ns[0], RUNS, PERCENT);
	figure.baseline_value = figure_percentile(ns[1], RUNS, PERCENT);
	figure_add(&figure);
	return 0;
}

static int aim(struct bare_bpf *bare, const struct bed_port *to)
{
	struct bpf_devmap_val target = { .ifindex = to->link.ifindex };
	__u32 zero = 0;

	return bpf_map_update_elem(bpf_map__fd(bare->maps.target), &zero, &target, 0);
}

static int cost_all(struct bed *bed, struct bare_bpf *bare)
{
	struct bed_port a, tap, veth;
	struct cost cost = { { bed->skel->progs.steer, bare->progs.redirect }, &a };
	int err;

	bed->ring = RING;
	err = bed_ensemble_add(bed, 7, MTU, 4);
	err = err ?: bed_port_add(bed, &a, LINK_TAP, 7, 1, MTU);
	err = err ?: bed_port_add(bed, &tap, LINK_TAP, 7, 2, MTU);
	err = err ?: bed_port_add(bed, &veth, LINK_VETH, 7, 3, MTU);
	err = err   ?:
		      bpf_xdp_attach(if_nametoindex(veth.link.peer),
				     bpf_program__fd(bare->progs.discard), XDP_FLAGS_DRV_MODE,
				     NULL);
	if (err)
		return err;

	cost.to = &tap;
	cost.repeat = 100000;
	err = aim(bare, cost.to) ?: cost_measure("steering, program alone", &cost, 64, 1.3);

	cost.to = &veth;
	cost.repeat = 20000;
	cost.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
	err = err ?: aim(bare, cost.to);
	err = err ?: cost_measure("steering, live 64 B to a veth", &cost, 64, 1.3);

	cost.to = &tap;
	cost.repeat = RING;
	err = err ?: aim(bare, cost.to);
	err = err ?: cost_measure("steering, live 64 B to a tap", &cost, 64, 1.3);
	link_close(&a.link);
	link_close(&tap.link);
	link_close(&veth.link);
	return err;
}

int bench_steer_cost(void)
{
	struct bare_bpf *bare = NULL;
	struct bed bed;
	int err;

	pin();
	err = bed_open(&bed) ?: bed_load(&bed);
	if (!err) {
		bare = bare_bpf__open_and_load();
		err = bare ? cost_all(&bed, bare) : -errno;
	}
	bare_bpf__destroy(bare);
	bed_close(&bed);
	unpin();
	return err;
}

/* Each of @n ports sends to the next: the mean of their costs, in ns a frame. */
static double ports_mean(struct bed *bed, const struct bed_port *port, int n, int *err)
{
	double sum = 0;
	__u8 frame[64];
	int i, ns;

	for (i = 0; i < n; i++) {
		bed_frame_to(frame, sizeof(frame), port[(i + 1) % n].addr, port[i].addr, 1);
		ns = test_run(bed->skel->progs.steer, port[i].link.ifindex, frame, sizeof(frame),
			      200000 / n, 0);
		if (ns < 0)
			*err = ns;
		sum += ns;
	}
	return sum / n;
}

/* The first two of the ports, then all of them, in turns on one mesh of each size. */
int bench_steer_ports(void)
{
	static struct bed_port port[PORTS_MANY];
	struct figure figure = { .name = "steering, 256 ports that all send",
				 .unit = "ns/frame",
				 .baseline = "2 ports",
				 .at_most = 1.1 };
	double two[RUNS], many[RUNS];
	struct bed bed;
	int err, i;

	pin();
	for (i = 0; i < PORTS_MANY; i++)
		port[i].link.fd = -1;
	err = bed_open(&bed) ?: bed_load(&bed);
	err = err ?: bed_ensemble_add(&bed, 7, MTU, PORTS_MANY);
	for (i = 0; !err && i < 2; i++)
		err = bed_port_add(&bed, &port[i], LINK_TAP, 7, i + 1, MTU);
	for (i = 0; !err && i < RUNS; i++)
		two[i] = ports_mean(&bed, port, 2, &err);
	for (i = 2; !err && i < PORTS_MANY; i++)
		err = bed_port_add(&bed, &port[i], LINK_TAP, 7, i + 1, MTU);
	for (i = 0; !err && i < RUNS; i++)
		many[i] = ports_mean(&bed, port, PORTS_MANY, &err);
	if (!err) {
		figure.value = figure_percentile(many, RUNS, PERCENT);
		figure.baseline_value = figure_percentile(two, RUNS, PERCENT);
		figure_add(&figure);
	}
	for (i = 0; i < PORTS_MANY; i++)
		link_close(&port[i].link);
	bed_close(&bed);
	unpin();
	return err;
}
