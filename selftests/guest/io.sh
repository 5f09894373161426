#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Step two: the driver's base, virtmesh_io, between a guest and plain taps without
# XDP. Every frame is numbered and its bytes compared. Only devices with a mesh MAC
# are ever touched.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
isolate "$@"
# shellcheck source=../guests.sh
. "$(dirname "$0")/../guests.sh"

MTU=3366 # the default of include/virtmesh/types.h

# device TAP MAC [PROPERTY]...: QEMU's arguments for a mesh-like port.
device() {
	local tap=$1 mac=$2
	shift 2
	echo "-netdev tap,id=$tap,ifname=$tap,script=no,downscript=no" \
		"-device virtio-net-pci,id=nic-$tap,netdev=$tap,mac=$mac,disable-legacy=on,host_mtu=$MTU,$(
		)csum=off,gso=off,guest_csum=off,guest_tso4=off,guest_tso6=off,guest_ecn=off,$(
		)guest_ufo=off,host_tso4=off,host_tso6=off,host_ecn=off,host_ufo=off${*:+,$*}"
}

plain_tap() {
	ip tuntap add dev "$1" mode tap vnet_hdr
	ip link set "$1" mtu "$MTU" txqueuelen 4096 up
	# Quiet: the host's own IPv6 says nothing there.
	echo 1 >"/proc/sys/net/ipv6/conf/$1/disable_ipv6"
}

start() {
	plain_tap t1
	plain_tap t2
	if uml; then
		uml_port t1 --tap t1 --mac 02:4d:00:07:00:01
		uml_port t2 --tap t2 --mac 52:54:00:12:34:56 --queues 1
		vm_start a "virtio_uml.device=$VM_DIR/t1.sock:1" "virtio_uml.device=$VM_DIR/t2.sock:1"
	else
		# shellcheck disable=SC2046 # words
		vm_start a $(device t1 02:4d:00:07:00:01) $(device t2 52:54:00:12:34:56)
	fi
	vm_wait a
	# Which virtio device is which, by the MAC in its configuration.
	vm_exec a 'for d in /sys/bus/virtio/devices/*; do
			[ "$(cat $d/device)" = 0x0001 ] || continue
			echo ${d##*/}
			# Built into some kernels, virtio_net has them already.
			[ ! -e $d/driver ] || echo ${d##*/} >$d/driver/unbind
		done' >"$tmp/nets"
	eq "$(wc -l <"$tmp/nets")" 2 "network devices"
}

# driver DEVICE: the name of its driver, or "-"
driver() { vm_exec a "d=\$(readlink /sys/bus/virtio/devices/$1/driver) && basename \$d || echo -"; }
status() { vm_exec a "cat /sys/bus/virtio/devices/$1/status"; }

claims_only_its_own() {
	vm_exec a 'modprobe virtmesh_io'
	read -r -d '' mesh foreign <"$tmp/nets" || :
	eq "$(driver "$mesh")" virtmesh_io
	eq "$(driver "$foreign")" -
	# ACKNOWLEDGE is the bus's; FAILED (0x80) would be a driver's that tried it.
	eq "$(status "$foreign")" 0x00000001 "status of the foreign device"
	eq "$(status "$mesh")" 0x0000000f "status of the mesh device"
	# By name it is refused too, and nothing is written to it.
	fails 1 vm_exec a "echo $foreign >/sys/bus/virtio/drivers/virtmesh_io/claim"
	fails 1 vm_exec a "echo nonsense >/sys/bus/virtio/drivers/virtmesh_io/claim"
	eq "$(status "$foreign")" 0x00000001 "status of the foreign device"
	# The rightful driver finds it as new.
	vm_exec a "modprobe virtio_net; [ -e /sys/bus/virtio/devices/$foreign/driver ] ||
		echo $foreign >/sys/bus/virtio/drivers_probe"
	eq "$(driver "$foreign")" virtio_net
	eq "$(driver "$mesh")" virtmesh_io
}

counts() { sed -n 's/^seed=1 \(.*\) max=.* reordered=\([0-9]*\).*/\1 reordered=\2/p; s/^total=.* \(corrupt.*\)/\1/p'; }
exact() { # N: what counts prints when all N came once, in order
	printf 'received=%s distinct=%s reordered=0\ncorrupt=0 foreign=0 dropped=0' "$1" "$1"
}

# Every size from the smallest the test can number to the largest frame.
to_host() {
	receive host r -n 3351 t1
	at a 'traffic send -n 3351 -s 30-3380 -r 4000 /dev/virtmesh_io0'
	outcome host r
	eq "$(counts <<<"$out")" "$(exact 3351)"
}
to_guest() {
	receive a r -n 3351 /dev/virtmesh_io0
	at host 'traffic send -n 3351 -s 30-3380 -r 1000 t1'
	outcome a r
	eq "$(counts <<<"$out")" "$(exact 3351)"
}
bursts() {
	local size
	for size in 60 1514 3380; do
		receive host r -n 1500 -s "$size" t1
		# Below the reader's queue of 1024 and the tap's ring: none may be lost.
		receive a r -n 1000 /dev/virtmesh_io0
		begin host s "traffic send -n 1000 -s $size t1"
		at a "traffic send -n 1500 -s $size /dev/virtmesh_io0"
		result host s
		outcome a r
		eq "$(counts <<<"$out")" "$(exact 1000)" "to the guest, $size bytes"
		outcome host r
		eq "$(counts <<<"$out")" "$(exact 1500)" "to the host, $size bytes"
	done
}

interrupts_are_few() {
	# Batches, not an interrupt a frame: event index and NAPI do their work.
	local before after
	before=$(vm_exec a 'awk "/virtio.*-(input|output|rx|tx|virtqueues)|virtmesh/ { for (i = 2; i <= 3; i++) n += \$i } END { print n + 0 }" /proc/interrupts')
	receive a r -n 1000 /dev/virtmesh_io0
	at host 'traffic send -n 1000 t1'
	result a r
	after=$(vm_exec a 'awk "/virtio.*-(input|output|rx|tx|virtqueues)|virtmesh/ { for (i = 2; i <= 3; i++) n += \$i } END { print n + 0 }" /proc/interrupts')
	[ $((after - before)) -lt 1000 ] || fail "$((after - before)) interrupts for 1000 frames"
}

reload_under_traffic() {
	local i
	for i in 1 2 3; do
		begin host s 'traffic send -n 4000000 -t 300 -r 20000 t1'
		begin a w 'traffic send -n 4000000 -t 300 /dev/virtmesh_io0'
		begin a r 'traffic recv -n 4000000 -t 300 /dev/virtmesh_io0'
		vm_exec a 'until grep -q ready /tmp/r.err && grep -q ready /tmp/w.err; do sleep 0.01; done'
		# Open files pin the module: take the device from the driver instead.
		vm_exec a "echo $(head -n 1 "$tmp/nets") >/sys/bus/virtio/drivers/virtmesh_io/unbind"
		# Both ends are told, at once: neither hangs nor sends into nothing.
		fails 3 result a w
		[[ $out == *error=ENODEV* ]] || fail "writer: $out"
		fails 3 result a r
		[[ $out == *error=ENODEV* ]] || fail "reader: $out"
		vm_exec a 'rmmod virtmesh_io && modprobe virtmesh_io'
		wait_until 20 vm_exec a 'test -c /dev/virtmesh_io0'
		interrupt host s
		result host s >/dev/null || :
	done
	# What the last flood left in the tap's ring comes first, and counts as its own.
	to_host
	receive a r -n 1000 --seed 2 /dev/virtmesh_io0
	at host 'traffic send -n 1000 --seed 2 -s 30-3380 -r 2000 t1'
	result a r | grep '^seed=2 received=1000 distinct=1000 .*reordered=0'
}

hot_unplug_under_traffic() {
	begin host s 'traffic send -n 4000000 -t 300 -r 20000 t1'
	begin a w 'traffic send -n 4000000 -t 300 /dev/virtmesh_io0'
	begin a r 'traffic recv -n 4000000 -t 300 /dev/virtmesh_io0'
	vm_exec a 'until grep -q ready /tmp/r.err && grep -q ready /tmp/w.err; do sleep 0.01; done'
	vm_unplug a t1
	fails 3 result a w
	[[ $out == *error=ENODEV* ]] || fail "writer: $out"
	fails 3 result a r
	[[ $out == *error=ENODEV* ]] || fail "reader: $out"
	interrupt host s
	vm_exec a 'rmmod virtmesh_io'
}

guests_init
run "boot with one mesh device and one foreign" start
run "load: the mesh device is claimed, the foreign one is never touched" claims_only_its_own
run "guest to host: every size from 30 to 3380, byte for byte, in order" to_host
run "host to guest: every size from 30 to 3380, byte for byte, in order" to_guest
run "bursts both ways at once: nothing lost" bursts
run "a burst takes fewer interrupts than frames" interrupts_are_few
run "unbind, rmmod and insmod under traffic, three times" reload_under_traffic
run "hot unplug under traffic: reader and writer get ENODEV" hot_unplug_under_traffic
guests_finish
