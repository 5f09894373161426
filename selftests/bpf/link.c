// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "link.h"

#define WAIT_MS 1000

static int ifreq_ioctl(unsigned long request, struct ifreq *ifr)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, request, ifr) < 0)
		err = -errno;
	close(fd);
	return err;
}

static void ifreq_name(struct ifreq *ifr, const char *name)
{
	memset(ifr, 0, sizeof(*ifr));
	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", name);
}

int link_set_up(const char *name, bool up)
{
	struct ifreq ifr;
	int err;

	ifreq_name(&ifr, name);
	err = ifreq_ioctl(SIOCGIFFLAGS, &ifr);
	if (err)
		return err;
	if (up)
		ifr.ifr_flags |= IFF_UP;
	else
		ifr.ifr_flags &= ~IFF_UP;
	return ifreq_ioctl(SIOCSIFFLAGS, &ifr);
}

int link_set_mtu(const char *name, unsigned int mtu)
{
	struct ifreq ifr;

	ifreq_name(&ifr, name);
	ifr.ifr_mtu = mtu;
	return ifreq_ioctl(SIOCSIFMTU, &ifr);
}

int link_set_ring(const char *name, unsigned int len)
{
	struct ifreq ifr;

	ifreq_name(&ifr, name);
	ifr.ifr_qlen = len;
	return ifreq_ioctl(SIOCSIFTXQLEN, &ifr);
}

int link_set_quiet(const char *name)
{
	char path[64 + IFNAMSIZ];
	int fd, err = 0;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (write(fd, "1", 1) < 0)
		err = -errno;
	close(fd);
	return err;
}

int link_new_netns(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		return -errno;
	return link_set_up("lo", true);
}

static int tap_open(struct link *link)
{
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int sndbuf = INT_MAX, hdr = LINK_VNET_HDR, err;
	struct ifreq ifr;

	if (fd < 0)
		return -errno;
	ifreq_name(&ifr, link->name);
	ifr.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	if (ioctl(fd, TUNSETIFF, &ifr) < 0 || ioctl(fd, TUNSETSNDBUF, &sndbuf) < 0 ||
	    ioctl(fd, TUNSETVNETHDRSZ, &hdr) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	link->fd = fd;
	return 0;
}

int link_persist(struct link *link)
{
	return ioctl(link->fd, TUNSETPERSIST, 1) < 0 ? -errno : 0;
}

union request {
	struct nlmsghdr nlh;
	char bytes[512];
};

/* Returns where the attribute stands, for request_nest_end(). */
static size_t request_attr(union request *req, unsigned short type, const void *data, size_t len)
{
	size_t at = NLMSG_ALIGN(req->nlh.nlmsg_len);
	struct rtattr rta = { .rta_type = type, .rta_len = RTA_LENGTH(len) };

	memcpy(req->bytes + at, &rta, sizeof(rta));
	memcpy(req->bytes + at + RTA_LENGTH(0), data, len);
	req->nlh.nlmsg_len = at + RTA_SPACE(len);
	return at;
}

static void request_nest_end(union request *req, size_t at)
{
	((struct rtattr *)(req->bytes + at))->rta_len = req->nlh.nlmsg_len - at;
}

static int request_send(union request *req)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct {
		struct nlmsghdr nlh;
		struct nlmsgerr err;
		char rest[512];
	} answer;
	int err;

	if (fd < 0)
		return -errno;
	req->nlh.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	if (send(fd, req, req->nlh.nlmsg_len, 0) < 0 || recv(fd, &answer, sizeof(answer), 0) < 0)
		err = -errno;
	else
		err = answer.nlh.nlmsg_type == NLMSG_ERROR ? answer.err.error : -EPROTO;
	close(fd);
	return err;
}

static int veth_create(const char *name, const char *peer)
{
	union request req = {
		.nlh = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
			 .nlmsg_type = RTM_NEWLINK,
			 .nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL },
	};
	struct ifinfomsg ifi = { 0 };
	size_t info, data, peer_info;

	request_attr(&req, IFLA_IFNAME, name, strlen(name) + 1);
	info = request_attr(&req, IFLA_LINKINFO, "", 0);
	request_attr(&req, IFLA_INFO_KIND, "veth", 4);
	data = request_attr(&req, IFLA_INFO_DATA, "", 0);
	peer_info = request_attr(&req, VETH_INFO_PEER, &ifi, sizeof(ifi));
	request_attr(&req, IFLA_IFNAME, peer, strlen(peer) + 1);
	request_nest_end(&req, peer_info);
	request_nest_end(&req, data);
	request_nest_end(&req, info);
	return request_send(&req);
}

/* Frames redirected to a veth arrive only where its peer runs NAPI: GRO on does that. */
static int veth_peer_napi(const char *peer)
{
	struct {
		__u32 cmd;
		__u32 data;
	} value = { ETHTOOL_SGRO, 1 };
	struct ifreq ifr;

	ifreq_name(&ifr, peer);
	ifr.ifr_data = (void *)&value;
	return ifreq_ioctl(SIOCETHTOOL, &ifr);
}

static int packet_socket(const char *name, int *fd)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET,
				    .sll_protocol = htons(ETH_P_ALL),
				    .sll_ifindex = if_nametoindex(name) };
	int one = 1, size = 8 << 20, err;

	*fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return -errno;
	if (setsockopt(*fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0 ||
	    setsockopt(*fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0 ||
	    bind(*fd, (void *)&addr, sizeof(addr)) < 0) {
		err = -errno;
		close(*fd);
		*fd = -1;
		return err;
	}
	return 0;
}

static int veth_open(struct link *link, unsigned int mtu)
{
	const char *peer = link->peer;
	int err;

	snprintf(link->peer, sizeof(link->peer), "p%.14s", link->name);
	err = veth_create(link->name, peer);
	if (!err)
		err = link_set_quiet(peer);
	if (!err)
		err = link_set_mtu(peer, mtu);
	if (!err)
		err = veth_peer_napi(peer);
	return err;
}

/*
 * The end that we send by comes up last: it has its carrier then, and a queue
 * at once. The one that is up first gets those from a kernel worker, some time.
 */
static int veth_peer_up(struct link *link)
{
	return link_set_up(link->peer, true) ?: packet_socket(link->peer, &link->fd);
}

int link_add(struct link *link, enum link_kind kind, const char *name, unsigned int mtu,
	     unsigned int ring)
{
	int err;

	memset(link, 0, sizeof(*link));
	link->fd = -1;
	link->kind = kind;
	link->mtu = mtu;
	snprintf(link->name, sizeof(link->name), "%s", name);

	err = kind == LINK_TAP ? tap_open(link) : veth_open(link, mtu);
	if (!err)
		err = link_set_quiet(name);
	if (!err)
		err = link_set_mtu(name, mtu);
	if (!err && ring)
		err = link_set_ring(name, ring);
	if (!err)
		err = link_set_up(name, true);
	if (!err && kind == LINK_VETH)
		err = veth_peer_up(link);
	if (err) {
		link_close(link);
		return err;
	}
	link->ifindex = if_nametoindex(name);
	return 0;
}

void link_close(struct link *link)
{
	if (link->fd >= 0)
		close(link->fd);
	link->fd = -1;
}

ssize_t link_write(const struct link *link, const void *frame, size_t len)
{
	char hdr[LINK_VNET_HDR] = { 0 };
	struct iovec iov[] = { { hdr, sizeof(hdr) }, { (void *)frame, len } };
	ssize_t n;

	if (link->kind == LINK_VETH) {
		n = write(link->fd, frame, len);
		return n < 0 ? -errno : n;
	}
	n = writev(link->fd, iov, 2);
	return n < 0 ? -errno : n - LINK_VNET_HDR;
}

ssize_t link_read(const struct link *link, void *frame, size_t room)
{
	char hdr[LINK_VNET_HDR];
	struct iovec iov[] = { { hdr, sizeof(hdr) }, { frame, room } };
	ssize_t n;

	if (link->kind == LINK_VETH) {
		n = read(link->fd, frame, room);
		return n < 0 ? -errno : n;
	}
	n = readv(link->fd, iov, 2);
	return n < 0 ? -errno : n - LINK_VNET_HDR;
}

ssize_t link_read_wait(const struct link *link, void *frame, size_t room)
{
	struct pollfd pfd = { .fd = link->fd, .events = POLLIN };
	int n = poll(&pfd, 1, WAIT_MS);

	if (n < 0)
		return -errno;
	return n ? link_read(link, frame, room) : -ETIMEDOUT;
}
