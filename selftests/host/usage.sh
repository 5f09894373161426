#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The command line: verbs, options, exit codes, --json, and who may.
. "$(dirname "$0")/../lib.sh"
isolate "$@"
# shellcheck source=host.sh
. "$(dirname "$0")/host.sh"

help_names_every_verb() {
	local verb
	out=$(virtmesh --help)
	for verb in doctor "ensemble add" "ensemble del" "ensemble list" "ensemble faults" "port add" "port del" \
		attach detach show drops nodes qemu-args uml-args; do
		says "virtmesh $verb"
		# shellcheck disable=SC2086 # two words
		virtmesh $verb --help | grep -q "usage: virtmesh $verb"
		# shellcheck disable=SC2086
		eq "$(virtmesh $verb --version)" "$(virtmesh --version)"
	done
	eq "$(virtmesh --version)" "virtmesh $(sed -n 's/.*VM_VERSION "\(.*\)"/\1/p' \
		"$srctree/include/virtmesh/version.h")"
}

usage_errors() {
	fails 2 virtmesh
	fails 2 virtmesh nonsense
	says "no verb"
	fails 2 virtmesh ensemble
	says "one more word"
	fails 2 virtmesh ensemble add
	says "number is missing"
	fails 2 virtmesh ensemble add 1 2
	says '"2"'
	fails 2 virtmesh port add vm1 --ensemble 1
	says "--node is missing"
	fails 2 virtmesh port add --ensemble 1 --node 1
	says "name is missing"
	fails 2 virtmesh show --node 1
	says "does not take"
	fails 2 virtmesh show --no-such-option
	fails 2 virtmesh port add vm1 --ensemble 1 --node 1 --owner nobody-of-that-name
	says "no user"
}

bad_numbers() {
	local n
	for n in 0 65535 1x "" 99999999999999999999 " 1" 0x1; do
		fails 2 virtmesh ensemble add "$n"
		says "from 1 to 65534"
		fails 2 virtmesh port add vm1 --ensemble "$n" --node 1
	done
	fails 2 virtmesh ensemble add -1
	for n in -1 x 101 100.1 1000.5 1.23456 1. "" 5% .5; do
		fails 2 virtmesh ensemble faults 1 --loss "$n"
		says "$n"
	done
	fails 2 virtmesh ensemble faults 1 --loss 1 --off
	fails 2 virtmesh ensemble faults 1 --loss 1 --through lo
	fails 2 virtmesh ensemble faults 1 --off --seed 3
	fails 2 virtmesh ensemble faults 1 --loss 1 --seed -3
	for n in 0 4095 65536 -1 a; do
		fails 2 virtmesh port add vm1 --ensemble 1 --node "$n"
		says "from 1 to 4094"
	done
	for n in 0 1279 9001 -1 9e3; do
		fails 2 virtmesh port add vm1 --ensemble 1 --node 1 --mtu "$n"
		says "from 1280 to 9000"
	done
}

no_state() {
	local verb
	for verb in show drops "drops --follow" "ensemble list" "ensemble del 1" "ensemble faults 1" "port del vm1" \
		"detach lo" "qemu-args vm1" "uml-args vm1" "port add vm1 --ensemble 1 --node 1" \
		"attach lo --ensemble 1 --node 1"; do
		# shellcheck disable=SC2086
		fails 3 virtmesh $verb
		says "ensemble add 1"
	done
	fails 3 virtmesh nodes
	says virtmeshd
	virtmesh doctor >/dev/null
}

nobody() {
	setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set=-all --inh-caps=-all "$@"
}

no_privilege() {
	local verb
	fails 4 nobody "$(command -v virtmesh)" ensemble add 1
	says "run it as root"
	with_mesh no_privilege_with_mesh
}
no_privilege_with_mesh() {
	local verb before
	before=$(mapdump)
	for verb in show drops "ensemble list" "ensemble del 1" "port del vm1" "detach lo" \
		"port add vm1 --ensemble 1 --node 1" "qemu-args vm1" "uml-args vm1" "ensemble add 1"; do
		# shellcheck disable=SC2086
		fails 4 nobody "$(command -v virtmesh)" $verb
		says "root"
	done
	fails 1 nobody "$(command -v virtmesh)" doctor
	says "fail"
	eq "$(mapdump)" "$before"
}

json_everywhere() {
	local verb
	eq "$(json /changed virtmesh ensemble add 1 --json)" true
	eq "$(json /changed virtmesh ensemble add 1 --json)" false
	eq "$(json /mac virtmesh port add vm1 --ensemble 1 --node 258 --json)" 02:4d:00:01:01:02
	eq "$(json /changed virtmesh port add vm1 --ensemble 1 --node 258 --json)" false
	for verb in show drops "ensemble list" "qemu-args vm1" doctor; do
		# shellcheck disable=SC2086
		virtmesh $verb --json | jsonget >/dev/null || fail "$verb writes no JSON"
	done
	eq "$(json /ports/0/port virtmesh show --json)" vmesh0
	eq "$(json /ports/1/node virtmesh show --json)" 258
	eq "$(json /ports/1/state virtmesh show --json)" absent
	eq "$(json /0/ports virtmesh ensemble list --json)" 1
	eq "$(json /0/drops/lost-skb virtmesh drops --json)" 0
	eq "$(json /args/0 virtmesh qemu-args vm1 --json)" -netdev
	eq "$(json /checks/0/result virtmesh doctor --json)" ok
	eq "$(json /port virtmesh port del vm1 --json)" vm1
	eq "$(json /changed virtmesh ensemble del 1 --json)" true
}

stdout_closed() {
	# The runner's stdbuf: each line is written by itself then, and the last is no error.
	unset LD_PRELOAD _STDBUF_O
	virtmesh ensemble add 1
	# A full disk, or a reader that went away, is no success for those who parse.
	fails 1 bash -c 'virtmesh show --json >/dev/full'
	says "cannot write the answer to stdout: No space left"
	# Nor for those who read. More than printf() keeps until the end, and less.
	fails 1 bash -c 'virtmesh show >/dev/full'
	says "cannot write the answer to stdout: No space left"
	fails 1 bash -c 'stdbuf --output=L virtmesh show >/dev/full'
	says "cannot write the answer to stdout"
	fails 1 bash -c 'virtmesh ensemble add 2 >/dev/full'
	says "cannot write the answer to stdout: No space left"
	eq "$(virtmesh ensemble list | wc -l)" 3 "ensembles and the head"
	virtmesh ensemble del 2
	# With something else to say, that is the status.
	fails 3 bash -c 'virtmesh ensemble del 2 >/dev/full'
	# A reader that has gone: no word.
	mkfifo "$tmp/pipe"
	exec 8<>"$tmp/pipe"
	exec 9>"$tmp/pipe"
	exec 8<&-
	eq "$(virtmesh show 2>&1 >&9; echo $?)" 0
	eq "$(stdbuf --output=L virtmesh show 2>&1 >&9; echo $?)" 0
	eq "$(virtmesh show --json 2>&1 >&9; echo $?)" 0
	eq "$(stdbuf --output=L virtmesh show --json 2>&1 >&9; echo $?)" 0
	# The answer of doctor is its status as well.
	eq "$(virtmesh doctor --json 2>&1 >&9; echo $?)" 0
	ip link set dev vmesh0 xdpdrv off
	eq "$(virtmesh doctor --json 2>&1 >&9 || echo "status $?")" "status 1"
	eq "$(virtmesh doctor 2>&1 >&9 || echo "status $?")" "status 1"
	exec 9>&-
	virtmesh ensemble del 1
}

qemu_args() {
	virtmesh port add vm1 --ensemble 1 --node 3 --mtu 2000
	out=$(virtmesh qemu-args vm1)
	says "ifname=vm1,"
	says "mac=$(mac 1 3),"
	says "host_mtu=2000,"
	says "csum=off,gso=off,guest_csum=off"
	if [ -e /dev/vhost-net ]; then
		says "vhost=on"
	else
		case $out in *vhost*) fail "vhost without /dev/vhost-net: $out" ;; esac
	fi
	fails 3 virtmesh qemu-args vm2
	fails 3 virtmesh qemu-args lo
	fails 1 virtmesh qemu-args vmesh0
}

# Also of ports whose names QEMU would not have.
qemu_takes_the_args() {
	command -v qemu-system-x86_64 >/dev/null || skip "no qemu-system-x86_64"
	local name node=0
	for name in vm1 1vm a,b,,c _x vm+1; do
		node=$((node + 1))
		virtmesh port add "$name" --ensemble 1 --node "$node"
		# shellcheck disable=SC2046 # words for QEMU
		printf 'info network\nquit\n' | timeout 20 qemu-system-x86_64 -S -machine q35,accel=tcg \
			-m 64 -display none -nodefaults -monitor stdio $(virtmesh qemu-args "$name") \
			>"$tmp/qemu" 2>&1 || fail "QEMU does not take them: $(cat "$tmp/qemu")"
		grep -qF "ifname=$name," "$tmp/qemu" || fail "$(cat "$tmp/qemu")"
	done
	virtmesh port add x,1 --ensemble 1 --node 99 --vhost-user --owner 61001
	out=$(virtmesh qemu-args x,1 --memory 64M)
	says "id=mesh.1.99-socket,path=/run/virtmesh/ports/x,,1/vhost-user.sock,"
	says "netdev=mesh.1.99,"
}

doctor_finds() {
	local i
	virtmesh port add vm1 --ensemble 1 --node 1
	ip link set dev vm1 txqueuelen 100 mtu 1400
	ip link set dev vm1 down
	fails 1 virtmesh doctor
	says "txqueuelen 4096"
	says "mtu 3366"
	says "ip link set dev vm1 up"
	ip link set dev vm1 xdpdrv off
	fails 1 virtmesh doctor
	says "taken off"
	eq "$(port_json vm1 mode)" detached
	ip link del vm1
	out=$(virtmesh doctor) || :
	says "has gone"
}

# What is no node's is not called node 0, and each has a remedy of its own.
doctor_finds_ports_of_no_node() {
	ip link del vmesh0
	fails 1 virtmesh doctor
	says "vmesh0 has gone"
	says "virtmesh ensemble add E"
	case $out in *"node 0"*) fail "$out" ;; esac
	virtmesh ensemble add 1
	virtmesh doctor >/dev/null

	ip tuntap add dev away mode tap vnet_hdr
	ip link set dev away addrgenmode none up mtu 3366
	virtmesh ensemble faults 1 --through away
	ip link set dev away xdpdrv off
	fails 1 virtmesh doctor
	says "taken off"
	says "virtmesh ensemble faults 1 --off"
	case $out in *detach*) fail "$out" ;; esac
	virtmesh ensemble faults 1 --off
	virtmesh ensemble faults 1 --through away
	virtmesh doctor >/dev/null
	ip link del away
	out=$(virtmesh doctor)
	says "faults lead through interface"
	case $out in *"node 0"*) fail "$out" ;; esac
	out=$(virtmesh ensemble add 1 2>&1)
	virtmesh doctor >/dev/null
}

# 1 is for who has CAP_SYS_ADMIN, which none of the services does.
doctor_finds_no_io_uring() {
	local off=/proc/sys/kernel/io_uring_disabled value
	[ -e "$off" ] || skip "no kernel.io_uring_disabled (6.6)"
	touch "$tmp/off"
	mount --bind "$tmp/off" "$off"
	for value in 1 2; do
		echo "$value" >"$tmp/off"
		out=$(virtmesh doctor)
		says "io_uring_disabled is $value"
		says "virtmeshd cannot run"
		says "sysctl kernel.io_uring_disabled=0"
	done
	echo 0 >"$tmp/off"
	virtmesh doctor | grep -q "ok *io_uring"
	umount "$off"
}

show_one_ensemble() {
	virtmesh ensemble add 2
	virtmesh port add vm1 --ensemble 1 --node 1
	virtmesh port add vm2 --ensemble 2 --node 1
	out=$(virtmesh show --ensemble 2)
	says vm2
	case $out in *vm1*) fail "shows another ensemble: $out" ;; esac
	fails 3 virtmesh show --ensemble 3
}

manual_is_complete() {
	local manual word
	manual=$(sed 's/\\-/-/g; s/\\f[BIR]//g' "$srctree/host/virtmesh.8")
	for word in $(virtmesh --help | grep -o -- '--[a-z]*' | sort -u) \
		$(virtmesh drops --json | jsonget /0/drops | grep -o '[a-z][a-z-]*') \
		"ensemble add" "ensemble del" "ensemble list" "port add" "port del"; do
		case $manual in *"$word"*) ;; *) fail "virtmesh.8 has nothing of $word" ;; esac
	done
}

# complete_with WORD...: what bash offers for the last WORD
complete_with() {
	# shellcheck disable=SC2034 # the completion's
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
	_virtmesh
	echo "${COMPREPLY[*]}"
}
completion() {
	local verb
	virtmesh port add vm1 --ensemble 1 --node 1
	# shellcheck source=../../deploy/completion/virtmesh
	. "$srctree/deploy/completion/virtmesh"
	eq "$(complete_with virtmesh en)" ensemble
	eq "$(complete_with virtmesh ensemble "")" "add del faults list"
	eq "$(complete_with virtmesh ensemble del "")" "--help --json --verbose 1"
	eq "$(complete_with virtmesh port del v)" vm1
	eq "$(complete_with virtmesh port add x --ensemble "")" 1
	eq "$(complete_with virtmesh drops --f)" --follow
	eq "$(complete_with virtmesh port add x --vh)" --vhost-user
	eq "$(complete_with virtmesh uml-args v)" vm1
	eq "$(complete_with virtmesh attach vm)" "vm1 vmesh0"
	eq "$(complete_with virtmesh port add x --node "")" ""
	# Names that say something to a shell are neither run, nor offered for that.
	# shellcheck disable=SC2016
	virtmesh port add '$(bad)`x`' --ensemble 1 --node 2
	bad() { touch "$tmp/was-run"; }
	for verb in "port del" detach qemu-args attach "ensemble faults 1 --through"; do
		# shellcheck disable=SC2086 # words
		eq "$(complete_with virtmesh $verb '$')" '\$\(bad\)\`x\`'
	done
	[ ! -e "$tmp/was-run" ] || fail "an interface's name was executed"
}

# An interface is called what root likes, in bytes; JSON is UTF-8.
odd_names_in_json() {
	local name
	for name in $'caf\xe9' $'\xc3\xa9\xc3' $'\xed\xb0\x80' $'\xf4\x90\x80\x80' $'\xe0\x80\x80' $'\xff'; do
		ip link add "$name" type veth peer name peer
		virtmesh attach "$name" --ensemble 1 --node 1 --json 2>/dev/null >"$tmp/json"
		virtmesh show --json >>"$tmp/json"
		virtmesh drops --json >>"$tmp/json"
		virtmesh doctor --json >>"$tmp/json" || :
		virtmesh detach "$name" --json >>"$tmp/json"
		grep -q '?' "$tmp/json" || fail "nothing replaced: $(cat "$tmp/json")"
		iconv -f UTF-8 -t UTF-8 "$tmp/json" >/dev/null || fail "no UTF-8: $(cat "$tmp/json")"
		ip link del peer
	done
	# What is UTF-8 stays.
	for name in $'caf\xc3\xa9' $'\xe2\x82\xac' $'\xf0\x9f\x90\x8e'; do
		ip link add "$name" type veth peer name peer
		virtmesh attach "$name" --ensemble 1 --node 1 >/dev/null 2>&1
		eq "$(port_json "$name" node)" 1
		virtmesh detach "$name"
		ip link del peer
	done
}

case_on "help names every verb" help_names_every_verb
case_on "the manual names every option and drop reason" with_mesh manual_is_complete
case_on "names that are no UTF-8 are, in JSON" with_mesh odd_names_in_json
case_on "bash completes verbs, options, ports and ensembles" with_mesh completion
case_on "wrong usage exits with 2 and says what" usage_errors
case_on "numbers out of range are refused" bad_numbers
case_on "without a mesh every verb exits with 3 and says how to make one" no_state
case_on "without privilege every verb exits with 4 and changes nothing" no_privilege
case_on "every verb writes JSON" json_everywhere
case_on "writing to a full device is a failure" stdout_closed
case_on "qemu-args has the address and MTU, and no offloads" with_mesh qemu_args
case_on "QEMU takes what qemu-args says" with_mesh qemu_takes_the_args
case_on "doctor finds a small ring, a small MTU, a port that is down, detached, gone" \
	with_mesh doctor_finds
case_on "doctor finds what is wrong with vmesh0 and with a detour" \
	with_mesh doctor_finds_ports_of_no_node
case_on "doctor finds io_uring disabled, and whom that stops" doctor_finds_no_io_uring
case_on "show --ensemble shows that one" with_mesh show_one_ensemble
finish
