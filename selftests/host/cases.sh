#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What a test in shell makes of its cases, lib.sh: tests that are made up.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
isolate "$@"

# A test made of the lines on stdin, without namespaces, on a host whose kernel log is
# a file: what it prints is in $out, and $status.
test_of() {
	local -x dir=$tmp/made
	rm -rf "$dir"
	mkdir -p "$dir/bin" "$dir/tmp"
	printf '#!/bin/sh\ncat %s/log\n' "$dir" >"$dir/bin/dmesg"
	chmod +x "$dir/bin/dmesg"
	echo '[    1.000000] all is well' >"$dir/log"
	{
		# shellcheck disable=SC2016 # for that one
		echo '. "$srctree/selftests/lib.sh"; PATH=$dir/bin:$PATH tmp=$dir/tmp; klog_mark'
		cat
	} >"$dir/test.sh"
	out=$(VERBOSE='' bash "$dir/test.sh" 2>&1) && status=0 || status=$?
}
verdicts() { grep -v '^#' <<<"$out"; }

# mesh and virtmesh end with 4 at times.
skipped() {
	test_of <<-'END'
		skips() { skip "no such thing"; }
		ends_with() { sh -c "exit $1"; }
		run one skips
		run two ends_with 4
		run three ends_with 0
		finish
	END
	eq "$(verdicts)" $'ok 1 one # SKIP no such thing\nnot ok 2 two\nok 3 three\n1..3'
	eq "$status" 1
	[[ $out == *"failed: sh -c"* ]] || fail "$out"
}

# A log is read once: who is skipped shows what he has done to it.
complained() {
	test_of <<-'END'
		report() { echo "[    2.000000] WARNING: CPU: 0 PID: 1 at there.c:1" >>"$dir/log"; }
		skips() { report; skip "no such thing"; }
		holds() { :; }
		hook() { [ $tests_run != 3 ] || { echo "a hook's reason"; return 1; }; }
		after_each=(hook)
		run one skips
		run two holds
		run three skip "no such thing"
		finish
	END
	eq "$(verdicts)" $'not ok 1 one\nok 2 two\nnot ok 3 three\n1..3'
	[[ $out == *"at there.c:1"*"the host's kernel complained"*"a hook's reason"* ]] || fail "$out"
}

none() {
	test_of <<<finish
	eq "$status/$(verdicts)" "1/Bail out! no case ran"
}

run "a case is skipped when it says so, not when a program ends with that status" skipped
run "a report in a kernel's log fails a case that skips, too" complained
run "a test without a case has failed" none
finish
