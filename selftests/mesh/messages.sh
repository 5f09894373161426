#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Ten million messages between two nodes, in one life of one group: every byte of each
# compared, its length, and its place among those with its tag (flood.c). The host may
# not have dropped a single frame. While it goes on, it says how far it is.
#
# MESSAGES=N: so many. SEED=N: others.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
isolate "$@"
# shellcheck source=../guests.sh
. "$(dirname "$0")/../guests.sh"
# shellcheck source=../nodes.sh
. "$(dirname "$0")/../nodes.sh"

MESSAGES=${MESSAGES:-10000000} SEED=${SEED:-1}
# Of the 900 s that the runner gives.
SECONDS_MAX=840

# watch GUEST: until its flood has ended; each line it says meanwhile is shown at once.
watch() {
	local line lines=0
	while line=$(vm_exec "$1" -t "$SECONDS_MAX" "cd /tmp
			until [ -e flood.rc ] || [ \$(wc -l <flood.out) -gt $lines ]; do
				sleep 0.2
			done
			tail -n 1 flood.out; [ ! -e flood.rc ]"); do
		lines=$((lines + 1))
		echo "# node 1: $line" >&3
	done
}

messages() {
	local i sum=0
	for i in 1 2; do
		begin "n$i" flood "flood -N 1,2 -g 100 -c $MESSAGES -b 64 -p $((MESSAGES / 20)) -S $SEED"
	done
	watch n1
	for i in 1 2; do
		outcome "n$i" flood "$SECONDS_MAX"
		out=${out##*$'\n'}
		echo "# node $i: $out" >&3
		out=${out#received=}
		sum=$((sum + ${out%% *}))
	done
	echo "# $sum messages compared" >&3
	[ "$sum" -ge "$MESSAGES" ] || fail "only $sum messages were compared"
	eq "$(all_drops)" "" "frames dropped by the host"
}

exec 3>&1
guest_words=("$(guest_program flood):bin/flood")
# No probes meanwhile.
broker_args=(--probe-ms 1800000 --dead-ms 3600000)
mesh_up 2 7
run "$MESSAGES messages between two nodes, every one compared" messages
guests_finish
