// SPDX-License-Identifier: GPL-2.0-only
/* A path's numbers, for a program. Each is read by itself: they are of about one moment. */
#include <linux/errno.h>
#include <linux/ethtool.h>
#include <linux/string.h>
#include <linux/xarray.h>
#include <uapi/linux/virtmesh.h>

#include "mesh.h"
#include "path.h"
#include "stats.h"

static_assert(sizeof(struct virtmesh_stats) == 336);

int vmesh_stats(struct vmesh *m, struct virtmesh_stats *arg)
{
	struct vmesh_path *path;
	u16 node = arg->node;
	unsigned int i;

	/* Whom no group has named has no path, and nothing was sent to it. */
	path = vmesh_path_find(m, node);
	if (!path && (node == vmesh_node(m) || !vmesh_peer_is_member(&m->peers, node)))
		return -EHOSTUNREACH;
	*arg = (struct virtmesh_stats){ .node = node };
	if (!path)
		return 0;
	arg->window = READ_ONCE(path->window);
	arg->pending = max(atomic_read(&path->out), 0);
	arg->rtt_ns = READ_ONCE(path->srtt);
	arg->frames_sent = atomic64_read(&path->frames_sent);
	arg->frames_received = atomic64_read(&path->frames_received);
	arg->bytes_sent = atomic64_read(&path->bytes_sent);
	arg->bytes_received = atomic64_read(&path->bytes_received);
	arg->retransmits = atomic64_read(&path->retransmits);
	arg->timeouts = atomic64_read(&path->timeouts);
	arg->duplicates = atomic64_read(&path->duplicates);
	arg->credit_stalls = atomic64_read(&path->credit_stalls);
	for (i = 0; i < VIRTMESH_LATENCY_BUCKETS; i++)
		arg->latency[i] = atomic64_read(&path->latency[i]);
	return 0;
}

static const struct {
	char name[ETH_GSTRING_LEN];
	size_t at; /* of an atomic64_t in the path */
} totals[VMESH_TOTALS] = {
	{ "transport_frames_sent", offsetof(struct vmesh_path, frames_sent) },
	{ "transport_frames_received", offsetof(struct vmesh_path, frames_received) },
	{ "transport_bytes_sent", offsetof(struct vmesh_path, bytes_sent) },
	{ "transport_bytes_received", offsetof(struct vmesh_path, bytes_received) },
	{ "transport_retransmits", offsetof(struct vmesh_path, retransmits) },
	{ "transport_timeouts", offsetof(struct vmesh_path, timeouts) },
	{ "transport_duplicates", offsetof(struct vmesh_path, duplicates) },
	{ "transport_credit_stalls", offsetof(struct vmesh_path, credit_stalls) },
};

void vmesh_totals_names(u8 *to)
{
	unsigned int i;

	for (i = 0; i < VMESH_TOTALS; i++)
		memcpy(to + i * ETH_GSTRING_LEN, totals[i].name, ETH_GSTRING_LEN);
}

void vmesh_totals(struct vmesh *m, u64 *to)
{
	struct vmesh_path *path;
	unsigned long node;
	unsigned int i;

	memset(to, 0, VMESH_TOTALS * sizeof(*to));
	/* A path stays as long as the device. */
	xa_for_each(&m->groups.paths, node, path)
		for (i = 0; i < VMESH_TOTALS; i++)
			to[i] += atomic64_read((void *)path + totals[i].at);
}
