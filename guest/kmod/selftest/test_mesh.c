// SPDX-License-Identifier: GPL-2.0-only
/*
 * input.c, compose.c, echo.c, datagram.c: between nodes. What is refused is counted
 * once, under the right name; what is taken arrives whole, or is told as dropped.
 */
#include <linux/kthread.h>
#include <linux/uio.h>

#include "compose.h"
#include "fake.h"

#define QUEUE_FRAMES 1024 /* datagram.c's bound */

struct refusal {
	const char *name;
	enum vmesh_counter counter;
	u16 ensemble, from, to;
	u8 version, type;
	u32 life;
	u16 said;
};

#define US   FAKE_ENSEMBLE
#define V    VM_WIRE_VERSION
#define C(x) VMESH_CNT_##x

static const struct refusal refusals[] = {
	{ "another wire version", C(rx_version), US, 2, 1, V + 1, VM_F_ECHO, 1 },
	{ "more payload said than there is", C(rx_malformed), US, 2, 1, V, VM_F_ECHO, 1, 999 },
	{ "another ensemble", C(rx_foreign), US + 1, 2, 1, V, VM_F_ECHO, 1 },
	{ "in our own name", C(rx_foreign), US, 1, 1, V, VM_F_ECHO, 1 },
	{ "from a number no node has", C(rx_foreign), US, VM_NODE_MAX + 1, 1, V, VM_F_ECHO, 1 },
	{ "to another node", C(rx_foreign), US, 2, 3, V, VM_F_ECHO, 1 },
	{ "a type nobody knows", C(rx_unknown_type), US, 2, 1, V, 99, 1 },
	{ "a type nobody knows, from the broker", C(rx_unknown_type), US, 0, 1, V, 99, 1 },
	{ "HELLO, which is the broker's to hear", C(rx_unknown_type), US, 2, 1, V, VM_F_HELLO, 1 },
	{ "a node that says WELCOME", C(rx_forged), US, 2, 1, V, VM_F_WELCOME, 1 },
	{ "a node that says REFUSE", C(rx_forged), US, 2, 1, V, VM_F_REFUSE, 1 },
	{ "a node that says MEMBERS", C(rx_forged), US, 2, 1, V, VM_F_MEMBERS, 1 },
	{ "a node that says PROBE", C(rx_forged), US, 2, 1, V, VM_F_PROBE, 1 },
	{ "no member", C(rx_not_member), US, 77, 1, V, VM_F_ECHO, 1 },
	{ "without a life", C(rx_not_member), US, 2, 1, V, VM_F_ECHO, 0 },
	{ "of an earlier life", C(rx_stale), US, 2, 1, V, VM_F_ECHO, 0xffffffff },
	{ "ECHO to all", C(rx_malformed), US, 2, VM_NODE_ALL, V, VM_F_ECHO, 1 },
	{ "a short PROBE", C(rx_malformed), US, 0, 1, V, VM_F_PROBE, 1 },
	{ "a short WELCOME", C(rx_malformed), US, 0, 1, V, VM_F_WELCOME, 1 },
	{ "a short REFUSE", C(rx_malformed), US, 0, 1, V, VM_F_REFUSE, 1 },
	{ "a short MEMBERS", C(rx_malformed), US, 0, 1, V, VM_F_MEMBERS, 1 },
	{ "a datagram without a channel", C(rx_malformed), US, 2, 1, V, VM_F_DATAGRAM, 1 },
	{ "an answer to nothing", C(echo_replies_late), US, 2, 1, V, VM_F_ECHO_REPLY, 1 },
};

static void refusal_name(const struct refusal *r, char *name)
{
	strscpy(name, r->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(refusals, refusals, refusal_name);

static void refuses(struct kunit *test)
{
	static const enum vmesh_counter all[] = {
		C(rx_version),	  C(rx_malformed),	C(rx_unknown_type),
		C(rx_foreign),	  C(rx_forged),		C(rx_stale),
		C(rx_not_member), C(echo_replies_late), C(dgrams_received),
	};
	const struct refusal *r = test->param_value;
	struct fake *f = test->priv;
	u8 payload[4] = {};
	unsigned int i;

	fake_join(test);
	KUNIT_ASSERT_TRUE(test, fake_say(f, (struct fake_frame){
						    .ensemble = r->ensemble,
						    .from = r->from,
						    .to = r->to,
						    .version = r->version,
						    .type = r->type,
						    .life = r->life,
						    .payload = payload,
						    .len = sizeof(payload),
						    .said = r->said,
					    }));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(fake_counter(f, r->counter) == 1));
	for (i = 0; i < ARRAY_SIZE(all); i++)
		KUNIT_EXPECT_EQ_MSG(test, fake_counter(f, all[i]), all[i] == r->counter,
				    "counter %u", all[i]);
	KUNIT_EXPECT_EQ_MSG(test, READ_ONCE(fake_mesh(f)->join.state), VIRTMESH_LINK_JOINED,
			    "nothing of it changes our state");
}

static void composes(struct kunit *test)
{
	struct fake *f = test->priv;
	struct vmesh *m;
	struct sk_buff *skb;
	struct vm_hdr *hdr;
	void *payload;
	u8 mac[ETH_ALEN];

	fake_join(test);
	m = fake_mesh(f);
	skb = vmesh_compose(m, 2, VM_F_ECHO, 0x01020304, 5, &payload, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	KUNIT_EXPECT_EQ(test, skb->len, VM_PAYLOAD_OFFSET + 5);
	KUNIT_EXPECT_GE(test, skb_headroom(skb), VMESH_TX_HEADROOM);
	KUNIT_EXPECT_PTR_EQ(test, payload, (void *)(skb->data + VM_PAYLOAD_OFFSET));
	vm_addr_to_mac(vm_addr(FAKE_ENSEMBLE, 2), mac);
	KUNIT_EXPECT_MEMEQ(test, skb->data, mac, ETH_ALEN);
	KUNIT_EXPECT_MEMEQ(test, skb->data + ETH_ALEN, f->mac, ETH_ALEN);
	hdr = (struct vm_hdr *)(skb->data + VM_ETH_HLEN);
	KUNIT_EXPECT_EQ(test, hdr->version, VM_WIRE_VERSION);
	KUNIT_EXPECT_EQ(test, be16_to_cpu(hdr->len), 5);
	KUNIT_EXPECT_EQ(test, be32_to_cpu(hdr->incarnation), FAKE_LIFE);
	KUNIT_EXPECT_EQ(test, be32_to_cpu(hdr->epoch), FAKE_EPOCH);
	KUNIT_EXPECT_EQ(test, be32_to_cpu(hdr->seq), 0x01020304);
	kfree_skb(skb);
	/* The largest datagram fills the largest frame. */
	KUNIT_EXPECT_EQ(test, vmesh_dgram_max(m) + sizeof(struct vm_datagram) + VM_PAYLOAD_OFFSET,
			f->mtu + VM_ETH_HLEN);
}

/* ECHO. */

static void answers_echoes(struct kunit *test)
{
	static const u16 sizes[] = { 0, 1, 64, 1500, VM_MTU_DEFAULT - sizeof(struct vm_hdr) };
	struct fake *f = test->priv;
	struct fake_frame what;
	unsigned int i, n;
	u8 *payload = kunit_kmalloc(test, VM_MTU_DEFAULT, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, payload);
	for (i = 0; i < VM_MTU_DEFAULT; i++)
		payload[i] = i * 7;
	fake_join(test);
	for (n = 0; n < ARRAY_SIZE(sizes); n++) {
		what = FAKE_FRAME_FROM(2, VM_F_ECHO, payload, sizes[n]);
		what.seq = 0xdead0000 + n;
		KUNIT_ASSERT_TRUE(test, fake_say(f, what));
		KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_ECHO_REPLY));
		KUNIT_EXPECT_EQ(test, be32_to_cpu(fake_hdr(f)->seq), 0xdead0000 + n);
		KUNIT_EXPECT_EQ(test, be16_to_cpu(fake_hdr(f)->len), sizes[n]);
		KUNIT_EXPECT_EQ(test, memcmp(fake_payload(f), payload, sizes[n]), 0);
		KUNIT_EXPECT_EQ(test, f->frame[5], 2);
	}
	KUNIT_EXPECT_EQ(test, FAKE_COUNT(f, echoes_answered), ARRAY_SIZE(sizes));
}

/* One call from another thread, while the test is the neighbour. */
struct asking {
	struct vmesh *m;
	struct virtmesh_echo arg;
	struct virtmesh_pending pending;
	int result;
	struct completion done;
};

static int ask(void *data)
{
	struct asking *a = data;

	a->result = vmesh_echo(a->m, &a->arg);
	complete(&a->done);
	return 0;
}

static int ask_pending(void *data)
{
	struct asking *a = data;

	a->result = vmesh_pending(a->m, &a->pending);
	complete(&a->done);
	return 0;
}

static void ask_begin(struct kunit *test, struct asking *a, u16 node, u16 size, u32 timeout_ms)
{
	struct fake *f = test->priv;

	*a = (struct asking){
		.m = fake_mesh(f),
		.arg = { .node = node, .size = size, .timeout_ms = timeout_ms },
	};
	init_completion(&a->done);
	KUNIT_ASSERT_FALSE(test, IS_ERR(kthread_run(ask, a, "virtmesh-ask")));
}

static void ask_pending_begin(struct kunit *test, struct asking *a, u16 node, u32 timeout_ms)
{
	struct fake *f = test->priv;

	*a = (struct asking){
		.m = fake_mesh(f),
		.pending = { .node = node, .timeout_ms = timeout_ms },
	};
	init_completion(&a->done);
	KUNIT_ASSERT_FALSE(test, IS_ERR(kthread_run(ask_pending, a, "virtmesh-ask")));
}

static void asks_and_is_answered(struct kunit *test)
{
	struct fake *f = test->priv;
	struct fake_frame what;
	struct asking *a = kunit_kzalloc(test, sizeof(*a), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, a);
	fake_join(test);
	ask_begin(test, a, 2, 100, 20000);
	KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_ECHO));
	what = FAKE_FRAME_FROM(2, VM_F_ECHO_REPLY, fake_payload(f), 100);
	what.seq = be32_to_cpu(fake_hdr(f)->seq);
	/* From another node it is no answer; from the one asked it is. */
	what.from = 3;
	KUNIT_EXPECT_TRUE(test, fake_say(f, what));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(FAKE_COUNT(f, echo_replies_late) == 1));
	KUNIT_EXPECT_FALSE(test, completion_done(&a->done));
	what.from = 2;
	KUNIT_EXPECT_TRUE(test, fake_say(f, what));
	wait_for_completion(&a->done);
	KUNIT_EXPECT_EQ(test, a->result, 0);
	KUNIT_EXPECT_GT(test, a->arg.rtt_ns, 0);
	/* Twice is late. */
	KUNIT_EXPECT_TRUE(test, fake_say(f, what));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(FAKE_COUNT(f, echo_replies_late) == 2));
}

static void asks_and_is_lied_to(struct kunit *test)
{
	struct fake *f = test->priv;
	struct fake_frame what;
	struct asking *a = kunit_kzalloc(test, sizeof(*a), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, a);
	fake_join(test);
	ask_begin(test, a, 2, 100, 20000);
	KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_ECHO));
	((u8 *)fake_payload(f))[99] ^= 1;
	what = FAKE_FRAME_FROM(2, VM_F_ECHO_REPLY, fake_payload(f), 100);
	what.seq = be32_to_cpu(fake_hdr(f)->seq);
	KUNIT_EXPECT_TRUE(test, fake_say(f, what));
	wait_for_completion(&a->done);
	KUNIT_EXPECT_EQ(test, a->result, -EBADMSG);
}

static void asks_in_vain(struct kunit *test)
{
	struct fake *f = test->priv;
	struct asking *a = kunit_kzalloc(test, sizeof(*a), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, a);
	fake_join(test);
	ask_begin(test, a, 2, 0, 50);
	wait_for_completion(&a->done);
	KUNIT_EXPECT_EQ(test, a->result, -ETIMEDOUT);
	ask_begin(test, a, 77, 0, 50);
	wait_for_completion(&a->done);
	KUNIT_EXPECT_EQ_MSG(test, a->result, -EHOSTUNREACH, "no member");
	ask_begin(test, a, FAKE_NODE, 0, 50);
	wait_for_completion(&a->done);
	KUNIT_EXPECT_EQ_MSG(test, a->result, -EHOSTUNREACH, "ourselves");
	ask_begin(test, a, 2, 0, 0);
	wait_for_completion(&a->done);
	KUNIT_EXPECT_EQ(test, a->result, -EINVAL);
	ask_begin(test, a, 2, vmesh_dgram_max(fake_mesh(f)) + 1, 50);
	wait_for_completion(&a->done);
	KUNIT_EXPECT_EQ(test, a->result, -EMSGSIZE);
}

/* Nor does who cannot even ask wait for longer than he would for the answer. */
static void asks_with_a_full_ring(struct kunit *test)
{
	struct asking *a = kunit_kzalloc(test, sizeof(*a), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, a);
	fake_join(test);
	fake_fill(test);
	ask_begin(test, a, 2, 0, 50);
	KUNIT_EXPECT_GT(test, wait_for_completion_timeout(&a->done, 20 * HZ), 0UL);
	KUNIT_EXPECT_EQ(test, a->result, -ETIMEDOUT);
	ask_pending_begin(test, a, 2, 50);
	KUNIT_EXPECT_GT(test, wait_for_completion_timeout(&a->done, 20 * HZ), 0UL);
	KUNIT_EXPECT_EQ(test, a->result, -ETIMEDOUT);
}

/* The device goes under somebody who waits. */
static void asks_while_the_device_goes(struct kunit *test)
{
	struct fake *f = test->priv;
	struct vmesh_dev *d;
	struct asking *a = kunit_kzalloc(test, sizeof(*a), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, a);
	fake_join(test);
	d = &fake_mesh(f)->dev;
	vmesh_get(d); /* as an open file does */
	ask_begin(test, a, 2, 0, 60000);
	KUNIT_EXPECT_TRUE(test, fake_pop_type(f, VM_F_ECHO));
	fake_unbind(f);
	wait_for_completion(&a->done);
	KUNIT_EXPECT_EQ(test, a->result, -ENODEV);
	vmesh_put(d);
}

/* DATAGRAM. */

static ssize_t read_one(struct vmesh_file *file, struct virtmesh_dgram *head, void *data,
			size_t room)
{
	struct kvec kv[] = { { head, sizeof(*head) }, { data, room } };
	struct iov_iter to;

	iov_iter_kvec(&to, ITER_DEST, kv, ARRAY_SIZE(kv), sizeof(*head) + room);
	return vmesh_file_read(file, &to, true);
}

static ssize_t write_one(struct vmesh_file *file, struct virtmesh_dgram head, const void *data,
			 size_t len)
{
	struct kvec kv[] = { { &head, sizeof(head) }, { (void *)data, len } };
	struct iov_iter from;

	iov_iter_kvec(&from, ITER_SOURCE, kv, ARRAY_SIZE(kv), sizeof(head) + len);
	return vmesh_file_write(file, &from, true);
}

static struct vmesh_file *open_on(struct kunit *test, u16 channel)
{
	struct virtmesh_bind arg = { .channel = channel };
	struct vmesh_file *file = vmesh_file_open(fake_mesh(test->priv));

	KUNIT_ASSERT_NOT_NULL(test, file);
	KUNIT_ASSERT_EQ(test, vmesh_file_bind(file, &arg), 0);
	KUNIT_ASSERT_EQ(test, arg.channel, channel ?: arg.channel);
	KUNIT_ASSERT_NE(test, arg.channel, 0);
	return file;
}

static bool dgram_to(struct fake *f, u16 channel, u16 to, u32 number, u16 len)
{
	struct {
		struct vm_datagram head;
		u32 number;
		u8 rest[252];
	} d = { .head.channel = cpu_to_be16(channel), .number = number };
	struct fake_frame what = FAKE_FRAME_FROM(2, VM_F_DATAGRAM, &d, sizeof(d.head) + len);

	what.to = to;
	return fake_say(f, what);
}

static void channels(struct kunit *test)
{
	struct vmesh_file *a, *b, *c;
	struct virtmesh_bind arg = { .channel = 5 };
	struct virtmesh_dgram head;
	u32 data;

	fake_join(test);
	a = open_on(test, 5);
	b = vmesh_file_open(fake_mesh(test->priv));
	KUNIT_ASSERT_NOT_NULL(test, b);
	KUNIT_EXPECT_EQ(test, read_one(b, &head, &data, sizeof(data)), -EDESTADDRREQ);
	KUNIT_EXPECT_EQ(test, vmesh_file_bind(b, &arg), -EADDRINUSE);
	arg.channel = 6;
	KUNIT_EXPECT_EQ(test, vmesh_file_bind(a, &arg), -EISCONN);
	arg.reserved[2] = 1;
	KUNIT_EXPECT_EQ(test, vmesh_file_bind(b, &arg), -EINVAL);
	KUNIT_EXPECT_EQ(test, read_one(a, &head, &data, sizeof(data)), -EAGAIN);
	vmesh_file_close(a);
	arg = (struct virtmesh_bind){ .channel = 5 };
	KUNIT_EXPECT_EQ_MSG(test, vmesh_file_bind(b, &arg), 0, "free again");
	a = open_on(test, 0);
	c = open_on(test, 0);
	KUNIT_EXPECT_NE(test, a->channel, c->channel);
	vmesh_file_close(a);
	vmesh_file_close(b);
	vmesh_file_close(c);
}

static void receives_datagrams(struct kunit *test)
{
	struct fake *f = test->priv;
	struct virtmesh_dgram head;
	struct vmesh_file *file;
	u32 data[4];

	fake_join(test);
	file = open_on(test, 5);
	KUNIT_ASSERT_TRUE(test, dgram_to(f, 6, FAKE_NODE, 0, 4)); /* nobody's */
	KUNIT_ASSERT_TRUE(test, dgram_to(f, 5, FAKE_NODE, 41, 4));
	KUNIT_ASSERT_TRUE(test, dgram_to(f, 5, VM_NODE_ALL, 42, 8));
	KUNIT_ASSERT_TRUE(test, dgram_to(f, 5, FAKE_NODE, 43, 0));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(FAKE_COUNT(f, dgrams_received) == 3));
	KUNIT_EXPECT_EQ(test, FAKE_COUNT(f, dgrams_no_channel), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_mesh(f)->channels.unread), 3);

	KUNIT_EXPECT_EQ(test, read_one(file, &head, data, 3), -EMSGSIZE);
	KUNIT_EXPECT_EQ_MSG(test, read_one(file, &head, data, 4), sizeof(head) + 4, "still there");
	KUNIT_EXPECT_EQ(test, data[0], 41);
	KUNIT_EXPECT_EQ(test, head.node, 2);
	KUNIT_EXPECT_EQ(test, head.channel, 5);
	KUNIT_EXPECT_EQ(test, head.len, 4);
	KUNIT_EXPECT_EQ(test, head.flags, 0);
	KUNIT_EXPECT_EQ(test, head.dropped, 0);
	KUNIT_EXPECT_EQ(test, read_one(file, &head, data, sizeof(data)), sizeof(head) + 8);
	KUNIT_EXPECT_EQ(test, data[0], 42);
	KUNIT_EXPECT_EQ(test, head.flags, VIRTMESH_DGRAM_GROUP);
	KUNIT_EXPECT_EQ(test, read_one(file, &head, data, sizeof(data)), sizeof(head));
	KUNIT_EXPECT_EQ(test, read_one(file, &head, data, sizeof(data)), -EAGAIN);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_mesh(f)->channels.unread), 0);
	vmesh_file_close(file);
}

/* Who does not read loses the newest, is told how many, and shows as pending. */
static void a_full_queue(struct kunit *test)
{
	struct fake *f = test->priv;
	struct virtmesh_dgram head;
	struct vmesh_file *file;
	unsigned int i;
	u32 data;

	fake_join(test);
	file = open_on(test, 5);
	for (i = 0; i < QUEUE_FRAMES + 10; i++)
		KUNIT_ASSERT_TRUE(test, FAKE_UNTIL(dgram_to(f, 5, FAKE_NODE, i, 4)));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(FAKE_COUNT(f, dgrams_queue_full) == 10));
	KUNIT_EXPECT_EQ(test, FAKE_COUNT(f, dgrams_received), QUEUE_FRAMES);
	KUNIT_ASSERT_TRUE(test, fake_probe(f, FAKE_BROKER, FAKE_EPOCH, 1));
	KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_ALIVE));
	KUNIT_EXPECT_EQ(test, be32_to_cpu(((struct vm_alive *)fake_payload(f))->pending),
			QUEUE_FRAMES);
	for (i = 0; i < QUEUE_FRAMES; i++) {
		KUNIT_ASSERT_EQ(test, read_one(file, &head, &data, sizeof(data)), sizeof(head) + 4);
		KUNIT_ASSERT_EQ(test, data, i);
	}
	KUNIT_EXPECT_EQ(test, head.dropped, 10);
	KUNIT_EXPECT_EQ(test, read_one(file, &head, &data, sizeof(data)), -EAGAIN);
	KUNIT_ASSERT_TRUE(test, fake_probe(f, FAKE_BROKER, FAKE_EPOCH, 2));
	KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_ALIVE));
	KUNIT_EXPECT_EQ(test, be32_to_cpu(((struct vm_alive *)fake_payload(f))->pending), 0);
	KUNIT_EXPECT_EQ(test, be64_to_cpu(((struct vm_alive *)fake_payload(f))->progress),
			QUEUE_FRAMES);
	vmesh_file_close(file);
}

/* Many files that nobody reads have bounds together, too. What one lets go another may take. */
static void all_queues_full(struct kunit *test)
{
	struct fake *f = test->priv;
	struct vmesh_file *a, *b;
	struct virtmesh_dgram head;
	struct vmesh_channels *c;
	long each;
	u32 data;

	fake_join(test);
	c = &fake_mesh(f)->channels;
	KUNIT_EXPECT_GT(test, c->bytes_max, 0L);
	KUNIT_EXPECT_LE(test, c->bytes_max, 64L << 20);
	a = open_on(test, 5);
	b = open_on(test, 6);
	KUNIT_ASSERT_TRUE(test, dgram_to(f, 5, FAKE_NODE, 0, 4));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(FAKE_COUNT(f, dgrams_received) == 1));
	each = atomic_long_read(&c->bytes);
	KUNIT_EXPECT_GE(test, each, 4L);
	c->bytes_max = 3 * each;

	KUNIT_ASSERT_TRUE(test, dgram_to(f, 5, FAKE_NODE, 1, 4));
	KUNIT_ASSERT_TRUE(test, dgram_to(f, 6, FAKE_NODE, 2, 4));
	KUNIT_ASSERT_TRUE(test, dgram_to(f, 6, FAKE_NODE, 3, 4));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(FAKE_COUNT(f, dgrams_queue_full) == 1));
	KUNIT_EXPECT_EQ(test, FAKE_COUNT(f, dgrams_received), 3);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&c->bytes), 3 * each);

	KUNIT_EXPECT_EQ(test, read_one(a, &head, &data, sizeof(data)), sizeof(head) + 4);
	KUNIT_EXPECT_EQ(test, head.dropped, 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&c->bytes), 2 * each);
	KUNIT_ASSERT_TRUE(test, dgram_to(f, 6, FAKE_NODE, 4, 4));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(FAKE_COUNT(f, dgrams_received) == 4));
	KUNIT_EXPECT_EQ(test, read_one(b, &head, &data, sizeof(data)), sizeof(head) + 4);
	KUNIT_EXPECT_EQ(test, data, 2);
	KUNIT_EXPECT_EQ(test, head.dropped, 1);

	vmesh_file_close(a);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&c->bytes), each);
	vmesh_file_close(b);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&c->bytes), 0L);
}

static void closed_with_unread_datagrams(struct kunit *test)
{
	struct fake *f = test->priv;
	struct vmesh_file *file;
	unsigned int i;

	fake_join(test);
	file = open_on(test, 5);
	for (i = 0; i < 20; i++)
		KUNIT_ASSERT_TRUE(test, FAKE_UNTIL(dgram_to(f, 5, FAKE_NODE, i, 4)));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(FAKE_COUNT(f, dgrams_received) == 20));
	vmesh_file_close(file);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_mesh(f)->channels.unread), 0);
	KUNIT_ASSERT_TRUE(test, dgram_to(f, 5, FAKE_NODE, 0, 4));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(FAKE_COUNT(f, dgrams_no_channel) == 1));
}

static void sends_datagrams(struct kunit *test)
{
	struct virtmesh_dgram head = { .node = 3, .channel = 9, .len = 4 }, bad;
	struct fake *f = test->priv;
	struct vmesh_file *file;
	u32 data = 0x55aa55aa;
	u8 *big;

	fake_join(test);
	file = open_on(test, 5);
	big = kunit_kzalloc(test, VM_MTU_MAX, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, big);
	KUNIT_EXPECT_EQ(test, write_one(file, head, &data, 4), sizeof(head) + 4);
	KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_DATAGRAM));
	KUNIT_EXPECT_EQ(test, f->frame[5], 3);
	KUNIT_EXPECT_EQ(test, be16_to_cpu(((struct vm_datagram *)fake_payload(f))->channel), 9);
	KUNIT_EXPECT_MEMEQ(test, (u8 *)fake_payload(f) + 4, (u8 *)&data, 4);

	bad = head;
	bad.len = 5;
	KUNIT_EXPECT_EQ(test, write_one(file, bad, &data, 4), -EINVAL);
	bad = head;
	bad.channel = 0;
	KUNIT_EXPECT_EQ(test, write_one(file, bad, &data, 4), -EINVAL);
	bad = head;
	bad.flags = 1;
	KUNIT_EXPECT_EQ(test, write_one(file, bad, &data, 4), -EINVAL);
	bad = head;
	bad.node = 99;
	KUNIT_EXPECT_EQ(test, write_one(file, bad, &data, 4), -EHOSTUNREACH);
	bad = head;
	bad.node = FAKE_NODE;
	KUNIT_EXPECT_EQ(test, write_one(file, bad, &data, 4), -EHOSTUNREACH);
	bad = head;
	bad.len = vmesh_dgram_max(fake_mesh(f)) + 1;
	KUNIT_EXPECT_EQ(test, write_one(file, bad, big, bad.len), -EMSGSIZE);
	bad.len--;
	KUNIT_EXPECT_EQ(test, write_one(file, bad, big, bad.len), sizeof(bad) + bad.len);
	KUNIT_ASSERT_TRUE(test, fake_pop_type(f, VM_F_DATAGRAM));
	KUNIT_EXPECT_EQ(test, f->len, f->mtu + VM_ETH_HLEN);
	KUNIT_EXPECT_EQ(test, FAKE_COUNT(f, dgrams_sent), 2);
	vmesh_file_close(file);
}

/* An open file outlives the device, and then every call says so. */
static void a_file_without_its_device(struct kunit *test)
{
	struct virtmesh_dgram head = { .node = 3, .channel = 9, .len = 4 };
	struct fake *f = test->priv;
	struct vmesh_file *file;
	u32 data = 0;

	fake_join(test);
	file = open_on(test, 5);
	KUNIT_ASSERT_TRUE(test, dgram_to(f, 5, FAKE_NODE, 1, 4));
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(FAKE_COUNT(f, dgrams_received) == 1));
	fake_unbind(f);
	KUNIT_EXPECT_EQ(test, write_one(file, head, &data, 4), -ENODEV);
	KUNIT_EXPECT_EQ(test, read_one(file, &head, &data, 4), -ENODEV);
	vmesh_file_close(file);
}

static struct kunit_case cases[] = { KUNIT_CASE_PARAM(refuses, refusals_gen_params),
				     KUNIT_CASE(composes),
				     KUNIT_CASE(answers_echoes),
				     KUNIT_CASE(asks_and_is_answered),
				     KUNIT_CASE(asks_and_is_lied_to),
				     KUNIT_CASE(asks_in_vain),
				     KUNIT_CASE(asks_with_a_full_ring),
				     KUNIT_CASE(asks_while_the_device_goes),
				     KUNIT_CASE(channels),
				     KUNIT_CASE(receives_datagrams),
				     KUNIT_CASE(a_full_queue),
				     KUNIT_CASE(all_queues_full),
				     KUNIT_CASE(closed_with_unread_datagrams),
				     KUNIT_CASE(sends_datagrams),
				     KUNIT_CASE(a_file_without_its_device),
				     {} };

static struct kunit_suite suite = {
	.name = "virtmesh-mesh",
	.init = fake_init,
	.exit = fake_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);
