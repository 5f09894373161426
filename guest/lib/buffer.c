// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Buffers. Programs speak of addresses, the kernel of handles and offsets: this
 * file knows both. There are few buffers, so a walk finds them.
 */
#include <errno.h>
#include <stdlib.h>
#include "lib.h"

/* Into the list. Only after this can operations find it. */
static int publish(struct vmesh_buf *b)
{
	struct vmesh *m = b->mesh;
	int err = -EMFILE;

	pthread_rwlock_wrlock(&m->bufs_lock);
	if (m->nbufs < VIRTMESH_BUFS_MAX) {
		m->bufs[m->nbufs++] = b;
		err = 0;
	}
	pthread_rwlock_unlock(&m->bufs_lock);
	return err;
}

static void unpublish(struct vmesh_buf *b)
{
	struct vmesh *m = b->mesh;
	unsigned int i;

	pthread_rwlock_wrlock(&m->bufs_lock);
	for (i = 0; i < m->nbufs; i++)
		if (m->bufs[i] == b)
			m->bufs[i] = m->bufs[--m->nbufs];
	pthread_rwlock_unlock(&m->bufs_lock);
}

static void release(struct vmesh_buf *b)
{
	struct virtmesh_buf_free arg = { .handle = b->handle };

	/* When the file is closed already, the kernel has let go of it. */
	if (b->mesh->fd >= 0)
		b->mesh->ops->ioctl(b->mesh->fd, VIRTMESH_IOC_BUF_FREE, &arg);
	if (b->mapped)
		b->mesh->ops->munmap(b->addr, b->mapped);
	free(b);
}

int vmesh_buf_alloc(struct vmesh *m, size_t size, struct vmesh_buf **buf)
{
	struct virtmesh_buf_alloc arg = { .size = size };
	struct vmesh_buf *b;
	int err;

	*buf = NULL;
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	err = m->ops->ioctl(m->fd, VIRTMESH_IOC_BUF_ALLOC, &arg);
	if (err) {
		free(b);
		return err;
	}
	b->mesh = m;
	b->handle = arg.handle;
	b->size = size;
	b->addr = m->ops->mmap(m->fd, arg.size, arg.offset);
	if (b->addr)
		b->mapped = arg.size;
	err = b->addr ? publish(b) : -ENOMEM;
	if (err) {
		release(b);
		return err;
	}
	*buf = b;
	return 0;
}

int vmesh_buf_register(struct vmesh *m, void *addr, size_t size, struct vmesh_buf **buf)
{
	struct virtmesh_buf_register arg = { .addr = (uintptr_t)addr, .size = size };
	struct vmesh_buf *b;
	int err;

	*buf = NULL;
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	err = m->ops->ioctl(m->fd, VIRTMESH_IOC_BUF_REGISTER, &arg);
	if (err) {
		free(b);
		return err;
	}
	b->mesh = m;
	b->handle = arg.handle;
	b->addr = addr;
	b->size = size;
	err = publish(b);
	if (err) {
		release(b);
		return err;
	}
	*buf = b;
	return 0;
}

void vmesh_buf_free(struct vmesh_buf *b)
{
	if (!b)
		return;
	unpublish(b);
	release(b);
}

void *vmesh_buf_addr(const struct vmesh_buf *b)
{
	return b->addr;
}

size_t vmesh_buf_size(const struct vmesh_buf *b)
{
	return b->size;
}

int vmesh_buf_find(struct vmesh *m, const void *p, size_t len, __u32 *handle, __u64 *offset)
{
	uintptr_t addr = (uintptr_t)p;
	int err = -EFAULT;
	unsigned int i;

	*handle = 0;
	*offset = 0;
	if (!len)
		return 0;
	pthread_rwlock_rdlock(&m->bufs_lock);
	for (i = 0; i < m->nbufs; i++) {
		const struct vmesh_buf *b = m->bufs[i];
		uintptr_t start = (uintptr_t)b->addr;

		/* The same memory may be registered twice: one that has all of it. */
		if (addr >= start && addr - start < b->size && len <= b->size - (addr - start)) {
			*handle = b->handle;
			*offset = addr - start;
			err = 0;
			break;
		}
	}
	pthread_rwlock_unlock(&m->bufs_lock);
	return err;
}
