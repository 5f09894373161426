// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mesh protocol's receive path. The host has seen to it that a frame's
 * source is its sender's own address and of our ensemble; that is held against
 * our own address once more, because the host's programs may be replaced while
 * we run. What only the broker may say is taken from node 0 only; everything
 * else from members only, and from their present life.
 */
#include <linux/etherdevice.h>
#include <virtmesh/frame.h>

#include "mesh.h"
#include "parse.h"

/* Which node is it from, and was it for us? The node, or -1. */
static int vmesh_check_addresses(struct vmesh *m, const struct vmesh_msg *msg, bool *group)
{
	u8 all[ETH_ALEN];
	u32 src = vm_mac_to_addr(msg->src);

	vm_addr_to_mac(vm_addr(vmesh_ensemble(m), VM_NODE_ALL), all);
	*group = ether_addr_equal_unaligned(msg->dst, all);
	if (!*group && !ether_addr_equal_unaligned(msg->dst, m->dev.mac))
		return -1;
	if (!vm_mac_is_node(msg->src) || vm_addr_ensemble(src) != vmesh_ensemble(m))
		return -1;
	if (vm_addr_node(src) == vmesh_node(m) || vm_addr_node(src) > VM_NODE_MAX)
		return -1;
	return vm_addr_node(src);
}

static void vmesh_from_broker(struct vmesh *m, const struct vmesh_msg *msg,
			      const struct vmesh_frame *frame)
{
	switch (msg->type) {
	case VM_F_WELCOME:
	case VM_F_REFUSE:
	case VM_F_MEMBERS:
		vmesh_join_input(m, frame);
		break;
	case VM_F_PROBE:
		vmesh_alive_answer(m, msg);
		break;
	default:
		vmesh_count(&m->dev, rx_unknown_type);
	}
}

/* From a member. True: the frame's page was taken. */
static bool vmesh_from_node(struct vmesh *m, u16 node, bool group, const struct vmesh_msg *msg,
			    const struct vmesh_frame *frame)
{
	switch (msg->type) {
	case VM_F_ECHO:
	case VM_F_ECHO_REPLY:
	case VM_F_DATAGRAM:
	case VM_F_GROUP:
	case VM_F_DATA:
	case VM_F_ACK:
	case VM_F_PENDING:
	case VM_F_PENDING_REPLY:
		break;
	case VM_F_WELCOME:
	case VM_F_REFUSE:
	case VM_F_MEMBERS:
	case VM_F_PROBE:
		vmesh_count(&m->dev, rx_forged);
		return false;
	default:
		vmesh_count(&m->dev, rx_unknown_type);
		return false;
	}

	switch (vmesh_peer_accept(&m->peers, node, msg->incarnation)) {
	case 0:
		break;
	case -ESTALE:
		vmesh_count(&m->dev, rx_stale);
		return false;
	default:
		vmesh_count(&m->dev, rx_not_member);
		return false;
	}

	switch (msg->type) {
	case VM_F_GROUP:
	case VM_F_DATA:
	case VM_F_ACK:
		return vmesh_groups_input(m, node, group, msg, frame);
	case VM_F_DATAGRAM:
		vmesh_datagram(m, node, group, msg);
		return false;
	}
	/* One question must not have a thousand answers. */
	if (group)
		vmesh_count(&m->dev, rx_malformed);
	else if (msg->type == VM_F_ECHO)
		vmesh_echo_answer(m, node, msg);
	else if (msg->type == VM_F_ECHO_REPLY)
		vmesh_echo_reply(m, node, msg);
	else if (msg->type == VM_F_PENDING)
		vmesh_pending_answer(m, node, msg);
	else
		vmesh_pending_reply(m, node, msg);
	return false;
}

bool vmesh_input(struct vmesh *m, const struct vmesh_frame *frame)
{
	struct vmesh_msg msg;
	bool group;
	int node;

	vmesh_count(&m->dev, rx_mesh_frames);
	switch (vmesh_parse(frame->data, frame->len, &msg)) {
	case 0:
		break;
	case -EPROTONOSUPPORT:
		vmesh_count(&m->dev, rx_version);
		return false;
	default:
		vmesh_count(&m->dev, rx_malformed);
		return false;
	}
	node = vmesh_check_addresses(m, &msg, &group);
	if (node > VM_NODE_BROKER)
		return vmesh_from_node(m, node, group, &msg, frame);
	if (node < 0)
		vmesh_count(&m->dev, rx_foreign);
	else
		vmesh_from_broker(m, &msg, frame);
	return false;
}
