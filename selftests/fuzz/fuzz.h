/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every fuzz target shares: the entry point libFuzzer calls, and a claim
 * that must hold of any input.
 */
#ifndef VIRTMESH_SELFTESTS_FUZZ_H
#define VIRTMESH_SELFTESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Ends with a core and, through libFuzzer, the input in a file, unless @cond. */
#define must(cond)                                                                                \
	do {                                                                                      \
		if (!(cond)) {                                                                    \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #cond); \
			abort();                                                                  \
		}                                                                                 \
	} while (0)

#endif /* VIRTMESH_SELFTESTS_FUZZ_H */
