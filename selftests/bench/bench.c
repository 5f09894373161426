// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench OUT.json [NAME]...
 *
 * Measure all, or what is named, print a table and write OUT.json. Root. Exit
 * status: 0; 1 when something could not be measured. A goal missed is shown and
 * is no failure: it depends on the machine.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "figure.h"

static const struct {
	const char *name;
	int (*run)(void);
} benches[] = {
	{ "steer-cost", bench_steer_cost },	  { "steer-ports", bench_steer_ports },
	{ "tap-rate", bench_tap_rate },		  { "tap-group", bench_tap_group },
	{ "tap-latency", bench_tap_latency },	  { "port-add", bench_port_add },
	{ "guest-rate", bench_guest_rate },	  { "guest-tcp", bench_guest_tcp },
	{ "guest-rtt", bench_guest_rtt },	  { "guest-cost", bench_guest_cost },
	{ "guest-testpmd", bench_guest_testpmd }, { "mesh-rtt", bench_mesh_rtt },
	{ "mesh-mpi", bench_mesh_mpi },		  { "mesh-group", bench_mesh_group },
	{ "mesh-loss", bench_mesh_loss },	  { "mesh-matrix", bench_mesh_matrix },
};

#define BENCHES (sizeof(benches) / sizeof(benches[0]))

static bool wanted(const char *name, int n, char **names)
{
	int i;

	for (i = 0; i < n; i++)
		if (!strcmp(name, names[i]))
			return true;
	return n == 0;
}

int main(int argc, char **argv)
{
	int err, failed = 0;
	size_t i;

	if (argc < 2) {
		fprintf(stderr, "usage: %s OUT.json [NAME]...\n", argv[0]);
		return 1;
	}
	if (figures_init())
		return 1;
	for (i = 0; i < BENCHES; i++) {
		if (!wanted(benches[i].name, argc - 2, argv + 2))
			continue;
		err = benches[i].run();
		if (err) {
			fprintf(stderr, "%s: %s\n", benches[i].name, strerror(-err));
			failed = 1;
		}
	}
	err = figures_write(argv[1]);
	if (err)
		fprintf(stderr, "%s: %s\n", argv[1], strerror(-err));
	figures_exit();
	return failed || err;
}
