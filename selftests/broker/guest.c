// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../host/tap.h"
#include "bed.h"
#include "guest.h"

#define VNET_HDR 12

int guest_open(struct guest *guest, const char *name, __u32 addr)
{
	long long until = bed_now_ms() + BED_WAIT_MS;
	static __u64 nonces = 1000;

	memset(guest, 0, sizeof(*guest));
	guest->addr = addr;
	guest->mtu = VM_MTU_DEFAULT;
	guest->nonce = nonces++ << 32 | addr;
	/* What a killed holder had in an io_uring the kernel closes a little after it. */
	while ((guest->fd = vm_tap_open(name)) == -EBUSY && bed_now_ms() < until)
		poll(NULL, 0, 5);
	return guest->fd < 0 ? guest->fd : 0;
}

int guest_add(struct guest *guest, const char *name, __u16 ensemble, __u16 node)
{
	guest->fd = -1;
	if (bed_virtmesh("port add %s --ensemble %u --node %u", name, ensemble, node))
		return -EIO;
	return guest_open(guest, name, vm_addr(ensemble, node));
}

void guest_close(struct guest *guest)
{
	if (guest->fd >= 0)
		close(guest->fd);
	guest->fd = -1;
}

int guest_send_raw(struct guest *guest, const void *frame, size_t len)
{
	__u8 buf[VNET_HDR + GUEST_FRAME_MAX] = { 0 };
	ssize_t n;

	if (len > GUEST_FRAME_MAX)
		return -EMSGSIZE;
	memcpy(buf + VNET_HDR, frame, len);
	n = write(guest->fd, buf, VNET_HDR + len);
	return n < 0 ? -errno : 0;
}

int guest_send(struct guest *guest, __u32 to, __u8 type, const void *payload, size_t len)
{
	__u8 frame[GUEST_FRAME_MAX] = { 0 };
	struct vm_hdr hdr = {
		.version = VM_WIRE_VERSION,
		.type = type,
		.len = htobe16(len),
		.incarnation = htobe32(guest->incarnation),
		.epoch = htobe32(guest->epoch),
		.seq = htobe32(guest->seq),
	};

	vm_addr_to_mac(to, frame);
	vm_addr_to_mac(guest->addr, frame + VM_MAC_LEN);
	frame[12] = VM_ETHERTYPE >> 8;
	frame[13] = VM_ETHERTYPE & 0xff;
	memcpy(frame + VM_ETH_HLEN, &hdr, sizeof(hdr));
	memcpy(frame + VM_PAYLOAD_OFFSET, payload, len);
	return guest_send_raw(guest, frame, VM_PAYLOAD_OFFSET + len);
}

static __u32 broker_of(const struct guest *guest)
{
	return vm_addr(vm_addr_ensemble(guest->addr), VM_NODE_BROKER);
}

int guest_hello(struct guest *guest)
{
	struct vm_hello hello = {
		.abi = htobe16(VM_WIRE_ABI),
		.mtu = htobe16(guest->mtu),
		.nonce = htobe64(guest->nonce),
		.incarnation = htobe32(guest->incarnation),
	};

	return guest_send(guest, broker_of(guest), VM_F_HELLO, &hello, sizeof(hello));
}

int guest_alive(struct guest *guest, __u32 token)
{
	struct vm_alive alive = {
		.token = htobe32(token),
		.pending = htobe32(guest->pending),
		.progress = htobe64(guest->progress),
	};

	return guest_send(guest, broker_of(guest), VM_F_ALIVE, &alive, sizeof(alive));
}

/* 1: a mesh frame; 0: something else; -EAGAIN: nothing is there. */
static int receive(struct guest *guest, struct guest_frame *frame)
{
	__u8 buf[VNET_HDR + GUEST_FRAME_MAX], *eth = buf + VNET_HDR;
	struct vm_hdr hdr;
	ssize_t n;

	n = read(guest->fd, buf, sizeof(buf));
	if (n < 0)
		return -errno;
	if (n < VNET_HDR + VM_PAYLOAD_OFFSET || eth[12] != VM_ETHERTYPE >> 8 ||
	    eth[13] != (VM_ETHERTYPE & 0xff))
		return 0;
	memcpy(&hdr, eth + VM_ETH_HLEN, sizeof(hdr));
	frame->from = vm_mac_to_addr(eth + VM_MAC_LEN);
	frame->group = vm_mac_is_group(eth);
	frame->type = hdr.type;
	frame->incarnation = be32toh(hdr.incarnation);
	frame->epoch = be32toh(hdr.epoch);
	frame->len = be16toh(hdr.len);
	if (hdr.version != VM_WIRE_VERSION || frame->len > n - VNET_HDR - VM_PAYLOAD_OFFSET)
		return -EBADMSG;
	memcpy(frame->payload, eth + VM_PAYLOAD_OFFSET, frame->len);
	return 1;
}

static int answer_probe(struct guest *guest, const struct guest_frame *frame)
{
	struct vm_probe probe;

	if (frame->len < sizeof(probe))
		return -EBADMSG;
	memcpy(&probe, frame->payload, sizeof(probe));
	return guest->deaf ? 0 : guest_alive(guest, be32toh(probe.token));
}

int guest_expect(struct guest *guest, __u8 type, struct guest_frame *frame, int ms)
{
	long long until = bed_now_ms() + ms;
	struct pollfd pfd = { .fd = guest->fd, .events = POLLIN };

	for (;;) {
		long long left = until - bed_now_ms();
		int err = receive(guest, frame);

		if (err == -EAGAIN) {
			if (left <= 0 || poll(&pfd, 1, left) < 1)
				return -ETIMEDOUT;
			continue;
		}
		if (err < 0)
			return err;
		if (!err)
			continue;
		if (frame->type == VM_F_PROBE) {
			err = answer_probe(guest, frame);
			if (err)
				return err;
		}
		if (!type || frame->type == type)
			return 0;
	}
}

int guest_expect_none(struct guest *guest, __u8 type, int ms)
{
	struct guest_frame frame;
	int err = guest_expect(guest, type, &frame, ms);

	return err == -ETIMEDOUT ? 0 : err ? err : -EEXIST;
}

int guest_join(struct guest *guest)
{
	struct guest_frame frame;
	struct vm_welcome welcome;
	struct vm_members members;
	unsigned int have = 0;
	int err;

	err = guest_hello(guest);
	do {
		if (!err)
			err = guest_expect(guest, VM_F_WELCOME, &frame, BED_WAIT_MS);
		if (err)
			return err;
		if (frame.len < sizeof(welcome) || frame.from != broker_of(guest) || frame.group)
			return -EBADMSG;
		memcpy(&welcome, frame.payload, sizeof(welcome));
		/* An older WELCOME may still wait in the ring. */
	} while (be64toh(welcome.nonce) != guest->nonce);

	if (be16toh(welcome.ensemble) != vm_addr_ensemble(guest->addr) ||
	    be16toh(welcome.node) != vm_addr_node(guest->addr) || !welcome.incarnation ||
	    !welcome.epoch || !welcome.broker_id || be16toh(welcome.abi) != VM_WIRE_ABI)
		return -EPROTO;
	guest->incarnation = be32toh(welcome.incarnation);
	guest->epoch = be32toh(welcome.epoch);
	guest->broker_id = be64toh(welcome.broker_id);
	guest->mtu = be16toh(welcome.mtu);

	do {
		err = guest_expect(guest, VM_F_MEMBERS, &frame, BED_WAIT_MS);
		if (err)
			return err;
		if (frame.len < sizeof(members))
			return -EBADMSG;
		memcpy(&members, frame.payload, sizeof(members));
		if (members.prev_epoch)
			continue;
		if (be32toh(members.epoch) != guest->epoch || be16toh(members.first) != have)
			return -EPROTO;
		have += be16toh(members.count);
	} while (have < be16toh(members.total) || members.prev_epoch);
	return 0;
}

int members_state(const struct guest_frame *frame, __u16 node, __u32 *incarnation, __u8 *flags)
{
	struct vm_members members;
	struct vm_member_entry entry;

	memcpy(&members, frame->payload, sizeof(members));
	for (unsigned int i = 0; i < be16toh(members.count); i++) {
		memcpy(&entry, frame->payload + sizeof(members) + i * sizeof(entry), sizeof(entry));
		if (be16toh(entry.node) != node)
			continue;
		if (incarnation)
			*incarnation = be32toh(entry.incarnation);
		if (flags)
			*flags = entry.flags;
		return entry.state;
	}
	return -ENOENT;
}
