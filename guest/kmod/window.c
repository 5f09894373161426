// SPDX-License-Identifier: GPL-2.0-only
#include <linux/string.h>

#include "window.h"

#define VMESH_WORDS (VM_WINDOW_MAX / 64)

void vmesh_window_init(struct vmesh_window *w)
{
	memset(w, 0, sizeof(*w));
}

static bool vmesh_window_has(const struct vmesh_window *w, u32 bit)
{
	return w->beyond[bit / 64] >> (bit % 64) & 1;
}

bool vmesh_window_wants(const struct vmesh_window *w, u32 seq)
{
	u32 ahead = seq - w->cum; /* 1: the next in order */

	if (!ahead || ahead > VM_WINDOW_MAX)
		return false;
	return ahead == 1 || !vmesh_window_has(w, ahead - 2);
}

/* The next in order has come: drop the lowest bit. Returns what it was. */
static bool vmesh_window_step(struct vmesh_window *w)
{
	bool next = w->beyond[0] & 1;
	unsigned int i;

	for (i = 0; i < VMESH_WORDS; i++) {
		w->beyond[i] >>= 1;
		if (i + 1 < VMESH_WORDS)
			w->beyond[i] |= w->beyond[i + 1] << 63;
	}
	w->cum++;
	return next;
}

void vmesh_window_add(struct vmesh_window *w, u32 seq)
{
	u32 ahead = seq - w->cum;

	if (vmesh_seq_before(w->high, seq))
		w->high = seq;
	if (ahead > 1) {
		w->beyond[(ahead - 2) / 64] |= 1ULL << ((ahead - 2) % 64);
		return;
	}
	if (w->high == seq) { /* nothing beyond it: the usual case */
		w->cum = seq;
		return;
	}
	while (vmesh_window_step(w))
		;
}
