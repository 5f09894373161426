#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Step three: virtmesh.ko in guests on real steering, with the real broker: how it
# gets its device, joins, shows itself, sleeps and wakes, and every call of its
# device file. What nodes do to each other is the mesh level's.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
isolate "$@"
# shellcheck source=../guests.sh
. "$(dirname "$0")/../guests.sh"
# shellcheck source=../nodes.sh
. "$(dirname "$0")/../nodes.sh"

JUMBO=9000

# With two pairs of queues and without a control queue, which User-Mode Linux has
# not, the kernel's own driver takes no device; but here it must.
# shellcheck disable=SC2034 # it is uml.sh's
UML_PORT_ARGS='--queues 1'

boot() {
	virtmesh ensemble add 7
	# No broker yet. Another network card beside the mesh's in n1.
	ip tuntap add dev other mode tap vnet_hdr
	ip link set other up
	if uml; then
		uml_port other --tap other --mac 52:54:00:00:00:01 --queues 1
		mesh_node n1 7 1 "virtio_uml.device=$VM_DIR/other.sock:1"
	else
		mesh_node n1 7 1 -netdev tap,id=other,ifname=other,script=no,downscript=no \
			-device virtio-net-pci,netdev=other,mac=52:54:00:00:00:01,disable-legacy=on
	fi
	mesh_node n2 7 2
	vm_wait n1
	vm_wait n2
}

# netdevs GUEST: name and driver of each network interface with a device
netdevs() {
	vm_exec "$1" 'for n in /sys/class/net/*/device/driver; do
			i=${n#/sys/class/net/}; d=$(readlink $n)
			echo ${i%%/*}=${d##*/}
		done' | sort | tr '\n' ' '
}

bound_on_purpose() {
	# virtio_net first: it takes both, as after a boot without our rules.
	vm_exec n1 'modprobe virtio_net'
	eq "$(netdevs n1)" "eth0=virtio_net eth1=virtio_net "
	vm_exec n1 'virtmesh-bind --all'
	[[ "$(netdevs n1)" =~ ^eth[01]=virtio_net\ mesh0=virtmesh\ $ ]] || fail "$(netdevs n1)"
	eq "$(vm_exec n1 'cat /sys/class/net/eth*/address')" 52:54:00:00:00:01 "left with virtio_net"
	eq "$(vm_exec n1 'cat /sys/class/net/mesh0/address')" "$(mac 7 1)"
	# Again: nothing to do. Refused by hand: what is not of the mesh.
	vm_exec n1 'virtmesh-bind --all'
	other=$(vm_exec n1 'cd /sys/class/net; echo eth*')
	fails 1 vm_exec n1 "virtmesh-bind $other"
	# And back, and here again.
	vm_exec n1 'virtmesh-bind --release mesh0'
	eq "$(netdevs n1)" "eth0=virtio_net eth1=virtio_net "
	vm_exec n1 'virtmesh-bind --all'
	[[ "$(netdevs n1)" =~ ^eth[01]=virtio_net\ mesh0=virtmesh\ $ ]] || fail "$(netdevs n1)"
}

without_a_broker() {
	vm_exec n2 'modprobe virtmesh && virtmesh-bind --all'
	eq "$(info n2 state)" JOINING
	eq "$(info n2 incarnation)/$(info n2 epoch)" 0/0
	fails 4 vm_exec n2 'mesh info'
	fails 4 vm_exec n2 'mesh peers'
	fails 4 vm_exec n2 'mesh ping 1 -c 1'
	fails 4 vm_exec n2 'mesh send all'
	fails 4 vm_exec n2 'mesh perf barrier -N 1,2'
	vm_exec n2 'ip link set mesh0 up'
	eq "$(vm_exec n2 'cat /sys/class/net/mesh0/carrier')" 0 "carrier"
}

joins_by_itself() {
	mesh_broker_start
	wait_until 45 is JOINED info n2 state
	wait_until 45 is JOINED info n1 state
	eq "$(vm_exec n2 'cat /sys/class/net/mesh0/carrier')" 1 "carrier"
	wait_until 20 peers_up n1 2
	wait_until 20 peers_up n2 2
	vm_exec n1 'mesh ping 2 -q -i 0 -c 100'
	# One line in the log for it, with what a reader wants to know.
	vm_klog n2 >/dev/null
	eq "$(grep -c 'joined' "$VM_DIR/n2/dmesg.log")" 1
}

shows_itself() {
	vm_exec n1 'ethtool -i mesh0' >"$tmp/i"
	grep -x 'driver: virtmesh' "$tmp/i"
	grep 'version: 0' "$tmp/i"
	uml || grep 'bus-info: 0000:' "$tmp/i"
	before=$(counter n1 echo_replies)
	rx=$(counter n1 rx_ring_frames)
	tx=$(counter n1 tx_ring_frames)
	vm_exec n1 'mesh ping 2 -q -i 0 -c 50'
	eq $(($(counter n1 echo_replies) - before)) 50 echo_replies
	[ $(($(counter n1 rx_ring_frames) - rx)) -ge 50 ] || fail rx_ring_frames
	[ $(($(counter n1 tx_ring_frames) - tx)) -ge 50 ] || fail tx_ring_frames
	eq "$(peer n2 1 rx_frames)" "$(peer n1 2 tx_frames)" "frames 1 to 2, as both say"
	vm_exec n1 'mesh peers; mesh info'
	# The tool's own manners.
	fails 3 vm_exec n1 'mesh info --device /dev/virtmesh9'
	fails 3 vm_exec n1 'mesh info --device /dev/null'
	fails 2 vm_exec n1 'mesh ping'
	fails 2 vm_exec n1 'mesh ping 5000'
	fails 2 vm_exec n1 'mesh nonsense'
}

reader_with_a_short_buffer() {
	# EMSGSIZE, and the datagram is still there for a buffer that is large enough.
	receive n2 r -n 3 --channel 5 /dev/virtmesh0
	vm_exec n1 'traffic send -n 3 -s 3000 --channel 5 --dst 2 /dev/virtmesh0'
	outcome n2 r
	[[ $out == *'total=3 corrupt=0'* ]] || fail "$out"
}

sleeps_and_wakes() {
	# The whole cycle but the hardware: devices suspended, and resumed after 1 s.
	local life i
	life=$(info n1 incarnation)
	vm_exec n1 '[ -w /sys/power/pm_test ]' || skip "this guest kernel has no pm_test"
	for i in 1 2; do
		vm_exec n1 -t 60 'echo 1 >/sys/module/suspend/parameters/pm_test_delay
			echo devices >/sys/power/pm_test
			echo freeze >/sys/power/state
			echo none >/sys/power/pm_test'
		wait_until 30 is JOINED info n1 state
		vm_exec n1 'mesh ping 2 -q -i 0 -c 100 -s 3000'
		wait_until 30 peers_up n2 2
	done
	eq "$(info n1 incarnation)" "$life" "incarnation"
	[ "$(vm_exec n1 'cat /sys/power/suspend_stats/success')" -ge 2 ] || fail "it did not sleep"
}

ring_sizes() {
	local rx
	vm_exec n1 'ethtool -g mesh0' >"$tmp/g"
	rx=$(awk '/^RX:/ { n = $2 } END { print n }' "$tmp/g")
	[ "$rx" -gt 0 ] || fail "$(cat "$tmp/g")"
	vm_exec n1 'ethtool -G mesh0 rx 64 tx 64 2>&1' ||
		skip "this VMM's device cannot reset a ring"
	vm_exec n1 'mesh ping 2 -q -i 0 -c 200 -s 3000'
	eq "$(vm_exec n1 'ethtool -g mesh0' | awk '/^RX:/ { n = $2 } END { print n }')" 64
	vm_exec n1 "ethtool -G mesh0 rx $rx"
	vm_exec n1 'mesh ping 2 -q -i 0 -c 200 -s 3000'
}

jumbo() {
	virtmesh ensemble add 9
	local args n
	for n in 1 2; do
		virtmesh port add "j$n" --ensemble 9 --node "$n" --mtu "$JUMBO"
		args=$(vm_nic "j$n")
		# shellcheck disable=SC2086 # words
		vm_start "j$n" $args
	done
	for n in 1 2; do
		vm_wait "j$n"
		mesh_load "j$n"
	done
	eq "$(vm_exec j1 'cat /sys/class/net/mesh0/mtu')" "$JUMBO"
	eq "$(info j1 dgram_max)" $((JUMBO - 20))
	for n in 3346 4096 8192 $((JUMBO - 20)); do
		vm_exec j1 "mesh ping 2 -q -i 0 -c 100 -s $n"
	done
	receive j2 r -n 500 /dev/virtmesh0
	vm_exec j1 "traffic send -n 500 -r 500 -s 32-$((JUMBO - 20)) --dst 2 /dev/virtmesh0"
	outcome j2 r
	eq "$(received 1 <<<"$out")" "500 500 0"
	mesh_unnode j1
	mesh_unnode j2
}

# After waits: one line for a deadline that passed, as people say it, and what was before.
tells_who_was_missing() {
	vm_klog n1 >/dev/null
	grep -E 'virtmesh0: receive of group 4242: node 2 [a-z ]+ for [0-9]{2,} ms, 0 of 100 bytes had come' \
		"$VM_DIR/n1/dmesg.log" || fail "$(tail "$VM_DIR/n1/dmesg.log")"
	grep -E 'virtmesh0: before that, receive 0 of group 4242: failed \(-110\) after [0-9]{5,} us, 0 bytes' \
		"$VM_DIR/n1/dmesg.log" || fail "$(tail "$VM_DIR/n1/dmesg.log")"
}

# And what the transport did for it.
counts_the_transport() {
	[ "$(counter n1 transport_frames_sent)" -gt 0 ] || fail transport_frames_sent
	[ "$(counter n1 transport_bytes_sent)" -gt 0 ] || fail transport_bytes_sent
	eq "$(vm_exec n1 'ethtool -S mesh0' | grep -c transport_)" 8 lines
}

words=()
for program in buffers calls chardev waits; do
	words+=("$(guest_program $program):bin/$program")
done
guests_init "${words[@]}"
run "two guests boot, no broker" boot
run "virtmesh-bind takes the mesh device from virtio_net, gives it back, spares the other" \
	bound_on_purpose
run "without a broker: JOINING, no carrier, every call says so" without_a_broker
run "the broker starts: both join by themselves, carrier comes" joins_by_itself
run "ethtool, mesh info, mesh peers tell what happened" shows_itself
out=$(vm_exec n1 -t 60 'SELF=1 PEER=2 chardev')
tap_cases $? <<<"$out"
out=$(vm_exec n1 -t 60 'buffers')
tap_cases $? <<<"$out"
out=$(vm_exec n1 -t 60 'SELF=1 PEER=2 calls')
tap_cases $? <<<"$out"
begin n2 partner 'waits partner 4242 1 2'
out=$(vm_exec n1 -t 120 'SELF=1 PEER=2 waits')
tap_cases $? <<<"$out"
interrupt n2 partner KILL
run "the kernel log names who was missing when a deadline passed" tells_who_was_missing
run "ethtool -S has the transport's sums over all peers" counts_the_transport
run "datagrams near the limit are read whole" reader_with_a_short_buffer
run "suspend and resume, twice: same life, frames go on" sleeps_and_wakes
run "ethtool -G: rings of another size carry frames" ring_sizes
run "MTU 9000 by the port: interface, datagrams and round trips use it" jumbo
guests_finish
