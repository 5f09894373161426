// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ports of this host, read from the maps into the mesh.
 *
 * mesh_adopt() makes the mesh from our own maps (members, epochs): what the
 * broker before us knew. mesh_reload() then compares it with the command's maps
 * (ports, ensembles). So whatever was added, removed or replaced, while a broker
 * ran or while none did, is found by the same comparison and makes an epoch.
 *
 * A port is known by its address and `added_ns`; its low half is in the record.
 */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "../host/log.h"
#include "broker.h"
#include "membership.h"

#define ENSEMBLES (VM_PORTS_MAX + VM_ENSEMBLES_MAX)
/* Of a walk through a hash while others write to it: it may start over, not for ever. */
#define WALK_MAX (4 * VM_PORTS_MAX)
/* Of an entry that others write to all the time. */
#define READS_MAX 8

struct seen {
	__u32 addr;
	__u32 ifindex;
	__u64 added_ns;
	__u16 mtu;
};

/* What was read. Scratch: nothing in here outlives the call. */
struct roster {
	const struct vm_maps *maps; /* that it is read from */
	struct seen ports[WALK_MAX]; /* VM_PORTS_MAX at most, once doubles are out */
	unsigned int nports;
	__u32 ensembles[ENSEMBLES];
	unsigned int nensembles;
	struct ensemble next[ENSEMBLES];
};

static struct roster roster;

/* Shell sort: qsort() may allocate. */
static void sort_ports(struct seen *a, unsigned int n)
{
	for (unsigned int gap = n / 2; gap; gap /= 2)
		for (unsigned int i = gap; i < n; i++) {
			struct seen x = a[i];
			unsigned int j = i;

			for (; j >= gap && a[j - gap].addr > x.addr; j -= gap)
				a[j] = a[j - gap];
			a[j] = x;
		}
}

/* ... which also drops what is there twice. */
static void sort_ensembles(struct roster *r)
{
	unsigned int n = r->nensembles;
	__u32 *a = r->ensembles;

	for (unsigned int gap = n / 2; gap; gap /= 2)
		for (unsigned int i = gap; i < n; i++) {
			unsigned int j = i;
			__u32 x = a[i];

			for (; j >= gap && a[j - gap] > x; j -= gap)
				a[j] = a[j - gap];
			a[j] = x;
		}
	r->nensembles = 0;
	for (unsigned int i = 0; i < n; i++)
		if (!r->nensembles || a[r->nensembles - 1] != a[i])
			a[r->nensembles++] = a[i];
}

static bool addr_valid(__u32 addr)
{
	return vm_ensemble_valid(vm_addr_ensemble(addr)) && vm_node_valid(vm_addr_node(addr));
}

/*
 * The command writes without asking us. The kernel puts an entry that is written
 * again before the others of its bucket, behind the back of who is reading there,
 * and has its old room for the next entry at once: so a port that is there may not
 * be met, and what was read may be another port's. Read until it is the same twice.
 */
static int read_port(const struct vm_maps *maps, __u32 ifindex, struct vm_port *port)
{
	struct vm_port before;
	int err = 1, last; /* no error of the first */

	*port = (struct vm_port){ 0 };
	for (unsigned int i = 0; i < READS_MAX; i++) {
		last = err;
		before = *port;
		*port = (struct vm_port){ 0 };
		err = bpf_map_lookup_elem(maps->ports, &ifindex, port);
		if (err == last && port->addr == before.addr && port->added_ns == before.added_ns &&
		    port->mtu == before.mtu)
			break;
	}
	return err;
}

static int see_port(__u32 ifindex, const struct vm_port *once, void *arg)
{
	struct roster *r = arg;
	struct vm_port port;
	int err = read_port(r->maps, ifindex, &port);

	if (err)
		return err == -ENOENT ? 0 : err;
	if (port.flags & VM_PORT_BROKER || !addr_valid(port.addr))
		return 0;
	if (r->nports == WALK_MAX)
		return -E2BIG;
	r->ports[r->nports++] = (struct seen){ port.addr, ifindex, port.added_ns, port.mtu };
	return 0;
}

static void see_ensemble(struct roster *r, __u32 id)
{
	if (vm_ensemble_valid(id) && r->nensembles < ENSEMBLES)
		r->ensembles[r->nensembles++] = id;
}

static const struct seen *find_port(const struct roster *r, __u32 addr)
{
	unsigned int low = 0, high = r->nports;

	while (low < high) {
		unsigned int mid = (low + high) / 2;

		if (r->ports[mid].addr < addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low < r->nports && r->ports[low].addr == addr ? &r->ports[low] : NULL;
}

/* That the walk did not meet a node's port proves nothing: look for it by name. */
static void see_missed(const struct broker *b, struct roster *r)
{
	unsigned int n = r->nports;

	for (unsigned int i = 0; i < b->mesh.nnodes && n < VM_PORTS_MAX; i++) {
		const struct node *node = &b->mesh.nodes[i];
		struct vm_dest dest = { .ifindex = node->ifindex };
		struct vm_port port;

		if (find_port(r, node->addr))
			continue;
		if (!dest.ifindex && bpf_map_lookup_elem(b->maps.nodes, &node->addr, &dest))
			continue;
		if (read_port(r->maps, dest.ifindex, &port) || port.addr != node->addr)
			continue;
		r->ports[n++] = (struct seen){ port.addr, dest.ifindex, port.added_ns, port.mtu };
	}
	r->nports = n;
	sort_ports(r->ports, n);
}

/* Everything the command says, sorted and without doubles. */
static int read_roster(const struct broker *b, struct roster *r)
{
	const struct vm_maps *maps = &b->maps;
	__u32 key, *prev = NULL;
	unsigned int n = 0;
	int err;

	r->maps = maps;
	r->nports = 0;
	r->nensembles = 0;
	err = vm_ports_each(maps, see_port, r);
	if (err)
		return err;
	sort_ports(r->ports, r->nports);
	/* Met twice: the walk started over; or the port is being replaced, and the newer one it is. */
	for (unsigned int i = 0; i < r->nports; i++) {
		if (!n || r->ports[n - 1].addr != r->ports[i].addr)
			r->ports[n++] = r->ports[i];
		else if (r->ports[n - 1].added_ns < r->ports[i].added_ns)
			r->ports[n - 1] = r->ports[i];
	}
	if (n > VM_PORTS_MAX)
		return -E2BIG;
	r->nports = n;
	see_missed(b, r);

	for (unsigned int i = 0; i < VM_ENSEMBLES_MAX; i++) {
		if (bpf_map_get_next_key(maps->ensembles, prev, &key))
			break;
		see_ensemble(r, key);
		prev = &key;
	}
	for (unsigned int i = 0; i < r->nports; i++)
		if (!i ||
		    vm_addr_ensemble(r->ports[i].addr) != vm_addr_ensemble(r->ports[i - 1].addr))
			see_ensemble(r, vm_addr_ensemble(r->ports[i].addr));
	sort_ensembles(r);
	return 0;
}

/* Which nodes stand where, and what follows from them for their ensembles. */
static void index_nodes(struct mesh *mesh)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < mesh->nensembles; i++) {
		struct ensemble *ens = &mesh->ensembles[i];

		ens->first = n;
		ens->live = 0;
		ens->changed = 0;
		ens->mtu = VM_MTU_MAX;
		for (; n < mesh->nnodes && vm_addr_ensemble(mesh->nodes[n].addr) == ens->id; n++) {
			ens->live += mesh_live(&mesh->nodes[n]);
			ens->changed += mesh->nodes[n].changed;
			if (mesh->nodes[n].ifindex && mesh->nodes[n].mtu < ens->mtu)
				ens->mtu = mesh->nodes[n].mtu;
		}
		ens->count = n - ens->first;
	}
}

/* Make mesh->ensembles those of @r, keeping what is known of each. */
static void set_ensembles(struct broker *b, struct roster *r)
{
	struct mesh *mesh = &b->mesh;

	for (unsigned int i = 0; i < r->nensembles; i++) {
		struct ensemble *old = mesh_ensemble(mesh, r->ensembles[i]);

		if (old) {
			r->next[i] = *old;
			continue;
		}
		r->next[i] = (struct ensemble){ .id = r->ensembles[i] };
		if (bpf_map_lookup_elem(b->maps.epochs, &r->ensembles[i], &r->next[i].epoch) ||
		    !r->next[i].epoch) {
			r->next[i].epoch = mesh_first_epoch(b);
			mesh_persist_epoch(b, &r->next[i]);
		}
		mesh_saw_epoch(b, r->next[i].epoch);
	}
	for (unsigned int i = 0, j = 0; i < mesh->nensembles; i++) {
		while (j < r->nensembles && r->ensembles[j] < mesh->ensembles[i].id)
			j++;
		if (j == r->nensembles || r->ensembles[j] != mesh->ensembles[i].id)
			bpf_map_delete_elem(b->maps.epochs, &mesh->ensembles[i].id);
	}
	memcpy(mesh->ensembles, r->next, r->nensembles * sizeof(r->next[0]));
	mesh->nensembles = r->nensembles;
	index_nodes(mesh);
}

static void flush_all(struct broker *b)
{
	for (unsigned int i = 0; i < b->mesh.nensembles; i++)
		mesh_flush(b, &b->mesh.ensembles[i]);
}

static void log_port(const char *event, const struct node *node)
{
	vm_info("event=%s node=%u/%u ifindex=%u mtu=%u", event, vm_addr_ensemble(node->addr),
		vm_addr_node(node->addr), node->ifindex, node->mtu);
}

/* The nodes we know against the ports there are: kept, replaced or gone. */
static void compare(struct broker *b, const struct roster *r)
{
	for (unsigned int i = 0; i < b->mesh.nnodes; i++) {
		struct node *node = &b->mesh.nodes[i];
		const struct seen *port = find_port(r, node->addr);
		bool same = port && node->rec.port == (__u32)port->added_ns &&
			    (!node->ifindex || node->ifindex == port->ifindex);
		bool adopted = !node->ifindex;

		if (!same) {
			log_port(port ? "port-replaced" : "port-gone", node);
			mesh_set_state(b, node, VM_NODE_ABSENT);
			node->rec.nonce = 0;
			node->rec.caps = 0;
			node->gone = !port;
			mesh_mark(b, node);
		}
		node->ifindex = port ? port->ifindex : 0;
		node->rec.port = port ? (__u32)port->added_ns : 0;
		if (port)
			node->mtu = port->mtu;
		/* No news to the guests; but watchers were told that it went with vmesh0. */
		if (same && adopted)
			server_publish(
				b, node,
				mesh_ensemble(&b->mesh, vm_addr_ensemble(node->addr))->epoch);
	}
}

static void forget_gone(struct mesh *mesh)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < mesh->nnodes; i++)
		if (!mesh->nodes[i].gone)
			mesh->nodes[n++] = mesh->nodes[i];
	mesh->nnodes = n;
}

/* Every node has its port in @r now; make the other ports nodes, from the end, in place. */
static void add_new(struct broker *b, const struct roster *r)
{
	struct mesh *mesh = &b->mesh;
	unsigned int old = mesh->nnodes;

	for (unsigned int i = r->nports; i-- > 0;) {
		const struct seen *port = &r->ports[i];
		struct node *node = &mesh->nodes[i];

		if (old && mesh->nodes[old - 1].addr == port->addr) {
			*node = mesh->nodes[--old];
			continue;
		}
		*node = (struct node){
			.addr = port->addr,
			.ifindex = port->ifindex,
			.mtu = port->mtu,
			.changed = true,
			.rec = {
				.state = VM_NODE_ABSENT,
				.port = (__u32)port->added_ns,
				.since_ns = clock_real(),
			},
		};
		log_port("port", node);
	}
	mesh->nnodes = r->nports;
}

int mesh_reload(struct broker *b)
{
	int err = read_roster(b, &roster);

	if (err)
		return err;
	b->resynced = b->now;

	compare(b, &roster);
	/* What is told of those who go is the MTU of those who stay. */
	index_nodes(&b->mesh);
	flush_all(b);
	forget_gone(&b->mesh);
	add_new(b, &roster);
	set_ensembles(b, &roster);
	/* A record starts from its ensemble's epoch: see membership.c. */
	for (unsigned int i = 0; i < b->mesh.nnodes; i++) {
		struct node *node = &b->mesh.nodes[i];

		if (!node->rec.incarnation)
			node->rec.incarnation =
				mesh_ensemble(&b->mesh, vm_addr_ensemble(node->addr))->epoch;
	}
	flush_all(b);
	return 0;
}

static bool record_valid(__u32 addr, const struct vm_member *rec)
{
	return addr_valid(addr) && rec->incarnation && rec->state < VM_NODE_STATES &&
	       (rec->state == VM_NODE_ABSENT || (rec->nonce && rec->mtu >= VM_MTU_MIN));
}

static void adopt_node(struct broker *b, __u32 addr, const struct vm_member *rec)
{
	struct mesh *mesh = &b->mesh;
	unsigned int i = mesh->nnodes++;

	/* Into its place. Records come in no order; this is done once, at start. */
	for (; i && mesh->nodes[i - 1].addr > addr; i--)
		mesh->nodes[i] = mesh->nodes[i - 1];
	mesh->nodes[i] = (struct node){
		.addr = addr,
		.mtu = rec->mtu,
		.rec = *rec,
		.heard = b->now,
		.progressed = b->now,
	};
	if (mesh_live(&mesh->nodes[i]))
		mesh->next_probe = b->now; /* at once: they shall learn who we are */
}

int mesh_adopt(struct broker *b)
{
	struct roster *r = &roster;
	struct vm_member rec;
	__u32 key, next;
	int err;

	mesh_clear(b);
	r->nports = 0;
	r->nensembles = 0;

	err = bpf_map_get_next_key(b->maps.members, NULL, &next);
	for (unsigned int i = 0; !err && i < WALK_MAX; i++) {
		key = next;
		err = bpf_map_get_next_key(b->maps.members, &key, &next);
		if (bpf_map_lookup_elem(b->maps.members, &key, &rec))
			continue;
		if (!record_valid(key, &rec)) {
			vm_warn("event=record-dropped key=%#x", key);
			bpf_map_delete_elem(b->maps.members, &key);
			continue;
		}
		if (b->mesh.nnodes == VM_PORTS_MAX || mesh_node(&b->mesh, key))
			continue;
		adopt_node(b, key, &rec);
		see_ensemble(r, vm_addr_ensemble(key));
	}
	if (err && err != -ENOENT)
		return err;

	err = bpf_map_get_next_key(b->maps.epochs, NULL, &next);
	for (unsigned int i = 0; !err && i < VM_ENSEMBLES_MAX; i++) {
		key = next;
		err = bpf_map_get_next_key(b->maps.epochs, &key, &next);
		see_ensemble(r, key);
	}
	if (err && err != -ENOENT)
		return err;

	sort_ensembles(r);
	set_ensembles(b, r);
	return 0;
}
