// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>

#include "json.h"

/* Sticky: the command prints one document and ends. */
static bool failed;

void vm_json_add(struct json_object *to, const char *key, struct json_object *value)
{
	if (!to || !value || json_object_object_add(to, key, value)) {
		json_object_put(value);
		failed = true;
	}
}

void vm_json_u64(struct json_object *to, const char *key, __u64 value)
{
	vm_json_add(to, key, json_object_new_uint64(value));
}

void vm_json_str(struct json_object *to, const char *key, const char *value)
{
	vm_json_add(to, key, json_object_new_string(value));
}

void vm_json_bool(struct json_object *to, const char *key, bool value)
{
	vm_json_add(to, key, json_object_new_boolean(value));
}

void vm_json_mac(struct json_object *to, const char *key, const __u8 mac[6])
{
	char text[18];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	vm_json_str(to, key, text);
}

void vm_json_push(struct json_object *array, struct json_object *value)
{
	if (!array || !value || json_object_array_add(array, value)) {
		json_object_put(value);
		failed = true;
	}
}

int vm_json_print(struct json_object *object, bool line)
{
	int flags = line ? JSON_C_TO_STRING_PLAIN : JSON_C_TO_STRING_PRETTY;
	const char *text = failed ? NULL : json_object_to_json_string_ext(object, flags);
	int err = 0;

	if (!text)
		err = -ENOMEM;
	else if (puts(text) == EOF || fflush(stdout) == EOF)
		err = -errno;
	json_object_put(object);
	return err;
}
