/* SPDX-License-Identifier: GPL-2.0-only */
/* Writing the mesh protocol: frames from this node, ready for vmesh_tx(). */
#ifndef VMESH_COMPOSE_H
#define VMESH_COMPOSE_H

#include <linux/gfp.h>
#include <linux/types.h>
#include <virtmesh/frame.h>

struct sk_buff;
struct vmesh;

/*
 * A frame to @node of our ensemble (VM_NODE_BROKER and VM_NODE_ALL too) with its
 * headers written and room for @len bytes of payload, whose address goes to
 * @payload; they are not initialised. NULL: no memory. Any context that @gfp allows.
 */
struct sk_buff *vmesh_compose(struct vmesh *m, u16 node, enum vm_frame_type type, u32 seq,
			      unsigned int len, void **payload, gfp_t gfp);

/*
 * The headers alone, at @eth, which has room for VM_PAYLOAD_OFFSET bytes; @len
 * bytes of payload follow them. Any context.
 */
void vmesh_compose_head(struct vmesh *m, void *eth, u16 node, enum vm_frame_type type, u32 seq,
			unsigned int len);

/* Bytes of payload a frame may carry now, and of a datagram's data. Any context. */
unsigned int vmesh_payload_max(struct vmesh *m);
unsigned int vmesh_group_payload_max(struct vmesh *m); /* of what goes to the group's address */
unsigned int vmesh_dgram_max(struct vmesh *m);

#endif /* VMESH_COMPOSE_H */
