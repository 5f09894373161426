// SPDX-License-Identifier: GPL-2.0-only
/*
 * A reader that is faster than the writer is always at the frame being written: the
 * slot of the tap's queue, the frame's page and its count go from CPU to CPU and back
 * for each, and the writer waits for them. Seen between two guests, 10 to 19 % of the
 * writer's rate; between bare taps, where the reader has a CPU for itself, a third.
 * So in a flood the tap, once empty, is left alone until a few dozen frames are there.
 * What that adds to a frame's time is less than what lies before it in a queue in a
 * flood; half a million frames a second is nothing that waits for answers.
 *
 * Frames are counted by the hundred, so a burst is no flood. It ends with the first
 * rest in which few came, so the answers that follow do not wait.
 */
#include "flood.h"

bool vm_flood_batch(struct vm_flood *f, unsigned int frames)
{
	if (f->rested && frames < VM_FLOOD_LEAST)
		f->on = false;
	f->rested = false;
	f->frames += frames;
	return f->on || f->frames >= VM_FLOOD_FRAMES;
}

void vm_flood_look(struct vm_flood *f, bool empty, __u64 now)
{
	if (f->frames >= VM_FLOOD_FRAMES) {
		f->on = now - f->since <= VM_FLOOD_WITHIN_NS;
		f->frames = 0;
		f->since = now;
	}
	if (f->on && empty)
		f->until = now + VM_FLOOD_REST_NS;
}

bool vm_flood_rested(struct vm_flood *f, __u64 now)
{
	if (now < f->until)
		return false;
	f->until = 0;
	f->rested = true;
	return true;
}
