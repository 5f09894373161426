/* SPDX-License-Identifier: GPL-2.0-only */
/* Which devices this driver takes, and how. See claim.c. */
#ifndef VMESH_CLAIM_H
#define VMESH_CLAIM_H

#include <linux/sysfs.h>

/* Of the driver: the write-only file `claim`. */
extern const struct attribute_group *vmesh_claim_groups[];

/* Take every mesh device that nobody has. Process context; the driver is registered. */
void vmesh_claim_all(void);

#endif /* VMESH_CLAIM_H */
