/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A mesh within one process: the driver's ioctls for libvirtmesh's seam, and ranks
 * as threads. Opening "N" opens the device of node N. What it promises is what
 * include/uapi/linux/virtmesh.h says; there are no frames and no time passes but
 * at deadlines.
 */
#ifndef FAKE_H
#define FAKE_H

#include "../../guest/lib/lib.h"

extern const struct vmesh_ops fake_ops;

/* Everything that was is forgotten. No file may be open. */
void fake_reset(void);

/* So many of the next waits, of whichever file, are ended by a signal. */
void fake_interrupt(unsigned int waits);
/* The next operation posted with this opcode is refused with -errno; -1: the next derived group. */
void fake_refuse(int opcode, int err);
/* System calls that posted or waited since fake_reset(). */
unsigned int fake_submits(void);
/* Handles that are still there. */
unsigned int fake_buffers(void);
unsigned int fake_groups(void);

struct rank {
	struct vmesh *mesh;
	struct vmesh_group *group; /* of nodes 11, 12, .., formed */
	int rank;
	int size;
	const void *arg;
	char error[512]; /* empty: it went well */
};

/*
 * Run `body` on so many ranks at once. Returns the first rank's error, or an
 * empty text. Valid until the next call.
 */
const char *ranks_run(int size, void (*body)(struct rank *r), const void *arg);

/* Within a body: ends it. */
void rank_fails(struct rank *r, const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#define CHECK(r, cond)                                                  \
	do {                                                            \
		if (!(cond)) {                                          \
			rank_fails(r, __FILE__, __LINE__, "%s", #cond); \
			return;                                         \
		}                                                       \
	} while (0)

#define CHECK_EQ(r, got, want)                                                                \
	do {                                                                                  \
		long long got_ = (got), want_ = (want);                                       \
		if (got_ != want_) {                                                          \
			rank_fails(r, __FILE__, __LINE__, "%s is %lld, not %lld", #got, got_, \
				   want_);                                                    \
			return;                                                               \
		}                                                                             \
	} while (0)

#endif /* FAKE_H */
