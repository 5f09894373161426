// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Bytes of the UTF-8 sequence (RFC 3629) that @s begins with; 0: it begins with none. */
static size_t utf8_len(const unsigned char *s)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	/* Too long for what it says; half of a surrogate pair; beyond the last one. */
	if (s[0] > 0xf4 || (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

/* JSON is UTF-8, and a name of an interface is bytes: '?' for each that is not. */
void vm_json_str(struct json_object *to, const char *key, const char *value)
{
	char *text = strdup(value);

	for (char *p = text; p && *p;) {
		size_t n = utf8_len((unsigned char *)p);

		if (!n)
			*p = '?';
		p += n ?: 1;
	}
	vm_json_add(to, key, text ? json_object_new_string(text) : NULL);
	free(text);
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
