// SPDX-License-Identifier: GPL-2.0-only
/*
 * port add, port del: ports whose tap is ours, and the rooms of those among them
 * that virtmesh-port serves.
 *
 * The tap is persistent only when everything stands: until then, whatever ends
 * this process removes it, and the sweep of the next command finds the rest.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "holder.h"
#include "join.h"
#include "link.h"
#include "log.h"
#include "ports.h"
#include "room.h"
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

	fd = vm_tap_make(args->name, args->owner, join->port.mtu);
	if (fd < 0)
		return explain_tap(args->name, fd);
	err = vm_link_get_name(args->name, &link);
	if (err) {
		explain_tap(args->name, err);
		goto close;
	}
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

/* Room first: until there is a port for it, any later command removes it. */
static int make_vhost_user(struct vm_state *st, struct vm_ports *ports, const struct vm_args *args,
			   struct vm_join *join)
{
	gid_t group = args->group == (gid_t)-1 ? vm_room_group(args->owner) : args->group;
	int err;

	/* One that its last owner kept from being removed must not keep his group. */
	err = vm_room_make(args->name, args->owner, group);
	if (err)
		return err;
	err = make_port(st, ports, args, join);
	if (err)
		vm_room_remove(args->name);
	return err;
}

/* It may have gone: /run is anybody's to clean who is root. */
static int mend_room(const struct vm_args *args)
{
	struct vm_link link;
	int err;

	err = vm_link_get_name(args->name, &link);
	if (err)
		return explain_tap(args->name, err);
	return vm_room_make(args->name, link.owner, args->group);
}

static int add(struct vm_state *st, struct vm_ports *ports, const struct vm_args *args,
	       struct vm_join *join, bool same)
{
	if (same)
		return join->port.flags & VM_PORT_VHOST_USER ? mend_room(args) : 0;
	if (args->vhost_user)
		return make_vhost_user(st, ports, args, join);
	return make_port(st, ports, args, join);
}

int vm_cmd_port_add(const struct vm_args *args)
{
	struct vm_join join = {
		.port = {
			.addr = vm_addr(args->ensemble, args->node),
			.mtu = args->mtu ?: VM_MTU_DEFAULT,
			.flags = VM_PORT_OWNED | (args->vhost_user ? VM_PORT_VHOST_USER : 0),
		},
		.owned = VM_PORT_OWNED,
		.make = add,
		.text = "added",
		.same_text = "exists already",
	};

	return vm_join_command(args, &join);
}

static int explain_busy(const char *name)
{
	struct vm_holder holder;

	snprintf(holder.name, sizeof(holder.name), "%s", name);
	vm_holders_find(&holder, 1);
	if (!holder.pid)
		vm_err("%s is in use: stop its VM first (or unplug the device from it)", name);
	else if (!strcmp(holder.command, "virtmesh-port"))
		vm_err("%s is in use by virtmesh-port, pid %d: systemctl stop virtmesh-port@%s",
		       name, holder.pid, name);
	else
		vm_err("%s is in use by %s, pid %d: stop its VM first (or unplug the device from "
		       "it)",
		       name, holder.command, holder.pid);
	return -EBUSY;
}

static int remove_port(struct vm_state *st, struct vm_ports *ports, const struct vm_args *args)
{
	const struct vm_port_entry *entry;
	const char *name = args->name;
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
		return explain_busy(name);
	if (fd < 0) {
		vm_err("cannot open the tap %s: %s", name, strerror(-fd));
		return fd;
	}

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
	vm_rooms_tidy(ports);
	return err;

close:
	close(fd);
	return err;
}

int vm_cmd_port_del(const struct vm_args *args)
{
	return vm_leave_command(args, remove_port, "removed");
}
