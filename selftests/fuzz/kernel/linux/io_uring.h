/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VIRTMESH_FUZZ_LINUX_IO_URING_H
#define VIRTMESH_FUZZ_LINUX_IO_URING_H

struct io_uring_cmd {
	const void *cmd;
};

#endif /* VIRTMESH_FUZZ_LINUX_IO_URING_H */
