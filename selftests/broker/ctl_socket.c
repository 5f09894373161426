// SPDX-License-Identifier: GPL-2.0-only
/* The control socket: who may ask, what is answered, and what hostile clients achieve. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/sockios.h>

#include "kselftest_harness.h"

#include <bpf/bpf.h>

#include <virtmesh/version.h>

#include "../../host/maps.h"
#include "../../host/rights.h"
#include "bed.h"
#include "guest.h"

#define PATIENT "--probe-ms 60000 --dead-ms 600000"
#define NOBODY	65534
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif
/* Answers must come long before a client that does not read is given up. */
#define PROMPT_MS 2000

FIXTURE(ctl)
{
	struct broker_proc broker;
	struct guest a;
	int ctl;
};

FIXTURE_SETUP(ctl)
{
	ASSERT_EQ(0, bed_enter());
	ASSERT_EQ(0, bed_virtmesh("ensemble add 1"));
	ASSERT_EQ(0, guest_add(&self->a, "vm1", 1, 1));
	ASSERT_EQ(0, bed_broker(&self->broker, PATIENT));
	self->ctl = ctl_connect();
	ASSERT_LE(0, self->ctl);
}

FIXTURE_TEARDOWN(ctl)
{
	struct vm_ctl_info info;
	int fd;

	/* It still answers, those it knows and new ones. */
	EXPECT_EQ(0, ctl_info(self->ctl, &info));
	fd = ctl_connect();
	EXPECT_LE(0, fd);
	EXPECT_EQ(0, ctl_info(fd, &info));
	close(fd);
	if (!BED_PASSED())
		bed_log_show();
	close(self->ctl);
	EXPECT_EQ(0, bed_broker_end(&self->broker, SIGTERM));
	guest_close(&self->a);
}

TEST_F(ctl, info_says_what_the_broker_is)
{
	struct vm_ctl_info info;

	ASSERT_EQ(0, ctl_info(self->ctl, &info));
	EXPECT_EQ(self->broker.pid, info.pid);
	EXPECT_NE(0, info.broker_id);
	EXPECT_EQ(1, info.has_state);
	EXPECT_EQ(1, info.ensembles);
	EXPECT_EQ(1, info.nodes);
	EXPECT_EQ(0, info.nodes_up);
	EXPECT_EQ(60000, info.probe_ms);
	EXPECT_EQ(600000, info.dead_ms);
	EXPECT_EQ(1, info.clients);
	EXPECT_STREQ(VM_VERSION, info.version);
	ASSERT_EQ(0, guest_join(&self->a));
	ASSERT_EQ(0, ctl_info(self->ctl, &info));
	EXPECT_EQ(1, info.nodes_up);
	EXPECT_EQ(1, info.frames_rx);
	EXPECT_LE(2, info.frames_tx);
}

TEST_F(ctl, nodes_of_one_ensemble_of_all_and_of_none)
{
	struct vm_ctl_nodes ask = { .ensemble = 0 };
	struct ctl_record rec;

	ASSERT_EQ(0, bed_virtmesh("ensemble add 2"));
	ASSERT_EQ(0, ctl_ask(self->ctl, VM_CTL_NODES, &ask, sizeof(ask), &rec));
	EXPECT_EQ(sizeof(struct vm_ctl_node), rec.len);
	EXPECT_EQ(VM_CTL_LAST, rec.msg.flags);
	ask.ensemble = 1;
	ASSERT_EQ(0, ctl_ask(self->ctl, VM_CTL_NODES, &ask, sizeof(ask), &rec));
	EXPECT_EQ(sizeof(struct vm_ctl_node), rec.len);
	ask.ensemble = 2;
	ASSERT_EQ(0, ctl_ask(self->ctl, VM_CTL_NODES, &ask, sizeof(ask), &rec));
	EXPECT_EQ(0, rec.len);
	EXPECT_EQ(VM_CTL_LAST, rec.msg.flags);
	ask.ensemble = 3;
	EXPECT_EQ(-ENOENT, ctl_ask(self->ctl, VM_CTL_NODES, &ask, sizeof(ask), &rec));
	EXPECT_LT(0, rec.len);
}

/* 900 nodes without interfaces come, or go. */
static int enter_ports(bool come)
{
	struct vm_maps maps;
	int err = vm_maps_open(&maps);

	for (__u32 i = 3; !err && i < 903; i++) {
		struct vm_port port = { .addr = vm_addr(1, i), .mtu = 1500, .added_ns = i };
		__u32 ifindex = 100000 + i;

		err = come ? bpf_map_update_elem(maps.ports, &ifindex, &port, BPF_NOEXIST) :
			     bpf_map_delete_elem(maps.ports, &ifindex);
	}
	vm_maps_close(&maps);
	return err;
}

TEST_F(ctl, many_nodes_come_in_several_records_in_order)
{
	struct vm_ctl_nodes ask = { .ensemble = 0 };
	struct vm_ctl_node node;
	struct ctl_record rec;
	unsigned int nodes = 0, records = 1;
	__u32 last = 0;

	ASSERT_EQ(0, enter_ports(true));
	ASSERT_EQ(0, ctl_resync(self->ctl));
	ASSERT_EQ(0, ctl_ask(self->ctl, VM_CTL_NODES, &ask, sizeof(ask), &rec));
	for (;;) {
		for (size_t i = 0; i < rec.len; i += sizeof(node)) {
			memcpy(&node, rec.payload + i, sizeof(node));
			EXPECT_LT(last, node.addr);
			last = node.addr;
			nodes++;
		}
		if (rec.msg.flags & VM_CTL_LAST)
			break;
		ASSERT_EQ(0, ctl_recv(self->ctl, &rec, BED_WAIT_MS));
		records++;
	}
	EXPECT_EQ(901, nodes);
	EXPECT_EQ(6, records);
}

TEST_F(ctl, watcher_hears_of_every_change_of_its_ensemble_only)
{
	struct vm_ctl_nodes ask = { .ensemble = 1 };
	struct vm_ctl_node node;
	struct ctl_record rec;
	struct guest x;
	int watch = ctl_connect();

	ASSERT_EQ(0, ctl_send(watch, VM_CTL_WATCH, 77, &ask, sizeof(ask)));
	ASSERT_EQ(0, ctl_recv(watch, &rec, BED_WAIT_MS));
	EXPECT_EQ(0, rec.msg.error);
	EXPECT_EQ(0, rec.msg.flags);
	EXPECT_EQ(0, rec.len);

	ASSERT_EQ(0, bed_virtmesh("ensemble add 2"));
	ASSERT_EQ(0, guest_add(&x, "vx", 2, 1));
	ASSERT_EQ(0, guest_join(&x));
	ASSERT_EQ(0, guest_join(&self->a));
	ASSERT_EQ(0, ctl_recv(watch, &rec, BED_WAIT_MS));
	EXPECT_EQ(77, rec.msg.cookie);
	EXPECT_EQ(VM_CTL_WATCH, rec.msg.op);
	ASSERT_EQ(sizeof(node), rec.len);
	memcpy(&node, rec.payload, sizeof(node));
	EXPECT_EQ(self->a.addr, node.addr);
	EXPECT_EQ(VM_NODE_UP, node.state);
	EXPECT_EQ(self->a.incarnation, node.incarnation);
	EXPECT_EQ(self->a.epoch, node.epoch);

	/* The same connection may ask other things meanwhile. */
	ASSERT_EQ(0, ctl_node(watch, self->a.addr, &node));
	guest_close(&self->a);
	ASSERT_EQ(0, bed_virtmesh("port del vm1"));
	ASSERT_EQ(0, ctl_recv(watch, &rec, BED_WAIT_MS));
	memcpy(&node, rec.payload, sizeof(node));
	EXPECT_EQ(0, node.ifindex);
	EXPECT_EQ(77, rec.msg.cookie);
	guest_close(&x);
	close(watch);
}

TEST_F(ctl, malformed_records_get_eproto_and_the_connection_lives)
{
	struct {
		struct vm_ctl_msg msg;
		struct vm_ctl_nodes nodes;
		char more[4096];
	} out = { .msg = { .version = VM_CTL_VERSION, .op = VM_CTL_INFO, .cookie = 5 } };
	struct ctl_record rec;

#define REFUSED(error_, bytes)                                        \
	do {                                                          \
		ASSERT_EQ(0, ctl_send_raw(self->ctl, &out, bytes));   \
		ASSERT_EQ(0, ctl_recv(self->ctl, &rec, BED_WAIT_MS)); \
		EXPECT_EQ(error_, rec.msg.error);                     \
		EXPECT_EQ(VM_CTL_LAST, rec.msg.flags);                \
		EXPECT_LT(0, rec.len);                                \
	} while (0)

	for (size_t len = 1; len < sizeof(out.msg); len++) {
		REFUSED(EPROTO, len);
		EXPECT_EQ(0, rec.msg.cookie);
	}
	REFUSED(EPROTO, sizeof(out)); /* longer than it says */
	EXPECT_EQ(5, rec.msg.cookie);
	out.msg.len = sizeof(out) - sizeof(out.msg); /* as long as it says, and too long */
	REFUSED(EPROTO, sizeof(out));
	out.msg.len = 0xffffffff;
	REFUSED(EPROTO, 16);
	out.msg.len = 0;
	out.msg.version = 2;
	REFUSED(EPROTO, 16);
	out.msg.version = VM_CTL_VERSION;
	out.msg.flags = 0x8000;
	REFUSED(EPROTO, 16);
	out.msg.flags = 0;
	out.msg.op = VM_CTL_NODES;
	REFUSED(EPROTO, 16); /* without its payload */
	out.msg.op = 4711;
	REFUSED(EOPNOTSUPP, 16);
	EXPECT_EQ(4711, rec.msg.op);
#undef REFUSED
}

TEST_F(ctl, empty_record_ends_the_connection)
{
	struct ctl_record rec;
	int fd = ctl_connect();

	ASSERT_EQ(0, ctl_send_raw(fd, "", 0));
	EXPECT_EQ(-ECONNRESET, ctl_recv(fd, &rec, BED_WAIT_MS));
	close(fd);
}

TEST_F(ctl, request_in_two_records_is_two_bad_records)
{
	struct vm_ctl_msg msg = { .version = VM_CTL_VERSION, .op = VM_CTL_INFO };
	struct ctl_record rec;

	ASSERT_EQ(0, ctl_send_raw(self->ctl, &msg, 8));
	ASSERT_EQ(0, ctl_send_raw(self->ctl, (char *)&msg + 8, 8));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, ctl_recv(self->ctl, &rec, BED_WAIT_MS));
		EXPECT_EQ(EPROTO, rec.msg.error);
	}
}

/* Fill the socket with requests until it takes no more; how many. */
static int stuff(int fd)
{
	struct vm_ctl_nodes ask = { .ensemble = 0 };
	struct {
		struct vm_ctl_msg msg;
		struct vm_ctl_nodes nodes;
	} out = { { .version = VM_CTL_VERSION, .op = VM_CTL_NODES, .len = sizeof(ask) }, ask };
	int n = 0;

	while (send(fd, &out, sizeof(out), MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(out))
		n++;
	return n;
}

TEST_F(ctl, clients_that_ask_and_never_read_cost_nothing_but_their_slot)
{
	long long rss_before, rss_after, start;
	struct vm_ctl_info info;
	int fd[20];

	ASSERT_EQ(0, enter_ports(true));
	ASSERT_EQ(0, ctl_resync(self->ctl));
	/* Once through everything, so that what is touched once is touched. */
	for (int i = 0; i < 20; i++) {
		fd[i] = ctl_connect();
		ASSERT_LE(0, fd[i]);
		ASSERT_EQ(0, ctl_info(fd[i], &info));
	}
	rss_before = bed_broker_status(&self->broker, "VmData", 10);
	for (int round = 0; round < 50; round++)
		for (int i = 0; i < 20; i++)
			stuff(fd[i]);
	start = bed_now_ms();
	ASSERT_EQ(0, ctl_info(self->ctl, &info));
	EXPECT_GE(PROMPT_MS, bed_now_ms() - start);
	ASSERT_EQ(0, guest_join(&self->a));
	rss_after = bed_broker_status(&self->broker, "VmData", 10);
	EXPECT_EQ(rss_before, rss_after);
	for (int i = 0; i < 20; i++)
		close(fd[i]);
}

TEST_F(ctl, client_that_never_reads_is_let_go)
{
	struct vm_ctl_info info;
	long long until;
	int fd = ctl_connect();

	ASSERT_EQ(0, enter_ports(true));
	ASSERT_EQ(0, ctl_resync(self->ctl));
	/* Some may be read before its buffer is full of answers. */
	until = bed_now_ms() + 60000;
	do {
		stuff(fd);
		ASSERT_EQ(0, ctl_info(self->ctl, &info));
		poll(NULL, 0, 20); /* not to starve it of its own clock */
	} while (info.clients > 1 && bed_now_ms() < until);
	EXPECT_EQ(1, info.clients);
	EXPECT_EQ(true, bed_log_has("it does not read"));
	close(fd);
}

/* How often the broker that ended was awake; -1: it does not say. */
static long long wakeups_of_the_stopped(void)
{
	static const char says[] = "event=stopped wakeups=";
	FILE *file = fopen(BED_LOG, "r");
	long long wakeups = -1;
	char line[2048], *at;

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		at = strstr(line, says);
		if (at)
			wakeups = strtoll(at + strlen(says), NULL, 10);
	}
	fclose(file);
	return wakeups;
}

TEST_F(ctl, broker_out_of_files_that_is_stopped_sleeps_until_it_ends)
{
	long long until = bed_now_ms() + BED_WAIT_MS;
	struct rlimit was, few;
	int fd[VM_CTL_CLIENTS];

	ASSERT_EQ(0, bed_broker_end(&self->broker, SIGTERM));
	close(self->ctl);
	ASSERT_EQ(0, unlink(BED_LOG));
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &was));
	few = (struct rlimit){ .rlim_cur = VM_CTL_CLIENTS - 10, .rlim_max = was.rlim_max };
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &few));
	ASSERT_EQ(0, bed_broker(&self->broker, PATIENT));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &was));

	/* At its end it waits for one who does not read, longer than for its next accept. */
	self->ctl = ctl_connect();
	ASSERT_EQ(0, enter_ports(true));
	ASSERT_EQ(0, ctl_resync(self->ctl));
	for (int i = 0; i < VM_CTL_CLIENTS; i++)
		fd[i] = ctl_connect();
	do {
		stuff(fd[0]);
	} while (!bed_log_has("event=accept error") && bed_now_ms() < until);
	EXPECT_EQ(true, bed_log_has("event=accept error"));
	EXPECT_EQ(0, bed_broker_end(&self->broker, SIGTERM));
	EXPECT_LT(0, wakeups_of_the_stopped());
	EXPECT_GT(1000, wakeups_of_the_stopped());
	for (int i = 0; i < VM_CTL_CLIENTS; i++)
		close(fd[i]);
	close(self->ctl);
	ASSERT_EQ(0, bed_broker(&self->broker, PATIENT));
	self->ctl = ctl_connect();
}

TEST_F(ctl, clients_that_come_all_at_once_do_not_take_its_files)
{
	/* It has some thirty itself, fifteen more for a moment, and one a client. */
	struct rlimit was, few = { .rlim_cur = VM_CTL_CLIENTS + 64 };
	int fd[2 * VM_CTL_CLIENTS], n;
	struct vm_ctl_info info;
	struct ctl_record rec;

	ASSERT_EQ(0, bed_broker_end(&self->broker, SIGTERM));
	close(self->ctl);
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &was));
	few.rlim_max = was.rlim_max;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &few));
	ASSERT_EQ(0, bed_broker(&self->broker, PATIENT));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &was));
	self->ctl = ctl_connect();
	for (n = 0; n < VM_CTL_CLIENTS - 1; n++) {
		fd[n] = ctl_connect();
		ASSERT_EQ(0, ctl_info(fd[n], &info));
	}
	/* As many again wait for it when it looks: for all that, and for its own, it has files. */
	ASSERT_EQ(0, kill(self->broker.pid, SIGSTOP));
	ASSERT_EQ(0, ctl_send(self->ctl, VM_CTL_RESYNC, 1, NULL, 0));
	for (int i = 0; i < VM_CTL_CLIENTS; i++)
		fd[n++] = ctl_connect();
	ASSERT_EQ(0, kill(self->broker.pid, SIGCONT));
	for (int i = n - VM_CTL_CLIENTS; i < n; i++) {
		EXPECT_EQ(0, ctl_recv(fd[i], &rec, BED_WAIT_MS));
		EXPECT_EQ(EBUSY, rec.msg.error);
	}
	while (n)
		close(fd[--n]);
	EXPECT_EQ(false, bed_log_has("event=accept error"));
	/* Nor was it without the maps for want of some. */
	ASSERT_EQ(0, ctl_recv(self->ctl, &rec, BED_WAIT_MS));
	EXPECT_EQ(0, rec.msg.error);
	ASSERT_EQ(0, ctl_info(self->ctl, &info));
	EXPECT_EQ(1, info.has_state);
}

TEST_F(ctl, watcher_that_never_reads_is_let_go_and_changes_go_on)
{
	struct vm_ctl_nodes ask = { .ensemble = 0 };
	struct vm_ctl_info info;
	struct ctl_record rec;
	int watch = ctl_connect();

	ASSERT_EQ(0, ctl_ask(watch, VM_CTL_WATCH, &ask, sizeof(ask), &rec));
	/* 1800 changes a round; a socket buffer holds some thousands. */
	for (int round = 0; round < 20; round++) {
		ASSERT_EQ(0, enter_ports(true));
		ASSERT_EQ(0, ctl_resync(self->ctl));
		ASSERT_EQ(0, enter_ports(false));
		ASSERT_EQ(0, ctl_resync(self->ctl));
	}
	do {
		ASSERT_EQ(0, ctl_info(self->ctl, &info));
	} while (info.clients > 1);
	/* For being lapped; or, on a slow machine, for taking too long. */
	EXPECT_EQ(true, bed_log_has("event=client-dropped"));
	ASSERT_EQ(0, guest_join(&self->a));
	close(watch);
}

/* Until the broker cannot go on answering @fd: nothing has come for a while. */
static void fill(int fd)
{
	long long until = bed_now_ms() + BED_WAIT_MS;
	int got = 0, before;

	do {
		before = got;
		poll(NULL, 0, 200);
		ioctl(fd, SIOCINQ, &got);
	} while ((!got || got != before) && bed_now_ms() < until);
}

TEST_F(ctl, watcher_lapped_while_it_was_being_answered_is_let_go_once)
{
	struct vm_ctl_nodes ask = { .ensemble = 0 };
	int watch = ctl_connect(), records = 0;
	struct vm_ctl_info info;
	struct ctl_record rec;
	long long start;

	ASSERT_EQ(0, enter_ports(true));
	ASSERT_EQ(0, ctl_resync(self->ctl));
	ASSERT_EQ(0, ctl_ask(watch, VM_CTL_WATCH, &ask, sizeof(ask), &rec));
	/* More than the socket holds: the broker is in the midst of an answer, and asks nothing. */
	for (int i = 0; i < 40; i++)
		ASSERT_EQ(0, ctl_send(watch, VM_CTL_NODES, 1, &ask, sizeof(ask)));
	fill(watch);
	ASSERT_EQ(0, enter_ports(false));
	ASSERT_EQ(0, ctl_resync(self->ctl));
	ASSERT_EQ(0, enter_ports(true));
	ASSERT_EQ(0, ctl_resync(self->ctl));
	while (!ctl_recv(watch, &rec, BED_WAIT_MS))
		records++;
	EXPECT_LT(0, records);
	EXPECT_EQ(true, bed_log_has("changes behind"));
	ASSERT_EQ(0, ctl_info(self->ctl, &info));
	EXPECT_EQ(1, info.clients);
	/* And nobody is waited for in the end. */
	close(self->ctl);
	start = bed_now_ms();
	EXPECT_EQ(0, bed_broker_end(&self->broker, SIGTERM));
	EXPECT_GT(1000, bed_now_ms() - start);
	close(watch);
	ASSERT_EQ(0, bed_broker(&self->broker, PATIENT));
	self->ctl = ctl_connect();
}

TEST_F(ctl, more_clients_than_slots_are_told_busy)
{
	struct vm_ctl_info info;
	struct ctl_record rec;
	int fd[VM_CTL_CLIENTS], more;

	for (int i = 1; i < VM_CTL_CLIENTS; i++) {
		fd[i] = ctl_connect();
		ASSERT_LE(0, fd[i]);
		ASSERT_EQ(0, ctl_info(fd[i], &info));
	}
	EXPECT_EQ(VM_CTL_CLIENTS, info.clients);
	more = ctl_connect();
	ASSERT_LE(0, more);
	ASSERT_EQ(0, ctl_recv(more, &rec, BED_WAIT_MS));
	EXPECT_EQ(EBUSY, rec.msg.error);
	EXPECT_EQ(-ECONNRESET, ctl_recv(more, &rec, BED_WAIT_MS));
	close(more);
	/* Also to who has asked by then. */
	ASSERT_EQ(0, kill(self->broker.pid, SIGSTOP));
	more = ctl_connect();
	ASSERT_EQ(0, ctl_send(more, VM_CTL_INFO, 1, NULL, 0));
	ASSERT_EQ(0, kill(self->broker.pid, SIGCONT));
	ASSERT_EQ(1, poll(&(struct pollfd){ .fd = more }, 1, BED_WAIT_MS)); /* its end */
	ASSERT_EQ(0, ctl_recv(more, &rec, BED_WAIT_MS));
	EXPECT_EQ(EBUSY, rec.msg.error);
	close(more);
	for (int i = 1; i < VM_CTL_CLIENTS; i++)
		close(fd[i]);
	/* The slots come back. */
	do {
		ASSERT_EQ(0, ctl_info(self->ctl, &info));
	} while (info.clients > 1);
}

TEST_F(ctl, clients_that_come_and_go_leave_nothing)
{
	struct vm_ctl_info info;
	struct vm_ctl_msg msg = { .version = VM_CTL_VERSION, .op = VM_CTL_INFO };

	for (int i = 0; i < 3000; i++) {
		int fd = ctl_connect();

		/* EAGAIN: the backlog is full, which is the point. */
		if (fd < 0) {
			ASSERT_EQ(-EAGAIN, fd);
			continue;
		}
		if (i & 1)
			send(fd, &msg, sizeof(msg), MSG_NOSIGNAL);
		close(fd);
	}
	do {
		ASSERT_EQ(0, ctl_info(self->ctl, &info));
	} while (info.clients > 1);
}

/* INFO, and an open file with it. */
static int ask_with_file(int ctl)
{
	struct vm_ctl_msg msg = { .version = VM_CTL_VERSION, .op = VM_CTL_INFO };
	struct iovec iov = { &msg, sizeof(msg) };

	return vm_send_rights(ctl, &iov, 1, &ctl, 1, 0);
}

TEST_F(ctl, files_are_not_taken_where_the_kernel_can_refuse_them)
{
	struct vm_ctl_info info;
	struct ctl_record rec;
	int one = 1, fd, sent, err = 0;

	/* Since 6.16. */
	sent = setsockopt(self->ctl, SOL_SOCKET, SO_PASSRIGHTS, &one, sizeof(one)) ?
		       (int)sizeof(rec.msg) :
		       -EPERM;
	for (int waiting = 0; waiting < 2; waiting++) {
		/* Nor from one it has not accepted yet. */
		ASSERT_EQ(0, kill(self->broker.pid, waiting ? SIGSTOP : SIGCONT));
		fd = ctl_connect();
		ASSERT_LE(0, fd);
		EXPECT_EQ(sent, ask_with_file(fd));
		ASSERT_EQ(0, kill(self->broker.pid, SIGCONT));
		if (sent > 0)
			err = ctl_recv(fd, &rec, BED_WAIT_MS);
		EXPECT_EQ(0, err);
		EXPECT_EQ(0, ctl_info(fd, &info));
		close(fd);
	}
}

TEST_F(ctl, socket_and_directory_are_root_s_and_the_group_s)
{
	struct stat st;

	ASSERT_EQ(0, stat(VM_CTL_SOCKET, &st));
	EXPECT_EQ(0660, st.st_mode & 07777);
	EXPECT_EQ(0, st.st_uid);
	ASSERT_EQ(0, stat(VM_CTL_DIR, &st));
	EXPECT_EQ(0751, st.st_mode & 07777);
	EXPECT_EQ(0, st.st_uid);
}

/* In a process of user @uid: the status is the number of the step that failed. */
static int as_uid(uid_t uid, gid_t gid, int (*steps)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (setgroups(0, NULL) || setgid(gid) || setuid(uid))
			_exit(99);
		_exit(steps());
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int as_user(gid_t gid, int (*steps)(void))
{
	return as_uid(NOBODY, gid, steps);
}

static int cannot_connect(void)
{
	return ctl_connect() == -EACCES ? 0 : 1;
}

TEST_F(ctl, other_users_cannot_connect)
{
	EXPECT_EQ(0, as_user(NOBODY, cannot_connect));
}

static int asks_but_may_not_resync(void)
{
	struct vm_ctl_info info;
	struct vm_ctl_node node;
	int fd = ctl_connect();

	if (fd < 0)
		return 1;
	if (ctl_info(fd, &info))
		return 2;
	if (ctl_node(fd, vm_addr(1, 1), &node))
		return 3;
	if (ctl_resync(fd) != -EPERM)
		return 4;
	/* And it may go on asking. */
	return ctl_info(fd, &info) ? 5 : 0;
}

TEST_F(ctl, who_is_let_in_may_ask_but_only_root_may_resync)
{
	/* As if it were of the group. */
	ASSERT_EQ(0, chmod(VM_CTL_DIR, 0755));
	ASSERT_EQ(0, chmod(VM_CTL_SOCKET, 0666));
	EXPECT_EQ(0, as_user(NOBODY, asks_but_may_not_resync));
	EXPECT_EQ(0, ctl_resync(self->ctl));
}

#define OF_ONE_USER 16
#define OF_ANYBODY  48

/* How many of all slots' connections are served. */
static int take_every_slot(void)
{
	struct vm_ctl_info info;
	int got = 0;

	for (int i = 0; i < VM_CTL_CLIENTS; i++) {
		int fd = ctl_connect();

		if (fd < 0)
			return -1;
		got += !ctl_info(fd, &info);
	}
	return got;
}

/* A process of user @uid that takes what it can, tells how many at @told, and keeps them. */
static pid_t occupy(uid_t uid, int told)
{
	pid_t pid = fork();
	char got = -1;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!setgroups(0, NULL) && !setgid(NOBODY) && !setuid(uid))
		got = take_every_slot();
	if (write(told, &got, 1) == 1)
		pause();
	_exit(1);
}

static int asks(void)
{
	struct vm_ctl_info info;

	return -ctl_info(ctl_connect(), &info);
}

/* Without a word of its own, whose way may be closed already. */
static int is_told_busy(void)
{
	struct ctl_record rec;
	int err = ctl_recv(ctl_connect(), &rec, BED_WAIT_MS);

	return err ? -err : rec.msg.error == EBUSY ? 0 : 1;
}

TEST_F(ctl, no_user_takes_the_others_slots_and_all_together_not_root_s)
{
	struct vm_ctl_info info;
	int told[2], status;
	pid_t pid[3];
	char got;

	ASSERT_EQ(0, chmod(VM_CTL_DIR, 0755));
	ASSERT_EQ(0, chmod(VM_CTL_SOCKET, 0666));
	ASSERT_EQ(0, pipe2(told, O_CLOEXEC));
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(0, as_uid(NOBODY - i, NOBODY, asks));
		pid[i] = occupy(NOBODY - i, told[1]);
		ASSERT_LT(0, pid[i]);
		ASSERT_EQ(1, read(told[0], &got, 1));
		EXPECT_EQ(OF_ONE_USER, got);
	}
	EXPECT_EQ(0, as_uid(NOBODY - 3, NOBODY, is_told_busy));
	EXPECT_EQ(0, as_uid(0, 0, asks));
	do {
		ASSERT_EQ(0, ctl_info(self->ctl, &info));
	} while (info.clients > OF_ANYBODY + 1);
	EXPECT_EQ(OF_ANYBODY + 1, info.clients);
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, kill(pid[i], SIGKILL));
		ASSERT_EQ(pid[i], waitpid(pid[i], &status, 0));
	}
}

#define GROUP_ID 65500

/* The fixture's broker runs where a group virtmesh exists. */
FIXTURE(group)
{
	struct broker_proc broker;
};

FIXTURE_SETUP(group)
{
	FILE *file;

	ASSERT_EQ(0, bed_enter());
	file = fopen("/run/group", "w");
	ASSERT_NE(NULL, file);
	fprintf(file, "root:x:0:\n" VM_CTL_GROUP ":x:%d:\n", GROUP_ID);
	fclose(file);
	close(open("/etc/group", O_RDONLY | O_CREAT | O_CLOEXEC, 0644)); /* to mount on */
	ASSERT_EQ(0, mount("/run/group", "/etc/group", NULL, MS_BIND, NULL));
	ASSERT_EQ(0, bed_broker(&self->broker, PATIENT));
}

FIXTURE_TEARDOWN(group)
{
	if (!BED_PASSED())
		bed_log_show();
	EXPECT_EQ(0, bed_broker_end(&self->broker, SIGTERM));
}

static int asks_and_may_not_resync(void)
{
	struct vm_ctl_info info;
	int fd = ctl_connect();

	if (fd < 0)
		return 1;
	if (ctl_info(fd, &info))
		return 2;
	return ctl_resync(fd) == -EPERM ? 0 : 3;
}

TEST_F(group, its_members_may_ask_and_nobody_else)
{
	struct stat st;

	ASSERT_EQ(0, stat(VM_CTL_SOCKET, &st));
	EXPECT_EQ(0660, st.st_mode & 07777);
	EXPECT_EQ(GROUP_ID, st.st_gid);
	/* Root's: listen.c */
	ASSERT_EQ(0, stat(VM_CTL_DIR, &st));
	EXPECT_EQ(0751, st.st_mode & 07777);
	EXPECT_EQ(0, st.st_gid);
	EXPECT_EQ(0, as_user(GROUP_ID, asks_and_may_not_resync));
	EXPECT_EQ(0, as_user(NOBODY, cannot_connect));
}

TEST_HARNESS_MAIN
