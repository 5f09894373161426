// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/steer.skel.h"
#include "testbed.h"

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

int bed_link_up(const char *name, bool up)
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

int bed_link_mtu(const char *name, unsigned int mtu)
{
	struct ifreq ifr;

	ifreq_name(&ifr, name);
	ifr.ifr_mtu = mtu;
	return ifreq_ioctl(SIOCSIFMTU, &ifr);
}

static int link_ring(const char *name, unsigned int len)
{
	struct ifreq ifr;

	ifreq_name(&ifr, name);
	ifr.ifr_qlen = len;
	return ifreq_ioctl(SIOCSIFTXQLEN, &ifr);
}

/* The host's IPv6 would say hello to its neighbours on each interface that comes up. */
static int link_quiet(const char *name)
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

int bed_new_netns(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		return -errno;
	return bed_link_up("lo", true);
}

static int netns_cookie(__u64 *cookie)
{
	socklen_t len = sizeof(*cookie);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, cookie, &len) < 0)
		err = -errno;
	close(fd);
	return err;
}

static int tap_open(struct bed_port *port)
{
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int sndbuf = INT_MAX, hdr = BED_VNET_HDR, err;
	struct ifreq ifr;

	if (fd < 0)
		return -errno;
	ifreq_name(&ifr, port->name);
	ifr.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	if (ioctl(fd, TUNSETIFF, &ifr) < 0 || ioctl(fd, TUNSETSNDBUF, &sndbuf) < 0 ||
	    ioctl(fd, TUNSETVNETHDRSZ, &hdr) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	port->fd = fd;
	return 0;
}

int bed_tap_persist(struct bed_port *port)
{
	return ioctl(port->fd, TUNSETPERSIST, 1) < 0 ? -errno : 0;
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

static void peer_name(char peer[IFNAMSIZ], const char *name)
{
	snprintf(peer, IFNAMSIZ, "p%.14s", name);
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

static int veth_open(struct bed_port *port, __u16 mtu)
{
	char peer[IFNAMSIZ];
	int err;

	peer_name(peer, port->name);
	err = veth_create(port->name, peer);
	if (!err)
		err = link_quiet(peer);
	if (!err)
		err = bed_link_mtu(peer, mtu);
	if (!err)
		err = veth_peer_napi(peer);
	if (!err)
		err = bed_link_up(peer, true);
	if (!err)
		err = packet_socket(peer, &port->fd);
	return err;
}

int bed_link_add(struct bed_port *port, enum bed_kind kind, const char *name, __u16 mtu,
		 unsigned int ring)
{
	int err;

	memset(port, 0, sizeof(*port));
	port->fd = -1;
	port->kind = kind;
	port->mtu = mtu;
	snprintf(port->name, sizeof(port->name), "%s", name);

	err = kind == BED_TAP ? tap_open(port) : veth_open(port, mtu);
	if (!err)
		err = link_quiet(name);
	if (!err)
		err = bed_link_mtu(name, mtu);
	if (!err && ring)
		err = link_ring(name, ring);
	if (!err)
		err = bed_link_up(name, true);
	if (err) {
		bed_port_close(port);
		return err;
	}
	port->ifindex = if_nametoindex(name);
	return 0;
}

void bed_port_close(struct bed_port *port)
{
	if (port->fd >= 0)
		close(port->fd);
	port->fd = -1;
}

int bed_ensemble_add(struct bed *bed, __u16 ensemble, __u16 mtu, __u32 room)
{
	struct vm_ensemble value = { .mtu = mtu };
	__u32 key = ensemble, fd;
	int err;

	err = bpf_map_create(BPF_MAP_TYPE_DEVMAP_HASH, "vm_group", sizeof(__u32),
			     sizeof(struct bpf_devmap_val), room, NULL);
	if (err < 0)
		return err;
	fd = err;
	err = bpf_map__update_elem(bed->skel->maps.groups, &key, sizeof(key), &fd, sizeof(fd),
				   BPF_NOEXIST);
	close(fd);
	if (!err)
		err = bpf_map__update_elem(bed->skel->maps.ensembles, &key, sizeof(key), &value,
					   sizeof(value), BPF_NOEXIST);
	return err;
}

static int xdp_attach(struct bed *bed, const struct bed_port *port)
{
	__u32 flags = bed->xdp == BED_NATIVE ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;

	if (bed->xdp == BED_DETACHED)
		return 0;
	return bpf_xdp_attach(port->ifindex, bed->prog, flags, NULL);
}

/* Into the ensemble's group map, which is an inner map: get it by its id. */
static int group_join(struct bed *bed, const struct bed_port *port, __u32 ensemble)
{
	struct bpf_devmap_val val = { .ifindex = port->ifindex };
	__u32 id, slot = port->slot;
	int fd, err;

	err = bpf_map__lookup_elem(bed->skel->maps.groups, &ensemble, sizeof(ensemble), &id,
				   sizeof(id), 0);
	if (err)
		return err;
	fd = bpf_map_get_fd_by_id(id);
	if (fd < 0)
		return fd;
	val.bpf_prog.fd = bpf_program__fd(bed->skel->progs.egress);
	err = bpf_map_update_elem(fd, &slot, &val, BPF_NOEXIST);
	close(fd);
	return err;
}

static int hint_write(struct bpf_map *index, __u32 at, const void *hint, size_t size)
{
	return bpf_map__update_elem(index, &at, sizeof(at), hint, size, 0);
}

static int port_publish(struct bed *bed, const struct bed_port *port, __u32 flags)
{
	struct vm_port value = {
		.addr = port->addr, .slot = port->slot, .mtu = port->mtu, .flags = flags
	};
	struct vm_port_hint hint = { .ifindex = port->ifindex,
				     .addr = port->addr,
				     .slot = port->slot,
				     .mtu = port->mtu,
				     .flags = flags };
	struct bpf_devmap_val tap = { .ifindex = port->ifindex };
	__u32 ifindex = port->ifindex, slot = port->slot;
	int err;

	err = bpf_map__update_elem(bed->skel->maps.taps, &slot, sizeof(slot), &tap, sizeof(tap), 0);
	if (err)
		return err;
	err = bpf_map__update_elem(bed->skel->maps.ports, &ifindex, sizeof(ifindex), &value,
				   sizeof(value), BPF_NOEXIST);
	if (!err && bed->hints)
		err = hint_write(bed->skel->maps.port_index, vm_port_hint(ifindex), &hint,
				 sizeof(hint));
	return err ?: xdp_attach(bed, port);
}

int bed_port_enter(struct bed *bed, struct bed_port *port, __u16 ensemble, __u16 node)
{
	struct vm_dest dest = { .mtu = port->mtu, .ifindex = port->ifindex };
	struct vm_node_hint hint = { .mtu = port->mtu };
	int err;

	port->addr = vm_addr(ensemble, node);
	port->slot = bed->next_slot++;
	dest.slot = hint.slot = port->slot;
	hint.addr = port->addr;
	err = bpf_map__update_elem(bed->skel->maps.nodes, &port->addr, sizeof(port->addr), &dest,
				   sizeof(dest), BPF_NOEXIST);
	if (!err && bed->hints)
		err = hint_write(bed->skel->maps.node_index, vm_node_hint(port->addr), &hint,
				 sizeof(hint));
	if (!err)
		err = group_join(bed, port, ensemble);
	return err ?: port_publish(bed, port, 0);
}

int bed_port_add(struct bed *bed, struct bed_port *port, enum bed_kind kind, __u16 ensemble,
		 __u16 node, __u16 mtu)
{
	char name[IFNAMSIZ];
	int err;

	snprintf(name, sizeof(name), "vm%u.%u", ensemble, node);
	err = bed_link_add(port, kind, name, mtu, bed->ring);
	return err ?: bed_port_enter(bed, port, ensemble, node);
}

int bed_open(struct bed *bed)
{
	int err;

	memset(bed, 0, sizeof(*bed));
	bed->next_slot = VM_SLOT_FIRST;
	bed->hints = true;
	bed->broker.fd = -1;
	err = bed_new_netns();
	if (err)
		return err;
	bed->skel = steer_bpf__open();
	return bed->skel ? 0 : -errno;
}

int bed_load(struct bed *bed)
{
	struct vm_meta meta = { .abi = VM_MAPS_ABI };
	__u32 zero = 0;
	int err;

	err = steer_bpf__load(bed->skel);
	if (err)
		return err;
	bed->prog = bpf_program__fd(bed->skel->progs.steer);

	bed->skel->links.devmap_xmit = bpf_program__attach(bed->skel->progs.devmap_xmit);
	bed->skel->links.redirect_err = bpf_program__attach(bed->skel->progs.redirect_err);
	if (!bed->skel->links.devmap_xmit || !bed->skel->links.redirect_err)
		return -errno;

	err = bed_link_add(&bed->broker, BED_TAP, VM_BROKER_IF, VM_MTU_MAX, 4096);
	if (err)
		return err;
	bed->broker.slot = VM_SLOT_BROKER;
	meta.broker_ifindex = bed->broker.ifindex;
	err = netns_cookie(&meta.netns_cookie);
	if (!err)
		err = bpf_map__update_elem(bed->skel->maps.meta, &zero, sizeof(zero), &meta,
					   sizeof(meta), 0);
	return err ?: port_publish(bed, &bed->broker, VM_PORT_BROKER);
}

void bed_close(struct bed *bed)
{
	bed_port_close(&bed->broker);
	steer_bpf__destroy(bed->skel);
	bed->skel = NULL;
}

int bed_counters(const struct bed *bed, __u32 slot, struct vm_counters *sum)
{
	int cpus = libbpf_num_possible_cpus(), cpu, err;
	const __u64 *from;
	size_t i;
	void *values;

	if (cpus < 0)
		return cpus;
	values = calloc(cpus, sizeof(*sum));
	if (!values)
		return -ENOMEM;
	err = bpf_map__lookup_elem(bed->skel->maps.counters, &slot, sizeof(slot), values,
				   cpus * sizeof(*sum), 0);
	memset(sum, 0, sizeof(*sum));
	for (cpu = 0; !err && cpu < cpus; cpu++) {
		from = values + cpu * sizeof(*sum);
		for (i = 0; i < sizeof(*sum) / sizeof(*from); i++)
			((__u64 *)sum)[i] += from[i];
	}
	free(values);
	return err;
}

int bed_test_run(struct bed *bed, const struct bed_port *port, const void *frame, size_t len,
		 void *out, __u32 *verdict)
{
	struct xdp_md ctx = { .data_end = len, .ingress_ifindex = port->ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = len, .data_out = out,
		    .data_size_out = out ? len : 0, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx),
		    .repeat = 1);
	int err = bpf_prog_test_run_opts(bed->prog, &opts);

	if (!err && out && opts.data_size_out != len)
		return -EMSGSIZE;
	*verdict = opts.retval;
	return err;
}

int bed_live_run(struct bed *bed, const struct bed_port *port, const void *frame, size_t len,
		 unsigned int repeat)
{
	struct xdp_md ctx = { .data_end = len, .ingress_ifindex = port->ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = len, .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = repeat,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES);

	return bpf_prog_test_run_opts(bed->prog, &opts);
}

ssize_t bed_write(const struct bed_port *port, const void *frame, size_t len)
{
	char hdr[BED_VNET_HDR] = { 0 };
	struct iovec iov[] = { { hdr, sizeof(hdr) }, { (void *)frame, len } };
	ssize_t n;

	if (port->kind == BED_VETH) {
		n = write(port->fd, frame, len);
		return n < 0 ? -errno : n;
	}
	n = writev(port->fd, iov, 2);
	return n < 0 ? -errno : n - BED_VNET_HDR;
}

ssize_t bed_read(const struct bed_port *port, void *frame, size_t room)
{
	char hdr[BED_VNET_HDR];
	struct iovec iov[] = { { hdr, sizeof(hdr) }, { frame, room } };
	ssize_t n;

	if (port->kind == BED_VETH) {
		n = read(port->fd, frame, room);
		return n < 0 ? -errno : n;
	}
	n = readv(port->fd, iov, 2);
	return n < 0 ? -errno : n - BED_VNET_HDR;
}

ssize_t bed_read_wait(const struct bed_port *port, void *frame, size_t room)
{
	struct pollfd pfd = { .fd = port->fd, .events = POLLIN };
	int n = poll(&pfd, 1, WAIT_MS);

	if (n < 0)
		return -errno;
	return n ? bed_read(port, frame, room) : -ETIMEDOUT;
}

void bed_frame(void *frame, size_t len, const __u8 dst[VM_MAC_LEN], const __u8 src[VM_MAC_LEN],
	       __u16 ethertype, unsigned int seed)
{
	__u8 *p = frame;
	size_t i;

	memcpy(p, dst, VM_MAC_LEN);
	memcpy(p + VM_MAC_LEN, src, VM_MAC_LEN);
	p[12] = ethertype >> 8;
	p[13] = ethertype;
	for (i = VM_ETH_HLEN; i < len; i++)
		p[i] = seed + i * 7;
}

void bed_frame_to(void *frame, size_t len, __u32 dst, __u32 src, unsigned int seed)
{
	__u8 d[VM_MAC_LEN], s[VM_MAC_LEN];

	vm_addr_to_mac(dst, d);
	vm_addr_to_mac(src, s);
	bed_frame(frame, len, d, s, VM_ETHERTYPE, seed);
}
