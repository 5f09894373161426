// SPDX-License-Identifier: GPL-2.0-only
/* Ranks as threads, each with a device and a place in the group of all. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fake.h"

#define FIRST_NODE 11

struct thread {
	pthread_t id;
	struct rank rank;
	void (*body)(struct rank *r);
};

void rank_fails(struct rank *r, const char *file, int line, const char *fmt, ...)
{
	size_t n = snprintf(r->error, sizeof(r->error), "rank %d of %d: %s:%d: ", r->rank, r->size,
			    file, line);
	va_list args;

	va_start(args, fmt);
	vsnprintf(r->error + n, sizeof(r->error) - n, fmt, args);
	va_end(args);
}

static void live(struct rank *r, void (*body)(struct rank *r))
{
	uint16_t nodes[VIRTMESH_RANKS_MAX];
	char device[16];
	int i;

	for (i = 0; i < r->size; i++)
		nodes[i] = FIRST_NODE + i;
	snprintf(device, sizeof(device), "%d", FIRST_NODE + r->rank);
	CHECK_EQ(r, vmesh_open_by(&fake_ops, &r->mesh, device), 0);
	CHECK_EQ(r, vmesh_group_create(r->mesh, 3, nodes, r->size, &r->group), 0);
	CHECK_EQ(r, vmesh_group_form(r->group, VMESH_S(20), 0), 0);
	body(r);
}

static void *start(void *arg)
{
	struct thread *t = arg;

	live(&t->rank, t->body);
	vmesh_close(t->rank.mesh);
	return NULL;
}

const char *ranks_run(int size, void (*body)(struct rank *r), const void *arg)
{
	static struct thread threads[VIRTMESH_RANKS_MAX];
	const char *error = "";
	int i;

	fake_reset();
	memset(threads, 0, sizeof(threads));
	for (i = 0; i < size; i++) {
		threads[i].body = body;
		threads[i].rank = (struct rank){ .rank = i, .size = size, .arg = arg };
		if (pthread_create(&threads[i].id, NULL, start, &threads[i]))
			abort();
	}
	for (i = 0; i < size; i++) {
		pthread_join(threads[i].id, NULL);
		if (!error[0] && threads[i].rank.error[0])
			error = threads[i].rank.error;
	}
	/* Whatever a body did: nothing of it is left. */
	if (!error[0] && (fake_buffers() || fake_groups()))
		error = "buffers or groups are left";
	return error;
}
