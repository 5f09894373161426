// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 *	           HELLO                      pending, and no progress for dead_ms
 *	ABSENT ------------------> UP <------------------------------> STALLED
 *	   ^                      | ^    progress, or nothing pending     |
 *	   |  BYE (from any)      | |                                     |
 *	   +----------------------+ |  HELLO; any frame of this life      |
 *	                          | +--------------------- DOWN <---------+
 *	                          +--------------------------^  silent for dead_ms
 *
 * Each transition, each new incarnation and each port that comes or goes makes
 * a new epoch of the ensemble. The record and the epoch are written to the maps
 * before the change is told: a broker that dies in between has told nothing it
 * cannot remember. Changes are collected in node->changed and told by mesh_flush();
 * within one event they share an epoch.
 *
 * A life is a nonce. The same nonce again is the same life and keeps its
 * incarnation, whatever happened to either side meanwhile. A record starts with
 * the ensemble's epoch as its incarnation, and each life adds one to the
 * incarnation and at least one to the epoch. So a node that was removed and
 * added again never gets an incarnation a second time, though its record was
 * forgotten. Nor does one of an ensemble that was removed and made again: a new
 * one starts behind all epochs that this broker has seen, and behind those of
 * earlier brokers by starting at the clock, whose seconds go faster than epochs.
 *
 * Nobody is probed, and no timer runs, while no node is UP or STALLED.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "../host/log.h"
#include "broker.h"
#include "control.h"
#include "membership.h"
#include "sandbox.h"
#include "wire.h"

SANDBOX_CALLS(mesh_calls, SANDBOX_CALL_ARG(bpf, 0, BPF_MAP_LOOKUP_ELEM),
	      SANDBOX_CALL_ARG(bpf, 0, BPF_MAP_UPDATE_ELEM),
	      SANDBOX_CALL_ARG(bpf, 0, BPF_MAP_DELETE_ELEM),
	      SANDBOX_CALL_ARG(bpf, 0, BPF_MAP_GET_NEXT_KEY));

#define NEWS_BURST    16
#define NEWS_INTERVAL NSEC_PER_SEC

static const char *const state_names[] = {
	[VM_NODE_ABSENT] = "absent",
	[VM_NODE_UP] = "up",
	[VM_NODE_STALLED] = "stalled",
	[VM_NODE_DOWN] = "down",
};
_Static_assert(sizeof(state_names) / sizeof(state_names[0]) == VM_NODE_STATES, "a state unnamed");

const char *mesh_state_name(unsigned int state)
{
	return state < VM_NODE_STATES ? state_names[state] : "unknown";
}

bool mesh_live(const struct node *node)
{
	return node->rec.state == VM_NODE_UP || node->rec.state == VM_NODE_STALLED;
}

bool mesh_current(const struct node *node, __u32 incarnation)
{
	return node->rec.state != VM_NODE_ABSENT && node->rec.nonce &&
	       node->rec.incarnation == incarnation;
}

/* Numbers of lives and epochs skip 0, which means "none". */
static __u32 next_number(__u32 number)
{
	return number + 1 ?: 1;
}

struct node *mesh_node(struct mesh *mesh, __u32 addr)
{
	unsigned int low = 0, high = mesh->nnodes;

	while (low < high) {
		unsigned int mid = (low + high) / 2;

		if (mesh->nodes[mid].addr < addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low < mesh->nnodes && mesh->nodes[low].addr == addr ? &mesh->nodes[low] : NULL;
}

struct ensemble *mesh_ensemble(struct mesh *mesh, __u32 id)
{
	unsigned int low = 0, high = mesh->nensembles;

	while (low < high) {
		unsigned int mid = (low + high) / 2;

		if (mesh->ensembles[mid].id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low < mesh->nensembles && mesh->ensembles[low].id == id ? &mesh->ensembles[low] :
									 NULL;
}

static struct ensemble *ensemble_of(struct broker *b, const struct node *node)
{
	return mesh_ensemble(&b->mesh, vm_addr_ensemble(node->addr));
}

/* A map that cannot be written costs the memory of us over a restart, not the service. */
static void persist_failed(const char *map, int err)
{
	static __u64 failures;

	failures++;
	if (!(failures & (failures - 1)))
		vm_err("event=persist-failed map=%s failures=%llu error=\"%s\"", map,
		       (unsigned long long)failures, strerror(-err));
}

static void persist_node(struct broker *b, const struct node *node)
{
	int err;

	if (node->gone)
		err = bpf_map_delete_elem(b->maps.members, &node->addr);
	else
		err = bpf_map_update_elem(b->maps.members, &node->addr, &node->rec, BPF_ANY);
	if (err && !(node->gone && err == -ENOENT))
		persist_failed("members", err);
}

__u32 mesh_first_epoch(const struct broker *b)
{
	__u32 clock = clock_real() / NSEC_PER_SEC, next = next_number(b->mesh.last_epoch);

	/* Serial numbers: later by less than half the circle. */
	return (b->mesh.last_epoch && (__s32)(next - clock) > 0) || !clock ? next : clock;
}

void mesh_saw_epoch(struct broker *b, __u32 epoch)
{
	if (!b->mesh.last_epoch || (__s32)(epoch - b->mesh.last_epoch) > 0)
		b->mesh.last_epoch = epoch;
}

void mesh_persist_epoch(struct broker *b, const struct ensemble *ens)
{
	int err = bpf_map_update_elem(b->maps.epochs, &ens->id, &ens->epoch, BPF_ANY);

	mesh_saw_epoch(b, ens->epoch);

	if (err)
		persist_failed("epochs", err);
}

void mesh_mark(struct broker *b, struct node *node)
{
	if (node->changed)
		return;
	node->changed = true;
	ensemble_of(b, node)->changed++;
}

/* Tell what changed in @ens, in as many epochs as frames are needed for it. */
void mesh_flush(struct broker *b, struct ensemble *ens)
{
	while (ens->changed) {
		struct node *told[CONTROL_CHANGE_MAX];
		unsigned int n = 0;
		__u32 prev = ens->epoch;

		for (unsigned int i = 0; i < ens->count && n < CONTROL_CHANGE_MAX; i++) {
			struct node *node = &b->mesh.nodes[ens->first + i];

			if (!node->changed)
				continue;
			node->changed = false;
			ens->changed--;
			told[n++] = node;
			persist_node(b, node);
		}
		if (!n)
			break;
		ens->epoch = next_number(prev);
		mesh_persist_epoch(b, ens);
		control_change(b, ens, prev, told, n);
		for (unsigned int i = 0; i < n; i++)
			server_publish(b, told[i], ens->epoch);
	}
}

void mesh_set_state(struct broker *b, struct node *node, enum vm_node_state state)
{
	struct ensemble *ens = ensemble_of(b, node);
	unsigned int was = node->rec.state;

	if (was == state)
		return;
	ens->live -= mesh_live(node);
	node->rec.state = state;
	node->rec.since_ns = clock_real();
	ens->live += mesh_live(node);
	if (mesh_live(node) && !b->mesh.next_probe)
		b->mesh.next_probe = b->now + b->opt.probe_ms * NSEC_PER_MSEC;
	mesh_mark(b, node);
	vm_info("event=node node=%u/%u state=%s was=%s incarnation=%u epoch=%u",
		vm_addr_ensemble(node->addr), vm_addr_node(node->addr), mesh_state_name(state),
		mesh_state_name(was), node->rec.incarnation, next_number(ens->epoch));
}

static void note_heard(struct broker *b, struct node *node)
{
	node->heard = b->now;
	node->heard_real = clock_real();
}

/*
 * Each epoch is a frame to every node of the ensemble, so a guest that makes
 * lives and goodbyes as fast as its control rate lets it would have the broker
 * flood the others. A node may cause NEWS_BURST epochs, then one each
 * NEWS_INTERVAL; counted as the steering program counts control frames (GCRA).
 */
static bool may_tell_news(struct broker *b, struct node *node)
{
	__u64 due = node->news_due > b->now ? node->news_due : b->now;

	if (due - b->now > (NEWS_BURST - 1) * NEWS_INTERVAL)
		return false;
	node->news_due = due + NEWS_INTERVAL;
	return true;
}

bool mesh_hello(struct broker *b, struct node *node, const struct wire_hello *hello)
{
	__u16 mtu = hello->mtu < node->mtu ? hello->mtu : node->mtu;
	struct ensemble *ens = ensemble_of(b, node);

	if ((hello->nonce != node->rec.nonce || !mesh_live(node)) && !may_tell_news(b, node))
		return false;
	note_heard(b, node);
	if (hello->nonce != node->rec.nonce) {
		node->rec.nonce = hello->nonce;
		node->rec.incarnation = next_number(node->rec.incarnation);
		node->answered = false;
		node->pending = 0;
		node->progress = 0;
		node->progressed = b->now;
		mesh_mark(b, node);
		/* A second life of a node that is UP is no transition, and yet is news. */
		if (node->rec.state == VM_NODE_UP) {
			node->rec.since_ns = clock_real();
			vm_info("event=node node=%u/%u state=up was=up incarnation=%u epoch=%u",
				vm_addr_ensemble(node->addr), vm_addr_node(node->addr),
				node->rec.incarnation, next_number(ens->epoch));
		}
	}
	if (node->rec.mtu != mtu || node->rec.caps != hello->caps) {
		node->rec.mtu = mtu;
		node->rec.caps = hello->caps;
		if (!node->changed)
			persist_node(b, node);
	}
	/* Who says HELLO again while stalled is still stalled: only progress says otherwise. */
	if (!mesh_live(node) || node->changed) {
		node->progressed = b->now;
		mesh_set_state(b, node, VM_NODE_UP);
	}
	mesh_flush(b, ens);
	return true;
}

void mesh_heard(struct broker *b, struct node *node)
{
	note_heard(b, node);
	if (node->rec.state != VM_NODE_DOWN)
		return;
	node->progressed = b->now;
	mesh_set_state(b, node, VM_NODE_UP);
	mesh_flush(b, ensemble_of(b, node));
}

void mesh_alive(struct broker *b, struct node *node, const struct wire_alive *alive)
{
	/* What it had done before we asked is unknown: its first word is no progress. */
	bool moved = !alive->pending || (node->answered && alive->progress != node->progress);

	if (moved)
		node->progressed = b->now;
	node->answered = true;
	node->pending = alive->pending;
	node->progress = alive->progress;
	mesh_heard(b, node);

	if (moved)
		mesh_set_state(b, node, VM_NODE_UP);
	else if (b->now - node->progressed >= b->opt.dead_ms * NSEC_PER_MSEC)
		mesh_set_state(b, node, VM_NODE_STALLED);
	mesh_flush(b, ensemble_of(b, node));
}

bool mesh_bye(struct broker *b, struct node *node)
{
	if (!may_tell_news(b, node))
		return false;
	note_heard(b, node);
	mesh_set_state(b, node, VM_NODE_ABSENT);
	mesh_flush(b, ensemble_of(b, node));
	return true;
}

static __u64 silent_at(struct broker *b, const struct node *node)
{
	return node->heard + b->opt.dead_ms * NSEC_PER_MSEC;
}

/*
 * A broker that was stopped, starved or kept waiting has asked nobody meanwhile.
 * No node was heard, nor moved, after the last wake-up, and next_probe is later
 * than that: what is put off does not come to lie in the future.
 */
void mesh_wake(struct broker *b)
{
	struct mesh *mesh = &b->mesh;
	__u64 late;

	if (!mesh->next_probe || b->now <= mesh->next_probe)
		return;
	late = b->now - mesh->next_probe;
	mesh->next_probe = b->now;
	for (unsigned int i = 0; i < mesh->nnodes; i++) {
		mesh->nodes[i].heard += late;
		mesh->nodes[i].progressed += late;
	}
}

void mesh_tick(struct broker *b)
{
	struct mesh *mesh = &b->mesh;
	bool anybody = false;

	for (unsigned int i = 0; i < mesh->nnodes; i++)
		if (mesh_live(&mesh->nodes[i]) && b->now >= silent_at(b, &mesh->nodes[i]))
			mesh_set_state(b, &mesh->nodes[i], VM_NODE_DOWN);
	for (unsigned int i = 0; i < mesh->nensembles; i++) {
		mesh_flush(b, &mesh->ensembles[i]);
		anybody |= mesh->ensembles[i].live;
	}

	if (!anybody) {
		mesh->next_probe = 0;
		return;
	}
	if (b->now < mesh->next_probe)
		return;
	mesh->next_probe = b->now + b->opt.probe_ms * NSEC_PER_MSEC;
	mesh->token++;
	for (unsigned int i = 0; i < mesh->nensembles; i++)
		if (mesh->ensembles[i].live)
			control_probe(b, &mesh->ensembles[i]);
}

__u64 mesh_deadline(struct broker *b)
{
	struct mesh *mesh = &b->mesh;
	__u64 when = 0;

	for (unsigned int i = 0; i < mesh->nnodes; i++) {
		if (!mesh_live(&mesh->nodes[i]))
			continue;
		if (!when || silent_at(b, &mesh->nodes[i]) < when)
			when = silent_at(b, &mesh->nodes[i]);
	}
	return when && mesh->next_probe < when ? mesh->next_probe : when;
}

void mesh_clear(struct broker *b)
{
	struct mesh *mesh = &b->mesh;

	for (unsigned int i = 0; i < mesh->nnodes; i++) {
		mesh->nodes[i].gone = true;
		mesh->nodes[i].ifindex = 0;
		server_publish(b, &mesh->nodes[i], ensemble_of(b, &mesh->nodes[i])->epoch);
	}
	mesh->nnodes = 0;
	mesh->nensembles = 0;
	mesh->next_probe = 0;
}
