/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VIRTMESH_FUZZ_ASM_BYTEORDER_H
#define VIRTMESH_FUZZ_ASM_BYTEORDER_H

#include_next <asm/byteorder.h>

#define be16_to_cpu __be16_to_cpu
#define be32_to_cpu __be32_to_cpu
#define be64_to_cpu __be64_to_cpu

#endif /* VIRTMESH_FUZZ_ASM_BYTEORDER_H */
