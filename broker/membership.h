/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who is there: the nodes of every ensemble, their states, and the epoch that
 * numbers the views of them. The kernel's maps hold what must outlive us.
 */
#ifndef VIRTMESH_BROKER_MEMBERSHIP_H
#define VIRTMESH_BROKER_MEMBERSHIP_H

#include <stdbool.h>

#include <linux/types.h>
#include <virtmesh/maps.h>

struct broker;
struct sandbox_calls;
struct wire_alive;
struct wire_hello;

struct node {
	__u32 addr;
	__u32 ifindex; /* of its port; 0: not there */
	__u16 mtu; /* of its port */
	bool changed; /* since the last epoch of its ensemble */
	bool gone; /* its port was taken away: forgotten after the next epoch */
	struct vm_member rec; /* as in the members map */
	__u64 heard; /* CLOCK_MONOTONIC: last valid frame, or when we took it over as UP */
	__u64 heard_real; /* CLOCK_REALTIME; 0: never by this broker */
	bool answered; /* an ALIVE of this life came to this broker */
	__u64 progress; /* from its last ALIVE */
	__u64 progressed; /* CLOCK_MONOTONIC: when progress moved or nothing waited */
	__u32 pending;
	__u64 news_due; /* CLOCK_MONOTONIC: see may_tell_news() */
};

struct ensemble {
	__u32 id;
	__u32 epoch; /* never 0 */
	unsigned int first; /* its nodes: mesh.nodes[first .. first + count) */
	unsigned int count;
	unsigned int changed; /* nodes with .changed */
	unsigned int live; /* nodes UP or STALLED: those that are probed */
	__u16 mtu; /* the smallest of its ports: what a group frame may have */
};

struct mesh {
	/* Both sorted, by addr and by id, so that an ensemble's nodes stand together. */
	struct node nodes[VM_PORTS_MAX];
	unsigned int nnodes;
	struct ensemble ensembles[VM_PORTS_MAX + VM_ENSEMBLES_MAX];
	unsigned int nensembles;

	__u64 next_probe; /* CLOCK_MONOTONIC; 0: nobody to probe */
	__u32 token; /* of the last PROBE */
	__u32 last_epoch; /* the latest of any ensemble that this broker has seen */
};

/* roster.c: the maps and the ports behind them. */

/*
 * Take over what the last broker left in the maps (open, b->maps). Nodes that
 * were UP stay so, and have dead_ms to be heard. mesh_reload() must follow.
 * 0 or -errno.
 */
int mesh_adopt(struct broker *b);
/*
 * Read the ports again: members for new ones, GONE for lost ones, told to
 * everybody. 0 or -errno; on an error nothing has changed.
 */
int mesh_reload(struct broker *b);
/* Forget everything here, and leave the maps alone. */
void mesh_clear(struct broker *b);

/* membership.c: states, epochs, probes. */

/* NULL when there is none. Valid until the next mesh_reload() or mesh_clear(). */
struct node *mesh_node(struct mesh *mesh, __u32 addr);
struct ensemble *mesh_ensemble(struct mesh *mesh, __u32 id);

/*
 * A HELLO whose fields make sense. True: the node is UP (or STALLED, if it was),
 * under the incarnation of its nonce, and everybody else has been told. False:
 * it makes more news than the others need bear; nothing happened.
 */
bool mesh_hello(struct broker *b, struct node *node, const struct wire_hello *hello);
/* A frame of @node's present incarnation came. */
void mesh_heard(struct broker *b, struct node *node);
/* ... which was ALIVE, or BYE. False as above. */
void mesh_alive(struct broker *b, struct node *node, const struct wire_alive *alive);
bool mesh_bye(struct broker *b, struct node *node);

/* Is @incarnation that of @node's present life, which has not left? */
bool mesh_current(const struct node *node, __u32 incarnation);

/* Before the events of a wake-up: time that we were late to probe is nobody's silence. */
void mesh_wake(struct broker *b);
/* Probe, and call DOWN who was silent, as far as due at b->now. */
void mesh_tick(struct broker *b);
/* When mesh_tick() is next due; 0: when something comes. */
__u64 mesh_deadline(struct broker *b);

/* For roster.c: a transition; that @node is news; and telling the news of @ens. */
void mesh_set_state(struct broker *b, struct node *node, enum vm_node_state state);
void mesh_mark(struct broker *b, struct node *node);
void mesh_flush(struct broker *b, struct ensemble *ens);
bool mesh_live(const struct node *node);
/* Where an ensemble that has none begins; and a number to begin behind. */
__u32 mesh_first_epoch(const struct broker *b);
void mesh_saw_epoch(struct broker *b, __u32 epoch);
void mesh_persist_epoch(struct broker *b, const struct ensemble *ens);

const char *mesh_state_name(unsigned int state);

extern const struct sandbox_calls mesh_calls;

#endif /* VIRTMESH_BROKER_MEMBERSHIP_H */
