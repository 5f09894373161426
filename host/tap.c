// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taps, by /dev/net/tun; what an ioctl cannot say, by link.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <virtmesh/types.h>

#include "link.h"
#include "tap.h"

/* One queue: a frame must not overtake another of its sender. */
#define TAP_FLAGS (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)

/*
 * The fd of tap @name: with IFF_TUN_EXCL in @flags a new one, else an existing
 * one, which the kernel would quietly make if it were missing.
 */
static int tun_fd(const char *name, int flags, int open_flags)
{
	struct ifreq ifr = { .ifr_flags = flags };
	unsigned int ifindex;
	int fd, err;

	if (!*name || strlen(name) >= sizeof(ifr.ifr_name) || strchr(name, '%'))
		return -EINVAL;
	strcpy(ifr.ifr_name, name);

	ifindex = if_nametoindex(name);
	if (flags & IFF_TUN_EXCL) {
		if (ifindex)
			return -EEXIST;
	} else if (!ifindex) {
		return -ENODEV;
	}

	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | open_flags);
	if (fd < 0)
		return errno == ENOENT || errno == ENXIO ? -ENODEV : -errno;

	if (ioctl(fd, TUNSETIFF, &ifr)) {
		err = -errno;
		/* EXCL lost the race for the name. */
		if (err == -EBUSY && flags & IFF_TUN_EXCL)
			err = -EEXIST;
		goto close;
	}
	/* Lost the other race: the interface went away and we made a new one. */
	if (ifindex && if_nametoindex(name) != ifindex) {
		err = -ENODEV;
		goto close;
	}
	return fd;

close:
	close(fd);
	return err;
}

int vm_tap_make(const char *name, uid_t owner, unsigned int mtu)
{
	int hdr = VM_TAP_VNET_HDR, sndbuf = INT_MAX;
	unsigned int ifindex;
	int fd, err;

	if (mtu < VM_MTU_MIN || mtu > VM_MTU_MAX)
		return -EINVAL;

	fd = tun_fd(name, TAP_FLAGS | IFF_TUN_EXCL, 0);
	if (fd < 0)
		return fd;

	if (ioctl(fd, TUNSETVNETHDRSZ, &hdr) || ioctl(fd, TUNSETSNDBUF, &sndbuf) ||
	    ioctl(fd, TUNSETOWNER, (unsigned long)owner)) {
		err = -errno;
		goto close;
	}

	ifindex = if_nametoindex(name);
	if (!ifindex) {
		err = -ENODEV;
		goto close;
	}
	/* Quiet first and up last: an interface that comes up talks IPv6 at once. */
	err = vm_link_set_mtu_ring(ifindex, mtu, VM_TAP_RING);
	if (!err)
		err = vm_link_set_quiet(ifindex);
	if (!err)
		err = vm_link_set_up(ifindex);
	if (err)
		goto close;
	return fd;

close:
	close(fd); /* not persistent yet: this removes it */
	return err;
}

int vm_tap_keep(int fd)
{
	return ioctl(fd, TUNSETPERSIST, 1) ? -errno : 0;
}

int vm_tap_hold(const char *name)
{
	return tun_fd(name, TAP_FLAGS, 0);
}

int vm_tap_release(int fd)
{
	return ioctl(fd, TUNSETPERSIST, 0) ? -errno : 0;
}

bool vm_tap_is(int fd, const char *name)
{
	struct ifreq ifr = {};

	return !ioctl(fd, TUNGETIFF, &ifr) && !strncmp(ifr.ifr_name, name, sizeof(ifr.ifr_name));
}

int vm_tap_open(const char *name)
{
	int hdr = VM_TAP_VNET_HDR, sndbuf = INT_MAX;
	int fd, err;

	fd = tun_fd(name, TAP_FLAGS, O_NONBLOCK);
	if (fd < 0)
		return fd;
	/* The last user may have left its own settings: a tap keeps them. */
	if (ioctl(fd, TUNSETVNETHDRSZ, &hdr) || ioctl(fd, TUNSETSNDBUF, &sndbuf) ||
	    ioctl(fd, TUNSETOFFLOAD, 0UL)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}
