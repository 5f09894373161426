// SPDX-License-Identifier: GPL-2.0-only
/*
 * The steering programs.
 *
 * Theory of operation
 *
 *	steer		on every port's interface: each frame that comes in is
 *			checked (length, VLAN tag, source address, ensemble) and
 *			redirected to one tap, to all others of the ensemble, or
 *			to the broker's tap. Whatever fails is dropped. A frame
 *			is never changed (but see faults.bpf.h) and never passed
 *			to the host's stack.
 *	egress		on each clone of a group frame, on its way into one tap:
 *			counts it, since only the kernel knows how many it made.
 *			Whether it runs, the kernel asks of the first frame of what
 *			it hands to a tap at once, so it may see unicast too; and no
 *			clone behind that.
 *	devmap_xmit	after a batch was handed to a tap: counts what it did not take.
 *	redirect_err	when a single redirect failed: counts that.
 *
 * Every frame is counted once at the port it came in by (rx), and then either
 * in one of that port's drops[], or at each port it is handed to (tx). What
 * the kernel loses after that is in the target's drops[] from LOST_FULL on.
 * So for each port: sent = rx; and received = tx - lost. Two losses have no
 * hook in the kernel and are not in here: in the generic (skb) path a full ring
 * shows only in the interface's tx_dropped; and of a group frame, a member
 * whose interface is down gets no clone, thus no tx. And a clone that egress
 * did not see is received without a tx: not behind write(), which hands over one
 * frame at once, but behind vhost-net and on a veth, where unicast for the same
 * port is just before it. To have egress see all would cost every frame 22 ns.
 *
 * Context: steer and egress run in softirq, or with it disabled, so per-CPU
 * counters need no atomics; the tracepoints fire from the same context. What
 * several CPUs share (limits) is claimed by compare-and-exchange.
 */
#include "vmlinux_subset.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "maps.bpf.h"
#include "parse.h"

#define NSEC_PER_SEC 1000000000ULL
#define CAS_TRIES    8

/* Keeps the path of a frame that goes through in one piece: it is cold when it runs. */
#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Set before loading; the defaults are the protocol's. Tests use others. */
const volatile __u32 control_burst = VM_CONTROL_BURST;
const volatile __u32 control_rate = VM_CONTROL_RATE;
const volatile __u64 event_interval_ns = NSEC_PER_SEC;

char LICENSE[] SEC("license") = "GPL";

/* What is known of the port @ifindex is; 0 when it is none. Hints first: see maps.h. */
static __always_inline int port_find(__u32 ifindex, struct vm_port_hint *found)
{
	__u32 at = vm_port_hint(ifindex);
	struct vm_port_hint *hint = bpf_map_lookup_elem(&port_index, &at);
	struct vm_port *port;

	if (likely(hint && hint->ifindex == ifindex)) {
		*found = *hint;
		return 1;
	}
	port = bpf_map_lookup_elem(&ports, &ifindex);
	if (!port)
		return 0;
	found->addr = port->addr;
	found->slot = port->slot;
	found->mtu = port->mtu;
	found->flags = port->flags;
	return 1;
}

static __always_inline int node_find(__u32 addr, struct vm_node_hint *found)
{
	__u32 at = vm_node_hint(addr);
	struct vm_node_hint *hint = bpf_map_lookup_elem(&node_index, &at);
	struct vm_dest *dest;

	if (likely(hint && hint->addr == addr)) {
		*found = *hint;
		return 1;
	}
	dest = bpf_map_lookup_elem(&nodes, &addr);
	if (!dest)
		return 0;
	found->slot = dest->slot;
	found->mtu = dest->mtu;
	return 1;
}

static __always_inline struct vm_counters *counters_of(__u32 slot)
{
	return bpf_map_lookup_elem(&counters, &slot);
}

/*
 * Reserve this port's event of @reason, filled but for the frame: one a
 * interval and port, whichever CPU gets there first. NULL when it is not due,
 * or when nobody has read the ring for long: then only the counter tells.
 */
static __always_inline struct vm_event *event_reserve(__u32 slot, __u32 ifindex,
						      enum vm_drop reason)
{
	struct vm_limits *limit = bpf_map_lookup_elem(&limits, &slot);
	__u64 now = bpf_ktime_get_ns(), next;
	struct vm_event *event;

	if (!limit || reason >= VM_DROP_REASONS)
		return NULL;
	next = limit->event_next[reason];
	if (now < next || __sync_val_compare_and_swap(&limit->event_next[reason], next,
						      now + event_interval_ns) != next)
		return NULL;

	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event)
		return NULL;
	__builtin_memset(event, 0, sizeof(*event));
	event->ktime_ns = now;
	event->ifindex = ifindex;
	event->reason = reason;
	return event;
}

/* The end of a frame that came in by the port of @slot. Kept out of the fast path's code. */
static __noinline int drop(struct xdp_md *ctx, __u32 slot, enum vm_drop reason)
{
	void *data_end = (void *)(long)ctx->data_end;
	void *data = (void *)(long)ctx->data;
	struct vm_counters *count = counters_of(slot);
	struct vm_event *event;

	if (count && reason < VM_DROP_REASONS)
		count->drops[reason]++;

	event = event_reserve(slot, ctx->ingress_ifindex, reason);
	if (!event)
		return XDP_DROP;
	event->len = data_end - data;
	if (data + VM_ETH_HLEN <= data_end) {
		__builtin_memcpy(event->dst, data, VM_MAC_LEN);
		__builtin_memcpy(event->src, data + VM_MAC_LEN, VM_MAC_LEN);
		event->ethertype = bpf_ntohs(*(__be16 *)(data + 2 * VM_MAC_LEN));
	}
	bpf_ringbuf_submit(event, 0);
	return XDP_DROP;
}

/*
 * May the port of @slot send another control frame? The generic cell rate
 * algorithm (ITU-T I.371): a frame is due `interval` after the one before it,
 * and may come up to `burst` intervals early. One number holds the state. When
 * other CPUs win CAS_TRIES times in a row, the port is flooding: no.
 */
static __noinline int control_allowed(__u32 slot)
{
	__u64 interval = NSEC_PER_SEC / (control_rate ?: 1);
	struct vm_limits *limit = bpf_map_lookup_elem(&limits, &slot);
	__u64 now = bpf_ktime_get_ns();
	int i;

	if (!limit)
		return 0;
	for (i = 0; i < CAS_TRIES; i++) {
		__u64 tat = limit->control_tat;
		__u64 next = (tat > now ? tat : now) + interval;

		if (next - now > control_burst * interval)
			return 0;
		if (__sync_val_compare_and_swap(&limit->control_tat, tat, next) == tat)
			return 1;
	}
	return 0;
}

/* Redirect to one tap. The tx counters say what was tried: LOST_* takes away from them. */
static __always_inline int forward(struct xdp_md *ctx, __u32 from, __u32 to, __u64 len)
{
	struct vm_counters *count = counters_of(to);
	int action = bpf_redirect_map(&taps, to, XDP_ABORTED);

	if (unlikely(action != XDP_REDIRECT || !count))
		return drop(ctx, from, VM_DROP_REDIRECT);
	count->tx_frames++;
	count->tx_bytes += len;
	return action;
}

static __always_inline int to_node(struct xdp_md *ctx, __u32 from, __u32 addr, __u64 len)
{
	struct vm_node_hint dest;

	if (unlikely(!node_find(addr, &dest)))
		return drop(ctx, from, VM_DROP_NO_NODE);
	if (unlikely(len > dest.mtu + VM_ETH_HLEN))
		return drop(ctx, from, VM_DROP_DEST_MTU);
	return forward(ctx, from, dest.slot, len);
}

static __always_inline int to_broker(struct xdp_md *ctx, __u32 from, __u16 ethertype, __u64 len)
{
	if (ethertype != VM_ETHERTYPE)
		return drop(ctx, from, VM_DROP_NOT_CONTROL);
	if (!control_allowed(from))
		return drop(ctx, from, VM_DROP_RATE);
	return forward(ctx, from, VM_SLOT_BROKER, len);
}

/* The clones are counted by `egress`, each at the port it is for. */
static __always_inline int to_group(struct xdp_md *ctx, __u32 from, __u32 ensemble, __u64 len)
{
	struct vm_ensemble *e = bpf_map_lookup_elem(&ensembles, &ensemble);
	void *group = bpf_map_lookup_elem(&groups, &ensemble);
	int action;

	if (!e || !group)
		return drop(ctx, from, VM_DROP_NO_NODE);
	if (len > e->mtu + VM_ETH_HLEN)
		return drop(ctx, from, VM_DROP_DEST_MTU);
	action = bpf_redirect_map(group, 0, BPF_F_BROADCAST | BPF_F_EXCLUDE_INGRESS);
	return action == XDP_REDIRECT ? action : drop(ctx, from, VM_DROP_REDIRECT);
}

/* A frame that may be sent; @from is its sender's slot. */
static __always_inline int to_target(struct xdp_md *ctx, __u32 from, const struct vm_eth *eth,
				     __u64 len)
{
	switch (vm_eth_target(eth, eth->src_addr)) {
	case VM_TO_NODE:
		return to_node(ctx, from, eth->dst_addr, len);
	case VM_TO_GROUP:
		return to_group(ctx, from, vm_addr_ensemble(eth->src_addr), len);
	case VM_TO_BROKER:
		return to_broker(ctx, from, eth->ethertype, len);
	case VM_TO_SELF:
		return drop(ctx, from, VM_DROP_SELF);
	case VM_TO_FOREIGN:
		return drop(ctx, from, VM_DROP_FOREIGN);
	default:
		return drop(ctx, from, VM_DROP_BAD_DEST);
	}
}

#include "faults.bpf.h" /* needs all of the above */

/*
 * The sender of a frame: the port's node; or, since the broker's port speaks
 * for node 0 of every ensemble, whichever of those the frame names.
 */
static __always_inline int is_spoofed(const struct vm_eth *eth, const struct vm_port_hint *port)
{
	if (eth->src_prefix != VM_PREFIX_NODE)
		return 1;
	if (likely(eth->src_addr == port->addr))
		return port->addr == 0;
	return !(port->flags & VM_PORT_BROKER) || vm_addr_node(eth->src_addr) != VM_NODE_BROKER;
}

static __always_inline int count_rx(__u32 slot, __u64 len)
{
	struct vm_counters *count = counters_of(slot);

	if (!count)
		return 0;
	count->rx_frames++;
	count->rx_bytes += len;
	return 1;
}

/* A frame that came in by no port. */
static __noinline int drop_stranger(struct xdp_md *ctx)
{
	count_rx(VM_SLOT_NONE, ctx->data_end - ctx->data);
	return drop(ctx, VM_SLOT_NONE, VM_DROP_NO_PORT);
}

SEC("xdp")
int steer(struct xdp_md *ctx)
{
	void *data_end = (void *)(long)ctx->data_end;
	void *data = (void *)(long)ctx->data;
	__u64 len = data_end - data;
	struct vm_port_hint port;
	struct vm_eth eth;
	__u32 slot;

	if (unlikely(!port_find(ctx->ingress_ifindex, &port)))
		return drop_stranger(ctx);
	slot = port.slot;
	if (unlikely(!count_rx(slot, len))) /* out of range: whoever wrote it is not the command */
		return XDP_ABORTED;

	if (unlikely(data + VM_ETH_HLEN > data_end))
		return drop(ctx, slot, VM_DROP_RUNT);
	if (unlikely(len > port.mtu + VM_ETH_HLEN))
		return drop(ctx, slot, VM_DROP_OVERSIZE);
	vm_eth_read(&eth, data);
	if (unlikely(vm_eth_is_vlan(&eth)))
		return drop(ctx, slot, VM_DROP_VLAN);
	if (unlikely(is_spoofed(&eth, &port))) {
		if (port.flags & VM_PORT_THROUGH)
			return fault_back(ctx, slot);
		return drop(ctx, slot, VM_DROP_SPOOF);
	}

	if (unlikely(port.flags & VM_PORT_FAULTS))
		return fault_out(ctx, slot);
	return to_target(ctx, slot, &eth, len);
}

SEC("xdp/devmap")
int egress(struct xdp_md *ctx)
{
	void *data_end = (void *)(long)ctx->data_end;
	void *data = (void *)(long)ctx->data;
	struct vm_counters *count;
	struct vm_port_hint port;

	/* Unicast behind a clone: `forward` has counted it, and its faults are decided. */
	if (data + VM_ETH_HLEN > data_end || !(*(__u8 *)data & 1))
		return XDP_PASS;
	/* Not found: a clone in flight while its port is taken away, nobody is left to count for. */
	count = port_find(ctx->egress_ifindex, &port) ? counters_of(port.slot) : NULL;
	if (!count)
		return XDP_PASS;
	count->tx_frames++;
	count->tx_bytes += data_end - data;
	if (unlikely(port.flags & VM_PORT_FAULTS))
		return fault_clone(ctx, vm_addr_ensemble(port.addr), port.slot);
	return XDP_PASS;
}

/* @frames redirected to the port of @slot were refused by its interface. */
static __always_inline void lost(__u32 slot, __u32 ifindex, enum vm_drop reason, __u32 frames)
{
	struct vm_counters *count = counters_of(slot);
	struct vm_event *event;

	if (count)
		count->drops[reason] += frames;
	event = event_reserve(slot, ifindex, reason);
	if (event)
		bpf_ringbuf_submit(event, 0);
}

/* The port that @dev is; NULL if it is none, or of another network namespace: those see us too. */
static __always_inline struct vm_port *port_of(const struct net_device *dev)
{
	__u32 ifindex = BPF_CORE_READ(dev, ifindex), zero = 0;
	struct vm_meta *m = bpf_map_lookup_elem(&meta, &zero);

	if (!m || BPF_CORE_READ(dev, nd_net.net, net_cookie) != m->netns_cookie)
		return NULL;
	return bpf_map_lookup_elem(&ports, &ifindex);
}

static __always_inline enum vm_drop lost_reason(int err)
{
	switch (err) {
	case 0: /* the interface took some of the batch, and then had no room */
		return VM_DROP_LOST_FULL;
	case -ENXIO: /* no queue: nobody has the tap open, or the veth's peer is not ready */
	case -ENETDOWN:
	case -EOPNOTSUPP: /* the same of the veth, where the devmap asks before the driver */
		return VM_DROP_LOST_CLOSED;
	case -EMSGSIZE:
		return VM_DROP_LOST_MTU;
	default:
		return VM_DROP_LOST_OTHER;
	}
}

/*
 * The two tracepoints fire for every redirect on the host. Ours is what came in
 * by one port and was for another.
 *
 * This one is on the fast path, once for each batch handed to a tap: measured at
 * 30 to 50 ns, more than all of steer's checks, nearly all of it the way here.
 * So the first thing is to see whether anything was lost. Behind vhost-net a
 * batch is up to 16 frames, behind write() it is one.
 */
SEC("tp_btf/xdp_devmap_xmit")
int BPF_PROG(devmap_xmit, const struct net_device *from, const struct net_device *to, int sent,
	     int drops, int err)
{
	struct vm_port *port;

	if (likely(drops <= 0))
		return 0;
	port = port_of(to);
	if (!port || !port_of(from))
		return 0;
	drops -= fault_batched(drops);
	if (drops > 0)
		lost(port->slot, to->ifindex, lost_reason(err), drops);
	return 0;
}

/*
 * A group's redirect has no single target, and costs its sender the whole frame.
 * A raw tracepoint: `target` is a const void * in the kernel, which the verifiers
 * of 6.1 and 6.12 do not let a tp_btf program have.
 */
SEC("raw_tp/xdp_redirect_err")
int BPF_PROG(redirect_err, const struct net_device *from, const struct bpf_prog *prog,
	     const struct bpf_dtab_netdev *target, int err, enum bpf_map_type type)
{
	struct vm_port *sender = port_of(from), *port;
	const struct net_device *to;

	if (!sender)
		return 0;
	if (type == BPF_MAP_TYPE_DEVMAP && target) {
		to = BPF_CORE_READ(target, dev);
		port = port_of(to);
		if (port)
			lost(port->slot, BPF_CORE_READ(to, ifindex), lost_reason(err), 1);
	} else if (type == BPF_MAP_TYPE_DEVMAP_HASH && !target) {
		lost(sender->slot, BPF_CORE_READ(from, ifindex), VM_DROP_REDIRECT, 1);
	}
	return 0;
}
