// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtmeshd: the broker, node 0 of every ensemble of this host.
 *
 * Everything that happens is a completion of one io_uring: dispatch() below is
 * the whole daemon. Between completions it sleeps; a timer runs only while a
 * node must be probed or a client is slow.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <virtmesh/ctl.h>
#include <virtmesh/version.h>

#include "../host/log.h"
#include "broker.h"
#include "notify.h"
#include "sandbox.h"
#include "state.h"

#define PROBE_MS_DEFAULT 1000U
#define DEAD_MS_DEFAULT	 3000U
#define PROBE_MS_MIN	 20U
#define DEAD_MS_MAX	 3600000U
#define DRAIN_NS	 (2 * NSEC_PER_SEC)

#define EXIT_USAGE 2

static struct broker broker;

static __u64 clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

__u64 clock_mono(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

__u64 clock_real(void)
{
	return clock_ns(CLOCK_REALTIME);
}

static void on_signal(struct broker *b, const struct io_uring_cqe *cqe)
{
	__u32 signo = b->loop.siginfo.ssi_signo;

	if (cqe->res == (int)sizeof(b->loop.siginfo)) {
		if (signo == SIGHUP) {
			state_resync(b);
		} else if (!b->draining) {
			vm_info("event=stopping signal=%u", signo);
			notify("STOPPING=1\n");
			b->draining = true;
			b->drain_until = b->now + DRAIN_NS;
			server_drain(b);
		}
	}
	loop_arm_signals(&b->loop);
}

static void dispatch(struct broker *b, const struct io_uring_cqe *cqe)
{
	switch (event_of(cqe->user_data)) {
	case EVENT_NONE:
		break;
	case EVENT_TAP_READ:
		node0_read_done(b, cqe);
		break;
	case EVENT_TAP_WRITE:
		node0_write_done(b, cqe);
		break;
	case EVENT_TIMER:
		if (event_generation(cqe->user_data) == b->loop.timer_generation)
			b->loop.timer_at = 0;
		break;
	case EVENT_SIGNAL:
		on_signal(b, cqe);
		break;
	case EVENT_ACCEPT:
		server_accept_done(b, cqe);
		break;
	case EVENT_RECV:
		server_recv_done(b, cqe);
		break;
	case EVENT_SEND:
		server_send_done(b, cqe);
		break;
	}
}

static __u64 earlier(__u64 a, __u64 b)
{
	return a && (!b || a < b) ? a : b;
}

static int run(struct broker *b)
{
	struct io_uring_cqe *cqe;
	unsigned int head, n;
	int err;

	for (;;) {
		if (!loop_ready(&b->loop)) {
			loop_timer(&b->loop, earlier(earlier(mesh_deadline(b), b->drain_until),
						     server_deadline(&b->server)));
			err = loop_wait(&b->loop);
			if (err)
				return err;
		}
		b->now = clock_mono();
		mesh_wake(b);

		n = 0;
		io_uring_for_each_cqe(&b->loop.ring, head, cqe) {
			dispatch(b, cqe);
			n++;
		}
		io_uring_cq_advance(&b->loop.ring, n);

		if (b->has_state && mesh_deadline(b) && b->now >= mesh_deadline(b))
			mesh_tick(b);
		server_run(b);
		if (b->draining && (server_idle(&b->server) || b->now >= b->drain_until))
			return 0;
	}
}

static int start(struct broker *b)
{
	struct iovec buffers[BUFFERS];
	int err;

	node0_buffers(&b->node0, &buffers[BUFFER_RX], &buffers[BUFFER_TX]);
	if (getrandom(&b->id, sizeof(b->id), 0) != sizeof(b->id) ||
	    getrandom(&b->mesh.token, sizeof(b->mesh.token), 0) != sizeof(b->mesh.token))
		return -EIO;
	b->started_ns = clock_real();
	b->now = clock_mono();

	err = loop_init(&b->loop, b->opt.plain_ring, buffers);
	if (err)
		return err;
	err = server_init(b, b->opt.socket);
	if (err)
		goto exit_loop;
	notify_init();
	node0_init(b);
	err = loop_enable(&b->loop);
	if (err)
		goto exit_server;
	/* Before the sandbox, so that what is wrong with the host is said at once and ends us. */
	err = state_resync(b);
	if (err)
		goto exit_server;
	err = sandbox_enter();
	if (err)
		goto exit_node0;
	loop_arm_signals(&b->loop);
	server_start(b);
	notify_ready();
	vm_info("event=ready version=%s broker=%016llx pid=%d socket=%s probe-ms=%u dead-ms=%u",
		VM_VERSION, (unsigned long long)b->id, b->server.pid, b->opt.socket,
		b->opt.probe_ms, b->opt.dead_ms);
	return 0;

exit_node0:
	node0_exit(b);
exit_server:
	unlink(b->opt.socket);
	server_exit(b);
exit_loop:
	loop_exit(&b->loop);
	return err;
}

static void stop(struct broker *b)
{
	vm_info("event=stopped wakeups=%llu rx=%llu tx=%llu bad=%llu refused=%llu unsent=%llu",
		(unsigned long long)b->loop.wakeups, (unsigned long long)b->node0.frames_rx,
		(unsigned long long)b->node0.frames_tx, (unsigned long long)b->node0.frames_bad,
		(unsigned long long)b->node0.frames_refused,
		(unsigned long long)b->node0.frames_unsent);
	node0_exit(b);
	server_exit(b);
	loop_exit(&b->loop);
}

static void usage(FILE *out)
{
	fprintf(out,
		"usage: virtmeshd [options]\n"
		"The broker of virtmesh: keeps the membership of this host's ensembles.\n"
		"\n"
		"  --socket PATH       control socket (default %s)\n"
		"  --probe-ms MS       look for the nodes this often (default %u)\n"
		"  --dead-ms MS        a node silent this long is down (default %u)\n"
		"  --plain-ring        use io_uring as on the oldest kernel\n"
		"  --log-level LEVEL   err, warn, info (default) or debug\n"
		"  --version           print it\n"
		"  --help              print this\n",
		VM_CTL_SOCKET, PROBE_MS_DEFAULT, DEAD_MS_DEFAULT);
}

static int parse_ms(const char *text, __u32 min, __u32 max, __u32 *ms)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || value < min || value > max)
		return -EINVAL;
	*ms = value;
	return 0;
}

static void parse_options(struct broker *b, int argc, char **argv)
{
	enum { SOCKET = 256, PROBE_MS, DEAD_MS, PLAIN_RING, LOG_LEVEL, VERSION, HELP };
	static const struct option options[] = {
		{ "socket", required_argument, NULL, SOCKET },
		{ "probe-ms", required_argument, NULL, PROBE_MS },
		{ "dead-ms", required_argument, NULL, DEAD_MS },
		{ "plain-ring", no_argument, NULL, PLAIN_RING },
		{ "log-level", required_argument, NULL, LOG_LEVEL },
		{ "version", no_argument, NULL, VERSION },
		{ "help", no_argument, NULL, HELP },
		{ NULL, 0, NULL, 0 },
	};
	int c, level;

	b->opt.socket = VM_CTL_SOCKET;
	b->opt.probe_ms = PROBE_MS_DEFAULT;
	b->opt.dead_ms = DEAD_MS_DEFAULT;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case SOCKET:
			b->opt.socket = optarg;
			break;
		case PROBE_MS:
			if (!parse_ms(optarg, PROBE_MS_MIN, DEAD_MS_MAX / 2, &b->opt.probe_ms))
				break;
			fprintf(stderr, "virtmeshd: --probe-ms: not %u to %u: %s\n", PROBE_MS_MIN,
				DEAD_MS_MAX / 2, optarg);
			exit(EXIT_USAGE);
		case DEAD_MS:
			if (!parse_ms(optarg, 2 * PROBE_MS_MIN, DEAD_MS_MAX, &b->opt.dead_ms))
				break;
			fprintf(stderr, "virtmeshd: --dead-ms: not %u to %u: %s\n",
				2 * PROBE_MS_MIN, DEAD_MS_MAX, optarg);
			exit(EXIT_USAGE);
		case PLAIN_RING:
			b->opt.plain_ring = true;
			break;
		case LOG_LEVEL:
			level = vm_log_level_parse(optarg);
			if (level < 0) {
				fprintf(stderr, "virtmeshd: --log-level: no such level: %s\n",
					optarg);
				exit(EXIT_USAGE);
			}
			vm_log_set_level(level);
			break;
		case VERSION:
			printf("virtmeshd %s\n", VM_VERSION);
			exit(EXIT_SUCCESS);
		case HELP:
			usage(stdout);
			exit(EXIT_SUCCESS);
		default:
			usage(stderr);
			exit(EXIT_USAGE);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "virtmeshd: takes no argument: %s\n", argv[optind]);
		exit(EXIT_USAGE);
	}
	/* One lost probe must not look like a death. */
	if (b->opt.dead_ms < 2 * b->opt.probe_ms) {
		fprintf(stderr, "virtmeshd: --dead-ms must be at least twice --probe-ms\n");
		exit(EXIT_USAGE);
	}
}

/* A file of ours must not become what somebody takes for stderr. */
static bool open_standard_files(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

int main(int argc, char **argv)
{
	int err;

	if (!open_standard_files())
		return EXIT_FAILURE;

	parse_options(&broker, argc, argv);
	if (geteuid()) {
		fprintf(stderr, "virtmeshd: must be started as root\n");
		return EXIT_FAILURE;
	}
	if (start(&broker))
		return EXIT_FAILURE;
	err = run(&broker);
	if (err)
		vm_err("event=loop error=\"%s\"", strerror(-err));
	stop(&broker);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
