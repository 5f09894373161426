#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Who is in the mesh, while things fail: the broker is killed, guests are reset,
# their driver and their device are taken away under traffic, a program stops
# reading, a guest dies. Three guests; what they and the broker say must agree.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
isolate "$@"
# shellcheck source=../guests.sh
. "$(dirname "$0")/../guests.sh"
# shellcheck source=../nodes.sh
. "$(dirname "$0")/../nodes.sh"

# Long enough for emulated guests on a busy host, short enough to wait for.
broker_args=(--probe-ms 400 --dead-ms 4000)
# Frames a second to a guest that sends all it can. On the debug kernel one costs it a fifth
# of a millisecond: with half a CPU, five thousand leave no time for anything but interrupts.
flood_rate=5000
[ "${UML_KERNEL-}" != debug ] || flood_rate=500

# everyone_says NODE STATE: the broker, and the two other guests
everyone_says() {
	local want=$2 i
	[ "$(node 7 "$1" state)" = "${want,,}" ] || return 1
	for i in 1 2 3; do
		[ "$i" = "$1" ] || [ "$(peer "n$i" "$1" state)" = "$want" ] || return 1
	done
}

joined() {
	local i j
	for i in 1 2 3; do
		eq "$(info "n$i" state)" JOINED
		eq "$(info "n$i" ensemble)/$(info "n$i" node)" "7/$i"
		eq "$(info "n$i" epoch)" "$(node 7 "$i" epoch)" "epoch of n$i"
		eq "$(info "n$i" mtu)" 3366
		eq "$(info "n$i" members)" 3
		everyone_says "$i" UP
		for j in 1 2 3; do
			eq "$(peer "n$j" "$i" incarnation)" "$(node 7 "$i" incarnation)" "of $i at $j"
		done
	done
	eq "$(info n1 broker_id)" "$(info n2 broker_id)"
	# Its own link and three nodes: as many lines of that as are asked for.
	for i in 1 3 4; do
		eq "$(vm_exec n1 "mesh watch -c $i" | wc -l)" "$i"
	done
}

# Datagrams, a group's datagrams and round trips go on while the broker is away for
# so long that everybody knows, and comes back. Not one may be lost.
broker_killed() {
	local i id other epoch lives
	id=$(info n1 broker_id)
	epoch=$(info n1 epoch)
	lives=$(virtmesh nodes --json | json '[.[].incarnation]')
	for i in 2 3; do
		receive "n$i" d -n 3000 /dev/virtmesh0
		begin "n$i" p "mesh ping 1 -q -c 1500 -i 5 -W 10000 --json"
	done
	begin n1 s1 'traffic send -n 1500 -r 150 -s 32-3000 --dst all /dev/virtmesh0'
	begin n1 s2 'traffic send -n 1500 -r 150 -s 32-3000 --seed 2 --dst 2 /dev/virtmesh0'
	begin n1 s3 'traffic send -n 1500 -r 150 -s 32-3000 --seed 3 --dst 3 /dev/virtmesh0'
	mesh_broker_stop KILL
	for i in 1 2 3; do
		wait_until 45 is BROKERLESS info "n$i" state
	done
	# It has joined, and need not wait for that: the answer comes at once.
	vm_exec n1 -t 20 'mesh info -w 60'
	broker_restart
	for i in 1 2 3; do
		wait_until 45 is JOINED info "n$i" state
	done
	for i in 2 3; do
		outcome "n$i" d
		eq "$(received 1 <<<"$out")" "1500 1500 0" "group datagrams at n$i"
		eq "$(received "$i" <<<"$out")" "1500 1500 0" "datagrams at n$i"
		outcome "n$i" p
		eq "$(json '"\(.sent) \(.lost) \(.corrupt)"' <<<"$out")" "1500 0 0"
	done
	other=$(info n1 broker_id)
	[[ -n $other && $other != "$id" ]] || fail "the broker's id is '$other', the old one's '$id'"
	eq "$(virtmesh nodes --json | json '[.[].incarnation]')" "$lives" "incarnations"
	eq "$(info n1 epoch)" "$epoch" "epoch"
	eq "$(all_drops)" "" "drops"
}
broker_restart() {
	mesh_broker_start "${broker_args[@]}"
	echo "$mesh_broker_pid" >"$tmp/broker.pid"
}
# A case runs in a subshell: the broker's process is known by a file.
mesh_broker_stop() {
	local pid
	pid=$(cat "$tmp/broker.pid")
	stop_pid "$pid" "-${1:-TERM}"
}

# next_life GUEST NODE OLD: it has joined, under an incarnation above OLD, and both
# ways work
next_life() {
	wait_until 45 everyone_says "$2" UP
	[ "$(node 7 "$2" incarnation)" -gt "$3" ] || fail "the incarnation is still $3"
	eq "$(info "$1" incarnation)" "$(node 7 "$2" incarnation)"
	vm_exec n1 "mesh ping $2 -q -i 0 -c 100"
	vm_exec "$1" 'mesh ping 1 -q -i 0 -c 100'
}

reset() {
	local life
	life=$(node 7 3 incarnation)
	begin n1 w 'mesh watch --json'
	begin n1 s 'traffic send -n 1000000 -t 300 -r 1000 --dst 3 /dev/virtmesh0'
	vm_reset n3
	wait_until 45 everyone_says 3 DOWN
	vm_wait n3
	mesh_load n3
	vm_exec n3 'echo 1 >/proc/sys/net/ipv6/conf/mesh0/disable_ipv6; ip link set mesh0 up'
	next_life n3 3 "$life"
	interrupt n1 s
	interrupt n1 w
	# What a program in n1 was told, in this order.
	result n1 w >"$tmp/watch"
	states=$(sed -n 's/.*"node":3,"incarnation":\([0-9]*\).*"state":"\([A-Z]*\)".*/\2/p' \
		"$tmp/watch" | tr '\n' ' ')
	eq "$states" "UP DOWN UP "
	result n1 s >/dev/null || :
}

# A frame that says an earlier life of its sender, as a guest may write it with
# virtmesh_io, is refused and counted; one that says the present life is taken.
stale_frame() {
	local before life
	before=$(peer n1 3 stale_frames)
	life=$(node 7 3 incarnation)
	receive n1 r -n 1 --channel 1000 -t 300 /dev/virtmesh0
	vm_exec n3 'rmmod virtmesh && modprobe virtmesh_io'
	forge $((life - 1))
	wait_until 20 is $((before + 1)) peer n1 3 stale_frames
	interrupt n1 r
	out=$(result n1 r || :)
	[[ $out == total=0\ * ]] || fail "it was delivered: $out"
	vm_exec n3 'rmmod virtmesh_io'
	mesh_load n3
	vm_exec n3 'echo 1 >/proc/sys/net/ipv6/conf/mesh0/disable_ipv6; ip link set mesh0 up'
	next_life n3 3 "$life"
}
# forge INCARNATION: one datagram from node 3 to node 1, channel 1000, 4 bytes
forge() {
	local hex
	hex=$(printf '%s' 024d00070001 024d00070003 88b5 01 12 0008 "$(printf %08x "$1")" 00000000 \
		00000001 03e8 0000 aabbccdd)
	# One write is one frame.
	vm_exec n3 "printf '$(printf '%s' "$hex" | sed 's/../\\x&/g')' >/dev/virtmesh_io0"
}

# The driver leaves while the stack and a neighbour flood it.
rmmod_under_traffic() {
	local i life
	for i in 1 2 3; do
		life=$(node 7 2 incarnation)
		begin n1 s "traffic send -n 1000000 -t 300 -r $flood_rate --src $(mac 7 1) --dst $(mac 7 2) mesh0"
		begin n2 s "traffic send -n 1000000 -t 300 --src $(mac 7 2) --dst $(mac 7 3) mesh0"
		wait_until 30 moves n2
		vm_exec n2 'rmmod virtmesh'
		fails 3 result n2 s
		# It said goodbye; a silent node would be DOWN.
		wait_until 20 everyone_says 2 ABSENT
		mesh_load n2
		vm_exec n2 'echo 1 >/proc/sys/net/ipv6/conf/mesh0/disable_ipv6; ip link set mesh0 up'
		next_life n2 2 "$life"
		interrupt n1 s
		result n1 s >/dev/null || :
	done
}
moves() {
	local a b
	a=$(vm_exec "$1" 'cat /sys/class/net/mesh0/statistics/tx_packets')
	b=$(vm_exec "$1" 'cat /sys/class/net/mesh0/statistics/tx_packets')
	[ "$b" -gt "$a" ]
}

# The device leaves, with programs at /dev/virtmesh0 and on mesh0; and comes back.
unplug_and_plug() {
	local life
	life=$(node 7 2 incarnation)
	begin n1 s "traffic send -n 1000000 -t 300 -r $((flood_rate * 2 / 5)) --dst 2 /dev/virtmesh0"
	receive n2 r -n 1000000 -t 300 /dev/virtmesh0
	begin n2 w 'mesh watch'
	begin n2 s1 'traffic send -n 1000000 -t 300 --dst 3 /dev/virtmesh0'
	begin n2 s2 "traffic send -n 1000000 -t 300 --src $(mac 7 2) --dst $(mac 7 3) mesh0"
	wait_until 30 moves n2
	wait_until 30 vm_exec n2 'grep -q ready /tmp/s1.err && grep -q ready /tmp/s2.err'
	vm_unplug n2
	for i in r s1 s2 w; do
		fails 3 result n2 "$i"
	done
	fails 3 vm_exec n2 'mesh info'
	wait_until 30 not_up 2
	# It may have been told already that there is no such member.
	interrupt n1 s || :
	result n1 s || :

	vm_plug n2
	# No udev in these guests: what its rule does, by hand.
	wait_until 30 vm_exec n2 'virtmesh-bind --all; test -c /dev/virtmesh0'
	vm_exec n2 'mesh info -w 20'
	vm_exec n2 'echo 1 >/proc/sys/net/ipv6/conf/mesh0/disable_ipv6; ip link set mesh0 up'
	next_life n2 2 "$life"
}
not_up() { [[ $(node 7 "$1" state) =~ ^(absent|stalled|down)$ ]]; }

# A program that stops reading stalls its node: it answers, and nothing is done.
stalled() {
	receive n3 r -n 1000000 -t 300 /dev/virtmesh0
	interrupt n3 r STOP
	vm_exec n1 'traffic send -n 2000 -r 4000 --dst 3 /dev/virtmesh0'
	wait_until 45 everyone_says 3 STALLED
	eq "$(info n3 state)" JOINED "n3 itself"
	# Nobody else suffers, and its driver still answers.
	vm_exec n1 'mesh ping 2 -q -i 0 -c 100; mesh ping 3 -q -i 0 -c 100'
	interrupt n3 r CONT
	wait_until 45 everyone_says 3 UP
	interrupt n3 r
	out=$(result n3 r || :)
	# The queue's bound, and the rest told as dropped by it.
	got=$(received 1 <<<"$out")
	eq "$got" "1024 1024 0"
	eq "$(counter n3 dgrams_queue_full)" $((2000 - 1024))
}

killed_and_removed() {
	begin n1 p 'mesh ping 3 -q -c 0 -i 10 -W 100'
	vm_stop n3
	wait_until 45 is down node 7 3 state
	wait_until 20 is DOWN peer n1 3 state
	virtmesh port del n3
	# No port, no member: a sender is told at once.
	wait_until 20 is 2 info n1 members
	wait_until 20 is 2 info n2 members
	fails 1 vm_exec n1 'mesh ping 3 -c 1'
	[[ $out == *'not a member'* ]] || fail "$out"
	interrupt n1 p
	result n1 p || :
	# A new guest in its place.
	mesh_node n3 7 3
	vm_wait n3
	mesh_load n3
	wait_until 45 everyone_says 3 UP
	vm_exec n3 'mesh ping 1 -q -i 0 -c 100'
}

mesh_up 3 7
run "three guests join: they and the broker agree on everything" joined
run "broker killed and restarted under traffic: nothing lost, same lives, same epoch" broker_killed
run "a guest reset under traffic: DOWN, then UP under a new incarnation" reset
run "a frame of an earlier incarnation is refused and counted" stale_frame
run "rmmod under traffic, three times: goodbye, and a new life each time" rmmod_under_traffic
run "unplug under traffic: ENODEV for every program; plugged in again, it rejoins" unplug_and_plug
run "a program that stops reading: STALLED, UP again when it reads" stalled
run "a guest killed and its port removed: DOWN, gone, and its place can be taken" killed_and_removed
guests_finish
