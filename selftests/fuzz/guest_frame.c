// SPDX-License-Identifier: GPL-2.0-only
/*
 * A frame from the host to the guest's driver: guest/kmod/parse.c, built as user
 * space, in the order in which input.c calls it.
 */
#include <errno.h>
#include <string.h>

#include <virtmesh/frame.h>

#include "../../guest/kmod/parse.h"
#include "fuzz.h"

static void members(const struct vmesh_msg *msg)
{
	struct vmesh_members all;
	struct vmesh_member one;

	if (vmesh_parse_members(msg->payload, msg->len, &all))
		return;
	must(all.epoch);
	must(all.entries + all.count * sizeof(struct vm_member_entry) <= msg->payload + msg->len);
	for (unsigned int i = 0; i < all.count; i++) {
		if (vmesh_parse_member(&all, i, &one))
			continue;
		must(vm_node_valid(one.node) && one.state < VM_NODE_STATES);
	}
	must(vmesh_parse_member(&all, all.count, &one));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct vmesh_welcome welcome;
	struct vmesh_refuse refuse;
	struct vmesh_probe probe;
	struct vmesh_msg msg;
	u16 channel;

	if (!vmesh_is_mesh(data, len) || vmesh_parse(data, len, &msg))
		return 0;
	must(msg.payload == data + VM_PAYLOAD_OFFSET);
	must(msg.len <= len - VM_PAYLOAD_OFFSET);
	switch (msg.type) {
	case VM_F_WELCOME:
		if (!vmesh_parse_welcome(msg.payload, msg.len, &welcome))
			must(welcome.incarnation && welcome.nonce && welcome.mtu >= VM_MTU_MIN);
		break;
	case VM_F_REFUSE:
		if (!vmesh_parse_refuse(msg.payload, msg.len, &refuse))
			must(refuse.reason);
		break;
	case VM_F_MEMBERS:
		members(&msg);
		break;
	case VM_F_PROBE:
		vmesh_parse_probe(msg.payload, msg.len, &probe);
		break;
	case VM_F_DATAGRAM:
		if (!vmesh_parse_datagram(msg.payload, msg.len, &channel))
			must(channel);
		break;
	}
	return 0;
}
