#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Every fuzz target over all its seeds, and over as many inputs made of them as
# take some seconds: the same ones each time, so that what fails here fails
# again. `make fuzz` is for finding new ones.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/../lib.sh"
isolate "$@"

# What is a whole node, or three, for each input takes its milliseconds.
runs() {
	case $1 in
	group) echo 600 ;;
	rank) echo 2500 ;;
	*) echo 20000 ;;
	esac
}

over() {
	local target=$1 runs=$2 log=$tmp/$1.log status=0 seeds
	seeds=$(find "$srctree/selftests/fuzz/corpus/$target" -type f | wc -l)
	[ "$seeds" -gt 0 ] || fail "$target has no seeds"
	"$O/fuzz/$target" -runs="$runs" -seed=1 -timeout=30 -rss_limit_mb=512 -max_len=4096 \
		-artifact_prefix="$O/fuzz/findings/$target-" \
		"$tmp/new" "$srctree/selftests/fuzz/corpus/$target" >"$log" 2>&1 || status=$?
	if [ "$status" != 0 ]; then
		tail -n 40 "$log"
		fail "again with: $O/fuzz/$target $(sed -n 's/.*Test unit written to //p' "$log")"
	fi
	# Said by itself when it has read them: an empty run proves nothing.
	grep -q "#$((seeds + 1)).*INITED" "$log" || {
		head -n 5 "$log"
		fail "not all of the $seeds seeds were run"
	}
}

# Those that are built, not those that happen to have seeds.
targets=$(sed -n 's/^FUZZ_ALL[[:space:]]*:=//p' "$srctree/selftests/fuzz/fuzz.mk")
mkdir -p "$O/fuzz/findings" "$tmp/new"
for target in $targets; do
	rm -rf "$tmp/new"
	mkdir "$tmp/new"
	run "$target: its seeds, and inputs made of them, $(runs "$target") in all" \
		over "$target" "$(runs "$target")"
done
finish
