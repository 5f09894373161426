/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The directory of pins: mounted, locked, cleared. Each returns 0 (or an fd) or
 * -errno, and has explained an error on stderr.
 */
#ifndef VIRTMESH_HOST_BPFFS_H
#define VIRTMESH_HOST_BPFFS_H

#include <stdbool.h>

#define VM_BPFFS     "/sys/fs/bpf"
#define VM_PIN_PROGS "progs"
#define VM_PIN_LINKS "links" /* who reads `events` holds an flock on this directory */

bool vm_bpffs_mounted(void);
/* Mount it if it is not there; *@mounted tells whether this call did. */
int vm_bpffs_mount(bool *mounted);
void vm_bpffs_unmount(void);

/*
 * Open VM_PIN_DIR and take its lock, waiting for other commands up to 10 s
 * (-EBUSY then). With @make the directory is made, else -ENOENT (silently) when
 * it is not there. The lock goes when the fd is closed.
 */
int vm_pins_lock(bool make);
/* Remove all pins, `meta` first. @lock is what vm_pins_lock() returned. Silent. */
int vm_pins_clear(int lock);
/* The same, and VM_PIN_DIR itself. */
int vm_pins_remove(int lock);

#endif /* VIRTMESH_HOST_BPFFS_H */
