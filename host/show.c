// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker_info.h"
#include "cmd.h"
#include "faults_view.h"
#include "json.h"
#include "names.h"
#include "ports.h"
#include "state.h"
#include "table.h"
#include "view.h"

static const char *state_name(const struct vm_view *v)
{
	return vm_node_state_name(v->known ? v->member.state : VM_NODE_ABSENT);
}

static struct json_object *json_port(const struct vm_view *v)
{
	struct json_object *json = json_object_new_object();
	char served[32];
	__u8 mac[VM_MAC_LEN];

	vm_json_str(json, "port", v->link.name);
	vm_json_u64(json, "ifindex", v->ifindex);
	if (v->port.flags & VM_PORT_BROKER) {
		vm_json_bool(json, "broker", true);
	} else if (v->port.flags & VM_PORT_THROUGH) {
		vm_json_bool(json, "through", true);
	} else {
		vm_addr_to_mac(v->port.addr, mac);
		vm_json_u64(json, "ensemble", vm_addr_ensemble(v->port.addr));
		vm_json_u64(json, "node", vm_addr_node(v->port.addr));
		vm_json_mac(json, "mac", mac);
		vm_json_str(json, "state", state_name(v));
		vm_json_u64(json, "incarnation", v->known ? v->member.incarnation : 0);
	}
	vm_json_str(json, "mode", vm_view_mode(v));
	vm_json_bool(json, "dispatcher", v->port.flags & VM_PORT_DISPATCHER);
	vm_json_bool(json, "owned", v->port.flags & VM_PORT_OWNED);
	vm_json_bool(json, "gone", v->gone);
	vm_json_str(json, "kind", v->link.kind);
	vm_json_bool(json, "vhost_user", v->port.flags & VM_PORT_VHOST_USER);
	vm_json_str(json, "served", vm_view_served(v, served, sizeof(served)));
	vm_json_u64(json, "served_pid", v->holder.pid);
	vm_json_u64(json, "slot", v->port.slot);
	vm_json_u64(json, "mtu", v->port.mtu);
	vm_json_u64(json, "ring", v->link.ring);
	vm_json_u64(json, "rx_frames", v->count.rx_frames);
	vm_json_u64(json, "rx_bytes", v->count.rx_bytes);
	vm_json_u64(json, "tx_frames", v->count.tx_frames);
	vm_json_u64(json, "tx_bytes", v->count.tx_bytes);
	vm_json_u64(json, "drops", vm_view_drops(v));
	vm_json_u64(json, "lost", vm_view_lost(v));
	return json;
}

static void push_faults(__u32 ensemble, const struct vm_faults *faults, void *arg)
{
	vm_json_push(arg, vm_faults_json(ensemble, faults));
}

static int print_json(const struct vm_state *st, bool broker, const struct vm_view *views, size_t n)
{
	struct json_object *json = json_object_new_object(), *array = json_object_new_array();

	vm_json_bool(json, "dispatcher", st->dispatcher);
	vm_json_bool(json, "broker_running", broker);
	vm_json_u64(json, "created_ns", st->meta.created_ns);
	for (size_t i = 0; i < n; i++)
		vm_json_push(array, json_port(&views[i]));
	vm_json_add(json, "ports", array);
	array = json_object_new_array();
	vm_faults_each(&st->maps, 0, push_faults, array);
	vm_json_add(json, "faults", array);
	return vm_json_print(json, false);
}

static void print_port(struct vm_table *table, const struct vm_view *v)
{
	char served[32];

	vm_table_cell(table, "%s", v->link.name);
	if (v->port.flags & VM_PORT_BROKER) {
		vm_table_cell(table, "-");
		vm_table_cell(table, "0");
		vm_table_cell(table, "broker");
	} else if (v->port.flags & VM_PORT_THROUGH) {
		vm_table_cell(table, "-");
		vm_table_cell(table, "-");
		vm_table_cell(table, "FAULTS");
	} else {
		vm_table_cell(table, "%u", vm_addr_ensemble(v->port.addr));
		vm_table_cell(table, "%u", vm_addr_node(v->port.addr));
		vm_table_cell(table, "%s", state_name(v));
	}
	vm_table_cell(table, "%s", vm_view_mode(v));
	vm_table_cell(table, "%s%s", v->port.flags & VM_PORT_VHOST_USER ? "vhost-user:" : "",
		      vm_view_served(v, served, sizeof(served)));
	vm_table_cell(table, "%u", v->port.mtu);
	vm_table_cell(table, "%llu", v->count.rx_frames);
	vm_table_cell(table, "%llu", v->count.rx_bytes);
	vm_table_cell(table, "%llu", v->count.tx_frames);
	vm_table_cell(table, "%llu", v->count.tx_bytes);
	vm_table_cell(table, "%llu", vm_view_drops(v));
	vm_table_cell(table, "%llu", vm_view_lost(v));
}

static void print_faults(__u32 ensemble, const struct vm_faults *faults, void *arg)
{
	char text[VM_FAULTS_TEXT];

	printf("\nensemble %u: %s\n(virtmesh ensemble faults %u --off ends it)\n", ensemble,
	       vm_faults_text(faults, text, sizeof(text)), ensemble);
}

/* Whether states are kept up to date: @broker is what vm_broker_info() returned. */
static const char *broker_text(int broker, const struct vm_ctl_info *info)
{
	if (broker == -ENOTCONN)
		return "not running: states are as it left them";
	if (broker)
		return "not answering: states are as it left them";
	return info->has_state ? "running" :
				 "running, but without this mesh: states are as they were left";
}

static int print_table(const struct vm_state *st, const char *broker, const struct vm_view *views,
		       size_t n)
{
	struct vm_table *table =
		vm_table_new("PORT >ENSEMBLE >NODE STATE MODE SERVED >MTU >RX-FRAMES "
			     ">RX-BYTES >TX-FRAMES >TX-BYTES >DROPS >LOST");
	int err;

	for (size_t i = 0; i < n; i++)
		print_port(table, &views[i]);
	err = vm_table_print(table);
	if (err)
		return err;
	printf("\n%s; broker %s\n",
	       st->dispatcher ?
		       "attached through libxdp's dispatcher" :
		       "one XDP program an interface (no libxdp dispatcher on this kernel)",
	       broker);
	vm_faults_each(&st->maps, 0, print_faults, NULL);
	return 0;
}

int vm_cmd_show(const struct vm_args *args)
{
	struct vm_view *views;
	struct vm_ctl_info info;
	struct vm_state st;
	int broker, err;
	size_t n;

	err = vm_state_read(&st);
	if (err)
		return err;
	if (args->ensemble) {
		err = vm_ensemble_find(&st, args->ensemble);
		if (err)
			goto close;
	}
	err = vm_views_load(&st, args->ensemble, true, &views, &n);
	if (err)
		goto close;
	vm_views_hold(views, n);
	broker = vm_broker_info(&info);
	err = args->json ? print_json(&st, !broker && info.has_state, views, n) :
			   print_table(&st, broker_text(broker, &info), views, n);
	free(views);
close:
	vm_state_close(&st);
	return err;
}
