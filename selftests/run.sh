#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Run installed kselftest programs with the kernel's runner, LANES of them at a time,
# show their TAP, and end with one line:
#
#	N passed, N failed, N skipped
#
#	run.sh DIR [COLLECTION | COLLECTION:TEST]...
#
# LANES (default: the processors, 4 at most): every program has namespaces of its own,
# so they do not meet. With one lane, or one program, lines are shown as they come, else
# a program's when it has ended.
#
# A test program that printed a TAP plan of its own counts by its cases, any
# other counts as one. A skip that skips.txt does not list is a failure where
# CI=true: nothing CI can run may be skipped there. A report in the host's kernel log
# fails each program in whose time it came, unless that has failed for it by itself.
# Exit status: 0 when nothing failed, 1 otherwise, 2 when it could not start.
set -uo pipefail

dir=${1:?usage: run.sh DIR [COLLECTION[:TEST]]...}
shift
here=$(dirname "$(realpath "$0")")
skips=$here/skips.txt
srctree=${srctree:-$(realpath "$here/..")}
# shellcheck source=host_log.sh
. "$here/host_log.sh"
log=$dir/output.tap
lanes=${LANES:-$(($(nproc) < 4 ? $(nproc) : 4))}

[ "$(id -u)" = 0 ] || {
	echo "make check needs root: it makes namespaces, taps and virtual machines" >&2
	exit 2
}
[[ $lanes =~ ^[1-9][0-9]*$ ]] || {
	echo "LANES=$lanes: it is how many tests run at a time, 1 or more" >&2
	exit 2
}

# Which programs: those named, else all, in the order of the list.
programs=()
[ $# != 0 ] || set -- '*'
for want in "$@"; do
	found=
	while IFS= read -r p; do
		# shellcheck disable=SC2053 # "*" is a pattern
		[[ $p == $want || ${p%%:*} == "$want" ]] || continue
		programs+=("$p")
		found=1
	done <"$dir/kselftest-list.txt"
	[ -n "$found" ] || [ "$want" = '*' ] || {
		echo "there is no test '$want'; $dir/kselftest-list.txt has all" >&2
		exit 2
	}
done

# program COLLECTION:TEST NUMBER: its lines, and before its last one a case more when
# the host's kernel complained, which shell tests (lib.sh) look for themselves; behind
# it how long it took.
program() {
	klog_mark
	(cd "$dir" && exec ./run_kselftest.sh -t "$1" 2>&1) | lines_of "$@"
}
lines_of() {
	local line told='' ended='' since=$SECONDS
	while IFS= read -r line; do
		case $line in
		'TAP version '* | 1..*) ;;
		'ok 1 selftests: '* | 'not ok 1 selftests: '*)
			if ! klog_check >"$work/$2.klog" && [ -z "$told" ]; then
				sed 's/^/# # /' "$work/$2.klog"
				echo "# not ok 0 the host's kernel log is clean"
			fi
			printf '%s\n' "${line/ok 1 /ok $2 }" "# took $((SECONDS - since)) s"
			ended=1
			;;
		*)
			[[ $line != *"the host's kernel complained"* ]] || told=1
			printf '%s\n' "$line"
			;;
		esac
	done
	[ -n "$ended" ] || echo "not ok $2 selftests: ${1%%:*}: ${1#*:} # its runner has no verdict"
}

# The programs that run: their numbers, by process.
declare -A running=()
one_ends() {
	local pid
	wait -n -p pid "${!running[@]}"
	[ ! -e "$work/${running[$pid]}" ] || cat "$work/${running[$pid]}"
	unset "running[$pid]"
}
until_running() { # N: until so many run, or fewer
	while [ ${#running[@]} -gt "$1" ]; do
		one_ends
	done
}
all_programs() {
	local n=0 p
	echo "TAP version 13"
	echo "1..${#programs[@]}"
	for p in "${programs[@]}"; do
		n=$((n + 1))
		until_running $((lanes - 1))
		# In the background even when it is alone: a trap waits for what is not.
		if [ "$lanes" = 1 ] || [ ${#programs[@]} = 1 ]; then
			program "$p" $n </dev/null &
		else
			program "$p" $n </dev/null >"$work/$n" &
		fi
		running[$!]=$n
	done
	until_running 0
}
interrupted() {
	local p
	trap '' INT TERM HUP
	for p in $(jobs -pr); do
		kill -TERM -- "-$p"
		wait "$p"
	done
	exit 130
} 2>/dev/null

start=$SECONDS
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap interrupted INT TERM HUP
# It is ended by the end of what it reads.
exec 3> >(trap '' INT TERM HUP && exec tee "$log")
tee=$!
# A group of processes for each program, to end all of it.
set -m
all_programs >&3 3>&-
set +m
exec 3>&-
wait "$tee"
echo "# took $((SECONDS - start)) s, $lanes at a time; the log is $log"

# The runner leads a test program's own lines with "# ". Its own line of a
# program comes last and is counted when it tells what the cases did not.
awk -v skips="$skips" -v ci="${CI-}" '
	BEGIN {
		while ((getline line < skips) > 0)
			if (line !~ /^(#|$)/)
				allowed[line] = 1
	}
	function skipped(name) {
		sub(/^[0-9]+ (- )?/, "", name)
		n = name
		sub(/ *# *SKIP.*/, "", n)
		if (ci == "true" && !(test ":" n in allowed)) {
			failed++
			bad[++nbad] = "skipped, not listed in skips.txt: " test ":" n
		} else {
			nskipped++
			print "# skipped: " test ": " name
		}
	}
	/^# selftests: / {
		test = $3 $4
		cases = failures = 0
		next
	}
	/^# (    )?not ok [0-9]+/ {
		cases++; failures++; failed++
		bad[++nbad] = test " " substr($0, 3)
		next
	}
	/^# (    )?ok [0-9]+.*# *SKIP/ { cases++; sub(/^# *ok /, ""); skipped($0); next }
	/^# (    )?ok [0-9]+/ { cases++; passed++; next }
	/^ok [0-9]+ selftests: .*# SKIP/ {
		if (!cases)
			skipped("0 whole")
		next
	}
	/^ok [0-9]+ selftests: / { if (!cases) passed++; next }
	/^not ok [0-9]+ selftests: / {
		if (!failures) {
			failed++
			bad[++nbad] = $0
		}
		next
	}
	END {
		for (i = 1; i <= nbad; i++)
			print "# FAILED: " bad[i]
		if (passed + failed + nskipped == 0) {
			print "# FAILED: no test ran"
			failed = 1
		}
		printf "%d passed, %d failed, %d skipped\n", passed, failed, nskipped
		exit failed != 0
	}
' "$log"
