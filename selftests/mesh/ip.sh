#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# mesh0 as a network interface for programs that know nothing of the mesh: ARP,
# ping, TCP with the bytes compared, and every frame of all that accounted for,
# from the sender's ring through the host to the receiver's.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
isolate "$@"
# shellcheck source=../guests.sh
. "$(dirname "$0")/../guests.sh"
# shellcheck source=../nodes.sh
. "$(dirname "$0")/../nodes.sh"

MTU=3366
FLOOD=200 # frames, at least, in the 2 s of a flood: a slow kernel on a busy machine

interface() {
	eq "$(vm_exec n1 'cat /sys/class/net/mesh0/address')" "$(mac 7 1)"
	eq "$(vm_exec n1 'cat /sys/class/net/mesh0/mtu')" "$MTU"
	eq "$(vm_exec n1 'cat /sys/class/net/mesh0/carrier')" 1
	vm_exec n1 'ethtool -i mesh0' | grep -x 'driver: virtmesh'
	vm_exec n1 'ethtool mesh0' | grep 'Link detected: yes'
	# Its address is who it is, and its MTU what the mesh carries.
	fails 2 vm_exec n1 'ip link set mesh0 address 02:00:00:00:00:01 2>/dev/null'
	fails 2 vm_exec n1 "ip link set mesh0 mtu $((MTU + 1)) 2>/dev/null"
	fails 2 vm_exec n1 'ip link add link mesh0 name v5 type vlan id 5 2>/dev/null'
	vm_exec n1 "ip link set mesh0 mtu 1280; ip link set mesh0 mtu $MTU"
}

icmp() {
	local i j size
	for i in 1 2 3; do
		mesh_ip "n$i"
	done
	for i in 1 2 3; do
		for j in 1 2 3; do
			[ "$i" != "$j" ] || continue
			for size in 8 1000 $((MTU - 28)); do
				out=$(vm_exec "n$i" "ping -q -c 20 -i 0.01 -s $size 10.0.7.$j")
				[[ $out == *' 20 packets received'* ]] || fail "$i to $j, $size: $out"
			done
		done
	done
	# Above the MTU: in fragments.
	vm_exec n1 'ping -q -c 5 -i 0.01 -s 20000 10.0.7.2' | grep ' 5 packets received'
}

# listen GUEST PORT, then send GUEST IP PORT: the checksum of MIB random bytes as
# the receiver saw them, against the sender's own.
listen() {
	vm_exec "$1" "nc -l -p $2 -e sha256sum >/dev/null 2>&1 &
		until netstat -tln | grep -q ':$2 '; do usleep 20000; done"
}
tcp() { # FROM NODE PORT MIB
	vm_exec "$1" -t 100 "dd if=/dev/urandom of=/tmp/data$3 bs=1M count=$4 2>/dev/null
		sha256sum </tmp/data$3
		nc 10.0.7.$2 $3 </tmp/data$3
		rm /tmp/data$3"
}
same_sums() {
	[[ $1 =~ ^([0-9a-f]{64})\ \ -$'\n'([0-9a-f]{64})\ \ -$ ]] || fail "$1"
	eq "${BASH_REMATCH[2]}" "${BASH_REMATCH[1]}" "$2"
}

tcp_transfer() {
	listen n2 5001
	same_sums "$(tcp n1 2 5001 16)" "n1 to n2"
}

tcp_all_ways() {
	local i j pids=()
	for i in 1 2 3; do
		for j in 1 2 3; do
			[ "$i" = "$j" ] || listen "n$j" "60$i$j"
		done
	done
	# Commands to one guest wait for each other: one script each.
	for i in 1 2 3; do
		vm_exec "n$i" -t 100 "
			for j in 1 2 3; do
				[ \$j != $i ] || continue
				(
					dd if=/dev/urandom of=/tmp/d\$j bs=1M count=4 2>/dev/null
					{ sha256sum </tmp/d\$j; nc 10.0.7.\$j 60$i\$j </tmp/d\$j; } >/tmp/s\$j
				) &
			done
			wait
			cat /tmp/s*" >"$tmp/sums$i" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i"
	done
	for i in 1 2 3; do
		eq "$(wc -l <"$tmp/sums$i")" 4
		same_sums "$(head -n 2 "$tmp/sums$i")" "first of n$i"
		same_sums "$(tail -n 2 "$tmp/sums$i")" "second of n$i"
	done
}

# Flood so that the receiver cannot keep up, then: what the sender's ring handed
# out came to the host; what the host steered, less what it counted lost, came to
# the receiver's ring. (What came for a guest before its driver was there QEMU
# throws away, unseen: so both are counted from a moment when nothing was under way.)
accounted() {
	local i before=()
	for i in 1 2 3; do
		before[i]=$(gaps "n$i")
	done
	begin n1 f1 'traffic send -n 4000000 -t 2 -s 60-3380 --src 02:4d:00:07:00:01 --dst 02:4d:00:07:00:03 mesh0'
	begin n2 f2 'traffic send -n 4000000 -t 2 -s 60-3380 --src 02:4d:00:07:00:02 --dst ff:ff:ff:ff:ff:ff mesh0'
	flooded n1 f1
	flooded n2 f2
	for i in 1 2 3; do
		wait_until 45 is "${before[i]}" gaps "n$i"
	done
	echo "lost: n1 $(lost n1), n2 $(lost n2), n3 $(lost n3)"
}
# flooded GUEST TAG: its time was up before its frames were, and it sent a good many.
flooded() {
	fails 1 result "$1" "$2"
	[[ $out =~ ^sent=([0-9]+)\  ]] || fail "$1: $out"
	echo "$1: $out"
	[ "${BASH_REMATCH[1]}" -ge "$FLOOD" ] || fail "$1 sent less than $FLOOD frames"
}
# gaps GUEST: frames it sent less those the host had from it; frames the host gave
# it less those it got, and those it found malformed
gaps() {
	local sent got bad
	read -r sent got bad < <(vm_exec "$1" 'ethtool -S mesh0' | awk '
		/ tx_ring_frames:/ { t = $2 } / rx_ring_frames:/ { r = $2 } / rx_bad_len:/ { b = $2 }
		END { print t, r, b }')
	echo "$((sent - $(port "$1" rx_frames))) $(($(port "$1" tx_frames) - $(lost "$1") - got)) $bad"
}

# No probes meanwhile: they would be under way whenever one counts.
broker_args=(--probe-ms 1800000 --dead-ms 3600000)
mesh_up 3 7
run "mesh0 says what it is, and refuses another address, a larger MTU, a VLAN" interface
run "ping between all, from 8 bytes to the MTU, and in fragments" icmp
run "TCP: 16 MiB arrive as they were sent" tcp_transfer
run "TCP: six transfers at once, every pair both ways, arrive as they were sent" tcp_all_ways
run "a flood: every frame sent is delivered or counted, at every node" accounted
run "and still: TCP after the flood" tcp_transfer
guests_finish
