// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <errno.h>
#include <string.h>

#include <virtmesh/frame.h>

#include "wire.h"

/* The steering program has checked the addresses; it may be older or newer than we are. */
static int parse_ethernet(const __u8 *eth, __u32 *addr)
{
	const __u8 *dst = eth, *src = eth + VM_MAC_LEN;

	if (eth[12] != VM_ETHERTYPE >> 8 || eth[13] != (VM_ETHERTYPE & 0xff))
		return -EADDRNOTAVAIL;
	if (!vm_mac_is_node(dst) || !vm_mac_is_node(src))
		return -EADDRNOTAVAIL;
	*addr = vm_mac_to_addr(src);
	if (!vm_ensemble_valid(vm_addr_ensemble(*addr)) || !vm_node_valid(vm_addr_node(*addr)))
		return -EADDRNOTAVAIL;
	if (vm_mac_to_addr(dst) != vm_addr(vm_addr_ensemble(*addr), VM_NODE_BROKER))
		return -EADDRNOTAVAIL;
	return 0;
}

static int parse_hello(const __u8 *payload, size_t len, struct wire_hello *out)
{
	struct vm_hello hello;

	if (len < sizeof(hello))
		return -EBADMSG;
	memcpy(&hello, payload, sizeof(hello));
	*out = (struct wire_hello){
		.abi = be16toh(hello.abi),
		.mtu = be16toh(hello.mtu),
		.caps = be32toh(hello.caps),
		.nonce = be64toh(hello.nonce),
		.incarnation = be32toh(hello.incarnation),
	};
	return 0;
}

static int parse_alive(const __u8 *payload, size_t len, struct wire_alive *out)
{
	struct vm_alive alive;

	if (len < sizeof(alive))
		return -EBADMSG;
	memcpy(&alive, payload, sizeof(alive));
	*out = (struct wire_alive){
		.token = be32toh(alive.token),
		.pending = be32toh(alive.pending),
		.progress = be64toh(alive.progress),
	};
	return 0;
}

int wire_parse(const void *data, size_t len, struct wire_frame *frame)
{
	const __u8 *eth = data, *payload = eth + VM_PAYLOAD_OFFSET;
	struct vm_hdr hdr;
	int err;

	if (len < VM_PAYLOAD_OFFSET)
		return -EBADMSG;
	err = parse_ethernet(eth, &frame->addr);
	if (err)
		return err;

	memcpy(&hdr, eth + VM_ETH_HLEN, sizeof(hdr));
	if (hdr.version != VM_WIRE_VERSION)
		return -EPROTONOSUPPORT;
	/* The rest is padding: Ethernet's, or a back-end's. */
	if (be16toh(hdr.len) > len - VM_PAYLOAD_OFFSET)
		return -EBADMSG;
	len = be16toh(hdr.len);

	frame->type = hdr.type;
	frame->incarnation = be32toh(hdr.incarnation);
	frame->epoch = be32toh(hdr.epoch);
	switch (hdr.type) {
	case VM_F_HELLO:
		return parse_hello(payload, len, &frame->hello);
	case VM_F_ALIVE:
		return parse_alive(payload, len, &frame->alive);
	case VM_F_SYNC:
	case VM_F_BYE:
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}
