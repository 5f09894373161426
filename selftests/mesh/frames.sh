#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Where frames go, and where they do not: three guests in ensemble 7, a tap held
# by the test as its node 4, and two more such taps as nodes 1 and 2 of ensemble 8.
# Frames are numbered and their bytes compared.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
isolate "$@"
# shellcheck source=../guests.sh
. "$(dirname "$0")/../guests.sh"
# shellcheck source=../nodes.sh
. "$(dirname "$0")/../nodes.sh"

DGRAM_MAX=3346 # of the default MTU: less 16 of header and 4 of the datagram's own

pings() {
	local i j size
	for i in 1 2 3; do
		for j in 1 2 3; do
			[ "$i" != "$j" ] || continue
			for size in 0 56 1400 $DGRAM_MAX; do
				vm_exec "n$i" "mesh ping $j -q -i 0 -c 50 -s $size"
			done
		done
	done
	eq "$(info n1 dgram_max)" "$DGRAM_MAX"
	fails 2 vm_exec n1 "mesh ping 2 -s $((DGRAM_MAX + 1))"
	# Not members: no such node, and itself.
	fails 1 vm_exec n1 'mesh ping 9 -c 1'
	fails 1 vm_exec n1 'mesh ping 1 -c 1'
	eq "$(all_drops)" "" "drops"
}

unicast() {
	local before
	before=$(port n3 tx_frames)
	receive n2 r -n 2000 /dev/virtmesh0
	vm_exec n1 "traffic send -n 2000 -s 32-$DGRAM_MAX -r 1000 --dst 2 /dev/virtmesh0"
	outcome n2 r
	eq "$(received 1 <<<"$out")" "2000 2000 0"
	[[ $out == *'total=2000 corrupt=0 foreign=0 dropped=0'* ]] || fail "$out"
	eq "$(port n3 tx_frames)" "$before" "frames to n3"
	eq "$(all_drops)" "" "drops"
}

all_to_all() {
	local i j
	for i in 1 2 3; do
		receive "n$i" r -n 1000 /dev/virtmesh0
	done
	for i in 1 2 3; do
		for j in 1 2 3; do
			[ "$i" = "$j" ] || begin "n$i" "s$j" "traffic send -n 500 -s 32-$DGRAM_MAX -r 150 --seed 1$i$j --dst $j /dev/virtmesh0"
		done
	done
	for j in 1 2 3; do
		outcome "n$j" r
		for i in 1 2 3; do
			[ "$i" = "$j" ] || eq "$(received "1$i$j" <<<"$out")" "500 500 0" "from $i to $j"
		done
	done
}

group_datagrams() {
	local before i
	before=$(port n1 tx_frames)
	receive host r74 -n 1000000 -t 300 --type 0x88b5 tap:t74
	for i in 2 3; do
		receive "n$i" r -n 1000 /dev/virtmesh0
	done
	receive n1 r -n 1 -t 300 /dev/virtmesh0
	vm_exec n1 "traffic send -n 1000 -s 32-$DGRAM_MAX -r 500 --dst all /dev/virtmesh0"
	for i in 2 3; do
		outcome "n$i" r
		eq "$(received 1 <<<"$out")" "1000 1000 0" "n$i"
		[[ $out == *'total=1000 corrupt=0 foreign=0 dropped=0'* ]] || fail "$out"
	done
	# Not to its sender: a datagram of node 2 that comes after is the first it sees.
	vm_exec n2 'traffic send -n 1 -s 64 --seed 2 --dst 1 /dev/virtmesh0'
	outcome n1 r
	[[ $out == *'total=1 '* ]] || fail "n1 got its own: $out"
	# Sent once; the host made three of it. The fourth node's tap saw them all.
	interrupt host r74
	out=$(result host r74 || :)
	[ "$(sed -n 's/^total=\([0-9]*\).*/\1/p' <<<"$out")" -ge 1000 ] || fail "t74: $out"
	eq "$(all_drops)" "" "drops"
}

# raw GUEST COUNT ARG...: frames by a packet socket on its mesh0, as root there can
raw() {
	local guest=$1 count=$2
	shift 2
	vm_exec "$guest" "traffic send -n $count -s 60-1514 $* mesh0"
}

ethernet_broadcast() {
	local dst i
	for dst in ff:ff:ff:ff:ff:ff "$(group 7)" 33:33:00:00:00:01 01:00:5e:00:00:fb; do
		for i in 2 3; do
			receive "n$i" r -n 500 mesh0
		done
		receive host r74 -n 500 tap:t74
		raw n1 500 --src "$(mac 7 1)" --dst "$dst" -r 1000
		for i in 2 3; do
			outcome "n$i" r
			eq "$(received 1 <<<"$out")" "500 500 0" "$dst to n$i"
		done
		outcome host r74
		eq "$(received 1 <<<"$out")" "500 500 0" "$dst to t74"
	done
	eq "$(all_drops)" "" "drops"
}

isolation() {
	local before after dst
	before=$(drops n1 foreign)
	receive host r81 -n 1 --seed 9 tap:t81
	for dst in "$(mac 8 1)" "$(group 8)" "$(mac 8 0)"; do
		raw n1 300 --src "$(mac 7 1)" --dst "$dst"
	done
	# Its own broadcast stays at home too.
	raw n1 300 --src "$(mac 7 1)" --dst ff:ff:ff:ff:ff:ff
	# What a neighbour of its own ensemble sends arrives, behind all that.
	at host "traffic send -n 1 --seed 9 --src $(mac 8 2) --dst $(mac 8 1) tap:t82"
	outcome host r81
	eq "$(received 9 <<<"$out")" "1 1 0"
	[[ $out != *seed=1\ * ]] || fail "frames of ensemble 7 came into ensemble 8: $out"
	after=$(drops n1 foreign)
	eq $((after - before)) 900 "counted as foreign at n1"
}

spoofing() {
	local before src
	before=$(drops n1 spoof)
	receive n3 r -n 1 --seed 9 mesh0
	receive host r74 -n 1 --seed 9 tap:t74
	# Its neighbour, the broker, a node of elsewhere, no mesh address at all.
	for src in "$(mac 7 2)" "$(mac 7 0)" "$(mac 8 1)" 52:54:00:12:34:56 ff:ff:ff:ff:ff:ff; do
		raw n1 100 --src "$src" --dst "$(mac 7 3)"
		raw n1 100 --src "$src" --dst ff:ff:ff:ff:ff:ff
	done
	raw n1 1 --seed 9 --src "$(mac 7 1)" --dst ff:ff:ff:ff:ff:ff
	for where in 'n3 r' 'host r74'; do
		# shellcheck disable=SC2086 # two words
		outcome $where
		[[ $out == *'seed=9 received=1 '* && $out != *seed=1\ * ]] || fail "$where: $out"
	done
	eq $(($(drops n1 spoof) - before)) 1000 "counted as spoofed at n1"
}

not_for_anyone() {
	local not_control no_node self bad
	not_control=$(drops n1 not-control)
	no_node=$(drops n1 no-node)
	self=$(drops n1 self)
	bad=$(drops n1 bad-dest)
	raw n1 50 --src "$(mac 7 1)" --dst "$(mac 7 0)"
	raw n1 60 --src "$(mac 7 1)" --dst "$(mac 7 99)"
	raw n1 70 --src "$(mac 7 1)" --dst "$(mac 7 1)"
	raw n1 80 --src "$(mac 7 1)" --dst 52:54:00:12:34:56
	eq $(($(drops n1 not-control) - not_control)) 50 "to the broker, not of its protocol"
	eq $(($(drops n1 no-node) - no_node)) 60 "to a node that has no port"
	eq $(($(drops n1 self) - self)) 70 "to itself"
	eq $(($(drops n1 bad-dest) - bad)) 80 "to no mesh address"
}

driver_guards_its_type() {
	local before
	before=$(counter n1 tx_refused)
	# Programs may not speak the mesh's own protocol past the driver.
	raw n1 40 --type 0x88b5 --src "$(mac 7 1)" --dst "$(mac 7 2)"
	eq $(($(counter n1 tx_refused) - before)) 40
}

# A node that stops reading: its ring of 4096 fills, the rest is lost, and every
# single frame is accounted for.
slow_receiver() {
	local sent=12000 tx before_tx before_lost got
	before_tx=$(port t74 tx_frames)
	before_lost=$(lost t74)
	receive host r74 -n 1000000 -t 300 --seed 5 tap:t74
	interrupt host r74 STOP
	raw n1 "$sent" --seed 5 --src "$(mac 7 1)" --dst "$(mac 7 4)"
	wait_until 30 frames_steered t74 $((before_tx + sent))
	interrupt host r74 CONT
	tx=$(($(port t74 tx_frames) - before_tx))
	lost=$(($(lost t74) - before_lost))
	[ "$lost" -gt 0 ] || fail "nothing was lost: $sent frames do not fill a ring of 4096"
	wait_until 30 drained
	interrupt host r74
	out=$(result host r74 || :)
	got=$(received 5 <<<"$out")
	got=${got%% *}
	eq "$tx" "$sent" "steered"
	eq $((got + lost)) "$sent" "received $got, lost $lost, sent"
	[ "$got" -ge 4000 ] || fail "only $got of $sent arrived"
}
frames_steered() { [ "$(port "$1" tx_frames)" -ge "$2" ]; }
# The reader sleeps in poll again, with nothing to read: its ring is empty.
drained() {
	at host '[ "$(cat /proc/$(cat r74.pid)/wchan)" = poll_schedule_timeout ] ||
		grep -q "^State:.S" /proc/$(cat r74.pid)/status'
}

# No probes meanwhile: each would be one frame more than a test has sent.
broker_args=(--probe-ms 1800000 --dead-ms 3600000)
mesh_up 3 7 8
for port in 'd74 t74 7 4' 'd81 t81 8 1' 'd82 t82 8 2'; do
	read -r _ name e n <<<"$port"
	virtmesh port add "$name" --ensemble "$e" --node "$n" >/dev/null || bail "port add $name"
done
run "every pair: round trips of every size, none lost, none changed" pings
run "unicast datagrams: all arrive once, in order, at their node alone" unicast
run "every node to every other at once: all arrive, each sender's in order" all_to_all
run "a group datagram is sent once and reaches every other node, not its sender" group_datagrams
run "broadcast, multicast and group frames of mesh0 reach every other node" ethernet_broadcast
run "two ensembles: no frame crosses, each try is counted" isolation
run "a guest with another's source address: counted, and nobody receives it" spoofing
run "frames for nobody: each reason counted exactly" not_for_anyone
run "programs in a guest cannot speak the mesh protocol past the driver" driver_guards_its_type
run "a node that does not read: sent = delivered + counted lost, exactly" slow_receiver
guests_finish
