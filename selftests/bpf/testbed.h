/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A mesh in a private network namespace: the BPF object loaded, its maps filled
 * by hand, and ports that the test itself holds open. Nothing is pinned: all of
 * it goes with the process. Functions return 0 or -errno.
 */
#ifndef VIRTMESH_SELFTESTS_TESTBED_H
#define VIRTMESH_SELFTESTS_TESTBED_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <virtmesh/maps.h>

struct steer_bpf;

#define BED_VNET_HDR 12 /* what stands before each frame on a tap's fd */

enum bed_kind {
	BED_TAP,
	BED_VETH, /* the test holds a packet socket on the peer */
};

enum bed_xdp {
	BED_NATIVE,
	BED_GENERIC,
	BED_DETACHED, /* no program: for the baselines of the bench */
};

struct bed_port {
	char name[IFNAMSIZ];
	enum bed_kind kind;
	int ifindex;
	int fd; /* non-blocking: of the tap's queue, or the packet socket; -1: closed */
	__u32 addr;
	__u16 slot;
	__u16 mtu;
};

struct bed {
	struct steer_bpf *skel;
	struct bed_port broker;
	__u16 next_slot;
	enum bed_xdp xdp; /* how the next port gets its program; BED_NATIVE at first */
	int prog; /* the program they get; steer at first */
	bool hints; /* write the next port's into the indexes; true at first */
	unsigned int ring; /* the next port's txqueuelen; 0: the kernel's default */
};

/*
 * Move the calling process to a new network namespace and load the object there.
 * bed_open() leaves it to the caller to change rodata before bed_load(), which
 * also makes vmesh0 and attaches the tracepoints.
 */
int bed_open(struct bed *bed);
int bed_load(struct bed *bed);
void bed_close(struct bed *bed);

/* Make a network namespace the caller's, with lo up. */
int bed_new_netns(void);

/* An ensemble with room for @room members in its group. */
int bed_ensemble_add(struct bed *bed, __u16 ensemble, __u16 mtu, __u32 room);

/*
 * Make an interface, up, and enter it as a port. Or only one of the two:
 * bed_link_* knows no maps, bed_port_enter() takes an interface that is there.
 */
int bed_port_add(struct bed *bed, struct bed_port *port, enum bed_kind kind, __u16 ensemble,
		 __u16 node, __u16 mtu);
int bed_link_add(struct bed_port *port, enum bed_kind kind, const char *name, __u16 mtu,
		 unsigned int ring);
int bed_port_enter(struct bed *bed, struct bed_port *port, __u16 ensemble, __u16 node);
void bed_port_close(struct bed_port *port); /* the fd; the interface goes too, unless persistent */
int bed_link_up(const char *name, bool up);
int bed_link_mtu(const char *name, unsigned int mtu);
int bed_tap_persist(struct bed_port *port);

/* Counters of a slot, summed over the CPUs. */
int bed_counters(const struct bed *bed, __u32 slot, struct vm_counters *sum);

/*
 * One frame as if @port had sent it. bed_test_run() tells the verdict and the
 * frame as it was afterwards (@out may be NULL), nothing moves;
 * bed_live_run() really redirects, @repeat times.
 */
int bed_test_run(struct bed *bed, const struct bed_port *port, const void *frame, size_t len,
		 void *out, __u32 *verdict);
int bed_live_run(struct bed *bed, const struct bed_port *port, const void *frame, size_t len,
		 unsigned int repeat);

/* Through the port's fd. Return bytes of frame; -EAGAIN when there is none. */
ssize_t bed_write(const struct bed_port *port, const void *frame, size_t len);
ssize_t bed_read(const struct bed_port *port, void *frame, size_t room);
/* Wait up to a second for a frame; -ETIMEDOUT. */
ssize_t bed_read_wait(const struct bed_port *port, void *frame, size_t room);

/* Write header and a pattern of @seed into a frame of @len bytes. */
void bed_frame(void *frame, size_t len, const __u8 dst[VM_MAC_LEN], const __u8 src[VM_MAC_LEN],
	       __u16 ethertype, unsigned int seed);
/* The same, from node to node. */
void bed_frame_to(void *frame, size_t len, __u32 dst, __u32 src, unsigned int seed);

#endif /* VIRTMESH_SELFTESTS_TESTBED_H */
