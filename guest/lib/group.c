// SPDX-License-Identifier: LGPL-2.1-or-later
/* Groups: made, formed, left; and the one that `mesh run` describes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "lib.h"

int vmesh_group_make(struct vmesh *m, uint32_t id, const uint16_t *nodes, unsigned int count,
		     struct vmesh_group **group)
{
	struct virtmesh_group_create arg = {
		.nodes = (uintptr_t)nodes,
		.id = id,
		.count = count,
	};
	struct vmesh_group *g;
	int err;

	*group = NULL;
	if (!count || count > VIRTMESH_RANKS_MAX)
		return -EINVAL;
	g = calloc(1, sizeof(*g));
	if (!g)
		return -ENOMEM;
	err = m->ops->ioctl(m->fd, VIRTMESH_IOC_GROUP_CREATE, &arg);
	if (err) {
		free(g);
		return err;
	}
	g->mesh = m;
	g->timeout_ns = DEFAULT_TIMEOUT_NS;
	g->handle = arg.group;
	g->id = id;
	g->rank = arg.rank;
	g->size = count;
	memcpy(g->nodes, nodes, count * sizeof(*nodes));
	pthread_mutex_lock(&m->lock);
	g->next = m->groups;
	m->groups = g;
	pthread_mutex_unlock(&m->lock);
	*group = g;
	return 0;
}

int vmesh_group_create(struct vmesh *m, uint32_t id, const uint16_t *nodes, unsigned int count,
		       struct vmesh_group **group)
{
	*group = NULL;
	return id < VMESH_ID_DERIVED ? vmesh_group_make(m, id, nodes, count, group) : -EINVAL;
}

int vmesh_group_form(struct vmesh_group *g, uint64_t timeout_ns, unsigned int flags)
{
	struct virtmesh_group_form arg = {
		.timeout_ns = deadline_or_default(g, timeout_ns),
		.group = g->handle,
		.flags = flags & VMESH_SURVIVORS ? VIRTMESH_FORM_SURVIVORS : 0,
	};
	uint64_t since;
	int err;

	if (flags & ~VMESH_SURVIVORS)
		return -EINVAL;
	since = now_ns();
	err = g->mesh->ops->ioctl(g->mesh->fd, VIRTMESH_IOC_GROUP_FORM, &arg);
	if (err) {
		vmesh_failed_form(g, err, &arg, now_ns() - since);
		return err;
	}
	pthread_mutex_lock(&g->mesh->lock);
	g->members = arg.members;
	memset(&g->failure, 0, sizeof(g->failure));
	pthread_mutex_unlock(&g->mesh->lock);
	/* What is derived from it is counted anew by all members, newcomers too. */
	g->derived = 0;
	return 0;
}

void vmesh_group_leave(struct vmesh_group *g)
{
	struct virtmesh_group_leave arg = { .group = g->handle };
	struct vmesh *m = g->mesh;
	struct vmesh_group **p;
	struct vmesh_req *req;

	m->ops->ioctl(m->fd, VIRTMESH_IOC_GROUP_LEAVE, &arg);
	pthread_mutex_lock(&m->lock);
	for (p = &m->groups; *p && *p != g; p = &(*p)->next)
		;
	if (*p)
		*p = g->next;
	/* Their ends are still to be taken. */
	for (req = m->reqs; req; req = req->next)
		if (req->group == g)
			req->group = NULL;
	pthread_mutex_unlock(&m->lock);
	vmesh_buf_free(g->scratch);
	free(g);
}

int vmesh_group_scratch(struct vmesh_group *g, size_t size, void **mem)
{
	size_t now = g->scratch ? vmesh_buf_size(g->scratch) : 4096;

	if (!g->scratch || now < size) {
		/* Doubled, so that growing sizes do not allocate each time. */
		while (now < size)
			now *= 2;
		vmesh_buf_free(g->scratch);
		int err = vmesh_buf_alloc(g->mesh, now, &g->scratch);

		if (err)
			return err;
	}
	*mem = vmesh_buf_addr(g->scratch);
	return 0;
}

int vmesh_group_rank(const struct vmesh_group *g)
{
	return g->rank;
}

int vmesh_group_size(const struct vmesh_group *g)
{
	return g->size;
}

uint32_t vmesh_group_id(const struct vmesh_group *g)
{
	return g->id;
}

int vmesh_group_node(const struct vmesh_group *g, unsigned int rank)
{
	return rank < g->size ? g->nodes[rank] : -EINVAL;
}

uint64_t vmesh_group_members(const struct vmesh_group *g)
{
	uint64_t members;

	pthread_mutex_lock(&g->mesh->lock);
	members = g->members;
	pthread_mutex_unlock(&g->mesh->lock);
	return members;
}

void vmesh_group_set_timeout(struct vmesh_group *g, uint64_t timeout_ns)
{
	g->timeout_ns = timeout_ns ? timeout_ns : DEFAULT_TIMEOUT_NS;
}

/* A number of the environment: -ENOENT: not set; -EINVAL: something else. */
static long env_number(const char *name, long max)
{
	const char *s = getenv(name);
	char *end;
	long n;

	if (!s || !*s)
		return -ENOENT;
	errno = 0;
	n = strtol(s, &end, 10);
	return errno || *end || n < 0 || n > max ? -EINVAL : n;
}

/* "1,2,4" into nodes; how many, or -EINVAL. */
static int parse_nodes(const char *s, uint16_t *nodes)
{
	unsigned int count = 0;

	for (;;) {
		char *end;
		unsigned long n = strtoul(s, &end, 10);

		if (end == s || !n || n > UINT16_MAX || count == VIRTMESH_RANKS_MAX)
			return -EINVAL;
		nodes[count++] = n;
		if (!*end)
			return count;
		if (*end != ',')
			return -EINVAL;
		s = end + 1;
	}
}

/* Is this the node of @rank? */
static int check_place(struct vmesh *m, long rank, const uint16_t *nodes, int count)
{
	struct vmesh_info info;
	int err;

	if (rank >= count)
		return -EINVAL;
	err = vmesh_get_info(m, &info);
	if (err || info.node == nodes[rank])
		return err;
	vmesh_failed_place(rank, nodes[rank], info.node);
	return -EINVAL;
}

int vmesh_world(struct vmesh *m, uint64_t timeout_ns, struct vmesh_group **group)
{
	const char *list = getenv("VIRTMESH_NODES");
	long rank = env_number("VIRTMESH_RANK", VIRTMESH_RANKS_MAX - 1);
	long size = env_number("VIRTMESH_SIZE", VIRTMESH_RANKS_MAX);
	long id = env_number("VIRTMESH_GROUP", VMESH_ID_DERIVED - 1);
	uint16_t nodes[VIRTMESH_RANKS_MAX];
	struct vmesh_group *g;
	int count, err;

	*group = NULL;
	if (!list || !*list)
		return -ENOENT;
	count = parse_nodes(list, nodes);
	if (count < 0 || rank == -EINVAL || size == -EINVAL || id == -EINVAL)
		return -EINVAL;
	if (size != -ENOENT && size != count)
		return -EINVAL;
	err = rank == -ENOENT ? 0 : check_place(m, rank, nodes, count);
	if (!err)
		err = vmesh_group_make(m, id == -ENOENT ? 1 : id, nodes, count, &g);
	if (err)
		return err;
	err = vmesh_group_form(g, timeout_ns, 0);
	if (err) {
		vmesh_group_leave(g);
		return err;
	}
	*group = g;
	return 0;
}
