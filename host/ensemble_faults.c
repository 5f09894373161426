// SPDX-License-Identifier: GPL-2.0-only
/*
 * ensemble faults: frames of the mesh protocol between the nodes of an ensemble
 * get lost, or make a detour, on purpose. For tests; off unless asked for.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "faults.h"
#include "faults_view.h"
#include "join.h"
#include "json.h"
#include "log.h"

static int report(const struct vm_args *args, const struct vm_faults *faults)
{
	char text[VM_FAULTS_TEXT];
	struct json_object *json;

	if (!args->json) {
		if (faults)
			printf("ensemble %u: %s\n", args->ensemble,
			       vm_faults_text(faults, text, sizeof(text)));
		else
			printf("ensemble %u: no faults\n", args->ensemble);
		return 0;
	}
	json = vm_faults_json(args->ensemble, faults);
	return vm_json_print(json, false);
}

static int tell(const struct vm_args *args)
{
	struct vm_faults faults;
	struct vm_state st;
	int err;

	err = vm_state_read(&st);
	if (err)
		return err;
	err = vm_ensemble_find(&st, args->ensemble);
	if (!err) {
		err = vm_faults_get(&st, args->ensemble, &faults);
		if (err && err != -ENOENT)
			vm_err("cannot read the faults: %s", strerror(-err));
		else
			err = report(args, err ? NULL : &faults);
	}
	vm_state_close(&st);
	return err;
}

/* May frames of @ensemble make a detour by the interface @name? Fills @link. */
static int check_through(const struct vm_state *st, const struct vm_ports *ports, __u32 ensemble,
			 const char *name, struct vm_link *link)
{
	const struct vm_port_entry *entry;
	struct vm_faults had = { 0 };
	int err;

	err = vm_link_get_name(name, link);
	if (err) {
		vm_err("cannot look at the interface %s: %s", name, strerror(-err));
		return err;
	}
	vm_faults_get(st, ensemble, &had);
	entry = vm_ports_by_ifindex(ports, link->ifindex);
	if (entry && had.ifindex != link->ifindex) {
		vm_err("%s is a port already%s", name,
		       entry->port.flags & VM_PORT_THROUGH ? ": faults of another ensemble lead "
							     "through it" :
							     "");
		return -EEXIST;
	}
	err = vm_join_fit(link);
	if (err)
		return err;
	for (size_t i = 0; i < ports->count; i++) {
		const struct vm_port *port = &ports->entry[i].port;

		if (vm_addr_ensemble(port->addr) != ensemble || port->mtu <= link->mtu)
			continue;
		vm_err("%s has MTU %u, and node %u sends frames of %u: ip link set dev %s mtu %u",
		       name, link->mtu, vm_addr_node(port->addr), port->mtu, name, port->mtu);
		return -ERANGE;
	}
	return 0;
}

static int change(struct vm_state *st, struct vm_ports *ports, const struct vm_args *args)
{
	struct vm_faults faults = { .seed = args->seed, .loss = args->loss };
	struct vm_link link;
	int err;

	err = vm_ensemble_find(st, args->ensemble);
	if (err)
		return err;
	if (args->off)
		return vm_faults_off(st, ports, args->ensemble);
	if (args->through) {
		err = check_through(st, ports, args->ensemble, args->through, &link);
		if (err)
			return err;
	}
	err = vm_faults_on(st, ports, args->ensemble, args->through ? &link : NULL, &faults);
	if (!err)
		vm_warn("ensemble %u loses or delays frames on purpose from now on; "
			"virtmesh ensemble faults %u --off ends it",
			args->ensemble, args->ensemble);
	return err;
}

int vm_cmd_ensemble_faults(const struct vm_args *args)
{
	struct vm_faults faults;
	struct vm_ports *ports;
	struct vm_state st;
	bool on = false;
	int err;

	if (!args->off && !args->through && !args->loss_given)
		return tell(args);
	err = vm_state_change(&st);
	if (err)
		return err;
	ports = vm_ports_load(&st.maps);
	err = ports ? change(&st, ports, args) : -EIO;
	if (!err)
		on = !vm_faults_get(&st, args->ensemble, &faults);
	free(ports);
	vm_state_close(&st);
	return err ?: report(args, on ? &faults : NULL);
}
