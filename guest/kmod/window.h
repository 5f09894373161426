/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which frames of a flow have come: the receiving half of a sequence space.
 * Pure, any context; the caller serialises.
 */
#ifndef VMESH_WINDOW_H
#define VMESH_WINDOW_H

#include <linux/types.h>
#include <virtmesh/frame.h>

/* Frames are numbered from 1; the numbers wrap and are compared like TCP's. */
struct vmesh_window {
	u32 cum; /* all up to this one have come */
	u32 high; /* the highest that has; cum when nothing is missing */
	u64 beyond[VM_WINDOW_MAX / 64]; /* bit n: cum + 2 + n has come */
};

static inline bool vmesh_seq_before(u32 a, u32 b)
{
	return (s32)(a - b) < 0;
}

void vmesh_window_init(struct vmesh_window *w);

/* Is @seq neither there yet nor too far ahead to be remembered? */
bool vmesh_window_wants(const struct vmesh_window *w, u32 seq);

/* @seq has come; it was wanted. */
void vmesh_window_add(struct vmesh_window *w, u32 seq);

/* Is a frame missing before one that has come? */
static inline bool vmesh_window_gap(const struct vmesh_window *w)
{
	return w->high != w->cum;
}

#endif /* VMESH_WINDOW_H */
