// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <virtmesh/frame.h>

#include "device.h"
#include "mesh.h"

int mesh_fail(int err, const char *what)
{
	switch (err) {
	case ENODEV:
		fprintf(stderr, "mesh: %s: the device has gone\n", what);
		return MESH_NO_DEVICE;
	case ENOTCONN:
		fprintf(stderr, "mesh: %s: this node has not joined (see mesh info)\n", what);
		return MESH_NOT_JOINED;
	default:
		fprintf(stderr, "mesh: %s: %s\n", what, strerror(err));
		return MESH_FAILED;
	}
}

int mesh_open(const char *path)
{
	struct virtmesh_info info;
	int fd, err;

	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		fprintf(stderr, "mesh: %s: %s%s\n", path, strerror(errno),
			errno == ENOENT ? " (is virtmesh.ko loaded, and a device bound to it?)" :
					  "");
		return errno == ENOENT || errno == ENODEV || errno == ENXIO ? -MESH_NO_DEVICE :
									      -MESH_FAILED;
	}
	if (ioctl(fd, VIRTMESH_IOC_INFO, &info)) {
		err = errno;
		close(fd);
		if (err == ENOTTY) {
			fprintf(stderr, "mesh: %s is no virtmesh device\n", path);
			return -MESH_NO_DEVICE;
		}
		return -mesh_fail(err, path);
	}
	if (info.abi != VIRTMESH_ABI) {
		fprintf(stderr, "mesh: %s: the driver has ABI %u, this program %u\n", path,
			info.abi, (unsigned int)VIRTMESH_ABI);
		close(fd);
		return -MESH_FAILED;
	}
	return fd;
}

int mesh_get_peers(int fd, struct virtmesh_peer **peers, __u32 *epoch)
{
	struct virtmesh_peers req = { 0 };
	struct virtmesh_peer *buf = NULL, *grown;
	__u32 room = 64;

	/* The membership may grow between two calls. */
	for (;;) {
		grown = reallocarray(buf, room, sizeof(*buf));
		if (!grown) {
			free(buf);
			return -ENOMEM;
		}
		buf = grown;
		memset(&req, 0, sizeof(req));
		req.peers = (__u64)(uintptr_t)buf;
		req.count = room;
		if (ioctl(fd, VIRTMESH_IOC_PEERS, &req)) {
			int err = errno;

			free(buf);
			return -err;
		}
		if (req.count <= room)
			break;
		room = req.count + 16;
	}
	*peers = buf;
	if (epoch)
		*epoch = req.epoch;
	return req.count;
}

const char *mesh_node_state(unsigned int state)
{
	static const char *const words[] = {
		[VIRTMESH_NODE_ABSENT] = "ABSENT",
		[VIRTMESH_NODE_UP] = "UP",
		[VIRTMESH_NODE_STALLED] = "STALLED",
		[VIRTMESH_NODE_DOWN] = "DOWN",
	};
	_Static_assert(sizeof(words) / sizeof(words[0]) == VM_NODE_STATES, "a state has no word");

	return state < VM_NODE_STATES ? words[state] : "?";
}

const char *mesh_link_state(unsigned int state)
{
	static const char *const words[] = {
		[VIRTMESH_LINK_JOINING] = "JOINING",
		[VIRTMESH_LINK_JOINED] = "JOINED",
		[VIRTMESH_LINK_BROKERLESS] = "BROKERLESS",
		[VIRTMESH_LINK_REFUSED] = "REFUSED",
	};

	return state < sizeof(words) / sizeof(words[0]) ? words[state] : "?";
}

const char *mesh_refusal(unsigned int reason)
{
	static const char *const words[] = {
		[VM_REFUSE_ABI] = "the broker does not speak the driver's version",
		[VM_REFUSE_STALE] = "its incarnation has passed",
		[VM_REFUSE_UNKNOWN] = "the host has no port for this node",
		[VM_REFUSE_MALFORMED] = "the broker found its HELLO malformed",
	};
	const char *word = reason < sizeof(words) / sizeof(words[0]) ? words[reason] : NULL;

	return word ? word : "?";
}

const char *mesh_opcode(unsigned int opcode)
{
	static const char *const words[] = {
		[VIRTMESH_OP_SEND] = "send",	       [VIRTMESH_OP_RECV] = "recv",
		[VIRTMESH_OP_BCAST] = "bcast",	       [VIRTMESH_OP_ALLGATHER] = "all-gather",
		[VIRTMESH_OP_GATHER] = "gather",       [VIRTMESH_OP_SCATTER] = "scatter",
		[VIRTMESH_OP_ALLTOALL] = "all-to-all", [VIRTMESH_OP_BARRIER] = "barrier",
	};
	_Static_assert(sizeof(words) / sizeof(words[0]) == VIRTMESH_OPS, "an opcode has no word");

	switch (opcode) {
	case VM_KIND_CONTROL:
		return "control";
	case VM_KIND_FORM:
		return "form";
	case VM_KIND_LISTEN:
		return "control-recv";
	}
	return opcode < VIRTMESH_OPS && words[opcode] ? words[opcode] : "?";
}

const char *mesh_reason(unsigned int reason)
{
	static const char *const words[] = {
		[VIRTMESH_REASON_NONE] = "none",     [VIRTMESH_REASON_ABSENT] = "absent",
		[VIRTMESH_REASON_DOWN] = "down",     [VIRTMESH_REASON_STALLED] = "stalled",
		[VIRTMESH_REASON_FENCED] = "fenced", [VIRTMESH_REASON_LEFT] = "left",
		[VIRTMESH_REASON_SILENT] = "silent", [VIRTMESH_REASON_MISMATCH] = "mismatch",
	};
	_Static_assert(sizeof(words) / sizeof(words[0]) == VIRTMESH_REASONS,
		       "a reason has no word");

	return reason < VIRTMESH_REASONS ? words[reason] : "?";
}
