/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VIRTMESH_FUZZ_LINUX_EVENTFD_H
#define VIRTMESH_FUZZ_LINUX_EVENTFD_H

#include <linux/types.h>

/* There is one, and how often it was signalled is the harness's to see. */
struct eventfd_ctx *eventfd_ctx_fdget(int fd);
void eventfd_ctx_put(struct eventfd_ctx *ctx);
void eventfd_signal(struct eventfd_ctx *ctx);

#endif /* VIRTMESH_FUZZ_LINUX_EVENTFD_H */
