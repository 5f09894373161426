#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Find the kernel that guests boot, and print one line:
#
#	VERSION IMAGE TREE
#
# IMAGE is what to give to QEMU's -kernel; TREE/lib/modules/VERSION holds its
# modules and a modules.dep. It is the kernel
# the distribution's headers package belongs to, so that our modules can be built
# for it; VM_KERNEL=VERSION asks for another one. What is installed is used where
# it is; otherwise the package is downloaded and unpacked below O=. Nothing is
# ever installed, and the running kernel does not matter.
set -euo pipefail

cd "$(dirname "$0")/../.."
O=$(realpath -m "${O:-build}")
store=$O/guest-kernel

die() {
	echo "vm: $*" >&2
	exit 1
}

# The version the distribution's headers are of: what the meta package pulls in,
# or the newest there is. A build link that leads nowhere does not count.
headers_version() {
	local meta v
	if command -v dpkg-query >/dev/null; then
		meta="linux-headers-$(dpkg --print-architecture)"
		[ "$(. /etc/os-release && echo "${ID-}")" != ubuntu ] || meta=linux-headers-generic
		# The dependencies' "|" and version parts do not matter here.
		v=$(dpkg-query -W -f '${Depends}' "$meta" 2>/dev/null |
			tr ',|' '\n' | sed -n 's/^ *linux-headers-\([0-9][^ ]*\).*/\1/p' | head -n 1)
		if [ -n "$v" ] && [ -e "/lib/modules/$v/build/Makefile" ]; then
			echo "$v"
			return
		fi
	fi
	for v in /lib/modules/*/build/Makefile /usr/src/kernels/*/Makefile; do
		[ -e "$v" ] || continue
		case $v in
		/lib/modules/*) v=${v#/lib/modules/} && echo "${v%%/*}" ;;
		*) basename "$(dirname "$v")" ;;
		esac
	done | sort -V | tail -n 1
}

# The image to boot: unpacked, when that can be done.
unpacked() {
	local to=$store/vmlinux-$version
	mkdir -p "$store"
	if [ "$to" -nt "$1" ] || deploy/vm/vmlinux.sh "$1" "$to"; then
		echo "$to"
	else
		echo "$1"
	fi
}

# An image below $1 (empty: installed) with its modules.
complete() {
	local image
	for image in "$1/boot/vmlinuz-$version" "$1/lib/modules/$version/vmlinuz"; do
		if [ -r "$image" ] && [ -r "$1/lib/modules/$version/modules.dep" ] &&
			[ -d "$1/lib/modules/$version/kernel" ]; then
			echo "$version $(unpacked "$image") ${1:-/}"
			return
		fi
	done
	return 1
}

download() {
	local dir=$1 part packages=("linux-image-$version")
	if command -v apt-get >/dev/null; then
		# Ubuntu keeps the modules in a package of their own; Debian since 7.3
		# the image, too, and what depmod reads.
		for part in modules binary base; do
			! apt-cache show "linux-$part-$version" >/dev/null 2>&1 ||
				packages+=("linux-$part-$version")
		done
		(cd "$dir" && apt-get download -q -o Acquire::Retries=3 "${packages[@]}") >&2
	elif command -v dnf >/dev/null; then
		dnf -q download --destdir "$dir" "kernel-core-$version" \
			"kernel-modules-core-$version" "kernel-modules-$version" >&2
	else
		return 1
	fi
}

unpack() {
	local p
	for p in "$1"/*.deb "$1"/*.rpm; do
		case $p in
		*\**) ;;
		*.deb)
			dpkg-deb --fsys-tarfile "$p" | tar -x -C "$2" --exclude='./usr/share/*' ||
				return
			;;
		*.rpm) rpm2cpio "$p" | (cd "$2" && cpio -idm --quiet) || return ;;
		esac
	done
}

version=${VM_KERNEL:-$(headers_version)}
[ -n "$version" ] || die "no kernel headers here: run deploy/install-deps.sh"

complete "" && exit
complete "$store/$version" && exit

echo "vm: fetching the kernel $version for the guests" >&2
mkdir -p "$store"
work=$(mktemp -d "$store/.fetch-XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/packages" "$work/tree"
log=$work/log
download "$work/packages" 2>"$log" ||
	die "cannot download the kernel $version: $(grep -m 1 '^E:' "$log" || tail -n 1 "$log")"
unpack "$work/packages" "$work/tree" || die "cannot unpack the kernel $version"
# Where /lib is a link to /usr/lib, packages may carry the one or the other.
if [ ! -d "$work/tree/lib/modules" ] && [ -d "$work/tree/usr/lib/modules" ]; then
	ln -s usr/lib "$work/tree/lib"
fi
[ -d "$work/tree/lib/modules/$version" ] ||
	die "the package of the kernel $version has no modules"
depmod -b "$work/tree" "$version"
complete "$work/tree" >/dev/null || die "the package of the kernel $version has no image"
# Complete or not there: another run may look meanwhile.
if [ ! -e "$store/$version" ]; then
	mv -T "$work/tree" "$store/$version" 2>/dev/null || [ -e "$store/$version" ]
fi
complete "$store/$version" ||
	die "what is in $store/$version is no kernel: remove it, and try again"
