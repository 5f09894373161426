# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What runs inside the VM with User-Mode Linux guests, whose virtmesh-ports hand the
# rings to the VM's kernel: one function a case, each in a bash of its own. The
# guests n1 and n2 (nodes 1 and 2 of ensemble 1) and the broker live on between.
#
# /build is what was built, /uml the guests' kernel and their own files.
export O=/build
PATH=$O/host:$O/broker:$PATH
# shellcheck disable=SC1091 # they are deploy's
{
	. /deploy/vm/vm.sh
	. /deploy/uml/uml.sh
	. /deploy/vm/mesh.sh
}
VM_DIR=/tmp/n
# shellcheck disable=SC2034 # uml.sh's
UML_LINUX=/uml/linux UML_STAGE=/uml/stage UML_PORT_ARGS='--lane kernel' VM_MEM=64
show_logs() { tail -n 15 "$VM_DIR"/*.log "$VM_DIR"/n?/console.log; }
trap '[ $? = 0 ] || show_logs' EXIT
set -eE
trap '[ "${BASH_SOURCE[0]##*/}" != nested.sh ] || echo "nested.sh:$LINENO: failed: $BASH_COMMAND"' ERR

fail() {
	echo "$*"
	exit 1
}
eq() { [ "$1" = "$2" ] || fail "${3:+$3: }got '$1', want '$2'"; }

port_pid() { cat "$VM_DIR/$1.port.pid"; }
port_fds() { find "/proc/$(port_pid "$1")/fd" -mindepth 1 | wc -l; }
said() { grep -q "$2" "$VM_DIR/$1.port.log" || fail "the port of $1 does not say $2"; }

until_done() { # for up to 20 s
	local tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ $tries -lt 1000 ] || fail "waited 20 s in vain for: $*"
		usleep 20000
	done
}

# joined GUEST: boots, and its driver joins
joined() {
	vm_wait "$1"
	mesh_load "$1"
}

# Once, before all others.
join() {
	local n
	mkdir -p "$VM_DIR" /mnt /root /run/virtmesh /dev/shm
	ln -s /proc/self/fd /dev/fd
	mount -t tmpfs tmpfs /dev/shm
	mount -t bpf bpf /sys/fs/bpf
	virtmesh ensemble add 1 >/dev/null
	mesh_broker_start
	echo "$mesh_broker_pid" >"$VM_DIR/broker.pid"
	mesh_node n1 1 1
	mesh_node n2 1 2
	for n in n1 n2; do
		joined $n
		said $n lane=kernel
		said $n "event=relay ring=0"
		said $n "event=relay ring=1"
	done
}

ping() {
	vm_exec n1 'mesh ping 2 -c 10 -i 1 -s 60 -q'
	vm_exec n2 'mesh ping 1 -c 10 -i 1 -s 3000 -q'
}

# In the background of the one, while the other sends.
datagrams_to() { # FROM TO COUNT BYTES
	vm_exec "$2" "rm -f /tmp/got /tmp/rc
		{ mesh recv -C 7 -c $3 -W 20000; echo \$? >/tmp/rc; } >/tmp/got 2>&1 &"
	# The channel is bound when the datagrams of one before get there.
	vm_exec "$1" "mesh send ${2#n} -C 7 -c $3 -s $4 -i 1"
	vm_exec "$2" 'i=0
		until [ -s /tmp/rc ]; do
			i=$((i + 1)); [ $i -lt 1000 ] || exit 124; usleep 20000
		done
		cat /tmp/got; exit $(cat /tmp/rc)'
}

datagrams() {
	datagrams_to n1 n2 50 1000
	datagrams_to n2 n1 50 3000
}

ip() {
	mesh_ip n1
	mesh_ip n2
	vm_exec n1 'ping -c 5 -i 0.02 -s 1400 10.0.1.2' | tee /tmp/ip
	grep -q ' 5 packets received' /tmp/ip
}

rebind() {
	vm_unplug n1
	vm_plug n1
	joined n1
	ping
}

guest_killed() {
	local fds pid
	pid=$(port_pid n2)
	fds=$(port_fds n2)
	vm_reset n2
	joined n2
	eq "$(port_pid n2)" "$pid"
	eq "$(port_fds n2)" "$fds"
	ping
}

port_killed() {
	local pid args
	pid=$(port_pid n2)
	kill -9 "$pid"
	until_done no_worker "$pid"
	vm_stop n2
	args=$(vm_nic n2)
	vm_start n2 "$args"
	joined n2
	ping
}

# The kernel's thread that worked for the process
no_worker() { ! grep -qsx "vhost-$1" /proc/[0-9]*/comm; }

down() {
	local n pids
	pids="$(port_pid n1) $(port_pid n2)"
	mesh_unnode n1
	mesh_unnode n2
	for n in $pids; do
		until_done no_worker "$n"
	done
	kill "$(cat "$VM_DIR/broker.pid")"
	virtmesh ensemble del 1
	eq "$(ls /sys/class/net)" lo
}

"$@"
