/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What libbpf and libxdp would write to stderr: it goes to the debug log, and
 * the last thing the kernel itself said is kept, since it tells why.
 */
#ifndef VIRTMESH_HOST_LIBPRINT_H
#define VIRTMESH_HOST_LIBPRINT_H

void vm_libprint_init(void);
/* Forget what was kept; before a call whose failure is to be explained. */
void vm_libprint_reset(void);
/* The kernel's own words since the reset, or "" . Valid until the next library call. */
const char *vm_libprint_kernel(void);

#endif /* VIRTMESH_HOST_LIBPRINT_H */
