/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a script read between guests, as figures. It takes turns with what is
 * compared, so of several readings of a key the median counts, for both sides; of
 * tails, too.
 */
#ifndef VIRTMESH_BENCH_READING_H
#define VIRTMESH_BENCH_READING_H

#include <stddef.h>

/* A figure of two keys; one that is missing was said by the script, and makes no row. */
struct row {
	const char *name, *unit;
	const char *key;
	const char *baseline, *baseline_key;
	double at_least, at_most;
};

/* Run @script_name for @what, and keep what it reads. 0; -EIO: it has said why. */
int readings_run(const char *script_name, const char *what);
void reading_add(const char *key, double value);
void rows_add(const struct row *row, size_t n);

#define ROWS_ADD(rows) rows_add(rows, sizeof(rows) / sizeof((rows)[0]))

#endif /* VIRTMESH_BENCH_READING_H */
