#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The command beside a broker: the real one, a silent one, one that talks nonsense.
. "$(dirname "$0")/../lib.sh"
isolate "$@"
# shellcheck source=host.sh
. "$(dirname "$0")/host.sh"

start_broker() {
	virtmeshd >"$tmp/broker.log" 2>&1 &
	broker=$!
	wait_until 10 virtmesh nodes
}

# A broker's view of node $1 of ensemble 1.
in_broker() {
	virtmesh nodes | awk -v node="$1" '$2 == node { print $1, $2, $3, $4 }'
}

told_of_changes() {
	start_broker
	virtmesh port add vm1 --ensemble 1 --node 5
	# The command ends when the broker knows: no waiting here.
	eq "$(in_broker 5)" "1 5 absent vm1"
	eq "$(json /0/port virtmesh nodes --json)" vm1
	eq "$(json /0/state virtmesh nodes --json)" absent
	eq "$(json /broker_running virtmesh show --json)" true
	virtmesh ensemble add 2
	virtmesh port add vm2 --ensemble 2 --node 5
	eq "$(virtmesh nodes | wc -l)" 3 "lines with the head"
	eq "$(virtmesh nodes --ensemble 2 | awk 'NR > 1 { print $1, $2 }')" "2 5"
	virtmesh doctor | grep -q "ok *broker"
	virtmesh port del vm1
	eq "$(in_broker 5 | wc -l)" 1
	virtmesh port del vm2
	virtmesh ensemble del 2
	virtmesh ensemble del 1
	# It holds no tap and waits for the next mesh.
	eq "$(interfaces)" lo
	virtmesh ensemble add 1
	virtmesh port add vm1 --ensemble 1 --node 6
	eq "$(in_broker 6)" "1 6 absent vm1"
	stop_pid "$broker"
	fails 3 virtmesh nodes
	says "start virtmeshd"
}

stopped() {
	local start
	start_broker
	kill -STOP "$broker"
	start=$SECONDS
	out=$(virtmesh port add vm1 --ensemble 1 --node 1 2>&1)
	says "did not take notice"
	[ $((SECONDS - start)) -le 5 ] || fail "waited $((SECONDS - start)) s"
	fails 1 virtmesh nodes
	says "did not answer"
	# That it can be connected to says nothing.
	out=$(virtmesh doctor)
	says "does not answer as the broker does"
	says "systemctl restart virtmeshd"
	out=$(virtmesh show)
	says "broker not answering"
	eq "$(json /broker_running virtmesh show --json)" false
	kill -CONT "$broker"
	eq "$(in_broker 1)" "1 1 absent vm1"
	stop_pid "$broker"
}

in_another_bpffs() {
	mount -t bpf bpf /sys/fs/bpf && exec virtmeshd
}

# It answers, and knows nothing of the mesh: the pins it sees are others.
without_the_mesh() {
	export -f in_another_bpffs
	unshare --mount "$BASH" -c in_another_bpffs >"$tmp/broker.log" 2>&1 &
	broker=$!
	wait_until 10 virtmesh nodes
	out=$(virtmesh doctor)
	says "has not got this mesh"
	out=$(virtmesh show)
	says "without this mesh"
	eq "$(json /broker_running virtmesh show --json)" false
	stop_pid "$broker"
}

# Before the first ensemble that is as it should be.
before_the_mesh() {
	start_broker
	virtmesh doctor | grep -q "ok *broker *answers"
	stop_pid "$broker"
}

# The socket is there, and nobody behind it: as after kill -9.
killed() {
	start_broker
	kill -KILL "$broker"
	wait "$broker" || :
	[ -S /run/virtmesh/ctl.sock ]
	out=$(virtmesh port add vm1 --ensemble 1 --node 1 2>&1)
	case $out in *warning*) fail "warns: $out" ;; esac
	fails 3 virtmesh nodes
	rm -f /run/virtmesh/ctl.sock
}

fake() {
	rm -f "$tmp/fake"
	fakectl "$1" >"$tmp/fake" &
	fake=$!
	wait_until 5 grep -q ready "$tmp/fake"
}

nonsense() {
	local how start
	for how in short length version cookie op odd silent; do
		fake "$how"
		start=$SECONDS
		fails 1 virtmesh nodes
		says "the broker did not answer"
		[ $((SECONDS - start)) -le 5 ] || fail "$how: waited $((SECONDS - start)) s"
		wait "$fake"
		# A change is made all the same, with a warning.
		fake "$how"
		out=$(virtmesh port add vm1 --ensemble 1 --node 1 2>&1)
		[ "$how" = odd ] || says "did not take notice"
		wait "$fake"
		out=$(virtmesh port del vm1 2>&1)
	done
	rm -f /run/virtmesh/ctl.sock
}

# The broker ends while it is asked: for a change, as if there was none.
ends_meanwhile() {
	local how
	for how in hangup reset; do
		fake "$how"
		fails 3 virtmesh nodes
		says "the broker did not answer"
		wait "$fake"
		fake "$how"
		out=$(virtmesh port add vm1 --ensemble 1 --node 1 2>&1)
		case $out in *warning*) fail "$how: warns: $out" ;; esac
		wait "$fake"
		out=$(virtmesh port del vm1 2>&1)
	done
	rm -f /run/virtmesh/ctl.sock
}

endless() {
	fake endless
	fails 1 virtmesh nodes
	says "the broker did not answer"
	wait "$fake"
	rm -f /run/virtmesh/ctl.sock
}

error_is_told() {
	fake error
	fails 1 virtmesh nodes
	says "no room, says the fake"
	wait "$fake"
	rm -f /run/virtmesh/ctl.sock
}

# Whether it hangs up before or after it was asked is chance: it is busy either way.
busy_is_told() {
	local i
	for ((i = 0; i < 20; i++)); do
		fake busy
		fails 1 virtmesh nodes
		says "did not answer: Device or resource busy"
		wait "$fake"
	done
	rm -f /run/virtmesh/ctl.sock
}

nodes_in_order() {
	fake nodes
	out=$(virtmesh nodes)
	eq "$(awk 'NR > 1 { print $2, $3, $5 }' <<<"$out")" "1 unknown 0
2 up 7"
	wait "$fake"
	rm -f /run/virtmesh/ctl.sock
}

no_right() {
	virtmesh ensemble add 1
	start_broker
	fails 4 setpriv --reuid 65534 --regid 65534 --clear-groups "$(command -v virtmesh)" nodes
	says "the group virtmesh"
	stop_pid "$broker"
	virtmesh ensemble del 1
}

command -v virtmeshd >/dev/null || skip_all "virtmeshd is not built"
case_on "the broker knows of a change when the command ends" with_mesh told_of_changes
case_on "a stopped broker is waited for a bounded time, and the change is made" with_mesh stopped
case_on "doctor and show look whether the broker has the mesh" with_mesh without_the_mesh
case_on "a broker before the first ensemble is as it should be" before_the_mesh
case_on "a killed broker is no reason to wait or to warn" with_mesh killed
case_on "a broker that ends while it is asked is no reason to warn" with_mesh ends_meanwhile
case_on "nonsense from the socket is an error, and no change fails for it" with_mesh nonsense
case_on "an answer without end is ended" endless
case_on "what the broker refuses is told in its words" error_is_told
case_on "a broker that is busy is told so, whenever it says it" busy_is_told
case_on "nodes are listed in order, whatever the broker's" nodes_in_order
case_on "nodes without the right to ask exits with 4" no_right
finish
