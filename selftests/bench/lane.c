// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/if_link.h>

#include "lane.h"
#include "selftests/bench/bare.skel.h"

#define BRIDGE "br0"
#define RING   4096

__u32 lane_addr(unsigned int i)
{
	return vm_addr(LANE_ENSEMBLE, i + 1);
}

/* br_netfilter would look at each frame; the bridge is to be as fast as it can be. */
static void no_netfilter(void)
{
	static const char *const knobs[] = { "arptables", "ip6tables", "iptables" };
	char path[64];
	unsigned int i;
	int fd;

	for (i = 0; i < sizeof(knobs) / sizeof(knobs[0]); i++) {
		snprintf(path, sizeof(path), "/proc/sys/net/bridge/bridge-nf-call-%s", knobs[i]);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			continue; /* no br_netfilter: as well */
		if (write(fd, "0", 1) < 0)
			perror(path);
		close(fd);
	}
}

static int bridge_join(const struct link *link)
{
	struct ifreq ifr = { .ifr_name = BRIDGE, .ifr_ifindex = link->ifindex };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, SIOCBRADDIF, &ifr))
		err = -errno;
	close(fd);
	return err;
}

static int bridge_make(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, SIOCBRADDBR, BRIDGE))
		err = -errno;
	close(fd);
	if (!err)
		no_netfilter();
	return err ?: link_set_quiet(BRIDGE) ?: link_set_up(BRIDGE, true);
}

/* A frame from everybody to everybody, read by everybody else. */
static int bridge_teach(struct lane *lane)
{
	char frame[64], got[64];
	unsigned int i, j;
	ssize_t n;

	for (i = 0; i < lane->n; i++) {
		bed_frame_to(frame, sizeof(frame), LANE_ALL, lane_addr(i), i);
		n = link_write(&lane->port[i].link, frame, sizeof(frame));
		for (j = 0; n > 0 && j < lane->n; j++)
			if (j != i)
				n = link_read_wait(&lane->port[j].link, got, sizeof(got));
		if (n < 0)
			return n;
	}
	return 0;
}

static int bridge_open(struct lane *lane, unsigned int mtu)
{
	struct link *link;
	char name[IFNAMSIZ];
	unsigned int i;
	int err;

	err = link_new_netns() ?: bridge_make();
	for (i = 0; !err && i < lane->n; i++) {
		link = &lane->port[i].link;
		snprintf(name, sizeof(name), "tap%u", i);
		err = link_add(link, LINK_TAP, name, mtu, RING) ?: bridge_join(link);
	}
	return err ?: bridge_teach(lane);
}

static int steer_open(struct lane *lane, unsigned int mtu)
{
	unsigned int i;
	int err;

	err = bed_open(&lane->bed) ?: bed_load(&lane->bed);
	lane->bed.ring = RING;
	err = err ?: bed_ensemble_add(&lane->bed, LANE_ENSEMBLE, mtu, LANE_PORTS);
	for (i = 0; !err && i < lane->n; i++)
		err = bed_port_add(&lane->bed, &lane->port[i], LINK_TAP, LANE_ENSEMBLE, i + 1, mtu);
	return err;
}

static int bare_open(struct lane *lane, unsigned int mtu)
{
	const struct link *from = &lane->port[0].link, *to = &lane->port[1].link;
	struct bpf_devmap_val target = { 0 };
	__u32 zero = 0;
	int err;

	lane->bare = bare_bpf__open_and_load();
	err = lane->bare ? link_new_netns() : -errno;
	err = err ?: link_add(&lane->port[0].link, LINK_TAP, "tap0", mtu, RING);
	err = err ?: link_add(&lane->port[1].link, LINK_TAP, "tap1", mtu, RING);
	if (err)
		return err;
	target.ifindex = to->ifindex;
	return bpf_map_update_elem(bpf_map__fd(lane->bare->maps.target), &zero, &target, 0) ?:
		       bpf_xdp_attach(from->ifindex, bpf_program__fd(lane->bare->progs.redirect),
				      XDP_FLAGS_DRV_MODE, NULL);
}

int lane_open(struct lane *lane, enum lane_kind kind, unsigned int n, unsigned int mtu)
{
	unsigned int i;
	int err;

	memset(lane, 0, sizeof(*lane));
	lane->kind = kind;
	lane->n = n;
	for (i = 0; i < LANE_PORTS; i++)
		lane->port[i].link.fd = -1;
	switch (kind) {
	case LANE_STEER:
		err = steer_open(lane, mtu);
		break;
	case LANE_BARE:
		err = bare_open(lane, mtu);
		break;
	default:
		err = bridge_open(lane, mtu);
	}
	if (err)
		lane_close(lane);
	return err;
}

void lane_close(struct lane *lane)
{
	unsigned int i;

	for (i = 0; i < lane->n; i++)
		link_close(&lane->port[i].link);
	bare_bpf__destroy(lane->bare);
	if (lane->kind == LANE_STEER)
		bed_close(&lane->bed);
	lane->n = 0;
}
