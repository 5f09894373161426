// SPDX-License-Identifier: GPL-2.0-only
/*
 * jsonget [PATH]: read one JSON document from stdin, strictly, and write what
 * stands at the pointer PATH (RFC 6901), e.g. /ports/0/node. Exits with 1 when it is no JSON, or
 * nothing stands there.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	struct json_tokener *tok = json_tokener_new();
	static char text[1 << 20];
	struct json_object *obj, *at;
	size_t len = fread(text, 1, sizeof(text) - 1, stdin);

	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	/* The terminating 0 tells the parser that no more comes. */
	obj = json_tokener_parse_ex(tok, text, len + 1);
	if (!len || json_tokener_get_error(tok) != json_tokener_success) {
		fprintf(stderr, "no JSON: %s\n",
			json_tokener_error_desc(json_tokener_get_error(tok)));
		return 1;
	}
	if (argc < 2)
		return 0;
	if (json_pointer_get(obj, argv[1], &at)) {
		fprintf(stderr, "nothing at %s in %s\n", argv[1], text);
		return 1;
	}
	puts(json_object_get_string(at) ?: "null");
	return 0;
}
