/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The conversation with the guests, on vmesh0: what comes in is judged and
 * handed to membership, what membership decides is put into frames.
 */
#ifndef VIRTMESH_BROKER_CONTROL_H
#define VIRTMESH_BROKER_CONTROL_H

#include <stddef.h>

#include <linux/types.h>
#include <virtmesh/frame.h>

struct broker;
struct ensemble;
struct node;

/* Nodes one change may name: they fit a frame of the smallest MTU. */
#define CONTROL_CHANGE_MAX VM_MEMBERS_PER_FRAME(VM_MTU_MIN)

/* A frame came in on vmesh0; from its Ethernet header on. Anything may be in it. */
void control_frame(struct broker *b, const void *frame, size_t len);

/* To the group of @ens: who is there? Token: b->mesh.token. */
void control_probe(struct broker *b, const struct ensemble *ens);
/* To the group of @ens: these @n nodes took the membership from @prev to its epoch. */
void control_change(struct broker *b, const struct ensemble *ens, __u32 prev,
		    struct node *const *nodes, unsigned int n);

#endif /* VIRTMESH_BROKER_CONTROL_H */
