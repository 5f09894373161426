// SPDX-License-Identifier: GPL-2.0-only
/*
 * A number is looked up and its object's reference taken under the array's lock;
 * whoever takes the entry out drops the array's own reference afterwards. So a call
 * in one thread and a BUF_FREE or GROUP_LEAVE in another never meet a freed object,
 * and of two that free at once one gets ENOENT.
 */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <uapi/linux/virtmesh.h>

#include "buffer.h"
#include "group.h"
#include "handles.h"
#include "mesh.h"

/* A buffer's place in the file: each has a gigabyte of offsets to itself. */
#define VMESH_MMAP_SHIFT 30
static_assert(VIRTMESH_BUF_MAX_BYTES == 1ULL << VMESH_MMAP_SHIFT);

void vmesh_handles_init(struct vmesh_handles *h)
{
	xa_init_flags(&h->buffers, XA_FLAGS_ALLOC1);
	xa_init_flags(&h->groups, XA_FLAGS_ALLOC1);
}

void vmesh_handles_leave(struct vmesh_handles *h)
{
	struct vmesh_group *g;
	unsigned long i;

	xa_for_each(&h->groups, i, g)
		if (!vmesh_group_leave_begin(g))
			vmesh_handles_drop(h, i, g);
	xa_for_each(&h->groups, i, g)
		vmesh_handles_drop(h, i, g);
}

void vmesh_handles_free(struct vmesh_handles *h)
{
	struct vmesh_buffer *b;
	unsigned long i;

	xa_for_each(&h->buffers, i, b)
		vmesh_buffer_put(b);
	xa_destroy(&h->buffers);
	xa_destroy(&h->groups);
}

/* Buffers. */

struct vmesh_buffer *vmesh_handles_buffer(struct vmesh_handles *h, u32 handle)
{
	struct vmesh_buffer *b;

	xa_lock(&h->buffers);
	b = xa_load(&h->buffers, handle);
	if (b)
		vmesh_buffer_get(b);
	xa_unlock(&h->buffers);
	return b;
}

/* Takes the caller's reference, whatever it returns. */
static int vmesh_handles_add_buffer(struct vmesh_handles *h, struct vmesh_buffer *b, u32 *handle)
{
	int err = xa_alloc_cyclic(&h->buffers, handle, b, XA_LIMIT(1, VIRTMESH_BUFS_MAX),
				  &h->next_buffer, GFP_KERNEL_ACCOUNT);

	if (err >= 0)
		return 0;
	vmesh_buffer_put(b);
	return err == -EBUSY ? -EMFILE : err;
}

int vmesh_buf_alloc(struct vmesh_file *f, struct virtmesh_buf_alloc *arg)
{
	struct vmesh_buffer *b;
	u64 size;
	int err;

	if (arg->flags)
		return -EINVAL;
	b = vmesh_buffer_alloc(arg->size);
	if (IS_ERR(b))
		return PTR_ERR(b);
	size = b->size;
	err = vmesh_handles_add_buffer(&f->handles, b, &arg->handle);
	if (err)
		return err;
	arg->size = size;
	arg->offset = (u64)arg->handle << VMESH_MMAP_SHIFT;
	return 0;
}

int vmesh_buf_register(struct vmesh_file *f, struct virtmesh_buf_register *arg)
{
	struct vmesh_buffer *b;

	if (arg->flags)
		return -EINVAL;
	b = vmesh_buffer_register(arg->addr, arg->size);
	if (IS_ERR(b))
		return PTR_ERR(b);
	return vmesh_handles_add_buffer(&f->handles, b, &arg->handle);
}

int vmesh_buf_free(struct vmesh_file *f, struct virtmesh_buf_free *arg)
{
	struct vmesh_buffer *b;

	if (arg->reserved)
		return -EINVAL;
	b = xa_erase(&f->handles.buffers, arg->handle);
	if (!b)
		return -ENOENT;
	vmesh_buffer_put(b);
	return 0;
}

int vmesh_buf_mmap(struct vmesh_file *f, struct vm_area_struct *vma)
{
	const unsigned int shift = VMESH_MMAP_SHIFT - PAGE_SHIFT;
	unsigned long handle = vma->vm_pgoff >> shift;
	struct vmesh_buffer *b;
	int err;

	if (vma->vm_pgoff != handle << shift || handle > VIRTMESH_BUFS_MAX)
		return -EINVAL;
	b = vmesh_handles_buffer(&f->handles, handle);
	if (!b)
		return -EINVAL;
	err = vmesh_buffer_mmap(b, vma);
	vmesh_buffer_put(b);
	return err;
}

/* Groups. */

struct vmesh_group *vmesh_handles_group(struct vmesh_handles *h, u32 handle)
{
	struct vmesh_group *g;

	xa_lock(&h->groups);
	g = xa_load(&h->groups, handle);
	if (g)
		vmesh_group_get(g);
	xa_unlock(&h->groups);
	return g;
}

void vmesh_handles_drop(struct vmesh_handles *h, u32 handle, struct vmesh_group *g)
{
	if (xa_cmpxchg(&h->groups, handle, g, NULL, 0) != g)
		return;
	vmesh_group_leave(g);
	vmesh_group_put(g);
}

void vmesh_handles_leave_begun(struct vmesh_handles *h)
{
	struct vmesh_group *g;
	unsigned long i;

	xa_for_each(&h->groups, i, g) {
		/* Another thread may drop it meanwhile. */
		g = vmesh_handles_group(h, i);
		if (!g)
			continue;
		if (vmesh_group_leaves(g))
			vmesh_handles_drop(h, i, g);
		vmesh_group_put(g);
	}
}

int vmesh_ioc_group_create(struct vmesh_file *f, struct virtmesh_group_create *arg)
{
	struct vmesh_handles *h = &f->handles;
	u16 nodes[VIRTMESH_RANKS_MAX];
	struct vmesh_group *g;
	int err;

	if (arg->flags || !arg->count || arg->count > VIRTMESH_RANKS_MAX)
		return -EINVAL;
	if (copy_from_user(nodes, u64_to_user_ptr(arg->nodes), arg->count * sizeof(*nodes)))
		return -EFAULT;
	err = vmesh_ops_prepare(&f->ops);
	if (err)
		return err;
	g = vmesh_group_create(f->m, arg->id, nodes, arg->count);
	if (IS_ERR(g))
		return PTR_ERR(g);
	arg->rank = vmesh_group_rank(g);
	err = xa_alloc_cyclic(&h->groups, &arg->group, g, XA_LIMIT(1, S32_MAX), &h->next_group,
			      GFP_KERNEL_ACCOUNT);
	if (err >= 0)
		return 0;
	vmesh_group_leave(g);
	vmesh_group_put(g);
	return err == -EBUSY ? -EMFILE : err;
}

int vmesh_ioc_group_form(struct vmesh_file *f, struct virtmesh_group_form *arg)
{
	struct vmesh_group *g;
	int err;

	if (arg->reserved || arg->flags & ~VIRTMESH_FORM_SURVIVORS || !arg->timeout_ns ||
	    arg->timeout_ns > VIRTMESH_TIMEOUT_MAX_NS)
		return -EINVAL;
	g = vmesh_handles_group(&f->handles, arg->group);
	if (!g)
		return -ENOENT;
	err = vmesh_group_form(g, arg);
	vmesh_group_put(g);
	return err;
}

int vmesh_ioc_group_leave(struct vmesh_file *f, struct virtmesh_group_leave *arg)
{
	struct vmesh_group *g;

	if (arg->reserved)
		return -EINVAL;
	g = xa_erase(&f->handles.groups, arg->group);
	if (!g)
		return -ENOENT;
	vmesh_group_leave(g);
	vmesh_group_put(g);
	return 0;
}

int vmesh_ioc_group_info(struct vmesh_file *f, struct virtmesh_group_info *arg)
{
	unsigned int room = min_t(u32, arg->count, VIRTMESH_RANKS_MAX);
	struct virtmesh_rank *ranks;
	struct vmesh_group *g;
	int err = 0;

	if (arg->reserved)
		return -EINVAL;
	g = vmesh_handles_group(&f->handles, arg->group);
	if (!g)
		return -ENOENT;
	room = min_t(unsigned int, room, vmesh_group_count(g));
	ranks = kcalloc(room, sizeof(*ranks), GFP_KERNEL);
	if (!ranks) {
		err = -ENOMEM;
		goto out;
	}
	vmesh_group_info(g, arg, ranks, room);
	arg->count = vmesh_group_count(g);
	if (copy_to_user(u64_to_user_ptr(arg->ranks), ranks, room * sizeof(*ranks)))
		err = -EFAULT;
	kfree(ranks);
out:
	vmesh_group_put(g);
	return err;
}
