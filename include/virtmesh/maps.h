/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The steering state of a host: BPF maps pinned under VM_PIN_DIR. This header
 * and "Pinned layout" in ARCHITECTURE.md are the protocol between the BPF
 * programs, the virtmesh command and the broker; other programs may speak it.
 *
 *	name		type		key		value
 *	meta		ARRAY[1]	0		struct vm_meta
 *	ports		HASH		ifindex		struct vm_port
 *	nodes		HASH		vm_addr()	struct vm_dest
 *	port_index	ARRAY		vm_port_hint()	struct vm_port_hint
 *	node_index	ARRAY		vm_node_hint()	struct vm_node_hint
 *	taps		DEVMAP		slot		ifindex
 *	ensembles	HASH		ensemble	struct vm_ensemble
 *	groups		HASH_OF_MAPS	ensemble	DEVMAP_HASH: slot -> ifindex
 *	members		HASH		vm_addr()	struct vm_member
 *	epochs		HASH		ensemble	__u32
 *	counters	PERCPU_ARRAY	slot		struct vm_counters
 *	limits		ARRAY		slot		struct vm_limits
 *	faults		HASH		ensemble	struct vm_faults
 *	fault_batch	PERCPU_ARRAY[1]	0		__u32: the programs' own
 *	events		RINGBUF		-		struct vm_event
 *
 * Writers: the command writes everything but `members` and `epochs`, under an
 * exclusive flock on VM_PIN_DIR; the broker alone writes those two, and forgets
 * in them what the command took away; the BPF programs write counters, limits,
 * events, and vm_faults.frames. A port is complete when its entry in `ports` is there: it is
 * written last and deleted first.
 * All numbers are in host byte order.
 */
#ifndef VIRTMESH_MAPS_H
#define VIRTMESH_MAPS_H

#include <virtmesh/types.h>

#define VM_PIN_DIR   "/sys/fs/bpf/virtmesh"
#define VM_MAPS_ABI  2
#define VM_BROKER_IF "vmesh0" /* the tap of node 0 */

#define VM_SLOT_BROKER	 0 /* slot of vmesh0 */
#define VM_SLOT_NONE	 1 /* counts for frames that came in by no known port */
#define VM_SLOT_FIRST	 2
#define VM_PORTS_MAX	 1024 /* slots of one host */
#define VM_ENSEMBLES_MAX 256 /* ensembles with a port on one host */
#define VM_EVENTS_BYTES	 65536

/* Control frames a port may send to the broker: a burst, then so many a second. */
#define VM_CONTROL_BURST 64
#define VM_CONTROL_RATE	 100

struct vm_meta {
	__u32 abi; /* VM_MAPS_ABI */
	__u32 broker_ifindex; /* of vmesh0 */
	__u64 netns_cookie; /* the network namespace all ifindexes are of */
	__u64 created_ns; /* CLOCK_REALTIME */
};
VM_ASSERT_SIZE(struct vm_meta, 24);

enum vm_port_flags {
	VM_PORT_BROKER = 1 << 0, /* vmesh0: may speak for node 0 of every ensemble */
	VM_PORT_OWNED = 1 << 1, /* the command made the interface and removes it */
	VM_PORT_DISPATCHER = 1 << 2, /* attached through libxdp's dispatcher */
	VM_PORT_GENERIC = 1 << 3, /* attached in skb mode */
	VM_PORT_VHOST_USER = 1 << 4, /* virtmesh-port serves its tap to the VM, not the VMM */
	VM_PORT_FAULTS = 1 << 5, /* frames meet what `faults` has of its ensemble */
	VM_PORT_THROUGH = 1 << 6, /* no node's, and may speak for each node of an ensemble */
	/* What "attach" changed on somebody else's interface, and "detach" puts back: */
	VM_PORT_PEER_GRO = 1 << 8, /* GRO on at a veth's peer */
	VM_PORT_PEER_CSUM = 1 << 9, /* transmit checksums off there */
	VM_PORT_RING = 1 << 10, /* the tap's ring raised from the kernel's default */
};

struct vm_port {
	__u32 addr; /* vm_addr(); 0 for the broker's port and VM_PORT_THROUGH */
	__u16 slot; /* index into taps, counters, limits */
	__u16 mtu; /* without the Ethernet header */
	__u32 flags; /* enum vm_port_flags */
	__u32 prog_id; /* the program that was attached; under the dispatcher, one of those it calls */
	__u64 tx_dropped; /* of the interface when it was attached: the skb path's base */
	__u64 added_ns; /* CLOCK_REALTIME */
};
VM_ASSERT_SIZE(struct vm_port, 32);

/*
 * Copies of what a frame needs of `ports` and `nodes`, in arrays, since an array
 * is looked up in a tenth of the time a hash takes (2 against 25 ns). Only
 * hints: an entry whose key is not the one looked for counts as empty, and the
 * hash is asked. So two keys that meet in one place cost time, nothing else;
 * the writer leaves an entry of another key alone. It writes a hint after the
 * hash's entry and, since a stale one would be believed, zeroes it before.
 */
struct vm_port_hint {
	__u32 ifindex; /* the key; 0: empty */
	__u32 addr;
	__u16 slot;
	__u16 mtu;
	__u32 flags;
};
VM_ASSERT_SIZE(struct vm_port_hint, 16);

struct vm_node_hint {
	__u32 addr; /* the key; 0: empty */
	__u16 slot;
	__u16 mtu;
};
VM_ASSERT_SIZE(struct vm_node_hint, 8);

#define VM_PORT_HINTS 4096 /* powers of two */
#define VM_NODE_HINTS 16384

/* Kernels number interfaces upwards: those of one mesh rarely meet. */
static inline __u32 vm_port_hint(__u32 ifindex)
{
	return ifindex % VM_PORT_HINTS;
}

/*
 * Ensembles start at multiples of the golden section of the array, which lie as
 * far apart as that many can: where nodes are numbered from 1 they do not meet.
 */
static inline __u32 vm_node_hint(__u32 addr)
{
	return (vm_addr_node(addr) + vm_addr_ensemble(addr) * 10126u) % VM_NODE_HINTS;
}

/* Where unicast goes. The broker is not in here: every ensemble has it, in slot 0. */
struct vm_dest {
	__u16 slot;
	__u16 mtu;
	__u32 ifindex;
};
VM_ASSERT_SIZE(struct vm_dest, 8);

struct vm_ensemble {
	__u32 reserved;
	__u16 members; /* ports of it on this host */
	__u16 mtu; /* the smallest of theirs: what a group frame may have */
	__u64 created_ns; /* CLOCK_REALTIME */
};
VM_ASSERT_SIZE(struct vm_ensemble, 16);

/* What must outlive the broker of a node that has joined once. */
struct vm_member {
	__u32 incarnation;
	__u8 state; /* enum vm_node_state */
	__u8 reserved;
	__u16 mtu; /* the guest's */
	__u32 caps;
	__u32 port; /* low half of its port's added_ns: tells a port from the one before it */
	__u64 nonce; /* of its last HELLO */
	__u64 since_ns; /* CLOCK_REALTIME of the last change of state */
};
VM_ASSERT_SIZE(struct vm_member, 32);

/*
 * Why a frame went no further. The first group is the steering program's and
 * is counted at the port the frame came in by; LOST_* are what the kernel's
 * redirect dropped afterwards, counted at the port the frame was for.
 */
enum vm_drop {
	VM_DROP_RUNT, /* shorter than an Ethernet header */
	VM_DROP_OVERSIZE, /* longer than the ingress port's MTU */
	VM_DROP_VLAN, /* tagged */
	VM_DROP_NO_PORT, /* the interface is in no map: attached half-way, or left over */
	VM_DROP_SPOOF, /* the source address is not the port's */
	VM_DROP_FOREIGN, /* destination in another ensemble */
	VM_DROP_BAD_DEST, /* destination is no mesh address */
	VM_DROP_NO_NODE, /* destination has no port here */
	VM_DROP_SELF, /* destination is the sender */
	VM_DROP_NOT_CONTROL, /* to node 0, but not of the mesh protocol */
	VM_DROP_RATE, /* to node 0, above the port's control rate */
	VM_DROP_DEST_MTU, /* longer than the destination, or one of the group, takes */
	VM_DROP_REDIRECT, /* the kernel refused the redirect outright */
	VM_DROP_LOST_FULL, /* the target's ring was full */
	VM_DROP_LOST_CLOSED, /* nobody holds the target open; or it is down, or takes no redirects */
	VM_DROP_LOST_MTU, /* over the target's MTU as the kernel saw it */
	VM_DROP_LOST_OTHER, /* any other refusal of the target */
	VM_DROP_LOST_FAULT, /* lost on purpose: struct vm_faults */
	VM_DROP_REASONS
};

#define VM_DROP_LOST_FIRST VM_DROP_LOST_FULL

/* Per port and CPU. "rx" is from the port into the mesh, "tx" from the mesh to it. */
struct vm_counters {
	__u64 rx_frames; /* all that came in, dropped or not */
	__u64 rx_bytes;
	__u64 tx_frames; /* handed to the target; less LOST_*, that is what it got */
	__u64 tx_bytes;
	__u64 drops[VM_DROP_REASONS];
};
VM_ASSERT_SIZE(struct vm_counters, 8 * (4 + 18));

/* Written by the BPF programs only, with atomics: a port may be served by several CPUs. */
struct vm_limits {
	__u64 control_tat; /* GCRA: when the next control frame is due, ns of bpf_ktime_get_ns() */
	__u64 event_next[VM_DROP_REASONS]; /* no event of this reason before that time */
};
VM_ASSERT_SIZE(struct vm_limits, 8 * (1 + 18));

/*
 * Faults, for tests of what must survive them: frames of the mesh protocol from
 * node to node of one ensemble get lost, or make a detour. Each port of the
 * ensemble has VM_PORT_FAULTS then, so that others pay nothing for it.
 *
 * A detour leads out by the port with VM_PORT_THROUGH. Whoever holds its other
 * end writes back what shall arrive, when and as often as it likes: to one node,
 * or as that node's copy of a group frame, which has the group's address with
 * the node in place of VM_NODE_ALL. The program puts that back.
 */
struct vm_faults {
	__u64 seed;
	__u64 frames; /* so many were decided about, of a group frame each clone */
	__u32 loss; /* of a million */
	__u32 ifindex; /* of the detour; 0: none, and `loss` counts */
	__u16 slot; /* its */
	__u16 reserved[3];
	__u64 since_ns; /* CLOCK_REALTIME */
};
VM_ASSERT_SIZE(struct vm_faults, 40);

#define VM_FAULT_SCALE 1000000

/*
 * Does fault number @n of @seed, from 0, happen, where @rate of VM_FAULT_SCALE
 * do? The generator is SplitMix64 (Steele, Lea, Flood, 2014), which needs no
 * state but the number: the same frames in the same order meet the same faults,
 * whatever CPUs they come by.
 */
static inline int vm_fault_hits(__u64 seed, __u64 n, __u32 rate)
{
	__u64 z = seed + (n + 1) * 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	z ^= z >> 31;
	return ((z >> 32) * VM_FAULT_SCALE) >> 32 < rate;
}

/* One dropped frame, at most one a second for each port and reason. */
struct vm_event {
	__u64 ktime_ns; /* CLOCK_MONOTONIC */
	__u32 ifindex; /* ingress; for LOST_* the target */
	__u16 reason; /* enum vm_drop */
	__u16 ethertype;
	__u32 len; /* of the frame; 0 for LOST_* */
	__u8 dst[VM_MAC_LEN];
	__u8 src[VM_MAC_LEN];
};
VM_ASSERT_SIZE(struct vm_event, 32);

#endif /* VIRTMESH_MAPS_H */
