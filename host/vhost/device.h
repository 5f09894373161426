/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The device that a front-end talks to: a virtio network device of one or two
 * queue pairs. Its state, the requests that change it, and who carries the
 * frames of its rings: a lane.
 */
#ifndef VIRTMESH_VHOST_DEVICE_H
#define VIRTMESH_VHOST_DEVICE_H

#include <stdbool.h>

#include <linux/virtio_net.h>

#include "memory.h"
#include "message.h"
#include "vring.h"

struct vm_device;
struct vm_loop;

/* Rings: pair 0 carries frames; pair 1 is for bulk: set up like any, and left alone. */
enum vm_ring_index {
	VM_RING_RX = 0, /* to the guest */
	VM_RING_TX = 1, /* from the guest */
	VM_RING_BULK_RX = 2,
	VM_RING_BULK_TX = 3,
	VM_RINGS = 4
};
#define VM_RINGS_LANE 2 /* those a lane is told of */

/*
 * Who carries frames between rings and tap. @i is VM_RING_RX or VM_RING_TX.
 * All are called from the loop's thread; none may block for the guest's sake.
 */
struct vm_lane {
	const char *name;
	/* Before the sandbox. 0, or -errno: it cannot be had here. */
	int (*init)(struct vm_device *dev);
	/*
	 * The ring has addresses, a kick fd and is enabled; last_avail and the log
	 * say where to go on. May signal the guest once too often. < 0: not on
	 * this lane (it has said why); the device goes over to vm_lane_own.
	 */
	int (*ring_start)(struct vm_device *dev, unsigned int i);
	/* Returns when nothing of the ring is in flight and last_avail is true. */
	void (*ring_stop)(struct vm_device *dev, unsigned int i);
	/*
	 * The call or error fd of a running ring is another now; the old one is closed
	 * on return. May signal the guest once too often.
	 */
	void (*ring_fds)(struct vm_device *dev, unsigned int i);
	void (*exit)(struct vm_device *dev);
};

struct vm_device {
	struct vm_loop *loop;
	struct vm_memory mem;
	struct vm_vring ring[VM_RINGS];
	unsigned int rings; /* 2 * queue pairs */

	__u64 offered; /* virtio features, VU_F_PROTOCOL_FEATURES among them */
	__u64 features; /* what the front-end took of them */
	__u64 protocol; /* enum vu_protocol_feature bits it took */
	struct virtio_net_config config;

	int tap; /* frames with a header of 12 bytes; non-blocking; owned */
	int vhost; /* /dev/vhost-net, owned by no process yet; < 0: none */
	int poll_us; /* --poll-us */
	const struct vm_lane *lane; /* NULL: none can be had any more, and the loop ends */
	void *lane_data; /* the lane's own */

	int sock; /* the front-end, connection.c's; -1 */
	int untaken; /* of one that was cut off with answers unread; -1 */
	int backend_req; /* where we may say something unasked; -1 */
	unsigned int complaints; /* lines about requests refused: a flood of them is not worth one */

	struct vm_saved *saved; /* what outlives this process; NULL: nothing does */
	struct vm_inflight {
		int fd; /* the front-end's in-flight memory; -1: none, the saved state's is used */
		void *map;
		size_t map_size;
		__u64 offset; /* in the file */
		unsigned int queues;
		unsigned int queue_size; /* descriptors each has room for */
	} inflight;
};

extern const struct vm_lane vm_lane_own; /* lane_own.c */
extern const struct vm_lane vm_lane_kernel; /* vhost_net.c */

/* What the front-end may take, and the config space it reads. */
void vm_device_init(struct vm_device *dev, const __u8 mac[VM_MAC_LEN], unsigned int mtu,
		    unsigned int pairs);
/*
 * Do what @msg asks. @sock is where an answer goes. Returns 0, or < 0 when the
 * connection must be cut: -EPROTO and the like for a request that failed and
 * that there was no way to answer, -EAGAIN when the answer found no room. A
 * request that fails has changed nothing.
 */
int vm_device_request(struct vm_device *dev, int sock, struct vm_message *msg);
/*
 * Has every front-end read what it was sent: the one at @sock, and those before? A file
 * that nobody took counts against our user, who may have other ports and no more to send then.
 */
bool vm_device_all_taken(struct vm_device *dev, int sock);
/* Write down what is to outlive this process, if anything is. */
void vm_device_save(struct vm_device *dev);
/* Start every ring that has all it needs. Whoever changed a ring saves before. */
void vm_device_start_rings(struct vm_device *dev);
void vm_device_stop_ring(struct vm_device *dev, unsigned int i);
void vm_device_stop_rings(struct vm_device *dev);
/* Find all rings in the memory as it is now; those that are nowhere in it rest until they are. */
void vm_device_map_rings(struct vm_device *dev);
/* Where ring @i's log is; NULL: it has none. */
struct vm_vring_log *vm_device_log(struct vm_device *dev, unsigned int i);
/* Forget what the driver set up: features and rings with their fds. Memory stays. */
void vm_device_reset(struct vm_device *dev);
/* Map and use the front-end's in-flight memory; takes @fd on success. 0 or -errno. */
int vm_device_set_inflight(struct vm_device *dev, const struct vu_inflight *desc, int fd);
/* Bytes of the in-flight memory of one ring of @num. */
size_t vm_device_inflight_stride(unsigned int num);
/* The front-end has gone: rings stop, its memory and fds are let go of. */
void vm_device_disconnect(struct vm_device *dev);
/*
 * The ring is broken (the guest wrote nonsense into it): stops it, tells the
 * front-end by its error fd, and says why. It stays so until it is set up anew.
 * For lanes; may be called from within ring_start(), never from ring_stop().
 */
void vm_device_ring_broken(struct vm_device *dev, unsigned int i, const char *why);
/*
 * Go on where an earlier process was, with what vm_saved_read() has put into
 * @dev. @kernel: the kernel carried its frames.
 */
void vm_device_resume(struct vm_device *dev, bool kernel);

#endif /* VIRTMESH_VHOST_DEVICE_H */
