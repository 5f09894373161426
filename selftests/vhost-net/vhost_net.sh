#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The kernel's path of virtmesh-port, in a VM that boots the distribution's kernel
# and has /dev/vhost-net, which the host of these tests need not have.
#
#	lane		vm_lane_kernel alone
#	port		virtmesh-port, with front-ends of the test's
#	restart		the same, killed and started again, as in selftests/port
#	fdstore		the same, started with what is not its own, as in selftests/port
#	nested.sh	virtmesh-port with User-Mode Linux guests
#
# Beside these, the attach tests under libxdp's dispatcher are in selftests/dispatch.
. "$(dirname "$0")/../lib.sh"
isolate "$@"
# shellcheck source-path=SCRIPTDIR source=../guests.sh
. "$(dirname "$0")/../guests.sh"

# Installed beside this script, or where the Makefile puts them.
program() {
	local dir
	for dir in "$(dirname "$(realpath "$0")")" "$O/selftests/vhost-net"; do
		if [ -x "$dir/$1" ]; then
			echo "$dir/$1"
			return
		fi
	done
	bail "$1 is not built: make -C selftests/vhost-net"
}

# The User-Mode Linux guests' kernel and files, as initramfs.sh's words.
uml_words() {
	local line version linux build stage=$O/vm/nested
	line=$("$srctree/deploy/uml/kernel.sh" plain) || return
	read -r version linux build <<<"$line"
	mkdir -p "$O/vm"
	"$srctree/deploy/uml/stage.sh" "$stage" "$version" "$build" \
		"$O/guest/kmod/$version/virtmesh.ko" "$O/guest/tools/mesh" \
		"$srctree/deploy/virtmesh-bind" || return
	# Links do not go into an initramfs one by one.
	tar -c -C "$O/vm" --sort=name --mtime=@0 --transform 's|^nested|uml/stage|' \
		-f "$stage.tar" nested || return
	# /bin/sh is not busybox: that one runs /proc/self/exe for its commands, which
	# through hostfs is the guest's kernel. Nor bash, which reads a line and more.
	command -v dash >/dev/null || {
		vm_say "dash is missing: run deploy/install-deps.sh"
		return 1
	}
	printf '%s\n' "$linux:uml/linux" "$stage.tar:uml/stage.tar" "$O/uml/uml-box:build/uml/" \
		"$(command -v dash):bin/sh" "$(command -v bash)" "$(command -v date)" \
		"$(command -v flock)" "$(command -v realpath)" "$(dirname "$0")/nested.sh:nested.sh" \
		"$srctree"/deploy/vm/{vm,mesh}.sh:deploy/vm/ "$srctree/deploy/uml/uml.sh:deploy/uml/"
}

boot() {
	local uml
	uml=$(uml_words) || bail "no User-Mode Linux for the guests in the VM: make uml"
	# Programs look for what was built in /build.
	# shellcheck disable=SC2086 # words
	guests_init tun tap vhost_net "$(command -v ip):bin/ip2" "$(program lane)" "$(program port)" \
		"$(program restart)" "$(program fdstore)" "$(program keeper):build/selftests/port/" \
		"$O/host/virtmesh:build/host/" "$O/host/vhost/virtmesh-port:build/host/vhost/" \
		"$O/broker/virtmeshd:build/broker/" $uml
	VM_MEM=1024 VM_CPUS=2 VM_APPEND=vm.modules=tun,vhost_net vm_start h ||
		bail "the VM does not start"
	vm_wait h 120 || bail "the VM does not boot"
	vm_exec h 'cd / && tar -x -f /uml/stage.tar' || bail "the guests' files do not unpack"
	vm_exec h 'test -c /dev/vhost-net && test -c /dev/net/tun' || bail "no /dev/vhost-net in the VM"
}

# harness PROGRAM: its cases are ours
harness() {
	local out status=0
	out=$(vm_exec h -t 300 "LANE=kernel $1") || status=$?
	tap_cases "$status" <<<"$out"
}

# nested CASE: with User-Mode Linux guests in the VM
nested() { vm_exec h -t 120 "exec bash /nested.sh $*"; }

boot
harness lane
harness port
harness restart
harness fdstore
run "two User-Mode Linux guests join behind the kernel's lane, their calls relayed" nested join
run "mesh ping both ways" nested ping
run "datagrams both ways, all of them" nested datagrams
run "IP between the guests' mesh0" nested ip
run "a device unbound and bound again joins again" nested rebind
run "a guest killed and started again is served by the same port, which holds no more fds" \
	nested guest_killed
run "a port killed and started again takes the tap, and serves a new guest" nested port_killed
run "all ended: no worker of the kernel is left, the taps can be removed" nested down
finish
