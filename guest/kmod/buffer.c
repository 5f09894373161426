// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * The transport copies between frames and buffers in softirq, for any process or
 * none. So a buffer's pages stay where they are, and all of it lies at one kernel
 * address: vmalloc() memory, which programs may map too, or pinned pages of a
 * program, mapped once more.
 *
 * Of the driver's memory the kernel has huge mappings, programs have small ones: what
 * a driver can insert as huge (vmf_insert_pfn_pmd()) is special, and nobody pins pages
 * of it, so no O_DIRECT and no io_uring could read into a buffer. Who wants huge pages
 * of his own registers them.
 *
 * Either kind is memory that nobody can page out. It counts against its maker's
 * RLIMIT_MEMLOCK, in the sum that the kernel keeps for each user and which io_uring
 * and AF_XDP add to: not in mm->locked_vm, whose lock is held where a mapping ends,
 * and with it perhaps the buffer.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <uapi/linux/virtmesh.h>

#include "buffer.h"
#include "compat.h"

/* Pages to pin, or to map, between two looks whether others want the CPU. */
#define VMESH_PIN_BATCH 2048
#define VMESH_MAP_BATCH 64

static int vmesh_buffer_account(struct vmesh_buffer *b)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	long locked;

	b->user = get_uid(current_user());
	locked = atomic_long_add_return(b->count, &b->user->locked_vm);
	if (locked <= limit || capable(CAP_IPC_LOCK))
		return 0;
	atomic_long_sub(b->count, &b->user->locked_vm);
	free_uid(b->user);
	return -ENOMEM;
}

static void vmesh_buffer_unaccount(struct vmesh_buffer *b)
{
	atomic_long_sub(b->count, &b->user->locked_vm);
	free_uid(b->user);
}

/* One of @count pages that belongs to nobody yet. */
static struct vmesh_buffer *vmesh_buffer_new(u64 size, unsigned long count)
{
	struct vmesh_buffer *b = kzalloc(sizeof(*b), GFP_KERNEL_ACCOUNT);
	int err;

	if (!b)
		return ERR_PTR(-ENOMEM);
	kref_init(&b->ref);
	b->size = size;
	b->count = count;
	err = vmesh_buffer_account(b);
	if (err) {
		kfree(b);
		return ERR_PTR(err);
	}
	return b;
}

struct vmesh_buffer *vmesh_buffer_alloc(u64 size)
{
	const gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN;
	struct vmesh_buffer *b;

	if (!size || size > VIRTMESH_BUF_MAX_BYTES)
		return ERR_PTR(-EINVAL);
	size = PAGE_ALIGN(size);
	b = vmesh_buffer_new(size, size >> PAGE_SHIFT);
	if (IS_ERR(b))
		return b;
	/* Huge pages when they are there; no compaction, and nobody killed, for them. */
	b->data = vmalloc_huge(size, gfp | __GFP_NORETRY);
	if (!b->data)
		b->data = __vmalloc(size, gfp | __GFP_RETRY_MAYFAIL);
	if (!b->data) {
		vmesh_buffer_unaccount(b);
		kfree(b);
		return ERR_PTR(fatal_signal_pending(current) ? -EINTR : -ENOMEM);
	}
	return b;
}

/* Pin b->count pages from @addr on. All or none. */
static int vmesh_buffer_pin(struct vmesh_buffer *b, unsigned long addr)
{
	unsigned long n = 0;
	int got;

	while (n < b->count) {
		if (fatal_signal_pending(current)) {
			got = -EINTR;
			goto unpin;
		}
		got = pin_user_pages_fast(addr + (n << PAGE_SHIFT),
					  min_t(unsigned long, b->count - n, VMESH_PIN_BATCH),
					  FOLL_WRITE | FOLL_LONGTERM, b->pages + n);
		if (got <= 0) {
			got = got == -ENOMEM || got == -EINTR ? got : -EFAULT;
			goto unpin;
		}
		n += got;
		cond_resched();
	}
	return 0;
unpin:
	unpin_user_pages(b->pages, n);
	return got;
}

struct vmesh_buffer *vmesh_buffer_register(u64 addr, u64 size)
{
	unsigned long start = addr & PAGE_MASK;
	struct vmesh_buffer *b;
	u64 end;
	void *map;
	int err;

	if (!size || size > VIRTMESH_BUF_MAX_BYTES)
		return ERR_PTR(-EINVAL);
	if (check_add_overflow(addr, size, &end) || end > ULONG_MAX - PAGE_SIZE)
		return ERR_PTR(-EFAULT);

	b = vmesh_buffer_new(size, (PAGE_ALIGN(end) - start) >> PAGE_SHIFT);
	if (IS_ERR(b))
		return b;
	err = -ENOMEM;
	b->pages = kvmalloc_array(b->count, sizeof(*b->pages), GFP_KERNEL_ACCOUNT);
	if (!b->pages)
		goto err_buffer;
	err = vmesh_buffer_pin(b, start);
	if (err)
		goto err_pages;
	map = vmap(b->pages, b->count, VM_MAP, PAGE_KERNEL);
	if (!map) {
		err = -ENOMEM;
		goto err_pins;
	}
	b->data = map + (addr - start);
	return b;

err_pins:
	unpin_user_pages(b->pages, b->count);
err_pages:
	kvfree(b->pages);
err_buffer:
	vmesh_buffer_unaccount(b);
	kfree(b);
	return ERR_PTR(err);
}

static void vmesh_buffer_release(struct kref *ref)
{
	struct vmesh_buffer *b = container_of(ref, struct vmesh_buffer, ref);

	if (b->pages) {
		vunmap((void *)((unsigned long)b->data & PAGE_MASK));
		unpin_user_pages_dirty_lock(b->pages, b->count, true);
		kvfree(b->pages);
	} else {
		vfree(b->data);
	}
	vmesh_buffer_unaccount(b);
	kfree(b);
}

void vmesh_buffer_get(struct vmesh_buffer *b)
{
	kref_get(&b->ref);
}

void vmesh_buffer_put(struct vmesh_buffer *b)
{
	might_sleep();
	kref_put(&b->ref, vmesh_buffer_release);
}

static void vmesh_vm_open(struct vm_area_struct *vma)
{
	vmesh_buffer_get(vma->vm_private_data);
}

static void vmesh_vm_close(struct vm_area_struct *vma)
{
	vmesh_buffer_put(vma->vm_private_data);
}

/* All was mapped at once; this is for what madvise() has taken out again. */
static vm_fault_t vmesh_vm_fault(struct vm_fault *vmf)
{
	struct vmesh_buffer *b = vmf->vma->vm_private_data;
	u64 at = (u64)vmf->pgoff << PAGE_SHIFT;

	if (at >= b->size)
		return VM_FAULT_SIGBUS;
	vmf->page = vmalloc_to_page(b->data + at);
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct vmesh_vm_ops = {
	.open = vmesh_vm_open,
	.close = vmesh_vm_close,
	.fault = vmesh_vm_fault,
};

int vmesh_buffer_mmap(struct vmesh_buffer *b, struct vm_area_struct *vma)
{
	struct page *pages[VMESH_MAP_BATCH];
	unsigned long at, i, n, left;
	int err;

	if (b->pages || !(vma->vm_flags & VM_SHARED) || vma->vm_end - vma->vm_start != b->size)
		return -EINVAL;
	vma->vm_pgoff = 0; /* from now on the page of the buffer */
	vmesh_vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	for (at = 0; at < b->size; at += n << PAGE_SHIFT) {
		n = min_t(unsigned long, VMESH_MAP_BATCH, (b->size - at) >> PAGE_SHIFT);
		for (i = 0; i < n; i++)
			pages[i] = vmalloc_to_page(b->data + at + (i << PAGE_SHIFT));
		left = n;
		err = vm_insert_pages(vma, vma->vm_start + at, pages, &left);
		if (err)
			return err;
		cond_resched();
	}
	vma->vm_ops = &vmesh_vm_ops;
	vma->vm_private_data = b;
	vmesh_buffer_get(b);
	return 0;
}
