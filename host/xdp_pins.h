/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pins that libxdp makes for what its dispatchers run.
 */
#ifndef VIRTMESH_HOST_XDP_PINS_H
#define VIRTMESH_HOST_XDP_PINS_H

/*
 * Remove those left for copies of our program on interfaces that have gone:
 * whose command was killed before it entered them anywhere. @ports is the map of
 * that name, by which ours are told from all others. Silent.
 */
void vm_xdp_pins_sweep(int ports);

#endif /* VIRTMESH_HOST_XDP_PINS_H */
