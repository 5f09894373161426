#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What `make check` counts, run.sh: programs that are made up, on a host whose kernel
# log is a file, so that a program after which the kernel has complained is seen to fail.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
isolate "$@"

run_sh=$(realpath "$(dirname "$0")/../run.sh")

# suite: what a runner of programs prints is made by the words on stdin; a line "klog
# TEXT" is the kernel's, a second after the last. A program takes long enough for
# run.sh to have seen the end of the one before. What run.sh makes of it is in $out.
suite() {
	local dir=$tmp/suite
	rm -rf "$dir"
	mkdir -p "$dir/bin"
	echo '[    1.000000] WARNING: CPU: 0 PID: 1 at before.c:1' >"$dir/log"
	printf '#!/bin/sh\ncat %s/log\n' "$dir" >"$dir/bin/dmesg"
	cat >"$dir/words"
	cat >"$dir/run_kselftest.sh" <<-'END'
		#!/bin/bash
		now=1 ended=0
		seen() { [ "$(grep -c '^# took' output.tap)" -ge $ended ]; }
		while IFS= read -r line; do
			now=$((now + 1))
			case $line in
			'klog '*) printf '[%5d.000000] %s\n' $now "${line#klog }" >>log ;;
			*) printf '%s\n' "$line" ;;
			esac
			[[ $line != *'ok '*' selftests: '* ]] || ended=$((ended + 1))
			for ((i = 0; i < 500; i++)); do
				seen && break || sleep 0.02
			done
		done <words
	END
	chmod +x "$dir/run_kselftest.sh" "$dir/bin/dmesg"
	out=$(CI='' PATH=$dir/bin:$PATH "$run_sh" "$dir" 2>&1) && status=0 || status=$?
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
		not ok 2 selftests: bpf: parse # exit=1
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
		ok 2 selftests: port: mover
		# selftests: port: plug
		ok 3 selftests: port: plug
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
		ok 2 selftests: host: usage.sh
	END
	eq "$status/$(last)" "1/2 passed, 1 failed, 0 skipped" "$out"
}

run "passed, failed and skipped are counted" clean
run "a report in the host's kernel log fails the program in whose time it came" complained
run "a report that a test has told of itself is counted once" counted_once
finish
