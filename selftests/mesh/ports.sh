#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Three nodes' ports are killed in turn, again and again, under all the nodes say to each
# other, by a manager that keeps their files as systemd does: no operation fails, no byte
# is wrong, nobody is taken for dead, and of the frames in the rings and in the taps none
# is lost and none is there twice, as guests and host have counted them.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
isolate "$@"
# shellcheck source=../guests.sh
. "$(dirname "$0")/../guests.sh"
# shellcheck source=../nodes.sh
. "$(dirname "$0")/../nodes.sh"

# rest: between two kills, in which there is to be traffic for the next.
nodes=3 factor=1 rest=0.1
# The sanitizers' guests are slow to make up what they lost in a pause.
! slow || factor=8 rest=1

keeper=$O/selftests/port/keeper
[ -x "$keeper" ] || keeper=$(dirname "$(realpath "$0")")/../port/keeper
[ -x "$keeper" ] || bail "keeper is not built: make -C selftests/port"

# All that starts a port starts its manager: its arguments are --socket S --tap NAME.
mkdir "$tmp/bin" "$tmp/kept"
cat >"$tmp/bin/virtmesh-port" <<-END
	#!/bin/sh
	exec "$keeper" "$tmp/kept/\$4" "$O/host/vhost/virtmesh-port" "\$@"
END
chmod +x "$tmp/bin/virtmesh-port"
PATH=$tmp/bin:$PATH

# Until $tmp/enough: a line in $tmp/killed for each.
kill_ports() {
	local i pid
	while :; do
		for ((i = 1; i <= nodes; i++)); do
			[ ! -e "$tmp/enough" ] || return 0
			pid=$(cat "$tmp/kept/n$i")
			kill -9 "$pid"
			wait_until 20 another "$i" "$pid"
			echo "n$i" >>"$tmp/killed"
			sleep "$rest"
		done
	done
}
another() { [ -s "$tmp/kept/n$1" ] && [ "$(cat "$tmp/kept/n$1")" != "$2" ]; }

# Nothing failed, and the broker took nobody for dead.
untroubled() {
	local i
	for ((i = 1; i <= nodes; i++)); do
		[[ $(<"$tmp/out.n$i") != *failed* ]] || fail "n$i: $(<"$tmp/out.n$i")"
		[ "$(node 7 "$i" incarnation)" = "${was[i]}" ] || fail "n$i has joined anew"
	done
}

# under_kills COMMAND...: in every guest, while ports are killed; again, as often as it
# takes until each was killed twice, or nothing was shown
under_kills() {
	local killer times=0
	rm -f "$tmp/enough"
	: >"$tmp/killed"
	kill_ports &
	killer=$!
	# However this ends, nobody is killed after it.
	trap 'touch "$tmp/enough"; wait' EXIT
	while [ "$(wc -l <"$tmp/killed")" -lt $((2 * nodes)) ]; do
		everywhere "$nodes" 200 "$@"
		untroubled
		times=$((times + 1))
		[ "$times" -lt 99 ] || fail "no ports are killed"
	done
	touch "$tmp/enough"
	wait "$killer" || fail "a port did not come back"
	echo "$times times, $(wc -l <"$tmp/killed") killed"
}

gathers() {
	under_kills drill -N 1,2,3 -g 100 -t 4000 -m 20000 -c $((3000 / factor))
}
broadcasts() {
	under_kills drill -N 1,2,3 -g 101 -t 4000 -m 20000 -r 1 -c $((5000 / factor))
}
everything() {
	under_kills ops -N 1,2,3 -g 102 -c $((1200 / factor)) -m 64K -G 3 -K 4
}

# counted N: what the guest's driver has sent and got, and the host from it and for it
counted() {
	echo "sent=$(counter "n$1" tx_ring_frames)/$(($(port "n$1" rx_frames) + $(port "n$1" drops)))" \
		"got=$(counter "n$1" rx_ring_frames)/$(port "n$1" tx_frames)"
}
agrees() { [[ $(counted "$1") =~ ^sent=([0-9]+)/([0-9]+)\ got=([0-9]+)/([0-9]+)$ ]] &&
	[ "${BASH_REMATCH[1]}/${BASH_REMATCH[3]}" = "${BASH_REMATCH[2]}/${BASH_REMATCH[4]}" ]; }
exact() {
	local i
	eq "$(all_drops)" "" "frames dropped by the host"
	for ((i = 1; i <= nodes; i++)); do
		wait_until 5 agrees "$i" || fail "n$i: $(counted "$i")"
		counted "$i"
	done
}

guest_words=("$(guest_program ops):bin/ops" "$(guest_program drill):bin/drill")
# No probes meanwhile, so that the counts stand still.
broker_args=(--probe-ms 1800000 --dead-ms 3600000)
mesh_up "$nodes" 7
for ((i = 1; i <= nodes; i++)); do
	was[i]=$(node 7 "$i" incarnation)
done
run "gathers while ports are killed: none fails, every byte is right" gathers
run "broadcasts while ports are killed" broadcasts
run "drawn operations on several groups while ports are killed" everything
run "no frame was lost and none doubled, as both sides have counted" exact
guests_finish
