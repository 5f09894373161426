// SPDX-License-Identifier: GPL-2.0-only
/*
 * mesh run: a program for each rank, which is told so by its environment, on the
 * rank's node if there is a launcher. Here is what the command line means and what
 * each rank's command is; ranks.c starts them and looks after them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <virtmesh/types.h>

#include "device.h"
#include "mesh.h"
#include "ranks.h"

#define GROUP_MAX 0x7fffffff /* above are those that libvirtmesh makes out of others */

static struct {
	const char *launcher;
	char *hosts;
	char *nodes;
	unsigned int group;
} opt = { .launcher = "exec" };

int mesh_run_option(struct mesh_args *args, int letter, const char *value)
{
	switch (letter) {
	case 'g':
		return mesh_number("-g", value, 1, GROUP_MAX, &opt.group);
	case 'H':
		free(opt.hosts);
		opt.hosts = strdup(value);
		return opt.hosts ? 0 : -1;
	case 'L':
		opt.launcher = value;
		return 0;
	case 'N':
		free(opt.nodes);
		opt.nodes = strdup(value);
		return opt.nodes ? 0 : -1;
	default:
		return mesh_number("-n", value, 1, VIRTMESH_RANKS_MAX, &args->count);
	}
}

/* The words of @list, which is cut up. How many, at most @max + 1. */
static unsigned int split(char *list, char **words, unsigned int max)
{
	unsigned int n = 0;
	char *save, *word;

	for (word = strtok_r(list, ",", &save); word && n <= max; word = strtok_r(NULL, ",", &save))
		words[n++] = word;
	return n;
}

/* The first @ranks nodes that are up. Returns 0 or an exit status. */
static int nodes_up(const struct mesh_args *args, unsigned int ranks, unsigned int *nodes)
{
	int fd = mesh_open(args->device), n;
	struct virtmesh_peer *peers;
	unsigned int up = 0;

	if (fd < 0) {
		fprintf(stderr, "mesh: not on a node, -N must name the nodes\n");
		return -fd;
	}
	n = mesh_get_peers(fd, &peers, NULL);
	close(fd);
	if (n < 0)
		return mesh_fail(-n, args->device);
	for (int i = 0; i < n && up < ranks; i++)
		if (peers[i].state == VIRTMESH_NODE_UP)
			nodes[up++] = peers[i].node;
	free(peers);
	if (up < ranks) {
		fprintf(stderr, "mesh: -n %u: only %u nodes are up\n", ranks, up);
		return MESH_FAILED;
	}
	return MESH_OK;
}

static int get_nodes(const struct mesh_args *args, unsigned int ranks, unsigned int *nodes)
{
	char *words[VIRTMESH_RANKS_MAX + 1];
	unsigned int n;

	if (!opt.nodes)
		return nodes_up(args, ranks, nodes);
	n = split(opt.nodes, words, VIRTMESH_RANKS_MAX);
	if (n != ranks) {
		fprintf(stderr, "mesh: -N names %u nodes, -n %u ranks\n", n, ranks);
		return MESH_USAGE;
	}
	for (unsigned int i = 0; i < n; i++)
		if (mesh_number("-N", words[i], VM_NODE_MIN, VM_NODE_MAX, &nodes[i]))
			return MESH_USAGE;
	return MESH_OK;
}

/* @word for a shell, quoted. */
static void quote(FILE *to, const char *word)
{
	putc('\'', to);
	for (; *word; word++) {
		if (*word == '\'')
			fputs("'\\''", to);
		else
			putc(*word, to);
	}
	putc('\'', to);
}

/* The environment's words for @rank, each put in single quotes when @shell. */
static char **environment(unsigned int rank, unsigned int ranks, const unsigned int *nodes)
{
	char **env = calloc(5, sizeof(*env)), *list = NULL;
	size_t size;
	FILE *f = open_memstream(&list, &size);

	if (!env || !f)
		goto fail;
	fputs("VIRTMESH_NODES=", f);
	for (unsigned int i = 0; i < ranks; i++)
		fprintf(f, "%s%u", i ? "," : "", nodes[i]);
	if (fclose(f))
		goto fail;
	env[0] = list;
	if (asprintf(&env[1], "VIRTMESH_RANK=%u", rank) < 0 ||
	    asprintf(&env[2], "VIRTMESH_SIZE=%u", ranks) < 0 ||
	    asprintf(&env[3], "VIRTMESH_GROUP=%u", opt.group) < 0)
		goto fail;
	return env;
fail:
	free(env);
	return NULL;
}

/* One word of the launcher, its %h, %n and %r replaced. NULL: no memory. */
static char *expand(const char *word, unsigned int rank, unsigned int node, const char *host)
{
	char *out = NULL;
	size_t size;
	FILE *f = open_memstream(&out, &size);

	if (!f)
		return NULL;
	for (; *word; word++) {
		if (*word != '%' || !strchr("hnr%", word[1]) || !word[1])
			putc(*word, f);
		else if (*++word == 'h')
			fputs(host, f);
		else if (*word == '%')
			putc('%', f);
		else
			fprintf(f, "%u", *word == 'n' ? node : rank);
	}
	return fclose(f) ? NULL : out;
}

/*
 * The launcher's words, and then one word that a shell over there reads: ssh gives
 * its words to one, and whatever else starts programs can be told to.
 */
static char **remote(const struct mesh_args *args, char **env, unsigned int rank, unsigned int node,
		     const char *host)
{
	char *launcher = strdup(opt.launcher), *save, *word, *command = NULL;
	char **argv = calloc(strlen(opt.launcher) + 3, sizeof(*argv));
	size_t size;
	int n = 0;
	FILE *f = open_memstream(&command, &size);

	if (!launcher || !argv || !f)
		goto fail;
	for (word = strtok_r(launcher, " \t", &save); word; word = strtok_r(NULL, " \t", &save)) {
		argv[n] = expand(word, rank, node, host);
		if (!argv[n++])
			goto fail;
	}
	fputs("exec env", f);
	for (int i = 0; env[i]; i++) {
		putc(' ', f);
		quote(f, env[i]);
	}
	for (int i = 0; i < args->nwords; i++) {
		putc(' ', f);
		quote(f, args->words[i]);
	}
	if (fclose(f))
		goto fail;
	argv[n] = command;
	free(launcher);
	return argv;
fail:
	free(launcher);
	free(argv);
	return NULL;
}

/* What each rank runs lives as long as this program does. */
int mesh_run(const struct mesh_args *args)
{
	struct mesh_rank ranks[VIRTMESH_RANKS_MAX] = { 0 };
	unsigned int nodes[VIRTMESH_RANKS_MAX], hosts = 0;
	bool local = !strcmp(opt.launcher, "exec");
	char *host[VIRTMESH_RANKS_MAX + 1];
	int err;

	if (!args->count || !args->nwords) {
		fprintf(stderr, "mesh: run: how many ranks (-n), and which program?\n");
		return MESH_USAGE;
	}
	if (opt.hosts)
		hosts = split(opt.hosts, host, VIRTMESH_RANKS_MAX);
	if (hosts && hosts != args->count) {
		fprintf(stderr, "mesh: --hosts names %u, -n %u ranks\n", hosts, args->count);
		return MESH_USAGE;
	}
	if (!hosts && strstr(opt.launcher, "%h")) {
		fprintf(stderr, "mesh: --launcher says %%h: --hosts must name them\n");
		return MESH_USAGE;
	}
	err = get_nodes(args, args->count, nodes);
	if (err)
		return err;
	while (!opt.group) {
		if (getrandom(&opt.group, sizeof(opt.group), 0) < 0)
			return mesh_fail(errno, "run");
		opt.group &= GROUP_MAX;
	}

	/* It has its uses, but not for programs that make a group: that has a rank on each node. */
	if (local && args->count > 1)
		fprintf(stderr, "mesh: run: the launcher is exec: all %u ranks run on this node\n",
			args->count);
	for (unsigned int i = 0; i < args->count; i++) {
		ranks[i].env = environment(i, args->count, nodes);
		ranks[i].argv = local || !ranks[i].env ? args->words :
							 remote(args, ranks[i].env, i, nodes[i],
								hosts ? host[i] : "");
		if (!ranks[i].env || !ranks[i].argv)
			return mesh_fail(ENOMEM, "run");
	}
	return mesh_ranks_run(ranks, args->count, args->json);
}
