// SPDX-License-Identifier: GPL-2.0-only
#include <linux/slab.h>
#include <linux/xarray.h>

#include "mesh.h"
#include "path.h"

struct vmesh_path *vmesh_path_find(struct vmesh *m, u16 node)
{
	return xa_load(&m->groups.paths, node);
}

struct vmesh_path *vmesh_path_get(struct vmesh *m, u16 node)
{
	struct vmesh_path *path = vmesh_path_find(m, node), *old;

	if (path)
		return path;
	path = kzalloc(sizeof(*path), GFP_KERNEL_ACCOUNT);
	if (!path)
		return NULL;
	path->node = node;
	old = xa_cmpxchg(&m->groups.paths, node, NULL, path, GFP_KERNEL_ACCOUNT);
	if (old) { /* somebody else was faster, or there is no memory */
		kfree(path);
		return xa_is_err(old) ? NULL : old;
	}
	return path;
}

void vmesh_paths_free(struct vmesh *m)
{
	struct vmesh_path *path;
	unsigned long node;

	xa_for_each(&m->groups.paths, node, path)
		kfree(path);
	xa_destroy(&m->groups.paths);
}

static unsigned int vmesh_path_part(struct vmesh *m)
{
	return VMESH_CAPACITY / (max(READ_ONCE(m->peers.count), 2u) - 1);
}

u16 vmesh_path_share(struct vmesh *m)
{
	return clamp_t(unsigned int, vmesh_path_part(m), 8, VM_WINDOW_MAX);
}

u16 vmesh_class_share(struct vmesh *m)
{
	return clamp_t(unsigned int, vmesh_path_part(m) / VM_CLASSES, 4, VM_WINDOW_MAX);
}
