// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * Whose a tap is, the kernel knows, and tells in sysfs. (By netlink as well: but
 * this process keeps CAP_NET_ADMIN, without which root too may only open taps
 * that are root's, and a netlink socket would make of it the power over every
 * interface and route. So it has none.)
 *
 * sysfs shows the network namespace of whoever mounted it, which may not be
 * ours: what it says of an interface is believed only if that has the index and
 * the link address, which is random, of the one we know. Where it is not, root
 * alone is served.
 *
 * An interface may be renamed or replaced by another between two steps. An index
 * is not used again: the tap that was opened must have, in the end, the index of
 * the port that was looked at in the beginning.
 *
 * Files that were sent and not yet taken are in flight, which the kernel lets a
 * user have RLIMIT_NOFILE of: root, since it is we who send. So a client gets
 * files when it has read all before, and server.c lets go of no slot while such an
 * answer is unread: two files for each client it serves, not for each it ever did.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/sockios.h>

#include <virtmesh/ctl.h>

#include "../host/log.h"
#include "../host/rights.h"
#include "../host/tap.h"
#include "broker.h"
#include "request.h"
#include "sandbox.h"
#include "taps.h"

SANDBOX_CALLS(taps_calls,
	      /* vm_tap_open() and if_nametoindex(): as in state.c */
	      SANDBOX_CALL_ARG(socket, 0, AF_UNIX), SANDBOX_CALL_ARG(ioctl, 1, SIOCGIFHWADDR),
	      SANDBOX_CALL_ARG(ioctl, 1, SIOCOUTQ), SANDBOX_CALL_NOT(openat, 2, O_CREAT),
	      SANDBOX_CALL(read), SANDBOX_CALL(sendmsg), SANDBOX_CALL(close));

#define VHOST_NET "/dev/vhost-net"

static int refuse(int err, const char *text, const char **why)
{
	*why = text;
	return err;
}

/* /sys/class/net/@name/@what without its newline. @name has no '/' and is not "..". */
static int read_sysfs(const char *name, const char *what, char *text, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/sys/class/net/%s/%s", name, what);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, text, size - 1);
	close(fd);
	if (n <= 0)
		return -EIO;
	text[text[n - 1] == '\n' ? n - 1 : n] = '\0';
	return 0;
}

/* Is the interface that sysfs calls @name the one that we call so? */
static bool is_ours(const char *name, __u32 ifindex)
{
	char text[32], address[32];
	struct ifreq ifr = { 0 };
	const __u8 *mac = (const __u8 *)ifr.ifr_hwaddr.sa_data;
	int fd, err;

	if (read_sysfs(name, "ifindex", text, sizeof(text)) || strtoul(text, NULL, 10) != ifindex ||
	    read_sysfs(name, "address", text, sizeof(text)))
		return false;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	strcpy(ifr.ifr_name, name);
	err = ioctl(fd, SIOCGIFHWADDR, &ifr);
	close(fd);
	if (err)
		return false;
	snprintf(address, sizeof(address), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	return !strcmp(text, address);
}

static bool is_owner(uid_t uid, const char *name, __u32 ifindex)
{
	char text[16];
	char *end;
	long owner;

	if (!uid)
		return true;
	/* "-1": a tap of nobody. No user has that number. */
	if (!is_ours(name, ifindex) || read_sysfs(name, "owner", text, sizeof(text)))
		return false;
	owner = strtol(text, &end, 10);
	return end != text && !*end && owner > 0 && owner == (long)uid;
}

/* The index of the interface @name if it is a port; 0: it is none. */
static __u32 find_port(const struct broker *b, const char *name, struct vm_port *port)
{
	__u32 ifindex = b->has_state ? if_nametoindex(name) : 0;

	if (!ifindex || bpf_map_lookup_elem(b->maps.ports, &ifindex, port))
		return 0;
	return ifindex;
}

static int explain_open(int err, const char **why)
{
	switch (err) {
	case -EBUSY:
		return refuse(err, "another process holds that tap", why);
	case -EINVAL:
		return refuse(err, "the interface of that port is no tap", why);
	case -ENODEV:
		return refuse(-ENOENT, "that interface has just gone", why);
	case -EPERM:
	case -EACCES:
		/* Not the client's doing: EACCES is what it gets for its own. */
		return refuse(-EIO, "the broker itself may not open that tap", why);
	default:
		return refuse(err, "the tap cannot be opened", why);
	}
}

/*
 * At once or never: while a record with descriptors waited here for its client
 * to read, the tap would be nobody's and busy.
 */
static int send_files(int socket, const struct request *req, const void *payload, size_t len,
		      const int *fds, int n)
{
	struct vm_ctl_msg msg = {
		.version = VM_CTL_VERSION,
		.op = req->op,
		.flags = VM_CTL_LAST,
		.len = len,
		.cookie = req->cookie,
	};
	struct iovec iov[2] = { { &msg, sizeof(msg) }, { (void *)payload, len } };
	ssize_t sent = vm_send_rights(socket, iov, 2, fds, n, MSG_DONTWAIT);

	return sent < 0 ? sent : 0;
}

/* The tap, open, of the port @ifindex called @name. */
static int open_tap(const char *name, __u32 ifindex, const char **why)
{
	int fd = vm_tap_open(name);

	if (fd < 0)
		return explain_open(fd, why);
	if (if_nametoindex(name) == ifindex)
		return fd;
	close(fd);
	return refuse(-ENOENT, "that interface has just gone", why);
}

static int give_tap(int socket, const struct request *req, __u32 ifindex,
		    const struct vm_port *port, const char **why)
{
	struct vm_ctl_tap tap = {
		.addr = port->addr,
		.ifindex = ifindex,
		.mtu = port->mtu,
		.vnet_hdr_len = VM_TAP_VNET_HDR,
	};
	int fds[2], err;

	vm_addr_to_mac(port->addr, tap.mac);
	fds[0] = open_tap(req->name, ifindex, why);
	if (fds[0] < 0)
		return fds[0];
	fds[1] = open(VHOST_NET, O_RDWR | O_CLOEXEC);
	if (fds[1] < 0)
		tap.vhost_error = errno;
	err = send_files(socket, req, &tap, sizeof(tap), fds, fds[1] < 0 ? 1 : 2);
	if (fds[1] >= 0)
		close(fds[1]);
	close(fds[0]);
	return err;
}

static int give_vhost_net(int socket, const struct request *req, const char **why)
{
	int fd = open(VHOST_NET, O_RDWR | O_CLOEXEC), err;

	if (fd < 0)
		return refuse(-ENODEV, "the broker cannot open " VHOST_NET, why);
	err = send_files(socket, req, NULL, 0, &fd, 1);
	close(fd);
	return err;
}

bool taps_unread(int socket)
{
	int bytes;

	return ioctl(socket, SIOCOUTQ, &bytes) || bytes;
}

int taps_give(struct broker *b, int socket, uid_t uid, const struct request *req, const char **why)
{
	struct vm_port port;
	__u32 ifindex;
	int err;

	*why = NULL;
	ifindex = find_port(b, req->name, &port);
	if (!ifindex)
		return refuse(-ENOENT, "no port has that name", why);
	if (port.flags & VM_PORT_BROKER)
		return refuse(-EINVAL, "that is the broker's own", why);
	if (port.flags & VM_PORT_THROUGH)
		return refuse(-EINVAL, "that is no node's: faults lead through it", why);
	/* Before it is opened: a stranger's question must not keep its owner out. */
	if (!is_owner(uid, req->name, ifindex))
		return refuse(-EACCES, "only root and the owner of a tap may have it", why);
	/* Only now: it is told with the name, which until here is whatever a client sent. */
	if (taps_unread(socket))
		return -EAGAIN;
	if (req->op == VM_CTL_TAP)
		err = give_tap(socket, req, ifindex, &port, why);
	else
		err = give_vhost_net(socket, req, why);
	if (!err && server_may_log(b))
		vm_info("event=%s if=%s uid=%u",
			req->op == VM_CTL_TAP ? "tap-given" : "vhost-net-given", req->name, uid);
	return err;
}
