// SPDX-License-Identifier: GPL-2.0-only
/*
 * Somebody else's XDP programs: they let every frame pass, and count how often
 * they were asked. One has the name of the mesh's own.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} other_seen SEC(".maps");

char LICENSE[] SEC("license") = "GPL";

static int count_and_pass(void)
{
	__u32 zero = 0;
	__u64 *seen = bpf_map_lookup_elem(&other_seen, &zero);

	if (seen)
		__sync_fetch_and_add(seen, 1);
	return XDP_PASS;
}

SEC("xdp")
int other(struct xdp_md *ctx)
{
	return count_and_pass();
}

SEC("xdp")
int steer(struct xdp_md *ctx)
{
	return count_and_pass();
}
