/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What of a port outlives its process: one memfd, kept by the service manager
 * beside the files it speaks of. It holds the device's state as of the last
 * request, what is in flight of each ring, and the memory that the io_uring
 * lives in.
 *
 * The state stands in it twice. A new one is written to the place that is not
 * current, then a single store makes it current: a process that is killed at
 * any instruction leaves a whole one. A file that a state speaks of is in the
 * store before the state is current, and leaves it after the state is not.
 */
#ifndef VIRTMESH_VHOST_SAVED_H
#define VIRTMESH_VHOST_SAVED_H

#include <stdbool.h>
#include <stddef.h>

#include <virtmesh/types.h>

struct vm_device;
struct vm_vring_log;

/* Names of files in the store; "f<number>" are the others, never used twice. */
#define VM_SAVED_STATE	"saved"
#define VM_SAVED_TAP	"tap"
#define VM_SAVED_LISTEN "listen"

struct vm_saved;

/*
 * Map the state that an earlier process left, or make a new one; *@resumed says
 * which. NULL when it cannot be had: then nothing outlives this process.
 */
struct vm_saved *vm_saved_open(bool *resumed);

/* VM_LOOP_KEPT bytes for the loop; the log of ring @i. */
void *vm_saved_loop(struct vm_saved *saved);
struct vm_vring_log *vm_saved_log(struct vm_saved *saved, unsigned int i);

/* Write down @dev and its front-end's connection, with all their files. */
void vm_saved_write(struct vm_saved *saved, const struct vm_device *dev);
/*
 * Put what was written into @dev, which vm_device_init() has made, and *@sock;
 * *@kernel: the lane was the kernel's. 0; -ENODATA when no front-end was there;
 * -EINVAL when it was of a device with other queues or features; -ESTALE when a file is
 * missing or something does not fit: @dev is as new.
 */
int vm_saved_read(struct vm_saved *saved, struct vm_device *dev, int *sock, bool *kernel);

/* Who the port was. */
void vm_saved_identity(const struct vm_saved *saved, __u8 mac[VM_MAC_LEN], unsigned int *mtu);
#endif /* VIRTMESH_VHOST_SAVED_H */
