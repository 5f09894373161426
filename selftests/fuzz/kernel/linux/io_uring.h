/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VIRTMESH_FUZZ_LINUX_IO_URING_H
#define VIRTMESH_FUZZ_LINUX_IO_URING_H

#include <linux/types.h>

struct io_uring_cmd {
	const void *cmd;
};

/* Nothing here calls it. */
void io_uring_cmd_done(struct io_uring_cmd *cmd, ssize_t ret, ssize_t res2, unsigned int flags);

#endif /* VIRTMESH_FUZZ_LINUX_IO_URING_H */
