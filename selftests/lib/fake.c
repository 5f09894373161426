// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver's side of the fake: the seam, its lock and clock, files and buffers,
 * and what the tests ask for. Groups are fake_group.c's, operations fake_op.c's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include "fake.h"
#include "fake_state.h"

#define PAGE 4096

struct fake fake = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
};

uint64_t fake_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return VMESH_S(ts.tv_sec) + ts.tv_nsec;
}

bool fake_wait(uint64_t deadline_ns)
{
	struct timespec ts = {
		.tv_sec = deadline_ns / VMESH_S(1),
		.tv_nsec = deadline_ns % VMESH_S(1),
	};

	return pthread_cond_timedwait(&fake.changed, &fake.lock, &ts) != ETIMEDOUT;
}

static int fake_open(const char *device)
{
	int fd;

	if (atoi(device) <= 0)
		return -ENOENT;
	pthread_mutex_lock(&fake.lock);
	for (fd = 0; fd < FILES && fake.files[fd].used; fd++)
		;
	if (fd < FILES) {
		memset(&fake.files[fd], 0, sizeof(fake.files[fd]));
		fake.files[fd].used = true;
		fake.files[fd].node = atoi(device);
	}
	pthread_mutex_unlock(&fake.lock);
	return fd < FILES ? fd : -EMFILE;
}

static void fake_close(int fd)
{
	struct file *f = &fake.files[fd];
	unsigned int i;

	pthread_mutex_lock(&fake.lock);
	for (i = 0; i < GROUPS; i++)
		if (fake.groups[i].used && fake.groups[i].fd == fd)
			fake_leave(&fake.groups[i]);
	memset(f->buf, 0, sizeof(f->buf));
	f->used = false;
	pthread_mutex_unlock(&fake.lock);
}

static void *fake_mmap(int fd, size_t size, uint64_t offset)
{
	char *mem = fake.files[fd].buf[offset / PAGE].mem;

	return fake.files[fd].buf[offset / PAGE].size == size ? mem : NULL;
}

static void fake_munmap(void *addr, size_t size)
{
	munmap(addr, size);
}

static int new_buffer(struct file *f, char *mem, size_t size, bool own)
{
	unsigned int h;

	if (!size || size > VIRTMESH_BUF_MAX_BYTES)
		return -EINVAL;
	for (h = 1; h <= VIRTMESH_BUFS_MAX && f->buf[h].size; h++)
		;
	if (h > VIRTMESH_BUFS_MAX)
		return -EMFILE;
	if (own) {
		size = (size + PAGE - 1) / PAGE * PAGE;
		mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	}
	f->buf[h].mem = mem;
	f->buf[h].size = size;
	f->buf[h].own = own;
	return h;
}

static int buffer(struct file *f, unsigned long request, void *arg)
{
	struct virtmesh_buf_register *reg = arg;
	struct virtmesh_buf_alloc *alloc = arg;
	struct virtmesh_buf_free *free = arg;
	int h;

	switch (request) {
	case VIRTMESH_IOC_BUF_ALLOC:
		h = new_buffer(f, NULL, alloc->size, true);
		if (h < 0)
			return h;
		alloc->handle = h;
		alloc->size = f->buf[h].size;
		alloc->offset = (uint64_t)h * PAGE;
		return 0;
	case VIRTMESH_IOC_BUF_REGISTER:
		h = new_buffer(f, (char *)(uintptr_t)reg->addr, reg->size, false);
		reg->handle = h;
		return h < 0 ? h : 0;
	default:
		if (!free->handle || free->handle > VIRTMESH_BUFS_MAX || !f->buf[free->handle].size)
			return -ENOENT;
		f->buf[free->handle].size = 0;
		return 0;
	}
}

static int answer(int fd, unsigned long request, void *arg)
{
	switch (request) {
	case VIRTMESH_IOC_INFO:
		*(struct virtmesh_info *)arg = (struct virtmesh_info){
			.abi = VIRTMESH_ABI,
			.ensemble = 7,
			.node = fake.files[fd].node,
			.state = VIRTMESH_LINK_JOINED,
			.control_max = 64,
			.netdev = "mesh0",
			.version = "fake",
		};
		return 0;
	case VIRTMESH_IOC_BUF_ALLOC:
	case VIRTMESH_IOC_BUF_REGISTER:
	case VIRTMESH_IOC_BUF_FREE:
		return buffer(&fake.files[fd], request, arg);
	case VIRTMESH_IOC_GROUP_CREATE:
	case VIRTMESH_IOC_GROUP_FORM:
	case VIRTMESH_IOC_GROUP_LEAVE:
	case VIRTMESH_IOC_GROUP_INFO:
	case VIRTMESH_IOC_CONTROL_SEND:
	case VIRTMESH_IOC_CONTROL_RECV:
		return fake_group_call(fd, request, arg);
	case VIRTMESH_IOC_SUBMIT:
		return fake_submit(fd, arg);
	default:
		return -ENOTTY;
	}
}

static int fake_ioctl(int fd, unsigned long request, void *arg)
{
	int err;

	pthread_mutex_lock(&fake.lock);
	err = fd >= 0 && fd < FILES && fake.files[fd].used ? answer(fd, request, arg) : -EBADF;
	pthread_mutex_unlock(&fake.lock);
	return err;
}

const struct vmesh_ops fake_ops = {
	.open = fake_open,
	.close = fake_close,
	.ioctl = fake_ioctl,
	.mmap = fake_mmap,
	.munmap = fake_munmap,
};

void fake_reset(void)
{
	memset(fake.files, 0, sizeof(fake.files));
	memset(fake.groups, 0, sizeof(fake.groups));
	fake.interrupts = 0;
	fake.submits = fake.messages = 0;
	fake.refuse_opcode = 0;
}

void fake_interrupt(unsigned int waits)
{
	pthread_mutex_lock(&fake.lock);
	fake.interrupts = waits;
	pthread_mutex_unlock(&fake.lock);
}

void fake_refuse(int opcode, int err)
{
	pthread_mutex_lock(&fake.lock);
	fake.refuse_opcode = opcode;
	fake.refuse_err = err;
	pthread_mutex_unlock(&fake.lock);
}

unsigned int fake_submits(void)
{
	return fake.submits;
}

unsigned int fake_buffers(void)
{
	unsigned int fd, h, n = 0;

	for (fd = 0; fd < FILES; fd++)
		for (h = 1; h <= VIRTMESH_BUFS_MAX; h++)
			n += fake.files[fd].used && fake.files[fd].buf[h].size;
	return n;
}
