/* SPDX-License-Identifier: GPL-2.0-only */
/* Control messages: VIRTMESH_IOC_CONTROL_SEND and _RECV. See control.c. */
#ifndef VMESH_CONTROL_H
#define VMESH_CONTROL_H

struct virtmesh_control;
struct vmesh_file;

/* Process context; errnos are in the uapi header. */
int vmesh_control_send(struct vmesh_file *f, struct virtmesh_control *arg);
int vmesh_control_receive(struct vmesh_file *f, struct virtmesh_control *arg);

#endif /* VMESH_CONTROL_H */
