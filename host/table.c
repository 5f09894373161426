// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

#define COLS_MAX 16

struct vm_table {
	size_t cols;
	bool right[COLS_MAX];
	size_t width[COLS_MAX];
	char **cell;
	size_t cells;
	size_t room;
	bool failed;
};

static void add(struct vm_table *t, char *text)
{
	size_t len = text ? strlen(text) : 0;

	if (t->cells == t->room) {
		size_t room = t->room ? 2 * t->room : 64;
		char **cell = realloc(t->cell, room * sizeof(*cell));

		if (!cell) {
			free(text);
			text = NULL;
		} else {
			t->cell = cell;
			t->room = room;
		}
	}
	if (!text) {
		t->failed = true;
		return;
	}
	if (len > t->width[t->cells % t->cols])
		t->width[t->cells % t->cols] = len;
	t->cell[t->cells++] = text;
}

struct vm_table *vm_table_new(const char *heads)
{
	struct vm_table *t = calloc(1, sizeof(*t));
	const char *p, *end;

	if (!t)
		return NULL;
	for (p = heads; *p && t->cols < COLS_MAX; p = *end ? end + 1 : end) {
		end = strchrnul(p, ' ');
		t->right[t->cols++] = *p == '>';
	}
	for (p = heads; *p && t->cells < t->cols; p = *end ? end + 1 : end) {
		end = strchrnul(p, ' ');
		p += *p == '>';
		add(t, strndup(p, end - p));
		if (t->failed)
			break;
	}
	return t;
}

void vm_table_cell(struct vm_table *t, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	if (!t || t->failed)
		return;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	add(t, text);
}

static void print_cell(const struct vm_table *t, size_t i)
{
	size_t col = i % t->cols;
	int width = t->width[col];

	if (t->right[col])
		printf("%*s", width, t->cell[i]);
	else if (col == t->cols - 1)
		printf("%s", t->cell[i]); /* no blanks at the end of a line */
	else
		printf("%-*s", width, t->cell[i]);
	printf("%s", col == t->cols - 1 ? "\n" : "  ");
}

int vm_table_print(struct vm_table *t)
{
	int err;

	if (!t)
		return -ENOMEM;
	err = t->failed ? -ENOMEM : 0;
	for (size_t i = 0; i < t->cells; i++) {
		if (!err)
			print_cell(t, i);
		free(t->cell[i]);
	}
	free(t->cell);
	free(t);
	return err;
}
