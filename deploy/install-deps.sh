#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Install what virtmesh is built and tested with, from the distribution:
#
#	install-deps.sh			install what is missing
#	install-deps.sh --if-missing	the same; silent when nothing is
#	install-deps.sh --bench		also what make bench compares with
#
# Idempotent. Needs root only when a package is missing. Ends with an error
# that names the one package that could not be had. When it did anything, it says so
# and touches $O/deps.mk, for make to look again at what is here. Below O= (default:
# build) it unpacks the parts of the kernel's source that the tests and the linter use:
# kselftest and checkpatch; deploy/uml builds kernels of it. A guest kernel is not
# installed: deploy/vm fetches one.
set -euo pipefail

cd "$(dirname "$0")/.."
O=${O:-build}
quiet=0 bench=0 changed=0
case ${1-} in
--if-missing) quiet=1 ;;
--bench) bench=1 ;;
'') ;;
*)
	echo "usage: install-deps.sh [--if-missing | --bench]" >&2
	exit 2
	;;
esac

say() { [ "$quiet" = 1 ] || echo "$*"; }
die() {
	echo "install-deps: $*" >&2
	exit 1
}

# One row a need: package in apt, package in dnf. Keep sorted by the first.
table() {
	cat <<-'ROWS'
		bc                   bc
		bison                bison
		bpftool              bpftool
		busybox-static       busybox
		clang                clang
		clang-format         clang-tools-extra
		cpio                 cpio
		cppcheck             cppcheck
		dash                 dash
		ethtool              ethtool
		flex                 flex
		g++                  gcc-c++
		gcc                  gcc
		iproute2             iproute
		kmod                 kmod
		libbpf-dev           libbpf-devel
		libc6-dev            glibc-static
		libcap-ng-dev        libcap-ng-devel
		libclang-rt-dev      compiler-rt
		libelf-dev           elfutils-libelf-devel
		libjson-c-dev        json-c-devel
		libseccomp-dev       libseccomp-devel
		liburing-dev         liburing-devel
		libxdp-dev           libxdp-devel
		libxml2-utils        libxml2
		linux-headers-KVER   kernel-devel
		linux-source-6.12    -
		llvm                 llvm
		make                 make
		patch                patch
		perl                 perl
		pkg-config           pkgconf
		python3              python3
		qemu-system-x86      qemu-system-x86
		rsync                rsync
		shellcheck           ShellCheck
		socat                socat
		sparse               sparse
		spin                 -
		systemd              systemd
		tcpdump              tcpdump
		util-linux           util-linux
		xdp-tools            xdp-tools
		xz-utils             xz
		zstd                 zstd
	ROWS
	[ $bench = 1 ] || return 0
	cat <<-'ROWS'
		dpdk-dev             dpdk
		iperf3               iperf3
		iputils-ping         iputils
		libopenmpi-dev       openmpi-devel
		openmpi-bin          openmpi
	ROWS
}

if command -v apt-get >/dev/null; then
	pm=apt
elif command -v dnf >/dev/null; then
	pm=dnf
else
	die "neither apt-get nor dnf here: install by hand what the table in $0 names"
fi

# The headers that match the kernel the guests will run: the distribution's own.
headers_apt() {
	. /etc/os-release
	case ${ID-} in
	ubuntu) echo linux-headers-generic ;;
	*) echo "linux-headers-$(dpkg --print-architecture)" ;;
	esac
}

wanted() {
	if [ $pm = apt ]; then
		local headers
		headers=$(headers_apt)
		table | awk -v h="$headers" '$1 == "linux-headers-KVER" { $1 = h } { print $1 }'
		return
	fi
	table | awk '$2 != "-" { print $2 }'
}

installed() {
	if [ $pm = apt ]; then
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
	else
		rpm -q --quiet "$1"
	fi
}

# What is called otherwise elsewhere. Debian has bpftool as a package, Ubuntu inside
# linux-tools.
alternative() {
	case $pm:$1 in
	apt:bpftool) echo linux-tools-generic ;;
	# Debian 12 has this beside its own 6.1; where it has gone, what the meta package
	# brings must do for kselftest, checkpatch and the User-Mode Linux kernels.
	apt:linux-source-6.12) echo linux-source ;;
	esac
}

available() {
	if [ $pm = apt ]; then
		apt-cache show "$1" >/dev/null 2>&1
	else
		dnf -q info "$1" >/dev/null 2>&1
	fi
}

install() {
	if [ $pm = apt ]; then
		DEBIAN_FRONTEND=noninteractive apt-get install -y -q -o Acquire::Retries=3 --no-install-recommends "$@"
	else
		dnf install -y -q "$@"
	fi
}

missing=()
for p in $(wanted); do
	installed "$p" && continue
	alt=$(alternative "$p")
	if [ -n "$alt" ] && installed "$alt"; then
		continue
	fi
	missing+=("$p")
done

log=
if [ ${#missing[@]} -gt 0 ]; then
	[ "$(id -u)" = 0 ] || die "missing: ${missing[*]}: run as root, or install them by hand"
	changed=1
	echo "install-deps: installing ${missing[*]}"
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT
	if [ $pm = apt ]; then
		apt-get update -q -o Acquire::Retries=3 >"$log" 2>&1 ||
			die "apt-get update failed: $(tail -n 1 "$log")"
	fi
	for i in "${!missing[@]}"; do
		p=${missing[$i]}
		available "$p" && continue
		alt=$(alternative "$p")
		if [ -n "$alt" ] && available "$alt"; then
			missing[i]=$alt
			continue
		fi
		die "the package repositories do not have '$p'"
	done
	if ! install "${missing[@]}" >"$log" 2>&1; then
		# Together they failed: find the one that cannot be had.
		for p in "${missing[@]}"; do
			install "$p" >"$log" 2>&1 ||
				die "'$p' could not be installed: $(grep -m 1 '^E:' "$log" || tail -n 1 "$log")"
		done
	fi
fi

# kselftest and checkpatch, from the distribution's kernel source. What is
# unpacked is remembered by the archive's name, size and time.
unpack_kernel_source() {
	local tar stamp want
	tar=$(find /usr/src -maxdepth 2 -name 'linux-source-*.tar.*' -printf '%f %p\n' 2>/dev/null |
		sort -V | tail -n 1 | cut -d' ' -f2-)
	[ -n "$tar" ] || die "linux-source is installed but has no archive below /usr/src"
	stamp=$O/kernel-src/.from
	want=$(stat -L -c '%n %s %Y' "$tar")
	[ "$(cat "$stamp" 2>/dev/null)" != "$want" ] || return 0
	echo "install-deps: unpacking kselftest and checkpatch from $(basename "$tar")"
	changed=1
	rm -rf "$O/kernel-src"
	mkdir -p "$O/kernel-src"
	# Wildcards match the version's directory; the rest of the tree is not written.
	tar -x -f "$tar" -C "$O/kernel-src" --strip-components=1 --wildcards \
		'*/tools/testing/selftests/kselftest' \
		'*/tools/testing/selftests/kselftest*.h' \
		'*/tools/testing/selftests/lib.mk' \
		'*/tools/testing/selftests/run_kselftest.sh' \
		'*/scripts/checkpatch.pl' '*/scripts/spelling.txt' '*/scripts/const_structs.checkpatch' ||
		die "cannot unpack $tar"
	[ -x "$O/kernel-src/scripts/checkpatch.pl" ] || die "$tar has no checkpatch"
	printf '%s\n' "$want" >"$stamp"
}

if [ $pm = apt ]; then
	unpack_kernel_source
elif [ ! -e "$O/kernel-src/.from" ]; then
	# Fedora and its kin package no kernel source tree; the harness is in the source rpm.
	echo "install-deps: no kernel source package here: unpack tools/testing/selftests and" \
		"scripts/checkpatch.pl of your kernel's source rpm into $O/kernel-src," \
		"then: touch $O/kernel-src/.from" >&2
	exit 1
fi
if [ $changed = 1 ] || [ ! -e "$O/deps.mk" ]; then
	mkdir -p "$O"
	touch "$O/deps.mk"
fi
say "install-deps: everything is here"
