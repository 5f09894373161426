/* SPDX-License-Identifier: GPL-2.0-only */
/* Faults on purpose as one looks at them: nobody shall forget that they are on. */
#ifndef VIRTMESH_HOST_FAULTS_VIEW_H
#define VIRTMESH_HOST_FAULTS_VIEW_H

#include <stddef.h>

#include "maps.h"

struct json_object;

#define VM_FAULTS_TEXT 128

const char *vm_faults_text(const struct vm_faults *faults, char *text, size_t size);
/* @faults: NULL when there are none. */
struct json_object *vm_faults_json(__u32 ensemble, const struct vm_faults *faults);

/* Call @fn for the faults of @ensemble (0: of each that has some); returns how many. */
int vm_faults_each(const struct vm_maps *maps, __u32 ensemble,
		   void (*fn)(__u32 ensemble, const struct vm_faults *faults, void *arg),
		   void *arg);

#endif /* VIRTMESH_HOST_FAULTS_VIEW_H */
