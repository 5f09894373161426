/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Faults on purpose (struct vm_faults): a part of steer.bpf.c, off the fast path.
 *
 *	fault_out	a node's frame: lost, sent on its detour, or steered as ever
 *	fault_clone	a clone of a group frame, at the port it is for
 *	fault_back	a frame that comes back from its detour
 *
 * What is lost counts as handed to the port it was for, and as lost there. Which
 * frames, is a matter of how many were decided about before: one number an
 * ensemble, taken by atomic addition.
 */
#ifndef VIRTMESH_FAULTS_BPF_H
#define VIRTMESH_FAULTS_BPF_H

static __always_inline struct vm_faults *faults_of(__u32 ensemble)
{
	return bpf_map_lookup_elem(&faults, &ensemble);
}

static __always_inline int fault_loses(struct vm_faults *f)
{
	return vm_fault_hits(f->seed, __sync_fetch_and_add(&f->frames, 1), f->loss);
}

/* Lose it, as if the port it is for had: 1 when it is lost. */
static __always_inline int fault_unicast(struct vm_faults *f, __u32 addr, __u64 len)
{
	struct vm_counters *count;
	struct vm_node_hint dest;

	if (!node_find(addr, &dest) || len > dest.mtu + VM_ETH_HLEN || !fault_loses(f))
		return 0;
	count = counters_of(dest.slot);
	if (count) {
		count->tx_frames++;
		count->tx_bytes += len;
		count->drops[VM_DROP_LOST_FAULT]++;
	}
	return 1;
}

/* Not back to `steer`, whose fast path would have to keep what it knows over the call. */
static __noinline int fault_out(struct xdp_md *ctx, __u32 from)
{
	void *data_end = (void *)(long)ctx->data_end;
	void *data = (void *)(long)ctx->data;
	__u64 len = data_end - data;
	enum vm_target target;
	struct vm_faults *f;
	struct vm_eth eth;

	if (data + VM_ETH_HLEN > data_end) /* looked at already, but the verifier has forgotten */
		return XDP_ABORTED;
	vm_eth_read(&eth, data);
	target = vm_eth_target(&eth, eth.src_addr);
	f = faults_of(vm_addr_ensemble(eth.src_addr)); /* none while they are turned on or off */
	if (f && eth.ethertype == VM_ETHERTYPE) {
		if (f->ifindex && (target == VM_TO_NODE || target == VM_TO_GROUP))
			return forward(ctx, from, f->slot, len);
		if (!f->ifindex && target == VM_TO_NODE && fault_unicast(f, eth.dst_addr, len))
			return XDP_DROP;
	}
	return to_target(ctx, from, &eth, len);
}

/* Clones of the broker's, and of traffic that is not the mesh protocol, are let through. */
static __noinline int fault_clone(struct xdp_md *ctx, __u32 ensemble, __u32 slot)
{
	void *data_end = (void *)(long)ctx->data_end;
	void *data = (void *)(long)ctx->data;
	struct vm_faults *f = faults_of(ensemble);
	struct vm_counters *count;
	struct vm_eth eth;
	__u32 zero = 0, *batch;

	if (!f || f->ifindex || data + VM_ETH_HLEN > data_end)
		return XDP_PASS;
	vm_eth_read(&eth, data);
	if (eth.ethertype != VM_ETHERTYPE || vm_addr_node(eth.src_addr) == VM_NODE_BROKER ||
	    !fault_loses(f))
		return XDP_PASS;
	count = counters_of(slot);
	if (count)
		count->drops[VM_DROP_LOST_FAULT]++;
	batch = bpf_map_lookup_elem(&fault_batch, &zero);
	if (batch)
		(*batch)++;
	return XDP_DROP;
}

/*
 * How many of a batch's @drops were fault_clone()'s: the kernel does not tell them
 * from those the interface refused. It runs `egress` on the whole batch before it
 * reports on it, on this CPU and with nothing between. (Generic XDP reports
 * nothing; then LOST_FULL may fall short by what was lost on purpose there.)
 */
static __always_inline int fault_batched(int drops)
{
	__u32 zero = 0, *batch = bpf_map_lookup_elem(&fault_batch, &zero);
	int n;

	if (!batch || !*batch)
		return 0;
	n = *batch;
	*batch = 0;
	return n < drops ? n : drops;
}

/* As for a node's own frame, but for whose it is: any node's of the detour's ensemble. */
static __noinline int fault_back(struct xdp_md *ctx, __u32 slot)
{
	void *data_end = (void *)(long)ctx->data_end;
	void *data = (void *)(long)ctx->data;
	struct vm_faults *f;
	struct vm_eth eth;
	__u32 dst;

	if (data + VM_ETH_HLEN > data_end)
		return drop(ctx, slot, VM_DROP_RUNT);
	vm_eth_read(&eth, data);
	f = faults_of(vm_addr_ensemble(eth.src_addr));
	if (!f || f->ifindex != ctx->ingress_ifindex || eth.src_prefix != VM_PREFIX_NODE ||
	    !vm_node_valid(vm_addr_node(eth.src_addr)) || eth.ethertype != VM_ETHERTYPE)
		return drop(ctx, slot, VM_DROP_SPOOF);

	dst = eth.dst_addr;
	if ((dst ^ eth.src_addr) >> 16)
		return drop(ctx, slot, VM_DROP_FOREIGN);
	if ((eth.dst_prefix != VM_PREFIX_NODE && eth.dst_prefix != VM_PREFIX_GROUP) ||
	    !vm_node_valid(vm_addr_node(dst)))
		return drop(ctx, slot, VM_DROP_BAD_DEST);
	if (dst == eth.src_addr)
		return drop(ctx, slot, VM_DROP_SELF);
	if (eth.dst_prefix == VM_PREFIX_GROUP)
		*(__be16 *)(data + 4) = bpf_htons(VM_NODE_ALL);
	return to_node(ctx, slot, dst, data_end - data);
}

#endif /* VIRTMESH_FAULTS_BPF_H */
