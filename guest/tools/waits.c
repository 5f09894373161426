// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "waits.h"

int waits_init(struct waits *w, const __u16 *nodes, size_t n)
{
	w->n = n;
	w->node = calloc(n, sizeof(*w->node));
	w->edge = calloc(n * n, sizeof(*w->edge));
	w->waited = calloc(n, sizeof(*w->waited));
	w->root = calloc(n, sizeof(*w->root));
	if (!w->node || !w->edge || !w->waited || !w->root) {
		waits_free(w);
		return -ENOMEM;
	}
	memcpy(w->node, nodes, n * sizeof(*nodes));
	return 0;
}

void waits_free(struct waits *w)
{
	free(w->node);
	free(w->edge);
	free(w->waited);
	free(w->root);
}

int waits_index(const struct waits *w, __u16 node)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->node[i] == node)
			return (int)i;
	return -1;
}

void waits_add(struct waits *w, int from, int to)
{
	w->edge[(size_t)from * w->n + (size_t)to] = true;
	w->waited[to] = true;
}

size_t waits_roots(struct waits *w)
{
	size_t n = w->n, roots = 0;

	/* Warshall: whom each one waits for in the end. Nodes are few. */
	for (size_t k = 0; k < n; k++)
		for (size_t i = 0; i < n; i++)
			for (size_t j = 0; w->edge[i * n + k] && j < n; j++)
				if (w->edge[k * n + j])
					w->edge[i * n + j] = true;

	for (size_t i = 0; i < n; i++) {
		w->root[i] = w->waited[i];
		for (size_t j = 0; j < n; j++)
			if (w->edge[i * n + j] && !w->edge[j * n + i])
				w->root[i] = false;
		roots += w->root[i];
	}
	return roots;
}
