// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * Making the state is a ladder: bpffs, the locked directory, the object loaded,
 * maps and programs pinned, tracing programs attached and their links pinned,
 * vmesh0 made, attached and entered; then `meta` pinned, and vmesh0 made
 * persistent. `meta` is what readers look for, so nobody sees a state that is
 * not whole. An error at any rung removes the directory and with it everything:
 * the kernel frees what has no pin, and a tap that is not persistent.
 *
 * A command that is killed on the ladder leaves pins without `meta`; the next
 * one removes them and starts afresh. Killed on the last rung, it leaves a state
 * without vmesh0, which is also what `ip link del vmesh0` does: any command that
 * changes something makes it again.
 */
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpffs.h"
#include "broker.h"
#include "clock.h"
#include "hints.h"
#include "link.h"
#include "log.h"
#include "ports.h"
#include "room.h"
#include "state.h"
#include "steer.skel.h"
#include "tap.h"
#include "xdp.h"
#include "xdp_pins.h"

#define PIN(name) VM_PIN_DIR "/" name

static const struct vm_state closed = {
	.maps = VM_MAPS_CLOSED,
	.lock = -1,
	.steer = -1,
	.egress = -1,
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void vm_state_close(struct vm_state *st)
{
	vm_maps_close(&st->maps);
	close_fd(&st->steer);
	close_fd(&st->egress);
	close_fd(&st->lock);
	/* Without the lock: a broker that does not answer is waited for. */
	if (st->changed)
		vm_broker_resync();
	st->changed = false;
}

int vm_state_privilege(void)
{
	if (!capng_get_caps_process() && capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN) &&
	    capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN))
		return 0;
	vm_err("this needs CAP_SYS_ADMIN and CAP_NET_ADMIN: run it as root (sudo virtmesh ...)");
	return -EPERM;
}

static int explain_open(int err)
{
	switch (err) {
	case 0:
		break;
	case -ENOENT:
		vm_err("there is no mesh on this host yet%s: virtmesh ensemble add 1 makes one",
		       vm_bpffs_mounted() ? "" : " (and no bpffs on " VM_BPFFS ")");
		break;
	case -EPERM:
	case -EACCES:
		vm_err("not allowed to open %s: run this as root", VM_PIN_DIR);
		break;
	case -EROFS:
		vm_err("%s is mounted read-only: mount -o remount,rw %s", VM_BPFFS, VM_BPFFS);
		break;
	case -EXDEV:
		vm_err("the mesh under %s belongs to another network namespace: run this there, or, "
		       "if that one is gone for good, rm -r %s",
		       VM_PIN_DIR, VM_PIN_DIR);
		break;
	case -EPROTO:
		vm_err("%s was made by another version of virtmesh, or is damaged: remove the ports "
		       "and ensembles with that version, or rm -r %s",
		       VM_PIN_DIR, VM_PIN_DIR);
		break;
	default:
		vm_err("cannot open the mesh under %s: %s", VM_PIN_DIR, strerror(-err));
	}
	return err;
}

/* Maps, meta, and how ports are attached. Silent. */
static int open_maps(struct vm_state *st)
{
	__u32 zero = 0;
	struct vm_port port;
	int err;

	err = vm_maps_open(&st->maps);
	if (err)
		return err;
	err = bpf_map_lookup_elem(st->maps.meta, &zero, &st->meta);
	if (err)
		return err;
	err = bpf_map_lookup_elem(st->maps.ports, &st->meta.broker_ifindex, &port);
	if (!err)
		st->dispatcher = port.flags & VM_PORT_DISPATCHER;
	return err == -ENOENT ? 0 : err;
}

int vm_state_read(struct vm_state *st)
{
	int err;

	*st = closed;
	err = open_maps(st);
	if (err)
		vm_state_close(st);
	return explain_open(err);
}

static int open_progs(struct vm_state *st)
{
	st->steer = bpf_obj_get(PIN(VM_PIN_PROGS "/steer"));
	if (st->steer < 0)
		return st->steer == -ENOENT ? -EPROTO : st->steer;
	st->egress = bpf_obj_get(PIN(VM_PIN_PROGS "/egress"));
	if (st->egress < 0)
		return st->egress == -ENOENT ? -EPROTO : st->egress;
	return vm_xdp_prog_id(st->steer, &st->steer_id);
}

/*
 * vmesh0, attached and in the maps, but not persistent: returns its fd. Whether the
 * dispatcher works is found out anew: only the entry of the last one knew, and it may be
 * long gone.
 */
static int make_broker_port(struct vm_state *st)
{
	struct vm_port port = { .mtu = VM_MTU_DEFAULT, .flags = VM_PORT_BROKER | VM_PORT_OWNED };
	struct bpf_devmap_val target = { 0 };
	__u32 slot = VM_SLOT_BROKER, zero = 0;
	struct vm_link link;
	struct vm_xdp xdp;
	int fd, err;

	fd = vm_tap_make(VM_BROKER_IF, 0, port.mtu);
	if (fd < 0) {
		if (fd == -EEXIST)
			vm_err("an interface called %s exists already, and is not the mesh's: "
			       "ip link del %s, or rename it",
			       VM_BROKER_IF, VM_BROKER_IF);
		else
			vm_err("cannot make the tap %s: %s%s", VM_BROKER_IF, strerror(-fd),
			       fd == -ENODEV ? " (no /dev/net/tun: modprobe tun)" : "");
		return fd;
	}
	err = vm_link_get_name(VM_BROKER_IF, &link);
	if (err) {
		vm_err("cannot look at %s: %s", VM_BROKER_IF, strerror(-err));
		goto close;
	}
	st->dispatcher = vm_xdp_try_dispatcher(st, &link, &xdp);
	if (!st->dispatcher) {
		err = vm_xdp_attach(st, &link, &xdp);
		if (err)
			goto close;
	}
	port.flags |= xdp.flags;
	port.prog_id = xdp.prog_id;
	port.tx_dropped = link.tx_dropped;
	port.added_ns = vm_clock_ns(CLOCK_REALTIME);
	target.ifindex = link.ifindex;
	st->meta.broker_ifindex = link.ifindex;
	st->changed = true;

	err = vm_ports_reset_slot(st, slot);
	if (!err)
		err = bpf_map_update_elem(st->maps.taps, &slot, &target, BPF_ANY);
	if (!err)
		err = bpf_map_update_elem(st->maps.meta, &zero, &st->meta, BPF_ANY);
	if (!err)
		err = bpf_map_update_elem(st->maps.ports, &link.ifindex, &port, BPF_NOEXIST);
	if (!err)
		err = vm_hints_add_port(st, link.ifindex, &port);
	if (err) {
		vm_err("cannot enter %s in the maps: %s", VM_BROKER_IF, strerror(-err));
		goto detach;
	}
	return fd;

detach:
	vm_hints_del_port(st, link.ifindex);
	bpf_map_delete_elem(st->maps.ports, &link.ifindex);
	bpf_map_delete_elem(st->maps.taps, &slot);
	vm_xdp_detach(st, link.ifindex, &xdp);
close:
	close(fd);
	return err;
}

static void detach_broker_port(const struct vm_state *st)
{
	__u32 ifindex = st->meta.broker_ifindex;
	struct vm_port port;

	if (!bpf_map_lookup_elem(st->maps.ports, &ifindex, &port))
		vm_xdp_detach(st, ifindex, &(struct vm_xdp){ port.flags, port.prog_id });
}

/* Forget what has gone, and have a vmesh0. */
static int mend(struct vm_state *st)
{
	struct vm_ports *ports = vm_ports_load(&st->maps);
	int fd, err;

	if (!ports)
		return -EIO;
	if (st->dispatcher)
		vm_xdp_pins_sweep(st->maps.ports);
	err = vm_ports_sweep(st, ports);
	if (!err)
		vm_rooms_tidy(ports);
	if (!err && !vm_ports_by_ifindex(ports, st->meta.broker_ifindex)) {
		fd = make_broker_port(st);
		err = fd < 0 ? fd : vm_tap_keep(fd);
		if (fd >= 0) {
			close(fd);
			if (!err)
				vm_info("made %s again", VM_BROKER_IF);
		}
	}
	free(ports);
	return err;
}

/* With the lock held. -ENOENT, silently, when there is no state. */
static int open_locked(struct vm_state *st)
{
	int err = open_maps(st);

	if (err == -ENOENT)
		return err;
	if (!err)
		err = open_progs(st);
	if (err)
		return explain_open(err);
	err = mend(st);
	return err == -ENOENT ? -EIO : err; /* it has a meaning of its own here */
}

int vm_state_change(struct vm_state *st)
{
	int err;

	*st = closed;
	err = vm_state_privilege();
	if (err)
		return err;
	st->lock = vm_pins_lock(false);
	if (st->lock < 0)
		return st->lock == -ENOENT ? explain_open(-ENOENT) : st->lock;
	err = open_locked(st);
	if (err == -ENOENT)
		explain_open(err);
	if (err)
		vm_state_close(st);
	return err;
}

/*
 * Why the kernel would not load: its release says more than the verifier's errno.
 * EACCES is the verifier's word for bad code, and not for callers to take for a
 * lack of privilege.
 */
static int explain_load(int err)
{
	struct utsname u;

	uname(&u);
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		vm_err("the kernel (%s) has no BTF (/sys/kernel/btf/vmlinux): it must be built with "
		       "CONFIG_DEBUG_INFO_BTF, as Debian's and Ubuntu's are",
		       u.release);
	else if (err == -EPERM)
		vm_err("the kernel (%s) does not let this process load BPF programs: %s; inside a "
		       "container, run this on the host",
		       u.release, strerror(-err));
	else
		vm_err("the kernel (%s) refused the steering programs: %s; 6.1 or newer is needed, "
		       "virtmesh doctor tells what is missing, --verbose shows the verifier's words",
		       u.release, strerror(-err));
	return err == -EACCES ? -ENOEXEC : err;
}

static int pin_maps(struct steer_bpf *skel)
{
	struct bpf_map *map = NULL;
	int err;

	while ((map = bpf_object__next_map(skel->obj, map))) {
		char path[128];

		/* rodata lives in the programs; meta comes last. */
		if (bpf_map__is_internal(map) || map == skel->maps.meta)
			continue;
		snprintf(path, sizeof(path), PIN("%s"), bpf_map__name(map));
		err = bpf_map__pin(map, path);
		if (err)
			return err;
	}
	return 0;
}

static int pin_link(struct bpf_program *prog)
{
	struct bpf_link *link;
	char path[128];
	int err;

	link = bpf_program__attach(prog);
	if (!link)
		return -errno;
	snprintf(path, sizeof(path), PIN(VM_PIN_LINKS "/%s"), bpf_program__name(prog));
	err = bpf_link__pin(link, path);
	bpf_link__destroy(link);
	return err;
}

static int pin_all(struct steer_bpf *skel)
{
	int err;

	if (mkdir(PIN(VM_PIN_PROGS), 0700) || mkdir(PIN(VM_PIN_LINKS), 0700))
		return -errno;
	err = pin_maps(skel);
	if (!err)
		err = bpf_program__pin(skel->progs.steer, PIN(VM_PIN_PROGS "/steer"));
	if (!err)
		err = bpf_program__pin(skel->progs.egress, PIN(VM_PIN_PROGS "/egress"));
	if (!err)
		err = pin_link(skel->progs.devmap_xmit);
	if (!err)
		err = pin_link(skel->progs.redirect_err);
	return err;
}

static int dup_fd(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	return copy < 0 ? -errno : copy;
}

/* Own fds: the skeleton's go with it. */
static int adopt(struct vm_state *st, struct steer_bpf *skel)
{
	struct bpf_map *map = NULL;

	while ((map = bpf_object__next_map(skel->obj, map))) {
		int *fd = vm_maps_fd(&st->maps, bpf_map__name(map));

		if (bpf_map__is_internal(map))
			continue;
		if (!fd)
			return -ENOENT;
		*fd = dup_fd(bpf_map__fd(map));
		if (*fd < 0)
			return *fd;
	}
	st->steer = dup_fd(bpf_program__fd(skel->progs.steer));
	if (st->steer < 0)
		return st->steer;
	st->egress = dup_fd(bpf_program__fd(skel->progs.egress));
	if (st->egress < 0)
		return st->egress;
	return vm_xdp_prog_id(st->steer, &st->steer_id);
}

/*
 * A vmesh0 that belongs to pins without `meta` was left by a command that was
 * killed while it removed the state.
 */
static void remove_left_tap(void)
{
	struct vm_port port;
	__u32 ifindex;
	int fd;

	fd = bpf_obj_get(PIN("ports"));
	if (fd < 0)
		return;
	ifindex = if_nametoindex(VM_BROKER_IF);
	if (ifindex && !bpf_map_lookup_elem(fd, &ifindex, &port) && port.flags & VM_PORT_BROKER)
		vm_link_delete(ifindex);
	/* What its dispatcher ran, if it had one. */
	vm_xdp_pins_sweep(fd);
	close(fd);
}

static int make_locked(struct vm_state *st)
{
	struct steer_bpf *skel;
	__u32 zero = 0;
	int tap, err;

	remove_left_tap();
	err = vm_pins_clear(st->lock);
	if (err) {
		vm_err("cannot clear %s: %s", VM_PIN_DIR, strerror(-err));
		return err;
	}

	st->meta =
		(struct vm_meta){ .abi = VM_MAPS_ABI, .created_ns = vm_clock_ns(CLOCK_REALTIME) };
	err = vm_netns_cookie(&st->meta.netns_cookie);
	if (err)
		return explain_load(err);
	skel = steer_bpf__open_and_load();
	if (!skel)
		return explain_load(-errno);
	err = adopt(st, skel);
	if (!err) /* before the tracing programs, which look at it, are attached */
		err = bpf_map_update_elem(st->maps.meta, &zero, &st->meta, BPF_ANY);
	if (!err)
		err = pin_all(skel);
	if (err) {
		vm_err("cannot make the pins under %s: %s%s", VM_PIN_DIR, strerror(-err),
		       err == -EROFS ? " (mount -o remount,rw " VM_BPFFS ")" : "");
		goto destroy;
	}

	tap = make_broker_port(st);
	if (tap < 0) {
		err = tap;
		goto destroy;
	}
	err = bpf_map__pin(skel->maps.meta, PIN("meta"));
	if (!err)
		err = vm_tap_keep(tap);
	if (err) {
		vm_err("cannot finish the mesh's state: %s", strerror(-err));
		detach_broker_port(st);
	}
	close(tap);

destroy:
	steer_bpf__destroy(skel);
	return err;
}

int vm_state_make(struct vm_state *st)
{
	int err;

	*st = closed;
	err = vm_state_privilege();
	if (err)
		return err;
	err = vm_bpffs_mount(&st->mounted);
	if (err)
		return err;
	st->lock = vm_pins_lock(true);
	if (st->lock < 0) {
		err = st->lock;
		goto unmount;
	}
	err = open_locked(st);
	if (err != -ENOENT)
		goto out;

	vm_maps_close(&st->maps);
	err = make_locked(st);
	if (err) {
		vm_pins_remove(st->lock);
		goto out;
	}
	st->made = true;
	return 0;

out:
	if (!err)
		return 0;
	rmdir(VM_PIN_DIR); /* if it is empty, this command has made it */
	vm_state_close(st);
unmount:
	if (st->mounted)
		vm_bpffs_unmount();
	return err;
}

int vm_state_remove(struct vm_state *st)
{
	__u32 ifindex = st->meta.broker_ifindex;
	int err;

	/* First what can be refused: until then nothing has changed. It takes its program along. */
	err = vm_link_delete(ifindex);
	if (err && err != -ENODEV) {
		vm_err("cannot remove %s: %s", VM_BROKER_IF, strerror(-err));
		return err;
	}
	st->changed = true;
	vm_xdp_forget(st, ifindex);
	err = vm_pins_remove(st->lock);
	if (err)
		vm_err("cannot remove %s: %s; rm -r %s", VM_PIN_DIR, strerror(-err), VM_PIN_DIR);
	return err;
}

void vm_state_undo(struct vm_state *st)
{
	if (!st->made)
		return;
	vm_state_remove(st);
	vm_state_close(st);
	if (st->mounted)
		vm_bpffs_unmount();
}
