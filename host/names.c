// SPDX-License-Identifier: GPL-2.0-only
#include "names.h"

static const struct {
	const char *name;
	const char *text;
} drops[] = {
	[VM_DROP_RUNT] = { "runt", "shorter than an Ethernet header" },
	[VM_DROP_OVERSIZE] = { "oversize", "longer than the sender's MTU" },
	[VM_DROP_VLAN] = { "vlan", "carries a VLAN tag" },
	[VM_DROP_NO_PORT] = { "no-port", "came in by an interface that is no port" },
	[VM_DROP_SPOOF] = { "spoof", "source address is not the sender's" },
	[VM_DROP_FOREIGN] = { "foreign", "destination in another ensemble" },
	[VM_DROP_BAD_DEST] = { "bad-dest", "destination is no mesh address" },
	[VM_DROP_NO_NODE] = { "no-node", "destination has no port here" },
	[VM_DROP_SELF] = { "self", "destination is the sender" },
	[VM_DROP_NOT_CONTROL] = { "not-control", "to the broker, but not of the mesh protocol" },
	[VM_DROP_RATE] = { "rate", "to the broker, above the control rate" },
	[VM_DROP_DEST_MTU] = { "dest-mtu", "longer than the receiver's MTU" },
	[VM_DROP_REDIRECT] = { "redirect", "refused by the kernel's redirect" },
	[VM_DROP_LOST_FULL] = { "lost-full", "receiver's ring was full" },
	[VM_DROP_LOST_CLOSED] = { "lost-closed", "nobody has the receiver's interface open" },
	[VM_DROP_LOST_MTU] = { "lost-mtu", "over the MTU of the receiver's interface" },
	[VM_DROP_LOST_OTHER] = { "lost-other", "refused by the receiver's interface" },
	[VM_DROP_LOST_FAULT] = { "lost-fault", "on purpose: virtmesh ensemble faults" },
};
_Static_assert(sizeof(drops) / sizeof(drops[0]) == VM_DROP_REASONS, "a drop reason has no name");

static const char *const states[] = {
	[VM_NODE_ABSENT] = "absent",
	[VM_NODE_UP] = "up",
	[VM_NODE_STALLED] = "stalled",
	[VM_NODE_DOWN] = "down",
};
_Static_assert(sizeof(states) / sizeof(states[0]) == VM_NODE_STATES, "a node state has no name");

const char *vm_drop_name(unsigned int reason)
{
	return reason < VM_DROP_REASONS ? drops[reason].name : "unknown";
}

const char *vm_drop_text(unsigned int reason)
{
	return reason < VM_DROP_REASONS ? drops[reason].text :
					  "a reason this version does not know";
}

const char *vm_node_state_name(unsigned int state)
{
	return state < VM_NODE_STATES ? states[state] : "unknown";
}
