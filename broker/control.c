// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <errno.h>
#include <string.h>

#include <virtmesh/frame.h>

#include "../host/log.h"
#include "broker.h"
#include "control.h"
#include "state.h"
#include "wire.h"

/* Additions to the wire are optional for both sides: every abi since the first is served. */
#define ABI_MIN 1

/* A guest's first retry of HELLO, and where its backoff ends. */
#define HELLO_MIN_MS 250
#define HELLO_MAX_MS 8000

/* Ports are read again for a sender we do not know, at most this often. */
#define LEARN_NS (100 * NSEC_PER_MSEC)

/*
 * Begin a frame from node 0 of the ensemble of @addr to @addr. Returns where its
 * payload goes; @payload bytes of it are zeroed.
 */
static void *begin(struct broker *b, __u32 addr, enum vm_frame_type type, __u32 epoch,
		   size_t payload)
{
	__u8 *frame = node0_frame(b);
	struct vm_hdr hdr = {
		.version = VM_WIRE_VERSION,
		.type = type,
		.len = htobe16(payload),
		.epoch = htobe32(epoch),
		.seq = htobe32(b->node0.seq++),
	};

	vm_addr_to_mac(addr, frame);
	vm_addr_to_mac(vm_addr(vm_addr_ensemble(addr), VM_NODE_BROKER), frame + VM_MAC_LEN);
	frame[12] = VM_ETHERTYPE >> 8;
	frame[13] = VM_ETHERTYPE & 0xff;
	memcpy(frame + VM_ETH_HLEN, &hdr, sizeof(hdr));
	return memset(frame + VM_PAYLOAD_OFFSET, 0, payload);
}

static void end(struct broker *b, void *payload, size_t len)
{
	node0_send(b, (__u8 *)payload - VM_PAYLOAD_OFFSET, VM_PAYLOAD_OFFSET + len);
}

static struct vm_member_entry entry_of(const struct node *node)
{
	return (struct vm_member_entry){
		.node = htobe16(vm_addr_node(node->addr)),
		.state = node->rec.state,
		.flags = node->gone ? VM_MEMBER_GONE : 0,
		/* The record of a node that never joined counts from elsewhere. */
		.incarnation = node->rec.nonce ? htobe32(node->rec.incarnation) : 0,
	};
}

/* MEMBERS with room for @count entries, behind the header that is returned. */
static struct vm_members *begin_members(struct broker *b, __u32 addr, const struct ensemble *ens,
					__u32 prev, unsigned int first, unsigned int count,
					unsigned int total)
{
	size_t len = sizeof(struct vm_members) + count * sizeof(struct vm_member_entry);
	struct vm_members members = {
		.epoch = htobe32(ens->epoch),
		.prev_epoch = htobe32(prev),
		.first = htobe16(first),
		.count = htobe16(count),
		.total = htobe16(total),
		.mtu = htobe16(ens->mtu),
	};

	return memcpy(begin(b, addr, VM_F_MEMBERS, ens->epoch, len), &members, sizeof(members));
}

static void put_entry(struct vm_members *members, unsigned int i, const struct node *node)
{
	struct vm_member_entry entry = entry_of(node);

	memcpy((__u8 *)members + sizeof(*members) + i * sizeof(entry), &entry, sizeof(entry));
}

static void end_members(struct broker *b, struct vm_members *members, unsigned int count)
{
	end(b, members, sizeof(*members) + count * sizeof(struct vm_member_entry));
}

void control_change(struct broker *b, const struct ensemble *ens, __u32 prev,
		    struct node *const *nodes, unsigned int n)
{
	struct vm_members *members;

	/* A group without members has no group map to send to. */
	if (!ens->live)
		return;
	members = begin_members(b, vm_addr(ens->id, VM_NODE_ALL), ens, prev, 0, n, n);
	for (unsigned int i = 0; i < n; i++)
		put_entry(members, i, nodes[i]);
	end_members(b, members, n);
}

static void send_snapshot(struct broker *b, const struct node *to, const struct ensemble *ens)
{
	unsigned int mtu = to->rec.mtu < b->node0.mtu ? to->rec.mtu : b->node0.mtu;
	unsigned int most = VM_MEMBERS_PER_FRAME(mtu), n;

	for (unsigned int first = 0; first < ens->count; first += n) {
		struct vm_members *members;

		n = ens->count - first < most ? ens->count - first : most;
		members = begin_members(b, to->addr, ens, 0, first, n, ens->count);
		for (unsigned int i = 0; i < n; i++)
			put_entry(members, i, &b->mesh.nodes[ens->first + first + i]);
		end_members(b, members, n);
	}
}

static void send_welcome(struct broker *b, const struct node *to, const struct ensemble *ens)
{
	struct vm_welcome welcome = {
		.abi = htobe16(VM_WIRE_ABI),
		.mtu = htobe16(to->rec.mtu),
		.ensemble = htobe16(ens->id),
		.node = htobe16(vm_addr_node(to->addr)),
		.incarnation = htobe32(to->rec.incarnation),
		.epoch = htobe32(ens->epoch),
		.nonce = htobe64(to->rec.nonce),
		.broker_id = htobe64(b->id),
		.probe_ms = htobe32(b->opt.probe_ms),
		.dead_ms = htobe32(b->opt.dead_ms),
		.hello_min_ms = htobe32(HELLO_MIN_MS),
		.hello_max_ms = htobe32(HELLO_MAX_MS),
	};
	void *payload = begin(b, to->addr, VM_F_WELCOME, ens->epoch, sizeof(welcome));

	end(b, memcpy(payload, &welcome, sizeof(welcome)), sizeof(welcome));
}

void control_probe(struct broker *b, const struct ensemble *ens)
{
	struct vm_probe probe = {
		.broker_id = htobe64(b->id),
		.token = htobe32(b->mesh.token),
	};
	void *payload =
		begin(b, vm_addr(ens->id, VM_NODE_ALL), VM_F_PROBE, ens->epoch, sizeof(probe));

	end(b, memcpy(payload, &probe, sizeof(probe)), sizeof(probe));
}

static void refuse(struct broker *b, const struct wire_frame *frame, enum vm_refusal reason)
{
	struct vm_refuse refusal = {
		.reason = htobe16(reason),
		.abi = htobe16(VM_WIRE_ABI),
		.nonce = frame->type == VM_F_HELLO ? htobe64(frame->hello.nonce) : 0,
	};
	void *payload;

	b->node0.frames_refused++;
	vm_debug("event=refused node=%u/%u type=%u reason=%u", vm_addr_ensemble(frame->addr),
		 vm_addr_node(frame->addr), frame->type, reason);
	/* BYE wants no answer. */
	if (frame->type == VM_F_BYE)
		return;
	payload = begin(b, frame->addr, VM_F_REFUSE, 0, sizeof(refusal));
	end(b, memcpy(payload, &refusal, sizeof(refusal)), sizeof(refusal));
}

/*
 * The node a frame is from. Its port may be younger than the command's word of
 * it to us, or that word was lost: look once more before saying no.
 */
static struct node *sender(struct broker *b, __u32 addr)
{
	struct node *node = mesh_node(&b->mesh, addr);

	if (node || b->now - b->resynced < LEARN_NS)
		return node;
	if (mesh_reload(b))
		return NULL;
	return mesh_node(&b->mesh, addr);
}

static void on_hello(struct broker *b, struct node *node, const struct wire_frame *frame)
{
	struct ensemble *ens;

	if (frame->hello.abi < ABI_MIN) {
		refuse(b, frame, VM_REFUSE_ABI);
		return;
	}
	if (!frame->hello.nonce || frame->hello.mtu < VM_MTU_MIN) {
		refuse(b, frame, VM_REFUSE_MALFORMED);
		return;
	}
	/* The others first: whom the newcomer finds in its snapshot knows of it already. */
	if (!mesh_hello(b, node, &frame->hello)) {
		b->node0.frames_refused++; /* it will ask again, by and by */
		return;
	}
	ens = mesh_ensemble(&b->mesh, vm_addr_ensemble(node->addr));
	send_welcome(b, node, ens);
	send_snapshot(b, node, ens);
}

static void on_alive(struct broker *b, struct node *node, const struct wire_frame *frame)
{
	/* An answer may cross the next probe, not a later one: that is an old frame. */
	if (b->mesh.token - frame->alive.token > 1) {
		b->node0.frames_refused++;
		return;
	}
	mesh_alive(b, node, &frame->alive);
}

void control_frame(struct broker *b, const void *data, size_t len)
{
	struct wire_frame frame;
	struct node *node;
	int err = wire_parse(data, len, &frame);

	if (err) {
		b->node0.frames_bad++;
		vm_debug("event=bad-frame len=%zu error=\"%s\"", len, strerror(-err));
		return;
	}
	node = sender(b, frame.addr);
	if (!node) {
		refuse(b, &frame, VM_REFUSE_UNKNOWN);
		return;
	}
	if (frame.type == VM_F_HELLO) {
		on_hello(b, node, &frame);
		return;
	}
	/* Everything else is of a life, and only the present one may speak. */
	if (!mesh_current(node, frame.incarnation)) {
		refuse(b, &frame, VM_REFUSE_STALE);
		return;
	}
	switch (frame.type) {
	case VM_F_ALIVE:
		on_alive(b, node, &frame);
		break;
	case VM_F_SYNC:
		mesh_heard(b, node);
		send_snapshot(b, node, mesh_ensemble(&b->mesh, vm_addr_ensemble(node->addr)));
		break;
	case VM_F_BYE:
		if (!mesh_bye(b, node))
			b->node0.frames_refused++;
		break;
	}
}
