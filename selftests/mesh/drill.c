// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a program of a job sees when one of its nodes fails:
 *
 *	drill -N NODES -g ID -t DEADLINE_MS -m BYTES [-c COUNT] [-r RANK] [-wx]
 *
 * All nodes gather from all, again and again, with every byte compared; or, with -r,
 * that rank broadcasts, and in its stead the lowest when it has failed. When that
 * fails it tells whom it missed and how long it took, forms the group of those who
 * are left, and goes on with them for a while. A line on stdout for each event:
 *
 *	running					the first operation has ended well
 *	failed result=E nodes=N,.. reason=R elapsed_ms=T wall_ms=T cpu_ms=T
 *	missing nodes=N,..			with -x: who did not come to that; once more
 *	formed nodes=N,..			without those
 *	refused result=E			the others have gone on without this node
 *	done operations=N			since it was formed last
 *
 * With -w it stays in the group then, until it gets SIGTERM. With -x who does not come to
 * form within three deadlines is left behind as well.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include "rig.h"

#define AFTER	40 /* operations with the survivors */
#define FORM_NS 20000000000ULL
#define HEAD	sizeof(uint32_t) /* of a part */
#define REFUSED 4 /* exit status */

static struct {
	int fd;
	struct rig_group g;
	struct rig_buf send, recv;
	uint64_t timeout_ns;
	size_t len;
	int root; /* of the broadcasts; -1: they gather */
	unsigned int tries; /* to form after a failure */
	/*
	 * How often this node has formed the group: so that the bytes of two formings
	 * differ. Nodes need not agree, since one may be in its first when another has
	 * left that behind; so a part begins with its sender's, which only grows.
	 */
	uint32_t forming;
	uint32_t seen[VIRTMESH_RANKS_MAX], before[VIRTMESH_RANKS_MAX];
} t;

static double cpu_ms(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

static void print_nodes(uint64_t ranks)
{
	const char *comma = "";

	printf("nodes=");
	for (unsigned int r = 0; r < t.g.count; r++)
		if (ranks >> r & 1) {
			printf("%s%u", comma, t.g.nodes[r]);
			comma = ",";
		}
}

static uint64_t key(uint32_t number, uint32_t forming, unsigned int rank)
{
	return rig_key(t.g.id, number + (forming << 24), rank, 0);
}

static void check(uint32_t number, unsigned int rank, const unsigned char *part)
{
	uint32_t forming;

	memcpy(&forming, part, sizeof(forming));
	if (rig_differs(part + HEAD, t.len - HEAD, key(number, forming, rank)) >= 0)
		errx(1, "generation %u: rank %u's part is wrong", number, rank);
	if (forming <= t.before[rank])
		errx(1, "generation %u: rank %u's part is wrong: of an earlier forming", number,
		     rank);
	t.seen[rank] = forming;
}

/* One generation, with the ranks in @members. 0, or -errno when it was refused. */
static int run(uint32_t number, uint64_t members, struct virtmesh_done *done)
{
	struct virtmesh_op op = {
		.group = t.g.handle,
		.opcode = VIRTMESH_OP_ALLGATHER,
		.sbuf = t.send.handle,
		.rbuf = t.recv.handle,
		.len = t.len,
		.timeout_ns = t.timeout_ns,
	};
	int e;

	if (t.root >= 0) {
		op.opcode = VIRTMESH_OP_BCAST;
		op.rank = (uint16_t)t.root;
		members = t.g.rank == op.rank ? 0 : 1ULL << t.root;
	}
	memcpy(t.send.addr, &t.forming, sizeof(t.forming));
	rig_fill(t.send.addr + HEAD, t.len - HEAD, key(number, t.forming, t.g.rank));
	e = rig_run(t.fd, &op, 1, done);
	if (e || done->result)
		return e;
	if (done->number != number)
		errx(1, "it was generation %u, not %u", done->number, number);
	for (unsigned int r = 0; r < t.g.count; r++)
		if (members >> r & 1)
			check(number, r, t.recv.addr + (t.root < 0 ? r * t.len : 0));
	return 0;
}

static uint64_t form(uint32_t flags)
{
	unsigned int tries = flags ? t.tries : 1;
	struct virtmesh_group_form f;
	int e;

	/* Who has done its part in what failed, and failed then, is found by not coming. */
	while ((e = rig_form(t.fd, &t.g, tries > 1 ? 3 * t.timeout_ns : FORM_NS, flags, &f))) {
		printf("%s", --tries ? "missing " : "refused ");
		if (!tries)
			printf("result=%s ", strerrorname_np(-e));
		print_nodes(f.missing);
		putchar('\n');
		if (!tries)
			exit(REFUSED);
	}
	t.forming++;
	memcpy(t.before, t.seen, sizeof(t.before));
	if (flags) {
		printf("formed ");
		print_nodes(f.members);
		putchar('\n');
	}
	return f.members;
}

int main(int argc, char **argv)
{
	unsigned int count = ~0U, left;
	bool stay = false;
	sigset_t term;
	struct virtmesh_info info;
	uint64_t members;
	int c, e;

	setvbuf(stdout, NULL, _IOLBF, 0);
	t.root = -1;
	t.tries = 1;
	while ((c = getopt(argc, argv, "N:g:t:m:c:r:wx")) != -1) {
		switch (c) {
		case 'N':
			t.g.count = rig_nodes(optarg, t.g.nodes);
			break;
		case 'g':
			t.g.id = (uint32_t)rig_number(optarg);
			break;
		case 't':
			t.timeout_ns = rig_number(optarg) * 1000000;
			break;
		case 'm':
			t.len = rig_number(optarg);
			break;
		case 'c':
			count = (unsigned int)rig_number(optarg);
			break;
		case 'r':
			t.root = (int)rig_number(optarg);
			break;
		case 'w':
			stay = true;
			break;
		case 'x':
			t.tries = 3;
			break;
		default:
			errx(2, "see the top of drill.c");
		}
	}
	if (!t.g.count || !t.timeout_ns || t.len <= HEAD)
		errx(2, "see the top of drill.c");
	t.fd = rig_open(&info);
	rig_alloc(t.fd, t.len, &t.send);
	rig_alloc(t.fd, t.len * t.g.count, &t.recv);
	rig_create(t.fd, &t.g);
	members = form(0);
	left = count;

	for (uint32_t number = 1; left; number++, left--) {
		uint64_t start = rig_now_ns();
		double cpu = cpu_ms();
		struct virtmesh_done done = { 0 };

		e = run(number, members, &done);
		if (!e && !done.result) {
			if (number == 1 && t.forming == 1)
				puts("running");
			continue;
		}
		if (e == -ENODEV || done.result == -ENODEV)
			errx(1, "%s", strerror(ENODEV));
		if (t.forming > 1)
			errx(1, "it failed again: generation %u, %s, %lld, missing %#llx", number,
			     strerror(-e), (long long)done.result,
			     (unsigned long long)done.missing);
		if (e) {
			/* Refused: somebody else's failure came between two of ours. */
			struct virtmesh_group_info gi = { .group = t.g.handle };

			if (ioctl(t.fd, VIRTMESH_IOC_GROUP_INFO, &gi))
				err(1, "GROUP_INFO");
			done.missing = gi.missing;
			done.result = e;
		}
		printf("failed result=%s ", strerrorname_np((int)-done.result));
		print_nodes(done.missing);
		printf(" reason=%u elapsed_ms=%.0f wall_ms=%.0f cpu_ms=%.0f\n", done.reason,
		       (double)done.elapsed_ns / 1e6, (double)(rig_now_ns() - start) / 1e6,
		       cpu_ms() - cpu);
		members = form(VIRTMESH_FORM_SURVIVORS);
		if (t.root >= 0 && !(members >> t.root & 1))
			t.root = __builtin_ctzll(members);
		number = 0;
		left = AFTER + 1;
	}
	printf("done operations=%u\n", t.forming > 1 ? AFTER : count);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	if (stay)
		sigwait(&term, &c);
	return 0;
}
