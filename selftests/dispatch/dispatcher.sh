#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The command, the steering programs and the broker on the distribution's kernel,
# in a guest: there libxdp's dispatcher runs, which is not so on every host that
# tests, and verifiers differ from kernel to kernel. All cases (cases.sh) run on
# the kernel that the guests of all tests have; those that tell kernels apart, on
# every other kernel that is installed here, too.
. "$(dirname "$0")/../lib.sh"
isolate "$@"
# shellcheck source-path=SCRIPTDIR source=../guests.sh
. "$(dirname "$0")/../guests.sh"

here=$(dirname "$(realpath "$0")")
other=$here/other.bpf.o
[ -e "$other" ] || other=$O/selftests/dispatch/other.bpf.o
[ -e "$other" ] || bail "other.bpf.o is not built: make -C selftests/dispatch"

# The objects that libxdp and xdpdump load, to where these look for them.
objects() {
	local name path
	for name in xdp-dispatcher.o xdpdump_bpf.o xdpdump_xdp.o; do
		path=$(find /usr/lib /usr/lib64 -path "*/bpf/$name" -print -quit 2>/dev/null)
		[ -n "$path" ] || return 1
		echo "$path:${path#/}"
	done
}

boot() { # boot KERNEL-VERSION
	local words
	words=$(objects) || bail "libxdp's or xdpdump's BPF objects are missing: install xdp-tools"
	# shellcheck disable=SC2086 # words
	VM_KERNEL=$1 guests_init tun veth "$O/host/virtmesh" "$O/broker/virtmeshd" \
		"$(command -v xdp-loader)" "$(command -v xdpdump)" "$(command -v bpftool)" \
		"$(command -v ip):bin/ip2" "$here/cases.sh:cases.sh" "$other:other.bpf.o" $words
	VM_MEM=512 VM_CPUS=2 VM_APPEND=vm.modules=tun,veth vm_start h || bail "the guest does not start"
	vm_wait h || bail "the guest does not boot"
}

# in_guest CASE [ARG]...
in_guest() {
	vm_exec h -t 60 "set -ex
		. /cases.sh
		tidy
		$*"
}

# The frames of the file, sent again here: `traffic` knows what bytes they had.
dump_holds_frames() {
	local pid
	in_guest dump
	vm_exec h 'base64 /tmp/dump.pcap' | base64 -d >"$tmp/dump.pcap"
	ip link add "${wire}1" type veth peer name "${wire}2"
	ip link set dev "${wire}1" up mtu 9000
	ip link set dev "${wire}2" up mtu 9000
	traffic recv --count 40 --time 10 --seed 7 "${wire}2" >"$tmp/replayed" 2>"$tmp/ready" &
	pid=$!
	wait_until 5 grep -q ready "$tmp/ready"
	replay "$tmp/dump.pcap" "${wire}1"
	wait "$pid"
	ip link del dev "${wire}1"
	grep -q '^seed=7 received=40 distinct=40 ' "$tmp/replayed" || fail "$(cat "$tmp/replayed")"
	grep -q '^total=40 corrupt=0 foreign=0 ' "$tmp/replayed" || fail "$(cat "$tmp/replayed")"
}

# replay FILE IFNAME: the enhanced packet blocks (6) of a pcapng, out on an interface
replay() {
	python3 - "$@" <<-'END'
		import socket, struct, sys
		data = open(sys.argv[1], "rb").read()
		out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
		out.bind((sys.argv[2], 0))
		at = 0
		while at < len(data):
		    kind, size = struct.unpack_from("<II", data, at)
		    if kind == 6:
		        caught, length = struct.unpack_from("<II", data, at + 20)
		        assert caught == length, f"{caught} bytes of {length}"
		        out.send(data[at + 28 : at + 28 + caught])
		    at += size
	END
}

# on KERNEL "what" COMMAND...: a case, named by the kernel it is for
on() {
	local kernel=$1 what=$2
	shift 2
	run "$kernel: $what" "$@"
}

every_kernel() {
	on "$1" "the programs load, ports are added" in_guest mesh_up
	on "$1" "doctor and show say dispatcher and native, libxdp says the same" in_guest says_dispatcher
	on "$1" "unicast arrives byte for byte, and nowhere else" in_guest frames_unicast
	on "$1" "group frames arrive at all others, not at the sender" in_guest frames_group
	on "$1" "ring full: lost-full, sent = received + lost" in_guest lost_full
	on "$1" "nobody has the tap open: lost-closed" in_guest lost_closed
	on "$1" "nobody has the tap open, group frame: lost-closed at that port alone" \
		in_guest lost_closed_group
	on "$1" "another program loaded before ours: both run; unloaded: ours stays" \
		in_guest other_before
	on "$1" "xdpdump on a port sees the frames, byte for byte" dump_holds_frames
	on "$1" "veth attached natively: unicast, group; detached: nothing left" in_guest veth_native
	on "$1" "veth attached in the generic path: unicast, group; detached: nothing left" \
		in_guest veth_generic
}

# Installed ones only: nothing is downloaded for this.
other_kernels() { # but KERNEL-VERSION
	local image version
	for image in /boot/vmlinuz-*; do
		version=${image#/boot/vmlinuz-}
		if [ "$version" != "$1" ] && [ -d "/lib/modules/$version/kernel" ]; then
			echo "$version"
		fi
	done
}

# The cases that every kernel has, of those on stdin, as a test of its own, beside
# the others.
on_other_kernels() {
	local version
	tmp=$tmp/others
	wire=d
	trap cleanup_all EXIT
	tests_run=0
	tests_failed=0
	after_each=()
	mkdir "$tmp"
	while read -r version; do
		boot "$version"
		every_kernel "${version%%-*}"
		on "${version%%-*}" "the last ensemble deleted: no pin, link, program or interface left" \
			in_guest mesh_down
		vm_stop h
	done
	finish
}

wire=c # two ends of it: c1, c2
boot ''
# A guest leaves one of two CPUs idle most of the time.
others=$(other_kernels "$VM_VERSION")
others_pid=
if [ -n "$others" ]; then
	on_other_kernels <<<"$others" >"$tmp/others.tap" 2>&1 &
	others_pid=$!
fi
kernel=${VM_VERSION%%-*}
every_kernel "$kernel"
on "$kernel" "frames over a page from tap to tap; unread ones are counted" in_guest jumbo
on "$kernel" "another program behind ours: attached, gets nothing" in_guest other_behind
on "$kernel" "programs come and go beside ours under traffic: no frame is lost" in_guest other_no_loss
on "$kernel" "attach beside another program, detach: the other one stays" in_guest attach_beside_other
on "$kernel" "attach beside a program in the generic path: joins it there" \
	in_guest attach_beside_generic
on "$kernel" "another program called steer is not taken for ours" in_guest namesake
on "$kernel" "attach to a dispatcher that is full: refused, nothing changed" in_guest attach_full
on "$kernel" "attach over a bare native program: refused, nothing changed" in_guest in_the_way xdpdrv
on "$kernel" "attach over a bare generic program: refused, nothing changed" \
	in_guest in_the_way xdpgeneric
on "$kernel" "attach over a leftover of a killed attach: refused, then mended as it says" \
	in_guest left_over
on "$kernel" "a killed port add: its pins go with the next command, those of others stay" \
	in_guest killed_add
on "$kernel" "port del with another program beside ours: libxdp's pins go too" \
	in_guest port_del_under_other
on "$kernel" "ours unloaded, or the tap deleted, by somebody: told and mended" in_guest taken_away
on "$kernel" "libxdp cannot read its pins: detach is refused, and done when it can" in_guest pins_hidden
on "$kernel" "vmesh0 gone, and its name taken for a while: made again as before" \
	in_guest vmesh0_in_the_way
on "$kernel" "the broker runs on vmesh0 beside another program" in_guest broker
on "$kernel" "the last ensemble deleted: no pin, link, program or interface left" in_guest mesh_down
on "$kernel" "20 port adds in a row, and frames among them" in_guest many
vm_stop h

if [ -n "$others_pid" ]; then
	status=0
	wait "$others_pid" || status=$?
	tap_cases "$status" <"$tmp/others.tap"
fi
finish
