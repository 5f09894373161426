/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A mesh in a private network namespace: the BPF object loaded, its maps filled
 * by hand, and ports whose other end the test holds. Nothing is pinned: all of
 * it goes with the process. Functions return 0 or -errno.
 */
#ifndef VIRTMESH_SELFTESTS_TESTBED_H
#define VIRTMESH_SELFTESTS_TESTBED_H

#include <virtmesh/maps.h>

#include "link.h"

struct steer_bpf;

enum bed_xdp {
	BED_NATIVE,
	BED_GENERIC,
	BED_DETACHED, /* no program: frames enter by bed_test_run() alone */
};

struct bed_port {
	struct link link;
	__u32 addr;
	__u16 slot;
	__u16 mtu; /* as the maps have it; the interface's own at first */
};

struct bed {
	struct steer_bpf *skel;
	struct bed_port broker;
	__u16 next_slot;
	/* How the next ports are made: */
	enum bed_xdp xdp; /* BED_NATIVE at first */
	bool hints; /* write them into the indexes too; true at first */
	__u32 flags; /* of vm_port */
	unsigned int ring; /* txqueuelen; 0, as at first: the kernel's default */
};

/*
 * Move the process to a new network namespace and open the object. The caller
 * may then change rodata; bed_load() loads, attaches the tracepoints and makes
 * vmesh0.
 */
int bed_open(struct bed *bed);
int bed_load(struct bed *bed);
void bed_close(struct bed *bed);

/* Attach or detach the tracepoints: they fire for every redirect on the host, anybody's. */
int bed_trace(struct bed *bed, bool on);

/* An ensemble with room for @room members in its group. */
int bed_ensemble_add(struct bed *bed, __u16 ensemble, __u16 mtu, __u32 room);

/* Make an interface and enter it; or enter one that is there. Named "vmE.N". */
int bed_port_add(struct bed *bed, struct bed_port *port, enum link_kind kind, __u16 ensemble,
		 __u16 node, __u16 mtu);
int bed_port_enter(struct bed *bed, struct bed_port *port, __u16 ensemble, __u16 node);

/* Faults of an ensemble; its ports are those made with VM_PORT_FAULTS. Their detour, "through". */
int bed_faults(struct bed *bed, __u16 ensemble, const struct vm_faults *faults);
int bed_through_add(struct bed *bed, struct bed_port *port, enum link_kind kind, __u16 mtu);

/* Counters of a slot, summed over the CPUs. */
int bed_counters(const struct bed *bed, __u32 slot, struct vm_counters *sum);

/*
 * Are the counters of all slots what @want says, with zeros in those slots it
 * does not name? Differences are printed; returns how many there are.
 */
struct bed_want {
	__u32 slot;
	struct vm_counters counters;
};
int bed_differences(const struct bed *bed, const struct bed_want *want, size_t n);

/*
 * One frame as if it had come in by @ifindex. bed_test_run() tells the verdict
 * and the frame as it was afterwards, nothing moves; bed_live_run() really
 * redirects, @repeat times.
 */
int bed_test_run(struct bed *bed, int ifindex, const void *frame, size_t len, void *out,
		 __u32 *verdict);
int bed_live_run(struct bed *bed, int ifindex, const void *frame, size_t len, unsigned int repeat);

/* Do clones of a live run's frames hold the frame's bytes? Below 6.3 they do not. */
bool bed_live_clones(void);

/* Write header and a pattern of @seed into a frame of @len bytes. */
void bed_frame(void *frame, size_t len, const __u8 dst[VM_MAC_LEN], const __u8 src[VM_MAC_LEN],
	       __u16 ethertype, unsigned int seed);
/* The same between nodes; node VM_NODE_ALL is the group. */
void bed_frame_to(void *frame, size_t len, __u32 dst, __u32 src, unsigned int seed);

#endif /* VIRTMESH_SELFTESTS_TESTBED_H */
