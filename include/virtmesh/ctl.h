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
 * virtmesh) may ask; only root may use the ops marked "root", and for a tap ask
 * only root and the user who owns it.
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
	VM_CTL_TAP = 5, /* struct vm_ctl_port -> struct vm_ctl_tap, with file descriptors */
	VM_CTL_VHOST_NET = 6, /* struct vm_ctl_port -> nothing, with a file descriptor */
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

/* The port that is asked for. */
struct vm_ctl_port {
	char name[16]; /* of its interface, filled up with NULs: at least one */
};
VM_ASSERT_SIZE(struct vm_ctl_port, 16);

/*
 * The answer to VM_CTL_TAP: one record, and with it, by SCM_RIGHTS, the tap's
 * file descriptor, opened as vm_tap_open() does; and behind it, if vhost_error
 * is 0, a fresh one of /dev/vhost-net. The broker keeps neither: whoever takes
 * the record holds the tap. Who asks with an earlier answer unread is let go: files
 * wait for few. Refused with
 * ENOENT: no port has that name, or this host has no ensemble
 * EACCES: neither root nor the tap's owner asks
 * EBUSY: somebody holds it (or did: the kernel lets go of a killed process's
 *	tap a little later if an io_uring had it; try again)
 * EINVAL: that port's interface is no tap, or is vmesh0
 */
struct vm_ctl_tap {
	__u32 addr; /* vm_addr() */
	__u32 ifindex;
	__u16 mtu; /* without the Ethernet header */
	__u16 vnet_hdr_len; /* bytes that stand before every frame */
	__u16 vhost_error; /* positive errno: why there is no /dev/vhost-net */
	__u8 mac[VM_MAC_LEN]; /* of the node: what its device must have */
	__u32 reserved;
};
VM_ASSERT_SIZE(struct vm_ctl_tap, 24);

/*
 * The answer to VM_CTL_VHOST_NET has by SCM_RIGHTS a fresh descriptor of
 * /dev/vhost-net alone: for a restarted port, who has its tap, but must not use
 * the vhost-net of the process before it. Refused as VM_CTL_TAP (never EBUSY), or
 * with ENODEV: the broker cannot open it either.
 */

#endif /* VIRTMESH_CTL_H */
