/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading the transport's frames. As parse.h: pure, copied once, host order. */
#ifndef VMESH_PARSE_DATA_H
#define VMESH_PARSE_DATA_H

#include <linux/types.h>
#include <virtmesh/frame.h>

struct vmesh_group_msg {
	u32 group;
	u32 cookie;
	u32 peer_cookie;
	u8 verb; /* enum vm_group_verb */
	u8 rank;
	u16 window;
	u64 layout;
	u64 heard;
	u64 ranks;
	u32 number;
	u16 mtu;
	u16 flags;
};

struct vmesh_data {
	u32 group;
	u32 cookie;
	u8 flow; /* below VM_FLOWS */
	u8 kind;
	u8 flags;
	u8 heard; /* entries */
	u16 root;
	u32 number; /* never 0 */
	u32 tag;
	u64 offset; /* offset + len <= total, which does not overflow */
	u64 total;
	const u8 *heard_at; /* in the frame: read by vmesh_parse_heard() */
	const u8 *data; /* in the frame */
	unsigned int len;
};

struct vmesh_ack {
	u32 group;
	u32 cookie;
	u32 peer_cookie;
	u16 window[VM_CLASSES];
	u8 flags;
	struct {
		u32 cum;
		u64 beyond[VM_WINDOW_MAX / 64];
	} flow[VM_FLOWS];
};

/* -EBADMSG when too short, or when a field has an impossible value. */
int vmesh_parse_group(const u8 *payload, unsigned int len, struct vmesh_group_msg *out);
int vmesh_parse_data(const u8 *payload, unsigned int len, struct vmesh_data *out);
int vmesh_parse_ack(const u8 *payload, unsigned int len, struct vmesh_ack *out);

/* Entry @i, below data->heard: cum of each flow. */
void vmesh_parse_heard(const struct vmesh_data *data, unsigned int i, u32 cum[VM_FLOWS]);

#endif /* VMESH_PARSE_DATA_H */
