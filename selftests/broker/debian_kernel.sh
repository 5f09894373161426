#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The same tests on the distribution's own kernel, in a VM: where the host's is
# newer, that is the one that lacks something (read-multishot came with 6.7) and
# has something (libxdp's dispatcher).
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
isolate "$@"
# shellcheck source=../../deploy/vm/vm.sh
. "$srctree/deploy/vm/vm.sh"

programs=(ctl_socket frames membership parsers power restart) # keep sorted

# Beside this script when installed, else where the Makefile puts them.
where() {
	local dir
	for dir in "$(dirname "$(realpath "$0")")" "$O/selftests/broker"; do
		if [ -x "$dir/$1" ]; then
			echo "$dir/$1"
			return
		fi
	done
	bail "$1 is not built: make -C selftests/broker"
}

words=("$(command -v ip)" "$O/host/virtmesh:/build/host/" "$O/broker/virtmeshd:/build/broker/")
for program in "${programs[@]}"; do
	words+=("$(where "$program")")
done
export VM_MEM=512 VM_CPUS=2
cleanup vm_stop_all
VM_ACCEL=${VM_ACCEL-$(cat "$O/vm/accel" 2>/dev/null)}
vm_init "$tmp/vm" tun veth "${words[@]}" || bail "cannot prepare the VM"
vm_start host || bail "cannot start the VM"
vm_wait host 120 || bail "the VM does not boot"
vm_exec host '
	modprobe tun && modprobe veth && mkdir -p /dev/net &&
	{ [ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200; }' || bail "no tap in the VM"
echo "# VM: kernel $VM_VERSION, $VM_ACCEL"

on_its_kernel() {
	vm_exec host -t 900 "O=/build $1"
}

kernel_log() {
	vm_klog host >"$tmp/klog"
	"$srctree/deploy/vm/klog.sh" <"$tmp/klog"
}
after_each+=(kernel_log)

for program in "${programs[@]}"; do
	run "$program, on the kernel the distribution ships" on_its_kernel "$program"
done
finish
