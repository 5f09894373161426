// SPDX-License-Identifier: GPL-2.0-only
/*
 * ensemble add, del, list.
 *
 * An ensemble is its entry in `ensembles` and a map in `groups`. The entry is
 * written first: with it and without the map the ensemble exists, and the next
 * command makes the map (vm_ports_sweep()).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "clock.h"
#include "cmd.h"
#include "faults.h"
#include "groups.h"
#include "json.h"
#include "log.h"
#include "ports.h"
#include "state.h"
#include "table.h"

static int report(const struct vm_args *args, bool changed, const char *text)
{
	struct json_object *json;

	if (!args->json) {
		printf("ensemble %u %s\n", args->ensemble, text);
		return 0;
	}
	json = json_object_new_object();
	vm_json_u64(json, "ensemble", args->ensemble);
	vm_json_bool(json, "changed", changed);
	return vm_json_print(json, false);
}

static int make_entry(struct vm_state *st, __u32 ensemble)
{
	struct vm_ensemble e = { .mtu = VM_MTU_MAX, .created_ns = vm_clock_ns(CLOCK_REALTIME) };
	int err;

	err = bpf_map_update_elem(st->maps.ensembles, &ensemble, &e, BPF_NOEXIST);
	if (err == -E2BIG) {
		vm_err("this host has its %d ensembles already", VM_ENSEMBLES_MAX);
		return -ENOSPC;
	}
	if (!err) {
		st->changed = true;
		err = vm_group_make(st, ensemble);
		if (err)
			bpf_map_delete_elem(st->maps.ensembles, &ensemble);
	}
	if (err)
		vm_err("cannot add ensemble %u: %s", ensemble, strerror(-err));
	return err;
}

int vm_cmd_ensemble_add(const struct vm_args *args)
{
	__u32 ensemble = args->ensemble;
	struct vm_ensemble e;
	struct vm_state st;
	bool exists;
	int err;

	err = vm_state_make(&st);
	if (err)
		return err;
	err = bpf_map_lookup_elem(st.maps.ensembles, &ensemble, &e);
	exists = !err;
	if (err == -ENOENT)
		err = make_entry(&st, ensemble);
	else if (err)
		vm_err("cannot look for ensemble %u: %s", ensemble, strerror(-err));
	if (err)
		vm_state_undo(&st);
	vm_state_close(&st);
	if (err)
		return err;
	if (exists)
		return report(args, false, "exists already");
	return report(args, true, "added");
}

/* Is @ensemble the only one? 1, 0, or -errno. */
static int is_last(const struct vm_state *st, __u32 ensemble)
{
	__u32 key;
	int err;

	err = bpf_map_get_next_key(st->maps.ensembles, NULL, &key);
	if (!err && key == ensemble)
		err = bpf_map_get_next_key(st->maps.ensembles, &ensemble, &key);
	return err == -ENOENT ? 1 : err;
}

static int remove_entry(struct vm_state *st, __u32 ensemble)
{
	struct vm_ports *ports;
	unsigned int members;
	int err, last;

	err = vm_ensemble_find(st, ensemble);
	if (err)
		return err;
	ports = vm_ports_load(&st->maps);
	if (!ports)
		return -EIO;
	members = vm_ports_of(ports, ensemble, NULL);
	if (!members)
		err = vm_faults_off(st, ports, ensemble);
	free(ports);
	if (err)
		return err;
	if (members) {
		vm_err("ensemble %u has %u port%s: remove them first (virtmesh show --ensemble %u)",
		       ensemble, members, members == 1 ? "" : "s", ensemble);
		return -EBUSY;
	}

	last = is_last(st, ensemble);
	if (last == 1)
		return vm_state_remove(st);
	err = last;
	if (!err)
		err = vm_group_remove(st, ensemble);
	if (!err || err == -ENOENT)
		err = bpf_map_delete_elem(st->maps.ensembles, &ensemble);
	if (!err)
		st->changed = true;
	else
		vm_err("cannot remove ensemble %u: %s", ensemble, strerror(-err));
	return err;
}

int vm_cmd_ensemble_del(const struct vm_args *args)
{
	struct vm_state st;
	int err;

	err = vm_state_change(&st);
	if (err)
		return err;
	err = remove_entry(&st, args->ensemble);
	vm_state_close(&st);
	if (err)
		return err;
	return report(args, true, "removed");
}

static int by_number(const void *a, const void *b)
{
	const __u32 *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void list_one(const struct vm_state *st, __u32 ensemble, struct json_object *array,
		     struct vm_table *table)
{
	struct json_object *json;
	struct vm_faults faults;
	struct vm_ensemble e;
	__u32 epoch = 0;

	if (bpf_map_lookup_elem(st->maps.ensembles, &ensemble, &e))
		return;
	bpf_map_lookup_elem(st->maps.epochs, &ensemble, &epoch);
	if (array) {
		json = json_object_new_object();
		vm_json_u64(json, "ensemble", ensemble);
		vm_json_u64(json, "ports", e.members);
		vm_json_u64(json, "mtu", e.members ? e.mtu : 0);
		vm_json_u64(json, "epoch", epoch);
		vm_json_u64(json, "created_ns", e.created_ns);
		vm_json_bool(json, "faults", !vm_faults_get(st, ensemble, &faults));
		vm_json_push(array, json);
		return;
	}
	vm_table_cell(table, "%u", ensemble);
	vm_table_cell(table, "%u", e.members);
	if (e.members)
		vm_table_cell(table, "%u", e.mtu);
	else
		vm_table_cell(table, "-");
	vm_table_cell(table, "%u", epoch);
}

int vm_cmd_ensemble_list(const struct vm_args *args)
{
	__u32 list[VM_ENSEMBLES_MAX], key, next, n = 0;
	struct json_object *array = NULL;
	struct vm_table *table = NULL;
	struct vm_state st;
	int err;

	err = vm_state_read(&st);
	if (err)
		return err;
	err = bpf_map_get_next_key(st.maps.ensembles, NULL, &next);
	while (!err && n < VM_ENSEMBLES_MAX) {
		list[n++] = key = next;
		err = bpf_map_get_next_key(st.maps.ensembles, &key, &next);
	}
	qsort(list, n, sizeof(list[0]), by_number);

	if (args->json)
		array = json_object_new_array();
	else
		table = vm_table_new(">ENSEMBLE >PORTS >MTU >EPOCH");
	for (__u32 i = 0; i < n; i++)
		list_one(&st, list[i], array, table);
	vm_state_close(&st);
	return array ? vm_json_print(array, false) : vm_table_print(table);
}
