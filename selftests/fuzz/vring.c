// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ring walker over a guest's memory of any content, which also changes
 * between two calls. An input is:
 *
 *	1 byte	ring size (bits 0-2, log 2), event index, indirect, log
 *	1 byte	room for pieces
 *	2 bytes	where the indices begin
 *	1 byte	how many operations follow, 4 bytes each
 *	rest	the guest's memory, from its first byte on: descriptors, available
 *		ring, used ring (at fixed places), and what they point to
 */
#include <errno.h>
#include <string.h>

#include "../../host/vhost/memory.h"
#include "../../host/vhost/vring.h"
#include "../../host/vhost/vring_log.h"
#include "fuzz.h"

#define NUM_MAX	   128
#define PIECES_MAX 40

/* Small addresses, which a mutation finds; the second region joins the first. */
#define GPA   0x1000
#define AVAIL (NUM_MAX * sizeof(struct vring_desc))
#define USED  (AVAIL + 512)
#define FIRST (USED + 2048)
#define OTHER 256

enum op {
	OP_POP,
	OP_PUSH, /* the n-th of those out */
	OP_PUBLISH,
	OP_UNPOP,
	OP_WALK,
	OP_WRITE, /* the guest: one byte anywhere */
	OP_AVAIL, /* the guest: its index moves */
	OP_KICKS,
	OPS
};

static struct vm_memory mem;
static struct vm_vring vr;
static struct vm_vring_log *log_;
static __u16 out[1 << 16]; /* heads popped, and not pushed */
static unsigned int nout;

static void check_piece(const struct iovec *iov)
{
	const char *at = iov->iov_base;

	must(iov->iov_len);
	for (unsigned int i = 0; i < mem.n; i++) {
		const char *begin = mem.region[i].at;

		if (at >= begin && iov->iov_len <= mem.region[i].size &&
		    at - begin <= (ssize_t)(mem.region[i].size - iov->iov_len))
			return;
	}
	must(!"a piece lies in the guest's memory");
}

static void check_chain(const struct vm_chain *chain, unsigned int max)
{
	size_t bytes = 0;

	must(chain->head < vr.num);
	must(chain->out + chain->in <= max);
	for (unsigned int i = 0; i < chain->out + chain->in; i++) {
		check_piece(&chain->iov[i]);
		bytes += chain->iov[i].iov_len;
	}
	must(bytes == (size_t)chain->out_len + chain->in_len);
}

static void pop(unsigned int max)
{
	/* Exactly as long as it is said to be. */
	struct iovec *iov = malloc((max ? max : 1) * sizeof(*iov));
	__u16 before = vr.last_avail;
	struct vm_chain chain;
	int ret = vm_vring_pop(&vr, &mem, iov, max, &chain);

	must(ret == 0 || ret == 1 || ret == -EPROTO);
	must(vr.broken == (ret < 0));
	must(vr.last_avail == (__u16)(before + (ret == 1)));
	if (ret == 1) {
		check_chain(&chain, max);
		out[nout++ & 0xffff] = chain.head;
	} else if (ret < 0) {
		must(vr.why);
	}
	free(iov);
}

static void walk(__u16 head, unsigned int max)
{
	struct iovec *iov = malloc((max ? max : 1) * sizeof(*iov));
	struct vm_chain chain;

	if (!vm_vring_walk(&vr, &mem, head, iov, max, &chain))
		check_chain(&chain, max);
	free(iov);
}

static void operate(const uint8_t *op, unsigned int max)
{
	char *guest = mem.region[0].at;
	__u16 arg = op[1] | op[2] << 8;

	switch (op[0] % OPS) {
	case OP_POP:
		pop(max);
		break;
	case OP_PUSH:
		if (!nout)
			break;
		arg %= nout;
		vm_vring_push(&vr, out[arg], op[3]);
		out[arg] = out[--nout];
		break;
	case OP_PUBLISH:
		/* The index is the guest's to write, too: it holds right after ours. */
		if (vr.batch) {
			vm_vring_publish(&vr);
			must(vr.used->idx == vr.used_idx);
		} else {
			must(!vm_vring_publish(&vr));
		}
		break;
	case OP_UNPOP:
		if (nout && !vr.batch)
			vm_vring_unpop(&vr, out[--nout]);
		break;
	case OP_WALK:
		if (nout)
			walk(out[arg % nout], max);
		break;
	case OP_WRITE:
		guest[arg % FIRST] = op[3];
		break;
	case OP_AVAIL:
		vr.avail->idx += op[3];
		break;
	case OP_KICKS:
		if (op[1] & 1)
			vm_vring_kick_on(&vr);
		else
			vm_vring_kick_off(&vr);
		vm_vring_more(&vr);
		break;
	}
}

/* The port dies here, and its log is read again; perhaps not as it was left. */
static void die_and_recover(const uint8_t *data, size_t len)
{
	struct vm_vring_left *left = calloc(vr.num, sizeof(*left));
	size_t size = vm_vring_log_size(vr.num);
	unsigned int n;

	if (len)
		memcpy((char *)log_ + size - (len < size ? len : size), data,
		       len < size ? len : size);
	n = vm_vring_log_recover(log_, vr.num, vr.used->idx, left);
	must(n <= vr.num);
	for (unsigned int i = 0; i < n; i++)
		must(left[i].head < vr.num);
	/* Once more finds the same. */
	must(vm_vring_log_recover(log_, vr.num, vr.used->idx, left) == n);
	free(left);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	unsigned int max, ops;
	const uint8_t *op;
	char *first;

	if (len < 5)
		return 0;
	first = calloc(1, FIRST);
	mem = (struct vm_memory){
		.n = 2,
		.region = { { .gpa = GPA, .size = FIRST, .at = first },
			    { .gpa = GPA + FIRST, .size = OTHER, .at = malloc(OTHER) } },
	};
	vr = (struct vm_vring){
		.num = 1u << (data[0] & 7),
		.event_idx = data[0] & 8,
		.indirect = data[0] & 16,
		.desc = (void *)first,
		.avail = (void *)(first + AVAIL),
		.used = (void *)(first + USED),
		.last_avail = data[2] | data[3] << 8,
	};
	if (data[0] & 32) {
		log_ = calloc(1, vm_vring_log_size(vr.num));
		vm_vring_log_begin(log_, vr.num, vr.last_avail);
		vr.log = log_;
	}
	max = data[1] % (PIECES_MAX + 1);
	ops = data[4];
	op = data + 5;
	data = op + 4 * ops;
	len = len > 5 + 4 * ops ? len - 5 - 4 * ops : 0;
	memcpy(first, data, len < FIRST ? len : FIRST);
	vr.avail->idx += vr.last_avail;
	vr.used->idx = vr.last_avail;
	nout = 0;

	vm_vring_start(&vr);
	if (!len)
		ops = 0;
	for (unsigned int i = 0; i < ops && !vr.broken; i++)
		operate(op + 4 * i, max);
	/* And what is left, as a port would. */
	for (unsigned int i = 0; i < 2 * NUM_MAX && !vr.broken && vm_vring_more(&vr); i++)
		pop(max);
	if (vr.log)
		die_and_recover(op, ops ? 4 : 0);

	for (unsigned int i = 0; i < mem.n; i++)
		free(mem.region[i].at);
	free(log_);
	log_ = NULL;
	return 0;
}
