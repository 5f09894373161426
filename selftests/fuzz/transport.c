// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a member of the ensemble may say to a guest's transport, to where no lock
 * and no kernel is needed: the parsers of GROUP, DATA and ACK, PENDING_REPLY, and
 * the window that decides which frames are taken. The input is a series of frames,
 * each behind its length (u16), as they would come from one peer; DATA go through
 * two windows as place.c has them, against a plain set of numbers.
 */
#include <errno.h>
#include <string.h>

#include <virtmesh/frame.h>

#include "../../guest/kmod/parse.h"
#include "../../guest/kmod/parse_data.h"
#include "../../guest/kmod/parse_pending.h"
#include "../../guest/kmod/window.h"
#include "fuzz.h"

#define FRAMES_MAX 512 /* of one input */

static struct vmesh_window seen[VM_FLOWS];
static u32 came[VM_FLOWS][FRAMES_MAX];
static unsigned int n_came[VM_FLOWS];

static void take(u8 flow, u32 seq)
{
	struct vmesh_window *w = &seen[flow];
	unsigned int i, ahead = seq - w->cum;
	bool had = false;

	for (i = 0; i < n_came[flow]; i++)
		had |= came[flow][i] == seq;
	if (!vmesh_window_wants(w, seq)) {
		/* Refused for a reason: it was here, or it is too far off. */
		must(had || !ahead || ahead > VM_WINDOW_MAX);
		return;
	}
	must(!had);
	vmesh_window_add(w, seq);
	came[flow][n_came[flow]++] = seq;
	must(!vmesh_window_wants(w, seq));
	must(w->high - w->cum <= VM_WINDOW_MAX);
	must(vmesh_window_wants(w, w->cum + 1));
}

static void data(const struct vmesh_msg *msg)
{
	u8 *place;
	struct vmesh_data d;
	u32 cum[VM_FLOWS];
	unsigned int i;

	if (vmesh_parse_data(msg->payload, msg->len, &d))
		return;
	must(d.flow < VM_FLOWS && d.heard <= VM_HEARD_MAX && d.root < VM_RANKS_MAX);
	must(d.cookie && d.number);
	must(d.offset <= d.total && d.len <= d.total - d.offset);
	must(d.data + d.len == msg->payload + msg->len);
	must(d.len || !d.total);
	for (i = 0; i < d.heard; i++)
		vmesh_parse_heard(&d, i, cum);
	/* The copy into place, read to its end. */
	place = malloc(d.len ? d.len : 1);
	must(place);
	memcpy(place, d.data, d.len);
	free(place);
	take(d.flow, msg->seq);
}

static void ack(const struct vmesh_msg *msg)
{
	struct vmesh_ack a;

	if (!vmesh_parse_ack(msg->payload, msg->len, &a))
		must(a.cookie);
}

static void group(const struct vmesh_msg *msg)
{
	struct vmesh_group_msg g;

	if (!vmesh_parse_group(msg->payload, msg->len, &g))
		must(g.cookie && g.rank < VM_RANKS_MAX);
}

static void pending(const struct vmesh_msg *msg)
{
	struct vmesh_pending_record record;
	struct vmesh_pending_reader r;
	unsigned int records = 0, i;

	if (vmesh_parse_pending(msg->payload, msg->len, &r))
		return;
	while (!vmesh_parse_pending_next(&r, &record)) {
		must(record.ranks && record.ranks <= VM_RANKS_MAX);
		must(record.rank < record.ranks && record.self < record.ranks);
		must(record.ranks == VM_RANKS_MAX || !(record.missing >> record.ranks));
		for (i = 0; i < record.ranks; i++)
			vmesh_parse_pending_node(&record, i);
		must(r.at <= msg->payload + msg->len);
		must(++records <= msg->len / sizeof(struct vm_pending_record));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	unsigned int frames, flow;
	struct vmesh_msg msg;
	u8 *frame;
	u16 size;

	for (flow = 0; flow < VM_FLOWS; flow++) {
		vmesh_window_init(&seen[flow]);
		n_came[flow] = 0;
	}
	for (frames = 0; frames < FRAMES_MAX && len >= sizeof(size); frames++) {
		memcpy(&size, input, sizeof(size));
		input += sizeof(size);
		len -= sizeof(size);
		size = size < len ? size : len;
		/* In memory of its own: a look past its end is seen. */
		frame = malloc(size ? size : 1);
		must(frame);
		memcpy(frame, input, size);
		input += size;
		len -= size;
		if (vmesh_is_mesh(frame, size) && !vmesh_parse(frame, size, &msg)) {
			switch (msg.type) {
			case VM_F_GROUP:
				group(&msg);
				break;
			case VM_F_DATA:
				data(&msg);
				break;
			case VM_F_ACK:
				ack(&msg);
				break;
			case VM_F_PENDING_REPLY:
				pending(&msg);
				break;
			}
		}
		free(frame);
	}
	return 0;
}
