// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests for the device as a whole, in their good form and in those that must be
 * refused and change nothing: what is offered and what is taken of it, the
 * configuration, resets, the way back; and front-ends that know less than ours.
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include "requests.h"

#define OFFERED                                                                             \
	(FE_BIT(VIRTIO_F_VERSION_1) | FE_BIT(VIRTIO_RING_F_EVENT_IDX) |                     \
	 FE_BIT(VIRTIO_RING_F_INDIRECT_DESC) | FE_BIT(VIRTIO_NET_F_MTU) |                   \
	 FE_BIT(VIRTIO_NET_F_MAC) | FE_BIT(VIRTIO_NET_F_STATUS) | FE_BIT(VIRTIO_NET_F_MQ) | \
	 FE_BIT(FE_F_PROTOCOL_FEATURES))

#define PROTOCOL                                                                         \
	(FE_BIT(FE_P_MQ) | FE_BIT(FE_P_REPLY_ACK) | FE_BIT(FE_P_BACKEND_REQ) |           \
	 FE_BIT(FE_P_CONFIG) | FE_BIT(FE_P_INFLIGHT_SHMFD) | FE_BIT(FE_P_RESET_DEVICE) | \
	 FE_BIT(FE_P_CONFIGURE_MEM_SLOTS))

static int what_is_offered(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	uint64_t value;

	need_ok(hostile_connect(arena));
	need_ok(fe_get_u64(fe, FE_GET_FEATURES, &value));
	need(value == OFFERED);
	need_ok(fe_get_u64(fe, FE_GET_PROTOCOL_FEATURES, &value));
	need(value == PROTOCOL);
	need_ok(fe_get_u64(fe, FE_GET_QUEUE_NUM, &value));
	need(value == 2);
	need_ok(fe_get_u64(fe, FE_GET_MAX_MEM_SLOTS, &value));
	need(value == SLOTS);
	return 0;
}

static int config_space(struct arena *arena)
{
	static const unsigned char mac[] = { 0x02, 0x4d, 0, 1, 0, 1 };
	struct fe *fe = &arena->fe[0];
	unsigned char all[256], part[256];
	struct virtio_net_config config;
	struct fe_config set = { .size = 6 };

	need_ok(hostile_start(arena));
	need_ok(fe_get_config(fe, 0, sizeof(all), all));
	memcpy(&config, all, sizeof(config));
	need(!memcmp(config.mac, mac, sizeof(mac)));
	need(config.status == VIRTIO_NET_S_LINK_UP);
	need(config.max_virtqueue_pairs == 2);
	need(config.mtu == 3366);
	for (unsigned int i = sizeof(config); i < sizeof(all); i++)
		need(!all[i]);
	for (unsigned int at = 0; at < 16; at++)
		for (unsigned int n = 1; n < 16; n++) {
			need_ok(fe_get_config(fe, at, n, part));
			need(!memcmp(part, all + at, n));
		}
	need_ok(fe_get_config(fe, 255, 1, part));
	need_no(fe_get_config(fe, 256, 1, part));
	need_no(fe_get_config(fe, 1, 256, part));
	need_no(fe_get_config(fe, 0xffffffff, 2, part));
	need_no(fe_get_config(fe, 0, 0, part));
	/* Nothing in it is a driver's to set. */
	need_no(fe_ask(fe, FE_SET_CONFIG, &set, 12 + set.size, NULL, 0));
	return exchange(arena);
}

static int features_that_were_not_offered(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];

	need_ok(hostile_start(arena));
	for (unsigned int bit = 0; bit < 64; bit++) {
		if (OFFERED & FE_BIT(bit))
			continue;
		need_no(fe_ask_u64(fe, FE_SET_FEATURES, fe->features | FE_BIT(bit)));
	}
	for (unsigned int bit = 0; bit < 64; bit++) {
		if (PROTOCOL & FE_BIT(bit))
			continue;
		need_no(fe_ask_u64(fe, FE_SET_PROTOCOL_FEATURES, fe->protocol | FE_BIT(bit)));
	}
	/* Those it has it may say again; others only while no ring runs. */
	need_ok(fe_ask_u64(fe, FE_SET_FEATURES, fe->features));
	need_no(fe_ask_u64(fe, FE_SET_FEATURES, fe->features & ~FE_BIT(VIRTIO_RING_F_EVENT_IDX)));
	return exchange(arena);
}

static int reset_device_and_start_again(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];

	need_ok(hostile_start(arena));
	for (unsigned int round = 0; round < 3; round++) {
		if (exchange(arena))
			return -1;
		need_ok(fe_ask(fe, FE_RESET_DEVICE, NULL, 0, NULL, 0));
		/* Memory is still there, features and rings are not. */
		need_ok(fe_ask_u64(fe, FE_SET_FEATURES, fe->features));
		for (unsigned int i = 0; i < 2; i++) {
			ring_reset(&fe->ring[i]);
			need_ok(fe_ring_tell(fe, i, 0));
			need_ok(fe_ring_enable(fe, i, true));
		}
		ring_post(&fe->ring[0]);
		ring_kick(&fe->ring[0]);
	}
	return exchange(arena);
}

static int reset_owner_disables_the_rings(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];

	need_ok(hostile_start(arena));
	need_ok(fe_ask(fe, FE_RESET_OWNER, NULL, 0, NULL, 0));
	need_ok(fe_ask_state(fe, FE_SET_VRING_BASE, 1, fe->ring[1].avail_idx));
	need_ok(fe_ask(fe, FE_SET_OWNER, NULL, 0, NULL, 0));
	for (unsigned int i = 0; i < 2; i++)
		need_ok(fe_ring_enable(fe, i, true));
	return exchange(arena);
}

static int who_knows_no_acknowledgement_gets_none(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	uint64_t features = OFFERED, value;

	fe->no_reply_ack = true;
	need_ok(hostile_start(arena));
	fe->no_reply_ack = false;
	/* Asked for and not negotiated: the next answer is the next question's. */
	need_ok(fe_send(fe, FE_SET_FEATURES, FE_NEED_REPLY, &fe->features, 8, NULL, 0));
	need_ok(fe_get_u64(fe, FE_GET_QUEUE_NUM, &value));
	need(value == 2);
	if (exchange(arena))
		return -1;
	/* What fails cannot be told: it is cut off. */
	features |= FE_BIT(VIRTIO_F_RING_PACKED);
	need_ok(fe_send(fe, FE_SET_FEATURES, 0, &features, 8, NULL, 0));
	need_ok(fe_wait_cut(fe));
	return 0;
}

static int rings_are_enabled_for_who_knows_no_enabling(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];

	need_ok(hostile_connect(arena));
	fe->num = 256;
	fe->slot_size = 4096;
	need_ok(fe_ask(fe, FE_SET_OWNER, NULL, 0, NULL, 0));
	need_ok(fe_ask_u64(fe, FE_SET_FEATURES, FE_BIT(VIRTIO_F_VERSION_1)));
	need_ok(fe_memory(fe, 0x40000000, 16 << 20));
	need_ok(fe_tell_memory(fe));
	for (unsigned int i = 0; i < 2; i++) {
		need_ok(fe_ring_make(fe, i, 256));
		need_ok(fe_ring_tell(fe, i, 0));
	}
	ring_post(&fe->ring[0]);
	ring_kick(&fe->ring[0]);
	return exchange(arena);
}

static int rings_of_a_legacy_driver_do_not_run(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	unsigned char frame[64];
	struct ring *tx = &fe->ring[1];
	uint16_t base;

	need_ok(hostile_connect(arena));
	fe->without = FE_BIT(VIRTIO_F_VERSION_1);
	need_ok(fe_start(fe));
	fe->without = 0;
	need(plug_log_has(&arena->plug[0], "reason=\"a legacy driver"));
	for (unsigned int i = 0; i < 2; i++)
		need(ring_calls(fe->ring[i].err) == 1);
	frame_make(frame, sizeof(frame), 0, 1, 1);
	need_ok(ring_send(tx, frame, sizeof(frame)));
	ring_kick(tx);
	need_ok(fe_ping(fe));
	need_ok(fe_ping(fe));
	need(!__atomic_load_n(&tx->used->idx, __ATOMIC_ACQUIRE));
	/* The next driver is a modern one. */
	for (unsigned int i = 0; i < 2; i++)
		need_ok(fe_ring_stop(fe, i, &base));
	need_ok(fe_ask_u64(fe, FE_SET_FEATURES, fe->features | FE_BIT(VIRTIO_F_VERSION_1)));
	for (unsigned int i = 0; i < 2; i++) {
		ring_reset(&fe->ring[i]);
		need_ok(fe_ring_tell(fe, i, 0));
	}
	ring_post(&fe->ring[0]);
	ring_kick(&fe->ring[0]);
	return exchange(arena);
}

/* As User-Mode Linux is: see virtio_uml. */
static int a_front_end_like_uml(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	struct fe_mem_table table = { .n = 1 };
	int backend[2];
	uint64_t value;

	need_ok(hostile_connect(arena));
	fe->num = 256;
	fe->slot_size = 4096;
	fe->call_sockets = true;
	need_ok(fe_ask(fe, FE_SET_OWNER, NULL, 0, NULL, 0));
	need_ok(fe_get_u64(fe, FE_GET_FEATURES, &value));
	need_ok(fe_get_u64(fe, FE_GET_PROTOCOL_FEATURES, &value));
	/* The acknowledgement is asked for with the very request that negotiates it. */
	fe->protocol = value &
		       (FE_BIT(FE_P_REPLY_ACK) | FE_BIT(FE_P_BACKEND_REQ) | FE_BIT(FE_P_CONFIG));
	need_ok(fe_ask_u64(fe, FE_SET_PROTOCOL_FEATURES, fe->protocol));
	need_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, backend));
	need_ok(fe_ask(fe, FE_SET_BACKEND_REQ_FD, NULL, 0, &backend[1], 1));
	close(backend[1]);
	need_ok(fe_ask_u64(fe, FE_SET_FEATURES,
			   FE_BIT(VIRTIO_F_VERSION_1) | FE_BIT(FE_F_PROTOCOL_FEATURES)));
	need_ok(fe_memory(fe, 0x40000000, 16 << 20));
	/* Room for two regions, one of them used. */
	table.region[0] = (struct fe_mem_region){ .gpa = fe->region[0].gpa,
						  .size = fe->region[0].size,
						  .user = (uintptr_t)fe->region[0].at };
	need_ok(fe_ask(fe, FE_SET_MEM_TABLE, &table, 8 + 64, &fe->region[0].fd, 1));
	for (unsigned int i = 0; i < 2; i++) {
		need_ok(fe_ring_make(fe, i, 256));
		need_ok(fe_ring_tell(fe, i, 0));
		need_ok(fe_ring_enable(fe, i, true));
	}
	fe->call_sockets = false;
	ring_post(&fe->ring[0]);
	ring_kick(&fe->ring[0]);
	close(backend[0]);
	if (exchange(arena))
		return -1;
	/* Its driver is unbound: this is all it says. */
	need_ok(fe_ring_enable(fe, 1, false));
	need_ok(fe_ring_enable(fe, 0, false));
	return 0;
}

static int the_way_back_is_a_socket_or_nothing(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	int file = memfd_create("x", MFD_CLOEXEC), sockets[2];

	need_ok(hostile_start(arena));
	need_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets));
	/* Not negotiated by this front-end. */
	need_no(fe_ask(fe, FE_SET_BACKEND_REQ_FD, NULL, 0, &sockets[1], 1));
	fe->protocol |= FE_BIT(FE_P_BACKEND_REQ);
	need_ok(fe_ask_u64(fe, FE_SET_PROTOCOL_FEATURES, fe->protocol));
	need_no(fe_ask(fe, FE_SET_BACKEND_REQ_FD, NULL, 0, &file, 1));
	need_no(fe_ask(fe, FE_SET_BACKEND_REQ_FD, NULL, 0, NULL, 0));
	need_no(fe_ask(fe, FE_SET_BACKEND_REQ_FD, NULL, 0, sockets, 2));
	for (unsigned int i = 0; i < 3; i++)
		need_ok(fe_ask(fe, FE_SET_BACKEND_REQ_FD, NULL, 0, &sockets[1], 1));
	close(sockets[0]);
	close(sockets[1]);
	close(file);
	return exchange(arena);
}

int main(void)
{
	static const struct hostile_case cases[] = {
		CASE(what_is_offered),
		CASE(config_space),
		CASE(features_that_were_not_offered),
		CASE(reset_device_and_start_again),
		CASE(reset_owner_disables_the_rings),
		CASE(who_knows_no_acknowledgement_gets_none),
		CASE(rings_are_enabled_for_who_knows_no_enabling),
		CASE(rings_of_a_legacy_driver_do_not_run),
		CASE(a_front_end_like_uml),
		CASE(the_way_back_is_a_socket_or_nothing),
	};

	return hostile_main(cases, sizeof(cases) / sizeof(cases[0]));
}
