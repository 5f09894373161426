#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The mesh command's verbs for jobs, among four guests: run starts programs in them
# through a launcher, perf measures and compares, and stats, trace and stuck tell
# what is true.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
isolate "$@"
# shellcheck source=../guests.sh
. "$(dirname "$0")/../guests.sh"
# shellcheck source=../nodes.sh
. "$(dirname "$0")/../nodes.sh"

runs() {
	eq "$(job 3 -g 9 -- sh -c 'echo "$VIRTMESH_RANK $VIRTMESH_SIZE $VIRTMESH_NODES $VIRTMESH_GROUP it'\''s $1"' - 'a  b' | sort)" \
		"[0] 0 3 1,2,3 9 it's a  b
[1] 1 3 1,2,3 9 it's a  b
[2] 2 3 1,2,3 9 it's a  b"
	# Where it started: in the guests.
	eq "$(job 3 -- hostname | sort | tr '\n' ' ')" "[0] n1 [1] n2 [2] n3 "
	fails 7 job 3 -- sh -c 'exit $((VIRTMESH_RANK == 1 ? 7 : 0))'
	# By itself, on a node: the nodes that are up.
	eq "$(vm_exec n1 'mesh run -n 2 -- sh -c "echo \$VIRTMESH_NODES" 2>/dev/null' | sort -u | tr '\n' ' ')" \
		"[0] 1,2 [1] 1,2 "
	# It says that this is one node, and a program that needs the others finds that.
	fails 1 vm_exec n1 'mesh run -n 2 -- mesh perf barrier'
	eq "$(grep -c '^mesh: run: the launcher is exec: all 2 ranks run on this node$' <<<"$out")" 1
	[[ $out == *'[1] mesh: perf: this is node 1, but rank 1 of VIRTMESH_NODES is node 2: '* ]] || fail "$out"
	eq "$(vm_exec n1 'mesh run -n 1 -- true 2>&1'; job 2 -- true 2>&1)" ""
	fails 1 vm_exec n1 'mesh run -n 5 -- true'
	# One fails: the other, who would stay, ends.
	fails 3 vm_exec n1 'mesh run -n 2 -- sh -c "[ \$VIRTMESH_RANK = 1 ] && exit 3; exec sleep 25"'
}

perf() {
	local op
	for op in send bcast allgather allreduce; do
		job 4 -- mesh perf "$op" -s 4-4K,40000 -i 20 --json >"$tmp/perf"
		sed -n 's/^\[0\] //p' "$tmp/perf" >"$tmp/rows"
		eq "$(sed '/^\[0\] /d' "$tmp/perf")" "" "lines of other ranks"
		eq "$(json_lines '[.[].size]')" "[4,8,16,32,64,128,256,512,1024,2048,4096,40000]"
		eq "$(json_lines 'all(.[]; (.latency_us | 0 < .min and .min <= .p50 and .p50 <= .p99 and
			.p99 <= .max and .min <= .avg and .avg <= .max) and
			.megabytes_per_s > 0 and .nodes == 4 and .iterations == 20)')" true "$op: $(cat "$tmp/rows")"
	done
	# From the least that each of them can carry.
	job 2 -- mesh perf bcast -i 1 --json | sed -n 's/^\[0\] //p' >"$tmp/rows"
	eq "$(json_lines '[.[].size] | [length, first, last]')" "[21,1,1048576]"
	job 2 -- mesh perf allreduce -i 1 --json | sed -n 's/^\[0\] //p' >"$tmp/rows"
	eq "$(json_lines '[.[].size] | [length, first, last]')" "[19,4,1048576]"
	for op in 6 1-64 8,1K,2; do
		fails 2 mesh perf allreduce -s "$op"
		[[ $out == *'allreduce have 4 bytes each'* ]] || fail "$out"
	done
	job 4 -- mesh perf barrier -i 20 | sed -n 's/^\[0\] //p' >"$tmp/rows"
	eq "$(grep -vc '^#' "$tmp/rows")" 1
	# Only two of them.
	job 4 -- mesh perf bcast -n 2 -s 1 -i 5 >"$tmp/rows"
	grep -q 'bcast, 2 nodes' "$tmp/rows"
	# As the page has it.
	local words
	eval "words=($(sed -n 's/\\-/-/g; s/\\(aq/'\''/g; /^mesh run .* mesh perf /p' "$srctree/guest/tools/mesh.1"))"
	PATH=$tmp/bin:$PATH "${words[@]}" -i 5 >"$tmp/rows"
	eq "$(grep -c '^\[0\] [1-9]' "$tmp/rows")" 17 "sizes from 1 to 64K"
	# By hand, without mesh run.
	begin n2 perf 'mesh perf send -N 1,2 -g 77 -s 64 -i 10'
	vm_exec n1 'mesh perf send -N 1,2 -g 77 -s 64 -i 10 -r 0'
	outcome n2 perf
	eq "$(all_drops)" "" "frames dropped by the host"
}
json_lines() { jq -sc "$1" "$tmp/rows"; }

stats() {
	[ "$(vm_exec n1 'mesh stats -n 2 --json' | json '.[0] | .frames_sent > 100 and .bytes_sent > 100000 and
		.frames_received > 100 and (.latency_us | 0 < .p50 and .p50 <= .p99)')" = true ] ||
		fail "$(vm_exec n1 'mesh stats --json')"
	eq "$(vm_exec n1 'mesh stats --json' | json '[.[].node]')" '[2,3,4]'
	eq "$(vm_exec n1 'mesh stats' | wc -l)" 4
	fails 1 vm_exec n1 'mesh stats -n 9'
}

# Node 3's program sleeps in the middle of a job: all wait for it, and can say so.
stuck() {
	local i
	eq "$(vm_exec n2 'mesh stuck')" "nobody waits"
	for i in 1 2 3 4; do
		begin "n$i" p "drill -N 1,2,3,4 -g 50 -t 15000 -m 1000"
	done
	for i in 1 2 3 4; do
		wait_until 30 vm_exec "n$i" 'grep -q running /tmp/p.out'
	done
	interrupt n3 p STOP
	# From each node, the stopped program's as well.
	for i in 1 3; do
		wait_until 10 somebody_waits "n$i"
		vm_exec "n$i" 'mesh stuck -m 300 --json' >"$tmp/stuck" || :
		eq "$(json '[[.roots[].node], .no_answer]' <"$tmp/stuck")" '[[3],[]]'
		eq "$(json '[.waiting[] | select(.node != 3) | [.node, .operation, .group, .waits_for]] | sort' <"$tmp/stuck")" \
			'[[1,"all-gather",50,[3]],[2,"all-gather",50,[3]],[4,"all-gather",50,[3]]]'
	done
	out=$(vm_exec n2 'mesh stuck -m 300') || :
	[[ $out == *'all wait for node 3, which '* ]] || fail "$out"
	# Of the parts of three others.
	[[ $out == *", $(json '.waiting[] | select(.node == 1) | "\(.bytes) bytes of \(.len * 3)"' <"$tmp/stuck"), for "* ]] ||
		fail "$out"
	interrupt n3 p KILL
	for i in 1 2 4; do
		outcome "n$i" p 30
	done
	eq "$(vm_exec n2 'mesh stuck')" "nobody waits"
}

# A program that never comes to form: those that have come say who it is.
forms() {
	begin n1 f "drill -N 1,2 -g 60 -t 8000 -m 10"
	wait_until 10 somebody_waits n3
	out=$(vm_exec n4 'mesh stuck -m 300') || :
	[[ $out == *'node 1: form on group 60, for '*' ms: waits for node 2'* ]] || fail "$out"
	[[ $out == *'all wait for node 2, which has nothing posted'* ]] || fail "$out"
	interrupt n1 f KILL
	eq "$(vm_exec n2 'mesh stuck')" "nobody waits"
}

# A list with a node that there is none of: that one is waited for.
strangers() {
	begin n1 f "drill -N 1,9 -g 61 -t 8000 -m 10"
	wait_until 10 somebody_waits n3
	fails 1 vm_exec n4 'mesh stuck -m 300'
	[[ $out == *'node 1: form on group 61, for '*' ms: waits for node 9'* ]] || fail "$out"
	[[ $out == *'all wait for node 9, which is ABSENT' ]] || fail "$out"
	fails 1 vm_exec n1 'mesh stuck -m 300 --json'
	eq "$(json '[.waiting[0].waits_for, .no_answer, .roots]' <<<"$out")" \
		'[[9],[9],[{"node":9,"why":"ABSENT"}]]'
	interrupt n1 f KILL
	eq "$(vm_exec n2 'mesh stuck')" "nobody waits"
}

# Who waits for a control message may get it of anybody, and waits.
listens() {
	local i
	for i in 1 2; do
		begin "n$i" x "exchange -N 1,2 -g 62 -c 1000000 -t 300000 control"
	done
	wait_until 30 posted n1 62
	interrupt n2 x STOP
	wait_until 10 somebody_waits n3
	fails 1 vm_exec n4 'mesh stuck -m 300'
	[[ $out == *'node 1: control-recv on group 62, for '*' ms: waits for anybody'* ]] || fail "$out"
	[[ $out == *'nobody waits for any node' ]] || fail "$out"
	for i in 1 2; do
		interrupt "n$i" x KILL
	done
	wait_until 10 nobody_waits n3
}

nobody_waits() { [ "$(vm_exec "$1" 'mesh stuck')" = "nobody waits" ]; }
somebody_waits() { ! vm_exec "$1" 'mesh stuck -m 300'; }

traces() {
	# What the others remember of that: one all-gather that failed, for rank 2.
	eq "$(vm_exec n1 'mesh trace --json' | json '[.[] | select(.result < 0) | [.operation, .group, .missing, .node]] | unique')" \
		'[["all-gather",50,[2],1]]'
	eq "$(vm_exec n1 'mesh trace -c 3 --json' | json '[.[].pending]')" '[false,false,false]'
	eq "$(vm_exec n1 'mesh trace --json' | json 'length <= 1024 and ([.[].ended_ns] | . == sort)')" true
	[ "$(vm_exec n1 'mesh trace' | grep -c ' all-gather .*without rank 2$')" = 1 ] ||
		fail "$(vm_exec n1 'mesh trace')"
}

# complete_with WORD...: what bash offers for the last WORD
complete_with() {
	# shellcheck disable=SC2034 # the completion's
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
	_mesh
	echo "${COMPREPLY[*]}"
}
# Each option of each verb is offered, by its long name if it has one, and nothing that
# the program does not take; where it takes a value none is made up.
completion() {
	local verb word words offered
	# shellcheck source=../../deploy/completion/mesh
	. "$srctree/deploy/completion/mesh"
	words=$(verbs)
	for verb in $words; do
		eq "$(complete_with mesh "$verb")" "$verb"
		offered=" $(complete_with mesh "$verb" -) "
		for word in $(options "$verb"); do
			case $word in
			-V) continue ;; # of no verb
			-d) word=--device ;;
			-H) word=--hosts ;;
			-h) word=--help ;;
			-L) word=--launcher ;;
			esac
			[[ $offered == *" $word "* ]] || fail "mesh $verb takes $word, bash offers:$offered"
		done
		for word in $offered $(options "$verb"); do
			[[ $word != -- && $word != --help ]] || continue
			out=$(mesh "$verb" "$word" 2>&1) || :
			[[ $out != *'unrecognized option'* && $out != *'invalid option'* ]] || fail "$out"
			[[ $word == -d || $word == --device || $out != *'requires an argument'* ]] ||
				eq "$(complete_with mesh "$verb" "$word" "")" "" "after $verb $word"
		done
	done
}
manual() {
	local page verb word words
	page=$(sed 's/\\-/-/g' "$srctree/guest/tools/mesh.1")
	for word in 'mesh help' 'mesh --version' -h --help -V --version --hosts --launcher; do
		in_page "$word"
	done
	words=$(verbs)
	for verb in $words; do
		in_page "mesh $verb"
		for word in $(options "$verb"); do
			in_page "$word"
		done
	done
}
in_page() { grep -qE -- "^\.[BIR]+ (.*[^a-z-])?$1([^a-z-]|$)" <<<"$page" || fail "mesh(1) has nothing of $1"; }
verbs() { mesh --help | sed -n 's/^  mesh \([a-z]*\).*/\1/p' | grep .; }
# options VERB: the letters that it does not refuse, and the long ones of its --help
options() {
	local letter
	for letter in {a..z} {A..Z}; do
		[[ $(mesh "$1" "-$letter" 2>&1) == *'invalid option'* ]] || printf -- '-%s\n' "$letter"
	done
	mesh "$1" --help | grep -oE -- '--[a-z]+'
}

guest_words=("$(guest_program drill):bin/drill" "$(guest_program exchange):bin/exchange")
broker_args=(--probe-ms 1000 --dead-ms 20000)
mesh_up 4 7
launcher 100
run "bash completes verbs and options" completion
run "the manual names every verb and option" manual
run "run: programs in guests, their environment, their ends" runs
run "perf: a row for each size, of every operation" perf
run "stats: what was sent to whom" stats
run "stuck: a stopped program is the one that all wait for" stuck
run "stuck: a program that has not come to form the group" forms
run "stuck: a node that the ensemble does not have" strangers
run "trace: the operation that failed, and for whom" traces
run "stuck: a program that waits for a control message" listens
guests_finish
