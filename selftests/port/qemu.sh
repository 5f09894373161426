#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A QEMU guest behind virtmesh-port, the guest's memory shared by a memfd, our
# driver in it: it joins the mesh and talks IP with a container, and goes on when
# its port is killed, with and without a manager that keeps the port's files.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
isolate "$@"
# shellcheck source-path=SCRIPTDIR source=../../deploy/vm/vm.sh
. "$srctree/deploy/vm/vm.sh"
PATH=$O/host/vhost:$O/selftests/port:$PATH

command -v qemu-system-x86_64 >/dev/null || skip_all "no QEMU"
read -r version _ < <(vm_kernel) || bail "no kernel for the guest"
VM_ACCEL_CACHE=$O/vm/accel
vm_init "$tmp/vm" "$O/guest/kmod/$version/virtmesh.ko" || bail "cannot prepare the guest"
cleanup vm_stop_all
echo "# guest: kernel $version, $VM_ACCEL"

pidfile=$tmp/port.pid

setup() {
	virtmeshd >"$tmp/broker.log" 2>&1 &
	echo $! >"$tmp/broker.pid"
	wait_until 10 virtmesh nodes
	virtmesh ensemble add 1
	virtmesh port add vm1 --ensemble 1 --node 1 --vhost-user
	# The other node: a container's veth.
	ip netns add other
	ip link add vm2 type veth peer name eth0 netns other
	ip -n other link set eth0 address 02:4d:00:01:00:02
	virtmesh attach vm2 --ensemble 1 --node 2
	# What attach cannot see to in there.
	ip netns exec other ethtool -K eth0 gro on tx off
	ip link set vm2 up
	ip -n other link set eth0 up
	ip -n other addr add 10.9.0.2/24 dev eth0
}

socket=/run/virtmesh/ports/vm1/vhost-user.sock

# keep: with a manager; else alone.
start_port() {
	rm -f "$pidfile"
	if [ "$1" = keep ]; then
		keeper "$pidfile" "$O/host/vhost/virtmesh-port" --tap vm1 --socket "$socket" \
			</dev/null >>"$tmp/port.log" 2>&1 &
		wait_until 20 test -s "$pidfile"
	else
		virtmesh-port --tap vm1 --socket "$socket" </dev/null >>"$tmp/port.log" 2>&1 &
		echo $! >"$pidfile"
		wait_until 20 grep -q "event=ready.*pid=$! " "$tmp/port.log"
	fi
}

boots() {
	local args
	setup
	start_port keep
	args=$(virtmesh qemu-args vm1 --memory 192M)
	# QEMU 7.2 without KVM crashes where a vhost device has MSI-X: vector_irqfd is
	# NULL then, in virtio_pci_set_guest_notifiers().
	[ "$VM_ACCEL" = kvm ] || args=${args/virtio-net-pci,/virtio-net-pci,vectors=0,}
	# shellcheck disable=SC2086 # words
	vm_start n1 $args
	vm_wait n1 120
	vm_exec n1 'modprobe virtmesh; i=0
		until [ -e /sys/class/net/mesh0 ] || [ $i -ge 500 ]; do i=$((i + 1)); usleep 20000; done
		ip addr add 10.9.0.1/24 dev mesh0 && ip link set mesh0 up'
	wait_until 30 node_is_up
	wait_until 30 node_is_up
	cat "$tmp/port.log"
	grep 'event=front-end ' "$tmp/port.log"
}
node_is_up() { virtmesh nodes | grep -q '^ *1 *1 *up '; }

pings() { # COUNT
	out=$(vm_exec n1 -t 60 "ping -q -c $1 -i 0.02 10.9.0.2") || fail "$out"
	[[ $out == *" $1 packets received, 0% packet loss"* ]] || fail "$out"
}

killed_and_kept() {
	local i pid pinging
	vm_exec n1 -t 60 'ping -q -c 300 -i 0.02 10.9.0.2 >/tmp/ping 2>&1' &
	pinging=$!
	for i in 1 2 3 4 5; do
		wait_until 20 test -s "$pidfile"
		pid=$(cat "$pidfile")
		kill -9 "$pid"
		wait_until 20 another "$pid"
		wait_until 20 node_is_up
	done
	wait "$pinging"
	vm_exec n1 'cat /tmp/ping' | grep ' 0% packet loss'
	# It was never without its front-end.
	fails 1 grep event=front-end-gone "$tmp/port.log"
}
another() { [ -s "$pidfile" ] && [ "$(cat "$pidfile")" != "$1" ]; }

# QEMU comes again by itself: reconnect=1.
killed_alone() {
	local keeper pid
	pid=$(cat "$pidfile")
	keeper=$(awk '/^PPid/ { print $2 }' "/proc/$pid/status")
	kill -TERM "$keeper"
	wait_until 20 pid_gone "$keeper"
	start_port alone
	wait_until 30 served
	pings 20
	pid=$(cat "$pidfile")
	kill -9 "$pid"
	wait_until 20 pid_gone "$pid"
	start_port alone
	wait_until 30 served
	pings 20
}
served() { tail -n 1 "$tmp/port.log" | grep -q 'event=front-end '; }

run "a QEMU guest behind the port joins the mesh" boots
run "it talks IP with a container" pings 50
run "the port is killed five times with its files kept: no ping is lost" killed_and_kept
run "the port is killed with nothing kept: QEMU comes back and the guest goes on" killed_alone
finish
