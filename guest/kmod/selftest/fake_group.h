/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A group of three, for KUnit: this node is rank 0, and the test plays the two
 * others, frame by frame. Process context of the test's own thread.
 */
#ifndef VMESH_FAKE_GROUP_H
#define VMESH_FAKE_GROUP_H

#include "fake.h"
#include "transport.h"

#define FAKE_GROUP  9
#define FAKE_COOKIE 1000 /* of rank r: FAKE_COOKIE + r */

struct fake_forming {
	struct vmesh_group *g;
	struct virtmesh_group_form arg;
	struct completion done;
	int result;
};

struct fake_op {
	struct vmesh_op op;
	struct completion done;
	u8 into[64];
};

/* Our JOIN as it was last seen: what the others' look like, but for who they are. */
extern struct vm_group_msg fake_ours;

/* Made, and not formed. Every group is the caller's, until fake_group_end(). */
struct vmesh_group *fake_group(struct kunit *test);
/* Join, make a group, begin to form it, and see our JOIN. What it returns goes with the test. */
struct fake_forming *fake_form(struct kunit *test);
/* Begin to form @g, which has said nothing that was not drained, and see our JOIN. */
struct fake_forming *fake_form_again(struct kunit *test, struct vmesh_group *g, u32 flags);
void fake_form_ends(struct kunit *test, struct fake_forming *a, int result, u64 members);
/* The same, and formed; what it said for that is drained. */
struct vmesh_group *fake_formed(struct kunit *test);
/* Leave, and let go. */
void fake_group_end(struct vmesh_group *g);

/* What it has said so far is of no interest; and its ring must not fill. */
void fake_drain(struct fake *f);

/* Rank @r, which is node r + 1, says @len bytes of @payload. */
void fake_say_as(struct kunit *test, u16 r, u8 type, u32 seq, const void *payload, u16 len);
void fake_say_group(struct kunit *test, u16 r, u8 verb, u32 cookie, u64 ranks, u16 flags);
/* @len bytes from @offset of an operation whose data are the string @all. */
void fake_say_data(struct kunit *test, u16 r, u32 cookie, u32 seq, u8 kind, u16 root,
		   const char *all, u64 offset, unsigned int len);

/* An operation on @len bytes, at most what `into` holds. It goes with the test. */
struct fake_op *fake_post(struct kunit *test, struct vmesh_group *g, u8 kind, u16 root, u64 len,
			  unsigned int timeout_ms);
/* The same with memory of the caller's. */
struct fake_op *fake_post_from(struct kunit *test, struct vmesh_group *g, u8 kind, u16 root,
			       void *memory, u64 len, unsigned int timeout_ms);
void fake_op_ends(struct kunit *test, struct fake_op *o, s64 result, u64 missing);

#endif /* VMESH_FAKE_GROUP_H */
