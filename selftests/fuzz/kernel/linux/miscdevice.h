/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VIRTMESH_FUZZ_LINUX_MISCDEVICE_H
#define VIRTMESH_FUZZ_LINUX_MISCDEVICE_H

struct miscdevice {
	int minor;
};

#endif /* VIRTMESH_FUZZ_LINUX_MISCDEVICE_H */
