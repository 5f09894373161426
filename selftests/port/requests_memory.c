// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests for memory, in their good form and in those that must be refused and
 * change nothing: the table, regions one by one, in-flight memory, and rings whose
 * memory goes and comes back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "requests.h"

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

int main(void)
{
	static const struct hostile_case cases[] = {
		CASE(memory_that_cannot_be),
		CASE(memory_changes_under_running_rings),
		CASE(as_many_regions_as_there_are_slots),
		CASE(rings_whose_memory_is_taken_away_stop_until_it_is_back),
		CASE(inflight_memory),
	};

	return hostile_main(cases, sizeof(cases) / sizeof(cases[0]));
}
