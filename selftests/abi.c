// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sizes of what programs and the driver hand each other, compiled for 64 and for
 * 32 bits (`make headers-alone`): a program of either talks to the same driver, which
 * translates nothing. The fields align by themselves, so the size is the layout.
 */
#include <linux/virtmesh.h>

#define SAME(name, size) _Static_assert(sizeof(struct name) == (size), #name)

SAME(virtmesh_info, 112);
SAME(virtmesh_peer, 32);
SAME(virtmesh_peers, 24);
SAME(virtmesh_echo, 24);
SAME(virtmesh_bind, 8);
SAME(virtmesh_dgram, 16);
SAME(virtmesh_buf_alloc, 24);
SAME(virtmesh_buf_register, 24);
SAME(virtmesh_buf_free, 8);
SAME(virtmesh_group_create, 24);
SAME(virtmesh_group_form, 40);
SAME(virtmesh_group_leave, 8);
SAME(virtmesh_rank, 24);
SAME(virtmesh_group_info, 48);
SAME(virtmesh_op, 64);
SAME(virtmesh_done, 56);
SAME(virtmesh_submit, 40);
SAME(virtmesh_control, 32);
SAME(virtmesh_eventfd, 8);
SAME(virtmesh_busy_poll, 8);
SAME(virtmesh_record, 64);
SAME(virtmesh_trace, 24);
SAME(virtmesh_pending, 24);
SAME(virtmesh_stats, 336);
