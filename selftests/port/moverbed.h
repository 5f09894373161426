/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A mover by itself: a process with the loop, the mover and nothing of the
 * protocol, between two rings in shared memory, whose driver is the test, and a
 * tap in a network namespace of its own, whose other end is a packet socket.
 */
#ifndef VIRTMESH_SELFTESTS_PORT_MOVERBED_H
#define VIRTMESH_SELFTESTS_PORT_MOVERBED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <virtmesh/types.h>

#include "../../host/vhost/loop.h"
#include "../../host/vhost/memory.h"
#include "../../host/vhost/mover.h"
#include "../../host/vhost/vring.h"
#include "../../host/vhost/vring_log.h"

#define BED_RING   1024
#define BED_BUFFER 16384 /* of each descriptor: header, frame */
#define BED_HDR	   12
#define BED_GPA	   0x40000000ULL

/* One ring as the guest sees it, in the shared memory. */
struct bed_ring {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	char *buffers; /* BED_RING of BED_BUFFER */
	char *tables; /* BED_RING of 64 bytes: indirect tables */
	__u16 avail_idx, used_idx, kicked;
	unsigned int free_n;
	__u8 shape[BED_RING / 4];
	__u16 free[BED_RING / 4]; /* heads: each owns 4 descriptors, so that it may be a chain */
	int kick, call;
	bool event_idx;
};

enum bed_shape {
	BED_ONE, /* one descriptor */
	BED_CHAIN, /* header, and the frame in two pieces */
	BED_INDIRECT, /* the same in a table */
	BED_SHAPES
};

struct bed_shared {
	struct vm_mover_stats stats; /* of the mover when it ended in good order */
	struct vm_loop_stats loop;
	__u16 last_avail[VM_MOVER_RINGS];
	bool kept;
	pid_t ready; /* can be told to end */
	bool broken[VM_MOVER_RINGS];
	bool alarmed; /* SIGUSR1 has come */
	bool rests; /* SIGHUP has come */
};

struct bed_options {
	bool keep; /* the ring in memory that outlives it */
	bool plain; /* as on the oldest kernel */
	bool no_event_idx;
	bool socket_call; /* call fds are stream sockets */
	int poll_us;
	int cpu; /* -1: any */
	unsigned int mtu;
};

struct bed {
	struct bed_options opt;
	char *mem; /* the guest's memory */
	size_t mem_size;
	struct bed_ring ring[VM_MOVER_RINGS];
	char *kept; /* VM_LOOP_KEPT, then the logs */
	struct vm_vring_log *log[VM_MOVER_RINGS];
	struct bed_shared *shared;
	int tap, packet;
	unsigned int ifindex;
	pid_t pid; /* 0: not running */
	int call_device[VM_MOVER_RINGS]; /* the device's end */
};

/* Enter a network namespace; make the tap, memory and rings. 0 or -errno. */
int moverbed_make(struct bed *bed, const struct bed_options *opt);
void moverbed_free(struct bed *bed);
/*
 * Start the process. After a kill it takes up what the last one left. SIGUSR1 has it
 * find its ring as a kernel may leave it: there is work, the flags say, and there is none.
 * SIGHUP has it rest, as in a flood.
 */
int moverbed_start(struct bed *bed);
/* End it: SIGTERM, rings stopped in good order; or SIGKILL. Its wait status. */
int moverbed_end(struct bed *bed, int sig);

/* The driver. Heads are 0, 4, 8, ..: the descriptors of a head are its own. */
/* A frame of @len bytes with header, for the device to read (tx), or a buffer for it (rx). */
int bed_add(struct bed *bed, unsigned int ring, enum bed_shape shape, size_t len);
/* Where the next bed_add()'s bytes lie, header first. NULL: all are out. */
char *bed_next(struct bed *bed, unsigned int ring);
/* Show them; kick if the device wants it. */
void bed_publish(struct bed *bed, unsigned int ring);
/* The next used one: its bytes, its length. NULL: none. Its descriptors are free then. */
char *bed_used(struct bed *bed, unsigned int ring, __u32 *len);
bool bed_has_used(const struct bed *bed, unsigned int ring);
/* Let the device call for the next used one (or never). */
void bed_want_call(struct bed *bed, unsigned int ring, bool want);
/* Drain the call fd; how many bytes were there. */
int bed_calls(struct bed *bed, unsigned int ring);

/* A frame to send by the packet socket, or that is sent by the tap: 64 bytes and more. */
void bed_frame(char *frame, size_t len, __u32 seq);
/* Its number; -1: not ours. */
long bed_frame_seq(const char *frame, size_t len);

#endif /* VIRTMESH_SELFTESTS_PORT_MOVERBED_H */
