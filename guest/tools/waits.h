/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who waits for whom: a graph over the nodes of an ensemble.
 */
#ifndef VIRTMESH_MESH_WAITS_H
#define VIRTMESH_MESH_WAITS_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/types.h>

struct waits {
	size_t n;
	__u16 *node;
	/* [from * n + to]: waits for it; after waits_roots(), for it or for who waits for it .. */
	bool *edge;
	bool *waited; /* somebody waits for it */
	bool *root;
};

/* 0 or -ENOMEM. Then waits_free(). */
int waits_init(struct waits *w, const __u16 *nodes, size_t n);
void waits_free(struct waits *w);

/* -1 when it is none of them. */
int waits_index(const struct waits *w, __u16 node);
void waits_add(struct waits *w, int from, int to);

/*
 * Set @root: nodes that are waited for, and wait for nobody, or for nobody who does
 * not wait for them in turn. Whatever waits, waits for one of these in the end.
 * Returns how many there are.
 */
size_t waits_roots(struct waits *w);

#endif /* VIRTMESH_MESH_WAITS_H */
