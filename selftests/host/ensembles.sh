#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Ensembles: the first makes the state, the last takes it away.
. "$(dirname "$0")/../lib.sh"
isolate "$@"
# shellcheck source=host.sh
. "$(dirname "$0")/host.sh"

first_and_last() {
	virtmesh ensemble add 7
	eq "$(cat /sys/class/net/vmesh0/tun_flags)" 0x5802 "flags of vmesh0 (tap, no pi, vnet, persist)"
	eq "$(cat /sys/class/net/vmesh0/tx_queue_len)" 4096 "ring of vmesh0"
	eq "$(port_json vmesh0 mode)" native
	virtmesh ensemble add 8
	virtmesh ensemble del 7
	[ -e "$PINS"/meta ] || fail "gone too early"
	virtmesh ensemble del 8
}

twice() {
	local before
	out=$(virtmesh ensemble add 1)
	says added
	before=$(mapdump)
	out=$(virtmesh ensemble add 1)
	says "exists already"
	eq "$(mapdump)" "$before"
	virtmesh ensemble add 2
	virtmesh ensemble del 2
	fails 3 virtmesh ensemble del 2
	says "no ensemble 2"
	eq "$(mapdump)" "$before"
	virtmesh ensemble del 1
}

del_with_ports() {
	local before
	virtmesh port add vm1 --ensemble 1 --node 1
	before=$(mapdump)
	fails 1 virtmesh ensemble del 1
	says "1 port"
	eq "$(mapdump)" "$before"
}

all_of_them() {
	local e
	for e in $(seq 2 256); do
		virtmesh ensemble add "$e" >/dev/null
	done
	fails 1 virtmesh ensemble add 257
	says "256 ensembles"
	eq "$(virtmesh ensemble list | wc -l)" 257 "lines with the head"
}

name_taken() {
	ip tuntap add dev vmesh0 mode tap
	fails 1 virtmesh ensemble add 1
	says "vmesh0 exists already"
	[ ! -e "$PINS" ] || fail "pins left"
	ip link del vmesh0
}

no_bpffs() {
	umount /sys/fs/bpf
	fails 3 virtmesh show
	says "no bpffs"
	virtmesh doctor | grep -q "warn *bpffs"
	virtmesh ensemble add 1 2>&1 | grep -q "mounted a bpffs"
	virtmesh ensemble del 1
	# It stays mounted: others may use it by now.
	[ "$(stat -f -c %T /sys/fs/bpf)" = bpf_fs ]
}

# Held up where each has seen that there is none.
no_bpffs_at_once() {
	local mounts first second
	mounts=$(bpffs_mounts)
	umount /sys/fs/bpf
	exec 8</sys/fs/bpf
	flock 8
	virtmesh ensemble add 1 --verbose 2>"$tmp/first" 8<&- &
	first=$!
	virtmesh ensemble add 2 --verbose 2>"$tmp/second" 8<&- &
	second=$!
	wait_until 5 grep -q "waiting for another" "$tmp/first"
	wait_until 5 grep -q "waiting for another" "$tmp/second"
	exec 8<&-
	wait "$first"
	wait "$second"
	eq "$(bpffs_mounts)" "$mounts"
	eq "$(virtmesh ensemble list | wc -l)" 3 "ensembles and the head"
	virtmesh ensemble del 1
	virtmesh ensemble del 2
}
bpffs_mounts() { grep -c ' /sys/fs/bpf bpf ' /proc/self/mounts; }

no_bpffs_rolled_back() {
	umount /sys/fs/bpf
	ip tuntap add dev vmesh0 mode tap
	fails 1 virtmesh ensemble add 1
	[ "$(stat -f -c %T /sys/fs/bpf)" != bpf_fs ] || fail "the mount was left"
	ip link del vmesh0
	mount -t bpf bpf /sys/fs/bpf
}

readonly_bpffs() {
	mount -o remount,ro /sys/fs/bpf
	fails 1 virtmesh ensemble add 1
	says "remount,rw"
	mount -o remount,rw /sys/fs/bpf
	nothing_left
}

readonly_later() {
	local before
	before=$(mapdump)
	mount -o remount,ro /sys/fs/bpf
	fails 1 virtmesh port add vm1 --ensemble 1 --node 1
	says "remount,rw"
	fails 1 virtmesh show
	mount -o remount,rw /sys/fs/bpf
	eq "$(mapdump)" "$before"
}

other_netns() {
	virtmesh ensemble add 1
	fails 1 unshare --net "$(command -v virtmesh)" show
	says "another network namespace"
	fails 1 unshare --net "$(command -v virtmesh)" ensemble add 1
	says "another network namespace"
	virtmesh ensemble del 1
}

other_abi() {
	virtmesh ensemble add 1
	bpftool map update pinned "$PINS"/meta key hex 00 00 00 00 value hex ff 00 00 00 \
		00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
	fails 1 virtmesh show
	says "another version"
	fails 1 virtmesh ensemble add 2
	says "another version"
	fails 1 virtmesh doctor
	sweep
}

damaged() {
	virtmesh ensemble add 1
	rm "$PINS"/nodes
	fails 1 virtmesh show
	says "damaged"
	fails 1 virtmesh port add vm1 --ensemble 1 --node 1
	says "rm -r"
	sweep
}

no_btf() {
	mount -t tmpfs tmpfs /sys/kernel/btf
	fails 1 virtmesh ensemble add 1
	says "CONFIG_DEBUG_INFO_BTF"
	fails 1 virtmesh doctor
	says "use a kernel of 6.1 or newer"
	umount /sys/kernel/btf
}

# Each number of open files that is too small fails at another place.
few_files() {
	local n
	for ((n = 8; n < 100; n += 3)); do
		status=0
		out=$(prlimit --nofile="$n" virtmesh ensemble add 1 2>&1) || status=$?
		[ "$status" != 0 ] || break
		says "error: "
		nothing_left
	done
	[ "$n" -gt 20 ]
	[ "$n" -lt 100 ]
	virtmesh ensemble del 1
}

vmesh0_removed() {
	virtmesh port add vm1 --ensemble 1 --node 1
	ip link del vmesh0
	out=$(virtmesh show)
	says "(gone)"
	virtmesh port add vm2 --ensemble 1 --node 2 2>&1 | grep -q "made vmesh0 again"
	eq "$(port_json vmesh0 mode)" native
	eq "$(mapdump | grep -c '^ports')" 3
	eq "$(mapdump | grep '^taps 0:')" "taps 0: ifindex $(cat /sys/class/net/vmesh0/ifindex) prog 0"
}

last_without_vmesh0() {
	virtmesh ensemble add 1
	ip link del vmesh0
	virtmesh ensemble del 1
}

lock_held() {
	local holder adder
	virtmesh ensemble add 1
	flock "$PINS" sleep 1000 &
	holder=$!
	wait_until 5 grep -q "FLOCK .* $holder " /proc/locks
	virtmesh ensemble add 2 &
	adder=$!
	# One that waits stands behind the one that has it.
	wait_until 5 grep -qe "-> FLOCK .* $adder " /proc/locks
	virtmesh ensemble list >/dev/null
	kill -0 "$adder"
	pkill -P "$holder"
	wait "$adder"
	wait "$holder" || :
	virtmesh ensemble del 2
	virtmesh ensemble del 1
}

at_once() {
	local i
	# All of them make the state, or wait for who does.
	for i in $(seq 1 16); do
		virtmesh ensemble add "$i" &
	done
	wait
	eq "$(mapdump | grep -c '^ensembles')" 16
	for i in $(seq 1 16); do
		virtmesh ensemble del "$i" &
	done
	wait
}

# looked_at_while CMD: the mesh goes, or is replaced, between any two calls of a look at it,
# which then tells of one that there was, or that there is none; of damage never.
looked_at_while() {
	local n pid known
	for ((n = 1; ; n++)); do
		virtmesh ensemble add 1 >/dev/null
		known="$(virtmesh show --json | mesh_told)"
		failnth "$n" wait "$tmp/reached" virtmesh show --json >"$tmp/look" 2>&1 &
		pid=$!
		wait_until 10 reached_or_ended "$pid"
		[ -e "$tmp/reached" ] || break
		$1
		known+=" $(virtmesh show --json 2>/dev/null | mesh_told)"
		rm "$tmp/reached"
		status=0
		wait "$pid" || status=$?
		virtmesh ensemble del 2 >/dev/null 2>&1 || :
		out=$(<"$tmp/look")
		if [ "$status" = 0 ]; then
			[[ " $known " == *" $(mesh_told <"$tmp/look") "* ]] || fail "call $n: $known: $out"
		else
			eq "$status" 3 "call $n: $out"
			says "no mesh on this host"
		fi
	done
	wait "$pid"
	virtmesh ensemble del 1
	[ "$n" -gt 15 ]
}
reached_or_ended() { [ -s "$tmp/reached" ] || ! kill -0 "$1" 2>/dev/null; }
# When it was made, and the number of its vmesh0: from two of its maps.
mesh_told() { sed -n 's/.*"\(created_ns\|ifindex\)":\([0-9]*\).*/\2/p' | paste -sd/; }
goes() { virtmesh ensemble del 1 >/dev/null; }
is_replaced() {
	virtmesh ensemble del 1 >/dev/null
	virtmesh ensemble add 2 >/dev/null
}

case_on "the first ensemble makes the state, the last takes it away" first_and_last
case_on "adding twice is told and changes nothing, removing twice is refused" twice
case_on "an ensemble with a port is not removed" with_mesh del_with_ports
case_on "the 257th ensemble is refused" with_mesh all_of_them
case_on "vmesh0 is somebody else's: refused, nothing left" name_taken
case_on "without a bpffs the first ensemble mounts one" no_bpffs
case_on "two commands that find no bpffs mount one" no_bpffs_at_once
case_on "the mount goes again when the first ensemble fails" no_bpffs_rolled_back
case_on "bpffs read-only: refused, nothing left" readonly_bpffs
case_on "bpffs read-only after the first ensemble: refused, nothing changed" with_mesh readonly_later
case_on "the state of another network namespace is refused" other_netns
case_on "the state of another version is refused" other_abi
case_on "a pin is missing: refused" damaged
case_on "a kernel without BTF: told, nothing left" no_btf
case_on "too few files may be open: refused, nothing left" few_files
case_on "vmesh0 removed behind its back: shown as gone, made again by the next change" \
	with_mesh vmesh0_removed
case_on "vmesh0 removed, then the last ensemble" last_without_vmesh0
case_on "a change waits for the lock, a look does not" lock_held
case_on "the mesh is removed while it is looked at: told as that" looked_at_while goes
case_on "the mesh is replaced while it is looked at: one of them is told" looked_at_while is_replaced
case_on "sixteen ensembles added at once, then removed at once" at_once
finish
