// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is rationed: control frames to the broker, and events about drops.
 * Time passes by moving the stored deadlines back, not by waiting.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/steer.skel.h"
#include "testbed.h"
#include "kselftest_harness.h"

#define MTU	3366
#define SEC_NS	1000000000ULL
#define DAY_NS	(86400 * SEC_NS)
#define FLOOD	1000000
#define MAX_GOT 4096

struct got {
	struct vm_event events[MAX_GOT];
	unsigned int n;
};

FIXTURE(limits)
{
	struct bed bed;
	struct bed_port a, b;
	struct ring_buffer *ring;
	struct got got;
	__u8 frame[64];
};

static int on_event(void *ctx, void *data, size_t size)
{
	struct got *got = ctx;

	if (size != sizeof(struct vm_event) || got->n == MAX_GOT)
		return -EPROTO;
	memcpy(&got->events[got->n++], data, size);
	return 0;
}

FIXTURE_SETUP(limits)
{
	ASSERT_EQ(0, bed_open(&self->bed));
}

FIXTURE_TEARDOWN(limits)
{
	ring_buffer__free(self->ring);
	bed_close(&self->bed);
}

static int load(FIXTURE_DATA(limits) * self)
{
	int err;

	err = bed_load(&self->bed) ?: bed_ensemble_add(&self->bed, 7, MTU, 4);
	err = err ?: bed_port_add(&self->bed, &self->a, LINK_TAP, 7, 1, MTU);
	err = err ?: bed_port_add(&self->bed, &self->b, LINK_TAP, 7, 2, MTU);
	self->ring = ring_buffer__new(bpf_map__fd(self->bed.skel->maps.events), on_event,
				      &self->got, NULL);
	return err ?: (self->ring ? 0 : -errno);
}

static int run(FIXTURE_DATA(limits) * self, const struct bed_port *from, unsigned int repeat)
{
	struct xdp_md ctx = { .data_end = 64, .ingress_ifindex = from->link.ifindex };
	struct bpf_test_run_opts opts = { .sz = sizeof(opts),
					  .data_in = self->frame,
					  .data_size_in = 64,
					  .ctx_in = &ctx,
					  .ctx_size_in = sizeof(ctx),
					  .repeat = repeat };

	return bpf_prog_test_run_opts(bpf_program__fd(self->bed.skel->progs.steer), &opts);
}

static int control(FIXTURE_DATA(limits) * self, const struct bed_port *from, unsigned int repeat)
{
	bed_frame_to(self->frame, 64, vm_addr(7, VM_NODE_BROKER), from->addr, 1);
	return run(self, from, repeat);
}

static int spoof(FIXTURE_DATA(limits) * self, const struct bed_port *from, unsigned int repeat)
{
	bed_frame_to(self->frame, 64, self->b.addr, vm_addr(7, 99), 1);
	return run(self, from, repeat);
}

static __u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * SEC_NS + now.tv_nsec;
}

static int limits_get(FIXTURE_DATA(limits) * self, const struct bed_port *port,
		      struct vm_limits *limits)
{
	__u32 slot = port->slot;

	return bpf_map_lookup_elem(bpf_map__fd(self->bed.skel->maps.limits), &slot, limits);
}

static int limits_set(FIXTURE_DATA(limits) * self, const struct bed_port *port,
		      const struct vm_limits *limits)
{
	__u32 slot = port->slot;

	return bpf_map_update_elem(bpf_map__fd(self->bed.skel->maps.limits), &slot, limits, 0);
}

/* @port sent @sent control frames, of which @passed went to the broker. */
static int control_is(FIXTURE_DATA(limits) * self, const struct bed_port *port, unsigned int sent,
		      unsigned int passed)
{
	struct bed_want want[2] = { { port->slot, { sent, sent * 64 } },
				    { VM_SLOT_BROKER, { 0, 0, passed, passed * 64 } } };

	want[0].counters.drops[VM_DROP_RATE] = sent - passed;
	return bed_differences(&self->bed, want, 2);
}

TEST_F(limits, control_burst_passes_and_the_rest_does_not)
{
	self->bed.skel->rodata->control_rate = 1;
	self->bed.skel->rodata->control_burst = 5;
	ASSERT_EQ(0, load(self));

	ASSERT_EQ(0, control(self, &self->a, 5));
	EXPECT_EQ(0, control_is(self, &self->a, 5, 5));
	ASSERT_EQ(0, control(self, &self->a, 20));
	EXPECT_EQ(0, control_is(self, &self->a, 25, 5));
}

TEST_F(limits, control_default_is_the_protocols)
{
	struct vm_counters have;
	__u64 start, refill;

	ASSERT_EQ(0, load(self));
	start = now_ns();
	ASSERT_EQ(0, control(self, &self->a, 10000));
	refill = (now_ns() - start) * VM_CONTROL_RATE / SEC_NS;

	ASSERT_EQ(0, bed_counters(&self->bed, VM_SLOT_BROKER, &have));
	EXPECT_LE(VM_CONTROL_BURST, have.tx_frames);
	EXPECT_GE(VM_CONTROL_BURST + refill + 1, have.tx_frames);
	EXPECT_EQ(0, control_is(self, &self->a, 10000, have.tx_frames));
}

TEST_F(limits, control_refills_one_an_interval)
{
	struct vm_limits limits;

	self->bed.skel->rodata->control_rate = 1;
	self->bed.skel->rodata->control_burst = 5;
	ASSERT_EQ(0, load(self));
	ASSERT_EQ(0, control(self, &self->a, 100));

	/* Three seconds pass. */
	ASSERT_EQ(0, limits_get(self, &self->a, &limits));
	limits.control_tat -= 3 * SEC_NS;
	ASSERT_EQ(0, limits_set(self, &self->a, &limits));
	ASSERT_EQ(0, control(self, &self->a, 100));
	EXPECT_EQ(0, control_is(self, &self->a, 200, 8));

	/* A day passes: the burst and no more. */
	ASSERT_EQ(0, limits_get(self, &self->a, &limits));
	limits.control_tat = limits.control_tat > DAY_NS ? limits.control_tat - DAY_NS : 0;
	ASSERT_EQ(0, limits_set(self, &self->a, &limits));
	ASSERT_EQ(0, control(self, &self->a, 100));
	EXPECT_EQ(0, control_is(self, &self->a, 300, 13));
}

TEST_F(limits, control_of_one_port_leaves_the_other_its_own)
{
	struct vm_counters have;

	self->bed.skel->rodata->control_rate = 1;
	self->bed.skel->rodata->control_burst = 5;
	ASSERT_EQ(0, load(self));
	ASSERT_EQ(0, control(self, &self->a, 100));
	ASSERT_EQ(0, control(self, &self->b, 3));
	ASSERT_EQ(0, bed_counters(&self->bed, self->b.slot, &have));
	EXPECT_EQ(3, have.rx_frames);
	EXPECT_EQ(0, have.drops[VM_DROP_RATE]);
	ASSERT_EQ(0, bed_counters(&self->bed, VM_SLOT_BROKER, &have));
	EXPECT_EQ(8, have.tx_frames);
}

TEST_F(limits, control_flood_leaves_other_traffic_alone)
{
	struct vm_counters have;

	self->bed.skel->rodata->control_rate = 1;
	self->bed.skel->rodata->control_burst = 5;
	ASSERT_EQ(0, load(self));
	ASSERT_EQ(0, control(self, &self->a, 1000));
	bed_frame_to(self->frame, 64, self->b.addr, self->a.addr, 1);
	ASSERT_EQ(0, run(self, &self->a, 1000));
	ASSERT_EQ(0, bed_counters(&self->bed, self->b.slot, &have));
	EXPECT_EQ(1000, have.tx_frames);
}

struct flood {
	FIXTURE_DATA(limits) * self;
	pthread_barrier_t *start;
	int cpu;
	int err;
};

static void *flood_thread(void *arg)
{
	struct flood *flood = arg;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(flood->cpu, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	pthread_barrier_wait(flood->start);
	flood->err = run(flood->self, &flood->self->a, FLOOD);
	return NULL;
}

TEST_F(limits, control_from_two_cpus_at_once_shares_one_burst)
{
	pthread_barrier_t start;
	struct flood flood[2] = { { self, &start, 0 }, { self, &start, 1 } };
	struct vm_counters have;
	__u64 begin, refill;
	pthread_t threads[2];
	int i;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "needs two CPUs");
	/* So large a burst that both are at it for long, and hardly a refill. */
	self->bed.skel->rodata->control_rate = 1;
	self->bed.skel->rodata->control_burst = FLOOD;
	ASSERT_EQ(0, load(self));
	bed_frame_to(self->frame, 64, vm_addr(7, VM_NODE_BROKER), self->a.addr, 1);
	begin = now_ns();
	ASSERT_EQ(0, pthread_barrier_init(&start, NULL, 2));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, flood_thread, &flood[i]));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
		EXPECT_EQ(0, flood[i].err);
	}
	refill = (now_ns() - begin) / SEC_NS;
	ASSERT_EQ(0, bed_counters(&self->bed, VM_SLOT_BROKER, &have));
	EXPECT_LE(FLOOD, have.tx_frames);
	EXPECT_GE(FLOOD + refill + 1, have.tx_frames);
	EXPECT_EQ(0, control_is(self, &self->a, 2 * FLOOD, have.tx_frames));
}

TEST_F(limits, event_tells_what_was_dropped)
{
	const struct vm_event *event = &self->got.events[0];
	__u8 src[VM_MAC_LEN], dst[VM_MAC_LEN];
	__u64 before;

	ASSERT_EQ(0, load(self));
	before = now_ns();
	ASSERT_EQ(0, spoof(self, &self->a, 1));
	ASSERT_EQ(1, ring_buffer__consume(self->ring));

	vm_addr_to_mac(self->b.addr, dst);
	vm_addr_to_mac(vm_addr(7, 99), src);
	EXPECT_EQ(VM_DROP_SPOOF, event->reason);
	EXPECT_EQ(self->a.link.ifindex, event->ifindex);
	EXPECT_EQ(VM_ETHERTYPE, event->ethertype);
	EXPECT_EQ(64, event->len);
	EXPECT_EQ(0, memcmp(dst, event->dst, VM_MAC_LEN));
	EXPECT_EQ(0, memcmp(src, event->src, VM_MAC_LEN));
	EXPECT_LE(before, event->ktime_ns);
	EXPECT_GE(now_ns(), event->ktime_ns);
}

TEST_F(limits, flood_makes_one_event_an_interval)
{
	struct vm_limits limits;

	self->bed.skel->rodata->event_interval_ns = DAY_NS;
	ASSERT_EQ(0, load(self));
	ASSERT_EQ(0, spoof(self, &self->a, 100000));
	EXPECT_EQ(1, ring_buffer__consume(self->ring));

	ASSERT_EQ(0, limits_get(self, &self->a, &limits));
	limits.event_next[VM_DROP_SPOOF] -= DAY_NS;
	ASSERT_EQ(0, limits_set(self, &self->a, &limits));
	ASSERT_EQ(0, spoof(self, &self->a, 100000));
	EXPECT_EQ(1, ring_buffer__consume(self->ring));
}

TEST_F(limits, events_of_ports_and_reasons_are_rationed_apart)
{
	self->bed.skel->rodata->event_interval_ns = DAY_NS;
	ASSERT_EQ(0, load(self));
	ASSERT_EQ(0, spoof(self, &self->a, 10));
	ASSERT_EQ(0, spoof(self, &self->b, 10));
	bed_frame_to(self->frame, 64, vm_addr(7, 50), self->a.addr, 1);
	ASSERT_EQ(0, run(self, &self->a, 10));
	ASSERT_EQ(3, ring_buffer__consume(self->ring));
	EXPECT_EQ(VM_DROP_SPOOF, self->got.events[0].reason);
	EXPECT_EQ(self->a.link.ifindex, self->got.events[0].ifindex);
	EXPECT_EQ(VM_DROP_SPOOF, self->got.events[1].reason);
	EXPECT_EQ(self->b.link.ifindex, self->got.events[1].ifindex);
	EXPECT_EQ(VM_DROP_NO_NODE, self->got.events[2].reason);
}

TEST_F(limits, lost_frames_make_an_event_of_the_target)
{
	self->bed.skel->rodata->event_interval_ns = DAY_NS;
	self->bed.ring = 64;
	ASSERT_EQ(0, load(self));
	bed_frame_to(self->frame, 64, self->b.addr, self->a.addr, 1);
	ASSERT_EQ(0, bed_live_run(&self->bed, self->a.link.ifindex, self->frame, 64, 1000));
	ASSERT_EQ(1, ring_buffer__consume(self->ring));
	EXPECT_EQ(VM_DROP_LOST_FULL, self->got.events[0].reason);
	EXPECT_EQ(self->b.link.ifindex, self->got.events[0].ifindex);
	EXPECT_EQ(0, self->got.events[0].len);
}

TEST_F(limits, unread_events_fill_the_ring_and_counters_go_on)
{
	struct bed_want want = { 0 };
	int n;

	self->bed.skel->rodata->event_interval_ns = 0;
	ASSERT_EQ(0, load(self));
	ASSERT_EQ(0, spoof(self, &self->a, 10000));
	want.slot = self->a.slot;
	want.counters.rx_frames = want.counters.drops[VM_DROP_SPOOF] = 10000;
	want.counters.rx_bytes = 640000;
	EXPECT_EQ(0, bed_differences(&self->bed, &want, 1));
	n = ring_buffer__consume(self->ring);
	EXPECT_LT(1000, n);
	EXPECT_GE(VM_EVENTS_BYTES / sizeof(struct vm_event), n);
}

TEST_HARNESS_MAIN
