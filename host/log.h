/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lines for people and journals, on stderr. One line a call, never split by
 * another process's. Under systemd (JOURNAL_STREAM is set) each line is led by
 * its "<N>" priority, so that the journal knows the level; on a terminal by its
 * word. Async-signal-unsafe; single-threaded programs only.
 */
#ifndef VIRTMESH_HOST_LOG_H
#define VIRTMESH_HOST_LOG_H

enum vm_log_level {
	VM_LOG_ERR = 3,
	VM_LOG_WARN = 4,
	VM_LOG_INFO = 6,
	VM_LOG_DEBUG = 7,
};

/* Lines above @level are not written. Default: VM_LOG_INFO. */
void vm_log_set_level(enum vm_log_level level);
/* "err", "warn", "info", "debug" -> level; -EINVAL for any other word. */
int vm_log_level_parse(const char *word);

void vm_log(enum vm_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define vm_err(...)   vm_log(VM_LOG_ERR, __VA_ARGS__)
#define vm_warn(...)  vm_log(VM_LOG_WARN, __VA_ARGS__)
#define vm_info(...)  vm_log(VM_LOG_INFO, __VA_ARGS__)
#define vm_debug(...) vm_log(VM_LOG_DEBUG, __VA_ARGS__)

#endif /* VIRTMESH_HOST_LOG_H */
