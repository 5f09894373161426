#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Make a guest's root file system: busybox, kernel modules with what they need,
# and the files named.
#
#	initramfs.sh OUT VERSION TREE [MODULE | FILE.ko | FILE[:DEST]]...
#
# A word without a slash is a module of the kernel VERSION below TREE (see
# kernel.sh); FILE.ko is a module of ours; any other FILE goes to DEST (default
# /bin/), and a dynamically linked program takes its libraries along. OUT is made
# anew only when something in it has changed.
set -euo pipefail

[ $# -ge 3 ] || {
	echo "usage: initramfs.sh OUT VERSION TREE [MODULE | FILE.ko | FILE[:DEST]]..." >&2
	exit 2
}
here=$(dirname "$(realpath "$0")")
serve=$(realpath -m "${O:-$here/../../build}")/vm/vm-serve
out=$(realpath -m "$1")
version=$2
tree=$3
shift 3

die() {
	echo "vm: $*" >&2
	exit 1
}

busybox=$(command -v busybox) || die "busybox is missing: run deploy/install-deps.sh"
[ -x "$serve" ] || die "$serve is not built: make"
if ldd "$busybox" >/dev/null 2>&1; then
	die "$busybox is not linked statically: run deploy/install-deps.sh"
fi
moddir=$tree/lib/modules/$version

# The files of a module and of all it needs; nothing when it is built in.
module_files() {
	local name=${1//-/_}
	awk -v want="$name" '
		{
			path = $1
			sub(/:$/, "", path)
			base = path
			sub(/.*\//, "", base)
			sub(/\.ko.*/, "", base)
			gsub(/-/, "_", base)
			if (base == want) {
				found = 1
				print path
				for (i = 2; i <= NF; i++)
					print $i
			}
		}
		END { exit !found }
	' "$moddir/modules.dep" ||
		grep -q "/${name//_/[-_]}\.ko$" "$moddir/modules.builtin" ||
		die "the kernel $version has no module '$1'"
}

# What the guest's init itself needs, to talk with the host.
set -- virtio_pci virtio_console "$@"

modules=()
ours=()
files=()
for word in "$@"; do
	case $word in
	*/*.ko) ours+=("$word") ;;
	*/*) files+=("$word") ;;
	*)
		list=$(module_files "$word") || exit 1
		mapfile -t -O "${#modules[@]}" modules <<<"$list"
		;;
	esac
done

# What OUT is made of. Kernel modules never change below one version's tree.
key=$(
	printf '%s\n' "$version" "$tree" "$@"
	sha256sum "$0" "$here/init" "$serve" "$busybox" "${ours[@]}" "${files[@]%%:*}"
)
[ "$key" != "$(cat "$out.key" 2>/dev/null)" ] || [ ! -e "$out" ] || exit 0

mkdir -p "$(dirname "$out")"
work=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root"/{bin,dev,etc,proc,run,sys,tmp,"lib/modules/$version"}
ln -s bin "$root/sbin"
mkdir "$root/usr"
ln -s ../bin "$root/usr/bin"
ln -s ../bin "$root/usr/sbin"

cp "$busybox" "$root/bin/busybox"
# As links to one file; three hundred processes less than by ln.
"$root/bin/busybox" --install "$root/bin"
cp "$here/init" "$root/init"
cp "$serve" "$root/bin"
chmod 755 "$root/init"

for m in "${modules[@]}"; do
	[ -n "$m" ] || continue
	name=$(basename "$m")
	to=$root/lib/modules/$version/${name%%.ko*}.ko
	case $name in
	*.ko) cp "$moddir/$m" "$to" ;;
	*.ko.xz) xz -dc "$moddir/$m" >"$to" ;;
	*.ko.zst) zstd -qdc "$moddir/$m" >"$to" ;;
	*.ko.gz) gzip -dc "$moddir/$m" >"$to" ;;
	esac
done
for m in "${ours[@]}"; do
	# Without debug information: a guest would read ten times as much.
	objcopy --strip-debug "$m" "$root/lib/modules/$version/${m##*/}"
done
# depmod wants these; built-in modules then count as loaded.
for f in builtin builtin.modinfo order; do
	[ ! -e "$moddir/modules.$f" ] || cp "$moddir/modules.$f" "$root/lib/modules/$version/"
done
depmod -b "$root" "$version"

for f in "${files[@]}"; do
	src=${f%%:*}
	dest=bin/
	[ "$f" = "$src" ] || dest=${f#*:}
	mkdir -p "$root/$(dirname "${dest}x")"
	cp --remove-destination "$src" "$root/$dest"
	libs=$(ldd "$src" 2>/dev/null | sed -n 's/^[^/]*\(\/[^ ]*\) (.*/\1/p') || libs=
	for lib in $libs; do
		mkdir -p "$root$(dirname "$lib")"
		cp -L "$lib" "$root$lib"
	done
done

# gzip -1: unpacking costs an emulated guest more than reading.
(cd "$root" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) | gzip -1 >"$work/out"
mv "$work/out" "$out"
printf '%s\n' "$key" >"$out.key"
