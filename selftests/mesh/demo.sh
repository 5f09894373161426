#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make demo: it works, and whenever it is ended, by Ctrl-C, SIGTERM or even
# SIGKILL, nothing of it stays: no process, no namespace, no file.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
isolate "$@"

export TMPDIR=$tmp
# Its own: from here one that a developer has kept would seem to have ended.
export DEMO_STATE=$tmp/state
demo() { "$srctree/deploy/demo.sh"; }

# Everything the demo starts has its directory in the environment, and nobody else
# of this process namespace is there but this test.
processes() { grep -lz '^DEMO_DIR=' /proc/[0-9]*/environ 2>/dev/null | wc -l; }
nothing_left() {
	[ "$(processes)" = 0 ] || return 1
	[ -z "$(ls -d "$TMPDIR"/virtmesh-demo-* 2>/dev/null)" ] || return 1
	# Ours is the only network namespace that anybody is in.
	[ "$(readlink /proc/[0-9]*/ns/net 2>/dev/null | sort -u | wc -l)" = 1 ] || return 1
	[ "$(ls /sys/class/net)" = lo ] || return 1
	[ ! -e /sys/fs/bpf/virtmesh ]
}

refuses_nonsense() {
	fails 1 env N=1 "$srctree/deploy/demo.sh"
	[[ $out == 'demo: failed: '*'2 to 6'* ]] || fail "$out"
	fails 2 "$srctree/deploy/demo.sh" nonsense
	fails 1 "$srctree/deploy/demo.sh" inside
	nothing_left
}

# ended SIGNAL LINE: end it when its output shows LINE
ended() {
	local pid
	# Without job control a background shell ignores SIGINT; Ctrl-C does not meet that.
	perl -e '$SIG{INT} = "DEFAULT"; setpgrp; exec @ARGV' "$srctree/deploy/demo.sh" \
		>"$tmp/demo.out" 2>&1 </dev/null &
	pid=$!
	wait_until 60 grep -q "$2" "$tmp/demo.out"
	[ "$(processes)" -gt 0 ] || fail "nothing runs at '$2': $(cat "$tmp/demo.out")"
	# As the terminal does: the whole foreground process group, but for KILL.
	if [ "$1" = KILL ]; then
		kill -KILL "$pid"
	else
		kill "-$1" -- "-$pid"
	fi
	wait_until 10 pid_gone "$pid"
	wait_until 10 processes_gone
	if [ "$1" = KILL ]; then
		# Nobody is left to remove its directory.
		rm -rf "$TMPDIR"/virtmesh-demo-*
	else
		eq "$(tail -n 1 "$tmp/demo.out")" 'demo: failed: interrupted'
	fi
	wait_until 5 nothing_left
}
processes_gone() { [ "$(processes)" = 0 ]; }

keeps_on_demand() {
	KEEP=1 N=2 demo >"$tmp/demo.out" 2>&1
	[[ $(tail -n 1 "$tmp/demo.out") == 'demo: ok: 2 nodes'* ]] || fail "$(cat "$tmp/demo.out")"
	# It goes on, and can be looked at.
	out=$("$DEMO_STATE/enter" virtmesh nodes)
	eq "$(grep -c ' up ' <<<"$out")" 2 "nodes up"
	"$DEMO_STATE/enter" test -e /sys/class/net/vm2
	sock=$(sed -n 's/.*UNIX-CONNECT:\([^ ]*\).*/\1/p' "$tmp/demo.out")
	# Its input ends only when the answer is there.
	mkfifo "$tmp/keys"
	timeout 20 socat - "UNIX-CONNECT:$sock" <"$tmp/keys" >"$tmp/console" &
	exec 7>"$tmp/keys"
	echo 'mesh info; echo over and out' >&7
	wait_until 10 grep -q '^over and out' "$tmp/console"
	exec 7>&-
	grep 'node 1 of ensemble 7' "$tmp/console"
	# A second one is refused while it runs, and says how to end it.
	fails 1 env KEEP=1 N=2 "$srctree/deploy/demo.sh"
	[[ $out == *"$DEMO_STATE/stop"* ]] || fail "$out"
	cp "$DEMO_STATE/enter" "$DEMO_STATE/stop" "$DEMO_STATE/running" "$tmp"
	"$DEMO_STATE/stop"
	wait_until 10 nothing_left
	[ ! -e "$DEMO_STATE" ] || fail "$DEMO_STATE is left"
	someone_elses_number
}

# The same number is somebody else's: neither entered nor killed.
someone_elses_number() {
	local other
	sleep 100 &
	other=$!
	mkdir "$DEMO_STATE"
	sed "s/identity [0-9][0-9]*)/identity $other)/g" "$tmp/running" >"$DEMO_STATE/running"
	sed "s/--target [0-9]*/--target $other/" "$tmp/enter" >"$DEMO_STATE/enter"
	sed "s/kill -KILL [0-9]*/kill -KILL $other/" "$tmp/stop" >"$DEMO_STATE/stop"
	chmod +x "$DEMO_STATE/enter" "$DEMO_STATE/stop" "$DEMO_STATE/running"
	fails 1 "$DEMO_STATE/enter" true
	[[ $out == *'has ended'* ]] || fail "$out"
	"$DEMO_STATE/stop"
	kill -0 "$other" || fail "killed somebody else"
	kill "$other"
	[ ! -e "$DEMO_STATE" ] || fail "$DEMO_STATE is left"
}

# The same table from User-Mode Linux guests, whose console is a pair of FIFOs.
on_uml() {
	local dir status=0
	"$srctree/deploy/uml/kernel.sh" plain >"$tmp/kernel" || status=$?
	[ "$status" != 3 ] || skip "no source for a User-Mode Linux kernel here"
	eq "$status" 0 "deploy/uml/kernel.sh"
	fails 1 env GUESTS=uml N=17 "$srctree/deploy/demo.sh"
	GUESTS=uml KEEP=1 N=4 demo >"$tmp/demo.out" 2>&1
	[[ $(tail -n 1 "$tmp/demo.out") == 'demo: ok: 4 nodes'* ]] || fail "$(cat "$tmp/demo.out")"
	out=$("$DEMO_STATE/enter" virtmesh show)
	eq "$(grep -c 'port/' <<<"$out")" 4 "ports served by virtmesh-port"
	dir=$(sed -n "s/.*'OPEN:\(.*\)\/shell.out,.*/\1/p" "$tmp/demo.out")
	# As the printed command does, with a FIFO for the keyboard.
	mkfifo "$tmp/uml-keys"
	timeout 20 socat - "OPEN:$dir/shell.out,rdonly!!OPEN:$dir/shell.in,wronly" \
		<"$tmp/uml-keys" >"$tmp/uml-console" &
	exec 7>"$tmp/uml-keys"
	echo 'mesh info; echo over and out' >&7
	wait_until 10 grep -q '^over and out' "$tmp/uml-console"
	exec 7>&-
	grep 'node 1 of ensemble 7' "$tmp/uml-console"
	"$DEMO_STATE/stop"
	wait_until 10 nothing_left
}

run "wrong usage: told, and nothing done" refuses_nonsense
run "Ctrl-C while it looks for an accelerator: nothing is left" ended INT 'kernel and root'
run "SIGTERM while it starts the guests: nothing is left" ended TERM 'guests: Linux'
run "SIGKILL while the guests boot: no process is left" ended KILL 'broker answers'
run "Ctrl-C while it measures: nothing is left" ended INT 'have joined'
run "GUESTS=uml: four nodes behind virtmesh-port, the console, and stop ends it" on_uml
run "KEEP=1: demo: ok, it goes on, enter and the console work, stop ends it" keeps_on_demand
finish
