/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A port's tap and vhost-net for a process that may not open them: VM_CTL_TAP and
 * VM_CTL_VHOST_NET.
 */
#ifndef VIRTMESH_BROKER_TAPS_H
#define VIRTMESH_BROKER_TAPS_H

#include <stdbool.h>
#include <sys/types.h>

struct broker;
struct request;
struct sandbox_calls;

/* Has @socket's peer not read all that was sent to it? */
bool taps_unread(int socket);
/*
 * Answer the VM_CTL_TAP or VM_CTL_VHOST_NET @req of user @uid, who is at the other
 * end of @socket, with the open files of the port it names. Nothing of it stays open here.
 * Returns 0; or, with *@why a sentence for people to refuse it with, the errors
 * of <virtmesh/ctl.h> or another; or, with *@why NULL, -EAGAIN when the client
 * does not read its answers, -EPIPE when it has gone.
 */
int taps_give(struct broker *b, int socket, uid_t uid, const struct request *req, const char **why);

extern const struct sandbox_calls taps_calls;

#endif /* VIRTMESH_BROKER_TAPS_H */
