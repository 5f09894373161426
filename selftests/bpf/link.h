/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interfaces that a test holds the other end of, in the caller's network
 * namespace. Functions return 0, a size, or -errno.
 */
#ifndef VIRTMESH_SELFTESTS_LINK_H
#define VIRTMESH_SELFTESTS_LINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define LINK_VNET_HDR 12 /* bytes before each frame on a tap's fd */

enum link_kind {
	LINK_TAP,
	LINK_VETH, /* the test holds a packet socket on the peer */
};

struct link {
	char name[IFNAMSIZ];
	char peer[IFNAMSIZ]; /* of a veth */
	enum link_kind kind;
	int ifindex;
	int fd; /* non-blocking: the tap's queue, or the packet socket; -1: closed */
	unsigned int mtu;
};

/* Make a new network namespace the caller's, with lo up. */
int link_new_netns(void);

/* Make an interface, up. @ring: its txqueuelen, which is a tap's ring; 0: the kernel's default. */
int link_add(struct link *link, enum link_kind kind, const char *name, unsigned int mtu,
	     unsigned int ring);
/* A tap stays when it is closed. */
int link_persist(struct link *link);
/* Close our end. A tap goes with it unless persistent; a veth goes with the namespace. */
void link_close(struct link *link);

/* No IPv6 of the host's: it would say hello to its neighbours on each interface that comes up. */
int link_set_quiet(const char *name);
int link_set_up(const char *name, bool up);
int link_set_mtu(const char *name, unsigned int mtu);
int link_set_ring(const char *name, unsigned int len);

/* One frame through our end. -EAGAIN when there is none, or no room. */
ssize_t link_write(const struct link *link, const void *frame, size_t len);
ssize_t link_read(const struct link *link, void *frame, size_t room);
/* Wait up to a second for it; -ETIMEDOUT. */
ssize_t link_read_wait(const struct link *link, void *frame, size_t room);

#endif /* VIRTMESH_SELFTESTS_LINK_H */
