// SPDX-License-Identifier: GPL-2.0-only
/*
 * port add, port del: ports whose tap is ours.
 *
 * The tap is persistent only when everything stands: until then, whatever ends
 * this process removes it, and the sweep of the next command finds the rest.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker.h"
#include "cmd.h"
#include "join.h"
#include "link.h"
#include "log.h"
#include "ports.h"
#include "state.h"
#include "tap.h"
#include "xdp.h"

static int explain_tap(const char *name, int err)
{
	switch (err) {
	case -EEXIST:
		vm_err("an interface called %s exists already: choose another name, or "
		       "virtmesh attach %s makes a port of that one",
		       name, name);
		break;
	case -EINVAL:
		vm_err("\"%s\" cannot be the name of a tap: 1 to %d characters, without '/', '%%' "
		       "and blanks",
		       name, IF_NAMESIZE - 1);
		break;
	case -ENODEV:
		vm_err("there is no /dev/net/tun: modprobe tun");
		break;
	case -EPERM:
	case -EACCES:
		vm_err("not allowed to make the tap %s: run this as root", name);
		break;
	default:
		vm_err("cannot make the tap %s: %s", name, strerror(-err));
	}
	return err;
}

static int make_port(struct vm_state *st, struct vm_ports *ports, const struct vm_args *args,
		     struct vm_join *join)
{
	struct vm_link link;
	int fd, err;

	fd = vm_tap_make(args->name, args->owner, args->mtu ?: VM_MTU_DEFAULT);
	if (fd < 0)
		return explain_tap(args->name, fd);
	err = vm_link_get_name(args->name, &link);
	if (err) {
		explain_tap(args->name, err);
		goto close;
	}
	join->port.flags = VM_PORT_OWNED;
	err = vm_join(st, ports, &link, join);
	if (err)
		goto close;
	err = vm_tap_keep(fd);
	if (err) {
		explain_tap(args->name, err);
		vm_leave(st, ports, link.ifindex);
	}

close:
	close(fd);
	return err;
}

int vm_cmd_port_add(const struct vm_args *args)
{
	struct vm_join join = { .port = { .addr = vm_addr(args->ensemble, args->node),
					  .mtu = args->mtu ?: VM_MTU_DEFAULT } };
	struct vm_ports *ports = NULL;
	struct vm_state st;
	int err;

	err = vm_state_change(&st);
	if (err)
		return err;
	ports = vm_ports_load(&st.maps);
	err = ports ? vm_join_check(&st, ports, args, VM_PORT_OWNED) : -EIO;
	if (!err)
		err = make_port(&st, ports, args, &join);
	free(ports);
	vm_state_close(&st);
	if (err == VM_JOIN_SAME)
		return vm_join_report(args, &join, false, "exists already");
	if (err)
		return err;
	vm_broker_resync();
	return vm_join_report(args, &join, true, "added");
}

static int remove_port(struct vm_state *st, struct vm_ports *ports, const char *name)
{
	const struct vm_port_entry *entry;
	__u32 ifindex;
	int fd, err;

	err = vm_join_find(ports, name, &entry);
	if (err)
		return err;
	if (!(entry->port.flags & VM_PORT_OWNED)) {
		vm_err("%s was there before it became a port: virtmesh detach %s", name, name);
		return -EINVAL;
	}
	/* Hold the tap, so that no VM can start on it now; or see that one runs. */
	fd = vm_tap_hold(name);
	if (fd == -EBUSY)
		vm_err("%s is in use: stop its VM first (or unplug the device from it)", name);
	else if (fd < 0)
		vm_err("cannot open the tap %s: %s", name, strerror(-fd));
	if (fd < 0)
		return fd;

	err = vm_tap_release(fd);
	if (err) {
		vm_err("cannot remove the tap %s: %s", name, strerror(-err));
		goto close;
	}
	ifindex = entry->ifindex;
	err = vm_leave(st, ports, ifindex);
	if (err && vm_ports_by_ifindex(ports, ifindex)) {
		vm_tap_keep(fd);
		goto close;
	}
	close(fd);
	vm_xdp_forget(st, ifindex);
	return err;

close:
	close(fd);
	return err;
}

int vm_cmd_port_del(const struct vm_args *args)
{
	struct vm_ports *ports;
	struct vm_state st;
	int err;

	err = vm_state_change(&st);
	if (err)
		return err;
	ports = vm_ports_load(&st.maps);
	err = ports ? remove_port(&st, ports, args->name) : -EIO;
	free(ports);
	vm_state_close(&st);
	if (err)
		return err;
	vm_broker_resync();
	return vm_join_report(args, NULL, true, "removed");
}
