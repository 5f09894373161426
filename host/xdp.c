// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two ways to attach.
 *
 * Alone: the one pinned `steer` is the interface's XDP program. Nothing is
 * loaded for a port.
 *
 * Dispatcher: libxdp's small program is the interface's, and calls ours and
 * others in turn, so that programs live together and xdpdump can look on. The
 * kernel links it to ours when ours is loaded for just this dispatcher, so each
 * port loads a copy, with the same maps. Whoever comes or goes makes libxdp build
 * a new dispatcher and link the same programs to it: a copy keeps its id, which
 * the port's entry holds. Names prove nothing: others may call theirs "steer" too.
 *
 * libxdp falls back from the second to the first by itself and says so on its
 * log only. Which of them a host uses is therefore found out once, on vmesh0
 * when that is made, and kept in that port's VM_PORT_DISPATCHER.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <xdp/libxdp.h>

#include "libprint.h"
#include "log.h"
#include "steer.skel.h"
#include "xdp.h"

#define STEER "steer"

int vm_xdp_prog_id(int fd, __u32 *id)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);
	int err;

	err = bpf_obj_get_info_by_fd(fd, &info, &len);
	*id = info.id;
	return err;
}

/* "xdp_pass (id 7)", for people. */
static void prog_text(__u32 id, char *text, size_t size)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);

	if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) && info.name[0])
		snprintf(text, size, "%s (id %u)", info.name, id);
	else
		snprintf(text, size, "id %u", id);
	if (fd >= 0)
		close(fd);
}

/* The copy must not come with maps of its own, but for its constants. */
static int reuse_maps(struct steer_bpf *skel, const struct vm_state *st)
{
	struct vm_maps maps = st->maps;
	struct bpf_map *map = NULL;
	int err;

	while ((map = bpf_object__next_map(skel->obj, map))) {
		const int *fd = vm_maps_fd(&maps, bpf_map__name(map));

		if (bpf_map__is_internal(map))
			continue;
		err = fd ? bpf_map__reuse_fd(map, *fd) : -ENOENT;
		if (err)
			return err;
	}
	return 0;
}

/* A copy of the object in which only `steer` will be loaded, over the pinned maps. */
static struct steer_bpf *open_copy(const struct vm_state *st)
{
	struct steer_bpf *skel = steer_bpf__open();
	struct bpf_program *prog = NULL;

	if (!skel)
		return NULL;
	while ((prog = bpf_object__next_program(skel->obj, prog)))
		bpf_program__set_autoload(prog, prog == skel->progs.steer);
	if (reuse_maps(skel, st)) {
		steer_bpf__destroy(skel);
		return NULL;
	}
	return skel;
}

/* The program @id among those a dispatcher runs; NULL without one. */
static struct xdp_program *dispatched(struct xdp_multiprog *mp, __u32 id)
{
	struct xdp_program *prog = NULL;

	while ((prog = xdp_multiprog__next_prog(prog, mp)))
		if (xdp_program__id(prog) == id)
			break;
	return prog;
}

/* The copy of @steer that it runs, whoever's: its id; 0: none. */
static __u32 dispatched_copy(struct xdp_multiprog *mp, int steer)
{
	struct bpf_prog_info info = { 0 };
	struct xdp_program *prog = NULL;
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(steer, &info, &len))
		return 0;
	while ((prog = xdp_multiprog__next_prog(prog, mp)))
		if (!memcmp(xdp_program__tag(prog), info.tag, sizeof(info.tag)))
			return xdp_program__id(prog);
	return 0;
}

/* What libxdp calls a program of its own when it cannot read the pins of it. */
static bool is_unread(struct xdp_multiprog *mp)
{
	struct xdp_program *prog = xdp_multiprog__main_prog(mp);

	return prog && !strcmp(xdp_program__name(prog), "xdp_dispatcher");
}

/*
 * The multiprog of @ifindex, for the caller to close. -ENOENT when no dispatcher runs
 * there, or the interface has gone; any other error means that one may run there still.
 */
static int dispatcher_of(__u32 ifindex, struct xdp_multiprog **mp)
{
	int err;

	*mp = xdp_multiprog__get_from_ifindex(ifindex);
	err = libxdp_get_error(*mp);
	if (!err && xdp_multiprog__is_legacy(*mp)) {
		err = is_unread(*mp) ? -EIO : -ENOENT;
		xdp_multiprog__close(*mp);
	}
	if (err)
		*mp = NULL;
	return err == -ENODEV ? -ENOENT : err;
}

/* 0, and *@id; -EOPNOTSUPP when libxdp did without its dispatcher: undone then. */
static int attach_dispatched(const struct vm_state *st, __u32 ifindex, enum xdp_attach_mode mode,
			     __u32 *id)
{
	struct xdp_program_opts opts = { .sz = sizeof(opts), .prog_name = STEER };
	struct xdp_multiprog *mp;
	struct xdp_program *prog;
	struct steer_bpf *skel;
	int err;

	skel = open_copy(st);
	if (!skel)
		return -errno ?: -ENOMEM;
	opts.obj = skel->obj;
	prog = xdp_program__create(&opts);
	err = libxdp_get_error(prog);
	if (err)
		goto destroy;
	err = xdp_program__attach(prog, ifindex, mode, 0);
	if (err)
		goto close;

	/*
	 * Where libxdp cannot tell what is attached it takes it for a dispatcher, one
	 * that runs nothing: only finding our program among its own proves it.
	 */
	err = vm_xdp_prog_id(xdp_program__fd(prog), id);
	if (!err)
		err = dispatcher_of(ifindex, &mp);
	else
		mp = NULL;
	if (err == -ENOENT || (!err && !dispatched(mp, *id)))
		err = -EOPNOTSUPP;
	if (mp)
		xdp_multiprog__close(mp);
	if (err)
		xdp_program__detach(prog, ifindex, mode, 0);

close:
	xdp_program__close(prog);
destroy:
	steer_bpf__destroy(skel);
	return err;
}

static int attach_alone(const struct vm_state *st, __u32 ifindex, enum xdp_attach_mode mode,
			__u32 *id)
{
	__u32 flags = XDP_FLAGS_UPDATE_IF_NOEXIST |
		      (mode == XDP_MODE_NATIVE ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE);

	*id = st->steer_id;
	return bpf_xdp_attach(ifindex, st->steer, flags, NULL);
}

static int attach(const struct vm_state *st, __u32 ifindex, enum xdp_attach_mode mode, __u32 *id)
{
	return st->dispatcher ? attach_dispatched(st, ifindex, mode, id) :
				attach_alone(st, ifindex, mode, id);
}

bool vm_xdp_try_dispatcher(const struct vm_state *st, const struct vm_link *link,
			   struct vm_xdp *xdp)
{
	int err;

	*xdp = (struct vm_xdp){ .flags = VM_PORT_DISPATCHER };
	err = attach_dispatched(st, link->ifindex, XDP_MODE_NATIVE, &xdp->prog_id);
	vm_debug("libxdp's dispatcher: %s", err ? strerror(-err) : "works");
	return !err;
}

/* Somebody's program is attached already. Is it one that we can live with? */
static int in_the_way(const struct vm_state *st, const struct vm_link *link)
{
	struct xdp_multiprog *mp;
	char text[64];
	int err;

	if (st->dispatcher) {
		err = dispatcher_of(link->ifindex, &mp);
		if (err && err != -ENOENT) {
			vm_err("cannot look what XDP programs run on %s: %s", link->name,
			       strerror(-err));
			return err;
		}
		if (!err) {
			__u32 ours = dispatched_copy(mp, st->steer);

			xdp_multiprog__close(mp);
			if (!ours)
				return 0;
			vm_err("%s runs the steering program already, but is no port: "
			       "virtmesh detach %s takes it off, then try again",
			       link->name, link->name);
			return -EBUSY;
		}
	}
	prog_text(link->xdp_id, text, sizeof(text));
	vm_err("another XDP program, %s, is attached to %s, and %s; "
	       "remove it (ip link set dev %s %s off) or choose another interface",
	       text, link->name,
	       st->dispatcher ? "was not loaded by libxdp's dispatcher" :
				"this kernel cannot run two (no libxdp dispatcher)",
	       link->name, link->xdp_generic ? "xdpgeneric" : "xdpdrv");
	return -EBUSY;
}

static void explain_attach(const struct vm_link *link, int err)
{
	if (err == -EBUSY || err == -EEXIST)
		vm_err("another XDP program was attached to %s just now", link->name);
	else if (err == -E2BIG && link->xdp_id)
		vm_err("libxdp's dispatcher on %s runs as many programs as it can already: "
		       "xdp-loader status %s lists them, xdp-loader unload takes one away",
		       link->name, link->name);
	else
		vm_err("cannot attach to %s: %s%s%s", link->name, strerror(-err),
		       *vm_libprint_kernel() ? ": " : "", vm_libprint_kernel());
}

int vm_xdp_attach(const struct vm_state *st, const struct vm_link *link, struct vm_xdp *xdp)
{
	enum xdp_attach_mode mode = XDP_MODE_NATIVE;
	char why[160];
	int err;

	*xdp = (struct vm_xdp){ .flags = st->dispatcher ? VM_PORT_DISPATCHER : 0 };
	if (link->xdp_id && !st->dispatcher && link->xdp_id == st->steer_id) {
		/* Left by a command that was killed: as good as attached now. */
		xdp->flags |= link->xdp_generic ? VM_PORT_GENERIC : 0;
		xdp->prog_id = link->xdp_id;
		return 0;
	}
	if (link->xdp_id) {
		err = in_the_way(st, link);
		if (err)
			return err;
		/* An interface has one dispatcher: we go where the others are. */
		if (link->xdp_generic)
			mode = XDP_MODE_SKB;
	}

	vm_libprint_reset();
	err = attach(st, link->ifindex, mode, &xdp->prog_id);
	snprintf(why, sizeof(why), "%s",
		 *vm_libprint_kernel() ? vm_libprint_kernel() : strerror(-err));
	if (mode == XDP_MODE_SKB) {
		snprintf(why, sizeof(why), "another program is attached in the generic one");
	} else if (!link->xdp_id && (err == -EOPNOTSUPP || err == -EINVAL || err == -ERANGE ||
				     err == -E2BIG || err == -ENOSPC)) {
		/*
		 * What drivers say when they have no native XDP, or not at this MTU; a veth
		 * ENOSPC when its peer has more queues to send than it has to receive.
		 */
		mode = XDP_MODE_SKB;
		err = attach(st, link->ifindex, mode, &xdp->prog_id);
	}
	if (err) {
		explain_attach(link, err);
		/* The verifier's, of the port's copy of the program: no lack of privilege. */
		return err == -EACCES ? -ENOEXEC : err;
	}
	if (mode == XDP_MODE_SKB) {
		vm_warn("%s: the native XDP path was refused (%s); using the generic one, "
			"which is slower",
			link->name, why);
		xdp->flags |= VM_PORT_GENERIC;
	}
	return 0;
}

static int detach_dispatched(__u32 ifindex, enum xdp_attach_mode mode, __u32 id)
{
	struct xdp_multiprog *mp;
	struct xdp_program *prog;
	int err;

	err = dispatcher_of(ifindex, &mp);
	if (err == -ENOENT) {
		/* The interface or the dispatcher has gone, and left libxdp's own pins. */
		libxdp_clean_references(ifindex);
		return 0;
	}
	if (err)
		return err;
	prog = dispatched(mp, id);
	if (prog)
		err = xdp_program__detach(prog, ifindex, mode, 0);
	xdp_multiprog__close(mp);
	return err;
}

static void explain_detach(__u32 ifindex, int err)
{
	char name[IF_NAMESIZE];

	if (if_indextoname(ifindex, name))
		vm_err("cannot detach from %s: %s; try again, or take off whatever runs there: "
		       "ip link set dev %s xdp off",
		       name, strerror(-err), name);
	else
		vm_err("cannot detach from interface %u: %s", ifindex, strerror(-err));
}

int vm_xdp_detach(const struct vm_state *st, __u32 ifindex, const struct vm_xdp *xdp)
{
	bool generic = xdp->flags & VM_PORT_GENERIC;
	struct bpf_xdp_attach_opts opts = { .sz = sizeof(opts), .old_prog_fd = st->steer };
	int err;

	if (xdp->flags & VM_PORT_DISPATCHER)
		err = detach_dispatched(ifindex, generic ? XDP_MODE_SKB : XDP_MODE_NATIVE,
					xdp->prog_id);
	else
		/* Only if it is still ours: the kernel compares. */
		err = bpf_xdp_detach(ifindex,
				     XDP_FLAGS_REPLACE |
					     (generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE),
				     &opts);
	if (err == -ENODEV || err == -EEXIST || err == -ENOENT)
		return 0;
	if (err)
		explain_detach(ifindex, err);
	return err;
}

bool vm_xdp_is_ours(const struct vm_link *link, const struct vm_port *port)
{
	struct xdp_multiprog *mp;
	bool ours;

	if (!(port->flags & VM_PORT_DISPATCHER))
		return link->xdp_id && link->xdp_id == port->prog_id;
	if (dispatcher_of(link->ifindex, &mp))
		return false;
	ours = dispatched(mp, port->prog_id);
	xdp_multiprog__close(mp);
	return ours;
}

bool vm_xdp_left(const struct vm_state *st, const struct vm_link *link, struct vm_xdp *xdp)
{
	struct xdp_multiprog *mp;

	*xdp = (struct vm_xdp){ link->xdp_generic ? VM_PORT_GENERIC : 0, link->xdp_id };
	if (!st->dispatcher)
		return link->xdp_id && link->xdp_id == st->steer_id;
	xdp->flags |= VM_PORT_DISPATCHER;
	if (dispatcher_of(link->ifindex, &mp))
		return false;
	xdp->prog_id = dispatched_copy(mp, st->steer);
	xdp_multiprog__close(mp);
	return xdp->prog_id;
}

void vm_xdp_forget(const struct vm_state *st, __u32 ifindex)
{
	if (st->dispatcher)
		libxdp_clean_references(ifindex);
}
