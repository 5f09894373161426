// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each request in its good form, and in those that must be refused and change
 * nothing. On the ground of the hostile tests: after each case the port serves a
 * new front-end, carries frames, and holds no descriptor more.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <linux/aio_abi.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include "hostile.h"

#define OFFERED                                                                             \
	(FE_BIT(VIRTIO_F_VERSION_1) | FE_BIT(VIRTIO_RING_F_EVENT_IDX) |                     \
	 FE_BIT(VIRTIO_RING_F_INDIRECT_DESC) | FE_BIT(VIRTIO_NET_F_MTU) |                   \
	 FE_BIT(VIRTIO_NET_F_MAC) | FE_BIT(VIRTIO_NET_F_STATUS) | FE_BIT(VIRTIO_NET_F_MQ) | \
	 FE_BIT(FE_F_PROTOCOL_FEATURES))

#define PROTOCOL                                                                         \
	(FE_BIT(FE_P_MQ) | FE_BIT(FE_P_REPLY_ACK) | FE_BIT(FE_P_BACKEND_REQ) |           \
	 FE_BIT(FE_P_CONFIG) | FE_BIT(FE_P_INFLIGHT_SHMFD) | FE_BIT(FE_P_RESET_DEVICE) | \
	 FE_BIT(FE_P_CONFIGURE_MEM_SLOTS))

#define SLOTS 32

/* Refused, and the connection is still there. */
#define need_no(call) need((call) == -EREMOTEIO)

/* Its call comes. The used ring is not looked at: a driver that sleeps does not either. */
static bool called(const struct ring *ring)
{
	struct pollfd p = { .fd = ring->call, .events = POLLIN };

	return poll(&p, 1, FE_WAIT_MS) == 1;
}

static int exchange(struct arena *arena)
{
	need_ok(hostile_exchange(arena, 0, 1));
	need_ok(hostile_exchange(arena, 1, 0));
	return 0;
}

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

static int rings_of_sizes_they_cannot_have(struct arena *arena)
{
	static const uint32_t bad[] = { 0, 3, 255, 1025, 2048, 65536, 0x80000000, 0xffffffff };
	struct fe *fe = &arena->fe[0];

	need_ok(hostile_connect(arena));
	need_ok(fe_negotiate(fe));
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		need_no(fe_ask_state(fe, FE_SET_VRING_NUM, 0, bad[i]));
	for (uint32_t num = 1; num <= 1024; num *= 2)
		need_ok(fe_ask_state(fe, FE_SET_VRING_NUM, 0, num));
	need_ok(fe_ask_state(fe, FE_SET_VRING_NUM, 3, 16));
	need_no(fe_ask_state(fe, FE_SET_VRING_NUM, 4, 16));
	need_no(fe_ask_state(fe, FE_SET_VRING_NUM, 0xffffffff, 16));
	return 0;
}

static int a_ring_that_runs_is_left_alone(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	struct fe_vring_addr addr = {
		.desc = (uintptr_t)fe->ring[0].desc,
		.used = (uintptr_t)fe->ring[0].used,
		.avail = (uintptr_t)fe->ring[0].avail,
	};

	need_ok(hostile_start(arena));
	need_no(fe_ask_state(fe, FE_SET_VRING_NUM, 0, 128));
	need_no(fe_ask_state(fe, FE_SET_VRING_BASE, 0, 7));
	need_no(fe_ask(fe, FE_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0));
	return exchange(arena);
}

static int ring_addresses_nowhere(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	struct fe_vring_addr good, bad;
	uint64_t end;

	need_ok(hostile_connect(arena));
	need_ok(fe_negotiate(fe));
	need_ok(fe_memory(fe, 0x40000000, 16 << 20));
	fe->slot_size = 4096;
	need_ok(fe_ring_make(fe, 0, 256));
	good = (struct fe_vring_addr){
		.desc = (uintptr_t)fe->ring[0].desc,
		.used = (uintptr_t)fe->ring[0].used,
		.avail = (uintptr_t)fe->ring[0].avail,
	};
	/* Before there is memory, or a size. */
	need_no(fe_ask(fe, FE_SET_VRING_ADDR, &good, sizeof(good), NULL, 0));
	need_ok(fe_tell_memory(fe));
	need_no(fe_ask(fe, FE_SET_VRING_ADDR, &good, sizeof(good), NULL, 0));
	need_ok(fe_ask_state(fe, FE_SET_VRING_NUM, 0, 256));
	need_ok(fe_ask(fe, FE_SET_VRING_ADDR, &good, sizeof(good), NULL, 0));

	end = (uintptr_t)fe->region[0].at + fe->region[0].size;
#define BAD(field, value)                                                           \
	do {                                                                        \
		bad = good;                                                         \
		bad.field = (value);                                                \
		need_no(fe_ask(fe, FE_SET_VRING_ADDR, &bad, sizeof(bad), NULL, 0)); \
	} while (0)
	BAD(desc, good.desc + 8);
	BAD(desc, 0);
	BAD(desc, end - 256 * 16 + 16);
	BAD(desc, ~0ULL & ~15ULL);
	BAD(avail, good.avail + 1);
	BAD(avail, end - 6 - 2 * 256 + 2);
	BAD(used, good.used + 2);
	BAD(used, end - 6 - 8 * 256 + 4);
	BAD(used, fe_gpa(fe, fe->ring[0].used)); /* a guest's address is no user address */
	BAD(flags, 1);
	BAD(index, 4);
#undef BAD
	need_no(fe_ask_state(fe, FE_SET_VRING_BASE, 0, 65536));
	need_no(fe_ask_state(fe, FE_SET_VRING_ENABLE, 0, 2));
	need_no(fe_ask_state(fe, FE_SET_VRING_ENABLE, 4, 1));
	return 0;
}

/* @request with each of these; then without any, with two, and for a ring that is none. */
static int wrong_fds(struct arena *arena, uint32_t request, const int *fds, unsigned int n)
{
	struct fe *fe = &arena->fe[0];
	uint64_t none = 0;
	int two[2] = { fe->ring[0].kick, fe->ring[0].kick };

	for (unsigned int i = 0; i < n; i++) {
		need(fds[i] >= 0);
		need_no(fe_ask_ring_fd(fe, request, 0, fds[i]));
	}
	need_no(fe_ask(fe, request, &none, sizeof(none), NULL, 0));
	need_no(fe_ask(fe, request, &none, sizeof(none), two, 2));
	none = 0x100;
	need_no(fe_ask(fe, request, &none, sizeof(none), two, 1));
	none = 0x200;
	need_no(fe_ask(fe, request, &none, sizeof(none), two, 1));
	need_no(fe_ask_ring_fd(fe, request, 4, two[0]));
	need_no(fe_ask_ring_fd(fe, request, 255, two[0]));
	return 0;
}

/*
 * A blocking eventfd that is full, and then signalled once more, as only the kernel can:
 * for a read of @file that is done. Whatever is written to it waits.
 */
static int overfull_eventfd(int file)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	uint64_t most = ~0ULL - 1;
	aio_context_t context = 0;
	struct io_event done;
	char byte;
	struct iocb read_one = {
		.aio_lio_opcode = IOCB_CMD_PREAD,
		.aio_fildes = file,
		.aio_buf = (uintptr_t)&byte,
		.aio_nbytes = 1,
		.aio_flags = IOCB_FLAG_RESFD,
		.aio_resfd = fd,
	};
	struct iocb *list = &read_one;
	struct pollfd p = { .fd = fd };

	if (fd < 0 || write(fd, &most, sizeof(most)) != sizeof(most) ||
	    syscall(SYS_io_setup, 1, &context))
		return -1;
	if (syscall(SYS_io_submit, context, 1, &list) == 1)
		syscall(SYS_io_getevents, context, 1, 1, &done, NULL);
	syscall(SYS_io_destroy, context);
	return poll(&p, 1, 0) == 1 && p.revents == POLLERR ? fd : -1;
}

static int ring_fds_that_are_something_else(struct arena *arena)
{
	int pipes[2], sockets[2], fds[8], err;

	need_ok(hostile_start(arena));
	need_ok(pipe2(pipes, O_CLOEXEC));
	need_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets));
	fds[0] = memfd_create("x", MFD_CLOEXEC);
	fds[1] = open("/dev/null", O_RDWR | O_CLOEXEC);
	fds[2] = epoll_create1(EPOLL_CLOEXEC);
	fds[3] = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	fds[4] = open("/run", O_PATH | O_CLOEXEC);
	fds[5] = pipes[1];
	fds[6] = overfull_eventfd(fds[0]);
	fds[7] = sockets[1]; /* good for a call only */
	err = wrong_fds(arena, FE_SET_VRING_KICK, fds, 8) ||
	      wrong_fds(arena, FE_SET_VRING_CALL, fds, 7) ||
	      wrong_fds(arena, FE_SET_VRING_ERR, fds, 7);
	need(!err);
	/* We do not poll. */
	need_no(fe_ask_ring_fd(&arena->fe[0], FE_SET_VRING_KICK, 0, -1));
	for (unsigned int i = 0; i < 8; i++)
		close(fds[i]);
	close(pipes[0]);
	close(sockets[0]);
	return exchange(arena);
}

static int ring_fds_exchanged_while_it_runs(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];

	need_ok(hostile_start(arena));
	for (unsigned int round = 0; round < 10; round++) {
		for (unsigned int i = 0; i < 2; i++) {
			struct ring *ring = &fe->ring[i];
			int kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
			int call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

			need_ok(fe_ask_ring_fd(fe, FE_SET_VRING_CALL, i, call));
			need_ok(fe_ask_ring_fd(fe, FE_SET_VRING_KICK, i, kick));
			close(ring->kick);
			close(ring->call);
			ring->kick = kick;
			ring->call = call;
		}
		if (exchange(arena))
			return -1;
	}
	/* None: the driver looks by itself. */
	need_ok(fe_ask_ring_fd(fe, FE_SET_VRING_CALL, 0, -1));
	need_ok(fe_ask_ring_fd(fe, FE_SET_VRING_ERR, 0, -1));
	need_ok(fe_ask_ring_fd(fe, FE_SET_VRING_CALL, 0, fe->ring[0].call));
	return exchange(arena);
}

/*
 * The same eventfd under another number, again and again, in requests that come while
 * a frame is on its way: who waits for its call must hear it.
 */
static int call_fds_exchanged_under_traffic_lose_no_call(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	struct ring *tx = &fe->ring[1];
	unsigned char frame[64];
	const uint64_t index = 1;

	need_ok(hostile_start(arena));
	frame_make(frame, sizeof(frame), 0, 1, 1);
	for (unsigned int round = 0; round < 4000; round++) {
		unsigned int requests = 1 + round % 5;

		ring_want_call(tx, 1);
		need_ok(ring_send(tx, frame, sizeof(frame)));
		if (round & 1)
			ring_kick_if_wanted(tx);
		for (unsigned int i = 0; i < requests; i++)
			need_ok(fe_send(fe, FE_SET_VRING_CALL, 0, &index, sizeof(index), &tx->call,
					1));
		ring_kick_if_wanted(tx);
		/* Once too often is allowed. */
		do {
			need(called(tx));
			ring_calls(tx->call);
		} while (ring_get(tx, NULL) < 0);
	}
	return exchange(arena);
}

/* SET_MEM_TABLE of @n regions as given; one fd for each. */
static int tell_table(struct fe *fe, const struct fe_mem_region *region, const int *fds,
		      unsigned int n)
{
	struct fe_mem_table table = { .n = n };

	memcpy(table.region, region, n * sizeof(*region));
	return fe_ask(fe, FE_SET_MEM_TABLE, &table, 8 + n * sizeof(*region), fds, n);
}

static int memory_that_cannot_be(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	struct fe_mem_region two[2] = {
		{ .gpa = 0x40000000, .size = 1 << 20, .user = 0x10000000 },
		{ .gpa = 0x50000000, .size = 1 << 20, .user = 0x20000000 },
	};
	struct fe_mem_region good[2];
	int fds[2], readonly, device, twice;
	char path[32];
	struct fe_mem_table table = { .n = 1 };

	need_ok(hostile_start(arena));
	for (unsigned int i = 0; i < 2; i++) {
		fds[i] = memfd_create("memory", MFD_CLOEXEC);
		need(fds[i] >= 0 && !ftruncate(fds[i], 1 << 20));
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[0]);
	readonly = open(path, O_RDONLY | O_CLOEXEC);
	device = open("/dev/zero", O_RDWR | O_CLOEXEC);
	need(readonly >= 0 && device >= 0);
	memcpy(good, two, sizeof(two));

#define BAD(i, field, value)                          \
	do {                                          \
		memcpy(two, good, sizeof(two));       \
		two[i].field = (value);               \
		need_no(tell_table(fe, two, fds, 2)); \
	} while (0)
	BAD(1, size, 0);
	BAD(1, size, (1 << 20) + 1);
	BAD(1, size, 1ULL << 40);
	BAD(1, size, ~0ULL);
	BAD(1, mmap_offset, 4096);
	BAD(1, mmap_offset, ~0ULL);
	BAD(1, gpa, ~0ULL - 4096);
	BAD(1, user, ~0ULL - 4096);
	BAD(1, gpa, 0x40000000 + 4096);
	BAD(1, gpa, 0x40000000 - (1 << 20) + 1);
	BAD(1, user, 0x10000000);
#undef BAD
	twice = fds[1];
	fds[1] = readonly;
	need_no(tell_table(fe, good, fds, 2));
	fds[1] = device;
	need_no(tell_table(fe, good, fds, 2));
	fds[1] = fe->ring[0].kick;
	need_no(tell_table(fe, good, fds, 2));
	fds[1] = twice;
	/* More or fewer regions than files, or than there is room for in the message. */
	table.region[0] = good[0];
	need_no(fe_ask(fe, FE_SET_MEM_TABLE, &table, 40, fds, 2));
	need_no(fe_ask(fe, FE_SET_MEM_TABLE, &table, 40, NULL, 0));
	table.n = 2;
	need_no(fe_ask(fe, FE_SET_MEM_TABLE, &table, 40, fds, 2));
	table.n = 1;
	need_no(fe_ask(fe, FE_SET_MEM_TABLE, &table, 39, fds, 1));
	/* All this has changed nothing. */
	close(fds[0]);
	close(fds[1]);
	close(readonly);
	close(device);
	return exchange(arena);
}

static int memory_changes_under_running_rings(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	struct fe_mem_reg one;
	uint64_t slots = 1;

	need_ok(hostile_start(arena));
	if (exchange(arena))
		return -1;
	/* The same again: rings go on where they were. */
	need_ok(fe_tell_memory(fe));
	if (exchange(arena))
		return -1;
	for (; slots < FE_REGIONS; slots++) {
		need_ok(fe_memory(fe, 0x80000000ULL + slots * (1 << 20), 1 << 20));
		need_ok(fe_add_region(fe, slots));
	}
	if (exchange(arena))
		return -1;
	/* Exactly that region, or none. */
	one = (struct fe_mem_reg){ .region = { .gpa = fe->region[1].gpa,
					       .size = fe->region[1].size,
					       .user = (uintptr_t)fe->region[1].at } };
	one.region.size += 4096;
	need_no(fe_ask(fe, FE_REM_MEM_REG, &one, sizeof(one), NULL, 0));
	one.region.size -= 4096;
	one.region.user += 4096;
	need_no(fe_ask(fe, FE_REM_MEM_REG, &one, sizeof(one), NULL, 0));
	one.region.user -= 4096;
	/* Some front-ends send a descriptor with it. */
	need_ok(fe_ask(fe, FE_REM_MEM_REG, &one, sizeof(one), &fe->region[1].fd, 1));
	need_no(fe_ask(fe, FE_REM_MEM_REG, &one, sizeof(one), NULL, 0));
	need_no(fe_ask(fe, FE_ADD_MEM_REG, &one, sizeof(one), NULL, 0));
	need_ok(fe_add_region(fe, 1));
	need_no(fe_add_region(fe, 1));
	return exchange(arena);
}

static int as_many_regions_as_there_are_slots(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	int fd = memfd_create("memory", MFD_CLOEXEC);
	struct fe_mem_reg one = { .region = { .size = 4096 } };

	need(fd >= 0 && !ftruncate(fd, 4096));
	need_ok(hostile_start(arena));
	for (unsigned int i = 1; i < SLOTS; i++) {
		one.region.gpa = 0x80000000ULL + i * 4096;
		one.region.user = 0x1000 + i * 4096;
		need_ok(fe_ask(fe, FE_ADD_MEM_REG, &one, sizeof(one), &fd, 1));
	}
	one.region.gpa += 4096;
	one.region.user += 4096;
	need_no(fe_ask(fe, FE_ADD_MEM_REG, &one, sizeof(one), &fd, 1));
	close(fd);
	return exchange(arena);
}

static int rings_whose_memory_is_taken_away_stop_until_it_is_back(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	struct ring *tx = &fe->ring[1];
	unsigned char frame[64];
	uint16_t base;

	need_ok(hostile_start(arena));
	if (exchange(arena))
		return -1;
	need_ok(fe_remove_region(fe, 0));
	frame_make(frame, sizeof(frame), 0, 1, 1);
	need_ok(ring_send(tx, frame, sizeof(frame)));
	ring_kick(tx);
	/* Two requests later it would have been carried. */
	need_ok(fe_ping(fe));
	need_ok(fe_ping(fe));
	while (ring_get(tx, NULL) >= 0)
		;
	need(ring_out(tx) == 1);
	/* They need not be told where they are: they go on. */
	need_ok(fe_add_region(fe, 0));
	need_ok(ring_wait(tx, FE_WAIT_MS));
	if (exchange(arena))
		return -1;
	/* Nor does it harm. */
	need_ok(fe_remove_region(fe, 0));
	need_ok(fe_add_region(fe, 0));
	for (unsigned int i = 0; i < 2; i++) {
		need_ok(fe_ring_stop(fe, i, &base));
		need_ok(fe_ring_tell(fe, i, base));
	}
	return exchange(arena);
}

static int a_ring_that_is_stopped_says_where(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	uint16_t base;

	need_ok(hostile_start(arena));
	for (unsigned int i = 0; i < 5; i++)
		if (exchange(arena))
			return -1;
	need_ok(fe_ring_stop(fe, 1, &base));
	/* All that was sent was carried, so the device is where the driver is. */
	need(base == fe->ring[1].avail_idx);
	need_ok(fe_ring_stop(fe, 0, &base));
	/* Buffers that wait for frames were taken back. */
	need(base == __atomic_load_n(&fe->ring[0].used->idx, __ATOMIC_ACQUIRE));
	for (unsigned int i = 0; i < 2; i++) {
		need_ok(fe_ring_stop(fe, i, &base));
		need_ok(fe_ask_state(fe, FE_SET_VRING_BASE, i, base));
		need_ok(fe_ask_ring_fd(fe, FE_SET_VRING_KICK, i, fe->ring[i].kick));
	}
	return exchange(arena);
}

static int a_ring_that_is_disabled_rests(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	unsigned char frame[64];
	struct ring *tx = &fe->ring[1];

	need_ok(hostile_start(arena));
	need_ok(fe_ring_enable(fe, 1, false));
	frame_make(frame, sizeof(frame), 0, 1, 1);
	need_ok(ring_send(tx, frame, sizeof(frame)));
	ring_kick(tx);
	/* Two requests later it would have been carried. */
	need_ok(fe_ping(fe));
	need_ok(hostile_exchange(arena, 1, 0));
	need(tx->used_idx == __atomic_load_n(&tx->used->idx, __ATOMIC_ACQUIRE));
	need_ok(fe_ring_enable(fe, 1, true));
	need_ok(ring_wait(tx, FE_WAIT_MS));
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

static int inflight_memory(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];
	struct fe_inflight desc = { .num_queues = 2, .queue_size = 256 }, bad;
	unsigned char wire[24] = { 0 };
	int fd = -1, other = memfd_create("x", MFD_CLOEXEC);

	need_ok(hostile_start(arena));
	/* With and without the padding a compiler puts at its end. */
	for (size_t len = 20; len <= 24; len += 4) {
		memcpy(wire, &desc, 20);
		need_ok(fe_send(fe, FE_GET_INFLIGHT_FD, 0, wire, len, NULL, 0));
		need(fe_recv(fe, FE_GET_INFLIGHT_FD, wire, sizeof(wire), &fd) == (ssize_t)len);
		need(fd >= 0);
		memcpy(&bad, wire, 20);
		need(bad.num_queues == 2 && bad.queue_size == 256);
		need(bad.mmap_size >= 2 * (16 + 16 * 256) && !bad.mmap_offset);
		/* Nobody can cut it short under the port. */
		need(ftruncate(fd, 0) < 0 && errno == EPERM);
		need_ok(fe_ask(fe, FE_SET_INFLIGHT_FD, wire, len, &fd, 1));
		if (exchange(arena))
			return -1;
	}
#define BAD(field, value, with)                                                \
	do {                                                                   \
		struct fe_inflight saved = bad;                                \
		bad.field = (value);                                           \
		memcpy(wire, &bad, 20);                                        \
		need_no(fe_ask(fe, FE_SET_INFLIGHT_FD, wire, 20, &(with), 1)); \
		bad = saved;                                                   \
	} while (0)
	BAD(num_queues, 0, fd);
	BAD(num_queues, 5, fd);
	BAD(num_queues, 0xffff, fd);
	BAD(queue_size, 0, fd);
	BAD(queue_size, 1024, fd);
	BAD(queue_size, 0xffff, fd);
	BAD(mmap_size, 0, fd);
	BAD(mmap_offset, 4096, fd);
	BAD(mmap_offset, 1, fd);
	BAD(mmap_offset, ~0ULL, fd);
	BAD(mmap_size, bad.mmap_size, other); /* an empty file */
	BAD(mmap_size, bad.mmap_size, fe->ring[0].kick);
#undef BAD
	memcpy(wire, &bad, 20);
	need_no(fe_ask(fe, FE_SET_INFLIGHT_FD, wire, 20, NULL, 0));
	close(fd);
	close(other);
	return exchange(arena);
}

static int the_bulk_pair_is_taken_and_left_alone(struct arena *arena)
{
	struct fe *fe = &arena->fe[0];

	need_ok(hostile_connect(arena));
	fe->nrings = 4;
	need_ok(fe_start(fe));
	fe->nrings = 0;
	for (unsigned int i = 2; i < 4; i++) {
		ring_post(&fe->ring[i]);
		ring_kick(&fe->ring[i]);
	}
	if (exchange(arena))
		return -1;
	for (unsigned int i = 2; i < 4; i++) {
		uint16_t base = 1;

		need(!__atomic_load_n(&fe->ring[i].used->idx, __ATOMIC_ACQUIRE));
		need_ok(fe_ring_stop(fe, i, &base));
		need(base == 0);
	}
	return exchange(arena);
}

int main(void)
{
	static const struct hostile_case cases[] = {
#define CASE(name)     \
	{              \
		#name, \
		name,  \
	}
		CASE(what_is_offered),
		CASE(config_space),
		CASE(features_that_were_not_offered),
		CASE(rings_of_sizes_they_cannot_have),
		CASE(a_ring_that_runs_is_left_alone),
		CASE(ring_addresses_nowhere),
		CASE(ring_fds_that_are_something_else),
		CASE(ring_fds_exchanged_while_it_runs),
		CASE(call_fds_exchanged_under_traffic_lose_no_call),
		CASE(memory_that_cannot_be),
		CASE(memory_changes_under_running_rings),
		CASE(as_many_regions_as_there_are_slots),
		CASE(rings_whose_memory_is_taken_away_stop_until_it_is_back),
		CASE(a_ring_that_is_stopped_says_where),
		CASE(a_ring_that_is_disabled_rests),
		CASE(reset_device_and_start_again),
		CASE(reset_owner_disables_the_rings),
		CASE(who_knows_no_acknowledgement_gets_none),
		CASE(rings_are_enabled_for_who_knows_no_enabling),
		CASE(rings_of_a_legacy_driver_do_not_run),
		CASE(a_front_end_like_uml),
		CASE(the_way_back_is_a_socket_or_nothing),
		CASE(inflight_memory),
		CASE(the_bulk_pair_is_taken_and_left_alone),
	};

	return hostile_main(cases, sizeof(cases) / sizeof(cases[0]));
}
