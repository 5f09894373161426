/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the target `rank` share; see rank.c. */
#ifndef VIRTMESH_SELFTESTS_FUZZ_RANK_H
#define VIRTMESH_SELFTESTS_FUZZ_RANK_H

#include "input.h"
#include "node.h"

extern struct node rank_node; /* ours */
extern struct input rank_in;

/* Another rank than ours, out of any number. */
u16 rank_other(unsigned int r);
u64 rank_duration(void); /* that the input says: 1 us to 4 s */

/* rank_frames.c: what others, the broker and the host do to it, a command each. */
void rank_frame_raw(void);
void rank_frame_group(void);
void rank_frame_data(void);
void rank_frame_ack(void);
void rank_frame_other(void);
void rank_scribble(void);
void rank_member(void);
/* And as it would be, were they no worse than we: all others JOIN. */
void rank_join_rightly(void);

/* rank_calls.c: what its program does; these may sleep, but for post. */
void rank_post(void);
void rank_form(void);
void rank_leave_or_create(void);
void rank_control_send(void);
void rank_control_receive(void);
void rank_ask(void);
void rank_datagram(void);
void rank_wait(void);

#endif /* VIRTMESH_SELFTESTS_FUZZ_RANK_H */
