# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# For tests in shell: isolation, TAP, waiting, skipping. A test is:
#
#	. "$(dirname "$0")/../lib.sh"
#	isolate "$@"
#	some_case() { ...; }
#	run "what happens, then what must hold" some_case [ARG]...
#	finish
#
# A case runs in a subshell under `set -e`: the first command that fails ends it,
# and where is said. Beware of what -e does not see: `a && b`, `! a`, `local x=$(a)`.
# What it prints is shown when it fails (VERBOSE=1: always). It may call:
#
#	eq GOT WANT [WHAT]	fails unless equal, and shows both
#	fails STATUS CMD...	fails unless CMD exits with STATUS; output is kept in $out
#	fail WHY, skip WHY	end the case
#	wait_until SECONDS CMD...	as often as needed; fails when it never holds
#
# A test program with cases of its own: `out=$(prog); tap_cases $? <<<"$out"`.
#
# After each case the functions named in `after_each` run (a kernel log's scan);
# one that fails makes the case fail.
set -u

srctree=${srctree:-$(realpath "$(dirname "${BASH_SOURCE[0]}")/..")}
O=$(realpath -m "${O:-$srctree/build}")
export srctree O
# shellcheck source-path=SCRIPTDIR source=host_log.sh
. "$(dirname "${BASH_SOURCE[0]}")/host_log.sh"
PATH=$O/host:$O/broker:$O/guest/tools:/usr/local/sbin:/usr/sbin:/sbin:$PATH

ksft_skip=4
after_each=()
tests_run=0
tests_failed=0

# isolate "$@": go on in new mount, network and process namespaces, with bpffs,
# an empty /run, and lo up. Whatever is started in them ends with this script,
# also when it is killed: the kernel takes down the last process's namespaces, and
# with them every tap, pin and mount. $tmp is a directory for this run.
isolate() {
	if [ -z "${ISOLATED-}" ]; then
		skip_all_unless_root
		local tmpdir status
		tmpdir=$(mktemp -d)
		# The process namespace's init must not be the one who is interrupted:
		# this shell waits, and kills all of it at once.
		ISOLATED=$tmpdir setpriv --pdeathsig KILL unshare --mount --net --pid --fork \
			--kill-child=KILL --mount-proc "$BASH" "$0" "$@" </dev/null &
		ns_pid=$!
		trap 'kill -KILL "$ns_pid" 2>/dev/null; wait "$ns_pid"' INT TERM HUP
		wait "$ns_pid"
		status=$?
		rm -rf "$tmpdir"
		exit "$status"
	fi
	tmp=$ISOLATED
	# sysfs shows the interfaces of the network namespace it was mounted in.
	mount -t sysfs sysfs /sys || bail "cannot mount sysfs"
	mount -t bpf bpf /sys/fs/bpf || bail "cannot mount bpffs"
	mount -t tmpfs tmpfs /run || bail "cannot mount a tmpfs on /run"
	ip link set lo up || bail "cannot bring lo up"
	trap 'cleanup_all' EXIT
	trap 'exit 130' INT TERM
	echo "TAP version 13"
	klog_mark
}

skip_all_unless_root() {
	[ "$(id -u)" = 0 ] || skip_all "needs root"
}

skip_all() {
	echo "1..0 # SKIP $*"
	exit $ksft_skip
}

# Not a verdict about what is tested: the ground under the test is missing.
bail() {
	echo "Bail out! $*"
	exit 1
}

# Commands to run at the end, last one first. Only what the namespaces' end does
# not undo needs one.
cleanups=()
cleanup() { cleanups+=("$*"); }
cleanup_all() {
	local i
	for ((i = ${#cleanups[@]} - 1; i >= 0; i--)); do
		eval "${cleanups[i]}"
	done
	cleanups=()
}

# Stop the process $1 (a child or not) and wait until it is gone.
stop_pid() {
	kill "${2:--TERM}" "$1" 2>/dev/null || return 0
	wait_until 10 pid_gone "$1"
}
pid_gone() {
	wait "$1" 2>/dev/null
	! kill -0 "$1" 2>/dev/null
}

wait_until() {
	local end=$((${EPOCHREALTIME%[.,]*} + $1)) seconds=$1 pause=0.02 tries=0
	shift
	# The only sleep there is, and always under a deadline. To look costs processes, which
	# those that are waited for could need.
	until "$@" >/dev/null 2>&1; do
		if [ "${EPOCHREALTIME%[.,]*}" -gt "$end" ]; then
			echo "waited $seconds s in vain for: $*"
			"$@" || :
			return 1
		fi
		[ $((tries += 1)) -lt 25 ] || pause=0.2
		sleep $pause
	done
}

fail() {
	echo "$*"
	exit 1
}

skip() {
	echo "$*" >"$tmp/skip"
	exit $ksft_skip
}

eq() {
	[ "$1" = "$2" ] || fail "${3:+$3: }got '$1', want '$2'"
}

# shellcheck disable=SC2034 # for the case to look at
fails() {
	local want=$1 got=0
	shift
	out=$("$@" 2>&1) || got=$?
	[ "$got" = "$want" ] || fail "'$*' exited with $got, want $want: $out"
}

run() {
	local name=$1 status hook log=$tmp/case.log
	shift
	rm -f "$tmp/skip"
	tests_run=$((tests_run + 1))
	(
		set -eE
		trap 'echo "${BASH_SOURCE[0]##*/}:$LINENO: failed: $BASH_COMMAND"' ERR
		"$@"
	) >"$log" 2>&1
	status=$?
	# Programs may end with this status, too; who skips has said why.
	[ $status != $ksft_skip ] || [ -e "$tmp/skip" ] || status=1
	for hook in "${after_each[@]}" klog_check; do
		"$hook" >>"$log" 2>&1 || status=1
	done
	if [ $status != 0 ] && [ $status != $ksft_skip ] || [ -n "${VERBOSE-}" ]; then
		sed 's/^/# /' "$log"
	fi
	case $status in
	0) echo "ok $tests_run $name" ;;
	"$ksft_skip") echo "ok $tests_run $name # SKIP $(cat "$tmp/skip")" ;;
	*)
		tests_failed=$((tests_failed + 1))
		echo "not ok $tests_run $name"
		;;
	esac
}

# tap_cases STATUS: the output of a test program of the harness, on stdin: each of
# its cases becomes one of ours. STATUS is its own: it must agree.
tap_cases() {
	local line failed=0 before=$tests_run
	while IFS= read -r line; do
		case $line in
		'ok '* | 'not ok '*)
			tests_run=$((tests_run + 1))
			[ "${line%% *}" = ok ] || failed=$((failed + 1))
			printf '%s\n' "$line" | sed "s/ok [0-9]*/ok $tests_run/; s/  */ /g"
			;;
		1..* | 'TAP version'*) ;;
		*) printf '# %s\n' "${line#\# }" ;;
		esac
	done
	tests_failed=$((tests_failed + failed))
	if [ "$tests_run" = "$before" ] || { [ "$1" != 0 ] && [ $failed = 0 ]; }; then
		tests_run=$((tests_run + 1))
		tests_failed=$((tests_failed + 1))
		echo "not ok $tests_run the program ended with status $1"
	fi
}

finish() {
	# A loop that found nothing to run has shown nothing.
	[ "$tests_run" != 0 ] || bail "no case ran"
	echo "1..$tests_run"
	[ "$tests_failed" = 0 ]
	exit
}
