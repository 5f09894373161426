#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Build a User-Mode Linux kernel of the kind "plain" or "debug", unless it is there,
# and print one line:
#
#	RELEASE LINUX BUILD
#
# LINUX is the program, BUILD the directory to build modules against. The source is
# the newest that the distribution packages (linux-source-*); the configuration is
# nothing, plus plain.config, plus debug.config for the debug kind; what is wrong
# with it is repaired by the *.patch here. All lies below
# UML_CACHE (default: $O/uml/kernel), named by what it was made of: another
# source, fragment or compiler gives another kernel. Two runs at once are one build.
#
# Status 3: there is no such source here; nothing is wrong otherwise.
set -euo pipefail

here=$(dirname "$(realpath "$0")")
O=$(realpath -m "${O:-$here/../../build}")
cache=$(realpath -m "${UML_CACHE:-$O/uml/kernel}")

die() {
	echo "uml: $*" >&2
	exit "${status:-1}"
}

kind=${1-}
case $kind in
plain) fragments=("$here/plain.config") ;;
debug) fragments=("$here/plain.config" "$here/debug.config") ;;
*) status=2 die "usage: kernel.sh plain|debug" ;;
esac

[ "$(uname -m)" = x86_64 ] || status=3 die "User-Mode Linux is for x86-64 hosts"
tar=$(find /usr/src -maxdepth 2 -name 'linux-source-*.tar.*' -printf '%f %p\n' 2>/dev/null |
	sort -V | tail -n 1 | cut -d' ' -f2-)
[ -n "$tar" ] || status=3 die "no kernel source in /usr/src (Debian, Ubuntu: linux-source-*)"
# What the fragments want, PREEMPT most of all, came to User-Mode Linux by then.
version=$(basename "$tar" | sed 's/^linux-source-\([0-9.]*\)\.tar.*/\1/')
[ "$(printf '%s\n' 6.12 "$version" | sort -V | head -n 1)" = 6.12 ] ||
	status=3 die "linux-source-$version is too old: it takes 6.12"

source_key=$({ stat -L -c '%n %s' "$tar" && sed -n '/^unpack()/,/^}/p' "$0" &&
	cat "$here"/*.patch; } | sha256sum | head -c 8)
key=$({ echo "$source_key $(gcc -dumpfullversion)" && cat "${fragments[@]}"; } | sha256sum | head -c 8)
src=$cache/source-$source_key
build=$cache/$kind-$key

# What a kernel for this host is made of, and every Kconfig file, which name each
# other: a third of the tree.
unpack() {
	local dir skip=()
	for dir in arch/{alpha,arc,arm,arm64,csky,hexagon,loongarch,m68k,microblaze,mips,nios2} \
		arch/{openrisc,parisc,powerpc,riscv,s390,sh,sparc,xtensa} fs/xfs sound \
		drivers/{gpu,infiniband,media,net/ethernet,net/wireless,scsi,staging}; do
		skip+=("--exclude=*/$dir/*.[chS]")
	done
	tar -x -f "$1" -C "$2" --strip-components=1 --wildcards "${skip[@]}" \
		--exclude='*.dts*' --exclude='*.rst' --exclude='*.yaml' \
		--exclude='*/tools/perf' --exclude='*/tools/testing'
}

# repaired PATCH: a fault of the kernel itself that tests have met. A source that it
# does not fit is taken as it is, and that is said.
repaired() {
	patch -s -p1 -d "$src" --dry-run <"$1" >/dev/null 2>&1 || {
		echo "uml: $(basename "$1") does not fit $(basename "$tar"): left out" >&2
		return 0
	}
	patch -s -p1 -d "$src" <"$1"
}

# kmake TARGET...: ours are make's variables no more, nor is its job server.
kmake() {
	env -u MAKEFLAGS -u MFLAGS -u O -u ARCH nice -n 5 \
		make -s -C "$src" O="$build" ARCH=um LOCALVERSION="-uml-$kind" -j"${UML_JOBS:-$(nproc)}" "$@"
}

# Each line of the fragments must be in the configuration: an option that this kernel
# does not have, or whose needs are not met, is dropped without a word.
check_config() {
	local line bad=0
	while read -r line; do
		case $line in
		CONFIG_*)
			grep -qxF -- "$line" "$build/.config" || {
				echo "uml: this kernel has no $line" >&2
				bad=1
			}
			;;
		esac
	done < <(cat "${fragments[@]}")
	return $bad
}

make_kernel() {
	if [ ! -e "$src/.complete" ]; then
		echo "uml: unpacking $(basename "$tar")" >&2
		rm -rf "$src"
		mkdir -p "$src"
		unpack "$tar" "$src" || die "cannot unpack $tar"
		for patch in "$here"/*.patch; do
			repaired "$patch"
		done
		touch "$src/.complete"
	fi
	echo "uml: building the $kind kernel; once, some minutes" >&2
	rm -rf "$build"
	mkdir -p "$build"
	cat "${fragments[@]}" >"$build/fragments"
	if ! { KCONFIG_ALLCONFIG=$build/fragments kmake allnoconfig && check_config &&
		kmake linux modules; } >"$build/log" 2>&1; then
		tail -n 20 "$build/log" >&2
		die "the $kind kernel does not build; the log is $build/log"
	fi
	# Modules are built against headers, tools and symbols.
	find "$build" -path "$build/scripts" -prune -o \
		\( -name '*.o' -o -name '*.a' -o -name '.*.cmd' \) -type f -exec rm {} +
	rm -f "$build"/{vmlinux,.vmlinux.objs}
	touch "$build/.complete"
}

mkdir -p "$cache"
exec 9>"$cache/lock"
if [ ! -e "$build/.complete" ]; then
	flock 9
	[ -e "$build/.complete" ] || make_kernel 9>&-
fi
echo "$(cat "$build/include/config/kernel.release") $build/linux $build"
