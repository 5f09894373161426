# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154 # srctree and tmp are lib.sh's
#
# For tests that boot guests (source lib.sh first): deploy/vm/vm.sh, with our
# modules and tools in the guests, and each guest's kernel log scanned after each
# case. A kernel that complained fails the case.
# shellcheck source-path=SCRIPTDIR source=../deploy/vm/vm.sh
. "$srctree/deploy/vm/vm.sh"

# guests_init [WORD]...: words are initramfs.sh's, beyond what is always there.
guests_init() {
	local ko words=() version
	VM_ACCEL=${VM_ACCEL-$(cat "$O/vm/accel" 2>/dev/null)}
	read -r version _ < <("$srctree/deploy/vm/kernel.sh") || bail "no kernel for the guests"
	for ko in virtmesh virtmesh_io; do
		ko=$O/guest/kmod/$version/$ko.ko
		[ ! -e "$ko" ] || words+=("$ko")
	done
	[ ! -e "$O/guest/tools/mesh.static" ] || words+=("$O/guest/tools/mesh.static:bin/mesh")
	words+=(virtio_net virtio-rng "$(command -v ethtool)")
	# One initramfs for all tests that ask for the same things.
	VM_INITRAMFS=$O/vm/$(printf '%s\n' "$version" "${words[@]}" "$@" | sha256sum | head -c 12).gz
	vm_init "$tmp/vm" "${words[@]}" "$@" || bail "cannot prepare the guests"
	# Probing takes seconds: once for one boot of the host.
	echo "$VM_ACCEL" >"$O/vm/accel"
	echo "# guests: kernel $VM_VERSION, $VM_ACCEL"
	after_each+=(guests_klog)
	cleanup vm_stop_all
}

guests_klog() {
	local dir name bad=0
	for dir in "$VM_DIR"/*/; do
		name=$(basename "$dir")
		[ -e "$dir/pid" ] || continue
		vm_klog "$name" >"$tmp/klog"
		"$srctree/deploy/vm/klog.sh" <"$tmp/klog" || {
			echo "the kernel of guest $name complained"
			bad=1
		}
	done
	return $bad
}
