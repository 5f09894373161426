// SPDX-License-Identifier: LGPL-2.1-or-later
/* What went wrong, so that somebody can act on it: who, why, since when, how far. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "lib.h"

_Static_assert((int)VMESH_REASON_MISMATCH + 1 == VIRTMESH_REASONS, "the same reasons");

/* Of this thread, for those who have no group (any more) to ask. */
static __thread char last_text[FAILURE_TEXT_MAX];
static __thread int last_error;
static __thread char answer[FAILURE_TEXT_MAX];

static const char *const operations[VIRTMESH_OPS] = {
	[VIRTMESH_OP_SEND] = "send",	       [VIRTMESH_OP_RECV] = "receive",
	[VIRTMESH_OP_BCAST] = "broadcast",     [VIRTMESH_OP_ALLGATHER] = "all-gather",
	[VIRTMESH_OP_GATHER] = "gather",       [VIRTMESH_OP_SCATTER] = "scatter",
	[VIRTMESH_OP_ALLTOALL] = "all-to-all", [VIRTMESH_OP_BARRIER] = "barrier",
};

struct text {
	char *at;
	size_t room;
};

static void __attribute__((format(printf, 2, 3))) say(struct text *t, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(t->at, t->room, fmt, args);
	va_end(args);
	if (n < 0)
		return;
	if ((size_t)n >= t->room)
		n = t->room - 1;
	t->at += n;
	t->room -= n;
}

static void say_time(struct text *t, uint64_t ns)
{
	if (ns < VMESH_MS(1))
		say(t, " for %" PRIu64 " us", ns / 1000);
	else if (ns < VMESH_S(10))
		say(t, " for %" PRIu64 " ms", ns / 1000000);
	else
		say(t, " for %" PRIu64 ".%u s", ns / VMESH_S(1),
		    (unsigned int)(ns % VMESH_S(1) / VMESH_MS(100)));
}

/*
 * Of the parts of several ranks as chunks, this rank's own among them; else in bytes of
 * all that come from, or go to, the others, as `bytes` are.
 */
static void say_progress(struct text *t, const struct vmesh_group *g, const struct vmesh_failure *f,
			 bool root)
{
	unsigned int ranks = __builtin_popcountll(g->members);
	uint64_t total = f->len;
	bool chunks = false;

	if (!f->len)
		return;
	switch (f->operation) {
	case VIRTMESH_OP_ALLGATHER:
	case VIRTMESH_OP_ALLTOALL:
		chunks = true;
		break;
	case VIRTMESH_OP_GATHER:
		chunks = root;
		break;
	case VIRTMESH_OP_BCAST:
	case VIRTMESH_OP_SCATTER:
		if (root)
			total *= ranks - 1;
		break;
	}
	if (chunks) {
		uint64_t chunk = f->bytes / f->len + 2;

		say(t, " at chunk %" PRIu64 " of %u", chunk < ranks ? chunk : ranks, ranks);
	} else {
		say(t, " at byte %" PRIu64 " of %" PRIu64, f->bytes, total);
	}
}

static void say_node(struct text *t, const struct vmesh_group *g, const struct vmesh_failure *f,
		     bool root)
{
	say(t, "node %u ", f->node);
	switch (f->reason) {
	case VMESH_REASON_ABSENT:
		say(t, "is not in the ensemble");
		break;
	case VMESH_REASON_DOWN:
		say(t, "is down, silent");
		say_time(t, f->silent_ns);
		break;
	case VMESH_REASON_STALLED:
		say(t, "stalled");
		say_time(t, f->elapsed_ns);
		break;
	case VMESH_REASON_FENCED:
		say(t, "was fenced: it restarted, or others gave it up");
		break;
	case VMESH_REASON_LEFT:
		say(t, "left the group");
		break;
	case VMESH_REASON_SILENT:
		say(t, "silent");
		say_time(t, f->silent_ns);
		break;
	case VMESH_REASON_MISMATCH:
		say(t, "called something else, or with another length");
		break;
	default:
		say(t, "is missing");
		say_time(t, f->elapsed_ns);
	}
	say_progress(t, g, f, root);
}

static void say_others(struct text *t, const struct vmesh_group *g, const struct vmesh_failure *f)
{
	uint64_t others = f->missing & ~(1ULL << f->rank);
	const char *sep = "";
	unsigned int r;

	if (!others)
		return;
	say(t, "; missing, too: node%s ", others & (others - 1) ? "s" : "");
	for (r = 0; r < g->size; r++) {
		if (!(others >> r & 1))
			continue;
		say(t, "%s%u", sep, g->nodes[r]);
		sep = ", ";
	}
}

/* Without anybody missing. */
static const char *error_text(int error)
{
	switch (-error) {
	case ENOTCONN:
		return "not formed: this node has not joined, or the group was never formed";
	case ESTALE:
		return "the group is fenced: form it again";
	case ECANCELED:
		return "cancelled: the group was left or formed anew";
	case EMSGSIZE:
		return "the message does not fit";
	case EFAULT:
		return "the memory is not in a buffer";
	case ERANGE:
		return "the operation goes beyond the buffer's end";
	case ETIMEDOUT:
		return "its time passed";
	case EXDEV:
		return "the members do not name the same nodes";
	case EHOSTUNREACH:
		return "this node or that rank was excluded, or there is no such node";
	case EPROTO:
		return "the other side speaks differently";
	case ENODEV:
		return "the mesh device has gone";
	case EADDRINUSE:
		return "a group of this node has this id";
	default:
		return NULL;
	}
}

/* root: this rank is its. */
static void compose(const struct vmesh_group *g, const struct vmesh_failure *f, bool root,
		    char *text, size_t size)
{
	const char *name = f->operation < VIRTMESH_OPS ? operations[f->operation] :
							 "control message";
	struct text t = { text, size };

	say(&t, "%s", name ? name : "forming");
	if (f->number)
		say(&t, " %" PRIu32, f->number);
	say(&t, " %s group %" PRIu32 ": ", name ? "on" : "of", f->group);
	if (f->missing) {
		say_node(&t, g, f, root);
		say_others(&t, g, f);
	} else if (error_text(f->error)) {
		say(&t, "%s", error_text(f->error));
	} else {
		say(&t, "%s", strerrordesc_np(-f->error));
	}
}

/* How long nothing came from the rank, and who is missing since the last forming. */
static void ask(struct vmesh_group *g, struct vmesh_failure *f)
{
	struct virtmesh_rank ranks[VIRTMESH_RANKS_MAX] = { 0 };
	struct virtmesh_group_info info = {
		.ranks = (uintptr_t)ranks,
		.count = VIRTMESH_RANKS_MAX,
		.group = g->handle,
	};
	unsigned int r;

	if (g->mesh->ops->ioctl(g->mesh->fd, VIRTMESH_IOC_GROUP_INFO, &info))
		return;
	/* A fenced group refuses, and control messages have no struct done: say because of whom. */
	if (!f->missing && info.missing &&
	    (f->error == -ESTALE || f->operation == OPCODE_CONTROL)) {
		f->missing = info.missing;
		f->rank = __builtin_ctzll(info.missing);
		f->reason = ranks[f->rank].reason;
	}
	r = f->rank;
	if (f->missing && r < g->size)
		f->silent_ns = VMESH_MS(ranks[r].heard_ms);
}

static void publish(struct vmesh_group *g, struct vmesh_failure *f, bool root)
{
	char text[FAILURE_TEXT_MAX];

	ask(g, f);
	f->group = g->id;
	if (f->missing && f->rank < g->size)
		f->node = g->nodes[f->rank];
	compose(g, f, root, text, sizeof(text));
	memcpy(last_text, text, sizeof(text));
	last_error = f->error;
	pthread_mutex_lock(&g->mesh->lock);
	g->failure = *f;
	memcpy(g->text, text, sizeof(text));
	pthread_mutex_unlock(&g->mesh->lock);
}

void vmesh_failed(struct vmesh_group *g, int error, const struct virtmesh_op *op,
		  const struct virtmesh_done *done)
{
	struct vmesh_failure f = { .error = error };

	if (op) {
		f.operation = op->opcode;
		f.len = op->len;
	}
	if (done) {
		f.number = done->number;
		f.missing = done->missing;
		f.rank = done->rank;
		f.reason = done->reason;
		f.elapsed_ns = done->elapsed_ns;
		f.bytes = done->bytes;
	}
	publish(g, &f, op && op->rank == g->rank);
}

void vmesh_failed_control(struct vmesh_group *g, int error, const struct virtmesh_control *arg,
			  uint64_t missing)
{
	struct vmesh_failure f = {
		.error = error,
		.operation = OPCODE_CONTROL,
		.len = arg->len,
	};

	/* Its time passed before it began, which leaves no trace in the group. */
	if (error == -ETIMEDOUT && missing) {
		f.missing = missing;
		f.rank = __builtin_ctzll(missing);
		f.elapsed_ns = arg->timeout_ns;
	}
	publish(g, &f, false);
}

void vmesh_failed_form(struct vmesh_group *g, int error, const struct virtmesh_group_form *arg,
		       uint64_t elapsed_ns)
{
	struct vmesh_failure f = { .error = error, .elapsed_ns = elapsed_ns };

	/* Else `missing` are those who had not come yet, and it is not for them that it failed. */
	if (error == -ETIMEDOUT || error == -EXDEV) {
		f.missing = arg->missing;
		f.rank = arg->rank;
		f.reason = arg->reason;
	}
	publish(g, &f, false);
}

void vmesh_failed_place(unsigned int rank, uint16_t there, uint16_t here)
{
	snprintf(last_text, sizeof(last_text),
		 "this is node %u, but rank %u of VIRTMESH_NODES is node %u: start it there, "
		 "as mesh run does when it has a launcher (-L)",
		 here, rank, there);
	last_error = -EINVAL;
}

void vmesh_group_failure(struct vmesh_group *g, struct vmesh_failure *failure)
{
	pthread_mutex_lock(&g->mesh->lock);
	*failure = g->failure;
	pthread_mutex_unlock(&g->mesh->lock);
}

const char *vmesh_strerror(struct vmesh_group *g, int error)
{
	const char *text = NULL;

	if (g) {
		pthread_mutex_lock(&g->mesh->lock);
		if (error < 0 && g->failure.error == error) {
			memcpy(answer, g->text, sizeof(answer));
			text = answer;
		}
		pthread_mutex_unlock(&g->mesh->lock);
	}
	/* Of a group that never came to be, perhaps. */
	if (!text && error < 0 && last_error == error) {
		memcpy(answer, last_text, sizeof(answer));
		text = answer;
	}
	if (!text && error < 0)
		text = error_text(error);
	if (!text)
		text = error < 0 ? strerrordesc_np(-error) : "no error";
	return text ? text : "unknown error";
}
