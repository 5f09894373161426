// SPDX-License-Identifier: GPL-2.0-only
/* What guests.sh reads between pairs of User-Mode Linux guests: the frame lane. */
#include "bench.h"
#include "reading.h"

static int guests_run(const char *what)
{
	return readings_run("guests.sh", what);
}

int bench_guest_rate(void)
{
	/* Ours is fed by virtmesh_bench in batches of 64, virtio_net by pktgen in bursts of 32. */
#define RATE(size, xdp, in_tree)                                                                   \
	{ "guest to guest, " #size " B",                                                           \
	  "frames/s",                                                                              \
	  "flood.xdp." #size,                                                                      \
	  "bridge, same driver and port",                                                          \
	  "flood.bridge." #size,                                                                   \
	  xdp,                                                                                     \
	  0 },                                                                                     \
		{ "guest to guest, " #size " B",                                                   \
		  "frames/s",                                                                      \
		  "flood.xdp." #size,                                                              \
		  "bridge, virtio_net by pktgen",                                                  \
		  "pktgen.bridge." #size,                                                          \
		  in_tree,                                                                         \
		  0 },                                                                             \
		{ "guest to guest, " #size " B",                                                   \
		  "frames/s",                                                                      \
		  "flood.xdp." #size,                                                              \
		  "the same, ports that never spin",                                               \
		  "flood.asleep." #size,                                                           \
		  0.95,                                                                            \
		  0 },                                                                             \
		{ "virtio_net by pktgen, " #size " B",                                             \
		  "frames/s",                                                                      \
		  "pktgen.xdp." #size,                                                             \
		  "bridge, the same",                                                              \
		  "pktgen.bridge." #size,                                                          \
		  0,                                                                               \
		  0 },                                                                             \
	{                                                                                          \
		"guest to guest, " #size " B, lost at 0.8 of it", "frames", "lossless.xdp." #size, \
			"sent", "lossless.xdp.sent." #size, 0, 1e-9                                \
	}
	static const struct row rows[] = { RATE(64, 1.45, 3), RATE(1514, 1.45, 3),
					   RATE(3456, 1.45, 3) };
#undef RATE
	int err = guests_run("rate");

	if (!err)
		ROWS_ADD(rows);
	return err;
}

int bench_guest_tcp(void)
{
	static const struct row rows[] = {
		{ "virtio_net, TCP, MTU 1500", "Mbit/s", "tcp.xdp.1500", "bridge, same port",
		  "tcp.bridge.1500", 1.3, 0 },
		{ "virtio_net, TCP, MTU 3442", "Mbit/s", "tcp.xdp.3442", "bridge, same port",
		  "tcp.bridge.3442", 1.3, 0 },
	};
	int err = guests_run("tcp");

	if (!err)
		ROWS_ADD(rows);
	return err;
}

int bench_guest_rtt(void)
{
	static const char wake[] = "eventfd ping-pong of threads";
	static const struct row rows[] = {
		{ "round trip, asleep, p50", "ns", "rtt.asleep.p50", wake, "wake.p50", 0, 1.6 },
		{ "round trip, asleep, p99", "ns", "rtt.asleep.p99", "its p50", "rtt.asleep.p50", 0,
		  2.5 },
		{ "round trip, ports spin adaptively, p50", "ns", "rtt.xdp.p50", wake, "wake.p50",
		  0, 0.5 },
		{ "round trip, ports spin adaptively, p99", "ns", "rtt.xdp.p99", "its p50",
		  "rtt.xdp.p50", 0, 2.5 },
		{ "round trip, ports and guests spin, p50", "ns", "rtt.spin.p50", wake, "wake.p50",
		  0, 0.2 },
		{ "round trip, ports and guests spin, p99", "ns", "rtt.spin.p99", "its p50",
		  "rtt.spin.p50", 0, 2.5 },
		{ "round trip, ports spin adaptively, p50", "ns", "rtt.xdp.p50", "bridge, the same",
		  "rtt.bridge.p50", 0, 0 },
	};
	int err = guests_run("rtt");

	if (!err)
		ROWS_ADD(rows);
	return err;
}

int bench_guest_cost(void)
{
	static const struct row rows[] = {
		{ "port, calls a frame at saturation, sender", "calls", "calls.1", "one a frame",
		  "one.one", 0, 1.0 / 16 },
		{ "port, calls a frame at saturation, receiver", "calls", "calls.2", "one a frame",
		  "one.one", 0, 1.0 / 16 },
		{ "port, memory besides the guest's", "KiB", "memory.1", "8 MiB", "limit.memory", 0,
		  1 },
		{ "port, wake-ups in 3 s of nothing", "times", "idle.wakeups", "one", "one.one", 0,
		  1e-9 },
	};
	int err = guests_run("cost");

	reading_add("one.one", 1);
	reading_add("limit.memory", 8192);
	if (!err)
		ROWS_ADD(rows);
	return err;
}

int bench_guest_testpmd(void)
{
	/* Its forwarding thread polls CPU 1 without end, where guest 2 is, too. */
	static const struct row rows[] = {
		{ "guest to guest, 64 B", "frames/s", "flood.xdp.64",
		  "dpdk-testpmd (polls a CPU), virtio_net", "pktgen.testpmd.64", 2, 0 },
		{ "virtio_net by pktgen, 64 B", "frames/s", "pktgen.xdp.64",
		  "dpdk-testpmd (polls a CPU), the same", "pktgen.testpmd.64", 0, 0 },
		{ "ping between virtio_net guests, average", "us", "ping.xdp",
		  "dpdk-testpmd (polls a CPU), the same", "ping.testpmd", 0, 0 },
	};
	int err = guests_run("testpmd");

	if (!err)
		ROWS_ADD(rows);
	return err;
}
