// SPDX-License-Identifier: GPL-2.0-only
/*
 * rtnetlink, by hand: five requests do not pay for a library. Each call opens
 * its own socket, so that nothing is kept between them.
 */
#include <errno.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "link.h"

/* The kernel's IN6_ADDR_GEN_MODE_NONE is in <linux/if_link.h>. */
#define NL_ANSWER_MAX 32768

/* dev_valid_name(), whose isspace() is of Latin-1; a '%' it would put a number in place of. */
bool vm_link_name_valid(const char *name)
{
	size_t len = strnlen(name, IF_NAMESIZE);

	return len && len < IF_NAMESIZE && strcmp(name, ".") && strcmp(name, "..") &&
	       !strpbrk(name, "/:% \t\n\v\f\r\xa0");
}

struct nl_request {
	struct nlmsghdr nh;
	struct ifinfomsg ifi;
	char attrs[256];
};

static void request_init(struct nl_request *req, __u16 type, __u16 flags, __u32 ifindex)
{
	memset(req, 0, sizeof(*req));
	req->nh.nlmsg_len = NLMSG_LENGTH(sizeof(req->ifi));
	req->nh.nlmsg_type = type;
	req->nh.nlmsg_flags = NLM_F_REQUEST | flags;
	req->nh.nlmsg_seq = 1;
	req->ifi.ifi_family = AF_UNSPEC;
	req->ifi.ifi_index = ifindex;
}

/* The callers' attributes fit `attrs` by construction. */
static struct rtattr *put(struct nl_request *req, __u16 type, const void *data, size_t len)
{
	struct rtattr *rta = (void *)((char *)req + NLMSG_ALIGN(req->nh.nlmsg_len));

	rta->rta_type = type;
	rta->rta_len = RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(rta), data, len);
	req->nh.nlmsg_len = NLMSG_ALIGN(req->nh.nlmsg_len) + RTA_ALIGN(rta->rta_len);
	return rta;
}

static void nest_end(struct nl_request *req, struct rtattr *nest)
{
	nest->rta_len = (char *)req + req->nh.nlmsg_len - (char *)nest;
}

/*
 * Send and wait for the one answer: an acknowledgement, or for RTM_GETLINK the
 * message in @answer (NL_ANSWER_MAX bytes). The kernel answers from inside the
 * send; the timeout is for kernels that break that.
 */
static int transact(struct nl_request *req, void *answer)
{
	struct timeval tv = { .tv_sec = 5 };
	struct nlmsghdr *nh = answer;
	struct nlmsgerr *nlerr;
	char ack[512];
	ssize_t n;
	int fd, err = 0;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) ||
	    send(fd, req, req->nh.nlmsg_len, 0) < 0) {
		err = -errno;
		goto close;
	}
	if (!nh)
		nh = (void *)ack;
	n = recv(fd, nh, answer ? NL_ANSWER_MAX : sizeof(ack), 0);
	if (n < 0) {
		err = -errno;
		goto close;
	}
	if (!NLMSG_OK(nh, (size_t)n)) {
		err = -EBADMSG;
		goto close;
	}
	if (nh->nlmsg_type == NLMSG_ERROR) {
		nlerr = NLMSG_DATA(nh);
		err = nlerr->error;
		if (!err && answer)
			err = -EBADMSG;
	} else if (!answer) {
		err = -EBADMSG;
	}

close:
	close(fd);
	return err;
}

static __u32 rta_u32(const struct rtattr *rta)
{
	__u32 v = 0;

	if (RTA_PAYLOAD(rta) >= sizeof(v))
		memcpy(&v, RTA_DATA(rta), sizeof(v));
	return v;
}

static void rta_str(char *to, size_t size, const struct rtattr *rta)
{
	size_t len = strnlen(RTA_DATA(rta), RTA_PAYLOAD(rta));

	if (len >= size)
		len = size - 1;
	memcpy(to, RTA_DATA(rta), len);
	to[len] = '\0';
}

static void parse_xdp(const struct rtattr *nest, struct vm_link *link)
{
	const struct rtattr *rta;
	int len = RTA_PAYLOAD(nest);

	for (rta = RTA_DATA(nest); RTA_OK(rta, len); rta = RTA_NEXT(rta, len)) {
		if (rta->rta_type == IFLA_XDP_PROG_ID)
			link->xdp_id = rta_u32(rta);
		else if (rta->rta_type == IFLA_XDP_ATTACHED && RTA_PAYLOAD(rta) >= 1)
			link->xdp_generic = *(__u8 *)RTA_DATA(rta) == XDP_ATTACHED_SKB;
	}
}

static void parse_tun(const struct rtattr *nest, struct vm_link *link)
{
	const struct rtattr *rta;
	int len = RTA_PAYLOAD(nest);

	for (rta = RTA_DATA(nest); RTA_OK(rta, len); rta = RTA_NEXT(rta, len))
		if (rta->rta_type == IFLA_TUN_OWNER)
			link->owner = rta_u32(rta);
}

static void parse_info(const struct rtattr *nest, struct vm_link *link)
{
	const struct rtattr *rta;
	int len = RTA_PAYLOAD(nest);

	/* The kind comes first, and says whose attributes the data are. */
	for (rta = RTA_DATA(nest); RTA_OK(rta, len); rta = RTA_NEXT(rta, len)) {
		if (rta->rta_type == IFLA_INFO_KIND)
			rta_str(link->kind, sizeof(link->kind), rta);
		else if (rta->rta_type == IFLA_INFO_DATA && !strcmp(link->kind, "tun"))
			parse_tun(rta, link);
	}
}

static void parse_stats(const struct rtattr *rta, struct vm_link *link)
{
	struct rtnl_link_stats64 stats = { 0 };
	size_t len = RTA_PAYLOAD(rta);

	memcpy(&stats, RTA_DATA(rta), len < sizeof(stats) ? len : sizeof(stats));
	link->tx_dropped = stats.tx_dropped;
}

static int parse_link(const struct nlmsghdr *nh, struct vm_link *link)
{
	const struct ifinfomsg *ifi = NLMSG_DATA(nh);
	const struct rtattr *rta;
	int len = IFLA_PAYLOAD(nh);
	__u32 lower = 0;

	if (nh->nlmsg_type != RTM_NEWLINK || len < 0)
		return -EBADMSG;
	memset(link, 0, sizeof(*link));
	link->ifindex = ifi->ifi_index;
	link->owner = (__u32)-1;
	link->flags = ifi->ifi_flags;
	link->ether = ifi->ifi_type == ARPHRD_ETHER;
	link->loopback = ifi->ifi_flags & IFF_LOOPBACK;

	for (rta = IFLA_RTA(ifi); RTA_OK(rta, len); rta = RTA_NEXT(rta, len)) {
		switch (rta->rta_type & NLA_TYPE_MASK) {
		case IFLA_IFNAME:
			rta_str(link->name, sizeof(link->name), rta);
			break;
		case IFLA_ADDRESS:
			if (RTA_PAYLOAD(rta) == sizeof(link->mac))
				memcpy(link->mac, RTA_DATA(rta), sizeof(link->mac));
			break;
		case IFLA_MTU:
			link->mtu = rta_u32(rta);
			break;
		case IFLA_TXQLEN:
			link->ring = rta_u32(rta);
			break;
		case IFLA_LINK:
			lower = rta_u32(rta);
			break;
		case IFLA_MASTER:
			link->master = rta_u32(rta);
			break;
		case IFLA_LINK_NETNSID:
			link->peer_elsewhere = true;
			break;
		case IFLA_LINKINFO:
			parse_info(rta, link);
			break;
		case IFLA_XDP:
			parse_xdp(rta, link);
			break;
		case IFLA_STATS64:
			parse_stats(rta, link);
			break;
		}
	}
	/* Other kinds use IFLA_LINK for what they sit on. */
	if (!strcmp(link->kind, "veth"))
		link->peer = lower;
	else
		link->peer_elsewhere = false;
	return 0;
}

static int get(struct nl_request *req, struct vm_link *link)
{
	void *answer;
	int err;

	answer = malloc(NL_ANSWER_MAX);
	if (!answer)
		return -ENOMEM;
	err = transact(req, answer);
	if (!err)
		err = parse_link(answer, link);
	free(answer);
	return err;
}

int vm_link_get(__u32 ifindex, struct vm_link *link)
{
	struct nl_request req;

	request_init(&req, RTM_GETLINK, 0, ifindex);
	return get(&req, link);
}

int vm_link_get_name(const char *name, struct vm_link *link)
{
	struct nl_request req;

	if (!*name || strlen(name) >= IF_NAMESIZE)
		return -ENODEV;
	request_init(&req, RTM_GETLINK, 0, 0);
	put(&req, IFLA_IFNAME, name, strlen(name) + 1);
	return get(&req, link);
}

int vm_link_set_mtu_ring(__u32 ifindex, __u32 mtu, __u32 ring)
{
	struct nl_request req;

	request_init(&req, RTM_NEWLINK, NLM_F_ACK, ifindex);
	put(&req, IFLA_MTU, &mtu, sizeof(mtu));
	put(&req, IFLA_TXQLEN, &ring, sizeof(ring));
	return transact(&req, NULL);
}

int vm_link_set_quiet(__u32 ifindex)
{
	__u8 mode = IN6_ADDR_GEN_MODE_NONE;
	struct rtattr *spec, *inet6;
	struct nl_request req;
	int err;

	request_init(&req, RTM_NEWLINK, NLM_F_ACK, ifindex);
	spec = put(&req, IFLA_AF_SPEC, NULL, 0);
	inet6 = put(&req, AF_INET6, NULL, 0);
	put(&req, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof(mode));
	nest_end(&req, inet6);
	nest_end(&req, spec);
	err = transact(&req, NULL);
	return err == -EAFNOSUPPORT ? 0 : err;
}

int vm_link_set_up(__u32 ifindex)
{
	struct nl_request req;

	request_init(&req, RTM_NEWLINK, NLM_F_ACK, ifindex);
	req.ifi.ifi_flags = IFF_UP;
	req.ifi.ifi_change = IFF_UP;
	return transact(&req, NULL);
}

int vm_link_delete(__u32 ifindex)
{
	struct nl_request req;

	request_init(&req, RTM_DELLINK, NLM_F_ACK, ifindex);
	return transact(&req, NULL);
}
