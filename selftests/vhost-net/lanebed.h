/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What vm_lane_kernel stands between when it is alone: the loop and what else of the
 * port it calls, the device's view of a driver's rings, and frames at both ends, those
 * of the driver and of the tap's other side.
 *
 * The loop is a table: its watchers run in lanebed_round(), and are counted. There is
 * one, of the process; the harness has a process for each test. All waits end
 * (FE_WAIT_MS). What a caller hands over stays its own.
 */
#ifndef VIRTMESH_SELFTESTS_VHOST_NET_LANEBED_H
#define VIRTMESH_SELFTESTS_VHOST_NET_LANEBED_H

#include <stdbool.h>
#include <stddef.h>

#include "../../host/vhost/device.h"
#include "../port/frontend.h"

#define WIRE_MTU       9000
#define WIRE_FRAME_MAX 9014

/* Call whoever has something to read, waiting up to @ms for the first. How many. */
unsigned int lanebed_round(int ms);
/* How many fds are watched. */
unsigned int lanebed_watches(void);
/* How often ring @i was found broken. */
unsigned int lanebed_broken(unsigned int i);

/*
 * The lane's view of memory (0 or -errno) and of a ring in it: mapped again, so that no
 * address is the driver's. The memory is @dev's, and replaces what it had.
 */
int lanebed_memory(struct vm_device *dev, struct fe *fe);
void lanebed_ring(struct vm_device *dev, unsigned int i, const struct ring *r);

/* The tap's other side: a packet socket, the caller's to close; -errno. */
int wire_open(const char *tap);

/* Frame number @n of @len bytes: every byte depends on both. */
void frame_fill(unsigned char *frame, __u16 n, size_t len);
/* The guest (which kicks if that is wanted), or the wire, sends it. 0 or -errno. */
int guest_says(struct fe *fe, __u16 n, size_t len);
int wire_says(int wire, __u16 n, size_t len);
/* The next one there is number @n of @len bytes. 1: it is; 0: it is not; -errno. */
int guest_hears(struct fe *fe, __u16 n, size_t len);
int wire_hears(int wire, __u16 n, size_t len);
/* Nothing is to be read there now. */
bool wire_is_silent(int wire);

#endif /* VIRTMESH_SELFTESTS_VHOST_NET_LANEBED_H */
