#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Run installed kselftest collections with the kernel's runner, show its TAP as
# it comes, and end with one line:
#
#	N passed, N failed, N skipped
#
#	run.sh DIR [COLLECTION | COLLECTION:TEST]...
#
# A test program that printed a TAP plan of its own counts by its cases, any
# other counts as one. A skip that skips.txt does not list is a failure where
# CI=true: nothing CI can run may be skipped there. A report in the host's kernel log
# fails the program in whose time it came, unless that has failed for it by itself.
# Exit status: 0 when nothing failed, 1 otherwise, 2 when it could not start.
set -uo pipefail

dir=${1:?usage: run.sh DIR [COLLECTION[:TEST]]...}
shift
skips=$(dirname "$0")/skips.txt
srctree=${srctree:-$(realpath "$(dirname "$0")/..")}
# shellcheck source=host_log.sh
. "$(dirname "$0")/host_log.sh"
log=$dir/output.tap

[ "$(id -u)" = 0 ] || {
	echo "make check needs root: it makes namespaces, taps and virtual machines" >&2
	exit 2
}
args=()
for t in "$@"; do
	case $t in
	*:*) args+=(-t "$t") ;;
	*) args+=(-c "$t") ;;
	esac
done

# Before a program's line a case more when the host's kernel complained, which shell
# tests (lib.sh) look for themselves; behind it how long it took.
stamp() {
	local line told='' since=$SECONDS
	while IFS= read -r line; do
		case $line in
		'# selftests: '*)
			told=
			since=$SECONDS
			printf '%s\n' "$line"
			;;
		'ok '*' selftests: '* | 'not ok '*' selftests: '*)
			# Not in a subshell: it keeps how far it has read.
			if ! klog_check >"$dir/host.klog" && [ -z "$told" ]; then
				sed 's/^/# # /' "$dir/host.klog"
				echo "# not ok 0 the host's kernel log is clean"
			fi
			printf '%s\n' "$line" "# took $((SECONDS - since)) s"
			;;
		*)
			[[ $line != *"the host's kernel complained"* ]] || told=1
			printf '%s\n' "$line"
			;;
		esac
	done
}

start=$SECONDS
klog_mark
(cd "$dir" && ./run_kselftest.sh "${args[@]}" 2>&1) | stamp | tee "$log"
echo "# took $((SECONDS - start)) s; the log is $log"

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
