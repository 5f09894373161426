// SPDX-License-Identifier: GPL-2.0-only
/* What mesh.sh reads between four User-Mode Linux guests: the mesh interface. */
#include "bench.h"
#include "reading.h"

static int mesh_run(const char *what)
{
	return readings_run("mesh.sh", what);
}

int bench_mesh_rtt(void)
{
	static const struct row rows[] = {
		{ "64 B message, round trip, p50", "ns", "rtt.mesh.p50", "bare frame, same guests",
		  "rtt.bare.p50", 0, 2 },
		{ "64 B message, round trip, p50", "ns", "rtt.mesh.p50",
		  "TCP_NODELAY, virtio_net, bridge", "rtt.tcp.p50", 0, 1.0 / 3 },
		{ "64 B message, round trip, p50", "ns", "rtt.mesh.p50",
		  "the same, ports that never spin, as vhost-net", "rtt.tcp_asleep.p50", 0, 0 },
		{ "64 B message, round trip, busy poll, p50", "ns", "rtt.busy.p50",
		  "bare frame, same guests", "rtt.bare.p50", 0, 2 },
		{ "64 B message, round trip, busy poll, p50", "ns", "rtt.busy.p50",
		  "TCP_NODELAY, virtio_net, bridge", "rtt.tcp.p50", 0, 1.0 / 3 },
		{ "64 B message, round trip, p99", "ns", "rtt.mesh.p99", "the same of TCP",
		  "rtt.tcp.p99", 0, 0 },
	};
	int err = mesh_run("rtt");

	if (!err)
		ROWS_ADD(rows);
	return err;
}

int bench_mesh_mpi(void)
{
	static const char mpi[] = "Open MPI, TCP, virtio_net, bridge";
	static const struct row rows[] = {
		{ "all-gather of 16 KiB, 4 nodes, p50", "ns", "allgather.mesh", mpi,
		  "allgather.mpi", 0, 0.25 },
		{ "barrier, 4 nodes, p50", "ns", "barrier.mesh", mpi, "barrier.mpi", 0, 0.25 },
	};
	int err = mesh_run("mpi");

	if (!err)
		ROWS_ADD(rows);
	return err;
}

int bench_mesh_group(void)
{
	static const struct row rows[] = {
		{ "64 B to 3 peers, CPU time of the sender", "ns", "group.three.64", "to one",
		  "group.one.64", 0, 1.2 },
		{ "16 KiB to 3 peers, CPU time of the sender", "ns", "group.three.16K", "to one",
		  "group.one.16K", 0, 1.2 },
	};
	int err = mesh_run("group");

	if (!err)
		ROWS_ADD(rows);
	return err;
}

int bench_mesh_loss(void)
{
	static const struct row rows[] = {
		{ "1 MiB messages, 1 % of frames lost", "MB/s", "loss.rate.1", "none lost",
		  "loss.rate.0", 0.7, 0 },
		{ "all-gather of 16 KiB, 4 nodes, 1 % lost, p99", "ns", "loss.p99.1", "none lost",
		  "loss.p99.0", 0, 5 },
	};
	int err = mesh_run("loss");

	if (!err)
		ROWS_ADD(rows);
	return err;
}

int bench_mesh_matrix(void)
{
	static const struct row rows[] = {
		{ "sharded product, 4 nodes", "steps/s", "matrix.mesh",
		  "exchanges by TCP sockets, same guests", "matrix.tcp", 2, 0 },
	};
	int err = mesh_run("matrix");

	if (!err)
		ROWS_ADD(rows);
	return err;
}
