# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Guests on a mesh: a library for bash, on top of vm.sh (source that first). It
# needs virtmesh and virtmeshd in PATH, a private bpffs and /run, and guests that
# have the virtmesh module, virtmesh-bind and the mesh command in their initramfs.
#
#	mesh_broker_start [ARG]...	virtmeshd, until it answers
#	mesh_broker_stop [SIGNAL]	and wait until it has gone; default TERM
#	mesh_node NAME ENSEMBLE NODE [ARG]...
#				a port NAME and a guest NAME on it; ARGs are vm_start's
#	mesh_load NAME		load the driver, and wait until the node has joined
#	mesh_ip NAME		give mesh0 the address 10.EE.EE.NODE (ensemble EE.EE)
#	mesh_unnode NAME	stop the guest and remove its port
#
# Functions print what went wrong on stderr and return a non-zero status.
# shellcheck disable=SC2154 # VM_DIR is vm.sh's

mesh_broker_start() {
	local i
	virtmeshd "$@" </dev/null >>"$VM_DIR/virtmeshd.log" 2>&1 &
	mesh_broker_pid=$!
	disown "$mesh_broker_pid"
	for ((i = 0; i < 250; i++)); do
		if ! kill -0 "$mesh_broker_pid" 2>/dev/null; then
			vm_say "virtmeshd has ended: $(tail -n 1 "$VM_DIR/virtmeshd.log")"
			return 1
		fi
		# `nodes` asks the broker and nobody else.
		! virtmesh nodes >/dev/null 2>&1 || return 0
		sleep 0.02
	done
	vm_say "virtmeshd does not answer: $(tail -n 1 "$VM_DIR/virtmeshd.log")"
	return 1
}

mesh_broker_stop() {
	local i
	kill "-${1:-TERM}" "$mesh_broker_pid" || return
	for ((i = 0; i < 250; i++)); do
		kill -0 "$mesh_broker_pid" 2>/dev/null || return 0
		sleep 0.02
	done
	vm_say "virtmeshd does not end"
	return 1
}

mesh_node() {
	local name=$1 ensemble=$2 node=$3 args
	shift 3
	virtmesh port add "$name" --ensemble "$ensemble" --node "$node" >/dev/null || return
	args=$(vm_nic "$name") || return
	# shellcheck disable=SC2086 # words
	VM_APPEND="vm.ip=10.$((ensemble >> 8)).$((ensemble & 255)).$node ${VM_APPEND-}" \
		vm_start "$name" $args "$@"
}

mesh_load() {
	# Where virtio_net is built into the kernel, it has the device already.
	vm_exec "$1" 'modprobe virtmesh && virtmesh-bind --all && exec mesh info -w 20' >/dev/null || {
		vm_say "$1 has not joined: $(vm_exec "$1" 'mesh info 2>&1; dmesg | tail -n 5')"
		return 1
	}
}

mesh_ip() {
	vm_exec "$1" 'set -e
		read -r cmdline </proc/cmdline
		ip=${cmdline#*vm.ip=}
		ip addr add "${ip%% *}/24" dev mesh0
		ip link set mesh0 up'
}

mesh_unnode() {
	vm_stop "$1"
	virtmesh port del "$1" >/dev/null
}
