#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Which accelerator runs a guest here: prints "kvm" or "tcg", and on stderr why it
# is tcg.
#
#	accel.sh IMAGE INITRAMFS
#
# /dev/kvm may exist and still not run a guest (nested, half supported): so one is
# really started. The firmware must say something within 2 s and the guest's init
# within 10 s more; a working KVM takes a tenth of that.
#
# With VM_ACCEL_CACHE=FILE what was found is kept there, and is the answer until the
# host is booted again. A guest that was only too slow may have met a busy host: that
# holds for ten minutes.
set -euo pipefail

image=$1
initramfs=$2
work=$(mktemp -d)
pid=
finish() {
	[ -z "$pid" ] || kill -9 "$pid" 2>/dev/null || :
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

why() { echo "vm: $*: emulating the guests (TCG), which is slower" >&2; }
tcg() {
	why "$@"
	echo tcg
	exit
}

[ -e /dev/kvm ] || tcg "no /dev/kvm here"
if [ ! -r /dev/kvm ] || [ ! -w /dev/kvm ]; then
	tcg "no right to open /dev/kvm"
fi

# The cache: which boot, what was found in it, and until when that holds.
cache=${VM_ACCEL_CACHE-}
boot=$(cat /proc/sys/kernel/random/boot_id)
until_boot=9999999999
found() { # kvm|tcg UNTIL
	[ -z "$cache" ] || echo "$boot $1 $2" >"$cache"
	echo "$1"
	exit
}
too_slow() {
	why "$@"
	found tcg $((EPOCHSECONDS + 600))
}
if [ -n "$cache" ] && [ -e "$cache" ]; then
	read -r when what expires <"$cache" || :
	if [ "$when" = "$boot" ] && [ "$expires" -gt "$EPOCHSECONDS" ]; then
		echo "$what"
		exit
	fi
fi

# The firmware's debug port is the first thing that shows a running guest.
qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot \
	-machine pc,accel=kvm -cpu host -m 256 \
	-chardev "file,id=fw,path=$work/firmware" -device isa-debugcon,iobase=0x402,chardev=fw \
	-chardev "file,id=con,path=$work/console" -serial chardev:con \
	-kernel "$image" -initrd "$initramfs" \
	-append 'console=ttyS0 quiet vm.probe' </dev/null >"$work/qemu" 2>&1 &
pid=$!
# Its death is looked for below; bash need not tell of it.
disown "$pid"

now() { date +%s%3N; }
start=$(now)
until grep -q 'virtmesh-vm: alive' "$work/console" 2>/dev/null; do
	waited=$(($(now) - start))
	if ! kill -0 "$pid" 2>/dev/null; then
		# It may have said so with its last breath.
		grep -q 'virtmesh-vm: alive' "$work/console" 2>/dev/null && break
		why "KVM does not start a guest"
		found tcg $until_boot
	fi
	if [ ! -s "$work/firmware" ] && [ "$waited" -gt 2000 ]; then
		too_slow "/dev/kvm is there but does not run a guest"
	fi
	[ "$waited" -le 12000 ] || too_slow "/dev/kvm is there but a guest does not come up"
	sleep 0.05
done
found kvm $until_boot
