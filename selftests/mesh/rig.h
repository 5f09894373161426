/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the programs of this directory that run in guests share: a device, its
 * buffers and groups by bare ioctls, and bytes that tell where they belong.
 */
#ifndef SELFTEST_RIG_H
#define SELFTEST_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/virtmesh.h>

#define RIG_DEVICE "/dev/virtmesh0"
#define RIG_GUARD  64 /* bytes around what an operation may write, which must not change */

struct rig_buf {
	uint32_t handle;
	unsigned char *addr;
	size_t size;
};

struct rig_group {
	uint32_t id;
	uint32_t handle;
	unsigned int rank;
	unsigned int count;
	uint16_t nodes[VIRTMESH_RANKS_MAX];
};

/* These end the program with a line on stderr when the driver refuses. */
int rig_open(struct virtmesh_info *info);
void rig_alloc(int fd, size_t size, struct rig_buf *buf);
void rig_register(int fd, size_t size, struct rig_buf *buf); /* at an odd address */
/* Of @g: id, nodes and count are set; this node must be one of them. */
void rig_create(int fd, struct rig_group *g);

/* 0 or -errno; @form is filled in any case. */
int rig_form(int fd, const struct rig_group *g, uint64_t timeout_ns, uint32_t flags,
	     struct virtmesh_group_form *form);
/* Post all of @ops, in one call when it lets us, and wait for all: 0 or -errno. */
int rig_run(int fd, struct virtmesh_op *ops, unsigned int n, struct virtmesh_done *done);
/* Post @n more, and take between @wait and @room that have ended. How many, or -errno. */
int rig_submit(int fd, struct virtmesh_op *ops, unsigned int *n, struct virtmesh_done *done,
	       unsigned int room, unsigned int wait);
void rig_print(const char *what, const struct virtmesh_done *done);

/* "1,2,4": how many. Ends the program when it is none. */
unsigned int rig_nodes(const char *text, uint16_t *nodes);
/* Bytes, and K or M after it. Ends the program when it is none. */
uint64_t rig_number(const char *text);

uint64_t rig_now_ns(void); /* CLOCK_MONOTONIC */
uint64_t rig_mix(uint64_t x);

/* The key of bytes that @from sends to @to (or to all: ~0) in @number of group @id. */
uint64_t rig_key(uint32_t id, uint32_t number, unsigned int from, unsigned int to);
void rig_fill(void *to, size_t len, uint64_t key);
/* Where it first differs from what rig_fill() makes of @key, or -1. */
long long rig_differs(const void *got, size_t len, uint64_t key);

#endif /* SELFTEST_RIG_H */
