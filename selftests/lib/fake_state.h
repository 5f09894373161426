/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of the fake driver share: all that it knows, static, under one
 * lock. Functions that return int return 0 or -errno. All are called with the lock
 * held, and pointers to what they give are good as long as it is.
 */
#ifndef FAKE_STATE_H
#define FAKE_STATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/virtmesh.h>

#define FILES  32
#define GROUPS 256

struct pending {
	struct virtmesh_op op;
	struct virtmesh_done done;
	uint64_t deadline_ns, posted_ns;
	uint32_t number;
	bool used, ended;
};

struct file {
	bool used;
	uint16_t node;
	struct {
		char *mem;
		size_t size;
		bool own;
	} buf[VIRTMESH_BUFS_MAX + 1];
	struct pending pending[VIRTMESH_OPS_MAX];
};

/* One member's handle of a group. */
struct member {
	bool used, formed, fenced, forming;
	int fd;
	uint32_t id, number;
	uint16_t rank, count;
	uint16_t nodes[VIRTMESH_RANKS_MAX];
	uint64_t members, missing;
	unsigned int formings;
	/* One waits to be received at most. */
	bool control;
	uint16_t control_from;
	char control_data[64];
	uint32_t control_len;
};

extern struct fake {
	pthread_mutex_t lock; /* protects all that follows */
	pthread_cond_t changed; /* an operation, a group or a control message is not as it was */
	struct file files[FILES];
	struct member groups[GROUPS]; /* handle: index + 1 */
	unsigned int interrupts, submits, messages;
	int refuse_opcode, refuse_err;
} fake;

/* fake.c */

uint64_t fake_now_ns(void); /* CLOCK_REALTIME: the clock of all deadlines */
/* Until something changes; meanwhile the lock is not held. False: it came to the deadline. */
bool fake_wait(uint64_t deadline_ns);

/* fake_group.c */

/* The handle in the same group of the node at @rank; NULL: it has none. */
struct member *fake_peer(const struct member *m, unsigned int rank);
/* Every operation on the group ends, for @self with what it knows. */
void fake_fence(struct member *self, int64_t result, uint64_t missing, uint16_t reason);
void fake_leave(struct member *m);
/* VIRTMESH_IOC_GROUP_*, VIRTMESH_IOC_CONTROL_*; some wait. */
int fake_group_call(int fd, unsigned long request, void *arg);

/* fake_op.c */

/* Every operation of one member's handle ends so. */
void fake_end_all(unsigned int handle, int64_t result, uint64_t missing, uint16_t reason);
/* VIRTMESH_IOC_SUBMIT; may wait. */
int fake_submit(int fd, struct virtmesh_submit *arg);

#endif /* FAKE_STATE_H */
