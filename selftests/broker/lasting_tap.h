/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Taps of the command's kind that nobody holds, in one step, in the caller's network
 * namespace. Return 0 or -errno.
 */
#ifndef VIRTMESH_SELFTESTS_BROKER_LASTING_TAP_H
#define VIRTMESH_SELFTESTS_BROKER_LASTING_TAP_H

#include <sys/types.h>

/* As vm_tap_make(), and it stays. Nothing is left behind on an error. */
int tap_create(const char *name, uid_t owner, unsigned int mtu);
/* -EBUSY while a program holds it open; -ENODEV, -EINVAL as vm_tap_open(). */
int tap_delete(const char *name);

#endif /* VIRTMESH_SELFTESTS_BROKER_LASTING_TAP_H */
