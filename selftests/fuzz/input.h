/* SPDX-License-Identifier: GPL-2.0-only */
/* An input as bytes that are used up. What is beyond its end is zero. */
#ifndef VIRTMESH_SELFTESTS_FUZZ_INPUT_H
#define VIRTMESH_SELFTESTS_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>

struct input {
	const uint8_t *at;
	size_t left;
};

static inline unsigned int input_8(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->at++;
}

static inline unsigned int input_16(struct input *in)
{
	unsigned int low = input_8(in);

	return low | input_8(in) << 8;
}

#endif /* VIRTMESH_SELFTESTS_FUZZ_INPUT_H */
