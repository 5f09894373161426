/* SPDX-License-Identifier: GPL-2.0-only */
/* The measurements. Each adds its figures; 0 or -errno. */
#ifndef VIRTMESH_BENCH_BENCH_H
#define VIRTMESH_BENCH_BENCH_H

int bench_steer_cost(void); /* ns per frame of the program alone */
int bench_steer_ports(void); /* the same with 256 ports against 2 */
int bench_tap_rate(void); /* frames/s from tap to tap */
int bench_tap_group(void); /* frames/s from one tap to many */
int bench_tap_latency(void); /* how long one frame takes */
int bench_guest_rate(void); /* frames/s from guest to guest; needs User-Mode Linux */
int bench_guest_tcp(void);
int bench_guest_rtt(void); /* a frame there and back */
int bench_guest_cost(void); /* what virtmesh-port costs */
int bench_guest_testpmd(void); /* against DPDK's switch */
int bench_mesh_rtt(void); /* the mesh interface between guests: a message there and back */
int bench_mesh_mpi(void); /* collectives against Open MPI's */
int bench_mesh_group(void); /* what a group send costs */
int bench_mesh_loss(void); /* with frames lost on purpose */
int bench_mesh_matrix(void); /* the sharded product against the same over TCP */
int bench_port_add(void); /* ms of the command, for each of 256 ports */

#endif /* VIRTMESH_BENCH_BENCH_H */
