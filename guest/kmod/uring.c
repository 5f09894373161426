// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * A command is one operation, posted in the system call that submits it, by
 * whatever thread that is; nothing of it sleeps, so io_uring never hands it to a
 * worker. A completion may be posted by its own task only: done() queues a task
 * work there, which lets go of what the operation held.
 *
 * io_uring holds the file while a command is under way, so the file's release
 * comes after its last. A ring or a task that ends cannot wait for deadlines: a
 * single operation cannot be taken back, so its group is left, and the others are
 * told. Newer kernels ask for that for each command; older ones are asked when the
 * task closes its files.
 */
#include <linux/fdtable.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <uapi/linux/virtmesh.h>

#include "compat.h"
#include "group.h"
#include "mesh.h"
#include "submit.h"
#include "uring.h"

static struct vmesh_entry **vmesh_uring_entry(struct io_uring_cmd *cmd)
{
	BUILD_BUG_ON(sizeof(struct vmesh_entry *) > sizeof(cmd->pdu));
	return (struct vmesh_entry **)cmd->pdu;
}

/* Task work: process context, the ring's lock held. */
static void vmesh_uring_complete(struct io_uring_cmd *cmd, unsigned int flags)
{
	struct vmesh_entry *e = *vmesh_uring_entry(cmd);
	int result = clamp_t(s64, e->op.result, INT_MIN, INT_MAX);
	u64 missing = e->op.missing;

	vmesh_entry_put(e);
	vmesh_uring_finish(cmd, result, missing, flags);
}

VMESH_URING_WORK(vmesh_uring_work, vmesh_uring_complete)

void vmesh_uring_done(struct vmesh_entry *e)
{
	io_uring_cmd_complete_in_task(e->cmd, vmesh_uring_work);
}

/*
 * The queue's lock is held. The group, with a reference, of one that is pending and goes:
 * because its task's @files do, or what its ring has of its task, as @cmd is.
 */
static struct vmesh_group *vmesh_uring_doomed(struct vmesh_file *f, const void *files,
					      struct io_uring_cmd *cmd, u32 *handle)
{
	struct vmesh_entry *e;

	list_for_each_entry(e, &f->ops.pending, list) {
		if (!e->cmd || e->doomed)
			continue;
		if (files ? e->owner != files : !vmesh_uring_together(e->cmd, cmd))
			continue;
		e->doomed = true; /* once */
		*handle = e->group;
		vmesh_group_get(e->op.group);
		return e->op.group;
	}
	return NULL;
}

/* One group may take two seconds to leave: that is begun with all, before any is waited for. */
static void vmesh_uring_leave(struct vmesh_file *f, const void *files, struct io_uring_cmd *cmd)
{
	struct vmesh_group *g;
	bool found = false;
	u32 handle;

	for (;;) {
		spin_lock_bh(&f->ops.lock);
		g = vmesh_uring_doomed(f, files, cmd, &handle);
		spin_unlock_bh(&f->ops.lock);
		if (!g)
			break;
		if (!vmesh_group_leave_begin(g))
			vmesh_handles_drop(&f->handles, handle, g);
		vmesh_group_put(g);
		found = true;
	}
	if (found)
		vmesh_handles_leave_begun(&f->handles);
}

void vmesh_uring_end(struct vmesh_file *f, const void *files)
{
	vmesh_uring_leave(f, files, NULL);
}

static int vmesh_uring_post(struct vmesh_file *f, struct io_uring_cmd *cmd, unsigned int flags,
			    const struct virtmesh_op *op)
{
	struct vmesh_entry *e = vmesh_entry_get(f, VMESH_TAKER_URING);
	int err;

	if (!e)
		return READ_ONCE(f->ops.pool) ? -EAGAIN : -ENOENT;
	err = vmesh_entry_fill(e, op);
	if (!err) {
		e->cmd = cmd;
		e->owner = current->files;
		*vmesh_uring_entry(cmd) = e;
		vmesh_uring_cancelable(cmd, flags);
		err = vmesh_entry_start(e);
	}
	if (err)
		vmesh_entry_put(e);
	return err;
}

int vmesh_uring(struct vmesh_file *f, struct io_uring_cmd *cmd, unsigned int flags)
{
	struct virtmesh_op op;
	int err;

	if (flags & VMESH_URING_CANCEL) {
		vmesh_uring_leave(f, NULL, cmd);
		return 0;
	}
	if (READ_ONCE(f->m->gone))
		return -ENODEV;
	if (cmd->cmd_op != VIRTMESH_URING_OP)
		return -ENOTTY;
	if (!(flags & IO_URING_F_SQE128))
		return -EINVAL;
	/* The program may change it while we look: once, and then only the copy. */
	memcpy(&op, vmesh_uring_cmd(cmd), sizeof(op));
	barrier();

	err = vmesh_uring_post(f, cmd, flags, &op);
	/*
	 * Not returned: io_uring would try EAGAIN again by a worker, behind what was
	 * submitted after it; and it may be among those it would cancel by now.
	 */
	if (err)
		vmesh_uring_finish(cmd, err, 0, flags);
	return -EIOCBQUEUED;
}
