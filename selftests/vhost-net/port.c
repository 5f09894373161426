// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtmesh-port with the rings handed to the kernel: two nodes of an ensemble,
 * a front-end of the test's for each, and frames from the one to the other by way
 * of both ports' taps and the steering program. Node 1 sends, node 2 receives;
 * every frame has a number, and what arrives must be 0, 1, 2, ...
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "../../host/tap.h"
#include "../broker/bed.h"
#include "../port/frontend.h"
#include "../port/plug.h"

#define FRAME  200
#define WINDOW 128 /* frames under way: fewer than any ring on the way has room for */
#define KERNEL "--lane kernel"

enum { RX, TX };

FIXTURE(port)
{
	struct plug from, to;
	struct fe sender, receiver;
	__u32 sent, heard;
};

FIXTURE_SETUP(port)
{
	ASSERT_EQ(0, bed_enter());
	ASSERT_EQ(0, bed_virtmesh("ensemble add 1"));
	ASSERT_EQ(0, bed_virtmesh("port add vm1 --ensemble 1 --node 1"));
	ASSERT_EQ(0, bed_virtmesh("port add vm2 --ensemble 1 --node 2"));
	ASSERT_EQ(0, plug_start(&self->from, "vm1", KERNEL));
	ASSERT_EQ(0, plug_start(&self->to, "vm2", KERNEL));
	ASSERT_EQ(0, fe_connect(&self->sender, self->from.socket));
	ASSERT_EQ(0, fe_connect(&self->receiver, self->to.socket));
}

FIXTURE_TEARDOWN(port)
{
	if (!BED_PASSED()) {
		plug_log_show(&self->from);
		plug_log_show(&self->to);
	}
	fe_close(&self->sender);
	fe_close(&self->receiver);
	if (self->from.pid)
		EXPECT_EQ(0, plug_end(&self->from, SIGTERM));
	if (self->to.pid)
		EXPECT_EQ(0, plug_end(&self->to, SIGTERM));
}

static void make(unsigned char *frame, __u32 n)
{
	memcpy(frame, "\x02\x4d\x00\x01\x00\x02\x02\x4d\x00\x01\x00\x01\x08\x06", 14);
	memcpy(frame + 14, &n, sizeof(n));
	for (unsigned int i = 18; i < FRAME; i++)
		frame[i] = i + n;
}

/* Put up to @max more frames into the sender's ring. */
static int push(FIXTURE_DATA(port) * t, unsigned int max)
{
	struct ring *r = &t->sender.ring[TX];
	unsigned char frame[FRAME];
	int err = 0;

	while (max--) {
		make(frame, t->sent);
		err = ring_send(r, frame, sizeof(frame));
		if (err)
			break;
		t->sent++;
	}
	ring_kick_if_wanted(r);
	return err == -ENOSPC ? 0 : err;
}

/* Take what has arrived. How many frames; -EILSEQ: not the next one, or not as it was. */
static int pull(FIXTURE_DATA(port) * t)
{
	struct ring *r = &t->receiver.ring[RX];
	unsigned char frame[4096], want[FRAME];
	ssize_t len;
	int n = 0;

	for (; (len = ring_recv(r, frame, sizeof(frame))) >= 0; n++) {
		make(want, t->heard);
		if (len != FRAME || memcmp(frame, want, FRAME)) {
			__u32 is;

			memcpy(&is, frame + 14, sizeof(is));
			printf("# frame %u came as %u, of %zd bytes\n", t->heard, is, len);
			return -EILSEQ;
		}
		t->heard++;
	}
	ring_publish(r);
	ring_kick_if_wanted(r);
	return len == -EAGAIN ? n : len;
}

/* Until @n frames more have been sent, and all that were sent have come. */
static int traffic(FIXTURE_DATA(port) * t, __u32 n)
{
	__u32 until = t->sent + n;
	int got;

	while (t->heard != until) {
		__u32 room = WINDOW - (t->sent - t->heard), left = until - t->sent;
		int err = push(t, room < left ? room : left);

		if (err)
			return err;
		got = pull(t);
		if (got < 0)
			return got;
		if (!got && ring_wait(&t->receiver.ring[RX], FE_WAIT_MS))
			return -ETIMEDOUT;
	}
	return 0;
}

static int start_both(FIXTURE_DATA(port) * t)
{
	int err = fe_start(&t->sender);

	return err ? err : fe_start(&t->receiver);
}

/* As a VMM resumes a stopped ring. */
static int resume(struct fe *fe, unsigned int i, __u16 base)
{
	int err = fe_ring_tell(fe, i, base);

	return err ? err : fe_ring_enable(fe, i, true);
}

static int stop_and_resume(struct fe *fe, unsigned int i)
{
	uint16_t base;
	int err = fe_ring_stop(fe, i, &base);

	if (!err && base != fe->ring[i].used->idx)
		err = -ERANGE;
	return err ? err : resume(fe, i, base);
}

static long long wakeups(const struct plug *plug)
{
	return plug_status(plug, "voluntary_ctxt_switches", 10);
}

TEST_F(port, rings_go_to_the_kernel_and_frames_arrive_with_no_wakeup_of_the_ports)
{
	long long from, to;

	ASSERT_EQ(0, start_both(self));
	EXPECT_EQ(true, plug_log_has(&self->from, "lane=kernel"));
	/* Each has done what it was asked, and has had the time to go to sleep. */
	ASSERT_EQ(0, fe_ping(&self->sender));
	ASSERT_EQ(0, fe_ping(&self->receiver));
	ASSERT_EQ(0, traffic(self, 2000));
	from = wakeups(&self->from);
	to = wakeups(&self->to);
	ASSERT_LT(0, from);
	ASSERT_EQ(0, traffic(self, 20000));
	EXPECT_EQ(from, wakeups(&self->from));
	EXPECT_EQ(to, wakeups(&self->to));
	EXPECT_EQ(false, plug_log_has(&self->from, "event=relay"));
}

TEST_F(port, call_by_socket_is_relayed_and_said)
{
	long long to;

	self->sender.call_sockets = true;
	self->receiver.call_sockets = true;
	ASSERT_EQ(0, start_both(self));
	EXPECT_EQ(true, plug_log_has(&self->to, "event=relay"));
	to = wakeups(&self->to);
	ASSERT_EQ(0, traffic(self, 2000));
	EXPECT_LT(to, wakeups(&self->to));
}

TEST_F(port, rings_stopped_and_resumed_in_traffic_lose_and_repeat_nothing)
{
	ASSERT_EQ(0, start_both(self));
	for (int round = 0; round < 20; round++) {
		ASSERT_EQ(0, traffic(self, 50));
		ASSERT_EQ(0, push(self, WINDOW));
		ASSERT_EQ(0, stop_and_resume(&self->sender, TX));
		ASSERT_EQ(0, stop_and_resume(&self->receiver, RX));
		ASSERT_EQ(0, traffic(self, 0));
	}
}

TEST_F(port, rings_disabled_and_enabled_in_traffic_lose_and_repeat_nothing)
{
	ASSERT_EQ(0, start_both(self));
	for (int round = 0; round < 20; round++) {
		ASSERT_EQ(0, push(self, WINDOW));
		ASSERT_EQ(0, fe_ring_enable(&self->sender, TX, false));
		ASSERT_EQ(0, fe_ring_enable(&self->receiver, RX, false));
		ASSERT_EQ(0, fe_ring_enable(&self->sender, TX, true));
		ASSERT_EQ(0, fe_ring_enable(&self->receiver, RX, true));
		ASSERT_EQ(0, traffic(self, 0));
	}
}

TEST_F(port, memory_slots_added_and_removed_in_traffic)
{
	struct fe *fe[] = { &self->sender, &self->receiver };
	int fds;

	ASSERT_EQ(0, start_both(self));
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, fe_memory(fe[i], 0x200000000, 1 << 20));
	fds = plug_fds(&self->from);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 2; i++) {
			ASSERT_EQ(0, push(self, WINDOW / 2));
			ASSERT_EQ(0, fe_add_region(fe[i], 1));
		}
		ASSERT_EQ(0, traffic(self, 0));
		for (int i = 0; i < 2; i++) {
			ASSERT_EQ(0, push(self, WINDOW / 2));
			ASSERT_EQ(0, fe_remove_region(fe[i], 1));
		}
		ASSERT_EQ(0, traffic(self, 0));
	}
	EXPECT_EQ(fds, plug_fds(&self->from));
}

TEST_F(port, device_reset_in_traffic_and_set_up_anew)
{
	ASSERT_EQ(0, start_both(self));
	for (int round = 0; round < 5; round++) {
		ASSERT_EQ(0, traffic(self, 100));
		ASSERT_EQ(0, fe_ask(&self->sender, FE_RESET_DEVICE, NULL, 0, NULL, 0));
		/* The features have gone with it: without them it is a legacy device. */
		ASSERT_EQ(0, fe_ask_u64(&self->sender, FE_SET_FEATURES, self->sender.features));
		ring_reset(&self->sender.ring[TX]);
		ring_reset(&self->sender.ring[RX]);
		ASSERT_EQ(0, resume(&self->sender, RX, 0));
		ASSERT_EQ(0, resume(&self->sender, TX, 0));
	}
	ASSERT_EQ(0, traffic(self, 100));
}

TEST_F(port, vm_killed_in_traffic_leaves_nothing_and_the_next_one_is_served)
{
	int fds;

	ASSERT_EQ(0, fe_ping(&self->sender));
	fds = plug_fds(&self->from);
	for (int round = 0; round < 5; round++) {
		ASSERT_EQ(0, start_both(self));
		ASSERT_EQ(0, traffic(self, 200));
		ASSERT_EQ(0, push(self, WINDOW));
		fe_close(&self->sender);
		fe_close(&self->receiver);
		ASSERT_EQ(0, fe_connect(&self->sender, self->from.socket));
		ASSERT_EQ(0, fe_connect(&self->receiver, self->to.socket));
		ASSERT_EQ(0, fe_ping(&self->sender));
		ASSERT_EQ(0, fe_ping(&self->receiver));
		EXPECT_EQ(fds, plug_fds(&self->from));
		/* What was under way belongs to nobody: the tap of the receiver is emptied. */
		self->sent = self->heard = 0;
		ASSERT_EQ(0, plug_end(&self->to, SIGTERM));
		ASSERT_EQ(0, plug_start(&self->to, "vm2", KERNEL));
		fe_close(&self->receiver);
		ASSERT_EQ(0, fe_connect(&self->receiver, self->to.socket));
	}
}

static int tap_opens(const char *name)
{
	long long end = fe_now_ms() + FE_WAIT_MS;
	int fd;

	/* Files of a killed process are closed by the kernel, some a moment later. */
	while ((fd = vm_tap_open(name)) == -EBUSY && fe_now_ms() < end)
		poll(NULL, 0, 5);
	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

TEST_F(port, port_that_ends_in_traffic_frees_the_tap)
{
	ASSERT_EQ(0, start_both(self));
	ASSERT_EQ(0, traffic(self, 100));
	ASSERT_EQ(-EBUSY, vm_tap_open("vm1"));
	ASSERT_EQ(0, push(self, WINDOW));
	ASSERT_EQ(0, plug_end(&self->from, SIGTERM));
	EXPECT_EQ(0, tap_opens("vm1"));
}

/* The kernel's thread that works for process @pid: is it there? */
static bool has_worker(pid_t pid)
{
	char want[32], name[32];
	struct dirent *e;
	bool has = false;
	DIR *dir = opendir("/proc");

	snprintf(want, sizeof(want), "vhost-%d", pid);
	while (dir && !has && (e = readdir(dir))) {
		char path[300];
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%s/comm", e->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fscanf(f, "%31s", name) == 1)
			has = !strcmp(name, want);
		fclose(f);
	}
	if (dir)
		closedir(dir);
	return has;
}

/* Rings as the dead port left them: the VMM gives the next one the used index. */
TEST_F(port, port_killed_in_traffic_takes_its_worker_along_and_the_next_one_goes_on)
{
	struct fe *fe = &self->sender;

	ASSERT_EQ(0, start_both(self));
	for (int round = 0; round < 5; round++) {
		long long end = fe_now_ms() + FE_WAIT_MS;
		pid_t pid = self->from.pid;
		int sock;

		ASSERT_EQ(0, traffic(self, 200));
		ASSERT_EQ(0, push(self, WINDOW));
		ASSERT_EQ(SIGKILL, plug_end(&self->from, SIGKILL));
		while (has_worker(pid) && fe_now_ms() < end)
			poll(NULL, 0, 5);
		EXPECT_EQ(false, has_worker(pid));
		EXPECT_EQ(0, tap_opens("vm1"));

		ASSERT_EQ(0, plug_start(&self->from, "vm1", KERNEL));
		/* The same VM: everything but the connection stays. */
		sock = fe->sock;
		fe->protocol = 0;
		ASSERT_EQ(0, fe_connect(fe, self->from.socket));
		close(sock);
		ASSERT_EQ(0, fe_negotiate(fe));
		ASSERT_EQ(0, fe_tell_memory(fe));
		ASSERT_EQ(0, resume(fe, RX, fe->ring[RX].used->idx));
		ASSERT_EQ(0, resume(fe, TX, fe->ring[TX].used->idx));
		ASSERT_EQ(0, traffic(self, 200));
	}
}

TEST_F(port, ring_the_kernel_cannot_follow_is_said_and_the_other_goes_on)
{
	struct ring *r = &self->sender.ring[RX];
	struct pollfd p = { .events = POLLIN };
	int head;

	self->sender.nrings = 2;
	ASSERT_EQ(0, start_both(self));
	ASSERT_EQ(0, traffic(self, 100));
	/* The receive ring of the sender: its buffers lie nowhere. */
	for (head = 0; head < (int)r->num; head++)
		r->desc[head].addr = 0x7fffffffff000000;
	p.fd = r->err;
	/* A frame for it. */
	{
		unsigned char frame[FRAME];

		memset(frame, 0, sizeof(frame));
		memcpy(frame, "\x02\x4d\x00\x01\x00\x01\x02\x4d\x00\x01\x00\x02\x08\x06", 14);
		ASSERT_EQ(0, ring_send(&self->receiver.ring[TX], frame, sizeof(frame)));
		ring_kick(&self->receiver.ring[TX]);
	}
	ASSERT_EQ(1, poll(&p, 1, FE_WAIT_MS));
	ASSERT_EQ(0, traffic(self, 1000));
	EXPECT_EQ(true, plug_log_has(&self->from, "the kernel cannot follow it"));
}

/* A base that the used ring does not confirm: only the own path can tell what to do. */
TEST_F(port, ring_the_kernel_cannot_take_over_goes_to_the_own_path_and_it_is_said)
{
	struct fe *fe = &self->sender;
	uint16_t base;

	ASSERT_EQ(0, start_both(self));
	ASSERT_EQ(0, fe_ring_stop(fe, TX, &base));
	ASSERT_EQ(0, base);
	ASSERT_EQ(0, push(self, 10));
	ASSERT_EQ(0, resume(fe, TX, 2));
	EXPECT_EQ(true, plug_log_has(&self->from, "chains of it are in flight"));
	EXPECT_EQ(true, plug_log_has(&self->from, "lane=own"));
	/* That is what it was told: the first two are done. */
	self->heard = 2;
	ASSERT_EQ(0, traffic(self, 1000));
}

TEST_HARNESS_MAIN
