// SPDX-License-Identifier: GPL-2.0-only
/*
 * Has `steer` see one batch with frames for a node and for the group in turns: test
 * runs have one frame only, again and again, and flush after a batch of it.
 */
#include "vmlinux_subset.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} steer SEC(".maps");

__u8 dst[2][6]; /* of frames with an even and an odd number */
__u32 frames;

SEC("xdp")
int mixed(struct xdp_md *ctx)
{
	void *data_end = (void *)(long)ctx->data_end;
	void *data = (void *)(long)ctx->data;

	if (data + sizeof(dst[0]) > data_end)
		return XDP_ABORTED;
	__builtin_memcpy(data, dst[frames++ & 1], sizeof(dst[0]));
	bpf_tail_call(ctx, &steer, 0);
	return XDP_ABORTED;
}
