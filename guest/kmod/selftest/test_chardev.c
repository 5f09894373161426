// SPDX-License-Identifier: GPL-2.0-only
/* chardev.c: what its calls may keep from others while a program keeps them, or sleep for. */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/sched/mm.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "chardev.h"
#include "control.h"
#include "fake_group.h"

/* The memory of whoever runs the tests, which run in threads of the kernel's. */
static struct mm_struct *program;

/* A program's memory whose every page asks, when it is first touched, who is kept out by that. */
struct slow {
	struct vmesh *m;
	unsigned int faults;
	unsigned int locked; /* of these, with state_lock held all the time */
};

static vm_fault_t slow_fault(struct vm_fault *vmf)
{
	struct slow *s = vmf->vma->vm_private_data;

	s->faults++;
	if (FAKE_UNTIL(mutex_trylock(&s->m->state_lock)))
		mutex_unlock(&s->m->state_lock);
	else
		s->locked++;
	vmf->page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	return vmf->page ? 0 : VM_FAULT_OOM;
}

static const struct vm_operations_struct slow_vm_ops = {
	.fault = slow_fault,
};

static int slow_mmap(struct file *file, struct vm_area_struct *vma)
{
	vma->vm_ops = &slow_vm_ops;
	vma->vm_private_data = file->private_data;
	return 0;
}

static const struct file_operations slow_fops = {
	.mmap = slow_mmap,
};

/* In memory of two pages at @at, of a program. No assertion: its thread may not just end. */
static void peers_into(struct kunit *test, struct slow *s, struct file *file, unsigned long at)
{
	struct virtmesh_peers __user *arg = (struct virtmesh_peers __user *)at;
	struct virtmesh_peers req = { .peers = at + PAGE_SIZE, .count = 2 };
	struct virtmesh_peer peers[3] = {};

	KUNIT_EXPECT_EQ(test, copy_to_user(arg, &req, sizeof(req)), 0UL);
	KUNIT_EXPECT_EQ(test, s->faults, 1);
	KUNIT_EXPECT_EQ(test, s->m->misc.fops->unlocked_ioctl(file, VIRTMESH_IOC_PEERS, at), 0L);
	KUNIT_EXPECT_EQ(test, s->faults, 2);
	KUNIT_EXPECT_EQ(test, s->locked, 0);

	KUNIT_EXPECT_EQ(test, copy_from_user(&req, arg, sizeof(req)), 0UL);
	KUNIT_EXPECT_EQ(test, copy_from_user(peers, u64_to_user_ptr(req.peers), sizeof(peers)),
			0UL);
	KUNIT_EXPECT_EQ_MSG(test, req.count, 3, "as many as there are");
	KUNIT_EXPECT_EQ(test, req.epoch, FAKE_EPOCH);
	KUNIT_EXPECT_EQ(test, peers[0].node, 1);
	KUNIT_EXPECT_EQ(test, peers[1].node, 2);
	KUNIT_EXPECT_EQ_MSG(test, peers[2].node, 0, "behind the room");
}

/* A fault may sleep for as long as FUSE, NFS or userfaultfd like: not with state_lock. */
static void peers_into_slow_memory(struct kunit *test)
{
	struct file *memory, *file;
	unsigned long at;
	struct slow s = {};

	if (!program)
		kunit_skip(test, "no program runs the tests");
	fake_join(test);
	s.m = fake_mesh(test->priv);
	file = kunit_kzalloc(test, sizeof(*file), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, file);
	file->private_data = vmesh_file_open(s.m);
	KUNIT_ASSERT_NOT_NULL(test, file->private_data);
	memory = anon_inode_getfile("virtmesh-slow", &slow_fops, &s, O_RDWR);
	KUNIT_ASSERT_FALSE(test, IS_ERR(memory));

	kthread_use_mm(program);
	at = vm_mmap(memory, 0, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
	KUNIT_EXPECT_FALSE(test, IS_ERR_VALUE(at));
	if (!IS_ERR_VALUE(at)) {
		peers_into(test, &s, file, at);
		vm_munmap(at, 2 * PAGE_SIZE);
	}
	kthread_unuse_mm(program);
	fput(memory);
	vmesh_file_close(file->private_data);
}

/* Calls that must not sleep on a file that may, in a thread of their own. */
struct nowait {
	const struct file_operations *fops;
	struct file *file;
	ssize_t read, wrote;
	struct completion done;
};

static int nowait_thread(void *arg)
{
	struct virtmesh_dgram head = { .node = 3, .channel = 9 };
	struct kvec kv = { &head, sizeof(head) };
	struct nowait *n = arg;
	struct kiocb iocb = { .ki_filp = n->file, .ki_flags = IOCB_NOWAIT };
	struct iov_iter iter;

	iov_iter_kvec(&iter, ITER_SOURCE, &kv, 1, sizeof(head));
	n->wrote = n->fops->write_iter(&iocb, &iter);
	iov_iter_kvec(&iter, ITER_DEST, &kv, 1, sizeof(head));
	n->read = n->fops->read_iter(&iocb, &iter);
	complete(&n->done);
	return 0;
}

/* io_uring's first try holds a lock that whoever would wake it may need. */
static void does_not_sleep_for_io_uring(struct kunit *test)
{
	struct virtmesh_bind bind = { .channel = 5 };
	struct fake *f = test->priv;
	struct nowait *n;

	fake_join(test);
	n = kunit_kzalloc(test, sizeof(*n), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, n);
	n->file = kunit_kzalloc(test, sizeof(*n->file), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, n->file);
	n->file->private_data = vmesh_file_open(fake_mesh(f));
	KUNIT_ASSERT_NOT_NULL(test, n->file->private_data);
	KUNIT_ASSERT_EQ(test, vmesh_file_bind(n->file->private_data, &bind), 0);
	n->fops = fake_mesh(f)->misc.fops;
	init_completion(&n->done);
	fake_fill(test);

	KUNIT_ASSERT_FALSE(test, IS_ERR(kthread_run(nowait_thread, n, "virtmesh-nowait")));
	if (!wait_for_completion_timeout(&n->done, 20 * HZ)) {
		KUNIT_FAIL(test, "it sleeps");
		fake_unbind(f);
		wait_for_completion(&n->done);
	}
	KUNIT_EXPECT_EQ(test, n->wrote, -EAGAIN);
	KUNIT_EXPECT_EQ(test, n->read, -EAGAIN);
	vmesh_file_close(n->file->private_data);
}

/* As with datagrams: taken when it has arrived. */
static void a_word_that_could_not_be_written(struct kunit *test)
{
	struct virtmesh_control arg = { .group = 1, .addr = 8, .len = 4 };
	struct vmesh_file *file;
	struct vmesh_group *g;
	unsigned long at;
	char word[4];

	if (!program)
		kunit_skip(test, "no program runs the tests");
	g = fake_formed(test);
	file = vmesh_file_open(g->m);
	KUNIT_ASSERT_NOT_NULL(test, file);
	KUNIT_EXPECT_NULL(test, xa_store(&file->handles.groups, 1, g, GFP_KERNEL));
	fake_say_data(test, 1, FAKE_COOKIE + 1, 1, VM_KIND_CONTROL, 0, "word", 0, 4);
	KUNIT_EXPECT_TRUE(test, FAKE_UNTIL(vmesh_parked(&g->ranks[1])));

	kthread_use_mm(program);
	KUNIT_EXPECT_EQ(test, vmesh_control_receive(file, &arg), -EFAULT);
	at = vm_mmap(NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, 0);
	KUNIT_EXPECT_FALSE(test, IS_ERR_VALUE(at));
	if (!IS_ERR_VALUE(at)) {
		arg.addr = at;
		KUNIT_EXPECT_EQ(test, vmesh_control_receive(file, &arg), 0);
		KUNIT_EXPECT_EQ(test, arg.len, 4);
		KUNIT_EXPECT_EQ(test, arg.rank, 1);
		KUNIT_EXPECT_EQ(test, copy_from_user(word, u64_to_user_ptr(arg.addr), 4), 0UL);
		KUNIT_EXPECT_MEMEQ(test, word, "word", 4);
		KUNIT_EXPECT_EQ_MSG(test, vmesh_control_receive(file, &arg), -EAGAIN, "once");
		vm_munmap(at, PAGE_SIZE);
	}
	kthread_unuse_mm(program);
	xa_erase(&file->handles.groups, 1);
	vmesh_file_close(file);
	fake_group_end(g);
}

static int program_get(struct kunit_suite *suite)
{
	program = current->mm;
	if (program)
		mmget(program);
	return 0;
}

static void program_put(struct kunit_suite *suite)
{
	if (program)
		mmput(program);
}

static struct kunit_case cases[] = { KUNIT_CASE(peers_into_slow_memory),
				     KUNIT_CASE(does_not_sleep_for_io_uring),
				     KUNIT_CASE(a_word_that_could_not_be_written),
				     {} };

static struct kunit_suite suite = {
	.name = "virtmesh-chardev",
	.suite_init = program_get,
	.suite_exit = program_put,
	.init = fake_init,
	.exit = fake_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);
