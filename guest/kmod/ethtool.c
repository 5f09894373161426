// SPDX-License-Identifier: GPL-2.0-only
/* What ethtool shows of mesh0: -i, -S, -l, -g; and -G where the device can reset a ring. */
#include <linux/ethtool.h>
#include <linux/netdevice.h>
#include <linux/string.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <virtmesh/version.h>

#include "mesh.h"
#include "netdev.h"
#include "queue.h"
#include "stats.h"

static const char vmesh_counter_names[VMESH_CNT_MAX][ETH_GSTRING_LEN] = {
	[VMESH_CNT_rx_ring_frames] = "rx_ring_frames",
	[VMESH_CNT_rx_bad_len] = "rx_bad_len",
	[VMESH_CNT_rx_refill_failed] = "rx_refill_failed",
	[VMESH_CNT_tx_ring_frames] = "tx_ring_frames",
	[VMESH_CNT_tx_kicks] = "tx_kicks",
	[VMESH_CNT_tx_ring_full] = "tx_ring_full",
	[VMESH_CNT_tx_failed] = "tx_failed",
	[VMESH_CNT_rx_mesh_frames] = "rx_mesh_frames",
	[VMESH_CNT_rx_version] = "rx_version",
	[VMESH_CNT_rx_malformed] = "rx_malformed",
	[VMESH_CNT_rx_unknown_type] = "rx_unknown_type",
	[VMESH_CNT_rx_foreign] = "rx_foreign",
	[VMESH_CNT_rx_forged] = "rx_forged",
	[VMESH_CNT_rx_stale] = "rx_stale",
	[VMESH_CNT_rx_not_member] = "rx_not_member",
	[VMESH_CNT_rx_control_dropped] = "rx_control_dropped",
	[VMESH_CNT_rx_no_memory] = "rx_no_memory",
	[VMESH_CNT_hellos_sent] = "hellos_sent",
	[VMESH_CNT_syncs_sent] = "syncs_sent",
	[VMESH_CNT_probes] = "probes",
	[VMESH_CNT_alives_sent] = "alives_sent",
	[VMESH_CNT_alives_dropped] = "alives_dropped",
	[VMESH_CNT_snapshots] = "snapshots",
	[VMESH_CNT_changes] = "changes",
	[VMESH_CNT_echoes_answered] = "echoes_answered",
	[VMESH_CNT_echoes_dropped] = "echoes_dropped",
	[VMESH_CNT_echo_replies] = "echo_replies",
	[VMESH_CNT_echo_replies_late] = "echo_replies_late",
	[VMESH_CNT_acks_sent] = "acks_sent",
	[VMESH_CNT_rx_no_group] = "rx_no_group",
	[VMESH_CNT_rx_fenced] = "rx_fenced",
	[VMESH_CNT_rx_mismatch] = "rx_mismatch",
	[VMESH_CNT_rx_no_parking] = "rx_no_parking",
	[VMESH_CNT_pendings_answered] = "pendings_answered",
	[VMESH_CNT_pendings_dropped] = "pendings_dropped",
	[VMESH_CNT_pending_replies] = "pending_replies",
	[VMESH_CNT_pending_replies_late] = "pending_replies_late",
	[VMESH_CNT_dgrams_received] = "dgrams_received",
	[VMESH_CNT_dgrams_no_channel] = "dgrams_no_channel",
	[VMESH_CNT_dgrams_queue_full] = "dgrams_queue_full",
	[VMESH_CNT_dgrams_sent] = "dgrams_sent",
	[VMESH_CNT_tx_refused] = "tx_refused",
};

static void vmesh_get_drvinfo(struct net_device *netdev, struct ethtool_drvinfo *info)
{
	struct virtio_device *vdev = vmesh_of_netdev(netdev)->dev.vdev;

	strscpy(info->driver, KBUILD_MODNAME, sizeof(info->driver));
	strscpy(info->version, VM_VERSION, sizeof(info->version));
	strscpy(info->bus_info, virtio_bus_name(vdev), sizeof(info->bus_info));
}

static int vmesh_get_sset_count(struct net_device *netdev, int sset)
{
	return sset == ETH_SS_STATS ? VMESH_CNT_MAX + VMESH_TOTALS : -EOPNOTSUPP;
}

static void vmesh_get_strings(struct net_device *netdev, u32 sset, u8 *data)
{
	if (sset != ETH_SS_STATS)
		return;
	memcpy(data, vmesh_counter_names, sizeof(vmesh_counter_names));
	vmesh_totals_names(data + sizeof(vmesh_counter_names));
}

static void vmesh_get_stats(struct net_device *netdev, struct ethtool_stats *stats, u64 *data)
{
	struct vmesh *m = vmesh_of_netdev(netdev);
	const struct vmesh_counters *c;
	int cpu, i;

	memset(data, 0, VMESH_CNT_MAX * sizeof(*data));
	for_each_possible_cpu(cpu) {
		c = per_cpu_ptr(m->dev.counters, cpu);
		for (i = 0; i < VMESH_CNT_MAX; i++)
			data[i] += READ_ONCE(c->v[i]);
	}
	vmesh_totals(m, data + VMESH_CNT_MAX);
}

static void vmesh_get_channels(struct net_device *netdev, struct ethtool_channels *ch)
{
	ch->max_combined = 1;
	ch->combined_count = 1;
}

static void vmesh_get_ringparam(struct net_device *netdev, struct ethtool_ringparam *ring,
				struct kernel_ethtool_ringparam *kernel_ring,
				struct netlink_ext_ack *extack)
{
	struct vmesh_dev *d = &vmesh_of_netdev(netdev)->dev;

	if (!d->rings)
		return;
	ring->rx_max_pending = d->rx.vq->num_max;
	ring->tx_max_pending = d->tx.vq->num_max;
	ring->rx_pending = virtqueue_get_vring_size(d->rx.vq);
	ring->tx_pending = virtqueue_get_vring_size(d->tx.vq);
}

static int vmesh_set_ringparam(struct net_device *netdev, struct ethtool_ringparam *ring,
			       struct kernel_ethtool_ringparam *kernel_ring,
			       struct netlink_ext_ack *extack)
{
	struct vmesh_dev *d = &vmesh_of_netdev(netdev)->dev;

	if (!d->rings)
		return -ENETDOWN;
	if (ring->rx_mini_pending || ring->rx_jumbo_pending)
		return -EINVAL;
	return vmesh_queues_resize(d, ring->rx_pending, ring->tx_pending);
}

static const struct ethtool_ops vmesh_ethtool_ops = {
	.get_drvinfo = vmesh_get_drvinfo,
	.get_link = ethtool_op_get_link,
	.get_ts_info = ethtool_op_get_ts_info,
	.get_sset_count = vmesh_get_sset_count,
	.get_strings = vmesh_get_strings,
	.get_ethtool_stats = vmesh_get_stats,
	.get_channels = vmesh_get_channels,
	.get_ringparam = vmesh_get_ringparam,
	.set_ringparam = vmesh_set_ringparam,
};

void vmesh_ethtool_init(struct net_device *netdev)
{
	netdev->ethtool_ops = &vmesh_ethtool_ops;
}
