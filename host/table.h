/* SPDX-License-Identifier: GPL-2.0-only */
/* Aligned columns on stdout. */
#ifndef VIRTMESH_HOST_TABLE_H
#define VIRTMESH_HOST_TABLE_H

struct vm_table;

/*
 * @heads: one word a column, separated by blanks; a leading '>' aligns the
 * column to the right. NULL when memory is short; the other calls take that and
 * do nothing, so that only vm_table_print() must be looked at.
 */
struct vm_table *vm_table_new(const char *heads);
/* The next cell; rows fill from the left and wrap by themselves. */
void vm_table_cell(struct vm_table *table, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Write it and free it. 0, or -ENOMEM when any of the calls before ran out of memory. */
int vm_table_print(struct vm_table *table);

#endif /* VIRTMESH_HOST_TABLE_H */
