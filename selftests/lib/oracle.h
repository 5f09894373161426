/* SPDX-License-Identifier: GPL-2.0-only */
/* Reductions one element at a time, by other means than the library's. */
#ifndef ORACLE_H
#define ORACLE_H

#include <stddef.h>
#include <stdint.h>

/* The element at `p`, of a floating type, without rounding. */
double oracle_value(int type, const void *p);
/* What in[0][i], in[1][i], .. become; written to `out`. */
void oracle_reduce(void *out, const void *const *in, unsigned int ranks, size_t i, int type,
		   int reduction);

/* A contribution: element i of rank r. Every kind of value comes up. */
void oracle_element(void *out, int type, unsigned int seed, unsigned int r, size_t i);

#endif /* ORACLE_H */
