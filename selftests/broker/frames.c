// SPDX-License-Identifier: GPL-2.0-only
/* Frames no honest guest sends, through the real steering program. */
#include <endian.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include <virtmesh/maps.h>

#include "bed.h"
#include "guest.h"

#define FLOOD_PORTS 8
/* Who must not be kept waiting is answered by then. */
#define PROMPT_MS 2000

FIXTURE(frames)
{
	struct broker_proc broker;
	struct guest bad, good;
	int ctl;
	struct vm_ctl_info before;
};

FIXTURE_SETUP(frames)
{
	ASSERT_EQ(0, bed_enter());
	ASSERT_EQ(0, bed_virtmesh("ensemble add 1"));
	ASSERT_EQ(0, guest_add(&self->bad, "bad", 1, 1));
	ASSERT_EQ(0, guest_add(&self->good, "good", 1, 2));
	ASSERT_EQ(0, bed_broker(&self->broker, "--probe-ms 60000 --dead-ms 600000"));
	self->ctl = ctl_connect();
	ASSERT_LE(0, self->ctl);
	ASSERT_EQ(0, ctl_info(self->ctl, &self->before));
}

FIXTURE_TEARDOWN(frames)
{
	/* It has survived, and serves. */
	EXPECT_EQ(0, guest_join(&self->good));
	if (!BED_PASSED())
		bed_log_show();
	close(self->ctl);
	EXPECT_EQ(0, bed_broker_end(&self->broker, SIGTERM));
	guest_close(&self->bad);
	guest_close(&self->good);
}

/* Wait until the broker has read @n frames since the start, and tell what it thinks of them. */
static int after(int ctl, const struct vm_ctl_info *before, __u64 n, struct vm_ctl_info *delta)
{
	long long until = bed_now_ms() + BED_WAIT_MS;
	int err;

	do {
		err = ctl_info(ctl, delta);
		if (err)
			return err;
		delta->frames_rx -= before->frames_rx;
		delta->frames_bad -= before->frames_bad;
		delta->frames_refused -= before->frames_refused;
	} while (delta->frames_rx < n && bed_now_ms() < until);
	return delta->frames_rx == n ? 0 : -ETIMEDOUT;
}

static int refusal(const struct guest_frame *frame)
{
	struct vm_refuse refuse;

	memcpy(&refuse, frame->payload, sizeof(refuse));
	return frame->len < sizeof(refuse) ? -EBADMSG : be16toh(refuse.reason);
}

/* A HELLO as bytes, to be spoiled. */
static size_t hello_bytes(const struct guest *guest, __u8 *out)
{
	struct vm_hello hello = {
		.abi = htobe16(VM_WIRE_ABI),
		.mtu = htobe16(1500),
		.nonce = htobe64(guest->nonce),
	};
	struct vm_hdr hdr = {
		.version = VM_WIRE_VERSION,
		.type = VM_F_HELLO,
		.len = htobe16(sizeof(hello)),
	};

	vm_addr_to_mac(vm_addr(1, 0), out);
	vm_addr_to_mac(guest->addr, out + VM_MAC_LEN);
	out[12] = VM_ETHERTYPE >> 8;
	out[13] = VM_ETHERTYPE & 0xff;
	memcpy(out + VM_ETH_HLEN, &hdr, sizeof(hdr));
	memcpy(out + VM_PAYLOAD_OFFSET, &hello, sizeof(hello));
	return VM_PAYLOAD_OFFSET + sizeof(hello);
}

TEST_F(frames, every_truncation_of_a_hello_is_counted_bad_and_unanswered)
{
	struct vm_ctl_info delta;
	struct vm_ctl_node node;
	__u8 frame[128];
	size_t len = hello_bytes(&self->bad, frame);

	for (size_t cut = VM_ETH_HLEN; cut < len; cut++)
		ASSERT_EQ(0, guest_send_raw(&self->bad, frame, cut));
	ASSERT_EQ(0, after(self->ctl, &self->before, len - VM_ETH_HLEN, &delta));
	EXPECT_EQ(len - VM_ETH_HLEN, delta.frames_bad);
	EXPECT_EQ(0, guest_expect_none(&self->bad, VM_F_WELCOME, 50));
	ASSERT_EQ(0, ctl_node(self->ctl, self->bad.addr, &node));
	EXPECT_EQ(VM_NODE_ABSENT, node.state);
}

TEST_F(frames, oversized_frame_is_read_as_far_as_its_header_says)
{
	__u8 frame[VM_MTU_DEFAULT + VM_ETH_HLEN] = { 0 };
	struct vm_ctl_info delta;

	/* The rest is padding. */
	hello_bytes(&self->bad, frame);
	ASSERT_EQ(0, guest_send_raw(&self->bad, frame, sizeof(frame)));
	ASSERT_EQ(0, after(self->ctl, &self->before, 1, &delta));
	EXPECT_EQ(0, delta.frames_bad);
	/* All of it is said to be payload: more than the broker reads of a frame. */
	frame[VM_ETH_HLEN + 2] = (sizeof(frame) - VM_PAYLOAD_OFFSET) >> 8;
	frame[VM_ETH_HLEN + 3] = (sizeof(frame) - VM_PAYLOAD_OFFSET) & 0xff;
	ASSERT_EQ(0, guest_send_raw(&self->bad, frame, sizeof(frame)));
	ASSERT_EQ(0, after(self->ctl, &self->before, 2, &delta));
	EXPECT_EQ(1, delta.frames_bad);
}

TEST_F(frames, wrong_version_and_wrong_types_are_counted_bad)
{
	struct vm_ctl_info delta;
	__u8 frame[128];
	size_t len = hello_bytes(&self->bad, frame);

	frame[VM_ETH_HLEN] = VM_WIRE_VERSION + 1;
	ASSERT_EQ(0, guest_send_raw(&self->bad, frame, len));
	frame[VM_ETH_HLEN] = VM_WIRE_VERSION;
	frame[VM_ETH_HLEN + 1] = VM_F_WELCOME; /* a guest that plays broker */
	ASSERT_EQ(0, guest_send_raw(&self->bad, frame, len));
	frame[VM_ETH_HLEN + 1] = 255;
	ASSERT_EQ(0, guest_send_raw(&self->bad, frame, len));
	ASSERT_EQ(0, after(self->ctl, &self->before, 3, &delta));
	EXPECT_EQ(3, delta.frames_bad);
	EXPECT_EQ(0, delta.frames_refused);
}

TEST_F(frames, hello_that_makes_no_sense_is_refused_with_the_reason)
{
	struct guest_frame frame;
	__u8 bytes[128];
	size_t len = hello_bytes(&self->bad, bytes);
	struct vm_hello *hello = (struct vm_hello *)(bytes + VM_PAYLOAD_OFFSET);

	hello->abi = 0;
	ASSERT_EQ(0, guest_send_raw(&self->bad, bytes, len));
	ASSERT_EQ(0, guest_expect(&self->bad, VM_F_REFUSE, &frame, BED_WAIT_MS));
	EXPECT_EQ(VM_REFUSE_ABI, refusal(&frame));

	hello_bytes(&self->bad, bytes);
	hello->nonce = 0;
	ASSERT_EQ(0, guest_send_raw(&self->bad, bytes, len));
	ASSERT_EQ(0, guest_expect(&self->bad, VM_F_REFUSE, &frame, BED_WAIT_MS));
	EXPECT_EQ(VM_REFUSE_MALFORMED, refusal(&frame));

	hello_bytes(&self->bad, bytes);
	hello->mtu = htobe16(VM_MTU_MIN - 1);
	ASSERT_EQ(0, guest_send_raw(&self->bad, bytes, len));
	ASSERT_EQ(0, guest_expect(&self->bad, VM_F_REFUSE, &frame, BED_WAIT_MS));
	EXPECT_EQ(VM_REFUSE_MALFORMED, refusal(&frame));

	/* A newer guest is welcome: what it added is optional. */
	hello_bytes(&self->bad, bytes);
	hello->abi = htobe16(VM_WIRE_ABI + 7);
	hello->caps = 0xffffffff;
	ASSERT_EQ(0, guest_send_raw(&self->bad, bytes, len));
	EXPECT_EQ(0, guest_expect(&self->bad, VM_F_WELCOME, &frame, BED_WAIT_MS));
}

TEST_F(frames, who_never_said_hello_is_told_to)
{
	struct guest_frame frame;

	ASSERT_EQ(0, guest_alive(&self->bad, 1));
	ASSERT_EQ(0, guest_expect(&self->bad, VM_F_REFUSE, &frame, BED_WAIT_MS));
	EXPECT_EQ(VM_REFUSE_STALE, refusal(&frame));
	ASSERT_EQ(0, guest_send(&self->bad, vm_addr(1, 0), VM_F_SYNC, NULL, 0));
	ASSERT_EQ(0, guest_expect(&self->bad, VM_F_REFUSE, &frame, BED_WAIT_MS));
	EXPECT_EQ(VM_REFUSE_STALE, refusal(&frame));
}

TEST_F(frames, guest_cannot_speak_for_another)
{
	struct vm_ctl_info info;
	struct vm_ctl_node node;
	__u8 frame[128];
	size_t len = hello_bytes(&self->good, frame);

	ASSERT_EQ(0, guest_send_raw(&self->bad, frame, len));
	/* It went nowhere: what comes after it in the same tap is there first. */
	ASSERT_EQ(0, guest_join(&self->bad));
	ASSERT_EQ(0, ctl_node(self->ctl, self->good.addr, &node));
	EXPECT_EQ(VM_NODE_ABSENT, node.state);
	ASSERT_EQ(0, ctl_info(self->ctl, &info));
	EXPECT_EQ(1, info.frames_rx - self->before.frames_rx);
}

TEST_F(frames, guest_that_makes_lives_without_end_does_not_flood_the_others)
{
	struct guest_frame frame;
	struct vm_ctl_info info;
	long long start = bed_now_ms();
	int told = 0;
	__u32 epoch;

	ASSERT_EQ(0, guest_join(&self->good));
	epoch = self->good.epoch;
	for (int i = 0; i < VM_CONTROL_BURST; i++) {
		self->bad.nonce++;
		ASSERT_EQ(0, guest_hello(&self->bad));
	}
	do {
		ASSERT_EQ(0, ctl_info(self->ctl, &info));
	} while (info.frames_rx - self->before.frames_rx < VM_CONTROL_BURST + 1);
	EXPECT_LE(VM_CONTROL_BURST - 20, info.frames_refused);
	while (!guest_expect(&self->good, VM_F_MEMBERS, &frame, 0))
		told++;
	EXPECT_LE(16, told);
	EXPECT_GE(17 + (bed_now_ms() - start) / 1000, told);
	EXPECT_EQ(epoch + told, frame.epoch);
}

TEST_F(frames, flood_is_held_by_the_port_s_rate_and_others_are_served)
{
	struct guest flood[FLOOD_PORTS];
	struct vm_ctl_info info;
	char name[16];
	long long start, ms;

	for (int i = 0; i < FLOOD_PORTS; i++) {
		snprintf(name, sizeof(name), "flood%d", i);
		ASSERT_EQ(0, guest_add(&flood[i], name, 1, 10 + i));
	}
	start = bed_now_ms();
	for (int n = 0; n < 2000; n++)
		for (int i = 0; i < FLOOD_PORTS; i++) {
			flood[i].nonce++; /* each a new life: the most work there is */
			ASSERT_EQ(0, guest_hello(&flood[i]));
		}
	ASSERT_EQ(0, guest_join(&self->good));
	ms = bed_now_ms() - start;

	ASSERT_EQ(0, ctl_info(self->ctl, &info));
	EXPECT_LE(FLOOD_PORTS * VM_CONTROL_BURST, info.frames_rx - self->before.frames_rx);
	EXPECT_GE(FLOOD_PORTS * (VM_CONTROL_BURST + VM_CONTROL_RATE * (ms + 100) / 1000) + 1,
		  info.frames_rx - self->before.frames_rx);
	EXPECT_EQ(0, info.frames_unsent);
	EXPECT_EQ(FLOOD_PORTS + 1, info.nodes_up);
	for (int i = 0; i < FLOOD_PORTS; i++)
		guest_close(&flood[i]);
}

/* As many connections, by several processes: on any CPUs there are. */
#define ASKERS	4
#define PER_ONE 14
/* Questions that wait for the broker at any one. */
#define AHEAD 64

static void ask_for_ever(void)
{
	struct vm_ctl_msg ask = { .version = VM_CTL_VERSION, .op = VM_CTL_INFO };
	char answer[VM_CTL_MAX];
	int fd[PER_ONE];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; i < PER_ONE; i++)
		fd[i] = ctl_connect();
	for (;;)
		for (int i = 0; i < PER_ONE; i++) {
			for (int n = 0; n < AHEAD; n++)
				if (send(fd[i], &ask, sizeof(ask), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
					break;
			while (recv(fd[i], answer, sizeof(answer), MSG_DONTWAIT) > 0)
				;
		}
}

TEST_F(frames, guests_are_heard_while_clients_ask_without_end)
{
	struct vm_ctl_info info;
	pid_t pid[ASKERS];

	for (int i = 0; i < ASKERS; i++) {
		pid[i] = fork();
		ASSERT_LE(0, pid[i]);
		if (!pid[i])
			ask_for_ever();
	}
	do {
		ASSERT_EQ(0, ctl_info(self->ctl, &info));
	} while (info.clients < 1 + ASKERS * PER_ONE);
	/* Often, since one may find a moment in which nothing is asked. */
	for (int i = 0; i < 20; i++) {
		struct guest_frame frame;
		long long start = bed_now_ms();

		ASSERT_EQ(0, guest_hello(&self->good));
		ASSERT_EQ(0, guest_expect(&self->good, VM_F_WELCOME, &frame, BED_WAIT_MS));
		EXPECT_GT(PROMPT_MS, bed_now_ms() - start);
	}
	for (int i = 0; i < ASKERS; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
	}
}

TEST_HARNESS_MAIN
