#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Every operation of the mesh interface between guests, at sizes from nothing to
# 64 MiB, two to eight nodes, several groups at once, every byte compared (ops.c,
# flood.c). Without loss first, where the host may not have dropped a single frame;
# then with frames lost, doubled, reordered and late on purpose.
#
# FLOOD=N: so many messages in the flood; messages.sh has the ten million. SEED=N:
# another run of the drawn steps.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
isolate "$@"
# shellcheck source=../guests.sh
. "$(dirname "$0")/../guests.sh"
# shellcheck source=../nodes.sh
. "$(dirname "$0")/../nodes.sh"

SEED=${SEED:-1}
if slow; then
	nodes=4 factor=8 big=4M FLOOD=${FLOOD:-4000}
else
	nodes=8 factor=1 big=64M FLOOD=${FLOOD:-100000}
fi

group=100
# nodes N: the ids of the first N
ids() { seq -s , 1 "$1"; }

# listed NODES BUFFER BYTES...: each operation at each size
listed() {
	local n=$1 room=$2 words=() size op
	shift 2
	for size; do
		for op in message bcast allgather gather scatter alltoall barrier; do
			words+=("$op:$size")
		done
	done
	everywhere "$n" 120 ops -N "$(ids "$n")" -g $((group + n)) -m "$room" "${words[@]}"
}

sizes() {
	# About a frame's end and a page's; whole multiples and not.
	listed 2 2M 0 1 2 63 64 65 3277 3278 3279 3280 4095 4096 65536 65537 1M
	listed 3 2M 1 100 3300 10000 100001
	no_loss
}

large() {
	local op
	everywhere 2 120 ops -N 1,2 -g $((group + 9)) -m "$big" "message:$big" "bcast:$big"
	cat "$tmp/out.n1"
	for op in allgather gather scatter alltoall; do
		everywhere 2 120 ops -N 2,1 -g $((group + 10)) -m "$big" "$op:$((${big%M} / 2))M"
	done
	no_loss
}

# drawn NODES STEPS BYTES SECONDS
drawn() {
	everywhere "$1" "$4" ops -N "$(ids "$1")" -g $((group + 20)) -S "$SEED" \
		-c $(($2 / factor)) -m "$3" -G 5 -K 4
	cat "$tmp/out.n1"
}
drawn_clean() {
	drawn "$@"
	no_loss
}

# Far more than a window of either, with one of the two left lying.
ordered() {
	everywhere 2 120 ops -N 1,2 -g $((group + 40)) -K 2 -m 4M order:4M order:1M order:64K
	no_loss
}

flood() {
	everywhere "$1" 3000 flood -N "$(ids "$1")" -g $((group + 30)) -c "$2" -S "$SEED"
	cat "$tmp/out.n1"
	no_loss
}

# Nothing was dropped anywhere: credits did what they are for, not repairs.
no_loss() {
	eq "$(all_drops)" "" "frames dropped by the host"
}

# It all comes through, though frames are lost: not one for another reason.
through_faults() {
	drawn "$@" 200
	everywhere "$1" 200 flood -N "$(ids "$1")" -g $((group + 31)) -c 2000 -S "$SEED"
	virtmesh ensemble faults 7 --off
	eq "$(all_drops | tr ' ' '\n' | sed '/:lost-fault=/d')" "" "other drops"
}

# lossy PERCENT NODES STEPS BYTES
lossy() {
	local before after
	before=$(all_drops)
	virtmesh ensemble faults 7 --loss "$1" --seed "$SEED"
	shift
	through_faults "$@"
	after=$(all_drops)
	[ "$after" != "$before" ] || fail "no frame was lost: $before"
}

# twisted NODES STEPS BYTES FAULT...: lost, doubled, out of order and late
twisted() {
	local pid n=$1 steps=$2 bytes=$3
	shift 3
	rm -f "$tmp/detour"
	"$(guest_program detour)" away "$(ids "$nodes")" seed="$SEED" mtu=3366 "$@" >"$tmp/detour" &
	pid=$!
	wait_until 5 grep -q ready "$tmp/detour"
	virtmesh ensemble faults 7 --through away
	through_faults "$n" "$steps" "$bytes"
	kill "$pid"
	wait "$pid"
	tail -n 1 "$tmp/detour"
	[[ $(tail -n 1 "$tmp/detour") == *' refused=0 overflow=0'* ]] || fail "the detour lost some"
}

# What a guest needs for the large ones, twice in and twice out.
for i in 1 2; do
	guest_mem[i]=$((${big%M} * 5 + 128))
done
guest_words=("$(guest_program ops):bin/ops" "$(guest_program flood):bin/flood")
# No probes meanwhile.
broker_args=(--probe-ms 1800000 --dead-ms 3600000)
mesh_up "$nodes" 7
run "two and three nodes: every operation at every kind of size" sizes
run "two nodes: operations of $big" large
run "two nodes: a message before a collective, a collective before a message" ordered
run "two nodes: drawn operations on several groups at once" drawn_clean 2 2000 256K 100
run "four nodes: drawn operations on several groups at once" drawn_clean 4 2000 256K 100
[ "$nodes" -lt 8 ] ||
	run "eight nodes: drawn operations on several groups at once" drawn_clean 8 1000 128K 100
run "a flood of $FLOOD messages, every one compared" flood 2 "$FLOOD"
run "a flood of $((FLOOD / 4)) messages among four nodes" flood 4 $((FLOOD / 4))
run "four nodes, 1 % of the frames lost: every operation, and every message" lossy 1 4 800 128K
run "four nodes, 5 % of the frames lost" lossy 5 4 400 64K
run "four nodes, 20 % of the frames lost" lossy 20 4 80 64K
run "four nodes, frames doubled, out of order and late" twisted 4 800 64K dup=50000 hold=50000:8 delay=20000:3000
run "four nodes, all of it, and frames lost" twisted 4 160 64K loss=50000 dup=50000 hold=100000:8 delay=20000:3000
guests_finish
