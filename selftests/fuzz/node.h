/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A node whose transport is the driver's own code, on a device that is a ring in
 * memory. Above it a file, as one program has it open. Everything is one thread's.
 */
#ifndef VIRTMESH_SELFTESTS_FUZZ_NODE_H
#define VIRTMESH_SELFTESTS_FUZZ_NODE_H

#include "../../guest/kmod/mesh.h"
#include "../../guest/kmod/transport.h"
#include "fuzz.h"
#include "kernel/fake.h"

#define NODE_ENSEMBLE 7
#define NODE_LIFE     5 /* incarnation of every node */
#define NODE_EPOCH    100
#define NODE_BROKER   0x1122334455667788ULL
#define NODE_RING_MAX 256
#define NODE_JOBS     32 /* operations that one file has not been told the end of */
#define NODE_GROUP    9 /* its id */
#define NODE_BLANK    0xa5 /* where nothing was received */

/* In the transmit ring. */
struct node_sent {
	struct sk_buff *skb;
	u8 *copy; /* what the device has read; nobody may have changed it before it is given back */
};

/* An operation that was posted, and has not been taken. */
struct node_job {
	bool used;
	u8 kind;
	u16 root;
	u64 len;
	u64 deadline;
	u32 buf[2]; /* handles: to send from, to receive into; 0: none */
	u8 *at[2]; /* where the parts begin */
	u64 span[2];
	unsigned int what; /* the harness's */
};

struct node {
	struct vmesh *m; /* until the last reference is dropped */
	struct vmesh_file *f;
	u16 id;
	u16 rank, ranks; /* in its group */
	u32 group; /* handle; 0: none */
	bool slow; /* the device gives nothing back by itself */
	unsigned int spinners;
	unsigned int waiters; /* in node_wait() */
	unsigned int ring_size, in_ring;
	struct node_sent ring[NODE_RING_MAX];
	struct node_job job[NODE_JOBS];
};

/* The harness's: a frame has left @n, which may be called again only later. */
void node_says(struct node *n, const u8 *frame, unsigned int len);
/* The harness's: how @job has ended. All that can be said of any was looked at. */
void node_ended(struct node *n, const struct node_job *job, const struct virtmesh_done *done);

/* Bound, joined, and with nodes 1..@nodes in its ensemble, itself one of them; a file is open. */
void node_begin(struct node *n, u16 id, u16 mtu, unsigned int ring_size, unsigned int nodes);
/* The device goes; and the last of it, once its file is closed. */
void node_gone(struct node *n);
void node_end(struct node *n);
/* close(2) */
void node_close(struct node *n);

/* A frame comes, in pages of its own, which end where it does. */
void node_hears(struct node *n, const u8 *frame, unsigned int len);
/* The receive poll ends. */
void node_polled(struct node *n);
/* The device has done with the oldest @count frames. */
void node_device(struct node *n, unsigned int count);

/* The broker says: @node is in @state now. */
void node_member(struct node *n, u16 node, u8 state, u32 life);

/* Its group, or NULL; for looking at, no reference. */
struct vmesh_group *node_group(struct node *n);
/* What must be true of it between two things that happen. */
void node_audit(struct node *n);

/* The ethernet and mesh header of a frame from node @from to @to, VM_PAYLOAD_OFFSET bytes. */
void node_head(u8 *at, u16 from, u16 to, u8 type, u32 seq, u32 life, u16 len);

/* Calls; what the file's ioctl would say. */
int node_create(struct node *n, u16 ranks);
int node_form(struct node *n, u64 timeout_ns, u32 flags, struct virtmesh_group_form *arg);
int node_leave(struct node *n);
/* @fill writes what is sent; NULL: anything. 0, or an errno, and then nothing was posted. */
int node_post(struct node *n, u8 kind, u16 root, u32 tag, u64 len, u64 timeout_ns,
	      unsigned int what, void (*fill)(struct node *n, struct node_job *job));
/* All that has ended: node_ended() for each. But not while somebody waits for them. */
void node_take(struct node *n);
/* The same, once @want have ended, or none is left that could. */
int node_wait(struct node *n, unsigned int want, u64 timeout_ns);
unsigned int node_pending(const struct node *n);
bool node_overdue(const struct node *n, u64 slack); /* and nobody waits */
u64 node_deadline(const struct node *n); /* the last of its jobs; 0: none */

#endif /* VIRTMESH_SELFTESTS_FUZZ_NODE_H */
