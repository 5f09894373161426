// SPDX-License-Identifier: GPL-2.0-only
/*
 * mesh watch: a line for each change of the membership, and of this node's own
 * link to the broker, as the driver tells of them (POLLPRI). The first lines are
 * what is there at the start.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "device.h"
#include "mesh.h"

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	stop = sig;
}

struct view {
	struct virtmesh_peer *peers;
	int n;
	int link; /* enum virtmesh_link_state; -1: not known yet */
};

static unsigned int told; /* lines */

static bool enough(const struct mesh_args *args)
{
	return args->count && told == args->count;
}

static void stamp(char *buf, size_t size)
{
	struct timespec ts;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &ts);
	localtime_r(&ts.tv_sec, &tm);
	n = strftime(buf, size, "%FT%T", &tm);
	snprintf(buf + n, size - n, ".%03ld", ts.tv_nsec / 1000000);
}

static void tell(const struct mesh_args *args, const char *what, int node, const char *state,
		 __u32 incarnation, __u32 epoch)
{
	struct json_object *o;
	char when[48];

	if (enough(args))
		return;
	told++;
	stamp(when, sizeof(when));
	if (!args->json) {
		if (node < 0)
			printf("%s  %s %s\n", when, what, state);
		else
			printf("%s  %s %d %s, incarnation %u, epoch %u\n", when, what, node, state,
			       incarnation, epoch);
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "time", json_object_new_string(when));
	json_object_object_add(o, "event", json_object_new_string(what));
	if (node >= 0) {
		json_object_object_add(o, "node", json_object_new_int(node));
		json_object_object_add(o, "incarnation", json_object_new_int64(incarnation));
		json_object_object_add(o, "epoch", json_object_new_int64(epoch));
	}
	json_object_object_add(o, "state", json_object_new_string(state));
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
}

/* Both lists are in order of node: tell what differs. */
static void compare(const struct mesh_args *args, const struct view *old,
		    const struct virtmesh_peer *now, int n, __u32 epoch)
{
	int i = 0, j = 0;

	while (i < old->n || j < n) {
		const struct virtmesh_peer *a = i < old->n ? &old->peers[i] : NULL;
		const struct virtmesh_peer *b = j < n ? &now[j] : NULL;

		if (!b || (a && a->node < b->node)) {
			tell(args, "node", a->node, "GONE", a->incarnation, epoch);
			i++;
		} else if (!a || b->node < a->node) {
			tell(args, "node", b->node, mesh_node_state(b->state), b->incarnation,
			     epoch);
			j++;
		} else {
			if (a->state != b->state || a->incarnation != b->incarnation)
				tell(args, "node", b->node, mesh_node_state(b->state),
				     b->incarnation, epoch);
			i++;
			j++;
		}
	}
}

/* Look, and tell the differences. 0 or -errno. */
static int look(int fd, const struct mesh_args *args, struct view *v)
{
	struct virtmesh_peer *now;
	struct virtmesh_info info;
	__u32 epoch;
	int n;

	n = mesh_get_peers(fd, &now, &epoch);
	if (n < 0)
		return n;
	if (ioctl(fd, VIRTMESH_IOC_INFO, &info)) {
		int err = errno;

		free(now);
		return -err;
	}
	if (v->link != (int)info.state) {
		tell(args, "link", -1, mesh_link_state(info.state), 0, 0);
		v->link = (int)info.state;
	}
	compare(args, v, now, n, epoch);
	free(v->peers);
	v->peers = now;
	v->n = n;
	return 0;
}

/*
 * Sleep until there is something to look at, or it shall stop: also when the signal has come
 * since that was asked last. 0 or -errno.
 */
static int wait_for_change(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLPRI };
	sigset_t stops, before;
	int err = 0;

	sigemptyset(&stops);
	sigaddset(&stops, SIGINT);
	sigaddset(&stops, SIGTERM);
	sigprocmask(SIG_BLOCK, &stops, &before);
	if (!stop && ppoll(&p, 1, NULL, &before) < 0 && errno != EINTR)
		err = -errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	return p.revents & (POLLHUP | POLLERR) ? -ENODEV : err;
}

int mesh_watch(const struct mesh_args *args)
{
	struct sigaction on_stop = { .sa_handler = on_signal };
	struct view v = { .link = -1 };
	int fd, err = 0;

	fd = mesh_open(args->device);
	if (fd < 0)
		return -fd;
	sigaction(SIGINT, &on_stop, NULL);
	sigaction(SIGTERM, &on_stop, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);

	while (!stop && !err) {
		err = look(fd, args, &v);
		if (err || enough(args))
			break;
		err = wait_for_change(fd);
	}
	free(v.peers);
	close(fd);
	return err ? mesh_fail(-err, args->device) : MESH_OK;
}
