/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ground of the hostile tests: one ensemble of three ports, each with its
 * virtmesh-port. Node 1 is the hostile VM's, nodes 2 and 3 are neighbours that
 * work from the beginning to the end.
 *
 * A program has a table of cases; all run against the same processes, one after
 * the other. What each case must leave behind is looked at here, after each:
 *
 *	the hostile VM's port runs, serves a new front-end, carries its frames,
 *	and holds no descriptor more than before;
 *	or it ended with the status the case allows, and starts anew;
 *	the neighbours' ports never end, and carry frames.
 */
#ifndef VIRTMESH_SELFTESTS_PORT_HOSTILE_H
#define VIRTMESH_SELFTESTS_PORT_HOSTILE_H

#include <stdbool.h>

#include "frontend.h"
#include "plug.h"

#define NODES	  3
#define FRAME_MAX 3380

struct arena {
	struct plug plug[NODES];
	struct fe fe[NODES]; /* [0]: for the case: not connected */
	int fds[NODES]; /* what each holds while no front-end, or one, is connected */
	unsigned int seq;
};

struct hostile_case {
	const char *name;
	int (*run)(struct arena *arena); /* 0, or -1 having said why: need() */
	int exit; /* the status the port may end itself with; 0: it must not */
};

/* In a case: it fails here, unless @cond. */
#define need(cond)                                                        \
	do {                                                              \
		if (!(cond))                                              \
			return hostile_failed(__func__, __LINE__, #cond); \
	} while (0)
/* The same for a call that returns 0 or -errno. */
#define need_ok(call)                                                                    \
	do {                                                                             \
		int need_err = (call);                                                   \
		if (need_err)                                                            \
			return hostile_failed_with(__func__, __LINE__, #call, need_err); \
	} while (0)

int hostile_failed(const char *func, int line, const char *what);
int hostile_failed_with(const char *func, int line, const char *what, int err);

/* Run all @n cases; the program's exit status. TAP. */
int hostile_main(const struct hostile_case *cases, unsigned int n);

/* Connect the hostile front-end, and with fe_start(). */
int hostile_connect(struct arena *arena);
int hostile_start(struct arena *arena);
/* The same, from the beginning, and with nothing posted in the receive ring. */
int hostile_start_bare(struct arena *arena);
/* Close it and connect again. */
int hostile_reconnect(struct arena *arena);
/*
 * The port has done all that was said before: 0. 1: it has cut us off.
 * -ETIMEDOUT. Replies to anything else are thrown away.
 */
int hostile_settle(struct arena *arena);

/* Is @err how a port says no? */
static inline bool hostile_refused(int err)
{
	return err == -EREMOTEIO || err == -ECONNRESET;
}

/* A frame from node @from + 1 to @to + 1, of @len bytes, that names itself by @seq. */
void frame_make(unsigned char *frame, size_t len, unsigned int from, unsigned int to,
		unsigned int seq);
/* From the one to the other, until one has come: 0 or -ETIMEDOUT. */
int hostile_exchange(struct arena *arena, unsigned int from, unsigned int to);

/* @n frames of node 2 to the hostile VM; they may be lost. */
void hostile_frames_to_it(struct arena *arena, unsigned int n);

/* What the port did with something it should not like, in ring @i of the hostile VM. */
enum hostile_verdict {
	V_NOTHING, /* within FE_WAIT_MS */
	V_USED = 1, /* the chain came back: it was dropped, or carried */
	V_BROKEN = 2, /* the ring is broken: said by its error fd */
	V_CUT = 4, /* the connection, or the process, has ended */
};
enum hostile_verdict hostile_verdict(struct arena *arena, unsigned int i);

#endif /* VIRTMESH_SELFTESTS_PORT_HOSTILE_H */
