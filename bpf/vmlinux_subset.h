/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The types our BPF programs need, and no more: integers, and those fields of
 * kernel structures that are read, relocated by CO-RE when the program loads.
 * Never included together with a uapi header, which defines the same names.
 */
#ifndef VIRTMESH_VMLINUX_SUBSET_H
#define VIRTMESH_VMLINUX_SUBSET_H

typedef signed char __s8;
typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u64 __be64;
typedef __u32 __wsum;

#endif /* VIRTMESH_VMLINUX_SUBSET_H */
