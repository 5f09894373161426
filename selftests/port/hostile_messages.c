// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a hostile front-end writes into its socket: messages that are none, too
 * many, too slow, and values no device can have.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/sockios.h>
#include <linux/virtio_net.h>

#include "hostile.h"

/* Sent as it stands; then the connection must end. */
static int cut_after(struct arena *arena, const struct fe_hdr *hdr)
{
	struct fe *fe = &arena->fe[0];

	need_ok(hostile_reconnect(arena));
	need_ok(fe_send_raw(fe, hdr, sizeof(*hdr), NULL, 0));
	need_ok(fe_wait_cut(fe));
	return 0;
}

static int headers_no_message_can_have(struct arena *arena)
{
	static const struct fe_hdr hdrs[] = {
		{ FE_GET_FEATURES, 0, 0 },
		{ FE_GET_FEATURES, 2, 0 },
		{ FE_GET_FEATURES, 3, 0 },
		{ FE_GET_FEATURES, FE_VERSION | FE_REPLY, 0 },
		{ FE_SET_MEM_TABLE, FE_VERSION, 1 << 16 },
		{ FE_SET_MEM_TABLE, FE_VERSION, 0x80000000 },
		{ FE_SET_MEM_TABLE, FE_VERSION, 0xffffffff },
		{ 0x20202020, 0x20202020, 0x20202020 },
	};

	for (unsigned int i = 0; i < sizeof(hdrs) / sizeof(hdrs[0]); i++)
		if (cut_after(arena, &hdrs[i]))
			return -1;
	return 0;
}

static bool is_question(uint32_t request)
{
	switch (request) {
	case FE_GET_FEATURES:
	case FE_GET_VRING_BASE:
	case FE_GET_PROTOCOL_FEATURES:
	case FE_GET_QUEUE_NUM:
	case FE_GET_CONFIG:
	case FE_GET_INFLIGHT_FD:
	case FE_GET_MAX_MEM_SLOTS:
		return true;
	default:
		return false;
	}
}

static bool is_known(uint32_t request)
{
	return (request >= FE_GET_FEATURES && request <= FE_SET_OWNER + 2 &&
		request != FE_SET_LOG_BASE) ||
	       (request >= FE_SET_VRING_NUM && request <= FE_SET_VRING_ENABLE) ||
	       request == FE_SET_BACKEND_REQ_FD || request == FE_GET_CONFIG ||
	       request == FE_SET_CONFIG || request == FE_GET_INFLIGHT_FD ||
	       request == FE_SET_INFLIGHT_FD || request == FE_RESET_DEVICE ||
	       (request >= FE_GET_MAX_MEM_SLOTS && request <= FE_REM_MEM_REG);
}

static int requests_that_are_none(struct arena *arena)
{
	static const uint32_t others[] = { 0, 100, 1000, 0x7fffffff, 0x80000000, 0xffffffff };
	struct fe *fe = &arena->fe[0];

	need_ok(hostile_start(arena));
	for (uint32_t i = 0; i < 64 + sizeof(others) / sizeof(others[0]); i++) {
		uint32_t request = i < 64 ? i : others[i - 64];
		unsigned char payload[16] = { 1 };

		if (is_known(request))
			continue;
		need(hostile_refused(fe_ask(fe, request, payload, sizeof(payload), NULL, 0)));
		if (hostile_settle(arena)) {
			fe_close(fe);
			need_ok(hostile_start(arena));
		}
	}
	return 0;
}

static int every_request_of_every_size(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	unsigned char payload[300];

	memset(payload, 0xff, sizeof(payload));
	need_ok(hostile_start(arena));
	for (uint32_t request = 1; request <= 40; request++) {
		/* Its answer is what settle() waits for. */
		if (request == FE_GET_QUEUE_NUM)
			continue;
		for (unsigned int size = 0; size <= sizeof(payload); size += size < 48 ? 1 : 12) {
			uint32_t flags = is_question(request) ? 0 : FE_NEED_REPLY;
			int ret;

			need_ok(fe_send(fe, request, flags, payload, size, NULL, 0));
			ret = hostile_settle(arena);
			if (ret < 0)
				printf("# request %u of %u bytes: %s\n", request, size,
				       strerror(-ret));
			need(ret >= 0);
			if (ret) {
				fe_close(fe);
				need_ok(hostile_start(arena));
			}
		}
	}
	return 0;
}

static int a_message_byte_by_byte(struct arena *arena)
{
	struct fe_hdr hdr = { FE_GET_FEATURES, FE_VERSION, 0 };
	struct __attribute__((packed)) {
		struct fe_hdr hdr;
		uint64_t value;
	} set = { { FE_SET_PROTOCOL_FEATURES, FE_VERSION, 8 }, FE_BIT(FE_P_REPLY_ACK) };
	struct fe *fe = &arena->fe[0];
	uint64_t features;

	need_ok(hostile_connect(arena));
	for (unsigned int i = 0; i < sizeof(set); i++)
		need_ok(fe_send_raw(fe, (char *)&set + i, 1, NULL, 0));
	for (unsigned int i = 0; i < sizeof(hdr); i++) {
		int left = 1;

		need_ok(fe_send_raw(fe, (char *)&hdr + i, 1, NULL, 0));
		/* Each alone: the port has read it before the next is sent. */
		while (i + 1 < sizeof(hdr) && left) {
			need(!ioctl(fe->sock, SIOCOUTQ, &left));
			poll(NULL, 0, 1);
		}
	}
	need(fe_recv(fe, FE_GET_FEATURES, &features, sizeof(features), NULL) == 8);
	return 0;
}

static int ends_in_the_middle(struct arena *arena)
{
	struct {
		struct fe_hdr hdr;
		unsigned char payload[8];
	} msg = { { FE_SET_VRING_NUM, FE_VERSION, 8 }, { 0 } };

	for (unsigned int len = 0; len < sizeof(msg); len++) {
		need_ok(hostile_reconnect(arena));
		if (len)
			need_ok(fe_send_raw(&arena->fe[0], &msg, len, NULL, 0));
	}
	/* With descriptors on the half that came. */
	for (unsigned int len = 1; len < sizeof(msg); len++) {
		int fds[3] = { 0, 1, 2 };

		need_ok(hostile_reconnect(arena));
		need_ok(fe_send_raw(&arena->fe[0], &msg, len, fds, 3));
	}
	return 0;
}

static int stalls_in_the_middle(struct arena *arena)
{
	struct fe_hdr hdr = { FE_SET_VRING_NUM, FE_VERSION, 8 };
	struct fe *fe = &arena->fe[0];
	unsigned char state[8] = { 2, 0, 0, 0, 0, 1, 0, 0 };

	need_ok(hostile_start(arena));
	need_ok(fe_send_raw(fe, &hdr, 7, NULL, 0));
	need_ok(hostile_exchange(arena, 0, 1));
	need_ok(hostile_exchange(arena, 1, 0));
	need_ok(fe_send_raw(fe, (char *)&hdr + 7, sizeof(hdr) - 7, NULL, 0));
	need_ok(fe_send_raw(fe, state, 3, NULL, 0));
	need_ok(hostile_exchange(arena, 0, 1));
	need_ok(hostile_exchange(arena, 1, 0));
	need_ok(fe_send_raw(fe, state + 3, 5, NULL, 0));
	need_ok(fe_ping(fe));
	return 0;
}

static int a_second_connection(struct arena *arena)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int others[8];

	strcpy(addr.sun_path, arena->plug[0].socket);
	need_ok(hostile_start(arena));
	for (unsigned int i = 0; i < 8; i++) {
		static const char noise[64] = "not vhost-user";

		others[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		need(others[i] >= 0);
		/* It may wait, or be refused. */
		if (!connect(others[i], (struct sockaddr *)&addr, sizeof(addr)))
			send(others[i], noise, sizeof(noise), MSG_NOSIGNAL);
	}
	need_ok(fe_ping(&arena->fe[0]));
	need_ok(hostile_exchange(arena, 0, 1));
	need_ok(hostile_exchange(arena, 1, 0));
	/* The first goes; those that waited are heard, and cut off. */
	fe_close(&arena->fe[0]);
	need_ok(hostile_start(arena));
	for (unsigned int i = 0; i < 8; i++)
		close(others[i]);
	need_ok(hostile_exchange(arena, 1, 0));
	return 0;
}

static int a_flood_and_nobody_reads(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	struct fe_hdr hdr[64];
	long long end = fe_now_ms() + FE_WAIT_MS;

	for (unsigned int i = 0; i < 64; i++)
		hdr[i] = (struct fe_hdr){ FE_GET_FEATURES, FE_VERSION, 0 };
	need_ok(hostile_start(arena));
	/* Until the port has had enough of it, or takes no more. */
	while (fe_now_ms() < end) {
		struct pollfd p = { .fd = fe->sock, .events = POLLOUT };
		ssize_t n = send(fe->sock, hdr, sizeof(hdr), MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN) {
			if (poll(&p, 1, 200) == 0)
				break;
			continue;
		}
		if (n < 0)
			break;
	}
	need(fe_now_ms() < end);
	need_ok(hostile_exchange(arena, 1, 2));
	return 0;
}

static int sizes_of_rings(struct arena *arena)
{
	static const uint32_t bad[] = { 0,     3,     5,     255,	 257,	    32769,
					65535, 65536, 65537, 0x80000000, 0xffffffff };
	static const uint32_t no_ring[] = { 4, 5, 31, 255, 256, 0x7fffffff, 0xffffffff };
	struct fe *fe = &arena->fe[0];

	need_ok(hostile_connect(arena));
	need_ok(fe_negotiate(fe));
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		need(fe_ask_state(fe, FE_SET_VRING_NUM, 1, bad[i]) == -EREMOTEIO);
	for (unsigned int i = 0; i < sizeof(no_ring) / sizeof(no_ring[0]); i++) {
		struct fe_vring_addr addr = { .index = no_ring[i] };
		uint16_t base;

		need(fe_ask_state(fe, FE_SET_VRING_NUM, no_ring[i], 256) == -EREMOTEIO);
		need(fe_ask_state(fe, FE_SET_VRING_BASE, no_ring[i], 0) == -EREMOTEIO);
		need(fe_ask_state(fe, FE_SET_VRING_ENABLE, no_ring[i], 1) == -EREMOTEIO);
		need(fe_ask(fe, FE_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0) == -EREMOTEIO);
		if (no_ring[i] < 256)
			need(fe_ask_ring_fd(fe, FE_SET_VRING_KICK, no_ring[i], 0) == -EREMOTEIO);
		/* A question cannot be refused but by the end. */
		need(fe_ring_stop(fe, no_ring[i], &base) == -ECONNRESET);
		need_ok(hostile_reconnect(arena));
		need_ok(fe_negotiate(fe));
	}
	return 0;
}

static int bases_and_enables(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	uint16_t base;

	need_ok(hostile_connect(arena));
	need_ok(fe_negotiate(fe));
	need(fe_ask_state(fe, FE_SET_VRING_BASE, 1, 65536) == -EREMOTEIO);
	need(fe_ask_state(fe, FE_SET_VRING_BASE, 1, 0xffffffff) == -EREMOTEIO);
	need(fe_ask_state(fe, FE_SET_VRING_ENABLE, 1, 2) == -EREMOTEIO);
	need(fe_ask_state(fe, FE_SET_VRING_ENABLE, 1, 0xffffffff) == -EREMOTEIO);
	/* Rings that were never set up: nothing to start, and nothing to fear. */
	for (unsigned int i = 0; i < 2; i++) {
		fe_ring_enable(fe, i, true);
		need_ok(fe_ping(fe));
		need_ok(fe_ring_stop(fe, i, &base));
		need_ok(fe_ring_stop(fe, i, &base));
	}
	/* Enabled again and again, stopped and not started: of a ring that works. */
	fe_close(fe);
	need_ok(hostile_start(arena));
	for (unsigned int i = 0; i < 100; i++)
		need_ok(fe_ring_enable(fe, 1, i & 1));
	need_ok(hostile_exchange(arena, 0, 1));
	need_ok(fe_ring_stop(fe, 1, &base));
	need_ok(fe_ring_enable(fe, 1, true));
	need_ok(fe_ring_enable(fe, 1, false));
	ring_kick(&fe->ring[1]);
	need_ok(fe_ping(fe));
	return 0;
}

static int features_not_offered(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	uint64_t offered, protocol;

	need_ok(hostile_connect(arena));
	need_ok(fe_negotiate(fe));
	need_ok(fe_get_u64(fe, FE_GET_FEATURES, &offered));
	need_ok(fe_get_u64(fe, FE_GET_PROTOCOL_FEATURES, &protocol));
	for (unsigned int bit = 0; bit < 64; bit++) {
		if (!(offered & FE_BIT(bit)))
			need(fe_ask_u64(fe, FE_SET_FEATURES, offered | FE_BIT(bit)) == -EREMOTEIO);
		if (!(protocol & FE_BIT(bit)))
			need(fe_ask_u64(fe, FE_SET_PROTOCOL_FEATURES, protocol | FE_BIT(bit)) ==
			     -EREMOTEIO);
	}
	return 0;
}

static int dirty_log_not_offered(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	struct fe_vring_addr addr = { .index = 1, .flags = 1 };
	uint64_t log[2] = { 1 << 20, 0 };

	need_ok(hostile_start(arena));
	need(fe_ask(fe, FE_SET_LOG_BASE, log, sizeof(log), &fe->region[0].fd, 1) == -EREMOTEIO);
	need(fe_ask(fe, FE_SET_LOG_FD, NULL, 0, &fe->ring[1].err, 1) == -EREMOTEIO);
	addr.desc = (uintptr_t)fe->ring[1].desc;
	addr.avail = (uintptr_t)fe->ring[1].avail;
	addr.used = (uintptr_t)fe->ring[1].used;
	addr.log = 0xffffffffffff0000;
	need(fe_ask(fe, FE_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0) == -EREMOTEIO);
	/* And the device is what it was. */
	need_ok(hostile_exchange(arena, 0, 1));
	return 0;
}

static int config_out_of_range(struct arena *arena)
{
	static const uint32_t bad[][2] = {
		{ 0, 0 },   { 0, 257 },	       { 255, 2 },	   { 256, 1 },
		{ 250, 8 }, { 0xffffffff, 2 }, { 0xfffffff0, 32 }, { 0, 0xffffffff },
	};
	struct virtio_net_config before, after, other;
	struct fe *fe = &arena->fe[0];

	need_ok(hostile_start(arena));
	need_ok(fe_get_config(fe, 0, sizeof(before), &before));
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct fe_config config = { .offset = bad[i][0], .size = bad[i][1] };
		unsigned int size = bad[i][1] < 256 ? bad[i][1] : 256;
		size_t len = offsetof(struct fe_config, region) + size;
		int ret;

		need(hostile_refused(fe_ask(fe, FE_SET_CONFIG, &config, len, NULL, 0)));
		/* What a front-end gets for a bad question: an empty answer, or the end. */
		if (hostile_settle(arena) == 0) {
			need_ok(fe_send(fe, FE_GET_CONFIG, 0, &config, len, NULL, 0));
			ret = hostile_settle(arena);
			need(ret >= 0);
		}
		fe_close(fe);
		need_ok(hostile_start(arena));
	}
	/* Writing where it is read only changes nothing. */
	memset(&other, 0xee, sizeof(other));
	for (unsigned int at = 0; at < sizeof(other); at++) {
		struct fe_config config = { .offset = at, .size = 1, .region = { 0xee } };

		fe_ask(fe, FE_SET_CONFIG, &config, offsetof(struct fe_config, region) + 1, NULL, 0);
	}
	need_ok(fe_get_config(fe, 0, sizeof(after), &after));
	need(!memcmp(&before, &after, sizeof(before)));
	return 0;
}

static int in_flight_of_any_size(struct arena *arena)
{
	static const struct fe_inflight bad[] = {
		{ 0, 0, 0, 0 },
		{ 0, 0, 2, 0 },
		{ 0, 0, 0, 256 },
		{ 0, 0, 65535, 65535 },
		{ 0, 0, 2, 65535 },
		{ 0, 0, 65535, 256 },
		{ 4096, 0, 2, 65535 },
		{ 1ULL << 63, 0, 2, 256 },
		{ ~0ULL, 0, 2, 256 },
		{ 8192, ~0ULL - 4095, 2, 256 },
		{ 8192, 1 << 30, 2, 256 },
		{ 1, 0, 2, 256 },
	};
	struct fe *fe = &arena->fe[0];

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct fe_inflight answer;
		int fd = -1, fds[2];
		ssize_t n;

		/* Asked for: refused, or made. */
		need_ok(hostile_reconnect(arena));
		need_ok(fe_negotiate(fe));
		need_ok(fe_send(fe, FE_GET_INFLIGHT_FD, 0, &bad[i], 20, NULL, 0));
		n = fe_recv(fe, FE_GET_INFLIGHT_FD, &answer, sizeof(answer), &fd);
		need(n >= 0 || n == -ECONNRESET || n == -EMSGSIZE);
		if (fd >= 0)
			close(fd);
		/* Given: with memory too short for it, and with something that is no memory. */
		fds[0] = fe->ring[0].kick;
		for (unsigned int k = 0; k < 2; k++) {
			fe_close(fe);
			need_ok(hostile_start(arena));
			fds[0] = fe->region[0].fd;
			fds[1] = fe->ring[0].kick;
			/* The first may be what a front-end can well do: all else is not. */
			n = fe_ask(fe, FE_SET_INFLIGHT_FD, &bad[i], 20, &fds[k], 1);
			need(hostile_refused(n) || (k == 0 && !n));
		}
	}
	return 0;
}

static int reset_and_memory_again_and_again(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];

	for (unsigned int i = 0; i < 20; i++) {
		need_ok(hostile_start(arena));
		need_ok(hostile_exchange(arena, 0, 1));
		need_ok(fe_tell_memory(fe));
		need_ok(hostile_exchange(arena, 0, 1));
		fe_ask(fe, FE_RESET_DEVICE, NULL, 0, NULL, 0);
		fe_ask(fe, FE_RESET_OWNER, NULL, 0, NULL, 0);
		fe_ask(fe, FE_SET_OWNER, NULL, 0, NULL, 0);
		fe_ask(fe, FE_SET_OWNER, NULL, 0, NULL, 0);
		need(hostile_settle(arena) >= 0);
		fe_close(fe);
	}
	return 0;
}

/* Any request, any payload, now and then a descriptor; the numbers are always the same. */
static int noise(struct arena *arena)
{
	static const uint32_t numbers[] = { 0,	   1,	  2,	      3,	  4,
					    16,	   255,	  256,	      257,	  4096,
					    65535, 65536, 0x7fffffff, 0x80000000, 0xffffffff };
	struct fe *fe = &arena->fe[0];
	unsigned int seed = 42;

	need_ok(hostile_start(arena));
	for (unsigned int i = 0; i < 4000; i++) {
		uint32_t payload[68], request = rand_r(&seed) % 42;
		unsigned int words = rand_r(&seed) % 4 ? 2 * (rand_r(&seed) % 6) :
							 rand_r(&seed) % 68;
		int fds[3] = { fe->ring[0].kick, fe->region[0].fd, fe->ring[1].call };
		unsigned int nfds = rand_r(&seed) % 4 ? rand_r(&seed) % 2 : rand_r(&seed) % 4;
		int ret;

		if (request == FE_GET_QUEUE_NUM)
			continue;
		for (unsigned int k = 0; k < words; k++)
			payload[k] =
				numbers[rand_r(&seed) % (sizeof(numbers) / sizeof(numbers[0]))];
		/* Sometimes an address that is one. */
		if (words >= 8 && rand_r(&seed) % 2)
			memcpy(&payload[2 * (1 + rand_r(&seed) % 3)], &fe->ring[1].desc, 8);
		ret = fe_send(fe, request, rand_r(&seed) % 2 ? FE_NEED_REPLY : 0, payload,
			      words * 4, fds, nfds);
		need(!ret || ret == -ECONNRESET);
		if (!ret && i % 16)
			continue;
		ret = hostile_settle(arena);
		need(ret >= 0);
		if (ret || i % 256 == 0) {
			fe_close(fe);
			need_ok(hostile_start(arena));
		}
	}
	return 0;
}

static const struct hostile_case cases[] = {
	{ "a header no message can have ends the connection", headers_no_message_can_have },
	{ "a request that is none is refused", requests_that_are_none },
	{ "every request with a payload of every size is survived", every_request_of_every_size },
	{ "a message that comes byte by byte is a message", a_message_byte_by_byte },
	{ "a connection that ends in the middle of a message", ends_in_the_middle },
	{ "a message that stalls in its middle stops no frame", stalls_in_the_middle },
	{ "others that connect meanwhile disturb nothing", a_second_connection },
	{ "a flood of questions whose answers nobody reads", a_flood_and_nobody_reads },
	{ "ring sizes and ring numbers that cannot be are refused", sizes_of_rings },
	{ "bases beyond 65535 are refused, rings not set up enabled", bases_and_enables },
	{ "features that were not offered are refused", features_not_offered },
	{ "the log of dirty pages, not offered, is refused", dirty_log_not_offered },
	{ "config space out of range is refused, and cannot be written", config_out_of_range },
	{ "in-flight memory of any size", in_flight_of_any_size },
	{ "reset, and memory told again, with rings that run", reset_and_memory_again_and_again },
	{ "4000 messages of noise", noise },
};

int main(void)
{
	return hostile_main(cases, sizeof(cases) / sizeof(cases[0]));
}
