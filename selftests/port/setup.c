// SPDX-License-Identifier: GPL-2.0-only
/* Memory and rings of a front-end, and the order in which a VMM sets them up. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "frontend.h"

/* Where the guest sees region 0: nowhere near the address we see it at. */
#define GPA_BASE 0x40000000ULL

int fe_memory(struct fe *fe, uint64_t gpa, size_t size)
{
	struct fe_region *r = &fe->region[fe->nregions];
	int fd;

	if (fe->nregions == FE_REGIONS)
		return -ENOSPC;
	fd = memfd_create("guest", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	*r = (struct fe_region){ .gpa = gpa, .size = size, .fd = fd };
	if (!ftruncate(fd, size))
		r->at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (!r->at || r->at == MAP_FAILED) {
		close(fd);
		return -ENOMEM;
	}
	fe->nregions++;
	return 0;
}

static struct fe_mem_region describe(const struct fe_region *r)
{
	return (struct fe_mem_region){
		.gpa = r->gpa,
		.size = r->size,
		.user = (uintptr_t)r->at,
		.mmap_offset = r->mmap_offset,
	};
}

int fe_tell_memory(struct fe *fe)
{
	struct fe_mem_table table = { .n = fe->nregions };
	int fds[FE_REGIONS];

	for (unsigned int i = 0; i < fe->nregions; i++) {
		table.region[i] = describe(&fe->region[i]);
		fds[i] = fe->region[i].fd;
	}
	return fe_ask(fe, FE_SET_MEM_TABLE, &table,
		      offsetof(struct fe_mem_table, region) +
			      fe->nregions * sizeof(table.region[0]),
		      fds, fe->nregions);
}

int fe_add_region(struct fe *fe, unsigned int i)
{
	struct fe_mem_reg reg = { .region = describe(&fe->region[i]) };

	return fe_ask(fe, FE_ADD_MEM_REG, &reg, sizeof(reg), &fe->region[i].fd, 1);
}

int fe_remove_region(struct fe *fe, unsigned int i)
{
	struct fe_mem_reg reg = { .region = describe(&fe->region[i]) };

	return fe_ask(fe, FE_REM_MEM_REG, &reg, sizeof(reg), NULL, 0);
}

void *fe_alloc(struct fe *fe, unsigned int i, size_t size, size_t align)
{
	struct fe_region *r = &fe->region[i];
	size_t at = (r->taken + align - 1) & ~(align - 1);

	if (at > r->size || size > r->size - at)
		return NULL;
	r->taken = at + size;
	return r->at + at;
}

uint64_t fe_gpa(const struct fe *fe, const void *at)
{
	for (unsigned int i = 0; i < fe->nregions; i++) {
		const struct fe_region *r = &fe->region[i];

		if ((const char *)at >= r->at && (const char *)at < r->at + r->size)
			return r->gpa + ((const char *)at - r->at);
	}
	abort();
}

int fe_negotiate(struct fe *fe)
{
	const uint64_t known = FE_BIT(FE_P_MQ) | FE_BIT(FE_P_REPLY_ACK) | FE_BIT(FE_P_CONFIG) |
			       FE_BIT(FE_P_INFLIGHT_SHMFD) | FE_BIT(FE_P_RESET_DEVICE) |
			       FE_BIT(FE_P_CONFIGURE_MEM_SLOTS);
	uint64_t offered;
	int err;

	err = fe_ask(fe, FE_SET_OWNER, NULL, 0, NULL, 0);
	if (!err)
		err = fe_get_u64(fe, FE_GET_FEATURES, &offered);
	if (err)
		return err;
	if (!(offered & FE_BIT(VIRTIO_F_VERSION_1)))
		return -EPROTO;
	if (offered & FE_BIT(FE_F_PROTOCOL_FEATURES)) {
		uint64_t protocol;

		err = fe_get_u64(fe, FE_GET_PROTOCOL_FEATURES, &protocol);
		if (err)
			return err;
		protocol &= known;
		if (fe->no_reply_ack)
			protocol &= ~FE_BIT(FE_P_REPLY_ACK);
		err = fe_ask_u64(fe, FE_SET_PROTOCOL_FEATURES, protocol);
		if (err)
			return err;
		fe->protocol = protocol;
	}
	fe->features = offered & ~fe->without;
	return fe_ask_u64(fe, FE_SET_FEATURES, fe->features);
}

static int make_fds(struct fe *fe, struct ring *ring)
{
	int pair[2];

	ring->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ring->err = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ring->call_theirs = -1;
	if (fe->call_sockets) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair))
			return -errno;
		ring->call = pair[0];
		ring->call_theirs = pair[1];
	} else {
		ring->call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	}
	return ring->kick < 0 || ring->err < 0 || ring->call < 0 ? -errno : 0;
}

int fe_ring_make(struct fe *fe, unsigned int i, unsigned int num)
{
	struct ring *ring = &fe->ring[i];

	ring->fe = fe;
	ring->index = i;
	ring->num = num;
	ring->event_idx = fe->features & FE_BIT(VIRTIO_RING_F_EVENT_IDX);
	ring->slot_size = fe->slot_size;
	ring->desc = fe_alloc(fe, 0, num * sizeof(*ring->desc), 16);
	ring->avail = fe_alloc(fe, 0, sizeof(*ring->avail) + (num + 1) * 2, 2);
	ring->used = fe_alloc(fe, 0, sizeof(*ring->used) + num * sizeof(*ring->used->ring) + 2, 4);
	ring->slots = fe_alloc(fe, 0, (size_t)num * fe->slot_size, 4096);
	if (!ring->desc || !ring->avail || !ring->used || !ring->slots)
		return -ENOMEM;
	ring_reset(ring);
	return make_fds(fe, ring);
}

int fe_ring_tell(struct fe *fe, unsigned int i, uint16_t base)
{
	struct ring *ring = &fe->ring[i];
	struct fe_vring_addr addr = {
		.index = i,
		.desc = (uintptr_t)ring->desc,
		.used = (uintptr_t)ring->used,
		.avail = (uintptr_t)ring->avail,
	};
	int err;

	err = fe_ask_state(fe, FE_SET_VRING_NUM, i, ring->num);
	if (!err)
		err = fe_ask(fe, FE_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
	if (!err)
		err = fe_ask_state(fe, FE_SET_VRING_BASE, i, base);
	if (!err)
		err = fe_ask_ring_fd(fe, FE_SET_VRING_ERR, i, ring->err);
	if (!err)
		err = fe_ask_ring_fd(fe, FE_SET_VRING_CALL, i,
				     ring->call_theirs >= 0 ? ring->call_theirs : ring->call);
	if (!err)
		err = fe_ask_ring_fd(fe, FE_SET_VRING_KICK, i, ring->kick);
	/* The peer of a socket must be gone when the port closes its own. */
	if (!err && ring->call_theirs >= 0) {
		close(ring->call_theirs);
		ring->call_theirs = -1;
	}
	return err;
}

int fe_ring_enable(struct fe *fe, unsigned int i, bool on)
{
	return fe_ask_state(fe, FE_SET_VRING_ENABLE, i, on);
}

int fe_ring_stop(struct fe *fe, unsigned int i, uint16_t *base)
{
	struct fe_vring_state state = { .index = i };
	int err = fe_send(fe, FE_GET_VRING_BASE, 0, &state, sizeof(state), NULL, 0);
	ssize_t n;

	if (err)
		return err;
	n = fe_recv(fe, FE_GET_VRING_BASE, &state, sizeof(state), NULL);
	if (n < 0)
		return n;
	if (n != sizeof(state) || state.index != i || state.num > 0xffff)
		return -EPROTO;
	*base = state.num;
	return 0;
}

int fe_start(struct fe *fe)
{
	int err;

	fe->num = fe->num ? fe->num : 256;
	fe->nrings = fe->nrings ? fe->nrings : 2;
	fe->slot_size = fe->slot_size ? fe->slot_size : 4096;
	fe->memory = fe->memory ? fe->memory : 16 << 20;

	err = fe_negotiate(fe);
	if (!err)
		err = fe_memory(fe, GPA_BASE, fe->memory);
	if (!err)
		err = fe_tell_memory(fe);
	for (unsigned int i = 0; i < fe->nrings && !err; i++) {
		err = fe_ring_make(fe, i, fe->num);
		if (!err)
			err = fe_ring_tell(fe, i, 0);
	}
	for (unsigned int i = 0; i < fe->nrings && !err; i++)
		err = fe_ring_enable(fe, i, true);
	if (err)
		return err;
	ring_post(&fe->ring[0]);
	ring_kick(&fe->ring[0]);
	return 0;
}
