// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker.h"
#include "clock.h"
#include "cmd.h"
#include "json.h"
#include "log.h"
#include "names.h"
#include "table.h"

struct nodes {
	struct vm_ctl_node *node;
	size_t count;
};

static int collect(const void *data, size_t len, void *arg)
{
	struct nodes *nodes = arg;
	size_t n = len / sizeof(*nodes->node);
	struct vm_ctl_node *more;

	if (len % sizeof(*nodes->node))
		return -EPROTO;
	more = realloc(nodes->node, (nodes->count + n) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	memcpy(more + nodes->count, data, len);
	nodes->node = more;
	nodes->count += n;
	return 0;
}

static int by_addr(const void *a, const void *b)
{
	const struct vm_ctl_node *x = a, *y = b;

	return (x->addr > y->addr) - (x->addr < y->addr);
}

static int print_json(const struct nodes *nodes)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < nodes->count; i++) {
		const struct vm_ctl_node *n = &nodes->node[i];
		struct json_object *json = json_object_new_object();
		char name[IF_NAMESIZE] = "";

		if (n->ifindex)
			if_indextoname(n->ifindex, name);
		vm_json_u64(json, "ensemble", vm_addr_ensemble(n->addr));
		vm_json_u64(json, "node", vm_addr_node(n->addr));
		vm_json_str(json, "state", vm_node_state_name(n->state));
		vm_json_str(json, "port", name);
		vm_json_u64(json, "incarnation", n->incarnation);
		vm_json_u64(json, "epoch", n->epoch);
		vm_json_u64(json, "mtu", n->mtu);
		vm_json_u64(json, "progress", n->progress);
		vm_json_u64(json, "pending", n->pending);
		vm_json_u64(json, "since_ns", n->since_ns);
		vm_json_u64(json, "heard_ns", n->heard_ns);
		vm_json_push(array, json);
	}
	return vm_json_print(array, false);
}

/* How long ago, in the largest unit that says something. */
static void age_cell(struct vm_table *table, __u64 then, __u64 now)
{
	__u64 s;

	if (!then) {
		vm_table_cell(table, "-");
		return;
	}
	s = now > then ? (now - then) / 1000000000 : 0;
	if (s < 120)
		vm_table_cell(table, "%llu s", s);
	else if (s < 2 * 3600)
		vm_table_cell(table, "%llu min", s / 60);
	else if (s < 2 * 86400)
		vm_table_cell(table, "%llu h", s / 3600);
	else
		vm_table_cell(table, "%llu d", s / 86400);
}

static int print_table(const struct nodes *nodes)
{
	struct vm_table *table = vm_table_new(">ENSEMBLE >NODE STATE PORT >INCARNATION >EPOCH >MTU "
					      ">PROGRESS >PENDING >FOR >HEARD");
	__u64 now = vm_clock_ns(CLOCK_REALTIME);

	for (size_t i = 0; i < nodes->count; i++) {
		const struct vm_ctl_node *n = &nodes->node[i];
		char name[IF_NAMESIZE] = "-";

		if (n->ifindex)
			if_indextoname(n->ifindex, name);
		vm_table_cell(table, "%u", vm_addr_ensemble(n->addr));
		vm_table_cell(table, "%u", vm_addr_node(n->addr));
		vm_table_cell(table, "%s", vm_node_state_name(n->state));
		vm_table_cell(table, "%s", name);
		vm_table_cell(table, "%u", n->incarnation);
		vm_table_cell(table, "%u", n->epoch);
		vm_table_cell(table, "%u", n->mtu);
		vm_table_cell(table, "%llu", n->progress);
		vm_table_cell(table, "%u", n->pending);
		age_cell(table, n->since_ns, now);
		age_cell(table, n->heard_ns, now);
	}
	return vm_table_print(table);
}

int vm_cmd_nodes(const struct vm_args *args)
{
	struct vm_ctl_nodes ask = { .ensemble = args->ensemble };
	struct nodes nodes = { 0 };
	char why[128];
	int fd, err;

	fd = vm_broker_connect();
	if (fd == -ENOTCONN) {
		vm_err("no broker answers on %s: start virtmeshd (systemctl start virtmeshd); "
		       "virtmesh show works without it",
		       VM_CTL_SOCKET);
		return fd;
	}
	if (fd < 0) {
		vm_err("cannot ask the broker on %s: %s; root and the group %s may", VM_CTL_SOCKET,
		       strerror(-fd), VM_CTL_GROUP);
		return fd;
	}
	err = vm_broker_ask(fd, VM_CTL_NODES, &ask, sizeof(ask), collect, &nodes, why, sizeof(why));
	close(fd);
	if (err) {
		vm_err("the broker did not answer: %s", *why ? why : strerror(-err));
	} else {
		if (nodes.count)
			qsort(nodes.node, nodes.count, sizeof(nodes.node[0]), by_addr);
		err = args->json ? print_json(&nodes) : print_table(&nodes);
	}
	free(nodes.node);
	return err;
}
