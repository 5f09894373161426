# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154 # srctree and tmp are lib.sh's
#
# For tests that boot guests (source lib.sh first): deploy/vm/vm.sh, with our
# modules and tools in the guests, and each guest's kernel log scanned after each
# case, and what is left of the lives that ended in it. A kernel that complained
# fails the case.
#
# GUESTS=uml: they are User-Mode Linux guests, with the kernel UML_KERNEL=plain or
# debug, behind virtmesh-port (see on_uml.sh). `uml` asks whether they are.
GUESTS=${GUESTS:-qemu}
# shellcheck source-path=SCRIPTDIR source=../deploy/vm/vm.sh
. "$srctree/deploy/vm/vm.sh"
# shellcheck source-path=SCRIPTDIR source=../deploy/uml/uml.sh
[ "$GUESTS" != uml ] || . "$srctree/deploy/uml/uml.sh"
uml() { [ "$GUESTS" = uml ]; }
# slow: emulated, or with a kernel that looks closer. Less of each there.
slow() { ! uml || [ "${UML_KERNEL-}" = debug ]; }
# Two CPUs, so that senders, receivers and timers really are at once; User-Mode Linux has
# one.
uml || export VM_CPUS=${VM_CPUS:-2}

# guest_program NAME: installed beside the tests, or built by the collection's Makefile.
guest_program() {
	local p
	for p in "$(dirname "$(realpath "$0")")" "$O"/selftests/{guest,mesh}; do
		if [ -x "$p/$1" ]; then
			echo "$p/$1"
			return
		fi
	done
	bail "the $1 program is not built: make -C selftests/guest, and mesh"
}
PATH=$(dirname "$(guest_program traffic)"):$PATH

# guests_init [WORD]...: words are initramfs.sh's, beyond what is always there.
guests_init() {
	local ko words=() version
	version=$(vm_kernel) || {
		[ $? != 3 ] || ! uml || skip_all "no source for a User-Mode Linux kernel here"
		bail "no kernel for the guests"
	}
	version=${version%% *}
	for ko in virtmesh virtmesh_io; do
		ko=$O/guest/kmod/$version/$ko.ko
		[ ! -e "$ko" ] || words+=("$ko")
	done
	[ ! -e "$O/guest/tools/mesh" ] || words+=("$O/guest/tools/mesh")
	words+=(virtio_net virtio-rng "$srctree/deploy/virtmesh-bind" "$(command -v ethtool)" "$(guest_program traffic):bin/traffic")
	# One initramfs, or stage, for all tests that ask for the same things.
	version=$(printf '%s\n' "$version" "${words[@]}" "$@" | sha256sum | head -c 12)
	if uml; then
		UML_STAGE=$O/uml/stage-$version
	else
		VM_ACCEL_CACHE=$O/vm/accel
		VM_INITRAMFS=$O/vm/$version.gz
	fi
	vm_init "$tmp/vm" "${words[@]}" "$@" || bail "cannot prepare the guests"
	echo "# guests: kernel $VM_VERSION, $VM_ACCEL"
	if [ "${UML_KERNEL-}" = debug ]; then
		# What the kernel does not know of its command line is its init's environment.
		export TRAFFIC_SLOW=4
		VM_APPEND="TRAFFIC_SLOW=$TRAFFIC_SLOW"
	fi
	after_each+=(guests_klog)
	cleanup vm_stop_all
}

# What a debug kernel says when it is asked for memory that nobody can reach: a
# case of its own, at the end, with all guests that still run.
no_leaks() {
	local dir name
	local -A asked=()
	for dir in "$VM_DIR"/*/; do
		name=$(basename "$dir")
		[ -e "$dir/pid" ] || continue
		vm_leaks "$name" >"$tmp/leaks.$name" &
		asked[$name]=$!
	done
	for name in "${!asked[@]}"; do
		wait "${asked[$name]}"
		[ ! -s "$tmp/leaks.$name" ] || fail "$name: $(head -n 60 "$tmp/leaks.$name")"
	done
}
guests_finish() {
	[ "${UML_KERNEL-}" != debug ] || run "kmemleak: the guests' kernels have lost no memory" no_leaks
	finish
}

guests_klog() {
	local dir name bad=0
	for dir in "$VM_DIR"/*/; do
		name=${dir%/}
		name=${name##*/}
		vm_unread "$name" >"$tmp/klog"
		[ -s "$tmp/klog" ] || continue
		"$srctree/deploy/vm/klog.sh" <"$tmp/klog" || {
			echo "the kernel of guest $name complained"
			bad=1
		}
	done
	return $bad
}

# Commands that go on while the test does: in a guest, or on the host for "host".
#
#	begin WHERE TAG COMMAND		start a simple command
#	receive WHERE TAG ARG...	start `traffic recv ARG...`, and wait until it listens
#	result WHERE TAG [SECONDS]	wait until it has ended: its output, its status
#	outcome WHERE TAG [SECONDS]	the same into $out, and the case fails when it did
#	interrupt WHERE TAG [SIGNAL]	send it a signal, default TERM

# In a guest's loops, which count i up to 50 a second: a process is dear there, so less
# often after a while.
nap='if [ $i -lt 25 ]; then i=$((i + 1)); sleep 0.02; else i=$((i + 10)); sleep 0.2; fi'

at() { # WHERE SCRIPT [SECONDS]
	if [ "$1" = host ]; then
		(cd "$tmp" && bash -c "$2")
	else
		vm_exec "$1" -t "${3:-30}" "cd /tmp; $2"
	fi
}
begin() {
	# The status of one that was killed just now would be taken for this one's.
	at "$1" "i=0; while [ -e $2.pid ] && [ ! -e $2.rc ] && [ \$i -lt 250 ]; do $nap; done
		rm -f $2.*
		cat >$2.sh <<-'END'
			echo \$\$ >$2.pid
			exec $3
		END
		{ sh $2.sh; echo \$? >$2.rc.new; mv $2.rc.new $2.rc; } </dev/null >$2.out 2>$2.err &"
}
receive() {
	local where=$1 tag=$2
	shift 2
	begin "$where" "$tag" "traffic recv $*"
	at "$where" "i=0; until grep -qs ready $tag.err; do
			[ \$i -lt 1000 ] && [ ! -e $tag.rc ] || { cat $tag.err; exit 1; }
			$nap; done"
}
result() {
	at "$1" "i=0; until [ -e $2.rc ]; do
			[ \$i -lt $((${3:-100} * 50)) ] || { echo '$2 does not end'; exit 124; }
			$nap; done
		cat $2.out; grep -v ready $2.err; exit \$(cat $2.rc)" $((${3:-100} + 20))
}
outcome() {
	local status=0
	out=$(result "$@") || status=$?
	[ $status = 0 ] || fail "$2 at $1 ended with $status: $out"
}
interrupt() {
	at "$1" "kill -${3:-TERM} \$(cat $2.pid)"
}
