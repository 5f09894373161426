#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Step one: stock virtio. The entropy device of this VMM, kernel and initramfs
# works, and the channel that all later tests use does what it says. Whatever
# fails here is not the mesh's fault.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
isolate "$@"
# shellcheck source=../guests.sh
. "$(dirname "$0")/../guests.sh"

boots() {
	local nic=()
	if uml; then
		ip tuntap add dev t0 mode tap vnet_hdr
		ip link set t0 txqueuelen 4096 up
		echo 1 >/proc/sys/net/ipv6/conf/t0/disable_ipv6
		# The kernel's own driver wants a control queue for more than one pair.
		uml_port a --tap t0 --mac 52:54:00:00:00:01 --queues 1
		nic=("virtio_uml.device=$VM_DIR/a.sock:1")
	fi
	vm_start a "${nic[@]}"
	vm_wait a
	eq "$(vm_exec a 'uname -r')" "$VM_VERSION" "kernel"
}

exec_output_and_status() {
	fails 7 vm_exec a 'echo out; echo err >&2; exit 7'
	eq "$out" $'out\nerr'
	# Bytes, not lines; and more than a pipe holds.
	eq "$(vm_exec a 'yes 0123456789 | head -c 300000' | sha256sum)" \
		"$(yes 0123456789 | head -c 300000 | sha256sum)" "300000 bytes"
	eq "$(vm_exec a 'printf "done 1 2 3\nno newline"')" $'done 1 2 3\nno newline'
}

exec_deadline() {
	fails 137 vm_exec a -t 1 'sleep 60'
	# The channel goes on.
	eq "$(vm_exec a 'echo still here')" "still here"
}

put_is_exact() {
	vm_put a "$BASH" /tmp/bash
	eq "$(vm_exec a 'sha256sum </tmp/bash')" "$(sha256sum <"$BASH")"
}

registers_hold() {
	local rc=0
	vm_put a "$(guest_program fpregs)" /tmp/fpregs
	vm_exec a -t 300 'chmod +x /tmp/fpregs && /tmp/fpregs 3000' || rc=$?
	[ "$rc" != 4 ] || skip "not a processor that the program knows"
	return "$rc"
}

rng() {
	vm_exec a 'modprobe virtio-rng'
	eq "$(vm_exec a 'cat /sys/class/misc/hw_random/rng_current')" virtio_rng.0
	# Two reads of the device through its ring: all there, and different.
	out=$(vm_exec a '
		for i in 1 2; do
			dd if=/dev/hwrng bs=4096 count=16 iflag=fullblock 2>/dev/null >/tmp/rng$i || exit
			stat -c %s /tmp/rng$i
		done
		cmp -s /tmp/rng1 /tmp/rng2 && echo same
		gzip -c /tmp/rng1 | wc -c')
	read -r -d '' a b packed <<<"$out" || :
	eq "$a $b" "65536 65536"
	# Random bytes do not compress.
	[ "$packed" -gt 65000 ] || fail "65536 bytes packed to $packed"
}

rng_driver_unbinds_and_binds() {
	vm_exec a '
		set -e
		cd /sys/bus/virtio/drivers/virtio_rng
		dev=$(basename "$(ls -d virtio*)")
		echo "$dev" >unbind
		[ ! -e "$dev" ]
		echo "$dev" >bind
		dd if=/dev/hwrng bs=512 count=1 iflag=fullblock of=/dev/null'
}

# The kernel's own driver, so that what fails here is the port's fault.
net() {
	vm_exec a 'modprobe virtio_net && echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6 &&
		ip link set eth0 up && cat /sys/class/net/eth0/address' | grep -x 52:54:00:00:00:01
	net_both_ways
}
net_both_ways() {
	receive host r -n 1455 t0
	vm_exec a 'traffic send -n 1455 -s 60-1514 -r 2000 eth0'
	outcome host r
	[[ $out == *'received=1455 distinct=1455 '*'reordered=0'* ]] || fail "to the host: $out"
	receive a r -n 1455 eth0
	at host 'traffic send -n 1455 -s 60-1514 -r 2000 t0'
	outcome a r
	[[ $out == *'received=1455 distinct=1455 '*'reordered=0'* ]] || fail "to the guest: $out"
}
net_unbinds_and_binds() {
	vm_exec a '
		set -e
		cd /sys/bus/virtio/drivers/virtio_net
		dev=$(basename "$(ls -d virtio*)")
		echo "$dev" >unbind
		[ ! -e "$dev" ]
		echo "$dev" >bind
		echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6
		ip link set eth0 up'
	net_both_ways
}

complain() { vm_exec a "echo 'WARNING: CPU: 0 PID: 1 at $1' >/dev/kmsg"; }
# seen WORD...: the scan finds these, and the next one nothing: the next case starts
# with a clean log.
seen() {
	local word
	fails 1 guests_klog
	for word; do
		[ "$(grep -c "$word" <<<"$out")" = 1 ] || fail "not once $word: $out"
	done
	guests_klog
}

complaints_are_seen() {
	complain nowhere.c:1
	seen nowhere.c:1
	# Also when somebody else has read the log already.
	complain nowhere.c:2
	vm_klog a >/dev/null
	seen nowhere.c:2
}

# The kernel that complained is gone before anybody looks, in each way a guest goes.
last_words_are_seen() {
	complain reset.c:1
	vm_reset a
	vm_wait a
	complain stopped.c:1
	vm_stop a
	# In the middle of a line; what the next life says is none of it.
	printf 'it was killed here: WARNI' >>"$VM_DIR/a/console.log"
	vm_start a
	vm_wait a
	seen reset.c:1 stopped.c:1
	vm_stop a
	printf 'and here: WARNI' >>"$VM_DIR/a/console.log"
	vm_start a
	vm_wait a
	guests_klog
	complain killed.c:1
	kill -9 "$(cat "$VM_DIR/a/pid")"
	wait_until 10 gone a
	vm_start a
	vm_wait a
	seen killed.c:1
}
gone() { ! vm_alive "$1"; }

reset() {
	id=$(vm_exec a 'cat /proc/sys/kernel/random/boot_id')
	vm_reset a
	vm_wait a
	[ "$(vm_exec a 'cat /proc/sys/kernel/random/boot_id')" != "$id" ] || fail "same boot"
}

killed_guest_is_told() {
	kill -9 "$(cat "$VM_DIR/a/pid")"
	fails 125 vm_exec a true
	vm_stop a
}

guests_init
run "a stock guest boots and takes commands" boots
run "a command's output and status come back byte for byte" exec_output_and_status
run "a command that hangs is ended at its deadline" exec_deadline
run "a file put into the guest arrives exactly" put_is_exact
run "vector registers hold over calls, between threads and through signals" registers_hold
if uml; then # which has no entropy device
	run "stock network device: every size through virtmesh-port's rings, byte for byte" net
	run "stock network device: unbound and bound again, it works" net_unbinds_and_binds
else
	run "stock entropy device: random bytes come through its ring" rng
	run "stock entropy device: unbound and bound again, it works" rng_driver_unbinds_and_binds
fi
run "a complaint in the guest's kernel log is seen, and fails its case" complaints_are_seen
run "what a kernel said that was reset, stopped or killed since is seen, and fails its case" last_words_are_seen
run "reset: the guest boots anew and takes commands" reset
run "a killed guest is told, not waited for" killed_guest_is_told
guests_finish
