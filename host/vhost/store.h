/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a service manager does for us: it is told of our state, and it keeps
 * file descriptors, which the next process gets back by name (systemd's
 * sd_notify(3) and FileDescriptorStoreMax=; anybody may play the manager).
 */
#ifndef VIRTMESH_VHOST_STORE_H
#define VIRTMESH_VHOST_STORE_H

#include <stdbool.h>

#define VM_STORE_NAME 24 /* bytes of a name, with its end */

/*
 * Take what was kept, and find the manager. To be called first: it looks at the
 * environment, and closes every other file that was inherited.
 */
void vm_store_init(void);
/* Is there a manager who may keep fds? Whether it does shows at the next start only. */
bool vm_store_exists(void);

/* The kept fd called @name, the caller's from now on; -1: none. */
int vm_store_take(const char *name);
/*
 * Have a copy of @fd kept as @name. On return it is kept even if this process dies at
 * once. One file has one name: of a file that is kept already the manager forgets
 * the second name, and says nothing.
 */
void vm_store_keep(const char *name, int fd);
void vm_store_drop(const char *name);
/* Close, and have dropped, whatever was kept and not taken. */
void vm_store_tidy(void);

/* Tell the manager "READY=1\n" and the like. */
void vm_store_tell(const char *lines);

#endif /* VIRTMESH_VHOST_STORE_H */
