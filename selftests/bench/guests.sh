#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Measures what goes on between User-Mode Linux guests, for guests.c, which knows
# what each reading means:
#
#	guests.sh [rate] [tcp] [rtt] [testpmd]
#
# prints lines "KEY VALUE", several of a key when it was read several times, and
# "missing WHAT WHY" for what cannot be had here. Root.
#
# Guests come in pairs, the first and its port on one CPU, the second and its port
# on another. What is compared takes turns, so the pairs of one measurement all run;
# who has no turn sleeps. Lanes are named
#
#	xdp	ports of a mesh			bridge	the same port process, taps in a bridge
#	asleep	as xdp, --poll-us 0		spin	as xdp, and the port spins long
#	testpmd	dpdk-testpmd instead of ports: io forwarding, polls a CPU
# shellcheck disable=SC2015,SC2034,SC2154 # die ends it in any case; variables of and for the libraries
. "$(dirname "$0")/../lib.sh"
isolate "$@"
. "$srctree/deploy/vm/vm.sh"
. "$srctree/deploy/uml/uml.sh"
# shellcheck source-path=SCRIPTDIR source=../../deploy/vm/vm.sh

ROUNDS=${ROUNDS:-5}
MS=${MS:-400}
MTU=3442 # 3456 bytes of frame: the most that is native behind write()
SIZES=${SIZES:-64 1514 3456}
BENCH=/dev/virtmesh_bench0

# A measurement that cannot be made ends all: half a table would mislead.
die() {
	echo "guests.sh: $*" >&2
	exit 1
}

# mac ENSEMBLE NODE; addr ENSEMBLE NODE
mac() { printf '02:4d:%02x:%02x:%02x:%02x' $(($1 >> 8)) $(($1 & 255)) $(($2 >> 8)) $(($2 & 255)); }
addr() { printf '%04x%04x' "$1" "$2"; }

ensembles=0
# tap LANE ENSEMBLE NODE NAME: the tap of a port, and in $port_args what its process wants.
tap() {
	port_args=(--tap "$4" --lane own)
	case $1 in
	bridge)
		ip link show br0 >/dev/null 2>&1 || {
			ip link add br0 type bridge && ip link set br0 up
		} || return
		ip tuntap add "$4" mode tap user root vnet_hdr &&
			ip link set "$4" mtu $MTU txqueuelen 4096 master br0 &&
			sysctl -qw "net.ipv6.conf.$4.disable_ipv6=1" && ip link set "$4" up || return
		port_args+=(--mac "$(mac "$2" "$3")")
		;;
	*)
		virtmesh port add "$4" --ensemble "$2" --node "$3" --mtu $MTU --owner root || return
		;;
	esac
}

# pair LANE DRIVER [PORTARG]...: guests LANE-DRIVER-{1,2}, with that driver loaded.
pair() {
	local lane=$1 driver=$2 node name
	shift 2
	ensembles=$((ensembles + 1))
	[ "$lane" = bridge ] || virtmesh ensemble add $ensembles >/dev/null || die "no ensemble"
	eval "ensemble_of_${lane}_$driver=$ensembles"
	for node in 1 2; do
		name=$lane-$driver-$node
		tap "$lane" $ensembles $node "v${ensembles}n$node" >/dev/null || die "no tap for $name"
		VM_CPU=$((node - 1))
		uml_port "$name" "${port_args[@]}" "$@" || die "no port for $name"
		vm_start "$name" "virtio_uml.device=$VM_DIR/$name.sock:1" || die "$name does not start"
	done
	for node in 1 2; do
		name=$lane-$driver-$node
		vm_wait "$name" || die "$name does not come up"
		vm_exec "$name" "modprobe $driver" || die "$name: no driver"
	done
}
# A guest's kernel is the one child of the first process in its box.
guest_pid() { pgrep -P "$(pgrep -P "$(cat "$VM_DIR/$1/pid")")"; }
# pair_do LANE DRIVER COMMAND..: to all four processes of a pair.
pair_do() {
	local name
	for name in "$1-$2-1" "$1-$2-2"; do
		"${@:3}" "$(guest_pid "$name")" && "${@:3}" "$(port_pid "$name")" || die "$name: $3"
	done
}
# They go before what else the machine does, which is not to be measured.
pair_first() { pair_do "$1" "$2" chrt -f -p 1; }
ensemble_of() { eval "echo \$ensemble_of_${1}_$2"; }

pair_end() {
	vm_stop "$1-$2-1"
	vm_stop "$1-$2-2"
}

# order GUEST ORDER...: to the load generator in the guest; its answer.
order() {
	local guest=$1
	shift
	vm_exec "$guest" -t 90 "echo '$*' >$BENCH && cat $BENCH"
}
# value NAME LINE: of NAME=VALUE in it.
value() { sed -n "s/.*\<$1=\([0-9]*\).*/\1/p" <<<"$2"; }
per_second() { awk -v n="$1" -v ns="$2" 'BEGIN { printf "%.0f\n", n * 1e9 / ns }'; }

median() { printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"; }

# flood LANE SIZE RATE: frames a second that arrived, into $rate; lost ones into $lost.
flood() {
	local from=$1-virtmesh_bench-1 to=$1-virtmesh_bench-2 got
	order "$to" count >/dev/null &&
		sent=$(order "$from" "flood $(addr "$(ensemble_of "$1" virtmesh_bench)" 2) $2 $MS $3") &&
		got=$(order "$to" count) || die "$1: no flood"
	rate=$(per_second "$(value frames "$got")" "$(value ns "$sent")")
	lost=$(($(value sent "$sent") - $(value frames "$got")))
}

# pktgen LANE SIZE: from one in-tree virtio_net to the other, in bursts of 32.
pktgen() {
	local from=$1-virtio_net-1 to=$1-virtio_net-2 frames=$((MS * 500)) before after us
	local rx="cat /sys/class/net/eth0/statistics/rx_packets"
	before=$(vm_exec "$to" "$rx") && us=$(vm_exec "$from" -t 90 "
		cd /proc/net/pktgen
		pg() { echo \"\$2\" >\$1 || exit; }
		pg kpktgend_0 rem_device_all
		pg kpktgend_0 'add_device eth0'
		for w in 'count $frames' 'delay 0' 'clone_skb 100000' 'burst 32' 'pkt_size $2' \
			'dst_mac $(mac "$(ensemble_of "$1" virtio_net)" 2)' 'dst 10.0.0.2'; do
			pg eth0 \"\$w\"
		done
		pg pgctrl start
		sed -n 's/Result: OK: \([0-9]*\)(.*/\1/p' eth0") &&
		after=$(vm_exec "$to" "$rx") && [ -n "$us" ] || die "$1: no pktgen"
	rate=$(per_second $((after - before)) $((us * 1000)))
	lost=$((frames - (after - before)))
}

measure_rate() {
	local size lane i rates
	pair xdp virtmesh_bench
	pair bridge virtmesh_bench
	pair asleep virtmesh_bench --poll-us 0
	for lane in xdp bridge asleep; do
		pair_first $lane virtmesh_bench
	done
	for size in $SIZES; do
		rates=()
		for ((i = 0; i < ROUNDS; i++)); do
			for lane in xdp bridge asleep; do
				flood $lane "$size" 0
				echo "flood.$lane.$size $rate"
				[ $lane != xdp ] || rates+=("$rate")
			done
		done
		# Of what it mostly takes: the best reading is no rate that anybody can rely on.
		flood xdp "$size" $(($(median "${rates[@]}") * 8 / 10))
		echo "lossless.xdp.$size $lost"
		echo "lossless.xdp.sent.$size $(value sent "$sent")"
	done
	pair_end xdp virtmesh_bench
	pair_end bridge virtmesh_bench
	pair_end asleep virtmesh_bench

	# Ports that spin would not let a guest behind them run.
	pair xdp virtio_net --queues 1 --poll-us 0
	pair bridge virtio_net --queues 1 --poll-us 0
	for lane in xdp bridge; do
		# pktgen never sleeps: its port would have no turn behind it.
		pair_first $lane virtio_net
		for i in 1 2; do
			chrt -f -p 2 "$(port_pid $lane-virtio_net-$i)"
		done
		vm_exec $lane-virtio_net-1 'ip link set eth0 up; modprobe pktgen' &&
			vm_exec $lane-virtio_net-2 'ip link set eth0 up' || die "$lane: no pktgen"
	done
	for size in $SIZES; do
		for ((i = 0; i < ROUNDS; i++)); do
			for lane in xdp bridge; do
				pktgen $lane "$size"
				echo "pktgen.$lane.$size $rate"
			done
		done
	done
	pair_end xdp virtio_net
	pair_end bridge virtio_net
}

# The port of GUEST: its process, and one of its counters.
port_pid() { cat "$VM_DIR/$1.port.pid"; }
port_stats() {
	local n
	n=$(grep -c of=loop "$VM_DIR/$1.port.log")
	kill -USR1 "$(port_pid "$1")" &&
		wait_until 5 eval "[ \$(grep -c of=loop '$VM_DIR/$1.port.log') -gt $n ]" || die "$1: no counters"
	port_stats=$(tail -n 5 "$VM_DIR/$1.port.log" | grep event=stats | tail -n 2 | tr '\n' ' ')
}
# What a port holds of memory that is not the guest's, in KiB.
port_memory() { awk '/^RssAnon|^RssFile/ { n += $2 } END { print n }' "/proc/$(port_pid "$1")/status"; }
# How often it has slept and was woken.
port_switches() {
	awk '/_ctxt_switches/ { n += $2 } END { print n }' "/proc/$(port_pid "$1")/status"
}

# What the mover costs, on the lane asleep: calls a frame at saturation, and idle.
measure_cost() {
	local name before after
	pair xdp virtmesh_bench
	for name in xdp-virtmesh_bench-{1,2}; do
		port_stats "$name"
		eval "before_${name: -1}='$port_stats'"
	done
	flood xdp 64 0
	for name in xdp-virtmesh_bench-{1,2}; do
		port_stats "$name"
		eval "before=\$before_${name: -1}"
		after=$port_stats
		awk -v e="$(($(value enters "$after") - $(value enters "$before")))" \
			-v f="$(($(value tx-frames "$after") + $(value rx-frames "$after") -
				$(value tx-frames "$before") - $(value rx-frames "$before")))" \
			-v key="calls.${name: -1}" 'BEGIN { printf "%s %.5f\n", key, f ? e / f : 1 }'
		echo "memory.${name: -1} $(port_memory "$name")"
	done
	# Nothing to do for a while: a port that wakes up by itself shows.
	name=xdp-virtmesh_bench-2
	before=$(port_switches $name)
	sleep 3
	after=$(port_switches $name)
	echo "idle.wakeups $((after - before))"
	pair_end xdp virtmesh_bench
}

# rtt LANE SPIN: one burst of round trips.
rtt() {
	local got
	got=$(order "$1-virtmesh_bench-1" \
		"ping $(addr "$(ensemble_of "$1" virtmesh_bench)" 2) 64 ${PINGS:-4000} $2") ||
		die "$1: no round trip"
	echo "rtt.$1.p50 $(value p50 "$got")"
	echo "rtt.$1.p99 $(value p99 "$got")"
}

# Who spins, and how: "spin" is ports and guests, as long as it lasts. A pair that has
# no turn is stopped: the timers of idle guests would be most of the tails.
measure_rtt() {
	local i lane
	pair asleep virtmesh_bench --poll-us 0
	pair xdp virtmesh_bench
	pair bridge virtmesh_bench
	pair spin virtmesh_bench --poll-us 100000
	for lane in asleep xdp bridge spin; do
		pair_first $lane virtmesh_bench
		pair_do $lane virtmesh_bench kill -STOP
	done
	for ((i = 0; i < ROUNDS; i++)); do
		chrt -f 1 "$O/selftests/bench/wake" 0 1 || die "no ping-pong"
		for lane in asleep xdp bridge; do
			pair_do $lane virtmesh_bench kill -CONT
			rtt $lane 0
			pair_do $lane virtmesh_bench kill -STOP
		done
		pair_do spin virtmesh_bench kill -CONT
		vm_exec spin-virtmesh_bench-2 "echo 'spin 3000' >$BENCH & echo \$! >/tmp/spin"
		rtt spin 1000000
		vm_exec spin-virtmesh_bench-2 'kill $(cat /tmp/spin); wait' || :
		pair_do spin virtmesh_bench kill -STOP
	done
	for lane in asleep xdp bridge spin; do
		pair_do $lane virtmesh_bench kill -CONT
		pair_end $lane virtmesh_bench
	done
}

net_up() {
	vm_exec "$1-virtio_net-1" 'ip addr add 10.0.0.1/24 dev eth0; ip link set eth0 up' &&
		vm_exec "$1-virtio_net-2" \
			'ip addr add 10.0.0.2/24 dev eth0; ip link set eth0 up; iperf3 -s -D' ||
		die "$1: no network"
}
tcp() {
	local got
	got=$(vm_exec "$1-virtio_net-1" -t 60 "iperf3 -c 10.0.0.2 -t 2 -O 1 -f m | grep receiver") ||
		die "$1: no TCP"
	echo "tcp.$1.$MTU $(sed -n 's/.* \([0-9.]*\) Mbits.*/\1/p' <<<"$got")"
}
# The round trip as programs see it, microseconds on average.
ping_rtt() {
	local got
	got=$(vm_exec "$1-virtio_net-1" -t 60 'ping -q -A -c 1000 10.0.0.2') || die "$1: no ping: $got"
	echo "ping.$1 $(sed -n 's,.*= [0-9.]*/\([0-9]*\)\.\([0-9]*\)/.*,\1\2,p' <<<"$got")"
}
measure_tcp() {
	local i MTU
	command -v iperf3 >/dev/null || {
		echo "missing tcp iperf3 is not installed (deploy/install-deps.sh --bench)"
		return 0
	}
	# What virtio_net has when nobody says otherwise, with one buffer a frame; and ours,
	# for which it chains pages.
	for MTU in 1500 3442; do
		pair xdp virtio_net --queues 1
		pair bridge virtio_net --queues 1
		net_up xdp
		net_up bridge
		for ((i = 0; i < ROUNDS; i++)); do
			tcp xdp
			tcp bridge
		done
		pair_end xdp virtio_net
		pair_end bridge virtio_net
	done
}

# In-tree guests with dpdk-testpmd as their switch, which polls CPU 1; ours have their
# ports on the guests' CPUs. Both have the same two CPUs, so testpmd is stopped while
# it is our turn.
measure_testpmd() {
	local i node name pid
	command -v dpdk-testpmd >/dev/null || {
		echo "missing testpmd dpdk-testpmd is not installed (deploy/install-deps.sh --bench)"
		return 0
	}
	dpdk-testpmd -l 0,1 --no-pci --no-huge -m 256 --no-telemetry --file-prefix "bench$$" \
		--vdev "net_vhost0,iface=$VM_DIR/p1" --vdev "net_vhost1,iface=$VM_DIR/p2" -- \
		--forward-mode=io --auto-start --nb-cores=1 --total-num-mbufs=8192 \
		< <(sleep infinity) >"$VM_DIR/testpmd.log" 2>&1 &
	pid=$!
	cleanup "kill -9 $pid"
	wait_until 20 test -S "$VM_DIR/p2" || die "testpmd: $(tail -n 1 "$VM_DIR/testpmd.log")"
	ensemble_of_testpmd_virtio_net=99
	for node in 1 2; do
		name=testpmd-virtio_net-$node
		VM_CPU=$((node - 1))
		# No control queue, receive filters, announcements, pairs; no packed rings, whose
		# first index is another than User-Mode Linux tells.
		"$O/selftests/bench/vhost-mask" "$VM_DIR/m$node" "$VM_DIR/p$node" 400660000 &
		wait_until 5 test -S "$VM_DIR/m$node" || die "no vhost-mask"
		vm_start "$name" "virtio_uml.device=$VM_DIR/m$node:1" || die "$name does not start"
	done
	for node in 1 2; do
		vm_wait testpmd-virtio_net-$node || die "testpmd: guest $node does not come up"
		vm_exec testpmd-virtio_net-$node 'modprobe virtio_net && ip link set eth0 up' ||
			die "testpmd: no virtio_net in guest $node"
	done
	vm_exec testpmd-virtio_net-1 'modprobe pktgen'
	net_up testpmd
	pair xdp virtio_net --queues 1
	net_up xdp
	vm_exec xdp-virtio_net-1 'modprobe pktgen'
	pair xdp virtmesh_bench
	for ((i = 0; i < ROUNDS; i++)); do
		pktgen testpmd 64
		echo "pktgen.testpmd.64 $rate"
		ping_rtt testpmd
		kill -STOP $pid
		pktgen xdp 64
		echo "pktgen.xdp.64 $rate"
		ping_rtt xdp
		flood xdp 64 0
		echo "flood.xdp.64 $rate"
		kill -CONT $pid
	done
	pair_end xdp virtmesh_bench
	pair_end xdp virtio_net
	vm_stop testpmd-virtio_net-1
	vm_stop testpmd-virtio_net-2
	kill -9 $pid
}

vm_kernel >"$tmp/kernel" || die "no User-Mode Linux kernel"
read -r release _ <"$tmp/kernel"
words=("$O/guest/kmod/$release/virtmesh_bench.ko")
! iperf3=$(command -v iperf3) || words+=("$iperf3:bin/iperf3")
vm_init "$tmp/vm" "${words[@]}" ||
	die "cannot prepare the guests"
cleanup vm_stop_all

for what; do
	"measure_$what" || die "$what: not measured"
done
