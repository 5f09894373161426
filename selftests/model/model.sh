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

# search DIR MODEL MODE MACRO...: its verdict is in DIR/pan.log, or why there is none
# in DIR/failed; then DIR/over is there.
search() {
	local dir=$1 model=$2 mode=$3 compile=() run=() status=0
	shift 3
	cd "$dir" || exit
	case $mode in
	safety) compile=(-DSAFETY) ;;
	progress) # nothing goes on for ever that comes to nothing
		compile=(-DNP)
		run=(-l)
		;;
	*) echo "no such mode: $mode" >failed ;;
	esac
	# A depth that is reached is a search that was cut: pan says so, and so do we.
	if ! spin -a "$@" "$here/$model.pml" >spin.log 2>&1; then
		sed 's/^/spin: /' spin.log >failed
	elif gcc -O2 -w "${compile[@]}" -DMEMLIM=900 -o pan pan.c 2>failed; then
		timeout 300 ./pan -m1000000 -n "${run[@]}" >pan.log 2>&1 || status=$?
		[ $status = 0 ] || echo "pan: status $status: $(tail -n 3 pan.log)" >failed
	fi
	touch over
}

# All of them, as many at a time as there are processors.
search_all() {
	local n
	for ((n = 0; n < ${#cases[@]}; n++)); do
		[ "$(jobs -rp | wc -l)" -lt "$(nproc)" ] || wait -n
		# shellcheck disable=SC2086 # words
		search "$tmp/$n" ${cases[n]} &
	done
	wait
}

# found N: what the N-th search has found, in pan.log
found() {
	cd "$tmp/$1"
	wait_until 900 [ -e over ]
	[ ! -s failed ] || fail "$(cat failed)"
}

holds() {
	found "$1"
	cat pan.log
	if grep -qE 'max search depth too small|out of memory|memory limit|Search not completed' pan.log; then
		fail "not the whole of it was searched"
	fi
	grep -q 'errors: 0$' pan.log
}

# Not any error will do: WHAT is in what pan says of it.
breaks() {
	found "$2"
	head -n 3 pan.log
	grep -q 'errors: 1$' pan.log || fail "nothing was found"
	grep -q "^pan:1: $1" pan.log
}

# MODEL MODE RESULT MACRO...; what holds, or is done wrong, is behind the colon.
cases=() results=() words=()
while IFS=: read -r case what; do
	read -r model mode result macros <<<"$case"
	case $model in
	'' | '#'*) continue ;;
	esac
	mkdir "$tmp/${#cases[@]}"
	cases+=("$model $mode${macros:+ -D${macros// / -D}}")
	results+=("$result")
	words+=("${what# }")
done <"$here/CASES"

search_all &
for n in "${!cases[@]}"; do
	model=${cases[n]%% *}
	case ${results[n]} in
	holds) run "$model: ${words[n]}" holds "$n" ;;
	assertion) run "$model: caught: ${words[n]}" breaks assertion "$n" ;;
	deadlock) run "$model: caught: ${words[n]}" breaks 'invalid end' "$n" ;;
	cycle) run "$model: caught: ${words[n]}" breaks non-progress "$n" ;;
	*) bail "CASES: ${cases[n]}: ${results[n]}" ;;
	esac
done
wait
finish
