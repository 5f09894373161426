#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The examples of libvirtmesh among four guests, as their comments say they are run;
# and reductions and split groups over the real driver.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
isolate "$@"
# shellcheck source=../guests.sh
. "$(dirname "$0")/../guests.sh"
# shellcheck source=../nodes.sh
. "$(dirname "$0")/../nodes.sh"

# ends_well COMMAND...: its output is in $out
ends_well() {
	local status=0
	out=$("$@" 2>&1) || status=$?
	echo "$out"
	[ "$status" = 0 ] || fail "$* ended with $status"
}
# example N PROGRAM ARG...: among the first N
example() { ends_well job "$1" -- "${@:2}"; }

# as_said PROGRAM ARG...: as its comment says that it is started, up to its arguments;
# as_said_in PAGE PROGRAM ARG...: as the page says, of a program of its own
as_said() { start "$(sed -n "s/^ \*\t\(mesh run .* -- \)$1\( \[.*\)\?$/\1/p" "$srctree/guest/examples/$1.c")" "$@"; }
as_said_in() { start "$(sed -n 's/\\-/-/g; s/\\(aq/'\''/g; s/^\.B \(mesh run .* -- \)\.\/a\.out$/\1/p' "$1")" "${@:2}"; }
start() { # COMMAND PROGRAM ARG...
	local words
	[ -n "$1" ] || fail "nothing says how $2 is started"
	echo "$1"
	eval "words=($1)"
	PATH=$tmp/bin:$PATH ends_well "${words[@]}" "${@:2}"
}

pingpong() {
	as_said pingpong 64 500
	[[ $out == '[0] 64 bytes, 500 rounds: p50 '* ]] || fail "$out"
	example 2 pingpong 100001 51
	# Two play, the others look on.
	example 4 pingpong 1 100
}

allgather() {
	as_said allgather
	[[ $out == *' 100 rounds of 16384 bytes among 4: '*', all as sent' ]] || fail "$out"
	example 3 allgather 1 200
	example 2 allgather 1000003 5
	as_said_in "$srctree/guest/lib/man/libvirtmesh.7" allgather 64 2
	[[ $out == *' 2 rounds of 64 bytes among 4: '* ]] || fail "$out"
}

# alone RANK: allgather as mesh run starts it, but nobody ends it when another fails
alone() {
	begin "n$(($1 + 1))" a "env VIRTMESH_RANK=$1 VIRTMESH_SIZE=4 VIRTMESH_NODES=1,2,3,4 VIRTMESH_GROUP=55 allgather 4096 $2"
}

# Node 4's program is killed in the middle: the others say so, and go on to the end.
goes_on() {
	local i
	for i in 0 1 2 3; do
		alone "$i" 20000
	done
	wait_until 30 posted n4 55
	interrupt n4 a KILL
	for i in 1 2 3; do
		outcome "n$i" a 200
		echo "$out"
		[ "$(grep -c 'node 4 ' <<<"$out")" = 1 ] || fail "n$i does not say that it was node 4"
		[ "$i" != 1 ] || grep -q '20000 rounds of 4096 bytes among 3: .*, all as sent' <<<"$out"
	done
}

matrix() {
	as_said matrix -c 200
	[[ $out == *'4 nodes, 480 x 480, batch 8: 200 steps, '*', bit for bit what one node computes' ]] ||
		fail "$out"
	example 3 matrix -c 50 99 1
	example 1 matrix -c 10 64 3
	example 2 matrix -c 3 256 2048
	fails 2 mesh run -n 2 -N 1,2 -H n1,n2 -L "$tmp/in-guest %h" -- matrix 1 3
}

reductions() {
	example "$1" reductions
	eq "$(grep -c ': ok$' <<<"$out")" "$1" "ranks that are content"
}

no_drops() { eq "$(all_drops)" "" "frames dropped by the host"; }

guest_words=("$(guest_program reductions):bin/reductions" "$O"/guest/examples/{allgather,matrix,pingpong})
mesh_up 4 7
launcher 200
run "ping-pong: two nodes, and two of four" pingpong
run "all-gather: every chunk as sent" allgather
run "sharded product: bit for bit what one node computes" matrix
run "all-reduce and reduce-scatter: two nodes, every type and way" reductions 2
run "all-reduce and reduce-scatter: four nodes, and groups split from them" reductions 4
run "all-gather: a program is killed, the others name its node and go on" goes_on
run "no frame was dropped by the host" no_drops
guests_finish
