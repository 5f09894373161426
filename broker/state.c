// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 *	waiting --- resync: maps and vmesh0 are there ---------------> serving
 *	waiting <-- resync: no maps, or other ones; vmesh0 lost ------ serving
 *
 * The command pokes us with VM_CTL_RESYNC after each change. It is the only way
 * to learn of one, as nothing here polls; except that a vanished vmesh0 ends
 * its read, and an unknown sender has the ports looked at (control.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/if_tun.h>

#include "../host/log.h"
#include "../host/tap.h"
#include "broker.h"
#include "notify.h"
#include "sandbox.h"
#include "state.h"

SANDBOX_CALLS(state_calls,
	      /* vm_maps_open(): libbpf keeps its fds above 2 */
	      SANDBOX_CALL_ARG(bpf, 0, BPF_OBJ_GET), SANDBOX_CALL_ARG(bpf, 0, BPF_MAP_LOOKUP_ELEM),
	      SANDBOX_CALL_ARG(fcntl, 1, F_DUPFD_CLOEXEC), SANDBOX_CALL_ARG(socket, 0, AF_UNIX),
	      SANDBOX_CALL_ARG(getsockopt, 2, SO_NETNS_COOKIE),
	      /* vm_tap_open(), if_nametoindex() */
	      SANDBOX_CALL_NOT(openat, 2, O_CREAT), SANDBOX_CALL_ARG(ioctl, 1, SIOCGIFINDEX),
	      SANDBOX_CALL_ARG(ioctl, 1, TUNSETIFF), SANDBOX_CALL_ARG(ioctl, 1, TUNSETVNETHDRSZ),
	      SANDBOX_CALL_ARG(ioctl, 1, TUNSETSNDBUF), SANDBOX_CALL_ARG(ioctl, 1, TUNSETOFFLOAD),
	      SANDBOX_CALL(close), SANDBOX_CALL(clock_nanosleep));

#define TAP_TRIES   100
#define TAP_WAIT_MS 10

const char *state_error(int err)
{
	switch (err) {
	case -EPROTO:
		return "the pinned maps are of another version, or damaged";
	case -EXDEV:
		return "the pinned maps belong to another network namespace";
	case -EPERM:
	case -EACCES:
		return "no right to open the pinned maps or vmesh0";
	case -EBUSY:
		return "another program holds vmesh0 open: a second broker?";
	case -ENODEV:
		return "vmesh0 is missing";
	default:
		return strerror(-err);
	}
}

/*
 * The kernel lets go of a killed broker's tap a little after the broker: its
 * ring is torn down by a worker.
 */
static int open_tap(void)
{
	struct timespec wait = { .tv_nsec = TAP_WAIT_MS * NSEC_PER_MSEC };
	int fd = -EBUSY;

	for (int i = 0; i < TAP_TRIES; i++) {
		fd = vm_tap_open(VM_BROKER_IF);
		if (fd != -EBUSY)
			break;
		clock_nanosleep(CLOCK_MONOTONIC, 0, &wait, NULL);
	}
	return fd;
}

static void drop(struct broker *b)
{
	notify("STATUS=waiting for an ensemble\n");
	if (!b->has_state)
		return;
	node0_close(b);
	mesh_clear(b);
	vm_maps_close(&b->maps);
	b->has_state = false;
}

static int read_meta(const struct vm_maps *maps, struct vm_meta *meta, struct vm_port *port)
{
	__u32 zero = 0;
	int err;

	err = bpf_map_lookup_elem(maps->meta, &zero, meta);
	if (err)
		return err;
	err = bpf_map_lookup_elem(maps->ports, &meta->broker_ifindex, port);
	/* The command was killed half-way, or is not done. */
	return err == -ENOENT ? -EPROTO : err;
}

/* Everything is in @maps, which become ours, or stay the caller's on an error. */
static int take_over(struct broker *b, struct vm_maps *maps, const struct vm_meta *meta,
		     const struct vm_port *port)
{
	int fd, err;

	fd = open_tap();
	b->now = clock_mono(); /* it may have slept: the nodes' grace begins here */
	if (fd < 0)
		return fd;
	if (if_nametoindex(VM_BROKER_IF) != meta->broker_ifindex) {
		close(fd);
		return -ENODEV;
	}
	b->maps = *maps;
	b->meta = *meta;
	node0_open(b, fd, meta->broker_ifindex, port->mtu);
	b->has_state = true;

	err = mesh_adopt(b);
	if (!err)
		err = mesh_reload(b);
	if (err) {
		*maps = (struct vm_maps)VM_MAPS_CLOSED;
		drop(b);
		return err;
	}
	notify("STATUS=serving\n");
	vm_info("event=serving if=%s ifindex=%u ensembles=%u nodes=%u", VM_BROKER_IF,
		meta->broker_ifindex, b->mesh.nensembles, b->mesh.nnodes);
	return 0;
}

int state_resync(struct broker *b)
{
	struct vm_maps maps = VM_MAPS_CLOSED;
	struct vm_meta meta;
	struct vm_port port;
	bool had = b->has_state;
	int err;

	err = vm_maps_open(&maps);
	if (!err)
		err = read_meta(&maps, &meta, &port);
	if (err)
		goto none;

	if (b->has_state && !memcmp(&meta, &b->meta, sizeof(meta))) {
		vm_maps_close(&maps);
		return mesh_reload(b);
	}
	drop(b);
	err = take_over(b, &maps, &meta, &port);
	if (err)
		goto none;
	return 0;

none:
	vm_maps_close(&maps);
	drop(b);
	if (err == -ENOENT) {
		vm_info("event=waiting reason=\"%s\"",
			had ? "the last ensemble was removed" : "no ensemble yet");
		return 0;
	}
	vm_err("event=waiting error=\"%s\"", state_error(err));
	return err;
}

void state_lost(struct broker *b)
{
	drop(b);
	vm_warn("event=waiting reason=\"%s was removed\"", VM_BROKER_IF);
}
