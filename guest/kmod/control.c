// SPDX-License-Identifier: GPL-2.0-only
/*
 * A control message is an operation of a kind of its own, copied out of the
 * program and waited for where it is posted. A signal ends the wait, not the
 * message: that is on its way, and its entry is left to the next call to clean up.
 *
 * One that is received is taken when the program has it. Of several threads that
 * copy the same one, the first has it and the others wait on.
 */
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <uapi/linux/virtmesh.h>

#include "control.h"
#include "group.h"
#include "mesh.h"
#include "submit.h"

static_assert(sizeof(struct virtmesh_control) == 32);

static bool vmesh_control_ended(void *arg)
{
	const struct vmesh_entry *e = arg;

	return READ_ONCE(e->ended);
}

/* Until @e has ended: its result, and it is put. EINTR: it is nobody's now. */
static int vmesh_control_finish(struct vmesh_file *f, struct vmesh_entry *e)
{
	bool ended;
	int result;

	if (!vmesh_spin(f, U64_MAX, vmesh_control_ended, e))
		wait_for_completion_interruptible(&e->done);

	/* done() holds the lock from its first word to its last. */
	spin_lock_bh(&f->ops.lock);
	ended = e->ended;
	if (!ended)
		e->taker = VMESH_TAKER_NOBODY;
	result = e->op.result;
	spin_unlock_bh(&f->ops.lock);
	if (!ended)
		return -EINTR;
	vmesh_entry_put(e);
	return result;
}

int vmesh_control_send(struct vmesh_file *f, struct virtmesh_control *arg)
{
	struct vmesh_group *g;
	struct vmesh_entry *e;
	void *data = NULL;
	int err;

	if (arg->flags || arg->reserved || !arg->timeout_ns ||
	    arg->timeout_ns > VIRTMESH_TIMEOUT_MAX_NS)
		return -EINVAL;
	if (arg->len > vmesh_control_max(f->m))
		return -EMSGSIZE;
	g = vmesh_handles_group(&f->handles, arg->group);
	if (!g)
		return -ENOENT;
	err = -EINVAL;
	if (arg->rank >= vmesh_group_count(g) || arg->rank == vmesh_group_rank(g))
		goto err_group;
	data = kmalloc(arg->len, GFP_KERNEL_ACCOUNT);
	err = -ENOMEM;
	if (!data)
		goto err_group;
	err = -EFAULT;
	if (copy_from_user(data, u64_to_user_ptr(arg->addr), arg->len))
		goto err_data;
	e = vmesh_entry_get(f, VMESH_TAKER_SLEEPER);
	err = -EAGAIN;
	if (!e)
		goto err_data;

	init_completion(&e->done);
	e->data = data;
	e->group = arg->group;
	e->op.group = g;
	e->op.kind = VM_KIND_CONTROL;
	e->op.root = arg->rank;
	e->op.len = arg->len;
	e->op.send = data;
	e->op.timeout_ns = arg->timeout_ns;
	err = vmesh_entry_start(e);
	if (err) {
		vmesh_entry_put(e);
		return err;
	}
	return vmesh_control_finish(f, e);

err_data:
	kfree(data);
err_group:
	vmesh_group_put(g);
	return err;
}

struct vmesh_control_room {
	struct vmesh_group *g;
	void *data;
	unsigned int room;
	struct vmesh_control_id id;
	int result; /* of the last try */
};

static bool vmesh_control_try(void *arg)
{
	struct vmesh_control_room *r = arg;

	r->result = vmesh_control_peek(r->g, r->data, r->room, &r->id);
	return r->result != -EAGAIN;
}

/* The length, or an errno. @end: in jiffies, of the call's time. */
static int vmesh_control_await(struct vmesh_file *f, struct vmesh_control_room *r, u64 timeout_ns,
			       unsigned long end)
{
	long left;

	if (!timeout_ns) {
		vmesh_control_try(r);
		return r->result;
	}
	if (vmesh_spin(f, timeout_ns, vmesh_control_try, r))
		return r->result;
	left = max((long)(end - jiffies), 0L);
	while (!vmesh_control_try(r)) {
		if (!left)
			return -ETIMEDOUT;
		left = vmesh_control_wait(r->g, left);
		if (left < 0)
			return -EINTR;
	}
	return r->result;
}

int vmesh_control_receive(struct vmesh_file *f, struct virtmesh_control *arg)
{
	unsigned long end = jiffies + nsecs_to_jiffies(arg->timeout_ns) + 1;
	struct vmesh_control_room r = {};
	int result;

	if (arg->flags || arg->reserved || arg->timeout_ns > VIRTMESH_TIMEOUT_MAX_NS)
		return -EINVAL;
	r.g = vmesh_handles_group(&f->handles, arg->group);
	if (!r.g)
		return -ENOENT;
	r.room = min(arg->len, vmesh_control_max(f->m));
	r.data = kmalloc(r.room, GFP_KERNEL_ACCOUNT);
	result = -ENOMEM;
	if (!r.data)
		goto out;
	do {
		result = vmesh_control_await(f, &r, arg->timeout_ns, end);
		if (result >= 0 && copy_to_user(u64_to_user_ptr(arg->addr), r.data, result))
			result = -EFAULT;
	} while (result >= 0 && !vmesh_control_take(r.g, &r.id));
	if (result >= 0) {
		arg->len = result;
		arg->rank = r.id.rank;
		result = 0;
	}
	kfree(r.data);
out:
	vmesh_group_put(r.g);
	return result;
}
