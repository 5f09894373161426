// SPDX-License-Identifier: GPL-2.0-only
/* The program of the target `rank`: calls with arguments that the input chose. */
#include <string.h>

#include <linux/uaccess.h>

#include "../../guest/kmod/control.h"
#include "../../guest/kmod/echo.h"
#include "rank.h"

void rank_post(void)
{
	unsigned int what = input_8(&rank_in), how = input_8(&rank_in), tag = 0;
	u8 kind = 1 + what % 8;
	u64 len = 0;
	u16 root = 0;

	if (kind != VIRTMESH_OP_BARRIER)
		len = how & 0x10 ? input_16(&rank_in) % 20000 : input_8(&rank_in);
	if (kind <= VIRTMESH_OP_RECV) {
		root = rank_other(how & 3);
		tag = how >> 2 & 3;
	} else if (kind == VIRTMESH_OP_BCAST || kind == VIRTMESH_OP_GATHER ||
		   kind == VIRTMESH_OP_SCATTER) {
		root = (how & 3) % rank_node.ranks;
	}
	node_post(&rank_node, kind, root, tag, len, rank_duration(), 0, NULL);
}

void rank_form(void)
{
	unsigned int flags = input_8(&rank_in) & 1;
	struct virtmesh_group_form arg;

	node_form(&rank_node, rank_duration(), flags, &arg);
}

void rank_leave_or_create(void)
{
	if (rank_node.group)
		node_leave(&rank_node);
	else
		node_create(&rank_node, rank_node.ranks);
}

void rank_control_send(void)
{
	unsigned int what = input_8(&rank_in);
	u8 words[256] = {};
	struct virtmesh_control arg = {
		.addr = (uintptr_t)words,
		.group = rank_node.group,
		.rank = rank_other(what & 3),
		.len = what & ~3u,
		.timeout_ns = rank_duration(),
	};

	vmesh_control_send(rank_node.f, &arg);
}

void rank_control_receive(void)
{
	unsigned int what = input_8(&rank_in);
	u8 words[256];
	struct virtmesh_control arg = {
		.addr = (uintptr_t)words,
		.group = rank_node.group,
		.len = what & ~3u,
		.timeout_ns = what & 1 ? rank_duration() : 0,
	};

	if (!vmesh_control_receive(rank_node.f, &arg))
		must(arg.rank < rank_node.ranks && arg.rank != rank_node.rank &&
		     arg.len <= (what & ~3u));
}

void rank_ask(void)
{
	struct virtmesh_record records[2 * VIRTMESH_PENDING_MAX];
	u16 nodes[VIRTMESH_PENDING_MAX * VIRTMESH_RANKS_MAX];
	struct virtmesh_rank ranks[4];
	unsigned int what = input_8(&rank_in);
	struct virtmesh_group_info info = { .ranks = (uintptr_t)ranks,
					    .count = 4,
					    .group = rank_node.group };
	struct virtmesh_trace trace = { .records = (uintptr_t)records,
					.count = VIRTMESH_PENDING_MAX };
	struct virtmesh_pending pending = { .records = (uintptr_t)records,
					    .nodes = (uintptr_t)nodes,
					    .node = 1 + (what >> 3 & 3),
					    .timeout_ms = 1 + (what >> 5) };
	struct virtmesh_echo echo = { .node = 1 + (what >> 3 & 3),
				      .timeout_ms = 1 + (what >> 5),
				      .size = what };
	struct virtmesh_busy_poll busy = { .us = what >> 3 };
	struct virtmesh_bind bind = { .channel = what >> 3 };

	switch (what & 7) {
	case 0:
		if (!vmesh_ioc_group_info(rank_node.f, &info))
			must(info.count == rank_node.ranks && info.rank == rank_node.rank);
		break;
	case 1:
		vmesh_trace_read(rank_node.m, &trace);
		break;
	case 2:
	case 3:
		if (!vmesh_pending(rank_node.m, &pending))
			must(pending.count <= VIRTMESH_PENDING_MAX);
		break;
	case 4:
	case 5:
		vmesh_echo(rank_node.m, &echo);
		break;
	case 6:
		vmesh_set_busy_poll(rank_node.f, &busy);
		break;
	case 7:
		vmesh_file_bind(rank_node.f, &bind);
		break;
	}
}

void rank_datagram(void)
{
	u8 words[256 + sizeof(struct virtmesh_dgram)] = {};
	struct virtmesh_dgram head = { .node = input_8(&rank_in), .channel = 1, .len = 64 };
	struct iov_iter it = { .at = words, .left = sizeof(words) };

	if (head.node & 0x80) {
		vmesh_file_read(rank_node.f, &it, true);
		return;
	}
	if (head.node == 0x7f)
		head.node = VIRTMESH_NODE_ALL;
	memcpy(words, &head, sizeof(head));
	it.left = sizeof(head) + head.len;
	vmesh_file_write(rank_node.f, &it, true);
}

void rank_wait(void)
{
	unsigned int want = input_8(&rank_in);

	node_wait(&rank_node, 1 + (want & 3), want & 0x80 ? 0 : rank_duration());
}
