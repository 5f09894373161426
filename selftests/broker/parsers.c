// SPDX-License-Identifier: GPL-2.0-only
/*
 * The two parsers of hostile input, called directly. Every input ends at an
 * inaccessible page: reading one byte too far is a crash.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kselftest_harness.h"

#include <virtmesh/ctl.h>
#include <virtmesh/frame.h>

#include "../../broker/request.h"
#include "../../broker/wire.h"

#define PAGE 4096

static char *page_end(void)
{
	static char *area;

	if (!area) {
		area = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0);
		if (area == MAP_FAILED || mprotect(area + PAGE, PAGE, PROT_NONE))
			abort();
	}
	return area + PAGE;
}

static int wire(const void *data, size_t len, struct wire_frame *frame)
{
	return wire_parse(memcpy(page_end() - len, data, len), len, frame);
}

static int request(const void *data, size_t len, struct request *req, const char **why)
{
	size_t there = len < REQUEST_MAX ? len : REQUEST_MAX;

	return request_parse(memcpy(page_end() - there, data, there), len, req, why);
}

/* A frame from node 7 of ensemble 258 to its broker. */
static size_t make_frame(__u8 *out, __u8 type, const void *payload, size_t len)
{
	struct vm_hdr hdr = {
		.version = VM_WIRE_VERSION,
		.type = type,
		.len = htobe16(len),
		.incarnation = htobe32(0x01020304),
		.epoch = htobe32(0x05060708),
	};

	vm_addr_to_mac(vm_addr(258, 0), out);
	vm_addr_to_mac(vm_addr(258, 7), out + VM_MAC_LEN);
	out[12] = 0x88;
	out[13] = 0xb5;
	memcpy(out + VM_ETH_HLEN, &hdr, sizeof(hdr));
	memcpy(out + VM_PAYLOAD_OFFSET, payload, len);
	return VM_PAYLOAD_OFFSET + len;
}

static const struct vm_hello hello = {
	.abi = 0x0100, /* big endian 1 */
	.mtu = 0xdc05,
};

FIXTURE(wire)
{
	__u8 buf[2048];
	struct wire_frame frame;
};

FIXTURE_SETUP(wire)
{
}

FIXTURE_TEARDOWN(wire)
{
}

TEST_F(wire, hello_is_taken_apart)
{
	struct vm_hello sent = {
		.abi = htobe16(3),
		.mtu = htobe16(1500),
		.caps = htobe32(0xcafe),
		.nonce = htobe64(0x1122334455667788),
		.incarnation = htobe32(9),
	};
	size_t len = make_frame(self->buf, VM_F_HELLO, &sent, sizeof(sent));

	ASSERT_EQ(0, wire(self->buf, len, &self->frame));
	EXPECT_EQ(vm_addr(258, 7), self->frame.addr);
	EXPECT_EQ(VM_F_HELLO, self->frame.type);
	EXPECT_EQ(0x01020304, self->frame.incarnation);
	EXPECT_EQ(0x05060708, self->frame.epoch);
	EXPECT_EQ(3, self->frame.hello.abi);
	EXPECT_EQ(1500, self->frame.hello.mtu);
	EXPECT_EQ(0xcafe, self->frame.hello.caps);
	EXPECT_EQ(0x1122334455667788, self->frame.hello.nonce);
	EXPECT_EQ(9, self->frame.hello.incarnation);
}

TEST_F(wire, alive_is_taken_apart)
{
	struct vm_alive sent = {
		.token = htobe32(1),
		.pending = htobe32(2),
		.progress = htobe64(3ULL << 40),
	};
	size_t len = make_frame(self->buf, VM_F_ALIVE, &sent, sizeof(sent));

	ASSERT_EQ(0, wire(self->buf, len, &self->frame));
	EXPECT_EQ(1, self->frame.alive.token);
	EXPECT_EQ(2, self->frame.alive.pending);
	EXPECT_EQ(3ULL << 40, self->frame.alive.progress);
}

TEST_F(wire, every_truncation_of_every_type_is_refused)
{
	static const struct {
		__u8 type;
		size_t payload;
	} types[] = {
		{ VM_F_HELLO, sizeof(struct vm_hello) },
		{ VM_F_ALIVE, sizeof(struct vm_alive) },
		{ VM_F_SYNC, 0 },
		{ VM_F_BYE, 0 },
	};
	__u8 payload[64] = { 1 };

	for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++) {
		size_t len = make_frame(self->buf, types[t].type, payload, types[t].payload);

		EXPECT_EQ(0, wire(self->buf, len, &self->frame));
		for (size_t cut = 0; cut < len; cut++)
			EXPECT_EQ(-EBADMSG, wire(self->buf, cut, &self->frame));
		/* Whole frames whose header admits to less. */
		for (size_t less = 0; less < types[t].payload; less++) {
			make_frame(self->buf, types[t].type, payload, types[t].payload);
			self->buf[VM_ETH_HLEN + 2] = less >> 8;
			self->buf[VM_ETH_HLEN + 3] = less;
			EXPECT_EQ(-EBADMSG, wire(self->buf, len, &self->frame));
		}
	}
}

TEST_F(wire, length_past_the_end_is_refused_and_padding_is_not)
{
	size_t len = make_frame(self->buf, VM_F_HELLO, &hello, sizeof(hello));

	for (unsigned int more = 1; more < 0x10000 - sizeof(hello); more += 97) {
		self->buf[VM_ETH_HLEN + 2] = (sizeof(hello) + more) >> 8;
		self->buf[VM_ETH_HLEN + 3] = (sizeof(hello) + more) & 0xff;
		ASSERT_EQ(-EBADMSG, wire(self->buf, len, &self->frame));
	}
	make_frame(self->buf, VM_F_HELLO, &hello, sizeof(hello));
	EXPECT_EQ(0, wire(self->buf, len + 500, &self->frame));
}

TEST_F(wire, payload_longer_than_known_is_accepted)
{
	__u8 longer[sizeof(hello) + 40] = { 0 };
	size_t len;

	memcpy(longer, &hello, sizeof(hello));
	len = make_frame(self->buf, VM_F_HELLO, longer, sizeof(longer));
	ASSERT_EQ(0, wire(self->buf, len, &self->frame));
	EXPECT_EQ(1500, self->frame.hello.mtu);
}

TEST_F(wire, every_other_version_is_refused)
{
	size_t len = make_frame(self->buf, VM_F_SYNC, NULL, 0);

	for (int v = 0; v < 256; v++) {
		self->buf[VM_ETH_HLEN] = v;
		EXPECT_EQ(v == VM_WIRE_VERSION ? 0 : -EPROTONOSUPPORT,
			  wire(self->buf, len, &self->frame));
	}
}

TEST_F(wire, only_types_for_the_broker_are_taken)
{
	__u8 payload[64] = { 1 };

	for (int type = 0; type < 256; type++) {
		size_t len = make_frame(self->buf, type, payload, sizeof(payload));
		bool ours = type == VM_F_HELLO || type == VM_F_SYNC || type == VM_F_ALIVE ||
			    type == VM_F_BYE;

		EXPECT_EQ(ours ? 0 : -EOPNOTSUPP, wire(self->buf, len, &self->frame));
	}
}

TEST_F(wire, addresses_that_are_not_a_node_and_its_broker_are_refused)
{
	size_t len = make_frame(self->buf, VM_F_SYNC, NULL, 0);

#define REFUSED(change)                                                       \
	do {                                                                  \
		make_frame(self->buf, VM_F_SYNC, NULL, 0);                    \
		change;                                                       \
		EXPECT_EQ(-EADDRNOTAVAIL, wire(self->buf, len, &self->frame)) \
		{                                                             \
			TH_LOG("%s", #change);                                \
		}                                                             \
	} while (0)

	REFUSED(vm_addr_to_mac(vm_addr(258, VM_NODE_ALL), self->buf)); /* to the group */
	REFUSED(vm_addr_to_mac(vm_addr(258, 3), self->buf)); /* to another node */
	REFUSED(vm_addr_to_mac(vm_addr(259, 0), self->buf)); /* to another broker */
	REFUSED(vm_addr_to_mac(vm_addr(258, 0), self->buf + 6)); /* from the broker */
	REFUSED(vm_addr_to_mac(vm_addr(258, 4095), self->buf + 6));
	REFUSED(vm_addr_to_mac(vm_addr(0, 7), self->buf + 6));
	REFUSED(vm_addr_to_mac(vm_addr(65535, 7), self->buf + 6));
	REFUSED(self->buf[6] = 0x00); /* of no mesh */
	REFUSED(self->buf[7] = 0x4e);
	REFUSED(self->buf[0] = 0xff);
	REFUSED(self->buf[12] = 0x08); /* other EtherTypes */
	REFUSED(self->buf[13] = 0x00);
#undef REFUSED
}

TEST_F(wire, noise_is_never_accepted_beyond_its_bounds)
{
	size_t len = make_frame(self->buf, VM_F_HELLO, &hello, sizeof(hello));
	__u8 noisy[sizeof(self->buf)];

	srandom(1);
	for (int round = 0; round < 200000; round++) {
		size_t cut = random() % (len + 32);

		memcpy(noisy, self->buf, len + 32);
		for (int i = random() % 4; i >= 0; i--)
			noisy[random() % (len + 32)] = random();
		/* The page behind it is the judge. */
		wire(noisy, cut, &self->frame);
	}
}

FIXTURE(request)
{
	struct {
		struct vm_ctl_msg msg;
		union {
			struct vm_ctl_nodes nodes;
			struct vm_ctl_port port;
		};
		char more[64];
	} rec;
	struct request req;
	const char *why;
};

FIXTURE_SETUP(request)
{
	self->rec.msg = (struct vm_ctl_msg){
		.version = VM_CTL_VERSION,
		.op = VM_CTL_NODES,
		.len = sizeof(struct vm_ctl_nodes),
		.cookie = 0xfeedbeef,
	};
	self->rec.nodes.ensemble = 12;
}

FIXTURE_TEARDOWN(request)
{
}

#define REQUEST(len) request(&self->rec, len, &self->req, &self->why)

TEST_F(request, every_op_is_taken_apart)
{
	self->rec.msg.op = VM_CTL_WATCH;
	ASSERT_EQ(0, REQUEST(24));
	EXPECT_EQ(VM_CTL_WATCH, self->req.op);
	EXPECT_EQ(12, self->req.ensemble);
	EXPECT_EQ(0xfeedbeef, self->req.cookie);
	self->rec.msg.op = VM_CTL_NODES;
	ASSERT_EQ(0, REQUEST(24));
	self->rec.msg.len = 0;
	self->rec.msg.op = VM_CTL_INFO;
	ASSERT_EQ(0, REQUEST(16));
	self->rec.msg.op = VM_CTL_RESYNC;
	ASSERT_EQ(0, REQUEST(16));
	EXPECT_EQ(0, self->req.ensemble);
}

TEST_F(request, every_truncation_is_refused_and_repeats_what_it_can)
{
	for (size_t len = 0; len < 24; len++) {
		EXPECT_EQ(-EPROTO, REQUEST(len));
		EXPECT_EQ(len < 16 ? 0 : 0xfeedbeef, self->req.cookie);
		EXPECT_NE(NULL, self->why);
	}
}

TEST_F(request, longer_than_any_request_is_refused)
{
	for (size_t len = 25; len < 100000; len += 41)
		EXPECT_EQ(-EPROTO, REQUEST(len));
	self->rec.msg.len = VM_CTL_MAX - 16; /* and honest about it */
	EXPECT_EQ(-EPROTO, REQUEST(VM_CTL_MAX));
	self->rec.msg.len = -1;
	EXPECT_EQ(-EPROTO, REQUEST(24));
}

TEST_F(request, wrong_version_flags_error_and_reserved_are_refused)
{
	self->rec.msg.version = VM_CTL_VERSION + 1;
	EXPECT_EQ(-EPROTO, REQUEST(24));
	self->rec.msg.version = 0;
	EXPECT_EQ(-EPROTO, REQUEST(24));
	self->rec.msg.version = VM_CTL_VERSION;
	self->rec.msg.flags = VM_CTL_LAST;
	EXPECT_EQ(-EPROTO, REQUEST(24));
	self->rec.msg.flags = 0;
	self->rec.msg.error = 1;
	EXPECT_EQ(-EPROTO, REQUEST(24));
	self->rec.msg.error = 0;
	self->rec.nodes.reserved = 1;
	EXPECT_EQ(-EPROTO, REQUEST(24));
	self->rec.nodes.reserved = 0;
	EXPECT_EQ(0, REQUEST(24));
}

TEST_F(request, op_that_is_not_and_ensemble_that_cannot_be_are_refused)
{
	for (unsigned int op = 0; op < 0x10000; op++) {
		bool known = op >= VM_CTL_INFO && op <= VM_CTL_VHOST_NET;

		self->rec.msg.op = op;
		if (!known)
			ASSERT_EQ(-EOPNOTSUPP, REQUEST(24));
	}
	self->rec.msg.op = VM_CTL_NODES;
	self->rec.nodes.ensemble = 65535;
	EXPECT_EQ(-EINVAL, REQUEST(24));
	self->rec.nodes.ensemble = 0x10000;
	EXPECT_EQ(-EINVAL, REQUEST(24));
	self->rec.nodes.ensemble = 0;
	EXPECT_EQ(0, REQUEST(24));
}

TEST_F(request, interface_names_are_taken_or_refused_as_the_kernel_does)
{
	static const char *const good[] = { "a", "vm1", "tap-0.1", "fifteen_letters", "...", "-" };
	static const char *const bad[] = { "",	  ".",	  "..",	  "a/b", "/",	 "a:b",
					   "a b", "a\tb", "vm%d", "a\n", "../x", "\v" };

	self->rec.msg.op = VM_CTL_TAP;
	self->rec.msg.len = sizeof(self->rec.port);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		memset(&self->rec.port, 0, sizeof(self->rec.port));
		strcpy(self->rec.port.name, good[i]);
		EXPECT_EQ(0, REQUEST(32));
		EXPECT_STREQ(good[i], self->req.name);
		EXPECT_EQ(0, self->req.ensemble);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(&self->rec.port, 0, sizeof(self->rec.port));
		strcpy(self->rec.port.name, bad[i]);
		EXPECT_EQ(-EINVAL, REQUEST(32));
	}
	self->rec.msg.op = VM_CTL_VHOST_NET;
	strcpy(self->rec.port.name, "vm1");
	EXPECT_EQ(0, REQUEST(32));
	/* No end, or something behind it. */
	memset(self->rec.port.name, 'x', sizeof(self->rec.port.name));
	EXPECT_EQ(-EPROTO, REQUEST(32));
	self->rec.port.name[3] = '\0';
	EXPECT_EQ(-EPROTO, REQUEST(32));
	EXPECT_EQ(-EPROTO, REQUEST(24));
	EXPECT_EQ(-EPROTO, REQUEST(33));
}

TEST_HARNESS_MAIN
