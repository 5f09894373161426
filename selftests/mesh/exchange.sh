#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Two guests, and every way in and out of the mesh interface besides a plain SUBMIT,
# with data of the other node's (exchange.c); then several programs and threads of one
# node at once, each with a group of its own. Every byte is compared, and the host may
# not have dropped a frame.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
isolate "$@"
# shellcheck source=../guests.sh
. "$(dirname "$0")/../guests.sh"
# shellcheck source=../nodes.sh
. "$(dirname "$0")/../nodes.sh"

SEED=${SEED:-1}
group=100 factor=1
! slow || factor=8

no_loss() { eq "$(all_drops)" "" "frames dropped by the host"; }

# exchange CASE ROUNDS: both ends are at rank 0 once
exchange() {
	local nodes
	for nodes in 1,2 2,1; do
		everywhere 2 120 exchange -N "$nodes" -g "$group" -c "$2" "$1"
		cat "$tmp/out.n1"
	done
	no_loss
}

# Three programs on each node at once.
programs() {
	local i n tag
	for n in 1 2; do
		for i in 1 2; do
			begin "n$n" "ops$i" "ops -N 1,2 -g $((group + 100 * i)) -S $((SEED + i)) -c $((800 / factor)) -m 64K -G 3 -K 4"
		done
		begin "n$n" exchange "exchange -N 2,1 -g $((group + 300)) -c $((400 / factor)) uring"
	done
	for n in 1 2; do
		for tag in ops1 ops2 exchange; do
			outcome "n$n" "$tag" 200
			echo "n$n $tag: $out"
		done
	done
	no_loss
}

guest_words=("$(guest_program exchange):bin/exchange" "$(guest_program ops):bin/ops")
# No probes meanwhile.
broker_args=(--probe-ms 1800000 --dead-ms 3600000)
mesh_up 2 7
run "control messages from nothing to the longest, in order, both ways" exchange control $((1600 / factor))
run "io_uring: one system call posts 32 operations with another node" exchange uring $((400 / factor))
run "poll sleeps before the message comes, and wakes by it" exchange poll $((200 / factor))
run "an eventfd's reader sleeps before the message comes, and wakes by it" exchange eventfd $((200 / factor))
run "three programs on each node at once" programs
run "five threads of one program at once, three of them on one file" exchange threads $((160 / factor))
guests_finish
