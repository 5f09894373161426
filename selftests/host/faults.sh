#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Every step fails once: after each failure nothing is left, and nothing was changed.
. "$(dirname "$0")/../lib.sh"
isolate "$@"
# shellcheck source=host.sh
. "$(dirname "$0")/host.sh"

# each_step UNDO CMD...: run CMD with its 1st, 2nd, 3rd, .. syscall failing, until it
# makes no more of them. A command that failed must have left the maps, the pins and
# the interfaces as they were; one that succeeded all the same (libraries have other
# ways at hand) must have done all of its work, which UNDO then takes back.
each_step() {
	local undo=$1 before failures=0
	shift
	before=$(state)
	for ((n = 1; ; n++)); do
		: >"$tmp/reached"
		status=0
		failnth "$n" "$errno" "$tmp/reached" "$@" >"$tmp/step" 2>&1 || status=$?
		[ -s "$tmp/reached" ] || break
		[ "$status" -lt 124 ] || fail "step $n, syscall $(<"$tmp/reached"): died: $(cat "$tmp/step")"
		if [ "$status" != 0 ]; then
			failures=$((failures + 1))
			[[ $'\n'$(<"$tmp/step") == *$'\nerror: '?* ]] ||
				fail "step $n, syscall $(<"$tmp/reached"): fails without a word"
			is_state "$before" failed
		else
			is_state "$good" "succeeded"
			$undo
			is_state "$before" "succeeded, and was undone"
		fi
	done
	eq "$status" 0 "without a fault"
	is_state "$good" "without a fault"
	$undo
	echo "$((n - 1)) steps, $failures failures"
	[ "$failures" -gt 5 ] || fail "only $failures of $n steps failed: the test tests nothing"
}

# is_state WANT WHAT
is_state() {
	local now
	now=$(state)
	[ "$now" = "$1" ] || {
		diff <(cat <<<"$1") <(cat <<<"$now") || :
		cat "$tmp/step" "$tmp/again" 2>/dev/null || :
		fail "step $n, syscall $(<"$tmp/reached"), $2: the state differs"
	}
}

# All that a command can leave, without numbers that grow and addresses that are drawn. A
# thousand steps ask for it: few processes.
state() {
	{
		ip -d -o link show
		[ ! -e /sys/class/net/v2 ] || ethtool -k v2
		shopt -s globstar nullglob
		printf '%s\n' "$PINS"/**/ "$PINS"/**/{meta,progs/*,links/*}
		mapdump 2>/dev/null
	} | sed -E "$state_filter" - /proc/self/mounts | sort
}
# The carrier follows later, by work of the kernel's; libbpf does without names, and BTF,
# when its probe for them fails. Of ethtool's lines two, of the mounts one.
state_filter='
	s/^[0-9]+: //
	s/(link.ether|prog.xdp id|load_time|btf_id) [^ ]+//g
	s/NO-CARRIER,|,LOWER_UP| state [A-Z]+| name( steer)?//g
	/^\s*[a-z0-9-]+: (on|off)/ { /^(generic-receive-offload|tx-checksumming)/! d }
	/^Features for/ d
	/^[^ ]+ \/[^ ]* [^ ]+ r[wo]/ { / \/sys\/fs\/bpf /! d }
	s/^meta: .*/meta/
	s/^(port_index|ports) [0-9]+:/\1/
	s/ifindex [0-9]+//
	s/ +/ /g
	s/ $//'

# What the command leaves when all goes well.
when_good() {
	local undo=$1
	shift
	"$@" >/dev/null 2>&1
	good=$(state)
	$undo
}

undo_first() { virtmesh ensemble del 1 >/dev/null; }
first_ensemble() {
	when_good undo_first virtmesh ensemble add 1
	each_step undo_first virtmesh ensemble add 1
}

unmount() {
	undo_first
	umount /sys/fs/bpf
}
first_ensemble_mounts() {
	umount /sys/fs/bpf
	when_good unmount virtmesh ensemble add 1
	each_step unmount virtmesh ensemble add 1
	mount -t bpf bpf /sys/fs/bpf
}

undo_second() { virtmesh ensemble del 2 >/dev/null; }
second_ensemble() {
	when_good undo_second virtmesh ensemble add 2
	each_step undo_second virtmesh ensemble add 2
}

undo_port() { virtmesh port del vm9 >/dev/null; }
port_add() {
	local n
	# Three others: the fourth fits the group's map, the fifth makes it grow.
	for n in 1 2 3; do
		virtmesh port add vm"$n" --ensemble 1 --node "$n" --mtu 2000
	done
	when_good undo_port virtmesh port add vm9 --ensemble 1 --node 9 --owner 7 --mtu 1500
	each_step undo_port virtmesh port add vm9 --ensemble 1 --node 9 --owner 7 --mtu 1500
	virtmesh port add vm4 --ensemble 1 --node 4
	when_good undo_port virtmesh port add vm9 --ensemble 1 --node 9
	each_step undo_port virtmesh port add vm9 --ensemble 1 --node 9
}

# There already: what fails may be the look at it.
port_add_again() {
	virtmesh port add vm1 --ensemble 1 --node 1 --owner 7
	when_good : virtmesh port add vm1 --ensemble 1 --node 1 --owner 7
	each_step : virtmesh port add vm1 --ensemble 1 --node 1 --owner 7
}

undo_attach() { virtmesh detach v1 >/dev/null; }
attach_veth() {
	ip link add v1 type veth peer name v2
	ip link set dev v1 up mtu 1500
	ip link set dev v2 up mtu 1500 address "$(mac 1 2)"
	when_good undo_attach virtmesh attach v1 --ensemble 1 --node 2
	each_step undo_attach virtmesh attach v1 --ensemble 1 --node 2
	ip link del v1
}

attach_tap() {
	ip tuntap add dev v1 mode tap
	ip link set dev v1 up
	when_good undo_attach virtmesh attach v1 --ensemble 1 --node 2
	each_step undo_attach virtmesh attach v1 --ensemble 1 --node 2
	ip link del v1
}

undo_faults() { virtmesh ensemble faults 1 --off >/dev/null; }
ensemble_faults() {
	virtmesh port add vm1 --ensemble 1 --node 1
	virtmesh port add vm2 --ensemble 1 --node 2
	when_good undo_faults virtmesh ensemble faults 1 --loss 5
	each_step undo_faults virtmesh ensemble faults 1 --loss 5
	ip tuntap add dev away mode tap
	ip link set dev away up mtu 3366
	when_good undo_faults virtmesh ensemble faults 1 --through away
	each_step undo_faults virtmesh ensemble faults 1 --through away
	ip link del away
}

# Removing cannot be undone half-way: what fails must be finished by the next try.
each_step_again() {
	local make=$1 failures=0 before
	shift
	before=$(state)
	for ((n = 1; ; n++)); do
		$make
		: >"$tmp/reached"
		: >"$tmp/again"
		status=0
		failnth "$n" "$errno" "$tmp/reached" "$@" >"$tmp/step" 2>&1 || status=$?
		[ -s "$tmp/reached" ] || break
		if [ "$status" != 0 ]; then
			failures=$((failures + 1))
			# Gone already, or goes now: it is not there in the end either way.
			"$@" >"$tmp/again" 2>&1 || [ $? = 3 ] || fail "step $n: $(cat "$tmp/step" "$tmp/again")"
			virtmesh ensemble add 1 >/dev/null 2>&1
			$again
		fi
		is_state "$before" "done again"
	done
	echo "$((n - 1)) steps, $failures failures"
	[ "$failures" -gt 5 ] || fail "only $failures of $n steps failed: the test tests nothing"
}

make_vm9() { virtmesh port add vm9 --ensemble 1 --node 9 >/dev/null; }
port_del() {
	again=:
	each_step_again make_vm9 virtmesh port del vm9
}

make_attached() { virtmesh attach v1 --ensemble 1 --node 2 >/dev/null 2>&1; }
# A slot that leads to it may be left: nothing leads to the slot, and the next port has it.
no_program_left() {
	! ip link show v1 | grep -q xdp || fail "step $n: the program is left: $(cat "$tmp/step")"
	make_attached
	virtmesh detach v1 >/dev/null
}
detach() {
	again=no_program_left
	ip link add v1 type veth peer name v2
	ip link set dev v1 up mtu 1500
	ip link set dev v2 up mtu 1500 address "$(mac 1 2)"
	each_step_again make_attached virtmesh detach v1
	ip link del v1
	ip tuntap add dev v1 mode tap
	ip link set dev v1 up
	each_step_again make_attached virtmesh detach v1
	ip link del v1
}

make_second() {
	virtmesh ensemble add 2 >/dev/null
	virtmesh ensemble faults 2 --loss 1 >/dev/null
}
second_ensemble_del() {
	again=:
	each_step_again make_second virtmesh ensemble del 2
}

make_first() { virtmesh ensemble add 1 >/dev/null; }
last_ensemble() {
	again=undo_first
	each_step_again make_first virtmesh ensemble del 1
}

# Killed at each step: the next command finds a way on, and in the end nothing is left.
killed_at_each_step() {
	local n next=$1
	shift
	for ((n = 1; ; n++)); do
		: >"$tmp/reached"
		failnth "$n" kill "$tmp/reached" "$@" >"$tmp/step" 2>&1 || :
		[ -s "$tmp/reached" ] || break
		$next >"$tmp/next" 2>&1 || fail "step $n, syscall $(<"$tmp/reached"): $(cat "$tmp/next")"
		nothing_left
	done
	echo "$((n - 1)) steps"
	[ "$n" -gt 10 ]
	$next
}

after_killed_first() {
	virtmesh ensemble add 1
	# The mesh that was found or made is whole.
	virtmesh port add vm1 --ensemble 1 --node 1
	eq "$(port_json vm1 mode) $(port_json vmesh0 mode)" "native native"
	virtmesh port del vm1
	virtmesh ensemble del 1
}
killed_first_ensemble() {
	killed_at_each_step after_killed_first virtmesh ensemble add 1
}

after_killed_port() {
	virtmesh ensemble add 1
	virtmesh port add vm9 --ensemble 1 --node 9
	eq "$(mapdump | grep -c "^groups 1 ")" 1
	virtmesh port del vm9
	eq "$(mapdump | grep -c "^groups 1 \|^nodes\|^node_index" || :)" 0
	unmesh
}
port_from_nothing() {
	virtmesh ensemble add 1 >/dev/null
	exec failnth "$1" kill "$2" virtmesh port add vm9 --ensemble 1 --node 9
}
killed_port_add() {
	local n
	for ((n = 1; ; n++)); do
		: >"$tmp/reached"
		(port_from_nothing "$n" "$tmp/reached") >"$tmp/step" 2>&1 || :
		[ -s "$tmp/reached" ] || break
		after_killed_port >"$tmp/next" 2>&1 || fail "step $n, syscall $(<"$tmp/reached"): $(cat "$tmp/next")"
		nothing_left
	done
	echo "$((n - 1)) steps"
	[ "$n" -gt 10 ]
	unmesh
}

killed_attach() {
	local n status
	ip tuntap add dev v1 mode tap
	ip link set dev v1 up mtu 1500
	for ((n = 1; ; n++)); do
		: >"$tmp/reached"
		failnth "$n" kill "$tmp/reached" virtmesh attach v1 --ensemble 1 --node 2 \
			>"$tmp/step" 2>&1 || :
		[ -s "$tmp/reached" ] || break
		status=0
		virtmesh detach v1 >"$tmp/next" 2>&1 || status=$?
		# 3: it had not got so far.
		[ "$status" = 0 ] || [ "$status" = 3 ] || fail "step $n: $(cat "$tmp/next")"
		! ip link show v1 | grep -q xdp || fail "step $n: the program is left"
		make_attached
		virtmesh detach v1 >/dev/null
	done
	echo "$((n - 1)) steps"
	[ "$n" -gt 10 ]
	virtmesh detach v1
	ip link del v1
}

# EACCES is the verifier's word as well; only the other meaning is one of privilege.
verifier_refuses() {
	local n status
	for ((n = 1; ; n++)); do
		: >"$tmp/reached"
		status=0
		failnth "$n" EACCES "$tmp/reached" virtmesh ensemble add 1 >"$tmp/step" 2>&1 ||
			status=$?
		[ -s "$tmp/reached" ] || fail "none of $n steps was a refused program"
		grep -q "refused the steering programs" "$tmp/step" && break
		[ "$status" != 0 ] || virtmesh ensemble del 1
	done
	eq "$status" 1 "$(cat "$tmp/step")"
}

# What it could not look at is not well.
doctor_cannot_look() {
	local n status said=0
	virtmesh port add vm1 --ensemble 1 --node 1
	for ((n = 1; ; n++)); do
		: >"$tmp/reached"
		status=0
		failnth "$n" EMFILE "$tmp/reached" virtmesh doctor >"$tmp/step" 2>"$tmp/said" || status=$?
		[ -s "$tmp/reached" ] || break
		[ -s "$tmp/said" ] || continue
		said=$((said + 1))
		[ "$status" = 1 ] || fail "step $n: exits with $status: $(cat "$tmp/said" "$tmp/step")"
		grep -q "^fail .* cannot be looked at" "$tmp/step" || fail "step $n: $(cat "$tmp/step")"
	done
	[ "$said" -gt 10 ] || fail "only $said of $n steps failed"
}

errno=ENOMEM
case_on "doctor, each step failing: what cannot be looked at is to be mended" \
	with_mesh doctor_cannot_look
case_on "a program that the verifier refuses is no lack of privilege" verifier_refuses
case_on "first ensemble, each step failing" first_ensemble
case_on "port add, each step failing" with_mesh port_add
errno=EPERM
case_on "first ensemble mounts bpffs, each step failing" first_ensemble_mounts
case_on "port add of a port that is there, each step failing" with_mesh port_add_again
case_on "second ensemble, each step failing" with_mesh second_ensemble
case_on "attach a veth, each step failing" with_mesh attach_veth
case_on "attach a tap, each step failing" with_mesh attach_tap
case_on "ensemble faults, each step failing" with_mesh ensemble_faults
case_on "port del, each step failing, is finished by the next" with_mesh port_del
case_on "detach, each step failing, is finished by the next" with_mesh detach
case_on "ensemble del, each step failing, is finished by the next" with_mesh second_ensemble_del
case_on "last ensemble, each step failing, is finished by the next" last_ensemble
case_on "first ensemble killed at each step: the next command mends it" killed_first_ensemble
case_on "port add killed at each step: the next command mends it" killed_port_add
case_on "attach killed at each step: detach takes away what it left" with_mesh killed_attach
finish
