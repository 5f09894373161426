/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host's state, as the command makes and removes it: there or not.
 */
#ifndef VIRTMESH_BROKER_STATE_H
#define VIRTMESH_BROKER_STATE_H

struct broker;
struct sandbox_calls;

/*
 * Look at the pinned maps again: take the state over, read its ports again, or
 * find that it has gone and wait for the next call. May sleep up to a second
 * while the tap is still held by a broker that was killed.
 * Returns 0, also when there is no state; or -errno, and there is none for us:
 * -EPROTO, -EXDEV, -EPERM of vm_maps_open(); -EBUSY: another program holds
 * vmesh0; -ENODEV: it is missing.
 */
int state_resync(struct broker *b);
/* vmesh0 was taken from under us: wait for the next state_resync(). */
void state_lost(struct broker *b);

/* A sentence for people about an error of state_resync(). */
const char *state_error(int err);

extern const struct sandbox_calls state_calls;

#endif /* VIRTMESH_BROKER_STATE_H */
