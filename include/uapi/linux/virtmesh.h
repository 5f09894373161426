/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * What the guest's kernel offers to programs: /dev/virtmeshN.
 *
 * Opening it takes no mesh resources. Any number of files may be open; each
 * has its own queue of datagrams and its own view of the membership.
 *
 *	read(2)		one datagram: struct virtmesh_dgram, then its data.
 *			EAGAIN (O_NONBLOCK) or sleep when there is none;
 *			EMSGSIZE when the buffer is shorter (nothing is lost);
 *			ENODEV when the device has gone;
 *			EDESTADDRREQ when the file was not bound to a channel.
 *	write(2)	one datagram, the same way. Sleeps (or EAGAIN) while the
 *			transmit ring is full; ENOTCONN before the node has
 *			joined; EMSGSIZE over virtmesh_info.dgram_max;
 *			EHOSTUNREACH for a node that is not a member;
 *			EINVAL for non-zero reserved fields.
 *	poll(2)		POLLIN: a datagram waits. POLLOUT: the ring has room.
 *			POLLPRI: the membership has changed since this file's
 *			last VIRTMESH_IOC_PEERS. POLLHUP: the device has gone.
 *
 * All structures have the same layout for 32 and 64 bit programs, host byte
 * order, and reserved fields that must be zero.
 */
#ifndef _UAPI_LINUX_VIRTMESH_H
#define _UAPI_LINUX_VIRTMESH_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define VIRTMESH_ABI 1

#define VIRTMESH_NODE_ALL 0xffff /* destination: every other node of the ensemble */

enum virtmesh_node_state {
	VIRTMESH_NODE_ABSENT = 0, /* never joined, or left */
	VIRTMESH_NODE_UP = 1,
	VIRTMESH_NODE_STALLED = 2, /* answers, makes no progress */
	VIRTMESH_NODE_DOWN = 3, /* was up and fell silent */
};

enum virtmesh_link_state {
	VIRTMESH_LINK_JOINING = 0, /* says HELLO, no WELCOME yet */
	VIRTMESH_LINK_JOINED = 1,
	VIRTMESH_LINK_BROKERLESS = 2, /* joined; the broker is silent, members as last known */
	VIRTMESH_LINK_REFUSED = 3, /* the broker will not have this node; still tries */
};

/**
 * struct virtmesh_info - this node (VIRTMESH_IOC_INFO)
 * @abi: out: VIRTMESH_ABI of the driver
 * @ensemble: out: the isolation domain, 1..65534
 * @node: out: this node's id in it, 1..4094
 * @state: out: enum virtmesh_link_state
 * @mtu: out: bytes a frame may carry behind its Ethernet header
 * @dgram_max: out: bytes of data one datagram may carry
 * @refusal: out: why, when state is REFUSED: enum vm_refusal of the wire
 * @incarnation: out: this life's number; 0 before the first WELCOME
 * @epoch: out: of the membership; 0 before the first WELCOME
 * @members: out: entries that VIRTMESH_IOC_PEERS has
 * @nonce: out: drawn when the driver was bound
 * @features: out: virtio feature bits that were negotiated
 * @broker_id: out: changes when the broker restarts; 0 before the first WELCOME
 * @probe_ms: out: how often the broker looks for the nodes
 * @dead_ms: out: silence after which a node is DOWN
 * @netdev: out: name of the network interface, NUL terminated
 * @version: out: of the driver, NUL terminated
 */
struct virtmesh_info {
	__u32 abi;
	__u16 ensemble;
	__u16 node;
	__u32 state;
	__u16 mtu;
	__u16 dgram_max;
	__u16 refusal;
	__u16 reserved;
	__u32 incarnation;
	__u32 epoch;
	__u32 members;
	__u64 nonce;
	__u64 features;
	__u64 broker_id;
	__u32 probe_ms;
	__u32 dead_ms;
	char netdev[16];
	char version[32];
};

/**
 * struct virtmesh_peer - one member of the ensemble, this node included
 * @node: id
 * @state: enum virtmesh_node_state
 * @incarnation: of its present or last life; 0: never joined
 * @rx_frames: mesh frames accepted from it since the driver was bound
 * @tx_frames: mesh frames sent to it alone
 * @stale_frames: frames refused because they were of an earlier incarnation
 */
struct virtmesh_peer {
	__u16 node;
	__u16 state;
	__u32 incarnation;
	__u64 rx_frames;
	__u64 tx_frames;
	__u64 stale_frames;
};

/**
 * struct virtmesh_peers - the membership (VIRTMESH_IOC_PEERS)
 * @peers: in: address of an array of struct virtmesh_peer, as a number
 * @count: in: entries it has room for; out: entries there are. When it grew,
 *	as many as there was room for were written: call again with more.
 * @epoch: out: what the entries are of
 * @reserved: must be 0
 *
 * Entries are in order of @node. The call also re-arms POLLPRI.
 */
struct virtmesh_peers {
	__u64 peers;
	__u32 count;
	__u32 epoch;
	__u64 reserved;
};

/**
 * struct virtmesh_echo - one round trip (VIRTMESH_IOC_ECHO)
 * @node: in: whom to ask
 * @size: in: bytes of payload, up to virtmesh_info.dgram_max
 * @timeout_ms: in: 1..60000
 * @rtt_ns: out: from handing the frame to the ring to its reply's arrival
 * @reserved: must be 0
 *
 * The peer's driver answers; the payload that comes back is compared.
 * ETIMEDOUT when no answer came, EHOSTUNREACH for a node that is not a member,
 * EBADMSG when the payload differs, ENOTCONN before the node has joined, EINTR.
 */
struct virtmesh_echo {
	__u16 node;
	__u16 size;
	__u32 timeout_ms;
	__u64 rtt_ns;
	__u64 reserved;
};

/**
 * struct virtmesh_bind - give this file a channel (VIRTMESH_IOC_BIND)
 * @channel: in: 1..65535; 0: any that is free; out: the one it got
 * @reserved: must be 0
 *
 * EADDRINUSE when another file has it, EISCONN when this one has one already.
 */
struct virtmesh_bind {
	__u16 channel;
	__u16 reserved[3];
};

/**
 * struct virtmesh_dgram - what stands before a datagram's data in read and write
 * @node: read: from whom; write: to whom, or VIRTMESH_NODE_ALL
 * @channel: write: the receiver's channel; read: this file's own
 * @len: read: bytes of data that follow; write: the same, must match the call's size
 * @flags: must be 0; read: 0, or VIRTMESH_DGRAM_GROUP
 * @reserved: must be 0
 * @dropped: read: datagrams for this file dropped so far because its queue was full
 */
struct virtmesh_dgram {
	__u16 node;
	__u16 channel;
	__u16 len;
	__u16 flags;
	__u32 reserved;
	__u32 dropped;
};

#define VIRTMESH_DGRAM_GROUP 0x1 /* it was sent to every node */

#define VIRTMESH_IOC_INFO  _IOR('M', 0xc0, struct virtmesh_info)
#define VIRTMESH_IOC_PEERS _IOWR('M', 0xc1, struct virtmesh_peers)
#define VIRTMESH_IOC_ECHO  _IOWR('M', 0xc2, struct virtmesh_echo)
#define VIRTMESH_IOC_BIND  _IOWR('M', 0xc3, struct virtmesh_bind)

#endif /* _UAPI_LINUX_VIRTMESH_H */
