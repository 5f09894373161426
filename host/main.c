// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtmesh: the host's command. The table below is all of it; each verb has a
 * file of its own.
 */
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <virtmesh/maps.h>
#include <virtmesh/version.h>

#include "cmd.h"
#include "libprint.h"
#include "link.h"
#include "log.h"
#include "room.h"

enum {
	OPT_ENSEMBLE = 1 << 0,
	OPT_NODE = 1 << 1,
	OPT_MTU = 1 << 2,
	OPT_OWNER = 1 << 3,
	OPT_FOLLOW = 1 << 4,
	OPT_VHOST_USER = 1 << 5,
	OPT_GROUP = 1 << 6,
	OPT_MEMORY = 1 << 7,
	OPT_LISTEN = 1 << 8,
	OPT_LOSS = 1 << 9,
	OPT_SEED = 1 << 10,
	OPT_THROUGH = 1 << 11,
	OPT_OFF = 1 << 12,
	POS_NAME = 1 << 13, /* one positional argument: an interface */
	POS_ENSEMBLE = 1 << 14, /* .. : an ensemble's number */
};

#define POSITIONAL (POS_NAME | POS_ENSEMBLE)

static const struct verb {
	const char *verb;
	const char *sub; /* NULL: none */
	int (*run)(const struct vm_args *args);
	unsigned int must;
	unsigned int may;
	const char *args;
	const char *help;
} verbs[] = {
	{ "doctor", NULL, vm_cmd_doctor, 0, 0, "",
	  "what works on this host, and how to mend what does not" },
	{ "ensemble", "add", vm_cmd_ensemble_add, POS_ENSEMBLE, 0, "E",
	  "make ensemble E; the first one sets the host up" },
	{ "ensemble", "del", vm_cmd_ensemble_del, POS_ENSEMBLE, 0, "E",
	  "remove ensemble E, which has no ports; the last one takes everything away" },
	{ "ensemble", "faults", vm_cmd_ensemble_faults, POS_ENSEMBLE,
	  OPT_LOSS | OPT_SEED | OPT_THROUGH | OPT_OFF,
	  "E [--loss PERCENT [--seed S] | --through IFNAME | --off]",
	  "lose frames of ensemble E on purpose, for tests, or lead them through an interface" },
	{ "ensemble", "list", vm_cmd_ensemble_list, 0, 0, "", "the ensembles of this host" },
	{ "port", "add", vm_cmd_port_add, POS_NAME | OPT_ENSEMBLE | OPT_NODE,
	  OPT_OWNER | OPT_MTU | OPT_VHOST_USER | OPT_GROUP,
	  "NAME --ensemble E --node N [--owner USER] [--mtu M] [--vhost-user [--group GROUP]]",
	  "make tap NAME for a VM, or for the virtmesh-port that serves it" },
	{ "port", "del", vm_cmd_port_del, POS_NAME, 0, "NAME", "remove a port and its tap" },
	{ "attach", NULL, vm_cmd_attach, POS_NAME | OPT_ENSEMBLE | OPT_NODE, OPT_MTU,
	  "IFNAME --ensemble E --node N [--mtu M]",
	  "make a port of an interface that exists: a VMM's tap, a container's veth" },
	{ "detach", NULL, vm_cmd_detach, POS_NAME, 0, "IFNAME",
	  "undo attach; the interface stays" },
	{ "show", NULL, vm_cmd_show, 0, OPT_ENSEMBLE, "[--ensemble E]",
	  "the ports, their nodes and counters" },
	{ "drops", NULL, vm_cmd_drops, 0, OPT_ENSEMBLE | OPT_FOLLOW, "[--ensemble E] [--follow]",
	  "frames that went no further, by port and reason" },
	{ "nodes", NULL, vm_cmd_nodes, 0, OPT_ENSEMBLE, "[--ensemble E]", "the broker's view" },
	{ "qemu-args", NULL, vm_cmd_qemu_args, POS_NAME, OPT_MEMORY | OPT_LISTEN,
	  "NAME [--memory SIZE [--listen]]", "what to give QEMU for the VM on port NAME" },
	{ "uml-args", NULL, vm_cmd_uml_args, POS_NAME, 0, "NAME",
	  "what to give a User-Mode Linux kernel on vhost-user port NAME" },
};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

static const struct option options[] = {
	/* keep sorted */
	{ "ensemble", required_argument, NULL, 'e' },
	{ "follow", no_argument, NULL, 'f' },
	{ "group", required_argument, NULL, 'g' },
	{ "help", no_argument, NULL, 'h' },
	{ "json", no_argument, NULL, 'j' },
	{ "listen", no_argument, NULL, 'l' },
	{ "loss", required_argument, NULL, 'L' },
	{ "memory", required_argument, NULL, 'M' },
	{ "mtu", required_argument, NULL, 'm' },
	{ "node", required_argument, NULL, 'n' },
	{ "off", no_argument, NULL, 'O' },
	{ "owner", required_argument, NULL, 'o' },
	{ "seed", required_argument, NULL, 's' },
	{ "through", required_argument, NULL, 't' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "version", no_argument, NULL, 'V' },
	{ "vhost-user", no_argument, NULL, 'u' },
	{ NULL, 0, NULL, 0 },
};

static void usage(FILE *to)
{
	fprintf(to, "virtmesh %s: joins virtual machines by frames that XDP steers\n\n",
		VM_VERSION);
	for (size_t i = 0; i < VERBS; i++) {
		const struct verb *v = &verbs[i];

		fprintf(to, "  virtmesh %s%s%s%s%s\n      %s\n", v->verb, v->sub ? " " : "",
			v->sub ? v->sub : "", *v->args ? " " : "", v->args, v->help);
	}
	fprintf(to, "\nEvery verb takes --json, --verbose and --help. See virtmesh(8).\n");
}

static void usage_verb(FILE *to, const struct verb *v)
{
	fprintf(to, "usage: virtmesh %s%s%s%s%s [--json] [--verbose]\n\n%s\n", v->verb,
		v->sub ? " " : "", v->sub ? v->sub : "", *v->args ? " " : "", v->args, v->help);
	if ((v->must | v->may) & (OPT_ENSEMBLE | POS_ENSEMBLE))
		fprintf(to, "  ensemble    %d..%d\n", VM_ENSEMBLE_MIN, VM_ENSEMBLE_MAX);
	if ((v->must | v->may) & OPT_NODE)
		fprintf(to, "  --node      %d..%d\n", VM_NODE_MIN, VM_NODE_MAX);
	if ((v->must | v->may) & OPT_MTU)
		fprintf(to, "  --mtu       %d..%d, without the Ethernet header (%s)\n", VM_MTU_MIN,
			VM_MTU_MAX,
			v->run == vm_cmd_attach ? "default: the interface's" : "default 3366");
	if ((v->must | v->may) & OPT_OWNER)
		fprintf(to,
			"  --owner     user name or id that may open the tap (default: root; with\n"
			"              --vhost-user " VM_PORT_USER " if there is that user)\n");
	if ((v->must | v->may) & OPT_GROUP)
		fprintf(to,
			"  --group     whose VMMs reach the socket (default: the owner's group)\n");
	if ((v->must | v->may) & OPT_MEMORY)
		fprintf(to,
			"  --memory    the guest's, for a vhost-user port: 512M, 4G; 512 is 512M\n"
			"  --listen    QEMU listens at the socket, and virtmesh-port connects\n");
	if ((v->must | v->may) & OPT_LOSS)
		fprintf(to,
			"  --loss      of frames of the mesh protocol from node to node, in per cent\n"
			"  --seed      which frames that are (default 1)\n"
			"  --through   what is sent comes out of this interface, and what is written\n"
			"              there arrives: whoever holds its other end speaks for every node\n"
			"  --off       no more faults\n");
}
_Static_assert(VM_MTU_DEFAULT == 3366, "usage_verb() tells another default MTU");

/* A whole decimal number in [@min, @max]; says what is wrong otherwise. */
static int parse_number(const char *what, const char *text, unsigned int min, unsigned int max,
			unsigned int *value)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || n < min || n > max) {
		vm_err("%s must be a number from %u to %u, not \"%s\"", what, min, max, text);
		return -1;
	}
	*value = n;
	return 0;
}

/* It becomes part of paths as well: none that could lead elsewhere goes further than this. */
static int parse_name(const char *text, struct vm_args *args)
{
	static char name[IF_NAMESIZE];
	unsigned int ifindex;

	if (!vm_link_name_valid(text)) {
		vm_err("\"%s\" cannot be the name of an interface: 1 to %d characters, without "
		       "'/', ':', '%%' and blanks, and neither \".\" nor \"..\"",
		       text, IF_NAMESIZE - 1);
		return -1;
	}
	/* The kernel knows it by its other names (ip link property) too; paths and QEMU do not. */
	ifindex = if_nametoindex(text);
	args->name = ifindex && if_indextoname(ifindex, name) ? name : text;
	return 0;
}

static int parse_ensemble(const char *text, struct vm_args *args)
{
	return parse_number("the ensemble", text, VM_ENSEMBLE_MIN, VM_ENSEMBLE_MAX,
			    &args->ensemble);
}

static int parse_owner(const char *text, struct vm_args *args)
{
	const struct passwd *pw = getpwnam(text);
	unsigned int uid;

	if (pw) {
		args->owner = pw->pw_uid;
		return 0;
	}
	if (text[0] < '0' || text[0] > '9') {
		vm_err("there is no user \"%s\"", text);
		return -1;
	}
	if (parse_number("a numeric owner", text, 0, (uid_t)-2, &uid))
		return -1;
	args->owner = uid;
	return 0;
}

static int parse_group(const char *text, struct vm_args *args)
{
	const struct group *gr = getgrnam(text);
	unsigned int gid;

	if (gr) {
		args->group = gr->gr_gid;
		return 0;
	}
	if (text[0] < '0' || text[0] > '9') {
		vm_err("there is no group \"%s\"", text);
		return -1;
	}
	if (parse_number("a numeric group", text, 0, (gid_t)-2, &gid))
		return -1;
	args->group = gid;
	return 0;
}

/* "512M", "4G", "2048", in MiB as QEMU has it: it becomes part of QEMU's arguments. */
static int parse_memory(const char *text, struct vm_args *args)
{
	size_t digits = strspn(text, "0123456789");

	if (!digits || text[0] == '0' || digits > 9 ||
	    (text[digits] && (!strchr("MG", text[digits]) || text[digits + 1]))) {
		vm_err("the memory must be a size like 512M or 4G, not \"%s\"", text);
		return -1;
	}
	args->memory = text;
	return 0;
}

/* "0.5", "20": per cent, with up to four places. */
static int parse_loss(const char *text, struct vm_args *args)
{
	size_t whole = strspn(text, "0123456789"), places = 0, len = whole;
	unsigned int loss;

	if (text[whole] == '.') {
		places = strspn(text + whole + 1, "0123456789");
		len += 1 + places;
	}
	loss = (unsigned int)atoi(text) * (VM_FAULT_SCALE / 100);
	for (unsigned int i = 0, unit = VM_FAULT_SCALE / 1000; i < places; i++, unit /= 10)
		loss += (text[whole + 1 + i] - '0') * unit;
	if (!whole || whole > 3 || places > 4 || (len > whole && !places) || text[len] ||
	    loss > VM_FAULT_SCALE) {
		vm_err("the loss must be a part of 100 like 5 or 0.25, not \"%s\"", text);
		return -1;
	}
	args->loss = loss;
	args->loss_given = true;
	return 0;
}

static int parse_seed(const char *text, struct vm_args *args)
{
	char *end;

	errno = 0;
	args->seed = strtoull(text, &end, 10);
	if (text[0] >= '0' && text[0] <= '9' && !*end && !errno)
		return 0;
	vm_err("the seed must be a whole number, not \"%s\"", text);
	return -1;
}

/* Without a name the port is the user's that packages make for it. */
static void default_owner(struct vm_args *args)
{
	const struct passwd *pw = getpwnam(VM_PORT_USER);

	if (args->vhost_user && !args->owner_given && pw)
		args->owner = pw->pw_uid;
}

static const struct verb *find_verb(const char *verb, const char *sub)
{
	for (size_t i = 0; i < VERBS; i++)
		if (!strcmp(verbs[i].verb, verb) &&
		    (!verbs[i].sub || (sub && !strcmp(verbs[i].sub, sub))))
			return &verbs[i];
	return NULL;
}

/* Is @verb one that wants a second word? */
static bool is_half_verb(const char *verb)
{
	for (size_t i = 0; i < VERBS; i++)
		if (verbs[i].sub && !strcmp(verbs[i].verb, verb))
			return true;
	return false;
}

static int say_missing(const struct verb *v, unsigned int what)
{
	static const struct {
		unsigned int bit;
		const char *text;
	} words[] = {
		{ POS_NAME, "an interface name" },
		{ POS_ENSEMBLE, "an ensemble's number" },
		{ OPT_ENSEMBLE, "--ensemble" },
		{ OPT_NODE, "--node" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (what & words[i].bit)
			vm_err("%s is missing", words[i].text);
	usage_verb(stderr, v);
	return VM_EXIT_USAGE;
}

/* Fill @args by @v's rules. 0, or the exit status plus one when there is nothing to run. */
static int parse(const struct verb *v, int argc, char **argv, struct vm_args *args)
{
	unsigned int given = 0, opt;
	int c, err;

	optind = 1;
	while ((c = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
		opt = 0;
		err = 0;
		switch (c) {
		case 'h':
			usage_verb(stdout, v);
			return 1 + VM_EXIT_OK;
		case 'V':
			printf("virtmesh %s\n", VM_VERSION);
			return 1 + VM_EXIT_OK;
		case 'j':
			args->json = true;
			continue;
		case 'v':
			args->verbose = true;
			vm_log_set_level(VM_LOG_DEBUG);
			continue;
		case 'e':
			opt = OPT_ENSEMBLE;
			err = parse_ensemble(optarg, args);
			break;
		case 'n':
			opt = OPT_NODE;
			err = parse_number("the node", optarg, VM_NODE_MIN, VM_NODE_MAX,
					   &args->node);
			break;
		case 'm':
			opt = OPT_MTU;
			err = parse_number("the MTU", optarg, VM_MTU_MIN, VM_MTU_MAX, &args->mtu);
			break;
		case 'o':
			opt = OPT_OWNER;
			err = parse_owner(optarg, args);
			args->owner_given = true;
			break;
		case 'f':
			opt = OPT_FOLLOW;
			args->follow = true;
			break;
		case 'u':
			opt = OPT_VHOST_USER;
			args->vhost_user = true;
			break;
		case 'g':
			opt = OPT_GROUP;
			err = parse_group(optarg, args);
			break;
		case 'M':
			opt = OPT_MEMORY;
			err = parse_memory(optarg, args);
			break;
		case 'l':
			opt = OPT_LISTEN;
			args->listen = true;
			break;
		case 'L':
			opt = OPT_LOSS;
			err = parse_loss(optarg, args);
			break;
		case 's':
			opt = OPT_SEED;
			err = parse_seed(optarg, args);
			break;
		case 't':
			opt = OPT_THROUGH;
			args->through = optarg;
			break;
		case 'O':
			opt = OPT_OFF;
			args->off = true;
			break;
		default:
			err = -1;
		}
		if (err)
			return 1 + VM_EXIT_USAGE;
		if (!(opt & (v->must | v->may))) {
			vm_err("this verb does not take that option");
			usage_verb(stderr, v);
			return 1 + VM_EXIT_USAGE;
		}
		given |= opt;
	}

	if (optind < argc && v->must & POSITIONAL) {
		err = v->must & POS_NAME ? parse_name(argv[optind], args) :
					   parse_ensemble(argv[optind], args);
		if (err)
			return 1 + VM_EXIT_USAGE;
		given |= v->must & POSITIONAL;
		optind++;
	}
	if (optind < argc) {
		vm_err("do not know what to do with \"%s\"", argv[optind]);
		usage_verb(stderr, v);
		return 1 + VM_EXIT_USAGE;
	}
	if (v->must & ~given)
		return 1 + say_missing(v, v->must & ~given);
	if (given & OPT_GROUP && !args->vhost_user) {
		vm_err("--group is for --vhost-user: it is about the socket");
		return 1 + VM_EXIT_USAGE;
	}
	if (!!(given & OPT_LOSS) + !!(given & OPT_THROUGH) + !!(given & OPT_OFF) > 1 ||
	    (given & OPT_SEED && !(given & OPT_LOSS))) {
		vm_err("one of --loss, --through and --off; and --seed is for --loss");
		return 1 + VM_EXIT_USAGE;
	}
	default_owner(args);
	return 0;
}

int vm_exit_status(int err)
{
	switch (err) {
	case 0:
		return VM_EXIT_OK;
	case -EPERM:
	case -EACCES:
		return VM_EXIT_PRIVILEGE;
	case -ENOENT:
	case -ENODEV:
	case -ENOTCONN:
		return VM_EXIT_ABSENT;
	default:
		return VM_EXIT_FAILED;
	}
}

/*
 * @err of the verb, unless that is 0 and its answer could not be written. Whoever closes a
 * pipe has read what he wanted: nothing to complain of.
 */
static int end_answer(int err)
{
	struct pollfd out = { .fd = STDOUT_FILENO };

	errno = 0;
	if (fflush(stdout) != EOF && !ferror(stdout))
		return err;
	/* What was met on the way is not in errno any more: ask; JSON has told. */
	if (errno == EPIPE || (poll(&out, 1, 0) == 1 && out.revents & (POLLERR | POLLHUP)))
		return err == -EPIPE ? 0 : err;
	vm_err("cannot write the answer to stdout: %s", strerror(errno ?: -err ?: EIO));
	return err ?: -EIO;
}

int main(int argc, char **argv)
{
	struct vm_args args = { .group = -1, .seed = 1 };
	const char *sub = argc > 2 ? argv[2] : NULL;
	const struct verb *v;
	int status, skip;

	if (argc < 2) {
		usage(stderr);
		return VM_EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		printf("virtmesh %s\n", VM_VERSION);
		return VM_EXIT_OK;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		usage(stdout);
		return VM_EXIT_OK;
	}

	v = find_verb(argv[1], sub);
	if (!v) {
		if (is_half_verb(argv[1]))
			vm_err("\"%s\" wants one more word: add, del%s", argv[1],
			       strcmp(argv[1], "ensemble") ? "" : ", list or faults");
		else
			vm_err("there is no verb \"%s\"; virtmesh --help lists them", argv[1]);
		return VM_EXIT_USAGE;
	}
	skip = v->sub ? 2 : 1;
	argv[skip] = argv[0]; /* what getopt() calls us */
	status = parse(v, argc - skip, argv + skip, &args);
	if (status)
		return status - 1;

	/* A reader that went away is an error of printf(), not the end. */
	signal(SIGPIPE, SIG_IGN);
	vm_libprint_init();
	return vm_exit_status(end_answer(v->run(&args)));
}
