#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What `make check` counts, run.sh: programs that are made up, on a host whose kernel
# log is a file, so that a program after which the kernel has complained is seen to fail.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
isolate "$@"

here=$srctree/selftests

# suite: the programs are made up of the lines on stdin: what a runner prints of them,
# one after the other; a line "klog TEXT" is the kernel's, a second after the last, "meet
# PROGRAM" waits until that one runs. What run.sh makes of it is in $out, and $status.
lanes=1
suite() {
	made_up
	out=$(CI='' LANES=$lanes PATH=$tmp/suite/bin:$PATH timeout 20 \
		"$tmp/suite/run.sh" "$tmp/suite" "$@" 2>&1) && status=0 || status=$?
}
made_up() {
	local dir=$tmp/suite
	rm -rf "$dir"
	mkdir -p "$dir/bin"
	echo '[    1.000000] WARNING: CPU: 0 PID: 1 at before.c:1' >"$dir/log"
	echo 1 >"$dir/now"
	printf '#!/bin/sh\ncat %s/log\n' "$dir" >"$dir/bin/dmesg"
	cp "$here"/{run.sh,host_log.sh,skips.txt} "$dir"
	cat >"$dir/words"
	sed -n 's/^# selftests: \([^:]*\): \(.*\)/\1:\2/p' "$dir/words" >"$dir/kselftest-list.txt"
	cat >"$dir/run_kselftest.sh" <<-'END'
		#!/bin/bash
		now=$(cat now) mine=
		echo $$ >"at.$2"
		echo "TAP version 13"
		echo 1..1
		while IFS= read -r line; do
			[[ $line != '# selftests: '* ]] || mine=
			[ "$line" != "# selftests: ${2%%:*}: ${2#*:}" ] || mine=1
			[ -n "$mine" ] || continue
			now=$((now + 1))
			case $line in
			'klog '*) printf '[%5d.000000] %s\n' $now "${line#klog }" >>log ;;
			'meet '*) until [ -e "at.${line#meet }" ]; do sleep 0.02; done ;;
			*) printf '%s\n' "$line" ;;
			esac
		done <words
		echo "$now" >now
	END
	chmod +x "$dir/run_kselftest.sh" "$dir/bin/dmesg"
}
last() { tail -n 1 <<<"$out"; }

clean() {
	suite <<-'END'
		# selftests: port: vring
		klog all is well
		ok 1 selftests: port: vring
		# selftests: bpf: parse
		# ok 1 one
		# ok 2 two # SKIP no such thing
		# not ok 3 three
		not ok 1 selftests: bpf: parse # exit=1
	END
	eq "$status/$(last)" "1/2 passed, 1 failed, 1 skipped" "$out"
	suite <<<$'# selftests: port: vring\nok 1 selftests: port: vring'
	eq "$status/$(last)" "0/1 passed, 0 failed, 0 skipped" "$out"
}

# Of the three programs the second's time has the report, and nobody else has.
complained() {
	suite <<-'END'
		# selftests: port: vring
		ok 1 selftests: port: vring
		# selftests: port: mover
		# ok 1 one
		klog BUG: KASAN: use-after-free in there
		# ok 2 two
		ok 1 selftests: port: mover
		# selftests: port: plug
		ok 1 selftests: port: plug
	END
	eq "$status/$(last)" "1/4 passed, 1 failed, 0 skipped" "$out"
	[[ $out == *'# # [    6.000000] BUG: KASAN'* && $out != *before.c* ]] || fail "$out"
	grep -q '^# FAILED: port:mover .*kernel log' <<<"$out" || fail "$out"
	# A program without cases is one failure, and none passed.
	suite <<-'END'
		# selftests: port: vring
		klog WARNING: CPU: 0 PID: 1 at there.c:1
		ok 1 selftests: port: vring
	END
	eq "$status/$(last)" "1/0 passed, 1 failed, 0 skipped" "$out"
}

# A test in shell has seen it, and says so.
counted_once() {
	suite <<-'END'
		# selftests: host: ports.sh
		klog WARNING: CPU: 0 PID: 1 at there.c:1
		# # [    3.000000] WARNING: CPU: 0 PID: 1 at there.c:1
		# # the host's kernel complained
		# not ok 1 a case
		# ok 2 another
		not ok 1 selftests: host: ports.sh # exit=1
		# selftests: host: usage.sh
		ok 1 selftests: host: usage.sh
	END
	eq "$status/$(last)" "1/2 passed, 1 failed, 0 skipped" "$out"
}

# Each ends only when the other has begun; what they print stays together.
at_once() {
	local lanes=2
	suite <<-'END'
		# selftests: port: vring
		meet port:mover
		# ok 1 one
		ok 1 selftests: port: vring
		# selftests: port: mover
		# ok 1 two
		meet port:vring
		# ok 2 three
		ok 1 selftests: port: mover
	END
	eq "$status/$(last)" "0/3 passed, 0 failed, 0 skipped" "$out"
	eq "$(grep -c '^ok [12] selftests' <<<"$out")" 2 "$out"
	grep -A 3 '^# selftests: port: mover' <<<"$out" | grep -q '^ok 2 selftests: port: mover' || fail "$out"
}

# Whoever is told to end takes along what he has started, also alone.
ended_by() { # SIGNAL LANES PROGRAM...
	local signal=$1 lanes=$2 pid status=0
	shift 2
	made_up <<-'END'
		# selftests: port: vring
		# ok 1 one
		meet nobody
		# selftests: port: mover
		meet nobody
	END
	# Asynchronous commands ignore SIGINT.
	CI='' LANES=$lanes PATH=$tmp/suite/bin:$PATH env --default-signal=INT \
		timeout --foreground -s KILL 20 "$tmp/suite/run.sh" "$tmp/suite" "$@" >"$tmp/out" 2>&1 &
	pid=$!
	wait_until 10 [ -s "$tmp/suite/at.port:vring" ]
	kill -"$signal" "$pid"
	wait "$pid" || status=$?
	eq "$status" 130 "$signal, $lanes lanes: $(cat "$tmp/out")"
	for pid in "$tmp/suite"/at.*; do
		wait_until 10 pid_gone "$(cat "$pid")"
	done
}
ended() {
	local signal
	for signal in TERM INT HUP; do
		ended_by "$signal" 1
		ended_by "$signal" 2
		ended_by "$signal" 2 port:vring
	done
}

some_of_them() {
	local all=$'# selftests: bpf: parse\nok 1 selftests: bpf: parse
# selftests: port: vring\nok 1 selftests: port: vring\n# selftests: port: mover\nok 1 selftests: port: mover'
	suite port <<<"$all"
	eq "$status/$(last)" "0/2 passed, 0 failed, 0 skipped" "$out"
	suite port:mover bpf <<<"$all"
	eq "$status/$(last)" "0/2 passed, 0 failed, 0 skipped" "$out"
	suite bpf:mover <<<"$all"
	eq "$status" 2 "$out"
	[[ $out == *"no test 'bpf:mover'"* ]] || fail "$out"
	lanes=none suite port <<<"$all"
	eq "$status" 2 "$out"
}

run "passed, failed and skipped are counted" clean
run "a report in the host's kernel log fails the program in whose time it came" complained
run "a report that a test has told of itself is counted once" counted_once
run "as many at a time as LANES says" at_once
run "it can be ended, and so do its programs, with one lane and with more" ended
# The runner of the second has gone before its end.
no_verdict() {
	suite <<-'END'
		# selftests: port: vring
		ok 1 selftests: port: vring
		# selftests: port: mover
		# ok 1 one
	END
	eq "$status/$(last)" "1/2 passed, 1 failed, 0 skipped" "$out"
	grep -q '^# FAILED: .*port: mover .*no verdict' <<<"$out" || fail "$out"
}

run "a program that ends without a verdict has failed" no_verdict
run "a collection, a test, and one that does not exist" some_of_them
finish
