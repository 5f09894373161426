#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Make what a User-Mode Linux guest has of its own beside the host's root: busybox
# as a directory of links, kernel modules, and the files named.
#
#	stage.sh DIR RELEASE BUILD [FILE.ko | FILE[:DEST]]...
#
# BUILD is kernel.sh's; all modules of it are taken. FILE goes to DIR/DEST (default:
# bin/). DIR is made anew only when something in it has changed.
set -euo pipefail

here=$(dirname "$(realpath "$0")")
serve=$(realpath -m "${O:-$here/../../build}")/vm/vm-serve
dir=$1 release=$2 build=$3
shift 3
busybox=$(command -v busybox) || {
	echo "uml: no busybox: run deploy/install-deps.sh" >&2
	exit 1
}
[ -x "$serve" ] || {
	echo "uml: $serve is not built: make" >&2
	exit 1
}

mkdir -p "$(dirname "$dir")"
exec 9>"$dir.lock"
flock 9
key=$(printf '%s\n' "$release" "$build" "$@" && sha256sum "$0" "$here/init" "$serve" "${@%%:*}")
[ "$key" != "$(cat "$dir/key" 2>/dev/null)" ] || exit 0

# Beside it, since somebody may be running on it.
work=$(mktemp -d "$dir.XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
modules=$work/lib/modules/$release
mkdir -p "$work/bin" "$modules"
cp "$here/init" "$work/init"
cp "$serve" "$work/bin"
cp "$busybox" "$work/bin/busybox"
# As links to one file; three hundred processes less than by ln.
"$work/bin/busybox" --install "$work/bin"

find "$build" -name '*.ko' -exec cp -t "$modules" {} +
for f in builtin builtin.modinfo order; do
	cp "$build/modules.$f" "$modules"
done
for f; do
	case $f in
	*.ko) cp "$f" "$modules" ;;
	*:*) cp --remove-destination "${f%%:*}" "$work/${f#*:}" ;;
	*) cp --remove-destination "$f" "$work/bin" ;;
	esac
done
depmod -b "$work" "$release"
printf '%s\n' "$key" >"$work/key"
[ ! -e "$dir" ] || mv -T "$dir" "$work/old"
mv -T "$work" "$dir"
rm -rf "$dir/old"
