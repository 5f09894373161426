# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154 # srctree and tmp are lib.sh's
#
# For a collection's debian_kernel.sh (source lib.sh first): the collection's test
# programs again, on the distribution's own kernel, in a VM. Where the host's kernel is
# newer, that one's verifier knows less, and it lacks things and has others.
# shellcheck source-path=SCRIPTDIR source=../deploy/vm/vm.sh
. "$srctree/deploy/vm/vm.sh"

# Beside the script when installed, else where the collection's Makefile puts them.
distro_program() { # distro_program COLLECTION PROGRAM
	local dir
	for dir in "$(dirname "$(realpath "$0")")" "$O/selftests/$1"; do
		if [ -x "$dir/$2" ]; then
			echo "$dir/$2"
			return
		fi
	done
	bail "$2 is not built: make -C selftests/$1"
}

distro_case() { # distro_case SECONDS PROGRAM
	vm_exec host -t "$1" "O=/build $2"
}

distro_log() {
	vm_klog host >"$tmp/klog"
	"$srctree/deploy/vm/klog.sh" <"$tmp/klog"
}

# distro_kernel COLLECTION SECONDS "PROGRAM..." [WORD]...
# A case for each program, of at most so many seconds; words are initramfs.sh's.
distro_kernel() {
	local collection=$1 seconds=$2 programs=$3 program words=()
	shift 3
	for program in $programs; do
		words+=("$(distro_program "$collection" "$program")")
	done
	export VM_MEM=512 VM_CPUS=2
	cleanup vm_stop_all
	VM_ACCEL_CACHE=$O/vm/accel
	vm_init "$tmp/vm" tun veth "$@" "${words[@]}" || bail "cannot prepare the VM"
	vm_start host || bail "cannot start the VM"
	vm_wait host 120 || bail "the VM does not boot"
	vm_exec host '
		modprobe tun && modprobe veth && mkdir -p /dev/net &&
		{ [ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200; }' || bail "no tap in the VM"
	echo "# VM: kernel $VM_VERSION, $VM_ACCEL"
	after_each+=(distro_log)
	for program in $programs; do
		run "$program, on the kernel the distribution ships" distro_case "$seconds" "$program"
	done
}
