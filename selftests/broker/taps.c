// SPDX-License-Identifier: GPL-2.0-only
/* VM_CTL_TAP: who gets a port's tap from the broker, and who holds it then. */
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/sockios.h>

#include "kselftest_harness.h"

#include <virtmesh/maps.h>

#include "bed.h"
#include "guest.h"
#include "lasting_tap.h"

#define PATIENT	 "--probe-ms 60000 --dead-ms 600000"
#define OWNER	 61001
#define STRANGER 61002

/* What came with an answer. */
struct given {
	struct vm_ctl_tap tap;
	int fds[2];
	int n;
};

static int ask(int ctl, __u16 op, const char *name)
{
	struct vm_ctl_port port = { "" };

	memcpy(port.name, name, strlen(name));
	return ctl_send(ctl, op, 9, &port, sizeof(port));
}

/* 0, or -(the broker's error); given->n is what came in either case. */
static int take(int ctl, __u16 op, size_t payload, struct given *given)
{
	struct {
		struct vm_ctl_msg msg;
		char payload[512];
	} rec;
	char room[CMSG_SPACE(8 * sizeof(int))];
	struct iovec iov = { &rec, sizeof(rec) };
	struct msghdr mh = { .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = room,
			     .msg_controllen = sizeof(room) };
	struct timeval wait = { .tv_sec = BED_WAIT_MS / 1000 };
	struct cmsghdr *cmsg;
	ssize_t len;

	*given = (struct given){ .fds = { -1, -1 } };
	setsockopt(ctl, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	len = recvmsg(ctl, &mh, MSG_CMSG_CLOEXEC);
	if (len < (ssize_t)sizeof(rec.msg))
		return len < 0 ? -errno : -ECONNRESET;
	cmsg = CMSG_FIRSTHDR(&mh);
	if (cmsg) {
		given->n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(given->fds, CMSG_DATA(cmsg), (given->n < 2 ? given->n : 2) * sizeof(int));
	}
	if (rec.msg.op != op || rec.msg.cookie != 9 || rec.msg.flags != VM_CTL_LAST ||
	    rec.msg.len != len - sizeof(rec.msg))
		return -EBADMSG;
	if (rec.msg.error)
		return rec.msg.len ? -rec.msg.error : -EBADMSG;
	if (rec.msg.len != payload)
		return -EBADMSG;
	memcpy(&given->tap, rec.payload, payload);
	return 0;
}

static int tap_get(int ctl, const char *name, struct given *given)
{
	int err = ask(ctl, VM_CTL_TAP, name);

	return err ? err : take(ctl, VM_CTL_TAP, sizeof(given->tap), given);
}

static int vhost_get(int ctl, const char *name, struct given *given)
{
	int err = ask(ctl, VM_CTL_VHOST_NET, name);

	return err ? err : take(ctl, VM_CTL_VHOST_NET, 0, given);
}

static void give_back(struct given *given)
{
	for (int i = 0; i < given->n && i < 2; i++)
		close(given->fds[i]);
	given->n = 0;
}

/* Until the tap can be had: what the last holder had open goes a little later. */
static int tap_get_soon(int ctl, const char *name, struct given *given)
{
	long long until = bed_now_ms() + BED_WAIT_MS;
	int err;

	do {
		err = tap_get(ctl, name, given);
	} while (err == -EBUSY && bed_now_ms() < until);
	return err;
}

/* Open files of the broker, once it is done with what @ctl has asked before. */
static int files_of(const struct broker_proc *broker, int ctl)
{
	struct vm_ctl_info info;
	char path[64];
	int n = 0;
	DIR *dir;

	if (ctl_info(ctl, &info))
		return -EIO;
	snprintf(path, sizeof(path), "/proc/%d/fd", broker->pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* In a process of user @uid; what @steps return. */
static int as_user(uid_t uid, int (*steps)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (setgroups(0, NULL) || setgid(uid) || setuid(uid))
			_exit(99);
		_exit(steps());
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

FIXTURE(taps)
{
	struct broker_proc broker;
	struct given given;
	int ctl;
};

FIXTURE_SETUP(taps)
{
	ASSERT_EQ(0, bed_enter());
	/* As a host has it: the sysfs of its own network namespace. */
	ASSERT_EQ(0, mount("sysfs", "/sys", "sysfs", MS_RDONLY, NULL));
	ASSERT_EQ(0, mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL));
	ASSERT_EQ(0, bed_virtmesh("ensemble add 1"));
	ASSERT_EQ(0, bed_virtmesh("port add vm1 --ensemble 1 --node 1 --owner %d", OWNER));
	ASSERT_EQ(0, bed_virtmesh("port add vm2 --ensemble 1 --node 2 --mtu 9000"));
	ASSERT_EQ(0, bed_broker(&self->broker, PATIENT));
	ASSERT_EQ(0, chmod(VM_CTL_DIR, 0755));
	ASSERT_EQ(0, chmod(VM_CTL_SOCKET, 0666));
	self->ctl = ctl_connect();
	ASSERT_LE(0, self->ctl);
}

FIXTURE_TEARDOWN(taps)
{
	struct vm_ctl_info info;

	if (self->broker.pid > 0) {
		EXPECT_EQ(0, ctl_info(self->ctl, &info));
		EXPECT_EQ(0, bed_broker_end(&self->broker, SIGTERM));
	}
	if (!BED_PASSED())
		bed_log_show();
	give_back(&self->given);
	close(self->ctl);
}

TEST_F(taps, root_gets_a_tap_that_frames_go_through_both_ways)
{
	__u8 mac[VM_MAC_LEN];
	struct guest guest;

	ASSERT_EQ(0, tap_get(self->ctl, "vm2", &self->given));
	EXPECT_EQ(vm_addr(1, 2), self->given.tap.addr);
	EXPECT_EQ(if_nametoindex("vm2"), self->given.tap.ifindex);
	EXPECT_EQ(9000, self->given.tap.mtu);
	EXPECT_EQ(12, self->given.tap.vnet_hdr_len);
	EXPECT_EQ(0, self->given.tap.reserved);
	vm_addr_to_mac(vm_addr(1, 2), mac);
	EXPECT_EQ(0, memcmp(mac, self->given.tap.mac, sizeof(mac)));

	guest = (struct guest){
		.fd = self->given.fds[0], .addr = vm_addr(1, 2), .mtu = 1500, .nonce = 4711
	};
	EXPECT_EQ(0, guest_join(&guest));
}

TEST_F(taps, vhost_net_that_does_not_open_is_said_and_the_tap_comes_alone)
{
	struct stat st;

	ASSERT_EQ(0, mount("tmpfs", "/dev", "tmpfs", 0, NULL));
	ASSERT_EQ(0, mkdir("/dev/net", 0755));
	ASSERT_EQ(0, mknod("/dev/net/tun", S_IFCHR | 0666, makedev(10, 200)));
	ASSERT_EQ(0, tap_get(self->ctl, "vm1", &self->given));
	EXPECT_EQ(1, self->given.n);
	EXPECT_EQ(ENOENT, self->given.tap.vhost_error);
	give_back(&self->given);

	/* It is looked for each time: modules come late. Here null(4) plays it. */
	ASSERT_EQ(0, mknod("/dev/vhost-net", S_IFCHR | 0600, makedev(1, 3)));
	ASSERT_EQ(0, tap_get_soon(self->ctl, "vm1", &self->given));
	EXPECT_EQ(0, self->given.tap.vhost_error);
	ASSERT_EQ(2, self->given.n);
	ASSERT_EQ(0, fstat(self->given.fds[1], &st));
	EXPECT_EQ(makedev(1, 3), st.st_rdev);
}

static int vhost_net_of_vm1_is_given(void)
{
	struct given given;

	return -vhost_get(ctl_connect(), "vm1", &given);
}

TEST_F(taps, vhost_net_alone_is_given_to_whom_the_tap_would_be)
{
	struct given vhost;
	struct stat st;

	ASSERT_EQ(0, mount("tmpfs", "/dev", "tmpfs", 0, NULL));
	ASSERT_EQ(0, mkdir("/dev/net", 0755));
	ASSERT_EQ(0, mknod("/dev/net/tun", S_IFCHR | 0666, makedev(10, 200)));
	/* While the tap is held: that is what it is for. */
	ASSERT_EQ(0, tap_get(self->ctl, "vm1", &self->given));
	EXPECT_EQ(-ENODEV, vhost_get(self->ctl, "vm1", &vhost));
	ASSERT_EQ(0, mknod("/dev/vhost-net", S_IFCHR | 0600, makedev(1, 3)));
	ASSERT_EQ(0, vhost_get(self->ctl, "vm1", &vhost));
	ASSERT_EQ(1, vhost.n);
	ASSERT_EQ(0, fstat(vhost.fds[0], &st));
	EXPECT_EQ(makedev(1, 3), st.st_rdev);
	give_back(&vhost);
	EXPECT_EQ(0, as_user(OWNER, vhost_net_of_vm1_is_given));
	EXPECT_EQ(EACCES, as_user(STRANGER, vhost_net_of_vm1_is_given));
	EXPECT_EQ(-ENOENT, vhost_get(self->ctl, "nosuch", &vhost));
	EXPECT_EQ(-EINVAL, vhost_get(self->ctl, "vmesh0", &vhost));
}

TEST_F(taps, a_tap_is_held_by_who_has_it_and_by_nobody_else)
{
	int files = files_of(&self->broker, self->ctl);
	struct given second;

	ASSERT_EQ(0, tap_get(self->ctl, "vm1", &self->given));
	EXPECT_EQ(files, files_of(&self->broker, self->ctl));
	EXPECT_EQ(-EBUSY, tap_get(self->ctl, "vm1", &second));
	EXPECT_EQ(0, second.n);
	EXPECT_EQ(0, tap_get(self->ctl, "vm2", &second));
	give_back(&second);
	give_back(&self->given);
	EXPECT_EQ(0, tap_get_soon(self->ctl, "vm1", &self->given));
	EXPECT_EQ(files, files_of(&self->broker, self->ctl));
}

TEST_F(taps, a_tap_outlives_the_broker_that_gave_it)
{
	struct guest guest;

	ASSERT_EQ(0, tap_get(self->ctl, "vm2", &self->given));
	bed_broker_end(&self->broker, SIGKILL);
	ASSERT_EQ(0, bed_broker(&self->broker, PATIENT));
	close(self->ctl);
	self->ctl = ctl_connect();
	guest = (struct guest){
		.fd = self->given.fds[0], .addr = vm_addr(1, 2), .mtu = 1500, .nonce = 4711
	};
	EXPECT_EQ(0, guest_join(&guest));
}

TEST_F(taps, names_of_no_port_of_no_tap_and_of_the_broker_are_refused)
{
	int files = files_of(&self->broker, self->ctl);
	struct given given;

	EXPECT_EQ(-ENOENT, tap_get(self->ctl, "nosuch", &given));
	EXPECT_EQ(-ENOENT, tap_get(self->ctl, "lo", &given));
	ASSERT_EQ(0, tap_create("other", 0, 1500));
	EXPECT_EQ(-ENOENT, tap_get(self->ctl, "other", &given));
	EXPECT_EQ(-EINVAL, tap_get(self->ctl, "vmesh0", &given));
	EXPECT_EQ(-EINVAL, tap_get(self->ctl, "../vm1", &given));
	EXPECT_EQ(-EINVAL, tap_get(self->ctl, "vm%d", &given));
	EXPECT_EQ(-EINVAL, tap_get(self->ctl, "", &given));
	EXPECT_EQ(files, files_of(&self->broker, self->ctl));
}

TEST_F(taps, a_port_that_is_a_veth_is_refused)
{
	struct given given;

	ASSERT_EQ(0, system("ip link add ve0 type veth && ip link set ve0 up"));
	ASSERT_EQ(0, bed_virtmesh("attach ve0 --ensemble 1 --node 3"));
	EXPECT_EQ(-EINVAL, tap_get(self->ctl, "ve0", &given));
}

TEST_F(taps, without_an_ensemble_there_is_no_tap)
{
	struct given given;

	ASSERT_EQ(0, bed_virtmesh("port del vm1"));
	ASSERT_EQ(0, bed_virtmesh("port del vm2"));
	EXPECT_EQ(-ENOENT, tap_get(self->ctl, "vm1", &given));
	ASSERT_EQ(0, bed_virtmesh("ensemble del 1"));
	EXPECT_EQ(-ENOENT, tap_get(self->ctl, "vm1", &given));
}

/* The errno that vm1's tap is refused with; 0: it came. */
static int vm1_is_given(void)
{
	struct given given;

	return -tap_get_soon(ctl_connect(), "vm1", &given);
}

static int vm2_is_given(void)
{
	struct given given;

	return -tap_get_soon(ctl_connect(), "vm2", &given);
}

TEST_F(taps, its_owner_and_root_get_a_tap_and_nobody_else)
{
	EXPECT_EQ(EACCES, as_user(STRANGER, vm1_is_given));
	EXPECT_EQ(0, as_user(OWNER, vm1_is_given));
	EXPECT_EQ(EACCES, as_user(OWNER, vm2_is_given));
	EXPECT_EQ(0, as_user(0, vm1_is_given));
	EXPECT_EQ(0, as_user(0, vm2_is_given));
}

TEST_F(taps, a_stranger_s_question_keeps_nobody_out)
{
	/* Held: he does not even learn that. */
	ASSERT_EQ(0, tap_get(self->ctl, "vm1", &self->given));
	EXPECT_EQ(EACCES, as_user(STRANGER, vm1_is_given));
}

TEST_F(taps, the_sysfs_of_another_network_is_not_believed)
{
	__u32 ifindex = if_nametoindex("vm1");

	/* There, vm1 is the stranger's, and has the same index. */
	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	while (if_nametoindex("vm1") != ifindex) {
		tap_delete("vm1");
		ASSERT_EQ(0, tap_create("vm1", STRANGER, 1500));
		ASSERT_GE(ifindex, if_nametoindex("vm1"));
	}
	ASSERT_EQ(0, mount("sysfs", "/sys", "sysfs", MS_RDONLY, NULL));
	EXPECT_EQ(EACCES, as_user(STRANGER, vm1_is_given));
	EXPECT_EQ(EACCES, as_user(OWNER, vm1_is_given));
	EXPECT_EQ(0, as_user(0, vm1_is_given));
}

static int asks_and_dies(void)
{
	int ctl = ctl_connect();

	if (ask(ctl, VM_CTL_TAP, "vm1"))
		return 1;
	kill(getpid(), SIGKILL);
	return 2;
}

TEST_F(taps, clients_that_die_before_their_answer_leave_it_free)
{
	int files = files_of(&self->broker, self->ctl);
	struct vm_ctl_info info;

	for (int i = 0; i < 50; i++)
		EXPECT_EQ(-1, as_user(OWNER, asks_and_dies));
	ASSERT_EQ(0, tap_get_soon(self->ctl, "vm1", &self->given));
	do {
		ASSERT_EQ(0, ctl_info(self->ctl, &info));
	} while (info.clients > 1);
	EXPECT_EQ(files, files_of(&self->broker, self->ctl));
}

/* Ask for INFO and do not read the answer; -1: it found no room, and we were let go for that. */
static int ask_unread(int slow)
{
	struct vm_ctl_msg ask = { .version = VM_CTL_VERSION, .op = VM_CTL_INFO };
	struct pollfd pfd = { .fd = slow };
	int before, after;

	if (ioctl(slow, SIOCINQ, &before) ||
	    send(slow, &ask, sizeof(ask), MSG_NOSIGNAL) != sizeof(ask))
		return -2;
	do {
		if (poll(&pfd, 1, 1) || ioctl(slow, SIOCINQ, &after))
			return -1;
	} while (after == before);
	return 0;
}

TEST_F(taps, client_whose_answers_are_unread_and_asks_is_let_go_and_keeps_nobody_out)
{
	int slow = ctl_connect(), answers = 0;
	struct vm_ctl_info info;

	while (!ask_unread(slow))
		answers++;
	EXPECT_LT(0, answers);
	close(slow);

	slow = ctl_connect();
	for (int i = 0; i < answers; i++)
		ASSERT_EQ(0, ask_unread(slow));
	ASSERT_EQ(0, ask(slow, VM_CTL_TAP, "vm1"));
	do {
		ASSERT_EQ(0, ctl_info(self->ctl, &info));
	} while (info.clients > 1);
	EXPECT_EQ(true, bed_log_has("it did not take the files of vm1"));
	EXPECT_EQ(0, tap_get_soon(self->ctl, "vm1", &self->given));
	close(slow);
}

/* Bytes of the log that a terminal may take for something else. */
static int odd_bytes_in_log(void)
{
	FILE *file = fopen(BED_LOG, "r");
	int c, odd = 0;

	if (!file)
		return -1;
	while ((c = getc(file)) != EOF)
		odd += (c < 0x20 || c > 0x7e) && c != '\n';
	fclose(file);
	return odd;
}

static int asks_by_an_odd_name_with_an_answer_unread(void)
{
	int ctl = ctl_connect();
	struct ctl_record rec;

	if (ask_unread(ctl) || ask(ctl, VM_CTL_TAP, "\033[7m\"\a\377") ||
	    ctl_recv(ctl, &rec, BED_WAIT_MS) || ctl_recv(ctl, &rec, BED_WAIT_MS))
		return 1;
	return rec.msg.error;
}

TEST_F(taps, names_of_no_port_do_not_come_into_the_log)
{
	EXPECT_EQ(ENOENT, as_user(STRANGER, asks_by_an_odd_name_with_an_answer_unread));
	EXPECT_EQ(ENOENT, as_user(0, asks_by_an_odd_name_with_an_answer_unread));
	EXPECT_EQ(0, odd_bytes_in_log());
}

static int lines_of_log(void)
{
	FILE *file = fopen(BED_LOG, "r");
	int c, lines = 0;

	if (!file)
		return -1;
	while ((c = getc(file)) != EOF)
		lines += c == '\n';
	fclose(file);
	return lines;
}

/* A /dev where null(4) plays vhost-net. */
static int fake_vhost_net(void)
{
	return mount("tmpfs", "/dev", "tmpfs", 0, NULL) || mkdir("/dev/net", 0755) ||
	       mknod("/dev/net/tun", S_IFCHR | 0666, makedev(10, 200)) ||
	       mknod("/dev/vhost-net", S_IFCHR | 0600, makedev(1, 3));
}

TEST_F(taps, files_come_only_when_those_before_were_taken)
{
	long long until = bed_now_ms() + BED_WAIT_MS;
	struct vm_ctl_info info;
	struct given given;
	int slow = ctl_connect();

	ASSERT_EQ(0, fake_vhost_net());
	ASSERT_EQ(0, vhost_get(slow, "vm1", &given));
	give_back(&given);
	ASSERT_EQ(0, ask(slow, VM_CTL_VHOST_NET, "vm1"));
	ASSERT_EQ(0, ask(slow, VM_CTL_VHOST_NET, "vm1"));
	while (!bed_log_has("it did not take the files of vm1") && bed_now_ms() < until)
		ASSERT_EQ(0, ctl_info(self->ctl, &info));
	/* It holds its slot by what it has not read. */
	ASSERT_EQ(0, ctl_info(self->ctl, &info));
	EXPECT_EQ(2, info.clients);
	EXPECT_EQ(0, take(slow, VM_CTL_VHOST_NET, 0, &given));
	give_back(&given);
	EXPECT_EQ(-ECONNRESET, take(slow, VM_CTL_VHOST_NET, 0, &given));
	do {
		ASSERT_EQ(0, ctl_info(self->ctl, &info));
	} while (info.clients > 1);
	close(slow);
}

/* More than one user may have at once, and more than that. */
#define GREEDY 40

static int leaves_files_in_connections_the_broker_let_go(void)
{
	int fd[GREEDY], got = 0;
	struct given given;

	for (int i = 0; i < GREEDY; i++) {
		struct pollfd pfd = { .events = POLLIN };
		struct vm_ctl_msg msg;

		pfd.fd = fd[i] = ctl_connect();
		if (fd[i] < 0 || ask(fd[i], VM_CTL_VHOST_NET, "vm1") ||
		    poll(&pfd, 1, BED_WAIT_MS) != 1 ||
		    recv(fd[i], &msg, sizeof(msg), MSG_PEEK) != sizeof(msg) || msg.error)
			continue;
		got++;
		/* The empty record says that we go. */
		pfd.events = POLLRDHUP;
		if (send(fd[i], "", 0, 0) || poll(&pfd, 1, BED_WAIT_MS) != 1)
			return 1;
	}
	for (int i = 0; i < GREEDY; i++)
		close(fd[i]);
	if (got != 16)
		return 2;
	return -vhost_get(ctl_connect(), "vm1", &given);
}

TEST_F(taps, files_that_nobody_takes_are_those_of_sixteen_answers)
{
	ASSERT_EQ(0, fake_vhost_net());
	EXPECT_EQ(0, as_user(OWNER, leaves_files_in_connections_the_broker_let_go));
}

/*
 * Asks for the tap, gives the broker reason to let us go, and puts our end of the
 * connection into the broker's: so it is open for as long as that is.
 */
static int sends_its_own_end(bool empty)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .head = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	int ctl = ctl_connect();
	struct iovec iov = { "x", !empty };
	struct msghdr mh = { .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control.room) };

	control.head.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.head), &ctl, sizeof(ctl));
	if (ask(ctl, VM_CTL_TAP, "vm1") || ask(ctl, VM_CTL_TAP, "vm1"))
		return 1;
	/* An empty record looks like an end, which it is not. */
	if (empty && send(ctl, "", 0, MSG_NOSIGNAL))
		return 2;
	/* EPERM: a kernel that need not let us. */
	return sendmsg(ctl, &mh, MSG_NOSIGNAL) == !empty || errno == EPERM ? 0 : 3;
}

static int sends_its_own_end_in_a_record(void)
{
	return sends_its_own_end(false);
}

static int sends_its_own_end_in_an_empty_record(void)
{
	return sends_its_own_end(true);
}

TEST_F(taps, client_that_leaves_its_own_end_in_the_broker_s_leaves_nothing)
{
	int (*const ways[])(void) = { sends_its_own_end_in_a_record,
				      sends_its_own_end_in_an_empty_record };
	struct vm_ctl_info info;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		long long until = bed_now_ms() + BED_WAIT_MS;

		/* All of it is there before the broker looks. */
		ASSERT_EQ(0, kill(self->broker.pid, SIGSTOP));
		EXPECT_EQ(0, as_user(OWNER, ways[i]));
		ASSERT_EQ(0, kill(self->broker.pid, SIGCONT));
		EXPECT_EQ(0, tap_get_soon(self->ctl, "vm1", &self->given));
		give_back(&self->given);
		do {
			ASSERT_EQ(0, ctl_info(self->ctl, &info));
		} while (info.clients > 1 && bed_now_ms() < until);
		EXPECT_EQ(1, info.clients);
	}
}

/* Twice what all ports of a host cause when they start at once. */
#define OFTEN (2 * VM_PORTS_MAX)

static int asks_often(void)
{
	int ctl = ctl_connect(), err = 0;
	struct given given;

	for (int i = 0; i < OFTEN && !err; i++) {
		err = vhost_get(ctl, "vm1", &given);
		give_back(&given);
	}
	return -err;
}

TEST_F(taps, owner_who_asks_for_ever_does_not_fill_the_log)
{
	long long start = bed_now_ms();
	int before = lines_of_log();

	ASSERT_EQ(0, fake_vhost_net());
	EXPECT_EQ(0, as_user(OWNER, asks_often));
	/* One a second more, for as long as it took. */
	EXPECT_GE(VM_PORTS_MAX + 2 * ((bed_now_ms() - start) / 1000 + 1), lines_of_log() - before);
	EXPECT_LE(VM_PORTS_MAX, lines_of_log() - before);
}

TEST_HARNESS_MAIN
