// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtmesh-port: the host's end of one VM, for any VMM that speaks vhost-user.
 *
 * Theory of operation
 *
 * start() gathers all that needs a privilege or a path: the tap, the socket, the
 * kernel's vhost-net, the io_uring. Then the sandbox closes, and the rest is
 * events of one loop: requests of the front-end (connection.c, request.c), frames
 * (a lane), signals.
 *
 * A port that dies, or is asked by SIGHUP to make room for a newer program, is
 * started again by its service manager, which kept its files (store.c) and its
 * state (saved.c). The front-end and the guest see a pause. Nothing in here
 * starts a program: the sandbox would have to let it.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <virtmesh/version.h>

#include "../log.h"
#include "../tap.h"
#include "connection.h"
#include "device.h"
#include "loop.h"
#include "mover.h"
#include "obtain.h"
#include "sandbox.h"
#include "saved.h"
#include "stats.h"
#include "store.h"
#include "vhost_net.h"

#define EXIT_USAGE	2
#define VM_EXIT_RESTART 4 /* start me again: SIGHUP */

#define POLL_US_MAX 100000

#define NOBODY 65534

static struct port {
	struct {
		const char *socket;
		bool client;
		const char *tap;
		const char *user;
		const char *lane; /* NULL: whichever works */
		unsigned int queues;
		int poll_us;
		bool plain_ring;
		bool has_mac;
		__u8 mac[VM_MAC_LEN];
		unsigned int mtu; /* 0: the interface's */
	} opt;
	struct vm_loop loop;
	struct vm_device dev;
	struct vm_connection conn;
	struct vm_sandbox box;
	char *socket_dir; /* where opt.socket is, and its name there */
	const char *socket_name;
	int pid;
} port;

static void on_signal(void *arg, int signo)
{
	struct port *p = arg;

	switch (signo) {
	case SIGHUP:
		if (!vm_store_exists()) {
			vm_warn("event=restart error=\"no service manager would start me again\"");
			return;
		}
		vm_info("event=restart");
		vm_loop_stop(&p->loop, VM_EXIT_RESTART);
		return;
	case SIGTERM:
	case SIGINT:
		vm_info("event=stopping signal=%d", signo);
		vm_store_tell("STOPPING=1\n");
		vm_loop_stop(&p->loop, EXIT_SUCCESS);
		return;
	case SIGUSR1:
		vm_stats_log(&p->dev);
		return;
	}
}

/* The tap, and who we are: from the process before us, else from who hands them out. */
static int obtain(struct port *p, bool resumed, struct vm_obtained *got)
{
	int tap = vm_store_take(VM_SAVED_TAP), err = 0;
	bool kept = resumed && tap >= 0;

	/* Its interface may have been deleted since, or we are told to serve another. */
	if (kept && !vm_tap_is(tap, p->opt.tap)) {
		vm_warn("event=resume tap=%s error=\"what was kept is another, or gone\" hint=\"it is opened anew\"",
			p->opt.tap);
		kept = false;
	}
	if (tap >= 0 && !kept) { /* or we would find it busy */
		vm_store_drop(VM_SAVED_TAP);
		close(tap);
	}
	if (p->opt.has_mac) {
		err = vm_obtain_plain(p->opt.tap, kept ? tap : -1, p->opt.mac, p->opt.mtu, got);
	} else if (kept) {
		*got = (struct vm_obtained){ .tap = tap, .from = "store" };
		vm_saved_identity(p->dev.saved, got->mac, &got->mtu);
		got->vhost = vm_obtain_vhost(p->opt.tap);
	} else {
		err = vm_obtain(p->opt.tap, got);
	}
	if (!err && !kept)
		vm_store_keep(VM_SAVED_TAP, got->tap);
	return err;
}

/* Who to be: as told, else the tap's owner, for whom it was made, else nobody. */
static int choose_user(struct port *p)
{
	const struct passwd *pw = NULL;
	char path[64], text[16] = "";
	long owner = -1;
	FILE *file;

	p->box.uid = NOBODY;
	p->box.gid = NOBODY;
	if (geteuid())
		return 0;
	if (p->opt.user) {
		pw = getpwnam(p->opt.user);
		if (!pw) {
			vm_err("event=start error=\"no such user\" user=%s", p->opt.user);
			return -ENOENT;
		}
	} else {
		snprintf(path, sizeof(path), "/sys/class/net/%s/owner", p->opt.tap);
		file = fopen(path, "re");
		if (file && fgets(text, sizeof(text), file))
			owner = strtol(text, NULL, 10);
		if (file)
			fclose(file);
		if (owner > 0) {
			p->box.uid = owner;
			pw = getpwuid(owner);
		}
	}
	if (pw) {
		p->box.uid = pw->pw_uid;
		p->box.gid = pw->pw_gid;
	}
	return 0;
}

static int choose_lane(struct port *p)
{
	struct vm_device *dev = &p->dev;
	const char *want = p->opt.lane;
	char why[128] = "--lane";
	int err;

	if (!want || !strcmp(want, "kernel")) {
		dev->lane = &vm_lane_kernel;
		err = dev->vhost < 0 ? dev->vhost : dev->lane->init(dev);
		if (!err) {
			vm_info("event=lane lane=kernel");
			return 0;
		}
		snprintf(why, sizeof(why), VM_VHOST_NET ": %s", strerror(-err));
		if (want) {
			vm_err("event=start error=\"no kernel lane: %s\"", why);
			return err;
		}
	}
	/* Nor may it look as if we used it. */
	if (dev->vhost >= 0)
		close(dev->vhost);
	dev->vhost = -1;
	dev->lane = &vm_lane_own;
	err = dev->lane->init(dev);
	if (err)
		vm_err("event=start error=\"own lane: %s\"", strerror(-err));
	else
		vm_info("event=lane lane=own reason=\"%s\"", why);
	return err;
}

/* opt.socket is a directory and a name; only the name is left in the sandbox. */
static int split_socket(struct port *p)
{
	const char *slash = strrchr(p->opt.socket, '/');
	char *copy;

	if (strlen(p->opt.socket) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
		vm_err("event=start socket=%s error=\"%s\"", p->opt.socket, strerror(ENAMETOOLONG));
		return -ENAMETOOLONG;
	}
	copy = strdup(p->opt.socket);
	if (!copy)
		return -ENOMEM;
	if (!slash) {
		free(copy);
		p->socket_dir = strdup(".");
		p->socket_name = p->opt.socket;
		return p->socket_dir ? 0 : -ENOMEM;
	}
	copy[slash == p->opt.socket ? 1 : slash - p->opt.socket] = '\0';
	p->socket_dir = copy;
	p->socket_name = slash + 1;
	return 0;
}

static int close_sandbox(struct port *p)
{
	static char path[sizeof(VM_SANDBOX_DIR) + 1 + 108];
	int err;

	p->box.dir = p->socket_dir;
	err = vm_sandbox_enter(&p->box);
	if (!err && p->box.dir_kept) {
		stpcpy(stpcpy(path, VM_SANDBOX_DIR "/"), p->socket_name);
		p->conn.path = path;
	}
	return err;
}

/* What the last process left, for its completions to be looked at before the loop starts anew. */
static int resume(struct port *p, int *sock, bool *kernel)
{
	struct vm_vring_log *log[VM_RINGS_LANE];
	unsigned int num[VM_RINGS_LANE];
	int err;

	err = vm_saved_read(p->dev.saved, &p->dev, sock, kernel);
	if (err && err != -ENODATA)
		vm_warn("event=resume error=\"%s\" hint=\"the front-end is cut off\"",
			err == -EINVAL ? "the device had other queues or features" :
					 "not all of it was kept");
	if (err)
		return err;
	for (unsigned int i = 0; i < VM_RINGS_LANE; i++) {
		log[i] = vm_device_log(&p->dev, i);
		num[i] = p->dev.ring[i].num;
	}
	vm_mover_salvage(vm_saved_loop(p->dev.saved), log, num);
	return 0;
}

static int start(struct port *p)
{
	struct vm_device *dev = &p->dev;
	struct vm_obtained got = { .tap = -1, .vhost = -ENODEV };
	bool resumed, kernel = false;
	struct vm_saved *saved;
	int sock = -1, err;

	p->pid = getpid();
	vm_memory_guard();
	err = split_socket(p);
	if (err)
		return err;
	saved = vm_saved_open(&resumed);
	dev->saved = saved;
	err = obtain(p, resumed, &got);
	if (err)
		return err;
	vm_device_init(dev, got.mac, got.mtu, p->opt.queues);
	dev->loop = &p->loop;
	dev->saved = saved;
	dev->tap = got.tap;
	dev->vhost = got.vhost;
	dev->poll_us = p->opt.poll_us;
	if (resumed)
		resumed = !resume(p, &sock, &kernel);

	err = vm_loop_init(&p->loop, saved ? vm_saved_loop(saved) : NULL, p->opt.plain_ring);
	if (err)
		goto close_tap;
	err = vm_loop_enable(&p->loop);
	if (!err)
		err = vm_loop_signals(&p->loop, on_signal, p);
	if (err)
		goto exit_loop;
	err = choose_user(p);
	if (!err)
		err = choose_lane(p);
	if (err)
		goto exit_loop;
	err = vm_connection_init(&p->conn, &p->loop, dev, p->opt.socket, p->opt.client,
				 vm_store_take(VM_SAVED_LISTEN), p->box.uid);
	if (err)
		goto exit_lane;
	err = close_sandbox(p);
	if (err)
		goto exit_connection;

	/* Before the first file is kept: one of a state that was not believed may have its name. */
	vm_store_tidy();
	dev->sock = sock;
	if (resumed)
		vm_device_resume(dev, kernel);
	/* It may have lost its lane in there. */
	err = dev->lane ? vm_connection_start(&p->conn, sock) : -ENOMEM;
	if (err)
		goto exit_connection;
	vm_device_save(dev);
	vm_store_tell("READY=1\n");
	vm_info("event=ready version=%s pid=%d tap=%s from=%s mac=%02x:%02x:%02x:%02x:%02x:%02x mtu=%u queues=%u %s=%s resumed=%d",
		VM_VERSION, p->pid, p->opt.tap, got.from, got.mac[0], got.mac[1], got.mac[2],
		got.mac[3], got.mac[4], got.mac[5], got.mtu, p->opt.queues,
		p->opt.client ? "connect" : "socket", p->opt.socket, resumed);
	return 0;

exit_connection:
	vm_connection_exit(&p->conn, !vm_store_exists());
exit_lane:
	vm_device_disconnect(dev);
	if (dev->lane)
		dev->lane->exit(dev);
exit_loop:
	vm_loop_exit(&p->loop);
close_tap:
	close(dev->tap);
	return err;
}

static void stop(struct port *p, int status)
{
	struct vm_device *dev = &p->dev;

	if (vm_store_exists()) {
		/*
		 * Whether the next process is to find all this is the manager's
		 * to decide: it forgets what it kept unless it starts us again.
		 */
		vm_device_stop_rings(dev);
		vm_device_save(dev);
	} else {
		vm_device_disconnect(dev);
	}
	vm_connection_exit(&p->conn, !vm_store_exists());
	if (dev->lane)
		dev->lane->exit(dev);
	vm_loop_exit(&p->loop);
	close(dev->tap);
	vm_info("event=stopped status=%d enters=%llu wakeups=%llu", status,
		(unsigned long long)p->loop.stats.enters,
		(unsigned long long)p->loop.stats.wakeups);
}

static void usage(FILE *out)
{
	fprintf(out,
		"usage: virtmesh-port --tap NAME (--socket PATH | --connect PATH) [options]\n"
		"The host's end of one VM: a vhost-user network device before a tap.\n"
		"\n"
		"  --tap NAME          interface of the port, as `virtmesh port add` made it\n"
		"  --socket PATH       listen there for the VMM\n"
		"  --connect PATH      connect to the VMM there, again and again\n"
		"  --user USER         become USER (default: the tap's owner, or nobody)\n"
		"  --lane LANE         own or kernel (default: kernel where it works)\n"
		"  --queues N          queue pairs, 1 or 2 (default 2: the second is for bulk)\n"
		"  --poll-us N         look for work up to N us before sleeping (default %d; 0: never)\n"
		"  --mac MAC           the tap is no port of a mesh: its device has this address\n"
		"  --mtu N             and this MTU (default: the interface's)\n"
		"  --plain-ring        use io_uring as on the oldest kernel\n"
		"  --log-level LEVEL   err, warn, info (default) or debug\n"
		"  --version           print it\n"
		"  --help              print this\n",
		VM_POLL_US);
}

static void __attribute__((noreturn, format(printf, 1, 2))) bad_usage(const char *fmt, ...)
{
	va_list ap;

	fputs("virtmesh-port: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("\n", stderr);
	exit(EXIT_USAGE);
}

static unsigned int parse_number(const char *what, const char *text, unsigned int min,
				 unsigned int max)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || value < min || value > max)
		bad_usage("--%s: not %u to %u: %s", what, min, max, text);
	return value;
}

static void parse_mac(const char *text, __u8 mac[VM_MAC_LEN])
{
	char end;

	if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%c", &mac[0], &mac[1], &mac[2],
		   &mac[3], &mac[4], &mac[5], &end) != VM_MAC_LEN ||
	    mac[0] & 1)
		bad_usage("--mac: no unicast address: %s", text);
}

static void parse_options(struct port *p, int argc, char **argv)
{
	enum {
		TAP = 256,
		SOCKET,
		CONNECT,
		USER,
		LANE,
		QUEUES,
		POLL_US,
		MAC,
		MTU,
		PLAIN_RING,
		LOG_LEVEL,
		VERSION,
		HELP
	};
	static const struct option options[] = {
		{ "tap", required_argument, NULL, TAP },
		{ "socket", required_argument, NULL, SOCKET },
		{ "connect", required_argument, NULL, CONNECT },
		{ "user", required_argument, NULL, USER },
		{ "lane", required_argument, NULL, LANE },
		{ "queues", required_argument, NULL, QUEUES },
		{ "poll-us", required_argument, NULL, POLL_US },
		{ "mac", required_argument, NULL, MAC },
		{ "mtu", required_argument, NULL, MTU },
		{ "plain-ring", no_argument, NULL, PLAIN_RING },
		{ "log-level", required_argument, NULL, LOG_LEVEL },
		{ "version", no_argument, NULL, VERSION },
		{ "help", no_argument, NULL, HELP },
		{ NULL, 0, NULL, 0 },
	};
	int c, level;

	p->opt.queues = 2;
	p->opt.poll_us = VM_POLL_US;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case TAP:
			p->opt.tap = optarg;
			break;
		case SOCKET:
		case CONNECT:
			if (p->opt.socket)
				bad_usage("--socket or --connect, once");
			p->opt.socket = optarg;
			p->opt.client = c == CONNECT;
			break;
		case USER:
			p->opt.user = optarg;
			break;
		case LANE:
			if (strcmp(optarg, "own") && strcmp(optarg, "kernel"))
				bad_usage("--lane: own or kernel, not %s", optarg);
			p->opt.lane = optarg;
			break;
		case QUEUES:
			p->opt.queues = parse_number("queues", optarg, 1, VM_RINGS / 2);
			break;
		case POLL_US:
			p->opt.poll_us = parse_number("poll-us", optarg, 0, POLL_US_MAX);
			break;
		case MAC:
			parse_mac(optarg, p->opt.mac);
			p->opt.has_mac = true;
			break;
		case MTU:
			p->opt.mtu = parse_number("mtu", optarg, 68, 65535);
			break;
		case PLAIN_RING:
			p->opt.plain_ring = true;
			break;
		case LOG_LEVEL:
			level = vm_log_level_parse(optarg);
			if (level < 0)
				bad_usage("--log-level: no such level: %s", optarg);
			vm_log_set_level(level);
			break;
		case VERSION:
			printf("virtmesh-port %s\n", VM_VERSION);
			exit(EXIT_SUCCESS);
		case HELP:
			usage(stdout);
			exit(EXIT_SUCCESS);
		default:
			usage(stderr);
			exit(EXIT_USAGE);
		}
	}
	if (optind < argc)
		bad_usage("takes no argument: %s", argv[optind]);
	if (!p->opt.tap || !p->opt.socket)
		bad_usage("--tap and one of --socket and --connect must be given");
	if (p->opt.mtu && !p->opt.has_mac)
		bad_usage("--mtu is for a tap that is no port of a mesh: with --mac");
}

/* A file of ours must not become what somebody takes for stderr. */
static bool standard_files_open(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return false;
	return true;
}

int main(int argc, char **argv)
{
	int status;

	if (!standard_files_open())
		return EXIT_FAILURE;
	parse_options(&port, argc, argv);
	vm_store_init();
	if (start(&port))
		return EXIT_FAILURE;
	status = vm_loop_run(&port.loop);
	if (status < 0) {
		vm_err("event=loop error=\"%s\"", strerror(-status));
		status = EXIT_FAILURE;
	}
	stop(&port, status);
	return status;
}
