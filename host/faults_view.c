// SPDX-License-Identifier: GPL-2.0-only
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>

#include "faults_view.h"
#include "json.h"

static const char *through(const struct vm_faults *faults, char name[IF_NAMESIZE])
{
	if (!if_indextoname(faults->ifindex, name))
		strcpy(name, "(gone)");
	return name;
}

const char *vm_faults_text(const struct vm_faults *faults, char *text, size_t size)
{
	char name[IF_NAMESIZE];

	if (faults->ifindex)
		snprintf(text, size, "FAULTS: frames of the mesh protocol lead through %s",
			 through(faults, name));
	else
		snprintf(text, size,
			 "FAULTS: %g %% of the mesh protocol's frames get lost, seed %llu",
			 faults->loss * 100.0 / VM_FAULT_SCALE, faults->seed);
	return text;
}

struct json_object *vm_faults_json(__u32 ensemble, const struct vm_faults *faults)
{
	struct json_object *json = json_object_new_object();
	char name[IF_NAMESIZE];

	vm_json_u64(json, "ensemble", ensemble);
	vm_json_bool(json, "faults", faults);
	if (!faults)
		return json;
	vm_json_u64(json, "loss_ppm", faults->ifindex ? 0 : faults->loss);
	vm_json_u64(json, "seed", faults->seed);
	vm_json_str(json, "through", faults->ifindex ? through(faults, name) : "");
	vm_json_u64(json, "frames", faults->frames);
	vm_json_u64(json, "since_ns", faults->since_ns);
	return json;
}

int vm_faults_each(const struct vm_maps *maps, __u32 ensemble,
		   void (*fn)(__u32 ensemble, const struct vm_faults *faults, void *arg), void *arg)
{
	struct vm_faults faults;
	__u32 key, next;
	int err, n = 0;

	err = bpf_map_get_next_key(maps->faults, NULL, &next);
	for (unsigned int i = 0; !err && i < VM_ENSEMBLES_MAX; i++) {
		key = next;
		err = bpf_map_get_next_key(maps->faults, &key, &next);
		if ((ensemble && key != ensemble) ||
		    bpf_map_lookup_elem(maps->faults, &key, &faults))
			continue;
		fn(key, &faults, arg);
		n++;
	}
	return n;
}
