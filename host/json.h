/* SPDX-License-Identifier: GPL-2.0-only */
/* Building JSON with json-c, and writing it to stdout. */
#ifndef VIRTMESH_HOST_JSON_H
#define VIRTMESH_HOST_JSON_H

#include <json-c/json_object.h>
#include <stdbool.h>

#include <linux/types.h>

/*
 * Each takes ownership of what it adds. Memory that runs out shows at the end:
 * vm_json_print() returns -ENOMEM rather than writing half of it.
 */
void vm_json_add(struct json_object *to, const char *key, struct json_object *value);
void vm_json_u64(struct json_object *to, const char *key, __u64 value);
void vm_json_str(struct json_object *to, const char *key, const char *value);
void vm_json_bool(struct json_object *to, const char *key, bool value);
void vm_json_mac(struct json_object *to, const char *key, const __u8 mac[6]);
void vm_json_push(struct json_object *array, struct json_object *value);

/* Write @object and free it; on one line when @line. 0, -ENOMEM, or -errno of stdout. */
int vm_json_print(struct json_object *object, bool line);

#endif /* VIRTMESH_HOST_JSON_H */
