/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The figures of a run: printed as a table while they come, written as JSON at
 * the end:
 *
 *	[ { name, unit, value, baseline, baseline_value, ratio }, .. ]
 *
 * ratio is value / baseline_value, null where that is 0.
 */
#ifndef VIRTMESH_BENCH_FIGURE_H
#define VIRTMESH_BENCH_FIGURE_H

#include <stddef.h>

struct figure {
	const char *name;
	const char *unit;
	double value;
	const char *baseline; /* what it is compared with */
	double baseline_value;
	/* What the ratio should reach; 0: no goal of that kind. For the table only. */
	double at_least;
	double at_most;
};

int figures_init(void);
/* Add one, and print its row. */
void figure_add(const struct figure *figure);
/* 0, or -errno of writing @path. */
int figures_write(const char *path);
void figures_exit(void);

/* Of @n values, which are sorted by this. @percent 50 is the median. */
double figure_percentile(double *values, size_t n, double percent);

#endif /* VIRTMESH_BENCH_FIGURE_H */
