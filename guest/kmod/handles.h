/* SPDX-License-Identifier: GPL-2.0-only */
/* What one open file has: buffers and groups, by the numbers its program calls them. */
#ifndef VMESH_HANDLES_H
#define VMESH_HANDLES_H

#include <linux/types.h>
#include <linux/xarray.h>

struct virtmesh_buf_alloc;
struct virtmesh_buf_free;
struct virtmesh_buf_register;
struct virtmesh_group_create;
struct virtmesh_group_form;
struct virtmesh_group_info;
struct virtmesh_group_leave;
struct vm_area_struct;
struct vmesh_buffer;
struct vmesh_file;
struct vmesh_group;

/* Each entry is a reference. Numbers go round, so that one let go is not soon another's. */
struct vmesh_handles {
	struct xarray buffers;
	struct xarray groups;
	u32 next_buffer;
	u32 next_group;
};

/* Process context, all of it. */
void vmesh_handles_init(struct vmesh_handles *h);
void vmesh_handles_leave(struct vmesh_handles *h); /* all groups; no operation is left then */
void vmesh_handles_free(struct vmesh_handles *h); /* the rest */

/* With a reference the caller drops, or NULL. */
struct vmesh_buffer *vmesh_handles_buffer(struct vmesh_handles *h, u32 handle);
struct vmesh_group *vmesh_handles_group(struct vmesh_handles *h, u32 handle);

/* Leave @g, of which the caller has a reference, if @handle still stands for it. */
void vmesh_handles_drop(struct vmesh_handles *h, u32 handle, struct vmesh_group *g);

/* Leave those that vmesh_group_leave_begin() was called for. */
void vmesh_handles_leave_begun(struct vmesh_handles *h);

/* The calls of the uapi header that are about them; errnos as there. */
int vmesh_buf_alloc(struct vmesh_file *f, struct virtmesh_buf_alloc *arg);
int vmesh_buf_register(struct vmesh_file *f, struct virtmesh_buf_register *arg);
int vmesh_buf_free(struct vmesh_file *f, struct virtmesh_buf_free *arg);
int vmesh_buf_mmap(struct vmesh_file *f, struct vm_area_struct *vma);
int vmesh_ioc_group_create(struct vmesh_file *f, struct virtmesh_group_create *arg);
int vmesh_ioc_group_form(struct vmesh_file *f, struct virtmesh_group_form *arg);
int vmesh_ioc_group_leave(struct vmesh_file *f, struct virtmesh_group_leave *arg);
int vmesh_ioc_group_info(struct vmesh_file *f, struct virtmesh_group_info *arg);

#endif /* VMESH_HANDLES_H */
