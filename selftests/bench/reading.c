// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "figure.h"
#include "reading.h"

#define READINGS 64
#define KEYS	 64

struct reading {
	char key[48];
	double value[READINGS];
	size_t n;
};

static struct reading readings[KEYS];
static size_t nreadings;

static struct reading *reading_find(const char *key)
{
	size_t i;

	for (i = 0; i < nreadings; i++)
		if (!strcmp(readings[i].key, key))
			return &readings[i];
	return NULL;
}

void reading_add(const char *key, double value)
{
	struct reading *r = reading_find(key);

	if (!r && nreadings < KEYS) {
		r = &readings[nreadings++];
		snprintf(r->key, sizeof(r->key), "%s", key);
		r->n = 0;
	}
	if (r && r->n < READINGS)
		r->value[r->n++] = value;
}

int readings_run(const char *script_name, const char *what)
{
	char line[256], key[48], command[512];
	const char *dir = getenv("srctree");
	double value;
	FILE *script;

	nreadings = 0;
	snprintf(command, sizeof(command), "%s/selftests/bench/%s %s", dir ?: ".", script_name,
		 what);
	script = popen(command, "re");
	if (!script)
		return -errno;
	while (fgets(line, sizeof(line), script)) {
		if (sscanf(line, "%47s %lf", key, &value) == 2 && strchr(key, '.'))
			reading_add(key, value);
		else if (!strncmp(line, "missing ", 8))
			printf("%s", line);
	}
	return pclose(script) ? -EIO : 0;
}

void rows_add(const struct row *row, size_t n)
{
	struct reading *value, *baseline;
	struct figure figure;

	for (; n; n--, row++) {
		value = reading_find(row->key);
		baseline = reading_find(row->baseline_key);
		if (!value || !baseline)
			continue; /* what is missing was said */
		figure = (struct figure){ .name = row->name,
					  .unit = row->unit,
					  .baseline = row->baseline,
					  .at_least = row->at_least,
					  .at_most = row->at_most };
		figure.value = figure_percentile(value->value, value->n, 50);
		figure.baseline_value = figure_percentile(baseline->value, baseline->n, 50);
		figure_add(&figure);
	}
}
