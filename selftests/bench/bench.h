/* SPDX-License-Identifier: GPL-2.0-only */
/* The measurements. Each adds its figures; 0 or -errno. */
#ifndef VIRTMESH_BENCH_BENCH_H
#define VIRTMESH_BENCH_BENCH_H

int bench_steer_cost(void); /* ns per frame of the program alone */
int bench_steer_ports(void); /* the same with 256 ports against 2 */
int bench_tap_rate(void); /* frames/s from tap to tap */
int bench_tap_group(void); /* frames/s from one tap to many */
int bench_tap_latency(void); /* how long one frame takes */
int bench_port_add(void); /* ms of the command, for each of 256 ports */

#endif /* VIRTMESH_BENCH_BENCH_H */
