#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# mesh run where no mesh is needed for it: all ranks here, nodes that are only numbers.
# What comes out of it, and that all it has started ends with it.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
isolate "$@"

# ranks N ARG...
ranks() { mesh run -n "$1" -N "$(seq -s , 1 "$1")" "${@:2}"; }

full_disk() {
	# What is written on the way, and what is written at the end.
	fails 1 to_full ranks 1 -- echo word
	eq "$out" "mesh: cannot write all of it"
	fails 1 to_full mesh --version
	# The kernel's runner makes every line a write, so that the last may find nothing to say.
	[[ $out == 'mesh: cannot write'* ]] || fail "$out"
	fails 1 to_full mesh help
	fails 1 to_full mesh run --help
	# Its own failure is what counts.
	fails 7 to_full ranks 1 -- sh -c 'echo word; exit 7'
}
to_full() { { "$@" 2>&1 >&3 | cat; return "${PIPESTATUS[0]}"; } 3>/dev/full; }

# A line without an end comes out, too, though somebody else holds the pipe.
last_words() {
	eq "$(ranks 1 -- sh -c 'printf out; printf err >&2; setsid sleep 60 & exit 0' 2>&1 | sort)" "[0] err
[0] out"
}

# Whatever ends it, Ctrl-\\ and the end of who reads its output too, ends all ranks: one
# that says nothing would not find it out by itself.
silent_rank() {
	cat >"$tmp/silent" <<-END
		#!/bin/sh
		if [ "\$VIRTMESH_RANK" = 1 ]; then
			echo \$\$ >$tmp/rank.new
			mv $tmp/rank.new $tmp/rank
			exec sleep 60
		fi
		while sleep 0.1; do
			echo word
		done
	END
	chmod +x "$tmp/silent"
	rm -f "$tmp/rank"
}
signals() {
	local pid sig status
	for sig in HUP INT QUIT TERM; do
		silent_rank
		# Without job control what runs in the background ignores two of them.
		env --default-signal=INT,QUIT mesh run -n 2 -N 1,2 -- "$tmp/silent" >"$tmp/out" 2>&1 &
		pid=$!
		wait_until 10 test -e "$tmp/rank"
		kill "-$sig" "$pid"
		status=0
		wait "$pid" || status=$?
		eq "$status" $((128 + $(kill -l "$sig"))) "SIG$sig"
		wait_until 10 pid_gone "$(cat "$tmp/rank")"
	done
}
reader_gone() {
	silent_rank
	fails 141 to_true ranks 2 -- "$tmp/silent"
	wait_until 10 pid_gone "$(cat "$tmp/rank")"
}
# Not before the silent one is there.
to_true() { "$@" | wait_until 10 test -e "$tmp/rank"; return "${PIPESTATUS[0]}"; }

# The ends of what each length of UTF-8 can say, what lies just beyond them, and a character
# that a line's end or another one cuts off.
strange_bytes() {
	cat >"$tmp/expect" <<-'END'
		import json, subprocess, sys
		lines = [b"plain \\ \" \t \x01 \x00 \x7f", b"\xe4rger", b"\xc3", b"\xf0\x9f\x98", b"\xe2\x82x"]
		for point in 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff:
		    lines.append(chr(point).encode())
		lines += [bytes.fromhex(x) for x in "80 bf c080 c1bf e09fbf eda080 edbfbf f08fbfbf f4908080 f5808080 ff".split()]
		with open(sys.argv[1], "wb") as f:
		    f.write(b"\n".join(lines) + b"\n")
		out = subprocess.run("mesh run --json -n 1 -N 1 -- cat".split() + [sys.argv[1]],
		                     check=True, stdout=subprocess.PIPE).stdout.decode()
		got = [json.loads(line) for line in out.splitlines()]
		assert got.pop() == {"rank": 0, "status": 0}, out
		assert len(got) == len(lines), out
		for g, line in zip(got, lines):
		    want = ""
		    while line:
		        for n in 1, 2, 3, 4, 0:
		            try:
		                want += line[:n].decode() if n else "\ufffd"
		                break
		            except UnicodeDecodeError:
		                pass
		        line = line[n or 1:]
		    assert g == {"rank": 0, "stream": "stdout", "line": want}, (g, want)
	END
	python3 "$tmp/expect" "$tmp/bytes"
	# And without it they are what they were.
	ranks 1 -- cat "$tmp/bytes" >"$tmp/text"
	sed 's/^/[0] /' "$tmp/bytes" | cmp - "$tmp/text"
}

run "whatever a program says comes out, and with --json as JSON" strange_bytes
ignored_children() {
	fails 3 timeout -s KILL 10 perl -e '$SIG{CHLD} = "IGNORE"; exec @ARGV' \
		mesh run -n 1 -N 1 -- sh -c 'echo word; exit 3'
	eq "$out" "[0] word
mesh: rank 0 ended with status 3"
}

run "started with SIGCHLD ignored: it ends with its ranks" ignored_children
# As ssh does for a password: it ends then, which it cannot where it is stopped.
asks() {
	cat >"$tmp/at-terminal" <<-'END'
		import os, pty, sys
		pid, fd = pty.fork()
		if not pid:
		    os.execvp(sys.argv[1], sys.argv[1:])
		out = b""
		try:
		    while got := os.read(fd, 4096):
		        out += got
		except OSError:
		    pass
		sys.stdout.write(out.decode())
		sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
	END
	fails 5 timeout 10 python3 "$tmp/at-terminal" mesh run -n 1 -N 1 -- \
		sh -c 'read -r word </dev/tty || exit 5'
}

run "a rank that asks at the terminal fails" asks
run "a signal ends it, and all ranks with it" signals
run "the end of who reads its output ends all ranks" reader_gone
run "what a program said last comes out, whoever has its output still" last_words
run "a disk that is full is a failure" full_disk
finish
