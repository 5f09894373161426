// SPDX-License-Identifier: GPL-2.0-only
/*
 * mesh: what a guest sees of the mesh. The table below is all of it; each verb
 * has a file of its own.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <virtmesh/types.h>
#include <virtmesh/version.h>

#include "mesh.h"

static const struct verb {
	const char *name;
	int (*run)(const struct mesh_args *args);
	const char *options; /* of getopt, beyond those that every verb takes */
	bool wants_node;
	/* Takes these options, and all words that are none: 0 or -1, with a line on stderr. */
	int (*option)(struct mesh_args *args, int letter, const char *value);
	const char *args;
	const char *help;
} verbs[] = {
	/* keep sorted */
	{ "info", mesh_info, "w:", false, NULL, "[-w SECONDS]",
	  "this node: ensemble, id, state, MTU; -w: wait until it has joined" },
	{ "peers", mesh_peers, "", false, NULL, "", "the nodes of the ensemble and their states" },
	{ "perf", mesh_perf, "b:g:i:N:n:r:s:W:", false, mesh_perf_option,
	  "send|bcast|allgather|allreduce|barrier [-s SIZES] [-n NODES] [-i ITERATIONS] ...",
	  "latency and bandwidth of an operation; one such program on each node (mesh run)" },
	{ "ping", mesh_ping, "c:s:i:W:q", true, NULL,
	  "NODE [-c COUNT] [-s BYTES] [-i MS] [-W MS] [-q]",
	  "round trips to a node: min/p50/p99/max" },
	{ "recv", mesh_recv, "C:c:W:", false, NULL, "[-C CHANNEL] [-c COUNT] [-W MS]",
	  "count what `mesh send` sends, until -c have come or none for -W" },
	{ "run", mesh_run, "+g:H:L:N:n:", false, mesh_run_option,
	  "-n N [-N NODES] [-H HOSTS] [-L LAUNCHER] ... -- PROGRAM [ARG]...",
	  "start a program for each rank, on its node by a launcher such as 'ssh %h'" },
	{ "send", mesh_send, "C:c:s:i:", true, NULL,
	  "NODE|all [-C CHANNEL] [-c COUNT] [-s BYTES] [-i MS]",
	  "numbered datagrams to a node, or to all others at once" },
	{ "stats", mesh_stats, "n:", false, NULL, "[-n NODE]",
	  "the transport, peer by peer: frames, repairs, stalls, round trips" },
	{ "stuck", mesh_stuck, "m:W:", false, NULL, "[-m MS] [-W MS]",
	  "ask every node what it waits for, and say for which node all of them do" },
	{ "trace", mesh_trace, "c:", false, NULL, "[-c COUNT]",
	  "the last operations of this node, as the driver remembers them" },
	{ "watch", mesh_watch, "c:", false, NULL, "[-c COUNT]",
	  "a line for each change of the membership" },
};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

static const struct option options[] = {
	/* keep sorted */
	{ "device", required_argument, NULL, 'd' },
	{ "help", no_argument, NULL, 'h' },
	{ "hosts", required_argument, NULL, 'H' },
	{ "json", no_argument, NULL, 'j' },
	{ "launcher", required_argument, NULL, 'L' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static void usage(FILE *to)
{
	fprintf(to, "mesh %s: a node's view of its virtmesh\n\n", VM_VERSION);
	for (size_t i = 0; i < VERBS; i++)
		fprintf(to, "  mesh %s%s%s\n      %s\n", verbs[i].name, *verbs[i].args ? " " : "",
			verbs[i].args, verbs[i].help);
	fprintf(to, "\nEvery verb takes --json, --device DEV (default " MESH_DEVICE
		    ") and --help. See mesh(1).\n");
}

static void usage_verb(FILE *to, const struct verb *v)
{
	fprintf(to, "usage: mesh %s [--json] [--device DEV]%s%s\n\n%s\n", v->name,
		*v->args ? " " : "", v->args, v->help);
}

int mesh_number(const char *what, const char *text, unsigned int min, unsigned int max,
		unsigned int *value)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || n < min || n > max) {
		fprintf(stderr, "mesh: %s takes a number from %u to %u, not \"%s\"\n", what, min,
			max, text);
		return -1;
	}
	*value = (unsigned int)n;
	return 0;
}

/* Fill @args. Returns -1 to go on, or an exit status. */
static int parse(const struct verb *v, int argc, char **argv, struct mesh_args *args)
{
	char letters[32];
	int c, err = 0;

	/* A plus at the front: the first word that is no option ends them. */
	snprintf(letters, sizeof(letters), "%sd:hV%s", *v->options == '+' ? "+" : "",
		 v->options + (*v->options == '+'));
	optind = 1;
	while ((c = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		if (v->option && c != '?' && strchr(v->options, c)) {
			if (v->option(args, c, optarg))
				return MESH_USAGE;
			continue;
		}
		switch (c) {
		case 'h':
			usage_verb(stdout, v);
			return MESH_OK;
		case 'V':
			puts(VM_VERSION);
			return MESH_OK;
		case 'd':
			args->device = optarg;
			break;
		case 'j':
			args->json = true;
			break;
		case 'q':
			args->quiet = true;
			break;
		case 'C':
			err = mesh_number("-C", optarg, 1, 65535, &args->channel);
			break;
		case 'c':
			err = mesh_number("-c", optarg, 0, 1U << 31, &args->count);
			break;
		case 'm':
			err = mesh_number("-m", optarg, 0, 3600000, &args->older_ms);
			break;
		case 'n':
			err = mesh_number("-n", optarg, VM_NODE_MIN, VM_NODE_MAX, &args->node);
			break;
		case 's':
			err = mesh_number("-s", optarg, 0, VM_MTU_MAX, &args->size);
			break;
		case 'i':
			err = mesh_number("-i", optarg, 0, 3600000, &args->interval_ms);
			break;
		case 'W':
			err = mesh_number("-W", optarg, 1, 60000, &args->timeout_ms);
			break;
		case 'w':
			err = mesh_number("-w", optarg, 1, 86400, &args->wait_s);
			break;
		default:
			usage_verb(stderr, v);
			return MESH_USAGE;
		}
		if (err)
			return MESH_USAGE;
	}
	if (v->wants_node) {
		if (optind >= argc) {
			fprintf(stderr, "mesh: which node?\n");
			usage_verb(stderr, v);
			return MESH_USAGE;
		}
		args->all = v->run == mesh_send && !strcmp(argv[optind], "all");
		if (args->all)
			optind++;
		else if (mesh_number("the node", argv[optind++], VM_NODE_MIN, VM_NODE_MAX,
				     &args->node))
			return MESH_USAGE;
	}
	if (v->option) {
		args->words = argv + optind;
		args->nwords = argc - optind;
	} else if (optind < argc) {
		fprintf(stderr, "mesh: \"%s\" is one word too many\n", argv[optind]);
		usage_verb(stderr, v);
		return MESH_USAGE;
	}
	return -1;
}

/* A full disk or a closed pipe must not look like success, whenever it was met. */
static int end(int status)
{
	errno = 0;
	if ((fflush(stdout) || ferror(stdout)) && status == MESH_OK) {
		fprintf(stderr, "mesh: cannot write%s%s\n", errno ? ": " : " all of it",
			errno ? strerror(errno) : "");
		status = MESH_FAILED;
	}
	return status;
}

int main(int argc, char **argv)
{
	struct mesh_args args = {
		.device = MESH_DEVICE,
		.channel = 1,
		.size = 56,
		.interval_ms = 200,
		.timeout_ms = 1000,
		.older_ms = 100,
	};
	const struct verb *v = NULL;
	int status;

	if (argc < 2) {
		usage(stderr);
		return MESH_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		usage(stdout);
		return end(MESH_OK);
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts(VM_VERSION);
		return end(MESH_OK);
	}
	for (size_t i = 0; i < VERBS; i++)
		if (!strcmp(argv[1], verbs[i].name))
			v = &verbs[i];
	if (!v) {
		fprintf(stderr, "mesh: there is no \"%s\"; see mesh --help\n", argv[1]);
		return MESH_USAGE;
	}
	if (v->run == mesh_ping || v->run == mesh_send)
		args.count = 5;
	if (v->run == mesh_send)
		args.interval_ms = 0;
	if (v->run == mesh_recv)
		args.timeout_ms = 10000;
	argv[1] = argv[0]; /* how getopt leads its complaints */
	status = parse(v, argc - 1, argv + 1, &args);
	return end(status >= 0 ? status : v->run(&args));
}
