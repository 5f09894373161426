#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Measures the mesh interface between four User-Mode Linux guests, for mesh.c, which
# knows what each reading means:
#
#	mesh.sh [rtt] [mpi] [group] [loss] [matrix]
#
# prints lines "KEY VALUE", several of a key when it was read several times, and
# "missing WHAT WHY" for what cannot be had here. Root.
#
# Each guest has three devices: one on a mesh port, for virtmesh, and two on taps in
# a bridge behind the same port program, for in-tree virtio_net; the port of the last
# never spins, which is how the kernel's vhost-net does by default. So what is compared
# runs in the same guests, in turns. Guests 1 and 3 and their ports are on CPU 0,
# 2 and 4 on CPU 1.
# shellcheck disable=SC2015,SC2034,SC2154 # as in guests.sh
. "$(dirname "$0")/../lib.sh"
isolate "$@"
. "$srctree/deploy/vm/vm.sh"
. "$srctree/deploy/uml/uml.sh"
. "$srctree/deploy/vm/mesh.sh"
# shellcheck source-path=SCRIPTDIR source=../../deploy/vm/vm.sh

ROUNDS=${ROUNDS:-5}
NODES=4
MTU=3366
BENCH=/dev/virtmesh_bench0

die() {
	echo "mesh.sh: $*" >&2
	exit 1
}

# bridged NAME MAC [PORTARG]...: a tap in the bridge, and its port
bridged() {
	local name=$1 mac=$2
	shift 2
	ip tuntap add "$name" mode tap user root vnet_hdr &&
		ip link set "$name" mtu $MTU txqueuelen 4096 master br0 &&
		sysctl -qw "net.ipv6.conf.$name.disable_ipv6=1" && ip link set "$name" up &&
		uml_port "$name" --tap "$name" --mac "$mac" --queues 1 --lane own "$@" ||
		die "no port $name"
}

up() {
	local n
	virtmesh ensemble add 1 >/dev/null && mesh_broker_start || die "no mesh"
	ip link add br0 type bridge && ip link set br0 up || die "no bridge"
	for ((n = 1; n <= NODES; n++)); do
		VM_CPU=$(((n - 1) % 2))
		virtmesh port add "m$n" --ensemble 1 --node "$n" --mtu $MTU --owner root >/dev/null &&
			uml_port "m$n" --tap "m$n" --lane own || die "no port m$n"
		bridged "b$n" "52:54:00:00:00:0$n"
		bridged "s$n" "52:54:00:00:01:0$n" --poll-us 0
		VM_MEM=256 vm_start "g$n" "virtio_uml.device=$VM_DIR/m$n.sock:1" \
			"virtio_uml.device=$VM_DIR/b$n.sock:1" "virtio_uml.device=$VM_DIR/s$n.sock:1" ||
			die "g$n does not start"
	done
	for ((n = 1; n <= NODES; n++)); do
		vm_wait "g$n" && vm_exec "g$n" "
			modprobe virtmesh && mesh info -w 20 >/dev/null && modprobe virtio_net &&
			ip addr add 10.0.0.$n/24 dev eth0 && ip link set eth0 up &&
			ip addr add 10.0.1.$n/24 dev eth1 && ip link set eth1 up" || die "g$n has no network"
	done
	for ((n = 1; n <= NODES; n++)); do
		wait_until 10 all_up "g$n" || die "g$n does not see all nodes"
		# Before what else the machine does, but among each other as ever: ranks of an
		# MPI spin.
		processes "$n" renice -n -20 -p >/dev/null || die "g$n: no renice"
	done
}
# A guest's kernel is the one child of the first process in its box.
guest_pid() { pgrep -P "$(pgrep -P "$(cat "$VM_DIR/$1/pid")")"; }
# processes NODE COMMAND...: of its guest and all its ports, one by one
processes() {
	local n=$1 pid
	shift
	for pid in "$(guest_pid "g$n")" "$(cat "$VM_DIR/m$n.port.pid")" "$(cat "$VM_DIR/b$n.port.pid")" \
		"$(cat "$VM_DIR/s$n.port.pid")"; do
		"$@" "$pid" || return
	done
}
# The first N nodes' processes one after the other, as they are woken: a time slice is
# longer than what is measured. Not where ranks spin for longer than a port may.
at_once() {
	local n
	for ((n = 1; n <= $1; n++)); do
		processes "$n" chrt -f -p 1 || die "no chrt"
	done
}
# The same, and a guest before its port. A system call there is two switches between the
# guest's kernel and its program: what spins is not to be in between. Not where a
# program polls: its port would have no turn.
guests_first() {
	local n
	at_once "$1"
	for ((n = 1; n <= $1; n++)); do
		chrt -f -p 2 "$(guest_pid "g$n")" || die "no chrt"
	done
}
in_turns() {
	local n
	for ((n = 1; n <= $1; n++)); do
		processes "$n" chrt -o -p 0 || die "no chrt"
	done
}
all_up() { [ "$(vm_exec "$1" 'mesh peers' | grep -c ' UP ')" = $NODES ]; }

group=1000
# world N SECONDS PROGRAM ARG..: on the first N guests at once, as ranks of a new group;
# what rank 0 printed goes to $out.
world() {
	local n=$1 seconds=$2 i pids=() failed=
	local env
	env="VIRTMESH_NODES=$(seq -s , 1 "$1") VIRTMESH_SIZE=$1 VIRTMESH_GROUP=$((++group))"
	shift 2
	for ((i = 1; i <= n; i++)); do
		vm_exec "g$i" -t "$seconds" "$env VIRTMESH_RANK=$((i - 1)) $*" >"$tmp/world.$i" 2>&1 &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || failed=1
	done
	[ -z "$failed" ] || die "$*: $(cat "$tmp"/world.*)"
	out=$(cat "$tmp/world.1")
}

# perf N OPERATION ARG..: `mesh perf` on N guests, into $out as JSON
perf() {
	local n=$1
	shift
	world "$n" 60 mesh perf --json "$@"
}
# ns KEY: of its latencies, in ns; field KEY
ns() { sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" <<<"$out" | awk '{ printf "%.0f\n", $1 * 1000 }'; }
field() { sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" <<<"$out"; }
value() { sed -n "s/.*\<$1=\([0-9]*\).*/\1/p" <<<"$2"; }

# tcp KEY ADDRESS: 64 bytes there and back
tcp() {
	local got
	got=$(vm_exec g1 -t 60 "tcp_rounds ping $2 7000 64 2000") || die "no TCP: $got"
	echo "rtt.$1.p50 $(value p50 "$got")"
	echo "rtt.$1.p99 $(value p99 "$got")"
}

# A message of the library, a message of TCP, and a frame without anything above it.
measure_rtt() {
	local i
	guests_first 2
	# A process has what its guest's kernel had as it began.
	vm_exec g2 'tcp_rounds serve 7000 >/tmp/serve 2>&1 &' || die "no server"
	for ((i = 0; i < ROUNDS; i++)); do
		perf 2 send -s 64 -i 2000
		# It tells half of a round trip.
		echo "rtt.mesh.p50 $(($(ns p50) * 2))"
		echo "rtt.mesh.p99 $(($(ns p99) * 2))"
		at_once 2
		perf 2 send -s 64 -i 2000 -b 1000
		echo "rtt.busy.p50 $(($(ns p50) * 2))"
		guests_first 2
		tcp tcp 10.0.0.2
		tcp tcp_asleep 10.0.1.2
		bare
	done
	in_turns 2
}

# The same devices, for a while with the load generator's driver. Others keep theirs.
bare() {
	local i got
	for i in 1 2; do
		vm_exec g$i 'modprobe -r virtmesh && modprobe virtmesh_bench' || die "g$i: no bare driver"
	done
	got=$(vm_exec g1 -t 60 "echo 'ping 00010002 64 2000 0' >$BENCH && cat $BENCH") || die "no frames"
	echo "rtt.bare.p50 $(value p50 "$got")"
	for i in 1 2; do
		vm_exec g$i 'modprobe -r virtmesh_bench && modprobe virtmesh && mesh info -w 20 >/dev/null' ||
			die "g$i: no driver"
	done
	for i in 1 2 3 4; do
		wait_until 20 all_up g$i || die "g$i does not see all nodes again"
	done
}

# mpirun starts its daemons by this in place of ssh: a shell listens in each guest.
mpi_up() {
	local n
	for ((n = 2; n <= NODES; n++)); do
		vm_exec "g$n" 'busybox nc -ll -p 7001 -e sh >/dev/null 2>&1 &' || die "g$n: no nc"
	done
}
mpi() {
	out=$(vm_exec g1 -t 90 "
		export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
		mpirun --mca plm_rsh_agent mpi-agent --mca plm_rsh_no_tree_spawn 1 \
			--mca oob_tcp_if_include eth0 --mca btl tcp,self --mca btl_tcp_if_include eth0 \
			--mca mpi_yield_when_idle 1 --host 10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4 \
			-np $NODES /mnt/vm/bin/mpi 16384 300 2>&1") || die "MPI: $out"
}
measure_mpi() {
	local i
	if [ ! -x "$O/selftests/bench/mpi" ]; then
		echo "missing mpi mpicc is not installed (deploy/install-deps.sh --bench)"
		return 0
	fi
	mpi_up
	for ((i = 0; i < ROUNDS; i++)); do
		perf 4 allgather -s 16K -i 300
		echo "allgather.mesh $(ns p50)"
		perf 4 barrier -i 300
		echo "barrier.mesh $(ns p50)"
		mpi
		echo "allgather.mpi $(value allgather "$out")"
		echo "barrier.mpi $(value barrier "$out")"
	done
}

# CPU time that the guest and its mesh port have used, ns: the guest's kernel and
# its processes are processes here.
used() {
	local kernel
	kernel=$(guest_pid "$1")
	# shellcheck disable=SC2046 # pids
	cat "/proc/$(cat "$VM_DIR/m${1#g}.port.pid")/schedstat" "/proc/$kernel/schedstat" \
		$(pgrep -P "$kernel" | sed 's,.*,/proc/&/schedstat,') 2>/dev/null |
		awk '{ n += $1 } END { printf "%.0f\n", n }'
}
# What an operation of mesh perf costs rank 0, into $cost: N FEW MANY OPERATION [ARG]...
# What is not of the operations is in both readings of a difference, and goes.
cost_of() {
	local n=$1 few=$2 many=$3 a b c
	shift 3
	a=$(used g1)
	perf "$n" "$@" -i "$few"
	b=$(used g1)
	perf "$n" "$@" -i "$many"
	c=$(used g1)
	cost=$(((c - b - (b - a)) / (many - few)))
}
# group_cost N KEY: a broadcast's among N. Before each perf has a barrier, of more nodes
# the dearer: that is taken off. (perf barrier is two of them an iteration.)
group_cost() {
	local barrier size
	cost_of "$1" 100 1500 barrier
	barrier=$((cost / 2))
	for size in 64 16K; do
		cost_of "$1" 100 1500 bcast -s $size
		echo "$2.$size $((cost - barrier))"
	done
}
measure_group() {
	local i
	for ((i = 0; i < ROUNDS; i++)); do
		group_cost 2 group.one
		group_cost 4 group.three
	done
}

# The same with faults on purpose and without, in turns.
measure_loss() {
	local i loss
	for ((i = 0; i < ROUNDS; i++)); do
		for loss in 0 1; do
			if [ $loss = 0 ]; then
				virtmesh ensemble faults 1 --off >/dev/null
			else
				virtmesh ensemble faults 1 --loss $loss --seed $((i + 1)) >/dev/null 2>&1
			fi || die "no faults"
			perf 2 send -s 1M -i 30
			echo "loss.rate.$loss $(field megabytes_per_s)"
			perf 4 allgather -s 16K -i 500
			echo "loss.p99.$loss $(ns p99)"
		done
	done
	virtmesh ensemble faults 1 --off >/dev/null
}

matrix_tcp() {
	local i pids=() failed=
	for ((i = 1; i <= NODES; i++)); do
		vm_exec "g$i" -t 90 "matrix_tcp $* $((i - 1)) 10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4 $STEPS $N $BATCH" \
			>"$tmp/world.$i" 2>&1 &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || failed=1
	done
	[ -z "$failed" ] || die "matrix_tcp: $(cat "$tmp"/world.*)"
	out=$(cat "$tmp/world.1")
}
steps() {
	case $out in
	*NOT*) die "$out" ;;
	esac
	echo "$1 $(sed -n 's/.* \([0-9]*\) steps\/s.*/\1/p' <<<"$out")"
}
measure_matrix() {
	local i STEPS=500 N=${N:-480} BATCH=${BATCH:-8} c
	at_once $NODES
	for ((i = 0; i < ROUNDS; i++)); do
		# Bit for bit the same, looked at once each.
		[ $i = 0 ] && c=-c || c=
		world 4 90 matrix $c $STEPS "$N" "$BATCH"
		steps matrix.mesh
		matrix_tcp $c
		steps matrix.tcp
	done
	in_turns $NODES
}

vm_kernel >"$tmp/kernel" || die "no User-Mode Linux kernel"
read -r release _ <"$tmp/kernel"
cat >"$tmp/mpi-agent" <<'EOF'
#!/bin/sh
host=$1
shift
exec busybox nc "$host" 7001 <<END
cd /tmp; export PATH=$PATH OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; $*
END
EOF
chmod +x "$tmp/mpi-agent"
words=("$O/guest/kmod/$release/virtmesh.ko" "$O/guest/kmod/$release/virtmesh_bench.ko"
	"$O/guest/tools/mesh" "$O/guest/examples/matrix" "$tmp/mpi-agent:bin/mpi-agent")
for program in matrix_tcp tcp_rounds mpi; do
	[ ! -e "$O/selftests/bench/$program" ] || words+=("$O/selftests/bench/$program")
done
vm_init "$tmp/vm" "${words[@]}" || die "cannot prepare the guests"
cleanup vm_stop_all
up
for what; do
	"measure_$what" || die "$what: not measured"
done
