/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VIRTMESH_FUZZ_LINUX_ERRNO_H
#define VIRTMESH_FUZZ_LINUX_ERRNO_H

#include_next <linux/errno.h>

#define ERESTARTSYS 512

#endif /* VIRTMESH_FUZZ_LINUX_ERRNO_H */
