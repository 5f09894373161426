// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <json-c/json.h>

#include "figure.h"

static struct json_object *list;

int figures_init(void)
{
	list = json_object_new_array();
	if (!list)
		return -ENOMEM;
	printf("%-52s %12s %-10s %12s %7s  %s\n", "", "value", "unit", "baseline", "ratio",
	       "compared with");
	return 0;
}

/* Three significant digits at least, and no more noise than that. */
static const char *number(double value, char text[24])
{
	snprintf(text, 24, value < 100 ? "%.2f" : "%.0f", value);
	return text;
}

static struct json_object *json_number(double value)
{
	char text[24];

	return json_object_new_double_s(value, number(value, text));
}

void figure_add(const struct figure *f)
{
	double ratio = f->baseline_value ? f->value / f->baseline_value : 0;
	struct json_object *o = json_object_new_object();
	char value[24], baseline[24], text[24];

	json_object_object_add(o, "name", json_object_new_string(f->name));
	json_object_object_add(o, "unit", json_object_new_string(f->unit));
	json_object_object_add(o, "value", json_number(f->value));
	json_object_object_add(o, "baseline", json_object_new_string(f->baseline));
	json_object_object_add(o, "baseline_value", json_number(f->baseline_value));
	json_object_object_add(o, "ratio", f->baseline_value ? json_number(ratio) : NULL);
	json_object_array_add(list, o);

	printf("%-52s %12s %-10s %12s %7s  %s", f->name, number(f->value, value), f->unit,
	       number(f->baseline_value, baseline), f->baseline_value ? number(ratio, text) : "-",
	       f->baseline);
	if (f->at_least)
		printf(" (goal: at least %.2f%s)", f->at_least,
		       ratio < f->at_least ? ", MISSED" : "");
	if (f->at_most)
		printf(" (goal: at most %.2f%s)", f->at_most, ratio > f->at_most ? ", MISSED" : "");
	printf("\n");
	fflush(stdout);
}

int figures_write(const char *path)
{
	if (json_object_to_file_ext(path, list, JSON_C_TO_STRING_PRETTY))
		return -errno;
	return 0;
}

void figures_exit(void)
{
	json_object_put(list);
	list = NULL;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double figure_percentile(double *values, size_t n, double percent)
{
	size_t at = n * percent / 100;

	qsort(values, n, sizeof(*values), compare);
	return values[at < n ? at : n - 1];
}
