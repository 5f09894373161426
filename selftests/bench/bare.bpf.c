// SPDX-License-Identifier: GPL-2.0-only
/* What steering is measured against: programs that do nothing but the one thing. */
#include "vmlinux_subset.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bpf_devmap_val);
} target SEC(".maps");

SEC("xdp")
int redirect(struct xdp_md *ctx)
{
	return bpf_redirect_map(&target, 0, XDP_ABORTED);
}

SEC("xdp")
int discard(struct xdp_md *ctx)
{
	return XDP_DROP;
}
