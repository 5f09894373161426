#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# `make demo`: N virtual machines (default 3, 2 to 6) on a mesh of their own, and
# a table of what they did. GUESTS=qemu (default): QEMU with the distribution's
# kernel; GUESTS=uml: User-Mode Linux behind virtmesh-port, up to 16 of them. The
# last line is "demo: ok ..." with status 0, or
# "demo: failed: ..." with status 1. O= holds what make built.
#
# All of it runs in new mount, network and process namespaces. This script itself
# only waits outside; when it ends, by Ctrl-C or in any other way, the kernel takes
# down those namespaces with every process, tap, pin and mount in them. With KEEP=1
# they stay, and $O/demo/enter and $O/demo/stop say how to look and how to end it
# (DEMO_STATE: another directory than $O/demo, for those).
set -uo pipefail

srctree=$(realpath "$(dirname "$0")/..")
O=$(realpath -m "${O:-$srctree/build}")
DEMO_STATE=$(realpath -m "${DEMO_STATE:-$O/demo}")
N=${N:-3}
KEEP=${KEEP:-0}
GUESTS=${GUESTS:-qemu}
ENSEMBLE=7
PATH=$O/host:$O/broker:/usr/local/sbin:/usr/sbin:/sbin:$PATH

failed() {
	echo "demo: failed: $*"
	exit 1
}

# When PID began, in ticks since the boot: with its number that is who it is, also
# after a reboot (the boot's own id), when somebody else has the number.
identity() {
	local stat
	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return
	# Behind the name, which may have blanks and brackets.
	read -ra stat <<<"${stat##*)}"
	echo "$(cat /proc/sys/kernel/random/boot_id) ${stat[19]}"
}

guests_library() {
	# shellcheck source=vm/vm.sh
	. "$srctree/deploy/vm/vm.sh"
	# shellcheck source=uml/uml.sh
	[ "$GUESTS" != uml ] || . "$srctree/deploy/uml/uml.sh"
}

outside() {
	local dir ns status verdict max
	[ "$(id -u)" = 0 ] || failed "it needs root, for namespaces, taps and BPF: sudo make demo"
	case $GUESTS in
	qemu) max=6 ;;
	uml) max=16 ;;
	*) failed "GUESTS=$GUESTS: it knows qemu and uml" ;;
	esac
	if ! [[ $N =~ ^[0-9]{1,2}$ ]] || [ "$N" -lt 2 ] || [ "$N" -gt $max ]; then
		failed "N=$N: it takes 2 to $max virtual machines"
	fi
	# Its commands would be the new one's, and nothing would end the old one.
	if [ "$KEEP" != 0 ] && [ -x "$DEMO_STATE/running" ] && "$DEMO_STATE/running"; then
		failed "one that was kept still runs: $DEMO_STATE/stop ends it, $DEMO_STATE/enter looks at it"
	fi
	# Where there still is a network, should it have to be fetched.
	guests_library
	vm_kernel >/dev/null || failed "no kernel for the guests"
	# Short, since sockets live in it: their paths may have 107 bytes.
	dir=$(mktemp -d "${TMPDIR:-/tmp}/virtmesh-demo-XXXXXX")
	deathsig=(setpriv --pdeathsig KILL)
	[ "$KEEP" = 0 ] || deathsig=()
	trap 'kill -KILL "$ns" 2>/dev/null; wait "$ns" 2>/dev/null; rm -rf "$dir"; trap - EXIT
		echo "demo: failed: interrupted"; exit 130' INT TERM HUP
	# In a session of its own: Ctrl-C comes to this shell alone.
	DEMO_DIR=$dir "${deathsig[@]}" setsid unshare --mount --net --pid --fork \
		--kill-child=KILL --mount-proc "$BASH" "$0" inside </dev/null &
	ns=$!
	trap 'kill -KILL "$ns" 2>/dev/null; rm -rf "$dir"' EXIT
	if [ "$KEEP" = 0 ]; then
		wait "$ns"
		status=$?
	else
		# It goes on after its verdict.
		while [ ! -s "$dir/verdict" ] && kill -0 "$ns" 2>/dev/null; do sleep 0.1; done
		status=$(cat "$dir/verdict" 2>/dev/null || echo 1)
	fi
	verdict=$(cat "$dir/line" 2>/dev/null || echo "demo: failed: ended early")
	if [ "$KEEP" != 0 ] && [ "$status" = 0 ]; then
		keep "$ns" "$dir"
		trap - EXIT
		disown "$ns"
	fi
	echo "$verdict"
	exit "$status"
}

# keep UNSHARE DIR: the commands for people, and a hint.
keep() {
	local init
	# The namespaces' first process is the one child of unshare.
	init=$(grep -l "^PPid:[[:space:]]*$1\$" /proc/[0-9]*/status 2>/dev/null | head -n 1)
	init=${init#/proc/}
	init=${init%/status}
	mkdir -p "$DEMO_STATE"
	{
		echo '#!/usr/bin/env bash'
		echo '# Is it still there? A number alone may be somebody else by now.'
		declare -f identity
		echo "[ \"\$(identity $1)\" = '$(identity "$1")' ] && [ \"\$(identity $init)\" = '$(identity "$init")' ]"
	} >"$DEMO_STATE/running"
	cat >"$DEMO_STATE/enter" <<-END
		#!/bin/sh
		# A command (default: a shell) among the demo's namespaces.
		$DEMO_STATE/running || { echo "the demo has ended: $DEMO_STATE/stop clears up" >&2; exit 1; }
		PATH=$O/host:$O/broker:\$PATH; export PATH
		[ \$# -gt 0 ] || set -- ${SHELL:-/bin/sh}
		exec nsenter --target $init --mount --net --pid -- "\$@"
	END
	cat >"$DEMO_STATE/stop" <<-END
		#!/bin/sh
		# End the demo: the namespaces' first process takes all along.
		! $DEMO_STATE/running || kill -KILL $1
		rm -rf $2
		rm -f $DEMO_STATE/running $DEMO_STATE/enter $DEMO_STATE/stop
		rmdir $DEMO_STATE
	END
	chmod +x "$DEMO_STATE/enter" "$DEMO_STATE/running" "$DEMO_STATE/stop"
	cat <<-END

		It goes on. To look around:
		  $DEMO_STATE/enter virtmesh show            also: nodes, drops --follow, doctor
		  $DEMO_STATE/enter tcpdump -ni vm1 -c 10    what the guest on port vm1 receives
		  socat -,rawer,escape=0x1d $(vm_console "$2/vm1")
		                                         a shell in vm1 (Ctrl-] leaves): mesh peers,
		                                         mesh ping 2, mesh watch, ping 10.0.$ENSEMBLE.2
		and to end it:
		  $DEMO_STATE/stop

	END
}

# From here on: inside the namespaces.
start_ms=
elapsed() {
	local ms=$(($(date +%s%3N) - start_ms))
	printf '%d.%d' $((ms / 1000)) $((ms % 1000 / 100))
}
step() { printf '  %6s s  %s\n' "$(elapsed)" "$*"; }

verdict() { # STATUS LINE
	echo "$2" >"$DEMO_DIR/line"
	echo "$1" >"$DEMO_DIR/verdict"
}

# What is known when it goes wrong.
give_up() {
	local i
	echo
	echo "  $*"
	for ((i = 1; i <= N; i++)); do
		if [ -s "$VM_DIR/vm$i/console.log" ]; then
			echo "  last of vm$i's console:"
			tail -n 5 "$VM_DIR/vm$i/console.log" | sed 's/^/    /'
		fi
	done
	if [ -s "$VM_DIR/virtmeshd.log" ]; then
		echo "  last of virtmeshd's log:"
		tail -n 5 "$VM_DIR/virtmeshd.log" | sed 's/^/    /'
	fi
	verdict 1 "demo: failed: $*"
	exit 1
}

inside() {
	local i ko accel
	guests_library
	# shellcheck source=vm/mesh.sh
	. "$srctree/deploy/vm/mesh.sh"
	start_ms=$(vm_now)
	VM_DIR=$DEMO_DIR
	if ! mount -t sysfs sysfs /sys || ! mount -t bpf bpf /sys/fs/bpf ||
		! mount -t tmpfs tmpfs /run || ! ip link set lo up; then
		give_up "cannot set up the namespaces"
	fi

	step "kernel and root for the guests"
	read -r VM_VERSION _ < <(vm_kernel) || give_up "no kernel for the guests"
	ko=$O/guest/kmod/$VM_VERSION/virtmesh.ko
	[ -e "$ko" ] || give_up "$ko is not built: make modules, or make uml"
	VM_INITRAMFS=$O/vm/demo.gz UML_STAGE=$O/uml/stage-demo
	vm_init "$DEMO_DIR" "$ko" "$O/guest/tools/mesh" virtio-rng \
		"$O/guest/examples/matrix" "$srctree/deploy/virtmesh-bind" 2>"$DEMO_DIR/init.log" ||
		give_up "$(tail -n 1 "$DEMO_DIR/init.log")"
	case $VM_ACCEL in
	kvm) accel="KVM" ;;
	tcg) accel="emulation (TCG): $(sed -n 's/^vm: \(.*\): emulating.*/\1/p' "$DEMO_DIR/init.log")" ;;
	*) accel=$VM_ACCEL ;;
	esac
	step "guests: Linux $VM_VERSION under $accel"

	virtmesh ensemble add $ENSEMBLE >/dev/null 2>"$DEMO_DIR/err" ||
		give_up "virtmesh ensemble add: $(cat "$DEMO_DIR/err")"
	mesh_broker_start || give_up "the broker does not start"
	step "ensemble $ENSEMBLE is there, the broker answers"

	for ((i = 1; i <= N; i++)); do
		VM_CONSOLE=$([ "$KEEP" = 0 ] || echo 1) mesh_node "vm$i" $ENSEMBLE "$i" ||
			give_up "vm$i does not start"
	done
	for ((i = 1; i <= N; i++)); do
		vm_wait "vm$i" 120 || give_up "vm$i does not boot"
		step "vm$i is up"
	done
	for ((i = 1; i <= N; i++)); do
		mesh_load "vm$i" || give_up "node $i does not join"
		mesh_ip "vm$i" || give_up "mesh0 of vm$i cannot be set up"
	done
	for ((i = 1; i <= N; i++)); do
		all_up "vm$i" || give_up "vm$i does not see all $N nodes up"
	done
	step "all $N nodes have joined and see each other"

	round_trips
	fan_out
	transfer
	sharded
	report
	[ "$KEEP" = 0 ] || {
		# Free whoever reads our output; stay for enter and stop.
		exec >/dev/null 2>&1
		while :; do
			wait
			sleep 3600
		done
	}
}

all_up() {
	vm_exec "$1" -t 20 "i=0; until [ \"\$(mesh peers | grep -c ' UP ')\" = $N ]; do
		i=\$((i + 1)); [ \$i -lt 200 ] || exit 1; usleep 50000; done"
}

# Median and 99th percentile of every pair, in microseconds.
declare -A rtt
worst_p50=0
round_trips() {
	local i j out
	for ((i = 1; i <= N; i++)); do
		for ((j = 1; j <= N; j++)); do
			[ "$i" != "$j" ] || continue
			out=$(vm_exec "vm$i" -t 60 "mesh ping $j -q -c 200 -i 0") ||
				give_up "mesh ping $j in vm$i: $out"
			rtt[$i,$j]=$(sed -n 's,^rtt [^=]*= [^/]*/\([0-9]*\)[^/]*/\([0-9]*\).*,\1/\2,p' <<<"$out")
			[ "${rtt[$i,$j]%/*}" -le "$worst_p50" ] || worst_p50=${rtt[$i,$j]%/*}
		done
	done
	step "$((N * (N - 1) * 200)) round trips, none lost"
}

# Node 1 sends each datagram once; the host clones it to all others.
FAN=1000
fan_out() {
	local i out
	for ((i = 2; i <= N; i++)); do
		vm_exec "vm$i" "mesh recv -C 9 -c $FAN -W 5000 >/tmp/fan 2>/tmp/fan.err &
			until grep -qs listening /tmp/fan.err; do usleep 20000; done"
	done
	sent=$(vm_exec vm1 -t 60 "mesh send all -C 9 -c $FAN -s 1024 -i 1") ||
		give_up "mesh send all: $sent"
	for ((i = 2; i <= N; i++)); do
		out=$(vm_exec "vm$i" -t 20 'wait_gone() { while pidof mesh >/dev/null; do usleep 20000; done; }
			wait_gone; tail -n 1 /tmp/fan')
		[ "${out%% *}" = $FAN ] || give_up "vm$i received of $FAN group datagrams: $out"
	done
	step "$FAN group datagrams sent once by node 1, received by all $((N - 1)) others"
}

# TCP over mesh0 between unmodified programs: node 2 answers with the checksum of
# what it received.
MB=16
transfer() {
	local out sent got start end
	vm_exec vm2 'nc -l -p 5001 -e sha256sum >/dev/null 2>&1 &
		until netstat -tln | grep -q ":5001 "; do usleep 20000; done' ||
		give_up "no listener in vm2"
	out=$(vm_exec vm1 -t 120 "dd if=/dev/urandom of=/tmp/data bs=1M count=$MB 2>/dev/null
		sha256sum </tmp/data
		read -r start _ </proc/uptime
		nc 10.0.$ENSEMBLE.2 5001 </tmp/data
		read -r end _ </proc/uptime
		echo \$start \$end") || give_up "TCP over mesh0: $out"
	{ read -r sent _ && read -r got _ && read -r start end; } <<<"$out"
	[ "$sent" = "$got" ] || give_up "TCP over mesh0: sent $sent, received $got"
	rate=$(awk -v s="$start" -v e="$end" -v mb=$MB \
		'BEGIN { printf "%.1f", mb * 1.048576 / (e > s ? e - s : 0.01) }')
	step "$MB MiB by TCP over mesh0, checksum ok"
}

# A matrix product that is sharded over all nodes, each step's result gathered by all;
# in the end node 1 computes it alone, and compares every bit.
STEPS=100
sharded() {
	local i out nodes n=$((480 / N * N)) world
	nodes=$(seq -s , 1 "$N")
	world="export VIRTMESH_NODES=$nodes VIRTMESH_SIZE=$N"
	for ((i = 2; i <= N; i++)); do
		vm_exec "vm$i" "$world; matrix -c $STEPS $n 8 >/tmp/matrix 2>&1 &" ||
			give_up "the sharded product in vm$i does not start"
	done
	out=$(vm_exec vm1 -t 100 "$world; matrix -c $STEPS $n 8 2>&1") ||
		give_up "the sharded product: $out"
	[[ $out == *' bit for bit '* ]] || give_up "the sharded product: $out"
	product=${out#*: }
	steps=$(sed -n 's,.* \([0-9]*\) steps/s.*,\1,p' <<<"$out")
	step "$product"
}

report() {
	local i j bad dropped
	echo
	virtmesh nodes | sed 's/^/  /'
	echo
	echo "  round trip, us, p50/p99 (row: asks; column: answers)"
	printf '  %6s' ''
	for ((j = 1; j <= N; j++)); do printf ' %12s' "node $j"; done
	echo
	for ((i = 1; i <= N; i++)); do
		printf '  %6s' "node $i"
		for ((j = 1; j <= N; j++)); do printf ' %12s' "${rtt[$i,$j]:--}"; done
		echo
	done
	echo
	echo "  group     $sent by node 1: $FAN received by each of the other $((N - 1))"
	echo "  TCP       $MB MiB over mesh0 from node 1 to node 2: $rate MB/s, checksum ok"
	echo "  sharded   $product"
	echo
	virtmesh show | sed 's/^/  /'
	echo
	# A heading, and a line for each counter that is not 0.
	dropped=$(virtmesh drops) || give_up "the counters cannot be read"
	if [ "$(wc -l <<<"$dropped")" = 1 ]; then
		dropped="nothing dropped"
		echo "  no frame was dropped or lost"
	else
		printf '%s\n' "$dropped" | sed 's/^/  /'
		dropped="drops as listed"
	fi
	echo
	bad=0
	for ((i = 1; i <= N; i++)); do
		vm_klog "vm$i" | "$srctree/deploy/vm/klog.sh" || bad=1
	done
	[ $bad = 0 ] || give_up "a guest's kernel complained"
	verdict 0 "demo: ok: $N nodes, round trip p50 at most $worst_p50 us, group x$((N - 1)), TCP $rate MB/s, sharded product $steps steps/s, $dropped ($VM_ACCEL, $(elapsed) s)"
}

case ${1-} in
inside)
	[ -n "${DEMO_DIR-}" ] || failed "only the demo itself runs this"
	inside
	;;
'') outside ;;
*)
	echo "usage: [GUESTS=qemu|uml] [N=2..6] [KEEP=1] demo.sh" >&2
	exit 2
	;;
esac
