/* SPDX-License-Identifier: GPL-2.0-only */
/* /dev/virtmeshN; include/uapi/linux/virtmesh.h says what it does. */
#ifndef VMESH_CHARDEV_H
#define VMESH_CHARDEV_H

struct vmesh;

/* Process context. Files that are open at unregister stay, and get ENODEV. */
int vmesh_chardev_register(struct vmesh *m);
void vmesh_chardev_unregister(struct vmesh *m);

#endif /* VMESH_CHARDEV_H */
