#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Fuzz the targets named, each for so many seconds, as many at a time as there
# are processors:
#
#	run.sh SECONDS TARGET...
#
# Inputs that add coverage are kept in $O/fuzz/corpus/TARGET and are the next
# run's start, with those of the repository. A finding ends its target: its input
# stays in $O/fuzz/findings, and how to run it again is said. Exit status 1 then.
set -euo pipefail

cd "$(dirname "$0")/../.."
O=$(realpath -m "${O:-build}")
seconds=${1:?usage: run.sh SECONDS TARGET...}
shift
findings=$O/fuzz/findings

one() {
	local target=$1 log=$O/fuzz/$1.log status=0
	mkdir -p "$O/fuzz/corpus/$target"
	# A leak, a hang of 10 s or 512 MB are findings, too.
	"$O/fuzz/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=512 \
		-max_len=4096 -print_final_stats=1 -artifact_prefix="$findings/$target-" \
		"$O/fuzz/corpus/$target" "selftests/fuzz/corpus/$target" >"$log" 2>&1 || status=$?
	if [ "$status" = 0 ]; then
		printf '  %-12s %s\n' "$target" "$(awk '
			/^stat::number_of_executed_units:/ { units = $2 }
			/ cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") cov = $(i + 1) }
			END { print units " inputs, " cov " edges, nothing found" }' "$log")"
		return 0
	fi
	local input
	input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
	{
		grep -m 5 -E 'ERROR:|runtime error:|does not hold|SUMMARY:' "$log" || tail -n 5 "$log"
		echo "FOUND by $target; the log is $log; again with:"
		echo "	$O/fuzz/$target ${input:-<no input was written>}"
	} >&2
	return 1
}

mkdir -p "$findings"
echo "fuzzing for $seconds s each: $*"
failed=0
running=0
for t in "$@"; do
	[ -x "$O/fuzz/$t" ] || {
		echo "no such target: $t" >&2
		exit 2
	}
	if [ "$running" -ge "$(nproc)" ]; then
		wait -n || failed=1
		running=$((running - 1))
	fi
	one "$t" &
	running=$((running + 1))
done
while [ "$running" -gt 0 ]; do
	wait -n || failed=1
	running=$((running - 1))
done
exit $failed
