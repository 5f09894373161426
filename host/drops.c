// SPDX-License-Identifier: GPL-2.0-only
/*
 * drops [--follow].
 *
 * Following prints two things: events, which the steering programs write into a
 * ring at most once a second for each port and reason and which show one frame
 * of many; and each second how far the counters moved, which is exact. The ring
 * has one reader, by an flock on the directory of links; a second follower gets
 * the counters only.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpffs.h"
#include "clock.h"
#include "cmd.h"
#include "json.h"
#include "log.h"
#include "names.h"
#include "ports.h"
#include "state.h"
#include "table.h"
#include "view.h"

#define INTERVAL_MS 1000
#define META_PIN    VM_PIN_DIR "/meta"

static __u64 drops_of(const struct vm_view *v, int reason)
{
	return reason == VM_DROP_REASONS ? v->lost_skb : v->count.drops[reason];
}

/* One past the enum is the derived one. */
static const char *name_of(int reason)
{
	return reason == VM_DROP_REASONS ? VM_LOST_SKB_NAME : vm_drop_name(reason);
}

static const char *text_of(int reason)
{
	return reason == VM_DROP_REASONS ? "receiver's ring was full or closed, generic path" :
					   vm_drop_text(reason);
}

static void table_rows(struct vm_table *table, const struct vm_view *v)
{
	for (int reason = 0; reason <= VM_DROP_REASONS; reason++) {
		if (!drops_of(v, reason))
			continue;
		vm_table_cell(table, "%s", v->link.name);
		vm_table_cell(table, "%u", vm_addr_ensemble(v->port.addr));
		vm_table_cell(table, "%u", vm_addr_node(v->port.addr));
		vm_table_cell(table, "%s", name_of(reason));
		vm_table_cell(table, "%llu", drops_of(v, reason));
		vm_table_cell(table, "%s", text_of(reason));
	}
}

static struct json_object *json_view(const struct vm_view *v)
{
	struct json_object *json = json_object_new_object(), *drops = json_object_new_object();

	vm_json_str(json, "port", v->link.name);
	vm_json_u64(json, "ifindex", v->ifindex);
	vm_json_u64(json, "ensemble", vm_addr_ensemble(v->port.addr));
	vm_json_u64(json, "node", vm_addr_node(v->port.addr));
	for (int reason = 0; reason <= VM_DROP_REASONS; reason++)
		vm_json_u64(drops, name_of(reason), drops_of(v, reason));
	vm_json_add(json, "drops", drops);
	return json;
}

/* Frames that came in by no port have no row of their own: they count in slot 1. */
static struct vm_view unported(const struct vm_state *st)
{
	struct vm_view v = { .port.slot = VM_SLOT_NONE, .attached = true };

	strcpy(v.link.name, "(no port)");
	vm_counters_sum(&st->maps, VM_SLOT_NONE, &v.count);
	return v;
}

static int print_once(const struct vm_state *st, const struct vm_args *args)
{
	struct json_object *array = NULL;
	struct vm_table *table = NULL;
	struct vm_view *views, none;
	size_t n;
	int err;

	err = vm_views_load(st, args->ensemble, true, &views, &n);
	if (err)
		return err;
	none = unported(st);
	if (args->json)
		array = json_object_new_array();
	else
		table = vm_table_new("PORT >ENSEMBLE >NODE REASON >FRAMES MEANING");
	for (size_t i = 0; i < n; i++) {
		if (array)
			vm_json_push(array, json_view(&views[i]));
		else
			table_rows(table, &views[i]);
	}
	if (array)
		vm_json_push(array, json_view(&none));
	else
		table_rows(table, &none);
	free(views);
	return array ? vm_json_print(array, false) : vm_table_print(table);
}

struct follower {
	const struct vm_args *args;
	struct vm_state st;
	struct vm_view *views; /* of the last look */
	size_t count;
	struct vm_view none;
	struct stat meta; /* the pin that says which state this is */
	int err; /* of stdout: whoever read us has gone */
};

/* The ring may have been full since long before anybody looked: not the time of reading. */
static __u64 event_time_ns(const struct vm_event *e)
{
	return vm_clock_ns(CLOCK_REALTIME) - vm_clock_ns(CLOCK_MONOTONIC) + e->ktime_ns;
}

static void clock_text(char *text, size_t size, __u64 time_ns)
{
	time_t seconds = time_ns / 1000000000;
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(text, size, "%H:%M:%S", &tm);
}

/* As of the counters: what is of no ensemble, and a port that has gone since the last look. */
static bool is_shown(const struct follower *f, const struct vm_event *e)
{
	struct vm_port port;

	if (!f->args->ensemble || e->reason == VM_DROP_NO_PORT)
		return true;
	if (!bpf_map_lookup_elem(f->st.maps.ports, &e->ifindex, &port))
		return !port.addr || vm_addr_ensemble(port.addr) == f->args->ensemble;
	for (size_t i = 0; i < f->count; i++)
		if (f->views[i].ifindex == e->ifindex)
			return true;
	return false;
}

static int on_event(void *arg, void *data, size_t size)
{
	const struct vm_event *e = data;
	char name[IF_NAMESIZE] = "(gone)", when[16];
	struct follower *f = arg;
	struct json_object *json;

	if (size < sizeof(*e) || !is_shown(f, e))
		return 0;
	if_indextoname(e->ifindex, name);
	if (f->args->json) {
		json = json_object_new_object();
		vm_json_str(json, "type", "event");
		vm_json_u64(json, "time_ns", event_time_ns(e));
		vm_json_u64(json, "ktime_ns", e->ktime_ns);
		vm_json_str(json, "port", name);
		vm_json_u64(json, "ifindex", e->ifindex);
		vm_json_str(json, "reason", vm_drop_name(e->reason));
		vm_json_u64(json, "ethertype", e->ethertype);
		vm_json_u64(json, "len", e->len);
		vm_json_mac(json, "src", e->src);
		vm_json_mac(json, "dst", e->dst);
		f->err = vm_json_print(json, true);
		return f->err;
	}
	clock_text(when, sizeof(when), event_time_ns(e));
	printf("%s  %-15s  %-12s  ", when, name, vm_drop_name(e->reason));
	if (e->len)
		printf("%02x:%02x:%02x:%02x:%02x:%02x > %02x:%02x:%02x:%02x:%02x:%02x, type 0x%04x, "
		       "%u bytes: %s\n",
		       e->src[0], e->src[1], e->src[2], e->src[3], e->src[4], e->src[5], e->dst[0],
		       e->dst[1], e->dst[2], e->dst[3], e->dst[4], e->dst[5], e->ethertype, e->len,
		       vm_drop_text(e->reason));
	else
		printf("%s\n", vm_drop_text(e->reason));
	f->err = fflush(stdout) == EOF ? -errno : 0;
	return f->err;
}

static void delta(struct follower *f, const struct vm_view *now, int reason, __u64 more)
{
	struct json_object *json;
	char when[16];

	if (f->args->json) {
		json = json_object_new_object();
		vm_json_str(json, "type", "drops");
		vm_json_u64(json, "time_ns", vm_clock_ns(CLOCK_REALTIME));
		vm_json_str(json, "port", now->link.name);
		vm_json_u64(json, "ifindex", now->ifindex);
		vm_json_str(json, "reason", name_of(reason));
		vm_json_u64(json, "frames", more);
		vm_json_u64(json, "total", drops_of(now, reason));
		f->err = vm_json_print(json, true);
		return;
	}
	clock_text(when, sizeof(when), vm_clock_ns(CLOCK_REALTIME));
	printf("%s  %-15s  %-12s  +%llu = %llu\n", when, now->link.name, name_of(reason), more,
	       drops_of(now, reason));
	f->err = fflush(stdout) == EOF ? -errno : 0;
}

static void compare(struct follower *f, const struct vm_view *old, const struct vm_view *now)
{
	for (int reason = 0; reason <= VM_DROP_REASONS && !f->err; reason++) {
		__u64 before = old ? drops_of(old, reason) : 0;

		if (drops_of(now, reason) > before)
			delta(f, now, reason, drops_of(now, reason) - before);
	}
}

static const struct vm_view *same_port(const struct follower *f, const struct vm_view *v)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->views[i].ifindex == v->ifindex &&
		    f->views[i].port.added_ns == v->port.added_ns)
			return &f->views[i];
	return NULL;
}

/* Print what moved since the last look. */
static int look(struct follower *f)
{
	struct vm_view *views, none;
	size_t n;
	int err;

	err = vm_views_load(&f->st, f->args->ensemble, true, &views, &n);
	if (err)
		return err;
	none = unported(&f->st);
	for (size_t i = 0; i < n; i++)
		compare(f, same_port(f, &views[i]), &views[i]);
	compare(f, &f->none, &none);
	free(f->views);
	f->views = views;
	f->count = n;
	f->none = none;
	return f->err;
}

/* The reader's lock; -1 when somebody else has it. */
static int events_lock(void)
{
	int fd = open(VM_PIN_DIR "/" VM_PIN_LINKS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static __u64 now_ms(void)
{
	return vm_clock_ns(CLOCK_MONOTONIC) / 1000000;
}

/* Until the next look is due, a signal comes (returns 1), or events do. */
static int wait_events(struct follower *f, struct ring_buffer *ring, int signals, int timeout_ms)
{
	struct pollfd fds[] = {
		{ .fd = signals, .events = POLLIN },
		{ .fd = ring ? ring_buffer__epoll_fd(ring) : -1, .events = POLLIN },
	};
	int err;

	if (poll(fds, 2, timeout_ms) < 0)
		return errno == EINTR ? 0 : -errno;
	if (fds[0].revents)
		return 1;
	if (fds[1].revents) {
		err = ring_buffer__consume(ring);
		if (err < 0)
			return f->err ?: err;
	}
	return 0;
}

/* The pins have gone, or are those of another state: the last ensemble was deleted. */
static bool has_gone(const struct follower *f)
{
	struct stat now;

	return stat(META_PIN, &now) || now.st_dev != f->meta.st_dev || now.st_ino != f->meta.st_ino;
}

static int wait_and_print(struct follower *f, struct ring_buffer *ring, int signals)
{
	__u64 due = now_ms() + INTERVAL_MS, now;
	int err;

	for (;;) {
		now = now_ms();
		if (now < due) {
			err = wait_events(f, ring, signals, due - now);
			if (err)
				return err < 0 ? err : 0;
			continue;
		}
		if (has_gone(f)) {
			vm_err("the mesh of this host was removed");
			return -ENOENT;
		}
		err = look(f);
		if (err)
			return err;
		due += INTERVAL_MS;
		if (due <= now) /* we were stopped: do not catch up */
			due = now + INTERVAL_MS;
	}
}

static int signals_open(void)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	return signalfd(-1, &mask, SFD_CLOEXEC);
}

static int follow(struct follower *f)
{
	struct ring_buffer *ring = NULL;
	int lock, signals, err;

	/* One flush a line, and only there: a write that fails inside printf() tells nobody. */
	setvbuf(stdout, NULL, _IOFBF, BUFSIZ);
	signals = signals_open();
	if (signals < 0) {
		err = -errno;
		vm_err("cannot wait for signals: %s", strerror(-err));
		return err;
	}
	lock = events_lock();
	if (lock < 0)
		vm_info("somebody else follows the events; showing counters only");
	else
		ring = ring_buffer__new(f->st.maps.events, on_event, f, NULL);
	if (lock >= 0 && !ring)
		vm_warn("cannot read the events: %s; showing counters only", strerror(errno));

	err = vm_views_load(&f->st, f->args->ensemble, true, &f->views, &f->count);
	f->none = unported(&f->st);
	if (!err)
		err = wait_and_print(f, ring, signals);
	if (err == -EPIPE)
		err = 0;
	ring_buffer__free(ring);
	free(f->views);
	if (lock >= 0)
		close(lock);
	close(signals);
	return err;
}

int vm_cmd_drops(const struct vm_args *args)
{
	struct follower f = { .args = args };
	int err;

	/* Before it is opened: if it is replaced meanwhile, we are to end, not to wait for ever. */
	if (stat(META_PIN, &f.meta))
		memset(&f.meta, 0, sizeof(f.meta));
	err = vm_state_read(&f.st);
	if (err)
		return err;
	if (args->ensemble)
		err = vm_ensemble_find(&f.st, args->ensemble);
	if (!err)
		err = args->follow ? follow(&f) : print_once(&f.st, args);
	vm_state_close(&f.st);
	return err;
}
