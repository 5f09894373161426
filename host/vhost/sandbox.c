// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * Everything the port has to do with the host is a file descriptor by the time
 * vm_sandbox_enter() is called. The one exception is the socket's directory: a
 * front-end that restarts makes a new socket there, and ours is removed at the
 * end. It is bound into an otherwise empty tmpfs, which becomes the root.
 *
 * seccomp does not see operations of the io_uring; loop.c fences those.
 */
#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../log.h"
#include "sandbox.h"

/*
 * The C library's own: exit, clocks where there is no vDSO, stderr, locks, memory;
 * sysinfo for qsort(), which wants to know how much of that there is.
 */
SANDBOX_CALLS(libc_calls, SANDBOX_CALL(exit), SANDBOX_CALL(exit_group), SANDBOX_CALL(clock_gettime),
	      SANDBOX_CALL(restart_syscall), SANDBOX_CALL(rt_sigreturn), SANDBOX_CALL(futex),
	      SANDBOX_CALL(brk), SANDBOX_CALL_MMAP, SANDBOX_CALL(munmap), SANDBOX_CALL(sysinfo),
	      SANDBOX_CALL(write));

static const struct sandbox_calls *const lists[] = {
	/* keep sorted */
	&connection_calls, &device_calls,   &libc_calls,     &memory_calls,
	&message_calls,	   &request_calls,  &saved_calls,    &store_calls,
	&vm_loop_calls,	   &vm_mover_calls, &vm_relay_calls, &vm_vhost_calls,
};

/* Where the new root is put together; any directory that is always there. */
#define STAGE "/tmp"

static int build_root(struct vm_sandbox *box)
{
	char at[] = STAGE VM_SANDBOX_DIR;

	if (unshare(CLONE_NEWNS | CLONE_NEWIPC) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -errno;
	/* Reached before the stage hides it, if it lies below that. */
	if (box->dir && chdir(box->dir))
		return -errno;
	if (mount("tmpfs", STAGE, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  "mode=0755,size=4k,nr_inodes=4"))
		return -errno;
	if (!box->dir)
		return 0;
	if (mkdir(at, 0755) || mount(".", at, NULL, MS_BIND, NULL))
		return -errno;
	box->dir_kept = true;
	return 0;
}

static int leave_root(void)
{
	if (chdir(STAGE))
		return -errno;
	/* The old root comes to lie over the new one, and is taken off. */
	if (!syscall(SYS_pivot_root, ".", ".")) {
		if (umount2(".", MNT_DETACH) || chdir("/"))
			return -errno;
	} else {
		/* An initramfs cannot be pivoted away from. */
		if (chroot("."))
			return -errno;
		vm_info("event=sandbox view=chroot");
	}
	if (mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		return -errno;
	return 0;
}

/* As much as this process may. A failure half-way through leaves more in sight, not less. */
static void empty_view(struct vm_sandbox *box)
{
	int err;

	box->dir_kept = false;
	err = build_root(box);
	if (!err)
		err = leave_root();
	else
		box->dir_kept = false;
	if (err)
		vm_warn("event=sandbox view=whole error=\"%s\" hint=\"the file system stays in sight\"",
			strerror(-err));
}

static int drop_user(const struct vm_sandbox *box)
{
	capng_clear(CAPNG_SELECT_BOTH);
	if (geteuid())
		return capng_apply(CAPNG_SELECT_CAPS) ? -EPERM : 0;
	return capng_change_id(box->uid, box->gid, CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING) ?
		       -EPERM :
		       0;
}

int vm_sandbox_enter(struct vm_sandbox *box)
{
	int err;

	if (geteuid())
		vm_info("event=sandbox view=whole hint=\"only root can do without one\"");
	else
		empty_view(box);
	err = drop_user(box);
	if (err) {
		vm_err("event=start error=\"cannot drop user and capabilities\"");
		return err;
	}
	/* No dump, no ptrace, no way to a set-user-id program. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)) {
		err = -errno;
		vm_err("event=start error=\"no_new_privs: %s\"", strerror(-err));
		return err;
	}
	return sandbox_filter(lists, sizeof(lists) / sizeof(lists[0]));
}
