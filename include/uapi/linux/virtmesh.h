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
 *			joined; EMSGSIZE over virtmesh_info.dgram_max,
 *			or to all, over what the smallest port takes;
 *			EHOSTUNREACH for a node that is not a member;
 *			EINVAL for non-zero reserved fields, channel 0 and a
 *			length that is not the call's; EIO once a ring is broken.
 *	poll(2)		POLLIN: a datagram waits. POLLOUT: the ring has room.
 *			POLLPRI: the membership has changed since this file's
 *			last VIRTMESH_IOC_PEERS. POLLHUP: the device has gone.
 *			POLLRDBAND: an operation of this file has ended and
 *			waits to be taken by VIRTMESH_IOC_SUBMIT.
 *	mmap(2)		a buffer of VIRTMESH_IOC_BUF_ALLOC, at the offset it
 *			returned; shared, whole. As long as it lasts the file
 *			is open, whoever has closed it.
 *
 * What a call gives is written when it has succeeded, and with EFAULT it has done
 * nothing; but see VIRTMESH_IOC_SUBMIT and VIRTMESH_IOC_GROUP_FORM.
 *
 * Operations (second half of this file): a file makes buffers and groups,
 * posts operations on them and takes their results. All of it belongs to the
 * file and ends with it; the peers' operations then fail and name this node.
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
 * @control_max: out: bytes one VIRTMESH_IOC_CONTROL_SEND may carry
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
	__u16 control_max;
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
 * EBADMSG when the payload differs, ENOTCONN before the node has joined, EMSGSIZE,
 * EINTR, EIO once a ring is broken.
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
 * @dropped: read: datagrams for this file dropped so far because its queue was full:
 *	1024 datagrams or 4 MiB of memory, or all files' 64 MiB or an eighth of the
 *	node's memory together, whichever is less
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

/* Buffers: what operations read from and write into. */

#define VIRTMESH_BUF_MAX_BYTES (1ULL << 30) /* of one buffer */
#define VIRTMESH_BUFS_MAX      256 /* of one file */

/**
 * struct virtmesh_buf_alloc - memory of the driver's (VIRTMESH_IOC_BUF_ALLOC)
 * @size: in: bytes, 1..VIRTMESH_BUF_MAX_BYTES; out: rounded up to pages
 * @offset: out: for mmap(2)
 * @handle: out: names the buffer in operations; never 0
 * @flags: must be 0
 *
 * The memory is zeroed, counts against RLIMIT_MEMLOCK, and lies in huge pages
 * where there are enough of them; mmap(2) maps it page by page. ENOMEM, EINVAL,
 * EMFILE: VIRTMESH_BUFS_MAX.
 */
struct virtmesh_buf_alloc {
	__u64 size;
	__u64 offset;
	__u32 handle;
	__u32 flags;
};

/**
 * struct virtmesh_buf_register - memory of the program's (VIRTMESH_IOC_BUF_REGISTER)
 * @addr: in: address, any alignment
 * @size: in: bytes, 1..VIRTMESH_BUF_MAX_BYTES
 * @handle: out: as above
 * @flags: must be 0
 *
 * Pins the pages, writable, and counts them against RLIMIT_MEMLOCK (ENOMEM): with
 * all others that the kernel holds for the user, as for io_uring's buffers.
 * EFAULT: not mapped or not writable. EINVAL, EMFILE.
 */
struct virtmesh_buf_register {
	__u64 addr;
	__u64 size;
	__u32 handle;
	__u32 flags;
};

/**
 * struct virtmesh_buf_free - let go of either (VIRTMESH_IOC_BUF_FREE)
 * @handle: in: of the buffer. Operations that use it keep the memory until they
 *	end, and so does a mapping. ENOENT.
 * @reserved: must be 0
 */
struct virtmesh_buf_free {
	__u32 handle;
	__u32 reserved;
};

/*
 * Groups: an ordered set of nodes; a node's place in it is its rank. All
 * members create the group with the same id and the same nodes, and form it.
 * On a formed group everybody calls the same collective operations in the same
 * order. When one cannot be completed, the group is fenced: every operation on
 * it ends with an error that names who is missing, and new ones are refused
 * (ESTALE) until the group is formed again, with or without these.
 */

#define VIRTMESH_RANKS_MAX	64
#define VIRTMESH_GROUPS_MAX	256 /* of one node */
#define VIRTMESH_TIMEOUT_MAX_NS 3600000000000ULL /* an hour */

/**
 * struct virtmesh_group_create - take part in a group (VIRTMESH_IOC_GROUP_CREATE)
 * @nodes: in: address of an array of @count __u16: node ids in rank order, this
 *	node among them, each once
 * @id: in: what the members call the group; any number, one file of a node has it
 * @count: in: 1..VIRTMESH_RANKS_MAX
 * @group: out: handle for this file's calls; never 0
 * @rank: out: of this node
 * @flags: must be 0
 *
 * Local: nothing is asked of the others yet. EINVAL; EADDRINUSE: @id is taken
 * on this node; EMFILE: VIRTMESH_GROUPS_MAX; ENOTCONN before the node joined.
 */
struct virtmesh_group_create {
	__u64 nodes;
	__u32 id;
	__u32 count;
	__u32 group;
	__u16 rank;
	__u16 flags;
};

/**
 * struct virtmesh_group_form - meet the other members (VIRTMESH_IOC_GROUP_FORM)
 * @timeout_ns: in: 1..VIRTMESH_TIMEOUT_MAX_NS
 * @missing: out: ranks, a bit each, that did not come; after ETIMEDOUT and the like
 * @members: out: ranks that are in
 * @group: in: handle
 * @flags: in: VIRTMESH_FORM_*
 * @reason: out: enum virtmesh_reason of the lowest rank in @missing
 * @rank: out: that rank
 * @reserved: must be 0
 *
 * Every member calls it; it returns when all of them have. It starts the
 * group anew: operations that were pending end with ECANCELED, generations
 * begin at 1, and nothing sent before is delivered after. Members that exclude
 * different ranks agree on all of these. Where a member is missing the call
 * fails with ETIMEDOUT, names it, and may be repeated: a node that is gone may
 * come back. EXDEV: a member's list of nodes is another one. EHOSTUNREACH: the
 * others have excluded this node. EBUSY: another thread forms the group.
 * ECANCELED: another thread has left it.
 */
struct virtmesh_group_form {
	__u64 timeout_ns;
	__u64 missing;
	__u64 members;
	__u32 group;
	__u32 flags;
	__u16 reason;
	__u16 rank;
	__u32 reserved;
};

#define VIRTMESH_FORM_SURVIVORS 0x1 /* without those missing since the last forming (GROUP_INFO) */

/**
 * struct virtmesh_group_leave - leave a group (VIRTMESH_IOC_GROUP_LEAVE)
 * @group: in: handle. Its operations end with ECANCELED; the others' name this rank.
 * @reserved: must be 0
 */
struct virtmesh_group_leave {
	__u32 group;
	__u32 reserved;
};

/* Why a node is missing. */
enum virtmesh_reason {
	VIRTMESH_REASON_NONE = 0,
	VIRTMESH_REASON_ABSENT = 1, /* not a member of the ensemble, or has left it */
	VIRTMESH_REASON_DOWN = 2, /* the broker finds it silent */
	VIRTMESH_REASON_STALLED = 3, /* it is there, and did not do its part in time */
	VIRTMESH_REASON_FENCED = 4, /* restarted, or others have given it up */
	VIRTMESH_REASON_LEFT = 5, /* its program left the group or ended */
	VIRTMESH_REASON_SILENT = 6, /* nothing came from it, although the broker holds it up */
	VIRTMESH_REASON_MISMATCH = 7, /* it called something else, or with another length */
	VIRTMESH_REASONS
};

/**
 * struct virtmesh_rank - one rank, as this node sees it
 * @node: id
 * @reason: enum virtmesh_reason, NONE while it takes part
 * @pending: frames sent to it and not acknowledged
 * @rtt_us: smoothed round trip; 0: not measured yet
 * @window: frames it allows us at once
 * @parked: frames from it that came before their operation was posted
 * @heard_ms: since anything of this group came from it
 * @reserved: 0
 */
struct virtmesh_rank {
	__u16 node;
	__u16 reason;
	__u32 pending;
	__u32 rtt_us;
	__u16 window;
	__u16 parked;
	__u32 heard_ms;
	__u32 reserved;
};

/**
 * struct virtmesh_group_info - a group (VIRTMESH_IOC_GROUP_INFO)
 * @ranks: in: address of an array of struct virtmesh_rank
 * @members: out: ranks that are in since the last forming
 * @missing: out: ranks found missing since then
 * @group: in: handle
 * @id: out
 * @count: in: entries of room; out: ranks there are
 * @generation: out: of the last collective that was posted
 * @rank: out: of this node
 * @state: out: enum virtmesh_group_state
 * @reserved: must be 0
 *
 * While the members of a group that failed still tell each other whom they waited
 * for, this waits until it is known who is missing: some ms. So does GROUP_FORM.
 */
struct virtmesh_group_info {
	__u64 ranks;
	__u64 members;
	__u64 missing;
	__u32 group;
	__u32 id;
	__u32 count;
	__u32 generation;
	__u16 rank;
	__u16 state;
	__u32 reserved;
};

enum virtmesh_group_state {
	VIRTMESH_GROUP_CREATED = 0,
	VIRTMESH_GROUP_FORMING = 1,
	VIRTMESH_GROUP_FORMED = 2,
	VIRTMESH_GROUP_FENCED = 3,
};

/*
 * Operations. `part` is what one rank contributes to one other: len bytes.
 *
 *	SEND		sbuf[soff, len] to rank, with tag
 *	RECV		from rank, with tag, into rbuf[roff, up to len]; result: bytes.
 *			A rank's messages with one tag arrive in the order they were
 *			posted. EMSGSIZE: the message was longer; it is consumed.
 *	BCAST		root: sbuf[soff, len]; the others: into rbuf[roff, len]
 *	ALLGATHER	sbuf[soff, len]; rank r's part comes to rbuf[roff + r * len]
 *	GATHER		the same at the root only
 *	SCATTER		root: sbuf[soff + r * len] to rank r; each: rbuf[roff, len]
 *	ALLTOALL	sbuf[soff + r * len] to rank r; its part to rbuf[roff + r * len]
 *	BARRIER		no data: nobody returns before everybody has called
 *
 * A rank's own part is copied, unless it is in place already. Parts of excluded
 * ranks are left untouched. Buffers belong to the operation until it has ended.
 * SEND and a root that sends end when every receiver's driver has all of it;
 * ALLGATHER, ALLTOALL and BARRIER when all that this rank waits for has come.
 */
enum virtmesh_opcode {
	VIRTMESH_OP_SEND = 1,
	VIRTMESH_OP_RECV = 2,
	VIRTMESH_OP_BCAST = 3,
	VIRTMESH_OP_ALLGATHER = 4,
	VIRTMESH_OP_GATHER = 5,
	VIRTMESH_OP_SCATTER = 6,
	VIRTMESH_OP_ALLTOALL = 7,
	VIRTMESH_OP_BARRIER = 8,
	VIRTMESH_OPS
};

/**
 * struct virtmesh_op - one operation
 * @user_data: comes back in its struct virtmesh_done
 * @group: handle
 * @opcode: enum virtmesh_opcode
 * @flags: must be 0
 * @rank: the other rank of SEND and RECV, the root of BCAST, GATHER, SCATTER; else 0
 * @reserved: must be 0
 * @tag: of SEND and RECV; else 0
 * @sbuf: handle of the buffer to send from; where this rank sends nothing, or len
 *	is 0, it is not looked at, nor is @soff
 * @rbuf: handle of the buffer to receive into; the same
 * @soff: offset in @sbuf, bytes, any alignment
 * @roff: offset in @rbuf
 * @len: bytes of one part, 0..VIRTMESH_BUF_MAX_BYTES
 * @timeout_ns: 1..VIRTMESH_TIMEOUT_MAX_NS, from posting on
 */
struct virtmesh_op {
	__u64 user_data;
	__u32 group;
	__u16 opcode;
	__u16 flags;
	__u16 rank;
	__u16 reserved;
	__u32 tag;
	__u32 sbuf;
	__u32 rbuf;
	__u64 soff;
	__u64 roff;
	__u64 len;
	__u64 timeout_ns;
};

/**
 * struct virtmesh_done - how an operation ended
 * @user_data: of the operation
 * @result: bytes received (RECV), 0, or a negative errno:
 *	-ETIMEDOUT: its time passed; -EHOSTDOWN: a node has gone; -ECONNRESET: one
 *	has left or restarted; -ESTALE: the group was fenced by others;
 *	-EPROTO: another rank called something else; -EMSGSIZE; -ECANCELED; -ENODEV
 * @missing: ranks that did not do their part, a bit each
 * @bytes: of data that have come (or, sending only, were acknowledged) by then
 * @elapsed_ns: from posting on
 * @group: handle
 * @number: its generation; of SEND and RECV the message's number
 * @opcode: of the operation
 * @reason: enum virtmesh_reason of the lowest rank in @missing
 * @rank: that rank
 * @flags: 0
 */
struct virtmesh_done {
	__u64 user_data;
	__s64 result;
	__u64 missing;
	__u64 bytes;
	__u64 elapsed_ns;
	__u32 group;
	__u32 number;
	__u16 opcode;
	__u16 reason;
	__u16 rank;
	__u16 flags;
};

/**
 * struct virtmesh_submit - post, wait, or both (VIRTMESH_IOC_SUBMIT)
 * @ops: in: address of @count struct virtmesh_op
 * @done: in: address of an array of struct virtmesh_done
 * @timeout_ns: in: to wait at most; 0: only the operations' own deadlines end it
 * @count: in: operations to post; out: how many were
 * @room: in: entries @done has; out: entries written
 * @wait: in: return when this many operations of the file have ended, or none
 *	is left that could; at most @room. 0: take what there is
 * @flags: must be 0
 *
 * Posting stops at the first operation that is refused: when it is the first,
 * the call fails with its errno (EINVAL, ENOENT: no such group or buffer,
 * ERANGE: beyond the buffer's end, ESTALE: fenced, ENOTCONN: not formed,
 * EHOSTUNREACH: its rank was excluded when the group was formed, EAGAIN: too many
 * pending, ECANCELED: another thread leaves the group, EFAULT: @ops); else @count
 * tells. Nothing refused has any effect.
 * ETIME: the wait's time passed; EINTR; EFAULT: @done. What had been posted then
 * stays posted, what had been taken was written, and both counts are out.
 */
struct virtmesh_submit {
	__u64 ops;
	__u64 done;
	__u64 timeout_ns;
	__u32 count;
	__u32 room;
	__u32 wait;
	__u32 flags;
};

#define VIRTMESH_OPS_MAX 256 /* pending on one file */

/*
 * The same through io_uring: IORING_OP_URING_CMD on the file, cmd_op
 * VIRTMESH_URING_OP, a ring with IORING_SETUP_SQE128 and a struct virtmesh_op in
 * sqe->cmd. The completion's res is the result (clipped to an int); with
 * IORING_SETUP_CQE32 big_cqe[0] is `missing`. An application that wants the rest
 * uses VIRTMESH_IOC_SUBMIT. A task or ring that ends with an operation pending
 * leaves that operation's group; before Linux 6.7 only a task does, and an operation
 * whose ring and file were closed goes on until its deadline.
 */
#define VIRTMESH_URING_OP 1

/**
 * struct virtmesh_control - a message of up to one frame (VIRTMESH_IOC_CONTROL_*)
 * @addr: in: of the data
 * @timeout_ns: in: 1..VIRTMESH_TIMEOUT_MAX_NS. A receive with 0 does not wait (EAGAIN).
 * @group: in: handle
 * @len: in: bytes to send, or room; out: received. At most virtmesh_info.control_max,
 *	and less (EMSGSIZE) when a member of the group has a smaller MTU
 * @rank: in: to whom; out: from whom
 * @flags: must be 0
 * @reserved: must be 0
 *
 * Needs no buffer and no operation posted by the receiver; arrives once, and
 * in order from each rank. Sending returns when the receiver's driver has it.
 * Errnos as above, EMSGSIZE (nothing is lost when receiving), EINTR.
 */
struct virtmesh_control {
	__u64 addr;
	__u64 timeout_ns;
	__u32 group;
	__u32 len;
	__u16 rank;
	__u16 flags;
	__u32 reserved;
};

/**
 * struct virtmesh_eventfd - signal completions (VIRTMESH_IOC_EVENTFD)
 * @fd: in: an eventfd, written to when an operation ends that VIRTMESH_IOC_SUBMIT
 *	posted; -1: no more
 * @reserved: must be 0
 *
 * EBADF; EINVAL: it is no eventfd.
 */
struct virtmesh_eventfd {
	__s32 fd;
	__u32 reserved;
};

/**
 * struct virtmesh_busy_poll - look before sleeping (VIRTMESH_IOC_BUSY_POLL)
 * @us: in: a wait of this file looks at the ring for so long at most; 0 (as at
 *	the start): sleeps at once. Up to 10000
 * @reserved: must be 0
 */
struct virtmesh_busy_poll {
	__u32 us;
	__u32 reserved;
};

/**
 * struct virtmesh_record - one operation in the flight recorder
 * @posted_ns, @ended_ns: CLOCK_MONOTONIC; ended_ns 0: still pending
 * @len: of one part
 * @bytes: that had come, or were acknowledged
 * @missing: ranks it waits, or waited in vain, for
 * @group: id, as the members call it
 * @number: generation or message
 * @result: 0 or a negative errno
 * @opcode, @reason: as above; opcode 255: a control message that was sent. And of what
 *	VIRTMESH_IOC_PENDING tells, 254: the group is being formed, 253: a control message
 *	is waited for, from whomever (missing is 0)
 * @rank: the root or the other; @self: this node's rank
 * @node: this node
 */
struct virtmesh_record {
	__u64 posted_ns;
	__u64 ended_ns;
	__u64 len;
	__u64 bytes;
	__u64 missing;
	__u32 group;
	__u32 number;
	__s32 result;
	__u16 opcode;
	__u16 reason;
	__u16 rank;
	__u16 self;
	__u16 node;
	__u16 reserved;
};

#define VIRTMESH_RECORDS 1024 /* a node remembers */

/**
 * struct virtmesh_trace - the flight recorder (VIRTMESH_IOC_TRACE)
 * @records: in: address of an array of struct virtmesh_record
 * @next: in: 0, or what the last call gave; out: where the next goes on
 * @count: in: entries of room; out: entries written, oldest first
 * @flags: must be 0
 *
 * Operations are recorded in the order they ended. Where there is room behind the
 * last, those still pending follow, as they are now, oldest first: these come again
 * in the next call.
 */
struct virtmesh_trace {
	__u64 records;
	__u64 next;
	__u32 count;
	__u32 flags;
};

#define VIRTMESH_PENDING_MAX 16 /* one answer names */

/**
 * struct virtmesh_pending - what a node waits for (VIRTMESH_IOC_PENDING)
 * @records: in: address of VIRTMESH_PENDING_MAX struct virtmesh_record
 * @node: in: whom to ask; this node is asked without a frame
 * @count: out: entries written, oldest first; `missing` and `rank` are ranks
 * @timeout_ms: in: 1..60000
 * @nodes: in: address of VIRTMESH_PENDING_MAX * VIRTMESH_RANKS_MAX __u16, or 0:
 *	the node of each rank of each record, 0 beyond the group's size
 *
 * Errnos of VIRTMESH_IOC_ECHO.
 */
struct virtmesh_pending {
	__u64 records;
	__u64 nodes;
	__u32 timeout_ms;
	__u16 node;
	__u16 count;
};

#define VIRTMESH_LATENCY_BUCKETS 32 /* bucket b: [2^b, 2^(b+1)) ns; the last holds all above */

/**
 * struct virtmesh_stats - a peer's transport (VIRTMESH_IOC_STATS)
 * @node: in
 * @window: out: frames it allows us at once
 * @pending: out: frames sent to it and not acknowledged
 * @rtt_ns: out: smoothed round trip of a frame and its acknowledgement
 * @frames_sent, @frames_received: out: transport frames with data, first sending
 * @bytes_sent, @bytes_received: out: of data
 * @retransmits: out: frames sent again, for a gap or by the timer
 * @timeouts: out: of the timer
 * @duplicates: out: frames that came again
 * @credit_stalls: out: times that a sender had more than it may have out
 * @latency: out: of round trips of frames, as a histogram
 *
 * Since the driver was bound. EHOSTUNREACH: neither a member, nor ever named by a
 * group of this node.
 */
struct virtmesh_stats {
	__u16 node;
	__u16 window;
	__u32 pending;
	__u64 rtt_ns;
	__u64 frames_sent;
	__u64 frames_received;
	__u64 bytes_sent;
	__u64 bytes_received;
	__u64 retransmits;
	__u64 timeouts;
	__u64 duplicates;
	__u64 credit_stalls;
	__u64 latency[VIRTMESH_LATENCY_BUCKETS];
};

#define VIRTMESH_IOC_INFO	  _IOR('M', 0xc0, struct virtmesh_info)
#define VIRTMESH_IOC_PEERS	  _IOWR('M', 0xc1, struct virtmesh_peers)
#define VIRTMESH_IOC_ECHO	  _IOWR('M', 0xc2, struct virtmesh_echo)
#define VIRTMESH_IOC_BIND	  _IOWR('M', 0xc3, struct virtmesh_bind)
#define VIRTMESH_IOC_BUF_ALLOC	  _IOWR('M', 0xc4, struct virtmesh_buf_alloc)
#define VIRTMESH_IOC_BUF_REGISTER _IOWR('M', 0xc5, struct virtmesh_buf_register)
#define VIRTMESH_IOC_BUF_FREE	  _IOW('M', 0xc6, struct virtmesh_buf_free)
#define VIRTMESH_IOC_GROUP_CREATE _IOWR('M', 0xc7, struct virtmesh_group_create)
#define VIRTMESH_IOC_GROUP_FORM	  _IOWR('M', 0xc8, struct virtmesh_group_form)
#define VIRTMESH_IOC_GROUP_LEAVE  _IOW('M', 0xc9, struct virtmesh_group_leave)
#define VIRTMESH_IOC_GROUP_INFO	  _IOWR('M', 0xca, struct virtmesh_group_info)
#define VIRTMESH_IOC_SUBMIT	  _IOWR('M', 0xcb, struct virtmesh_submit)
#define VIRTMESH_IOC_CONTROL_SEND _IOWR('M', 0xcc, struct virtmesh_control)
#define VIRTMESH_IOC_CONTROL_RECV _IOWR('M', 0xcd, struct virtmesh_control)
#define VIRTMESH_IOC_EVENTFD	  _IOW('M', 0xce, struct virtmesh_eventfd)
#define VIRTMESH_IOC_BUSY_POLL	  _IOW('M', 0xcf, struct virtmesh_busy_poll)
#define VIRTMESH_IOC_TRACE	  _IOWR('M', 0xd0, struct virtmesh_trace)
#define VIRTMESH_IOC_PENDING	  _IOWR('M', 0xd1, struct virtmesh_pending)
#define VIRTMESH_IOC_STATS	  _IOWR('M', 0xd2, struct virtmesh_stats)

#endif /* _UAPI_LINUX_VIRTMESH_H */
