// SPDX-License-Identifier: GPL-2.0-only
/*
 * doctor: each finding is ok, warn (works, but slower or with less) or fail
 * (does not work), with what to do about it. Looks only, changes nothing.
 */
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "bpffs.h"
#include "broker_info.h"
#include "cmd.h"
#include "faults_view.h"
#include "json.h"
#include "log.h"
#include "maps.h"
#include "room.h"
#include "state.h"
#include "table.h"
#include "tap.h"
#include "view.h"

enum finding { OK, WARN, FAIL, FINDINGS };

static const char *const words[] = { "ok", "warn", "fail" };
_Static_assert(sizeof(words) / sizeof(words[0]) == FINDINGS, "a finding has no word");

struct report {
	struct json_object *json; /* one of the two */
	struct vm_table *table;
	unsigned int count[FINDINGS];
};

/* @mend may be NULL where there is nothing to do. */
__attribute__((format(printf, 5, 6))) static void found(struct report *r, enum finding result,
							const char *check, const char *mend,
							const char *fmt, ...)
{
	struct json_object *json;
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->count[result]++;
	if (r->json) {
		json = json_object_new_object();
		vm_json_str(json, "check", check);
		vm_json_str(json, "result", words[result]);
		vm_json_str(json, "found", text);
		vm_json_str(json, "mend", result != OK && mend ? mend : "");
		vm_json_push(r->json, json);
		return;
	}
	vm_table_cell(r->table, "%s", words[result]);
	vm_table_cell(r->table, "%s", check);
	vm_table_cell(r->table, "%s%s%s", text, result != OK && mend ? "; to mend: " : "",
		      result != OK && mend ? mend : "");
}

/* Without privilege half of what follows would be reported broken. */
static bool check_privilege(struct report *r)
{
	bool ok = !capng_get_caps_process() &&
		  capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN) &&
		  capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN);

	found(r, ok ? OK : FAIL, "privilege", "run this as root: sudo virtmesh doctor",
	      ok ? "CAP_SYS_ADMIN and CAP_NET_ADMIN" : "CAP_SYS_ADMIN or CAP_NET_ADMIN is missing");
	return ok;
}

/* libbpf's probe for tracing programs knows the words of one verifier only: look at what we need. */
static bool have_tracepoint(const char *name)
{
	struct btf *btf = btf__load_vmlinux_btf();
	char type[64];
	bool have;

	snprintf(type, sizeof(type), "btf_trace_%s", name);
	have = btf && btf__find_by_name_kind(btf, type, BTF_KIND_TYPEDEF) > 0;
	btf__free(btf);
	return have;
}

static void check_kernel(struct report *r)
{
	static const struct {
		enum bpf_map_type type;
		const char *name;
	} maps[] = {
		{ BPF_MAP_TYPE_DEVMAP, "devmap" },
		{ BPF_MAP_TYPE_DEVMAP_HASH, "devmap_hash" },
		{ BPF_MAP_TYPE_HASH_OF_MAPS, "hash_of_maps" },
		{ BPF_MAP_TYPE_RINGBUF, "ringbuf" },
	};
	const char *mend = "use a kernel of 6.1 or newer, as the distribution builds it";
	struct utsname u;
	__u64 cookie;

	uname(&u);
	found(r, access("/sys/kernel/btf/vmlinux", R_OK) ? FAIL : OK, "kernel BTF", mend,
	      "%s, /sys/kernel/btf/vmlinux", u.release);
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
		if (libbpf_probe_bpf_map_type(maps[i].type, NULL) != 1)
			found(r, FAIL, "BPF maps", mend, "no %s", maps[i].name);
	if (libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_XDP, NULL) != 1)
		found(r, FAIL, "XDP", mend, "no XDP programs");
	else
		found(r, OK, "XDP", NULL, "XDP programs load");
	if (!have_tracepoint("xdp_devmap_xmit") || !have_tracepoint("xdp_redirect_err"))
		found(r, FAIL, "BPF tracing", mend,
		      "no BTF of the xdp tracepoints: lost frames cannot be counted");
	else
		found(r, OK, "BPF tracing", NULL, "the xdp tracepoints have BTF");
	if (vm_netns_cookie(&cookie))
		found(r, FAIL, "netns cookie", mend, "the kernel has no SO_NETNS_COOKIE (5.14)");
}

static void check_bpffs(struct report *r)
{
	bool mounted = vm_bpffs_mounted();

	found(r, mounted ? OK : WARN, "bpffs", "virtmesh ensemble add mounts it",
	      mounted ? "mounted on %s" : "not mounted on %s", VM_BPFFS);
}

static void check_memlock(struct report *r)
{
	struct rlimit lim;
	struct utsname u;
	unsigned int major = 0, minor = 0;

	/* From 5.11 on BPF memory is the cgroup's; before, this limit was hit first. */
	getrlimit(RLIMIT_MEMLOCK, &lim);
	uname(&u);
	if (sscanf(u.release, "%u.%u", &major, &minor) != 2 || major > 5 ||
	    (major == 5 && minor >= 11) || lim.rlim_cur == RLIM_INFINITY)
		found(r, OK, "memlock", NULL, "BPF memory is accounted to the cgroup");
	else
		found(r, WARN, "memlock", "ulimit -l unlimited", "limited to %llu KiB",
		      (unsigned long long)lim.rlim_cur / 1024);
}

static void check_devices(struct report *r)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	found(r, fd < 0 ? FAIL : OK, "tun", "modprobe tun", "/dev/net/tun%s%s", fd < 0 ? ": " : "",
	      fd < 0 ? strerror(errno) : "");
	if (fd >= 0)
		close(fd);
	fd = open("/dev/vhost-net", O_RDWR | O_CLOEXEC);
	found(r, fd < 0 ? WARN : OK, "vhost-net",
	      "modprobe vhost_net (without it QEMU, or virtmesh-port, carries the frames, slower)",
	      "/dev/vhost-net%s%s", fd < 0 ? ": " : "", fd < 0 ? strerror(errno) : "");
	if (fd >= 0)
		close(fd);
}

/* The first number in @path; -1 when there is none. */
static long long read_number(const char *path)
{
	long long n = -1;
	FILE *file = fopen(path, "re");

	if (!file)
		return -1;
	if (fscanf(file, "%lld", &n) != 1)
		n = -1;
	fclose(file);
	return n;
}

static long long meminfo(const char *key)
{
	FILE *file = fopen("/proc/meminfo", "re");
	long long value = -1;
	char line[128];
	size_t len = strlen(key);

	if (!file)
		return -1;
	while (value < 0 && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, len) && line[len] == ':')
			value = strtoll(line + len + 1, NULL, 10);
	fclose(file);
	return value;
}

/* What virtmesh-port needs of the host. */
static void check_vhost_user(struct report *r)
{
	/* 6.6: 1 refuses it to who has no CAP_SYS_ADMIN and is not of a group, 2 to all. */
	long long off = read_number("/proc/sys/kernel/io_uring_disabled");
	long long pages = meminfo("HugePages_Total");

	/* The broker's unit leaves it no CAP_SYS_ADMIN: only one started by hand has it. */
	if (off > 0)
		found(r, WARN, "io_uring", "sysctl kernel.io_uring_disabled=0",
		      "kernel.io_uring_disabled is %lld: virtmesh-port cannot carry frames, and "
		      "virtmeshd cannot run%s",
		      off, off > 1 ? "" : " as a service");
	else
		found(r, OK, "io_uring", NULL, "is not disabled");
	if (getpwnam(VM_PORT_USER))
		found(r, OK, "vhost-user", NULL, "user " VM_PORT_USER " is there");
	else
		found(r, WARN, "vhost-user",
		      "systemd-sysusers, or port add --vhost-user --owner USER",
		      "no user " VM_PORT_USER ": taps of vhost-user ports are root's if no owner "
		      "is given");
	/* Guests in small pages work as well: nothing to mend. */
	if (pages > 0)
		found(r, OK, "hugepages", NULL,
		      "%lld of %lld free, of %lld KiB, for guests' memory (hugetlb=on)",
		      meminfo("HugePages_Free"), pages, meminfo("Hugepagesize"));
	else
		found(r, OK, "hugepages", NULL, "none reserved: guests' memory is in small pages");
}

/* @mesh: there is one on this host, which the broker should know. */
static void check_broker(struct report *r, bool mesh)
{
	struct vm_ctl_info info;
	int err = vm_broker_info(&info);

	if (err == -ENOTCONN)
		found(r, WARN, "broker",
		      "systemctl start virtmeshd (nodes that have joined exchange frames without it)",
		      "%s: nobody answers", VM_CTL_SOCKET);
	else if (err)
		found(r, WARN, "broker", "systemctl restart virtmeshd (its log may tell why)",
		      "%s does not answer as the broker does: %s", VM_CTL_SOCKET, strerror(-err));
	else if (mesh && !info.has_state)
		found(r, WARN, "broker",
		      "systemctl restart virtmeshd, in this network namespace and with this " VM_BPFFS
		      " (its log tells why)",
		      "pid %u answers on %s, but has not got this mesh", info.pid, VM_CTL_SOCKET);
	else
		found(r, OK, "broker", NULL, "answers on %s", VM_CTL_SOCKET);
}

static void check_room(struct report *r, const char *check, const struct vm_view *v)
{
	char path[VM_ROOM_PATH], mend[160];
	struct stat st;

	vm_room_socket(v->link.name, path);
	*strrchr(path, '/') = '\0';
	snprintf(mend, sizeof(mend), "virtmesh port add %s --ensemble %u --node %u --vhost-user",
		 v->link.name, vm_addr_ensemble(v->port.addr), vm_addr_node(v->port.addr));
	if (lstat(path, &st) || !S_ISDIR(st.st_mode))
		found(r, FAIL, check, mend, "its directory %s is missing", path);
	else if (st.st_uid != v->link.owner)
		found(r, FAIL, check, mend, "%s is user %u's and the tap user %u's", path,
		      st.st_uid, v->link.owner);
	snprintf(mend, sizeof(mend), "systemctl start virtmesh-port@%s", v->link.name);
	if (!v->holder.pid)
		found(r, WARN, check, mend, "no virtmesh-port serves it");
	else
		found(r, OK, check, NULL, "served by %s, pid %d%s", v->holder.command,
		      v->holder.pid, v->holder.vhost_net ? ", with kernel vhost-net" : "");
}

/* A port that has an entry and no interface. */
static void found_gone(struct report *r, const struct vm_view *v)
{
	static const char mend[] = "any command that changes something forgets it";

	if (v->port.flags & VM_PORT_BROKER)
		found(r, FAIL, "port " VM_BROKER_IF,
		      "virtmesh ensemble add E, of an ensemble there is, makes it again",
		      VM_BROKER_IF " has gone: no node reaches the broker");
	else if (v->port.flags & VM_PORT_THROUGH)
		found(r, WARN, "port (gone)", mend,
		      "faults lead through interface %u, which has gone", v->ifindex);
	else
		found(r, WARN, "port (gone)", mend, "node %u of ensemble %u: interface %u has gone",
		      vm_addr_node(v->port.addr), vm_addr_ensemble(v->port.addr), v->ifindex);
}

/* Whose faults lead through an interface. */
struct detour {
	__u32 ifindex;
	__u32 ensemble;
};

static void see_detour(__u32 ensemble, const struct vm_faults *faults, void *arg)
{
	struct detour *detour = arg;

	if (faults->ifindex == detour->ifindex)
		detour->ensemble = ensemble;
}

/* A port whose interface is there, without our program. */
static void found_detached(struct report *r, const struct vm_maps *maps, const char *check,
			   const struct vm_view *v)
{
	struct detour detour = { .ifindex = v->ifindex };
	char mend[160];

	if (v->port.flags & VM_PORT_BROKER) {
		snprintf(mend, sizeof(mend), "ip link del %s, then virtmesh ensemble add E",
			 v->link.name);
	} else if (v->port.flags & VM_PORT_THROUGH) {
		vm_faults_each(maps, 0, see_detour, &detour);
		snprintf(mend, sizeof(mend),
			 "virtmesh ensemble faults %u --off, and again --through %s",
			 detour.ensemble, v->link.name);
	} else {
		snprintf(mend, sizeof(mend), "virtmesh %s %s, and add it again",
			 v->port.flags & VM_PORT_OWNED ? "port del" : "detach", v->link.name);
	}
	found(r, FAIL, check, mend, "the steering program was taken off it");
}

static void check_port(struct report *r, const struct vm_maps *maps, const struct vm_view *v)
{
	const char *name = v->link.name;
	char check[32], mend[160];

	snprintf(check, sizeof(check), "port %s", name);
	if (v->gone) {
		found_gone(r, v);
		return;
	}
	if (!v->attached) {
		found_detached(r, maps, check, v);
		return;
	}
	if (v->port.flags & VM_PORT_GENERIC)
		found(r, WARN, check,
		      "an MTU of 3366 or less, or another driver, may allow native XDP",
		      "XDP in the generic path");
	else
		found(r, OK, check, NULL, "XDP in the native path, %s",
		      v->port.flags & VM_PORT_DISPATCHER ? "through the dispatcher" : "alone");
	if (v->port.flags & VM_PORT_VHOST_USER)
		check_room(r, check, v);
	snprintf(mend, sizeof(mend), "ip link set dev %s up", name);
	if (!(v->link.flags & IFF_UP))
		found(r, FAIL, check, mend, "is down");
	snprintf(mend, sizeof(mend), "ip link set dev %s mtu %u", name, v->port.mtu);
	if (v->link.mtu < v->port.mtu)
		found(r, FAIL, check, mend, "MTU %u, registered with %u: longer frames are lost",
		      v->link.mtu, v->port.mtu);
	snprintf(mend, sizeof(mend), "ip link set dev %s txqueuelen %d", name, VM_TAP_RING);
	if (!strcmp(v->link.kind, "tun") && v->link.ring < VM_TAP_RING)
		found(r, WARN, check, mend, "ring of %u slots: bursts are lost", v->link.ring);
	if (!strcmp(v->link.kind, "tun") && v->port.mtu > VM_MTU_DEFAULT)
		found(r, WARN, check, "MTU 3366 keeps every frame in the native path",
		      "MTU %u: frames over one page take the generic path", v->port.mtu);
}

static void check_faults(__u32 ensemble, const struct vm_faults *faults, void *arg)
{
	char check[32], mend[64], text[VM_FAULTS_TEXT];

	snprintf(check, sizeof(check), "ensemble %u", ensemble);
	snprintf(mend, sizeof(mend), "virtmesh ensemble faults %u --off", ensemble);
	found(arg, WARN, check, mend, "%s", vm_faults_text(faults, text, sizeof(text)));
}

/* Is there a mesh? */
static bool check_state(struct report *r)
{
	struct vm_maps maps;
	struct vm_view *views;
	struct vm_state st;
	size_t n;
	int err;

	/* First without words: having no mesh yet is no illness. */
	err = vm_maps_open(&maps);
	if (!err)
		vm_maps_close(&maps);
	if (err == -ENOENT) {
		found(r, OK, "mesh", NULL, "none yet: virtmesh ensemble add 1 makes one");
		return false;
	}
	if (err == -EXDEV) {
		found(r, FAIL, "mesh",
		      "run this in that namespace; or, if it is gone, rm -r " VM_PIN_DIR,
		      "belongs to another network namespace");
		return true;
	}
	if (err) {
		found(r, FAIL, "mesh",
		      "remove it with the version that made it, or rm -r " VM_PIN_DIR,
		      "cannot open %s: %s", VM_PIN_DIR, strerror(-err));
		return true;
	}
	if (vm_state_read(&st)) {
		found(r, FAIL, "mesh", NULL, "%s cannot be looked at", VM_PIN_DIR);
		return true;
	}
	found(r, OK, "mesh", NULL, "%s", VM_PIN_DIR);
	found(r, st.dispatcher ? OK : WARN, "dispatcher",
	      "a kernel that loads freplace programs (ports work without, but no other XDP program can "
	      "share their interfaces)",
	      st.dispatcher ? "libxdp's dispatcher works" :
			      "libxdp's dispatcher does not work here: one program an interface");
	if (vm_views_load(&st, 0, true, &views, &n)) {
		found(r, FAIL, "ports", NULL, "cannot be looked at");
	} else {
		vm_views_hold(views, n);
		for (size_t i = 0; i < n; i++)
			check_port(r, &st.maps, &views[i]);
		free(views);
	}
	vm_faults_each(&st.maps, 0, check_faults, r);
	vm_state_close(&st);
	return true;
}

int vm_cmd_doctor(const struct vm_args *args)
{
	struct json_object *json;
	struct report r = { 0 };
	int err;

	if (args->json)
		r.json = json_object_new_array();
	else
		r.table = vm_table_new("RESULT CHECK FOUND");

	if (check_privilege(&r)) {
		check_kernel(&r);
		check_bpffs(&r);
		check_memlock(&r);
		check_devices(&r);
		check_vhost_user(&r);
		check_broker(&r, check_state(&r));
	}

	if (args->json) {
		json = json_object_new_object();
		vm_json_bool(json, "ok", !r.count[FAIL]);
		vm_json_u64(json, "failures", r.count[FAIL]);
		vm_json_u64(json, "warnings", r.count[WARN]);
		vm_json_add(json, "checks", r.json);
		err = vm_json_print(json, false);
	} else {
		err = vm_table_print(r.table);
		if (!err)
			printf("\n%u ok, %u to look at, %u to mend\n", r.count[OK], r.count[WARN],
			       r.count[FAIL]);
	}
	return r.count[FAIL] ? -EIO : err;
}
