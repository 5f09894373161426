// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/steer.skel.h"
#include "testbed.h"

static int prog_fd(const struct bed *bed)
{
	return bpf_program__fd(bed->skel->progs.steer);
}

static int netns_cookie(__u64 *cookie)
{
	socklen_t len = sizeof(*cookie);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, cookie, &len) < 0)
		err = -errno;
	close(fd);
	return err;
}

int bed_ensemble_add(struct bed *bed, __u16 ensemble, __u16 mtu, __u32 room)
{
	struct vm_ensemble value = { .mtu = mtu };
	__u32 key = ensemble, fd;
	int err;

	err = bpf_map_create(BPF_MAP_TYPE_DEVMAP_HASH, "vm_group", sizeof(__u32),
			     sizeof(struct bpf_devmap_val), room, NULL);
	if (err < 0)
		return err;
	fd = err;
	err = bpf_map__update_elem(bed->skel->maps.groups, &key, sizeof(key), &fd, sizeof(fd),
				   BPF_NOEXIST);
	close(fd);
	if (!err)
		err = bpf_map__update_elem(bed->skel->maps.ensembles, &key, sizeof(key), &value,
					   sizeof(value), BPF_NOEXIST);
	return err;
}

static int xdp_attach(struct bed *bed, const struct bed_port *port)
{
	__u32 flags = bed->xdp == BED_NATIVE ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;

	if (bed->xdp == BED_DETACHED)
		return 0;
	return bpf_xdp_attach(port->link.ifindex, prog_fd(bed), flags, NULL);
}

/* Into the ensemble's group map, which is an inner map: get it by its id. */
static int group_join(struct bed *bed, const struct bed_port *port, __u32 ensemble)
{
	struct bpf_devmap_val val = { .ifindex = port->link.ifindex };
	__u32 id, slot = port->slot;
	int fd, err;

	err = bpf_map__lookup_elem(bed->skel->maps.groups, &ensemble, sizeof(ensemble), &id,
				   sizeof(id), 0);
	if (err)
		return err;
	fd = bpf_map_get_fd_by_id(id);
	if (fd < 0)
		return fd;
	val.bpf_prog.fd = bpf_program__fd(bed->skel->progs.egress);
	err = bpf_map_update_elem(fd, &slot, &val, BPF_NOEXIST);
	close(fd);
	return err;
}

static int hint_write(struct bpf_map *index, __u32 at, const void *hint, size_t size)
{
	return bpf_map__update_elem(index, &at, sizeof(at), hint, size, 0);
}

static int port_publish(struct bed *bed, const struct bed_port *port, __u32 flags)
{
	struct vm_port value = {
		.addr = port->addr, .slot = port->slot, .mtu = port->mtu, .flags = flags
	};
	struct vm_port_hint hint = { .ifindex = port->link.ifindex,
				     .addr = port->addr,
				     .slot = port->slot,
				     .mtu = port->mtu,
				     .flags = flags };
	struct bpf_devmap_val tap = { .ifindex = port->link.ifindex };
	__u32 ifindex = port->link.ifindex, slot = port->slot;
	int err;

	err = bpf_map__update_elem(bed->skel->maps.taps, &slot, sizeof(slot), &tap, sizeof(tap), 0);
	if (err)
		return err;
	err = bpf_map__update_elem(bed->skel->maps.ports, &ifindex, sizeof(ifindex), &value,
				   sizeof(value), BPF_NOEXIST);
	if (!err && bed->hints)
		err = hint_write(bed->skel->maps.port_index, vm_port_hint(ifindex), &hint,
				 sizeof(hint));
	return err ?: xdp_attach(bed, port);
}

int bed_port_enter(struct bed *bed, struct bed_port *port, __u16 ensemble, __u16 node)
{
	struct vm_dest dest = { .mtu = port->mtu, .ifindex = port->link.ifindex };
	struct vm_node_hint hint = { .mtu = port->mtu };
	int err;

	port->addr = vm_addr(ensemble, node);
	port->slot = bed->next_slot++;
	dest.slot = hint.slot = port->slot;
	hint.addr = port->addr;
	err = bpf_map__update_elem(bed->skel->maps.nodes, &port->addr, sizeof(port->addr), &dest,
				   sizeof(dest), BPF_NOEXIST);
	if (!err && bed->hints)
		err = hint_write(bed->skel->maps.node_index, vm_node_hint(port->addr), &hint,
				 sizeof(hint));
	if (!err)
		err = group_join(bed, port, ensemble);
	return err ?: port_publish(bed, port, bed->flags);
}

int bed_through_add(struct bed *bed, struct bed_port *port, enum link_kind kind, __u16 mtu)
{
	int err;

	memset(port, 0, sizeof(*port));
	port->mtu = mtu;
	port->slot = bed->next_slot++;
	err = link_add(&port->link, kind, "through", mtu, bed->ring);
	return err ?: port_publish(bed, port, VM_PORT_THROUGH);
}

int bed_faults(struct bed *bed, __u16 ensemble, const struct vm_faults *faults)
{
	__u32 key = ensemble;

	return bpf_map__update_elem(bed->skel->maps.faults, &key, sizeof(key), faults,
				    sizeof(*faults), 0);
}

int bed_port_add(struct bed *bed, struct bed_port *port, enum link_kind kind, __u16 ensemble,
		 __u16 node, __u16 mtu)
{
	char name[IFNAMSIZ];
	int err;

	snprintf(name, sizeof(name), "vm%u.%u", ensemble, node);
	memset(port, 0, sizeof(*port));
	port->mtu = mtu;
	err = link_add(&port->link, kind, name, mtu, bed->ring);
	return err ?: bed_port_enter(bed, port, ensemble, node);
}

int bed_open(struct bed *bed)
{
	int err;

	memset(bed, 0, sizeof(*bed));
	bed->next_slot = VM_SLOT_FIRST;
	bed->hints = true;
	bed->broker.link.fd = -1;
	err = link_new_netns();
	if (err)
		return err;
	bed->skel = steer_bpf__open();
	return bed->skel ? 0 : -errno;
}

int bed_trace(struct bed *bed, bool on)
{
	struct bpf_link **xmit = &bed->skel->links.devmap_xmit;
	struct bpf_link **error = &bed->skel->links.redirect_err;

	if (on) {
		*xmit = bpf_program__attach(bed->skel->progs.devmap_xmit);
		*error = bpf_program__attach(bed->skel->progs.redirect_err);
		return *xmit && *error ? 0 : -errno;
	}
	bpf_link__destroy(*xmit);
	bpf_link__destroy(*error);
	*xmit = *error = NULL;
	return 0;
}

int bed_load(struct bed *bed)
{
	struct vm_meta meta = { .abi = VM_MAPS_ABI };
	__u32 zero = 0;
	int err;

	err = steer_bpf__load(bed->skel) ?: bed_trace(bed, true);
	if (err)
		return err;

	err = link_add(&bed->broker.link, LINK_TAP, VM_BROKER_IF, VM_MTU_MAX, 4096);
	if (err)
		return err;
	bed->broker.mtu = VM_MTU_MAX;
	bed->broker.slot = VM_SLOT_BROKER;
	meta.broker_ifindex = bed->broker.link.ifindex;
	err = netns_cookie(&meta.netns_cookie);
	if (!err)
		err = bpf_map__update_elem(bed->skel->maps.meta, &zero, sizeof(zero), &meta,
					   sizeof(meta), 0);
	return err ?: port_publish(bed, &bed->broker, VM_PORT_BROKER);
}

void bed_close(struct bed *bed)
{
	link_close(&bed->broker.link);
	steer_bpf__destroy(bed->skel);
	bed->skel = NULL;
}

int bed_counters(const struct bed *bed, __u32 slot, struct vm_counters *sum)
{
	int cpus = libbpf_num_possible_cpus(), cpu, err;
	struct vm_counters *values;
	size_t i;

	if (cpus < 0)
		return cpus;
	values = calloc(cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	err = bpf_map__lookup_elem(bed->skel->maps.counters, &slot, sizeof(slot), values,
				   cpus * sizeof(*values), 0);
	memset(sum, 0, sizeof(*sum));
	for (cpu = 0; !err && cpu < cpus; cpu++)
		for (i = 0; i < sizeof(*sum) / sizeof(__u64); i++)
			((__u64 *)sum)[i] += ((__u64 *)&values[cpu])[i];
	free(values);
	return err;
}

static const char *const drop_names[] = {
	[VM_DROP_RUNT] = "runt",
	[VM_DROP_OVERSIZE] = "oversize",
	[VM_DROP_VLAN] = "vlan",
	[VM_DROP_NO_PORT] = "no_port",
	[VM_DROP_SPOOF] = "spoof",
	[VM_DROP_FOREIGN] = "foreign",
	[VM_DROP_BAD_DEST] = "bad_dest",
	[VM_DROP_NO_NODE] = "no_node",
	[VM_DROP_SELF] = "self",
	[VM_DROP_NOT_CONTROL] = "not_control",
	[VM_DROP_RATE] = "rate",
	[VM_DROP_DEST_MTU] = "dest_mtu",
	[VM_DROP_REDIRECT] = "redirect",
	[VM_DROP_LOST_FULL] = "lost_full",
	[VM_DROP_LOST_CLOSED] = "lost_closed",
	[VM_DROP_LOST_MTU] = "lost_mtu",
	[VM_DROP_LOST_OTHER] = "lost_other",
	[VM_DROP_LOST_FAULT] = "lost_fault",
};
_Static_assert(sizeof(drop_names) / sizeof(drop_names[0]) == VM_DROP_REASONS, "a reason too few");

static int difference(__u32 slot, const char *what, __u64 want, __u64 have)
{
	if (want == have)
		return 0;
	fprintf(stderr, "# slot %u %s: %llu instead of %llu\n", slot, what, have, want);
	return 1;
}

int bed_differences(const struct bed *bed, const struct bed_want *want, size_t n)
{
	static const struct vm_counters none;
	const struct vm_counters *w;
	struct vm_counters have;
	int found = 0, i;
	__u32 slot;
	size_t j;

	for (slot = 0; slot < VM_PORTS_MAX; slot++) {
		w = &none;
		for (j = 0; j < n; j++)
			if (want[j].slot == slot)
				w = &want[j].counters;
		if (bed_counters(bed, slot, &have))
			return -1;
		found += difference(slot, "rx_frames", w->rx_frames, have.rx_frames);
		found += difference(slot, "rx_bytes", w->rx_bytes, have.rx_bytes);
		found += difference(slot, "tx_frames", w->tx_frames, have.tx_frames);
		found += difference(slot, "tx_bytes", w->tx_bytes, have.tx_bytes);
		for (i = 0; i < VM_DROP_REASONS; i++)
			found += difference(slot, drop_names[i], w->drops[i], have.drops[i]);
	}
	return found;
}

int bed_test_run(struct bed *bed, int ifindex, const void *frame, size_t len, void *out,
		 __u32 *verdict)
{
	struct xdp_md ctx = { .data_end = len, .ingress_ifindex = ifindex };
	struct bpf_test_run_opts opts = { .sz = sizeof(opts),
					  .data_in = frame,
					  .data_size_in = len,
					  .data_out = out,
					  .data_size_out = out ? len : 0,
					  .ctx_in = &ctx,
					  .ctx_size_in = sizeof(ctx),
					  .repeat = 1 };
	int err;

	err = bpf_prog_test_run_opts(prog_fd(bed), &opts);

	if (!err && out && opts.data_size_out != len)
		return -EMSGSIZE;
	*verdict = opts.retval;
	return err;
}

int bed_live_run(struct bed *bed, int ifindex, const void *frame, size_t len, unsigned int repeat)
{
	struct xdp_md ctx = { .data_end = len, .ingress_ifindex = ifindex };
	struct bpf_test_run_opts opts = { .sz = sizeof(opts),
					  .data_in = frame,
					  .data_size_in = len,
					  .ctx_in = &ctx,
					  .ctx_size_in = sizeof(ctx),
					  .repeat = repeat,
					  .flags = BPF_F_TEST_XDP_LIVE_FRAMES };

	return bpf_prog_test_run_opts(prog_fd(bed), &opts);
}

bool bed_live_clones(void)
{
	struct utsname kernel;
	int major, minor;

	return !uname(&kernel) && sscanf(kernel.release, "%d.%d", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= 3));
}

void bed_frame(void *frame, size_t len, const __u8 dst[VM_MAC_LEN], const __u8 src[VM_MAC_LEN],
	       __u16 ethertype, unsigned int seed)
{
	__u8 *p = frame;
	size_t i;

	memcpy(p, dst, VM_MAC_LEN);
	memcpy(p + VM_MAC_LEN, src, VM_MAC_LEN);
	p[12] = ethertype >> 8;
	p[13] = ethertype;
	for (i = VM_ETH_HLEN; i < len; i++)
		p[i] = seed + i * 7;
}

void bed_frame_to(void *frame, size_t len, __u32 dst, __u32 src, unsigned int seed)
{
	__u8 d[VM_MAC_LEN], s[VM_MAC_LEN];

	vm_addr_to_mac(dst, d);
	vm_addr_to_mac(src, s);
	bed_frame(frame, len, d, s, VM_ETHERTYPE, seed);
}
