/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The other side, for KUnit: a virtio network device that is a piece of memory,
 * whose device side is played by the test; and a broker's and neighbours' frames.
 * Everything here is for process context of the test's own thread.
 */
#ifndef VMESH_FAKE_H
#define VMESH_FAKE_H

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/virtio.h>
#include <uapi/linux/virtmesh.h>
#include <virtmesh/frame.h>

#include "mesh.h"

#define FAKE_ENSEMBLE 7
#define FAKE_NODE     1
#define FAKE_RING     64 /* descriptors of each ring, unless a test wants others */
#define FAKE_FRAME    10240
#define FAKE_BROKER   0x1122334455667788ULL
#define FAKE_LIFE     5 /* our incarnation, as its WELCOME says */
#define FAKE_EPOCH    100

struct fake_ring {
	struct virtqueue *vq;
	u16 seen; /* of the avail ring */
};

struct fake {
	struct virtio_device vdev;
	struct device *root;
	struct completion released;
	/* What the device says; a test changes it before fake_bind(). */
	u64 offers;
	u8 mac[ETH_ALEN];
	u16 mtu;
	u16 group_mtu; /* MEMBERS says; 0: nothing */
	u16 link;
	unsigned int ring_size;

	bool heeds; /* interrupts where it is asked to and nowhere else */
	u8 status;
	unsigned int kicks;
	unsigned int early; /* of these, before it was told that the driver is ready */
	struct fake_ring ring[2]; /* 0: to the driver; 1: from it */
	u8 frame[FAKE_FRAME]; /* the last one taken */
	unsigned int len; /* of it, without virtio header */
};

/* Until a condition holds, for as long as a busy machine may take. */
#define FAKE_UNTIL(cond)                                         \
	({                                                       \
		unsigned long end_ = jiffies + 20 * HZ;          \
		bool holds_;                                     \
		do {                                             \
			holds_ = (cond);                         \
			if (!holds_)                             \
				usleep_range(200, 1000);         \
		} while (!holds_ && time_before(jiffies, end_)); \
		holds_;                                          \
	})

/* A device on the bus that no driver has; test->priv is it. */
int fake_init(struct kunit *test);
void fake_exit(struct kunit *test);

/* Give it to the driver, or take it away. What device_driver_attach() says. */
int fake_bind(struct fake *f);
void fake_unbind(struct fake *f);

/* The driver's side of it, while it is bound. */
struct vmesh *fake_mesh(struct fake *f);
u64 fake_counter(struct fake *f, enum vmesh_counter c);
#define FAKE_COUNT(f, name) fake_counter(f, VMESH_CNT_##name)

/*
 * Into the driver: write @len bytes into its next buffer, behind a virtio header, and
 * say it were @said bytes (header included) in the descriptor @id; negative: the truth.
 * False: it posted no buffer.
 */
bool fake_push_as(struct fake *f, const void *frame, unsigned int len, int said, int id);
bool fake_push(struct fake *f, const void *frame, unsigned int len);

/* Out of it: the next frame into f->frame, f->len. False: there is none. */
bool fake_pop(struct fake *f);

/* Say that it took a frame @id, of which there may be none. */
void fake_took(struct fake *f, u32 id);

/* Send until its ring, of which nothing is taken, is full: how many went. */
unsigned int fake_fill(struct kunit *test);
/* The frames that fake_fill() sends. */
struct sk_buff *fake_skb(struct kunit *test, u8 mark);

/* Wait for one of this type; others are thrown away. */
bool fake_pop_type(struct fake *f, u8 type);
struct vm_hdr *fake_hdr(struct fake *f);
void *fake_payload(struct fake *f);

/* A frame of the mesh protocol to us, from @node in its life @life. */
struct fake_frame {
	u16 ensemble, from, to;
	u8 version, type;
	u32 life, epoch, seq;
	const void *payload;
	u16 len; /* of the payload */
	u16 said; /* in the header; 0: the truth */
};

#define FAKE_FRAME_FROM(node, kind, data, bytes)          \
	((struct fake_frame){ .ensemble = FAKE_ENSEMBLE,  \
			      .from = (node),             \
			      .to = FAKE_NODE,            \
			      .version = VM_WIRE_VERSION, \
			      .type = (kind),             \
			      .life = 1,                  \
			      .epoch = FAKE_EPOCH,        \
			      .payload = (data),          \
			      .len = (bytes) })
bool fake_say(struct fake *f, struct fake_frame what);

/* The broker's words. */
bool fake_welcome(struct fake *f, u64 nonce, u64 broker, u32 dead_ms);
bool fake_probe(struct fake *f, u64 broker, u32 epoch, u32 token);
/* Entries first..first+n of a snapshot of @total nodes, node i up in life @life. */
bool fake_snapshot(struct fake *f, u32 epoch, u16 first, u16 n, u16 total, u32 life);
bool fake_change(struct fake *f, u32 prev, u32 epoch, u16 node, u8 state, u32 life, u8 flags);

/* Bind, answer its HELLO, and tell it of nodes 1..3: it has joined. */
void fake_join(struct kunit *test);

#endif /* VMESH_FAKE_H */
