// SPDX-License-Identifier: GPL-2.0-only
/*
 * One line, one write(2): lines of several processes on one stderr do not mix.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

#define LINE_MAX_BYTES 1024

static enum vm_log_level max_level = VM_LOG_INFO;

static const struct {
	enum vm_log_level level;
	const char *arg; /* as an option's argument */
	const char *word; /* in front of a line */
} levels[] = {
	{ VM_LOG_ERR, "err", "error" },
	{ VM_LOG_WARN, "warn", "warning" },
	{ VM_LOG_INFO, "info", "info" },
	{ VM_LOG_DEBUG, "debug", "debug" },
};

#define LEVELS (sizeof(levels) / sizeof(levels[0]))

void vm_log_set_level(enum vm_log_level level)
{
	max_level = level;
}

int vm_log_level_parse(const char *word)
{
	for (size_t i = 0; i < LEVELS; i++)
		if (!strcmp(levels[i].arg, word))
			return levels[i].level;
	return -EINVAL;
}

/* Is stderr the journal? Then it wants "<N>" and not a word. */
static bool to_journal(void)
{
	static int known = -1;

	if (known < 0)
		known = getenv("JOURNAL_STREAM") != NULL;
	return known;
}

static const char *level_word(enum vm_log_level level)
{
	for (size_t i = 0; i < LEVELS; i++)
		if (levels[i].level == level)
			return levels[i].word;
	return "note";
}

void vm_log(enum vm_log_level level, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	size_t len;
	va_list ap;
	int n;

	if (level > max_level)
		return;

	if (to_journal())
		n = snprintf(line, sizeof(line), "<%d>", level);
	else
		n = snprintf(line, sizeof(line), "%s: ", level_word(level));
	len = n;

	va_start(ap, fmt);
	n = vsnprintf(line + len, sizeof(line) - len, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	len += n;
	if (len > sizeof(line) - 1)
		len = sizeof(line) - 1; /* cut, but still a line */

	/* A message from a library may bring its own newline, or several. */
	while (len && line[len - 1] == '\n')
		len--;
	for (size_t i = 0; i < len; i++)
		if (line[i] == '\n')
			line[i] = ' ';
	if (len == sizeof(line))
		len--;
	line[len++] = '\n';

	/* Nobody is left to tell when stderr fails. */
	while (write(STDERR_FILENO, line, len) < 0 && errno == EINTR)
		;
}
