#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The transport's models, each searched to its end by spin; and each again with a
# rule taken away: a model that cannot fail shows nothing. README says what they
# are about, CASES which there are.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/../lib.sh"
isolate "$@"

here=$(dirname "$(realpath "$0")")
command -v spin >/dev/null || skip_all "needs spin"

# search MODEL MODE MACRO...: its verdict is in $tmp/pan.log.
search() {
	local model=$1 mode=$2 dir compile=() run=()
	shift 2
	dir=$(mktemp -d -p "$tmp")
	case $mode in
	safety) compile=(-DSAFETY) ;;
	progress) # nothing goes on for ever that comes to nothing
		compile=(-DNP)
		run=(-l)
		;;
	*) fail "no such mode: $mode" ;;
	esac
	cd "$dir" || exit
	spin -a "$@" "$here/$model.pml" >spin.log 2>&1 || fail "spin: $(cat spin.log)"
	gcc -O2 -w "${compile[@]}" -DMEMLIM=900 -o pan pan.c
	# A depth that is reached is a search that was cut: pan says so, and so do we.
	timeout 300 ./pan -m1000000 -n "${run[@]}" >"$tmp/pan.log" 2>&1 ||
		fail "pan: status $?: $(tail -n 3 "$tmp/pan.log")"
}

holds() {
	search "$@"
	cat "$tmp/pan.log"
	if grep -qE 'max search depth too small|out of memory|memory limit|Search not completed' \
		"$tmp/pan.log"; then
		fail "not the whole of it was searched"
	fi
	grep -q 'errors: 0$' "$tmp/pan.log"
}

# Not any error will do: WHAT is in what pan says of it.
breaks() {
	local what=$1
	shift
	search "$@"
	head -n 3 "$tmp/pan.log"
	grep -q 'errors: 1$' "$tmp/pan.log" || fail "nothing was found"
	grep -q "^pan:1: $what" "$tmp/pan.log"
}

# MODEL MODE RESULT MACRO...; what holds, or is done wrong, is behind the colon.
while IFS=: read -r case what; do
	read -r model mode result macros <<<"$case"
	case $model in
	'' | '#'*) continue ;;
	esac
	args=()
	for m in $macros; do
		args+=("-D$m")
	done
	what=${what# }
	case $result in
	holds) run "$model: $what" holds "$model" "$mode" "${args[@]}" ;;
	assertion) run "$model: caught: $what" breaks assertion "$model" "$mode" "${args[@]}" ;;
	deadlock) run "$model: caught: $what" breaks 'invalid end' "$model" "$mode" "${args[@]}" ;;
	cycle) run "$model: caught: $what" breaks non-progress "$model" "$mode" "${args[@]}" ;;
	*) bail "CASES: $case" ;;
	esac
done <"$here/CASES"
finish
