/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The wire: what stands in a frame of EtherType 0x88b5 behind its Ethernet
 * header. Guests and the broker read and write these; the steering programs
 * never look past the Ethernet header.
 *
 *	| Ethernet 14 | struct vm_hdr 16 | payload (hdr.len bytes) | padding |
 *
 * All fields are big endian. Reserved fields are sent as zero and ignored.
 * A receiver drops, and counts, a frame whose version it does not speak,
 * whose hdr.len passes the end of the frame, or whose payload is shorter than
 * its type demands. A payload may be longer than the receiver knows: later
 * minor versions append fields.
 *
 * Who sends what:
 *
 *	node -> broker	HELLO SYNC ALIVE BYE		(to node 0, rate limited)
 *	broker -> node	WELCOME REFUSE MEMBERS
 *	broker -> all	PROBE MEMBERS			(group address)
 *	node -> node	ECHO ECHO_REPLY DATAGRAM	(DATAGRAM also to the group)
 */
#ifndef VIRTMESH_FRAME_H
#define VIRTMESH_FRAME_H

#include <virtmesh/types.h>

#define VM_WIRE_VERSION 1 /* hdr.version: a change here is a new protocol */
#define VM_WIRE_ABI	1 /* in HELLO and WELCOME: counts additions to this one */

enum vm_frame_type {
	VM_F_HELLO = 1,
	VM_F_WELCOME = 2,
	VM_F_REFUSE = 3,
	VM_F_MEMBERS = 4,
	VM_F_SYNC = 5,
	VM_F_PROBE = 6,
	VM_F_ALIVE = 7,
	VM_F_BYE = 8,
	VM_F_ECHO = 16,
	VM_F_ECHO_REPLY = 17,
	VM_F_DATAGRAM = 18,
};

struct vm_hdr {
	__u8 version;
	__u8 type; /* enum vm_frame_type */
	__be16 len; /* bytes of payload; what follows them is padding */
	__be32 incarnation; /* the sender's life; 0 before its first WELCOME */
	__be32 epoch; /* the sender's view of the membership */
	__be32 seq; /* the sender's own number; ECHO_REPLY repeats the ECHO's */
};
VM_ASSERT_SIZE(struct vm_hdr, 16);

#define VM_PAYLOAD_OFFSET (VM_ETH_HLEN + 16)

/*
 * HELLO: "I am here". Sent at start, whenever the broker changed (a PROBE with
 * another broker_id), and with backoff until a WELCOME with its nonce comes.
 * The same nonce again is the same boot of the same driver: the broker confirms
 * the incarnation it had. A new nonce is a new life and gets a new incarnation.
 */
struct vm_hello {
	__be16 abi; /* VM_WIRE_ABI of the guest */
	__be16 mtu; /* of its device */
	__be32 caps; /* VM_CAP_* */
	__be64 nonce; /* random, drawn once when the driver binds; never 0 */
	__be32 incarnation; /* the last one it was given, or 0 */
	__be32 reserved;
};
VM_ASSERT_SIZE(struct vm_hello, 24);

/* None defined yet: lane 3 and the transport announce themselves here. */
#define VM_CAPS_KNOWN 0

/* WELCOME: the answer to a HELLO; a snapshot of MEMBERS follows it. */
struct vm_welcome {
	__be16 abi; /* VM_WIRE_ABI of the broker */
	__be16 mtu; /* what the node may send: never above its own */
	__be16 ensemble;
	__be16 node;
	__be32 incarnation; /* grows with every life of this node; never 0 */
	__be32 epoch; /* of the snapshot that follows; never 0 */
	__be64 nonce; /* of the HELLO this answers */
	__be64 broker_id; /* random, drawn at every start of the broker */
	__be32 probe_ms; /* the broker probes this often */
	__be32 dead_ms; /* silent this long: the node is DOWN, or the broker away */
	__be32 hello_min_ms; /* first retry of HELLO */
	__be32 hello_max_ms; /* where its backoff ends */
};
VM_ASSERT_SIZE(struct vm_welcome, 48);

/* REFUSE: the answer to a HELLO, SYNC or ALIVE that the broker cannot take. */
enum vm_refusal {
	VM_REFUSE_ABI = 1, /* speaks an abi the broker cannot serve */
	VM_REFUSE_STALE = 2, /* not the node's incarnation: say HELLO again */
	VM_REFUSE_UNKNOWN = 3, /* no such node here: its port is gone */
	VM_REFUSE_MALFORMED = 4, /* a HELLO whose fields make no sense */
};

struct vm_refuse {
	__be16 reason; /* enum vm_refusal */
	__be16 abi; /* VM_WIRE_ABI of the broker */
	__be32 reserved;
	__be64 nonce; /* of the HELLO, or 0 */
};
VM_ASSERT_SIZE(struct vm_refuse, 16);

/*
 * MEMBERS: the membership, whole or what changed.
 * A snapshot has prev_epoch 0 and may take several frames, in order of
 * `first`; it is complete, and holds, when all `total` entries have come. A
 * change takes the receiver from prev_epoch to epoch; whoever is not at
 * prev_epoch asks for a snapshot with SYNC. Nodes not listed in a snapshot
 * have no port.
 */
struct vm_member_entry {
	__be16 node;
	__u8 state; /* enum vm_node_state */
	__u8 flags; /* VM_MEMBER_* */
	__be32 incarnation;
};
VM_ASSERT_SIZE(struct vm_member_entry, 8);

#define VM_MEMBER_GONE 0x01 /* in a change: the node's port was taken away */

struct vm_members {
	__be32 epoch;
	__be32 prev_epoch; /* 0: a snapshot */
	__be16 first; /* index of entry[0] in the whole */
	__be16 count; /* entries in this frame */
	__be16 total; /* entries in the whole */
	__be16 reserved;
	struct vm_member_entry entry[];
};
VM_ASSERT_SIZE(struct vm_members, 16);

/* Entries that fit one frame of @mtu: the broker cuts snapshots by this. */
#define VM_MEMBERS_PER_FRAME(mtu) (((mtu)-16 - 16) / 8)

/* SYNC has no payload: "send me a snapshot". BYE has none: "I leave". */

/* PROBE: "who is there?", to the ensemble. hdr.epoch is the current epoch. */
struct vm_probe {
	__be64 broker_id;
	__be32 token; /* ALIVE repeats it */
	__be32 reserved;
};
VM_ASSERT_SIZE(struct vm_probe, 16);

/*
 * ALIVE: the answer. The broker calls a node STALLED when `pending` is not 0
 * and `progress` has not moved for dead_ms although the answers come.
 */
struct vm_alive {
	__be32 token;
	__be32 pending; /* things that wait: frames not sent, datagrams not read */
	__be64 progress; /* things done since the driver was bound */
};
VM_ASSERT_SIZE(struct vm_alive, 16);

/* ECHO and ECHO_REPLY: any payload; the receiving driver answers by itself. */

/* DATAGRAM: unreliable, unordered across senders; for tests and for tools. */
struct vm_datagram {
	__be16 channel; /* which open file on the receiver it is for */
	__be16 reserved;
	/* data follows */
};
VM_ASSERT_SIZE(struct vm_datagram, 4);

#endif /* VIRTMESH_FRAME_H */
