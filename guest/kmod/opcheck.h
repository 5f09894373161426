/* SPDX-License-Identifier: GPL-2.0-only */
/* Is what a program wants to post an operation? A pure function of numbers. Any context. */
#ifndef VMESH_OPCHECK_H
#define VMESH_OPCHECK_H

#include <linux/types.h>

struct virtmesh_op;

/* Bytes that an operation touches from its offset in each buffer on; 0: none. */
struct vmesh_spans {
	u64 send;
	u64 recv;
};

/*
 * Check all of @op but handles and buffer sizes, for rank @self of @count. 0 and
 * @spans; EINVAL.
 */
int vmesh_op_valid(const struct virtmesh_op *op, u16 self, u16 count, struct vmesh_spans *spans);

/* Do @span bytes from @offset on lie in @size? */
static inline bool vmesh_span_fits(u64 offset, u64 span, u64 size)
{
	return offset <= size && span <= size - offset;
}

#endif /* VMESH_OPCHECK_H */
