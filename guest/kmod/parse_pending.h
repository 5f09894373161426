/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading PENDING_REPLY; as parse.h says of all reading. */
#ifndef VMESH_PARSE_PENDING_H
#define VMESH_PARSE_PENDING_H

#include <linux/types.h>

/* One record of a reply. */
struct vmesh_pending_record {
	u64 age_ns;
	u64 len;
	u64 bytes;
	u64 missing;
	u32 group;
	u32 number;
	u16 kind;
	u16 rank;
	u16 self;
	u16 ranks; /* 1..VM_RANKS_MAX */
	const u8 *nodes; /* in the frame, `ranks` big endian pairs of bytes */
};

/* Where the reader is in a reply. */
struct vmesh_pending_reader {
	const u8 *at;
	unsigned int len; /* what is left */
	u16 count; /* records that are left */
	u16 total; /* that the other node has */
};

/* -EBADMSG when too short, or when a field has an impossible value. */
int vmesh_parse_pending(const u8 *payload, unsigned int len, struct vmesh_pending_reader *r);
/* The next of r->count. */
int vmesh_parse_pending_next(struct vmesh_pending_reader *r, struct vmesh_pending_record *out);
/* Node of @rank, below out->ranks. */
u16 vmesh_parse_pending_node(const struct vmesh_pending_record *record, u16 rank);

#endif /* VMESH_PARSE_PENDING_H */
