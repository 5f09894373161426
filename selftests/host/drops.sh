#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Lost and dropped frames, as drops and drops --follow show them.
. "$(dirname "$0")/../lib.sh"
isolate "$@"
# shellcheck source=host.sh
. "$(dirname "$0")/host.sh"

two_ports() {
	virtmesh port add vm1 --ensemble 1 --node 1 "$@"
	virtmesh port add vm2 --ensemble 1 --node 2 "$@"
}

table() {
	two_ports
	out=$(virtmesh drops)
	eq "$(wc -l <<<"$out")" 1 "lines when nothing was dropped"
	frame send vm1 "$(mac 1 9)" "$(mac 1 1)" 0x0800 64 1 3
	frame send vm1 "$(mac 1 2)" "$(mac 1 7)" 0x0800 64 1 2
	out=$(virtmesh drops)
	eq "$(awk '$1 == "vm1" { print $4, $5 }' <<<"$out")" "spoof 2
no-node 3"
	eq "$(port_json vm1 drops)" 5
}

# Nobody holds vm2 open: the kernel refuses what is sent there.
closed() {
	two_ports
	frame send vm1 "$(mac 1 2)" "$(mac 1 1)" 0x0800 64 1 7
	eq "$(virtmesh drops | awk '$1 == "vm2" { print $4, $5 }')" "lost-closed 7"
	eq "$(port_json vm2 tx_frames) $(port_json vm2 lost)" "7 7"
}

# A ring of 16 that nobody reads: sent = waiting + lost. In the native path.
full() {
	two_ports
	ip link set dev vm2 txqueuelen 16
	hold vm2
	frame send vm1 "$(mac 1 2)" "$(mac 1 1)" 0x0800 64 1 100
	eq "$(port_json vm2 tx_frames)" 100
	eq "$(virtmesh drops | awk '$1 == "vm2" { print $4, $5 }')" "lost-full $(lost_of 100)"
	unhold
}

# The same for frames of more than a page, which take the generic path.
full_generic() {
	two_ports --mtu 9000
	ip link set dev vm2 txqueuelen 16
	hold vm2
	frame send vm1 "$(mac 1 2)" "$(mac 1 1)" 0x0800 9014 1 100
	eq "$(port_json vm2 tx_frames)" 100
	eq "$(virtmesh drops | awk '$1 == "vm2" { print $4, $5 }')" "lost-skb $(lost_of 100)"
	unhold
}

# Hold tap $1 open and stopped, so that its ring fills.
hold() {
	receive "$1" 1000000 60
	holder=$!
	held=$1
	kill -STOP "$holder"
	wait_until 5 grep -q "^State:.T" /proc/"$holder"/status
}
# Let it read what there is: $1 were sent, so the rest is lost.
lost_of() {
	kill -CONT "$holder"
	wait_until 5 arrived_all
	echo $(($1 - $(sed 1d "$tmp/$held.frames" | wc -l)))
}
arrived_all() {
	# It sleeps in poll() and has nothing more to write.
	grep -q "^State:.S" "/proc/$holder/status" && [ "$(sed 1d "$tmp/$held.frames" | wc -l)" -ge 16 ]
}
unhold() {
	kill "$holder"
	wait "$holder" || :
}

follower() {
	rm -f "$tmp/$1.follow" "$tmp/$1.err"
	virtmesh drops --follow "${@:2}" >"$tmp/$1.follow" 2>"$tmp/$1.err" &
}

follow() {
	local pid
	two_ports
	follower a
	pid=$!
	wait_until 5 reads_events "$pid"
	frame send vm1 "$(mac 1 9)" "$(mac 1 1)" 0x0800 77 1 3
	wait_until 5 grep -q "vm1 .*no-node .*$(mac 1 1) > $(mac 1 9), type 0x0800, 77 bytes" "$tmp/a.follow"
	wait_until 5 grep -q "vm1 .*no-node .*+3 = 3" "$tmp/a.follow"
	kill -INT "$pid"
	wait "$pid"
	eq "$(cat "$tmp/a.err")" ""
}

# It has the events when it has the lock on the links, and sleeps.
reads_events() {
	grep -q "FLOCK .* $1 " /proc/locks && grep -q "^State:.S" "/proc/$1/status"
}

follow_json() {
	local pid line
	two_ports
	follower a --json
	pid=$!
	wait_until 5 reads_events "$pid"
	frame send vm1 "$(mac 1 9)" "$(mac 1 1)" 0x0800 77 1 3
	wait_until 5 grep -q '"type":"drops"' "$tmp/a.follow"
	kill "$pid"
	wait "$pid"
	while read -r line; do
		jsonget /reason <<<"$line" >/dev/null
	done <"$tmp/a.follow"
	eq "$(head -n 1 "$tmp/a.follow" | jsonget /dst)" "$(mac 1 9)"
	eq "$(tail -n 1 "$tmp/a.follow" | jsonget /frames)" 3
}

# Frames of both are dropped; what is shown is the asked for ensemble's, events too.
follow_one_ensemble() {
	local pid
	virtmesh ensemble add 2
	virtmesh port add vm1 --ensemble 1 --node 1
	virtmesh port add vm2 --ensemble 2 --node 1
	follower a --ensemble 2
	pid=$!
	wait_until 5 reads_events "$pid"
	frame send vm1 "$(mac 1 9)" "$(mac 1 1)" 0x0800 77 1 3
	frame send vm2 "$(mac 2 9)" "$(mac 2 1)" 0x0800 78 1 3
	wait_until 5 grep -q "vm2 .*78 bytes" "$tmp/a.follow"
	wait_until 5 grep -q "vm2 .*+3 = 3" "$tmp/a.follow"
	kill "$pid"
	wait "$pid"
	! grep vm1 "$tmp/a.follow" || fail "shows another ensemble"
	virtmesh port del vm1
	virtmesh port del vm2
}

no_such_ensemble() {
	fails 3 virtmesh drops --ensemble 2
	says "no ensemble 2"
	fails 3 virtmesh drops --ensemble 2 --follow
	says "no ensemble 2"
	virtmesh drops --ensemble 1
}

# What nobody has read yet is older than whoever reads it.
event_of_before() {
	local pid before after started time
	two_ports
	before=$(date +%s%N)
	frame send vm1 "$(mac 1 9)" "$(mac 1 1)" 0x0800 77 1
	after=$(date +%s%N)
	wait_until 5 two_seconds_after "$after"
	started=$(date +%s%N)
	follower a --json
	pid=$!
	# Later events have the ring wake the follower.
	wait_until 5 reads_events "$pid"
	frame send vm2 "$(mac 1 1)" "$(mac 1 9)" 0x0800 78 1
	wait_until 5 grep -q '"reason":"spoof"' "$tmp/a.follow"
	kill "$pid"
	wait "$pid"
	time=$(grep '"no-node"' "$tmp/a.follow" | head -n 1 | jsonget /time_ns)
	if [ "$time" -lt $((before - 50000000)) ] || [ "$time" -gt $((after + 50000000)) ]; then
		fail "$time is not from $before to $after"
	fi
	time=$(grep '"spoof"' "$tmp/a.follow" | head -n 1 | jsonget /time_ns)
	[ "$time" -ge "$started" ] || fail "$time is before $started"
}
two_seconds_after() { [ $(($(date +%s%N) - $1)) -gt 2000000000 ]; }

second_follower() {
	local a b
	two_ports
	follower a
	a=$!
	wait_until 5 reads_events "$a"
	follower b
	b=$!
	wait_until 5 grep -qs "somebody else follows" "$tmp/b.err"
	wait_until 5 grep -q "^State:.S" /proc/"$b"/status
	frame send vm1 "$(mac 1 9)" "$(mac 1 1)" 0x0800 77 1 3
	wait_until 5 grep -q "77 bytes" "$tmp/a.follow"
	wait_until 5 grep -q "+3 = 3" "$tmp/b.follow"
	eq "$(grep -c "77 bytes" "$tmp/b.follow" || :)" 0 "events at the second"
	# The first ends, a third may read events again.
	kill "$a"
	wait "$a"
	follower c
	wait_until 5 reads_events $!
	kill "$b" $!
	wait
}

mesh_removed() {
	local pid status=0
	virtmesh ensemble add 1
	follower a
	pid=$!
	wait_until 5 reads_events "$pid"
	virtmesh ensemble del 1
	wait "$pid" || status=$?
	eq "$status" 3
	grep -q "was removed" "$tmp/a.err"
}

# Another mesh is not the one that is followed. Between two looks: so stopped meanwhile.
mesh_replaced() {
	local pid status=0
	follower a
	pid=$!
	wait_until 5 reads_events "$pid"
	kill -STOP "$pid"
	virtmesh ensemble del 1
	virtmesh ensemble add 1
	kill -CONT "$pid"
	wait_until 5 pid_ended "$pid"
	wait "$pid" || status=$?
	eq "$status" 3
	grep -q "was removed" "$tmp/a.err"
}
pid_ended() { ! grep -qs "^State:.[^Z]" "/proc/$1/status"; }

reader_gone() {
	local status
	two_ports
	# The pipe's reader ends after one line; so does the follower, and it is no failure.
	# With lines flushed by printf() itself, too, as on a terminal.
	{
		status=0
		stdbuf --output=L virtmesh drops --follow 2>"$tmp/err" || status=$?
		echo "$status" >"$tmp/status"
	} | head -n 1 >/dev/null &
	wait_until 5 grep -q FLOCK /proc/locks
	wait_until 10 reader_gone_ends
	eq "$(cat "$tmp/status")" 0 "$(cat "$tmp/err")"
}
reader_gone_ends() {
	frame send vm1 "$(mac 1 9)" "$(mac 1 1)" 0x0800 77 1
	[ -s "$tmp/status" ]
}

case_on "drops shows reasons that happened, and nothing else" with_mesh table
case_on "nobody has the receiver open: lost-closed, exactly" with_mesh closed
case_on "the receiver's ring is full: lost-full, sent = arrived + lost" with_mesh full
case_on "the same in the generic path: lost-skb" with_mesh full_generic
case_on "follow shows the frame, and how far the counter moved" with_mesh follow
case_on "follow --json writes one object a line" with_mesh follow_json
case_on "an event that waited to be read has the time when it was" with_mesh event_of_before
case_on "follow --ensemble shows that one" with_mesh follow_one_ensemble
case_on "an ensemble that is not there is told, status 3" with_mesh no_such_ensemble
case_on "a second follower is told, and gets counters only" with_mesh second_follower
case_on "follow ends with 3 when the mesh is removed" mesh_removed
case_on "follow ends with 3 when the mesh is removed and made again" with_mesh mesh_replaced
case_on "follow ends quietly when its reader does" with_mesh reader_gone
finish
