/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The broker's control socket: UNIX, SOCK_SEQPACKET, one record a message, host
 * byte order (both ends are on one host).
 *
 * A client sends struct vm_ctl_msg, with the payload its op names behind it,
 * and gets one or more records with the same op and cookie; the last has
 * VM_CTL_LAST set. A failed request gets one record with `error` set to a
 * positive errno and, behind it, a line of text for people (not terminated).
 * Malformed records are answered with EPROTO and change nothing.
 *
 * Rights, by SO_PEERCRED: everybody who can open the socket (root and the group
 * virtmesh) may ask; only root may use the ops marked "root".
 */
#ifndef VIRTMESH_CTL_H
#define VIRTMESH_CTL_H

#include <virtmesh/types.h>

#define VM_CTL_DIR     "/run/virtmesh"
#define VM_CTL_SOCKET  VM_CTL_DIR "/ctl.sock"
#define VM_CTL_GROUP   "virtmesh"
#define VM_CTL_VERSION 1
#define VM_CTL_MAX     8192 /* bytes of one record */
#define VM_CTL_CLIENTS 64

enum vm_ctl_op {
	VM_CTL_INFO = 1, /* -> struct vm_ctl_info */
	VM_CTL_NODES = 2, /* struct vm_ctl_nodes -> struct vm_ctl_node[], several records */
	VM_CTL_WATCH = 3, /* struct vm_ctl_nodes -> an empty record, then changed vm_ctl_node[] */
	VM_CTL_RESYNC = 4, /* root: the maps have changed, read them again -> nothing */
};

enum vm_ctl_flags {
	VM_CTL_LAST = 1 << 0, /* no more records for this cookie; on a WATCH: it has ended */
};

struct vm_ctl_msg {
	__u16 version; /* VM_CTL_VERSION */
	__u16 op; /* enum vm_ctl_op */
	__u16 flags; /* enum vm_ctl_flags; 0 in requests */
	__u16 error; /* positive errno; 0 in requests */
	__u32 len; /* bytes behind this header */
	__u32 cookie; /* the client's; repeated in the answers */
};
VM_ASSERT_SIZE(struct vm_ctl_msg, 16);

struct vm_ctl_info {
	__u64 broker_id;
	__u64 started_ns; /* CLOCK_REALTIME */
	__u64 wakeups; /* of its loop since it started */
	__u64 frames_rx; /* on vmesh0 */
	__u64 frames_tx;
	__u64 frames_bad; /* malformed or of another version */
	__u32 pid;
	__u32 nodes; /* with a port */
	__u32 nodes_up;
	__u32 ensembles;
	__u32 probe_ms;
	__u32 dead_ms;
	__u32 clients;
	__u32 has_state; /* 0: waits for the first ensemble */
	char version[32];
	__u64 frames_refused; /* well formed, but of a stale incarnation or not to be taken */
	__u64 frames_unsent; /* that vmesh0 did not take */
};
VM_ASSERT_SIZE(struct vm_ctl_info, 128);

struct vm_ctl_nodes {
	__u32 ensemble; /* 0: all */
	__u32 reserved;
};
VM_ASSERT_SIZE(struct vm_ctl_nodes, 8);

struct vm_ctl_node {
	__u32 addr; /* vm_addr() */
	__u32 ifindex; /* of its port; 0: the port has gone */
	__u32 epoch; /* of its ensemble */
	__u32 incarnation;
	__u64 since_ns; /* CLOCK_REALTIME of the last change of state */
	__u64 heard_ns; /* CLOCK_REALTIME of its last control frame; 0: never by this broker */
	__u64 progress;
	__u32 pending;
	__u16 mtu;
	__u8 state; /* enum vm_node_state */
	__u8 reserved;
};
VM_ASSERT_SIZE(struct vm_ctl_node, 48);

#endif /* VIRTMESH_CTL_H */
