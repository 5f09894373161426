#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The fault drill: four nodes gather from each other, again and again (drill.c), and
# node 4 fails in the middle of it, in every way there is; also when it is the one who
# sends, and another with it. The others return in time and name who failed and nobody
# else, form without them and go on; and they come back.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
isolate "$@"
# shellcheck source=../guests.sh
. "$(dirname "$0")/../guests.sh"
# shellcheck source=../nodes.sh
. "$(dirname "$0")/../nodes.sh"

DEADLINE=2000
! slow || DEADLINE=4000
group=0
# Who fails, as a report may name them, and the others.
dead=4 alive='1 2 3'

# What a case that failed has left behind must not fail the next.
heal() {
	local i gone=()
	kill -0 "$(cat "$tmp/broker.pid")" 2>/dev/null || broker_restart
	for i in 1 2; do
		vm_exec "n$i" 'killall -9 drill ops 2>/dev/null; true'
	done
	for i in 3 4; do
		if ! { vm_exec "n$i" 'killall -9 drill ops 2>/dev/null; true' && vm_exec n1 "mesh ping $i -c 1 -q"; }; then
			gone+=("$i")
		fi
	done
	[ ${#gone[@]} = 0 ] || new_guest "${gone[@]}"
}

# start [ARG]...: the job on all four, until each has gathered once
start() {
	local i
	heal
	for i in 1 2 3 4; do
		begin "n$i" drill "drill -N 1,2,3,4 -g 200 -t $DEADLINE -m 100000 $*"
	done
	for i in 1 2 3 4; do
		wait_until 30 vm_exec "n$i" 'grep -q running /tmp/drill.out'
	done
}

# field NAME: of the `failed` line in $out; absent: who did not come to form
absent() { sed -n 's/^missing nodes=//p' <<<"$out"; }
field() { sed -n "s/^failed \(.* \)*$1=\([^ ]*\).*/\2/p" <<<"$out"; }

# survivors REASONS [WITHIN]: the others' reports. REASONS: those that will do;
# WITHIN: ms, default the deadline and a tenth; the caller has it back a little later.
# The others still run (start -w).
survivors() {
	local i reason within=${2:-$((DEADLINE * 11 / 10))}
	for i in $alive; do
		wait_until 60 vm_exec "n$i" '[ -e /tmp/drill.rc ] || grep -q done /tmp/drill.out'
		out=$(vm_exec "n$i" 'cat /tmp/drill.out /tmp/drill.err')
		echo "n$i: $out"
		[[ " $dead " == *" $(field nodes) "* ]] || fail "n$i misses $(field nodes), not $dead"
		[[ " $dead " == *" $(absent) "* || -z $(absent) ]] || fail "n$i misses $(absent), not $dead"
		[ "$(field elapsed_ms)" -le "$within" ] || fail "n$i took $(field elapsed_ms) ms"
		[ "$(field wall_ms)" -le $((within + DEADLINE / 4)) ] ||
			fail "n$i got it back after $(field wall_ms) ms"
		# It slept while it waited.
		[ "$(field cpu_ms)" -le $((50 + $(field wall_ms) / 5)) ] ||
			fail "n$i was busy for $(field cpu_ms) of $(field wall_ms) ms"
		reason=$(field reason)
		# Fenced by another, it may not know yet why.
		[[ $(field result) == ESTALE || " $1 " == *" $reason "* ]] || fail "n$i says reason $reason, not one of $1"
		if [[ $out == *=ETIMEDOUT* ]] && [ "$(field elapsed_ms)" -lt "$DEADLINE" ]; then
			fail "n$i timed out before its time"
		fi
		[[ $out == *"formed nodes=${alive// /,}"$'\n'* && $out == *'done operations=40'* ]] ||
			fail "n$i did not go on with $alive"
	done
}

# The survivors have gone on for long enough.
end() {
	local i
	for i in 1 2 3; do
		interrupt "n$i" drill
		outcome "n$i" drill
	done
}

# All four work, in a new group and in one of the old name.
all_work() {
	local id
	group=$((group + 1))
	for id in 200 $((300 + group)); do
		everywhere 4 60 ops -N 1,2,3,4 -g "$id" -c 5 -m 64K -K 2
	done
}

# new_guest [NODE]...: others in their places, default node 4's
new_guest() {
	local i
	[ $# != 0 ] || set 4
	for i; do
		vm_stop "n$i"
		virtmesh port del "n$i" || :
		mesh_node "n$i" 7 "$i"
	done
	joins "$@"
}

# comes_back: a guest that was away has joined
comes_back() {
	joins
	all_work
}
joins() {
	local i
	[ $# != 0 ] || set 4
	for i; do
		vm_wait "n$i"
		mesh_load "n$i"
		vm_exec "n$i" 'echo 1 >/proc/sys/net/ipv6/conf/mesh0/disable_ipv6; ip link set mesh0 up'
	done
	for i in 1 2 3 4; do
		wait_until 20 peers_up "n$i" 4
	done
}

# Reasons, as in the uapi header.
ABSENT=1 DOWN=2 STALLED=3 FENCED=4 LEFT=5 SILENT=6

stopped() {
	start -w
	interrupt n4 drill STOP
	survivors "$STALLED $FENCED"
	interrupt n4 drill CONT
	# The others have gone on without it: its operation fails, and its forming.
	fails 4 result n4 drill 30
	[[ $out == *'refused result=EHOSTUNREACH'* ]] || fail "n4: $out"
	end
	all_work
}

killed() {
	start
	interrupt n4 drill KILL
	# Its driver says so at once; nobody waits for the deadline.
	survivors "$LEFT $FENCED" $((DEADLINE / 2))
	all_work
}

unloaded() {
	start
	vm_exec n4 'cd /sys/bus/virtio/drivers/virtmesh && for d in virtio*; do
			echo "$d" >unbind
		done'
	# So says its driver; the broker's word comes later.
	survivors "$LEFT $FENCED" $((DEADLINE / 2))
	fails 1 result n4 drill 30
	[[ $out == *ENODEV* || $out == *'No such device'* ]] || fail "n4: $out"
	vm_exec n4 'rmmod virtmesh'
	comes_back
}

unplugged() {
	start
	vm_unplug n4
	survivors "$LEFT $FENCED" $((DEADLINE / 2))
	fails 1 result n4 drill 30
	[[ $out == *ENODEV* || $out == *'No such device'* ]] || fail "n4: $out"
	vm_plug n4
	wait_until 30 vm_exec n4 'virtmesh-bind --all; test -c /dev/virtmesh0'
	comes_back
}

# With User-Mode Linux its port stays.
power_off() {
	if uml; then
		uml_guest_stop "$1"
	else
		vm_stop "$1"
	fi
}

powered_off() {
	start
	power_off n4
	survivors "$DOWN $SILENT $STALLED $FENCED"
	new_guest
	all_work
}

# It is the only one who sends; its receivers are not all as far when it goes.
root_powered_off() {
	start -r 3
	power_off n4
	survivors "$DOWN $SILENT $STALLED $FENCED"
	new_guest
	all_work
}

two_off() {
	power_off n3 &
	power_off n4
	wait
}

# The broker says one first, which ends what needs it: the other is known when they form.
two_powered_off() {
	local dead='3,4 3 4' alive='1 2'
	start -x
	two_off
	survivors "$DOWN $SILENT $STALLED $FENCED"
	new_guest 3 4
	all_work
}

reset() {
	start
	vm_reset n4
	survivors "$DOWN $SILENT $STALLED $FENCED"
	comes_back
}

tap_deleted() {
	start
	ip link del n4
	survivors "$ABSENT $DOWN $SILENT $STALLED $FENCED"
	new_guest
	all_work
}

port_killed() {
	start
	stop_pid "$(cat "$VM_DIR/n4.port.pid")" -KILL
	survivors "$ABSENT $DOWN $SILENT $STALLED $FENCED"
	vm_stop n4
	# With its other side gone, User-Mode Linux's transport warns, again and again, and
	# our driver says once that it gives up. Of all else it may not complain.
	vm_unread n4 | awk '/WARNING: .* at arch\/um\/drivers\/virtio_uml\.c/ { own = 1; next }
		own && /Call Trace:/ { own = 0; next }
		/virtmesh virtio[0-9]+: the [a-z]+ ring is broken/ { next }
		{ print }' | "$srctree/deploy/vm/klog.sh"
	new_guest
	all_work
}

# Nobody needs it to gather.
broker_killed() {
	local i
	start -c 2000
	stop_pid "$(cat "$tmp/broker.pid")" -KILL
	for i in 1 2 3 4; do
		outcome "n$i" drill 60
		[[ $out == *'done operations=2000'* && $out != *failed* ]] || fail "n$i: $out"
	done
	broker_restart
	all_work
}
broker_restart() {
	mesh_broker_start "${broker_args[@]}"
	echo "$mesh_broker_pid" >"$tmp/broker.pid"
	for i in $alive; do
		wait_until 30 is JOINED info "n$i" state
	done
}

# Without a broker only the deadline tells.
no_broker_and_powered_off() {
	start
	stop_pid "$(cat "$tmp/broker.pid")" -KILL
	power_off n4
	survivors "$SILENT $STALLED $FENCED"
	broker_restart
	new_guest
	all_work
}

# One of them may have done its part in the operation that the other did not: it is
# named when they form.
no_broker_and_two_powered_off() {
	local dead='3,4 3 4' alive='1 2'
	start -x
	stop_pid "$(cat "$tmp/broker.pid")" -KILL
	two_off
	survivors "$SILENT $STALLED $FENCED"
	broker_restart
	new_guest 3 4
	all_work
}

guest_words=("$(guest_program ops):bin/ops" "$(guest_program drill):bin/drill")
broker_args=(--probe-ms 200 --dead-ms 1200)
mesh_up 4 7
# What is only a matter of the transport an emulated guest need not repeat.
run "all four work" all_work
run "a program stopped: the others name it by the deadline; it finds itself excluded" stopped
run "a program killed: the others know at once" killed
run "the driver unbound and unloaded: the others know at once" unloaded
run "the device unplugged" unplugged
run "the VM powered off" powered_off
! uml || run "the VM powered off, of whoever broadcasts: its receivers name it" root_powered_off
! uml || run "two VMs powered off at once: the others go on without both" two_powered_off
run "the VM reset" reset
run "its tap deleted" tap_deleted
! uml || run "its port killed" port_killed
run "the broker killed: nobody notices" broker_killed
run "the broker killed, then the VM powered off: the deadline tells" no_broker_and_powered_off
! uml || run "the broker killed, then two VMs powered off at once: the deadline tells of both" no_broker_and_two_powered_off
guests_finish
