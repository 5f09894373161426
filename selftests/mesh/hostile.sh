#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Three honest nodes and one that says whatever it likes (hostile.c): it is a member,
# its cookies are right, its frames go through the steering programs as any other's.
# What it is part of may fail, in time; what it is no part of does not notice.
#
# SEED=N: other frames.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
isolate "$@"
# shellcheck source=../guests.sh
. "$(dirname "$0")/../guests.sh"
# shellcheck source=../nodes.sh
. "$(dirname "$0")/../nodes.sh"

SEED=${SEED:-1}
ROUNDS=6 STEPS=60 RATE=6
! slow || ROUNDS=3 STEPS=10 RATE=1

joined() {
	virtmesh port add n4 --ensemble 7 --node 4
	"$(guest_program hostile)" n4 7 4 300 "$SEED" "$RATE" 1 2 3 >"$tmp/hostile" 2>&1 &
	echo $! >"$tmp/hostile.pid"
	wait_until 20 grep -q joined "$tmp/hostile"
	wait_until 20 peers_up n1 4
}
attacks() { kill -0 "$(cat "$tmp/hostile.pid")" || fail "$(cat "$tmp/hostile")"; }

# With it: each forms a group with it, again and again, and ends, well or not, in time.
with_it() {
	local round=0 i status
	while [ "$round" -lt "$ROUNDS" ] || { [ "$round" -lt 99 ] && ! grep -q deep "$tmp/hostile"; }; do
		round=$((round + 1))
		for i in 1 2 3; do
			begin "n$i" drill "drill -N 1,2,3,4 -g 300 -t 1000 -m 20000"
		done
		for i in 1 2 3; do
			status=0
			# Two formings of 20 s, and 41 gathers of a second, at the most.
			out=$(result "n$i" drill 100) || status=$?
			echo "n$i: $status $out"
			# 124: it hangs. Of the hostile rank's part nothing is expected.
			[[ $status -le 4 && $out != *"rank "[012]"'s part is wrong"* ]] ||
				fail "n$i ended with $status: $out"
		done
	done
	grep -q member "$tmp/hostile" || fail "it never was a member"
	attacks
}

# Without it: every byte of every operation is compared.
without_it() {
	everywhere 3 120 ops -N 1,2,3 -g 400 -S "$SEED" -c "$STEPS" -m 64K -G 3 -K 3
	for i in 2 3; do
		vm_exec n1 "mesh ping $i -c 5 -W 5000"
	done
	attacks
}

# They went deep, and the drivers say what they thought of them.
counted() {
	local i name sum
	stop_pid "$(cat "$tmp/hostile.pid")"
	cat "$tmp/hostile"
	grep -q deep "$tmp/hostile" || fail "it did not get to say enough"
	for name in rx_malformed rx_forged rx_no_group; do
		sum=0
		for i in 1 2 3; do
			sum=$((sum + $(counter "n$i" "$name")))
		done
		echo "$name $sum"
		[ "$sum" -gt 0 ] || fail "$name is 0"
	done
}

# Its place is taken by a guest that is honest, and all four work.
replaced() {
	local i
	virtmesh port del n4
	mesh_node n4 7 4
	vm_wait n4
	mesh_load n4
	for i in 1 2 3 4; do
		wait_until 20 peers_up "n$i" 4
	done
	for i in 300 500; do
		everywhere 4 60 ops -N 1,2,3,4 -g "$i" -c 10 -m 64K -K 2
	done
}

guest_words=("$(guest_program ops):bin/ops" "$(guest_program drill):bin/drill")
# Slow is not dead.
broker_args=(--probe-ms 200 --dead-ms 20000)
mesh_up 3 7
run "a hostile node joins" joined
run "a group with it: operations end in time" with_it
run "a group without it: every byte is right" without_it
run "its frames are counted for what they are" counted
run "an honest node takes its place" replaced
guests_finish
