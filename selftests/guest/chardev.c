// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every call of /dev/virtmesh0 and every error it documents, in a guest that has
 * joined with a peer that is up (virtmesh.sh starts this there):
 *
 *	SELF=1 PEER=2 chardev
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/virtmesh.h>

#include "calls.h"
#include "kselftest_harness.h"

#define CHANNEL 77

struct message {
	struct virtmesh_dgram head;
	char data[64];
};

FIXTURE(dev)
{
	int fd;
	struct virtmesh_info info;
	unsigned int self;
	unsigned int peer;
};

FIXTURE_SETUP(dev)
{
	self->self = env_number("SELF");
	self->peer = env_number("PEER");
	self->fd = open(DEVICE, O_RDWR | O_NONBLOCK);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ioctl(self->fd, VIRTMESH_IOC_INFO, &self->info));
}

FIXTURE_TEARDOWN(dev)
{
	close(self->fd);
}

TEST_F(dev, info_is_complete)
{
	struct virtmesh_info *i = &self->info;

	EXPECT_EQ(VIRTMESH_ABI, i->abi);
	EXPECT_EQ(self->self, i->node);
	EXPECT_NE(0, i->ensemble);
	EXPECT_EQ(VIRTMESH_LINK_JOINED, i->state);
	EXPECT_EQ(i->mtu - 20, i->dgram_max);
	EXPECT_EQ(0, i->refusal);
	EXPECT_LT(1000, i->control_max);
	EXPECT_NE(0, i->incarnation);
	EXPECT_NE(0, i->epoch);
	EXPECT_LE(2, i->members);
	EXPECT_NE(0, i->nonce);
	EXPECT_NE(0, i->broker_id);
	EXPECT_NE(0, i->probe_ms);
	EXPECT_NE(0, i->dead_ms);
	/* VIRTIO_F_VERSION_1 */
	EXPECT_NE(0, i->features & 1ULL << 32);
	EXPECT_EQ(0, strncmp(i->netdev, "mesh", 4));
	EXPECT_NE(0, i->version[0]);
}

TEST_F(dev, ioctl_bad_address_and_number)
{
	EXPECT_ERRNO(EFAULT, ioctl(self->fd, VIRTMESH_IOC_INFO, NULL));
	EXPECT_ERRNO(EFAULT, ioctl(self->fd, VIRTMESH_IOC_PEERS, NULL));
	EXPECT_ERRNO(EFAULT, ioctl(self->fd, VIRTMESH_IOC_ECHO, nowhere));
	EXPECT_ERRNO(EFAULT, ioctl(self->fd, VIRTMESH_IOC_BIND, nowhere));
	EXPECT_ERRNO(ENOTTY, ioctl(self->fd, _IO('M', 0xc9), NULL));
	EXPECT_ERRNO(ENOTTY, ioctl(self->fd, _IO('M', 0xc0), &self->info));
	EXPECT_ERRNO(ENOTTY, ioctl(self->fd, 0x5401 /* TCGETS */, &self->info));
}

TEST_F(dev, peers_room_and_errors)
{
	struct virtmesh_peer peers[8];
	struct virtmesh_peers req = { .peers = (uintptr_t)peers, .count = 8 };

	ASSERT_EQ(0, ioctl(self->fd, VIRTMESH_IOC_PEERS, &req));
	EXPECT_EQ(self->info.members, req.count);
	EXPECT_EQ(self->info.epoch, req.epoch);
	for (unsigned int i = 1; i < req.count; i++)
		EXPECT_LT(peers[i - 1].node, peers[i].node);

	/* Too little room: what fits, the true count, and nothing behind the room. */
	memset(peers, 0xee, sizeof(peers));
	req.count = 1;
	ASSERT_EQ(0, ioctl(self->fd, VIRTMESH_IOC_PEERS, &req));
	EXPECT_EQ(self->info.members, req.count);
	EXPECT_EQ(0xeeee, peers[1].node);
	/* No room at all asks for the count. */
	req.count = 0;
	req.peers = 0;
	ASSERT_EQ(0, ioctl(self->fd, VIRTMESH_IOC_PEERS, &req));
	EXPECT_EQ(self->info.members, req.count);

	req.count = 8;
	EXPECT_ERRNO(EFAULT, ioctl(self->fd, VIRTMESH_IOC_PEERS, &req));
	req.peers = (uintptr_t)peers;
	req.reserved = 1;
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, VIRTMESH_IOC_PEERS, &req));
}

TEST_F(dev, echo_sizes)
{
	for (unsigned int size = 0; size <= self->info.dgram_max; size += 191) {
		struct virtmesh_echo echo = { .node = self->peer,
					      .size = size,
					      .timeout_ms = 5000 };

		ASSERT_EQ(0, ioctl(self->fd, VIRTMESH_IOC_ECHO, &echo));
		EXPECT_NE(0, echo.rtt_ns);
	}
}

TEST_F(dev, echo_errors)
{
	struct virtmesh_echo good = { .node = self->peer, .timeout_ms = 5000 }, echo;

	echo = good;
	echo.size = self->info.dgram_max + 1;
	EXPECT_ERRNO(EMSGSIZE, ioctl(self->fd, VIRTMESH_IOC_ECHO, &echo));
	echo = good;
	echo.timeout_ms = 0;
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, VIRTMESH_IOC_ECHO, &echo));
	echo.timeout_ms = 60001;
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, VIRTMESH_IOC_ECHO, &echo));
	echo = good;
	echo.reserved = 1;
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, VIRTMESH_IOC_ECHO, &echo));
	echo = good;
	echo.node = 4000;
	EXPECT_ERRNO(EHOSTUNREACH, ioctl(self->fd, VIRTMESH_IOC_ECHO, &echo));
	echo.node = self->self;
	EXPECT_ERRNO(EHOSTUNREACH, ioctl(self->fd, VIRTMESH_IOC_ECHO, &echo));
}

TEST_F(dev, bind_errors)
{
	struct virtmesh_bind bind = { .channel = CHANNEL };
	struct virtmesh_bind any = { 0 };
	int other = open(DEVICE, O_RDWR | O_NONBLOCK);

	ASSERT_LE(0, other);
	bind.reserved[1] = 1;
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, VIRTMESH_IOC_BIND, &bind));
	bind.reserved[1] = 0;
	ASSERT_EQ(0, ioctl(self->fd, VIRTMESH_IOC_BIND, &bind));
	EXPECT_EQ(CHANNEL, bind.channel);
	EXPECT_ERRNO(EISCONN, ioctl(self->fd, VIRTMESH_IOC_BIND, &bind));
	EXPECT_ERRNO(EADDRINUSE, ioctl(other, VIRTMESH_IOC_BIND, &bind));
	/* A failed call changed nothing: any channel is still to be had. */
	ASSERT_EQ(0, ioctl(other, VIRTMESH_IOC_BIND, &any));
	EXPECT_NE(0, any.channel);
	EXPECT_NE(CHANNEL, any.channel);
	close(other);
	/* Closing frees it. */
	close(self->fd);
	self->fd = open(DEVICE, O_RDWR | O_NONBLOCK);
	EXPECT_EQ(0, ioctl(self->fd, VIRTMESH_IOC_BIND, &bind));
}

TEST_F(dev, read_errors)
{
	struct virtmesh_bind bind = { .channel = CHANNEL };
	struct message m;

	EXPECT_ERRNO(EDESTADDRREQ, read(self->fd, &m, sizeof(m)));
	ASSERT_EQ(0, ioctl(self->fd, VIRTMESH_IOC_BIND, &bind));
	EXPECT_ERRNO(EAGAIN, read(self->fd, &m, sizeof(m)));
	EXPECT_ERRNO(ESPIPE, lseek(self->fd, 0, SEEK_SET));
}

TEST_F(dev, write_errors)
{
	static char big[16384];
	struct message good = {
		.head = { .node = self->peer, .channel = CHANNEL, .len = sizeof(good.data) },
	}, m;
	struct virtmesh_dgram *head = (void *)big;

	EXPECT_EQ(sizeof(good), write(self->fd, &good, sizeof(good)));
	EXPECT_ERRNO(EINVAL, write(self->fd, &good, sizeof(good.head) - 1));
	EXPECT_ERRNO(EINVAL, write(self->fd, &good, sizeof(good) - 1));
	EXPECT_ERRNO(EFAULT, write(self->fd, nowhere, sizeof(good)));
	m = good;
	m.head.flags = 1;
	EXPECT_ERRNO(EINVAL, write(self->fd, &m, sizeof(m)));
	m = good;
	m.head.reserved = 1;
	EXPECT_ERRNO(EINVAL, write(self->fd, &m, sizeof(m)));
	m = good;
	m.head.node = 4000;
	EXPECT_ERRNO(EHOSTUNREACH, write(self->fd, &m, sizeof(m)));
	m.head.node = 0;
	EXPECT_ERRNO(EHOSTUNREACH, write(self->fd, &m, sizeof(m)));
	*head = good.head;
	head->len = self->info.dgram_max;
	EXPECT_EQ(sizeof(*head) + head->len, write(self->fd, big, sizeof(*head) + head->len));
	head->len++;
	EXPECT_ERRNO(EMSGSIZE, write(self->fd, big, sizeof(*head) + head->len));
}

TEST_F(dev, poll_shows_the_membership_once)
{
	struct virtmesh_peers req = { 0 };
	struct pollfd p = { .fd = self->fd, .events = POLLIN | POLLOUT | POLLPRI };

	/* A fresh file has seen none yet. */
	ASSERT_EQ(1, poll(&p, 1, 1000));
	EXPECT_EQ(POLLPRI, p.revents & POLLPRI);
	EXPECT_EQ(POLLOUT, p.revents & POLLOUT);
	EXPECT_EQ(0, p.revents & (POLLIN | POLLHUP | POLLERR));
	/* Nor has it seen what it could not be told. */
	req = (struct virtmesh_peers){ .peers = (uintptr_t)nowhere, .count = 8 };
	EXPECT_ERRNO(EFAULT, ioctl(self->fd, VIRTMESH_IOC_PEERS, &req));
	ASSERT_EQ(1, poll(&p, 1, 0));
	EXPECT_EQ(POLLPRI, p.revents & POLLPRI);
	req = (struct virtmesh_peers){};
	ASSERT_EQ(0, ioctl(self->fd, VIRTMESH_IOC_PEERS, &req));
	p.events = POLLIN | POLLPRI;
	EXPECT_EQ(0, poll(&p, 1, 0));
}

TEST_F(dev, a_sleeping_reader_can_be_interrupted)
{
	struct virtmesh_bind bind = { .channel = CHANNEL };
	struct message m;
	int fd = open(DEVICE, O_RDWR);
	pid_t pid;
	int status;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioctl(fd, VIRTMESH_IOC_BIND, &bind));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		alarm(1);
		/* SIGALRM's default action ends it; a read that cannot be would hang. */
		_exit(read(fd, &m, sizeof(m)) < 0 ? 0 : 1);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM);
	close(fd);
}

TEST_HARNESS_MAIN
