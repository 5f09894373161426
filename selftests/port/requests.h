/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of requests have in common: they stand on the ground of the hostile
 * tests, so after each case the port serves a new front-end, carries frames, and
 * holds no descriptor more. Nothing here owns anything; use it in a case.
 */
#ifndef VIRTMESH_SELFTESTS_PORT_REQUESTS_H
#define VIRTMESH_SELFTESTS_PORT_REQUESTS_H

#include <errno.h>

#include "hostile.h"

#define SLOTS 32 /* for memory: what GET_MAX_MEM_SLOTS says */

/* clang-format off */
#define CASE(name) { #name, name }
/* clang-format on */

/* Refused, and the connection is still there. */
#define need_no(call) need((call) == -EREMOTEIO)

/* A frame each way between the hostile VM, started, and node 2: 0, or -1 having said why. */
static inline int exchange(struct arena *arena)
{
	need_ok(hostile_exchange(arena, 0, 1));
	need_ok(hostile_exchange(arena, 1, 0));
	return 0;
}

#endif /* VIRTMESH_SELFTESTS_PORT_REQUESTS_H */
