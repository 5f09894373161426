/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the sharded product computes: x := f(W x), again and again, as the layers of
 * a neural network do. W is n x n; x holds `batch` vectors, element k of all of them
 * side by side. Each element of a result is added up in one order, so whoever
 * computes it, alone or with others, gets the same bits.
 */
#ifndef PRODUCT_H
#define PRODUCT_H

#include <stddef.h>
#include <stdint.h>

/* Anybody can make any row of W, and any element of the first x. */
static inline float product_weight(uint32_t row, uint32_t column)
{
	uint32_t h = (row * 2654435761u) ^ (column * 2246822519u);

	h = (h ^ h >> 15) * 2246822519u;
	h = (h ^ h >> 13) * 3266489917u;
	return ((h >> 8) / 8388608.0f - 1) / 8;
}

static inline void product_rows(float *w, uint32_t first, uint32_t rows, uint32_t n)
{
	uint32_t i, k;

	for (i = 0; i < rows; i++)
		for (k = 0; k < n; k++)
			w[(size_t)i * n + k] = product_weight(first + i, k);
}

static inline void product_start(float *x, uint32_t n, uint32_t batch)
{
	uint32_t i;

	for (i = 0; i < n * batch; i++)
		x[i] = product_weight(i, ~0u);
}

#define PRODUCT_VECTORS 8

/* An element of some vectors, whose sums stay in registers: `vectors` is a constant then. */
static inline __attribute__((always_inline)) void
product_row(float *y, const float *w, const float *x, uint32_t n, uint32_t batch, uint32_t vectors)
{
	float sum[PRODUCT_VECTORS] = { 0 };
	uint32_t j, k;

	for (k = 0; k < n; k++, x += batch)
		for (j = 0; j < vectors; j++)
			sum[j] += w[k] * x[j];
	for (j = 0; j < vectors; j++)
		y[j] = sum[j] / (1 + (sum[j] < 0 ? -sum[j] : sum[j]));
}

/* Rows of the next x: y = f(w x), f keeps everything within -1 and 1. */
static inline void product_step(float *y, const float *w, const float *x, uint32_t rows, uint32_t n,
				uint32_t batch)
{
	uint32_t i, j;

	for (i = 0; i < rows; i++, y += batch, w += n) {
		for (j = 0; j + PRODUCT_VECTORS <= batch; j += PRODUCT_VECTORS)
			product_row(y + j, w, x + j, n, batch, PRODUCT_VECTORS);
		if (j < batch)
			product_row(y + j, w, x + j, n, batch, batch - j);
	}
}

#endif /* PRODUCT_H */
