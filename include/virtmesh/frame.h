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
 *	node -> node	GROUP DATA ACK			(DATA also to the group)
 *	node -> node	PENDING PENDING_REPLY
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
	VM_F_GROUP = 32,
	VM_F_DATA = 33,
	VM_F_ACK = 34,
	VM_F_PENDING = 35,
	VM_F_PENDING_REPLY = 36,
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
	__be16 mtu; /* the smallest of all ports: what is cloned must fit; 0: not said */
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

/*
 * The transport: what groups of nodes say to each other. ARCHITECTURE.md, "The
 * transport", has the rules; here is what the bytes mean.
 *
 * A group is named by the number its members chose; each member's present life
 * in it by a cookie that it draws at every forming. Frames carry their sender's
 * cookie and are taken only by members that know it: nothing from before a
 * forming is delivered after it.
 */
#define VM_RANKS_MAX 64 /* members of a group: a mask of ranks is one 64 bit word */

/* GROUP: coming, going, giving up. To one node each time, until answered. */
enum vm_group_verb {
	VM_GROUP_JOIN = 1, /* "I form this group; my cookie is .." */
	VM_GROUP_LEAVE = 2, /* "do not wait for me", until each has answered */
	VM_GROUP_FENCE = 3, /* "generation `number` failed here; I waited for `ranks`" */
};

struct vm_group_msg {
	__be32 group;
	__be32 cookie; /* the sender's */
	__be32 peer_cookie; /* the receiver's, as the sender knows it; 0: it does not */
	__u8 verb; /* enum vm_group_verb */
	__u8 rank; /* the sender's */
	__be16 window; /* frames of each class the receiver may have out towards the sender */
	/* Of the members: 64 bit FNV-1a over their nodes, __be16, in rank order. */
	__be64 layout;
	/*
	 * LEAVE, and JOIN of the forming that ends with it: what has come from the receiver,
	 * cum of its two flows, ONE in the upper half.
	 */
	__be64 heard;
	__be64 ranks; /* JOIN: excluded; FENCE: waited for when it failed */
	__be32 number; /* FENCE: the generation; 0: a message between two */
	__be16 mtu; /* JOIN: of the sender's device */
	__be16 flags; /* VM_GROUP_* */
};
VM_ASSERT_SIZE(struct vm_group_msg, 48);

#define VM_GROUP_ASK	0x1 /* JOIN: the receiver has not confirmed us yet; LEAVE: is to answer */
#define VM_GROUP_ANSWER 0x2 /* FENCE, LEAVE: answers one, and is not answered */

/*
 * DATA: a piece of one rank's part of an operation. hdr.seq counts the frames of
 * its flow from 1: one flow from each member to each other member, and one from
 * each member to all of them, whose frames are cloned on the way. A frame sent
 * again carries the same number; to one receiver alone, whatever its flow.
 */
enum vm_flow {
	VM_FLOW_ONE = 0, /* sender to receiver */
	VM_FLOW_ALL = 1, /* sender to every member */
	VM_FLOWS
};

#define VM_DATA_ACK_NOW 0x01 /* somebody waits for the acknowledgement */

/* How far the sender of this has received both flows of one rank, without a gap. */
struct vm_heard {
	__be32 cum[VM_FLOWS];
};
VM_ASSERT_SIZE(struct vm_heard, 8);

struct vm_data {
	__be32 group;
	__be32 cookie; /* the sender's */
	__u8 flow; /* enum vm_flow */
	__u8 kind; /* the operation: enum virtmesh_opcode, or VM_KIND_CONTROL */
	__u8 flags; /* VM_DATA_* */
	/* Entries of vm_heard that follow: 1, of the receiver; one for each rank; or 0. */
	__u8 heard;
	__be16 reserved;
	__be16 root; /* of the operation */
	__be32 number; /* the generation; of messages their number, rank to rank */
	__be32 tag; /* of messages */
	__be64 offset; /* of these bytes in the part */
	__be64 total; /* bytes of the part */
	/* struct vm_heard, then data to the end of the payload */
};
VM_ASSERT_SIZE(struct vm_data, 40);

#define VM_KIND_CONTROL 0xff
#define VM_KIND_FORM	0xfe /* of PENDING_REPLY only: it forms the group */
#define VM_KIND_LISTEN	0xfd /* the same: it waits for a control message */
#define VM_HEARD_MAX	16 /* in a larger group nothing is acknowledged to all at once */

/*
 * ACK: what came of both flows. Every frame up to `cum`, and those whose bit is
 * set beyond it: bit b of word w stands for cum + 2 + 64 w + b; cum + 1 is the
 * gap. An ACK says everything anew, so a lost one costs time only. hdr.seq is its
 * serial number: the window of an older one than the last is ignored.
 */
#define VM_WINDOW_MAX 256 /* frames of one flow from the first not acknowledged on */

/*
 * What may lie parked at a receiver for as long as its program likes has a window
 * of its own, so that neither holds up what would release the other.
 */
enum vm_class {
	VM_CLASS_COLLECTIVE = 0,
	VM_CLASS_MESSAGE = 1, /* and control */
	VM_CLASSES
};

struct vm_ack_flow {
	__be32 cum;
	__be32 reserved;
	__be64 beyond[VM_WINDOW_MAX / 64];
};
VM_ASSERT_SIZE(struct vm_ack_flow, 40);

struct vm_ack {
	__be32 group;
	__be32 cookie; /* the sender's */
	__be32 peer_cookie; /* the receiver's */
	__u8 flags; /* VM_ACK_* */
	__u8 reserved[7];
	__be16 window[VM_CLASSES]; /* as in vm_group_msg */
	struct vm_ack_flow flow[VM_FLOWS];
};
VM_ASSERT_SIZE(struct vm_ack, 104);

#define VM_ACK_PROBE  0x01 /* "say where you are" */
#define VM_ACK_ANSWER 0x02 /* the answer: it came after all that was sent before the PROBE */

/* PENDING: no payload, "what do you wait for?"; hdr.seq comes back in the reply. */
struct vm_pending_record {
	__be64 age_ns;
	__be64 len;
	__be64 bytes;
	__be64 missing; /* ranks */
	__be32 group;
	__be32 number;
	__be16 kind;
	__be16 rank; /* the root, or the other */
	__be16 self; /* the answering node's rank */
	__be16 ranks; /* in the group */
	/* __be16 node[ranks] follows, and then up to the next multiple of 8 zeroes */
};
VM_ASSERT_SIZE(struct vm_pending_record, 48);

struct vm_pending_reply {
	__be16 count; /* records that follow, oldest first */
	__be16 total; /* that there are */
	__be32 reserved;
};
VM_ASSERT_SIZE(struct vm_pending_reply, 8);

#endif /* VIRTMESH_FRAME_H */
