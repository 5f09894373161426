/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Words for the numbers of <virtmesh/maps.h> and <virtmesh/types.h>. They are
 * part of the JSON output and of the tests: never change one, only add.
 */
#ifndef VIRTMESH_HOST_NAMES_H
#define VIRTMESH_HOST_NAMES_H

#include <virtmesh/maps.h>

/* "spoof", "lost-full", ..; "unknown" for a number from the future. */
const char *vm_drop_name(unsigned int reason);
/* One sentence for people. */
const char *vm_drop_text(unsigned int reason);
/* "absent", "up", "stalled", "down". */
const char *vm_node_state_name(unsigned int state);

/*
 * What the skb path lost shows in no counter of ours, only in the interface's
 * tx_dropped; the command derives it and gives it this name.
 */
#define VM_LOST_SKB_NAME "lost-skb"

#endif /* VIRTMESH_HOST_NAMES_H */
