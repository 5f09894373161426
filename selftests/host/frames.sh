#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Frames between ports that the command made: bytes, targets, isolation.
. "$(dirname "$0")/../lib.sh"
isolate "$@"
# shellcheck source=host.sh
. "$(dirname "$0")/host.sh"

unicast() {
	local len pid
	virtmesh port add vm1 --ensemble 1 --node 1
	virtmesh port add vm2 --ensemble 1 --node 2
	receive vm2 4
	pid=$!
	for len in 18 64 1514 3380; do
		frame send vm1 "$(mac 1 2)" "$(mac 1 1)" 0x0800 "$len" "$len"
	done
	received vm2 "$pid" <<-END
		$(mac 1 2) $(mac 1 1) 0800 18 18
		$(mac 1 2) $(mac 1 1) 0800 64 64
		$(mac 1 2) $(mac 1 1) 0800 1514 1514
		$(mac 1 2) $(mac 1 1) 0800 3380 3380
	END
	eq "$(port_json vm1 rx_frames)" 4
	eq "$(port_json vm1 rx_bytes)" $((18 + 64 + 1514 + 3380))
	eq "$(port_json vm2 tx_frames)" 4
	eq "$(port_json vm2 tx_bytes)" $((18 + 64 + 1514 + 3380))
	eq "$(port_json vm1 drops) $(port_json vm2 lost)" "0 0"
}

group() {
	local n pids=()
	for n in 1 2 3 4; do
		virtmesh port add vm"$n" --ensemble 1 --node "$n"
	done
	for n in 2 3 4; do
		receive vm"$n" 1
		pids[n]=$!
	done
	frame send vm1 03:4d:00:01:ff:ff "$(mac 1 1)" 0x88b5 1000 42
	for n in 2 3 4; do
		received vm"$n" "${pids[n]}" <<<"03:4d:00:01:ff:ff $(mac 1 1) 88b5 1000 42"
		eq "$(port_json vm"$n" tx_frames)" 1
	done
	eq "$(port_json vm1 tx_frames)" 0 "back to the sender"
}

isolation() {
	local pid1 pid2
	virtmesh ensemble add 2
	virtmesh port add vm1 --ensemble 1 --node 1
	virtmesh port add vm2 --ensemble 1 --node 2
	virtmesh port add other --ensemble 2 --node 2
	receive vm2 2
	pid1=$!
	receive other 1
	pid2=$!
	# Foreign by unicast, by its group, and as a spoofed sender: none arrives there.
	frame send vm1 "$(mac 2 2)" "$(mac 1 1)" 0x0800 64 1
	frame send vm1 03:4d:00:02:ff:ff "$(mac 1 1)" 0x0800 64 2
	frame send vm1 "$(mac 2 2)" "$(mac 2 1)" 0x0800 64 3
	frame send vm1 ff:ff:ff:ff:ff:ff "$(mac 1 1)" 0x0800 64 4
	frame send vm1 "$(mac 1 2)" "$(mac 1 1)" 0x0800 64 5
	received vm2 "$pid1" <<-END
		ff:ff:ff:ff:ff:ff $(mac 1 1) 0800 64 4
		$(mac 1 2) $(mac 1 1) 0800 64 5
	END
	eq "$(sed 1d "$tmp/other.frames")" "" "in the other ensemble"
	kill "$pid2"
	wait "$pid2" || :
	eq "$(port_json other tx_frames)" 0
	eq "$(drops_json vm1 foreign)" 2
	eq "$(drops_json vm1 spoof)" 1
}

drops_json() {
	local i name
	virtmesh drops --json >"$tmp/drops.json"
	for ((i = 0; ; i++)); do
		name=$(jsonget "/$i/port" <"$tmp/drops.json") || fail "there is no port $1"
		[ "$name" != "$1" ] || break
	done
	jsonget "/$i/drops/$2" <"$tmp/drops.json"
}

after_del() {
	local pid
	virtmesh port add vm1 --ensemble 1 --node 1
	virtmesh port add vm2 --ensemble 1 --node 2
	virtmesh port add vm3 --ensemble 1 --node 3
	virtmesh port del vm2
	receive vm3 2
	pid=$!
	frame send vm1 "$(mac 1 2)" "$(mac 1 1)" 0x0800 64 1
	frame send vm1 03:4d:00:01:ff:ff "$(mac 1 1)" 0x0800 64 2
	frame send vm1 "$(mac 1 3)" "$(mac 1 1)" 0x0800 64 3
	received vm3 "$pid" <<-END
		03:4d:00:01:ff:ff $(mac 1 1) 0800 64 2
		$(mac 1 3) $(mac 1 1) 0800 64 3
	END
	eq "$(drops_json vm1 no-node)" 1
}

# Others come and go, the group is rebuilt: what flows meanwhile arrives, all of it.
while_others_change() {
	local pid n
	virtmesh port add vm1 --ensemble 1 --node 1
	virtmesh port add vm2 --ensemble 1 --node 2
	receive vm2 4000 60
	pid=$!
	(
		for n in $(seq 0 99); do
			frame send vm1 "$(mac 1 2)" "$(mac 1 1)" 0x0800 100 $((n * 40)) 20
			frame send vm1 ff:ff:ff:ff:ff:ff "$(mac 1 1)" 0x0800 100 $((n * 40 + 20)) 20
		done
	) &
	for n in $(seq 3 9); do
		virtmesh port add vm"$n" --ensemble 1 --node "$n" >/dev/null
	done
	for n in $(seq 3 9); do
		virtmesh port del vm"$n" >/dev/null
	done
	wait $! || fail "sender"
	wait "$pid" || fail "lost: $(wc -l <"$tmp/vm2.frames")"
	eq "$(sed 1d "$tmp/vm2.frames" | awk '{ print $5 }' | sort -n | uniq | wc -l)" 4000
	eq "$(port_json vm1 drops) $(port_json vm2 lost)" "0 0"
}

mtu() {
	local pid
	virtmesh port add vm1 --ensemble 1 --node 1 --mtu 3000
	virtmesh port add vm2 --ensemble 1 --node 2 --mtu 1500
	virtmesh port add vm3 --ensemble 1 --node 3 --mtu 3000
	receive vm3 2
	pid=$!
	frame send vm1 "$(mac 1 2)" "$(mac 1 1)" 0x0800 1515 1
	frame send vm1 ff:ff:ff:ff:ff:ff "$(mac 1 1)" 0x0800 1515 2
	frame send vm1 "$(mac 1 3)" "$(mac 1 1)" 0x0800 3015 3
	frame send vm1 "$(mac 1 3)" "$(mac 1 1)" 0x0800 3014 4
	# With the small one gone the group takes long frames.
	virtmesh port del vm2
	frame send vm1 ff:ff:ff:ff:ff:ff "$(mac 1 1)" 0x0800 3014 5
	received vm3 "$pid" <<-END
		$(mac 1 3) $(mac 1 1) 0800 3014 4
		ff:ff:ff:ff:ff:ff $(mac 1 1) 0800 3014 5
	END
	eq "$(drops_json vm1 dest-mtu)" 2
	eq "$(drops_json vm1 oversize)" 1
}

case_on "unicast: all bytes, exact counters" with_mesh unicast
case_on "group: every other node once, the sender not" with_mesh group
case_on "isolation: nothing crosses between ensembles, and it is counted" with_mesh isolation
case_on "a removed port gets nothing, and the others go on" with_mesh after_del
case_on "ports come and go while frames flow: none is lost" with_mesh while_others_change
case_on "MTU: of the sender, of the receiver, of the group" with_mesh mtu
finish
