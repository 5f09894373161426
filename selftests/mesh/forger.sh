#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Two nodes on a host that says anything in the broker's name (forger.c): their kernels
# live and have nothing to complain of, what their programs wait for ends, and once the
# true broker is back they are members again, who agree with it on everything.
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
ROUNDS=3 RATE=4
! slow || ROUNDS=2 RATE=1

# Programs that form groups and gather, whatever their node is told of the others: so
# often, and for as long as the forger takes to go deep.
forged() {
	local round=0 i status
	stop_pid "$(cat "$tmp/broker.pid")"
	"$(guest_program forger)" 7 "$SEED" "$RATE" 1 2 >"$tmp/forger" 2>&1 &
	echo $! >"$tmp/forger.pid"
	wait_until 10 grep -q ready "$tmp/forger"
	while [ "$round" -lt "$ROUNDS" ] || { [ "$round" -lt 99 ] && ! grep -q deep "$tmp/forger"; }; do
		round=$((round + 1))
		for i in 1 2; do
			begin "n$i" drill "drill -N 1,2 -g $((300 + round)) -t 1000 -m 20000 -c 60"
		done
		for i in 1 2; do
			status=0
			out=$(result "n$i" drill 120) || status=$?
			echo "n$i: $status $out"
			# 124: it hangs. What came was right.
			[[ $status -le 4 && $out != *'part is wrong'* ]] ||
				fail "n$i ended with $status: $out"
			vm_exec "n$i" 'mesh info; mesh peers; true'
		done
	done
	kill -0 "$(cat "$tmp/forger.pid")" || fail "$(cat "$tmp/forger")"
}

# It went deep: they believed it, answered it, asked it; and they counted what it was.
counted() {
	local i
	stop_pid "$(cat "$tmp/forger.pid")"
	cat "$tmp/forger"
	grep -q deep "$tmp/forger" || fail "it was not heard, or not answered, enough"
	for i in 1 2; do
		[ "$(counter "n$i" rx_malformed)" -gt 0 ] || fail "rx_malformed of n$i is 0"
	done
}

# agree NODE: it and the broker, on all that the forger may have told it otherwise
agree() {
	local i
	[ "$(info "n$1" state)/$(info "n$1" mtu)/$(info "n$1" members)" = JOINED/3366/2 ] &&
		[ "$(info "n$1" epoch)" = "$(node 7 "$1" epoch)" ] &&
		[ "$(info "n$1" incarnation)" = "$(node 7 "$1" incarnation)" ] || return 1
	for i in 1 2; do
		[ "$(peer "n$1" "$i" state)/$(peer "n$1" "$i" incarnation)" = "UP/$(node 7 "$i" incarnation)" ] ||
			return 1
	done
}

back() {
	local i
	mesh_broker_start "${broker_args[@]}"
	echo "$mesh_broker_pid" >"$tmp/broker.pid"
	# Who was refused asks once a minute.
	for i in 1 2; do
		wait_until 100 agree "$i" || fail "$(vm_exec "n$i" 'mesh info; mesh peers'; virtmesh nodes)"
	done
	everywhere 2 100 ops -N 1,2 -g 400 -S "$SEED" -c 20 -m 64K -G 3 -K 3
}

guest_words=("$(guest_program ops):bin/ops" "$(guest_program drill):bin/drill")
# Slow is not dead.
broker_args=(--probe-ms 200 --dead-ms 20000)
mesh_up 2 7
run "the broker's frames forged: what programs do ends in time" forged
run "the frames were believed and answered, and counted when they made no sense" counted
run "the broker is back: both are members again, and agree with it" back
guests_finish
